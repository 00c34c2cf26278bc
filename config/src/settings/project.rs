//! Where a project is, and what its files say.

use super::read::{Layer, read};
use super::{OverrideError, Settings};
use crate::compile::{Checked, check_among};
use crate::diagnostic::{Diagnostic, Problem, codes, has_errors, nearest};
use crate::reader::Cx;
use jobpipe_core::Plan;
use jobpipe_expr::Lookup;
use secrecy::ExposeSecret;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The settings file that marks a project's folder.
const SETTINGS: &str = "jobpipe.yml";
/// Where environments are, below a project's folder.
const ENVIRONMENTS: &str = "config/environments";
/// The environment that is taken when none is named; it need not exist.
const DEFAULT_ENVIRONMENT: &str = "local";

/// The folders of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The folder of the nearest `jobpipe.yml` above the import, else the import's own. Relative paths in imports begin here.
    pub root: PathBuf,
    /// The import file, absolute.
    pub import: PathBuf,
    /// `jobpipe.yml`, if there is one.
    pub settings: Option<PathBuf>,
    /// The environment's name: `local` unless another was named.
    pub environment: String,
    /// Its file, if there is one.
    pub environment_file: Option<PathBuf>,
}

impl Project {
    /// Where state lies: `.jobpipe/` in the project's folder; of an environment other than `local`, a folder of its name in it.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        let folder = self.root.join(".jobpipe");
        if self.environment == DEFAULT_ENVIRONMENT { folder } else { folder.join(&self.environment) }
    }
}

/// What is to be said about one file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileReport {
    /// The file, as it is named in the diagnostics.
    pub file: String,
    /// Its text, for rendering.
    pub source: String,
    /// What is to be said.
    pub diagnostics: Vec<Diagnostic>,
}

/// An import with everything around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Where it is.
    pub project: Project,
    /// The import's plan; `None` when it has an error.
    pub plan: Option<Plan>,
    /// The settings of the environment. What was wrong in a file keeps the value of the layer before.
    pub settings: Settings,
    /// The files that were read: settings first, the import last.
    pub reports: Vec<FileReport>,
    /// A `JOBPIPE_*` that cannot be read.
    pub override_error: Option<OverrideError>,
}

impl Loaded {
    /// Whether anything is wrong that a run would trip over.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.override_error.is_some() || self.reports.iter().any(|report| has_errors(&report.diagnostics))
    }
}

/// Reads an import with its project's settings. `environment` is `--env`; without it `JOBPIPE_ENV` counts, else `local`.
/// Flags come last: [`Settings::set`] on what this returns. Every problem is a diagnostic, a missing file too.
#[must_use]
pub fn load_project(import: &Path, environment: Option<&str>, lookup: &dyn Lookup) -> Loaded {
    let absolute = std::fs::canonicalize(import).unwrap_or_else(|_| import.to_path_buf());
    let found = absolute.ancestors().skip(1).find(|folder| folder.join(SETTINGS).is_file());
    let root = found.or_else(|| absolute.parent()).unwrap_or(Path::new("")).to_path_buf();
    let mut loaded = load_settings(&root, environment, lookup);
    let pages = loaded.settings.pages.keys().cloned().collect();
    let (report, plan) = import_file(&absolute, import, pages);
    loaded.reports.push(report);
    loaded.project.import = absolute;
    Loaded { plan, ..loaded }
}

/// Reads the settings of the project in the folder `root` alone: what is given has no plan, and the folder for an import.
#[must_use]
pub fn load_settings(root: &Path, environment: Option<&str>, lookup: &dyn Lookup) -> Loaded {
    let found = Some(root.join(SETTINGS)).filter(|file| file.is_file());
    let mut reports = Vec::new();
    let mut settings = Settings::default();
    if let Some(file) = &found {
        reports.push(layer(file, &mut settings, Layer::Project, lookup));
    }
    let named = environment.filter(|name| !name.is_empty()).map(ToOwned::to_owned).or_else(|| {
        let name = lookup.variable("JOBPIPE_ENV")?;
        Some(name.expose_secret().trim().to_owned()).filter(|name| !name.is_empty())
    });
    let name = named.clone().unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
    let file = environment_file(root, &name);
    match &file {
        Some(file) => reports.push(layer(file, &mut settings, Layer::Environment, lookup)),
        None if named.is_some() && name != DEFAULT_ENVIRONMENT => reports.push(unknown_environment(root, &name)),
        None => {}
    }
    let override_error = settings.apply_environment(lookup).err();
    let root = root.to_path_buf();
    let project = Project { import: root.clone(), root, settings: found, environment: name, environment_file: file };
    Loaded { project, plan: None, settings, reports, override_error }
}

fn import_file(absolute: &Path, shown: &Path, pages: Vec<String>) -> (FileReport, Option<Plan>) {
    let file = shown.display().to_string();
    match read_text(absolute, &file) {
        Ok(source) => {
            let Checked { plan, diagnostics } = check_among(&source, &file, pages);
            (FileReport { file, source, diagnostics }, plan)
        }
        Err(report) => (report, None),
    }
}

fn layer(path: &Path, settings: &mut Settings, layer: Layer, lookup: &dyn Lookup) -> FileReport {
    let file = path.display().to_string();
    match read_text(path, &file) {
        Ok(source) => {
            let mut cx = Cx::new(&source, &file);
            read(&mut cx, settings, layer, lookup);
            let diagnostics = cx.problems.finish();
            FileReport { file, source, diagnostics }
        }
        Err(report) => report,
    }
}

/// The text of a file, or a report that says why there is none.
fn read_text(path: &Path, file: &str) -> Result<String, FileReport> {
    let bytes = read_bytes(path).map_err(|reason| {
        let problem = Problem::new(codes::NOT_FOUND, 0..0, "", format!("`{file}` cannot be read: {reason}"));
        single(file, problem.help("check the path, and that the file may be read"))
    })?;
    String::from_utf8(bytes).map_err(|error| not_utf8(file, &error))
}

/// Never more than a file may have and a little: what is asked for may be a device that does not end.
fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    // The tree says the same of a text that is a little too large.
    let most = 2 * crate::tree::MAX_BYTES as u64;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|opened| opened.take(most + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > most => Err("it is larger than 1 MiB".to_owned()),
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// Points at the first byte that is no UTF-8.
fn not_utf8(file: &str, error: &std::string::FromUtf8Error) -> FileReport {
    let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
    let what = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16".to_owned(),
        _ => format!("byte 0x{:02X} is not UTF-8", bytes.get(at).copied().unwrap_or_default()),
    };
    let source = String::from_utf8_lossy(bytes).into_owned();
    let mut cx = Cx::new(&source, file);
    let end = at + char::REPLACEMENT_CHARACTER.len_utf8();
    let problem = Problem::new(codes::NOT_FOUND, at..end, "", format!("`{file}` is not UTF-8 text: {what}"));
    cx.add(problem.help("save the file as UTF-8"));
    let diagnostics = cx.problems.finish();
    FileReport { file: file.to_owned(), source, diagnostics }
}

/// A report about a file without text.
fn single(file: &str, problem: Problem) -> FileReport {
    let mut cx = Cx::new("", file);
    cx.add(problem);
    FileReport { file: file.to_owned(), source: String::new(), diagnostics: cx.problems.finish() }
}

/// The file of an environment; a name that is more than a name has none.
fn environment_file(root: &Path, name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let file = root.join(ENVIRONMENTS).join(format!("{name}.yml"));
    (plain && file.is_file()).then_some(file)
}

fn unknown_environment(root: &Path, name: &str) -> FileReport {
    let folder = root.join(ENVIRONMENTS);
    let mut known: Vec<String> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().strip_suffix(".yml")?.to_owned()))
        .collect();
    known.sort();
    let help = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("write {}", folder.join(format!("{name}.yml")).display()),
        None => format!("there are {}", known.join(", ")),
    };
    let problem = Problem::new(codes::UNKNOWN_ENVIRONMENT, 0..0, "", format!("there is no environment `{name}`"));
    single(&folder.join(format!("{name}.yml")).display().to_string(), problem.help(help))
}
