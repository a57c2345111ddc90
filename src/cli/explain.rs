//! `messkette explain`: why is this tile, parcel or building as it is?

use super::settings::{PipelineArg, looking};
use super::ui::{Ui, print_json};
use crate::error::{Exit, Result};
use crate::run::{Explanation, explain};
use serde_json::json;

/// Say which units and files made an object.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// A tile as z/x/y, a pixel of it as z/x/y/column/row, a Flurstückskennzeichen, or a gml:id.
    object: String,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let found = explain(&pipeline, &looking("explain"), &args.object)?;
    if ui.json {
        print_json(&json!({ "object": args.object, "units": found.iter().map(as_json).collect::<Vec<_>>() }))?;
    }
    for one in &found {
        ui.say(format!("{}: {}: {}", one.dataset, one.stage, one.located.key))?;
        ui.say(format!("  {}", one.located.what))?;
        let made = one.made.as_deref().unwrap_or("an earlier run");
        ui.say(format!("  made     {made} (run {}), code version {}", one.unit.run, one.unit.version))?;
        ui.say(format!("  result   {}", one.unit.digest))?;
        for input in &one.unit.inputs {
            ui.say(format!("  from     {}  {}", input.name, input.digest.short()))?;
        }
    }
    Ok(Exit::Ok)
}

fn as_json(one: &Explanation) -> serde_json::Value {
    json!({
        "dataset": one.dataset, "stage": one.stage, "key": one.located.key, "what": one.located.what, "made": one.made,
        "run": one.unit.run, "code_version": one.unit.version, "result": one.unit.digest, "inputs": one.unit.inputs,
    })
}
