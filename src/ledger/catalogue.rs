//! What each catalogue was last known to hold of ours: the middle of the three states that a sync compares.

use super::{Ledger, json, to_json};
use crate::catalogue::Known;
use crate::error::Result;
use rusqlite::params;
use std::collections::BTreeMap;
use uuid::Uuid;

impl Ledger {
    /// The records of a catalogue that are ours.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn catalogued(&self, target: &str) -> Result<BTreeMap<Uuid, Known>> {
        let read = || -> rusqlite::Result<BTreeMap<Uuid, Known>> {
            // A ledger of an earlier version, opened for reading only, has no such table yet.
            let there: i64 = self.connection.query_row(
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'catalogue'",
                [],
                |row| row.get(0),
            )?;
            if there == 0 {
                return Ok(BTreeMap::new());
            }
            let mut statement = self.connection.prepare_cached(
                "SELECT uuid, dataset, kind, title, desired, remote FROM catalogue WHERE target = ?1 ORDER BY uuid",
            )?;
            let rows = statement.query_map([target], |row| {
                let uuid = json(&format!("{:?}", row.get::<_, String>(0)?))?;
                Ok(Known {
                    uuid,
                    dataset: row.get(1)?,
                    kind: json(&row.get::<_, String>(2)?)?,
                    title: row.get(3)?,
                    desired: json(&format!("{:?}", row.get::<_, String>(4)?))?,
                    remote: json(&format!("{:?}", row.get::<_, String>(5)?))?,
                })
            })?;
            rows.map(|known| known.map(|known| (known.uuid, known))).collect()
        };
        read().map_err(|error| self.error(error))
    }

    /// Notes what a catalogue holds of ours; on disk when this returns.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_catalogued(&mut self, target: &str, known: &Known) -> Result<()> {
        let write = || -> rusqlite::Result<usize> {
            self.connection.execute(
                "INSERT OR REPLACE INTO catalogue (target, uuid, dataset, kind, title, desired, remote, at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
                params![
                    target,
                    known.uuid.to_string(),
                    known.dataset,
                    to_json(&known.kind)?,
                    known.title,
                    known.desired.to_string(),
                    known.remote.to_string(),
                    crate::run::utc_now()
                ],
            )
        };
        write().map(|_| ()).map_err(|error| self.error(error))
    }

    /// Notes that a catalogue no longer holds a record of ours.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn drop_catalogued(&mut self, target: &str, uuid: Uuid) -> Result<()> {
        self.connection
            .execute("DELETE FROM catalogue WHERE target = ?1 AND uuid = ?2", params![target, uuid.to_string()])
            .map(|_| ())
            .map_err(|error| self.error(error))
    }
}
