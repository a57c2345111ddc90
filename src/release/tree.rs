//! Building the tree of a release.

use super::{Manifest, ManifestFile, folder, identifier};
use crate::error::Result;
use crate::io::{Digest, atomic};
use crate::run::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a release publishes, by path below `internal/` or `public/` (the audience is part of the path).
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Objects of the store.
    pub objects: BTreeMap<String, (Digest, u64)>,
    /// Small documents made for the release: records, portal.
    pub documents: BTreeMap<String, Vec<u8>>,
}

impl Content {
    /// The manifest of this content.
    pub fn manifest(&self) -> Manifest {
        let objects =
            self.objects.iter().map(|(path, (digest, size))| ManifestFile { path: path.clone(), size: *size, blake3: *digest });
        let documents = self.documents.iter().map(|(path, bytes)| ManifestFile {
            path: path.clone(),
            size: bytes.len() as u64,
            blake3: Digest::of(bytes),
        });
        Manifest::new(objects.chain(documents).collect())
    }
}

/// Builds the tree of a release and gives its identifier; it is whole and on disk, but not current yet.
///
/// # Errors
/// When something cannot be written; what is half built is cleared by the next run.
pub fn build(workspace: &Path, store: &Store, sequence: u32, content: &Content) -> Result<String> {
    let manifest = content.manifest().bytes()?;
    let id = identifier(sequence, Digest::of(&manifest));
    let staging = workspace.join("releases").join(format!(".staging-{id}"));
    remove(&staging)?;
    let mut folders = BTreeSet::new();
    let place = |path: &str, folders: &mut BTreeSet<std::path::PathBuf>| -> Result<std::path::PathBuf> {
        let target = staging.join(path);
        if let Some(parent) = target.parent() {
            atomic::create_dir_all(parent)?;
            folders.extend(parent.ancestors().take_while(|folder| folder.starts_with(&staging)).map(Path::to_path_buf));
        }
        Ok(target)
    };
    for audience in ["internal", "public"] {
        atomic::create_dir_all(&staging.join(audience))?;
        folders.insert(staging.join(audience));
    }
    for (path, (digest, _)) in &content.objects {
        atomic::hard_link_or_copy(&store.path(*digest), &place(path, &mut folders)?)?;
    }
    for (path, bytes) in &content.documents {
        let target = place(path, &mut folders)?;
        atomic::write_new(&target, bytes)?;
    }
    atomic::write_new(&place("manifest.json", &mut folders)?, &manifest)?;
    atomic::sync_all(&folders.iter().rev().collect::<Vec<_>>())?;
    let target = folder(workspace, &id);
    remove(&target)?;
    atomic::rename(&staging, &target)?;
    Ok(id)
}

/// Deletes a release's tree. It is renamed first: half a deleted tree is never taken for a release.
pub fn remove(tree: &Path) -> Result<()> {
    if !tree.exists() {
        return Ok(());
    }
    let name = tree.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let doomed = if name.starts_with('.') { tree.to_owned() } else { tree.with_file_name(format!(".deleted-{name}")) };
    if doomed != tree {
        atomic::remove_tree(&doomed)?;
        atomic::rename(tree, &doomed)?;
    }
    for entry in walkdir::WalkDir::new(&doomed).into_iter().flatten().filter(|entry| entry.file_type().is_dir()) {
        let _ = std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o755));
    }
    atomic::remove_tree(&doomed)
}
