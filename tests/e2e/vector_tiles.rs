//! Vector tiles in a browser: what `OpenLayers` draws of them in headless Chromium lies on the parcels of the GeoPackage, and nowhere else:
//! no line where a tile ends, no parcel that is missing. The pictures are kept below the target folder, to be looked at.

use super::map::{SIZE, Shot, shoot};
use super::oracles;
use super::town::{Run, write_demo};
use messkette::format::pmtiles::Reader;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The tiles of an archive as files `z/x/y.pbf`; gives their number.
fn unpack(archive: &Path, zoom: u8, into: &Path) -> usize {
    let mut reader = Reader::open(archive).unwrap();
    let tiles: Vec<(u8, u32, u32)> = reader.tiles().filter(|(z, ..)| *z == zoom).collect();
    for (z, x, y) in &tiles {
        let folder = into.join(format!("{z}/{x}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{y}.pbf")), reader.tile(*z, *x, *y).unwrap().unwrap()).unwrap();
    }
    tiles.len()
}

/// The rings of all parcels, as GDAL reads them from the GeoPackage.
fn parcels(package: &Path, into: &Path) -> Option<Vec<Value>> {
    let mut command = oracles::system("ogr2ogr", "--version")?;
    let file: PathBuf = into.join("parcels.geojson");
    command
        .args(["-f", "GeoJSON", "-lco", "RFC7946=NO", "-lco", "COORDINATE_PRECISION=3"])
        .arg(&file)
        .arg(package)
        .arg("Flurstueck");
    oracles::run(command);
    let value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let features = value["features"].as_array().unwrap();
    Some(features.iter().flat_map(|feature| feature["geometry"]["coordinates"].as_array().unwrap().clone()).collect())
}

/// How many of the lines' pixels of a picture have none of the other's within a pixel, and how many there are.
fn beside(shot: &Shot, other: &Shot) -> (usize, usize) {
    let drawn = |shot: &Shot, x: usize, y: usize, least: f64| shot.red_less_green[y * SIZE[0] + x] > least;
    let (mut alone, mut all) = (0, 0);
    for y in 2..SIZE[1] - 2 {
        for x in 2..SIZE[0] - 2 {
            if drawn(shot, x, y, 120.0) {
                all += 1;
                let near = (y - 1..=y + 1).any(|y| (x - 1..=x + 1).any(|x| drawn(other, x, y, 20.0)));
                alone += usize::from(!near);
            }
        }
    }
    (alone, all)
}

#[test]
fn parcels_of_the_tiles_lie_on_those_of_the_geopackage_in_a_browser() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/node_modules/ol/dist/ol.js");
    if oracles::system("chromium", "--version").is_none() || !oracles::has(&modules, "OpenLayers") {
        return;
    }
    let demo = tempfile::tempdir().unwrap();
    write_demo(demo.path(), &["--only", "cadastre"]);
    let out = demo.path().join("out");
    let mut arguments = vec!["convert".into(), "cadastre".into()];
    let deliveries = std::fs::read_dir(demo.path().join("in/alkis")).unwrap().map(|entry| entry.unwrap().path().into_os_string());
    arguments.extend(deliveries);
    arguments.extend(["-o".into(), out.clone().into_os_string(), "--set".into(), "zoom=17-17".into()]);
    Run::of(&arguments).expect(0);
    if let Some(mut command) = oracles::python("open_cadastre.py") {
        command.arg(&out);
        println!("{}", oracles::run(command));
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(unpack(&out.join("cadastre.pmtiles"), 17, &folder.path().join("kacheln")) > 10);
    let Some(parcels) = parcels(&out.join("cadastre.gpkg"), folder.path()) else { return };
    assert!(parcels.len() > 300, "{}", parcels.len());
    // Where four quarters meet, and where a tile ends amid parcels.
    for (number, centre) in [[565_500.0, 5_948_500.0], [565_281.3, 5_948_263.7]].into_iter().enumerate() {
        let about = |show: &str| json!({ "name": "kacheln", "zoom": 17, "show": show, "centre": centre, "parcels": parcels });
        let page = include_str!("../oracles/vector_tiles_page.html");
        let shot = |show: &str| shoot(page, folder.path(), &about(show), &format!("vector-{number}-{show}.png"));
        let (Some(tiles), Some(truth)) = (shot("tiles"), shot("truth")) else { return };
        shot("both");
        for (a, b, what) in [(&tiles, &truth, "of the tiles"), (&truth, &tiles, "of the GeoPackage")] {
            let (alone, all) = beside(a, b);
            println!("{alone} of {all} pixels of lines {what} have no other within a pixel");
            assert!(all > 5_000, "{all}");
            assert!(alone * 1000 < all, "{alone} of {all} pixels of lines {what}");
        }
    }
}
