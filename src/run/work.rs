//! What a night knows about one dataset while it runs.

use crate::dataset::{Counts, Dataset, Kind, Made, UnitResult, UsedDataset};
use crate::error::{Error, Rejection};
use crate::io::Source;
use crate::ledger::AssemblyRow;
use crate::pipeline::DatasetConfig;
use crate::plan::Reason;
use crate::run::Store;
use std::collections::BTreeMap;
use std::ops::Range;

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitState {
    /// Done tonight.
    Done,
    /// Valid from an earlier night.
    Reused,
    /// Failed.
    Quarantined,
}

/// A unit, for map and list of the report.
#[derive(Debug, Clone)]
pub struct UnitNote {
    /// Stage.
    pub stage: String,
    /// Unit.
    pub key: String,
    /// Where it lies, in the dataset's CRS.
    pub bbox: Option<crate::crs::Bbox>,
    /// What became of it.
    pub state: UnitState,
    /// Why it was to be done.
    pub reason: Option<Reason>,
    /// More on why.
    pub detail: String,
    /// Wall time in seconds.
    pub wall_s: f64,
}

/// A unit that failed, tonight or still.
#[derive(Debug, Clone)]
pub struct FailedUnit {
    /// Stage.
    pub stage: String,
    /// Unit.
    pub key: String,
    /// Why.
    pub rejection: Rejection,
    /// True when its last good result stays published.
    pub stale: bool,
}

/// What a dataset came to.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Units to do, by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Units done.
    pub done: u64,
    /// Units reused.
    pub reused: u64,
    /// Units quarantined.
    pub quarantined: u64,
    /// Units whose last good result is published instead.
    pub stale: u64,
    /// Objects.
    pub counts: Counts,
    /// Units that failed.
    pub failures: Vec<FailedUnit>,
    /// What did not get through.
    pub rejections: Vec<Rejection>,
    /// What is worth a look.
    pub findings: Vec<Rejection>,
    /// Every unit.
    pub units: Vec<UnitNote>,
    /// What the units done tonight made, and their wall time together in seconds, of those that made something countable.
    pub made: (Made, f64),
    /// Results that took the place of others because their inputs changed: stage, before, after.
    pub changed: Vec<(usize, UnitResult, UnitResult)>,
    /// Wall time of its units together, in seconds.
    pub unit_s: f64,
    /// Wall time of its assembly, in seconds.
    pub assemble_s: f64,
}

impl Tally {
    /// Units to do.
    pub fn planned(&self) -> u64 {
        self.reasons.iter().filter(|(reason, _)| **reason != Reason::Removed).map(|(_, count)| count).sum()
    }
}

/// One dataset of the night.
pub struct Work {
    /// Its table in the pipeline file.
    pub config: DatasetConfig,
    /// Its kind.
    pub kind: &'static Kind,
    /// The kind at work.
    pub dataset: Box<dyn Dataset>,
    /// What holds for all its units.
    pub common: serde_json::Value,
    /// False when the command line asks for others only, or when no file of it is whole yet: its last artefacts stay.
    pub active: bool,
    /// Sources, sorted by name.
    pub sources: Vec<Source>,
    /// Files that are still being written.
    pub waiting: Vec<String>,
    /// What a whole delivery would have had.
    pub missing: Vec<String>,
    /// Results by stage, sorted by key.
    pub results: Vec<Vec<UnitResult>>,
    /// What it came to.
    pub tally: Tally,
    /// Why it could not be planned or assembled as a whole.
    pub failed: Option<Rejection>,
    /// Exit code that goes with it.
    pub failed_exit: Option<crate::Exit>,
    /// Its artefacts: tonight's, or the last good ones.
    pub assembly: Option<AssemblyRow>,
    /// Its artefacts before tonight.
    pub previous: Option<AssemblyRow>,
    /// True when the artefacts were made tonight.
    pub assembled: bool,
}

impl Work {
    /// Notes that the dataset as a whole failed.
    pub fn fail(&mut self, error: &Error) {
        self.failed = Some(Rejection::of("dataset", error));
        self.failed_exit = Some(error.exit_code());
    }

    /// True when something of it did not get through, or is not there yet.
    pub fn lost(&self) -> bool {
        self.failed.is_some()
            || self.tally.quarantined > 0
            || !self.tally.rejections.is_empty()
            || !self.missing.is_empty()
            || !self.waiting.is_empty()
    }

    /// The stages, by steps: those of one are planned and executed together.
    pub fn steps(&self) -> Vec<Range<usize>> {
        let mut steps: Vec<Range<usize>> = Vec::new();
        for stage in 0..self.dataset.stages().len() {
            match steps.last_mut() {
                Some(step) if self.dataset.is_beside(stage) => step.end = stage + 1,
                _ => steps.push(stage..stage + 1),
            }
        }
        steps
    }

    /// True when its units are to be planned.
    pub fn runs(&self) -> bool {
        self.active && self.failed.is_none()
    }

    /// Its artefacts as a dataset that uses them sees them.
    pub fn used(&self, store: &Store) -> Option<UsedDataset> {
        self.assembly.as_ref().map(|row| Self::seen(row, store))
    }

    /// Its artefacts as they were before tonight.
    pub fn before(&self, store: &Store) -> Option<UsedDataset> {
        self.previous.as_ref().map(|row| Self::seen(row, store))
    }

    fn seen(row: &AssemblyRow, store: &Store) -> UsedDataset {
        let files = row.files.iter().map(|file| (file.path.clone(), (store.path(file.digest), file.digest))).collect();
        UsedDataset { files, facts: row.assembly.facts.clone() }
    }
}
