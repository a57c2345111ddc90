//! Orthophotos as they arrive: beside their world files, in archives, and again after a change.

use super::oracles;
use super::town::{Release, Run};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const SHEET: &str = "dop20rgb_32_565_5948_1_sh_20230514";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/orthophoto").join(format!("{name}.tif"))
}

/// Runs `gdal_translate`; false when it is not there.
fn translate(options: &str, from: &Path, to: &Path) -> bool {
    let Some(mut command) = oracles::system("gdal_translate", "--version") else { return false };
    command.arg("-q").args(options.split_whitespace()).args([from, to]);
    oracles::run(command);
    true
}

/// The archive of tiles that comes of an input.
fn tiles(input: &Path) -> Vec<u8> {
    let out = tempfile::tempdir().unwrap();
    let (input, folder) = (input.to_string_lossy(), out.path().to_string_lossy());
    Run::of(&["convert", "orthophoto", &input, "-o", &folder, "--set", "crs=EPSG:25832", "--set", "zoom=17-19"]).expect(0);
    std::fs::read(out.path().join("orthophoto.pmtiles")).unwrap()
}

#[test]
fn a_jpeg_beside_its_world_file_gives_the_same_map_in_an_archive_and_as_a_tiff() {
    let folder = tempfile::tempdir().unwrap();
    let path = |ending: &str| folder.path().join(format!("{SHEET}.{ending}"));
    if !translate("-of JPEG -co WORLDFILE=YES -co QUALITY=90", &fixture(SHEET), &path("jpg")) {
        return;
    }
    std::fs::copy(path("wld"), path("jgw")).unwrap();
    std::fs::remove_file(path("wld")).unwrap();
    // The place shall come from the world file alone.
    let _ = std::fs::remove_file(path("jpg.aux.xml"));
    let beside = tiles(&path("jpg"));

    // The same pixels without loss, with their place inside.
    translate("-of GTiff -co TILED=YES -co COMPRESS=LZW -a_srs EPSG:25832", &path("jpg"), &path("tif"));
    assert!(tiles(&path("tif")) == beside, "a TIFF of the same pixels gives another map");

    let archive = folder.path().join("dop.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&archive).unwrap());
    for ending in ["jgw", "jpg"] {
        zip.start_file(format!("sheets/{SHEET}.{ending}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&std::fs::read(path(ending)).unwrap()).unwrap();
    }
    zip.finish().unwrap();
    assert!(tiles(&archive) == beside, "members of an archive give another map");

    // A TIFF as a member takes the fast way from a copy.
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&archive).unwrap());
    zip.start_file(format!("{SHEET}.tif"), zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&std::fs::read(path("tif")).unwrap()).unwrap();
    zip.finish().unwrap();
    assert!(tiles(&archive) == beside, "a TIFF in an archive gives another map");
}

/// Files that a delivery finished some time ago: what changed a moment ago may still be being written.
fn settle(file: &Path) {
    let file = std::fs::File::options().append(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_mins(10)).unwrap();
}

#[test]
fn the_report_shows_a_changed_place_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let sheets = folder.path().join("in");
    std::fs::create_dir(&sheets).unwrap();
    for name in [SHEET, "dop20rgb_32_566_5948_1_sh_20230514"] {
        std::fs::copy(fixture(name), sheets.join(format!("{name}.tif"))).unwrap();
        settle(&sheets.join(format!("{name}.tif")));
    }
    let pipeline = folder.path().join("p.toml");
    let text = "[pipeline]\nname = \"dop\"\nworkspace = \"work\"\n[[dataset]]\nid = \"dop\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n";
    std::fs::write(&pipeline, text).unwrap();
    let night = || {
        Run::of(&["--json", "run", &pipeline.to_string_lossy()]).expect(0);
        let release = Release::current(&folder.path().join("work")).unwrap();
        let report: Value = serde_json::from_slice(&std::fs::read(release.path("report/report.json")).unwrap()).unwrap();
        (report["datasets"][0].clone(), std::fs::read_to_string(release.path("report/index.html")).unwrap())
    };
    let (first, _) = night();
    assert_eq!(first["previews"].as_array().unwrap().len(), 1, "the preview of the whole");
    let notes = first["notes"].to_string();
    assert!(notes.contains("Tempo") && notes.contains("Kacheln je Sekunde"), "{notes}");

    let changed = sheets.join(format!("{SHEET}.tif"));
    let other = folder.path().join("other.tif");
    if !translate("-scale 0 255 255 0 -co TILED=YES -co COMPRESS=JPEG -co PHOTOMETRIC=YCBCR", &changed, &other) {
        return;
    }
    std::fs::copy(&other, &changed).unwrap();
    settle(&changed);
    let (second, page) = night();
    let pairs = second["previews"].as_array().unwrap();
    assert_eq!(pairs.len(), 2, "{second}");
    let place = &pairs[1];
    assert!(place["title"].as_str().unwrap().starts_with("Geändert ab Kachel "), "{place}");
    let picture = |when: &str| place[when]["base64"].as_str().unwrap().to_owned();
    assert_ne!(picture("before"), picture("after"));
    assert!(page.contains(&picture("before")) && page.contains(&picture("after")), "the page shows neither");
}

#[test]
fn five_flights_are_a_time_series_with_their_dates_and_the_latest_on_top() {
    let Some(naip) = oracles::shared_data("ortho/naip") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("p.toml");
    let text = format!(
        "[pipeline]\nname = \"naip\"\nworkspace = \"work\"\n[[dataset]]\nid = \"naip\"\nkind = \"orthophoto\"\nsource = [\"{}/*.tif\"]\n\
         tiles = [{{ campaigns = true, zoom = [13, 13] }}]\n",
        naip.canonicalize().unwrap().display()
    );
    std::fs::write(&pipeline, text).unwrap();
    let pipeline = pipeline.to_string_lossy();
    Run::of(&["run", &pipeline]).expect(0);
    let release = Release::current(&folder.path().join("work")).unwrap();
    let mut days = Vec::new();
    for entry in std::fs::read_dir(release.path("internal/naip/stac/items")).unwrap() {
        let item: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        days.push(item["properties"]["start_datetime"].as_str().unwrap()[..10].to_owned());
    }
    days.sort();
    assert_eq!(days.len(), 5, "{days:?}");
    for (day, year) in days.iter().zip(["2009", "2010", "2018", "2019", "2020"]) {
        assert!(day.starts_with(year), "{days:?}");
        assert!(release.path(&format!("internal/naip/orthophoto-{year}.pmtiles")).exists(), "{year}");
    }
    // All five cover the tile; those that show are named first.
    let told = Run::of(&["explain", &pipeline, "13/1839/2880"]).expect(0).stdout;
    let at = |year: &str| told.find(&format!("flown {year}")).unwrap_or_else(|| panic!("{year} is not told:\n{told}"));
    assert!(["2020", "2019", "2018", "2010", "2009"].windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{told}");
}
