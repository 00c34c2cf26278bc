//! `jobpipe deploy`: imports as they are launched: checked, kept in versions, compared, rolled back.

use crate::deployed::Deployed;
use crate::exit::{Exit, Failure, Outcome};
use crate::imports::{self, Import};
use crate::place::{OfProject, Place, Where};
use crate::role::Orders;
use crate::watch::Format;
use crate::{compose, terminal};
use jobpipe_engine::scheduler::{Order, circle, deploy};
use serde_json::json;
use similar::{ChangeTag, TextDiff};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Deploy imports: from then on they are launched by their schedules.
///
/// All files are checked first: when one is wrong nothing is deployed. Each
/// change is a version, which can be compared and taken back. A process that
/// launches must be at work: `jobpipe up`, or `jobpipe scheduler` with servers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe deploy imports/                # every import in the folder
  jobpipe deploy acme.yml --env prod
  jobpipe deploy --list acme             # its versions
  jobpipe deploy --diff acme             # what the last one changed
  jobpipe deploy --rollback acme --to 3

`schedules:` of config/environments/NAME.yml has schedules that win over those
of the imports: `schedules: { acme: daily 06:00, globex: off }`.")]
pub(crate) struct Args {
    /// Import files, or folders of them.
    #[arg(value_name = "FILE|DIR", required_unless_present_any = ["list", "diff", "rollback"], conflicts_with = "at")]
    paths: Vec<PathBuf>,
    /// List the versions of an import.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["paths", "diff", "rollback", "to"])]
    list: Option<String>,
    /// Show what the last version of an import changed, or what `--to` would.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["paths", "rollback"])]
    diff: Option<String>,
    /// Launch an earlier version of an import again.
    #[arg(long, value_name = "NAME", requires = "to", conflicts_with = "paths")]
    rollback: Option<String>,
    /// That version.
    #[arg(long, value_name = "N", conflicts_with = "paths", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    #[command(flatten)]
    project: OfProject,
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let OfProject { at, env } = &args.project;
    let place = || Where { at: at.clone(), env: env.clone(), sandbox: false }.find();
    if let Some(name) = &args.list {
        return list(&place()?, name, args.format).await;
    }
    if let Some(name) = &args.diff {
        return diff(&place()?, name, args.to).await;
    }
    if let (Some(name), Some(version)) = (&args.rollback, args.to) {
        let orders = Orders::of(&place()?).await?;
        return give(&orders, &Order::RollBack { import: name.clone(), version }, args.format).await;
    }
    let imports = checked(&files(&args.paths)?, env.as_deref())?;
    let place = same_place(&imports)?;
    let orders = Orders::of(&place).await?;
    for import in imports {
        give(&orders, &Order::Deploy { plan: Box::new(import.plan), source: import.source }, args.format).await?;
    }
    if let (Format::Human, Some(nobody)) = (args.format, orders.launched_by()) {
        terminal::complain(&format!("note:  {nobody}"));
    }
    Ok(Exit::Succeeded)
}

/// The files that are named, and those of the folders that are named.
fn files(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let (found, _) = imports::in_folder(path)?;
        if found.is_empty() {
            return Err(Failure::usage(format!("there is no import in {}: a .yml file with `crawl:`", path.display())));
        }
        files.extend(found);
    }
    Ok(files)
}

/// All of them, if every one is right.
fn checked(files: &[PathBuf], env: Option<&str>) -> Outcome<Vec<Import>> {
    let mut imports = Vec::new();
    let mut names: BTreeMap<String, &Path> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut is_right = true;
    for file in files {
        let (loaded, found) = imports::read(file, env);
        for flaw in imports::flaws(&loaded) {
            // that of a settings file is told once
            if told.insert(flaw.clone()) {
                terminal::complain(&flaw);
            }
        }
        let Some((plan, source)) = found else {
            is_right = false;
            continue;
        };
        if let Some(first) = names.insert(plan.name.clone(), file).filter(|first| first != file) {
            terminal::complain(&format!(
                "error[JP592]: {} and {} are both named `{}`: the name is an import's identity; give one of them another",
                first.display(),
                file.display(),
                plan.name
            ));
            is_right = false;
        }
        imports.push(Import { loaded, plan, source });
    }
    if let Some(circle) = circle::among(imports.iter().map(|import| &import.plan)).filter(|_| is_right) {
        terminal::complain(&format!("error[JP615]: {circle}"));
        is_right = false;
    }
    if is_right { Ok(imports) } else { Err(Failure::usage("nothing is deployed: mend what is said above first")) }
}

/// The one state that they are deployed to.
fn same_place(imports: &[Import]) -> Outcome<Place> {
    let mut places = Vec::new();
    for import in imports {
        let place = Place::of(&import.loaded, false)?;
        if places.iter().all(|other: &Place| other.shown() != place.shown()) {
            places.push(place);
        }
    }
    match places.pop() {
        Some(place) if places.is_empty() => Ok(place),
        _ => Err(Failure::usage("these files belong to several projects: deploy those of one project at a time")),
    }
}

/// Has an order obeyed, and tells what holds then.
pub(super) async fn give(orders: &Orders, order: &Order, format: Format) -> Outcome {
    let text = orders.give(order).await?;
    let now = orders.cx.store.time().await?;
    let holds = Deployed::of(&orders.cx, order.import()).await?;
    match (format, holds) {
        (Format::Json, None) => terminal::say(&json!({ "import": order.import(), "told": text }).to_string()),
        (Format::Json, Some(holds)) => {
            let mut line = holds.json(now);
            line["told"] = json!(text);
            terminal::say(&line.to_string());
        }
        (Format::Human, None) => terminal::say(&text),
        (Format::Human, Some(holds)) => {
            terminal::say(&text);
            let next = format!("; next run: {}", holds.next_words(now));
            let room = 78_usize.saturating_sub(next.chars().count());
            terminal::say(&format!("  {}{next}", terminal::cut(&holds.schedule_words(), room)));
        }
    }
    Ok(Exit::Succeeded)
}

async fn list(place: &Place, name: &str, format: Format) -> Outcome {
    let cx = compose::reader(place).await?;
    let current = Deployed::of(&cx, name).await?.map(|deployed| deployed.version());
    let versions = deploy::versions(&cx, name).await?;
    if versions.is_empty() {
        return Err(unknown(name));
    }
    let mut rows = vec![["version", "deployed", "from", ""].map(str::to_owned).to_vec()];
    for version in versions.iter().rev() {
        let is_current = current == Some(version.version);
        let at = terminal::moment(version.at);
        if format == Format::Json {
            let line = json!({
                "import": name, "version": version.version, "at": at, "source": version.source,
                "definition": version.definition, "current": is_current,
            });
            terminal::say(&line.to_string());
        }
        let mark = if is_current { "is launched" } else { "" };
        rows.push(vec![version.version.to_string(), at, terminal::cut(&version.source, 34), mark.to_owned()]);
    }
    if format == Format::Human {
        terminal::say(&terminal::list(&rows).join("\n"));
    }
    Ok(Exit::Succeeded)
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!("no import `{name}` was ever deployed here; `jobpipe schedule list` names those that are"))
}

async fn diff(place: &Place, name: &str, to: Option<u64>) -> Outcome {
    let cx = compose::reader(place).await?;
    let versions = deploy::versions(&cx, name).await?;
    let last = versions.last().ok_or_else(|| unknown(name))?.version;
    let current = Deployed::of(&cx, name).await?.map_or(last, |deployed| deployed.version());
    let (old, new) = match to {
        Some(to) => (current, to),
        None if current > 1 => (current - 1, current),
        None => return Err(Failure::usage(format!("`{name}` has one version alone: there is nothing to compare"))),
    };
    let (old_plan, new_plan) =
        (deploy::plan_of(&cx, name, Some(old)).await?, deploy::plan_of(&cx, name, Some(new)).await?);
    let (before, after) = (jobpipe_config::to_long_form(&old_plan), jobpipe_config::to_long_form(&new_plan));
    if before == after {
        terminal::say(&format!("versions {old} and {new} of {name} are the same"));
        return Ok(Exit::Succeeded);
    }
    terminal::say(&format!("--- {name} version {old}\n+++ {name} version {new}"));
    let diff = TextDiff::from_lines(&before, &after);
    for (at, group) in diff.grouped_ops(2).iter().enumerate() {
        if at > 0 {
            terminal::say("...");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            terminal::say(&format!("{sign}{}", change.value().trim_end_matches('\n')));
        }
    }
    Ok(Exit::Succeeded)
}
