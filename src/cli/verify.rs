//! `messkette verify`: is what is published what was released?

use super::settings::PipelineArg;
use super::ui::{Ui, count, print_json};
use crate::error::{Error, Exit, Place, Result};
use crate::metadata::rules::Severity;
use crate::release::{self, RecordFinding};
use crate::run::Store;
use serde_json::json;
use std::collections::BTreeSet;

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
    // Only of the newest release the next night has all that it is made of.
    let is_mended = release::current(&workspace)?.as_ref() == Some(&id) && release::on_disk(&workspace)?.last() == Some(&id);
    let delete = if faults.is_empty() {
        BTreeSet::new()
    } else if is_mended {
        release::to_delete(&folder, &Store::at(&workspace), &faults)?
    } else {
        [folder].into()
    };
    if ui.json {
        let all = json!({
            "release": id, "files": files, "valid": valid, "faults": faults, "delete": delete, "records": records,
        });
        print_json(&all)?;
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
    if !faults.is_empty() {
        ui.say(if is_mended {
            "to mend it, delete what is listed here; the next `messkette run` makes it anew and releases it:"
        } else {
            "it is not the newest and cannot be made anew; where it is current, `messkette rollback` to another, then delete its folder:"
        })?;
        for path in &delete {
            ui.say(format!("  {}", path.display()))?;
        }
    }
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
