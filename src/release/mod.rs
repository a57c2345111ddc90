//! Releases: immutable trees of what is published, and the one link that says which is current.
//!
//! ```text
//! releases/<id>/{internal,public}/<dataset>/...   hard links to objects of the store
//! releases/<id>/{internal,public}/{metadata,portal}/...
//! releases/<id>/report/
//! releases/<id>/manifest.json                     every file of both audiences, with size and BLAKE3
//! current -> releases/<id>
//! ```
//!
//! A release is built where nobody looks, brought to disk, renamed, and only then made current by one rename of the link. What
//! the public may see lies under both audiences, so that the office's tree is whole; what only the office may see never under
//! `public`.

mod manifest;
pub mod privacy;
mod records;
mod tree;

pub use manifest::{Fault, Manifest, ManifestFile, verify};
pub use records::{RecordFinding, RuleSummary, by_rule, check_records};
pub use tree::{Content, build};

use crate::error::{Error, Exit, Place, Result};
use crate::io::atomic;
use crate::ledger::Ledger;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder of a release.
pub fn folder(workspace: &Path, id: &str) -> PathBuf {
    workspace.join("releases").join(id)
}

/// The identifier of a release: sequence and the beginning of its manifest's digest.
pub fn identifier(sequence: u32, manifest: crate::io::Digest) -> String {
    format!("r{sequence:04}-{}", manifest.short())
}

/// The sequence number in an identifier.
pub fn sequence(id: &str) -> Option<u32> {
    id.strip_prefix('r')?.split_once('-')?.0.parse().ok()
}

/// The release that is current, if any.
///
/// # Errors
/// When the link is there and cannot be read.
pub fn current(workspace: &Path) -> Result<Option<String>> {
    let link = workspace.join("current");
    match std::fs::read_link(&link) {
        Ok(target) => Ok(target.file_name().map(|name| name.to_string_lossy().into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new("mk::release::current", "cannot read which release is current")
            .at(Place::file(link.display().to_string()))
            .because(error)),
    }
}

/// The datasets of a release, by the folders that hold their files.
///
/// # Errors
/// When the release cannot be read.
pub fn datasets(release: &Path) -> Result<BTreeSet<String>> {
    let manifest = Manifest::read(release)?;
    let dataset = |path: &str| {
        let (dataset, _) = path.strip_prefix("internal/")?.split_once('/')?;
        (!crate::pipeline::RESERVED.contains(&dataset)).then(|| dataset.to_owned())
    };
    Ok(manifest.files.iter().filter_map(|file| dataset(&file.path)).collect())
}

/// Makes a release current: one rename, so that a reader sees the old one or the new one.
///
/// # Errors
/// When the link cannot be switched; the old release is then still current.
pub fn switch(workspace: &Path, id: &str) -> Result<()> {
    atomic::symlink_swap(&workspace.join("current"), &Path::new("releases").join(id))
}

/// Identifiers of the releases on disk, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn on_disk(workspace: &Path) -> Result<Vec<String>> {
    let folder = workspace.join("releases");
    let unreadable = |error| {
        Error::new("mk::release::read", "cannot read the releases").at(Place::file(folder.display().to_string())).because(error)
    };
    let mut found = Vec::new();
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
                if sequence(&name).is_some() {
                    found.push(name);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(error)),
    }
    found.sort_by_key(|id| sequence(id));
    Ok(found)
}

/// Clears what a crash left: half-built trees, and a whole one that never became current. The next night makes it again.
///
/// # Errors
/// When something cannot be deleted.
pub fn recover(workspace: &Path, ledger: &mut Ledger) -> Result<()> {
    let releases = workspace.join("releases");
    atomic::create_dir_all(&releases)?;
    let current = current(workspace)?;
    let known: Vec<String> = ledger.releases()?.into_iter().map(|row| row.id).collect();
    for entry in std::fs::read_dir(&releases).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let whole = sequence(&name).is_some() && (known.contains(&name) || Some(&name) == current.as_ref());
        if !whole {
            tree::remove(&entry.path())?;
        }
    }
    for id in &known {
        if !folder(workspace, id).is_dir() {
            ledger.drop_release(id)?;
        }
    }
    Ok(())
}

/// Keeps the newest `keep` releases and the current one; deletes the others, then what nothing points to in the store.
/// Gives the deleted releases and the objects and bytes cleared.
///
/// # Errors
/// When something cannot be deleted.
pub fn clear(workspace: &Path, ledger: &mut Ledger, store: &crate::run::Store, keep: u32) -> Result<(Vec<String>, u64, u64)> {
    let current = current(workspace)?;
    let mut ids = on_disk(workspace)?;
    ids.reverse();
    let mut deleted = Vec::new();
    for id in ids.into_iter().skip(keep.max(1) as usize) {
        if Some(&id) != current.as_ref() {
            ledger.drop_release(&id)?;
            tree::remove(&folder(workspace, &id))?;
            deleted.push(id);
        }
    }
    let (objects, bytes) = store.sweep(&ledger.referenced()?)?;
    Ok((deleted, objects, bytes))
}

/// Deletes the releases that were made before a moment, which they must not outlive; never the current one, which is made of what is
/// kept now.
///
/// # Errors
/// When something cannot be deleted.
pub fn forget(workspace: &Path, ledger: &mut Ledger, before: &str) -> Result<()> {
    let current = current(workspace)?;
    for row in ledger.releases()?.into_iter().filter(|row| row.created.as_str() < before && Some(&row.id) != current.as_ref()) {
        ledger.drop_release(&row.id)?;
        tree::remove(&folder(workspace, &row.id))?;
    }
    Ok(())
}

/// Switches back: to the named release, or to the one before the current. Gives the release that is current now.
///
/// # Errors
/// When there is no such release.
pub fn rollback(workspace: &Path, to: Option<&str>) -> Result<String> {
    let current = current(workspace)?.ok_or_else(|| {
        Error::new("mk::release::none", "there is no release yet").hint("run the pipeline once").exit(Exit::NoState)
    })?;
    let ids = on_disk(workspace)?;
    let target = match to {
        Some(id) => ids.iter().find(|known| known.as_str() == id || known.split('-').next() == Some(id)),
        None => ids.iter().rfind(|id| sequence(id) < sequence(&current)),
    };
    let Some(target) = target else {
        let what = to.map_or_else(|| format!("there is no release before {current}"), |id| format!("there is no release {id}"));
        return Err(Error::new("mk::release::unknown", what).hint(format!("releases: {}", ids.join(", "))).exit(Exit::Usage));
    };
    switch(workspace, target)?;
    Ok(target.clone())
}
