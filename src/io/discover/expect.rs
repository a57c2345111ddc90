//! What a whole delivery has, and what of it is missing.

use crate::error::{Error, Place, Result};
use crate::io::{Digest, Limits, Source};
use crate::pipeline::Expect;
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;

/// Properties that name a tile in the indexes that survey offices publish, the most telling first.
const NAMES: &[&str] = &["kachel", "kachelname", "kachel_id", "tile", "tile_id", "name", "dateiname", "filename", "file", "id"];
/// Properties that hold the address of a tile.
const LINKS: &[&str] = &["link_data", "link", "url", "href", "download"];
/// Largest tile index that is read.
const MAX_INDEX: u64 = 256 << 20;

/// What a whole delivery would have had and this one has not: a sentence about the number, or the names of the tiles, sorted.
///
/// # Errors
/// When the index cannot be read, or names no tiles.
pub fn missing(expect: &Expect, folder: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let (have, want) = (sources.len() as u64, expect.count.unwrap_or(0));
    if have < want {
        lines.push(format!("{} of {want} sources", want - have));
    }
    if let Some(index) = &expect.index {
        let mut known = HashSet::new();
        for source in sources {
            add_parts(&source.file_name().to_lowercase(), &mut known);
        }
        let mut absent: Vec<String> = read_index(&folder.join(index), &index.display().to_string())?
            .into_iter()
            .filter(|tile| !known.contains(tile.to_lowercase().trim_matches(|character: char| !character.is_alphanumeric())))
            .collect();
        absent.sort();
        absent.dedup();
        lines.append(&mut absent);
    }
    Ok(lines)
}

/// Adds every run of whole words of a file's name: `dop20_32_556_5946_1_sh.tif` has `32_556_5946` in it, but not `2_556_594`.
fn add_parts(file: &str, parts: &mut HashSet<String>) {
    const MOST_WORDS: usize = 40;
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in file.char_indices() {
        match (character.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| (from, file.len())));
    words.truncate(MOST_WORDS);
    for (first, (from, _)) in words.iter().enumerate() {
        parts.extend(words[first..].iter().map(|(_, to)| file[*from..*to].to_owned()));
    }
}

fn read_index(path: &Path, name: &str) -> Result<Vec<String>> {
    let wrong = |reason: String| {
        Error::new("mk::discover::index", format!("the tile index cannot be used: {reason}")).at(Place::file(name)).hint(format!(
            "a GeoJSON FeatureCollection is wanted, each feature with one of {}, {}",
            NAMES.join(", "),
            LINKS.join(", ")
        ))
    };
    // Read as a source: capped, and unpacked where it is packed.
    let source = Source { name: name.to_owned(), path: path.to_owned(), member: None, size: 0, digest: Digest::of(b"") };
    let bytes = source.bytes(Limits { max_bytes: MAX_INDEX, ..Limits::default() })?;
    let index: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let features = index.get("features").and_then(Value::as_array).ok_or_else(|| wrong("it has no features".to_owned()))?;
    let tile = |(number, feature): (usize, &Value)| {
        tile_name(feature).ok_or_else(|| wrong(format!("feature {} names no tile", number + 1)))
    };
    features.iter().enumerate().map(tile).collect()
}

fn tile_name(feature: &Value) -> Option<String> {
    let properties = feature.get("properties")?.as_object()?;
    let property = |wanted: &str| {
        let (_, value) = properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    };
    // An address says which file it is; a name may be a title.
    let linked = LINKS.iter().find_map(|key| property(key)).and_then(|link| {
        let path = link.split(['?', '#']).next()?.trim_end_matches('/');
        let own = path.rsplit(['/', '=']).next()?.to_owned();
        (own.contains('.') && !own.starts_with('.')).then_some(own)
    });
    let name = linked.or_else(|| NAMES.iter().find_map(|key| property(key)))?;
    Some(stem(&name).to_owned())
}

/// The name without the endings that packing or format add.
fn stem(name: &str) -> &str {
    let mut stem = name;
    while let Some((rest, ending)) = stem.rsplit_once('.') {
        if rest.is_empty() || ending.len() > 4 || !ending.chars().next().is_some_and(char::is_alphabetic) {
            break;
        }
        stem = rest;
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn sources(names: &[&str]) -> Vec<Source> {
        let source = |name: &&str| Source {
            name: (*name).to_owned(),
            path: PathBuf::from(name),
            member: None,
            size: 0,
            digest: Digest::of(b""),
        };
        names.iter().map(source).collect()
    }

    fn with_index(index: &str, names: &[&str]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kacheln.geojson"), index).unwrap();
        let expect = Expect { index: Some("kacheln.geojson".into()), ..Expect::default() };
        missing(&expect, folder.path(), &sources(names))
    }

    #[test]
    fn a_number_of_sources() {
        let expect = Expect { count: Some(3), ..Expect::default() };
        assert_eq!(missing(&expect, Path::new("."), &sources(&["a"])).unwrap(), ["2 of 3 sources"]);
        assert!(missing(&expect, Path::new("."), &sources(&["a", "b", "c", "d"])).unwrap().is_empty());
    }

    #[test]
    fn tiles_by_name_and_by_address() {
        let index = r#"{"type": "FeatureCollection", "features": [
            {"properties": {"kachel": "32_556_5946"}},
            {"properties": {"Name": "dop20_32_557_5946.tif"}},
            {"properties": {"name": "Kachel im Norden", "link_data": "https://example.org/d/dop20_32_558_5946_1_sh.zip?x=1"}}]}"#;
        assert_eq!(
            with_index(index, &["in/dop20_32_556_5946_1_sh.tif", "x.zip!d/DOP20_32_557_5946.TIF"]).unwrap(),
            ["dop20_32_558_5946_1_sh"]
        );
        // A longer number is another tile.
        assert_eq!(with_index(index, &["in/dop20_132_556_59460.tif"]).unwrap().len(), 3);
    }

    #[test]
    fn an_index_without_tiles_is_an_error() {
        for index in
            ["", "{}", r#"{"features": 1}"#, r#"{"features": [{}]}"#, r#"{"features": [{"properties": {"kachel": ""}}]}"#]
        {
            assert_eq!(with_index(index, &[]).unwrap_err().code(), "mk::discover::index", "{index}");
        }
        let expect = Expect { index: Some("none.geojson".into()), ..Expect::default() };
        assert_eq!(missing(&expect, Path::new("/nowhere"), &[]).unwrap_err().code(), "mk::io::read");
    }
}
