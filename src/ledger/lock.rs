//! One writer at a time, by a lock of the operating system: it is gone with its process, nothing is unlocked by hand.

use crate::error::{Error, Exit, Place, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process.
    pub pid: u32,
    /// Machine.
    pub host: String,
    /// Since when, UTC.
    pub since: String,
    /// What it does.
    pub command: String,
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a workspace, which is made where needed.
    ///
    /// # Errors
    /// With [`Exit::Locked`] at once when another process holds it; the message names process, machine and time.
    pub fn take(workspace: &Path, command: &str) -> Result<Self> {
        let path = workspace.join("lock");
        let unreadable = |error: std::io::Error| {
            Error::new("mk::ledger::lock", "cannot use the workspace's lock file")
                .at(Place::file(path.display().to_string()))
                .because(error)
        };
        std::fs::create_dir_all(workspace).map_err(unreadable)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unreadable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(4096).read_to_string(&mut text);
                let who = serde_json::from_str::<Holder>(&text).map_or_else(
                    |_| "another process".to_owned(),
                    |holder| format!("process {} on {} since {} ({})", holder.pid, holder.host, holder.since, holder.command),
                );
                return Err(Error::new("mk::ledger::locked", format!("the workspace is in use by {who}"))
                    .at(Place::file(path.display().to_string()))
                    .hint("wait until it is done, or stop that process; the lock goes with it")
                    .exit(Exit::Locked));
            }
            Err(TryLockError::Error(error)) => return Err(unreadable(error)),
        }
        let holder = Holder {
            pid: std::process::id(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: command.to_owned(),
        };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes())).map_err(unreadable)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path(), "run").unwrap();
        let error = Lock::take(folder.path(), "run").unwrap_err();
        assert_eq!(error.exit_code(), Exit::Locked);
        assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        Lock::take(folder.path(), "run").unwrap();
    }
}
