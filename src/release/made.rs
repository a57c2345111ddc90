//! What the ledger knew of a release when it was made, kept beside it, so that a new ledger can take the release over.

use super::Manifest;
use super::privacy::Watch;
use crate::dataset::Assembly;
use crate::error::{Error, Result};
use crate::io::{Digest, Source, atomic};
use crate::ledger::{AssemblyRow, Ledger, ReleaseRow, StoredFile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const NAME: &str = "made.json";

/// `made.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    /// When the release was made, UTC.
    pub created: String,
    /// What it was made from.
    pub content: Digest,
    /// The words that were looked for in it.
    #[serde(default)]
    pub looked_for: Option<Digest>,
    /// The datasets in it. Their files are those of the manifest.
    pub datasets: BTreeMap<String, MadeDataset>,
}

/// The artefacts of a dataset, but for their files.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeDataset {
    id: Digest,
    assembly: Assembly,
    sources: Vec<Source>,
}

impl MadeDataset {
    /// Of artefacts as the ledger keeps them.
    pub fn of(row: &AssemblyRow) -> Self {
        Self { id: row.id, assembly: row.assembly.clone(), sources: row.sources.clone() }
    }

    /// As the ledger keeps it, with the files that the manifest names below the dataset's folder.
    fn into_row(self, dataset: &str, manifest: &Manifest) -> AssemblyRow {
        let folder = format!("internal/{dataset}/");
        let of = |file: &super::ManifestFile| {
            let path = file.path.strip_prefix(&folder)?.to_owned();
            Some(StoredFile { path, digest: file.blake3, size: file.size, made_of: None })
        };
        let files = manifest.files.iter().filter_map(of).collect();
        AssemblyRow { id: self.id, assembly: self.assembly, files, sources: self.sources, run: 0 }
    }
}

impl Made {
    /// Writes it into a release that nobody sees yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, release: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Error::new("mk::release::made", "cannot write how the release was made").because(error))?;
        atomic::write_new(&release.join(NAME), &bytes)?;
        atomic::sync_path(release)
    }

    /// Reads it; `None` where there is none that this version of the program understands.
    fn read(release: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(release.join(NAME)).ok()?).ok()
    }
}

/// True when the public part of a release was looked through for these words before it became current.
pub fn was_looked_through(release: &Path, watch: &Watch) -> bool {
    watch.is_empty() || Made::read(release).is_some_and(|made| made.looked_for == Some(watch.digest()))
}

/// True when a release was finished: its manifest can be read, and it has its report, which is written last.
pub fn is_finished(release: &Path) -> bool {
    release.join("report/index.en.html").is_file() && Manifest::read(release).is_ok()
}

/// Takes a finished release into a ledger that does not know it: because it is new, or from a backup.
///
/// # Errors
/// When the release cannot be read or the ledger not written.
pub fn take_over(release: &Path, id: &str, sequence: u32, ledger: &mut Ledger) -> Result<()> {
    // Without `made.json`, of an earlier version, nothing will be found the same as it: the next night releases anew.
    let (created, content) = match Made::read(release) {
        Some(made) => (made.created, made.content),
        None => (last_change(release), Digest::of(&Manifest::read(release)?.bytes()?)),
    };
    ledger.keep_release(&ReleaseRow { id: id.to_owned(), sequence, created, content }, 0)
}

/// Takes over the artefacts of a release, where the ledger has others or none: a dataset that fails tonight keeps them.
///
/// # Errors
/// When the release cannot be read or the ledger not written.
pub fn take_over_datasets(release: &Path, ledger: &mut Ledger) -> Result<()> {
    let Some(made) = Made::read(release) else { return Ok(()) };
    let manifest = Manifest::read(release)?;
    for (dataset, last) in made.datasets {
        if ledger.assembly(&dataset)?.is_none_or(|row| row.id != last.id) {
            ledger.keep_assembly(&dataset, &last.into_row(&dataset, &manifest))?;
        }
    }
    Ok(())
}

/// When the manifest was written, UTC: as good as when the release was made.
fn last_change(release: &Path) -> String {
    let written = std::fs::metadata(release.join("manifest.json")).and_then(|about| about.modified()).ok();
    crate::run::utc(written.and_then(|time| jiff::Timestamp::try_from(time).ok()).unwrap_or_else(crate::run::now))
}
