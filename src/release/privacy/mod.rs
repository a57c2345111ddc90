//! The gate before a release: no public artefact holds a datum that must not be published.
//!
//! Two things are looked for, in every byte and in what the bytes decode to (Parquet pages, tables of a GeoPackage, tiles, packed
//! files): *canaries*, words that the office plants in its personal data (`canaries` in `[pipeline]`), and the identifiers of the
//! objects that a reader dropped because they are personal. A message names the artefact and the place in it, never the datum.

mod decode;
mod identifiers;
mod pages;
mod words;

use super::Content;
use crate::error::{Error, Place, Result};
use crate::io::Digest;
use crate::run::Store;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// Raised when more is looked through than before: what an earlier version found clean is then looked through again.
const LOOKED: u32 = 3;
/// Artefacts named in one message.
const NAMED: usize = 20;

/// What must not be found.
pub struct Watch {
    digest: Digest,
    words: Option<words::Words>,
    identifiers: identifiers::Identifiers,
}

impl Watch {
    /// Words in any case of their letters, and identifiers of objects; identifiers of another length than 16 count as words.
    ///
    /// # Errors
    /// When there are more words than can be looked for.
    pub fn new(canaries: &[String], identifiers: impl IntoIterator<Item = String>) -> Result<Self> {
        let canaries = canaries.iter().filter(|word| !word.trim().is_empty());
        let mut words: Vec<Vec<u8>> = canaries.flat_map(|word| spellings(word)).collect();
        let mut known = Vec::new();
        for id in identifiers {
            match identifiers::of(&id) {
                Some(id) => known.push(id),
                None if id.len() >= 8 => words.push(id.into_bytes()),
                None => {}
            }
        }
        known.sort_unstable();
        known.dedup();
        words.sort_unstable();
        words.dedup();
        let ids = known.as_flattened();
        let looked = LOOKED.to_le_bytes();
        let all = [&looked[..], ids].into_iter().chain(words.iter().map(Vec::as_slice));
        let digest = Digest::of_parts(all);
        let words = (!words.is_empty())
            .then(|| words::Words::new(&words))
            .transpose()
            .map_err(|error| Error::new("mk::release::canary", "the canaries cannot be looked for").because(error))?;
        Ok(Self { digest, words, identifiers: identifiers::Identifiers::new(known) })
    }
    /// Of all words and identifiers, and of the way in which they are looked for.
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// True when there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_none() && self.identifiers.is_empty()
    }
    /// True when the bytes hold a word or an identifier.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.words.as_ref().is_some_and(|words| words.are_in(bytes)) || self.identifiers.are_in(bytes)
    }
}

/// A word as the formats write it that have signs of their own for some letters: as it is; in JSON (RFC 8259, 7), with and without
/// letters beyond ASCII; in XML and HTML; in CSV (RFC 4180); in UTF-16, as the texts of colour profiles are (ICC.1, 10.15).
fn spellings(word: &str) -> Vec<Vec<u8>> {
    let json: String = word.chars().map(json_letter).collect();
    let mut ascii = String::new();
    for letter in word.chars() {
        if letter.is_ascii() {
            ascii.push_str(&json_letter(letter));
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    let xml = |quote: &str, apostrophe: &str| {
        let word = word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        word.replace('"', quote).replace('\'', apostrophe)
    };
    let csv = word.replace('"', "\"\"");
    let mut all = vec![word.to_owned(), json, ascii, csv];
    for quote in ["\"", "&quot;", "&#34;"] {
        all.extend(["'", "&apos;", "&#39;", "&#x27;"].map(|apostrophe| xml(quote, apostrophe)));
    }
    let mut all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { word.encode_utf16().flat_map(bytes).collect() };
    all.extend([utf16(u16::to_be_bytes), utf16(u16::to_le_bytes)]);
    all.sort_unstable();
    all.dedup();
    all
}

fn json_letter(letter: char) -> String {
    let quoted = serde_json::Value::from(letter.to_string()).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned()
}

/// Looks through everything that lies under `public/`, but for artefacts that are `clean`: that an earlier night looked through for
/// the same words. `before` are the objects of the last release: of an archive of which only some is new, only that is unpacked.
/// Gives all that are clean now, by their mark.
///
/// # Errors
/// When something is found, or an artefact cannot be read to its end.
pub fn gate(
    content: &Content,
    store: &Store,
    watch: &Watch,
    clean: &BTreeSet<Digest>,
    before: &BTreeMap<String, Digest>,
) -> Result<BTreeSet<Digest>> {
    if watch.is_empty() {
        return Ok(BTreeSet::new());
    }
    let public = |path: &str| path.starts_with("public/");
    // The same object may be published under two names; it is looked through once.
    let mut files: BTreeMap<Digest, (&str, Digest)> = BTreeMap::new();
    for (path, (digest, _)) in content.objects.iter().filter(|(path, _)| public(path)) {
        files.entry(mark(path, *digest)).or_insert((path, *digest));
    }
    let marks: BTreeSet<Digest> = files.keys().copied().collect();
    files.retain(|mark, _| !clean.contains(mark));
    let files: Vec<(&str, Digest)> = files.into_values().collect();
    let mut found: Vec<(String, String)> = files
        .par_iter()
        .map(|(path, digest)| {
            let before = before.get(*path).filter(|before| clean.contains(&mark(path, **before)));
            let before = before.map(|before| store.path(*before)).filter(|before| before.is_file());
            let place = decode::look(&store.path(*digest), path, watch, before.as_deref())?;
            Ok(place.map(|place| ((*path).to_owned(), place)))
        })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    let names = content.objects.keys().chain(content.documents.keys()).filter(|path| public(path));
    let is_named = |path: &str| watch.finds(path.as_bytes());
    found.extend(names.filter(|path| is_named(path)).map(|_| ("public/".to_owned(), "name of a file".to_owned())));
    let documents = content.documents.iter().filter(|(path, _)| public(path));
    found.extend(documents.filter(|(_, bytes)| watch.finds(bytes)).map(|(path, _)| (path.clone(), String::new())));
    // Of a file whose name tells it the name is not told, whatever else it holds.
    found.retain(|(path, _)| !is_named(path));
    let hint = "nothing was released; clear the datum at its source, or set audience = \"internal\" for the dataset";
    refused(found).map_or(Ok(marks), |error| Err(error.hint(hint)))
}

/// As [`gate`], for a release that was made for other words: before it becomes current again.
///
/// # Errors
/// When something is found, or a file cannot be read to its end.
pub fn look_again(release: &Path, watch: &Watch) -> Result<()> {
    if watch.is_empty() {
        return Ok(());
    }
    let files = super::Manifest::read(release)?.files;
    let look = |path: &String| -> Result<Option<(String, String)>> {
        if watch.finds(path.as_bytes()) {
            return Ok(Some(("public/".to_owned(), "name of a file".to_owned())));
        }
        Ok(decode::look(&release.join(path), path, watch, None)?.map(|place| (path.clone(), place)))
    };
    let paths = files.into_par_iter().map(|file| file.path).filter(|path| path.starts_with("public/"));
    let found = paths.map(|path| look(&path)).collect::<Result<Vec<_>>>()?;
    let hint = "what is current stays; go back to another release, `messkette status` lists them";
    refused(found.into_iter().flatten().collect()).map_or(Ok(()), |error| Err(error.hint(hint)))
}

/// What is said when something was found: artefacts with the place in them.
fn refused(mut found: Vec<(String, String)>) -> Option<Error> {
    found.sort();
    found.dedup();
    let (first, _) = found.first()?;
    let told = |(path, place): &(String, String)| if place.is_empty() { path.clone() } else { format!("{path} ({place})") };
    let mut names: Vec<String> = found.iter().take(NAMED).map(told).collect();
    if found.len() > NAMED {
        names.push(format!("{} more", found.len() - NAMED));
    }
    let error =
        Error::new("mk::release::canary", format!("a protected datum is in what would become public: {}", names.join(", ")));
    Some(error.at(Place::file(first.clone())))
}

/// What an artefact is remembered by: its content, and its extension, by which it is decoded.
fn mark(path: &str, digest: Digest) -> Digest {
    let extension = Path::new(path).extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    Digest::of_parts([&digest.as_bytes()[..], extension.unwrap_or_default().as_bytes()])
}

/// As [`gate`], for one file.
///
/// # Errors
/// When the file cannot be read to its end.
pub fn look(file: &Path, name: &str, watch: &Watch) -> Result<Option<String>> {
    decode::look(file, name, watch, None)
}

#[cfg(test)]
mod tests;
