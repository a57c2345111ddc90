//! Map tiles in a browser: control points of the demo town lie where a vector of the same points is drawn.
//!
//! `OpenLayers` shows the folder of tiles in headless Chromium, in `WebMercatorQuad` by its address and in the map of the AdV by the WMTS
//! capabilities; the positions of the points go through proj4js, another implementation than the PROJ that drew the tiles. The
//! pictures are kept below the target folder, to be looked at.

use super::oracles;
use super::town::{Run, write_demo};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub const SIZE: [usize; 2] = [900, 700];

/// Grey levels of a screenshot of the page.
pub struct Shot {
    grey: Vec<f64>,
    pub red_less_green: Vec<f64>,
}

fn picture(path: &Path) -> Shot {
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!([info.width as usize, info.height as usize], SIZE, "{}", path.display());
    let pixels: Vec<[f64; 3]> =
        bytes.chunks_exact(info.color_type.samples()).map(|p| [0, 1, 2].map(|channel| f64::from(p[channel]))).collect();
    Shot {
        grey: pixels.iter().map(|p| (p[0] + p[1] + p[2]) / 3.0).collect(),
        red_less_green: pixels.iter().map(|p| p[0] - p[1]).collect(),
    }
}

/// Middles of the dots of a picture that shows dots only.
fn dots(shot: &Shot) -> Vec<[f64; 2]> {
    let mut left: Vec<bool> = shot.red_less_green.iter().map(|value| *value > 5.0).collect();
    let mut found = Vec::new();
    while let Some(first) = left.iter().position(|dot| *dot) {
        let (x0, y0) = (first % SIZE[0], first / SIZE[0]);
        let (mut sum, mut total) = ([0.0; 2], 0.0);
        for y in y0..(y0 + 20).min(SIZE[1]) {
            for x in x0.saturating_sub(14)..(x0 + 20).min(SIZE[0]) {
                let index = y * SIZE[0] + x;
                if left[index] {
                    left[index] = false;
                    let weight = shot.red_less_green[index];
                    sum = [sum[0] + weight * (x as f64 + 0.5), sum[1] + weight * (y as f64 + 0.5)];
                    total += weight;
                }
            }
        }
        found.push(sum.map(|sum| sum / total));
    }
    found
}

/// Where four squares, light in the north-west and south-east, meet near a place. On a line across the upper squares the light ends
/// where it begins on one across the lower squares: the place is told from how much of their difference lies on either side.
fn crossing(shot: &Shot, near: [f64; 2]) -> [f64; 2] {
    const REACH: usize = 6;
    let grey = |axis: usize, along: usize, across: usize| {
        let [x, y] = if axis == 0 { [along, across] } else { [across, along] };
        shot.grey[y * SIZE[0] + x]
    };
    [0, 1].map(|axis| {
        let (along, across) = (near[axis] as usize, near[1 - axis] as usize);
        let mean = |at: usize, from: usize| (from..from + 5).map(|other| grey(axis, at, other)).sum::<f64>() / 5.0;
        let first = along - REACH;
        let difference: Vec<f64> = (first..along + REACH).map(|at| mean(at, across - REACH) - mean(at, across + 2)).collect();
        let ends = [&difference[..3], &difference[2 * REACH - 3..]].map(|end| end.iter().sum::<f64>() / 3.0);
        assert!(ends[0] - ends[1] > 150.0, "there is no mark at {near:?}");
        let before: f64 = difference.iter().map(|value| ((value - ends[1]) / (ends[0] - ends[1])).clamp(0.0, 1.0)).sum();
        first as f64 + before
    })
}

/// Shows a page with what it is about, and takes its picture.
pub fn shoot(page: &str, folder: &Path, about: &Value, keep: &str) -> Option<Shot> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/node_modules");
    let page = page
        .replace("OL_JS", &modules.join("ol/dist/ol.js").to_string_lossy())
        .replace("PROJ4_JS", &modules.join("proj4/dist/proj4.js").to_string_lossy())
        .replace("ABOUT", &about.to_string());
    let file = folder.join("page.html");
    std::fs::write(&file, page).unwrap();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages/map");
    std::fs::create_dir_all(&kept).unwrap();
    let shot = kept.join(keep);
    let _ = std::fs::remove_file(&shot);
    let profile = tempfile::tempdir().unwrap();
    let mut command = oracles::system("chromium", "--version")?;
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]);
    command.args(["--allow-file-access-from-files", "--virtual-time-budget=15000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("--window-size={},{}", SIZE[0], SIZE[1]));
    command.arg(format!("--screenshot={}", shot.display()));
    command.arg(format!("file://{}", file.display()));
    oracles::run(command);
    Some(picture(&shot))
}

/// The control points seen on the first orthophoto of the demo.
fn points(demo: &Path, tile: &str) -> Vec<[f64; 2]> {
    let truth: Value = serde_json::from_slice(&std::fs::read(demo.join("truth/control_points.geojson")).unwrap()).unwrap();
    let features = truth["features"].as_array().unwrap();
    let seen = |feature: &&Value| {
        feature["properties"]["seen"].as_array().unwrap().iter().any(|seen| tile.contains(seen["tile"].as_str().unwrap()))
    };
    let place = |feature: &Value| [0, 1].map(|axis| feature["geometry"]["coordinates"][axis].as_f64().unwrap());
    features.iter().filter(seen).map(place).collect()
}

fn roofs(demo: &Path) -> Vec<Value> {
    let truth: Value = serde_json::from_slice(&std::fs::read(demo.join("truth/buildings.geojson")).unwrap()).unwrap();
    truth["features"].as_array().unwrap().iter().map(|feature| feature["geometry"]["coordinates"][0].clone()).collect()
}

#[test]
fn control_points_lie_under_their_vectors_in_a_browser() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/node_modules/ol/dist/ol.js");
    if oracles::system("chromium", "--version").is_none() || !oracles::has(&modules, "OpenLayers") {
        return;
    }
    let demo = tempfile::tempdir().unwrap();
    write_demo(demo.path(), &["--only", "orthophoto"]);
    let mut sheets: Vec<PathBuf> =
        std::fs::read_dir(demo.path().join("in/dop")).unwrap().map(|entry| entry.unwrap().path()).collect();
    sheets.retain(|path| path.extension().is_some_and(|extension| extension == "tif"));
    sheets.sort();
    let tile = sheets[0].file_stem().unwrap().to_string_lossy().into_owned();
    let points = points(demo.path(), &tile);
    let centre =
        points.iter().fold([0.0; 2], |sum, point| [sum[0] + point[0], sum[1] + point[1]]).map(|sum| sum / points.len() as f64);
    // The point nearest to the middle has the most others around it; off by a fraction of a pixel, as any view is.
    let near = |point: &&[f64; 2]| ((point[0] - centre[0]).hypot(point[1] - centre[1]) * 1000.0) as i64;
    let [east, north] = *points.iter().min_by_key(near).unwrap();
    let mut worst = 0.0_f64;
    for (matrix, zoom, format) in [("WebMercatorQuad", 19, "jpeg"), ("DE_EPSG_25832_ADV", 15, "webp")] {
        let out = tempfile::tempdir().unwrap();
        let (matrix_set, zoom_set) = (format!("matrix={matrix}"), format!("zoom={zoom}-{zoom}"));
        let format_set = format!("format={format}");
        let arguments = ["convert", "orthophoto", &sheets[0].to_string_lossy(), "-o", &out.path().to_string_lossy()];
        let sets = [
            "--set",
            &matrix_set,
            "--set",
            &zoom_set,
            "--set",
            &format_set,
            "--set",
            "quality=90",
            "--set",
            "tree=true",
            "--set",
            "only=tree",
        ];
        Run::of(&[&arguments[..], &sets[..]].concat()).expect(0);
        let page = include_str!("../oracles/map_page.html");
        let about = |show: &str| {
            json!({
                "matrix": matrix, "zoom": zoom, "name": "orthophoto", "show": show, "points": points, "roofs": roofs(demo.path()),
                "extension": if format == "jpeg" { "jpg" } else { format }, "centre": [east + 7.33, north - 5.71],
                "capabilities": std::fs::read_to_string(out.path().join("WMTSCapabilities.xml")).unwrap(),
            })
        };
        let Some(raster) = shoot(page, out.path(), &about("raster"), &format!("{matrix}-raster.png")) else { return };
        let Some(vector) = shoot(page, out.path(), &about("vector"), &format!("{matrix}-vector.png")) else { return };
        shoot(page, out.path(), &about("both"), &format!("{matrix}-both.png"));
        let mut compared = 0;
        for dot in dots(&vector) {
            let margin = 30.0;
            if (0..2).any(|axis| dot[axis] < margin || dot[axis] > SIZE[axis] as f64 - margin) {
                continue;
            }
            let found = crossing(&raster, dot);
            let off = (found[0] - dot[0]).hypot(found[1] - dot[1]);
            assert!(off < 0.25, "{matrix}: a control point is {off:.2} pixels beside its vector, at {dot:?}");
            worst = worst.max(off);
            compared += 1;
        }
        assert!(compared > 0, "{matrix}: no control point is in view");
        println!("{matrix}: {compared} control points, at most {worst:.2} pixels beside their vectors");
    }
}
