//! `messkette rollback`: publish an earlier release again.

use super::settings::PipelineArg;
use super::ui::{Ui, print_json};
use crate::error::{Exit, Result};
use crate::ledger::Lock;
use crate::release;
use serde_json::json;

/// Publish an earlier release again; nothing is computed.
///
/// The next run that finds changes releases anew.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// The release; defaults to the one before the current.
    release: Option<String>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let workspace = args.pipeline.load()?.workspace();
    let before = release::current(&workspace)?.ok_or_else(|| super::verify::no_release(&workspace))?;
    let _lock = Lock::take(&workspace, "rollback")?;
    let now = release::rollback(&workspace, args.release.as_deref())?;
    if ui.json {
        print_json(&json!({ "from": before, "release": now }))?;
    }
    ui.say(format!("release {now} is current, {before} before"))?;
    Ok(Exit::Ok)
}
