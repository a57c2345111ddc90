//! What a night tells while it runs. The command line turns it into bars, calm lines or JSON.

use crate::dataset::Outcome;
use crate::error::{Error, Rejection};
use crate::plan::Reason;
use serde::Serialize;
use std::collections::BTreeMap;

/// Something happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The night began.
    Started {
        /// Number of the run.
        run: i64,
        /// Threads.
        jobs: usize,
        /// Memory budget in MiB.
        memory_mb: u64,
    },
    /// The sources of a dataset are known.
    Discovered {
        /// Dataset.
        dataset: &'a str,
        /// Sources found.
        sources: usize,
        /// Files that are still being written.
        waiting: &'a [String],
        /// What a whole delivery would have had.
        missing: &'a [String],
        /// Files that cannot be sources.
        refused: &'a [Rejection],
    },
    /// A stage is planned.
    Planned {
        /// Dataset.
        dataset: &'a str,
        /// Stage.
        stage: &'a str,
        /// Units to do, by reason.
        reasons: &'a BTreeMap<Reason, u64>,
        /// Units whose results are reused.
        reused: u64,
        /// Sum of the relative costs of the units to do.
        cost: u64,
    },
    /// A unit is done.
    UnitDone {
        /// Dataset.
        dataset: &'a str,
        /// Stage.
        stage: &'a str,
        /// Unit.
        key: &'a str,
        /// Its relative cost.
        cost: u64,
        /// Wall time in seconds.
        wall_s: f64,
        /// What came of it.
        outcome: &'a Outcome,
    },
    /// A unit failed and is quarantined.
    UnitQuarantined {
        /// Dataset.
        dataset: &'a str,
        /// Stage.
        stage: &'a str,
        /// Unit.
        key: &'a str,
        /// Its relative cost.
        cost: u64,
        /// Why.
        error: &'a Error,
    },
    /// A dataset as a whole could not be planned or assembled; its last good artefacts stay.
    DatasetFailed {
        /// Dataset.
        dataset: &'a str,
        /// Why.
        error: &'a Error,
    },
    /// The artefacts of a dataset are made.
    Assembled {
        /// Dataset.
        dataset: &'a str,
        /// Number of files.
        files: usize,
        /// Their size together.
        bytes: u64,
        /// True when the artefacts of an earlier night were still right.
        reused: bool,
    },
    /// A release is published, or the current one is still right.
    Released {
        /// The release.
        id: &'a str,
        /// False when nothing changed.
        new: bool,
    },
    /// Something worth knowing that is no loss.
    Note(&'a str),
}

/// Listens to a night.
pub trait Progress: Sync {
    /// Called from any thread.
    fn event(&self, event: &Event<'_>);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
