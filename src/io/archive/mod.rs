//! ZIP archives as deliveries have them, and what is refused of them (each refusal with its own code `mk::archive::…`).
//!
//! Nothing is ever unpacked under a member's own path, so a hostile name cannot write anywhere; it is refused all the same,
//! because an archive that tries is not what the office ordered, and other programs would fall for it.

mod directory;
mod names;

pub use names::normal as relative;

use super::source::Limits;
use crate::error::{Error, Place, Result};
use directory::{Directory, Method, Record};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Most members that an archive may have.
pub const MAX_ENTRIES: u64 = 100_000;
/// Unpacked bytes up to which the ratio is not asked: small content cannot do harm.
pub const RATIO_FROM: u64 = 64 << 20;

/// A refusal: `mk::archive::<name>` with its reason.
fn refuse(name: &'static str, reason: impl Into<String>) -> Error {
    let code = CODES.iter().find(|(known, _)| *known == name).map_or("mk::archive::layout", |(_, code)| code);
    Error::new(code, reason)
}

/// Every refusal there is.
const CODES: &[(&str, &str)] = &[
    ("absolute", "mk::archive::absolute"),
    ("ambiguous", "mk::archive::ambiguous"),
    ("corrupt", "mk::archive::corrupt"),
    ("crc", "mk::archive::crc"),
    ("drive", "mk::archive::drive"),
    ("duplicate", "mk::archive::duplicate"),
    ("encrypted", "mk::archive::encrypted"),
    ("entries", "mk::archive::entries"),
    ("gap", "mk::archive::gap"),
    ("layout", "mk::archive::layout"),
    ("local", "mk::archive::local"),
    ("method", "mk::archive::method"),
    ("name", "mk::archive::name"),
    ("nested", "mk::archive::nested"),
    ("no_end", "mk::archive::no_end"),
    ("overlap", "mk::archive::overlap"),
    ("ratio", "mk::archive::ratio"),
    ("read", "mk::archive::read"),
    ("size", "mk::archive::size"),
    ("spanned", "mk::archive::spanned"),
    ("special", "mk::archive::special"),
    ("symlink", "mk::archive::symlink"),
    ("trailing", "mk::archive::trailing"),
    ("traversal", "mk::archive::traversal"),
    ("truncated", "mk::archive::truncated"),
    ("zip64", "mk::archive::zip64"),
];

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name with `/` between its parts.
    pub name: String,
    /// Unpacked size in bytes.
    pub size: u64,
    /// Packed size in bytes.
    pub packed: u64,
    method: Method,
    crc: u32,
    data: u64,
}

/// A ZIP archive whose structure was checked as a whole.
#[derive(Debug)]
pub struct Archive {
    members: Vec<Member>,
}

impl Archive {
    /// Reads and checks the structure: end record, directory, every local header; the members' bytes are checked when they are read.
    ///
    /// # Errors
    /// For everything that style C4.6 refuses, each with its own code.
    pub fn open(path: &Path, limits: Limits) -> Result<Self> {
        Self::check(path, limits).map_err(|error| error.in_file(&path.display().to_string()))
    }

    fn check(path: &Path, limits: Limits) -> Result<Self> {
        let (file, size) = opened(path)?;
        let directory = Directory::read(&file, size, MAX_ENTRIES)?;
        let records = directory.records().collect::<Result<Vec<Record>>>()?;
        check_sizes(&records, limits)?;
        let mut names = BTreeSet::new();
        for record in &records {
            // A file and a folder of one name are a duplicate as well.
            if !names.insert(record.name.trim_end_matches('/')) {
                return Err(refuse("duplicate", format!("the archive has two members named '{}'", record.name)));
            }
        }
        let mut spans = Vec::with_capacity(records.len());
        let mut members = Vec::new();
        for record in &records {
            let span = directory::local(&file, record, directory.start)?;
            spans.push((record.header, span.end, record.name.as_str()));
            if !record.is_folder() {
                members.push(Member::of(record, span.data));
            }
        }
        check_spans(spans, directory.start)?;
        Ok(Self { members })
    }

    /// The members that are files, in the order of the directory.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

impl Member {
    fn of(record: &Record, data: u64) -> Self {
        Self { name: record.name.clone(), size: record.size, packed: record.packed, method: record.method, crc: record.crc, data }
    }

    /// Finds one member; only its own headers are checked: the archive as a whole was checked when it was discovered.
    ///
    /// # Errors
    /// When there is no such member, or it is refused.
    pub fn find(path: &Path, name: &str) -> Result<Self> {
        let found = || {
            let (file, size) = opened(path)?;
            let directory = Directory::read(&file, size, MAX_ENTRIES)?;
            for record in directory.records() {
                let record = record?;
                if record.name == name {
                    return Ok(Some(Self::of(&record, directory::local(&file, &record, directory.start)?.data)));
                }
            }
            Ok(None)
        };
        let place = || format!("{}!{name}", path.display());
        found()
            .map_err(|error: Error| error.in_file(&place()))?
            .ok_or_else(|| Error::new("mk::archive::missing", "the archive has no such member any more").at(Place::file(place())))
    }

    /// A stream of the unpacked bytes that fails when size, ratio or checksum are not those of the directory.
    ///
    /// # Errors
    /// When the archive cannot be opened.
    pub fn reader(&self, path: &Path, limits: Limits) -> Result<Box<dyn Read + Send>> {
        let place = format!("{}!{}", path.display(), self.name);
        let (mut file, _) = opened(path).map_err(|error| error.in_file(&place))?;
        file.seek(SeekFrom::Start(self.data)).map_err(|error| refuse("read", "the archive cannot be read").because(error))?;
        let packed = BufReader::with_capacity(64 << 10, file.take(self.packed));
        let unpacked: Box<dyn Read + Send> = match self.method {
            Method::Stored => Box::new(packed),
            Method::Deflated => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
        };
        let left = self.size.min(limits.max_bytes);
        Ok(Box::new(Checked { inner: unpacked, left, expected: self.size, seen: 0, crc: flate2::Crc::new(), wanted: self.crc }))
    }
}

fn opened(path: &Path) -> Result<(File, u64)> {
    let unreadable = |error: io::Error| refuse("read", "the archive cannot be read").because(error);
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    Ok((file, size))
}

fn check_sizes(records: &[Record], limits: Limits) -> Result<()> {
    let sum = |size: fn(&Record) -> u64| records.iter().map(size).fold(0_u64, u64::saturating_add);
    let (size, packed) = (sum(|record| record.size), sum(|record| record.packed));
    if size > limits.max_bytes {
        return Err(refuse("size", format!("the archive unpacks to {size} bytes, more than {}", limits.max_bytes)));
    }
    if size > RATIO_FROM && size / packed.max(1) > limits.max_ratio {
        return Err(refuse(
            "ratio",
            format!("the archive unpacks {packed} bytes to {size}, more than {} for one", limits.max_ratio),
        ));
    }
    Ok(())
}

/// Members must lie one behind the other from the first byte to the directory: overlaps are how bombs are built, and what lies
/// between members some programs read and others do not.
fn check_spans(mut spans: Vec<(u64, u64, &str)>, end: u64) -> Result<()> {
    spans.sort_unstable();
    let mut at = 0;
    for (start, stop, name) in spans {
        match start.cmp(&at) {
            std::cmp::Ordering::Less => return Err(refuse("overlap", format!("the member '{name}' overlaps another"))),
            std::cmp::Ordering::Greater => return Err(refuse("gap", format!("there are bytes in front of the member '{name}'"))),
            std::cmp::Ordering::Equal => at = stop,
        }
    }
    if at == end { Ok(()) } else { Err(refuse("gap", "there are bytes between the last member and the directory")) }
}

/// Counts and checksums what is unpacked.
struct Checked<R> {
    inner: R,
    left: u64,
    expected: u64,
    seen: u64,
    crc: flate2::Crc,
    wanted: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                io::Error::other(refuse("corrupt", "a member cannot be unpacked").because(error))
            }
            _ => error,
        })?;
        if count as u64 > self.left {
            return Err(io::Error::other(refuse("size", "a member unpacks to more bytes than the archive says or than allowed")));
        }
        self.left -= count as u64;
        self.seen += count as u64;
        self.crc.update(&buffer[..count]);
        if count == 0 && self.seen != self.expected {
            return Err(io::Error::other(refuse("size", "a member unpacks to fewer bytes than the archive says")));
        }
        if count == 0 && self.crc.sum() != self.wanted {
            return Err(io::Error::other(refuse("crc", "the checksum of a member is wrong: the archive is damaged")));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
