//! One writer at a time, by a lock of the operating system: it is gone with its process, nothing is unlocked by hand.

use crate::error::{Error, Exit, Place, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

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

/// Who has just taken the lock has yet to write down who that is: so often is it read until the file tells.
const ASKED_FOR_THE_HOLDER: u32 = 20;
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);

impl Holder {
    /// Who the file of a held lock names.
    fn noted(file: &mut File) -> Option<Self> {
        let mut text = String::new();
        file.rewind().and_then(|()| file.take(4096).read_to_string(&mut text)).ok()?;
        serde_json::from_str(&text).ok()
    }
    /// False for a process of this machine that is gone: it held the lock before. Of another container, that cannot be told.
    fn seems_alive(&self) -> bool {
        self.host != host() || Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
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
    /// With [`Exit::Locked`] when another process holds it; the message names process, machine and time.
    pub fn take(workspace: &Path, command: &str) -> Result<Self> {
        let path = workspace.join("lock");
        let unreadable = |error: std::io::Error| {
            Error::new("mk::ledger::lock", "cannot use the workspace's lock file")
                .at(Place::file(path.display().to_string()))
                .because(error)
        };
        std::fs::create_dir_all(workspace).map_err(unreadable)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unreadable)?;
        let mut asked = 0;
        while let Err(error) = file.try_lock() {
            if let TryLockError::Error(error) = error {
                return Err(unreadable(error));
            }
            asked += 1;
            let holder = Holder::noted(&mut file);
            if !holder.as_ref().is_some_and(Holder::seems_alive) && asked < ASKED_FOR_THE_HOLDER {
                std::thread::sleep(BETWEEN_QUESTIONS);
                continue;
            }
            let who = holder.map_or_else(
                || "another process".to_owned(),
                |holder| format!("process {} on {} since {} ({})", holder.pid, holder.host, holder.since, holder.command),
            );
            return Err(Error::new("mk::ledger::locked", format!("the workspace is in use by {who}"))
                .at(Place::file(path.display().to_string()))
                .hint("wait until it is done, or stop that process; the lock goes with it")
                .exit(Exit::Locked));
        }
        let holder = Holder {
            pid: std::process::id(),
            host: host(),
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

    #[test]
    fn who_has_just_taken_it_is_waited_for_and_who_held_it_before_is_not_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let before = r#"{"pid":4194305,"host":"HOST","since":"2012-03-01T00:00:00Z","command":"run"}"#.replace("HOST", &host());
        std::fs::write(&path, before).unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        file.lock().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::take(folder.path(), "run").unwrap_err());
            std::thread::sleep(2 * BETWEEN_QUESTIONS);
            file.set_len(0).unwrap();
            std::thread::sleep(2 * BETWEEN_QUESTIONS);
            let now = r#"{"pid":17,"host":"elsewhere","since":"2012-03-02T00:00:00Z","command":"sync"}"#;
            file.write_all(now.as_bytes()).unwrap();
            let told = second.join().unwrap();
            assert!(told.message().contains("process 17 on elsewhere since 2012-03-02T00:00:00Z (sync)"), "{told}");
        });
    }
}
