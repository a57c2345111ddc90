//! A unit's result: one ZIP file with stored entries and an index of their digests.
//!
//! Any ZIP tool opens it. The same entries in the same order give the same bytes: no times, no attributes of the machine.

use super::Digest;
use crate::error::{Error, Place, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

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
    zip: ZipWriter<Held>,
    index: BTreeMap<String, Entry>,
}

impl PackWriter {
    /// Creates the file at `path`, replacing what is there.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| failed(path, "cannot create the pack", error))?;
        Ok(Self { path: path.to_owned(), zip: ZipWriter::new(Held::new(file)), index: BTreeMap::new() })
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
        self.write(name, bytes)
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
        let number = from.zip.index_for_name(name).ok_or_else(missing)?;
        let copied = from.zip.by_index_raw(number).and_then(|entry| self.zip.raw_copy_file(entry));
        copied.map_err(|error| failed(&self.path, "cannot write the pack", error))
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
        self.write(INDEX, &index)?;
        let mut file = self.zip.finish().map_err(|error| failed(&self.path, "cannot write the pack", error))?;
        file.flush().map_err(|error| failed(&self.path, "cannot write the pack", error))?;
        Ok(Digest::of(&index))
    }
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644)
            .large_file(bytes.len() as u64 >= u64::from(u32::MAX));
        self.zip.start_file(name, options).map_err(|error| failed(&self.path, "cannot write the pack", error))?;
        self.zip.write_all(bytes).map_err(|error| failed(&self.path, "cannot write the pack", error))
    }
}

/// A pack opened for reading. A copy reads on its own.
#[derive(Clone)]
pub struct Pack {
    path: PathBuf,
    zip: ZipArchive<Windowed>,
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
        let mut zip =
            Windowed::new(file).and_then(|file| Ok(ZipArchive::new(file)?)).map_err(|error| failed(path, "not a pack", error))?;
        let bytes = read_entry(&mut zip, path, INDEX)?;
        let index: BTreeMap<String, Entry> = serde_json::from_slice(&bytes).map_err(|error| failed(path, "not a pack", error))?;
        let pack = Self { path: path.to_owned(), zip, index: Arc::new(index) };
        if pack.index.len() >= MANY {
            let mut last = last();
            last.truncate(HELD_OPEN - 1);
            last.push_front((seen, pack.clone()));
        }
        Ok(pack)
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
        read_entry(&mut self.zip, &self.path, name)
    }
}

fn read_entry(zip: &mut ZipArchive<Windowed>, path: &Path, name: &str) -> Result<Vec<u8>> {
    let mut entry = zip.by_name(name).map_err(|error| failed(path, &format!("no entry {name} in the pack"), error))?;
    let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
    entry.read_to_end(&mut bytes).map_err(|error| failed(path, "cannot read the pack", error))?;
    Ok(bytes)
}

fn failed(path: &Path, what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::io::pack", what).at(Place::file(path.display().to_string())).because(cause)
}

/// A file whose last bytes are held back. The writer of ZIP files goes back to the header of each entry when it knows the entry's sum,
/// for which a `BufWriter` would ask the system five times for each entry.
struct Held {
    file: File,
    /// Bytes at `from`, not written yet.
    bytes: Vec<u8>,
    from: u64,
    position: u64,
    /// Of the file, with what is held.
    length: u64,
}

const HELD: usize = 1 << 20;

impl Held {
    fn new(file: File) -> Self {
        Self { file, bytes: Vec::new(), from: 0, position: 0, length: 0 }
    }

    /// Writes what is held, and goes on holding at another place.
    fn settle(&mut self, position: u64) -> std::io::Result<()> {
        self.file.write_all_at(&self.bytes, self.from)?;
        self.bytes.clear();
        (self.from, self.position) = (position, position);
        Ok(())
    }
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() >= HELD {
            self.settle(self.position)?;
        }
        let at = (self.position - self.from) as usize;
        let (over, beyond) = bytes.split_at(bytes.len().min(self.bytes.len() - at));
        self.bytes[at..at + over.len()].copy_from_slice(over);
        self.bytes.extend_from_slice(beyond);
        self.position += bytes.len() as u64;
        self.length = self.length.max(self.position);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.settle(self.position)
    }
}

impl Seek for Held {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let place = place(to, self.position, self.length)?;
        if (self.from..=self.from + self.bytes.len() as u64).contains(&place) {
            self.position = place;
        } else {
            self.settle(place)?;
        }
        Ok(place)
    }
}

/// The place in a file that a seek goes to.
fn place(to: SeekFrom, position: u64, length: u64) -> std::io::Result<u64> {
    let place = match to {
        SeekFrom::Start(place) => Some(place),
        SeekFrom::End(offset) => length.checked_add_signed(offset),
        SeekFrom::Current(offset) => position.checked_add_signed(offset),
    };
    place.ok_or_else(|| std::io::ErrorKind::InvalidInput.into())
}

/// A file read through a window of its bytes. The directory of a ZIP file is read in small steps with a seek before each, for which
/// a `BufReader` would ask the system, and forget what it has, every time.
#[derive(Clone)]
struct Windowed {
    file: Arc<File>,
    length: u64,
    position: u64,
    /// Bytes from `from` on.
    window: Vec<u8>,
    from: u64,
}

const WINDOW: usize = 64 << 10;

impl Windowed {
    fn new(file: File) -> std::io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length, position: 0, window: Vec::new(), from: 0 })
    }
}

impl Read for Windowed {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if out.len() >= WINDOW {
            let count = self.file.read_at(out, self.position)?;
            self.position += count as u64;
            return Ok(count);
        }
        let held = self.from..self.from + self.window.len() as u64;
        if !held.contains(&self.position) {
            self.from = self.position;
            self.window.resize(WINDOW, 0);
            let count = self.file.read_at(&mut self.window, self.from)?;
            self.window.truncate(count);
        }
        let rest = &self.window[(self.position - self.from) as usize..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Windowed {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = place(to, self.position, self.length)?;
        Ok(self.position)
    }
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
        let big: Vec<u8> = (0..3 * HELD / 2).map(|index| (index % 251) as u8).collect();
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

    proptest::proptest! {
        #[test]
        fn what_is_held_back_reaches_the_file(steps in proptest::collection::vec((0_u8..4, 0_usize..3 * HELD / 2), 1..12)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x");
            let mut held = Held::new(File::create(&path).unwrap());
            let mut twin = std::io::Cursor::new(Vec::new());
            for (number, (kind, size)) in steps.into_iter().enumerate() {
                let length = twin.get_ref().len();
                let to = match kind {
                    0 => SeekFrom::Start((size % (length + 1)) as u64),
                    1 => SeekFrom::End(-((size % (length + 1)) as i64)),
                    _ => SeekFrom::Current(0),
                };
                proptest::prop_assert_eq!(held.seek(to).unwrap(), twin.seek(to).unwrap());
                let bytes = vec![number as u8; size];
                held.write_all(&bytes).unwrap();
                twin.write_all(&bytes).unwrap();
            }
            held.flush().unwrap();
            proptest::prop_assert!(std::fs::read(&path).unwrap() == *twin.get_ref());
            proptest::prop_assert!(held.seek(SeekFrom::Current(-(4 * HELD as i64 * 12))).is_err());
        }
    }

    #[test]
    fn entries_larger_than_the_window_are_read_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut pack = PackWriter::create(&folder.path().join("x")).unwrap();
        let bytes = |seed: usize| -> Vec<u8> { (0..seed * WINDOW / 3).map(|index| (index * seed % 251) as u8).collect() };
        (0..9).for_each(|seed| pack.add(&seed.to_string(), &bytes(seed)).unwrap());
        let mut pack = Pack::open(&pack.finish().unwrap()).unwrap();
        for seed in [8, 0, 4, 4, 7, 1, 2] {
            assert_eq!(pack.read(&seed.to_string()).unwrap(), bytes(seed));
        }
    }
}
