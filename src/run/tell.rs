//! The report's data, gathered from the night and the ledger.

use super::documents::{digest, record_ids};
use super::night::Night;
use super::summary::Summary;
use super::unit_map;
use super::work::Work;
use crate::error::{Exit, Place, Result};
use crate::io::{Digest, machine};
use crate::ledger::{AssemblyRow, ReleaseRow, RunRow, StoredFile};
use crate::pipeline::Audience;
use crate::release::{self, Manifest, RecordFinding};
use crate::report::{
    ArtefactReport, Change, DatasetReport, ErrorReport, FindingGroup, Language, Machine, Night as LastNight, Picture,
    PreviewPair, QuarantinedUnit, ReleaseReport, ReportData, RunReport, SCHEMA_VERSION, SourceReport, UnitReport, Usage,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Nights in the table of the last ones.
const NIGHTS: u32 = 60;

/// Examples of changed sources.
const EXAMPLES: usize = 10;

/// Places before and after that a dataset shows, beside its preview.
const MOST_PLACES: usize = 4;

/// Where the files of a release are for a report's reader.
struct Links<'a> {
    folder: PathBuf,
    /// The same folder as an address, relative to the report.
    root: &'a str,
}

impl Links<'_> {
    /// The address of an artefact; none where the release has another one, as after a night that failed.
    fn to(&self, dataset: &str, artefact: &str) -> Option<String> {
        let path = format!("internal/{dataset}/{artefact}");
        self.folder.join(&path).exists().then(|| format!("{}/{path}", self.root))
    }
}

impl Night<'_> {
    /// What the report says about this night. `root` is the release's folder as the report's own sees it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn report_data(
        &self,
        summary: &Summary,
        exit: Exit,
        release: Option<&ReleaseRow>,
        root: &str,
        ended: Timestamp,
    ) -> Result<ReportData> {
        let uuids = record_ids(&self.workspace);
        let ledger = self.ledger();
        let delivered = ledger.delivered()?;
        let releases = ledger.releases()?;
        let previous = release.and_then(|current| releases.iter().find(|row| row.sequence < current.sequence));
        let last = ledger.last_successes()?;
        let mut runs = ledger.runs(NIGHTS)?;
        drop(ledger);
        // The ledger is told after the report how this night ended.
        if let Some(own) = runs.iter_mut().find(|row| row.id == self.run) {
            *own = self.run_row(summary, exit, ended);
        }
        let records = release.map_or(Ok(Vec::new()), |row| release::check_records(&release::folder(&self.workspace, &row.id)))?;
        let links = release.map(|row| Links { folder: release::folder(&self.workspace, &row.id), root });
        let datasets: Vec<DatasetReport> = self
            .works
            .iter()
            .map(|work| {
                let mut report = self.dataset_report(
                    work,
                    links.as_ref(),
                    uuids.get(&work.config.id),
                    delivered.get(&work.config.id),
                    last.get(&work.config.id),
                    ended,
                );
                let catalogued = self.catalogued.get(&work.config.id).into_iter().flatten().cloned();
                report.findings.splice(0..0, catalogued);
                report.findings.splice(0..0, record_findings(&records, &work.config.id));
                report
            })
            .collect();
        Ok(ReportData {
            schema_version: SCHEMA_VERSION,
            run: RunReport {
                id: self.run.to_string(),
                pipeline: self.pipeline.config.name.clone(),
                started: self.started,
                ended,
                time_zone: jiff::tz::TimeZone::system().iana_name().map(str::to_owned),
                exit: exit.into(),
                error: None,
            },
            release: release.map(|row| self.release_report(row)),
            previous: previous.map(|row| self.release_report(row)),
            usage: Usage {
                wall_s: summary.wall_s,
                cpu_s: summary.cpu_s,
                peak_rss_mb: summary.peak_rss_mb,
                bytes_in: datasets.iter().map(|dataset| dataset.usage.bytes_in).sum(),
                bytes_out: datasets.iter().map(|dataset| dataset.usage.bytes_out).sum(),
            },
            datasets,
            withdrawn: self.withdrawn.clone(),
            software: machine::software(),
            machine: Machine {
                system: machine::system(),
                cpus: std::thread::available_parallelism().map_or(1, usize::from) as u32,
                memory_mb: machine::total_memory_mb(),
                jobs: self.options.jobs as u32,
            },
            nights: last_nights(&runs),
        })
    }

    fn release_report(&self, row: &ReleaseRow) -> ReleaseReport {
        let manifest = Manifest::read(&release::folder(&self.workspace, &row.id)).ok();
        ReleaseReport {
            id: row.id.clone(),
            released: row.created.parse().ok(),
            manifest: manifest.as_ref().and_then(|manifest| manifest.bytes().ok()).map(|bytes| Digest::of(&bytes)),
            files: manifest.as_ref().map_or(0, |manifest| manifest.files.len() as u64),
            bytes: manifest.as_ref().map_or(0, |manifest| manifest.files.iter().map(|file| file.size).sum()),
        }
    }

    fn dataset_report(
        &self,
        work: &Work,
        links: Option<&Links<'_>>,
        uuid: Option<&uuid::Uuid>,
        before: Option<&BTreeMap<String, Digest>>,
        last_success: Option<&String>,
        ended: Timestamp,
    ) -> DatasetReport {
        let tally = &work.tally;
        let row = work.assembly.as_ref();
        let facts = row.map(|row| &row.assembly.facts);
        let old = |path: &str, files: &[&StoredFile]| {
            let previous = work.previous.as_ref()?;
            let then: Vec<&StoredFile> =
                previous.files.iter().filter(|file| file.path == path || file.path.starts_with(&format!("{path}/"))).collect();
            Some(digest(&then) != digest(files))
        };
        let artefacts = row.map_or_else(Vec::new, |row| {
            let report = |artefact: &crate::dataset::Artefact| {
                let files: Vec<&StoredFile> = row.files.iter().filter(|file| artefact.owns(&file.path)).collect();
                ArtefactReport {
                    artefact: artefact.clone(),
                    size: files.iter().map(|file| file.size).sum(),
                    files: files.len() as u64,
                    digest: digest(&files),
                    href: links.and_then(|links| links.to(&work.config.id, &artefact.path)),
                    changed: work.assembled && old(&artefact.path, &files).unwrap_or(true),
                }
            };
            row.assembly.artefacts.iter().map(report).collect()
        });
        let bytes_out = if work.assembled { row.map_or(0, |row| row.files.iter().map(|file| file.size).sum()) } else { 0 };
        let clean = work.active && !work.lost();
        DatasetReport {
            id: work.config.id.clone(),
            title: work.config.metadata.title.clone().unwrap_or_else(|| work.kind.title.to_owned()),
            kind: work.kind.name.to_owned(),
            audience: work.config.audience,
            crs: facts.map(|facts| facts.crs.to_string()).unwrap_or_default(),
            record: uuid.filter(|_| row.is_some()).map(ToString::to_string),
            last_success: if clean && row.is_some() { Some(ended) } else { last_success.and_then(|text| text.parse().ok()) },
            error: work.failed.as_ref().map(|rejection| ErrorReport {
                code: rejection.code.clone(),
                message: rejection.reason.clone(),
                place: rejection.place.clone(),
                hint: None,
            }),
            sources: sources(work, before),
            units: UnitReport {
                planned: tally.reasons.iter().map(|(reason, count)| (reason.words().to_owned(), *count)).collect(),
                done: tally.done,
                reused: tally.reused,
                quarantined: tally.quarantined,
                stale: tally.stale,
            },
            counts: tally.counts.clone(),
            previous_counts: work.previous.as_ref().map(|row| row.assembly.facts.counts.clone()),
            usage: Usage {
                wall_s: tally.unit_s + tally.assemble_s,
                bytes_in: work.sources.iter().map(|source| source.size).sum(),
                bytes_out,
                ..Usage::default()
            },
            artefacts,
            operations: facts.map_or_else(Vec::new, |facts| facts.operations.iter().map(Into::into).collect()),
            findings: FindingGroup::group(&tally.findings),
            rejections: tally.rejections.clone(),
            quarantined: tally.failures.iter().map(quarantined).collect(),
            map: unit_map::of(work),
            previews: row.map_or_else(Vec::new, |row| self.previews(work, row)),
            notes: facts
                .map_or_else(Vec::new, |facts| facts.notes.clone())
                .into_iter()
                .chain(self.object_changes.get(&work.config.id).map(|changes| changes_note(&work.config.id, changes)))
                .chain(speed(work))
                .collect(),
        }
    }

    fn previews(&self, work: &Work, row: &AssemblyRow) -> Vec<PreviewPair> {
        let Some(after) = self.preview(row, Audience::Internal) else { return Vec::new() };
        let before =
            work.previous.as_ref().filter(|_| work.assembled).and_then(|previous| self.preview(previous, Audience::Internal));
        let title = work.config.metadata.title.clone().unwrap_or_else(|| work.kind.title.to_owned());
        let mut pairs = vec![PreviewPair { title, before: before.filter(|before| *before != after), after }];
        for (stage, before, after) in &work.tally.changed {
            if pairs.len() > MOST_PLACES {
                break;
            }
            // A picture that cannot be made is not worth an error: the result itself was checked when it was assembled.
            let Ok(Some(place)) = work.dataset.changed_place(*stage, before, after) else { continue };
            if let Some(after) = Picture::of(&place.after) {
                pairs.push(PreviewPair { title: place.title, before: Picture::of(&place.before), after });
            }
        }
        pairs
    }
}

/// How fast the units of tonight made what they made, for each processor: of one thread as of sixteen.
fn speed(work: &Work) -> Option<(String, String)> {
    let (made, seconds) = work.tally.made;
    if made.tiles == 0 || seconds <= 0.0 {
        return None;
    }
    let rate = |number: f64, decimals| Language::De.decimal(number / seconds, decimals);
    let mut text = format!("{} Kacheln je Sekunde und Prozessor", rate(made.tiles as f64, 0));
    if made.pixels > 0 {
        text.push_str(&format!(" ({} Megapixel)", rate(made.pixels as f64 / 1e6, 1)));
    }
    Some(("Tempo".to_owned(), text))
}

/// The rules that a dataset's records break, first in its list of findings: an office answers for them.
fn record_findings(records: &[RecordFinding], dataset: &str) -> Vec<FindingGroup> {
    let group = |rule: &release::RuleSummary<'_>| FindingGroup {
        object_type: "MD_Metadata".to_owned(),
        code: format!("{} [{}]", rule.finding.rule, rule.finding.severity.letter()),
        reason: match rule.finding.remedy {
            Some(remedy) => format!("{} → {remedy}", rule.finding.message),
            None => rule.finding.message.clone(),
        },
        count: 1,
        examples: vec![Place::default().object(rule.finding.xpath)],
    };
    release::by_rule(records).iter().filter(|rule| rule.datasets.contains(&dataset)).map(group).collect()
}

fn quarantined(failure: &super::work::FailedUnit) -> QuarantinedUnit {
    QuarantinedUnit {
        stage: failure.stage.clone(),
        key: failure.key.clone(),
        code: failure.rejection.code.clone(),
        reason: failure.rejection.reason.clone(),
        place: failure.rejection.place.clone(),
        stale: failure.stale,
        since: None,
    }
}

/// What changed in the delivery since the last run.
fn sources(work: &Work, before: Option<&BTreeMap<String, Digest>>) -> SourceReport {
    let none = BTreeMap::new();
    let before = before.unwrap_or(&none);
    let mut changes: Vec<(Change, String)> = Vec::new();
    for source in &work.sources {
        match before.get(&source.name) {
            None => changes.push((Change::New, source.name.clone())),
            Some(digest) if *digest != source.digest => changes.push((Change::Changed, source.name.clone())),
            Some(_) => {}
        }
    }
    if work.active {
        let here: BTreeSet<&str> = work.sources.iter().map(|source| source.name.as_str()).collect();
        let gone = before.keys().filter(|name| !here.contains(name.as_str()));
        changes.extend(gone.map(|name| (Change::Removed, name.clone())));
    }
    let mut counts = BTreeMap::new();
    for (change, _) in &changes {
        *counts.entry(*change).or_default() += 1;
    }
    changes.truncate(EXAMPLES);
    let expect = work.config.expect.as_ref();
    SourceReport {
        count: work.sources.len() as u64,
        changes: counts,
        examples: changes,
        waiting: work.waiting.clone(),
        expected: expect.and_then(|expect| expect.count),
        missing: work.missing.clone(),
        late: !work.missing.is_empty() && expect.and_then(|expect| expect.by.as_deref()).is_some_and(past),
    }
}

/// True when the time of day `HH:MM` is past.
fn past(by: &str) -> bool {
    let now = super::now().to_zoned(jiff::tz::TimeZone::system());
    jiff::civil::Time::strptime("%H:%M", by).is_ok_and(|by| now.time() >= by)
}

fn last_nights(runs: &[RunRow]) -> Vec<LastNight> {
    let night = |row: &RunRow| {
        let summary: serde_json::Value =
            row.summary.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let number = |pointer: &str| summary.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0);
        Some(LastNight {
            run: row.id.to_string(),
            started: row.started.parse().ok()?,
            exit: row.exit,
            release: row.release.clone(),
            done: number("/units/done"),
            quarantined: number("/units/quarantined"),
            rejected: number("/objects/rejected"),
            wall_s: summary.pointer("/wall_s").and_then(serde_json::Value::as_f64).unwrap_or(0.0),
        })
    };
    runs.iter().filter_map(night).collect()
}

/// What became of the objects since the release before.
fn changes_note(dataset: &str, changes: &crate::dataset::ObjectChanges) -> (String, String) {
    let text =
        format!("{} neu, {} geändert, {} entfernt (Liste: changes/{dataset}.csv)", changes.new, changes.changed, changes.removed);
    ("Geänderte Objekte".to_owned(), text)
}
