//! The options of the kind in the pipeline file.

use super::moment::Zone;
use crate::crs::Crs;
use crate::dataset::city_model::VerticalOption;
use crate::dataset::features::{CsvOption, DayOption, DecimalOption};
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::DatasetConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The options of the kind in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Columns of the tables where they have other names than those that are known.
    #[serde(default)]
    pub columns: ColumnsOption,
    /// CRS of the tables, as `EPSG:25832`. Defaults to EPSG:4258 for columns named longitude and latitude, else to the pipeline's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_crs: Option<Crs>,
    /// Encoding of the tables, as `windows-1252`. Defaults to UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Character between whole number and fraction: `.` or `,`. Defaults to `.`.
    #[serde(default)]
    pub decimal: DecimalOption,
    /// Character between the columns. Defaults to the one that the first line has most often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// What headings count from: `grid` or `true` north. Defaults to grid north in a projected CRS, to true north in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub north: Option<NorthOption>,
    /// What heights refer to: `dhhn2016`, `dhhn92` or `ellipsoidal`. Without it heights are left out, unless the files say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertical: Option<VerticalOption>,
    /// Geoid grid (GeoTIFF or GTX) between ellipsoidal heights and those above the sea.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geoid: Option<PathBuf>,
    /// Time zone of times that do not say theirs: `UTC`, `Europe/Berlin` or an offset as `+02:00`. Defaults to `UTC`.
    #[serde(default)]
    pub time_zone: Zone,
    /// The day of the survey, for pictures whose time nobody knows: they get its noon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DayOption>,
    /// True when all pictures are blurred. Without it, and without a column that says so, no picture becomes public.
    #[serde(default)]
    pub blurred: bool,
    /// A longer pause than this (seconds) begins a new sequence. Defaults to 10.
    #[serde(default = "default_gap_s")]
    pub max_gap_s: f64,
    /// A longer way than this (metres) between two pictures begins a new sequence. Defaults to 20.
    #[serde(default = "default_gap_m")]
    pub max_gap_m: f64,
    /// Nobody drives faster (km/h): a picture that would have to is an outlier. Defaults to 150.
    #[serde(default = "default_speed")]
    pub max_speed_kmh: f64,
    /// Pictures nearer than this (metres) to the one before are left out; 0 keeps all. Defaults to 3.
    #[serde(default = "default_spacing")]
    pub spacing_m: f64,
    /// Most columns of tiles that a picture is cut into: a power of two, 0 for none. Defaults to 8.
    #[serde(default = "default_tiles")]
    pub tiles: u32,
    /// JPEG quality of the smaller pictures, 1 to 100. Defaults to 80.
    #[serde(default = "default_quality")]
    pub quality: u8,
    /// Camera, where the pictures do not say theirs.
    #[serde(default)]
    pub camera: CameraOption,
    /// The network of streets that the survey is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streets: Option<StreetsOption>,
}

fn default_gap_s() -> f64 {
    10.0
}
fn default_gap_m() -> f64 {
    20.0
}
fn default_speed() -> f64 {
    150.0
}
fn default_spacing() -> f64 {
    3.0
}
fn default_tiles() -> u32 {
    8
}
fn default_quality() -> u8 {
    80
}

/// Names of columns.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnsOption {
    /// Name or path of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Easting or longitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Northing or latitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Height of the camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z: Option<String>,
    /// Direction of the middle of the picture, degrees clockwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// Pitch of the camera in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pitch: Option<String>,
    /// Roll of the camera in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<String>,
    /// The moment when it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The run that it belongs to. Defaults to its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Whether it is blurred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blurred: Option<String>,
}

/// What headings count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NorthOption {
    /// The northward line of the grid.
    Grid,
    /// The meridian.
    True,
}

/// The camera.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraOption {
    /// Who made the camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Its model, as `Ladybug5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The network of streets: lines of a file, or of a dataset that this one `uses`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreetsOption {
    /// The file; of a dataset its artefact, as `theme.gpkg`.
    pub file: PathBuf,
    /// The dataset whose artefact it is; must be in `uses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The layer, where the file has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Field with the name of the street.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// CRS of a file that does not say its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_crs: Option<Crs>,
    /// Encoding of CSV and Shape files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// How CSV files are read.
    #[serde(default)]
    pub csv: CsvOption,
    /// A street counts as driven where a picture was taken within this distance (metres). Defaults to 15.
    #[serde(default = "default_reach")]
    pub reach_m: f64,
}

fn default_reach() -> f64 {
    15.0
}

/// Reads and checks the options; no I/O.
///
/// # Errors
/// When they make no sense, or do not fit each other.
pub fn read(config: &DatasetConfig) -> Result<Options> {
    let options: Options = crate::dataset::read_options(config)?;
    let wrong = |key: &str, message: String, hint: &str| {
        Err(Error::new("mk::config::option", message).at(Place::default().object(key)).hint(hint).exit(Exit::Usage))
    };
    let between = |value: f64, low: f64, high: f64| value >= low && value <= high;
    for (key, value, low, high, usual) in [
        ("max_gap_s", options.max_gap_s, 0.1, 86_400.0, "10 is usual"),
        ("max_gap_m", options.max_gap_m, 0.1, 10_000.0, "20 is usual"),
        ("max_speed_kmh", options.max_speed_kmh, 1.0, 1_000.0, "150 is usual"),
        ("spacing_m", options.spacing_m, 0.0, 1_000.0, "3 to 5 are usual"),
    ] {
        if !between(value, low, high) {
            return wrong(key, format!("`{key}` is to be from {low} to {high}"), usual);
        }
    }
    if options.tiles != 0 && !(options.tiles.is_power_of_two() && (2..=64).contains(&options.tiles)) {
        return wrong("tiles", "`tiles` is to be 0, or a power of two from 2 to 64".to_owned(), "tiles = 8 is usual");
    }
    if !(1..=100).contains(&options.quality) {
        return wrong("quality", "`quality` is to be from 1 to 100".to_owned(), "quality = 80 is usual");
    }
    let encodings = [options.encoding.as_ref(), options.streets.as_ref().and_then(|streets| streets.encoding.as_ref())];
    for name in encodings.into_iter().flatten() {
        if encoding_rs::Encoding::for_label(name.as_bytes()).is_none() {
            return wrong("encoding", format!("there is no encoding `{name}`"), "\"windows-1252\" is that of most German files");
        }
    }
    if options.separator.is_some_and(|separator| !separator.is_ascii() || separator == '"') {
        return wrong("separator", "the separator is to be one ASCII character".to_owned(), "\";\" is usual");
    }
    if let Some(streets) = &options.streets {
        if !between(streets.reach_m, 0.5, 200.0) {
            return wrong("streets.reach_m", "`reach_m` is to be from 0.5 to 200".to_owned(), "15 is usual");
        }
        if let Some(dataset) = &streets.dataset
            && !config.uses.contains(dataset)
        {
            return wrong(
                "streets.dataset",
                format!("the dataset '{dataset}' is not among those that are used"),
                "add it to `uses`",
            );
        }
    }
    Ok(options)
}
