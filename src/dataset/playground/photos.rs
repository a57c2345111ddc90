//! Stage `photos`: pictures that come with inspections and changes are kept with their digests, for the office only.
//!
//! A picture is a unit. It is kept byte by byte, with all that the camera wrote into it (EXIF), under a name made of its digest. One that a row
//! or a change names and that nobody delivered, or whose SHA-256 is not what QField said, is rejected.

use super::changes::Change;
use super::fold::{Folded, Notes};
use super::identity::space;
use super::model::{INSPECTION, NOTE, PHOTO, Row, Tables, row, text};
use super::options::{Content, Options};
use super::read::Summary;
use super::{PHOTOS, READ};
use crate::dataset::{AssembleContext, Outcome, PlanContext, UnitContext};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::picture;
use crate::io::{Digest, Limits, Source, atomic, source::read_error};
use crate::plan::{Input, UnitSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use uuid::Uuid;

/// Columns that are filled here.
pub const FILE: &str = "datei";
pub const BLAKE3: &str = "blake3";
pub const SHA256: &str = "sha256";
pub const SIZE: &str = "bytes";
/// Folder with the pictures.
pub const FOLDER: &str = "fotos";
/// Entry of a pack with the bytes.
const ENTRY: &str = "photo";
/// Bytes that a picture may have.
const MOST: u64 = 64 << 20;

/// Paths of photos, with their SHA-256 where somebody said it.
pub type Named = BTreeMap<String, Option<String>>;

/// What a unit says of a picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// The source.
    name: String,
    /// Name in the folder.
    file: String,
    blake3: String,
    sha256: String,
    bytes: u64,
}

/// The photos that a row of a file names.
pub fn of_row(row: &Row) -> Vec<String> {
    let list = text(row, "fotos").unwrap_or_default();
    list.split([';', ',', '|']).map(str::trim).filter(|name| !name.is_empty()).map(plain).collect()
}

/// The photos that changes bring.
pub fn of_changes(changes: &[Change]) -> Named {
    let mut named = Named::new();
    for change in changes {
        let layer = change.layer.strip_prefix(PHOTO).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        if let Some(path) = text(&change.new, "pfad").filter(|_| layer) {
            named.entry(plain(path)).or_default();
        }
        for (path, digest) in &change.files {
            let said = named.entry(plain(path)).or_default();
            *said = digest.as_ref().map(|digest| digest.to_lowercase()).or(said.take());
        }
    }
    named
}

/// A path as all systems write it.
fn plain(path: &str) -> String {
    path.trim().replace('\\', "/").trim_start_matches("./").to_owned()
}

/// A row for each photo that an inspection names.
pub fn of_inspections(tables: &mut Tables) {
    let mut found = BTreeMap::new();
    for (uuid, inspection) in tables.get(INSPECTION).into_iter().flatten() {
        for path in of_row(inspection) {
            let entry = row([("pruefung_uuid", Some(uuid.to_string().into())), ("pfad", Some(path.as_str().into()))]);
            found.insert(Uuid::new_v5(uuid, format!("{PHOTO}/{path}").as_bytes()), entry);
        }
    }
    tables.entry(PHOTO).or_default().extend(found);
}

/// True when a delivered file is that of a path: it ends with the whole of it.
fn is(source: &str, path: &str) -> bool {
    let source = source.replace(['\\', '!'], "/");
    source.strip_suffix(path).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// The delivered file of a path: one that ends with it, else the only one of that file name.
fn find<'s>(sources: &[&'s str], path: &str) -> Option<&'s str> {
    let last = path.rsplit('/').next().unwrap_or(path);
    let whole = sources.iter().find(|source| is(source, path));
    whole.copied().or_else(|| {
        let mut named = sources.iter().filter(|source| is(source, last));
        named.next().filter(|_| named.next().is_none()).copied()
    })
}

/// A unit for each picture that was delivered, and one for each that is missing.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let sorter = options.sorter()?;
    let delivered: Vec<&Source> =
        context.sources.iter().filter(|source| sorter.content(source.file_name()) == Some(Content::Photo)).collect();
    let names: Vec<&str> = delivered.iter().map(|source| source.name.as_str()).collect();
    let (mut said, mut missing): (BTreeMap<&str, BTreeSet<String>>, BTreeMap<String, String>) = Default::default();
    for result in context.earlier.get(READ).into_iter().flatten() {
        let summary: Summary = serde_json::from_value(result.outcome.summary.clone()).map_err(failed)?;
        for (path, digest) in summary.photos {
            match find(&names, &path) {
                Some(name) => said.entry(name).or_default().extend(digest),
                None => drop(missing.insert(path, result.key.clone())),
            }
        }
    }
    let unit = |key: String, inputs: Vec<Input>, params: serde_json::Value, size: u64| UnitSpec {
        key,
        inputs,
        params,
        bbox: None,
        memory_mb: 16 + (size >> 19),
        cost: size,
    };
    let there = delivered.iter().map(|source| {
        let said = said.get(source.name.as_str()).cloned().unwrap_or_default();
        unit(source.name.clone(), vec![Input::source(source)], serde_json::json!({ "sha256": said }), source.size)
    });
    let gone = missing
        .iter()
        .map(|(path, file)| unit(format!("fehlt: {path}"), Vec::new(), serde_json::json!({ "path": path, "file": file }), 0));
    Ok(there.chain(gone).collect())
}

fn failed(error: serde_json::Error) -> Error {
    Error::new("mk::run::result", "the result cannot be handed on").because(error)
}

/// Keeps a picture, or says why not.
pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let Some(source) = unit.inputs.first().and_then(Input::as_source) else {
        let text = |key: &str| unit.params[key].as_str().unwrap_or_default().to_owned();
        let error = Error::new("mk::playground::photo", format!("the photo '{}' was not delivered", text("path")))
            .at(Place::file(text("file")))
            .hint("put it beside the changes, in the folder that its path names");
        outcome.counts.rejected(PHOTO);
        outcome.rejections.push(Rejection::of(PHOTO, &error));
        return Ok(outcome);
    };
    match photo(&source, &unit.params["sha256"], context) {
        Ok(kept) => {
            outcome.counts.kept(PHOTO);
            outcome.summary = serde_json::to_value(kept).map_err(failed)?;
        }
        Err(error) if error.code() == "mk::playground::photo" => {
            outcome.counts.rejected(PHOTO);
            outcome.rejections.push(Rejection::of(PHOTO, &error.in_file(&source.name)));
        }
        Err(error) => return Err(error),
    }
    Ok(outcome)
}

fn photo(source: &Source, said: &serde_json::Value, context: &mut UnitContext<'_>) -> Result<Kept> {
    let wrong = |message: String| Error::new("mk::playground::photo", message);
    let mut bytes = Vec::new();
    let read = source.reader(Limits::default())?.take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| read_error(&source.name, &error))?;
    if bytes.len() as u64 > MOST {
        return Err(wrong("the photo has more than 64 MiB".to_owned()));
    }
    let ending = match &bytes[..] {
        [0xff, 0xd8, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "heic",
        _ => return Err(wrong("the file is no photo: neither JPEG, PNG, WebP nor HEIC".to_owned())),
    };
    if matches!(ending, "jpg" | "png") {
        picture::size(&bytes).map_err(|error| wrong(format!("the photo is broken: {}", error.message())))?;
    }
    let sha256 = hex(&Sha256::digest(&bytes));
    let said: Vec<&str> = said.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    if !said.is_empty() && !said.contains(&sha256.as_str()) {
        return Err(wrong(format!(
            "the photo is not the one that was taken: its SHA-256 is {sha256}, the field says {}",
            said.join(", ")
        ))
        .hint("deliver the file as the device has it"));
    }
    let blake3 = Digest::of(&bytes).to_string();
    context.pack.add(ENTRY, &bytes)?;
    let file = format!("{FOLDER}/{blake3}.{ending}");
    Ok(Kept { name: source.name.clone(), file, blake3, sha256, bytes: bytes.len() as u64 })
}

/// Bytes as pairs of digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Writes the pictures, and what they are into the rows that name them; gives how many there are.
///
/// # Errors
/// When one cannot be read or written.
pub fn keep(folded: &mut Folded, context: &AssembleContext<'_>) -> Result<u64> {
    let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
    let mut written: BTreeSet<String> = BTreeSet::new();
    for result in context.results.get(PHOTOS).into_iter().flatten().filter(|result| !result.outcome.summary.is_null()) {
        let photo: Kept = serde_json::from_value(result.outcome.summary.clone()).map_err(failed)?;
        if context.wants("fotos") && written.insert(photo.file.clone()) {
            atomic::write_unseen(&context.output.join(&photo.file), &result.pack()?.read(ENTRY)?)?;
        }
        kept.insert(photo.name.clone(), photo);
    }
    let names: Vec<&str> = kept.keys().map(String::as_str).collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let space = space(&context.dataset.id);
    let mut notes = Notes::new(&space);
    for (uuid, row) in folded.tables.get_mut(PHOTO).into_iter().flatten() {
        let path = text(row, "pfad").map(plain).unwrap_or_default();
        let Some(photo) = find(&names, &path).and_then(|name| kept.get(name)) else {
            notes.add(PHOTO, uuid, row, format!("das Foto '{path}' ist nicht da"));
            continue;
        };
        used.insert(&photo.name);
        row.insert(FILE.to_owned(), photo.file.as_str().into());
        row.insert(BLAKE3.to_owned(), photo.blake3.as_str().into());
        row.insert(SHA256.to_owned(), photo.sha256.as_str().into());
        row.insert(SIZE.to_owned(), photo.bytes.into());
    }
    for photo in kept.values().filter(|photo| !used.contains(photo.name.as_str())) {
        let object = Uuid::new_v5(&space, format!("{PHOTO}/{}", photo.name).as_bytes());
        notes.add(PHOTO, &object, &Row::new(), format!("das Foto '{}' gehört zu keiner Zeile", photo.name));
    }
    folded.tables.entry(NOTE).or_default().append(&mut notes.rows);
    Ok(written.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_found_by_its_path_or_its_only_name() {
        let sources = ["in/DCIM/a.jpg", "in/lieferung.zip!DCIM/b.jpg", "in/x/c.jpg", "in/y/c.jpg", "in/xa.jpg"];
        assert_eq!(find(&sources, "DCIM/a.jpg"), Some("in/DCIM/a.jpg"));
        assert_eq!(find(&sources, "DCIM/b.jpg"), Some("in/lieferung.zip!DCIM/b.jpg"));
        assert_eq!(find(&sources, "DCIM/c.jpg"), None, "two have the name");
        assert_eq!(find(&sources, "y/c.jpg"), Some("in/y/c.jpg"));
        assert_eq!(find(&sources, "DCIM/xa.jpg"), Some("in/xa.jpg"));
        assert_eq!(plain(".\\DCIM\\a.jpg"), "DCIM/a.jpg");
        // FIPS 180-2, appendix B.1.
        assert!(hex(&Sha256::digest(b"abc")).starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
