//! What is known of pictures on their way from rows to sequences.

use crate::crs::{Crs, OperationFact};
use crate::dataset::city_model::VerticalOption;
use crate::io::Digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A row of a table: where and how a picture was taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Line of the table, or number of the recording.
    pub line: u64,
    /// Name or path of the picture.
    pub picture: String,
    /// Easting and northing, or longitude and latitude.
    pub at: [f64; 2],
    /// Height (metres).
    pub z: Option<f64>,
    /// Degrees clockwise from north.
    pub heading: f64,
    /// Degrees.
    pub pitch: f64,
    /// Degrees.
    pub roll: f64,
    /// Milliseconds since 1970.
    pub time: Option<i64>,
    /// The run.
    pub run: String,
    /// Whether it is blurred, where the table says it.
    pub blurred: Option<bool>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name of the file.
    pub file: String,
    /// CRS of the places.
    pub crs: Crs,
    /// True when headings count from grid north.
    pub grid_north: bool,
    /// What heights refer to, where it is known.
    pub vertical: Option<VerticalOption>,
    /// The rows, in the order of the file.
    pub rows: Vec<Row>,
}

/// What a picture says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tags {
    /// Longitude and latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 2]>,
    /// Height (metres).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z: Option<f64>,
    /// Degrees clockwise from true north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<f64>,
    /// True when the heading counts from magnetic north.
    #[serde(default)]
    pub magnetic: bool,
    /// Degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pitch: Option<f64>,
    /// Degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roll: Option<f64>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// Who made the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Model of the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Focal length (millimetres).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_mm: Option<f64>,
}

/// A picture as it was looked at, without decoding it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Name of the file.
    pub name: String,
    /// BLAKE3 of the file.
    pub digest: Digest,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// What it says of itself.
    pub tags: Tags,
    /// Why it is no panorama that can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A picture in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Identifier.
    pub id: Uuid,
    /// Name of the picture's file.
    pub picture: String,
    /// Its content.
    pub digest: Digest,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Milliseconds since 1970.
    pub time: i64,
    /// Longitude and latitude (WGS 84).
    pub lonlat: [f64; 2],
    /// Easting and northing in the dataset's CRS.
    pub place: [f64; 2],
    /// Height above the sea (DHHN).
    pub height: Option<f64>,
    /// Height above the ellipsoid.
    pub ellipsoidal: Option<f64>,
    /// Degrees clockwise from true north, 0 to 360.
    pub azimuth: f64,
    /// Degrees.
    pub pitch: f64,
    /// Degrees.
    pub roll: f64,
    /// Metres from the beginning of the sequence.
    pub chainage: f64,
    /// Speed (km/h), where times tell it.
    pub speed: Option<f64>,
    /// The camera, where it is known.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Focal length (millimetres).
    pub focal_mm: Option<f64>,
    /// Table and line, or the picture itself.
    pub told: String,
}

/// Pictures in the order of the drive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Identifier.
    pub id: Uuid,
    /// Length of the way (metres).
    pub length: f64,
    /// The pictures.
    pub frames: Vec<Frame>,
}

/// Everything that was arranged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arranged {
    /// CRS of the places.
    pub crs: Crs,
    /// What heights refer to.
    pub vertical: Option<VerticalOption>,
    /// True when all pictures are blurred.
    pub blurred: bool,
    /// Operations that were applied.
    pub operations: Vec<OperationFact>,
    /// The sequences.
    pub sequences: Vec<Sequence>,
    /// Places of all pictures, those too that were thinned out: where the survey has been.
    pub been: Vec<[f64; 2]>,
}

/// The namespace of a dataset's identifiers.
pub fn space(dataset: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("messkette/street_survey/{dataset}").as_bytes())
}

/// The identifier of a picture: that of its content, so that it is the same when it is delivered again.
pub fn picture_id(space: &Uuid, digest: Digest) -> Uuid {
    Uuid::new_v5(space, digest.to_string().as_bytes())
}

/// The identifier of a sequence: that of its first picture.
pub fn sequence_id(space: &Uuid, first: Digest) -> Uuid {
    Uuid::new_v5(space, format!("sequence/{first}").as_bytes())
}
