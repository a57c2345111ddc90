//! Releases: immutable trees of what is published, and the one link that says which is current.
//!
//! ```text
//! releases/<id>/{internal,public}/<dataset>/...   hard links to objects of the store
//! releases/<id>/{internal,public}/{metadata,portal}/...
//! releases/<id>/report/
//! releases/<id>/made.json                         what a new ledger needs to know of it
//! releases/<id>/manifest.json                     every file of both audiences, with size and BLAKE3
//! current -> releases/<id>
//! ```
//!
//! A release is built where nobody looks, brought to disk, renamed, and only then made current by one rename of the link. What
//! the public may see lies under both audiences, so that the office's tree is whole; what only the office may see never under
//! `public`.

mod made;
mod manifest;
pub mod privacy;
mod records;
mod tree;

pub use made::{Made, MadeDataset};
pub use manifest::{Fault, Manifest, ManifestFile, is_whole, to_delete, verify};
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

/// Clears what a crash left, half-built trees, and what this program did not finish; the next night makes it again. A finished release
/// that the ledger does not know is taken into it: the ledger is new then, or from a backup, and what people may go back to stays.
///
/// # Errors
/// When something cannot be read, deleted or noted.
pub fn recover(workspace: &Path, ledger: &mut Ledger) -> Result<()> {
    let releases = workspace.join("releases");
    atomic::create_dir_all(&releases)?;
    let current = current(workspace)?.as_deref().and_then(sequence);
    for row in ledger.releases()? {
        if !folder(workspace, &row.id).is_dir() {
            ledger.drop_release(&row.id)?;
        }
    }
    let known = ledger.releases()?;
    let newest = known.first().map(|row| row.sequence);
    for entry in std::fs::read_dir(&releases).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = sequence(&name);
        // Whatever was made up to the current one was current itself, however it looks now.
        let was_current = number.is_some() && number <= current;
        let is_known = known.iter().any(|row| row.id == name);
        if !is_known && !was_current && !made::is_finished(&entry.path()) {
            tree::remove(&entry.path())?;
        }
    }
    for id in on_disk(workspace)? {
        let Some(number) = sequence(&id).filter(|number| known.iter().all(|row| row.sequence != *number)) else { continue };
        if Manifest::read(&folder(workspace, &id)).is_ok() {
            made::take_over(&folder(workspace, &id), &id, number, ledger)?;
        }
    }
    let last = ledger.releases()?.into_iter().next();
    match last.filter(|last| newest.is_none_or(|newest| newest < last.sequence)) {
        Some(last) => made::take_over_datasets(&folder(workspace, &last.id), ledger),
        None => Ok(()),
    }
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

/// Switches back: to the named release, or to the one before the current. Gives the release that is current now. The ledger remembers
/// it, so that a night that finds nothing new does not take it for a crash before the switch; without a ledger, one would.
///
/// # Errors
/// When there is no such release, it holds one of the `canaries`, or the ledger cannot be written; what was current then stays.
pub fn rollback(workspace: &Path, ledger: Option<&mut Ledger>, canaries: &[String], to: Option<&str>) -> Result<String> {
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
    let watch = privacy::Watch::new(canaries, [])?;
    if !made::was_looked_through(&folder(workspace, target), &watch) {
        privacy::look_again(&folder(workspace, target), &watch)?;
    }
    if let Some(ledger) = ledger {
        // What the last night came to, which the next one comes to again where nothing changed.
        let newest = ledger.releases()?.into_iter().next();
        ledger.keep_rolled_back(newest.filter(|newest| newest.id != *target).map(|newest| (target.as_str(), newest.content)))?;
    }
    switch(workspace, target)?;
    Ok(target.clone())
}
