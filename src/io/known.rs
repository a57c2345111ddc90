//! Files whose content this process has seen. While size, times and inode of one stay as they were, it is not read again to tell that
//! it is still the same: a unit that draws from an image asks for each image, and each image is drawn from by many units.

use super::Digest;
use super::discover::Stat;
use crate::error::{Error, Place, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static KNOWN: Mutex<BTreeMap<PathBuf, (Stat, Digest)>> = Mutex::new(BTreeMap::new());

/// Remembers what a file holds that had those times when it was read.
pub fn learn(path: &Path, stat: Stat, digest: Digest) {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), (stat, digest));
}

/// True when a file holds what that digest says.
///
/// # Errors
/// When it cannot be read.
pub fn is_still(path: &Path, digest: Digest) -> Result<bool> {
    let stat = || {
        std::fs::metadata(path).map(|metadata| Stat::of(&metadata)).map_err(|error| {
            Error::new("mk::io::read", "cannot read the file").at(Place::file(path.display().to_string())).because(error)
        })
    };
    let before = stat()?;
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
    if known == Some((before, digest)) {
        return Ok(true);
    }
    // A file so young could change once more without a later time.
    let settled = before.is_settled();
    let found = Digest::of_file(path)?;
    if settled && stat()? == before {
        learn(path, before, found);
    }
    Ok(found == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_however_quickly_it_follows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for round in 0..20_u8 {
            std::fs::write(&path, [round; 9]).unwrap();
            if round % 4 == 0 {
                std::thread::sleep(super::super::discover::CLOCK_TICK * 2);
            }
            let digest = Digest::of(&[round; 9]);
            assert!(is_still(&path, digest).unwrap() && is_still(&path, digest).unwrap());
            assert!(!is_still(&path, Digest::of(b"other")).unwrap());
            assert!(is_still(&path, digest).unwrap());
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(is_still(&path, Digest::of(b"")).unwrap_err().code(), "mk::io::read");
    }

    #[test]
    fn what_was_learned_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"one").unwrap();
        let stat = Stat::of(&std::fs::metadata(&path).unwrap());
        learn(&path, stat, Digest::of(b"as discovered"));
        assert!(is_still(&path, Digest::of(b"as discovered")).unwrap());
        std::fs::write(&path, b"longer").unwrap();
        assert!(!is_still(&path, Digest::of(b"as discovered")).unwrap());
    }
}
