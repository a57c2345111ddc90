//! The ledger: one SQLite file that knows sources, units, artefacts, runs and releases.
//!
//! It is the program's memory, not its truth: units are idempotent, results are found by content, releases carry their own
//! manifest. A lost ledger costs one full night, nothing else. It runs in WAL mode with full synchronisation, so that a crash
//! loses at most the row being written, and `sqlite3 ledger.sqlite ".backup copy.sqlite"` is safe at any time.

mod catalogue;
mod clean;
mod lock;
mod runs;
mod schema;
mod sources;
mod units;

pub use lock::{Holder, Lock};
pub use runs::{ReleaseRow, RunRow};
pub use units::{AssemblyRow, Failure, StoredFile, StoredUnit};

use crate::error::{Error, Exit, Place, Result};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// The ledger, open.
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
}

impl Ledger {
    /// Opens the ledger of a workspace, making or migrating it where needed. The caller holds the lock.
    ///
    /// # Errors
    /// When the file is no ledger, is of a newer version, or cannot be written.
    pub fn open(workspace: &Path) -> Result<Self> {
        let path = workspace.join("ledger.sqlite");
        let connection = Connection::open(&path).map_err(|error| failed(&path, error))?;
        let mut ledger = Self { connection, path };
        ledger.prepare().map_err(|error| ledger.error(error))?;
        schema::migrate(&mut ledger)?;
        Ok(ledger)
    }

    /// Opens the ledger for reading only, beside a run that may be writing.
    ///
    /// # Errors
    /// With [`Exit::NoState`] when there is no ledger yet.
    pub fn open_read_only(workspace: &Path) -> Result<Self> {
        let path = workspace.join("ledger.sqlite");
        if !path.is_file() {
            return Err(Error::new("mk::ledger::none", "there is no workspace here yet")
                .at(Place::file(path.display().to_string()))
                .hint("run the pipeline once: messkette run PIPELINE")
                .exit(Exit::NoState));
        }
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|error| failed(&path, error))?;
        wait_for_others(&connection).map_err(|error| failed(&path, error))?;
        let mut ledger = Self { connection, path };
        schema::check(&mut ledger)?;
        Ok(ledger)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        wait_for_others(&self.connection)?;
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", if crate::io::atomic::passes() { "OFF" } else { "FULL" })?;
        self.connection.pragma_update(None, "foreign_keys", "ON")?;
        self.connection.pragma_update(None, "trusted_schema", "OFF")
    }

    fn error(&self, error: rusqlite::Error) -> Error {
        failed(&self.path, error)
    }
}

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    Error::new("mk::ledger::sqlite", "the ledger cannot be read or written")
        .at(Place::file(path.display().to_string()))
        .because(error)
        .hint("is the disk full, or the file not writable? `messkette doctor` tells; a damaged ledger can be deleted: the next night redoes all units")
}

/// Waits up to ten seconds for another connection. By pragma: `Connection::busy_timeout` needs SQLite 3.44, Debian 12 has 3.40.
fn wait_for_others(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "busy_timeout", 10_000)
}

/// Reads a JSON column.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

/// Writes a JSON column.
fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
