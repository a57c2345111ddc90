//! What faces look like: CityGML's module *Appearance* (1.0 to 3.0) and what CityJSON says of textures and materials.
//!
//! Texture coordinates are bound to rings by their `gml:id`, colours to surfaces. Each object has one theme: the one that gives
//! most of its faces a texture, then a colour, then the first by name. What does not fit the geometry is left out and counted.

use super::geometry::{Geometry, Polygon, RingName};
use super::note_unknown;
use super::xml::{Step, Xml};
use crate::dataset::city_model::model::{Skin, Texture};
use crate::error::Result;
use crate::raster::Wrap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

/// Most texture coordinates and targets of a file: 128 MB.
const MAX_SIZE: usize = 16_000_000;
/// Most themes of an object or a file; deliveries have one or two.
pub const MAX_THEMES: usize = 32;
/// Beyond this many repetitions a coordinate is a mistake.
const MAX_REPEATS: f32 = 10_000.0;
/// Longest name of a picture.
const MAX_NAME: usize = 1_024;

/// Appearances of a file or a building, by theme.
#[derive(Debug, Default)]
pub struct Appearance {
    themes: BTreeMap<String, Theme>,
    size: usize,
}

#[derive(Debug, Default)]
struct Theme {
    /// Parts of pictures by the `gml:id` of the ring that shows them.
    rings: HashMap<String, Part>,
    /// Diffuse colours by the `gml:id` of the surface.
    colours: HashMap<String, [u8; 3]>,
}

#[derive(Debug)]
struct Part {
    picture: Arc<Picture>,
    /// One for each position of the ring as it is written; empty when it is not what the standard allows.
    places: Vec<[f32; 2]>,
}

/// A picture and what is outside it.
#[derive(Debug, Default, PartialEq)]
pub struct Picture {
    name: String,
    wrap: Wrap,
}

impl Picture {
    /// A picture of that name; a name that no file can have becomes empty, which none is found for.
    pub fn new(name: &str, wrap: Wrap) -> Self {
        let name = name.trim();
        let sound = name.len() <= MAX_NAME && !name.chars().any(char::is_control);
        Self { name: if sound { name.to_owned() } else { String::new() }, wrap }
    }
    fn texture(&self, places: Vec<Vec<[f32; 2]>>) -> Skin {
        Skin::Texture(Texture { picture: self.name.clone(), wrap: self.wrap, places })
    }
}

/// What a theme says of a polygon.
#[derive(Debug, Clone)]
pub enum Fit {
    /// What it looks like.
    Skin(Skin),
    /// Texture coordinates that do not fit its rings.
    Unfit,
}

impl Fit {
    /// The texture of a polygon's rings from the places of each; they fit when there are as many as positions.
    pub fn texture(picture: &Picture, polygon: &Polygon, mut places: Vec<Option<Vec<[f32; 2]>>>) -> Self {
        let sound = |place: &[f32; 2]| place.iter().all(|value| value.abs() <= MAX_REPEATS);
        let mut out = Vec::with_capacity(places.len());
        for (places, (ring, name)) in places.iter_mut().zip(polygon.rings.iter().zip(&polygon.names)) {
            let Some(mut places) = places.take().filter(|places| places.iter().all(sound)) else { return Self::Unfit };
            if places.len() != ring.len() + name.dropped.len() {
                return Self::Unfit;
            }
            if !name.dropped.is_empty() {
                let mut number = 0;
                places.retain(|_| {
                    number += 1;
                    name.dropped.binary_search(&(number - 1)).is_err()
                });
            }
            out.push(places);
        }
        if out.len() == polygon.rings.len() { Self::Skin(picture.texture(out)) } else { Self::Unfit }
    }
}

/// The skins of an object's polygons, by number, in the theme that was taken.
#[derive(Debug, Default)]
pub struct Skins {
    fits: HashMap<usize, Fit>,
}

impl Skins {
    /// Those of some polygons, by what their building, the file and (in CityJSON) the polygons themselves say.
    pub fn of(geometry: &Geometry, polygons: &BTreeSet<usize>, appearances: [&Appearance; 2]) -> Self {
        let themes: BTreeSet<&String> =
            appearances.iter().flat_map(|appearance| appearance.themes.keys()).chain(geometry.fits.keys()).collect();
        let mut best = Self::default();
        let mut most = (0, 0);
        for theme in themes {
            let own = geometry.fits.get(theme);
            let fits = own.into_iter().flatten().filter(|(number, _)| polygons.contains(number));
            let mut skins = Self { fits: fits.map(|(number, fit)| (*number, fit.clone())).collect() };
            for theme in appearances.iter().filter_map(|appearance| appearance.themes.get(theme)) {
                skins.add(theme, geometry, polygons);
            }
            let textured = skins.fits.values().filter(|fit| !matches!(fit, Fit::Skin(Skin::Colour(_)))).count();
            let rank = (textured, skins.fits.len());
            if rank > most {
                (best, most) = (skins, rank);
            }
        }
        best
    }

    fn add(&mut self, theme: &Theme, geometry: &Geometry, polygons: &BTreeSet<usize>) {
        for &number in polygons {
            if let Some(fit) = theme.texture(&geometry.polygons[number]) {
                self.fits.entry(number).or_insert(fit);
            }
        }
        // What names fewer polygons says more of each; by name where it is as many, so that it is the same on every run.
        let mut coloured: Vec<(usize, &String, &[usize], [u8; 3])> = geometry
            .ids
            .iter()
            .filter_map(|(id, numbers)| theme.colours.get(id).map(|colour| (numbers.len(), id, numbers.as_slice(), *colour)))
            .collect();
        coloured.sort_unstable();
        for (_, _, numbers, colour) in coloured {
            for number in numbers.iter().filter(|number| polygons.contains(number)) {
                self.fits.entry(*number).or_insert(Fit::Skin(Skin::Colour(colour)));
            }
        }
    }

    /// The skin of a polygon; an error when the texture coordinates do not fit.
    pub fn take(&mut self, number: usize) -> Result<Option<Skin>, ()> {
        match self.fits.remove(&number) {
            None => Ok(None),
            Some(Fit::Skin(skin)) => Ok(Some(skin)),
            Some(Fit::Unfit) => Err(()),
        }
    }
}

impl Theme {
    /// The texture of a polygon whose outer ring has one.
    fn texture(&self, polygon: &Polygon) -> Option<Fit> {
        if self.rings.is_empty() {
            return None;
        }
        let part = |name: &RingName| name.id.as_ref().and_then(|id| self.rings.get(id));
        let outer = part(polygon.names.first()?)?;
        let parts = polygon.names.iter().map(|name| part(name).filter(|part| part.picture == outer.picture));
        // In GML the first position comes again as the last one.
        let open = |part: &Part| part.places.split_last().map(|(_, places)| places.to_vec());
        Some(Fit::texture(&outer.picture, polygon, parts.map(|part| part.and_then(open)).collect()))
    }
}

impl Appearance {
    /// True when it says nothing.
    pub fn is_empty(&self) -> bool {
        self.themes.is_empty()
    }

    /// Reads a property `appearance` or `appearanceMember`, whose start the cursor stands on, to its end.
    ///
    /// # Errors
    /// When the XML is broken.
    pub fn read<R: Read>(&mut self, xml: &mut Xml<R>, unknown: &mut BTreeMap<String, u64>) -> Result<()> {
        each(xml, |xml| match xml.element().name.as_str() {
            "Appearance" => self.appearance(xml, unknown),
            _ => not_read(xml, unknown),
        })
    }

    fn appearance<R: Read>(&mut self, xml: &mut Xml<R>, unknown: &mut BTreeMap<String, u64>) -> Result<()> {
        let (mut name, mut theme) = (String::new(), Theme::default());
        each(xml, |xml| match xml.element().name.as_str() {
            "theme" => {
                name = xml.leaf()?.chars().take(200).collect();
                Ok(())
            }
            "surfaceDataMember" | "surfaceData" if xml.element().href.is_none() => {
                each(xml, |xml| match xml.element().name.as_str() {
                    "ParameterizedTexture" => self.texture(xml, &mut theme, unknown),
                    "X3DMaterial" => self.material(xml, &mut theme),
                    _ => not_read(xml, unknown),
                })
            }
            "surfaceDataMember" | "surfaceData" => not_read(xml, unknown),
            _ => xml.skip(),
        })?;
        if self.themes.len() >= MAX_THEMES && !self.themes.contains_key(&name) {
            note_unknown(unknown, "theme");
            return Ok(());
        }
        let known = self.themes.entry(name).or_default();
        for (id, part) in theme.rings {
            known.rings.entry(id).or_insert(part);
        }
        for (id, colour) in theme.colours {
            known.colours.entry(id).or_insert(colour);
        }
        Ok(())
    }

    fn texture<R: Read>(&mut self, xml: &mut Xml<R>, theme: &mut Theme, unknown: &mut BTreeMap<String, u64>) -> Result<()> {
        let (mut name, mut wrap, mut front) = (String::new(), Wrap::default(), true);
        let mut lists = Vec::new();
        let mut depth = 1_usize;
        while depth > 0 {
            match xml.next()? {
                Step::Eof => break,
                Step::Close => depth -= 1,
                Step::Open => match xml.element().name.as_str() {
                    "imageURI" => xml.leaf()?.clone_into(&mut name),
                    "wrapMode" => wrap = wrap_mode(xml.leaf()?),
                    "isFront" => front = is_true(xml.leaf()?),
                    "TexCoordList" => self.coordinates(xml, &mut lists)?,
                    "TexCoordGen" => not_read(xml, unknown)?,
                    // What names and holds the lists.
                    "target" | "textureParameterization" | "TextureAssociation" => depth += 1,
                    _ => xml.skip()?,
                },
            }
        }
        let picture = Arc::new(Picture::new(&name, wrap));
        for (ring, places) in lists.into_iter().filter(|_| front) {
            theme.rings.entry(ring).or_insert_with(|| Part { picture: Arc::clone(&picture), places });
        }
        Ok(())
    }

    /// Reads a `TexCoordList`: until CityGML 2.0 each list names its ring, in 3.0 the rings follow the lists in the same order.
    fn coordinates<R: Read>(&mut self, xml: &mut Xml<R>, out: &mut Vec<(String, Vec<[f32; 2]>)>) -> Result<()> {
        let (mut lists, mut rings) = (Vec::new(), Vec::new());
        each(xml, |xml| {
            let element = xml.element();
            match element.name.as_str() {
                "textureCoordinates" => {
                    let ring = element.ring.as_deref().map(target);
                    let places = self.places(xml.leaf()?);
                    match ring {
                        Some(ring) => out.push((ring, places)),
                        None => lists.push(places),
                    }
                }
                "ring" => {
                    self.size += 1;
                    rings.push(target(xml.leaf()?));
                }
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        out.extend(rings.into_iter().zip(lists));
        Ok(())
    }

    /// The places of a list; none when one of them is no number, or there are too many.
    fn places(&mut self, text: &str) -> Vec<[f32; 2]> {
        self.size += 1;
        let mut values = Vec::new();
        for word in text.split_ascii_whitespace() {
            match word.parse::<f32>() {
                Ok(value) if value.is_finite() && self.size + values.len() / 2 < MAX_SIZE => values.push(value),
                _ => return Vec::new(),
            }
        }
        let (pairs, rest) = values.as_chunks::<2>();
        if !rest.is_empty() {
            return Vec::new();
        }
        self.size += pairs.len();
        pairs.to_vec()
    }

    fn material<R: Read>(&mut self, xml: &mut Xml<R>, theme: &mut Theme) -> Result<()> {
        // The default of X3D and of CityGML.
        let (mut colour, mut front, mut targets) = (Some([204; 3]), true, Vec::new());
        each(xml, |xml| {
            match xml.element().name.as_str() {
                "diffuseColor" => colour = screen_colour(xml.leaf()?.split_ascii_whitespace().map(|word| word.parse().ok())),
                "isFront" => front = is_true(xml.leaf()?),
                "target" if self.size < MAX_SIZE => {
                    self.size += 1;
                    targets.push(target(xml.leaf()?));
                }
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        if let Some(colour) = colour.filter(|_| front) {
            for target in targets {
                theme.colours.entry(target).or_insert(colour);
            }
        }
        Ok(())
    }
}

/// What is outside a picture, in CityGML and CityJSON; where they do not say it the picture repeats, as in X3D.
pub fn wrap_mode(name: &str) -> Wrap {
    match name {
        "mirror" => Wrap::Mirror,
        // What a picture leaves free has no colour of its own here.
        "clamp" | "border" | "none" => Wrap::Clamp,
        _ => Wrap::Repeat,
    }
}

/// Three parts of a colour from 0 to 1 to bytes; `None` when one is no number.
pub fn screen_colour(mut parts: impl Iterator<Item = Option<f64>>) -> Option<[u8; 3]> {
    let mut part =
        || parts.next().flatten().filter(|part| part.is_finite()).map(|part| (part.clamp(0.0, 1.0) * 255.0).round() as u8);
    Some([part()?, part()?, part()?])
}

fn is_true(text: &str) -> bool {
    !matches!(text, "false" | "0")
}

/// `#id` to `id`.
fn target(reference: &str) -> String {
    reference.rsplit('#').next().unwrap_or(reference).to_owned()
}

fn not_read<R: Read>(xml: &mut Xml<R>, unknown: &mut BTreeMap<String, u64>) -> Result<()> {
    let name = xml.element().name.clone();
    note_unknown(unknown, &name);
    xml.skip()
}

/// Hands over each element within the one whose start the cursor stands on, and goes to its end.
fn each<R: Read>(xml: &mut Xml<R>, mut read: impl FnMut(&mut Xml<R>) -> Result<()>) -> Result<()> {
    loop {
        match xml.next()? {
            Step::Close | Step::Eof => return Ok(()),
            Step::Open => read(xml)?,
        }
    }
}
