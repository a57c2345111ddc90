//! Stage `tile`: the buildings of a cell from all files to one GLB at ellipsoidal heights.

use super::cell::{Block, Cell, STEP_M};
use super::codec;
use super::heights::{Frame, Geodetic, Ground};
use super::model::{Building, Face, Semantic, Skin, Value};
use super::options::{ColourOption, CompressionOption};
use super::pictures;
use super::read;
use super::texture::{self, Skins};
use crate::crs::{Crs, Geoid, Vertical};
use crate::dataset::{Outcome, UnitContext};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::glb::{self, Column, Property};
use crate::format::tileset::Region;
use crate::mesh::{Facet, Paint, Triangulator, pieces};
use crate::plan::{InputKind, UnitSpec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Entry with the tile.
pub const GLB: &str = "tile.glb";
/// Entry with the buildings, each once, by id.
pub const BUILDINGS: &str = "buildings";

/// Units of a stored region: 10⁻¹² radians (6 µm) and millimetres.
const REGION_UNITS: [f64; 6] = [1e12, 1e12, 1e12, 1e12, 1e3, 1e3];

impl Summary {
    /// What the tile fills.
    pub fn region(&self) -> Option<Region> {
        self.region.map(|stored| Region(std::array::from_fn(|index| stored[index] as f64 / REGION_UNITS[index])))
    }
    fn stored(Region(values): Region) -> [i64; 6] {
        std::array::from_fn(|index| {
            let value = values[index] * REGION_UNITS[index];
            let outwards = if matches!(index, 2 | 3 | 5) { value.ceil() } else { value.floor() };
            outwards as i64
        })
    }
}

/// The local frame of a tile: at its middle, on the ellipsoid.
///
/// # Errors
/// When the tile lies outside the CRS.
pub fn frame(block: Block, ground: &Ground) -> Result<Frame> {
    let [longitude, latitude] = ground.lonlat(block.centre())?;
    Ok(Frame::at(longitude, latitude))
}

/// Everything but the buildings that a tile depends on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Params {
    /// CRS of the buildings.
    pub crs: Crs,
    /// Vertical reference, as of all files.
    pub vertical: Vertical,
    /// How the geometry is stored.
    pub compression: CompressionOption,
    /// What colours tell.
    #[serde(default)]
    pub colour: ColourOption,
    /// Attribution.
    pub copyright: String,
    /// Cells along an edge.
    #[serde(default)]
    pub cells: i64,
    /// Buildings that another tile has in a newer version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// What the assembly wants to know of a tile without opening its pack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// What the tile fills, in [`REGION_UNITS`] rounded outwards; `None` when it shows nothing. Whole numbers, because the ledger
    /// keeps JSON, which does not give back every last digit of a float: the tileset of an unchanged night would change.
    pub region: Option<[i64; 6]>,
    /// Cells along an edge.
    pub cells: i64,
    /// Number of buildings.
    pub buildings: u64,
    /// Number of triangles.
    pub triangles: u64,
}

/// What a tile covers, by its key and [`Params::cells`].
pub fn block(key: &str, cells: i64) -> Result<Block> {
    let corner = Cell::parse(key).filter(|_| (1..=2).contains(&cells));
    corner.map(|corner| Block { corner, cells }).ok_or_else(|| Error::new("mk::run::params", format!("'{key}' is no tile")))
}

/// Builds the tile of a cell.
///
/// # Errors
/// When a point lies outside CRS or grid, or the inputs cannot be read.
pub fn execute(unit: &UnitSpec, geoid: Option<Geoid>, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: Params = serde_json::from_value(unit.params.clone())
        .map_err(|error| Error::new("mk::run::params", "the unit's parameters are damaged").because(error))?;
    let block = block(&unit.key, params.cells)?;
    let (buildings, mut findings) = merged(unit, &params, context)?;
    let (folders, buildings): (Vec<String>, Vec<Building>) = buildings.into_iter().unzip();
    let ground = Ground::new(params.crs, geoid, &context.area.grids)?;
    let frame = frame(block, &ground)?;
    context.check()?;
    let faces: Vec<(&Face, &str)> = match params.colour {
        ColourOption::Surface => {
            let placed = buildings.iter().zip(&folders);
            placed.flat_map(|(building, folder)| shown(building).map(|(_, face)| (face, folder.as_str()))).collect()
        }
        // Colours that tell something are not painted over.
        ColourOption::Function => Vec::new(),
    };
    let mut skins = texture::skins(&faces, unit, context)?;
    findings.append(&mut skins.findings);
    let built = build(&buildings, &mut skins, &params, &ground, &frame)?;
    let [plain, textured] = [&built.plain, &built.textured].map(|facets| pieces(facets, STEP_M));
    let properties = properties(&buildings);
    let tile = glb::Tile {
        copyright: &params.copyright,
        pieces: &plain,
        textured: skins.picture.as_ref().map(|picture| glb::Textured {
            pieces: &textured,
            picture: &picture.bytes,
            media_type: picture.media_type,
            cutout: picture.cutout,
        }),
        surfaces: &SURFACES,
        class: "building",
        features: buildings.len(),
        properties: &properties,
        compression: params.compression.into(),
    };
    if !buildings.is_empty() {
        context.pack.add(GLB, &glb::write(&tile)?)?;
    }
    let mut encoded = Vec::new();
    for building in &buildings {
        codec::encode(building, &mut encoded);
    }
    context.pack.add(BUILDINGS, &encoded)?;
    let summary = Summary {
        region: built.region.map(Summary::stored),
        cells: block.cells,
        buildings: buildings.len() as u64,
        triangles: built.plain.iter().chain(&built.textured).map(|facet| facet.triangles.len() as u64).sum(),
    };
    Ok(Outcome { findings, bbox: unit.bbox, summary: serde_json::to_value(&summary).unwrap_or_default(), ..Outcome::default() })
}

/// A building with the folder of its file, to which the names of its pictures are relative.
type InFolder = (String, Building);

/// The buildings of the cell from all files, each once.
fn merged(unit: &UnitSpec, params: &Params, context: &UnitContext<'_>) -> Result<(Vec<InFolder>, Vec<Rejection>)> {
    let exclude: BTreeSet<&str> = params.exclude.iter().map(String::as_str).collect();
    let mut newest: BTreeMap<String, InFolder> = BTreeMap::new();
    let mut findings = Vec::new();
    for input in unit.inputs.iter().filter(|input| input.kind == InputKind::Result) {
        let file = input.name.rsplit_once('#').map_or(input.name.as_str(), |(file, _)| file);
        for building in codec::decode(&context.entry(input)?)? {
            if exclude.contains(building.id.as_str()) {
                findings.push(finding(&building, "mk::city_model::moved", "a newer delivery has it in another cell"));
                continue;
            }
            match newest.get(&building.id) {
                Some((_, present)) if *present == building => continue,
                Some((_, present)) => {
                    findings.push(finding(
                        &building,
                        "mk::city_model::twice",
                        "delivered twice with different content: the newest counts",
                    ));
                    if read::created(present) > read::created(&building) {
                        continue;
                    }
                }
                None => {}
            }
            newest.insert(building.id.clone(), (pictures::folder(file).to_owned(), building));
        }
    }
    if newest.len() > usize::from(u16::MAX) {
        return Err(Error::new("mk::city_model::crowded", format!("{} buildings in one tile", newest.len())));
    }
    Ok((by_place(newest.into_values().collect()), findings))
}

/// Neighbours one after the other (along a Z-order curve, then by id): what lies together compresses together.
fn by_place(buildings: Vec<InFolder>) -> Vec<InFolder> {
    let mut placed: Vec<(u64, InFolder)> = buildings
        .into_iter()
        .map(|(folder, building)| {
            // Metres within a square of 65 km, which no cell leaves.
            let place = building.centroid().unwrap_or_default().map(|value| (value.floor() as i64 & 0xffff) as u64);
            (spread(place[0]) | spread(place[1]) << 1, (folder, building))
        })
        .collect();
    placed.sort_by(|(a, (_, first)), (b, (_, second))| a.cmp(b).then_with(|| first.id.cmp(&second.id)));
    placed.into_iter().map(|(_, building)| building).collect()
}

/// The bits of a number of 16 bits with a zero before each.
fn spread(number: u64) -> u64 {
    (0..16).fold(0, |out, bit| out | (number >> bit & 1) << (2 * bit))
}

fn finding(building: &Building, code: &str, reason: &str) -> Rejection {
    Rejection {
        object_type: "Building".to_owned(),
        code: code.to_owned(),
        reason: reason.to_owned(),
        place: Place::default().object(&building.id),
    }
}

struct Built {
    /// Faces with a colour.
    plain: Vec<Facet>,
    /// Faces with a part of the atlas.
    textured: Vec<Facet>,
    region: Option<Region>,
}

/// All faces that are shown, in the local frame.
fn build(buildings: &[Building], skins: &mut Skins, params: &Params, ground: &Ground, frame: &Frame) -> Result<Built> {
    // A corner is shared by three faces and more: each place is transformed once.
    let mut numbers: HashMap<[u64; 3], usize> = HashMap::new();
    let mut places: Vec<[f64; 3]> = Vec::new();
    for point in buildings.iter().flat_map(shown).flat_map(|(_, face)| face.rings.iter().flatten()) {
        numbers.entry(point.map(f64::to_bits)).or_insert_with(|| {
            places.push(*point);
            places.len() - 1
        });
    }
    let geodetic: Vec<Geodetic> = ground.geodetic(&places)?;
    let mut region = Region::EMPTY;
    for &[longitude, latitude, height] in &geodetic {
        region.grow([longitude.to_radians(), latitude.to_radians(), height]);
    }
    let local: Vec<[f64; 3]> = geodetic.iter().map(|&place| frame.local(place)).collect();
    let mut triangulator = Triangulator::new();
    let (mut plain, mut textured) = (Vec::new(), Vec::new());
    let mut places = skins.places.iter_mut();
    for (feature, building) in buildings.iter().enumerate() {
        let colours = colours(building, params.colour);
        for (class, face) in shown(building) {
            let places = places.next().and_then(Option::take);
            let at = |point: &[f64; 3]| numbers.get(&point.map(f64::to_bits)).map_or([0.0; 3], |&number| local[number]);
            let rings: Vec<Vec<[f64; 3]>> = face.rings.iter().map(|ring| ring.iter().map(at).collect()).collect();
            // Faces without area were left out by the reader; one that loses its area by a micrometre here is not seen.
            let Ok(result) = triangulator.triangulate(&rings) else { continue };
            let (facets, paint) = match (places, face.skin.as_deref()) {
                (Some(places), _) => (&mut textured, Paint::Places(places)),
                (None, Some(Skin::Colour(colour))) if params.colour == ColourOption::Surface => {
                    (&mut plain, Paint::Colour(colour.map(linear)))
                }
                _ => (&mut plain, Paint::Colour(colours[usize::from(class.min(2))])),
            };
            facets.push(Facet {
                points: rings.concat(),
                triangles: result.triangles,
                normal: result.plane.normal,
                feature: feature as u16,
                class,
                paint,
            });
        }
    }
    Ok(Built { region: (!geodetic.is_empty()).then_some(region), plain, textured })
}

/// The faces that are shown, with their class: roof, wall or ground.
fn shown(building: &Building) -> impl Iterator<Item = (u8, &Face)> {
    building.all_faces().filter_map(|face| {
        let class = match face.semantic {
            Semantic::Roof | Semantic::OuterFloor => 0,
            Semantic::Wall | Semantic::OuterCeiling => 1,
            Semantic::Ground => 2,
            Semantic::Closure => return None,
        };
        Some((class, face))
    })
}

/// Names of the classes: CityGML's.
const SURFACES: [&str; 3] = ["RoofSurface", "WallSurface", "GroundSurface"];
/// Their colours, linear: red roofs, light walls, as on German city models.
const COLOURS: [[u8; 3]; 3] = [[153, 33, 20], [204, 194, 173], [64, 59, 54]];

/// Colours of a building's classes.
fn colours(building: &Building, option: ColourOption) -> [[u8; 3]; 3] {
    let [roof, wall, ground] = COLOURS;
    match option {
        ColourOption::Surface => [roof, wall, ground],
        ColourOption::Function => [roof, wall_by_function(building), ground],
    }
}

/// A part of a colour as on a screen (sRGB, IEC 61966-2-1) to the linear one that glTF's vertices have.
fn linear(part: u8) -> u8 {
    let part = f64::from(part) / 255.0;
    let linear = if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    (linear * 255.0).round() as u8
}

/// Colour of the walls by the group of ALKIS's function: living, business and industry, public, anything else.
fn wall_by_function(building: &Building) -> [u8; 3] {
    let function = building.attribute("function").map(|value| value.to_string()).unwrap_or_default();
    match function.split("; ").next().and_then(|code| code.strip_prefix("31001_")).and_then(|code| code.bytes().next()) {
        Some(b'1') => [222, 150, 70],
        Some(b'2') => [110, 120, 160],
        Some(b'3') => [190, 60, 60],
        _ => [150, 150, 150],
    }
}

/// Attributes that say nothing to who looks at a building: the identifier again, and addresses of code lists.
const NOT_SHOWN: [&str; 2] = ["externalReference", "informationSystem"];

/// The property table: `id` first, then the attributes that occur in the cell, by name.
fn properties(buildings: &[Building]) -> Vec<Property> {
    let id = Column::Text(buildings.iter().map(|building| building.id.clone()).collect());
    let mut properties = vec![Property { key: "id".to_owned(), name: None, column: id }];
    let mut taken: BTreeSet<String> = BTreeSet::from(["id".to_owned()]);
    let names: BTreeSet<&str> = buildings.iter().flat_map(Building::attribute_names).collect();
    for name in names {
        let values: Vec<Option<Value>> = buildings.iter().map(|building| building.attribute(name)).collect();
        let same = |(building, value): (&Building, &Option<Value>)| {
            value.as_ref().and_then(Value::as_text).is_none_or(|text| text == building.id)
        };
        // The ALKIS identifier is the gml:id in the AdV profile; where it is another, it is shown.
        if name == NOT_SHOWN[1] || (name == NOT_SHOWN[0] && buildings.iter().zip(&values).all(same)) {
            continue;
        }
        let mut key = key(name);
        while !taken.insert(key.clone()) {
            key.push('_');
        }
        let name = (key != name).then(|| name.to_owned());
        properties.push(Property { key, name, column: column(values) });
    }
    properties
}

/// A column as narrow as its values allow.
fn column(values: Vec<Option<Value>>) -> Column {
    let present = || values.iter().flatten();
    if present().all(|value| matches!(value, Value::Integer(number) if i16::try_from(*number).is_ok_and(|n| n != -9999))) {
        let integer = |value: Option<Value>| match value {
            Some(Value::Integer(number)) => i16::try_from(number).ok(),
            _ => None,
        };
        return Column::Integer(values.into_iter().map(integer).collect());
    }
    // A number that means "none" in the table would be lost: such a column is written as texts.
    if present().all(|value| !matches!(value, Value::Text(_) | Value::Integer(-9999)) && *value != Value::Number(-9999.0)) {
        let number = |value: Option<Value>| match value {
            Some(Value::Number(number)) => Some(number),
            Some(Value::Integer(number)) => Some(number as f64),
            _ => None,
        };
        return Column::Number(values.into_iter().map(number).collect());
    }
    Column::Text(values.into_iter().map(|value| value.map_or_else(String::new, |value| value.to_string())).collect())
}

/// A key that 3D Metadata allows: letters, digits, underscore. `Höhe über NN` becomes `Hoehe_ueber_NN`.
pub fn key(name: &str) -> String {
    let mut key = String::new();
    for character in name.chars() {
        match character {
            'ä' => key.push_str("ae"),
            'ö' => key.push_str("oe"),
            'ü' => key.push_str("ue"),
            'Ä' => key.push_str("Ae"),
            'Ö' => key.push_str("Oe"),
            'Ü' => key.push_str("Ue"),
            'ß' => key.push_str("ss"),
            c if c.is_ascii_alphanumeric() => key.push(c),
            _ => key.push('_'),
        }
    }
    if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
        key.insert(0, '_');
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// An unchanged night writes the same tileset: what the ledger gives back is exactly what it was given.
        #[test]
        fn a_region_survives_the_ledger_and_never_shrinks(
            west in -3.1..3.1_f64, south in -1.5..1.5_f64, low in -100.0..4000.0_f64, size in 0.0..0.01_f64,
        ) {
            let exact = Region([west, south, west + size, south + size, low, low + size]);
            let region = Some(Summary::stored(exact));
            let summary = Summary { region, cells: 1, buildings: 1, triangles: 1 };
            let text = serde_json::to_string(&serde_json::to_value(&summary).unwrap()).unwrap();
            let back: Summary = serde_json::from_value(serde_json::from_str(&text).unwrap()).unwrap();
            prop_assert_eq!(back.region, summary.region);
            let read = back.region().unwrap().0;
            for (index, value) in exact.0.iter().enumerate() {
                let off = read[index] - value;
                prop_assert!(if matches!(index, 2 | 3 | 5) { off >= -1e-15 } else { off <= 1e-15 }, "{index}: {off}");
            }
        }
    }

    #[test]
    fn keys_are_what_3d_metadata_allows() {
        assert_eq!(
            ["Höhe über NN", "2D-Lage", "", "Gemeindeschluessel"].map(key),
            ["Hoehe_ueber_NN", "_2D_Lage", "_", "Gemeindeschluessel"]
        );
    }

    #[test]
    fn columns_are_as_narrow_as_their_values() {
        let values = |list: &[Value]| list.iter().cloned().map(Some).chain([None]).collect::<Vec<_>>();
        assert_eq!(column(values(&[Value::Integer(3)])), Column::Integer(vec![Some(3), None]));
        assert_eq!(column(values(&[Value::Integer(70_000)])), Column::Number(vec![Some(70_000.0), None]));
        assert_eq!(column(values(&[Value::Integer(-9999)])), Column::Text(vec!["-9999".into(), String::new()]));
        let mixed = values(&[Value::Number(12.868), Value::Text("unbekannt".into())]);
        assert_eq!(column(mixed), Column::Text(vec!["12.868".into(), "unbekannt".into(), String::new()]));
    }
}
