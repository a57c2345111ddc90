//! CityGML 1.0, 2.0 and 3.0 buildings, streamed: one building in memory at a time.
//!
//! Elements are told by local name and family of namespaces, so that the three versions and both GMLs are read by the same code.
//! What is unknown is counted by name and skipped.

mod attributes;
mod building;
mod geometry;
mod xml;

use super::model::Building;
use crate::crs::{Bbox, SrsName};
use crate::dataset::Counts;
use crate::error::{Error, Place, Rejection, Result};
use crate::mesh::Triangulator;
use geometry::Srs;
use std::collections::BTreeMap;
use std::io::Read;
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
}

/// Reads a file and hands each sound building to `take`, in the order of the file; a reason that `take` gives back rejects it.
///
/// # Errors
/// When the file is no CityGML, is not well-formed, ends early, or `take` fails.
pub fn read<R: Read>(input: R, file: &str, mut take: impl FnMut(Building) -> Result<Option<Error>>) -> Result<Document> {
    let mut xml = Xml::new(input, file)?;
    let mut document = Document::default();
    let mut srs = Srs::default();
    let mut triangulator = Triangulator::new();
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
        .hint("deliver CityGML 1.0, 2.0 or 3.0"));
    }
    loop {
        match xml.next()? {
            Step::Close | Step::Eof => break,
            Step::Open => match xml.element().name.as_str() {
                "boundedBy" => envelope(&mut xml, &mut srs, &mut document)?,
                "cityObjectMember" | "featureMember" | "featureMembers" => {
                    members(&mut xml, &mut srs, &mut document, &mut triangulator, &mut take)?;
                }
                "name" | "description" | "metaDataProperty" | "identifier" | "appearanceMember" | "appearance" => xml.skip()?,
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
    triangulator: &mut Triangulator,
    take: &mut impl FnMut(Building) -> Result<Option<Error>>,
) -> Result<()> {
    loop {
        match xml.next()? {
            Step::Close | Step::Eof => return Ok(()),
            Step::Open => {
                let element = xml.element();
                if element.name == "Building" && element.family == Family::Building {
                    let outcome = building::read(xml, srs, &mut document.unknown, triangulator)?;
                    document.found.add(outcome.found);
                    if let Some(building) = outcome.building {
                        let parts = building.parts.len();
                        let refused = take(building)?.map(|error| {
                            let at = error.place().at;
                            error.at(crate::error::Place { at, ..outcome.place.clone() })
                        });
                        let types = std::iter::once("Building").chain(std::iter::repeat_n("BuildingPart", parts));
                        for object_type in types {
                            match &refused {
                                Some(error) => document.found.reject(object_type, error),
                                None => document.found.counts.kept(object_type),
                            }
                        }
                    }
                } else {
                    let name = element.name.clone();
                    note_unknown(&mut document.unknown, &name);
                    xml.skip()?;
                }
            }
        }
    }
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
