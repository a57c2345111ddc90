//! The options of the kind in the pipeline file.

use super::heights::VerticalOption;
use super::history::Day;
use super::reader::Wanted;
use crate::format::glb;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The options of the kind in the pipeline file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Geoid grid (GeoTIFF or GTX, relative to this file) that turns normal heights into ellipsoidal ones: `de_bkg_gcg2016.tif`
    /// for DHHN2016, published with PROJ-data. Needed unless heights are ellipsoidal already.
    #[serde(default)]
    pub geoid: Option<PathBuf>,
    /// What heights refer to where the files do not say: `dhhn2016`, `dhhn92` or `ellipsoidal`. What a file says counts more.
    #[serde(default)]
    pub vertical: Option<VerticalOption>,
    /// Level of detail that is taken where a building has several: `1` or `2`. Defaults to `2`.
    #[serde(default)]
    pub lod: Option<LodOption>,
    /// How the geometry of the tiles is stored: `meshopt` (small; CesiumJS, three.js) or `none`. Defaults to `meshopt`.
    #[serde(default)]
    pub compression: CompressionOption,
    /// Colours of the buildings: `surface` (textures and materials, else roof, wall, ground) or `function` (walls by what the
    /// building is for, without textures). Defaults to `surface`.
    #[serde(default)]
    pub colour: ColourOption,
    /// Publish what was, too: each version of each building with its dates, and what came, changed and went. The folder of each
    /// delivery is named by its date (`2024-07-01`, `2024`). Defaults to `false`.
    #[serde(default)]
    pub history: bool,
    /// Show what the deliveries up to this day say, instead of all: `as_of = 2021-12-31`. Their folders are named by their dates.
    #[serde(default)]
    pub as_of: Option<Day>,
    /// Attribution that viewers show; defaults to that of the metadata. Names the source of the geoid grid too.
    #[serde(default)]
    pub copyright: Option<String>,
}

impl Options {
    /// True when the date of each delivery counts.
    pub(super) fn dated(&self) -> bool {
        self.history || self.as_of.is_some()
    }
    /// What is wanted of a building with several levels of detail.
    pub(super) fn wanted(&self) -> Wanted {
        self.lod.map_or_else(Wanted::default, |LodOption(lod)| Wanted { lod })
    }
}

/// A level of detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LodOption(#[schemars(range(min = 1, max = 2))] u8);

/// What the colours of the buildings tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColourOption {
    /// Roof, wall, ground.
    #[default]
    Surface,
    /// Walls by function: living, business, public, other.
    Function,
}

/// How the geometry of the tiles is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompressionOption {
    /// `EXT_meshopt_compression`.
    #[default]
    Meshopt,
    /// Quantised but not compressed.
    None,
}

impl From<CompressionOption> for glb::Compression {
    fn from(option: CompressionOption) -> Self {
        match option {
            CompressionOption::Meshopt => Self::Meshopt,
            CompressionOption::None => Self::None,
        }
    }
}
