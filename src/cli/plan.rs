//! `messkette plan`: what a night would do, and why.

use super::settings::{PipelineArg, looking};
use super::ui::{Ui, count, print_json};
use crate::error::{Exit, Result};
use crate::plan::{PlannedUnit, Reason};
use crate::run::{Outlook, Silent, outlook};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Say what a run would do, and why; writes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// Save the plan as Parquet, for `run --plan`.
    #[arg(short, long, value_name = "PLAN")]
    output: Option<PathBuf>,
    /// Exit with 4 when there is something to do.
    #[arg(long)]
    exit_code: bool,
    /// Only this dataset.
    #[arg(long, value_name = "DATASET")]
    only: Option<String>,
    /// Plan what is quarantined again.
    #[arg(long)]
    retry: bool,
}

/// Units of one stage listed for people, unless they want more.
const LISTED: usize = 10;

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let mut options = looking("plan");
    options.only.clone_from(&args.only);
    options.retry = args.retry;
    let outlook = outlook(&pipeline, &options, &Silent)?;
    if let Some(path) = &args.output {
        outlook.pins.save(&outlook.units, path)?;
    }
    if ui.json {
        print_json(&as_json(&outlook))?;
    } else {
        say(&outlook, ui)?;
    }
    for (dataset, reason) in &outlook.failed {
        tracing::error!("{dataset}: {reason}");
    }
    Ok(match (outlook.failed.is_empty(), outlook.has_changes()) {
        (false, _) => Exit::Failed,
        (true, true) if args.exit_code => Exit::Changes,
        _ => Exit::Ok,
    })
}

fn as_json(outlook: &Outlook) -> serde_json::Value {
    let unit = |unit: &PlannedUnit| {
        json!({
            "dataset": unit.dataset, "stage": unit.stage_name, "key": unit.spec.key, "reason": unit.reason, "detail": unit.detail,
            "bbox": unit.spec.bbox, "memory_mb": unit.spec.memory_mb, "cost": unit.spec.cost,
        })
    };
    let named = |(dataset, stage, key): &(String, String, String)| json!({ "dataset": dataset, "stage": stage, "key": key });
    json!({
        "changes": outlook.has_changes(),
        "units": outlook.units.iter().map(unit).collect::<Vec<_>>(),
        "removed": outlook.removed.iter().map(named).collect::<Vec<_>>(),
        "quarantined": outlook.quarantined.iter().map(named).collect::<Vec<_>>(),
        "reused": outlook.reused,
        "later": outlook.later.iter().map(|(dataset, stage)| json!({ "dataset": dataset, "stage": stage })).collect::<Vec<_>>(),
        "waits": outlook.waits.iter().map(|(dataset, other)| json!({ "dataset": dataset, "for": other })).collect::<Vec<_>>(),
        "failed": outlook.failed.iter().map(|(dataset, why)| json!({ "dataset": dataset, "reason": why })).collect::<Vec<_>>(),
        "release": outlook.pins.release,
        "release_changes": outlook.release,
    })
}

fn say(outlook: &Outlook, ui: &Ui) -> Result<()> {
    let mut stages: BTreeMap<(&str, usize, &str), Vec<&PlannedUnit>> = BTreeMap::new();
    for unit in &outlook.units {
        stages.entry((&unit.dataset, unit.stage, &unit.stage_name)).or_default().push(unit);
    }
    for ((dataset, _, stage), units) in &stages {
        let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
        for unit in units {
            *reasons.entry(unit.reason).or_default() += 1;
        }
        let why: Vec<String> = reasons.iter().map(|(reason, number)| format!("{number} {}", reason.words())).collect();
        ui.say(format!("{dataset}: {stage}: {} to do: {}", count(units.len() as u64, "unit"), why.join(", ")))?;
        let shown = if ui.verbose > 0 { units.len() } else { LISTED };
        for unit in units.iter().take(shown) {
            let detail = if unit.detail.is_empty() { String::new() } else { format!(": {}", unit.detail) };
            ui.say(format!("  + {}  {}{detail}", unit.spec.key, unit.reason.words()))?;
        }
        if units.len() > shown {
            ui.say(format!("  … {} more, with -v", units.len() - shown))?;
        }
    }
    for (dataset, stage, key) in &outlook.removed {
        ui.say(format!("{dataset}: {stage}\n  - {key}  removed"))?;
    }
    for (dataset, stage, key) in &outlook.quarantined {
        ui.say(format!("{dataset}: {stage}\n  ! {key}  quarantined; `run --retry` tries again"))?;
    }
    for (dataset, stage) in &outlook.later {
        ui.say(format!("{dataset}: {stage}: planned when the stage before is done"))?;
    }
    for (dataset, other) in &outlook.waits {
        ui.say(format!("{dataset}: planned when {other} is made, whose files it uses"))?;
    }
    for reason in &outlook.release {
        ui.say(format!("release: would be made anew: {reason}"))?;
    }
    let total = outlook.units.len() as u64;
    if outlook.has_changes() {
        ui.say(format!("{} to do, {} to remove, {} reused", count(total, "unit"), outlook.removed.len(), outlook.reused))
    } else {
        ui.say(format!("nothing to do, {} up to date", count(outlook.reused, "unit")))
    }
}
