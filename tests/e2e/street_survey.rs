//! A drive of 520 panoramas through the town: each is where, when and as the town knows, and nothing that shows people is public.

use super::town::{Release, Run, traces, write_demo};
use messkette::format::jpeg::{Decoder, Encoder};
use messkette::raster::Rgbx;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn night(folder: &Path, code: i32) -> Run {
    Run::of(&["run".as_ref(), "--json".as_ref(), folder.join("pipeline.toml").as_os_str()]).expect(code)
}

/// All frames of a dataset's folder, by their moments.
fn frames(folder: &Path) -> Vec<Value> {
    let drive = document(&folder.join("drive.json"));
    let sequences = drive["sequences"].as_array().unwrap().iter();
    let files = sequences.map(|sequence| document(&folder.join(sequence["href"].as_str().unwrap())));
    files.flat_map(|file| file["frames"].as_array().unwrap().clone()).collect()
}

fn milliseconds(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// The direction (degrees beside the middle of the picture) in which the sun stands; none where a house hides it.
fn sun(jpeg: &[u8]) -> Option<f64> {
    let mut decoder = Decoder::new().unwrap();
    let [width, height] = decoder.size(jpeg).unwrap();
    let picture = decoder.decode(jpeg, width, height).unwrap();
    let (mut east, mut north, mut found): (f64, f64, u32) = (0.0, 0.0, 0);
    // It stands 40° high and is 7° wide.
    for y in height * 50 / 180 - height * 4 / 180..height * 50 / 180 + height * 4 / 180 {
        for x in 0..width {
            let [red, _, blue, _] = picture.pixel(x, y);
            // Nothing else is as bright and yellow, not even a white wall.
            if red > 244 && blue < 240 {
                found += 1;
                let angle = ((x as f64 + 0.5) / width as f64 - 0.5) * std::f64::consts::TAU;
                (east, north) = (east + angle.sin(), north + angle.cos());
            }
        }
    }
    // Bright edges of windows elsewhere: then it is not told from them.
    let together = east.hypot(north) > 0.995 * f64::from(found);
    (found > 4 && together).then(|| east.atan2(north).to_degrees())
}

#[test]
fn a_drive_is_where_and_as_the_town_knows() {
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path(), &["--only", "street_survey", "--panoramas", "520", "--panorama-px", "256"]);
    let summary = night(folder.path(), 0).summary();
    assert_eq!((summary.objects("in"), summary.objects("out")), (520, 520));
    let release = Release::current(&folder.path().join("work")).unwrap();
    let own = release.path("public/befahrung");
    let truth = document(&folder.path().join("truth/survey.geojson"));
    let truth = truth["features"].as_array().unwrap();
    let found: BTreeMap<i64, Value> = frames(&own).into_iter().map(|frame| (milliseconds(&frame["datetime"]), frame)).collect();
    assert_eq!((truth.len(), found.len()), (520, 520));
    let number = |value: &Value| value.as_f64().unwrap();
    let mut worst: f64 = 0.0;
    for feature in truth {
        let (known, [longitude, latitude]) =
            (&feature["properties"], [0, 1].map(|axis| number(&feature["geometry"]["coordinates"][axis])));
        let frame = &found[&milliseconds(&known["taken"])];
        let turn = (number(&frame["azimuth"]) - number(&known["azimuth"]) + 540.0).rem_euclid(360.0) - 180.0;
        worst = worst.max(turn.abs());
        assert!((number(&frame["easting"]) - number(&known["easting"])).abs() < 0.001);
        assert!((number(&frame["northing"]) - number(&known["northing"])).abs() < 0.001);
        assert!((number(&frame["lon"]) - longitude).abs() < 2e-8 && (number(&frame["lat"]) - latitude).abs() < 2e-8);
        assert!((number(&frame["height_m"]) - number(&known["height_dhhn2016"])).abs() < 0.001);
        assert!((number(&frame["speed_kmh"]) - 50.0).abs() < 10.0, "{}", frame["speed_kmh"]);
    }
    // The table gives headings to a ten-thousandth of a degree.
    assert!(worst < 0.001, "{worst}");
    let runs: std::collections::BTreeSet<&str> =
        truth.iter().map(|feature| feature["properties"]["run"].as_str().unwrap()).collect();
    assert_eq!(document(&own.join("drive.json"))["sequences"].as_array().unwrap().len(), runs.len());

    // The sun stands in the south of the grid wherever the car drives: the middle of each picture looks along its azimuth.
    let mut suns = 0;
    for frame in found.values().step_by(40) {
        let Some(seen) = sun(&std::fs::read(own.join(frame["hd"].as_str().unwrap())).unwrap()) else { continue };
        suns += 1;
        let south = 180.0 + 0.79 - number(&frame["azimuth"]);
        let off = (seen - south + 540.0).rem_euclid(360.0) - 180.0;
        assert!(off.abs() < 1.5, "the sun is {off}° off in {}", frame["id"]);
    }
    assert!(suns > 8, "{suns} of 13");

    // The same day again does nothing.
    let untouched = traces(&folder.path().join("work/releases"));
    assert_eq!(night(folder.path(), 0).summary().units("done"), 0);
    assert_eq!(traces(&folder.path().join("work/releases")), untouched);
    // A drive that lost a picture keeps all the others as they are.
    let lost = walkdir::WalkDir::new(folder.path().join("in/survey"))
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .find(|path| path.ends_with("pano_000200.jpg"))
        .unwrap();
    std::fs::remove_file(lost).unwrap();
    let run = night(folder.path(), 3);
    assert_eq!((run.summary().objects("out"), run.summary().objects("rejected")), (519, 1));
    let after = Release::current(&folder.path().join("work")).unwrap();
    let pictures = |release: &Release| -> BTreeMap<String, (u64, String)> {
        release.content().into_iter().filter(|(name, _)| name.starts_with("public/befahrung/pictures/")).collect()
    };
    let (before, after) = (pictures(&release), pictures(&after));
    assert_eq!(before.len() - after.len(), 3);
    assert!(after.iter().all(|(name, entry)| before.get(name) == Some(entry)));
}

/// A delivery of nine pictures, each of a colour that no other has; every third is marked as not blurred.
fn mixed(folder: &Path) {
    std::fs::create_dir_all(folder.join("in")).unwrap();
    let mut table = String::from("bild;x;y;richtung;verpixelt\n");
    for k in 0..9_u8 {
        let mut picture = Rgbx::empty(512, 256);
        let colour = if k % 3 == 0 { [250, 0, 250, 255] } else { [0, 20 * k, 90, 255] };
        picture.pixels_mut().as_chunks_mut::<4>().0.fill(colour);
        // No two files are the same.
        picture.row_mut(0)[..4].copy_from_slice(&[k * 20, 0, 0, 255]);
        std::fs::write(folder.join(format!("in/p{k}.jpg")), Encoder::new(90).unwrap().encode(&picture).unwrap()).unwrap();
        let blurred = if k % 3 == 0 { "nein" } else { "ja" };
        table.push_str(&format!("p{k}.jpg;{};5950590;90;{blurred}\n", 564_700 + u32::from(k) * 5));
    }
    std::fs::write(folder.join("in/t.csv"), table).unwrap();
}

fn pipeline(audience: &str, more: &str) -> String {
    format!(
        "[pipeline]\nname = \"amt\"\ncrs = \"EPSG:25832\"\n\n[[dataset]]\nid = \"fahrt\"\nkind = \"street_survey\"\nsource = [\"in/*\"]\n\
         audience = \"{audience}\"\ndate = \"2025-06-12\"\n{more}"
    )
}

/// Pictures below a folder that show the colour of those that are not blurred, and the number of all.
fn magenta(folder: &Path) -> (usize, usize) {
    let mut decoder = Decoder::new().unwrap();
    let (mut shown, mut all) = (0, 0);
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        // Whatever its name is.
        if bytes.starts_with(&[0xff, 0xd8]) {
            let [width, height] = decoder.size(&bytes).unwrap();
            let [red, green, blue, _] = decoder.decode(&bytes, width, height).unwrap().pixel(width / 2, height / 2);
            all += 1;
            shown += usize::from(red > 200 && green < 60 && blue > 200);
        }
    }
    (shown, all)
}

#[test]
fn a_picture_that_is_not_blurred_is_never_public() {
    let folder = tempfile::tempdir().unwrap();
    mixed(folder.path());
    let file = folder.path().join("pipeline.toml");
    let work = folder.path().join("work");
    std::fs::write(&file, pipeline("internal", "")).unwrap();
    assert_eq!(night(folder.path(), 0).summary().objects("out"), 9);
    let release = Release::current(&work).unwrap();
    assert!(magenta(&release.path("internal")).0 >= 9 && magenta(&release.path("public")) == (0, 0));
    // The same dataset for the public, though it says that all are blurred: the column knows better.
    std::fs::write(&file, pipeline("public", "blurred = true\n")).unwrap();
    let run = night(folder.path(), 3);
    assert_eq!((run.summary().objects("out"), run.summary().objects("rejected")), (6, 3));
    let release = Release::current(&work).unwrap();
    let report = std::fs::read_to_string(release.path("report/report.json")).unwrap();
    assert!(report.contains("mk::street_survey::unblurred") && report.contains("p3.jpg"), "{report}");
    let (shown, all) = magenta(&release.folder);
    assert!(shown == 0 && all >= 18, "{shown} of {all}");
    // Without a word about it a public dataset has nothing to show.
    let out = folder.path().join("out");
    let table = std::fs::read_to_string(folder.path().join("in/t.csv")).unwrap();
    let silent = table.replace(";verpixelt", "").replace(";nein", "").replace(";ja", "");
    std::fs::write(folder.path().join("in/t.csv"), silent).unwrap();
    let input = folder.path().join("in");
    let sets = ["--set", "date=2025-06-12", "--set", "source_crs=EPSG:25832"];
    let mut arguments: Vec<&std::ffi::OsStr> =
        vec!["convert".as_ref(), "street_survey".as_ref(), input.as_os_str(), "-o".as_ref(), out.as_os_str()];
    arguments.extend(sets.iter().map(std::ffi::OsStr::new));
    let run = Run::of(&arguments).expect(1);
    assert!(run.stderr.contains("blurred"), "{}", run.stderr);
    assert!(!out.join("drive.json").exists() && magenta(&out) == (0, 0));
    arguments.extend(["--set", "audience=internal"].iter().map(std::ffi::OsStr::new));
    Run::of(&arguments).expect(0);
    assert!(out.join("drive.json").exists() && out.join("stac/catalog.json").exists());
}
