//! Cutlines: polygons in GeoJSON that say which part of an image counts.

use super::header::Header;
use crate::crs::{Crs, Operation};
use crate::error::{Error, Place, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where the cutlines are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutlineOptions {
    /// A GeoJSON file whose features are polygons; a property names the image, without its ending. Relative to the pipeline file.
    pub file: String,
    /// CRS of the coordinates, easting before northing. Defaults to longitude and latitude, as RFC 7946 has it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub crs: Option<Crs>,
}

/// Rings of a polygon, or of several.
pub type Rings = Vec<Vec<[f64; 2]>>;

/// Cutlines by the names of images.
#[derive(Debug, Default)]
pub struct Cutlines {
    rings: HashMap<String, Rings>,
}

/// Largest file.
const MAX_BYTES: u64 = 1 << 28;

impl Cutlines {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is no GeoJSON, or a geometry in it is no polygon.
    pub fn read(folder: &Path, options: &CutlineOptions) -> Result<Self> {
        let failed = |message: &str| Error::new("mk::orthophoto::cutline", message).at(Place::file(&options.file));
        let path = folder.join(&options.file);
        let size = std::fs::metadata(&path).map_err(|error| failed("cannot read the cutlines").because(error))?.len();
        if size > MAX_BYTES {
            return Err(failed("the file of cutlines is larger than 256 MiB"));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed("cannot read the cutlines").because(error))?;
        let json: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| failed("the file of cutlines is no JSON").because(error))?;
        let features =
            json["features"].as_array().ok_or_else(|| failed("the file of cutlines is no GeoJSON collection of features"))?;
        let mut rings: HashMap<String, Rings> = HashMap::new();
        for feature in features {
            let polygon = polygon(&feature["geometry"]).ok_or_else(|| failed("a cutline is no polygon"))?;
            let names = feature["properties"].as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
            for name in names {
                let last = name.rsplit('/').next().unwrap_or(name);
                let stem = last.split_once('.').map_or(last, |(stem, _)| stem);
                rings.entry(stem.to_lowercase()).or_default().extend(polygon.iter().cloned());
            }
        }
        Ok(Self { rings })
    }

    /// The cutline of an image.
    pub fn of(&self, file_name: &str) -> Option<&Rings> {
        self.rings.get(&file_name.split_once('.').map_or(file_name, |(stem, _)| stem).to_lowercase())
    }
}

fn polygon(geometry: &serde_json::Value) -> Option<Rings> {
    let coordinates = &geometry["coordinates"];
    match geometry["type"].as_str()? {
        "Polygon" => {
            serde_json::from_value::<Vec<Vec<Vec<f64>>>>(coordinates.clone()).ok()?.iter().map(|ring| points(ring)).collect()
        }
        "MultiPolygon" => {
            let polygons = serde_json::from_value::<Vec<Vec<Vec<Vec<f64>>>>>(coordinates.clone()).ok()?;
            polygons.iter().flatten().map(|ring| points(ring)).collect()
        }
        _ => None,
    }
}

fn points(ring: &[Vec<f64>]) -> Option<Vec<[f64; 2]>> {
    ring.iter().map(|point| Some([*point.first()?, *point.get(1)?])).collect()
}

/// A cutline in pixels of the image, to a thousandth. Long edges are straight in the image's CRS.
///
/// # Errors
/// When it lies where the operation has no answer.
pub fn in_pixels(rings: &Rings, crs: Crs, header: &Header, grids: &[PathBuf]) -> Result<Rings> {
    let operation = Operation::between(crs, header.crs, grids)?;
    let to_pixels = |ring: &Vec<[f64; 2]>| {
        let mut ring = ring.clone();
        operation.forward(&mut ring)?;
        Ok(ring.into_iter().map(|point| header.to_pixel(point).map(|value| (value * 1000.0).round() / 1000.0)).collect())
    };
    rings.iter().map(to_pixels).collect()
}
