//! The pipeline file as types. Doc comments here are the reference that users read.

use crate::crs::{Bbox, Crs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A pipeline, checked.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The `[pipeline]` table.
    pub config: PipelineConfig,
    /// The `[[dataset]]` tables, in an order in which each comes after those it uses.
    pub datasets: Vec<DatasetConfig>,
    /// The `[[publish]]` tables.
    pub publish: Vec<PublishConfig>,
    /// The pipeline file, absolute; relative paths in it are relative to its folder.
    pub file: PathBuf,
}

impl Pipeline {
    /// The folder that relative paths are relative to.
    pub fn folder(&self) -> &std::path::Path {
        self.file.parent().unwrap_or(std::path::Path::new("."))
    }
    /// The workspace, absolute.
    pub fn workspace(&self) -> PathBuf {
        self.folder().join(&self.config.workspace)
    }
}

/// The `[pipeline]` table: what holds for all datasets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// Short name of the pipeline, for reports and metrics.
    pub name: String,
    /// Folder of ledger, store and releases, relative to this file.
    #[serde(default = "default_workspace")]
    pub workspace: PathBuf,
    /// CRS of the tables, as `EPSG:25832`; defaults to that of the sources.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub crs: Option<Crs>,
    /// Plausibility box `[min easting, min northing, max easting, max northing]` in metres, in `crs`: what lies outside is quarantined.
    #[serde(default)]
    #[schemars(with = "Option<[f64; 4]>")]
    pub extent: Option<Bbox>,
    /// Folders with transformation grids, relative to this file; PROJ's own are searched after them.
    #[serde(default)]
    pub grids: Vec<PathBuf>,
    /// Releases kept; older ones are cleared after a successful night. Defaults to 7.
    #[serde(default = "default_keep")]
    #[schemars(range(min = 1))]
    pub keep_releases: u32,
    /// Address under which the release's folder `public` is served; links in records and portal begin with it.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Who publishes: name and e-mail address for records.
    #[serde(default)]
    pub contact: Option<ContactConfig>,
    /// Series of datasets by name; a dataset says by `metadata.series` to which one it belongs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<String, SeriesConfig>,
    /// Words planted in personal data (a person that does not exist, in the register of owners): a release that holds one in
    /// anything public is refused. Defaults to `["KANARI"]`.
    #[serde(default = "default_canaries")]
    pub canaries: Vec<String>,
}

fn default_canaries() -> Vec<String> {
    vec!["KANARI".to_owned()]
}

pub(super) fn default_workspace() -> PathBuf {
    PathBuf::from("work")
}

fn default_keep() -> u32 {
    7
}

/// Who is responsible for the data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactConfig {
    /// Name of the office.
    pub organisation: String,
    /// E-mail address of the office.
    pub email: String,
    /// Web address of the office.
    #[serde(default)]
    pub url: Option<String>,
    /// Namespace of the office in the registry of the GDI-DE, as `de.sh.norderstedt`; identifiers of the datasets begin with it.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// Who may see an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody.
    Public,
    /// The office.
    #[default]
    Internal,
}

/// What happens to the last good result of a unit that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// It stays published, marked stale.
    #[default]
    Keep,
    /// It is left out of the release.
    Omit,
}

/// One `[[dataset]]` table: what holds for every kind. The keys of the kind itself are in `options`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DatasetConfig {
    /// Identifier: lower-case letters, digits and hyphens; the folder's name in a release.
    pub id: String,
    /// Kind of the dataset.
    pub kind: String,
    /// Files, globs or ZIP archives, relative to this file.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub source: Vec<String>,
    /// What a whole delivery has; what is missing is reported.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// Highest audience that may see what comes of it. Defaults to `internal`.
    #[serde(default)]
    pub audience: Audience,
    /// Whether the last good result of a unit that fails stays published.
    #[serde(default)]
    pub on_reject: OnReject,
    /// Datasets whose artefacts this one needs; it runs after them.
    #[serde(default)]
    pub uses: Vec<String>,
    /// Texts for the metadata record.
    #[serde(default)]
    pub metadata: MetadataConfig,
    /// The options of the kind.
    #[serde(flatten)]
    #[schemars(skip)]
    pub options: BTreeMap<String, serde_json::Value>,
}

/// What a whole delivery has.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Number of sources.
    #[serde(default)]
    pub count: Option<u64>,
    /// GeoJSON tile index, relative to this file: one source for each feature.
    #[serde(default)]
    pub index: Option<PathBuf>,
    /// Time of day by which the delivery is there, `HH:MM`, local time.
    #[serde(default)]
    pub by: Option<String>,
}

/// What only people know about a dataset. Everything else in a record comes from the data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataConfig {
    /// Title, in German. Defaults to a title of the kind.
    #[serde(default)]
    pub title: Option<String>,
    /// Abstract, in German.
    #[serde(default, rename = "abstract")]
    pub abstract_text: Option<String>,
    /// Title in English, where there is one.
    #[serde(default)]
    pub title_en: Option<String>,
    /// Abstract in English, where there is one.
    #[serde(default)]
    pub abstract_en: Option<String>,
    /// Licence by its DCAT-AP.de code, as `dl-by-de/2.0`.
    #[serde(default)]
    pub licence: Option<String>,
    /// Attribution that the licence asks for.
    #[serde(default)]
    pub attribution: Option<String>,
    /// INSPIRE theme by its code, as `oi` (orthoimagery), `cp` (cadastral parcels), `bu` (buildings).
    #[serde(default)]
    pub theme: Option<String>,
    /// Category of high-value datasets under Regulation (EU) 2023/138, where it is one: `geospatial`, `earth_observation`,
    /// `meteorological`, `statistics`, `companies`, `mobility`.
    #[serde(default)]
    pub hvd: Option<String>,
    /// Free keywords, in German.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Identifier of the record (UUID) where one exists already; else one is made once and kept in the lock file.
    #[serde(default)]
    pub uuid: Option<uuid_text::UuidText>,
    /// An existing record of this dataset, ISO 19139, relative to this file: what people wrote in it is kept, under its UUID. What
    /// stands here goes before it.
    #[serde(default)]
    pub record: Option<PathBuf>,
    /// Name of the series it belongs to, one of `[pipeline.series]`.
    #[serde(default)]
    pub series: Option<String>,
}

/// A series of datasets, such as the orthophotos of several years: it has a record of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesConfig {
    /// Title, in German.
    pub title: String,
    /// Abstract, in German. Defaults to the title and the titles of its datasets.
    #[serde(default, rename = "abstract")]
    pub abstract_text: Option<String>,
    /// Identifier of the record (UUID) where one exists already.
    #[serde(default)]
    pub uuid: Option<uuid_text::UuidText>,
}

/// One `[[publish]]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PublishConfig {
    /// Publisher.
    pub kind: String,
    /// The options of the publisher.
    #[serde(flatten)]
    #[schemars(skip)]
    pub options: BTreeMap<String, serde_json::Value>,
}

/// A UUID as text, checked when it is read.
pub mod uuid_text {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A UUID in its usual form with hyphens.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(try_from = "String", into = "String")]
    pub struct UuidText(#[schemars(regex(pattern = r"^[0-9a-fA-F-]{36}$"))] String);

    impl UuidText {
        /// The text.
        pub fn as_str(&self) -> &str {
            &self.0
        }
    }
    impl TryFrom<String> for UuidText {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            uuid::Uuid::parse_str(&text).map_err(|error| format!("not a UUID: {error}"))?;
            Ok(Self(text.to_lowercase()))
        }
    }
    impl From<UuidText> for String {
        fn from(uuid: UuidText) -> Self {
            uuid.0
        }
    }
}
