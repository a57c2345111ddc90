//! A street survey as its readers see it: the drive page in a browser, the STAC API in the Panoramax viewer and in pystac-client.

use super::oracles::{has, node, python, run, system};
use super::town::{Run, messkette};
use messkette::format::jpeg::Encoder;
use messkette::raster::Rgbx;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where pictures are kept to be looked at.
fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A panorama of a street between houses in stripes; where they are tells its number.
fn panorama(number: usize) -> Vec<u8> {
    let (width, height) = (1024, 512);
    let mut picture = Rgbx::empty(width, height);
    for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (index % width, index / width);
        // 0 straight ahead and behind, 1 at the sides.
        let side = ((x as f64 / width as f64 - 0.5) * std::f64::consts::TAU).sin().abs();
        let roof = 250.0 - 120.0 * side;
        let colour = if (y as f64) < roof {
            [150, 190, 225]
        } else if y < 262 {
            let stripe = (x + number * 11) / 32 % 3;
            [[170, 90, 70], [215, 200, 160], [120, 130, 145]][stripe]
        } else if side < 0.35 {
            [85, 86, 90]
        } else {
            [120, 145, 95]
        };
        pixel[..3].copy_from_slice(&colour);
        pixel[3] = 255;
    }
    Encoder::new(85).unwrap().encode(&picture).unwrap()
}

/// A delivery in the format of eagle eye: there and back, 4 m from picture to picture, and a street that nobody drove.
fn deliver(folder: &Path, each_way: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let mut table = "filename;utm_easting;utm_northing;z;roll;pitch;heading;relative_path;time\n".to_owned();
    for number in 0..2 * each_way {
        let (way, step) = (number / each_way, number % each_way);
        let along = if way == 0 { step } else { each_way - 1 - step };
        let (east, north) = (564_700.0 + along as f64 * 4.0, 5_950_590.0 + way as f64 * 3.0);
        let (name, heading) = (format!("pano_{number:03}.jpg"), if way == 0 { 90 } else { 270 });
        let seconds = step as f64 * 0.5;
        table.push_str(&format!(
            "{name};{east:.3};{north:.3};31.500;0.10;-0.20;{heading};run_{way}/{name};2026-05-14T07:{:02}:{seconds:04.1}Z\n",
            10 * way
        ));
        std::fs::write(folder.join(&name), panorama(number)).unwrap();
    }
    std::fs::write(folder.join("trajektorie.csv"), table).unwrap();
}

fn streets(path: &Path) {
    let line = |name: &str, places: [[f64; 2]; 2]| json!({ "type": "Feature", "properties": { "name": name }, "geometry": { "type": "LineString", "coordinates": places } });
    let features = [
        line("Lindenallee", [[564_690.0, 5_950_591.0], [564_840.0, 5_950_591.0]]),
        line("Am Wall", [[564_760.0, 5_950_620.0], [564_760.0, 5_950_700.0]]),
    ];
    let crs = json!({ "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } });
    std::fs::write(path, json!({ "type": "FeatureCollection", "crs": crs, "features": features }).to_string()).unwrap();
}

/// A night with a survey that is blurred, for everybody, and one that is not, for the office.
fn night(folder: &Path) -> PathBuf {
    deliver(&folder.join("in/blurred"), 30);
    deliver(&folder.join("in/raw"), 4);
    streets(&folder.join("streets.geojson"));
    let pipeline = folder.join("pipeline.toml");
    let text = r#"
        [pipeline]
        name = "musterstadt"
        workspace = "work"
        crs = "EPSG:25832"
        [[dataset]]
        id = "befahrung"
        kind = "street_survey"
        source = ["in/blurred/*"]
        audience = "public"
        blurred = true
        streets = { file = "streets.geojson", name = "name", source_crs = "EPSG:25832" }
        metadata = { title = "Straßenbefahrung 2026", licence = "dl-by-de/2.0", attribution = "© Stadt Musterstadt 2026", theme = "tn" }
        [[dataset]]
        id = "befahrung-roh"
        kind = "street_survey"
        source = ["in/raw/*"]
        audience = "internal"
        metadata = { title = "Straßenbefahrung 2026, roh" }
    "#;
    std::fs::write(&pipeline, text).unwrap();
    Run::of(&["run".as_ref(), pipeline.as_os_str()]).expect(0);
    pipeline
}

/// The server; stopped when dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(pipeline: &Path, audience: &str) -> Self {
        let mut command = messkette();
        command.args(["serve", "--listen", "127.0.0.1:0", "--audience", audience]).arg(pipeline).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: line.split(": ").next().unwrap().to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn browser(script: &str, package: &str) -> Option<Command> {
    system("chromium", "--version")?;
    has(&root().join("tests/oracles/node_modules").join(package), package).then(|| node(script)).flatten()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}

/// How far the grey levels of a picture are apart: none when it shows nothing.
fn contrast(path: &Path) -> u8 {
    let mut reader = png::Decoder::new(BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut bytes).unwrap();
    bytes.iter().max().unwrap() - bytes.iter().min().unwrap()
}

#[test]
fn the_drive_page_plays_and_is_moved_by_keys_hands_and_addresses() {
    let Some(mut command) = browser("drive_page.js", "axe-core") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pipeline = night(folder.path());
    let survey = pipeline.with_file_name("work").join("current/public/befahrung");
    command.arg(&survey).arg(kept("drive")).arg("20");
    let out: Value = serde_json::from_str(run(command).trim()).unwrap();
    assert_eq!((&out["errors"], &out["foreign"]), (&json!([]), &json!([])), "{out}");
    assert_eq!((&out["axe"], &out["phone"]["axe"]), (&json!([]), &json!([])), "what axe-core finds");
    // One frame after the other: the first that is noted is the second of the route.
    let seen: Vec<u64> = out["played"]["seen"].as_array().unwrap().iter().map(|frame| frame.as_u64().unwrap()).collect();
    assert!(seen.len() >= 20 && seen.is_sorted() && seen.last() <= Some(&30), "{seen:?}");
    for picture in strings(&out["played"]["pictures"]) {
        assert!(contrast(Path::new(picture)) > 60, "{picture} is blank");
    }
    let steps = json!({ "home": 1, "up": 2, "down": 1, "next": 2, "end": 30, "slider": 1, "fifth": 5 });
    assert_eq!(out["steps"], steps);
    assert_ne!(out["turned"][0], out["turned"][1], "the view turns");
    let drive: Value = serde_json::from_slice(&std::fs::read(survey.join("drive.json")).unwrap()).unwrap();
    let second = &drive["sequences"][1];
    assert_eq!(out["second"], json!([second["id"], 1]));
    let frames: Value = serde_json::from_slice(&std::fs::read(survey.join(second["href"].as_str().unwrap())).unwrap()).unwrap();
    let fifth = frames["frames"][4]["id"].as_str().unwrap();
    assert!(out["address"].as_str().unwrap().contains(&format!("#picture={fifth}")), "{}", out["address"]);
    assert_eq!(out["date"], "14.05.2026, 09:10:02", "the time of Germany");
    assert_eq!(out["linked"], json!([second["id"], 5]), "the address leads back");
    assert_eq!((&out["phone"]["wide"], &out["phone"]["tapped"]), (&json!(false), &json!([1, 2])));
}

#[test]
fn panoramax_and_pystac_read_the_survey_from_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = night(folder.path());
    let survey = pipeline.with_file_name("work").join("current/public/befahrung");
    let drive: Value = serde_json::from_slice(&std::fs::read(survey.join("drive.json")).unwrap()).unwrap();
    let sequences: Vec<&str> = drive["sequences"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    let frames: Value =
        serde_json::from_slice(&std::fs::read(survey.join(format!("drive/{}.json", sequences[0]))).unwrap()).unwrap();
    let pictures: Vec<&str> = frames["frames"].as_array().unwrap().iter().map(|frame| frame["id"].as_str().unwrap()).collect();
    let served = Served::start(&pipeline, "public");
    let stac = format!("{}/stac", served.url);
    if let Some(mut command) = python("stac_search.py") {
        command.arg(&stac);
        let found: Value = serde_json::from_str(run(command).trim()).unwrap();
        assert_eq!(found["conforms"], json!([true, true, true, true, true]));
        assert_eq!(strings(&found["collections"]), sequences, "of the public, in the order of time");
        assert_eq!(strings(&found["items"]), pictures, "in the order of driving");
        for way in ["all", "matched"] {
            assert_eq!(found[way], 60, "{way}");
        }
        for way in ["by_get", "by_post", "intersects", "datetime"] {
            assert_eq!(found[way], 30, "{way}");
        }
        assert!(found["bbox"] == found["in_bbox"] && found["bbox"].as_u64().is_some_and(|count| (5..30).contains(&count)));
        assert_eq!(found["ids"], json!([found["wanted"]]));
        assert_eq!(found["newest"], found["latest"]);
        assert!(found["next"][0].as_str().unwrap().starts_with(&format!("{stac}/collections/{}/items/", sequences[0])));
        assert!(
            found["assets"]
                .as_object()
                .unwrap()
                .values()
                .all(|href| href.as_str().unwrap().starts_with(&format!("{stac}/files/")))
        );
        // The office sees both.
        let office = Served::start(&pipeline, "internal");
        let Some(mut command) = python("stac_search.py") else { return };
        command.arg(format!("{}/stac", office.url));
        let found: Value = serde_json::from_str(run(command).trim()).unwrap();
        assert_eq!(found["all"], 68);
    }
    let Some(mut command) = browser("panoramax.js", "@panoramax/web-viewer") else { return };
    command.arg(&stac).args([sequences[0], pictures[0]]).arg(kept("panoramax")).args(["3", "desktop"]);
    let out: Value = serde_json::from_str(run(command).trim()).unwrap();
    assert_eq!(strings(&out["desktop"]["shown"]), pictures[..4], "the viewer follows the links: {out}");
    let map = &out["desktop"]["map"];
    assert_eq!(strings(&map["sequences"]).into_iter().collect::<BTreeSet<_>>(), sequences.iter().copied().collect());
    assert_eq!(map["pictures"], 60);
    assert!(contrast(&kept("panoramax").join("desktop-picture.png")) > 60);
    // The server has no accounts: the viewer asks whether there are any, and takes no for an answer.
    let refused: Vec<&str> = strings(&out["refused"]).into_iter().filter(|line| !line.ends_with("/stac/configuration")).collect();
    assert_eq!(refused, Vec::<&str>::new());
}

#[test]
fn the_built_page_is_what_its_sources_make() {
    let portal = root().join("portal");
    if !has(&portal.join("node_modules/esbuild"), "portal/node_modules") {
        return;
    }
    let Some(mut check) = system("node", "--version") else { return };
    check.arg("node_modules/typescript/bin/tsc").arg("--noEmit").current_dir(&portal);
    run(check);
    let out = tempfile::tempdir().unwrap();
    let mut build = Command::new("node");
    build.arg("build.mjs").arg(out.path()).current_dir(&portal);
    run(build);
    let names = |folder: &Path| -> BTreeSet<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let (built, known) = (out.path().join("drive"), portal.join("dist/drive"));
    assert_eq!(names(&built), names(&known));
    for name in names(&built) {
        let same = std::fs::read(built.join(&name)).unwrap() == std::fs::read(known.join(&name)).unwrap();
        assert!(same, "{name} is not what `npm --prefix portal run build` makes: build it again");
    }
}
