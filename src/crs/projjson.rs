//! The definition of a CRS as PROJJSON, as GeoParquet wants it.

use super::Crs;
use crate::error::{Error, Result};
use gdal::spatial_ref::SpatialRef;

/// The definition as PROJJSON, from the system's EPSG registry.
///
/// # Errors
/// When the registry does not know the code.
pub fn projjson(crs: Crs) -> Result<serde_json::Value> {
    let unknown = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new("mk::crs::definition", format!("no definition of {crs}")).because(error)
    };
    crate::io::gdal::init();
    let text = SpatialRef::from_epsg(crs.0).and_then(|srs| srs.to_projjson()).map_err(|error| unknown(error.into()))?;
    serde_json::from_str(&text).map_err(|error| unknown(error.into()))
}

/// True when positions of the CRS are longitudes and latitudes.
///
/// # Errors
/// When the registry does not know the code.
pub fn is_geographic(crs: Crs) -> Result<bool> {
    crate::io::gdal::init();
    SpatialRef::from_epsg(crs.0)
        .map(|srs| srs.is_geographic())
        .map_err(|error| Error::new("mk::crs::definition", format!("no definition of {crs}")).because(error))
}

/// Name and definition (WKT 1) of a CRS, as a GeoPackage lists them.
///
/// # Errors
/// When the registry does not know the code.
pub fn name_and_wkt(crs: Crs) -> Result<(String, String)> {
    crate::io::gdal::init();
    SpatialRef::from_epsg(crs.0)
        .and_then(|srs| Ok((srs.name().unwrap_or_else(|| crs.to_string()), srs.to_wkt()?)))
        .map_err(|error| Error::new("mk::crs::definition", format!("no definition of {crs}")).because(error))
}
