//! A unit's result: one ZIP file with stored entries and an index of their digests.
//!
//! Any ZIP tool opens it. The same entries in the same order give the same bytes: no times, no attributes of the machine.

mod container;

use super::Digest;
use crate::error::{Error, Place, Result};
use container::{Reader, Writer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const INDEX: &str = "index.json";

/// Size and digest of one entry of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of the entry's bytes.
    pub digest: Digest,
}

/// Writes a pack, entry by entry.
pub struct PackWriter {
    path: PathBuf,
    zip: Writer,
    index: BTreeMap<String, Entry>,
}

impl PackWriter {
    /// Creates the file at `path`, replacing what is there.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| failed(path, "cannot create the pack", error))?;
        Ok(Self { path: path.to_owned(), zip: Writer::new(file), index: BTreeMap::new() })
    }
    /// Adds one entry; names are unique within a pack.
    ///
    /// # Errors
    /// When the name was used already, or the file cannot be written.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let entry = Entry { size: bytes.len() as u64, digest: Digest::of(bytes) };
        if name == INDEX || self.index.insert(name.to_owned(), entry).is_some() {
            return Err(Error::new("mk::io::pack", format!("a pack has two entries named {name}")));
        }
        self.zip.add(name, bytes).map_err(|error| failed(&self.path, "cannot write the pack", error))
    }
    /// Adds an entry as another pack has it: its bytes are copied, and neither summed up nor digested again.
    ///
    /// # Errors
    /// When the name was used already, the other pack has no such entry, or a file cannot be read or written.
    pub fn take_over(&mut self, name: &str, from: &mut Pack) -> Result<()> {
        let missing = || Error::new("mk::io::pack", format!("no entry {name} in the pack"));
        let entry = *from.index.get(name).ok_or_else(missing)?;
        if name == INDEX || self.index.insert(name.to_owned(), entry).is_some() {
            return Err(Error::new("mk::io::pack", format!("a pack has two entries named {name}")));
        }
        self.zip.take_over(name, &from.zip).map_err(|error| failed(&self.path, "cannot write the pack", error))
    }
    /// Writes the index and closes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> Result<PathBuf> {
        let path = self.path.clone();
        self.finish_with_digest().map(|_| path)
    }
    /// As [`PackWriter::finish`], with the digest of the index. It holds those of all entries, and so tells packs apart as one of all
    /// their bytes would, which would have to be read again for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish_with_digest(mut self) -> Result<Digest> {
        let index = serde_json::to_vec(&self.index).map_err(|error| failed(&self.path, "cannot write the pack", error))?;
        let written = self.zip.add(INDEX, &index).and_then(|()| self.zip.finish());
        written.map_err(|error| failed(&self.path, "cannot write the pack", error))?;
        Ok(Digest::of(&index))
    }
}

/// A pack opened for reading.
#[derive(Clone)]
pub struct Pack {
    path: PathBuf,
    zip: Reader,
    index: Arc<BTreeMap<String, Entry>>,
}

/// Packs that were opened last, with what tells that a file is still the same. Each unit of a stage opens those that it reads from, and
/// a directory of many thousand entries takes longer to read than most of what is then read by it.
static LAST: Mutex<VecDeque<(Seen, Pack)>> = Mutex::new(VecDeque::new());
/// How many of them are held.
const HELD_OPEN: usize = 4;
/// Entries of a pack that is worth it.
const MANY: usize = 256;

/// Device, inode, length, and time of the last change of a file.
type Seen = (u64, u64, u64, i64, i64);

fn seen(file: &File) -> std::io::Result<Seen> {
    let about = file.metadata()?;
    Ok((about.dev(), about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}

impl Pack {
    /// Opens a pack and reads its index.
    ///
    /// # Errors
    /// When the file cannot be read or is no pack.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| failed(path, "cannot open the pack", error))?;
        let seen = seen(&file).map_err(|error| failed(path, "cannot open the pack", error))?;
        let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pack)) = last().iter().find(|(known, _)| *known == seen) {
            return Ok(Self { path: path.to_owned(), ..pack.clone() });
        }
        let zip = Reader::new(file).map_err(|error| failed(path, "not a pack", error))?;
        let bytes = read_entry(&zip, path, INDEX)?;
        let index: BTreeMap<String, Entry> = serde_json::from_slice(&bytes).map_err(|error| failed(path, "not a pack", error))?;
        let pack = Self { path: path.to_owned(), zip, index: Arc::new(index) };
        if pack.index.len() >= MANY {
            let mut last = last();
            last.truncate(HELD_OPEN - 1);
            last.push_front((seen, pack.clone()));
        }
        Ok(pack)
    }
    /// True when the file is the pack with this digest (see [`PackWriter::finish_with_digest`]) and each entry has the bytes that it
    /// was written with.
    pub fn is_whole(path: &Path, digest: Digest) -> bool {
        let Ok(mut pack) = Self::open(path) else { return false };
        let index = Arc::clone(&pack.index);
        serde_json::to_vec(&*index).is_ok_and(|index| Digest::of(&index) == digest)
            && index.iter().all(|(name, entry)| pack.read(name).is_ok_and(|bytes| Digest::of(&bytes) == entry.digest))
    }
    /// The entries by name, with size and digest.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.index
    }
    /// The bytes of one entry.
    ///
    /// # Errors
    /// When there is no such entry, or it cannot be read.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        read_entry(&self.zip, &self.path, name)
    }
}

/// The entries of a pack, for whoever reads many of them and does not ask for sizes and digests: the index takes longer to read than the
/// directory of the file.
pub struct PackEntries {
    path: PathBuf,
    zip: Reader,
}

impl PackEntries {
    /// Opens a pack without reading its index.
    ///
    /// # Errors
    /// When the file cannot be read or is no pack.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| failed(path, "cannot open the pack", error))?;
        let zip = Reader::new(file).map_err(|error| failed(path, "not a pack", error))?;
        Ok(Self { path: path.to_owned(), zip })
    }
    /// The names of the entries, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.zip.names().filter(|name| *name != INDEX)
    }
    /// Puts the bytes of an entry into a buffer from a place on, which grows where it must; says how many they are.
    ///
    /// # Errors
    /// When there is no such entry, or it cannot be read.
    pub fn read_into(&self, name: &str, buffer: &mut Vec<u8>, at: usize) -> Result<usize> {
        self.zip.read_into(name, buffer, at).map_err(|error| unread(&self.path, name, error))
    }
}

fn unread(path: &Path, name: &str, error: std::io::Error) -> Error {
    failed(path, &format!("cannot read the entry {name} of the pack"), error)
}

fn read_entry(zip: &Reader, path: &Path, name: &str) -> Result<Vec<u8>> {
    zip.read(name).map_err(|error| unread(path, name, error))
}

fn failed(path: &Path, what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::io::pack", what).at(Place::file(path.display().to_string())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_gives_back_what_was_put_in_and_the_same_bytes_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let mut pack = PackWriter::create(&folder.path().join(name)).unwrap();
            pack.add("a/1", b"one").unwrap();
            pack.add("a/2", b"").unwrap();
            pack.finish().unwrap()
        };
        let (first, second) = (write("x"), write("y"));
        assert_eq!(Digest::of_file(&first).unwrap(), Digest::of_file(&second).unwrap());
        let mut pack = Pack::open(&first).unwrap();
        assert_eq!(pack.read("a/1").unwrap(), b"one");
        assert_eq!(pack.entries()["a/2"].size, 0);
        assert_eq!(pack.entries()["a/1"].digest, Digest::of(b"one"));
        assert!(pack.read("b").is_err());
        let entries = PackEntries::open(&first).unwrap();
        let mut names: Vec<&str> = entries.names().collect();
        names.sort_unstable();
        assert_eq!(names, ["a/1", "a/2"]);
        let mut buffer = b"before".to_vec();
        assert_eq!(
            (entries.read_into("a/1", &mut buffer, 6).unwrap(), entries.read_into("a/2", &mut buffer, 9).unwrap()),
            (3, 0)
        );
        assert_eq!(buffer, b"beforeone");
        assert!(entries.read_into("b", &mut buffer, 0).is_err());
    }

    /// A pack with many entries is remembered, but not when its file has become another.
    #[test]
    fn a_pack_that_is_opened_again_is_read_as_it_is_now() {
        let folder = tempfile::tempdir().unwrap();
        let write = |content: &[u8]| {
            let mut pack = PackWriter::create(&folder.path().join("new")).unwrap();
            (0..MANY).for_each(|number| pack.add(&format!("e/{number}"), content).unwrap());
            crate::io::atomic::rename_unsynced(&pack.finish().unwrap(), &folder.path().join("x")).unwrap();
            Pack::open(&folder.path().join("x")).unwrap()
        };
        let mut first = write(b"one");
        let mut again = Pack::open(&folder.path().join("x")).unwrap();
        assert_eq!((first.read("e/7").unwrap(), again.read("e/9").unwrap()), (b"one".to_vec(), b"one".to_vec()));
        let mut second = write(b"other");
        assert_eq!((first.read("e/7").unwrap(), second.read("e/7").unwrap()), (b"one".to_vec(), b"other".to_vec()));
        assert_eq!(Pack::open(&folder.path().join("x")).unwrap().entries()["e/0"].size, 5);
    }

    /// As if the entries had been added.
    #[test]
    fn entries_that_are_taken_over_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let big: Vec<u8> = (0..3 << 19).map(|index| (index % 251) as u8).collect();
        let create = |name: &str| PackWriter::create(&folder.path().join(name)).unwrap();
        let entries = [("a", &b"one"[..]), ("b", &big[..]), ("c", b""), ("d", b"four")];
        let mut pack = create("x");
        for (name, bytes) in entries {
            pack.add(name, bytes).unwrap();
        }
        let first = folder.path().join("x");
        let told = pack.finish_with_digest().unwrap();
        let (mut from, mut pack) = (Pack::open(&first).unwrap(), create("y"));
        pack.add("a", b"one").unwrap();
        pack.take_over("b", &mut from).unwrap();
        pack.take_over("c", &mut from).unwrap();
        assert!(pack.take_over("e", &mut from).is_err());
        pack.add("d", b"four").unwrap();
        assert!(pack.take_over("d", &mut from).is_err());
        assert_eq!(pack.finish_with_digest().unwrap(), told);
        assert_eq!(Digest::of_file(&first).unwrap(), Digest::of_file(&folder.path().join("y")).unwrap());
    }
}
