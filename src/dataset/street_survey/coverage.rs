//! `coverage.geojson`: which streets the survey has driven, and which it has not.
//!
//! A street is looked at every two metres: there it is driven when a picture was taken within reach. Stretches that are shorter than the
//! reach belong to their neighbours, so that a gap between two pictures is no missing street.

use super::drive::{degrees, metres, save};
use super::read::Streets;
use super::track::distance;
use crate::crs::{Crs, Operation};
use crate::dataset::AssembleContext;
use crate::error::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Distance between the places of a street that are looked at (metres).
const STEP_M: f64 = 2.0;

/// What was driven of the network.
#[derive(Debug, Default, PartialEq)]
pub struct Coverage {
    /// Metres of all streets.
    pub length: f64,
    /// Metres that were driven.
    pub driven: f64,
    /// Names of streets of which nothing was driven.
    pub missing: BTreeSet<String>,
    /// Stretches: name, driven or not, line in the CRS of the places.
    stretches: Vec<(String, bool, Vec<[f64; 2]>)>,
}

impl Coverage {
    /// The stretches that were driven, or those that were not.
    pub fn stretches(&self, driven: bool) -> Vec<Vec<[f64; 2]>> {
        self.stretches.iter().filter(|stretch| stretch.1 == driven).map(|stretch| stretch.2.clone()).collect()
    }
}

/// Places by squares as wide as the reach.
struct Places {
    reach: f64,
    squares: BTreeMap<[i64; 2], Vec<[f64; 2]>>,
}

impl Places {
    fn new(places: &[[f64; 2]], reach: f64) -> Self {
        let mut squares: BTreeMap<[i64; 2], Vec<[f64; 2]>> = BTreeMap::new();
        for place in places {
            squares.entry(place.map(|value| (value / reach).floor() as i64)).or_default().push(*place);
        }
        Self { reach, squares }
    }
    fn near(&self, at: [f64; 2]) -> bool {
        let [column, row] = at.map(|value| (value / self.reach).floor() as i64);
        let around = (-1..=1).flat_map(|x| (-1..=1).map(move |y| [column + x, row + y]));
        around.filter_map(|square| self.squares.get(&square)).flatten().any(|place| distance(*place, at) <= self.reach)
    }
}

/// Points along a line at most `STEP_M` apart, its corners among them.
fn densified(line: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut points: Vec<[f64; 2]> = line.first().copied().into_iter().collect();
    for pair in line.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        // A segment of a hundred kilometres is no street.
        let steps = (distance(a, b) / STEP_M).ceil().clamp(1.0, 50_000.0) as u32;
        points.extend((1..=steps).map(|step| {
            let part = f64::from(step) / f64::from(steps);
            [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]
        }));
    }
    points
}

fn length(line: &[[f64; 2]]) -> f64 {
    line.windows(2).map(|pair| distance(pair[0], pair[1])).sum()
}

/// Looks which streets were driven; `been` are the places of the pictures, streets and places in `crs`.
pub fn of(lines: &[(String, Vec<[f64; 2]>)], been: &[[f64; 2]], reach: f64) -> Coverage {
    let places = Places::new(been, reach);
    let mut coverage = Coverage::default();
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, line) in lines {
        let points = densified(line);
        let mut stretches: Vec<(bool, Vec<[f64; 2]>)> = Vec::new();
        for pair in points.windows(2) {
            let middle = [f64::midpoint(pair[0][0], pair[1][0]), f64::midpoint(pair[0][1], pair[1][1])];
            let driven = places.near(middle);
            match stretches.last_mut() {
                Some((last, stretch)) if *last == driven => stretch.push(pair[1]),
                _ => stretches.push((driven, pair.to_vec())),
            }
        }
        for (driven, stretch) in joined(stretches, reach) {
            let length = length(&stretch);
            coverage.length += length;
            coverage.driven += if driven { length } else { 0.0 };
            *known.entry(name).or_default() |= driven;
            coverage.stretches.push((name.clone(), driven, stretch));
        }
    }
    let missing = known.into_iter().filter(|(name, driven)| !driven && !name.is_empty());
    coverage.missing = missing.map(|(name, _)| name.to_owned()).collect();
    coverage
}

/// Short stretches become part of the one before, or of the one after where they are first.
fn joined(stretches: Vec<(bool, Vec<[f64; 2]>)>, least: f64) -> Vec<(bool, Vec<[f64; 2]>)> {
    let mut joined: Vec<(bool, Vec<[f64; 2]>)> = Vec::new();
    for (driven, stretch) in stretches {
        let short = length(&stretch) < least;
        match joined.last_mut() {
            Some((last, all)) if *last == driven || short => all.extend_from_slice(&stretch[1..]),
            Some((last, all)) if length(all) < least => {
                *last = driven;
                all.extend_from_slice(&stretch[1..]);
            }
            _ => joined.push((driven, stretch)),
        }
    }
    joined
}

/// The streets in the CRS of the places.
///
/// # Errors
/// When they cannot be transformed.
pub fn in_crs(streets: Streets, crs: Crs, grids: &[PathBuf]) -> Result<Vec<(String, Vec<[f64; 2]>)>> {
    let operation = Operation::between(streets.crs, crs, grids)?;
    let mut lines = streets.lines;
    for (_, line) in &mut lines {
        operation.forward(line)?;
    }
    Ok(lines)
}

/// Writes the stretches.
///
/// # Errors
/// When a place cannot be transformed, or the file not be written.
pub fn write(path: &str, context: &AssembleContext<'_>, coverage: &Coverage, crs: Crs) -> Result<()> {
    let operation = Operation::between(crs, Crs::WGS84, &context.area.grids)?;
    let mut features: Vec<Value> = Vec::with_capacity(coverage.stretches.len());
    for (name, driven, line) in &coverage.stretches {
        let simple: geo::LineString<f64> = line.iter().map(|at| geo::Coord::from(*at)).collect();
        let simple = geo::Simplify::simplify(&simple, 0.05);
        let mut points: Vec<[f64; 2]> = simple.0.iter().map(|at| [at.x, at.y]).collect();
        operation.forward(&mut points)?;
        let coordinates: Vec<[f64; 2]> = points.into_iter().map(degrees).collect();
        features.push(json!({
            "type": "Feature",
            "properties": {
                "name": name,
                "stand": if *driven { "befahren" } else { "fehlt" },
                "laenge_m": metres(length(line)),
            },
            "geometry": { "type": "LineString", "coordinates": coordinates },
        }));
    }
    save(context, path, &json!({ "type": "FeatureCollection", "features": features }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_driven_is_told_by_name_and_length() {
        let lines = vec![
            ("Hafenstraße".to_owned(), vec![[0.0, 0.0], [100.0, 0.0]]),
            ("Marktgasse".to_owned(), vec![[0.0, 200.0], [0.0, 300.0]]),
            ("Ring".to_owned(), vec![[0.0, 5.0], [200.0, 5.0]]),
        ];
        // Every 5 m along the first 100 m, three metres beside the middle; one picture is missing.
        let been: Vec<[f64; 2]> = (0..=20).filter(|k| *k != 10).map(|k| [f64::from(k) * 5.0, 3.0]).collect();
        let coverage = of(&lines, &been, 15.0);
        assert_eq!(coverage.missing, BTreeSet::from(["Marktgasse".to_owned()]));
        assert_eq!(coverage.length, 400.0);
        // The reach of the last picture is 15 m.
        assert!((coverage.driven - 214.9).abs() < 2.1, "{}", coverage.driven);
        let told: Vec<(&str, bool)> = coverage.stretches.iter().map(|(name, driven, _)| (name.as_str(), *driven)).collect();
        assert_eq!(told, [("Hafenstraße", true), ("Marktgasse", false), ("Ring", true), ("Ring", false)]);
        assert_eq!(of(&lines, &[], 15.0).driven, 0.0);
    }
}
