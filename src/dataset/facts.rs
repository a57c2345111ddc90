//! What is known about a dataset once it is assembled: the input of records, portal and report.

use super::Counts;
use crate::crs::{Bbox, Crs, OperationFact};
use crate::pipeline::Audience;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an artefact is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtefactRole {
    /// Data to download.
    Data,
    /// Tiles for maps and globes.
    Tiles,
    /// A small picture of the whole.
    Preview,
    /// An index or a description of other artefacts.
    Index,
    /// A part of another artefact, as a tile of a tileset: published and verified, not listed by itself.
    Part,
}

/// A published file, or a folder of files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Artefact {
    /// Path within the dataset's folder: a file, or a folder that counts with all its files.
    pub path: String,
    /// Who may see it; the dataset's audience is the ceiling.
    pub audience: Audience,
    /// What it is for.
    pub role: ArtefactRole,
    /// IANA media type.
    pub media_type: String,
    /// Name of the format for people, as `GeoParquet 1.1`.
    pub format: String,
    /// German title.
    pub title: String,
}

impl Artefact {
    /// True when the file is this artefact, or lies in its folder.
    pub fn owns(&self, file: &str) -> bool {
        file.strip_prefix(self.path.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// ISO 19115 `MD_SpatialRepresentationTypeCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Representation {
    /// Raster.
    Grid,
    /// Points, lines, areas.
    Vector,
    /// Surfaces in space.
    Tin,
}

/// An entry for the geoportal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortalLayer {
    /// Short name, unique within the dataset.
    pub name: String,
    /// German title.
    pub title: String,
    /// Masterportal layer type: `TileSet3D`, `VectorTile`, `GeoTiff`, `GeoJSON` ...
    pub typ: String,
    /// Path of the artefact it shows.
    pub path: String,
    /// Attributes to show, with German names; empty shows all.
    pub attributes: Vec<(String, String)>,
    /// Further members of the entry, as the portal documents them.
    #[serde(default)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// What is known about an assembled dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// CRS of the main tables.
    pub crs: Crs,
    /// Vertical reference, as `DHHN2016`, where heights are given.
    #[serde(default)]
    pub vertical: Option<String>,
    /// Extent in `crs`.
    pub bbox: Bbox,
    /// Extent in longitude and latitude (WGS 84 / ETRS89).
    pub bbox_lonlat: Bbox,
    /// Raster, vector or surfaces.
    pub representation: Representation,
    /// Ground resolution in metres, of rasters.
    #[serde(default)]
    pub resolution_m: Option<f64>,
    /// First and last date that the data shows or holds for, ISO 8601.
    #[serde(default)]
    pub dates: Option<(String, String)>,
    /// Objects by type.
    pub counts: Counts,
    /// Coordinate operations that were applied.
    pub operations: Vec<OperationFact>,
    /// Processing steps, one German sentence each.
    pub steps: Vec<String>,
    /// Entries for the geoportal.
    pub layers: Vec<PortalLayer>,
    /// Name and value pairs for the report, in German.
    #[serde(default)]
    pub notes: Vec<(String, String)>,
}

/// What the assembly gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assembly {
    /// The artefacts.
    pub artefacts: Vec<Artefact>,
    /// What is known about them.
    pub facts: Facts,
}
