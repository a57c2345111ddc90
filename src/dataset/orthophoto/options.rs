//! The options of the kind in the pipeline file.

use super::flight_date::FlightDate;
use crate::crs::Crs;
use crate::error::{Error, Exit, Result};
use crate::format::tile_matrix::{MAX_ZOOM, TileMatrixSet, WEB_MERCATOR_QUAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The options of the kind `orthophoto`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The map tiles to make; one entry. Defaults to WebMercatorQuad as JPEG.
    #[serde(default)]
    pub tiles: Vec<TileTarget>,
    /// Date of the flight, `2023-05-14` or `2023`, for all images. Defaults to what the index or the file's name says.
    #[serde(default)]
    pub flight_date: Option<FlightDate>,
    /// CRS of images that do not name theirs, as `EPSG:25832`. An image that names another is rejected.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub crs: Option<Crs>,
    /// Grey level, 0 to 255, that marks pixels without data when all bands have it. Defaults to what the file says; not used for
    /// images with lossy compression, whose mask has to say it.
    #[serde(default)]
    pub nodata: Option<u8>,
}

/// One set of map tiles.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TileTarget {
    /// Tile matrix set; `WebMercatorQuad`.
    #[serde(default = "default_matrix")]
    pub matrix: String,
    /// Lowest and highest zoom. Defaults to 10 and the first zoom that keeps every detail of the finest image (DOP20: 19).
    #[serde(default)]
    pub zoom: Option<[u8; 2]>,
    /// Picture format of the tiles; `jpeg`.
    #[serde(default)]
    pub format: TileFormat,
    /// Quality of the JPEG pictures, 1 to 100. Defaults to 80.
    #[serde(default = "default_quality")]
    #[schemars(range(min = 1, max = 100))]
    pub quality: u8,
    /// How colours between source pixels are found: `bilinear` or `bicubic`. Where the tiles are coarser than the images, the mean
    /// of the covered area is taken. Defaults to `bilinear`.
    #[serde(default)]
    pub resampling: Resampling,
}

impl Default for TileTarget {
    fn default() -> Self {
        Self {
            matrix: default_matrix(),
            zoom: None,
            format: TileFormat::default(),
            quality: default_quality(),
            resampling: Resampling::default(),
        }
    }
}

fn default_matrix() -> String {
    WEB_MERCATOR_QUAD.id.to_owned()
}

fn default_quality() -> u8 {
    80
}

/// Picture format of tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TileFormat {
    /// JPEG; what no image covers is white.
    #[default]
    Jpeg,
}

/// How colours between source pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// From the four nearest pixels.
    #[default]
    Bilinear,
    /// From the sixteen nearest pixels.
    Bicubic,
}

impl Options {
    /// The tile target, checked.
    ///
    /// # Errors
    /// When there is more than one, or it asks for what is not made.
    pub fn target(&self) -> Result<TileTarget> {
        let target = match self.tiles.as_slice() {
            [] => TileTarget::default(),
            [one] => one.clone(),
            _ => {
                return Err(
                    wrong("more than one set of tiles is not supported").hint("make a second dataset of the same sources")
                );
            }
        };
        if target.matrix != WEB_MERCATOR_QUAD.id {
            return Err(wrong(format!("the tile matrix set '{}' is not supported", target.matrix))
                .hint(format!("use \"{}\"", WEB_MERCATOR_QUAD.id)));
        }
        if target.quality == 0 || target.quality > 100 {
            return Err(wrong(format!("the quality {} is not between 1 and 100", target.quality)));
        }
        if let Some([min, max]) = target.zoom
            && (min > max || max > MAX_ZOOM)
        {
            return Err(wrong(format!("zoom = [{min}, {max}] is no range"))
                .hint(format!("write the lowest zoom first; the highest possible is {MAX_ZOOM}")));
        }
        Ok(target)
    }
}

impl TileTarget {
    /// The tile matrix set.
    pub fn matrix(&self) -> TileMatrixSet {
        WEB_MERCATOR_QUAD
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new("mk::orthophoto::tiles", message).exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(tiles: &serde_json::Value) -> Result<TileTarget> {
        serde_json::from_value::<Options>(json!({ "tiles": tiles })).unwrap().target()
    }

    #[test]
    fn what_is_not_made_is_said() {
        let error = target(&json!([{ "matrix": "DE_EPSG_25832_ADV" }])).unwrap_err();
        insta::assert_snapshot!(error, @"the tile matrix set 'DE_EPSG_25832_ADV' is not supported");
        assert_eq!(error.hint_text(), Some("use \"WebMercatorQuad\""));
        assert_eq!(error.exit_code(), Exit::Usage);
        insta::assert_snapshot!(target(&json!([{}, {}])).unwrap_err(), @"more than one set of tiles is not supported");
        insta::assert_snapshot!(target(&json!([{ "zoom": [19, 13] }])).unwrap_err(), @"zoom = [19, 13] is no range");
        insta::assert_snapshot!(target(&json!([{ "quality": 0 }])).unwrap_err(), @"the quality 0 is not between 1 and 100");
        assert!(serde_json::from_value::<Options>(json!({ "tiles": [{ "format": "webp" }] })).is_err());
        assert!(serde_json::from_value::<Options>(json!({ "tile": [] })).is_err());
    }

    #[test]
    fn the_defaults_are_those_of_the_reference() {
        let target = target(&json!([])).unwrap();
        assert_eq!((target.quality, target.zoom, target.resampling), (80, None, Resampling::Bilinear));
    }
}
