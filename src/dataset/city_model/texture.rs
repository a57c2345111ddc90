//! The pictures on the faces of a tile, in one atlas.

use super::model::{Face, Skin, Texture};
use super::pictures::{self, Archives};
use crate::dataset::UnitContext;
use crate::error::{Place, Rejection, Result};
use crate::format::picture::{Codec, Encoder, decode_sized, size};
use crate::plan::{InputKind, UnitSpec};
use crate::raster::{Atlas, Coverage, Part, Rgbx, fill_invalid};
use std::collections::{BTreeMap, BTreeSet};

/// Longest side of an atlas, which every device draws.
const SIDE: u32 = 4_096;
/// Most pixels of a picture: 8,192 × 8,192.
const MAX_PIXELS: usize = 1 << 26;
/// Quality of an atlas as JPEG: façades have letters and edges.
const QUALITY: u8 = 85;
/// What lies between the patches of an atlas.
const BETWEEN: [u8; 3] = [128; 3];

/// The atlas of a tile.
pub struct Skins {
    /// The picture as it is stored, and how; `None` where no face has one.
    pub picture: Option<Picture>,
    /// For each face the place of each of its points; `None` for a face without picture.
    pub places: Vec<Option<Vec<[u16; 2]>>>,
    /// Pictures that cannot be shown.
    pub findings: Vec<Rejection>,
}

/// An atlas as it is stored.
pub struct Picture {
    /// JPEG, or PNG where pixels are missing.
    pub bytes: Vec<u8>,
    /// IANA media type.
    pub media_type: &'static str,
    /// True when pixels are missing.
    pub cutout: bool,
}

/// Why pictures are not shown, from the names of the pictures to the number of their faces.
#[derive(Default)]
struct Lost(BTreeMap<&'static str, BTreeMap<String, u64>>);

impl Lost {
    fn add(&mut self, reason: &'static str, picture: &str) {
        *self.0.entry(reason).or_default().entry(picture.to_owned()).or_default() += 1;
    }
    /// One finding for each reason, with the first picture by name.
    fn findings(self) -> Vec<Rejection> {
        let finding = |(reason, pictures): (&str, BTreeMap<String, u64>)| {
            let (count, faces) = (pictures.len(), pictures.values().sum::<u64>());
            let first = pictures.into_keys().next().unwrap_or_default();
            Rejection {
                object_type: "ParameterizedTexture".to_owned(),
                code: "mk::city_model::picture".to_owned(),
                reason: format!("{reason}: {count}, faces in plain colour: {faces}, the first is '{}'", first.escape_debug()),
                place: Place::default(),
            }
        };
        self.0.into_iter().map(finding).collect()
    }
}

/// Why a picture is not shown.
const REFUSED: &str = "pictures whose names lead out of the delivery";
const MISSING: &str = "pictures that are missing or larger than 64 MiB";
const UNREAD: &str = "pictures that are no JPEG or PNG, or broken";
const LARGE: &str = "pictures of more than 67 million pixels";
const CLEAR: &str = "pictures without a visible pixel";
const CROWDED: &str = "pictures that repeat too often on a face, or do not fit into the tile's atlas";

/// A picture of the unit.
struct Known<'a> {
    name: &'a str,
    /// What keeps it from being shown.
    lost: Option<&'static str>,
}

/// Builds the atlas of the faces, given with the folder of their file.
///
/// # Errors
/// When a picture has changed since the plan, or the atlas cannot be encoded.
pub fn skins(faces: &[(&Face, &str)], unit: &UnitSpec, context: &UnitContext<'_>) -> Result<Skins> {
    let mut skins = Skins { picture: None, places: vec![None; faces.len()], findings: Vec::new() };
    let textured: Vec<(usize, &Texture, &str)> = faces
        .iter()
        .enumerate()
        .filter_map(|(number, (face, folder))| match face.skin.as_deref() {
            Some(Skin::Texture(texture)) if fits(texture, face) => Some((number, texture, *folder)),
            _ => None,
        })
        .collect();
    if textured.is_empty() {
        return Ok(skins);
    }
    let inputs: Vec<_> = unit.inputs.iter().filter(|input| input.kind == InputKind::Source).collect();
    let numbers: BTreeMap<&str, usize> = inputs.iter().enumerate().map(|(number, input)| (input.name.as_str(), number)).collect();
    let mut archives = Archives::default();
    let (mut known, mut sizes) = (Vec::new(), Vec::new());
    for input in &inputs {
        context.check()?;
        let bytes = archives.bytes(input)?;
        let (size, lost) = match size(&bytes) {
            Ok([width, height]) if width.saturating_mul(height) > MAX_PIXELS => ([1, 1], Some(LARGE)),
            Ok(size) => (size.map(|length| length.max(1) as u32), None),
            Err(_) => ([1, 1], Some(UNREAD)),
        };
        known.push(Known { name: &input.name, lost });
        sizes.push(size);
    }
    let mut lost = Lost::default();
    let (mut parts, mut of) = (Vec::new(), Vec::new());
    for (face, texture, folder) in textured {
        let Some(name) = pictures::name(folder, &texture.picture) else {
            lost.add(REFUSED, &texture.picture);
            continue;
        };
        match numbers.get(name.as_str()).map(|&number| (number, known[number].lost)) {
            None => lost.add(MISSING, &name),
            Some((_, Some(reason))) => lost.add(reason, &name),
            Some((number, None)) => {
                parts.push(part(number, texture));
                of.push((face, texture, number));
            }
        }
    }
    let layout = Atlas::layout(&parts, &sizes, SIDE);
    let mut holes = false;
    if let Some(atlas) = &layout {
        let mut picture = Rgbx::empty(atlas.size[0] as usize, atlas.size[1] as usize);
        let used: BTreeSet<usize> = parts.iter().map(|part| part.picture).collect();
        for number in used {
            let input = inputs[number];
            context.check()?;
            match decode_sized(&archives.bytes(input)?, sizes[number].map(|length| length as usize)) {
                Ok(source) => holes |= atlas.paint(number, &source, &mut picture),
                Err(_) => known[number].lost = Some(UNREAD),
            }
        }
        skins.picture = encoded(picture, holes)?;
        if skins.picture.is_none() {
            for known in &mut known {
                known.lost = known.lost.or(Some(CLEAR));
            }
        }
    }
    for (part, (face, texture, number)) in of.into_iter().enumerate() {
        let shown = known[number].lost.is_none();
        let place = |place: &[f32; 2]| layout.as_ref().filter(|_| shown)?.place(part, downwards(*place));
        skins.places[face] = texture.places.iter().flatten().map(place).collect();
        if skins.places[face].is_none() {
            lost.add(known[number].lost.unwrap_or(CROWDED), known[number].name);
        }
    }
    if skins.places.iter().all(Option::is_none) {
        skins.picture = None;
    }
    skins.findings = lost.findings();
    Ok(skins)
}

/// True when each point has a place.
fn fits(texture: &Texture, face: &Face) -> bool {
    texture.places.iter().map(Vec::len).eq(face.rings.iter().map(Vec::len))
}

/// CityGML counts from below, pictures from above.
fn downwards([s, t]: [f32; 2]) -> [f64; 2] {
    [s.into(), 1.0 - f64::from(t)]
}

fn part(picture: usize, texture: &Texture) -> Part {
    let (mut min, mut max) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for place in texture.places.iter().flatten().map(|place| downwards(*place)) {
        for axis in 0..2 {
            min[axis] = min[axis].min(place[axis]);
            max[axis] = max[axis].max(place[axis]);
        }
    }
    Part { picture, wrap: texture.wrap, min, max }
}

/// JPEG, which is smaller; PNG where pixels are missing; `None` where all are.
fn encoded(mut picture: Rgbx, holes: bool) -> Result<Option<Picture>> {
    let codec = if holes { Codec::Png } else { Codec::Jpeg { quality: QUALITY, background: BETWEEN } };
    if !holes && picture.coverage(0, 0, picture.width(), picture.height()) == Coverage::Part {
        // In place: an atlas has up to 64 MB, and the encoder would copy it.
        fill_invalid(&mut picture, BETWEEN);
    }
    let bytes = Encoder::new(codec)?.encode_part(&picture, [0, 0], [picture.width(), picture.height()])?;
    Ok(bytes.map(|bytes| Picture { bytes, media_type: codec.media_type(), cutout: holes }))
}
