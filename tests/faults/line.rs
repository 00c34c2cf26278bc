//! The FAULT line: what a test did and found, in the words of Jepsen's total-queue.

use crate::chance::Chance;
use crate::process::Lived;
use fbsim::Report;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// One line in the making.
pub struct Line {
    id: &'static str,
    seed: u64,
    began: Instant,
    /// Faults that were really inflicted.
    pub faults: u64,
    /// Writes that were asked of the pages.
    pub attempts: u64,
    /// Writes that the ledger holds as confirmed at the end.
    pub acked: u64,
    /// Posts (or records of a file) that ought to be there.
    pub expected: u64,
    pub visible: u64,
    pub lost: u64,
    pub dup_now: u64,
    pub dup_ever: u64,
    pub unexpected: u64,
    /// Faults after which the next process made progress.
    pub recovered: u64,
    /// Dead letters.
    pub dead: u64,
    /// Dead letters that ought to be there.
    pub expected_dead: u64,
    /// From each start after a fault to the first progress.
    recover: Vec<Duration>,
    rss_mb: u64,
    more: Vec<(String, String)>,
    wrong: Vec<String>,
}

impl Line {
    pub fn new(id: &'static str, chance: &Chance) -> Self {
        Self {
            id,
            seed: chance.seed,
            began: Instant::now(),
            faults: 0,
            attempts: 0,
            acked: 0,
            expected: 0,
            visible: 0,
            lost: 0,
            dup_now: 0,
            dup_ever: 0,
            unexpected: 0,
            recovered: 0,
            dead: 0,
            expected_dead: 0,
            recover: Vec::new(),
            rss_mb: 0,
            more: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// What the pages show against what they ought to show.
    pub fn pages(&mut self, report: &Report, expected: usize) {
        self.expected += expected as u64;
        self.visible += report.totals.visible;
        self.lost += report.lost.unwrap_or(0);
        self.unexpected += report.unexpected.unwrap_or(0);
        self.dup_now += report.totals.dup_now;
        self.dup_ever += report.totals.dup_ever;
        self.attempts += report.totals.writes;
        if self.lost + self.unexpected > 0 {
            let first = (report.lost_posts.first(), report.unexpected_posts.first());
            self.wrong.push(format!("first lost and first unexpected: {first:?}"));
        }
    }

    /// A process that was started after a fault, or first.
    pub fn lived(&mut self, lived: &Lived, after_a_fault: bool) {
        self.rss_mb = self.rss_mb.max(lived.rss_mb);
        if let (true, Some(time)) = (after_a_fault, lived.progress) {
            self.recovered += 1;
            self.recover.push(time);
        }
    }

    /// A field of this id alone.
    pub fn tell(&mut self, name: &str, value: impl Display) {
        self.more.push((name.to_owned(), value.to_string()));
    }

    /// A criterion of this id alone.
    pub fn must(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.wrong.push(what.to_string());
        }
    }

    pub fn p99_recover(&mut self) -> f64 {
        self.recover.sort_unstable();
        let at = (self.recover.len() * 99).div_ceil(100).saturating_sub(1);
        self.recover.get(at).map_or(0.0, Duration::as_secs_f64)
    }

    /// Prints the line; fails when a criterion does.
    #[track_caller]
    pub fn end(mut self) {
        let bad = self.lost + self.unexpected + self.dup_now + self.dup_ever;
        self.must(bad == 0, "lost, unexpected, dup_now and dup_ever must be 0");
        let dead = self.dead == self.expected_dead;
        self.must(dead, format!("{} dead letters, not {}", self.dead, self.expected_dead));
        let p99 = self.p99_recover();
        let more: String = self.more.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        println!(
            "FAULT {} seed={} faults={} attempts={} acked={} expected={} visible={} lost={} dup_now={} dup_ever={} \
             unexpected={} recovered={} dead={} wall_s={:.1} p99_recover_s={p99:.2} rss_mb={}{more} RESULT={}",
            self.id,
            self.seed,
            self.faults,
            self.attempts,
            self.acked,
            self.expected,
            self.visible,
            self.lost,
            self.dup_now,
            self.dup_ever,
            self.unexpected,
            self.recovered,
            self.dead,
            self.began.elapsed().as_secs_f64(),
            self.rss_mb,
            if self.wrong.is_empty() { "pass" } else { "fail" },
        );
        assert!(self.wrong.is_empty(), "{} (seed {}): {:#?}", self.id, self.seed, self.wrong);
    }
}
