//! What a report is made of. The serialised form is a contract: `report.json`, with its schema and [`SCHEMA_VERSION`].

use crate::crs::{Bbox, OperationFact};
use crate::dataset::{Artefact, Counts};
use crate::error::{Exit, Place, Rejection};
use crate::io::Digest;
use crate::pipeline::Audience;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the JSON form; raised when a member changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// A night, told from the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReportData {
    /// Version of this form.
    pub schema_version: u32,
    /// The run.
    pub run: RunReport,
    /// The release of this run; none when nothing was released.
    pub release: Option<ReleaseReport>,
    /// The release before it: what readers still see when nothing was released.
    pub previous: Option<ReleaseReport>,
    /// The datasets, in the order of the pipeline.
    pub datasets: Vec<DatasetReport>,
    /// Datasets that the release before had and this one has not, as the pipeline file no longer names them.
    #[serde(default)]
    pub withdrawn: Vec<String>,
    /// Time, memory and bytes of the whole run.
    pub usage: Usage,
    /// Versions that have a say in the results, by name: `messkette`, `GDAL`, `PROJ` ...
    pub software: BTreeMap<String, String>,
    /// Where it ran.
    pub machine: Machine,
    /// The last nights, newest first, this one included.
    pub nights: Vec<Night>,
}

impl ReportData {
    /// The traffic light of the night. What datasets lost makes it yellow at most, also when one failed as a whole: the others are
    /// released, and the exit code says so.
    pub fn light(&self) -> Light {
        let run = Light::of_exit(self.run.exit, self.run.error.is_some());
        self.datasets.iter().map(|dataset| dataset.light().min(Light::Yellow)).fold(run, Light::max)
    }
    /// The JSON twin.
    ///
    /// # Errors
    /// When a number in it is not finite.
    pub fn to_json(&self) -> crate::Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|error| crate::Error::new("mk::report::json", "cannot write the report as JSON").because(error))
    }
    /// JSON Schema of the twin.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(ReportData)
    }
}

/// One look says how the night was. Ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// All is well.
    Green,
    /// Published, and something needs a look.
    Yellow,
    /// Not published.
    Red,
}

impl Light {
    /// The light for an exit code; an error is always red.
    pub fn of_exit(exit: u8, error: bool) -> Self {
        match exit {
            _ if error => Self::Red,
            0 | 4 => Self::Green,
            3 | 5 => Self::Yellow,
            _ => Self::Red,
        }
    }
}

/// The run itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Identifier of the run.
    pub id: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// When it ended.
    #[schemars(with = "String")]
    pub ended: Timestamp,
    /// IANA time zone in which the page shows times, as `Europe/Berlin`; UTC when unknown.
    pub time_zone: Option<String>,
    /// Exit code.
    pub exit: u8,
    /// What stopped the run.
    pub error: Option<ErrorReport>,
}

/// What stopped a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReport {
    /// Stable code.
    pub code: String,
    /// What failed, with causes.
    pub message: String,
    /// Where.
    #[serde(default)]
    pub place: Place,
    /// What to do next.
    #[serde(default)]
    pub hint: Option<String>,
}

impl ErrorReport {
    /// The report of an error.
    pub fn of(error: &crate::Error) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.full_message(),
            place: error.place().clone(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

/// A release.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseReport {
    /// Identifier.
    pub id: String,
    /// When `current` was switched to it.
    #[schemars(with = "Option<String>")]
    pub released: Option<Timestamp>,
    /// BLAKE3 of its `manifest.json`.
    #[schemars(with = "Option<String>")]
    pub manifest: Option<Digest>,
    /// Files in it.
    #[serde(default)]
    pub files: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes: u64,
}

/// Time, memory and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Wall-clock time in seconds.
    pub wall_s: f64,
    /// Processor time in seconds, over all threads.
    pub cpu_s: f64,
    /// Highest resident memory in MiB.
    pub peak_rss_mb: f64,
    /// Bytes of the sources that were read.
    pub bytes_in: u64,
    /// Bytes newly written.
    pub bytes_out: u64,
}

/// Where a run ran.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Operating system.
    pub system: String,
    /// Processors that could be used.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Units that ran at the same time.
    pub jobs: u32,
}

/// One dataset's night.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DatasetReport {
    /// Identifier.
    pub id: String,
    /// German title.
    pub title: String,
    /// Kind.
    pub kind: String,
    /// Its ceiling.
    pub audience: Audience,
    /// CRS of the main tables, as `EPSG:25832`; empty when unknown.
    #[serde(default)]
    pub crs: String,
    /// The record's UUID.
    #[serde(default)]
    pub record: Option<String>,
    /// When it was last released without loss.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub last_success: Option<Timestamp>,
    /// What stopped this dataset.
    #[serde(default)]
    pub error: Option<ErrorReport>,
    /// Its inputs.
    pub sources: SourceReport,
    /// Its units.
    pub units: UnitReport,
    /// Objects by type.
    pub counts: Counts,
    /// Objects by type in the release before, where known.
    #[serde(default)]
    pub previous_counts: Option<Counts>,
    /// Time, memory and bytes.
    pub usage: Usage,
    /// What is published.
    #[serde(default)]
    pub artefacts: Vec<ArtefactReport>,
    /// Coordinate operations.
    #[serde(default)]
    pub operations: Vec<OperationReport>,
    /// What was kept but is worth a look.
    #[serde(default)]
    pub findings: Vec<FindingGroup>,
    /// Objects that did not get through: all of them.
    #[serde(default)]
    pub rejections: Vec<Rejection>,
    /// Units that failed.
    #[serde(default)]
    pub quarantined: Vec<QuarantinedUnit>,
    /// The units on the map.
    #[serde(default)]
    pub map: Vec<MapUnit>,
    /// Small pictures.
    #[serde(default)]
    pub previews: Vec<PreviewPair>,
    /// Name and value pairs of the kind, in German.
    #[serde(default)]
    pub notes: Vec<(String, String)>,
}

impl DatasetReport {
    /// The traffic light of the dataset: red when it failed as a whole, and its last good state stays.
    pub fn light(&self) -> Light {
        let lost = self.units.quarantined > 0 || !self.quarantined.is_empty() || self.counts.total().rejected > 0;
        let incomplete = !self.sources.missing.is_empty() || self.sources.falls_short() || self.sources.late;
        match () {
            () if self.error.is_some() => Light::Red,
            () if lost || incomplete || !self.sources.waiting.is_empty() || self.units.stale > 0 => Light::Yellow,
            () => Light::Green,
        }
    }
}

/// The inputs of a dataset.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SourceReport {
    /// Sources tonight.
    pub count: u64,
    /// Sources by what became of them since the last run.
    pub changes: BTreeMap<Change, u64>,
    /// Some of those that changed, by name.
    #[serde(default)]
    pub examples: Vec<(Change, String)>,
    /// Files that were still being written and wait for the next night.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Number of sources that a whole delivery has.
    #[serde(default)]
    pub expected: Option<u64>,
    /// Names of those that are missing, where the pipeline names them.
    #[serde(default)]
    pub missing: Vec<String>,
    /// True when the delivery was to be whole by now and is not.
    #[serde(default)]
    pub late: bool,
}

impl SourceReport {
    /// True when there are fewer sources than a whole delivery has.
    pub fn falls_short(&self) -> bool {
        self.expected.is_some_and(|expected| self.count < expected)
    }
}

/// What became of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// There for the first time.
    New,
    /// Other content under the same name.
    Changed,
    /// Gone.
    Removed,
}

/// The units of a dataset.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct UnitReport {
    /// Units planned, by reason as `plan` names it (`new`, `changed input` ...).
    pub planned: BTreeMap<String, u64>,
    /// Units that ran and succeeded.
    pub done: u64,
    /// Units whose earlier result is still right.
    pub reused: u64,
    /// Units that failed.
    pub quarantined: u64,
    /// Units that failed and whose last good result stays published.
    pub stale: u64,
}

/// A published file or folder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArtefactReport {
    /// What it is.
    #[serde(flatten)]
    pub artefact: Artefact,
    /// Bytes, of a folder with all its files.
    pub size: u64,
    /// Files: 1, or those of the folder.
    pub files: u64,
    /// BLAKE3 of the file, or of the folder's list of digests.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Address relative to the report's folder in the workspace or the release, where it can be opened.
    #[serde(default)]
    pub href: Option<String>,
    /// True when its bytes differ from the release before.
    #[serde(default)]
    pub changed: bool,
}

/// A coordinate operation that was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationReport {
    /// Source CRS.
    pub from: String,
    /// Target CRS.
    pub to: String,
    /// Name for people.
    pub name: String,
    /// The PROJ pipeline.
    pub pipeline: String,
    /// Stated accuracy in metres.
    pub accuracy_m: Option<f64>,
    /// Grid files.
    pub grids: Vec<GridReport>,
}

/// A grid file that an operation used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GridReport {
    /// File name.
    pub name: String,
    /// BLAKE3 of the file.
    pub digest: String,
    /// Attribution that its licence asks for.
    pub attribution: String,
}

impl From<&OperationFact> for OperationReport {
    fn from(fact: &OperationFact) -> Self {
        let grids = fact.grids.iter().map(|grid| GridReport {
            name: grid.name.clone(),
            digest: grid.digest.to_string(),
            attribution: grid.attribution.clone(),
        });
        Self {
            from: fact.from.to_string(),
            to: fact.to.to_string(),
            name: fact.name.clone(),
            pipeline: fact.pipeline.clone(),
            accuracy_m: fact.accuracy_m,
            grids: grids.collect(),
        }
    }
}

/// Findings of the same type and code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingGroup {
    /// Local name of the element, or `image`, `file`.
    pub object_type: String,
    /// Stable code.
    pub code: String,
    /// What is worth a look, as the first one says it.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Where some of them are.
    #[serde(default)]
    pub examples: Vec<Place>,
}

impl FindingGroup {
    /// Groups findings by type and code, the largest group first, with up to five places each.
    pub fn group<'a>(findings: impl IntoIterator<Item = &'a Rejection>) -> Vec<Self> {
        let mut groups: BTreeMap<(&str, &str), Self> = BTreeMap::new();
        for finding in findings {
            let group = groups.entry((&finding.object_type, &finding.code)).or_insert_with(|| Self {
                object_type: finding.object_type.clone(),
                code: finding.code.clone(),
                reason: finding.reason.clone(),
                count: 0,
                examples: Vec::new(),
            });
            group.count += 1;
            if group.examples.len() < 5 {
                group.examples.push(finding.place.clone());
            }
        }
        let mut groups: Vec<Self> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }
}

/// A unit that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuarantinedUnit {
    /// Name of the stage.
    pub stage: String,
    /// Key.
    pub key: String,
    /// Stable code.
    pub code: String,
    /// Why.
    pub reason: String,
    /// Where.
    #[serde(default)]
    pub place: Place,
    /// True when its last good result stays published.
    pub stale: bool,
    /// When it failed first without having succeeded since.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// A unit on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapUnit {
    /// Key.
    pub key: String,
    /// Where, in the dataset's CRS.
    #[schemars(with = "[f64; 4]")]
    pub bbox: Bbox,
    /// What became of it.
    pub state: UnitState,
    /// How many units it stands for: of many unchanged ones neighbours are one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub units: u64,
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_one(units: &u64) -> bool {
    *units == 1
}

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    /// Its earlier result is still right.
    Reused,
    /// It ran.
    Done,
    /// It failed, and its last good result stays published.
    Stale,
    /// It failed, and nothing of it is published.
    Quarantined,
}

/// A picture before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewPair {
    /// What it shows, in German.
    pub title: String,
    /// In the release before, where it differs.
    #[serde(default)]
    pub before: Option<Picture>,
    /// In this release.
    pub after: Picture,
}

/// A small picture inside the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Picture {
    /// `image/jpeg` or `image/png`.
    pub media_type: String,
    /// The file's bytes in Base64 (RFC 4648, 4).
    pub base64: String,
}

impl Picture {
    /// A picture from the bytes of a JPEG or PNG file, known by its first bytes; `None` for anything else.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let media_type = match bytes {
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
            _ => return None,
        };
        Some(Self { media_type: media_type.to_owned(), base64: crate::markup::base64(bytes) })
    }
    /// The picture as an address; `None` when it is not what it says it is.
    pub fn data_uri(&self) -> Option<String> {
        let known = matches!(self.media_type.as_str(), "image/jpeg" | "image/png");
        let plain = self.base64.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        (known && plain).then(|| format!("data:{};base64,{}", self.media_type, self.base64))
    }
}

/// One of the last nights.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Night {
    /// Identifier of the run.
    pub run: String,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// Exit code; none when the run was interrupted and did not end.
    pub exit: Option<u8>,
    /// Release, if there was one.
    pub release: Option<String>,
    /// Units that ran.
    pub done: u64,
    /// Units that failed.
    pub quarantined: u64,
    /// Objects that did not get through.
    pub rejected: u64,
    /// Wall-clock time in seconds.
    pub wall_s: f64,
}

impl Night {
    /// The traffic light of that night; none when it was interrupted, by a power cut or a kill: nobody knows how it would have ended.
    pub fn light(&self) -> Option<Light> {
        self.exit.map(|exit| Light::of_exit(exit, false))
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}
