//! `messkette verify`: is what is published what was released?

use super::settings::PipelineArg;
use super::ui::{Ui, count, print_json};
use crate::error::{Error, Exit, Place, Result};
use crate::metadata::rules::Severity;
use crate::release::{self, RecordFinding};
use serde_json::json;

/// Read everything that is published again, compare it with the manifest, and check the records' rules.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// This release instead of the current one.
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let workspace = args.pipeline.load()?.workspace();
    let id = match &args.release {
        Some(id) => release::on_disk(&workspace)?.into_iter().find(|known| known == id).ok_or_else(|| {
            Error::new("mk::release::unknown", format!("there is no release '{id}'"))
                .hint("`messkette status` lists the releases")
                .exit(Exit::Usage)
        })?,
        None => release::current(&workspace)?.ok_or_else(|| no_release(&workspace))?,
    };
    let folder = release::folder(&workspace, &id);
    let faults = release::verify(&folder)?;
    let files = release::Manifest::read(&folder)?.files.len() as u64;
    let records = release::check_records(&folder)?;
    let broken = records.iter().filter(|record| record.finding.severity == Severity::Failure).count();
    let valid = faults.is_empty() && broken == 0;
    if ui.json {
        print_json(&json!({ "release": id, "files": files, "valid": valid, "faults": faults, "records": records }))?;
    }
    for fault in &faults {
        ui.say(format!("{}: {}", fault.path, fault.what))?;
    }
    for RecordFinding { path, finding } in &records {
        ui.say(format!("{path}: {} {}: {} ({})", finding.severity.letter(), finding.rule, finding.message, finding.xpath))?;
        if let Some(remedy) = finding.remedy.filter(|_| finding.severity == Severity::Failure) {
            ui.say(format!("  in the pipeline file: {remedy}"))?;
        }
    }
    let verdict = if faults.is_empty() { "all as released".to_owned() } else { count(faults.len() as u64, "fault") };
    ui.say(format!("{id}: {}, {verdict}", count(files, "file")))?;
    if broken > 0 {
        ui.say(format!("{} of mandatory rules for records", count(broken as u64, "violation")))?;
    }
    Ok(if valid { Exit::Ok } else { Exit::Unverified })
}

/// Nothing is published yet.
pub fn no_release(workspace: &std::path::Path) -> Error {
    Error::new("mk::release::none", "nothing is released here yet")
        .at(Place::file(workspace.display().to_string()))
        .hint("`messkette run` makes the first release")
        .exit(Exit::NoState)
}
