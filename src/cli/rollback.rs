//! `messkette rollback`: publish an earlier release again.

use super::settings::PipelineArg;
use super::ui::{Ui, print_json};
use crate::error::{Exit, Result};
use crate::ledger::{Ledger, Lock};
use crate::release;
use serde_json::json;

/// Publish an earlier release again; nothing is computed.
///
/// It stays current until a run finds changes: that one releases anew.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// The release; defaults to the one before the current.
    release: Option<String>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let workspace = pipeline.workspace();
    let before = release::current(&workspace)?.ok_or_else(|| super::verify::no_release(&workspace))?;
    let _lock = Lock::take(&workspace, "rollback")?;
    // Going back must be possible also where the ledger is what is broken.
    let mut ledger = Ledger::open(&workspace)
        .inspect_err(|error| {
            let told = error.full_message();
            tracing::warn!("the next run will go forward again, also without changes: {told}");
        })
        .ok();
    let now = release::rollback(&workspace, ledger.as_mut(), &pipeline.config.canaries, args.release.as_deref())?;
    if ui.json {
        print_json(&json!({ "from": before, "release": now }))?;
    }
    ui.say(format!("release {now} is current, {before} before"))?;
    Ok(Exit::Ok)
}
