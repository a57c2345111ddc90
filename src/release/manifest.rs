//! The manifest of a release: every published file with size and BLAKE3.

use crate::error::{Error, Place, Result};
use crate::io::Digest;
use crate::run::Store;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Path within the release, with `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Content.
    pub blake3: Digest,
}

/// `manifest.json`. It has no time and no identifier: the same content gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub version: u32,
    /// The files of both audiences, sorted by path. The report describes the run, not the data, and is not among them.
    pub files: Vec<ManifestFile>,
}

impl Manifest {
    /// A manifest of these files.
    pub fn new(mut files: Vec<ManifestFile>) -> Self {
        files.sort();
        Self { version: 1, files }
    }

    /// The bytes of `manifest.json`.
    ///
    /// # Errors
    /// Never in practice: the types are plain.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::new("mk::release::manifest", "cannot write the manifest").because(error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the manifest of a release.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(release: &Path) -> Result<Self> {
        let path = release.join("manifest.json");
        let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new("mk::release::manifest", "the release has no readable manifest")
                .at(Place::file(path.display().to_string()))
                .because(error)
        };
        let bytes = std::fs::read(&path).map_err(|error| damaged(error.into()))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.into()))
    }
}

/// A file that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path within the release.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// True when the manifest of a release can be read, and each of its files is there with its size.
pub fn is_whole(release: &Path) -> bool {
    let is_there = |file: &ManifestFile| std::fs::metadata(release.join(&file.path)).is_ok_and(|about| about.len() == file.size);
    Manifest::read(release).is_ok_and(|manifest| manifest.files.par_iter().all(is_there))
}

/// Files to delete so that the next night makes them anew: those of the current release that are not as its manifest says, and the
/// objects of the store that they are made of, where these are damaged too.
///
/// # Errors
/// When there is no manifest.
pub fn to_delete(release: &Path, store: &Store, faults: &[Fault]) -> Result<BTreeSet<PathBuf>> {
    let manifest = Manifest::read(release)?;
    let named: BTreeSet<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    let mut files: BTreeSet<PathBuf> = named.iter().map(|path| release.join(path)).collect();
    let objects = manifest.files.iter().filter(|file| named.contains(file.path.as_str()));
    let is_damaged = |file: &&ManifestFile| Digest::of_file(&store.path(file.blake3)).is_ok_and(|digest| digest != file.blake3);
    files.extend(objects.filter(is_damaged).map(|file| store.path(file.blake3)));
    files.retain(|file| file.symlink_metadata().is_ok());
    Ok(files)
}

/// Reads every file of a release again and compares it with the manifest.
///
/// # Errors
/// When there is no manifest.
pub fn verify(release: &Path) -> Result<Vec<Fault>> {
    let manifest = Manifest::read(release)?;
    let mut faults: Vec<Fault> = manifest
        .files
        .par_iter()
        .filter_map(|file| {
            let path = release.join(&file.path);
            let what = match std::fs::metadata(&path) {
                Err(_) => "missing".to_owned(),
                Ok(metadata) if metadata.len() != file.size => format!("{} bytes, {} expected", metadata.len(), file.size),
                Ok(_) => match Digest::of_file(&path) {
                    Ok(digest) if digest == file.blake3 => return None,
                    Ok(_) => "other content than when it was released".to_owned(),
                    Err(error) => error.full_message(),
                },
            };
            Some(Fault { path: file.path.clone(), what })
        })
        .collect();
    let known: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    for audience in ["internal", "public"] {
        for entry in walkdir::WalkDir::new(release.join(audience)).into_iter().flatten() {
            let path = entry.path().strip_prefix(release).unwrap_or(entry.path()).to_string_lossy().into_owned();
            if !entry.file_type().is_dir() && !known.contains(path.as_str()) {
                faults.push(Fault { path, what: "not part of the release".to_owned() });
            }
        }
    }
    faults.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(faults)
}
