//! Files of the demo: written whole, packed without times, counted and digested.

use crate::error::{Error, Place, Result};
use crate::io::Digest;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Path relative to the demo's folder, with `/`.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
    /// Objects in it by type; one `image` for an orthophoto tile.
    pub counts: BTreeMap<String, u64>,
}

/// The demo's folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Uses the folder at `root`, which is created when a file is.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
    fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| failed(&path, error))?;
        }
        Ok(path)
    }
    /// True if there is such a file.
    pub fn has(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }
    /// Writes a file from memory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8], counts: BTreeMap<String, u64>) -> Result<Written> {
        let path = self.path(name)?;
        std::fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
        Ok(Written { name: name.to_owned(), size: bytes.len() as u64, digest: Digest::of(bytes), counts })
    }
    /// Writes a gzip file, filled by `fill`, without a time in its header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_gz(
        &self,
        name: &str,
        fill: impl FnOnce(&mut GzEncoder<BufWriter<File>>) -> Result<BTreeMap<String, u64>>,
    ) -> Result<Written> {
        let path = self.path(name)?;
        let file = File::create(&path).map_err(|error| failed(&path, error))?;
        // 255: the header does not tell the operating system either.
        let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(BufWriter::new(file), Compression::new(6));
        let counts = fill(&mut encoder)?;
        let mut file = encoder.finish().map_err(|error| failed(&path, error))?;
        file.flush().map_err(|error| failed(&path, error))?;
        let size = std::fs::metadata(&path).map_err(|error| failed(&path, error))?.len();
        Ok(Written { name: name.to_owned(), size, digest: Digest::of_file(&path)?, counts })
    }
    /// Writes a ZIP archive with one member, without times.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_zip(&self, name: &str, member: &str, bytes: &[u8], counts: BTreeMap<String, u64>) -> Result<Written> {
        let path = self.path(name)?;
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644);
        zip.start_file(member, options).map_err(|error| failed(&path, error))?;
        zip.write_all(bytes).map_err(|error| failed(&path, error))?;
        let packed = zip.finish().map_err(|error| failed(&path, error))?.into_inner();
        self.write(name, &packed, counts)
    }
    /// Reads a file that was written on an earlier night.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.root.join(name);
        std::fs::read(&path).map_err(|error| failed(&path, error))
    }
    /// Removes a file that a newer one replaces.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let path = self.root.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&path, error)),
        }
    }
    /// An error about one of its files.
    pub fn failed(&self, name: &str, cause: std::io::Error) -> Error {
        failed(&self.root.join(name), cause)
    }
}

fn failed(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::demo::write", "cannot write a file of the demo")
        .at(Place::file(path.display().to_string()))
        .hint("name a folder that can be written and has room")
        .because(cause)
}
