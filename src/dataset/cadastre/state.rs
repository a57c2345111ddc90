//! The current state from stock and changes: versions keyed by (oid, beginnt), deliveries applied in their order.
//!
//! The rules are those that offices and their software follow:
//! - the same version again is no change; with another content, the later delivery holds, and it is noted;
//! - an insert of an object that is there with a later begin replaces it;
//! - a replacement without a predecessor is an insert, and is noted; the predecessor ends where the new version begins;
//! - a deletion ends the object when the delivery says; an update ends it when it says itself.

use super::row::{Operation, Row};
use crate::error::{Place, Rejection};
use std::collections::BTreeMap;

/// All versions.
#[derive(Debug, Default)]
pub struct State {
    /// Versions by object, then begin.
    versions: BTreeMap<String, BTreeMap<String, Row>>,
    /// What was odd.
    pub findings: Vec<Rejection>,
}

impl State {
    /// Applies the rows of a delivery; `name` and `until` are its name and the moment it holds for.
    pub fn apply(&mut self, rows: Vec<Row>, name: &str, until: Option<&str>) {
        for row in rows {
            match row.operation {
                Operation::Insert | Operation::Replace => self.put(row, name),
                Operation::Update | Operation::Delete => self.end(&row, name, until),
            }
        }
    }

    fn put(&mut self, row: Row, name: &str) {
        let replaces = row.operation == Operation::Replace;
        let versions = self.versions.entry(row.oid.clone()).or_default();
        let known = !versions.is_empty();
        if let Some(twin) = versions.get_mut(&row.beginnt) {
            let same = twin.attributes == row.attributes && twin.geometry == row.geometry && twin.local == row.local;
            // An end that is known stays known: context objects come again as they once were.
            let endet = row.endet.clone().or_else(|| twin.endet.take());
            if !same {
                let finding = finding(
                    &row,
                    name,
                    "mk::cadastre::twin",
                    "two deliveries give the same version with different content: the later one holds",
                );
                self.findings.push(finding);
            }
            *twin = Row { endet, ..row };
            return;
        }
        for (beginnt, earlier) in versions.iter_mut() {
            if *beginnt < row.beginnt && earlier.endet.is_none() {
                earlier.endet = Some(row.beginnt.clone());
            }
        }
        // A version that comes after a later one is history.
        let later = versions.range::<String, _>(row.beginnt.clone()..).next().map(|(beginnt, _)| beginnt.clone());
        let endet = row.endet.clone().or(later);
        if replaces && !known {
            let finding = finding(&row, name, "mk::cadastre::predecessor", "a replacement without a predecessor: taken as new");
            self.findings.push(finding);
        }
        versions.insert(row.beginnt.clone(), Row { endet, ..row });
    }

    fn end(&mut self, row: &Row, name: &str, until: Option<&str>) {
        let delete = row.operation == Operation::Delete;
        let version = self.versions.get_mut(&row.oid).and_then(|versions| {
            if row.beginnt.is_empty() {
                versions.values_mut().find(|version| version.endet.is_none())
            } else {
                versions.get_mut(&row.beginnt)
            }
        });
        match version {
            Some(version) => {
                let end = row.endet.as_deref().or(if delete { until } else { None });
                // Without a date of its own a deletion still ends the object: at its begin at the latest known.
                let end = end.filter(|end| *end >= version.beginnt.as_str()).unwrap_or(&version.beginnt).to_owned();
                if delete || row.endet.is_some() {
                    version.endet = Some(end);
                }
            }
            None => self.findings.push(finding(
                row,
                name,
                "mk::cadastre::unknown",
                "a change names an object that is not in the stock",
            )),
        }
    }

    /// All versions, ordered by class, object and begin: the current ones, and with `history` those that ended.
    pub fn into_rows(self, history: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .versions
            .into_values()
            .flat_map(BTreeMap::into_values)
            .filter(|row| history || row.endet.is_none())
            .map(|row| Row { operation: Operation::Insert, ..row })
            .collect();
        rows.sort_by(|a, b| (&a.class, &a.oid, &a.beginnt).cmp(&(&b.class, &b.oid, &b.beginnt)));
        rows
    }
}

fn finding(row: &Row, name: &str, code: &str, reason: &str) -> Rejection {
    let object_type = if row.class.is_empty() { "object".to_owned() } else { row.class.clone() };
    let place = Place::file(name).byte(row.byte).object(&row.oid);
    Rejection { object_type, code: code.to_owned(), reason: reason.to_owned(), place }
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
            delivery: String::new(),
            byte: 0,
        }
    }

    fn state(rows: Vec<Row>) -> State {
        let mut state = State::default();
        for row in rows {
            state.apply(vec![row], "d.xml", Some("2024-02-01T00:00:00Z"));
        }
        state
    }

    fn shown(state: State) -> Vec<String> {
        let rows = state.into_rows(true);
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
        let findings: Vec<String> =
            state.findings.iter().map(|it| format!("{} {}", it.code, it.place.object.clone().unwrap())).collect();
        assert_eq!(findings, ["mk::cadastre::predecessor D", "mk::cadastre::unknown E", "mk::cadastre::twin B"]);
        insta::assert_debug_snapshot!(shown(state), @r#"
        [
            "A 01-01 01-05 a",
            "A 01-05 - a2",
            "B 01-01 01-06 b",
            "B 01-02 01-06 b1",
            "B 01-06 - b3",
            "C 01-01 02-01 c",
            "D 01-03 - d",
        ]
        "#);
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
