//! The last line of `run --json` and `convert --json`: a contract with scripts.

use crate::dataset::{Count, Counts};
use serde::Serialize;

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The release that stands now; missing when nothing was ever released.
    pub release: Option<String>,
    /// Units of work.
    pub units: UnitCounts,
    /// Objects, all types together.
    pub objects: Count,
    /// Objects by type, the element's local name.
    pub by_type: Counts,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Processor time in seconds, all threads.
    pub cpu_s: f64,
    /// Peak memory in MiB.
    pub peak_rss_mb: f64,
}

/// Units of work by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UnitCounts {
    /// To be done this time.
    pub planned: u64,
    /// Done.
    pub done: u64,
    /// Valid from earlier.
    pub reused: u64,
    /// Failed, this time or still.
    pub quarantined: u64,
}

impl Summary {
    /// The line: `{"summary": {...}}`.
    pub fn line(&self) -> String {
        serde_json::json!({ "summary": self }).to_string()
    }
}
