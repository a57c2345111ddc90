//! The ZIP file that a pack is (APPNOTE 6.3.10): entries that are stored as they are, one after the other, and a directory at the end.
//!
//! A general writer of ZIP files goes back to the header of each entry when it knows the entry's sum, and a general reader asks for the
//! header of each. Here sizes and sums are known before, and entries that another pack has are copied by the system in stretches, as
//! they lie side by side there.

use ahash::RandomState;
use flate2::Crc;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of the header of an entry before its name (4.3.7), of one in the directory (4.3.12), and of what ends the file (4.3.16).
const LOCAL: usize = 30;
const CENTRAL: usize = 46;
const END: usize = 22;
/// Bytes of the end for large files (4.3.14) and of what tells where that lies (4.3.15).
const LARGE_END: usize = 56;
const LOCATOR: usize = 20;
/// A number that stands elsewhere, where there is room for it (4.4.1.4).
const ELSEWHERE: u32 = u32::MAX;
/// Versions of the format that a reader has to know: for stored entries, and for large ones (4.4.3.2).
const PLAIN: u16 = 10;
const LARGE: u16 = 45;
/// 1 January 1980, the first day that the format knows: nothing is said of when an entry was written.
const DATE: u16 = 0x21;
/// A file that its owner writes and all read, as Unix says it (4.4.15).
const MODE: u32 = 0o100_644 << 16;
/// Bytes that are held back before they are written: few enough to be near the processor still, and to cost no new memory.
const HELD: usize = 1 << 17;

/// Where an entry lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of its header.
    begin: u64,
    size: u64,
    sum: u32,
}

impl Place {
    /// Whether the bytes are those that were written.
    fn check(&self, bytes: &[u8]) -> Result<()> {
        let mut sum = Crc::new();
        sum.update(bytes);
        if sum.sum() == self.sum { Ok(()) } else { Err(Error::other("the bytes of an entry are not those that were written")) }
    }
}

fn is_large(size: u64) -> bool {
    size >= u64::from(ELSEWHERE)
}

/// A number of four bytes, where it has room there.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(ELSEWHERE)
}

fn put(bytes: &mut Vec<u8>, halves: &[u16]) {
    bytes.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
}

fn put_words(bytes: &mut Vec<u8>, words: &[u32]) {
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn put_longs(bytes: &mut Vec<u8>, longs: &[u64]) {
    bytes.extend(longs.iter().flat_map(|long| long.to_le_bytes()));
}

/// What the header of an entry and the directory both say, up to the length of the name.
fn put_about(bytes: &mut Vec<u8>, name: &str, place: Place, is_large: bool) {
    // Bit 11: a name in UTF-8.
    let flags = if name.is_ascii() { 0 } else { 1 << 11 };
    put(bytes, &[if is_large { LARGE } else { PLAIN }, flags, 0, 0, DATE]);
    let size = short(place.size);
    put_words(bytes, &[place.sum, size, size]);
    put(bytes, &[name.len() as u16]);
}

/// Numbers that have no room in their places (4.5.3).
fn put_long(bytes: &mut Vec<u8>, values: &[u64]) {
    put(bytes, &[1, 8 * values.len() as u16]);
    put_longs(bytes, values);
}

/// Writes entries one after the other.
pub struct Writer {
    file: File,
    /// Of the file, with what is held back and what is to be copied.
    length: u64,
    held: Vec<u8>,
    copy: Option<Stretch>,
    directory: Vec<u8>,
    count: u64,
}

/// Bytes of another file that are to be copied.
struct Stretch {
    from: Arc<File>,
    begin: u64,
    end: u64,
}

impl Writer {
    /// For an empty file.
    pub fn new(file: File) -> Self {
        Self { file, length: 0, held: Vec::with_capacity(HELD), copy: None, directory: Vec::new(), count: 0 }
    }

    /// Adds an entry.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut sum = Crc::new();
        sum.update(bytes);
        let place = Place { begin: self.length, size: bytes.len() as u64, sum: sum.sum() };
        let mut header = b"PK\x03\x04".to_vec();
        put_about(&mut header, name, place, is_large(place.size));
        put(&mut header, &[if is_large(place.size) { 20 } else { 0 }]);
        header.extend_from_slice(name.as_bytes());
        if is_large(place.size) {
            put_long(&mut header, &[place.size, place.size]);
        }
        self.settle()?;
        self.put(&header)?;
        self.put(bytes)?;
        self.note(name, place)
    }

    /// Adds an entry as another file has it.
    pub fn take_over(&mut self, name: &str, from: &Reader) -> Result<()> {
        let (place, data) = from.place(name)?;
        let end = data + place.size;
        match &mut self.copy {
            Some(copy) if Arc::ptr_eq(&copy.from, &from.file) && copy.end == place.begin => copy.end = end,
            _ => {
                self.settle()?;
                self.copy = Some(Stretch { from: Arc::clone(&from.file), begin: place.begin, end });
            }
        }
        let begin = self.length;
        self.length += end - place.begin;
        self.note(name, Place { begin, ..place })
    }

    /// Writes the directory.
    pub fn finish(mut self) -> Result<()> {
        self.settle()?;
        let (begin, directory) = (self.length, std::mem::take(&mut self.directory));
        self.put(&directory)?;
        let mut end = Vec::with_capacity(LARGE_END + LOCATOR + END);
        let size = directory.len() as u64;
        if self.count >= u64::from(u16::MAX) || is_large(size) || is_large(begin) {
            end.extend_from_slice(b"PK\x06\x06");
            end.extend_from_slice(&(LARGE_END as u64 - 12).to_le_bytes());
            put(&mut end, &[3 << 8 | LARGE, LARGE]);
            end.extend_from_slice(&[0; 8]);
            put_longs(&mut end, &[self.count, self.count, size, begin]);
            end.extend_from_slice(b"PK\x06\x07\0\0\0\0");
            put_longs(&mut end, &[self.length]);
            put_words(&mut end, &[1]);
        }
        end.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        put(&mut end, &[count, count]);
        put_words(&mut end, &[short(size), short(begin)]);
        put(&mut end, &[0]);
        self.put(&end)?;
        self.flush()
    }

    /// Adds a line to the directory.
    fn note(&mut self, name: &str, place: Place) -> Result<()> {
        if name.len() > usize::from(u16::MAX) {
            return Err(Error::other("the name of an entry is too long"));
        }
        let mut long = Vec::new();
        if is_large(place.size) {
            long.extend([place.size, place.size]);
        }
        if is_large(place.begin) {
            long.push(place.begin);
        }
        let out = &mut self.directory;
        out.extend_from_slice(b"PK\x01\x02");
        put(out, &[3 << 8 | if long.is_empty() { PLAIN } else { LARGE }]);
        put_about(out, name, place, !long.is_empty());
        put(out, &[if long.is_empty() { 0 } else { 4 + 8 * long.len() as u16 }, 0, 0, 0]);
        put_words(out, &[MODE, short(place.begin)]);
        out.extend_from_slice(name.as_bytes());
        if !long.is_empty() {
            put_long(out, &long);
        }
        self.count += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.held.len() + bytes.len() > HELD {
            self.flush()?;
        }
        if bytes.len() > HELD {
            self.file.write_all_at(bytes, self.length)?;
        } else {
            self.held.extend_from_slice(bytes);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all_at(&self.held, self.length - self.held.len() as u64)?;
        self.held.clear();
        Ok(())
    }

    /// Copies what is to be copied.
    fn settle(&mut self) -> Result<()> {
        let Some(Stretch { from, mut begin, end }) = self.copy.take() else { return Ok(()) };
        let mut at = self.length - (end - begin);
        self.file.write_all_at(&self.held, at - self.held.len() as u64)?;
        self.held.clear();
        while begin < end {
            let rest = usize::try_from(end - begin).unwrap_or(usize::MAX);
            let copied = rustix::fs::copy_file_range(&*from, Some(&mut begin), &self.file, Some(&mut at), rest);
            if copied.is_ok_and(|count| count > 0) {
                continue;
            }
            // Not every file system can.
            let mut bytes = vec![0; rest.min(HELD)];
            from.read_exact_at(&mut bytes, begin)?;
            self.file.write_all_at(&bytes, at)?;
            (begin, at) = (begin + bytes.len() as u64, at + bytes.len() as u64);
        }
        Ok(())
    }
}

/// Reads entries by their names.
#[derive(Clone)]
pub struct Reader {
    file: Arc<File>,
    length: u64,
    places: Arc<HashMap<String, Place, RandomState>>,
}

impl Reader {
    /// Reads the directory.
    pub fn new(file: File) -> Result<Self> {
        let length = file.metadata()?.len();
        let last = |count: usize| -> Result<Vec<u8>> {
            let at = length.checked_sub(count as u64).ok_or_else(broken)?;
            read(&file, at, count)
        };
        let end = last(END)?;
        let [count, size, begin] = [u64::from(half(&end, 10)?), word(&end, 12)?.into(), word(&end, 16)?.into()];
        if !end.starts_with(b"PK\x05\x06") {
            return Err(broken());
        }
        let is_elsewhere = count == u64::from(u16::MAX) || size == u64::from(ELSEWHERE) || begin == u64::from(ELSEWHERE);
        let [size, begin] = if is_elsewhere && length >= (END + LOCATOR) as u64 {
            let locator = last(END + LOCATOR)?;
            if !locator.starts_with(b"PK\x06\x07") {
                return Err(broken());
            }
            let end = read(&file, long(&locator, 8)?, LARGE_END)?;
            if !end.starts_with(b"PK\x06\x06") {
                return Err(broken());
            }
            [long(&end, 40)?, long(&end, 48)?]
        } else {
            [size, begin]
        };
        if begin.checked_add(size).is_none_or(|end| end > length) {
            return Err(broken());
        }
        let directory = read(&file, begin, usize::try_from(size).map_err(Error::other)?)?;
        let mut places = HashMap::default();
        let mut rest = &directory[..];
        while !rest.is_empty() {
            let (name, place, more) = line(rest)?;
            places.insert(name, place);
            rest = more;
        }
        Ok(Self { file: Arc::new(file), length, places: Arc::new(places) })
    }

    /// The names of the entries, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The bytes of an entry.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let (place, data) = self.place(name)?;
        let bytes = read(&self.file, data, usize::try_from(place.size).map_err(Error::other)?)?;
        place.check(&bytes)?;
        Ok(bytes)
    }

    /// Puts the bytes of an entry into a buffer from a place on, and says how many they are. The buffer grows where it must.
    pub fn read_into(&self, name: &str, buffer: &mut Vec<u8>, at: usize) -> Result<usize> {
        let (place, data) = self.place(name)?;
        let size = usize::try_from(place.size).map_err(Error::other)?;
        if buffer.len() < at + size {
            buffer.resize(at + size, 0);
        }
        let bytes = &mut buffer[at..at + size];
        self.file.read_exact_at(bytes, data)?;
        place.check(bytes)?;
        Ok(size)
    }

    /// Where an entry lies, and where its bytes begin.
    fn place(&self, name: &str) -> Result<(Place, u64)> {
        let place = *self.places.get(name).ok_or_else(|| Error::other(format!("no entry {name}")))?;
        let mut header = [0; LOCAL];
        self.file.read_exact_at(&mut header, place.begin)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(broken());
        }
        let data = place.begin + LOCAL as u64 + u64::from(half(&header, 26)?) + u64::from(half(&header, 28)?);
        let end = data.checked_add(place.size);
        if end.is_some_and(|end| end <= self.length) { Ok((place, data)) } else { Err(broken()) }
    }
}

/// A line of the directory: name and place of an entry; and what comes after it.
fn line(bytes: &[u8]) -> Result<(String, Place, &[u8])> {
    let [method, of_name, of_more, of_comment] = [half(bytes, 10)?, half(bytes, 28)?, half(bytes, 30)?, half(bytes, 32)?];
    if !bytes.starts_with(b"PK\x01\x02") || method != 0 {
        return Err(broken());
    }
    let [of_name, of_more, of_comment] = [of_name, of_more, of_comment].map(usize::from);
    let name = bytes.get(CENTRAL..CENTRAL + of_name).ok_or_else(broken)?;
    let more = bytes.get(CENTRAL + of_name..CENTRAL + of_name + of_more).ok_or_else(broken)?;
    let rest = bytes.get(CENTRAL + of_name + of_more + of_comment..).ok_or_else(broken)?;
    let [mut packed, mut size, mut begin] = [word(bytes, 20)?, word(bytes, 24)?, word(bytes, 42)?].map(u64::from);
    // Numbers that have no room in their places stand here in their order (4.5.3).
    let mut at = 4;
    for value in [&mut size, &mut packed, &mut begin].into_iter().filter(|value| **value == u64::from(ELSEWHERE)) {
        if half(more, 0)? != 1 {
            return Err(broken());
        }
        *value = long(more, at)?;
        at += 8;
    }
    if packed != size {
        return Err(broken());
    }
    let name = String::from_utf8(name.to_vec()).map_err(Error::other)?;
    Ok((name, Place { begin, size, sum: word(bytes, 16)? }, rest))
}

/// So many bytes from a place on, into memory that nothing is written to before.
fn read(file: &File, at: u64, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let from = at + bytes.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), from) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The memory may be larger than was asked for, and then more was read.
    bytes.truncate(count);
    Ok(bytes)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(broken)
}

fn half(bytes: &[u8], at: usize) -> Result<u16> {
    part(bytes, at).map(u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    part(bytes, at).map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Result<u64> {
    part(bytes, at).map(u64::from_le_bytes)
}

fn broken() -> Error {
    Error::other("the directory of the file is broken")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write as _};
    use std::path::Path;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipArchive, ZipWriter};

    fn written(path: &Path, entries: &[(String, Vec<u8>)]) -> Reader {
        let mut writer = Writer::new(File::create(path).unwrap());
        entries.iter().try_for_each(|(name, bytes)| writer.add(name, bytes)).unwrap();
        writer.finish().unwrap();
        Reader::new(File::open(path).unwrap()).unwrap()
    }

    /// What a general reader finds, in the order of the directory.
    fn found(path: &Path) -> Vec<(String, Vec<u8>)> {
        let mut archive = ZipArchive::new(File::open(path).unwrap()).unwrap();
        let count = archive.len();
        let entry = |index: usize| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            // It compares the sum at the end.
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().to_owned(), bytes)
        };
        (0..count).map(entry).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        /// A general writer of ZIP files makes the same bytes: packs that it wrote are read, and keep their sizes.
        #[test]
        fn the_file_is_that_of_a_general_writer(sizes in prop::collection::vec((0_usize..3 * HELD / 2, 0_usize..9), 0..9)) {
            let folder = tempfile::tempdir().unwrap();
            let [ours, theirs, other] = ["ours", "theirs", "other"].map(|name| folder.path().join(name));
            let bytes = |size: usize| (0..size).map(|at| (at % 251) as u8).collect();
            let size = |(size, small): (usize, usize)| if small > 0 { small * 100 } else { size };
            let entries: Vec<(String, Vec<u8>)> =
                sizes.into_iter().enumerate().map(|(index, it)| (format!("e/ä{index}"), bytes(size(it)))).collect();
            let reader = written(&ours, &entries);
            let mut general = ZipWriter::new(File::create(&theirs).unwrap());
            let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            let plain = plain.last_modified_time(zip::DateTime::default()).unix_permissions(0o644);
            for (name, bytes) in &entries {
                general.start_file(name.as_str(), plain).unwrap();
                general.write_all(bytes).unwrap();
            }
            general.finish().unwrap();
            prop_assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap());
            prop_assert!(found(&ours) == entries);
            // Entries that are taken over, in their order and not, between others.
            let mut writer = Writer::new(File::create(&other).unwrap());
            let mut all = Vec::new();
            for (index, (name, bytes)) in entries.iter().enumerate() {
                prop_assert!(reader.read(name).unwrap() == *bytes);
                if index % 4 == 3 {
                    writer.add(&index.to_string(), bytes).unwrap();
                    all.push((index.to_string(), bytes.clone()));
                }
                writer.take_over(name, &reader).unwrap();
                all.push((name.clone(), bytes.clone()));
            }
            writer.add("last", b"last").unwrap();
            all.push(("last".to_owned(), b"last".to_vec()));
            prop_assert!(writer.take_over("none", &reader).is_err());
            writer.finish().unwrap();
            prop_assert!(found(&other) == all);
        }

        /// Whatever is in a file, it is read or refused.
        #[test]
        fn a_broken_file_does_no_harm(changes in prop::collection::vec((0_usize..4000, any::<u8>()), 1..20), cut in 0_usize..60) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            let entries: Vec<_> = (0..9).map(|index| (format!("{index}"), vec![index; 99])).collect();
            written(&path, &entries);
            let mut bytes = std::fs::read(&path).unwrap();
            let length = bytes.len();
            for (at, byte) in changes {
                bytes[at % length] = byte;
            }
            bytes.truncate(length - cut);
            std::fs::write(&path, bytes).unwrap();
            if let Ok(reader) = Reader::new(File::open(&path).unwrap()) {
                for (name, bytes) in &entries {
                    // The sum tells.
                    prop_assert!(reader.read(name).ok().is_none_or(|read| read == *bytes));
                }
            }
        }
    }

    #[test]
    fn more_entries_than_the_directory_has_numbers_for_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let entries: Vec<_> = (0..70_000_u32).map(|index| (index.to_string(), index.to_le_bytes().to_vec())).collect();
        let reader = written(&path, &entries);
        assert!(entries.iter().step_by(997).all(|(name, bytes)| reader.read(name).unwrap() == *bytes));
        assert!(found(&path) == entries);
    }

    /// The file has a hole before its entries.
    #[test]
    fn entries_beyond_four_gigabytes_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["a", "b"].map(|name| folder.path().join(name));
        let mut writer = Writer { length: 5 << 30, ..Writer::new(File::create(&path).unwrap()) };
        let entries: Vec<_> = (0..3_u8).map(|index| (index.to_string(), vec![index; 1000])).collect();
        entries.iter().try_for_each(|(name, bytes)| writer.add(name, bytes)).unwrap();
        writer.finish().unwrap();
        let reader = Reader::new(File::open(&path).unwrap()).unwrap();
        assert!(entries.iter().all(|(name, bytes)| reader.read(name).unwrap() == *bytes));
        assert!(found(&path) == entries);
        let mut writer = Writer::new(File::create(&other).unwrap());
        entries.iter().try_for_each(|(name, _)| writer.take_over(name, &reader)).unwrap();
        writer.finish().unwrap();
        assert!(found(&other) == entries);
    }
}
