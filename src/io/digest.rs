//! BLAKE3 digests: the identity of sources, unit results and artefacts.

use crate::error::{Error, Place, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

/// A BLAKE3 digest (32 bytes), written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Bytes of a file that are summed up at once.
const STEP: u64 = 2 << 20;

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
    /// The digest of several parts; the lengths count, so that moving a border changes the digest.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
    /// The digest of a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        File::open(path).and_then(|file| Self::of_open(&file)).map(|(digest, _)| digest).map_err(|error| {
            Error::new("mk::io::read", "cannot read the file").at(Place::file(path.display().to_string())).because(error)
        })
    }
    /// Digest and number of the bytes of a stream. Read, not mapped: a file that shrinks meanwhile would end the process.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn of_reader(mut stream: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        let mut size = 0;
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok((Self(*hasher.finalize().as_bytes()), size)),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    /// As [`Digest::of_reader`], of a file from its begin: while some of it is read, what was read before is summed up, on all threads.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_open(mut file: &File) -> io::Result<(Self, u64)> {
        if file.metadata()?.len() <= STEP {
            return Self::of_reader(file);
        }
        let mut hasher = blake3::Hasher::new();
        let (mut now, mut next) = (Vec::with_capacity(STEP as usize), Vec::with_capacity(STEP as usize));
        let mut size = 0;
        file.by_ref().take(STEP).read_to_end(&mut now)?;
        while !now.is_empty() {
            size += now.len() as u64;
            next.clear();
            let mut rest = file.by_ref().take(STEP);
            let (_, read) = rayon::join(|| hasher.update_rayon(&now).count(), || rest.read_to_end(&mut next));
            read?;
            std::mem::swap(&mut now, &mut next);
        }
        Ok((Self(*hasher.finalize().as_bytes()), size))
    }
    /// A digest by its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// The first eight hexadecimal digits, for names that people read.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        blake3::Hash::from_hex(text)
            .map(Self::from)
            .map_err(|error| Error::new("mk::io::digest", "not a BLAKE3 digest of 64 hexadecimal digits").because(error))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for size in [0, 1, STEP as usize, STEP as usize + 1, 3 * STEP as usize - 7] {
            let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Digest::of_open(&File::open(&path).unwrap()).unwrap(), (Digest::of(&bytes), size as u64));
            assert_eq!(Digest::of_file(&path).unwrap(), Digest::of(&bytes));
        }
    }
}
