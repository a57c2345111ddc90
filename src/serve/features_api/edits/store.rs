//! Where edits lie: a file for each, on disk before anybody is told that it was taken.
//!
//! ```text
//! <workspace>/edits/<dataset>/delta-<time>-<identifier>.json     a source of the dataset
//! <workspace>/edits/.served/<dataset>/<release>.gpkg             what is served; made anew whenever a release is opened
//! ```

use super::change::Delta;
use crate::error::{Error, Place, Result};
use crate::io::{Digest, atomic};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The folder of edits.
pub struct Store {
    folder: PathBuf,
    /// Time of the last edit: the next one is later, whatever the clock says.
    last: Mutex<Timestamp>,
}

/// Bytes of a file of changes that is read again; one of ours has a feature.
const MOST: u64 = 64 << 20;

impl Store {
    /// Makes the folders that are missing.
    pub fn open<'d>(folder: &Path, datasets: impl Iterator<Item = &'d String>) -> Result<Self> {
        let mut last = Timestamp::UNIX_EPOCH;
        for dataset in datasets {
            let own = folder.join(dataset);
            atomic::create_dir_all(&own)?;
            atomic::sync_path(folder)?;
            for name in names(&own)? {
                let time = name.split('-').nth(1).and_then(|digits| digits.parse().ok());
                let time = time.and_then(|micros| Timestamp::from_microsecond(micros).ok());
                last = time.map_or(last, |time| last.max(time));
            }
        }
        Ok(Self { folder: folder.to_owned(), last: Mutex::new(last) })
    }

    /// Writes an edit as a file of changes, and brings it to disk; gives its bytes.
    pub fn add(&self, dataset: &str, delta: &Delta) -> Result<Vec<u8>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let least = Timestamp::from_microsecond(last.as_microsecond().saturating_add(1)).unwrap_or(*last);
        let time = Timestamp::now().max(least);
        let side = |side: &Option<serde_json::Value>| side.clone().unwrap_or_default();
        let identifier = uuid::Uuid::new_v4();
        let file = json!({
            "version": "1.0", "id": identifier, "project": dataset, "created_at": time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(), "files": [],
            "deltas": [{
                "uuid": delta.id, "clientId": delta.client, "localLayerId": delta.table, "localLayerCrs": delta.crs,
                "localPk": delta.object, "sourcePk": delta.object, "method": delta.method, "old": side(&delta.old), "new": side(&delta.new),
            }],
        });
        let bytes = format!("{file:#}\n").into_bytes();
        let name = format!("delta-{:018}-{identifier}.json", time.as_microsecond());
        atomic::write_atomic(&self.folder.join(dataset).join(name), &bytes)?;
        *last = time;
        Ok(bytes)
    }

    /// The files of a dataset that are not among those, in the order of their times.
    pub fn pending(&self, dataset: &str, known: &BTreeSet<String>) -> Result<Vec<(String, Vec<u8>)>> {
        let folder = self.folder.join(dataset);
        let mut found = Vec::new();
        for name in names(&folder)? {
            let path = folder.join(&name);
            let failed = |error| {
                Error::new("mk::serve::edit", "cannot read an edit").at(Place::file(path.display().to_string())).because(error)
            };
            if std::fs::metadata(&path).map_err(failed)?.len() > MOST {
                tracing::warn!("{name} is too large for a file of changes: it is not shown");
                continue;
            }
            let bytes = std::fs::read(&path).map_err(failed)?;
            if !known.contains(&Digest::of(&bytes).to_string()) {
                found.push((name, bytes));
            }
        }
        Ok(found)
    }

    /// A copy of a released file that can be written; that of another release goes.
    pub fn copy_of(&self, dataset: &str, release: &str, file: &Path) -> Result<PathBuf> {
        let folder = self.folder.join(".served").join(dataset);
        atomic::remove_tree(&folder)?;
        atomic::create_dir_all(&folder)?;
        let path = folder.join(format!("{release}.gpkg"));
        let failed = |error| {
            Error::new("mk::serve::copy", "cannot copy a released GeoPackage")
                .at(Place::file(path.display().to_string()))
                .because(error)
        };
        // Released files are sealed: a copy with their permissions could not be written.
        let mut from = File::open(file).map_err(failed)?;
        std::io::copy(&mut from, &mut atomic::create_unseen(&path)?).map_err(failed)?;
        Ok(path)
    }
}

/// Names of the files of changes in a folder, in their order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| {
        Error::new("mk::serve::edit", "cannot read the folder of edits")
            .at(Place::file(folder.display().to_string()))
            .because(error)
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.starts_with("delta-") && Path::new(&name).extension().is_some_and(|extension| extension == "json") {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}
