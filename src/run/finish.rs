//! The end of a night: what is released, and what is told about it.

use super::Event;
use super::documents::record_digest;
use super::night::{Night, now, utc};
use super::summary::{Summary, UnitCounts};
use super::work::Work;
use crate::catalogue;
use crate::dataset::Counts;
use crate::error::{Error, Exit, Rejection, Result};
use crate::io::{Digest, atomic, machine};
use crate::ledger::{Ledger, ReleaseRow, RunRow};
use crate::pipeline::Audience;
use crate::publish::{self, Outside, Phase};
use crate::release::{self, Content, Made, MadeDataset, Manifest, RecordFinding};
use crate::report::{self, ErrorReport, Language, ReportData};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs that the ledger remembers.
const KEEP_RUNS: u32 = 400;

/// Reports that are kept as pages.
const KEEP_REPORTS: usize = 60;

/// Raised when records or portal are written differently.
const DOCUMENTS_VERSION: u32 = 4;

/// The release that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Identifier.
    pub id: String,
    /// True when it was made tonight.
    pub new: bool,
}

/// How a night ended.
#[derive(Debug)]
pub struct Finished {
    /// The contract's last line.
    pub summary: Summary,
    /// Exit code.
    pub exit: Exit,
    /// True when a new release was made.
    pub new_release: bool,
    /// Rules that the published records break.
    pub records: Vec<RecordFinding>,
    /// What became of the catalogues.
    pub catalogues: Vec<catalogue::Report>,
    /// What other publishers did.
    pub outside: Vec<Outside>,
    /// Datasets that the release no longer has, as the pipeline file no longer names them.
    pub withdrawn: Vec<String>,
    /// What did not get through, also what earlier nights said it of.
    pub lost: Lost,
    /// The page of this night. The one within a release tells of the night that made the release, which may be long ago.
    pub report: PathBuf,
}

/// Losses of a night that are told by name; the report has all.
const TOLD: usize = 5;

/// What did not get through.
#[derive(Debug, Default)]
pub struct Lost {
    /// All of them.
    pub number: usize,
    /// Files of which nothing was taken, beside those of quarantined units.
    pub files: u64,
    /// The first of them: dataset and reason.
    pub first: Vec<(String, Rejection)>,
}

impl Lost {
    fn of(works: &[Work]) -> Self {
        let mut lost = Self::default();
        for work in works {
            let tally = &work.tally;
            let rejections = || work.failed.iter().chain(&tally.rejections);
            lost.number += rejections().count();
            // A quarantined unit is among them as a file.
            lost.files +=
                (rejections().filter(|rejection| rejection.is_of_file()).count() as u64).saturating_sub(tally.quarantined);
            let told = rejections().take(TOLD - lost.first.len());
            lost.first.extend(told.map(|rejection| (work.config.id.clone(), rejection.clone())));
        }
        lost
    }
}

impl Night<'_> {
    /// Makes a release of all artefacts and switches to it, if it differs from the current one.
    ///
    /// # Errors
    /// When the release cannot be written; the old one is then still current.
    pub fn release(&mut self) -> Result<Option<Released>> {
        self.check_cancel()?;
        self.leave_out_lost();
        let current = release::current(&self.workspace)?;
        if self.works.iter().all(|work| work.assembly.is_none()) {
            return Ok(current.map(|id| Released { id, new: false }));
        }
        let content_id = self.content_id();
        let rows = self.ledger().releases()?;
        let is_whole = |row: &&ReleaseRow| release::is_whole(&release::folder(&self.workspace, &row.id));
        // One that lost files is made anew, though nothing else changed.
        let same = |row: &&ReleaseRow| Some(&row.id) == current.as_ref() && row.content == content_id;
        let unchanged = rows.iter().find(same).filter(is_whole);
        let rolled_back = self.ledger().rolled_back()?;
        // People went back, and what they went back from is all that tonight would release. Not to what has to be forgotten since.
        let forgotten = self.forgotten_since();
        let outlived = |id: &String| rows.iter().any(|row| row.id == *id && Some(&row.created) < forgotten.as_ref());
        let stays = |(id, from): &&(String, Digest)| Some(id) == current.as_ref() && *from == content_id && !outlived(id);
        if let Some((id, _)) = rolled_back.as_ref().filter(stays) {
            self.progress.event(&Event::Note("all that there is to release is what `messkette rollback` went back from"));
            self.progress.event(&Event::Released { id, new: false });
            return Ok(Some(Released { id: id.clone(), new: false }));
        }
        if rolled_back.is_some() {
            self.ledger().keep_rolled_back(None)?;
        }
        if let Some(row) = unchanged {
            self.progress.event(&Event::Released { id: &row.id, new: false });
            return Ok(Some(Released { id: row.id.clone(), new: false }));
        }
        if let Some(before) = &current {
            self.withdrawn = self.withdrawn_since(before)?;
        }
        // The newest release is this very content, but not current: a crash just before the switch.
        if let Some(row) = rows.first().filter(|row| row.content == content_id).filter(is_whole) {
            release::switch(&self.workspace, &row.id)?;
            self.progress.event(&Event::Released { id: &row.id, new: true });
            return Ok(Some(Released { id: row.id.clone(), new: true }));
        }
        let content = Content { objects: self.objects(), documents: self.documents()? };
        self.check_privacy(&content, current.as_deref())?;
        let newest = rows.first().map(|row| row.sequence).max(current.as_deref().and_then(release::sequence)).unwrap_or(0);
        let id = release::build(&self.workspace, &self.store, newest + 1, &content)?;
        let row = ReleaseRow { id: id.clone(), sequence: newest + 1, created: utc(now()), content: content_id };
        if let Some(before) = &current {
            self.compare(&release::folder(&self.workspace, before), &release::folder(&self.workspace, &id));
        }
        let datasets = self.works.iter().filter_map(|work| {
            let row = work.assembly.as_ref()?;
            Some((work.config.id.clone(), MadeDataset::of(row)))
        });
        let looked_for = release::privacy::Watch::new(&self.pipeline.config.canaries, [])?.digest();
        let made = Made {
            created: row.created.clone(),
            content: content_id,
            looked_for: Some(looked_for),
            datasets: datasets.collect(),
        };
        made.write(&release::folder(&self.workspace, &id))?;
        // The report tells of the release, and lies in it: before anybody can see it. It is written last, see `release::recover`.
        let data = self.report_data(&self.summary(Some(id.clone())), exit_of(&self.works), Some(&row), "..", now())?;
        self.write_report(&release::folder(&self.workspace, &id).join("report"), &data)?;
        self.ledger().keep_release(&row, self.run)?;
        release::switch(&self.workspace, &id)?;
        self.progress.event(&Event::Released { id: &id, new: true });
        Ok(Some(Released { id, new: true }))
    }

    /// Why a night would make another release current although no unit is to do, after the reasons known already; nothing when it
    /// would not.
    ///
    /// # Errors
    /// When ledger or release cannot be read.
    pub(super) fn release_changes(&self, mut reasons: Vec<String>) -> Result<Vec<String>> {
        if self.works.iter().all(|work| work.assembly.is_none()) {
            return Ok(reasons);
        }
        let Some(current) = release::current(&self.workspace)? else {
            reasons.push("none is current".to_owned());
            return Ok(reasons);
        };
        let rows = self.ledger().releases()?;
        let content = self.content_id();
        let went_back = self.ledger().rolled_back()?.is_some_and(|(id, from)| id == current && from == content);
        if went_back || rows.iter().any(|row| row.id == current && row.content == content) {
            return Ok(reasons);
        }
        let withdrawn = self.withdrawn_since(&current)?;
        reasons
            .extend(withdrawn.iter().map(|id| format!("the dataset '{id}' is no longer in the pipeline file and is withdrawn")));
        if let Some(newest) = rows.first().filter(|newest| newest.id != current) {
            reasons.push(format!("{current} is current after a rollback, {} is newer", newest.id));
        }
        if reasons.is_empty() {
            reasons.push("the pipeline file, a record's files or the program differ from those of the release".to_owned());
        }
        Ok(reasons)
    }

    fn withdrawn_since(&self, release: &str) -> Result<Vec<String>> {
        let mut before = release::datasets(&release::folder(&self.workspace, release))?;
        before.retain(|id| self.works.iter().all(|work| work.config.id != *id));
        Ok(before.into_iter().collect())
    }

    /// Refuses a release that would make something personal public.
    fn check_privacy(&self, content: &Content, current: Option<&str>) -> Result<()> {
        let mut identifiers = Vec::new();
        for work in &self.works {
            identifiers.extend(work.dataset.protected(&work.results)?);
        }
        let watch = release::privacy::Watch::new(&self.pipeline.config.canaries, identifiers)?;
        let clean = self.ledger().clean(watch.digest())?;
        // Who cannot read the last one looks through all of this one.
        let before = current.and_then(|id| Manifest::read(&release::folder(&self.workspace, id)).ok());
        let before = before.into_iter().flat_map(|manifest| manifest.files).map(|file| (file.path, file.blake3)).collect();
        let clean = release::privacy::gate(content, &self.store, &watch, &clean, &before)?;
        self.ledger().keep_clean(watch.digest(), &clean)
    }

    /// Since when personal data has to be gone that earlier releases may hold.
    fn forgotten_since(&self) -> Option<String> {
        self.works.iter().filter(|work| work.active).filter_map(|work| work.dataset.forgotten_since(&work.results)).max()
    }

    /// What a release would be made from; cheap, so that a night without changes ends here.
    fn content_id(&self) -> Digest {
        let dataset = |work: &Work| {
            let record = record_digest(self.pipeline.folder(), &work.config);
            serde_json::json!([work.config, work.assembly.as_ref().map(|row| row.id), work.tally.stale, record])
        };
        let datasets: Vec<_> = self.works.iter().map(dataset).collect();
        let (config, publish) = (&self.pipeline.config, &self.pipeline.publish);
        let text =
            serde_json::json!({ "version": DOCUMENTS_VERSION, "pipeline": config, "publish": publish, "datasets": datasets });
        Digest::of(text.to_string().as_bytes())
    }

    /// The artefacts by path within the release. What the public may see lies under both audiences.
    fn objects(&self) -> BTreeMap<String, (Digest, u64)> {
        let mut objects = BTreeMap::new();
        for work in &self.works {
            let Some(row) = &work.assembly else { continue };
            for file in &row.files {
                let public = row
                    .assembly
                    .artefacts
                    .iter()
                    .any(|artefact| artefact.owns(&file.path) && artefact.audience == Audience::Public);
                let audiences: &[&str] = if public { &["internal", "public"] } else { &["internal"] };
                for audience in audiences {
                    objects.insert(format!("{audience}/{}/{}", work.config.id, file.path), (file.digest, file.size));
                }
            }
        }
        objects
    }

    /// Notes how the night ended, writes its report and gives the summary.
    ///
    /// # Errors
    /// When the ledger or the report cannot be written.
    pub fn finish(mut self, released: Option<Released>) -> Result<Finished> {
        let (mut outside, mut catalogues) = (Vec::new(), Vec::new());
        if released.is_some() {
            outside = publish::outside(self.pipeline, &self.workspace, Phase::Before);
            catalogues = catalogue::after_release(self.pipeline, &mut self.ledger(), &self.options.cancel)?;
            outside.extend(publish::outside(self.pipeline, &self.workspace, Phase::After));
        }
        self.catalogued = catalogue::findings(&catalogues);
        for (dataset, found) in publish::findings(&outside) {
            self.catalogued.entry(dataset).or_default().extend(found);
        }
        let exit = match exit_of(&self.works) {
            // The data are out; that a catalogue or a map server does not tell of them is the night's only fault.
            Exit::Ok => {
                let exits = outside.iter().map(Outside::exit).chain(catalogues.iter().map(catalogue::Report::exit));
                exits.into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok)
            }
            exit => exit,
        };
        let new_release = released.as_ref().is_some_and(|released| released.new);
        let summary = self.summary(released.map(|released| released.id));
        let ended = now();
        let row = self.release_row(summary.release.as_deref())?;
        let records =
            row.as_ref().map_or(Ok(Vec::new()), |row| release::check_records(&release::folder(&self.workspace, &row.id)))?;
        let data = self.report_data(&summary, exit, row.as_ref(), &from_reports(row.as_ref()), ended)?;
        self.publish_report(&data)?;
        {
            let mut ledger = self.ledger();
            let ids: Vec<&str> = self.works.iter().map(|work| work.config.id.as_str()).collect();
            ledger.forget_unused(&ids)?;
            for work in self.works.iter().filter(|work| work.active) {
                ledger.keep_delivered(
                    &work.config.id,
                    &work.sources.iter().map(|source| (source.name.clone(), source.digest)).collect(),
                )?;
                if !work.lost() {
                    ledger.keep_success(&work.config.id, &utc(ended))?;
                }
            }
            self.end_run(&mut ledger, &summary, exit, ended, &data)?;
            ledger.prune_runs(KEEP_RUNS)?;
            let forgotten = self.forgotten_since();
            if let Some(moment) = &forgotten {
                release::forget(&self.workspace, &mut ledger, moment)?;
            }
            if new_release || forgotten.is_some() {
                release::clear(&self.workspace, &mut ledger, &self.store, self.pipeline.config.keep_releases)?;
            }
        }
        atomic::remove_tree(&self.scratch)?;
        let lost = Lost::of(&self.works);
        let report = self.report_folder().join("index.html");
        Ok(Finished { summary, exit, new_release, records, catalogues, outside, withdrawn: self.withdrawn, lost, report })
    }

    /// Notes what stopped the night. What was released before stays; a report that cannot be written is not worth a second error.
    pub fn fail(&self, error: &Error) {
        let ended = now();
        let current = release::current(&self.workspace).ok().flatten();
        let summary = self.summary(current);
        let row = self.release_row(summary.release.as_deref()).ok().flatten();
        let root = from_reports(row.as_ref());
        let Ok(mut data) = self.report_data(&summary, error.exit_code(), row.as_ref(), &root, ended) else { return };
        data.run.error = Some(ErrorReport::of(error));
        let _ = self.publish_report(&data);
        let _ = self.end_run(&mut self.ledger(), &summary, error.exit_code(), ended, &data);
        let _ = atomic::remove_tree(&self.scratch);
    }

    fn release_row(&self, id: Option<&str>) -> Result<Option<ReleaseRow>> {
        Ok(self.ledger().releases()?.into_iter().find(|row| Some(row.id.as_str()) == id))
    }

    fn end_run(&self, ledger: &mut Ledger, summary: &Summary, exit: Exit, ended: Timestamp, data: &ReportData) -> Result<()> {
        ledger.end_run(&self.run_row(summary, exit, ended), &data.to_json()?)
    }

    /// This night as the ledger keeps it when it has ended.
    pub(super) fn run_row(&self, summary: &Summary, exit: Exit, ended: Timestamp) -> RunRow {
        RunRow {
            id: self.run,
            started: utc(self.started),
            ended: Some(utc(ended)),
            exit: Some(exit.into()),
            release: summary.release.clone(),
            summary: serde_json::to_string(summary).ok(),
        }
    }

    /// Where this night's own report lies.
    fn report_folder(&self) -> PathBuf {
        self.workspace.join("reports").join(format!("{:06}", self.run))
    }

    /// Writes `reports/<run>/`, the metrics, and clears old reports.
    fn publish_report(&self, data: &ReportData) -> Result<()> {
        let reports = self.workspace.join("reports");
        self.write_report(&self.report_folder(), data)?;
        atomic::symlink_swap(&reports.join("latest"), Path::new(&format!("{:06}", self.run)))?;
        atomic::write_atomic(&self.workspace.join("metrics.prom"), report::prometheus(data).as_bytes())?;
        let mut old: Vec<_> = std::fs::read_dir(&reports).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        old.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())));
        old.sort();
        for path in old.iter().rev().skip(KEEP_REPORTS) {
            atomic::remove_tree(path)?;
        }
        Ok(())
    }

    /// Asks the kinds what became of their objects between two releases.
    fn compare(&mut self, before: &Path, after: &Path) {
        for work in &self.works {
            let folder = |release: &Path| release.join("internal").join(&work.config.id);
            match work.dataset.object_changes(&folder(before), &folder(after)) {
                Ok(Some(changes)) => drop(self.object_changes.insert(work.config.id.clone(), changes)),
                Ok(None) => {}
                // The release before may be damaged; that must not keep the next one from its readers.
                Err(error) => {
                    let text = format!("{}: what became of its objects cannot be told: {}", work.config.id, error.full_message());
                    self.progress.event(&Event::Note(&text));
                }
            }
        }
    }

    fn write_report(&self, folder: &Path, data: &ReportData) -> Result<()> {
        atomic::create_dir_all(folder)?;
        atomic::write_new(&folder.join("report.json"), data.to_json()?.as_bytes())?;
        atomic::write_new(&folder.join("index.html"), report::html(data, Language::De).as_bytes())?;
        atomic::write_new(&folder.join("index.en.html"), report::html(data, Language::En).as_bytes())?;
        for (dataset, changes) in &self.object_changes {
            atomic::create_dir_all(&folder.join("changes"))?;
            atomic::write_new(&folder.join("changes").join(format!("{dataset}.csv")), changes.csv.as_bytes())?;
        }
        atomic::sync_path(folder)
    }

    fn summary(&self, release: Option<String>) -> Summary {
        let (mut units, mut counts) = (UnitCounts::default(), Counts::default());
        for work in &self.works {
            units.planned += work.tally.planned();
            units.done += work.tally.done;
            units.reused += work.tally.reused;
            units.quarantined += work.tally.quarantined;
            counts.add(&work.tally.counts);
        }
        Summary {
            release,
            units,
            objects: counts.total(),
            by_type: counts,
            wall_s: rounded(self.clock.elapsed().as_secs_f64()),
            cpu_s: rounded(machine::cpu_seconds()),
            peak_rss_mb: rounded(machine::peak_rss_mb()),
        }
    }
}

/// A release's folder as a report below `reports/` sees it: not by `current`, which is another one tomorrow.
fn from_reports(row: Option<&ReleaseRow>) -> String {
    row.map(|row| format!("../../releases/{}", row.id)).unwrap_or_default()
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// 0 only when nothing was lost; 1 when nothing could be published at all and a dataset failed as a whole.
fn exit_of(works: &[Work]) -> Exit {
    let failed = works.iter().find_map(|work| work.failed_exit);
    let published = works.iter().any(|work| work.assembly.is_some());
    if let Some(exit) = failed
        && !published
    {
        return if exit == Exit::Quarantined { Exit::Failed } else { exit };
    }
    let lost = works.iter().any(Work::lost);
    match (published, works.iter().all(|work| work.sources.is_empty())) {
        // All that there is is still being written.
        (false, true) if lost => Exit::Failed,
        _ if lost => Exit::Quarantined,
        _ => Exit::Ok,
    }
}
