//! `messkette check`: is the pipeline file right? Nothing else is opened.

use super::diagnostic;
use super::ui::{Ui, count, print_json};
use crate::error::{Exit, Result};
use crate::pipeline::Pipeline;
use serde_json::json;
use std::path::PathBuf;

/// Check a pipeline file; opens nothing else.
///
/// All that is wrong is told at once, each with file, line and column.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline file.
    pipeline: PathBuf,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let name = args.pipeline.display().to_string();
    match Pipeline::load(&args.pipeline) {
        Ok(pipeline) => {
            let warnings = pipeline.warnings();
            if ui.json {
                let ids: Vec<&str> = pipeline.datasets.iter().map(|dataset| dataset.id.as_str()).collect();
                let mut told = json!({ "pipeline": name, "valid": true, "datasets": ids, "errors": [] });
                if !warnings.is_empty() {
                    told["warnings"] = json!(warnings);
                }
                print_json(&told)?;
            }
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            let datasets = count(pipeline.datasets.len() as u64, "dataset");
            ui.say(format!("{name}: ok, {datasets}, {}", count(pipeline.publish.len() as u64, "publisher")))?;
            Ok(Exit::Ok)
        }
        Err(error) if ui.json => {
            let errors: Vec<_> = match error.related() {
                [] => vec![diagnostic::to_json(&error)],
                related => related.iter().map(diagnostic::to_json).collect(),
            };
            print_json(&json!({ "pipeline": name, "valid": false, "errors": errors }))?;
            Ok(error.exit_code())
        }
        Err(error) => Err(error),
    }
}
