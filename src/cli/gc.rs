//! `messkette gc`: clear what nothing needs any more.

use super::measure;
use super::settings::PipelineArg;
use super::ui::{Ui, count, print_json};
use crate::error::{Exit, Result};
use crate::ledger::{Ledger, Lock};
use crate::release;
use crate::run::Store;
use serde_json::json;

/// Clear old releases and what nothing points to any more; a run does so by itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// Releases to keep, instead of the pipeline's `keep_releases`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let workspace = pipeline.workspace();
    drop(Ledger::open_read_only(&workspace)?);
    let _lock = Lock::take(&workspace, "gc")?;
    let mut ledger = Ledger::open(&workspace)?;
    release::recover(&workspace, &mut ledger)?;
    let ids: Vec<&str> = pipeline.datasets.iter().map(|dataset| dataset.id.as_str()).collect();
    ledger.forget_unused(&ids)?;
    let keep = args.keep.unwrap_or(pipeline.config.keep_releases);
    let (releases, objects, bytes) = release::clear(&workspace, &mut ledger, &Store::open(&workspace)?, keep)?;
    if ui.json {
        print_json(&json!({ "releases": releases, "objects": objects, "bytes": bytes }))?;
    }
    let releases = count(releases.len() as u64, "release");
    ui.say(format!("cleared {releases} and {}, {}", count(objects, "object"), measure::bytes(bytes)))?;
    Ok(Exit::Ok)
}
