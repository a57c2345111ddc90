//! The ledger: one SQLite file that knows sources, units, artefacts, runs and releases.
//!
//! It is the program's memory, not its truth: units are idempotent, results are found by content, releases carry their own
//! manifest and what a new ledger needs to know of them. A lost ledger costs one full night, nothing else. It runs in WAL mode with
//! full synchronisation, so that a crash loses at most the row being written, and `sqlite3 ledger.sqlite ".backup copy.sqlite"` is
//! safe at any time.

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
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// The ledger, open.
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    /// Where the copy lies that is read instead.
    _copy: Option<TempDir>,
}

impl Ledger {
    /// Opens the ledger of a workspace, making or migrating it where needed. The caller holds the lock.
    ///
    /// # Errors
    /// When the file is no ledger, is of a newer version, or cannot be written.
    pub fn open(workspace: &Path) -> Result<Self> {
        let path = workspace.join("ledger.sqlite");
        let connection = Connection::open(&path).map_err(|error| failed(&path, error))?;
        let mut ledger = Self { connection, path, _copy: None };
        ledger.prepare().map_err(|error| ledger.error(error))?;
        schema::migrate(&mut ledger)?;
        Ok(ledger)
    }

    /// Opens the ledger for reading only, beside a run that may be writing, also where this process may not write.
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
        let (connection, copy) = match read(&path, "mode=ro") {
            Err(error) if cannot_write(&error) => read_without_writing(&path)?,
            opened => (opened.map_err(|error| failed(&path, error))?, None),
        };
        let mut ledger = Self { connection, path, _copy: copy };
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

/// A connection that only reads, and has read: what SQLite needs for it is made with the first question.
fn read(path: &Path, how: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = format!("file:{}?{how}", crate::markup::url_path(&path.display().to_string()));
    let connection = Connection::open_with_flags(name, flags)?;
    wait_for_others(&connection)?;
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(connection)
}

/// True when SQLite could not make the files that all who have a ledger open share.
fn cannot_write(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
}

/// The ledger of a file system that is mounted read-only, or of another user. One that nobody has open is read as it lies; one that a
/// night is writing, or was when it was stopped, together with its log, in a copy.
fn read_without_writing(path: &Path) -> Result<(Connection, Option<TempDir>)> {
    let has_log = || std::fs::metadata(log(path)).is_ok_and(|about| about.len() > 0);
    if !has_log() {
        return Ok((read(path, "immutable=1").map_err(|error| failed(path, error))?, None));
    }
    let unread = |error: std::io::Error| {
        Error::new("mk::ledger::copy", "the ledger is in use and cannot be copied to be read")
            .at(Place::file(path.display().to_string()))
            .because(error)
            .hint("run the same command again when the night is over")
    };
    let folder = tempfile::tempdir().map_err(unread)?;
    let copy = folder.path().join("ledger.sqlite");
    for attempt in 0.. {
        let before = changed(path);
        let copied = std::fs::copy(path, &copy).and_then(|_| std::fs::copy(log(path), log(&copy)));
        // Both belong together only where neither was written meanwhile.
        match copied {
            Ok(_) if before == changed(path) => break,
            Err(error) if attempt == COPIES => return Err(unread(error)),
            _ if attempt == COPIES => return Err(unread(std::io::Error::other("it changes all the time"))),
            _ if !has_log() => return read_without_writing(path),
            _ => std::thread::sleep(BETWEEN_COPIES),
        }
    }
    Ok((Connection::open(&copy).map_err(|error| failed(path, error))?, Some(folder)))
}

/// So often is a ledger copied that changes meanwhile.
const COPIES: u32 = 20;
const BETWEEN_COPIES: Duration = Duration::from_millis(100);

/// Where SQLite writes first.
fn log(ledger: &Path) -> PathBuf {
    ledger.with_extension("sqlite-wal")
}

/// Length and time of the last change of a ledger and its log.
fn changed(ledger: &Path) -> [Option<(u64, SystemTime)>; 2] {
    [ledger.to_owned(), log(ledger)].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.len(), about.modified().ok()?))
    })
}

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    let hint = hint(error.sqlite_error_code());
    Error::new("mk::ledger::sqlite", "the ledger cannot be read or written")
        .at(Place::file(path.display().to_string()))
        .because(error)
        .hint(hint)
}

/// What helps depends on what is wrong: deleting a ledger that is well costs a full night and mends nothing.
fn hint(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "is the file system mounted read-only, or may this user not write there? The ledger itself is not at fault: keep it"
        }
        Some(ErrorCode::DiskFull) => "the disk is full: make room, then run the same command again",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it: run the same command again later",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged: restore it from a backup, or delete ledger.sqlite, ledger.sqlite-wal and ledger.sqlite-shm; the next night \
             takes over the releases and redoes all units"
        }
        _ => "`messkette doctor` tells whether the disk is full or the folder not writable; then run the same command again",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_damaged_ledger_is_to_be_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        std::fs::write(&path, "no database at all, but long enough to look like one".repeat(20)).unwrap();
        let error = Ledger::open(folder.path()).err().unwrap();
        assert!(error.hint_text().unwrap().contains("delete ledger.sqlite"), "{error:?}");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = Ledger::open(folder.path()).err().unwrap();
        assert!(error.hint_text().unwrap().contains("keep it"), "{error:?}");
        assert!(hint(Some(ErrorCode::ReadOnly)).contains("mounted read-only"));
    }
}
