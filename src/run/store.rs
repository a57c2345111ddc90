//! The store: unit results and artefacts by digest, packed, each written once.
//!
//! An object appears under its digest only when it is whole and on disk. A release is made of hard links to objects, so that a
//! night that changes little costs little, and clearing the store never harms a release.

use crate::error::{Error, Place, Result};
use crate::io::{Digest, Pack, atomic};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of two files that are compared at once.
const STEP: usize = 1 << 17;

/// The store of a workspace.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store of a workspace, making it where needed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(workspace: &Path) -> Result<Self> {
        let root = workspace.join("store");
        atomic::create_dir_all(&root)?;
        Ok(Self { root })
    }

    /// The store for reading: nothing is made.
    pub fn at(workspace: &Path) -> Self {
        Self { root: workspace.join("store") }
    }

    /// Where an object lies, or would lie.
    pub fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(&name[..2]).join(&name[2..])
    }

    /// True when the object is there with this size.
    pub fn contains(&self, digest: Digest, size: u64) -> bool {
        std::fs::metadata(self.path(digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
    }

    /// Moves finished files into the store and gives their digests and sizes. They must lie on the workspace's file system.
    ///
    /// # Errors
    /// When a file cannot be read, synchronised or moved.
    pub fn adopt(&self, files: &[PathBuf]) -> Result<Vec<(Digest, u64)>> {
        // The disk is slower than whatever else is done with them.
        let begun = atomic::begin_to_keep(files)?;
        let digested = files.par_iter().map(|file| Ok((file.as_path(), Digest::of_file(file)?))).collect::<Result<Vec<_>>>()?;
        // On disk before any of them has its name.
        if atomic::passes() {
            begun.leave();
        } else {
            begun.wait()?;
        }
        let sizes = self.adopt_as(&digested)?;
        Ok(digested.into_iter().zip(sizes).map(|((_, digest), size)| (digest, size)).collect())
    }

    /// As [`Store::adopt`], of files whose digests are known; gives their sizes.
    ///
    /// # Errors
    /// As there.
    pub fn adopt_as(&self, files: &[(&Path, Digest)]) -> Result<Vec<u64>> {
        // An object that a disk damaged has its name and its length still: what was just made takes its place.
        let look = |(file, digest): &(&Path, Digest)| match std::fs::metadata(file) {
            Ok(about) => {
                let is_there = self.contains(*digest, about.len()) && is_same(file, &self.path(*digest)).unwrap_or(false);
                Ok((about.len(), is_there))
            }
            Err(error) => {
                Err(Error::new("mk::io::read", "cannot read the file").at(Place::file(file.display().to_string())).because(error))
            }
        };
        let looked = files.par_iter().map(look).collect::<Result<Vec<(u64, bool)>>>()?;
        let mut news: BTreeMap<PathBuf, &Path> = BTreeMap::new();
        for ((file, digest), (_, is_there)) in files.iter().zip(&looked) {
            // Of files with the same content one is enough.
            let twin = if *is_there { Some(*file) } else { news.insert(self.path(*digest), file) };
            twin.map_or(Ok(()), atomic::remove_file)?;
        }
        let folders: BTreeSet<&Path> = news.keys().filter_map(|target| target.parent()).collect();
        folders.iter().try_for_each(|folder| atomic::create_dir_all(folder))?;
        let sealed: Vec<&Path> = news.values().copied().collect();
        sealed.par_iter().try_for_each(|file| atomic::seal(file))?;
        // On disk before it has its name: what has one is whole.
        atomic::sync_all(&sealed)?;
        news.par_iter().try_for_each(|(target, file)| atomic::rename_unsynced(file, target))?;
        atomic::sync_all(&folders.into_iter().collect::<Vec<_>>())?;
        Ok(looked.into_iter().map(|(size, _)| size).collect())
    }

    /// Takes the file of a release back as the object that it once was; false where it no longer is that.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn take_back(&self, file: &Path, digest: Digest, size: u64) -> Result<bool> {
        let has_size = std::fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() == size);
        if !has_size || Digest::of_file(file).ok() != Some(digest) {
            return Ok(false);
        }
        let target = self.path(digest);
        let folder = target.parent().unwrap_or(&self.root);
        atomic::create_dir_all(folder)?;
        atomic::remove_file(&target)?;
        atomic::hard_link_or_copy(file, &target)?;
        atomic::sync_path(folder)?;
        Ok(true)
    }

    /// Deletes the damaged of these packs and gives the number of them.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn weed(&self, packs: &[Digest]) -> Result<usize> {
        let path = |digest: &Digest| Some(self.path(*digest)).filter(|path| path.exists() && !Pack::is_whole(path, *digest));
        let damaged: BTreeSet<PathBuf> = packs.par_iter().filter_map(path).collect();
        damaged.iter().try_for_each(|path| atomic::remove_file(path))?;
        Ok(damaged.len())
    }

    /// Deletes what is not in `keep`; gives the number of objects and bytes deleted.
    ///
    /// # Errors
    /// When a folder cannot be read or an object not deleted.
    pub fn sweep(&self, keep: &BTreeSet<Digest>) -> Result<(u64, u64)> {
        let (mut objects, mut bytes) = (0, 0);
        for entry in walkdir::WalkDir::new(&self.root).min_depth(2).max_depth(2) {
            let entry = entry.map_err(|error| {
                Error::new("mk::store::read", "cannot read the store")
                    .at(Place::file(self.root.display().to_string()))
                    .because(error)
            })?;
            let name = format!(
                "{}{}",
                entry.path().parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy(),
                entry.file_name().to_string_lossy()
            );
            let known = name.parse::<Digest>().is_ok_and(|digest| keep.contains(&digest));
            if !known {
                objects += 1;
                bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                atomic::remove_file(entry.path())?;
            }
        }
        Ok((objects, bytes))
    }
}

/// True when two files of one length have the same bytes.
fn is_same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut bytes, mut others) = (vec![0; STEP], vec![0; STEP]);
    loop {
        let read = one.read(&mut bytes)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut others[..read])?;
        if bytes[..read] != others[..read] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_object_is_replaced_by_what_was_just_made() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let bytes = vec![7; STEP + 1];
        let put = || {
            let file = folder.path().join("new");
            std::fs::write(&file, &bytes).unwrap();
            let adopted = store.adopt(std::slice::from_ref(&file)).unwrap();
            assert!(!file.exists());
            store.path(adopted[0].0)
        };
        let path = put();
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
        let before = inode(&path);
        assert_eq!((put(), inode(&path)), (path.clone(), before), "what is well stays as it is");
        let mut damaged = bytes.clone();
        damaged[STEP] = 8;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &damaged).unwrap();
        put();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}
