//! Runs and releases.

use super::Ledger;
use crate::error::Result;
use crate::io::Digest;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// A run as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Number of the run.
    pub id: i64,
    /// Begin, UTC.
    pub started: String,
    /// End, UTC; missing while it runs and after a crash.
    pub ended: Option<String>,
    /// Exit code.
    pub exit: Option<u8>,
    /// Release that stood when it ended.
    pub release: Option<String>,
    /// The summary, JSON.
    pub summary: Option<String>,
}

/// A release as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Identifier: sequence and digest.
    pub id: String,
    /// Sequence number.
    pub sequence: u32,
    /// When it was made, UTC.
    pub created: String,
    /// What it was made from: an unchanged value makes no new release.
    pub content: Digest,
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: row.get(0)?,
        started: row.get(1)?,
        ended: row.get(2)?,
        exit: row.get(3)?,
        release: row.get(4)?,
        summary: row.get(5)?,
    })
}

impl Ledger {
    /// Notes that a run begins; its number is higher than `last`, which a ledger before this one may have given.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn begin_run(&mut self, started: &str, last: i64) -> Result<i64> {
        const NEXT: &str = "INSERT INTO run (id, started) SELECT max(coalesce(max(id), 0), ?2) + 1, ?1 FROM run RETURNING id";
        self.connection.query_row(NEXT, params![started, last], |row| row.get(0)).map_err(|error| self.error(error))
    }

    /// Notes how a run ended, with the data of its report as JSON.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn end_run(&mut self, row: &RunRow, report: &str) -> Result<()> {
        self.connection
            .execute(
                "UPDATE run SET ended = ?2, exit = ?3, release = ?4, summary = ?5, report = ?6 WHERE id = ?1",
                params![row.id, row.ended, row.exit, row.release, row.summary, report],
            )
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    /// The latest runs, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn runs(&self, most: u32) -> Result<Vec<RunRow>> {
        let work = || {
            let mut statement = self
                .connection
                .prepare("SELECT id, started, ended, exit, release, summary FROM run ORDER BY id DESC LIMIT ?1")?;
            let rows = statement.query_map([most], run)?;
            rows.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| self.error(error))
    }

    /// One run.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn run(&self, id: i64) -> Result<Option<RunRow>> {
        self.connection
            .query_row("SELECT id, started, ended, exit, release, summary FROM run WHERE id = ?1", [id], run)
            .optional()
            .map_err(|error| self.error(error))
    }

    /// The data of a run's report, JSON; of the newest run that has one when `id` is missing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn report(&self, id: Option<i64>) -> Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT report FROM run WHERE report IS NOT NULL AND (?1 IS NULL OR id = ?1) ORDER BY id DESC LIMIT 1",
                [id],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.error(error))
    }

    /// What the sources of each dataset were in the last run.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn delivered(&self) -> Result<BTreeMap<String, BTreeMap<String, Digest>>> {
        let work = || -> rusqlite::Result<BTreeMap<String, BTreeMap<String, Digest>>> {
            let mut found: BTreeMap<String, BTreeMap<String, Digest>> = BTreeMap::new();
            let mut statement = self.connection.prepare("SELECT dataset, name, digest FROM delivery")?;
            for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, super::units::digest(row, 2)?)))? {
                let (dataset, name, digest): (String, String, Digest) = row?;
                found.entry(dataset).or_default().insert(name, digest);
            }
            Ok(found)
        };
        work().map_err(|error| self.error(error))
    }

    /// Notes what the sources of a dataset are; only those are written that are others than before.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_delivered(&mut self, dataset: &str, sources: &BTreeMap<String, Digest>) -> Result<()> {
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            let mut put = transaction.prepare(
                "INSERT INTO delivery (dataset, name, digest) VALUES (?1,?2,?3) \
                 ON CONFLICT (dataset, name) DO UPDATE SET digest = excluded.digest WHERE digest <> excluded.digest",
            )?;
            for (name, digest) in sources {
                put.execute(params![dataset, name, digest.to_string()])?;
            }
            drop(put);
            let names: Vec<&str> = sources.keys().map(String::as_str).collect();
            super::units::drop_others(&transaction, "delivery", "name", dataset, &names)?;
            transaction.commit()
        };
        work(self).map_err(|error| self.error(error))
    }

    /// When each dataset last came through without loss, UTC.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn last_successes(&self) -> Result<BTreeMap<String, String>> {
        let work = || {
            let mut statement = self.connection.prepare("SELECT dataset, at FROM success")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| self.error(error))
    }

    /// Notes that a dataset came through without loss.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_success(&mut self, dataset: &str, at: &str) -> Result<()> {
        self.connection
            .execute("INSERT OR REPLACE INTO success (dataset, at) VALUES (?1,?2)", [dataset, at])
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    /// Forgets the reports of all but the newest runs.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn prune_runs(&mut self, keep: u32) -> Result<()> {
        self.connection
            .execute("DELETE FROM run WHERE id NOT IN (SELECT id FROM run ORDER BY id DESC LIMIT ?1)", [keep])
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    /// Notes a release.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_release(&mut self, row: &ReleaseRow, run: i64) -> Result<()> {
        self.connection
            .execute(
                "INSERT OR REPLACE INTO release (id, sequence, created, content, run) VALUES (?1,?2,?3,?4,?5)",
                params![row.id, row.sequence, row.created, row.content.to_string(), run],
            )
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    /// The releases, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn releases(&self) -> Result<Vec<ReleaseRow>> {
        let work = || {
            let mut statement =
                self.connection.prepare("SELECT id, sequence, created, content FROM release ORDER BY sequence DESC")?;
            let rows = statement.query_map([], |row| {
                let content: String = row.get(3)?;
                Ok(ReleaseRow {
                    id: row.get(0)?,
                    sequence: row.get(1)?,
                    created: row.get(2)?,
                    content: content.parse().map_err(|error: crate::Error| {
                        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error))
                    })?,
                })
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| self.error(error))
    }

    /// Notes that people went back to a release, from that made of `content`; `None` forgets it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_rolled_back(&mut self, back: Option<(&str, Digest)>) -> Result<()> {
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            transaction.execute("DELETE FROM rolled_back", [])?;
            if let Some((release, content)) = back {
                let row = params![release, content.to_string()];
                transaction.execute("INSERT INTO rolled_back (release, content) VALUES (?1,?2)", row)?;
            }
            transaction.commit()
        };
        work(self).map_err(|error| self.error(error))
    }

    /// The release that people went back to, and the content of that from which.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn rolled_back(&self) -> Result<Option<(String, Digest)>> {
        // A ledger that is only looked at may be one of an older version, which knew of none.
        let known = "SELECT count(*) FROM sqlite_master WHERE name = 'rolled_back'";
        let known: i64 = self.connection.query_row(known, [], |row| row.get(0)).map_err(|error| self.error(error))?;
        if known == 0 {
            return Ok(None);
        }
        self.connection
            .query_row("SELECT release, content FROM rolled_back", [], |row| Ok((row.get(0)?, super::units::digest(row, 1)?)))
            .optional()
            .map_err(|error| self.error(error))
    }

    /// Forgets a release.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn drop_release(&mut self, id: &str) -> Result<()> {
        self.connection.execute("DELETE FROM release WHERE id = ?1", [id]).map(|_| ()).map_err(|error| self.error(error))
    }
}
