//! One building in XML: properties, boundary surfaces, parts, installations.

use super::appearance::Appearance;
use super::draft::{Drafts, Outcome};
use super::geometry::{self, Owner, Srs};
use super::xml::{Family, Step, Xml};
use super::{Wanted, attributes};
use crate::dataset::city_model::model::{Kind, Semantic};
use crate::error::{Error, Result};
use crate::mesh::Triangulator;
use std::collections::BTreeMap;
use std::io::Read;

/// Reads a `Building`, whose start the cursor stands on, to its end.
///
/// # Errors
/// When the XML is broken; a building that is broken is no error but a rejection.
pub fn read<R: Read>(
    xml: &mut Xml<R>,
    srs: &mut Srs,
    unknown: &mut BTreeMap<String, u64>,
    wanted: Wanted,
    appearance: &Appearance,
    triangulator: &mut Triangulator,
) -> Result<Outcome> {
    let mut reader = Reader { srs, drafts: Drafts::default(), unknown };
    reader.object(xml, Kind::Building)?;
    Ok(reader.drafts.finish(wanted, appearance, triangulator))
}

struct Reader<'a> {
    srs: &'a mut Srs,
    drafts: Drafts,
    unknown: &'a mut BTreeMap<String, u64>,
}

impl Reader<'_> {
    /// Reads a building, part or installation, whose start the cursor stands on, to its end.
    fn object<R: Read>(&mut self, xml: &mut Xml<R>, kind: Kind) -> Result<()> {
        let number = self.drafts.begin(kind, xml.element().id.clone().unwrap_or_default(), xml.place());
        loop {
            match xml.next()? {
                Step::Open => self.property(xml, number)?,
                Step::Close | Step::Eof => return Ok(()),
            }
        }
    }

    /// Reads one property of a building to its end.
    fn property<R: Read>(&mut self, xml: &mut Xml<R>, number: usize) -> Result<()> {
        let name = xml.element().name.clone();
        if let Some((lod, kind)) = level_of_detail(&name) {
            return match kind {
                "Solid" | "MultiSurface" | "Surface" | "Geometry" if lod <= 3 => {
                    if kind == "Solid" {
                        self.drafts.solids.insert((number, lod));
                    }
                    self.surfaces(xml, Owner { object: number, lod, semantic: None, surface: 0 })
                }
                _ => xml.skip(),
            };
        }
        let attributes = self.drafts.attributes(number);
        match name.as_str() {
            "boundedBy" | "boundary" => self.boundary(xml, number),
            "consistsOfBuildingPart" | "buildingPart" | "outerBuildingInstallation" | "buildingInstallation" => {
                self.parts(xml, number)
            }
            "creationDate" | "terminationDate" | "class" | "function" | "usage" | "roofType" | "yearOfConstruction"
            | "yearOfDemolition" | "dateOfConstruction" | "dateOfDemolition" | "name" | "description" => {
                attributes::add(attributes, &name, xml.leaf()?);
                Ok(())
            }
            "measuredHeight" => {
                attributes::add_number(attributes, &name, xml.leaf()?);
                Ok(())
            }
            "storeysAboveGround" | "storeysBelowGround" => {
                attributes::add_integer(attributes, &name, xml.leaf()?);
                Ok(())
            }
            "height" => {
                // CityGML 3.0: con:height/con:Height/con:value.
                let mut depth = 1;
                while depth > 0 {
                    match xml.next()? {
                        Step::Eof => break,
                        Step::Close => depth -= 1,
                        Step::Open if xml.element().name == "value" => {
                            attributes::add_number(attributes, "measuredHeight", xml.leaf()?);
                        }
                        Step::Open => depth += 1,
                    }
                }
                Ok(())
            }
            "stringAttribute"
            | "intAttribute"
            | "doubleAttribute"
            | "dateAttribute"
            | "uriAttribute"
            | "measureAttribute"
            | "genericAttributeSet"
            | "genericAttribute" => attributes::generic(xml, attributes),
            "appearance" => self.drafts.appearance.read(xml, self.unknown),
            "externalReference" => attributes::external_reference(xml, attributes),
            "address" => attributes::address(xml, attributes),
            "identifier"
            | "metaDataProperty"
            | "relativeToTerrain"
            | "relativeToWater"
            | "storeyHeightsAboveGround"
            | "storeyHeightsBelowGround"
            | "generalizesTo"
            | "creationTime"
            | "featureID" => xml.skip(),
            _ => {
                super::note_unknown(self.unknown, &name);
                xml.skip()
            }
        }
    }

    /// Reads parts and installations; those of a part belong to its building.
    fn parts<R: Read>(&mut self, xml: &mut Xml<R>, number: usize) -> Result<()> {
        loop {
            match xml.next()? {
                Step::Close | Step::Eof => return Ok(()),
                Step::Open => match xml.element().name.as_str() {
                    "BuildingInstallation" => self.object(xml, Kind::Installation)?,
                    "BuildingPart" if number == 0 => self.object(xml, Kind::Part)?,
                    "BuildingPart" => {
                        let wrong = Error::new("mk::city_model::part", "it is a part of a part");
                        self.drafts.refuse(Kind::Part, xml.element().id.as_deref(), xml.place(), wrong);
                        xml.skip()?;
                    }
                    _ => {
                        let name = xml.element().name.clone();
                        super::note_unknown(self.unknown, &name);
                        xml.skip()?;
                    }
                },
            }
        }
    }

    /// Reads `bldg:boundedBy`; `gml:boundedBy` holds an envelope, which the faces tell better.
    fn boundary<R: Read>(&mut self, xml: &mut Xml<R>, number: usize) -> Result<()> {
        loop {
            match xml.next()? {
                Step::Close | Step::Eof => return Ok(()),
                Step::Open => {
                    let element = xml.element();
                    let family = element.family;
                    match Semantic::from_element(&element.name) {
                        Some(semantic) if matches!(family, Family::Building | Family::Construction | Family::Core) => {
                            self.surface(xml, number, semantic)?;
                        }
                        _ => {
                            if family != Family::Gml {
                                let name = element.name.clone();
                                super::note_unknown(self.unknown, &name);
                            }
                            xml.skip()?;
                        }
                    }
                }
            }
        }
    }

    fn surface<R: Read>(&mut self, xml: &mut Xml<R>, number: usize, semantic: Semantic) -> Result<()> {
        let surface = self.drafts.surface(number);
        loop {
            match xml.next()? {
                Step::Close | Step::Eof => return Ok(()),
                Step::Open => {
                    let name = &xml.element().name;
                    match level_of_detail(name) {
                        Some((lod, "MultiSurface" | "Surface")) if lod <= 3 => {
                            self.surfaces(xml, Owner { object: number, lod, semantic: Some(semantic), surface })?;
                        }
                        _ if name == "appearance" => self.drafts.appearance.read(xml, self.unknown)?,
                        _ => {
                            if matches!(name.as_str(), "opening" | "fillingSurface") {
                                let name = name.clone();
                                super::note_unknown(self.unknown, &name);
                            }
                            xml.skip()?;
                        }
                    }
                }
            }
        }
    }

    fn surfaces<R: Read>(&mut self, xml: &mut Xml<R>, owner: Owner) -> Result<()> {
        let (geometry, problem) = self.drafts.geometry(owner.object);
        geometry::read(xml, owner, self.srs, geometry, problem)
    }
}

/// `lod2MultiSurface` to (2, "MultiSurface").
fn level_of_detail(name: &str) -> Option<(u8, &str)> {
    let rest = name.strip_prefix("lod")?;
    let digit = rest.bytes().next().filter(u8::is_ascii_digit)?;
    Some((digit - b'0', &rest[1..]))
}
