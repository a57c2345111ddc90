//! CesiumJS in a headless browser opens what the kind `city_model` makes: a building is picked, hidden, and stands where it is known to.

use super::oracles::{node, run, system};
use super::town::Run;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Converts a file of the fixtures to 3D Tiles.
fn convert(file: &str, out: &Path, more: &[&str]) {
    let fixture = root().join("fixtures/city_model");
    let mut arguments: Vec<OsString> = ["--json", "convert", "city_model"].map(OsString::from).into();
    arguments.push(fixture.join(file).into());
    arguments.extend(["-o".into(), out.into(), "--set".into(), "only=3dtiles".into(), "--set".into()]);
    arguments.push(format!("geoid={}", fixture.join("geoid.gtx").display()).into());
    arguments.extend(more.iter().flat_map(|option| ["--set".into(), OsString::from(option)]));
    Run::of(&arguments).expect(0);
}

/// The script that opens a tileset in CesiumJS; `None` with a printed reason.
fn cesium() -> Option<Command> {
    let command = node("cesium_pick.js")?;
    if !root().join("tests/oracles/node_modules/cesium").exists() || system("chromium", "--version").is_none() {
        println!("skipped: CesiumJS or Chromium is missing; scripts/setup --tests installs them");
        return None;
    }
    Some(command)
}

#[test]
fn a_building_is_picked_in_cesium_by_its_id_and_stands_at_its_ellipsoidal_height() {
    let Some(mut command) = cesium() else { return };
    let out = tempfile::tempdir().unwrap();
    convert("LoD2_32_565_5950_1_SH.gml", out.path(), &[]);
    let picture = out.path().join("picture.png");
    // 565104 5950204, the middle of the first house.
    command.arg(out.path()).arg(&picture).args(["9.98606", "53.69648"]);
    let line = run(command);
    let picked: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    let properties = &picked["properties"];
    let id = properties["id"].as_str().unwrap();
    assert!(id.starts_with("DESHMUSTER00000"), "{line}");
    assert_eq!(properties["creationDate"], "2026-01-15");
    assert_eq!(picked["hidden"], true, "a building is hidden by its id");
    // Ground at 30 m, the highest roof 12 m above; the fixture's geoid lies 39.5 m and a little more above the ellipsoid here.
    let height = picked["place"][2].as_f64().unwrap();
    let undulation = 39.5 + (picked["place"][0].as_f64().unwrap() - 9.8);
    assert!((30.0 + undulation - 0.2..=42.0 + undulation + 0.2).contains(&height), "{line}");
    assert!(Path::new(&picture).metadata().unwrap().len() > 1_000);
}

#[test]
fn pictures_on_walls_are_valid_and_seen_in_cesium() {
    let folder = tempfile::tempdir().unwrap();
    let file = "textured/LoD2_32_565_5950_1_SH.gml";
    let (small, plain) = (folder.path().join("small"), folder.path().join("plain"));
    convert(file, &small, &[]);
    convert(file, &plain, &["compression=none"]);
    if let Some(mut command) = node("validate_glb.js") {
        command.arg(folder.path());
        assert!(run(command).starts_with("2 GLB with 48 triangles, 0 of them not valid"));
    }
    let Some(mut command) = cesium() else { return };
    let picture = folder.path().join("picture.png");
    // Between both houses; the blue one is picked and so turns green.
    command.arg(&small).arg(&picture).args(["9.98720", "53.69650", "60"]);
    let picked: serde_json::Value = serde_json::from_str(run(command).trim()).unwrap();
    assert_eq!(picked["failed"], serde_json::json!([]));
    // The squares of the picture are blue to yellow, red to green: houses in one colour for each class have two or three hues.
    let hues = hues(&picture);
    let seen = hues.values().filter(|&&pixels| pixels > 60).count();
    assert!(seen >= 7, "{hues:?}");
}

/// How many pixels of a picture have which hue, in steps of 30 degrees; pale ones are left aside.
fn hues(path: &Path) -> BTreeMap<u32, u32> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let channels = reader.next_frame(&mut bytes).unwrap().color_type.samples();
    let mut found = BTreeMap::new();
    for pixel in bytes.chunks_exact(channels) {
        let [red, green, blue] = [0, 1, 2].map(|channel| f64::from(pixel[channel]) / 255.0);
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        if most - least < 0.3 * most || most < 0.1 {
            continue;
        }
        let turn = (3.0_f64.sqrt() * (green - blue)).atan2(2.0 * red - green - blue).to_degrees().rem_euclid(360.0);
        *found.entry(turn as u32 / 30).or_default() += 1;
    }
    found
}
