//! Discovery: which files are there, identified by content.
//!
//! A file counts when its name fits; what it is, its first bytes say. Archives are looked into, so that a night is told by the
//! files in them. A file that is still being written waits, one that cannot be a source is refused with its reason, and neither
//! stops the others. An unchanged file is not read again ([`StatCache`]).

mod expect;
mod find;
mod names;

pub use expect::missing;

use super::Source;
use super::archive::{Archive, Member};
use super::digest::Digest;
use super::known;
use super::sniff::{Content, SNIFF_BYTES, sniff};
use super::source::{Limits, read_error};
use crate::error::{Error, Place, Rejection, Result};
use find::{Candidate, Walk};
use names::NameFilter;
use rayon::prelude::*;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What to look for.
pub struct Request<'a> {
    /// Folder that patterns are relative to.
    pub folder: &'a Path,
    /// Files, folders or globs.
    pub patterns: &'a [String],
    /// Names that count within folders and archives; empty counts all.
    pub kind_patterns: &'a [&'a str],
    /// Age below which a file is taken to be still written.
    pub settle: Duration,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Sources, sorted by name.
    pub sources: Vec<Source>,
    /// Files that are still being written, sorted.
    pub waiting: Vec<String>,
    /// Files that cannot be sources, sorted by name.
    pub refused: Vec<Rejection>,
    /// Patterns that match nothing.
    pub unmatched: Vec<String>,
}

/// What tells an unchanged file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of content, nanoseconds since 1970.
    pub mtime_ns: i128,
    /// Time of the last change of the entry, nanoseconds since 1970.
    pub ctime_ns: i128,
    /// Inode.
    pub inode: u64,
}

impl Stat {
    /// What the system says about a file.
    pub fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            size: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
    /// True when another change could not leave the times as they are.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as i128);
        !(0..CLOCK_TICK.as_nanos() as i128).contains(&(now - self.mtime_ns.max(self.ctime_ns)))
    }
}

/// Remembers what files contained, by their absolute path.
pub trait StatCache {
    /// The sources in an unchanged file.
    fn get(&self, path: &str, stat: &Stat) -> Option<Vec<Source>>;
    /// Remembers the sources in a file.
    fn put(&mut self, path: &str, stat: &Stat, sources: &[Source]);
    /// Remembers many at once: a cache on disk brings them there together.
    fn put_all(&mut self, entries: &[(String, Stat, Vec<Source>)]) {
        for (path, stat, sources) in entries {
            self.put(path, stat, sources);
        }
    }
}

/// Remembers nothing: every file is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

impl StatCache for NoCache {
    fn get(&self, _path: &str, _stat: &Stat) -> Option<Vec<Source>> {
        None
    }
    fn put(&mut self, _path: &str, _stat: &Stat, _sources: &[Source]) {}
}

/// A clock of the file system can stand still for this long: a change within it leaves the times as they were.
pub const CLOCK_TICK: Duration = Duration::from_millis(20);

/// Finds the sources of a dataset.
///
/// # Errors
/// When a pattern is no glob, or names something else than files.
pub fn discover(request: &Request<'_>, cache: &mut dyn StatCache) -> Result<Discovered> {
    let filter = NameFilter::new(request.kind_patterns)?;
    let Walk { candidates, mut waiting, mut refused, unmatched } = find::walk(request, &filter)?;
    let mut sources = Vec::new();
    let mut unread = Vec::new();
    for candidate in candidates {
        match cache.get(&candidate.path.to_string_lossy(), &candidate.stat) {
            Some(remembered) => {
                learn(&candidate, &remembered);
                sources.extend(remembered.into_iter().map(|source| candidate.named(source)));
            }
            None => unread.push(candidate),
        }
    }
    let_the_clock_tick(&unread);
    let identified: Vec<Identified> = unread.par_iter().map(|candidate| identify(candidate, &filter)).collect();
    let mut learned = Vec::new();
    for (candidate, identified) in unread.into_iter().zip(identified) {
        match identified {
            Identified::Waiting => waiting.push(candidate.name),
            Identified::Read { sources: found, refused: mut bad } => {
                learn(&candidate, &found);
                // What is refused is looked at again each night, until it is mended.
                if bad.is_empty() {
                    learned.push((candidate.path.to_string_lossy().into_owned(), candidate.stat, found.clone()));
                }
                refused.append(&mut bad);
                sources.extend(found);
            }
        }
    }
    if !learned.is_empty() {
        cache.put_all(&learned);
    }
    // Archives are remembered whole; which of their members count can change with the kind.
    sources.retain(|source| source.member.as_deref().is_none_or(|member| filter.member(member)));
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    waiting.sort();
    refused.sort_by(|a, b| a.place.file.cmp(&b.place.file));
    Ok(Discovered { sources, waiting, refused, unmatched })
}

/// Lets the units that read a plain file know that it was looked at.
fn learn(candidate: &Candidate, sources: &[Source]) {
    if let [Source { member: None, digest, .. }] = sources {
        known::learn(&candidate.path, candidate.stat, *digest);
    }
}

fn let_the_clock_tick(unread: &[Candidate]) {
    if unread.iter().any(|candidate| !candidate.stat.is_settled()) {
        std::thread::sleep(CLOCK_TICK);
    }
}

enum Identified {
    Waiting,
    Read { sources: Vec<Source>, refused: Vec<Rejection> },
}

/// Reads a file, or the members of an archive, and looks whether it changed meanwhile.
fn identify(candidate: &Candidate, filter: &NameFilter) -> Identified {
    let read = read(candidate, filter);
    let unchanged = std::fs::metadata(&candidate.path).is_ok_and(|after| Stat::of(&after) == candidate.stat);
    if !unchanged {
        return Identified::Waiting;
    }
    match read {
        Ok((sources, refused)) => Identified::Read { sources, refused },
        Err(error) => Identified::Read { sources: Vec::new(), refused: vec![refusal(&candidate.name, error)] },
    }
}

fn read(candidate: &Candidate, filter: &NameFilter) -> Result<(Vec<Source>, Vec<Rejection>)> {
    let mut head = Vec::new();
    File::open(&candidate.path)
        .and_then(|file| file.take(SNIFF_BYTES as u64).read_to_end(&mut head))
        .map_err(|error| read_error(&candidate.name, &error))?;
    match sniff(&head) {
        Content::Zip => archive(candidate, filter),
        Content::OtherPacking(name) => Err(unread_packing(name)),
        _ => Ok((vec![Source::of_file(&candidate.path, &candidate.name)?], Vec::new())),
    }
}

fn unread_packing(name: &str) -> Error {
    Error::new("mk::io::packing", format!("the file is packed as {name}, which is not read"))
        .hint("deliver it plain, as .gz or as .zip")
}

fn archive(candidate: &Candidate, filter: &NameFilter) -> Result<(Vec<Source>, Vec<Rejection>)> {
    let archive = Archive::open(&candidate.path, Limits::default())?;
    let read: Vec<(&Member, Result<Digest>)> =
        archive.members().par_iter().map(|member| (member, member_digest(candidate, member))).collect();
    let (mut sources, mut refused) = (Vec::new(), Vec::new());
    for (member, digest) in read {
        let name = format!("{}!{}", candidate.name, member.name);
        match digest {
            Ok(digest) => {
                let (path, member_name) = (candidate.path.clone(), Some(member.name.clone()));
                sources.push(Source { name, path, member: member_name, size: member.size, digest });
            }
            Err(error) if filter.member(&member.name) => refused.push(refusal(&name, error)),
            // An archive may hold what counts; documents are packed like one, and are none.
            Err(error) if error.code() == NESTED && member.name.to_ascii_lowercase().ends_with(".zip") => {
                refused.push(refusal(&name, error));
            }
            // What does not count may be broken.
            Err(_) => {}
        }
    }
    Ok((sources, refused))
}

/// Code of an archive in an archive.
const NESTED: &str = "mk::archive::nested";

fn member_digest(candidate: &Candidate, member: &Member) -> Result<Digest> {
    let failed = |error: io::Error| read_error(&candidate.name, &error);
    let mut stream = member.reader(&candidate.path, Limits::default())?;
    let mut head = Vec::new();
    stream.by_ref().take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
    let content = sniff(&head);
    let (digest, _) = Digest::of_reader(io::Cursor::new(head).chain(stream)).map_err(failed)?;
    match content {
        Content::Zip => {
            Err(Error::new(NESTED, "a ZIP archive inside a ZIP archive is not read")
                .hint("deliver the inner archives by themselves"))
        }
        Content::OtherPacking(name) => Err(unread_packing(name)),
        _ => Ok(digest),
    }
}

/// The name that people see stands in the place, not the path on this machine.
fn refusal(name: &str, error: Error) -> Rejection {
    let mut place = error.place().clone();
    place.file = Some(name.to_owned());
    Rejection::of("file", &error.at(place))
}

fn refused_name(name: &str, code: &'static str, reason: &str) -> Rejection {
    Rejection::of("file", &Error::new(code, reason).at(Place::file(name)))
}

#[cfg(test)]
mod tests;
