//! `messkette run`: a night.

use super::measure;
use super::progress::{Reporter, losses, place};
use super::settings::{PipelineArg, Settings, limit_threads, stop_on_signals};
use super::ui::{Ui, count, print};
use crate::error::{Exit, Result};
use crate::metadata::rules::Severity;
use crate::publish::Outside;
use crate::release::{RecordFinding, by_rule};
use crate::run::{Finished, Summary};
use std::path::PathBuf;

/// Do what the pipeline asks for and release the result.
///
/// Only what changed is done. What fails is quarantined, the rest is released, and the exit code is 3.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// Do this saved plan, and refuse when sources, pipeline or release have changed since.
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Only this dataset; the others stay as they are.
    #[arg(long, value_name = "DATASET")]
    only: Option<String>,
    /// Try again what is quarantined.
    #[arg(long)]
    retry: bool,
    #[command(flatten)]
    settings: Settings,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    for warning in pipeline.warnings() {
        tracing::warn!("{warning}");
    }
    let mut options = args.settings.options("run")?;
    options.plan.clone_from(&args.plan);
    options.only.clone_from(&args.only);
    options.retry = args.retry;
    limit_threads(options.jobs);
    stop_on_signals(&options.cancel)?;
    let finished = crate::night(&pipeline, &options, &Reporter::new(ui))?;
    if ui.json {
        print(finished.summary.line())?;
    }
    let release = match &finished.summary.release {
        Some(id) if finished.new_release => format!("{id}, new"),
        Some(id) => format!("{id}, unchanged"),
        None => "none".to_owned(),
    };
    ui.say(format!("release  {release}"))?;
    for dataset in &finished.withdrawn {
        tracing::warn!("{dataset}: withdrawn from what is published: the pipeline file no longer has it");
    }
    say_summary(&finished.summary, ui)?;
    ui.say(format!("report   {}", finished.report.display()))?;
    say_records(&finished.records, ui)?;
    super::catalogue::say_reports(&finished.catalogues, ui)?;
    say_outside(&finished.outside, ui)?;
    say_exit(&finished);
    Ok(finished.exit)
}

/// What publishers did outside of the release.
fn say_outside(all: &[Outside], ui: &Ui) -> Result<()> {
    for outside in all {
        if !outside.changed.is_empty() {
            ui.say(format!("publish  {} {}: {}", outside.kind, outside.target, outside.changed.join(", ")))?;
        }
        for (dataset, reason) in &outside.left {
            tracing::warn!("{} {}: {dataset}: {reason}", outside.kind, outside.target);
        }
        if let Some(error) = &outside.error {
            ui.error(error);
        }
    }
    Ok(())
}

/// Says which mandatory rules the records break, each once, and what to add to the pipeline file. The data are published all the
/// same; `verify` exits 5 until it is mended.
///
/// # Errors
/// When standard output cannot be written.
pub fn say_records(records: &[RecordFinding], ui: &Ui) -> Result<()> {
    let broken: Vec<_> = by_rule(records).into_iter().filter(|rule| rule.finding.severity == Severity::Failure).collect();
    if broken.is_empty() {
        return Ok(());
    }
    ui.say(format!("records  {} broken; `messkette verify` exits 5 until mended", count(broken.len() as u64, "mandatory rule")))?;
    for rule in &broken {
        let remedy = rule.finding.remedy.map(|remedy| format!("; in the pipeline file: {remedy}")).unwrap_or_default();
        tracing::warn!("{} ({}): {}{remedy}", rule.finding.rule, rule.datasets.join(", "), rule.finding.message);
    }
    Ok(())
}

/// The summary for people.
///
/// # Errors
/// When standard output cannot be written.
pub fn say_summary(summary: &Summary, ui: &Ui) -> Result<()> {
    let (units, objects) = (summary.units, summary.objects);
    let quarantined = if units.quarantined > 0 { format!(", {} quarantined", units.quarantined) } else { String::new() };
    ui.say(format!("units    {} done, {} reused{quarantined}", units.done, units.reused))?;
    let rejected = if objects.rejected > 0 { format!(", {} rejected", objects.rejected) } else { String::new() };
    let private = if objects.dropped_private > 0 {
        format!(", {} of personal data dropped", objects.dropped_private)
    } else {
        String::new()
    };
    ui.say(format!("objects  {} in, {} out{rejected}{private}", objects.input, objects.output))?;
    let (wall, cpu) = (measure::time(summary.wall_s), measure::time(summary.cpu_s));
    ui.say(format!("time     {wall}, processor {cpu}, memory {:.0} MiB at most", summary.peak_rss_mb))
}

/// Says why the exit code is not 0.
pub fn say_exit(finished: &Finished) {
    let objects = finished.summary.objects.rejected;
    let units = finished.summary.units.quarantined;
    let outside = finished.catalogues.iter().any(|report| report.exit() != Exit::Ok)
        || finished.outside.iter().any(|outside| outside.exit() != Exit::Ok);
    match finished.exit {
        Exit::Ok => {}
        exit if outside && objects == 0 && units == 0 && finished.summary.release.is_some() => {
            tracing::warn!("the data are released, but not everybody was told as above; exit code {}", exit as u8);
        }
        Exit::Quarantined => {
            for (dataset, rejection) in &finished.lost.first {
                tracing::warn!("{dataset}: {}{}", rejection.reason, place(&rejection.place));
            }
            if finished.lost.number > finished.lost.first.len() {
                tracing::warn!("and {} more: the report has them", finished.lost.number - finished.lost.first.len());
            }
            let told = losses(units, objects, finished.lost.files);
            let told = if told.is_empty() { "as told above".to_owned() } else { told };
            tracing::warn!("not everything got through: {told}; exit code 3");
        }
        exit => tracing::error!("nothing was newly published; exit code {}", exit as u8),
    }
}
