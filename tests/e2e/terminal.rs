//! What a person sees: the live view on a terminal, drawn by the binary and read back from the terminal's screen.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use support::{Project, offers};

const ROWS: u16 = 24;

/// The binary on a terminal of so many columns.
struct Terminal {
    child: std::process::Child,
    master: File,
    screen: vt100::Parser,
}

impl Terminal {
    fn run(project: &Project, args: &[&str], columns: u16) -> Self {
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        // a key that interrupts throws away what was not yet read, unless told not to
        let mut modes = termios::tcgetattr(&slave).unwrap();
        modes.local_flags.insert(LocalFlags::NOFLSH);
        termios::tcsetattr(&slave, SetArg::TCSANOW, &modes).unwrap();
        let mut command = project.command(args);
        command.env("TERM", "xterm").stdout(Stdio::from(slave.try_clone().unwrap())).stderr(Stdio::from(slave));
        let child = command.spawn().unwrap();
        drop(command);
        let [rows, columns] = [ROWS, columns].map(|count| count.try_into().unwrap());
        Self { child, master: File::from(master), screen: vt100::Parser::new(rows, columns, 10_000) }
    }

    /// Reads what is drawn next; false at the end.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        // the other side gone is an error on Linux, and the end elsewhere
        let read = self.master.read(&mut bytes).unwrap_or(0);
        self.screen.process(&bytes[..read]);
        read > 0
    }

    fn wait_for(&mut self, text: &str) {
        while !self.lines().iter().any(|line| line.contains(text)) {
            assert!(self.read(), "ended without `{text}`:\n{}", self.lines().join("\n"));
        }
    }

    /// Reads to the end; gives the exit status and all that stands there, what has left the screen included.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        while self.read() {}
        (self.child.wait().unwrap().code(), self.lines())
    }

    fn lines(&mut self) -> Vec<String> {
        self.screen.screen_mut().set_scrollback(usize::MAX);
        let above = self.screen.screen().scrollback();
        let mut lines = Vec::new();
        for back in (1..=above).rev() {
            self.screen.screen_mut().set_scrollback(back);
            lines.extend(self.screen.screen().rows(0, u16::MAX).next());
        }
        self.screen.screen_mut().set_scrollback(0);
        lines.extend(self.screen.screen().rows(0, u16::MAX));
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }
}

/// A crawl of the sample site that takes a second or two.
fn project() -> Project {
    let project = Project::new();
    project.write("import.yml", include_str!("../../examples/quickstart/import.yml"));
    project
}

const RUN: [&str; 5] = ["run", "import.yml", "--sandbox", "--limit", "200"];

#[test]
fn the_view_is_drawn_in_place_whatever_the_width_and_without_colours() {
    let mut project = project();
    for columns in [80, 40, 20] {
        project.set("NO_COLOR", if columns == 40 { "1" } else { "" });
        let mut terminal = Terminal::run(&project, &RUN, columns);
        terminal.wait_for("crawl ");
        let (status, lines) = terminal.end();
        let all = lines.join("\n");
        assert_eq!(status, Some(0), "{columns} columns:\n{all}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("quickstart")).count(), 1, "{columns} columns:\n{all}");
        assert!(!lines.iter().any(|line| line.starts_with("  crawl ")), "{columns} columns:\n{all}");
        // no number is broken off from its name
        let row = match columns {
            80 => "acme-lyon       200        0        0          0       0",
            40 => "  acme-lyon: 200 unchanged",
            _ => "  acme-lyon:\n    200 unchanged\n",
        };
        assert!(all.contains(row), "{columns} columns:\n{all}");
    }
}

#[test]
fn every_stage_and_page_has_a_line_that_says_how_much_is_done_and_known() {
    let project = project();
    project.write("import.yml", &project.read("import.yml").replace("rate: 500/s", "rate: 50/s"));
    let mut terminal = Terminal::run(&project, &RUN, 80);
    let wait_for_row = |terminal: &mut Terminal, name: &str, done: fn(&str) -> bool| loop {
        let lines = terminal.lines();
        let shown = |line: &String| {
            let mut cells = line.split_whitespace();
            cells.next() == Some(name) && cells.next().is_some_and(done)
        };
        if lines.iter().any(shown) {
            return;
        }
        assert!(terminal.read(), "no such row of {name}:\n{}", lines.join("\n"));
    };
    wait_for_row(&mut terminal, "crawl", |done| done.contains('/'));
    wait_for_row(&mut terminal, "jsonl", |done| done.starts_with("0/"));
    wait_for_row(&mut terminal, "acme-lyon", |done| done.ends_with("/200"));
    let (status, lines) = terminal.end();
    assert_eq!(status, Some(0), "{}", lines.join("\n"));
}

#[test]
fn who_follows_a_run_of_another_process_sees_how_fast_it_goes() {
    let project = project();
    project.write("import.yml", &project.read("import.yml").replace("rate: 400/s", "rate: 20/s"));
    let mut first = project.start(&["run", "import.yml", "--sandbox", "--limit", "80", "--format", "json"]);
    first.wait_for(|line| line["event"] == "task_done");
    let mut second = Terminal::run(&project, &["run", "import.yml", "--sandbox", "--limit", "80"], 80);
    let mut rates = Vec::new();
    while second.read() {
        for line in second.lines() {
            let rate = line.split_whitespace().find_map(|cell| cell.strip_suffix("/s"));
            if line.starts_with("  crawl ") && !line.ends_with("done") {
                rates.extend(rate.map(|rate| rate.parse::<f64>().unwrap()));
            }
        }
    }
    assert_eq!(first.end().0.code(), Some(0));
    // a task counts when it ends, and has many pages
    let fastest = rates.iter().copied().fold(0.0, f64::max);
    assert!((1.0..80.0).contains(&fastest), "{rates:?}");
}

#[test]
fn a_crawl_that_waits_for_the_rate_of_its_host_says_so() {
    let project = project();
    project.write("import.yml", &project.read("import.yml").replace("rate: 400/s", "rate: 1/s"));
    let mut terminal = Terminal::run(&project, &["run", "import.yml", "--sandbox", "--limit", "2"], 80);
    terminal.wait_for("waits: rate of careers.example.test");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn a_view_of_more_lines_than_the_terminal_has_is_cut() {
    let project = project();
    let exports: String = (0..40).map(|n| format!("  - jsonl: out/{n}.jsonl\n    as: file-{n}\n")).collect();
    let import = project.read("import.yml").replace("  - jsonl: out/jobs.jsonl", &exports);
    project.write("import.yml", &import);
    let mut terminal = Terminal::run(&project, &RUN, 80);
    terminal.wait_for("more");
    let (status, lines) = terminal.end();
    let all = lines.join("\n");
    assert_eq!(status, Some(0), "{all}");
    assert_eq!(lines.iter().filter(|line| line.contains("  running  ")).count(), 0, "{all}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("quickstart@")).count(), 1, "{all}");
}

#[test]
fn a_signal_is_told_once_and_leaves_nothing_of_the_view() {
    let project = project();
    // however late the signal comes, it meets the crawl
    project.write("import.yml", &project.read("import.yml").replace("rate: 400/s", "rate: 20/s"));
    let mut terminal = Terminal::run(&project, &RUN, 80);
    terminal.wait_for("crawl ");
    // the terminal shows the key where the cursor is
    terminal.master.write_all(b"\x03").unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(terminal.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let (status, lines) = terminal.end();
    let all = lines.join("\n");
    assert_eq!(status, Some(130), "{all}");
    assert_eq!(lines.iter().filter(|line| line.contains("stopping:")).count(), 1, "{all}");
    assert_eq!(lines.iter().filter(|line| line.contains("  running  ")).count(), 0, "{all}");
    assert!(all.contains("run it again to go on"), "{all}");
}

#[test]
fn a_source_cannot_move_the_cursor_of_the_view() {
    let project = Project::new();
    project.write("offers.json", &offers(3).replace("Nurse 2", "\\u001b[2J\\u001b[Hgone"));
    let import = "name: acme\ncrawl: { json: ./offers.json }\ntransform:\n  key: .id\n  map: { n: .title | tonumber }\nexport:\n  - jsonl: out/a.jsonl\n";
    project.write("import.yml", import);
    let terminal = Terminal::run(&project, &["run", "import.yml"], 80);
    let (status, lines) = terminal.end();
    let all = lines.join("\n");
    assert_eq!(status, Some(3), "{all}");
    assert!(all.contains("\\u001b[2J") || !all.contains("gone"), "{all}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("dead:  transform")).count(), 3, "{all}");
}
