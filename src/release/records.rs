//! The rules that the records of a release have to meet.

use crate::error::{Error, Place, Result};
use crate::metadata::rules::{self, RuleFinding};
use serde::Serialize;
use std::path::Path;

/// A rule that a published record does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordFinding {
    /// Path within the release.
    pub path: String,
    /// The rule.
    #[serde(flatten)]
    pub finding: RuleFinding,
}

/// Checks every record of a release, both audiences'.
///
/// # Errors
/// When a record cannot be read.
pub fn check_records(release: &Path) -> Result<Vec<RecordFinding>> {
    let mut found = Vec::new();
    for audience in ["internal", "public"] {
        let folder = release.join(audience).join("metadata");
        for entry in walkdir::WalkDir::new(&folder).sort_by_file_name().into_iter().flatten() {
            if entry.path().extension().is_none_or(|extension| extension != "xml") {
                continue;
            }
            let path = entry.path().strip_prefix(release).unwrap_or(entry.path()).to_string_lossy().into_owned();
            let unreadable =
                |error| Error::new("mk::release::record", "cannot read a published record").at(Place::file(&path)).because(error);
            let xml = std::fs::read_to_string(entry.path()).map_err(unreadable)?;
            found.extend(rules::check(&xml)?.into_iter().map(|finding| RecordFinding { path: path.clone(), finding }));
        }
    }
    Ok(found)
}
