//! `jobpipe schema`: the language for editors.

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal;

/// Print the JSON Schema of imports, for completion in your editor.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe schema > import.schema.json
  jobpipe schema settings > settings.schema.json

In an editor with the YAML language server, put this at the top of an import:
  # yaml-language-server: $schema=./import.schema.json")]
pub(crate) struct Args {
    /// Which files.
    #[arg(value_enum, default_value = "import")]
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// Imports.
    Import,
    /// jobpipe.yml and config/environments/NAME.yml.
    Settings,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let schema = match args.of {
        Of::Import => jobpipe_config::import_schema(),
        Of::Settings => jobpipe_config::settings_schema(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Failure::failed(error.to_string()))?;
    terminal::say(&text);
    Ok(Exit::Succeeded)
}
