//! The structure of a ZIP file (PKWARE APPNOTE 6.3.10): end record, central directory, local headers.
//!
//! Read by ourselves because the checks need what ZIP libraries hide: duplicate names, bytes between members, local headers that
//! say something else than the directory. Unpacking is left to flate2. All offsets are checked before use.

use super::{names, refuse};
use crate::error::Result;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const END_SIZE: u64 = 22;
const LOCATOR64_SIZE: u64 = 20;
const END64_SIZE: u64 = 56;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
/// Largest central directory that is read: 100 000 members with long names.
const MAX_DIRECTORY: u64 = 64 << 20;

/// How a member is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Deflate (RFC 1951).
    Deflated,
}

/// One entry of the central directory, checked by itself.
#[derive(Debug, Clone)]
pub struct Record {
    /// Normalised name; a folder ends with `/`.
    pub name: String,
    raw_name: Vec<u8>,
    flags: u16,
    raw_method: u16,
    /// How it is packed.
    pub method: Method,
    /// CRC-32 of the unpacked bytes.
    pub crc: u32,
    /// Packed size.
    pub packed: u64,
    /// Unpacked size.
    pub size: u64,
    /// Offset of the local header.
    pub header: u64,
}

impl Record {
    /// True for a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// The central directory as raw bytes, with where it lies.
pub struct Directory {
    bytes: Vec<u8>,
    /// Number of records.
    pub count: u64,
    /// Offset of the first byte, where the members end.
    pub start: u64,
}

/// Little-endian fields out of a slice; short slices give an error, not a panic.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        if self.0.len() < count {
            return Err(refuse("truncated", "a header ends before its fields do"));
        }
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        Ok(head)
    }
    fn u16(&mut self) -> Result<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }
    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from(self.u32()?) | u64::from(self.u32()?) << 32)
    }
}

fn read(file: &File, offset: u64, size: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            refuse("truncated", "the archive ends before its members do")
        } else {
            refuse("read", "the archive cannot be read").because(error)
        }
    })?;
    Ok(bytes)
}

impl Directory {
    /// Finds and reads the central directory of a file of `size` bytes.
    pub fn read(file: &File, size: u64, max_entries: u64) -> Result<Self> {
        let (end, fields) = find_end(file, size)?;
        let mut fields = Fields(&fields);
        fields.take(4)?;
        let (disk, start_disk) = (fields.u16()?, fields.u16()?);
        let (on_disk, count) = (fields.u16()?, fields.u16()?);
        let (length, start) = (fields.u32()?, fields.u32()?);
        let small = EndValues {
            disk: disk.into(),
            start_disk: start_disk.into(),
            on_disk: on_disk.into(),
            count: count.into(),
            length: length.into(),
            start: start.into(),
        };
        let (values, directory_end) = match end64(file, end)? {
            Some((large, at)) => (small.completed_by(&large)?, at),
            None => (small, end),
        };
        if values.disk != 0 || values.start_disk != 0 || values.on_disk != values.count {
            return Err(refuse("spanned", "the archive is split over several files"));
        }
        if values.count > max_entries {
            return Err(refuse("entries", format!("the archive claims {} members, more than {max_entries}", values.count)));
        }
        if values.start.checked_add(values.length) != Some(directory_end) {
            return Err(refuse("layout", "the central directory is not where the archive says it is"));
        }
        if values.length > MAX_DIRECTORY || values.length / CENTRAL_SIZE as u64 > max_entries.saturating_mul(64) {
            return Err(refuse("entries", format!("the central directory has {} bytes", values.length)));
        }
        let bytes = read(file, values.start, values.length as usize)?;
        Ok(Self { bytes, count: values.count, start: values.start })
    }
    /// The records, each checked by itself.
    pub fn records(&self) -> Records<'_> {
        Records { fields: Fields(&self.bytes), left: self.count, failed: false }
    }
}

#[derive(Debug, Clone, Copy)]
struct EndValues {
    disk: u64,
    start_disk: u64,
    on_disk: u64,
    count: u64,
    length: u64,
    start: u64,
}

impl EndValues {
    /// Where the small record has its highest value the large one counts; elsewhere they must agree.
    fn completed_by(self, large: &Self) -> Result<Self> {
        let pick = |small: u64, large: u64, limit: u64| {
            if small == limit || small == large {
                Ok(large)
            } else {
                Err(refuse("zip64", "the two end records of the archive contradict each other"))
            }
        };
        let (short, long) = (u64::from(u16::MAX), u64::from(u32::MAX));
        Ok(Self {
            disk: pick(self.disk, large.disk, short)?,
            start_disk: pick(self.start_disk, large.start_disk, short)?,
            on_disk: pick(self.on_disk, large.on_disk, short)?,
            count: pick(self.count, large.count, short)?,
            length: pick(self.length, large.length, long)?,
            start: pick(self.start, large.start, long)?,
        })
    }
}

/// The end record must end the file: what comes behind it, another program might read as another archive.
fn find_end(file: &File, size: u64) -> Result<(u64, Vec<u8>)> {
    if size < END_SIZE {
        return Err(refuse("truncated", "the archive is shorter than the smallest archive"));
    }
    let window = size.min(END_SIZE + u64::from(u16::MAX));
    let base = size - window;
    let tail = read(file, base, window as usize)?;
    let mut exact = Vec::new();
    let mut early = false;
    for at in memchr::memmem::find_iter(&tail, &END.to_le_bytes()) {
        let Some(record) = tail.get(at..at + END_SIZE as usize) else { continue };
        let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
        match (at + END_SIZE as usize + comment).cmp(&tail.len()) {
            std::cmp::Ordering::Equal => exact.push((base + at as u64, record.to_vec())),
            std::cmp::Ordering::Less => early = true,
            std::cmp::Ordering::Greater => {}
        }
    }
    match exact.len() {
        1 => exact.pop().ok_or_else(|| refuse("no_end", "the archive has no end record")),
        0 if early => Err(refuse("trailing", "there are bytes behind the end of the archive")),
        0 => Err(refuse("no_end", "the archive has no end record: it is cut off or no ZIP")),
        _ => Err(refuse("ambiguous", "the archive has more than one end record")),
    }
}

/// The ZIP64 end record in front of the end record at `end`, if there is one, and where it lies.
fn end64(file: &File, end: u64) -> Result<Option<(EndValues, u64)>> {
    let Some(locator_at) = end.checked_sub(LOCATOR64_SIZE) else { return Ok(None) };
    let locator = read(file, locator_at, LOCATOR64_SIZE as usize)?;
    let mut fields = Fields(&locator);
    if fields.u32()? != LOCATOR64 {
        return Ok(None);
    }
    let (_, at, disks) = (fields.u32()?, fields.u64()?, fields.u32()?);
    if disks > 1 {
        return Err(refuse("spanned", "the archive is split over several files"));
    }
    let wrong = || refuse("zip64", "the ZIP64 end record is not where the archive says it is");
    if at.checked_add(END64_SIZE).is_none_or(|end| end > locator_at) {
        return Err(wrong());
    }
    let record = read(file, at, END64_SIZE as usize)?;
    let mut fields = Fields(&record);
    let (signature, length) = (fields.u32()?, fields.u64()?);
    if signature != END64 || at.checked_add(12).and_then(|start| start.checked_add(length)) != Some(locator_at) {
        return Err(wrong());
    }
    fields.take(4)?;
    let (disk, start_disk) = (fields.u32()?.into(), fields.u32()?.into());
    let (on_disk, count, length, start) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
    Ok(Some((EndValues { disk, start_disk, on_disk, count, length, start }, at)))
}

/// The records of a central directory, one by one.
pub struct Records<'a> {
    fields: Fields<'a>,
    left: u64,
    failed: bool,
}

impl Iterator for Records<'_> {
    type Item = Result<Record>;
    fn next(&mut self) -> Option<Result<Record>> {
        if self.failed {
            return None;
        }
        if self.left == 0 {
            if self.fields.0.is_empty() {
                return None;
            }
            self.failed = true;
            return Some(Err(refuse("layout", "the central directory has more bytes than records")));
        }
        self.left -= 1;
        let record = self.record();
        self.failed = record.is_err();
        Some(record)
    }
}

impl Records<'_> {
    fn record(&mut self) -> Result<Record> {
        let fields = &mut self.fields;
        if fields.u32()? != CENTRAL {
            return Err(refuse("layout", "the central directory has fewer records than the archive says"));
        }
        let (made_by, _needed, flags, raw_method) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
        fields.take(4)?;
        let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (name_length, extra_length, comment_length) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let disk = fields.u16()?;
        fields.take(2)?;
        let (attributes, header) = (fields.u32()?, fields.u32()?);
        let raw_name = fields.take(name_length.into())?.to_vec();
        let extra = fields.take(extra_length.into())?;
        fields.take(comment_length.into())?;
        if disk != 0 && disk != u16::MAX {
            return Err(refuse("spanned", "the archive is split over several files"));
        }
        let name = names::normal(&names::decode(&raw_name, flags & 1 << 11 != 0)?)?;
        let [size, packed, header] = zip64_values([size, packed, header], extra, &name)?;
        check_kind(made_by, attributes, &name)?;
        let method = method(flags, raw_method, &name)?;
        if method == Method::Stored && packed != size {
            return Err(refuse("layout", format!("the member '{name}' is stored with two different sizes")));
        }
        if name.ends_with('/') && size != 0 {
            return Err(refuse("layout", format!("the folder '{name}' has content")));
        }
        Ok(Record { name, raw_name, flags, raw_method, method, crc, packed, size, header })
    }
}

fn method(flags: u16, raw: u16, name: &str) -> Result<Method> {
    // Bit 0: encrypted; 6: strongly; 13: the directory itself. Bit 5: patch data.
    if flags & (1 | 1 << 6 | 1 << 13) != 0 || raw == 99 {
        return Err(refuse("encrypted", format!("the member '{name}' is encrypted")));
    }
    match raw {
        0 => Ok(Method::Stored),
        8 if flags & 1 << 5 == 0 => Ok(Method::Deflated),
        _ => Err(refuse("method", format!("the member '{name}' is packed with method {raw}; only stored and deflate are read"))),
    }
}

/// Symbolic links and devices, which archives from Unix can hold.
fn check_kind(made_by: u16, attributes: u32, name: &str) -> Result<()> {
    let unix = matches!(made_by >> 8, 3 | 19);
    match (attributes >> 16) & 0o170_000 {
        0o120_000 if unix => Err(refuse("symlink", format!("the member '{name}' is a symbolic link"))),
        0 | 0o040_000 | 0o100_000 => Ok(()),
        _ if unix => Err(refuse("special", format!("the member '{name}' is neither a file nor a folder"))),
        _ => Ok(()),
    }
}

/// Values that do not fit into 32 bits stand in the extra field 1 (APPNOTE 4.5.3), in this order.
fn zip64_values(values: [u32; 3], extra: &[u8], name: &str) -> Result<[u64; 3]> {
    let mut large = Fields(zip64_extra(extra, name)?.unwrap_or_default());
    let mut wide = [0; 3];
    for (value, wide) in values.into_iter().zip(&mut wide) {
        *wide = if value == u32::MAX {
            large.u64().map_err(|_| refuse("zip64", format!("the sizes of the member '{name}' are missing")))?
        } else {
            value.into()
        };
    }
    Ok(wide)
}

fn zip64_extra<'a>(extra: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    let mut fields = Fields(extra);
    let mut found = None;
    // Some writers pad the extra field with fewer than four bytes.
    while fields.0.len() >= 4 {
        let (tag, length) = (fields.u16()?, fields.u16()?);
        let Ok(value) = fields.take(length.into()) else {
            // A foreign block with a wrong length harms nobody; one for sizes does.
            return if tag == 1 {
                Err(refuse("zip64", format!("the sizes of the member '{name}' are cut off")))
            } else {
                Ok(found)
            };
        };
        if tag == 1 && found.replace(value).is_some() {
            return Err(refuse("zip64", format!("the member '{name}' has its sizes twice")));
        }
    }
    Ok(found)
}

/// Where the packed bytes of a member lie, once its local header was compared with the directory.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// First packed byte.
    pub data: u64,
    /// Behind the last byte, data descriptor included.
    pub end: u64,
}

/// Compares a member's local header with its record; `limit` is where the members end.
pub fn local(file: &File, record: &Record, limit: u64) -> Result<Span> {
    let name = &record.name;
    let differs = |what: &str| refuse("local", format!("the local header of '{name}' differs from the directory in its {what}"));
    if record.header.checked_add(LOCAL_SIZE as u64).is_none_or(|end| end > limit) {
        return Err(refuse("layout", format!("the member '{name}' does not lie inside the archive")));
    }
    let head = read(file, record.header, LOCAL_SIZE)?;
    let mut fields = Fields(&head);
    if fields.u32()? != LOCAL {
        return Err(refuse("layout", format!("there is no local header of '{name}' where the directory says")));
    }
    fields.take(2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?;
    let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name_length, extra_length) = (usize::from(fields.u16()?), usize::from(fields.u16()?));
    let data = record.header + (LOCAL_SIZE + name_length + extra_length) as u64;
    if data.checked_add(record.packed).is_none_or(|end| end > limit) {
        return Err(refuse("layout", format!("the member '{name}' does not lie inside the archive")));
    }
    let tail = read(file, record.header + LOCAL_SIZE as u64, name_length + extra_length)?;
    let (raw_name, extra) = tail.split_at(name_length);
    if raw_name != record.raw_name {
        return Err(differs("name"));
    }
    if method != record.raw_method {
        return Err(differs("method"));
    }
    // Encryption, data descriptor, patch data and UTF-8 change how the rest is read.
    if (flags ^ record.flags) & (1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 11 | 1 << 13) != 0 {
        return Err(differs("flags"));
    }
    let descriptor = flags & 1 << 3 != 0;
    let [size, packed, _] = zip64_values([size, packed, 0], extra, name)?;
    let same = |found: u64, known: u64| found == known || (descriptor && found == 0);
    if !same(size, record.size) || !same(packed, record.packed) {
        return Err(differs("sizes"));
    }
    if !same(crc.into(), record.crc.into()) {
        return Err(differs("checksum"));
    }
    let mut end = data + record.packed;
    if descriptor {
        end += descriptor_size(file, record, end, limit)?;
    }
    Ok(Span { data, end })
}

/// Size of the data descriptor behind a member: with or without signature, with sizes of 32 or 64 bits.
fn descriptor_size(file: &File, record: &Record, at: u64, limit: u64) -> Result<u64> {
    let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX).min(24);
    let bytes = read(file, at, room)?;
    let signature = DESCRIPTOR.to_le_bytes();
    for prefix in [&signature[..], &[]] {
        let mut short = prefix.to_vec();
        short.extend(record.crc.to_le_bytes());
        let mut long = short.clone();
        long.extend(record.packed.to_le_bytes());
        long.extend(record.size.to_le_bytes());
        if bytes.starts_with(&long) {
            return Ok(long.len() as u64);
        }
        if let (Ok(packed), Ok(size)) = (u32::try_from(record.packed), u32::try_from(record.size)) {
            short.extend(packed.to_le_bytes());
            short.extend(size.to_le_bytes());
            if bytes.starts_with(&short) {
                return Ok(short.len() as u64);
            }
        }
    }
    Err(refuse("local", format!("the data descriptor of '{}' differs from the directory", record.name)))
}
