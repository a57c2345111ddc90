//! CesiumJS in a headless browser opens what the kind `city_model` makes: a building is picked, hidden, and stands where it is known to.

use super::oracles::{node, run, system};
use super::town::Run;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_building_is_picked_in_cesium_by_its_id_and_stands_at_its_ellipsoidal_height() {
    let Some(mut command) = node("cesium_pick.js") else { return };
    if !root().join("tests/oracles/node_modules/cesium").exists() || system("chromium", "--version").is_none() {
        println!("skipped: CesiumJS or Chromium is missing; scripts/setup --tests installs them");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let fixture = root().join("fixtures/city_model");
    let mut arguments: Vec<OsString> = ["--json", "convert", "city_model"].map(OsString::from).into();
    arguments.push(fixture.join("LoD2_32_565_5950_1_SH.gml").into());
    arguments.extend(["-o".into(), out.path().into(), "--set".into(), "only=3dtiles".into(), "--set".into()]);
    arguments.push(format!("geoid={}", fixture.join("geoid.gtx").display()).into());
    Run::of(&arguments).expect(0);
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
