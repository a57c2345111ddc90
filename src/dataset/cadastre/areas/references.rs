//! References to objects that the stock does not hold.
//!
//! Which objects a cell shows and which they refer to stands beside its rows, as numbers: a night looks at these alone, and at the
//! rows of a cell only where one of its references leads nowhere.

use crate::dataset::cadastre::history::{number_of, store};
use crate::dataset::cadastre::row::Row;
use crate::error::{Error, Place, Rejection, Result};
use crate::plan::Input;
use std::collections::HashSet;

/// The references that the reader keeps.
const NAMES: &[&str] =
    &["dientZurDarstellungVon", "gehoertZu", "hat", "hatAuch", "istTeilVon", "verweistAuf", "weistAuf", "zeigtAuf"];

/// Classes that have any of these references; most objects have none and are not looked at for them.
fn refers(class: &str) -> bool {
    ["AP_", "AX_Bauteil", "AX_Flurstueck", "AX_Gebaeude", "AX_Georeferenz", "AX_Punktort", "AX_SonstigesBauwerk", "AX_Turm"]
        .iter()
        .any(|begin| class.starts_with(begin))
}

/// Objects and what they refer to, by their numbers.
#[derive(Debug, Default, PartialEq)]
pub struct Links {
    objects: Vec<u64>,
    targets: Vec<u64>,
}

impl Links {
    /// Of the rows that a cell shows.
    pub fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> Self {
        let mut links = Self::default();
        for row in rows {
            links.objects.push(number_of(&row.oid));
            if refers(&row.class) {
                let fields = row.fields();
                links.targets.extend(NAMES.iter().flat_map(|name| fields.list(name)).map(|target| number_of(&target)));
            }
        }
        // A reference within the cell leads somewhere for sure.
        links.objects.sort_unstable();
        links.objects.dedup();
        let objects = &links.objects;
        links.targets.retain(|target| objects.binary_search(target).is_err());
        links.targets.sort_unstable();
        links.targets.dedup();
        links
    }

    /// As an entry of the state; nothing where there are no objects.
    pub fn into_bytes(self) -> Vec<u8> {
        if self.objects.is_empty() {
            return Vec::new();
        }
        let count = self.objects.len() as u64;
        let mut bytes = Vec::with_capacity((self.objects.len() + self.targets.len() + 1) * 8);
        for number in [count].iter().chain(&self.objects).chain(&self.targets) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let count = numbers.next().and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= numbers.len());
        let count = count.ok_or_else(|| Error::new("mk::cadastre::store", "the links of a cell are broken"))?;
        Ok(Self { objects: numbers.by_ref().take(count).collect(), targets: numbers.collect() })
    }
}

/// One finding for each reference of a current object to one that is not there, by class and object.
///
/// # Errors
/// When an input cannot be read.
pub fn dangling(inputs: &[Input], as_of: Option<&str>) -> Result<Vec<Rejection>> {
    let mut known = Vec::new();
    store::each_links(inputs, |_, bytes| {
        known.extend(Links::from_bytes(bytes)?.objects);
        Ok(())
    })?;
    known.sort_unstable();
    let is_known = |number: &u64| known.binary_search(number).is_ok();
    let mut findings = Vec::new();
    store::each_links(inputs, |rows, bytes| {
        let links = Links::from_bytes(bytes)?;
        let lost: HashSet<u64> = links.targets.into_iter().filter(|target| !is_known(target)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        store::each_shown(rows, as_of, refers, |row| {
            let fields = row.fields();
            for name in NAMES {
                for target in fields.list(name).into_iter().filter(|target| lost.contains(&number_of(target))) {
                    findings.push(Rejection {
                        object_type: row.class.as_ref().to_owned(),
                        code: "mk::cadastre::quality::reference".to_owned(),
                        reason: format!("{name} refers to {target}, which the stock does not hold"),
                        place: Place::default().byte(row.byte).object(&row.oid),
                    });
                }
            }
            Ok(())
        })
    })?;
    findings.sort_by(|a, b| (&a.object_type, &a.place.object).cmp(&(&b.object_type, &b.place.object)));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn links_come_back(objects in prop::collection::vec(any::<u64>(), 1..20), targets in prop::collection::vec(any::<u64>(), 0..20)) {
            let links = || Links { objects: objects.clone(), targets: targets.clone() };
            prop_assert_eq!(Links::from_bytes(&links().into_bytes()).unwrap(), links());
            prop_assert!(Links::from_bytes(&links().into_bytes()[..7]).is_err());
        }
    }
}
