//! `messkette report`: the report of a run, again.

use super::measure;
use super::settings::PipelineArg;
use super::ui::{Ui, print_json};
use crate::error::{Error, Exit, Place, Result};
use crate::io::atomic;
use crate::ledger::Ledger;
use crate::report::{self, Language, Light, ReportData};
use clap::ValueEnum;
use std::path::PathBuf;

/// Say how a night was, or write its report again; rebuilt from the ledger.
///
/// Without --output a few lines are printed; --json prints all of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// The run; defaults to the last one.
    #[arg(long, value_name = "ID")]
    run: Option<i64>,
    /// Write the page (HTML) to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Language of the page.
    #[arg(long, value_name = "LANGUAGE", default_value = "de")]
    lang: Lang,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    /// German.
    De,
    /// English.
    En,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let workspace = args.pipeline.load()?.workspace();
    let ledger = Ledger::open_read_only(&workspace)?;
    let Some(text) = ledger.report(args.run)? else {
        let what = match args.run {
            None => "no run has a report yet".to_owned(),
            Some(id) => match ledger.run(id)?.filter(|row| row.ended.is_none()) {
                Some(row) => format!("run {id}, begun {}, did not end: it was interrupted, or is still under way", row.started),
                None => format!("there is no report of run {id}"),
            },
        };
        return Err(Error::new("mk::report::unknown", what)
            .at(Place::file(workspace.display().to_string()))
            .hint("`messkette status` lists the runs")
            .exit(Exit::Usage));
    };
    let data: ReportData = serde_json::from_str(&text)
        .map_err(|error| Error::new("mk::report::damaged", "the ledger's report cannot be read").because(error))?;
    if let Some(path) = &args.output {
        let language = match args.lang {
            Lang::De => Language::De,
            Lang::En => Language::En,
        };
        atomic::write_atomic(path, report::html_alone(&data, language).as_bytes())?;
        ui.say(format!("wrote {}", path.display()))?;
    }
    if ui.json {
        print_json(&data)?;
    } else if args.output.is_none() {
        say(&data, ui)?;
    }
    Ok(Exit::Ok)
}

fn light(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::Red => "red",
    }
}

fn say(data: &ReportData, ui: &Ui) -> Result<()> {
    ui.say(format!("{}  run {}, {}, exit code {}", light(data.light()), data.run.id, data.run.started, data.run.exit))?;
    if let Some(error) = &data.run.error {
        ui.say(format!("stopped by {}: {}", error.code, error.message))?;
    }
    if let Some(release) = &data.release {
        ui.say(format!("release {}, {} files, {}", release.id, release.files, measure::bytes(release.bytes)))?;
    }
    for dataset in &data.datasets {
        let total = dataset.counts.total();
        let counts = format!("{} in, {} out, {} rejected", total.input, total.output, total.rejected);
        ui.say(format!("{}  {}: {counts}", light(dataset.light()), dataset.id))?;
        if let Some(error) = &dataset.error {
            ui.say(format!("  {}", error.message))?;
        }
        for unit in &dataset.quarantined {
            ui.say(format!("  {}: {} is quarantined: {}", unit.stage, unit.key, unit.reason))?;
        }
    }
    Ok(())
}
