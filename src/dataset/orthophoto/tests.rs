//! The kind as a whole: real images, made ones whose truth is known, broken ones.

use crate::crs::Crs;
use crate::dataset::testing::{Harness, run_kind};
use crate::format::pmtiles;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files of the shared data by the ends of their names; empty, with a reason printed, when they are not there.
fn shared(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn archive(harness: &Harness) -> pmtiles::Reader {
    pmtiles::Reader::open(&harness.output().join("orthophoto.pmtiles")).unwrap()
}

#[test]
fn naip_of_five_dates_is_one_mosaic_with_the_latest_on_top() {
    let files = shared("ortho/naip", ".tif");
    if files.is_empty() {
        return;
    }
    let harness = run_kind("orthophoto", &json!({}), &files);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let facts = &harness.assembly.as_ref().unwrap().facts;
    assert_eq!(facts.crs, Crs(26914));
    assert_eq!(facts.dates, Some(("2009-08-18".into(), "2020-08-31".into())));
    assert_eq!(facts.resolution_m, Some(5.002));
    assert_eq!(facts.counts.total().output, 5);
    assert_eq!(facts.operations.len(), 1);
    let mut tiles = archive(&harness);
    assert!(tiles.clustered());
    assert_eq!(tiles.zooms(), (10, 15));
    assert_eq!(tiles.tiles().count(), 59);
    assert!(tiles.tile(15, 7358, 11522).unwrap().is_some_and(|tile| tile.starts_with(&[0xff, 0xd8])));
    let located = harness.locate("15/7358/11522").unwrap();
    assert_eq!(located[0].key, "10/229/360");
    assert!(located[1].key.contains("20200831"), "{located:?}");
    assert_eq!(harness.locate("3/1/2").unwrap(), []);
}

#[test]
fn images_of_four_crs_go_into_one_archive() {
    let files = shared("ortho/aerial", ".tif");
    if files.is_empty() {
        return;
    }
    let harness = run_kind("orthophoto", &json!({ "tiles": [{ "zoom": [0, 19] }] }), &files);
    assert!(harness.errors.is_empty(), "{:?}", harness.errors);
    let facts = &harness.assembly.as_ref().unwrap().facts;
    assert_eq!(facts.crs, Crs::WEB_MERCATOR, "no CRS is that of all");
    assert_eq!(facts.operations.len(), 4);
    assert_eq!(facts.dates, None, "a date that nobody states is not made up");
    let tiles = archive(&harness);
    assert_eq!(tiles.tiles().next(), Some((0, 0, 0)));
    let stac = std::fs::read_to_string(harness.output().join("stac/collection.json")).unwrap();
    assert!(!stac.contains("items/"), "there is no STAC item without a time");
}

#[test]
fn broken_tiffs_are_refused_with_a_reason() {
    let mut files = shared("broken/tiff", ".tif");
    files.extend(shared("broken", "vrt_disguised_as_tif.tif"));
    if files.is_empty() {
        return;
    }
    let harness = run_kind("orthophoto", &json!({}), &files);
    assert_eq!(harness.errors.len(), files.len(), "none of them says where it lies");
    let mut reasons = BTreeMap::<String, usize>::new();
    for (_, key, error) in &harness.errors {
        assert_eq!(error.place().file.as_deref(), Some(key.as_str()));
        assert_eq!(error.code(), "mk::orthophoto::image");
        *reasons.entry(error.message().to_owned()).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    2 a picture with a colour table is no orthophoto
    2 band 1 holds Int16; only 8 bit are read
    14 band 1 holds UInt16; only 8 bit are read
    106 the file is no image that can be read
    1 the image has no georeference: it does not say where it lies
    ");
    let assembly = harness.assembly.as_ref().unwrap_err();
    assert_eq!(assembly.message(), "no image can be used, so there are no tiles");
}
