//! Two more themes of the town: its protected areas, and the condition of its roads as a survey car brings it.

use super::deliver::day;
use super::plane::Ring;
use super::random::Random;
use super::street::centre_line;
use super::town::layout::Use;
use super::town::night::Night;
use super::town::{Land, Parcel, Town, names};
use serde_json::{Value, json};
use std::fmt::Write;

/// A section of a road with its condition: 1 is new, 5 is worn out.
struct Section {
    number: usize,
    street: String,
    tenths: usize,
    day: String,
    inspector: String,
    line: Vec<[f64; 2]>,
}

fn ring(ring: &Ring, clockwise: bool) -> Vec<[f64; 2]> {
    let mut points: Vec<[f64; 2]> = ring.linear().iter().map(|point| point.xy()).collect();
    points.extend(points.first().copied());
    if clockwise {
        points.reverse();
    }
    points
}

/// Lands that are protected, with their kind.
fn protected(town: &Town) -> impl Iterator<Item = (&Land, &'static str)> {
    let lands = town.quarters.iter().flat_map(|quarter| &quarter.lands);
    lands.filter_map(|land| match land.kind {
        Use::Wood => Some((land, "NSG")),
        Use::Meadow => Some((land, "LSG")),
        Use::Pond => Some((land, "GLB")),
        _ => None,
    })
}

fn collection(features: &[Value]) -> String {
    let collection = json!({
        "type": "FeatureCollection",
        "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } },
        "features": features,
    });
    format!("{collection}\n")
}

/// The protected areas as GeoJSON, with their number. `truth` leaves out what is nobody's business and gives areas as numbers.
pub fn reserves(town: &Town, truth: bool) -> (String, u64) {
    let feature = |(index, (land, kind)): (usize, (&Land, &str))| {
        let mut rings = vec![ring(&land.outline, false)];
        rings.extend(land.holes.iter().map(|hole| ring(hole, true)));
        let area = land.outline.area_m2() - land.holes.iter().map(Ring::area_m2).sum::<f64>();
        let hectares = (area / 100.0).round() / 100.0;
        let name = match kind {
            "NSG" => "Gehege",
            "LSG" => "Lange Wiesen",
            _ => "Stadtparkteich",
        };
        let (number, name) = (format!("SG-{:03}", index + 1), format!("{name} {}", index + 1));
        let properties = if truth {
            json!({ "nummer": number, "name": name, "art": kind, "flaeche": hectares })
        } else {
            let clerk = names::person(town.seed, 0x00FF_FFFF, 1)[0].clone();
            json!({ "SG_NR": number, "SG_NAME": name, "ART": kind, "FLAECHE_HA": hectares, "BEARBEITER": clerk })
        };
        json!({ "type": "Feature", "properties": properties, "geometry": { "type": "Polygon", "coordinates": rings } })
    };
    let features: Vec<Value> = protected(town).enumerate().map(feature).collect();
    (collection(&features), features.len() as u64)
}

/// The sections of all roads; those of a quarter where something was built are made anew the night after.
fn sections(town: &Town, nights: &[Night]) -> Vec<Section> {
    let streets = town.quarters.iter().flat_map(|quarter| quarter.parcels.iter().map(move |parcel| (quarter.at, parcel)));
    let streets = streets.filter(|(_, parcel)| matches!(parcel.kind, Use::Street | Use::MainRoad));
    let section = |(index, (quarter, parcel)): (usize, ([u32; 2], &Parcel))| {
        let mut random = Random::of(town.seed, &[0x726f_6164, parcel.oid.0]);
        let (mut tenths, mut surveyed) =
            (10 + random.below(40), format!("2025-{:02}-{:02}", 4 + random.below(6), 1 + random.below(28)));
        if let Some(night) = nights.iter().rev().find(|night| night.quarter == quarter) {
            (tenths, surveyed) = (10, day(night.number));
        }
        // Every fourth point of the survey is enough for a line that is nearly straight.
        let path = centre_line(town, parcel);
        let last = path.len().saturating_sub(1);
        let line = path.into_iter().enumerate().filter(|(at, _)| at % 4 == 0 || *at == last).map(|(_, point)| point).collect();
        Section {
            number: index + 1,
            street: parcel.street.map(names::street).unwrap_or_default(),
            tenths,
            day: surveyed,
            inspector: names::person(town.seed, 0x00FF_FFFF, random.below(4) as u32 + 1)[0].clone(),
            line,
        }
    };
    streets.enumerate().map(section).filter(|section| section.line.len() > 1).collect()
}

/// The condition of the roads as a German CSV (ISO 8859-1, semicolons, decimal commas), with the number of sections.
pub fn roads(town: &Town, nights: &[Night]) -> (Vec<u8>, u64) {
    let mut out = String::from("abschnitt;straße;zustandswert;erfasst;prüfer;geometrie\r\n");
    let sections = sections(town, nights);
    for section in &sections {
        let points: Vec<String> = section.line.iter().map(|[e, n]| format!("{e:.3} {n:.3}")).collect();
        let date = section.day.split('-').rev().collect::<Vec<_>>().join(".");
        let _ = write!(
            out,
            "ZE-{:04};{};{},{};{date};{};\"LINESTRING ({})\"\r\n",
            section.number,
            section.street,
            section.tenths / 10,
            section.tenths % 10,
            section.inspector,
            points.join(", ")
        );
    }
    // Names have no letters beyond these.
    (out.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect(), sections.len() as u64)
}

/// What must be known of the roads after a night, as GeoJSON.
pub fn roads_truth(town: &Town, nights: &[Night]) -> (String, u64) {
    let feature = |section: &Section| {
        let line: Vec<[f64; 2]> = section.line.iter().map(|point| point.map(|value| (value * 1000.0).round() / 1000.0)).collect();
        json!({
            "type": "Feature",
            "properties": {
                "abschnitt": format!("ZE-{:04}", section.number), "strasse": section.street,
                "zustand": section.tenths as f64 / 10.0, "erfasst": section.day,
            },
            "geometry": { "type": "LineString", "coordinates": line },
        })
    };
    let features: Vec<Value> = sections(town, nights).iter().map(feature).collect();
    (collection(&features), features.len() as u64)
}
