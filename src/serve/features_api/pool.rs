//! Connections to a GeoPackage of a release, for reading: a few at a time, kept for the next request.

use crate::error::{Error, Place, Result};
use crate::markup::url_path;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Connections to a file at a time: each has its cache, and one more would only wait for the processor.
const MOST: usize = 4;
/// How long a request waits for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections to a file.
pub struct Pool {
    path: PathBuf,
    edited: bool,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    busy: usize,
}

impl Pool {
    /// Of a file that nobody changes, or of a copy that is edited.
    pub fn new(path: &Path, edited: bool) -> Self {
        Self { path: path.to_owned(), edited, state: Mutex::default(), freed: Condvar::new() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does work with a connection.
    ///
    /// # Errors
    /// `mk::serve::open` when the file cannot be opened, `mk::serve::busy` when all connections stay in use, else what the work
    /// says.
    pub fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let lock = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_timeout_while(lock, PATIENCE, |state| state.busy >= MOST);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(Error::new("mk::serve::busy", "all connections to a file are in use"));
        }
        state.busy += 1;
        let idle = state.idle.pop();
        drop(state);
        let _seat = Seat(self);
        let connection = idle.map_or_else(|| open(&self.path, self.edited), Ok)?;
        let done = work(&connection)?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).idle.push(connection);
        Ok(done)
    }

    /// An error about the file.
    pub fn failed(&self, error: rusqlite::Error) -> Error {
        failed(&self.path, error)
    }
}

/// A connection in use; gives its place free also when the work fails or panics.
struct Seat<'p>(&'p Pool);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).busy -= 1;
        self.0.freed.notify_one();
    }
}

fn open(path: &Path, edited: bool) -> Result<Connection> {
    let failed = |error| {
        Error::new("mk::serve::open", "cannot open a released GeoPackage")
            .at(Place::file(path.display().to_string()))
            .because(error)
    };
    // Files of a release never change: no locks, no journal.
    let how = if edited { "mode=ro" } else { "immutable=1" };
    let name = format!("file:{}?{how}", url_path(&path.display().to_string()));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(name, flags).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA busy_timeout = 10000;",
        )
        .map_err(failed)?;
    Ok(connection)
}

/// An error about a GeoPackage.
pub fn failed(path: &Path, error: rusqlite::Error) -> Error {
    Error::new("mk::serve::read", "cannot read a released GeoPackage").at(Place::file(path.display().to_string())).because(error)
}
