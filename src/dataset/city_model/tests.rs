//! The kind as a whole, over real deliveries where they are there, and over the fixture.

use super::read::Summary;
use crate::dataset::testing::{Harness, Play};
use crate::io::{Digest, Source};
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;

pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/lod2").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {}", path.display());
    None
}

/// The members of the archives in a folder as sources, with their bytes.
fn members(folder: &std::path::Path) -> Vec<(Source, Vec<u8>)> {
    let mut out = Vec::new();
    let mut archives: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    archives.sort();
    for path in archives.into_iter().filter(|path| path.extension().is_some_and(|e| e == "zip")) {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
        for index in 0..archive.len() {
            let mut member = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            let name = format!("{}!{}", path.file_name().unwrap().to_string_lossy(), member.name());
            let (member, size) = (Some(member.name().to_owned()), bytes.len() as u64);
            out.push((Source { name, path: path.clone(), member, size, digest: Digest::of(&bytes) }, bytes));
        }
    }
    out
}

fn count(bytes: &[u8], needle: &str) -> u64 {
    memchr::memmem::find_iter(bytes, needle.as_bytes()).count() as u64
}

fn play(options: &Value, sources: Vec<Source>) -> Harness {
    let mut play = Play::new("city_model", options, &[]);
    play.sources = sources;
    play.run()
}

#[test]
fn all_tiles_of_wesel_are_counted_as_the_xml_counts_them() {
    let (Some(folder), Some(grid)) = (shared("nrw-wesel"), shared("grids/de_bkg_gcg2016.tif")) else { return };
    let members = members(&folder);
    let xml: Vec<u8> = members.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let (sources, empty): (Vec<Source>, usize) = (
        members.iter().map(|(source, _)| source.clone()).collect(),
        members.iter().filter(|(_, bytes)| count(bytes, "<bldg:Building ") == 0).count(),
    );
    let harness = play(&json!({ "geoid": grid }), sources);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let assembly = harness.assembly.as_ref().unwrap();
    for element in ["Building", "BuildingPart"] {
        let counted = assembly.facts.counts.0[element];
        assert_eq!(counted.input, count(&xml, &format!("<bldg:{element} ")), "{element}");
        assert_eq!(counted.rejected, 0, "{element}");
    }
    let without = harness.outcomes(0).filter(|(_, outcome)| {
        let summary: Summary = serde_json::from_value(outcome.summary.clone()).unwrap();
        summary.buildings == 0
    });
    assert_eq!(without.count(), empty);
    for (key, outcome) in harness.outcomes(0).chain(harness.outcomes(1)) {
        for finding in &outcome.findings {
            println!("{key}: {} {} {} {}", finding.object_type, finding.code, finding.reason, finding.place);
        }
    }
    println!("{:#?}", assembly.facts.notes);
    if let Some(copy) = std::env::var_os("CITY_MODEL_COPY") {
        std::fs::create_dir_all(&copy).unwrap();
        for entry in std::fs::read_dir(harness.output()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), PathBuf::from(&copy).join(entry.file_name())).unwrap();
        }
    }
}
