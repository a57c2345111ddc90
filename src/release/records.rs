//! The rules that the records of a release have to meet.

use crate::error::{Error, Place, Result};
use crate::metadata::rules::{self, RuleFinding, Severity};
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

impl RecordFinding {
    /// The dataset whose record it is.
    pub fn dataset(&self) -> &str {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file.strip_suffix(".xml").unwrap_or(file)
    }
    /// True when catalogues refuse the record.
    pub fn is_failure(&self) -> bool {
        self.finding.severity == Severity::Failure
    }
}

/// Rules that several records break in the same way, as a person mends them: once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSummary<'a> {
    /// The rule as the first record breaks it.
    pub finding: &'a RuleFinding,
    /// The datasets, each once.
    pub datasets: Vec<&'a str>,
}

/// Groups findings by rule and message, failures first, in the order of the rules.
pub fn by_rule(findings: &[RecordFinding]) -> Vec<RuleSummary<'_>> {
    let mut groups: Vec<RuleSummary<'_>> = Vec::new();
    for found in findings {
        let same = |group: &&mut RuleSummary<'_>| {
            let (a, b) = (group.finding, &found.finding);
            a.rule == b.rule && a.message == b.message && a.severity == b.severity
        };
        let dataset = found.dataset();
        match groups.iter_mut().find(same) {
            Some(group) if group.datasets.contains(&dataset) => {}
            Some(group) => group.datasets.push(dataset),
            None => groups.push(RuleSummary { finding: &found.finding, datasets: vec![dataset] }),
        }
    }
    groups.sort_by_key(|group| (group.finding.severity, group.finding.rule));
    groups
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
