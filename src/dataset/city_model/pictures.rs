//! Pictures that a delivery shows on its faces: files beside the city model's file, or members of the same archive.
//!
//! They are inputs of the tiles that show them: who mends a picture gets new tiles, and only those. A name leads to a file within
//! the folder of the city model's file or to nothing: no address, no absolute path, no way up, no link out of it.

use crate::error::{Error, Place, Result};
use crate::io::archive::{Archive, Member, relative};
use crate::io::{Digest, Limits, Source};
use crate::plan::{Input, InputKind};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file.
pub const MAX_BYTES: u64 = 64 << 20;

/// The folder that a file's pictures are relative to, as names of sources have it: up to the last part.
pub fn folder(source: &str) -> &str {
    source.rfind(['/', '!']).map_or("", |at| &source[..=at])
}

/// The name of a picture as a source; `None` for a name that leads elsewhere.
pub fn name(folder: &str, picture: &str) -> Option<String> {
    // A colon: `http://...`, `file:...`, `C:\\...`.
    relative(picture).ok().filter(|path| !path.contains(':') && !path.ends_with('/')).map(|path| format!("{folder}{path}"))
}

/// Members of archives, each archive looked into once.
#[derive(Default)]
pub struct Archives(BTreeMap<PathBuf, BTreeMap<String, Member>>);

impl Archives {
    /// A member; `None` when there is none of that name, or the archive cannot be read, which the city model in it tells.
    fn member(&mut self, path: &Path, name: &str) -> Option<&Member> {
        let members = self.0.entry(path.to_owned()).or_insert_with(|| {
            let archive = Archive::open(path, Limits::default());
            let named = |member: &Member| (member.name.clone(), member.clone());
            archive.map(|archive| archive.members().iter().map(named).collect()).unwrap_or_default()
        });
        members.get(name)
    }

    /// The bytes of a picture; they are those that were planned with.
    ///
    /// # Errors
    /// When it cannot be read, or has changed since.
    pub fn bytes(&mut self, input: &Input) -> Result<Vec<u8>> {
        let source =
            Source { name: input.name.clone(), path: input.path.clone(), member: None, size: input.size, digest: input.digest };
        let bytes = match &input.member {
            None => source.bytes(limits())?,
            Some(name) => {
                let gone =
                    || Error::new("mk::archive::missing", "the archive has no such member any more").at(Place::file(&input.name));
                read(self.member(&input.path, name).ok_or_else(gone)?, &input.path, &input.name)?
            }
        };
        if Digest::of(&bytes) != input.digest {
            return Err(Error::new("mk::run::input", "the picture has changed since the plan").at(Place::file(&input.name)));
        }
        Ok(bytes)
    }
}

fn limits() -> Limits {
    Limits { max_bytes: MAX_BYTES, ..Limits::default() }
}

fn read(member: &Member, path: &Path, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = member.reader(path, limits())?.read_to_end(&mut bytes);
    read.map_err(|error| crate::io::source::read_error(name, &error))?;
    Ok(bytes)
}

/// Finds pictures, each once.
#[derive(Default)]
pub struct Finder {
    archives: Archives,
    /// What is to be looked for, by its name: the file, and the member of it.
    wanted: BTreeMap<String, Wanted>,
}

enum Wanted {
    File(PathBuf),
    Member(PathBuf, Member),
}

impl Finder {
    /// Notes a picture of a city model's file and gives its name, under which [`Finder::inputs`] has it if it is there.
    pub fn want(&mut self, source: &Source, picture: &str) -> Option<String> {
        let name = name(folder(&source.name), picture)?;
        if self.wanted.contains_key(&name) {
            return Some(name);
        }
        let path = relative(picture).ok()?;
        // An address may write a blank as `%20`; a file may be named so.
        let spellings = [unescaped(&path).and_then(|path| relative(&path).ok()), Some(path)];
        let found = spellings.into_iter().flatten().find_map(|path| match &source.member {
            Some(own) => {
                let member = format!("{}{path}", folder(own));
                self.archives.member(&source.path, &member).map(|member| Wanted::Member(source.path.clone(), member.clone()))
            }
            None => within(source.path.parent()?, &path).map(Wanted::File),
        })?;
        self.wanted.insert(name.clone(), found);
        Some(name)
    }

    /// The pictures that are there, by name, with their content. One that is too large or cannot be read is left out, as if it
    /// were not there.
    pub fn inputs(self) -> BTreeMap<String, Input> {
        let found: Vec<Option<(String, Input)>> =
            self.wanted.into_par_iter().map(|(name, wanted)| Some((name.clone(), input(name, wanted)?))).collect();
        found.into_iter().flatten().collect()
    }
}

fn input(name: String, wanted: Wanted) -> Option<Input> {
    let (path, member, size, digest) = match wanted {
        Wanted::File(path) => {
            path.metadata().ok().filter(|metadata| metadata.len() <= MAX_BYTES)?;
            let source = Source::of_file(&path, &name).ok()?;
            (path, None, source.size, source.digest)
        }
        Wanted::Member(path, member) => {
            let bytes = (member.size <= MAX_BYTES).then(|| read(&member, &path, &name))?.ok()?;
            (path, Some(member.name), bytes.len() as u64, Digest::of(&bytes))
        }
    };
    Some(Input { kind: InputKind::Source, name, path, member, size, digest })
}

/// The file of a relative path that lies within a folder, also behind links.
fn within(folder: &Path, path: &str) -> Option<PathBuf> {
    let file = folder.join(path);
    let real = file.canonicalize().ok()?;
    (real.is_file() && real.starts_with(folder.canonicalize().ok()?)).then_some(file)
}

/// A path with `%20` and the like written out; `None` where there is none, or what it gives is no text.
fn unescaped(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut bytes = path.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let digits = || bytes.clone().next().zip(bytes.clone().nth(1));
        let value = |digit: u8| char::from(digit).to_digit(16);
        match digits().filter(|_| byte == b'%').and_then(|(high, low)| Some(value(high)? * 16 + value(low)?)) {
            Some(code) => {
                out.push(code as u8);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn names_lead_into_the_folder_or_nowhere() {
        assert_eq!(folder("in/lod2/a.gml"), "in/lod2/");
        assert_eq!(folder("in/a.zip!b.gml"), "in/a.zip!");
        assert_eq!(folder("in/a.zip!x/b.gml"), "in/a.zip!x/");
        assert_eq!(folder("a.gml"), "");
        assert_eq!(name("in/", "appearance\\a.jpg").as_deref(), Some("in/appearance/a.jpg"));
        assert_eq!(name("in/", "./x/a b.jpg").as_deref(), Some("in/x/a b.jpg"));
        let refused = [
            "../a.jpg",
            "x/../../a.jpg",
            "/etc/passwd",
            "\\\\host\\a.jpg",
            "C:\\a.jpg",
            "http://host/a.jpg",
            "file:a.jpg",
            "data:x",
            "",
            "x/",
            "a\nb",
        ];
        for picture in refused {
            assert_eq!(name("in/", picture), None, "{picture}");
        }
        assert_eq!(unescaped("a%20b%C3%A4%zz%2").as_deref(), Some("a bä%zz%2"));
    }

    #[test]
    fn pictures_beside_a_file_and_in_its_archive_are_inputs_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("in/app")).unwrap();
        for (path, bytes) in [("in/a.gml", "gml"), ("in/app/one two.jpg", "1"), ("in/app/raw%20.jpg", "2"), ("secret.jpg", "3")] {
            std::fs::write(root.join(path), bytes).unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret.jpg"), root.join("in/app/link.jpg")).unwrap();
        let source = Source::of_file(&root.join("in/a.gml"), "in/a.gml").unwrap();
        let names = |source: &Source| {
            let mut finder = Finder::default();
            for picture in [
                "app/one%20two.jpg",
                "app/raw%20.jpg",
                "app/link.jpg",
                "../secret.jpg",
                "%2e%2e/secret.jpg",
                "app",
                "app/none.jpg",
            ] {
                let _ = finder.want(source, picture);
            }
            finder.inputs()
        };
        let found = names(&source);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["in/app/one%20two.jpg", "in/app/raw%20.jpg"]);
        assert_eq!(Archives::default().bytes(&found["in/app/one%20two.jpg"]).unwrap(), b"1");
        assert_eq!(found["in/app/one%20two.jpg"].digest, Digest::of(b"1"));

        let path = root.join("in/b.zip");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, bytes) in [("gml/a.gml", "gml"), ("gml/app/one two.jpg", "4"), ("app/raw%20.jpg", "5")] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        let name = "in/b.zip!gml/a.gml".to_owned();
        let member = Source { name, path, member: Some("gml/a.gml".to_owned()), size: 3, digest: Digest::of(b"gml") };
        let found = names(&member);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["in/b.zip!gml/app/one%20two.jpg"]);
        let input = found.values().next().unwrap();
        assert_eq!(Archives::default().bytes(input).unwrap(), b"4");
        let changed = Input { digest: Digest::of(b"5"), ..input.clone() };
        assert_eq!(Archives::default().bytes(&changed).unwrap_err().code(), "mk::run::input");
    }
}
