//! TileJSON 3.0: where the tiles of a map lie. It knows only the square of the web's Mercator map.

use crate::crs::Bbox;
use serde_json::{Value, json};

/// What a TileJSON says.
pub struct TileJson<'a> {
    /// Title.
    pub name: &'a str,
    /// Attribution that the map has to show; empty leaves it out.
    pub attribution: &'a str,
    /// Address of a tile, with `{z}`, `{x}` and `{y}`.
    pub template: String,
    /// Lowest and highest zoom with tiles.
    pub zooms: [u8; 2],
    /// Extent in longitude and latitude.
    pub bounds_lonlat: Bbox,
}

impl TileJson<'_> {
    /// The document.
    pub fn to_json(&self) -> Value {
        let Bbox { min, max } = self.bounds_lonlat;
        let [lon, lat] = self.bounds_lonlat.centre();
        let mut json = json!({
            "tilejson": "3.0.0",
            "name": self.name,
            "scheme": "xyz",
            "tiles": [self.template],
            "minzoom": self.zooms[0],
            "maxzoom": self.zooms[1],
            "bounds": [min[0], min[1], max[0], max[1]],
            "center": [lon, lat, self.zooms[0]],
        });
        if !self.attribution.is_empty() {
            json["attribution"] = self.attribution.into();
        }
        json
    }
}
