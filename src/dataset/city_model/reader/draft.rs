//! Buildings while they are read, whatever the encoding; then references, level of detail, faces and checks.

use super::appearance::{Appearance, Skins};
use super::attributes::Attributes;
use super::geometry::{Geometry, Target, problem};
use super::{Found, Wanted};
use crate::dataset::city_model::measure;
use crate::dataset::city_model::model::{Building, Face, Kind, Semantic};
use crate::error::{Error, Place, Rejection, Result};
use crate::mesh::{Degenerate, Triangulator, dot, newell};
use std::collections::BTreeSet;

/// Deviation from its plane from which a face is worth a finding, in metres, as val3dity has it: 0.8 % of NRW's polygons.
const UNEVEN_M: f64 = 0.01;

/// Something that is worth a look.
struct Fault {
    /// What val3dity calls it; 0 where it has no number for it.
    number: u16,
    code: &'static str,
    reason: String,
}

/// A building, part or installation while it is read.
struct Draft {
    building: Building,
    /// Boundary surfaces so far.
    surfaces: u32,
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

/// A building with its parts and installations.
#[derive(Default)]
pub struct Drafts {
    geometry: Geometry,
    /// The building, then its parts and installations.
    objects: Vec<Draft>,
    /// What the building itself says of how its faces look.
    pub appearance: Appearance,
    /// Objects and levels of detail that have a solid.
    pub solids: BTreeSet<(usize, u8)>,
}

impl Drafts {
    /// Begins an object and gives its number; one without an identifier is refused in the end.
    pub fn begin(&mut self, kind: Kind, id: String, place: Place) -> usize {
        let wrong = id.is_empty().then(|| Error::new("mk::city_model::id", "it has no gml:id"));
        let place = if id.is_empty() { place } else { place.object(&id) };
        let building = Building { kind, id, ..Building::default() };
        self.objects.push(Draft { building, surfaces: 0, place, problem: wrong });
        self.objects.len() - 1
    }
    /// Notes an object that is not read.
    pub fn refuse(&mut self, kind: Kind, id: Option<&str>, place: Place, error: Error) {
        let number = self.begin(kind, id.unwrap_or_default().to_owned(), place);
        self.objects[number].problem = Some(error);
    }
    /// The attributes of an object.
    pub fn attributes(&mut self, number: usize) -> &mut Attributes {
        &mut self.objects[number].building.attributes
    }
    /// Begins a boundary surface of an object and gives its number.
    pub fn surface(&mut self, number: usize) -> u32 {
        let surfaces = &mut self.objects[number].surfaces;
        *surfaces += 1;
        *surfaces
    }
    /// All geometry, and what is wrong with an object.
    pub fn geometry(&mut self, number: usize) -> (&mut Geometry, &mut Option<Error>) {
        (&mut self.geometry, &mut self.objects[number].problem)
    }

    /// Resolves references, chooses the level of detail, checks the faces. `appearance` is what the file says of how faces look.
    pub fn finish(mut self, wanted: Wanted, appearance: &Appearance, triangulator: &mut Triangulator) -> Outcome {
        let mut found = Found::default();
        for number in 0..self.objects.len() {
            if self.objects[number].problem.is_none() {
                match self.faces(number, wanted, appearance, triangulator) {
                    Ok((lod, faces, mut faults)) => {
                        let draft = &mut self.objects[number];
                        let building = &mut draft.building;
                        building.lod = lod;
                        building.solid = self.solids.contains(&(number, lod));
                        building.faces = faces;
                        let shell = measure::faults(building).into_iter();
                        faults.extend(shell.map(|(number, reason)| Fault { number, code: "mk::city_model::shell", reason }));
                        building.quality = faults.iter().map(|fault| fault.number).filter(|&number| number > 0).collect();
                        building.quality.sort_unstable();
                        building.quality.dedup();
                        found.findings.extend(faults.into_iter().map(|fault| Rejection {
                            object_type: building.kind.element().to_owned(),
                            code: fault.code.to_owned(),
                            reason: match fault.number {
                                0 => fault.reason,
                                number => format!("{} (val3dity {number})", fault.reason),
                            },
                            place: draft.place.clone(),
                        }));
                    }
                    Err(error) => self.objects[number].problem = Some(error),
                }
            }
        }
        let mut drafts = self.objects.into_iter();
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
                Some(error) => rejected_parts.push((error, part.building.kind, part.place)),
                None => parts.push(part),
            }
        }
        if whole.problem.is_none() && whole.building.faces.is_empty() && parts.is_empty() {
            whole.problem = Some(no_faces());
        }
        for (error, kind, place) in rejected_parts {
            found.reject(kind.element(), &placed(error, place));
        }
        if let Some(error) = whole.problem.take() {
            let reason = format!("its building was rejected: {}", error.message());
            found.reject("Building", &placed(error, whole.place.clone()));
            for part in parts {
                let error = Error::new("mk::city_model::building", reason.clone()).at(part.place);
                found.reject(part.building.kind.element(), &error);
            }
            return Outcome { building: None, place: whole.place, found };
        }
        whole.building.parts = parts.into_iter().map(|part| part.building).collect();
        whole.building.parts.sort_by(|a, b| a.id.cmp(&b.id));
        Outcome { building: Some(whole.building), place: whole.place, found }
    }

    /// The faces of one object at its best level of detail, with what is worth a finding.
    fn faces(
        &self,
        number: usize,
        wanted: Wanted,
        appearance: &Appearance,
        triangulator: &mut Triangulator,
    ) -> Result<(u8, Vec<Face>, Vec<Fault>), Error> {
        let Some(lod) =
            wanted.order().into_iter().find(|&lod| self.geometry.uses.iter().any(|u| u.object == number && u.lod == lod))
        else {
            return Ok((0, Vec::new(), Vec::new()));
        };
        let uses = || self.geometry.uses.iter().filter(move |u| u.object == number && u.lod == lod);
        let semantics = uses().any(|u| u.semantic.is_some());
        let mut faces = Vec::new();
        let mut findings = Vec::new();
        let mut taken = BTreeSet::new();
        let mut chosen = Vec::new();
        let (mut flat, mut uneven, mut holes, mut worst) = (0_usize, 0_usize, 0_usize, 0.0_f64);
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
            chosen.extend(targets.iter().filter(|&&polygon| taken.insert(polygon)).map(|&polygon| (u, polygon)));
        }
        let mut skins = Skins::of(&self.geometry, &taken, [&self.appearance, appearance]);
        let mut unfit = 0_usize;
        for (u, polygon) in chosen {
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
                        let reason = format!("{reason}, at {:.2} {:.2}", at[0], at[1]);
                        findings.push(Fault { number: 104, code: "mk::city_model::crossing", reason });
                    }
                    let alike =
                        |ring: &Vec<[f64; 3]>| newell(ring).is_some_and(|hole| dot(hole.normal, result.plane.normal) > 0.0);
                    holes += rings[1..].iter().filter(|ring| alike(ring)).count();
                    if result.deviation > UNEVEN_M {
                        uneven += 1;
                        worst = worst.max(result.deviation);
                    }
                    let semantic = u.semantic.unwrap_or_else(|| Semantic::guess(result.plane.normal));
                    let skin = skins.take(polygon).unwrap_or_else(|()| {
                        unfit += 1;
                        None
                    });
                    let skin = skin.map(|skin| Box::new(if u.reversed { skin.reversed() } else { skin }));
                    faces.push(Face { semantic, surface: u.surface, rings, skin });
                }
            }
        }
        if flat > 0 {
            let reason = format!("faces without area, left out: {flat}");
            findings.push(Fault { number: 0, code: "mk::city_model::no_area", reason });
        }
        if unfit > 0 {
            let reason = format!("faces whose texture coordinates do not fit their rings, in plain colour: {unfit}");
            findings.push(Fault { number: 0, code: "mk::city_model::texture", reason });
        }
        if uneven > 0 {
            let reason = format!("faces that leave their plane: {uneven}, by up to {worst:.2} m");
            findings.push(Fault { number: 203, code: "mk::city_model::uneven", reason });
        }
        if holes > 0 {
            let reason = format!("holes that run like their outer ring: {holes}");
            findings.push(Fault { number: 208, code: "mk::city_model::hole", reason });
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
