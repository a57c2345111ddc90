//! The feed of changes: JSON lines, each live row once with the number of its last change, and a tombstone for what is gone.
//!
//! Who has all changes up to a number asks for the lines with higher ones: putting and deleting them by table and UUID gives the
//! tables as they are. Numbers only grow, in the order of tables and UUIDs within a night; a night without a change leaves every
//! byte as it was.

use super::model::{Row, TABLES, Tables};
use crate::error::{Error, Place, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The row is as it stands here.
    Put,
    /// The row is gone.
    Delete,
}

/// A line of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the change.
    pub sequence: u64,
    /// Table.
    pub table: String,
    /// Row.
    pub uuid: Uuid,
    /// What became of it.
    pub operation: Operation,
    /// The row, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Row>,
}

/// A feed, in the order of its numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feed(Vec<Line>);

impl Feed {
    /// Reads a feed.
    ///
    /// # Errors
    /// When it cannot be read: going on without it would number anew what others have numbered.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = || {
            Error::new("mk::playground::feed", "the feed of the release before cannot be read, and its numbers cannot go on")
                .at(Place::file(path.display().to_string()))
                .hint(
                    "put feed.jsonl back into the current release from a backup; where there is none, give the dataset another id: \
                     who follows the feed then begins anew",
                )
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed().because(error))?;
        let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Line>, _>>();
        Ok(Self(lines.map_err(|error| failed().because(error))?))
    }

    /// The feed as it is written.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        for line in &self.0 {
            let line = serde_json::to_string(line)
                .map_err(|error| Error::new("mk::playground::feed", "the feed cannot be written").because(error))?;
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }

    /// The rows that are.
    pub fn live(&self) -> Tables {
        let mut tables = Tables::new();
        for line in &self.0 {
            if let (Some(table), Some(row)) = (super::model::table(&line.table), &line.row) {
                tables.entry(table.name).or_default().insert(line.uuid, row.clone());
            }
        }
        tables
    }

    /// The feed after a night with these tables, and how many rows changed.
    pub fn advance(self, tables: &Tables) -> (Self, u64) {
        let mut sequence = self.0.last().map_or(0, |line| line.sequence);
        let begun = sequence;
        let mut before: BTreeMap<(String, Uuid), Line> =
            self.0.into_iter().map(|line| ((line.table.clone(), line.uuid), line)).collect();
        let mut lines = Vec::new();
        let mut changed = Vec::new();
        for table in &TABLES {
            for (uuid, row) in tables.get(table.name).into_iter().flatten() {
                match before.remove(&(table.name.to_owned(), *uuid)) {
                    Some(line) if line.row.as_ref() == Some(row) => lines.push(line),
                    _ => changed.push((table.name.to_owned(), *uuid, Operation::Put, Some(row.clone()))),
                }
            }
        }
        for ((table, uuid), line) in before {
            match line.operation {
                Operation::Delete => lines.push(line),
                Operation::Put => changed.push((table, uuid, Operation::Delete, None)),
            }
        }
        for (table, uuid, operation, row) in changed {
            sequence += 1;
            lines.push(Line { sequence, table, uuid, operation, row });
        }
        lines.sort_by_key(|line| line.sequence);
        (Self(lines), sequence - begun)
    }

    /// The number of the last change of each row that is.
    pub fn versions(&self) -> BTreeMap<(&str, Uuid), u64> {
        self.0.iter().filter(|line| line.row.is_some()).map(|line| ((line.table.as_str(), line.uuid), line.sequence)).collect()
    }

    /// The number of the last change.
    pub fn last(&self) -> u64 {
        self.0.last().map_or(0, |line| line.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{DEVICE, SITE};
    use super::*;
    use proptest::prelude::*;

    /// What an app does with the lines after its cursor.
    fn follow(tables: &mut Tables, text: &str, cursor: u64) -> u64 {
        let mut last = cursor;
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let sequence = line["sequence"].as_u64().unwrap();
            if sequence <= cursor {
                continue;
            }
            assert!(sequence > last);
            last = sequence;
            let table = super::super::model::table(line["table"].as_str().unwrap()).unwrap().name;
            let uuid = line["uuid"].as_str().unwrap().parse().unwrap();
            let rows = tables.entry(table).or_default();
            if line["operation"] == "delete" {
                rows.remove(&uuid);
            } else {
                rows.insert(uuid, serde_json::from_value(line["row"].clone()).unwrap());
            }
        }
        last
    }

    fn whole(tables: &Tables) -> Tables {
        tables.iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| (*name, rows.clone())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// An app that looked after any night has the tables of the last one when it follows the feed from where it was.
        #[test]
        fn the_feed_since_any_cursor_rebuilds_the_tables(
            nights in prop::collection::vec(prop::collection::vec((0_u128..12, any::<bool>(), prop::option::of(0_u8..4)), 0..8), 1..7)
        ) {
            let mut tables = Tables::new();
            let mut feed = Feed::default();
            // What apps hold that looked after the nights so far, each with its cursor.
            let mut apps: Vec<(Tables, u64)> = vec![(Tables::new(), 0)];
            for night in nights {
                for (id, site, value) in night {
                    let rows = tables.entry(if site { SITE } else { DEVICE }).or_default();
                    match value {
                        Some(value) => drop(rows.insert(Uuid::from_u128(id), Row::from([("name".to_owned(), value.into())]))),
                        None => drop(rows.remove(&Uuid::from_u128(id))),
                    }
                }
                let text = feed.text().unwrap();
                let (next, changed) = feed.advance(&tables);
                feed = next;
                let now = feed.text().unwrap();
                prop_assert_eq!(changed == 0, now == text);
                for (held, cursor) in &apps {
                    let mut held = held.clone();
                    let last = follow(&mut held, &now, *cursor);
                    prop_assert_eq!(last, feed.last());
                    prop_assert_eq!(whole(&held), whole(&tables));
                }
                prop_assert_eq!(whole(&feed.live()), whole(&tables));
                apps.push((tables.clone(), feed.last()));
            }
        }
    }
}
