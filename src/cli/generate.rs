//! `messkette generate`: files made from the program itself.

use super::ui::{Ui, print};
use crate::error::{Error, Exit, Place, Result};
use crate::io::atomic;
use crate::pipeline;
use clap::Subcommand;
use clap_complete::Shell;
use std::path::PathBuf;

/// Write the JSON Schema of the pipeline file, shell completions or manual pages.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The JSON Schema of the pipeline file, for editors.
    Schema,
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// The reference pages of the source tree.
    #[command(hide = true)]
    Docs {
        /// Write them into this folder.
        #[arg(long, default_value = "docs")]
        dir: PathBuf,
    },
    /// The manual page, or with --dir one for each command.
    Man {
        /// Write all pages into this folder.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

pub fn run(args: &Args, _ui: &Ui) -> Result<Exit> {
    match &args.what {
        What::Schema => print(schema_text()?.trim_end())?,
        What::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(*shell, &mut super::command(), "messkette", &mut bytes);
            print(String::from_utf8_lossy(&bytes).trim_end())?;
        }
        What::Docs { dir } => {
            atomic::create_dir_all(dir)?;
            for (name, text) in super::docs::pages()? {
                atomic::write_atomic(&dir.join(name), text.as_bytes())?;
            }
        }
        What::Man { dir: None } => print(page()?.trim_end())?,
        What::Man { dir: Some(folder) } => {
            atomic::create_dir_all(folder)?;
            clap_mangen::generate_to(super::command(), folder).map_err(|error| {
                Error::new("mk::cli::output", "cannot write the manual pages")
                    .at(Place::file(folder.display().to_string()))
                    .because(error)
            })?;
        }
    }
    Ok(Exit::Ok)
}

/// The schema as it is committed.
pub fn schema_text() -> Result<String> {
    let text = serde_json::to_string_pretty(pipeline::schema())
        .map_err(|error| Error::new("mk::cli::output", "cannot write the schema").because(error))?;
    Ok(text + "\n")
}

fn page() -> Result<String> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(super::command())
        .render(&mut bytes)
        .map_err(|error| Error::new("mk::cli::output", "cannot write the manual page").because(error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
