//! The end of a night: what is released, and what is told about it.

use super::Event;
use super::night::{Night, now, utc};
use super::summary::{Summary, UnitCounts};
use super::work::Work;
use crate::dataset::Counts;
use crate::error::{Exit, Result};
use crate::io::{Digest, machine};
use crate::ledger::{ReleaseRow, RunRow};
use crate::pipeline::Audience;
use crate::release::{self, Content};

/// Raised when records or portal are written differently.
const DOCUMENTS_VERSION: u32 = 1;

/// How a night ended.
#[derive(Debug)]
pub struct Finished {
    /// The contract's last line.
    pub summary: Summary,
    /// Exit code.
    pub exit: Exit,
    /// True when a new release was made.
    pub new_release: bool,
}

impl Night<'_> {
    /// Makes a release of all artefacts and switches to it, if it differs from the current one.
    ///
    /// # Errors
    /// When the release cannot be written; the old one is then still current.
    pub fn release(&mut self) -> Result<Option<(String, bool)>> {
        self.check_cancel()?;
        let current = release::current(&self.workspace)?;
        let content_id = self.content_id();
        if self.works.iter().all(|work| work.assembly.is_none()) {
            return Ok(current.map(|id| (id, false)));
        }
        let rows = self.ledger().releases()?;
        let unchanged = rows.iter().find(|row| Some(&row.id) == current.as_ref() && row.content == content_id);
        if let Some(row) = unchanged {
            self.progress.event(&Event::Released { id: &row.id, new: false });
            return Ok(Some((row.id.clone(), false)));
        }
        let content = self.content();
        let sequence =
            rows.first().map_or(0, |row| row.sequence).max(current.as_deref().and_then(release::sequence).unwrap_or(0)) + 1;
        let id = release::build(&self.workspace, &self.store, sequence, &content, |_| Ok(Vec::new()))?;
        release::switch(&self.workspace, &id)?;
        let row = ReleaseRow { id: id.clone(), sequence, created: utc(now()), content: content_id };
        self.ledger().keep_release(&row, self.run)?;
        self.progress.event(&Event::Released { id: &id, new: true });
        Ok(Some((id, true)))
    }

    /// What a release would be made from; cheap, so that a night without changes ends here.
    fn content_id(&self) -> Digest {
        let datasets: Vec<_> = self
            .works
            .iter()
            .map(|work| {
                serde_json::json!([
                    work.config,
                    work.assembly.as_ref().map(|row| row.id),
                    work.tally.stale > 0 || work.failed.is_some()
                ])
            })
            .collect();
        let text = serde_json::json!({ "version": DOCUMENTS_VERSION, "pipeline": self.pipeline.config, "publish": self.pipeline.publish, "datasets": datasets });
        Digest::of(text.to_string().as_bytes())
    }

    fn content(&self) -> Content {
        let mut content = Content::default();
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
                    content.objects.insert(format!("{audience}/{}/{}", work.config.id, file.path), (file.digest, file.size));
                }
            }
        }
        content
    }

    /// Notes how the night ended and gives the summary.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn finish(self, release: Option<(String, bool)>) -> Result<Finished> {
        let (id, new_release) = release.map_or((None, false), |(id, new)| (Some(id), new));
        let exit = exit_of(&self.works);
        let summary = self.summary(id.clone());
        {
            let mut ledger = self.ledger();
            let ids: Vec<&str> = self.works.iter().map(|work| work.config.id.as_str()).collect();
            ledger.forget_unused(&ids)?;
            ledger.end_run(&RunRow {
                id: self.run,
                started: utc(self.started),
                ended: Some(utc(now())),
                exit: Some(exit as u8),
                release: id,
                report: None,
            })?;
            ledger.prune_runs(400)?;
            if new_release {
                release::clear(&self.workspace, &mut ledger, &self.store, self.pipeline.config.keep_releases)?;
            }
        }
        crate::io::atomic::remove_tree(&self.scratch)?;
        Ok(Finished { summary, exit, new_release })
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
    let lost = |work: &Work| {
        work.failed.is_some()
            || work.tally.quarantined > 0
            || !work.tally.rejections.is_empty()
            || !work.missing.is_empty()
            || !work.waiting.is_empty()
    };
    if works.iter().any(lost) { Exit::Quarantined } else { Exit::Ok }
}
