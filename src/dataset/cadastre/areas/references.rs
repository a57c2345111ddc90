//! References to objects that the stock does not hold.

use crate::dataset::cadastre::history::store;
use crate::error::{Place, Rejection, Result};
use crate::io::Digest;
use crate::plan::Input;
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

/// One finding for each reference of a current object to one that is not there, by class and object.
///
/// # Errors
/// When an input cannot be read.
pub fn dangling(inputs: &[Input], as_of: Option<&str>) -> Result<Vec<Rejection>> {
    let mut known = HashSet::new();
    store::each_look(inputs, |look| {
        if look.holds(as_of) {
            known.insert(number_of(look.oid));
        }
    })?;
    let mut findings = Vec::new();
    store::each_shown(inputs, as_of, refers, |row| {
        let properties = row.properties();
        for name in NAMES {
            let targets = match properties.get(*name) {
                Some(Value::Array(targets)) => targets.iter().filter_map(Value::as_str).collect(),
                Some(Value::String(target)) => vec![target.as_str()],
                _ => continue,
            };
            for target in targets.into_iter().filter(|target| !known.contains(&number_of(target))) {
                findings.push(Rejection {
                    object_type: row.class.clone(),
                    code: "mk::cadastre::quality::reference".to_owned(),
                    reason: format!("{name} refers to {target}, which the stock does not hold"),
                    place: Place::default().byte(row.byte).object(&row.oid),
                });
            }
        }
        Ok(())
    })?;
    findings.sort_by(|a, b| (&a.object_type, &a.place.object).cmp(&(&b.object_type, &b.place.object)));
    Ok(findings)
}

/// The sixteen characters of an identifier as a number: a set of them takes a third of one of texts.
fn number_of(oid: &str) -> u128 {
    <[u8; 16]>::try_from(oid.as_bytes()).map_or_else(
        |_| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&Digest::of(oid.as_bytes()).as_bytes()[..16]);
            u128::from_le_bytes(bytes)
        },
        u128::from_le_bytes,
    )
}
