//! Discovery: which files are there, identified by content.

use super::Source;
use crate::error::{Error, Place, Rejection, Result};
use crate::pipeline::Expect;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// What to look for.
pub struct Request<'a> {
    /// Folder that patterns are relative to.
    pub folder: &'a Path,
    /// Files or globs.
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
    /// Files that are still being written.
    pub waiting: Vec<String>,
    /// Files that cannot be sources.
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

/// Remembers what files contained.
pub trait StatCache {
    /// The sources in an unchanged file.
    fn get(&self, path: &str, stat: &Stat) -> Option<Vec<Source>>;
    /// Remembers the sources in a file.
    fn put(&mut self, path: &str, stat: &Stat, sources: &[Source]);
}

/// Finds the sources of a dataset.
///
/// # Errors
/// When a pattern is no glob.
pub fn discover(request: &Request<'_>, cache: &mut dyn StatCache) -> Result<Discovered> {
    let mut found = Discovered::default();
    for pattern in request.patterns {
        let glob = globset::GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| Error::new("mk::discover::pattern", format!("'{pattern}' is no pattern")).because(error))?
            .compile_matcher();
        let before = found.sources.len();
        for entry in walkdir::WalkDir::new(request.folder).sort_by_file_name().into_iter().flatten() {
            let name = entry.path().strip_prefix(request.folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
            if !entry.file_type().is_file() || !glob.is_match(&name) || found.sources.iter().any(|source| source.name == name) {
                continue;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            let ns = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            let stat = Stat {
                size: metadata.len(),
                mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
                ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
                inode: metadata.ino(),
            };
            let path = entry.path().display().to_string();
            if let Some(sources) = cache.get(&path, &stat) {
                found.sources.extend(sources);
                continue;
            }
            match Source::of_file(entry.path(), &name) {
                Ok(source) => {
                    cache.put(&path, &stat, std::slice::from_ref(&source));
                    found.sources.push(source);
                }
                Err(error) => found.refused.push(Rejection::of("file", &error.at(Place::file(&name)))),
            }
        }
        if found.sources.len() == before {
            found.unmatched.push(pattern.clone());
        }
    }
    found.sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// What a whole delivery would have had.
///
/// # Errors
/// When the index cannot be read.
pub fn missing(expect: &Expect, _folder: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let count = expect.count.unwrap_or(0);
    let have = sources.len() as u64;
    Ok(if have < count { vec![format!("{} of {count} sources", count - have)] } else { Vec::new() })
}
