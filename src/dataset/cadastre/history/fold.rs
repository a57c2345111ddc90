//! The rules by which operations become versions, keyed by (oid, beginnt).
//!
//! They are those that offices and their software follow:
//! - the same version again is no change; with another content, the later delivery holds, and it is noted;
//! - an insert of an object that is there with a later begin replaces it;
//! - a replacement ends its predecessor where the new version begins; without one it is an insert, and is noted;
//! - a deletion ends the version that it names, or the oldest open one, at the date of the portion; one that has ended stays as it is;
//! - an update ends a version when it says itself, and adds its reasons; an end before the begin is refused;
//! - a stock of a later model ends what it does not hold any more.

use crate::dataset::cadastre::row::{Operation, Row};
use crate::error::{Place, Rejection};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// Codes of what is odd because a change was not applied.
pub const IS_NOT_APPLIED: [&str; 2] = ["mk::cadastre::unknown", "mk::cadastre::ends_before_begin"];

/// What the rules need to know of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct From<'d> {
    /// Place in the order of deliveries.
    pub number: usize,
    /// Its name.
    pub name: &'d str,
    /// When what it deletes ends.
    pub ends: Option<&'d str>,
    /// True for a stock of a later model: it holds over what was there, without a word.
    pub remodels: bool,
}

/// Something odd, with where it stands in the order of all operations.
#[derive(Debug, Clone)]
pub struct Odd {
    pub at: (usize, u64),
    pub finding: Rejection,
}

/// All versions of some objects.
#[derive(Debug, Default)]
pub struct Versions {
    /// Versions by object, each object's ordered by their begin.
    objects: HashMap<String, Vec<Row>, ahash::RandomState>,
    /// Objects that the stock of a later model holds.
    seen: BTreeSet<String>,
    /// What was odd.
    pub odd: Vec<Odd>,
}

impl Versions {
    /// The versions that were made of earlier deliveries.
    pub fn of(rows: Vec<Row>) -> Self {
        let mut versions = Self::default();
        for row in rows {
            let of_object = versions.objects.entry(row.oid.clone()).or_insert_with(one);
            let at = of_object.partition_point(|known| known.beginnt < row.beginnt);
            of_object.insert(at, row);
        }
        versions
    }

    /// Applies one operation.
    pub fn apply(&mut self, row: Row, from: From<'_>) {
        match row.operation {
            Operation::Insert | Operation::Replace => self.put(row, from),
            Operation::Update => self.update(&row, from),
            Operation::Delete => self.delete(&row, from),
        }
    }

    /// After the last file of a later model's stock: what it does not hold ends.
    pub fn end_absent(&mut self, at: &str) {
        let seen = std::mem::take(&mut self.seen);
        for (oid, versions) in &mut self.objects {
            if !seen.contains(oid) {
                for version in versions.iter_mut().filter(|version| version.endet.is_none()) {
                    version.endet = Some(at.max(version.beginnt.as_str()).to_owned());
                }
            }
        }
    }

    fn put(&mut self, row: Row, from: From<'_>) {
        let replaces = row.operation == Operation::Replace;
        if from.remodels {
            self.seen.insert(row.oid.clone());
        }
        let versions = self.objects.entry(row.oid.clone()).or_insert_with(one);
        let known = !versions.is_empty();
        if let Some(other) = versions.iter().find(|known| known.class != row.class && !from.remodels) {
            // Whatever it is meant to be, one of the two is lost.
            let reason =
                format!("the identifier is that of an object of another class, {}: taken as its new version", other.class);
            self.odd.push(odd(&row, from, "mk::cadastre::identifier", &reason));
        }
        let at = versions.partition_point(|known| known.beginnt < row.beginnt);
        if let Some(twin) = versions.get_mut(at).filter(|twin| twin.beginnt == row.beginnt) {
            let same = twin.attributes == row.attributes && twin.geometry == row.geometry && twin.local == row.local;
            if same && row.endet.is_none() {
                // Context objects come again as they once were: where the version was read from stays.
                return;
            }
            // An end that is known stays known.
            let endet = row.endet.clone().or_else(|| twin.endet.take());
            // A version that replaces itself is a correction.
            if !same && !replaces && !from.remodels {
                let reason = "the same version comes twice with different content: the later one holds";
                self.odd.push(odd(&row, from, "mk::cadastre::twin", reason));
            }
            *twin = Row { endet, ..row };
            return;
        }
        for earlier in &mut versions[..at] {
            // One version holds at a time, also where one comes late that belongs in between.
            if earlier.endet.as_ref().is_none_or(|endet| *endet > row.beginnt) {
                earlier.endet = Some(row.beginnt.clone());
            }
        }
        // A version that comes after a later one is history.
        let later = versions.get(at).map(|later| later.beginnt.clone());
        let endet = row.endet.clone().or(later);
        if replaces && !known {
            let reason = "a replacement without a predecessor: taken as new";
            self.odd.push(odd(&row, from, "mk::cadastre::predecessor", reason));
        }
        versions.insert(at, Row { endet, ..row });
    }

    /// The version that a change names: by its begin, or the oldest that is open; of one that says when the version ends, the version that
    /// has ended then already, if the next one begins then: it came before the change did.
    fn named(&mut self, row: &Row) -> Named<'_> {
        let Some(versions) = self.objects.get_mut(&row.oid).filter(|versions| !versions.is_empty()) else {
            return Named::Unknown;
        };
        let found = if row.beginnt.is_empty() {
            let ended = versions.iter().position(|version| row.endet.is_some() && version.endet == row.endet);
            let ended = ended.filter(|at| versions.get(at + 1).is_some_and(|next| Some(&next.beginnt) == row.endet.as_ref()));
            let open = || versions.iter().position(|version| version.endet.is_none());
            ended.or_else(open).and_then(|at| versions.get_mut(at))
        } else if let Some(at) = versions.iter().position(|version| version.beginnt == row.beginnt) {
            versions.get_mut(at)
        } else {
            return Named::Unknown;
        };
        found.map_or(Named::Ended, Named::Version)
    }

    fn delete(&mut self, row: &Row, from: From<'_>) {
        match self.named(row) {
            Named::Version(version) if version.endet.is_none() => {
                let end = row.endet.as_deref().or(from.ends).unwrap_or_default();
                // Without a date the deletion still ends the object.
                version.endet = Some(end.max(version.beginnt.as_str()).to_owned());
            }
            // Deleted before: by this delivery as it came the first time, or by its replacement.
            Named::Version(_) | Named::Ended => {}
            Named::Unknown => {
                let reason = "a change names an object that is not in the stock";
                self.odd.push(odd(row, from, "mk::cadastre::unknown", reason));
            }
        }
    }

    fn update(&mut self, row: &Row, from: From<'_>) {
        let mut early = false;
        match self.named(row) {
            Named::Version(version) => {
                match &row.endet {
                    Some(end) if *end < version.beginnt => early = true,
                    Some(end) => version.endet = Some(end.clone()),
                    None => {}
                }
                if !early {
                    add_reasons(version, row);
                }
            }
            Named::Ended => {}
            Named::Unknown => {
                let reason = "a change names an object that is not in the stock";
                self.odd.push(odd(row, from, "mk::cadastre::unknown", reason));
            }
        }
        if early {
            let reason = "an update ends a version before it begins: not applied";
            self.odd.push(odd(row, from, "mk::cadastre::ends_before_begin", reason));
        }
    }

    /// All versions, ordered by class, object and begin.
    pub fn into_rows(self) -> Vec<Row> {
        let mut objects: Vec<Vec<Row>> = self.objects.into_values().filter(|versions| !versions.is_empty()).collect();
        // Lists are moved where rows, which are large, would be; all versions of an object have one class, but for what is odd.
        let odd = objects.iter().any(|versions| versions.iter().any(|version| version.class != versions[0].class));
        objects.sort_unstable_by(|a, b| (&a[0].class, &a[0].oid).cmp(&(&b[0].class, &b[0].oid)));
        let mut rows: Vec<Row> = Vec::with_capacity(objects.iter().map(Vec::len).sum());
        for versions in objects {
            rows.extend(versions.into_iter().map(|row| Row { operation: Operation::Insert, ..row }));
        }
        if odd {
            rows.sort_by(|a, b| (&a.class, &a.oid, &a.beginnt).cmp(&(&b.class, &b.oid, &b.beginnt)));
        }
        rows
    }
}

/// Room for one version: most objects have no more, and a row is large.
fn one() -> Vec<Row> {
    Vec::with_capacity(1)
}

enum Named<'v> {
    Version(&'v mut Row),
    /// All versions of the object have ended.
    Ended,
    Unknown,
}

/// Reasons of an update come after those of the version; each once.
fn add_reasons(version: &mut Row, row: &Row) {
    let list = |properties: &Map<String, Value>| match properties.get("anlass") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let more = list(&row.properties());
    if more.is_empty() {
        return;
    }
    let mut properties = version.properties();
    let mut reasons = list(&properties);
    for reason in more {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let value = if reasons.len() == 1 { reasons.swap_remove(0) } else { Value::Array(reasons) };
    properties.insert("anlass".to_owned(), value);
    version.attributes = Value::Object(properties).to_string();
}

fn odd(row: &Row, from: From<'_>, code: &str, reason: &str) -> Odd {
    let object_type = if row.class.is_empty() { "object".to_owned() } else { row.class.as_ref().to_owned() };
    let place = Place::file(from.name).byte(row.byte).object(&row.oid);
    let finding = Rejection { object_type, code: code.to_owned(), reason: reason.to_owned(), place };
    Odd { at: (from.number, row.byte), finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(operation: Operation, oid: &str, day: u32, content: &str) -> Row {
        let beginnt = if day == 0 { String::new() } else { format!("2024-01-{day:02}T00:00:00Z") };
        Row {
            operation,
            class: "AX_Flurstueck".into(),
            oid: oid.into(),
            beginnt,
            endet: None,
            attributes: content.into(),
            geometry: None,
            srs: None,
            local: None,
            delivery: "".into(),
            byte: 0,
        }
    }

    fn state(rows: Vec<Row>) -> Versions {
        let mut state = Versions::default();
        for row in rows {
            state.apply(row, From { number: 0, name: "d.xml", ends: Some("2024-02-01T00:00:00Z"), remodels: false });
        }
        state
    }

    fn shown(state: Versions) -> Vec<String> {
        let rows = state.into_rows();
        let day = |moment: &str| moment.get(5..10).unwrap_or_default().to_owned();
        rows.iter()
            .map(|row| {
                format!("{} {} {} {}", row.oid, day(&row.beginnt), row.endet.as_deref().map_or("-".into(), day), row.attributes)
            })
            .collect()
    }

    #[test]
    fn changes_make_the_state_that_the_rules_ask_for() {
        use Operation::{Delete, Insert, Replace};
        let state = state(vec![
            row(Insert, "A", 1, "a"),
            row(Insert, "A", 1, "a"),
            row(Insert, "B", 1, "b"),
            row(Replace, "A", 5, "a2"),
            row(Insert, "B", 6, "b2"),
            row(Insert, "C", 1, "c"),
            row(Delete, "C", 0, ""),
            row(Replace, "D", 3, "d"),
            row(Delete, "E", 0, ""),
            row(Insert, "B", 6, "b3"),
            row(Insert, "B", 2, "b1"),
        ]);
        let findings: Vec<String> = state
            .odd
            .iter()
            .map(|it| &it.finding)
            .map(|it| format!("{} {}", it.code, it.place.object.clone().unwrap()))
            .collect();
        assert_eq!(findings, ["mk::cadastre::predecessor D", "mk::cadastre::unknown E", "mk::cadastre::twin B"]);
        insta::assert_debug_snapshot!(shown(state), @r#"
        [
            "A 01-01 01-05 a",
            "A 01-05 - a2",
            "B 01-01 01-02 b",
            "B 01-02 01-06 b1",
            "B 01-06 - b3",
            "C 01-01 02-01 c",
            "D 01-03 - d",
        ]
        "#);
    }

    /// The new version may come before the word that ends the old one.
    #[test]
    fn an_update_ends_the_version_that_its_moment_ends() {
        use Operation::{Insert, Update};
        let end = || Row {
            endet: Some("2024-01-05T00:00:00Z".into()),
            attributes: r#"{"anlass":"010102"}"#.into(),
            ..row(Update, "A", 0, "")
        };
        let expected = ["A 01-01 01-05 {\"anlass\":\"010102\"}", "A 01-05 - {}"];
        for order in [vec![row(Insert, "A", 5, "{}"), end()], vec![end(), row(Insert, "A", 5, "{}")]] {
            let mut all = vec![row(Insert, "A", 1, "{}")];
            all.extend(order);
            assert_eq!(shown(state(all)), expected);
        }
        assert_eq!(shown(state(vec![row(Insert, "A", 1, "{}"), end()])), expected[..1]);
    }

    #[test]
    fn an_identifier_of_two_classes_is_told() {
        let building = Row { class: "AX_Gebaeude".into(), ..row(Operation::Insert, "A", 2, "b") };
        let state = state(vec![row(Operation::Insert, "A", 1, "a"), building]);
        assert_eq!(state.odd.iter().map(|odd| odd.finding.code.as_str()).collect::<Vec<_>>(), ["mk::cadastre::identifier"]);
    }

    #[test]
    fn playing_a_chain_twice_changes_nothing() {
        use Operation::{Delete, Insert, Replace, Update};
        let chain = vec![
            row(Insert, "A", 1, "a"),
            row(Replace, "A", 5, "a2"),
            row(Insert, "B", 1, "b"),
            Row { endet: Some("2024-01-09T00:00:00Z".into()), ..row(Update, "B", 1, "") },
            row(Delete, "A", 5, ""),
        ];
        let twice = [chain.clone(), chain.clone()].concat();
        assert_eq!(shown(state(chain)), shown(state(twice)));
    }
}
