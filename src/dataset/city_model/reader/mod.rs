//! Buildings of CityGML 1.0, 2.0 and 3.0, CityJSON 1.0 to 2.0 and CityJSONSeq; CityGML and CityJSONSeq are streamed, one building
//! in memory at a time.
//!
//! Elements are told by local name and family of namespaces, so that the three versions and both GMLs are read by the same code.
//! What is unknown is counted by name and skipped.

mod appearance;
mod attributes;
mod building;
mod cityjson;
mod draft;
mod geometry;
mod xml;

pub use appearance::Appearance;

use super::model::{Building, Kind};
use crate::crs::{Bbox, SrsName};
use crate::dataset::Counts;
use crate::error::{Error, Place, Rejection, Result};
use crate::io::source::read_error;
use crate::mesh::Triangulator;
use draft::Outcome;
use geometry::Srs;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use xml::{Family, Step, Xml};

/// Objects read, and what was lost or is worth a look.
#[derive(Debug, Default)]
pub struct Found {
    /// Buildings and parts.
    pub counts: Counts,
    /// What did not get through.
    pub rejections: Vec<Rejection>,
    /// What was kept but is worth a look.
    pub findings: Vec<Rejection>,
}

impl Found {
    fn reject(&mut self, object_type: &str, error: &Error) {
        self.counts.rejected(object_type);
        self.rejections.push(Rejection::of(object_type, error));
    }
    fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.rejections.extend(other.rejections);
        self.findings.extend(other.findings);
    }
}

/// What a file says about itself.
#[derive(Debug, Default)]
pub struct Document {
    /// The CRS of the file; `None` when it names none.
    pub srs: Option<SrsName>,
    /// What the file says it covers, in its CRS.
    pub envelope: Option<Bbox>,
    /// Objects read and lost.
    pub found: Found,
    /// Elements that were skipped, by local name.
    pub unknown: BTreeMap<String, u64>,
    /// How faces of all buildings look, where it stood behind some of them: the file is to be read again with it.
    pub late: Option<Appearance>,
}

/// What is wanted of a building that has several levels of detail.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The level that is taken where it is there.
    pub lod: u8,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { lod: 2 }
    }
}

impl Wanted {
    /// Levels in the order in which they are taken: the wanted one, then LOD2, LOD1, and LOD3 where that is all.
    fn order(self) -> [u8; 4] {
        [self.lod, 2, 1, 3]
    }
}

/// Reads a file and hands each sound building to `take`, in the order of the file; a reason that `take` gives back rejects it.
/// `known` is what an earlier reading found behind the buildings ([`Document::late`]).
///
/// # Errors
/// When the file is neither CityGML nor CityJSON, is not well-formed, ends early, or `take` fails.
pub fn read<R: Read>(
    input: R,
    file: &str,
    wanted: Wanted,
    known: Option<Appearance>,
    mut take: impl FnMut(Building) -> Result<Option<Error>>,
) -> Result<Document> {
    let mut input = BufReader::with_capacity(256 << 10, input);
    let start = input.fill_buf().map_err(|error| read_error(file, &error))?;
    if start.trim_ascii_start().starts_with(b"{") {
        return cityjson::read(input, file, wanted, take);
    }
    let mut xml = Xml::new(input, file)?;
    let mut document = Document::default();
    let mut srs = Srs::default();
    let mut triangulator = Triangulator::new();
    let (again, mut appearance) = (known.is_some(), known.unwrap_or_default());
    let mut late = false;
    if xml.next()? != Step::Open {
        return Err(Error::new("mk::city_model::empty", "the file has no element").at(Place::file(file)));
    }
    let root = xml.element();
    if root.name != "CityModel" || root.family != Family::Core {
        return Err(Error::new(
            "mk::city_model::root",
            format!("the root element is {}, not a CityGML CityModel", shown(&root.name)),
        )
        .at(xml.place())
        .hint("deliver CityGML 1.0, 2.0 or 3.0, CityJSON or CityJSONSeq"));
    }
    loop {
        match xml.next()? {
            Step::Close | Step::Eof => break,
            Step::Open => match xml.element().name.as_str() {
                "boundedBy" => envelope(&mut xml, &mut srs, &mut document)?,
                "cityObjectMember" | "featureMember" | "featureMembers" => {
                    members(&mut xml, &mut srs, &mut document, wanted, &appearance, &mut triangulator, &mut take)?;
                }
                "appearanceMember" if again => xml.skip()?,
                "appearanceMember" => {
                    late |= !document.found.counts.0.is_empty();
                    appearance.read(&mut xml, &mut document.unknown)?;
                }
                "name" | "description" | "metaDataProperty" | "identifier" => xml.skip()?,
                _ => {
                    let name = xml.element().name.clone();
                    note_unknown(&mut document.unknown, &name);
                    xml.skip()?;
                }
            },
        }
    }
    // What follows the root may only be comments.
    while xml.next()? != Step::Eof {}
    document.srs = srs.known;
    document.late = (late && !appearance.is_empty()).then_some(appearance);
    Ok(document)
}

/// Reads `gml:boundedBy` of the file for its CRS and extent.
fn envelope<R: Read>(xml: &mut Xml<R>, srs: &mut Srs, document: &mut Document) -> Result<()> {
    let mut corners = Vec::new();
    let mut depth = 1_usize;
    while depth > 0 {
        match xml.next()? {
            Step::Eof => break,
            Step::Close => depth -= 1,
            Step::Open => {
                if let Some(name) = &xml.element().srs_name {
                    srs.take(name).map_err(|error| error.at(xml.place()))?;
                }
                if matches!(xml.element().name.as_str(), "lowerCorner" | "upperCorner") {
                    // Only where it lies: heights of empty tiles are NaN.
                    let mut words = xml.leaf()?.split_ascii_whitespace().map(|word| word.parse::<f64>().unwrap_or(f64::NAN));
                    if let (Some(first), Some(second)) = (words.next(), words.next()) {
                        corners.push(srs.axis().east_north([first, second]));
                    }
                } else {
                    depth += 1;
                }
            }
        }
    }
    if corners.len() == 2 && corners.iter().flatten().all(|value| value.abs() < 1e8) {
        document.envelope = Some(Bbox::around(corners));
    }
    Ok(())
}

fn members<R: Read>(
    xml: &mut Xml<R>,
    srs: &mut Srs,
    document: &mut Document,
    wanted: Wanted,
    appearance: &Appearance,
    triangulator: &mut Triangulator,
    take: &mut impl FnMut(Building) -> Result<Option<Error>>,
) -> Result<()> {
    loop {
        match xml.next()? {
            Step::Close | Step::Eof => return Ok(()),
            Step::Open => {
                let element = xml.element();
                if element.name == "Building" && element.family == Family::Building {
                    let outcome = building::read(xml, srs, &mut document.unknown, wanted, appearance, triangulator)?;
                    hand_over(outcome, document, take)?;
                } else {
                    let name = element.name.clone();
                    note_unknown(&mut document.unknown, &name);
                    xml.skip()?;
                }
            }
        }
    }
}

/// Hands a building over and counts it with its parts.
fn hand_over(outcome: Outcome, document: &mut Document, take: &mut impl FnMut(Building) -> Result<Option<Error>>) -> Result<()> {
    document.found.add(outcome.found);
    let Some(building) = outcome.building else { return Ok(()) };
    let kinds: Vec<Kind> = std::iter::once(building.kind).chain(building.parts.iter().map(|part| part.kind)).collect();
    let refused = take(building)?.map(|error| {
        let at = error.place().at;
        error.at(crate::error::Place { at, ..outcome.place })
    });
    for kind in kinds {
        match &refused {
            Some(error) => document.found.reject(kind.element(), error),
            None => document.found.counts.kept(kind.element()),
        }
    }
    Ok(())
}

/// Counts an element that is not read; hostile files may have many names.
fn note_unknown(unknown: &mut BTreeMap<String, u64>, name: &str) {
    const MAX_NAMES: usize = 200;
    if unknown.len() < MAX_NAMES || unknown.contains_key(name) {
        *unknown.entry(shown(name)).or_default() += 1;
    }
}

/// A name fit for a message.
fn shown(name: &str) -> String {
    name.chars().take(80).collect::<String>().escape_debug().to_string()
}
