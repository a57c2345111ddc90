//! Tile matrix sets: which square of the map a tile shows (OGC 17-083r4, Two Dimensional Tile Matrix Set).
//!
//! Three sets are built in ([`builtin`]); any other comes from a JSON file in the encoding of the standard ([`TileMatrixSet::parse`]).
//! A level is known by its number, 0 for the coarsest; its identifier is what the publisher calls it.

use crate::crs::{Bbox, Crs};
use crate::error::{Error, Exit, Result};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

/// A tile: zoom (number of the level), column from the west, row from the north.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tile {
    /// Zoom.
    pub z: u8,
    /// Column.
    pub x: u32,
    /// Row.
    pub y: u32,
}

impl Tile {
    /// The tile that contains it, `levels` zooms up, in a set that halves.
    pub fn ancestor(self, levels: u8) -> Self {
        let levels = levels.min(self.z);
        Self { z: self.z - levels, x: self.x >> levels, y: self.y >> levels }
    }
    /// Its four parts at the next zoom: upper left, upper right, lower left, lower right, in a set that halves.
    pub fn children(self) -> [Self; 4] {
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| Self { z: self.z + 1, x: self.x * 2 + dx, y: self.y * 2 + dy })
    }
    /// A number to order tiles by: zoom by zoom, each along a Hilbert curve. Where there is one, it is the tile's place in a PMTiles
    /// archive; tiles outside that archive's square come after, row by row.
    pub fn id(self) -> u64 {
        super::pmtiles::tile_id(self.z, self.x, self.y)
            .unwrap_or_else(|_| (1 << 63) | (u64::from(self.z) << 56) | (u64::from(self.y) << 28) | u64::from(self.x))
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.z, self.x, self.y)
    }
}

impl std::str::FromStr for Tile {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new("mk::tile::name", format!("'{text}' is not a tile of the form z/x/y"));
        let mut parts = text.split('/');
        let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok()).ok_or_else(wrong);
        let (z, x, y) = (next()?, next()?, next()?);
        let tile = Self { z: u8::try_from(z).map_err(|_| wrong())?, x, y };
        if parts.next().is_some() || tile.z > MAX_ZOOM || x >= MAX_SIDE || y >= MAX_SIDE {
            return Err(wrong());
        }
        Ok(tile)
    }
}

/// Highest zoom that is handled: in WebMercatorQuad a pixel of half a millimetre.
pub const MAX_ZOOM: u8 = 28;
/// Most columns or rows of a level: those of the highest zoom.
const MAX_SIDE: u32 = 1 << MAX_ZOOM;
/// Side of the rendering pixel of the standard, in metres (17-083r4, 6.1.1).
const RENDERING_PIXEL_M: f64 = 0.000_28;
/// Metres in a degree on the equator of WGS 84, as the standard counts them (6.1.1).
const DEGREE_M: f64 = 6_378_137.0 * std::f64::consts::PI / 180.0;
/// Name of the set that every web map shows.
pub const WEB_MERCATOR_QUAD_ID: &str = "WebMercatorQuad";
/// Names of the sets that are built in.
pub const BUILTIN: [&str; 3] = [WEB_MERCATOR_QUAD_ID, "DE_EPSG_25832_ADV", "DE_EPSG_25833_ADV"];

/// One level of a set (17-083r4, 6.2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TileMatrix {
    /// Identifier.
    pub id: String,
    /// Side of a pixel, in the units of the CRS.
    pub cell: f64,
    /// Upper left corner of the tile 0/0, easting before northing.
    pub origin: [f64; 2],
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A set: levels from coarse to fine, with square tiles of one size in pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Encoded", into = "Encoded")]
pub struct TileMatrixSet {
    /// Identifier, as OGC or the publisher gives it.
    pub id: String,
    /// CRS of the map.
    pub crs: Crs,
    /// Side of a tile in pixels.
    pub tile_px: u32,
    levels: Arc<[TileMatrix]>,
}

/// As it is kept in a unit's parameters: a set that is built in is its name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Encoded {
    Builtin(String),
    Own { id: String, crs: Crs, tile_px: u32, levels: Vec<TileMatrix> },
}

impl From<TileMatrixSet> for Encoded {
    fn from(set: TileMatrixSet) -> Self {
        if builtin(&set.id).as_ref() == Some(&set) {
            Self::Builtin(set.id)
        } else {
            Self::Own { id: set.id, crs: set.crs, tile_px: set.tile_px, levels: set.levels.to_vec() }
        }
    }
}

impl TryFrom<Encoded> for TileMatrixSet {
    type Error = Error;
    fn try_from(encoded: Encoded) -> Result<Self> {
        match encoded {
            Encoded::Builtin(id) => builtin(&id).ok_or_else(|| wrong(format!("there is no tile matrix set '{id}'"))),
            Encoded::Own { id, crs, tile_px, levels } => Ok(Self { id, crs, tile_px, levels: levels.into() }),
        }
    }
}

/// `WebMercatorQuad` (17-083r4, annex D.1): half the circumference of the sphere of radius 6 378 137 m is 20 037 508.34 m.
pub static WEB_MERCATOR_QUAD: LazyLock<TileMatrixSet> = LazyLock::new(|| {
    let corner = 20_037_508.342_789_244;
    quad(WEB_MERCATOR_QUAD_ID, Crs::WEB_MERCATOR, [-corner, corner], 156_543.033_928_040_97, MAX_ZOOM, 1)
});

/// The set of that name, where it is built in.
///
/// `DE_EPSG_25832_ADV` and `DE_EPSG_25833_ADV` are those of the AdV, whose services end at level 13 (0.6 m): the levels 14 to 18 go on
/// from the same corner, with half the cell each.
pub fn builtin(id: &str) -> Option<TileMatrixSet> {
    const ADV_CELL: f64 = 4_891.969_810_251_28;
    const ADV_LEVELS: u8 = 18;
    match id {
        WEB_MERCATOR_QUAD_ID => Some(WEB_MERCATOR_QUAD.clone()),
        "DE_EPSG_25832_ADV" => Some(quad(id, Crs::UTM32, [-46_133.17, 6_301_219.54], ADV_CELL, ADV_LEVELS, 2)),
        "DE_EPSG_25833_ADV" => Some(quad(id, Crs(25833), [-464_849.38, 6_310_160.14], ADV_CELL, ADV_LEVELS, 2)),
        _ => None,
    }
}

/// A set that halves from one tile on; `digits` is the least length of its levels' names.
fn quad(id: &str, crs: Crs, origin: [f64; 2], cell: f64, last: u8, digits: usize) -> TileMatrixSet {
    let level = |zoom: u8| {
        let side = 1_u32 << zoom;
        TileMatrix { id: format!("{zoom:0digits$}"), cell: cell / f64::from(side), origin, width: side, height: side }
    };
    TileMatrixSet { id: id.to_owned(), crs, tile_px: 256, levels: (0..=last).map(level).collect() }
}

/// A file in the JSON encoding of the standard; only what counts here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    #[serde(alias = "identifier")]
    id: String,
    #[serde(alias = "supportedCRS")]
    crs: JsonCrs,
    #[serde(default)]
    ordered_axes: Vec<String>,
    #[serde(alias = "tileMatrix")]
    tile_matrices: Vec<JsonMatrix>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonCrs {
    Uri(String),
    Object { uri: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMatrix {
    #[serde(alias = "identifier")]
    id: String,
    scale_denominator: f64,
    cell_size: Option<f64>,
    #[serde(default)]
    corner_of_origin: Option<String>,
    #[serde(alias = "topLeftCorner")]
    point_of_origin: [f64; 2],
    tile_width: u32,
    tile_height: u32,
    matrix_width: u32,
    matrix_height: u32,
    #[serde(default)]
    variable_matrix_widths: Option<serde_json::Value>,
}

impl TileMatrixSet {
    /// Reads the JSON encoding of the standard (17-083r4, annex C; the member names of its version 1.0 are known too).
    ///
    /// # Errors
    /// When it is none, or a set of a form that is not drawn: tiles that are not square or not of one size, rows from the south,
    /// coalesced columns, a CRS without EPSG code.
    pub fn parse(text: &str) -> Result<Self> {
        let json: Json =
            serde_json::from_str(text).map_err(|error| wrong("the file is no tile matrix set of OGC 17-083").because(error))?;
        let (JsonCrs::Uri(uri) | JsonCrs::Object { uri }) = &json.crs;
        let (crs, north_first) = crs_of(uri)?;
        // Most files say the order of axes; where one doesn't, it is that of the CRS's authority (6.2.1.1).
        let swapped = json.ordered_axes.first().map_or(north_first, |axis| {
            matches!(axis.to_ascii_lowercase().as_str(), "lat" | "latitude" | "n" | "northing" | "y" | "b" | "h")
        });
        let mut levels = Vec::with_capacity(json.tile_matrices.len());
        let mut tile_px = None;
        for matrix in &json.tile_matrices {
            let refuse = |what: &str| wrong(format!("the level '{}' of the tile matrix set '{}' {what}", matrix.id, json.id));
            if matrix.tile_width != matrix.tile_height || *tile_px.get_or_insert(matrix.tile_width) != matrix.tile_width {
                return Err(refuse("has tiles that are not square, or of another size than those of the other levels"));
            }
            if matrix.corner_of_origin.as_deref().is_some_and(|corner| corner != "topLeft") {
                return Err(refuse("counts its rows from the south"));
            }
            if matrix.variable_matrix_widths.as_ref().is_some_and(|widths| widths.as_array().is_none_or(|list| !list.is_empty()))
            {
                return Err(refuse("has rows of coalesced tiles"));
            }
            let unit = if crs == Crs::WGS84 || crs == Crs(4258) { DEGREE_M } else { 1.0 };
            let cell = matrix.cell_size.unwrap_or(matrix.scale_denominator * RENDERING_PIXEL_M / unit);
            let [first, second] = matrix.point_of_origin;
            let plausible = cell.is_finite() && cell > 0.0 && first.is_finite() && second.is_finite();
            let fits = |count: u32| (1..=MAX_SIDE).contains(&count);
            if !plausible || !fits(matrix.matrix_width) || !fits(matrix.matrix_height) {
                return Err(refuse("has a cell, a corner or a size that is not plausible"));
            }
            if matrix.id.is_empty()
                || !matrix.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
                || matrix.id == ".."
            {
                return Err(refuse("has an identifier that is no name of a folder"));
            }
            let origin = if swapped { [second, first] } else { [first, second] };
            let (width, height) = (matrix.matrix_width, matrix.matrix_height);
            levels.push(TileMatrix { id: matrix.id.clone(), cell, origin, width, height });
        }
        levels.sort_by(|a, b| b.cell.total_cmp(&a.cell));
        let names: std::collections::BTreeSet<&str> = levels.iter().map(|level| level.id.as_str()).collect();
        let falling = levels.windows(2).all(|pair| pair[1].cell < pair[0].cell);
        let tile_px = tile_px.unwrap_or(0);
        if levels.is_empty() || levels.len() > usize::from(MAX_ZOOM) + 1 || names.len() < levels.len() || !falling {
            return Err(wrong(format!(
                "the tile matrix set '{}' has to have 1 to {} levels of different names and cells",
                json.id,
                MAX_ZOOM + 1
            )));
        }
        if !tile_px.is_power_of_two() || !(64..=1024).contains(&tile_px) {
            return Err(wrong(format!(
                "the tiles of '{}' are {tile_px} pixels wide; 64, 128, 256, 512 or 1024 are drawn",
                json.id
            )));
        }
        Ok(Self { id: json.id, crs, tile_px, levels: levels.into() })
    }

    /// The levels from coarse to fine.
    pub fn levels(&self) -> &[TileMatrix] {
        &self.levels
    }
    /// The highest zoom.
    pub fn last_zoom(&self) -> u8 {
        self.levels.len().saturating_sub(1) as u8
    }
    /// A level; beyond the last one, the last.
    pub fn level(&self, zoom: u8) -> &TileMatrix {
        &self.levels[usize::from(zoom.min(self.last_zoom()))]
    }
    /// Side of a pixel.
    pub fn cell(&self, zoom: u8) -> f64 {
        self.level(zoom).cell
    }
    /// Side of a pixel on the ground in metres, at a latitude.
    pub fn ground_m(&self, zoom: u8, latitude: f64) -> f64 {
        let scale = match self.crs {
            Crs::WEB_MERCATOR => latitude.to_radians().cos(),
            Crs::WGS84 | Crs(4258) => DEGREE_M,
            _ => 1.0,
        };
        self.cell(zoom) * scale
    }
    /// Scale denominator of a zoom, as the standard defines it.
    pub fn scale_denominator(&self, zoom: u8) -> f64 {
        let unit = if matches!(self.crs, Crs::WGS84 | Crs(4258)) { DEGREE_M } else { 1.0 };
        self.cell(zoom) * unit / RENDERING_PIXEL_M
    }
    /// The upper left corner of a tile.
    pub fn corner(&self, tile: Tile) -> [f64; 2] {
        let TileMatrix { origin, cell, .. } = self.level(tile.z);
        let side = cell * f64::from(self.tile_px);
        [origin[0] + f64::from(tile.x) * side, origin[1] - f64::from(tile.y) * side]
    }
    /// The square that a tile shows.
    pub fn bbox(&self, tile: Tile) -> Bbox {
        let [east, north] = self.corner(tile);
        let side = self.cell(tile.z) * f64::from(self.tile_px);
        [east, north - side, east + side, north].into()
    }
    /// The area of all tiles of the coarsest level.
    pub fn area(&self) -> Bbox {
        let level = self.level(0);
        let side = level.cell * f64::from(self.tile_px);
        let [east, north] = level.origin;
        [east, north - f64::from(level.height) * side, east + f64::from(level.width) * side, north].into()
    }
    /// The tiles of a zoom that share more than a border with the rectangle: columns and rows, both ends included; `None` when the
    /// rectangle lies outside the set.
    pub fn range(&self, zoom: u8, bbox: &Bbox) -> Option<(std::ops::RangeInclusive<u32>, std::ops::RangeInclusive<u32>)> {
        let TileMatrix { origin, cell, width, height, .. } = self.level(zoom);
        let side = cell * f64::from(self.tile_px);
        // A thousandth of a pixel: what only touches a border has no pixel beyond it.
        let hair = cell / 1000.0;
        let columns = [bbox.min[0] + hair - origin[0], bbox.max[0] - hair - origin[0]].map(|at| (at / side).floor());
        let rows = [origin[1] - bbox.max[1] + hair, origin[1] - bbox.min[1] - hair].map(|at| (at / side).floor());
        let inside = |[from, to]: [f64; 2], count: u32| {
            let last = f64::from(count) - 1.0;
            (from <= last && to >= 0.0 && from <= to).then(|| from.max(0.0) as u32..=to.min(last) as u32)
        };
        Some((inside(columns, *width)?, inside(rows, *height)?))
    }
    /// The coarsest zoom that is reached from `zoom` by halving: each level from there on has half the cell of the one before, and
    /// tiles whose four parts are those of the next.
    pub fn halved_down_to(&self, zoom: u8) -> u8 {
        let mut lowest = zoom.min(self.last_zoom());
        while lowest > 0 {
            let (fine, coarse) = (self.level(lowest), self.level(lowest - 1));
            let near = |a: f64, b: f64| (a - b).abs() < fine.cell * 1e-3;
            let doubled = (coarse.cell / fine.cell - 2.0).abs() < 1e-9;
            if !doubled || !near(fine.origin[0], coarse.origin[0]) || !near(fine.origin[1], coarse.origin[1]) {
                break;
            }
            lowest -= 1;
        }
        lowest
    }
    /// True when a PMTiles archive can hold the tiles of these zooms: its level z is a square of 2^z tiles.
    pub fn fits_pmtiles(&self, zooms: std::ops::RangeInclusive<u8>) -> bool {
        zooms.into_iter().all(|zoom| {
            let level = self.level(zoom);
            level.width <= 1 << zoom && level.height <= 1 << zoom
        })
    }
}

/// The EPSG code of a CRS's URI or URN, and whether its authority names northing or latitude first.
fn crs_of(uri: &str) -> Result<(Crs, bool)> {
    if uri.ends_with("CRS84") {
        return Ok((Crs::WGS84, false));
    }
    let code = uri.rsplit(['/', ':']).next().and_then(|code| code.parse().ok());
    match code {
        Some(code) if uri.contains("EPSG") => Ok((Crs(code), matches!(code, 4326 | 4258))),
        _ => Err(wrong(format!("the CRS '{uri}' of the tile matrix set has no EPSG code"))),
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new("mk::tile::matrix_set", message).exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shared(name: &str) -> Option<String> {
        let file = format!("{}/../shared/data/ortho/tms/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).ok();
        if text.is_none() {
            println!("skipped: {file} is not there");
        }
        text
    }

    #[test]
    fn what_is_built_in_is_what_others_publish() {
        for (file, id) in [("WebMercatorQuad", BUILTIN[0]), ("AdV_25832", BUILTIN[1]), ("AdV_25833", BUILTIN[2])] {
            let Some(text) = shared(file) else { return };
            let (theirs, ours) = (TileMatrixSet::parse(&text).unwrap(), builtin(id).unwrap());
            assert_eq!((theirs.crs, theirs.tile_px), (ours.crs, ours.tile_px));
            for (zoom, level) in theirs.levels().iter().enumerate() {
                let own = ours.level(zoom as u8);
                assert!((own.cell / level.cell - 1.0).abs() < 1e-9, "{id} {zoom}: {} {}", own.cell, level.cell);
                assert!((0..2).all(|axis| (own.origin[axis] - level.origin[axis]).abs() < 1e-3), "{id} {zoom}");
                assert_eq!((own.width, own.height), (level.width, level.height));
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                let scale = json["tileMatrices"][zoom]["scaleDenominator"].as_f64().unwrap();
                assert!((ours.scale_denominator(zoom as u8) / scale - 1.0).abs() < 1e-9, "{id} {zoom}");
            }
            assert_eq!(ours.halved_down_to(ours.last_zoom()), 0);
            assert!(ours.fits_pmtiles(0..=ours.last_zoom()));
        }
        assert_eq!(builtin("DE_EPSG_25832_ADV").unwrap().level(5).id, "05");
        assert_eq!(builtin("WebMercatorQuad").unwrap().level(5).id, "5");
    }

    #[test]
    fn a_ladder_of_round_scales_does_not_halve_everywhere() {
        let Some(text) = shared("gdi_de_25832") else { return };
        let set = TileMatrixSet::parse(&text).unwrap();
        assert_eq!((set.crs, set.last_zoom()), (Crs::UTM32, 15));
        // 1:500 and 1:1000 halve, 1:2500 does not.
        assert_eq!((set.halved_down_to(13), set.halved_down_to(12), set.halved_down_to(11)), (12, 12, 9));
        assert!(!set.fits_pmtiles(0..=15));
        let again: TileMatrixSet = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
        assert_eq!(again, set);
        assert_eq!(serde_json::to_string(&*WEB_MERCATOR_QUAD).unwrap(), "\"WebMercatorQuad\"");
    }

    #[test]
    fn the_other_spelling_of_the_standard_and_the_order_of_axes_are_known() {
        let text = r#"{ "identifier": "x", "supportedCRS": "urn:ogc:def:crs:EPSG::4326", "tileMatrix": [
            { "identifier": "0", "scaleDenominator": 279541132.0143589, "topLeftCorner": [90, -180], "tileWidth": 256,
              "tileHeight": 256, "matrixWidth": 2, "matrixHeight": 1 }] }"#;
        let set = TileMatrixSet::parse(text).unwrap();
        assert_eq!(set.level(0).origin, [-180.0, 90.0]);
        assert!((set.cell(0) - 0.703_125).abs() < 1e-9);
        assert_eq!(set.area(), [-180.0, -90.0, 180.0, 90.0].into());
    }

    #[test]
    fn what_is_not_drawn_is_said() {
        let matrix = r#""scaleDenominator": 1000, "pointOfOrigin": [0, 0], "tileWidth": 256, "tileHeight": 256, "matrixWidth": 1, "matrixHeight": 1"#;
        let with = |level: &str| {
            let text =
                format!(r#"{{ "id": "x", "crs": "http://www.opengis.net/def/crs/EPSG/0/25832", "tileMatrices": [{level}] }}"#);
            TileMatrixSet::parse(&text).unwrap_err().message().to_owned()
        };
        let errors = [
            with(""),
            with(&format!(r#"{{ "id": "a", {matrix} }}, {{ "id": "b", {matrix} }}"#)),
            with(&format!(r#"{{ "id": "../a", {matrix} }}"#)),
            with(&format!(r#"{{ "id": "a", {} }}"#, matrix.replace("\"tileHeight\": 256", "\"tileHeight\": 512"))),
            with(&format!(r#"{{ "id": "a", {} }}"#, matrix.replace("256", "100"))),
            with(&format!(r#"{{ "id": "a", "cornerOfOrigin": "bottomLeft", {matrix} }}"#)),
            with(&format!(r#"{{ "id": "a", {} }}"#, matrix.replace("1000", "-1"))),
            TileMatrixSet::parse("[]").unwrap_err().message().to_owned(),
            TileMatrixSet::parse(r#"{ "id": "x", "crs": "urn:x", "tileMatrices": [] }"#).unwrap_err().message().to_owned(),
        ];
        insta::assert_snapshot!(errors.join("\n"), @"
        the tile matrix set 'x' has to have 1 to 29 levels of different names and cells
        the tile matrix set 'x' has to have 1 to 29 levels of different names and cells
        the level '../a' of the tile matrix set 'x' has an identifier that is no name of a folder
        the level 'a' of the tile matrix set 'x' has tiles that are not square, or of another size than those of the other levels
        the tiles of 'x' are 100 pixels wide; 64, 128, 256, 512 or 1024 are drawn
        the level 'a' of the tile matrix set 'x' counts its rows from the south
        the level 'a' of the tile matrix set 'x' has a cell, a corner or a size that is not plausible
        the file is no tile matrix set of OGC 17-083
        the CRS 'urn:x' of the tile matrix set has no EPSG code
        ");
    }

    #[test]
    fn the_tiles_of_a_square_are_the_tile_itself() {
        let tile = Tile { z: 14, x: 8650, y: 5310 };
        let bbox = WEB_MERCATOR_QUAD.bbox(tile);
        assert_eq!(WEB_MERCATOR_QUAD.range(14, &bbox), Some((8650..=8650, 5310..=5310)));
        assert_eq!(WEB_MERCATOR_QUAD.range(15, &bbox), Some((17300..=17301, 10620..=10621)));
        assert_eq!(WEB_MERCATOR_QUAD.range(14, &[3e7, 0.0, 3.1e7, 1.0].into()), None);
        assert_eq!(tile.children()[3].ancestor(1), tile);
        assert_eq!("14/8650/5310".parse::<Tile>().unwrap(), tile);
        for wrong in ["14/8650", "1/300000000/0", "a/b/c", "14/1/1/1", "99/0/0"] {
            assert!(wrong.parse::<Tile>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_point_lies_in_one_tile_of_each_level(set in 0_usize..3, zoom in 0_u8..19, x in 0.0_f64..1.0, y in 0.0_f64..1.0) {
            let set = builtin(BUILTIN[set]).unwrap();
            let area = set.area();
            let point = [area.min[0] + x * area.width(), area.min[1] + y * area.height()];
            let around = Bbox::around([[point[0] - 1e-6, point[1] - 1e-6], [point[0] + 1e-6, point[1] + 1e-6]]);
            if let Some((columns, rows)) = set.range(zoom, &around) {
                prop_assert!(columns.start() == columns.end() && rows.start() == rows.end());
                let tile = Tile { z: zoom, x: *columns.start(), y: *rows.start() };
                let bbox = set.bbox(tile);
                let hair = set.cell(zoom) / 500.0;
                prop_assert!((0..2).all(|axis| bbox.min[axis] - hair <= point[axis] && point[axis] <= bbox.max[axis] + hair));
                if zoom > 0 {
                    prop_assert!(tile.ancestor(1).children().contains(&tile));
                }
            }
        }

        #[test]
        fn any_text_is_an_error_and_no_panic(text in "\\PC{0,200}") {
            prop_assert!(TileMatrixSet::parse(&text).is_err());
        }
    }
}
