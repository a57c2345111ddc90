//! A building as it was delivered: attributes, faces with semantics, parts.

use crate::raster::Wrap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a face is (CityGML `_BoundarySurface`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Semantic {
    /// `RoofSurface`.
    Roof = 0,
    /// `WallSurface`.
    Wall = 1,
    /// `GroundSurface`.
    Ground = 2,
    /// `ClosureSurface`: the open side between parts. Not shown, but part of the solid.
    Closure = 3,
    /// `OuterCeilingSurface`: seen from below, as under a bay.
    OuterCeiling = 4,
    /// `OuterFloorSurface`: walked on, as a roof terrace.
    OuterFloor = 5,
}

impl Semantic {
    /// All of them, by number.
    pub const ALL: [Self; 6] = [Self::Roof, Self::Wall, Self::Ground, Self::Closure, Self::OuterCeiling, Self::OuterFloor];
    /// The semantic of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
    /// The semantic of an element, in CityGML 1.0 to 3.0 and in CityJSON.
    pub fn from_element(local_name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|semantic| semantic.element() == local_name)
    }
    /// The element's local name.
    pub fn element(self) -> &'static str {
        match self {
            Self::Roof => "RoofSurface",
            Self::Wall => "WallSurface",
            Self::Ground => "GroundSurface",
            Self::Closure => "ClosureSurface",
            Self::OuterCeiling => "OuterCeilingSurface",
            Self::OuterFloor => "OuterFloorSurface",
        }
    }
    /// What a face of that normal is where the data doesn't say.
    pub fn guess(normal: [f64; 3]) -> Self {
        if normal[2] > 0.1 {
            Self::Roof
        } else if normal[2] < -0.9 {
            Self::Ground
        } else {
            Self::Wall
        }
    }
}

/// A polygon in space: open rings, the outer one first; easting, northing, height in the CRS of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// What it is.
    pub semantic: Semantic,
    /// Number of the boundary surface that it belongs to, within its object; 0 without one.
    pub surface: u32,
    /// The rings, without the repeated last point.
    pub rings: Vec<Vec<[f64; 3]>>,
    /// What it looks like, where the data says so.
    pub skin: Option<Box<Skin>>,
}

/// What a face looks like: of the theme that was taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Skin {
    /// The diffuse colour of a material: red, green, blue as on a screen.
    Colour([u8; 3]),
    /// A part of a picture.
    Texture(Texture),
}

impl Skin {
    /// The same on a face whose rings run the other way.
    pub fn reversed(mut self) -> Self {
        if let Self::Texture(texture) = &mut self {
            texture.places.iter_mut().for_each(|places| places.reverse());
        }
        self
    }
}

/// A part of a picture on a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Texture {
    /// Where the picture lies, as the delivery names it: relative to its file.
    pub picture: String,
    /// What is outside the picture.
    pub wrap: Wrap,
    /// For each point of each ring a place in the picture: from the left and from below, 1 = its width and height.
    pub places: Vec<Vec<[f32; 2]>>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text or a code.
    Text(String),
    /// A measure.
    Number(f64),
    /// A whole number.
    Integer(i64),
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Kind {
    /// `Building`.
    #[default]
    Building = 0,
    /// `BuildingPart`.
    Part = 1,
    /// `BuildingInstallation`: a dormer, chimney or balcony. Shown, but no part of the solid and the footprint.
    Installation = 2,
}

impl Kind {
    /// The kind of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Building, Self::Part, Self::Installation].get(usize::from(number)).copied()
    }
    /// The element's local name, in CityGML and CityJSON.
    pub fn element(self) -> &'static str {
        match self {
            Self::Building => "Building",
            Self::Part => "BuildingPart",
            Self::Installation => "BuildingInstallation",
        }
    }
}

/// A building, a part of one or an installation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Building {
    /// What it is.
    pub kind: Kind,
    /// `gml:id`.
    pub id: String,
    /// Level of detail of the faces; 0 when there are none.
    pub lod: u8,
    /// True when the faces were delivered as the shell of a solid.
    pub solid: bool,
    /// What is wrong with its faces and its shell, as val3dity numbers it.
    pub quality: Vec<u16>,
    /// Attributes by name: CityGML's local names, generic attributes by theirs.
    pub attributes: BTreeMap<String, Value>,
    /// The faces.
    pub faces: Vec<Face>,
    /// Its parts and installations, by id.
    pub parts: Vec<Building>,
}

impl Building {
    /// The faces of the building and its parts.
    pub fn all_faces(&self) -> impl Iterator<Item = &Face> {
        self.faces.iter().chain(self.parts.iter().flat_map(|part| &part.faces))
    }
    /// An attribute of the building as one object: its own, else the greatest number or all different texts of its parts.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.attributes.get(name) {
            return Some(value.clone());
        }
        let values: Vec<&Value> = self.parts.iter().filter_map(|part| part.attributes.get(name)).collect();
        let number = |value: &&Value| match value {
            Value::Number(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            Value::Text(_) => None,
        };
        match values.first()? {
            Value::Text(_) => {
                let mut texts: Vec<&str> = values.iter().filter_map(|value| value.as_text()).collect();
                texts.sort_unstable();
                texts.dedup();
                Some(Value::Text(texts.join("; ")))
            }
            _ => values
                .iter()
                .max_by(|a, b| number(a).unwrap_or(f64::MIN).total_cmp(&number(b).unwrap_or(f64::MIN)))
                .map(|&value| value.clone()),
        }
    }
    /// Names of the attributes of the building and its parts, sorted.
    pub fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().chain(self.parts.iter().flat_map(|part| part.attributes.keys())).map(String::as_str)
    }
    /// Easting and northing of its middle: that of its ground faces by area, else of its extent.
    pub fn centroid(&self) -> Option<[f64; 2]> {
        let (mut sum, mut weight) = ([0.0; 2], 0.0);
        let anchor = *self.all_faces().next()?.rings.first()?.first()?;
        for face in self.all_faces().filter(|face| face.semantic == Semantic::Ground) {
            let Some(ring) = face.rings.first() else { continue };
            let mut previous = *ring.last()?;
            for &point in ring {
                let (a, b) = (relative(previous, anchor), relative(point, anchor));
                let twice = a[0] * b[1] - b[0] * a[1];
                sum[0] += (a[0] + b[0]) * twice;
                sum[1] += (a[1] + b[1]) * twice;
                weight += 3.0 * twice;
                previous = point;
            }
        }
        if weight.abs() > 1e-3 {
            return Some([anchor[0] + sum[0] / weight, anchor[1] + sum[1] / weight]);
        }
        let bbox = crate::crs::Bbox::around(self.points().map(|point| [point[0], point[1]]));
        Some(bbox.centre())
    }
    /// Names of the pictures on its faces, as often as they are used.
    pub fn pictures(&self) -> impl Iterator<Item = &str> {
        self.all_faces().filter_map(|face| match face.skin.as_deref() {
            Some(Skin::Texture(texture)) => Some(texture.picture.as_str()),
            _ => None,
        })
    }
    /// All points of all faces.
    pub fn points(&self) -> impl Iterator<Item = [f64; 3]> + '_ {
        self.all_faces().flat_map(|face| face.rings.iter().flatten().copied())
    }
}

fn relative(point: [f64; 3], anchor: [f64; 3]) -> [f64; 2] {
    [point[0] - anchor[0], point[1] - anchor[1]]
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
    /// The number, where it is a whole one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Integer(number) => (*number).into(),
        }
    }
}

/// The type of an attribute's values, from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// Texts.
    Text,
}

impl Width {
    /// The type of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Integer(_) => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::Text(_) => Self::Text,
        }
    }
}

/// Attributes of some buildings and their parts, with the widest type of their values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(pub BTreeMap<String, Width>);

impl Attributes {
    /// Adds those of a building.
    pub fn add(&mut self, building: &Building) {
        for (name, value) in building.attributes.iter().chain(building.parts.iter().flat_map(|part| &part.attributes)) {
            self.widen(name, Width::of(value));
        }
    }
    /// Adds those of other buildings.
    pub fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, &width)| self.widen(name, width));
    }
    fn widen(&mut self, name: &str, width: Width) {
        match self.0.get_mut(name) {
            Some(present) => *present = width.max(*present),
            None => {
                self.0.insert(name.to_owned(), width);
            }
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Integer(number) => number.fmt(f),
        }
    }
}
