//! One building: properties, boundary surfaces, parts; then faces and checks.

use super::geometry::{self, Geometry, Owner, Srs, Target, problem};
use super::xml::{Family, Step, Xml};
use super::{Found, attributes};
use crate::dataset::city_model::model::{Building, Face, Semantic};
use crate::error::{Error, Place, Rejection, Result};
use crate::mesh::{Degenerate, Triangulator};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// Deviation from its plane from which a face is worth a finding, in metres: 0.06 % of NRW's polygons.
const UNEVEN_M: f64 = 0.05;

/// A building or part while it is read.
struct Draft {
    building: Building,
    element: &'static str,
    place: Place,
    problem: Option<Error>,
}

/// What a building's element gave.
pub struct Outcome {
    /// The building with the parts that are sound, not yet counted; `None` when nothing is.
    pub building: Option<Building>,
    /// Where it begins.
    pub place: Place,
    /// Objects lost.
    pub found: Found,
}

/// Reads a `Building`, whose start the cursor stands on, to its end.
///
/// # Errors
/// When the XML is broken; a building that is broken is no error but a rejection.
pub fn read<R: Read>(
    xml: &mut Xml<R>,
    srs: &mut Srs,
    unknown: &mut BTreeMap<String, u64>,
    triangulator: &mut Triangulator,
) -> Result<Outcome> {
    let mut reader = Reader { srs, geometry: Geometry::default(), drafts: Vec::new(), solids: BTreeSet::new(), unknown };
    reader.object(xml, "Building")?;
    Ok(reader.finish(triangulator))
}

struct Reader<'a> {
    srs: &'a mut Srs,
    geometry: Geometry,
    /// The building, then its parts.
    drafts: Vec<Draft>,
    /// Objects and levels of detail that have a solid.
    solids: BTreeSet<(usize, u8)>,
    unknown: &'a mut BTreeMap<String, u64>,
}

impl Reader<'_> {
    fn object<R: Read>(&mut self, xml: &mut Xml<R>, element: &'static str) -> Result<()> {
        let id = xml.element().id.clone().unwrap_or_default();
        let number = self.drafts.len();
        let mut place = xml.place();
        let mut wrong = None;
        if id.is_empty() {
            wrong = Some(Error::new("mk::city_model::id", "it has no gml:id"));
        } else {
            place = place.object(&id);
        }
        let building = Building { id, ..Building::default() };
        self.drafts.push(Draft { building, element, place, problem: wrong });
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
                "Solid" | "MultiSurface" | "Surface" if lod <= 3 => {
                    if kind == "Solid" {
                        self.solids.insert((number, lod));
                    }
                    self.surfaces(xml, Owner { object: number, lod, semantic: None })
                }
                _ => xml.skip(),
            };
        }
        let attributes = &mut self.drafts[number].building.attributes;
        match name.as_str() {
            "boundedBy" | "boundary" => self.boundary(xml, number),
            "consistsOfBuildingPart" | "buildingPart" => self.parts(xml, number),
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
            "externalReference" => attributes::external_reference(xml, attributes),
            "address" => attributes::address(xml, attributes),
            "identifier"
            | "metaDataProperty"
            | "relativeToTerrain"
            | "relativeToWater"
            | "appearance"
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

    fn parts<R: Read>(&mut self, xml: &mut Xml<R>, number: usize) -> Result<()> {
        loop {
            match xml.next()? {
                Step::Close | Step::Eof => return Ok(()),
                Step::Open if xml.element().name == "BuildingPart" => {
                    if number == 0 {
                        self.object(xml, "BuildingPart")?;
                    } else {
                        let mut place = xml.place();
                        if let Some(id) = &xml.element().id {
                            place = place.object(id);
                        }
                        let wrong = Some(Error::new("mk::city_model::part", "it is a part of a part"));
                        let building = Building::default();
                        self.drafts.push(Draft { building, element: "BuildingPart", place, problem: wrong });
                        xml.skip()?;
                    }
                }
                Step::Open => {
                    let name = xml.element().name.clone();
                    super::note_unknown(self.unknown, &name);
                    xml.skip()?;
                }
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
        loop {
            match xml.next()? {
                Step::Close | Step::Eof => return Ok(()),
                Step::Open => {
                    let name = &xml.element().name;
                    match level_of_detail(name) {
                        Some((lod, "MultiSurface" | "Surface")) if lod <= 3 => {
                            self.surfaces(xml, Owner { object: number, lod, semantic: Some(semantic) })?;
                        }
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
        let problem = &mut self.drafts[owner.object].problem;
        geometry::read(xml, owner, self.srs, &mut self.geometry, problem)
    }

    /// Resolves references, chooses the level of detail, checks the faces.
    fn finish(mut self, triangulator: &mut Triangulator) -> Outcome {
        let mut found = Found::default();
        for number in 0..self.drafts.len() {
            if self.drafts[number].problem.is_none() {
                match self.faces(number, triangulator) {
                    Ok((lod, faces, findings)) => {
                        let draft = &mut self.drafts[number];
                        draft.building.lod = lod;
                        draft.building.solid = self.solids.contains(&(number, lod));
                        draft.building.faces = faces;
                        found.findings.extend(findings.into_iter().map(|finding| Rejection {
                            object_type: draft.element.to_owned(),
                            code: finding.0.to_owned(),
                            reason: finding.1,
                            place: draft.place.clone(),
                        }));
                    }
                    Err(error) => self.drafts[number].problem = Some(error),
                }
            }
        }
        let mut drafts = self.drafts.into_iter();
        let Some(mut whole) = drafts.next() else { return Outcome { building: None, place: Place::default(), found } };
        let mut seen = BTreeSet::new();
        let mut rejected_parts = Vec::new();
        let mut parts = Vec::new();
        for mut part in drafts {
            if part.problem.is_none() && part.building.faces.is_empty() {
                part.problem = Some(no_faces());
            }
            if part.problem.is_none() && !seen.insert(part.building.id.clone()) {
                part.problem = Some(Error::new("mk::city_model::id", "another part has the same gml:id"));
            }
            match part.problem.take() {
                Some(error) => rejected_parts.push((error, part.place)),
                None => parts.push(part),
            }
        }
        if whole.problem.is_none() && whole.building.faces.is_empty() && parts.is_empty() {
            whole.problem = Some(no_faces());
        }
        for (error, place) in rejected_parts {
            found.reject("BuildingPart", &placed(error, place));
        }
        if let Some(error) = whole.problem.take() {
            let reason = format!("its building was rejected: {}", error.message());
            found.reject("Building", &placed(error, whole.place.clone()));
            for part in parts {
                found.reject("BuildingPart", &Error::new("mk::city_model::building", reason.clone()).at(part.place));
            }
            return Outcome { building: None, place: whole.place, found };
        }
        whole.building.parts = parts.into_iter().map(|part| part.building).collect();
        whole.building.parts.sort_by(|a, b| a.id.cmp(&b.id));
        Outcome { building: Some(whole.building), place: whole.place, found }
    }

    /// The faces of one object at its best level of detail, with what is worth a finding.
    #[expect(clippy::type_complexity, reason = "three plain values that only the caller above takes apart")]
    fn faces(
        &self,
        number: usize,
        triangulator: &mut Triangulator,
    ) -> Result<(u8, Vec<Face>, Vec<(&'static str, String)>), Error> {
        // LOD2 is what is wanted; LOD1 where there is none, LOD3 where that is all.
        let Some(lod) = [2, 1, 3].into_iter().find(|&lod| self.geometry.uses.iter().any(|u| u.object == number && u.lod == lod))
        else {
            return Ok((0, Vec::new(), Vec::new()));
        };
        let uses = || self.geometry.uses.iter().filter(move |u| u.object == number && u.lod == lod);
        let semantics = uses().any(|u| u.semantic.is_some());
        let mut faces = Vec::new();
        let mut findings = Vec::new();
        let mut taken = BTreeSet::new();
        let (mut flat, mut uneven, mut worst) = (0_usize, 0_usize, 0.0_f64);
        for u in uses() {
            let single;
            let targets: &[usize] = match &u.target {
                Target::Polygon(polygon) => {
                    single = [*polygon];
                    &single
                }
                Target::Reference(id) => self
                    .geometry
                    .ids
                    .get(id)
                    .ok_or_else(|| problem("xlink", format!("the reference to '{}' leads nowhere", id.escape_debug())))?,
            };
            // With boundary surfaces, the solid only repeats their polygons.
            if semantics && u.semantic.is_none() {
                continue;
            }
            for &polygon in targets {
                if !taken.insert(polygon) {
                    continue;
                }
                let mut rings = self.geometry.polygons[polygon].rings.clone();
                if u.reversed {
                    for ring in &mut rings {
                        ring.reverse();
                    }
                }
                match triangulator.triangulate(&rings) {
                    Err(Degenerate) => {
                        flat += 1;
                    }
                    Ok(result) => {
                        if result.crosses_itself() && (result.covered - result.area).abs() > 0.1 * result.area {
                            let at = rings[0][0];
                            let reason = format!(
                                "a face crosses itself: its triangles cover {:.2} m², its rings {:.2} m²",
                                result.covered, result.area
                            );
                            findings.push(("mk::city_model::crossing", format!("{reason}, at {:.2} {:.2}", at[0], at[1])));
                        }
                        if result.deviation > UNEVEN_M {
                            uneven += 1;
                            worst = worst.max(result.deviation);
                        }
                        let semantic = u.semantic.unwrap_or_else(|| Semantic::guess(result.plane.normal));
                        faces.push(Face { semantic, rings });
                    }
                }
            }
        }
        if flat > 0 {
            findings.push(("mk::city_model::no_area", format!("faces without area, left out: {flat}")));
        }
        if uneven > 0 {
            findings.push(("mk::city_model::uneven", format!("faces that leave their plane: {uneven}, by up to {worst:.2} m")));
        }
        Ok((lod, faces, findings))
    }
}

/// The error in its object: where the error has a line of its own, that one.
fn placed(error: Error, object: Place) -> Error {
    let own = error.place().clone();
    match own.line {
        Some(_) => error.at(Place { object: object.object, ..own }),
        None => error.at(object),
    }
}

fn no_faces() -> Error {
    Error::new("mk::city_model::no_geometry", "it has no surfaces at LOD2, LOD1 or LOD3")
}

/// `lod2MultiSurface` to (2, "MultiSurface").
fn level_of_detail(name: &str) -> Option<(u8, &str)> {
    let rest = name.strip_prefix("lod")?;
    let digit = rest.bytes().next().filter(u8::is_ascii_digit)?;
    Some((digit - b'0', &rest[1..]))
}
