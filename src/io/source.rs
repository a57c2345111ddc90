//! A source: one input file, identified by its content, that units read.

use super::archive::{Member, RATIO_FROM};
use super::sniff::{Content, SNIFF_BYTES, sniff};
use super::{Digest, atomic};
use crate::error::{Error, Place, Result};
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Caps on what one source may unpack to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after unpacking.
    pub max_bytes: u64,
    /// Unpacked bytes for each packed byte; asked only beyond [`RATIO_FROM`] bytes.
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
        let (digest, size) =
            File::open(path).and_then(|file| Digest::of_open(&file)).map_err(|error| read_error(name, &error))?;
        Ok(Self { name: name.to_owned(), path: path.to_owned(), member: None, size, digest })
    }
    /// The last part of the name: the file's or the member's own.
    pub fn file_name(&self) -> &str {
        self.name.rsplit(['/', '!']).next().unwrap_or(&self.name)
    }
    /// What it is by its first bytes; what is inside where it is gzip.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn content(&self) -> Result<Content> {
        let mut head = Vec::new();
        let read = self.open(Limits::default())?.0.take(SNIFF_BYTES as u64).read_to_end(&mut head);
        read.map_err(|error| read_error(&self.name, &error))?;
        Ok(sniff(&head))
    }
    /// A stream of the content, gunzipped where it is gzip (all members of it), capped by `limits`. A stream that is too long, cut
    /// off or damaged ends with an error, never early; [`read_error`] tells it.
    ///
    /// # Errors
    /// When the file cannot be opened, or is of a packing that is not read.
    pub fn reader(&self, limits: Limits) -> Result<Box<dyn Read + Send>> {
        Ok(self.open(limits)?.0)
    }
    /// The whole content in memory, capped by `limits`.
    ///
    /// # Errors
    /// When it cannot be read or is larger than allowed.
    pub fn bytes(&self, limits: Limits) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(limits)?.read_to_end(&mut bytes).map_err(|error| read_error(&self.name, &error))?;
        Ok(bytes)
    }
    /// A seekable file with the content: the file itself, or an unpacked copy in `scratch`, made once. The copy keeps the last
    /// part of the name (without `.gz`).
    ///
    /// # Errors
    /// When it cannot be read or unpacked, or there is no room.
    pub fn local(&self, scratch: &Path) -> Result<PathBuf> {
        let (stream, gzip) = self.open(Limits::default())?;
        if self.member.is_none() && !gzip {
            return Ok(self.path.clone());
        }
        // The digest keeps members of one name apart.
        self.unpack(stream, gzip, &scratch.join(&self.digest.to_string()[..16]))
    }
    /// Puts the content into a folder under its own name (without `.gz`): a link to a plain file, an unpacked copy of all else. So
    /// a reader that looks around finds what belongs together and nothing else.
    ///
    /// # Errors
    /// As [`Source::local`].
    pub fn place(&self, folder: &Path) -> Result<PathBuf> {
        let (stream, gzip) = self.open(Limits::default())?;
        if self.member.is_some() || gzip {
            return self.unpack(stream, gzip, folder);
        }
        atomic::create_dir_all(folder)?;
        let path = folder.join(self.own_name(false));
        let target = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        match std::os::unix::fs::symlink(target, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::new("mk::io::write", "cannot link into the scratch folder").because(error))
            }
            _ => Ok(path),
        }
    }

    /// The last part of the name; other parts of a member's path never reach the disk.
    fn own_name(&self, gzip: bool) -> &str {
        let own = self.file_name();
        let own = if gzip { own.strip_suffix(".gz").or_else(|| own.strip_suffix(".GZ")).unwrap_or(own) } else { own };
        if matches!(own, "" | "." | "..") { "content" } else { own }
    }

    fn unpack(&self, mut stream: Box<dyn Read + Send>, gzip: bool, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(self.own_name(gzip));
        if path.is_file() {
            return Ok(path);
        }
        atomic::create_dir_all(folder)?;
        let written = |error: io::Error| Error::new("mk::io::write", "cannot unpack into the scratch folder").because(error);
        let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(written)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = stream.read(&mut buffer).map_err(|error| read_error(&self.name, &error))?;
            if count == 0 {
                break;
            }
            copy.write_all(&buffer[..count]).map_err(written)?;
        }
        copy.persist(&path).map_err(|error| written(error.error))?;
        Ok(path)
    }

    /// The stream, and whether it was gunzipped.
    fn open(&self, limits: Limits) -> Result<(Box<dyn Read + Send>, bool)> {
        let raw: Box<dyn Read + Send> = match &self.member {
            Some(member) => Member::find(&self.path, member)?.reader(&self.path, limits)?,
            None => Box::new(File::open(&self.path).map_err(|error| read_error(&self.name, &error))?),
        };
        let (head, stream) = peek(raw).map_err(|error| read_error(&self.name, &error))?;
        match sniff(&head) {
            Content::Gzip => {
                let packed = Counted { inner: stream, count: Arc::default() };
                let count = Arc::clone(&packed.count);
                let unpacked = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, packed));
                Ok((Box::new(Capped { inner: unpacked, seen: 0, limits, packed: Some(count) }), true))
            }
            Content::OtherPacking(name) => {
                Err(Error::new("mk::io::packing", format!("the file is packed as {name}, which is not read"))
                    .at(Place::file(&self.name))
                    .hint("deliver it plain, as .gz or as .zip"))
            }
            _ => Ok((Box::new(Capped { inner: stream, seen: 0, limits, packed: None }), false)),
        }
    }
}

type Peeked = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

fn peek(mut stream: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Peeked)> {
    let mut head = Vec::with_capacity(SNIFF_BYTES);
    stream.by_ref().take(SNIFF_BYTES as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(stream)))
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Ends with an error when more is unpacked than the limits allow.
struct Capped<R> {
    inner: R,
    seen: u64,
    limits: Limits,
    /// Bytes that the unpacker took in; `None` for what is not packed.
    packed: Option<Arc<AtomicU64>>,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof if self.packed.is_some() => {
                io::Error::other(Error::new("mk::io::truncated", "the gzip file is cut off"))
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if self.packed.is_some() => {
                io::Error::other(Error::new("mk::io::corrupt", "the gzip file is damaged").because(error))
            }
            _ => error,
        })?;
        self.seen = self.seen.saturating_add(count as u64);
        if self.seen > self.limits.max_bytes {
            let message = format!("the content is larger than {} bytes", self.limits.max_bytes);
            return Err(io::Error::other(Error::new("mk::io::too_large", message)));
        }
        if let Some(packed) = &self.packed
            && self.seen > RATIO_FROM
            && self.seen / packed.load(Ordering::Relaxed).max(1) > self.limits.max_ratio
        {
            let message = format!("the content unpacks to more than {} bytes for each packed one", self.limits.max_ratio);
            return Err(io::Error::other(Error::new("mk::io::ratio", message)));
        }
        Ok(count)
    }
}

/// The error behind a failed read of a source: that of archive or gunzip where there is one, else that of the system. Parsers hand
/// the `io::Error` of a stream on, also shared; so it is taken by reference.
pub fn read_error(name: &str, error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(inner) => {
            let mut place = inner.place().clone();
            place.file = Some(name.to_owned());
            let copy = Error::new(inner.code(), inner.full_message()).at(place);
            match inner.hint_text() {
                Some(hint) => copy.hint(hint),
                None => copy,
            }
        }
        None => Error::new("mk::io::read", format!("cannot read the file: {error}")).at(Place::file(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn source(folder: &Path, name: &str, bytes: &[u8]) -> Source {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        Source::of_file(&path, name).unwrap()
    }

    fn code(result: Result<Vec<u8>>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn gzip_is_told_by_content_and_all_its_members_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let two = [gzip(b"<a>"), gzip(b"</a>")].concat();
        for name in ["a.gz", "a.xml"] {
            let source = source(folder.path(), name, &two);
            assert_eq!(source.bytes(Limits::default()).unwrap(), b"<a></a>");
            assert_eq!((source.size, source.digest), (two.len() as u64, Digest::of(&two)));
            assert_eq!(source.content().unwrap(), Content::Xml);
            assert_eq!(std::fs::read(source.local(folder.path()).unwrap()).unwrap(), b"<a></a>");
        }
        // A `.gz` that is none is read as what it is.
        let plain = source(folder.path(), "b.gz", b"<b/>");
        assert_eq!(plain.bytes(Limits::default()).unwrap(), b"<b/>");
        assert_eq!(plain.local(folder.path()).unwrap(), plain.path);
        assert_eq!(source(folder.path(), "empty", b"").bytes(Limits::default()).unwrap(), b"");
    }

    #[test]
    fn what_is_cut_off_damaged_or_too_large_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let noise: Vec<u8> = (0..50_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let packed = gzip(&noise);
        let whole = source(folder.path(), "whole.gz", &packed);
        assert_eq!(whole.bytes(Limits::default()).unwrap(), noise);
        let cut = source(folder.path(), "cut.gz", &packed[..packed.len() - 9]);
        assert_eq!(code(cut.bytes(Limits::default())), "mk::io::truncated");
        let mut damaged = packed.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert_eq!(code(source(folder.path(), "bad.gz", &damaged).bytes(Limits::default())), "mk::io::corrupt");
        let trailing = [&packed[..], b"bytes that are no gzip"].concat();
        assert_eq!(code(source(folder.path(), "tail.gz", &trailing).bytes(Limits::default())), "mk::io::corrupt");
        let small = Limits { max_bytes: 1000, ..Limits::default() };
        assert_eq!(code(whole.bytes(small)), "mk::io::too_large");
        let plain = source(folder.path(), "plain", &noise);
        assert_eq!(code(plain.bytes(small)), "mk::io::too_large");
        let error = plain.bytes(small).unwrap_err();
        assert_eq!(error.place().file.as_deref(), Some("plain"));
    }

    #[test]
    fn a_bomb_is_stopped_by_its_ratio() {
        let folder = tempfile::tempdir().unwrap();
        let bomb = source(folder.path(), "bomb.gz", &gzip(&vec![0; 100 << 20]));
        let mut stream = bomb.reader(Limits::default()).unwrap();
        let error = io::copy(&mut stream, &mut io::sink()).unwrap_err();
        assert_eq!(read_error("bomb.gz", &error).code(), "mk::io::ratio");
    }

    #[test]
    fn other_packings_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = source(folder.path(), "a.xml", b"\xfd7zXZ\0rest").bytes(Limits::default()).unwrap_err();
        insta::assert_snapshot!(error, @"the file is packed as xz, which is not read (a.xml)");
    }
}
