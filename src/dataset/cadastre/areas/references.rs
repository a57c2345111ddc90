//! References to objects that the stock does not hold.

use crate::dataset::cadastre::row::Row;
use crate::error::{Place, Rejection};
use serde_json::Value;
use std::collections::HashSet;

/// The references that the reader keeps.
const NAMES: &[&str] =
    &["dientZurDarstellungVon", "gehoertZu", "hat", "hatAuch", "istTeilVon", "verweistAuf", "weistAuf", "zeigtAuf"];

/// Classes that have any of these references; most objects have none and are not parsed for them.
fn refers(class: &str) -> bool {
    ["AP_", "AX_Bauteil", "AX_Flurstueck", "AX_Gebaeude", "AX_Georeferenz", "AX_Punktort", "AX_SonstigesBauwerk", "AX_Turm"]
        .iter()
        .any(|begin| class.starts_with(begin))
}

/// One finding for each reference of a current object to one that is not there.
pub fn dangling(rows: &[Row]) -> Vec<Rejection> {
    let current = || rows.iter().filter(|row| row.endet.is_none());
    let known: HashSet<&str> = current().map(|row| row.oid.as_str()).collect();
    let mut findings = Vec::new();
    for row in current().filter(|row| refers(&row.class)) {
        let properties = row.properties();
        for name in NAMES {
            let targets = match properties.get(*name) {
                Some(Value::Array(targets)) => targets.iter().filter_map(Value::as_str).collect(),
                Some(Value::String(target)) => vec![target.as_str()],
                _ => continue,
            };
            for target in targets.into_iter().filter(|target| !known.contains(target)) {
                findings.push(Rejection {
                    object_type: row.class.clone(),
                    code: "mk::cadastre::quality::reference".to_owned(),
                    reason: format!("{name} refers to {target}, which the stock does not hold"),
                    place: Place::default().byte(row.byte).object(&row.oid),
                });
            }
        }
    }
    findings
}
