//! The options of the kind in the pipeline file.

use super::heights::VerticalOption;
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
    /// How the geometry of the tiles is stored: `meshopt` (small; CesiumJS, three.js) or `none`. Defaults to `meshopt`.
    #[serde(default)]
    pub compression: CompressionOption,
    /// Attribution that viewers show; defaults to that of the metadata. Names the source of the geoid grid too.
    #[serde(default)]
    pub copyright: Option<String>,
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
