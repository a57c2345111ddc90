//! Finding the files that patterns name.

use super::names::{self, NameFilter};
use super::{Request, Stat, refused_name};
use crate::error::{Error, Exit, Rejection, Result};
use crate::io::Source;
use globset::GlobMatcher;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use walkdir::{DirEntry, WalkDir};

/// A file whose name counts, not read yet.
pub struct Candidate {
    /// The name people see.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What tells whether it changed.
    pub stat: Stat,
}

impl Candidate {
    /// A remembered source, under the name and path of today.
    pub fn named(&self, source: Source) -> Source {
        let name = match &source.member {
            Some(member) => format!("{}!{member}", self.name),
            None => self.name.clone(),
        };
        Source { name, path: self.path.clone(), ..source }
    }
}

/// What the patterns name.
#[derive(Default)]
pub struct Walk {
    /// Files to read.
    pub candidates: Vec<Candidate>,
    /// Files that are not whole yet.
    pub waiting: Vec<String>,
    /// Files that cannot be sources.
    pub refused: Vec<Rejection>,
    /// Patterns that match nothing.
    pub unmatched: Vec<String>,
}

/// Beginnings that GDAL or a browser would take for something else than a file.
const NOT_FILES: &[&str] = &["/vsi", "vrt:", "http:", "https:", "ftp:", "file:", "<"];

/// Walks along all patterns; a file named by two of them counts once.
pub fn walk(request: &Request<'_>, filter: &NameFilter) -> Result<Walk> {
    let mut finder = Finder { request, filter, found: BTreeMap::new(), waiting: BTreeSet::new(), refused: BTreeMap::new() };
    let mut unmatched = Vec::new();
    for pattern in request.patterns {
        let lower = pattern.to_ascii_lowercase();
        if pattern.contains('\0') || NOT_FILES.iter().any(|start| lower.starts_with(start)) {
            return Err(Error::new("mk::discover::pattern", format!("'{}' names no file", pattern.escape_debug()))
                .hint("sources are files, folders or globs on this machine")
                .exit(Exit::Usage));
        }
        if !finder.pattern(pattern)? {
            unmatched.push(pattern.clone());
        }
    }
    let Finder { found, waiting, refused, .. } = finder;
    Ok(Walk {
        candidates: found.into_values().collect(),
        waiting: waiting.into_iter().collect(),
        refused: refused.into_values().collect(),
        unmatched,
    })
}

struct Finder<'a> {
    request: &'a Request<'a>,
    filter: &'a NameFilter,
    found: BTreeMap<String, Candidate>,
    waiting: BTreeSet<String>,
    refused: BTreeMap<String, Rejection>,
}

/// Where one pattern looks.
struct Scope {
    /// The part of the pattern without wildcards, as text that begins names; empty or ending with `/`.
    prefix: String,
    /// Folders, resolved, that a file must lie in once its links are followed.
    roots: Vec<PathBuf>,
    /// Folders already found to lie in them.
    inside: BTreeSet<PathBuf>,
}

impl Finder<'_> {
    /// True when the pattern matches anything.
    fn pattern(&mut self, pattern: &str) -> Result<bool> {
        let mut pattern = pattern;
        while let Some(rest) = pattern.strip_prefix("./") {
            pattern = rest;
        }
        let whole = self.request.folder.join(pattern);
        // A file or folder of exactly that name wins, also when it has brackets in it.
        if let Ok(metadata) = std::fs::metadata(&whole) {
            if metadata.is_dir() {
                let prefix = pattern.trim_end_matches('/');
                let prefix = if matches!(prefix, "" | ".") { String::new() } else { format!("{prefix}/") };
                return Ok(self.folder(&prefix, None, usize::MAX));
            }
            let (folder, own) =
                pattern.rsplit_once('/').map_or(("", pattern), |(_, own)| (&pattern[..pattern.len() - own.len()], own));
            let mut scope = self.scope(folder);
            self.file(&mut scope, own, &whole);
            return Ok(true);
        }
        let wild = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
        let parts: Vec<&str> = pattern.split('/').collect();
        let literal = parts.iter().take_while(|part| !wild(part)).count();
        if literal == parts.len() {
            // The file is not there; perhaps it is on its way under another name.
            return Ok(self.on_its_way(pattern));
        }
        let rest = parts[literal..].join("/");
        let glob = names::glob(&rest, false)?;
        let depth = if rest.contains("**") { usize::MAX } else { parts.len() - literal };
        let prefix: String = parts[..literal].iter().flat_map(|part| [part, "/"]).collect();
        Ok(self.folder(&prefix, Some(&glob), depth))
    }

    fn on_its_way(&mut self, pattern: &str) -> bool {
        let (folder, own) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let entries = std::fs::read_dir(self.request.folder.join(folder)).into_iter().flatten().flatten();
        let mut any = false;
        for entry in entries {
            if entry.file_name().to_str().and_then(names::finished_name) == Some(own) {
                any = true;
                self.waiting.insert(pattern.to_owned());
            }
        }
        any
    }

    fn scope(&self, prefix: &str) -> Scope {
        let base = self.request.folder.join(prefix);
        let roots = [self.request.folder, base.as_path()].iter().filter_map(|root| root.canonicalize().ok()).collect();
        Scope { prefix: prefix.to_owned(), roots, inside: BTreeSet::new() }
    }

    /// Walks a folder; with a glob all that matches it, else all that counts for the kind.
    fn folder(&mut self, prefix: &str, glob: Option<&GlobMatcher>, depth: usize) -> bool {
        let base = self.request.folder.join(prefix);
        if !base.is_dir() {
            return false;
        }
        let mut scope = self.scope(prefix);
        let shown = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_str().is_some_and(names::is_hidden);
        let mut any = false;
        for entry in WalkDir::new(&base).follow_links(true).max_depth(depth).sort_by_file_name().into_iter().filter_entry(shown) {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => {
                    let own = entry.path().strip_prefix(&base).unwrap_or(entry.path());
                    let Some(own) = own.to_str() else {
                        any = true;
                        let name = format!("{prefix}{}", own.to_string_lossy());
                        self.refuse(&name, "mk::discover::name", "the file's name is no UTF-8");
                        continue;
                    };
                    let counts = |own: &str| glob.map_or_else(|| self.filter.file(own), |glob| glob.is_match(own));
                    let counts = counts(own) || names::finished_name(own).is_some_and(counts);
                    if counts {
                        any = true;
                        self.file(&mut scope, own, entry.path());
                    }
                }
                Err(error) => {
                    any = true;
                    let path = error.path().unwrap_or(&base);
                    let own = path.strip_prefix(&base).unwrap_or(path).to_string_lossy();
                    let name = format!("{prefix}{own}");
                    let reason = if error.loop_ancestor().is_some() {
                        "a symbolic link leads back to a folder above it".to_owned()
                    } else {
                        match error.io_error() {
                            Some(cause) => format!("the folder or link cannot be read: {cause}"),
                            None => "the folder or link cannot be read".to_owned(),
                        }
                    };
                    self.refuse(name.trim_end_matches('/'), "mk::discover::unreadable", &reason);
                }
            }
        }
        any
    }

    fn file(&mut self, scope: &mut Scope, own: &str, path: &Path) {
        let name = format!("{}{own}", scope.prefix);
        if let Some(finished) = names::finished_name(&name) {
            self.waiting.insert(finished.to_owned());
            return;
        }
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.refuse(&name, "mk::discover::unreadable", &format!("the file cannot be read: {error}")),
        };
        if !metadata.is_file() {
            // Opening a pipe would wait for ever.
            return self.refuse(&name, "mk::discover::special", "neither a file nor a folder");
        }
        if !scope.contains(path) {
            return self.refuse(&name, "mk::discover::outside", "a symbolic link leads out of the folder of the sources");
        }
        if self.is_young(&metadata) {
            self.waiting.insert(name);
            return;
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.found.insert(name.clone(), Candidate { name, path, stat: Stat::of(&metadata) });
    }

    fn is_young(&self, metadata: &std::fs::Metadata) -> bool {
        let settle = self.request.settle;
        let Ok(modified) = metadata.modified() else { return false };
        match SystemTime::now().duration_since(modified) {
            Ok(age) => age < settle,
            // A clock that is ahead must not hold a file back for ever.
            Err(ahead) => ahead.duration() < settle,
        }
    }

    fn refuse(&mut self, name: &str, code: &'static str, reason: &str) {
        self.refused.entry(name.to_owned()).or_insert_with(|| refused_name(name, code, reason));
    }
}

impl Scope {
    /// True when the file lies in one of the roots, all links followed. Asked once for each folder, and for each link.
    fn contains(&mut self, path: &Path) -> bool {
        let inside = |path: &Path| path.canonicalize().is_ok_and(|path| self.roots.iter().any(|root| path.starts_with(root)));
        if path.is_symlink() {
            return inside(path);
        }
        let Some(parent) = path.parent() else { return inside(path) };
        if self.inside.contains(parent) {
            return true;
        }
        let is_inside = inside(parent);
        if is_inside {
            self.inside.insert(parent.to_owned());
        }
        is_inside
    }
}
