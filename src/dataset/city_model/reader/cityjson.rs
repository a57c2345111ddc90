//! CityJSON 1.0 to 2.0 and CityJSONSeq to the same buildings that CityGML gives.
//!
//! A file of one document is read whole; a sequence line by line, one feature in memory at a time. Coordinates are easting,
//! northing, height whatever the CRS says (CityJSON 2.0, section 3.2).

use super::appearance::{Appearance, Fit, MAX_THEMES, Picture, screen_colour, wrap_mode};
use super::draft::Drafts;
use super::geometry::{MAX_POINTS, MAX_POLYGON_POINTS, Polygon, RingName, Srs, Target, Use, checked_ring, problem};
use super::{Document, Wanted, attributes, hand_over, note_unknown};
use crate::crs::AxisOrder;
use crate::dataset::city_model::model::{Building, Kind, Semantic, Skin};
use crate::error::{Error, Place, Result};
use crate::io::source::read_error;
use crate::mesh::{Triangulator, newell};
use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};

/// Longest line of a sequence, and largest document: in memory it takes some times as much.
const MAX_BYTES: usize = 256 << 20;

/// A document, the first line of a sequence, or a feature of one.
#[derive(Deserialize)]
struct Text {
    #[serde(rename = "type")]
    kind: String,
    version: Option<String>,
    transform: Option<Transform>,
    metadata: Option<Metadata>,
    #[serde(rename = "CityObjects", default)]
    objects: BTreeMap<String, Object>,
    #[serde(default)]
    vertices: Vec<[f64; 3]>,
    #[serde(default)]
    appearance: Looks,
}

/// Colours, pictures and places in pictures, which geometries name by number.
#[derive(Deserialize, Default)]
struct Looks {
    #[serde(default)]
    materials: Vec<Material>,
    #[serde(default)]
    textures: Vec<TextureFile>,
    #[serde(rename = "vertices-texture", default)]
    places: Vec<[f32; 2]>,
}

#[derive(Deserialize)]
struct Material {
    #[serde(rename = "diffuseColor")]
    diffuse: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct TextureFile {
    image: String,
    #[serde(rename = "wrapMode")]
    wrap: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
struct Transform {
    scale: [f64; 3],
    translate: [f64; 3],
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "referenceSystem")]
    reference_system: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    geometry: Vec<Shape>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    address: Value,
}

#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    lod: Value,
    #[serde(default)]
    boundaries: Nested,
    semantics: Option<Semantics>,
    /// By theme.
    #[serde(default)]
    material: BTreeMap<String, Painted>,
    #[serde(default)]
    texture: BTreeMap<String, Painted>,
}

/// Numbers of materials (or one for all), or of textures with the places of each ring.
#[derive(Deserialize)]
struct Painted {
    value: Option<usize>,
    #[serde(default)]
    values: Nested,
}

/// What a theme says of surfaces, beside the boundaries.
#[derive(Clone, Copy)]
struct Paint<'a> {
    theme: &'a str,
    texture: bool,
    whole: Option<usize>,
    values: &'a Nested,
}

#[derive(Deserialize)]
struct Semantics {
    #[serde(default)]
    surfaces: Vec<Surface>,
    #[serde(default)]
    values: Nested,
}

#[derive(Deserialize)]
struct Surface {
    #[serde(rename = "type")]
    kind: String,
}

/// Numbers nested in lists; as deep as the JSON parser allows (128).
#[derive(Default)]
enum Nested {
    #[default]
    Null,
    Number(usize),
    List(Vec<Nested>),
}

/// What is not there.
const NULL: Nested = Nested::Null;

impl Nested {
    fn number(&self) -> Option<usize> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
    fn list(&self) -> &[Nested] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }
}

impl Looks {
    /// What a polygon looks like; `None` where the theme says nothing of it.
    fn fit(&self, paint: &Paint<'_>, polygon: &Polygon) -> Option<Fit> {
        if !paint.texture {
            let number = paint.whole.or(paint.values.number())?;
            let parts = self.materials.get(number)?.diffuse.as_ref()?;
            return screen_colour(parts.iter().map(|part| Some(*part))).map(|colour| Fit::Skin(Skin::Colour(colour)));
        }
        // Each ring: the number of the texture, then of a place for each of its points.
        let rings = paint.values.list();
        let texture = rings.first()?.list().first()?.number()?;
        let Some(TextureFile { image, wrap }) = self.textures.get(texture) else { return Some(Fit::Unfit) };
        let places = rings.iter().map(|ring| {
            let (first, places) = ring.list().split_first()?;
            let place = |place: &Nested| self.places.get(place.number()?).copied();
            (first.number() == Some(texture)).then(|| places.iter().map(place).collect())?
        });
        let picture = Picture::new(image, wrap_mode(wrap.as_deref().unwrap_or_default()));
        Some(Fit::texture(&picture, polygon, places.collect()))
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Nested;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("lists of numbers")
            }
            fn visit_unit<E>(self) -> Result<Nested, E> {
                Ok(Nested::Null)
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Nested, E> {
                usize::try_from(value).map(Nested::Number).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nested, A::Error> {
                let mut out = Vec::new();
                while let Some(item) = list.next_element()? {
                    out.push(item);
                }
                Ok(Nested::List(out))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Reads a document or a sequence.
///
/// # Errors
/// When it is no CityJSON, is cut off or too long, or `take` fails.
pub fn read<R: BufRead>(
    mut input: R,
    file: &str,
    wanted: Wanted,
    mut take: impl FnMut(Building) -> Result<Option<Error>>,
) -> Result<Document> {
    let (mut document, mut srs) = (Document::default(), Srs::default());
    let mut triangulator = Triangulator::new();
    let (mut line, mut number, mut transform) = (Vec::new(), 0_u64, None);
    loop {
        line.clear();
        let limit = MAX_BYTES as u64 + 1;
        let read = input.by_ref().take(limit).read_until(b'\n', &mut line).map_err(|error| read_error(file, &error))?;
        if read == 0 {
            break;
        }
        number += 1;
        let place = || Place::file(file).line(number);
        if line.len() > MAX_BYTES {
            return Err(Error::new("mk::city_model::size", format!("a line of more than {} MiB", MAX_BYTES >> 20))
                .at(place())
                .hint("deliver large models as CityJSONSeq: one feature on each line"));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let text = match serde_json::from_slice::<Text>(&line) {
            Ok(text) => text,
            // A document that is written on many lines.
            Err(error) if number == 1 && error.is_eof() => {
                input.by_ref().take(limit).read_to_end(&mut line).map_err(|error| read_error(file, &error))?;
                if line.len() > MAX_BYTES {
                    let message = format!("a CityJSON document of more than {} MiB", MAX_BYTES >> 20);
                    return Err(Error::new("mk::city_model::size", message)
                        .at(Place::file(file))
                        .hint("deliver it as CityJSONSeq"));
                }
                serde_json::from_slice(&line).map_err(|error| broken(&error, file, 1))?
            }
            Err(error) => return Err(broken(&error, file, number)),
        };
        match (text.kind.as_str(), number) {
            ("CityJSON", 1) => {
                let version = text.version.as_deref().unwrap_or_default();
                if !["1.0", "1.1", "2.0"].contains(&version) {
                    let message = format!("CityJSON of version '{}' is not known", version.escape_debug());
                    return Err(Error::new("mk::city_model::version", message).at(place()));
                }
                transform = text.transform;
                if let Some(name) = text.metadata.as_ref().and_then(|metadata| metadata.reference_system.as_deref()) {
                    srs.take(name).map_err(|error| error.at(place()))?;
                }
            }
            ("CityJSONFeature", 2..) => {}
            (other, _) => {
                let shown: String = other.chars().take(40).collect();
                return Err(Error::new("mk::city_model::root", format!("'{}' is not expected here", shown.escape_debug()))
                    .at(place())
                    .hint("a CityJSONSeq file begins with a CityJSON object, each further line is a CityJSONFeature"));
            }
        }
        features(&text, transform, &place(), wanted, &mut triangulator, &mut document, &mut take)?;
    }
    // Heights and CRS as the file says; the order of coordinates is CityJSON's own.
    document.srs = srs.known.map(|known| crate::crs::SrsName { axis: AxisOrder::EastNorth, ..known });
    Ok(document)
}

fn broken(error: &serde_json::Error, file: &str, line: u64) -> Error {
    let (code, what) = if error.is_eof() {
        ("mk::json::truncated", "the JSON ends early".to_owned())
    } else {
        ("mk::json::malformed", format!("the JSON is not what CityJSON allows: {error}"))
    };
    Error::new(code, what).at(Place::file(file).line(line))
}

/// Hands over each building of a document or feature.
fn features(
    text: &Text,
    transform: Option<Transform>,
    place: &Place,
    wanted: Wanted,
    triangulator: &mut Triangulator,
    document: &mut Document,
    take: &mut impl FnMut(Building) -> Result<Option<Error>>,
) -> Result<()> {
    for (id, object) in &text.objects {
        match object.kind.as_str() {
            "Building" => {
                let mut reader = Reader { text, transform, drafts: Drafts::default(), points: 0 };
                reader.building(id, object, place, &mut document.unknown);
                hand_over(reader.drafts.finish(wanted, &Appearance::default(), triangulator), document, take)?;
            }
            // They come with their building; without one, they are lost.
            "BuildingPart" | "BuildingInstallation" if object.parents.iter().any(|parent| text.objects.contains_key(parent)) => {}
            other => note_unknown(&mut document.unknown, other),
        }
    }
    Ok(())
}

struct Reader<'a> {
    text: &'a Text,
    transform: Option<Transform>,
    drafts: Drafts,
    points: usize,
}

impl<'a> Reader<'a> {
    fn building(&mut self, id: &'a str, building: &'a Object, place: &Place, unknown: &mut BTreeMap<String, u64>) {
        self.object(Kind::Building, id, building, place, unknown);
        // Children of children are installations of parts; each object is taken once, so that no circle holds us up.
        let mut seen = BTreeSet::from([id]);
        let mut open: Vec<&String> = building.children.iter().rev().collect();
        while let Some(child) = open.pop() {
            if !seen.insert(child) {
                continue;
            }
            let Some(object) = self.text.objects.get(child) else {
                let wrong = Error::new("mk::city_model::child", "its building names it, but it is not there");
                self.drafts.refuse(Kind::Part, Some(child), place.clone(), wrong);
                continue;
            };
            match object.kind.as_str() {
                "BuildingPart" => self.object(Kind::Part, child, object, place, unknown),
                "BuildingInstallation" => self.object(Kind::Installation, child, object, place, unknown),
                other => note_unknown(unknown, other),
            }
            open.extend(object.children.iter().rev());
        }
    }

    fn object(&mut self, kind: Kind, id: &str, object: &'a Object, place: &Place, unknown: &mut BTreeMap<String, u64>) {
        let number = self.drafts.begin(kind, id.to_owned(), place.clone());
        for (name, value) in &object.attributes {
            attribute(self.drafts.attributes(number), name, value);
        }
        for address in object.address.as_array().into_iter().flatten() {
            attributes::add(self.drafts.attributes(number), "address", &address_line(address));
        }
        for shape in &object.geometry {
            let lod = match &shape.lod {
                Value::String(text) => text.trim().bytes().next().filter(u8::is_ascii_digit).map_or(0, |digit| digit - b'0'),
                value => value.as_f64().filter(|lod| (0.0..10.0).contains(lod)).map_or(0, |lod| lod as u8),
            };
            let depth = match shape.kind.as_str() {
                "MultiSurface" | "CompositeSurface" => 0,
                "Solid" => 1,
                "MultiSolid" | "CompositeSolid" => 2,
                other => {
                    note_unknown(unknown, other);
                    continue;
                }
            };
            if !(1..=3).contains(&lod) {
                continue;
            }
            if depth > 0 {
                self.drafts.solids.insert((number, lod));
            }
            let values = shape.semantics.as_ref().map_or(&NULL, |semantics| &semantics.values);
            let surfaces = shape.semantics.as_ref().map_or(&[][..], |semantics| &semantics.surfaces);
            let paints = |of: &'a BTreeMap<String, Painted>, texture: bool| {
                let paint = move |(theme, painted): (&'a String, &'a Painted)| Paint {
                    theme,
                    texture,
                    whole: painted.value,
                    values: &painted.values,
                };
                of.iter().take(MAX_THEMES).map(paint)
            };
            let paints: Vec<Paint<'_>> = paints(&shape.texture, true).chain(paints(&shape.material, false)).collect();
            self.surfaces((number, lod), depth, &shape.boundaries, values, surfaces, &paints);
        }
    }

    /// The surfaces below `depth` levels of shells and solids of an object and level of detail, with the numbers of their semantics
    /// and what they look like beside them.
    fn surfaces(
        &mut self,
        (object, lod): (usize, u8),
        depth: u8,
        shape: &Nested,
        values: &Nested,
        surfaces: &[Surface],
        paints: &[Paint<'_>],
    ) {
        for (index, inner) in shape.list().iter().enumerate() {
            let value = values.list().get(index).unwrap_or(&NULL);
            let paints: Vec<Paint<'_>> =
                paints.iter().map(|paint| Paint { values: paint.values.list().get(index).unwrap_or(&NULL), ..*paint }).collect();
            if depth > 0 {
                self.surfaces((object, lod), depth - 1, inner, value, surfaces, &paints);
                continue;
            }
            let polygon = self.polygon(inner);
            let (surface, mut semantic) = match value {
                Nested::Number(number) => {
                    let semantic = surfaces.get(*number).and_then(|surface| Semantic::from_element(&surface.kind));
                    (u32::try_from(number + 1).unwrap_or(0), semantic)
                }
                _ => (0, None),
            };
            if semantic.is_none()
                && !surfaces.is_empty()
                && let Ok(Polygon { rings, .. }) = &polygon
            {
                // The others say what they are; this one is kept beside them.
                semantic = newell(&rings[0]).map(|plane| Semantic::guess(plane.normal));
            }
            let (geometry, wrong) = self.drafts.geometry(object);
            match polygon {
                Ok(polygon) => {
                    let number = geometry.polygons.len();
                    for paint in &paints {
                        if let Some(fit) = self.text.appearance.fit(paint, &polygon) {
                            // Textures come first and count more.
                            geometry.fits.entry(paint.theme.to_owned()).or_default().entry(number).or_insert(fit);
                        }
                    }
                    let target = Target::Polygon(number);
                    geometry.polygons.push(polygon);
                    geometry.uses.push(Use { object, lod, semantic, surface, target, reversed: false });
                }
                Err(error) => {
                    wrong.get_or_insert(error);
                }
            }
        }
    }

    fn polygon(&mut self, rings: &Nested) -> Result<Polygon, Error> {
        let (mut out, mut names) = (Vec::new(), Vec::new());
        for ring in rings.list() {
            let mut points = Vec::with_capacity(ring.list().len());
            for number in ring.list() {
                let vertex = match number {
                    Nested::Number(number) => self.text.vertices.get(*number),
                    _ => None,
                };
                points.push(self.place(*vertex.ok_or_else(|| problem("vertex", "a ring names a vertex that is not there"))?)?);
            }
            self.points += points.len();
            let (ring, dropped) = checked_ring(points)?;
            out.push(ring);
            names.push(RingName { id: None, dropped });
        }
        if self.points > MAX_POINTS {
            return Err(problem("size", format!("more than {MAX_POINTS} points in one building")));
        }
        if out.iter().map(Vec::len).sum::<usize>() > MAX_POLYGON_POINTS {
            return Err(problem("size", format!("more than {MAX_POLYGON_POINTS} points in one polygon")));
        }
        if out.is_empty() {
            return Err(problem("ring", "a polygon has no outer ring"));
        }
        Ok(Polygon { rings: out, names })
    }

    fn place(&self, vertex: [f64; 3]) -> Result<[f64; 3], Error> {
        let place = match self.transform {
            Some(Transform { scale, translate }) => std::array::from_fn(|axis| vertex[axis] * scale[axis] + translate[axis]),
            None => vertex,
        };
        // Products of decimal steps carry noise beyond the micrometre that the decimal numbers don't have.
        let place: [f64; 3] = place.map(|value: f64| (value * 1e6).round() / 1e6);
        if place.iter().any(|value| !value.is_finite() || value.abs() > 1e8) {
            return Err(problem("coordinate", "a coordinate is beyond all projections"));
        }
        Ok(place)
    }
}

/// Takes an attribute as CityGML's reader does: numbers, codes, lists of codes.
fn attribute(attributes: &mut attributes::Attributes, name: &str, value: &Value) {
    match value {
        // Left aside in CityGML too.
        _ if matches!(name, "storeyHeightsAboveGround" | "storeyHeightsBelowGround") => {}
        Value::Null => {}
        Value::String(text) => attributes::add(attributes, name, text),
        Value::Bool(value) => attributes::add(attributes, name, if *value { "true" } else { "false" }),
        Value::Number(number) if number.is_i64() && name != "measuredHeight" => {
            attributes::add_integer(attributes, name, &number.to_string());
        }
        Value::Number(number) => attributes::add_number(attributes, name, &number.to_string()),
        Value::Array(list) if list.iter().all(|item| !item.is_array() && !item.is_object()) => {
            for item in list {
                match item {
                    Value::String(text) => attributes::add(attributes, name, text),
                    other => attributes::add(attributes, name, &other.to_string()),
                }
            }
        }
        other => attributes::add(attributes, name, &other.to_string()),
    }
}

/// An address to one line, as German post writes it. CityJSON leaves the names of its members to the producer; these are xAL's.
fn address_line(address: &Value) -> String {
    let part = |names: &[&str]| names.iter().find_map(|name| address[*name].as_str()).unwrap_or_default();
    attributes::address_line(
        part(&["ThoroughfareName", "thoroughfareName", "street"]),
        part(&["ThoroughfareNumber", "thoroughfareNumber", "number"]),
        part(&["PostalCodeNumber", "PostalCode", "postcode"]),
        part(&["LocalityName", "localityName", "city"]),
    )
}
