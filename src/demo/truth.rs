//! `truth/`: what must come out, for tests that compare.

use super::deliver::{DemoOptions, Tile, day, tile_of, tiles};
use super::files::{Folder, Written};
use super::ground::Geoid;
use super::image::{self, MARGIN_M, canvas::PIXEL};
use super::plane::Ring;
use super::town::night::{Change, Event, Night, Object};
use super::town::{Building, Parcel, Quarter, Town, names};
use super::{city, nas, theme};
use crate::crs::{Crs, Operation};
use crate::error::{Error, Exit, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Beyond this size the tables of single objects are left out: nobody compares them, and they would outgrow the deliveries.
const TABLES_KM2: f64 = 25.0;

/// What an earlier night left, checked to belong to the same town.
///
/// # Errors
/// When the night before is not there, or belongs to another town.
pub fn earlier(folder: &Folder, town: &Town, options: &DemoOptions) -> Result<Vec<Value>> {
    if options.night == 1 {
        return Ok(Vec::new());
    }
    let missing = |night: u32| {
        Error::new("mk::demo::order", format!("night {} needs night {night} in the same folder", options.night))
            .hint(format!("write night {night} first"))
            .exit(Exit::Usage)
    };
    if !folder.has("truth/truth.json") {
        return Err(missing(1));
    }
    let known: Value = serde_json::from_slice(&folder.read("truth/truth.json")?)
        .map_err(|error| Error::new("mk::demo::truth", "truth/truth.json is no truth of a demo").because(error))?;
    if known["seed"] != json!(town.seed) || known["quarters"] != json!(town.size) {
        return Err(Error::new("mk::demo::other_town", "the folder holds another town")
            .hint("use the seed and the size of the first night, or another folder")
            .exit(Exit::Usage));
    }
    let number = |night: &Value| night["night"].as_u64().unwrap_or(0);
    let mut nights = known["nights"].as_array().cloned().unwrap_or_default();
    nights.retain(|night| number(night) < u64::from(options.night));
    let last = nights.last().map_or(0, number) as u32;
    if last + 1 == options.night || options.key_dates { Ok(nights) } else { Err(missing(last + 1)) }
}

/// Writes the truth files.
///
/// # Errors
/// When a file cannot be written.
pub fn write(
    folder: &Folder,
    town: &Town,
    nights: &[Night],
    options: &DemoOptions,
    mut earlier: Vec<Value>,
    files: &[Written],
    removed: &[String],
) -> Result<Vec<Written>> {
    let mut listed: Vec<&Written> = files.iter().collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let all = |count: fn(&Quarter) -> usize| -> usize { town.quarters.iter().map(count).sum() };
    let mut entry = json!({
        "night": options.night,
        "date": day(options.night),
        "files": listed,
        "removed": removed,
        "state": {
            "parcels": all(|quarter| quarter.parcels.len()),
            "buildings": all(|quarter| quarter.buildings.len()),
            "building_parts": all(|quarter| quarter.buildings.iter().map(|b| if b.shape.parts.len() > 1 { b.shape.parts.len() } else { 0 }).sum()),
            "addresses": all(|quarter| quarter.addresses.len()),
            "official_area_m2": town.quarters.iter().flat_map(|quarter| &quarter.parcels).map(|parcel| parcel.area).sum::<i64>(),
        },
    });
    if options.night == 1 {
        entry["distinct"] = json!(nas::distinct(town, options.dialect));
    } else if let Some(night) = nights.last() {
        let before = earlier.last().and_then(|entry| entry["night"].as_u64()).unwrap_or(0);
        let events: Vec<&Event> =
            nights.iter().filter(|night| u64::from(night.number) > before).flat_map(|night| &night.events).collect();
        entry["quarter"] = json!(night.quarter);
        entry["tile"] = json!(tile_of(town, night.site).map(|tile| tile.name));
        entry["since"] = json!(night.since);
        entry["events"] = json!(events);
    }
    earlier.push(entry);
    let delivered: Vec<u32> = earlier.iter().filter_map(|entry| u32::try_from(entry["night"].as_u64()?).ok()).collect();
    let tables = town.km2() <= TABLES_KM2;
    let value = json!({
        "seed": options.seed,
        "km2": town.km2(),
        "quarters": town.size,
        "crs": "EPSG:25832",
        "bounds": town.bounds(),
        "dialect": options.dialect,
        "tables": tables,
        "nights": earlier,
    });
    let mut written = vec![folder.write("truth/truth.json", format!("{value:#}\n").as_bytes(), BTreeMap::new())?];
    if tables {
        for (name, value) in [
            ("truth/parcels.geojson", parcels(town, nights, &delivered)),
            ("truth/buildings.geojson", buildings(town, nights, &delivered)?),
            ("truth/control_points.geojson", control_points(town)),
        ] {
            let count = value["features"].as_array().map_or(0, Vec::len) as u64;
            let counts = BTreeMap::from([("feature".to_owned(), count)]);
            written.push(folder.write(name, format!("{value}\n").as_bytes(), counts)?);
        }
        for (name, (text, count)) in
            [("truth/reserves.geojson", theme::reserves(town, true)), ("truth/roads.geojson", theme::roads_truth(town, nights))]
        {
            written.push(folder.write(name, text.as_bytes(), BTreeMap::from([("feature".to_owned(), count)]))?);
        }
        let (survey, count) = super::street::truth(&Town::new(options.seed, options.km2), options.panoramas)?;
        let counts = BTreeMap::from([("feature".to_owned(), count)]);
        written.push(folder.write("truth/survey.geojson", format!("{survey}\n").as_bytes(), counts)?);
        let plan = super::playground::field(&Town::new(options.seed, options.km2), options.night).truth;
        let counts = BTreeMap::from([("row".to_owned(), plan["pruefplan"].as_array().map_or(0, Vec::len) as u64)]);
        written.push(folder.write("truth/pruefplan.json", format!("{plan}\n").as_bytes(), counts)?);
    }
    Ok(written)
}

fn collection(features: &[Value]) -> Value {
    json!({
        "type": "FeatureCollection",
        "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } },
        "features": features,
    })
}

fn polygon(outline: &Ring, holes: &[Ring]) -> Value {
    let ring = |ring: &Ring| -> Vec<[f64; 2]> {
        let mut points: Vec<[f64; 2]> = ring.linear().iter().map(|point| point.xy()).collect();
        points.extend(points.first().copied());
        points
    };
    let mut rings = vec![ring(outline)];
    rings.extend(holes.iter().map(|hole| {
        let mut points = ring(hole);
        points.reverse();
        points
    }));
    json!({ "type": "Polygon", "coordinates": rings })
}

/// The night with whose delivery the changes of a night came.
fn came(delivered: &[u32], night: u32) -> u32 {
    delivered.iter().copied().find(|delivered| *delivered >= night).unwrap_or(night)
}

/// All versions of parcels that were delivered, with those they came of and those that came of them.
fn parcels(town: &Town, nights: &[Night], delivered: &[u32]) -> Value {
    let mut from: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in nights.iter().flat_map(|night| &night.events) {
        if matches!(event.kind, "division" | "merger" | "renumbering") {
            for after in &event.after {
                from.entry(after).or_default().extend(event.before.iter().map(String::as_str));
            }
        }
    }
    let feature = |quarter: &Quarter, parcel: &Parcel, until: Option<String>, successors: &[String]| {
        let mark = parcel.mark();
        let addresses: Vec<String> = quarter
            .addresses
            .iter()
            .filter(|address| parcel.addresses.contains(&address.oid))
            .map(|address| format!("{} {}", names::street(address.street), address.number))
            .collect();
        json!({
            "type": "Feature",
            "properties": {
                "oid": parcel.oid.to_string(),
                "flurstueckskennzeichen": mark,
                "amtliche_flaeche": parcel.area,
                "geom_flaeche": (parcel.geometric_area() * 1000.0).round() / 1000.0,
                "nutzung": format!("{:?}", parcel.kind),
                "adressen": addresses,
                "beginnt": parcel.since,
                "endet": until,
                "vorgaenger": from.get(mark.as_str()).cloned().unwrap_or_default(),
                "nachfolger": successors,
            },
            "geometry": polygon(&parcel.outline, &parcel.holes),
        })
    };
    let mut features = Vec::new();
    for quarter in &town.quarters {
        features.extend(quarter.parcels.iter().map(|parcel| feature(quarter, parcel, None, &[])));
    }
    for night in nights {
        let Some(quarter) = town.quarter(night.quarter) else { continue };
        for (parcel, successors) in &night.ended {
            let replaced = successors.as_slice() == [parcel.mark()];
            let number = came(delivered, night.number);
            if nights.iter().any(|begun| begun.since == parcel.since && came(delivered, begun.number) == number) {
                continue;
            }
            // A replaced version ends when the next one begins; a deleted one at the end of the delivery's interval.
            let until = if replaced { night.since.clone() } else { format!("{}T04:00:00Z", day(number)) };
            features.push(feature(quarter, parcel, Some(until), if replaced { &[] } else { successors }));
        }
    }
    collection(&features)
}

/// Buildings with the heights of base, eaves and ridge: DHHN2016, and above the ellipsoid with the demo's geoid.
fn buildings(town: &Town, nights: &[Night], delivered: &[u32]) -> Result<Value> {
    let geoid = Geoid::new();
    let operation = Operation::between(Crs(25832), Crs(4258), &[])?;
    let feature = |quarter: &Quarter, building: &Building, until: Option<String>| -> Result<Value> {
        let centre = building.shape.outline.centre().xy();
        let mut lonlat = [centre];
        operation.forward(&mut lonlat)?;
        let undulation = geoid.undulation(lonlat[0][0], lonlat[0][1]);
        let metres = |value: f64| (value * 1000.0).round() / 1000.0;
        let parts: Vec<Value> = building
            .shape
            .parts
            .iter()
            .map(|part| {
                let (eaves, ridge, ends) = city::heights(building, part);
                json!({
                    "dachform": part.roof.code(),
                    "traufe_dhhn2016": eaves,
                    "first_dhhn2016": ridge,
                    "traufe_ellipsoid": undulation.map(|n| metres(eaves + n)),
                    "first_ellipsoid": undulation.map(|n| metres(ridge + n)),
                    "first": ends.iter().map(|point| point.xy()).collect::<Vec<_>>(),
                })
            })
            .collect();
        let base = building.base as f64 / 1000.0;
        let parcel = quarter.parcels.iter().find(|parcel| parcel.oid == building.parcel).map(Parcel::mark);
        Ok(json!({
            "type": "Feature",
            "properties": {
                "oid": building.oid.to_string(),
                "gebaeudefunktion": building.shape.function,
                "flurstueckskennzeichen": parcel,
                "beginnt": building.since,
                "endet": until,
                "grundhoehe_dhhn2016": base,
                "undulation": undulation.map(metres),
                "lon": lonlat[0][0],
                "lat": lonlat[0][1],
                "teile": parts,
            },
            "geometry": polygon(&building.shape.outline, &building.shape.holes),
        }))
    };
    let mut features = Vec::new();
    for quarter in &town.quarters {
        for building in &quarter.buildings {
            features.push(feature(quarter, building, None)?);
        }
    }
    for night in nights {
        let Some(quarter) = town.quarter(night.quarter) else { continue };
        for change in &night.changes {
            if let Change::Delete(Object::Building(building), _) = change {
                features.push(feature(quarter, building, Some(format!("{}T04:00:00Z", day(came(delivered, night.number)))))?);
            }
        }
    }
    Ok(collection(&features))
}

/// Targets painted on streets: where they are on the ground and in each tile, and the colours of their squares.
fn control_points(town: &Town) -> Value {
    let all: Vec<Tile> = tiles(town);
    let mut features = Vec::new();
    for quarter in &town.quarters {
        for target in image::targets(town, quarter) {
            let [e, n] = target.at.xy();
            let seen: Vec<Value> = all
                .iter()
                .filter_map(|tile| {
                    let [west, south, east, north] = tile.bounds;
                    // The whole target, and a little around it.
                    let reach = MARGIN_M - 2.0;
                    let inside = e > west - reach && e < east + reach && n > south - reach && n < north + reach;
                    let pixel = [(e - west + MARGIN_M) / PIXEL, (north + MARGIN_M - n) / PIXEL].map(f64::round);
                    inside.then(|| json!({ "tile": tile.name, "pixel": pixel }))
                })
                .collect();
            features.push(json!({
                "type": "Feature",
                "properties": {
                    "id": target.serial,
                    "square_m": 1.6,
                    "light_rgbi": image::LIGHT,
                    "dark_rgbi": image::DARK,
                    "light_squares": "north-west, south-east",
                    "seen": seen,
                },
                "geometry": { "type": "Point", "coordinates": [e, n] },
            }));
        }
    }
    collection(&features)
}
