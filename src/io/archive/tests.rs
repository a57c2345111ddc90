use super::*;
use std::io::Write;
use std::path::PathBuf;

/// A ZIP built by hand, so that each part can be wrong.
#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    local_name: Vec<u8>,
    data: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    local_crc: Option<u32>,
    size: u32,
    made_by: u16,
    attributes: u32,
    before: Vec<u8>,
    descriptor: Vec<u8>,
}

fn part(name: &str, data: &[u8]) -> Part {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    Part {
        name: name.into(),
        local_name: name.into(),
        data: data.to_vec(),
        flags: 0,
        method: 0,
        crc: crc.sum(),
        local_crc: None,
        size: data.len() as u32,
        made_by: 20,
        attributes: 0,
        before: Vec::new(),
        descriptor: Vec::new(),
    }
}

fn deflated(name: &str, data: &[u8]) -> Part {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    let plain = part(name, data);
    Part { data: encoder.finish().unwrap(), method: 8, ..plain }
}

fn zip(parts: &[Part]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let word = |value: u16| value.to_le_bytes();
    for part in parts {
        bytes.extend(&part.before);
        let header = bytes.len() as u32;
        let common = |name: &[u8], crc: u32| {
            let mut fields = Vec::new();
            fields.extend([word(part.flags), word(part.method), word(0), word(33)].concat());
            fields.extend(crc.to_le_bytes());
            fields.extend((part.data.len() as u32).to_le_bytes());
            fields.extend(part.size.to_le_bytes());
            fields.extend([word(name.len() as u16), word(0)].concat());
            fields
        };
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend(common(&part.local_name, part.local_crc.unwrap_or(part.crc)));
        bytes.extend(&part.local_name);
        bytes.extend(&part.data);
        bytes.extend(&part.descriptor);
        directory.extend(b"PK\x01\x02");
        directory.extend([word(part.made_by), word(20)].concat());
        directory.extend(common(&part.name, part.crc));
        directory.extend([word(0), word(0), word(0)].concat());
        directory.extend(part.attributes.to_le_bytes());
        directory.extend(header.to_le_bytes());
        directory.extend(&part.name);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([word(parts.len() as u16), word(parts.len() as u16)].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(word(0));
    bytes
}

/// Opens an archive and reads all its members: their sizes, or the code of the refusal.
fn outcome(bytes: &[u8], limits: Limits) -> Result<Vec<(String, u64)>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, bytes).unwrap();
    read_all(&path, limits)
}

fn read_all(path: &Path, limits: Limits) -> Result<Vec<(String, u64)>, Error> {
    let archive = Archive::open(path, limits)?;
    let mut found = Vec::new();
    for member in archive.members() {
        assert_eq!(Member::find(path, &member.name)?, *member);
        let mut stream = member.reader(path, limits)?;
        let size =
            io::copy(&mut stream, &mut io::sink()).map_err(|error| super::super::source::read_error(&member.name, &error))?;
        found.push((member.name.clone(), size));
    }
    Ok(found)
}

fn refused(bytes: &[u8]) -> &'static str {
    match outcome(bytes, Limits::default()) {
        Ok(found) => panic!("accepted: {found:?}"),
        Err(error) => error.code(),
    }
}

#[test]
fn a_good_archive_is_read() {
    let text = b"hello ".repeat(1000);
    let mut with_descriptor = deflated("d/e.xml", &text);
    with_descriptor.flags = 1 << 3;
    with_descriptor.local_crc = Some(0);
    with_descriptor.descriptor = [
        b"PK\x07\x08".to_vec(),
        with_descriptor.crc.to_le_bytes().to_vec(),
        (with_descriptor.data.len() as u32).to_le_bytes().to_vec(),
        with_descriptor.size.to_le_bytes().to_vec(),
    ]
    .concat();
    let bytes = zip(&[part("a.txt", b"one"), part("d/", b""), with_descriptor, part("b\\c.txt", b"")]);
    let found = outcome(&bytes, Limits::default()).unwrap();
    assert_eq!(found, [("a.txt".into(), 3), ("d/e.xml".into(), 6000), ("b/c.txt".into(), 0)]);
    assert_eq!(outcome(&zip(&[]), Limits::default()).unwrap(), []);
}

#[test]
fn each_refusal_has_its_code() {
    let good = part("a", b"one");
    let changed = |change: &dyn Fn(&mut Part)| {
        let mut part = good.clone();
        change(&mut part);
        zip(&[part])
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("traversal", zip(&[part("../a", b"")])),
        ("absolute", zip(&[part("/a", b"")])),
        ("drive", zip(&[part("C:/a", b"")])),
        ("name", zip(&[part("a\x1bb", b"")])),
        ("duplicate", zip(&[good.clone(), part("b", b""), part("./a", b"two")])),
        ("duplicate", zip(&[part("a", b""), part("a/", b"")])),
        ("symlink", changed(&|part| (part.made_by, part.attributes) = (0x0314, 0o120_777 << 16))),
        ("special", changed(&|part| (part.made_by, part.attributes) = (0x0314, 0o010_644 << 16))),
        ("encrypted", changed(&|part| part.flags = 1)),
        ("method", changed(&|part| part.method = 12)),
        ("local", changed(&|part| part.local_name = b"b".to_vec())),
        ("local", changed(&|part| part.local_crc = Some(1))),
        ("crc", changed(&|part| part.crc ^= 1)),
        ("gap", changed(&|part| part.before = b"hidden".to_vec())),
        ("gap", changed(&|part| part.descriptor = b"hidden".to_vec())),
        ("layout", changed(&|part| part.size = 4)),
        ("layout", zip(&[part("d/", b"x")])),
        ("trailing", [zip(std::slice::from_ref(&good)), b"x".to_vec()].concat()),
        ("layout", [b"x".to_vec(), zip(std::slice::from_ref(&good))].concat()),
        ("no_end", zip(std::slice::from_ref(&good))[..40].to_vec()),
        ("truncated", b"PK\x05\x06".to_vec()),
    ];
    for (code, bytes) in cases {
        assert_eq!(refused(&bytes), format!("mk::archive::{code}"));
    }
    let mut longer = deflated("a", &[7; 1000]);
    longer.size = 999;
    assert_eq!(refused(&zip(std::slice::from_ref(&longer))), "mk::archive::size");
    longer.size = 1001;
    assert_eq!(refused(&zip(std::slice::from_ref(&longer))), "mk::archive::size");
    longer.size = 1000;
    longer.data[1] ^= 0xff;
    assert!(["mk::archive::corrupt", "mk::archive::crc", "mk::archive::size"].contains(&refused(&zip(&[longer]))));
}

#[test]
fn members_that_share_bytes_are_refused() {
    // Two records of one local header, as in an overlapping bomb.
    let bytes = zip(&[part("a", b"one"), part("b", b"two")]);
    let at = memchr::memmem::rfind(&bytes, b"PK\x01\x02").unwrap();
    let mut twice = bytes.clone();
    twice[at + 42..at + 46].fill(0);
    assert_eq!(refused(&twice), "mk::archive::local");
    twice[at + 46] = b'a';
    assert_eq!(refused(&twice), "mk::archive::duplicate");
}

#[test]
fn declared_sizes_are_capped_before_anything_is_unpacked() {
    let bomb = deflated("a", &vec![0; 70 << 20]);
    assert_eq!(refused(&zip(std::slice::from_ref(&bomb))), "mk::archive::ratio");
    let small = Limits { max_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(outcome(&zip(&[bomb]), small).unwrap_err().code(), "mk::archive::size");
    // The end record claims more members than the directory has.
    let mut many = zip(&[part("a", b"")]);
    let end = many.len() - 22;
    many[end + 8..end + 12].fill(0xfe);
    assert_eq!(refused(&many), "mk::archive::truncated");
}

#[test]
fn every_refusal_is_in_the_table() {
    for (name, code) in CODES {
        assert_eq!(*code, format!("mk::archive::{name}"));
        assert_eq!(refuse(name, "").code(), *code);
    }
}

proptest::proptest! {
    /// No bytes make the reader panic, hang or unpack more than it says.
    #[test]
    fn a_damaged_archive_is_an_error_or_the_same_content(
        flips in proptest::collection::vec((0_usize..400, proptest::num::u8::ANY), 0..4),
        cut in 0_usize..400,
    ) {
        let mut bytes = zip(&[part("a.txt", b"one"), part("d/", b""), deflated("d/e.xml", &b"hello ".repeat(50))]);
        for (at, value) in flips {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut / 10));
        if let Ok(found) = outcome(&bytes, Limits::default()) {
            proptest::prop_assert!(found.iter().map(|(_, size)| size).sum::<u64>() <= 303);
        }
    }
}

#[test]
fn archives_of_other_libraries_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, large) in [("Straße/a.xml", false), ("b.bin", true)] {
        writer.start_file(name, options.large_file(large)).unwrap();
        writer.write_all(&vec![42; 100_000]).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(
        read_all(&path, Limits::default()).unwrap(),
        [("Straße/a.xml".to_owned(), 100_000), ("b.bin".to_owned(), 100_000)]
    );
}

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
    }
    path.exists().then_some(path)
}

fn zips(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "zip"));
    paths.sort();
    paths
}

#[test]
fn the_broken_archives_by_name() {
    let Some(folder) = shared("broken/zip") else { return };
    let mut lines = Vec::new();
    for path in zips(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        lines.push(match read_all(&path, Limits::default()) {
            Ok(found) => {
                format!("{name}: read, {} members, {} bytes", found.len(), found.iter().map(|(_, size)| size).sum::<u64>())
            }
            Err(error) => format!("{name}: {} {}", error.code(), error.message()),
        });
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    data__aes_archive.zip: mk::archive::encrypted the member 'secret_data_128' is encrypted
    data__chinese.zip: read, 1 members, 47893 bytes
    data__comment_garbage.zip: mk::archive::trailing there are bytes behind the end of the archive
    data__data_descriptor.zip: read, 1 members, 12 bytes
    data__deflate64_issue_25.zip: mk::archive::no_end the archive has no end record: it is cut off or no ZIP
    data__extended_timestamp.zip: read, 2 members, 39 bytes
    data__extended_timestamp_bad.zip: read, 2 members, 39 bytes
    data__files_and_dirs.zip: read, 1 members, 18 bytes
    data__ignore_encryption_flag.zip: mk::archive::encrypted the member 'plaintext.txt' is encrypted
    data__invalid_cde_number_of_files_allocation_greater_offset.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    data__invalid_cde_number_of_files_allocation_smaller_offset.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    data__invalid_offset.zip: mk::archive::layout the central directory is not where the archive says it is
    data__invalid_offset2.zip: mk::archive::spanned the archive is split over several files
    data__legacy__implode.zip: mk::archive::method the member 'first.txt' is packed with method 6; only stored and deflate are read
    data__legacy__reduce.zip: mk::archive::method the member 'first.txt' is packed with method 5; only stored and deflate are read
    data__legacy__shrink.zip: mk::archive::method the member 'FIRST.TXT' is packed with method 1; only stored and deflate are read
    data__linux-7z.zip: read, 1 members, 0 bytes
    data__mimetype.zip: read, 1 members, 39 bytes
    data__misaligned_comment.zip: mk::archive::trailing there are bytes behind the end of the archive
    data__non_utf8.zip: read, 2 members, 34 bytes
    data__ntfs.zip: read, 2 members, 39 bytes
    data__ppmd.zip: mk::archive::method the member 'ipsum.txt' is packed with method 98; only stored and deflate are read
    data__raw_deflate64_index_out_of_bounds.zip: mk::archive::name a member's name has control characters: '\0#\0\0\0\0\0\0\0\0\0\0\0ö\0\0\0\0\0\0\0\0-\0\0\0\0\0\0\0\u{4}\0\0\0\0\0\0\0\0\0'
    data__symlink.zip: mk::archive::symlink the member 'bar' is a symbolic link
    data__windows-7zip.zip: read, 1 members, 0 bytes
    data__xz.zip: mk::archive::method the member 'hello.txt' is packed with method 95; only stored and deflate are read
    data__zip64_demo.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    data__zip64_magic_in_filename_1.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    data__zip64_magic_in_filename_2.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    data__zip64_magic_in_filename_3.zip: mk::archive::spanned the archive is split over several files
    data__zip64_magic_in_filename_4.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    data__zip64_magic_in_filename_5.zip: mk::archive::zip64 the ZIP64 end record is not where the archive says it is
    ");
}

#[test]
fn real_deliveries_are_read() {
    let Some(folder) = shared("lod2/nrw-wesel") else { return };
    for path in zips(&folder) {
        let found = read_all(&path, Limits::default()).unwrap();
        assert!(found.iter().any(|(name, size)| name.contains(".gml") && *size > 1000), "{}: {found:?}", path.display());
    }
}
