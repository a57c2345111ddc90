//! `messkette status`: what is published, how the last runs went, and is it fresh enough?

use super::measure;
use super::settings::PipelineArg;
use super::ui::{Ui, count, print_json};
use crate::error::{Exit, Result};
use crate::ledger::{Ledger, RunRow};
use crate::release;
use serde_json::json;
use std::time::Duration;

/// Say what is published and how the last runs went.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// Exit with 5 when the last good run is older than this, as 26h.
    #[arg(long, value_name = "DURATION", value_parser = measure::duration)]
    max_age: Option<Duration>,
}

/// Runs listed.
const RUNS: u32 = 5;

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let workspace = pipeline.workspace();
    let ledger = Ledger::open_read_only(&workspace)?;
    let current = release::current(&workspace)?;
    let releases = ledger.releases()?;
    let runs = ledger.runs(400)?;
    let good = runs.iter().find(|run| is_good(run));
    let age = good.and_then(age);
    let too_old = args.max_age.is_some_and(|most| age.is_none_or(|age| age > most));

    let mut datasets = Vec::new();
    for config in &pipeline.datasets {
        let mut quarantined = Vec::new();
        let mut units = 0;
        let stages =
            crate::dataset::kind(&config.kind).map_or(Ok(0), |kind| (kind.open)(config).map(|open| open.stages().len()))?;
        for stage in 0..stages {
            units += ledger.slots(&config.id, stage)?.len();
            quarantined.extend(ledger.failures(&config.id, stage)?);
        }
        datasets.push((config.id.as_str(), units, quarantined));
    }

    if ui.json {
        let run = |run: &RunRow| json!({ "id": run.id, "started": run.started, "ended": run.ended, "exit": run.exit, "release": run.release });
        let dataset = |(id, units, quarantined): &(&str, usize, Vec<(String, crate::ledger::Failure)>)| {
            let list: Vec<_> = quarantined
                .iter()
                .map(|(key, failure)| json!({ "key": key, "code": failure.rejection.code, "reason": failure.rejection.reason }))
                .collect();
            json!({ "id": id, "units": units, "quarantined": list })
        };
        let created = releases.iter().find(|row| Some(&row.id) == current.as_ref()).map(|row| &row.created);
        print_json(&json!({
            "pipeline": pipeline.config.name,
            "release": current,
            "released": created,
            "releases": releases.iter().map(|row| json!({ "id": row.id, "created": row.created })).collect::<Vec<_>>(),
            "last_good_age_s": age.map(|age| age.as_secs()),
            "fresh": !too_old,
            "runs": runs.iter().take(RUNS as usize).map(run).collect::<Vec<_>>(),
            "datasets": datasets.iter().map(dataset).collect::<Vec<_>>(),
        }))?;
    }
    ui.say(format!("pipeline  {}", pipeline.config.name))?;
    for row in &releases {
        let mark = if Some(&row.id) == current.as_ref() { ", current" } else { "" };
        ui.say(format!("release   {}  {}{mark}", row.id, row.created))?;
    }
    for row in runs.iter().take(RUNS as usize) {
        ui.say(format!("run       {}  {}  {}", row.id, row.started, how(row)))?;
    }
    for (id, units, quarantined) in &datasets {
        let bad = if quarantined.is_empty() { String::new() } else { format!(", {} quarantined", quarantined.len()) };
        ui.say(format!("dataset   {id}  {}{bad}", count(*units as u64, "unit")))?;
        for (key, failure) in quarantined {
            ui.say(format!("            {key}: {}", failure.rejection.reason))?;
        }
    }
    match age {
        Some(age) => ui.say(format!("last good run began {} ago", measure::time(age.as_secs_f64())))?,
        None => ui.say("no run was good yet")?,
    }
    if too_old {
        tracing::error!("the last good run is older than allowed; exit code 5");
    }
    Ok(if too_old { Exit::Unverified } else { Exit::Ok })
}

/// A run that published all it could, or had nothing to do.
fn is_good(run: &RunRow) -> bool {
    run.ended.is_some() && matches!(run.exit, Some(code) if code == Exit::Ok as u8 || code == Exit::Quarantined as u8)
}

fn age(run: &RunRow) -> Option<Duration> {
    let began: jiff::Timestamp = run.started.parse().ok()?;
    Duration::try_from(crate::run::now().duration_since(began)).ok()
}

fn how(run: &RunRow) -> String {
    match (run.exit, &run.ended) {
        (Some(0), _) => "ok".to_owned(),
        (Some(3), _) => "published, with something quarantined or rejected (exit 3)".to_owned(),
        (Some(code), _) => format!("failed (exit {code})"),
        (None, Some(_)) => "ended".to_owned(),
        (None, None) => "running, or interrupted".to_owned(),
    }
}
