//! Runs and releases.

use super::Ledger;
use crate::error::Result;
use crate::io::Digest;
use rusqlite::{OptionalExtension, Row, params};

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
    /// The report's data, JSON.
    pub report: Option<String>,
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
        report: row.get(5)?,
    })
}

impl Ledger {
    /// Notes that a run begins.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn begin_run(&mut self, started: &str) -> Result<i64> {
        self.connection
            .query_row("INSERT INTO run (started) VALUES (?1) RETURNING id", [started], |row| row.get(0))
            .map_err(|error| self.error(error))
    }

    /// Notes how a run ended.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn end_run(&mut self, row: &RunRow) -> Result<()> {
        self.connection
            .execute(
                "UPDATE run SET ended = ?2, exit = ?3, release = ?4, report = ?5 WHERE id = ?1",
                params![row.id, row.ended, row.exit, row.release, row.report],
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
            let mut statement =
                self.connection.prepare("SELECT id, started, ended, exit, release, report FROM run ORDER BY id DESC LIMIT ?1")?;
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
            .query_row("SELECT id, started, ended, exit, release, report FROM run WHERE id = ?1", [id], run)
            .optional()
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

    /// Forgets a release.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn drop_release(&mut self, id: &str) -> Result<()> {
        self.connection.execute("DELETE FROM release WHERE id = ?1", [id]).map(|_| ()).map_err(|error| self.error(error))
    }
}
