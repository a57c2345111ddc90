//! The options of the kind in the pipeline file.

use super::cutline::CutlineOptions;
use super::flight_date::FlightDate;
use super::header::{Bands, Stretch};
use super::tiles::BACKGROUND;
use crate::crs::Crs;
use crate::error::{Error, Exit, Place, Result};
use crate::format::picture::Codec;
use crate::format::tile_matrix::{self, BUILTIN, MAX_ZOOM, TileMatrixSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The options of the kind `orthophoto`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The sets of map tiles to make. Defaults to one: WebMercatorQuad as JPEG.
    #[serde(default)]
    pub tiles: Vec<TileTarget>,
    /// Also each image as a Cloud Optimized GeoTIFF (JPEG of quality 80) in its own CRS, with an index of them for GDAL. Defaults to no.
    #[serde(default)]
    pub cog: bool,
    /// Date of the flight, `2023-05-14` or `2023`, for all images. Defaults to what the index or the file's name says.
    #[serde(default)]
    pub flight_date: Option<FlightDate>,
    /// CRS of images that do not name theirs, as `EPSG:25832`. An image that names another is rejected.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub crs: Option<Crs>,
    /// For images of 16 bit: the levels that become black and white, as `[0, 4095]`. Images of 8 bit are shown as they are.
    #[serde(default)]
    pub stretch: Option<Stretch>,
    /// Polygons that say which part of an image counts; an image without one counts as a whole.
    #[serde(default)]
    pub cutline: Option<CutlineOptions>,
    /// Grey level that marks pixels without data when all bands have it. Defaults to what the file says; not used for
    /// images with lossy compression, whose mask has to say it.
    #[serde(default)]
    pub nodata: Option<u16>,
}

/// One set of map tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TileTarget {
    /// Tile matrix set: `WebMercatorQuad`, `DE_EPSG_25832_ADV`, `DE_EPSG_25833_ADV`, or a JSON file of OGC 17-083 (`"grids/gdi_de.json"`,
    /// relative to the pipeline file).
    #[serde(default = "default_matrix")]
    pub matrix: String,
    /// Lowest and highest zoom: numbers of levels, 0 for the coarsest. Defaults to the last level coarser than 80 m and the first that
    /// keeps every detail of the finest image (DOP20 in WebMercatorQuad: 10 and 19).
    #[serde(default)]
    pub zoom: Option<[u8; 2]>,
    /// Picture format of the tiles: `jpeg`, `webp` or `png`.
    #[serde(default)]
    pub format: TileFormat,
    /// Quality of JPEG and WebP pictures, 1 to 100. Defaults to 80.
    #[serde(default = "default_quality")]
    #[schemars(range(min = 1, max = 100))]
    pub quality: u8,
    /// How colours between source pixels are found: `bilinear` or `bicubic`. Where the tiles are coarser than the images, the mean
    /// of the covered area is taken. Defaults to `bilinear`.
    #[serde(default)]
    pub resampling: Resampling,
    /// Bands that are shown: `rgb`, or `cir` (near infrared, red, green) of images with the four bands red, green, blue, near infrared.
    #[serde(default)]
    pub bands: Shown,
    /// Name of the archive and of the folder of tiles. Defaults to `orthophoto` for the first set, and for further ones to that with what
    /// makes them differ: `orthophoto-DE_EPSG_25832_ADV`, `orthophoto-cir`, `orthophoto-webp`.
    #[serde(default)]
    pub name: Option<String>,
    /// Also a set of tiles for each year of flight, named with the year, beside the one that shows the latest of all. Defaults to no.
    #[serde(default)]
    pub campaigns: bool,
    /// Also a folder of tiles `{zoom}/{column}/{row}` with WMTS capabilities and, in WebMercatorQuad, a TileJSON. Defaults to no; sets
    /// that do not fit into a PMTiles archive always have it.
    #[serde(default)]
    pub tree: bool,
}

impl Default for TileTarget {
    fn default() -> Self {
        Self {
            matrix: default_matrix(),
            zoom: None,
            format: TileFormat::default(),
            quality: default_quality(),
            resampling: Resampling::default(),
            bands: Shown::default(),
            name: None,
            campaigns: false,
            tree: false,
        }
    }
}

fn default_matrix() -> String {
    tile_matrix::WEB_MERCATOR_QUAD_ID.to_owned()
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
    /// WebP with loss; what no image covers is transparent.
    Webp,
    /// PNG; what no image covers is transparent.
    Png,
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

/// Which bands are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The first three, as red, green and blue.
    #[default]
    Rgb,
    /// The fourth, first and second: near infrared, red, green.
    Cir,
}

impl Shown {
    /// The bands that are shown as red, green and blue.
    pub fn bands(self) -> Bands {
        match self {
            Self::Rgb => Bands::default(),
            Self::Cir => Bands([4, 1, 2]),
        }
    }
}

/// Names that other artefacts have.
const TAKEN: [&str; 6] = ["cog", "footprints", "mosaic", "preview", "stac", "wmts"];

impl Options {
    /// The sets of tiles with their names, checked as far as that goes without reading a file.
    ///
    /// # Errors
    /// When one asks for what is not made, or two have the same name.
    pub fn targets(&self) -> Result<Vec<(String, TileTarget)>> {
        let default = [TileTarget::default()];
        let targets = if self.tiles.is_empty() { &default[..] } else { &self.tiles };
        let mut named: Vec<(String, TileTarget)> = Vec::with_capacity(targets.len());
        for target in targets {
            target.check()?;
            let name = target.name.clone().unwrap_or_else(|| target.own_name(named.is_empty(), &targets[0]));
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) || TAKEN.contains(&name.as_str()) {
                return Err(wrong(format!("'{name}' is no name for a set of tiles"))
                    .hint("use letters, digits, '-' and '_', and no name of another artefact"));
            }
            if named.iter().any(|(other, _)| *other == name) {
                return Err(wrong(format!("two sets of tiles are named '{name}'")).hint("give one of them a name = \"...\""));
            }
            named.push((name, target.clone()));
        }
        if let Some([low, high]) = self.stretch
            && low >= high
        {
            return Err(wrong(format!("stretch = [{low}, {high}] is no range")).hint("write the level that becomes black first"));
        }
        Ok(named)
    }
}

impl TileTarget {
    fn check(&self) -> Result<()> {
        let builtin = tile_matrix::builtin(&self.matrix);
        if builtin.is_none() && !self.is_file() {
            return Err(wrong(format!("the tile matrix set '{}' is not known", self.matrix)).hint(format!(
                "use one of {}, or the path of a JSON file",
                BUILTIN.map(|name| format!("\"{name}\"")).join(", ")
            )));
        }
        if self.quality == 0 || self.quality > 100 {
            return Err(wrong(format!("the quality {} is not between 1 and 100", self.quality)));
        }
        let last = builtin.map_or(MAX_ZOOM, |set| set.last_zoom());
        self.check_zoom(last)
    }

    fn check_zoom(&self, last: u8) -> Result<()> {
        match self.zoom {
            Some([min, max]) if min > max || max > last => Err(wrong(format!("zoom = [{min}, {max}] is no range"))
                .hint(format!("write the lowest zoom first; the highest possible is {last}"))),
            _ => Ok(()),
        }
    }

    fn is_file(&self) -> bool {
        Path::new(&self.matrix).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
    }

    /// The name of the archive where the pipeline gives none.
    fn own_name(&self, first: bool, main: &Self) -> String {
        let mut name = "orthophoto".to_owned();
        if first {
            return name;
        }
        if self.matrix != main.matrix {
            let matrix = Path::new(&self.matrix).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            name.push('-');
            name.extend(matrix.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }));
        }
        if self.bands != main.bands {
            name.push_str(if self.bands == Shown::Cir { "-cir" } else { "-rgb" });
        }
        if self.format != main.format {
            name.push('-');
            name.push_str(self.codec().extension());
        }
        name
    }

    /// The tile matrix set; `folder` is what the path of a file is relative to.
    ///
    /// # Errors
    /// When the file cannot be read or holds no set that is drawn, or the zooms are not those of it.
    pub fn matrix(&self, folder: &Path) -> Result<TileMatrixSet> {
        if let Some(set) = tile_matrix::builtin(&self.matrix) {
            return Ok(set);
        }
        let path = folder.join(&self.matrix);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| wrong("the tile matrix set cannot be read").at(Place::file(&self.matrix)).because(error))?;
        let set = TileMatrixSet::parse(&text).map_err(|error| error.in_file(&self.matrix))?;
        self.check_zoom(set.last_zoom())?;
        Ok(set)
    }

    /// How its pictures are stored.
    pub fn codec(&self) -> Codec {
        match self.format {
            TileFormat::Jpeg => Codec::Jpeg { quality: self.quality, background: BACKGROUND },
            TileFormat::Webp => Codec::Webp { quality: self.quality },
            TileFormat::Png => Codec::Png,
        }
    }
}

/// What the pixels of a set of tiles depend on, beside the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// The tile matrix set.
    pub matrix: TileMatrixSet,
    /// How pictures are stored.
    pub codec: Codec,
    /// How colours are found.
    pub resampling: Resampling,
    /// Bands that are shown.
    pub bands: Shown,
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new("mk::orthophoto::tiles", message).exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn targets(tiles: &serde_json::Value) -> Result<Vec<(String, TileTarget)>> {
        serde_json::from_value::<Options>(json!({ "tiles": tiles })).unwrap().targets()
    }

    #[test]
    fn what_is_not_made_is_said() {
        let error = targets(&json!([{ "matrix": "GoogleMapsCompatible" }])).unwrap_err();
        insta::assert_snapshot!(error, @"the tile matrix set 'GoogleMapsCompatible' is not known");
        insta::assert_snapshot!(error.hint_text().unwrap(), @r#"use one of "WebMercatorQuad", "DE_EPSG_25832_ADV", "DE_EPSG_25833_ADV", or the path of a JSON file"#);
        assert_eq!(error.exit_code(), Exit::Usage);
        insta::assert_snapshot!(targets(&json!([{}, {}])).unwrap_err(), @"two sets of tiles are named 'orthophoto'");
        insta::assert_snapshot!(targets(&json!([{ "name": "../x" }])).unwrap_err(), @"'../x' is no name for a set of tiles");
        insta::assert_snapshot!(targets(&json!([{ "zoom": [19, 13] }])).unwrap_err(), @"zoom = [19, 13] is no range");
        let error = targets(&json!([{ "matrix": "DE_EPSG_25832_ADV", "zoom": [5, 19] }])).unwrap_err();
        assert_eq!(error.hint_text(), Some("write the lowest zoom first; the highest possible is 18"));
        insta::assert_snapshot!(targets(&json!([{ "quality": 0 }])).unwrap_err(), @"the quality 0 is not between 1 and 100");
        assert!(serde_json::from_value::<Options>(json!({ "tiles": [{ "format": "gif" }] })).is_err());
        assert!(serde_json::from_value::<Options>(json!({ "tile": [] })).is_err());
        let missing = targets(&json!([{ "matrix": "none.json" }])).unwrap()[0].1.matrix(Path::new("/no/such")).unwrap_err();
        insta::assert_snapshot!(missing, @"the tile matrix set cannot be read (none.json)");
    }

    #[test]
    fn the_defaults_are_those_of_the_reference() {
        let (name, target) = targets(&json!([])).unwrap().remove(0);
        assert_eq!(name, "orthophoto");
        assert_eq!((target.quality, target.zoom, target.resampling), (80, None, Resampling::Bilinear));
    }

    #[test]
    fn further_sets_are_named_by_what_differs() {
        let sets = json!([{}, { "matrix": "DE_EPSG_25832_ADV" }, { "bands": "cir" }, { "format": "webp" },
                          { "matrix": "grids/my set.json", "bands": "cir" }, { "name": "fein" }]);
        let names: Vec<String> = targets(&sets).unwrap().into_iter().map(|(name, _)| name).collect();
        let expected =
            ["orthophoto", "orthophoto-DE_EPSG_25832_ADV", "orthophoto-cir", "orthophoto-webp", "orthophoto-my-set-cir", "fein"];
        assert_eq!(names, expected);
    }
}
