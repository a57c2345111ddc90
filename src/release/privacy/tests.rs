//! A canary in each form of artefact is found, and nothing where there is none.

use super::*;
use crate::crs::{Bbox, Crs};
use crate::format::geoparquet;
use crate::format::gpkg::{Geopackage, Layer};
use crate::format::pmtiles as tiles;
use arrow::array::{BinaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

const WORD: &str = "KANARI";
const OID: &str = "DERP012345678901";

fn watch() -> Watch {
    Watch::new(&[WORD.to_owned()], [OID.to_owned()]).unwrap()
}

/// Long enough to lie in several pages of a database, and to be packed well.
fn text(secret: &str) -> String {
    format!("{} {secret} {}", "Flurstück ".repeat(600), "Weg ".repeat(900))
}

fn table(secret: &str) -> RecordBatch {
    let names: StringArray = (0..40).map(|k| Some(if k == 21 { text(secret) } else { text("") })).collect();
    let shapes: BinaryArray = (0..40).map(|_| None::<&[u8]>).collect();
    let schema = Schema::new(vec![Field::new("name", DataType::Utf8, true), Field::new("geometry", DataType::Binary, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(names), Arc::new(shapes)]).unwrap()
}

/// An archive of packed tiles of zoom 1.
fn archive(path: &Path, contents: &[String]) {
    let header = tiles::Header {
        tile_type: tiles::TileType::Mvt,
        min_zoom: 1,
        max_zoom: 1,
        bounds_lonlat: Bbox::new([9.0, 53.0], [10.0, 54.0]),
        name: "t".into(),
        attribution: String::new(),
        metadata: serde_json::Map::new(),
    };
    let mut writer = tiles::Writer::create(path, &header).unwrap();
    for ((x, y), content) in [(0, 0), (0, 1), (1, 1), (1, 0)].into_iter().zip(contents) {
        writer.add(1, x, y, &tiles::gzip(content.as_bytes()).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

/// One artefact of each format with the secret in it.
fn artefacts(folder: &Path, secret: &str) -> Vec<PathBuf> {
    let path = |name: &str| folder.join(name);
    let batch = table(secret);
    geoparquet::write_file(&path("a.parquet"), &batch.schema(), [Ok(batch.clone())], &geoparquet::Options::new("geometry", None))
        .unwrap();
    let mut file = Geopackage::create(&path("a.gpkg"), "2024-01-01T00:00:00.000Z").unwrap();
    let layer = Layer { name: "t", title: "t", geometry: Some("geometry"), geometry_type: "POINT", crs: Some(Crs::UTM32) };
    file.add(&layer, &batch.schema(), std::slice::from_ref(&batch)).unwrap();
    file.finish().unwrap();
    archive(&path("a.pmtiles"), &[text(secret)]);
    std::fs::write(path("a.csv.gz"), tiles::gzip(text(secret).as_bytes()).unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path("a.zip")).unwrap());
    zip.start_file("a.txt", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(text(secret).as_bytes()).unwrap();
    zip.finish().unwrap();
    let filler = "x".repeat(decode::BLOCK - 3);
    std::fs::write(path("a.json"), format!("{filler}{secret}")).unwrap();
    ["a.parquet", "a.gpkg", "a.pmtiles", "a.csv.gz", "a.zip", "a.json"].into_iter().map(path).collect()
}

#[test]
fn a_canary_is_found_in_every_format_and_never_told() {
    for (secret, found) in [("Kanari-Müller", true), (OID, true), ("DERP012345678902", false), ("", false)] {
        let folder = tempfile::tempdir().unwrap();
        for path in artefacts(folder.path(), secret) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let place = look(&path, &name, &watch()).unwrap();
            assert_eq!(place.is_some(), found, "{name} {secret}");
            assert!(!place.unwrap_or_default().contains(WORD));
        }
    }
}

#[test]
fn identifiers_are_found_within_longer_ones_and_words_in_any_case() {
    let watch = watch();
    assert!(watch.finds(format!("x{OID}FL").as_bytes()) && watch.finds(format!("\u{1}{OID}").as_bytes()));
    assert!(!watch.finds(&OID.as_bytes()[1..]) && !watch.finds(b"DERP01234567890 1") && !watch.finds(b""));
    assert!(watch.finds(b"kanari") && Watch::new(&[], Vec::new()).unwrap().is_empty());
}

/// Formats write some letters with signs of their own.
#[test]
fn a_canary_is_found_as_the_formats_write_it() {
    for word in ["Hof \"Müller\" & Söhne", "Müller\\Meier", "O'Brien <4711>", "Kanari Gelb"] {
        let watch = Watch::new(&[word.to_owned()], []).unwrap();
        let json = serde_json::json!({ "name": [word] }).to_string();
        let ascii: String =
            json.chars().map(|it| if it.is_ascii() { it.to_string() } else { format!("\\u{:04X}", it as u32) }).collect();
        let xml = quick_xml::escape::escape(word);
        let html = crate::markup::escaped(word);
        let csv = format!("a;\"{}\"", word.replace('"', "\"\""));
        for bytes in [u16::to_be_bytes, u16::to_le_bytes] {
            let utf16: Vec<u8> = format!("mluc {word}.").encode_utf16().flat_map(bytes).collect();
            assert!(watch.finds(&utf16) && !watch.finds(&utf16[..utf16.len() - 8]), "{word}");
        }
        for text in [word, &json, &ascii, &xml, &html, &csv] {
            assert!(watch.finds(text.as_bytes()), "{word}: {text}");
            assert!(!watch.finds(text.replace(['M', 'O', 'K'], "X").as_bytes()), "{word}: {text}");
        }
    }
}

#[test]
fn a_release_with_a_canary_is_refused_and_the_message_names_the_artefact_only() {
    let (workspace, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(workspace.path()).unwrap();
    let mut content = Content::default();
    for (index, path) in artefacts(folder.path(), "KANARI-Meier").into_iter().enumerate() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stored = store.adopt(&[path]).unwrap()[0];
        let audience = if index == 1 { "internal" } else { "public" };
        content.objects.insert(format!("{audience}/alkis/{name}"), stored);
    }
    content.documents.insert("public/metadata/a.xml".into(), b"<a>KANARI-Schulze</a>".to_vec());
    content.documents.insert("internal/metadata/a.xml".into(), b"<a>KANARI-Schulze</a>".to_vec());
    content.documents.insert("public/dop/dop20_KANARI-Meier.json".into(), b"{\"id\":\"dop20_KANARI-Meier\"}".to_vec());
    let error = gate(&content, &store, &watch(), &BTreeSet::new(), &BTreeMap::new()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("mk::release::canary", crate::Exit::Failed));
    insta::assert_snapshot!(error.full_message());
    content.objects.retain(|path, _| path.starts_with("internal/"));
    content.documents.retain(|path, _| path.starts_with("internal/"));
    let clean = gate(&content, &store, &watch(), &BTreeSet::new(), &BTreeMap::new()).unwrap();
    assert!(clean.is_empty(), "nothing of it is public");
    // What was clean once is not looked through again: as long as it is that, under that kind of name.
    let all: Vec<(String, (Digest, u64))> = content.objects.iter().map(|(path, it)| (path.clone(), *it)).collect();
    for (path, it) in all {
        content.objects = [(path.replace("internal/", "public/"), it)].into();
        gate(&content, &store, &watch(), &BTreeSet::new(), &BTreeMap::new()).unwrap_err();
        let known = BTreeSet::from([mark(&path, it.0)]);
        assert_eq!(gate(&content, &store, &watch(), &known, &BTreeMap::new()).unwrap(), known);
        content.objects = [(path.replace("internal/", "public/") + ".gz", it)].into();
        assert!(gate(&content, &store, &watch(), &known, &BTreeMap::new()).is_err());
    }
}

/// Looks through a release of one artefact that was another in the release before, where those are known to be clean.
fn look_after(store: &Store, path: &str, new: (Digest, u64), before: Digest, clean: &[Digest]) -> Result<BTreeSet<Digest>> {
    let content = Content { objects: [(path.to_owned(), new)].into(), ..Content::default() };
    let clean = clean.iter().map(|digest| mark(path, *digest)).collect();
    gate(&content, store, &watch(), &clean, &[(path.to_owned(), before)].into())
}

/// Tiles that a clean archive of the last release has too are not unpacked again; those of one that is not known to be clean are.
#[test]
fn of_an_archive_only_what_is_new_is_unpacked() {
    let (workspace, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(workspace.path()).unwrap();
    let keep = |contents: &[&str]| {
        let path = folder.path().join("a.pmtiles");
        archive(&path, &contents.iter().map(|content| text(content)).collect::<Vec<_>>());
        store.adopt(&[path]).unwrap()[0]
    };
    let path = "public/alkis/a.pmtiles";
    let look = |new, before, clean: &[Digest]| look_after(&store, path, new, before, clean);
    let (clean, dirty) = (keep(&["a", "b"]).0, keep(&["a", OID]).0);
    look(keep(&["a", "c"]), clean, &[clean]).unwrap();
    look(keep(&["a", "b", OID]), clean, &[clean]).unwrap_err();
    look(keep(&[OID, "b"]), clean, &[clean]).unwrap_err();
    look(keep(&["c", OID]), dirty, &[]).unwrap_err();
    look(keep(&["c", OID]), dirty, &[clean]).unwrap_err();
    // It would be taken on trust, and is here: so it is not unpacked.
    look(keep(&["c", OID]), dirty, &[dirty]).unwrap();
    look(keep(&[OID, "c"]), dirty, &[dirty]).unwrap_err();
}

/// Of a GeoParquet file only columns of row groups are unpacked that a clean file of the last release has not.
#[test]
fn of_a_table_only_what_is_new_is_unpacked() {
    let (workspace, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(workspace.path()).unwrap();
    // Nothing of it stands as it is among the packed bytes.
    let mixed: Vec<String> = (0..3000_u64).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string()).collect();
    let mixed = mixed.join(" ");
    let keep = |groups: [[&str; 2]; 2]| {
        let column = |index: usize| -> StringArray {
            groups.iter().map(|group| Some(format!("{mixed}{}{mixed}", group[index]))).collect()
        };
        let fields = ["a", "b"].map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new([&fields[..], &[Field::new("geometry", DataType::Binary, true)]].concat()));
        let shapes: BinaryArray = (0..2).map(|_| None::<&[u8]>).collect();
        let columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(column(0)), Arc::new(column(1)), Arc::new(shapes)];
        let rows = RecordBatch::try_new(schema, columns).unwrap();
        let options = geoparquet::Options { row_group_rows: 1, ..geoparquet::Options::new("geometry", None) };
        let path = folder.path().join("a.parquet");
        geoparquet::write_file(&path, &rows.schema(), [Ok(rows.clone())], &options).unwrap();
        store.adopt(&[path]).unwrap()[0]
    };
    let path = "public/alkis/a.parquet";
    let look = |new, before, clean: &[Digest]| look_after(&store, path, new, before, clean);
    let (clean, dirty) = (keep([["1", "2"], ["3", "4"]]).0, keep([["1", OID], ["3", "4"]]).0);
    look(keep([["1", "2"], ["3", "5"]]), clean, &[clean]).unwrap();
    for groups in [[["1", OID], ["3", "4"]], [["1", "2"], [OID, "4"]], [["1", "2"], ["3", OID]]] {
        let error = look(keep(groups), clean, &[clean]).unwrap_err();
        assert!(error.full_message().contains("column"), "{}", error.full_message());
    }
    look(keep([["1", OID], ["3", "5"]]), dirty, &[]).unwrap_err();
    // It would be taken on trust, and is here: so it is not unpacked; in another column it is.
    look(keep([["1", OID], ["3", "5"]]), dirty, &[dirty]).unwrap();
    look(keep([[OID, "2"], ["3", "4"]]), dirty, &[dirty]).unwrap_err();
}

#[test]
fn other_words_are_another_watch() {
    let of = |words: &[&str], ids: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Watch::new(&owned(words), owned(ids)).unwrap().digest()
    };
    let other = "DERP012345678902";
    assert_eq!(of(&[WORD, "b"], &[OID, other]), of(&["b", WORD], &[other, OID, OID]));
    assert_ne!(of(&[WORD], &[OID]), of(&[WORD], &[OID, other]));
    assert_ne!(of(&[WORD], &[]), of(&[WORD, "b"], &[]));
}
