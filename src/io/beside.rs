//! What lies beside a file and belongs to it: a world file beside an image, the tables beside a shape file.
//!
//! It is an input of the file's unit: who mends it gets a new result. A member of an archive has it beside it in the archive.

use super::Digest;
use super::archive::Archive;
use super::source::{Limits, Source, read_error};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Finds what lies beside files.
#[derive(Default)]
pub struct Finder {
    /// Names of the members by archive; nothing for one that cannot be read, which its own member will tell.
    archives: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Names of the files by folder: a look at each for every possible name would be ten for an image.
    folders: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Finder {
    /// The files beside a source that `names` gives for its own name, in that order.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    pub fn of(&mut self, main: &Source, names: impl Fn(&str) -> Vec<String>) -> Result<Vec<Source>> {
        let mut found = Vec::new();
        if let Some(member) = &main.member {
            let members = self.archives.entry(main.path.clone()).or_insert_with(|| {
                let archive = Archive::open(&main.path, Limits::default());
                archive.map(|archive| archive.members().iter().map(|member| member.name.clone()).collect()).unwrap_or_default()
            });
            for name in names(member).into_iter().filter(|name| members.contains(name)) {
                let shown =
                    main.name.strip_suffix(member.as_str()).map_or_else(|| name.clone(), |archive| format!("{archive}{name}"));
                let (path, digest) = (main.path.clone(), main.digest);
                let mut source = Source { name: shown, path, member: Some(name), size: 0, digest };
                let content = Digest::of_reader(source.reader(Limits::default())?);
                (source.digest, source.size) = content.map_err(|error| read_error(&source.name, &error))?;
                found.push(source);
            }
            return Ok(found);
        }
        let Some(own) = main.path.file_name().and_then(|name| name.to_str()) else { return Ok(found) };
        let folder = main.path.parent().unwrap_or(Path::new("")).to_owned();
        let there = self.folders.entry(folder).or_insert_with_key(|folder| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
        });
        for name in names(own).into_iter().filter(|name| there.contains(name)) {
            let path = main.path.with_file_name(&name);
            if path.is_file() {
                let folder = main.name.strip_suffix(own).unwrap_or_default();
                found.push(Source::of_file(&path, &format!("{folder}{name}"))?);
            }
        }
        Ok(found)
    }
}
