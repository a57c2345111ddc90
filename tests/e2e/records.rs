//! The records of a demo night, as others see them: the schemas, the official assertions, the shapes of DCAT-AP.de, pystac; and
//! whether what they say of the data is true.

use super::oracles;
use super::town::Town;
use crate::validators;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A town with an address, map tiles with capabilities, a series and texts in English.
fn town() -> Town {
    let town = Town::new();
    let text = std::fs::read_to_string(town.pipeline()).unwrap();
    let changed = text
        .replacen(
            "name = \"kettenau\"\n",
            "name = \"kettenau\"\nbase_url = \"https://geo.kettenau.example/daten\"\nseries = { luftbild = { title = \"Luftbilder aller Jahre\" } }\n",
            1,
        )
        .replace("kind = \"orthophoto\"\n", "kind = \"orthophoto\"\ntiles = [{ zoom = [12, 15], tree = true }]\n")
        .replace("theme = \"oi\"\n", "theme = \"oi\"\nhvd = \"geospatial\"\nseries = \"luftbild\"\ntitle_en = \"Digital orthophotos\"\n");
    assert!(changed.contains("geo.kettenau.example") && changed.contains("luftbild\"\ntitle_en") && changed.contains("tree"));
    std::fs::write(town.pipeline(), changed).unwrap();
    town
}

fn value(xml: &str, before: &str, after: &str) -> String {
    let from = xml.find(before).unwrap_or_else(|| panic!("no {before}")) + before.len();
    xml[from..from + xml[from..].find(after).unwrap()].trim().to_owned()
}

/// West, south, east, north of a record.
fn extent(xml: &str) -> [f64; 4] {
    ["westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude"].map(|name| {
        value(&value(xml, &format!("<gmd:{name}>"), &format!("</gmd:{name}>")), "<gco:Decimal>", "<").parse().unwrap()
    })
}

/// The extent of a file in EPSG:25832 in longitude and latitude, as GDAL sees it.
fn extent_of(program: &str, file: &Path) -> Option<[f64; 4]> {
    let mut command = oracles::system(program, "--version")?;
    if program == "ogrinfo" {
        command.args(["-ro", "-so", "-al"]);
    }
    command.arg(file);
    let text = oracles::run(command);
    let number = regex::Regex::new(r"-?\d+\.\d+").unwrap();
    let lines =
        text.lines().filter(|line| ["Extent: ", "Lower Left ", "Upper Right "].iter().any(|start| line.starts_with(start)));
    let numbers = |line: &str| -> Vec<f64> {
        let line = if line.starts_with("Extent") { line } else { line.split(") (").next().unwrap() };
        number.find_iter(line).map(|found| found.as_str().parse().unwrap()).collect()
    };
    let corners: Vec<f64> = lines.flat_map(numbers).collect();
    assert!(corners.len() >= 4, "{text}");
    let mut projected = Command::new("gdaltransform")
        .args(["-s_srs", "EPSG:25832", "-t_srs", "OGC:CRS84", "-output_xy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (east, north): (Vec<f64>, Vec<f64>) = corners.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    let span = |values: &[f64]| values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let (e, n) = (span(&east), span(&north));
    let points = [(e.0, n.0), (e.1, n.0), (e.0, n.1), (e.1, n.1)].map(|(x, y)| format!("{x} {y}\n")).concat();
    projected.stdin.take().unwrap().write_all(points.as_bytes()).unwrap();
    let out = String::from_utf8(projected.wait_with_output().unwrap().stdout).unwrap();
    let degrees: Vec<f64> = out.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let (lon, lat): (Vec<f64>, Vec<f64>) = degrees.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    Some([span(&lon).0, span(&lat).0, span(&lon).1, span(&lat).1])
}

fn union(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

/// The record's box holds the data's and is not more than rounding and the bend of a projected edge larger (degrees).
fn same_place(record: [f64; 4], data: [f64; 4], what: &str) {
    for axis in 0..4 {
        let beyond = if axis < 2 { data[axis] - record[axis] } else { record[axis] - data[axis] };
        assert!((-1e-9..3e-4).contains(&beyond), "{what}: {record:?} for data in {data:?}");
    }
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(end));
    found.sort();
    assert!(!found.is_empty(), "nothing in {}", folder.display());
    found
}

#[test]
fn every_record_of_a_night_is_valid_and_true() {
    let town = town();
    town.run(&[]).expect(0);
    // No rule of the GDI-DE or of INSPIRE is broken, by our own reading.
    town.call("verify", &[]).expect(0);
    let release = town.release();
    let public = release.path("public/metadata");
    let read = |name: &str| std::fs::read_to_string(public.join(name)).unwrap();

    let mut all = files(&public, ".xml");
    let names: Vec<String> = all.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    for name in ["dop", "alkis", "lod2", "serie-luftbild", "dienst-wmts-dop", "dienst-download"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
        for form in ["html", "json"] {
            assert!(public.join(format!("{name}.{form}")).exists(), "{name}.{form}");
        }
    }
    let (services, datasets): (Vec<PathBuf>, Vec<PathBuf>) =
        all.iter().cloned().partition(|path| path.file_name().unwrap().to_string_lossy().starts_with("dienst-"));
    all.extend(files(&release.path("internal/metadata"), ".xml"));
    if let Some(errors) = validators::schema_errors(&all) {
        assert_eq!(errors, "");
    }
    if let Some(failures) = validators::inspire_failures("common,dss,isdss", &datasets) {
        assert_eq!(failures, Vec::<String>::new());
        let failures = validators::inspire_failures("common,sds,ns", &services).unwrap();
        assert_eq!(failures.iter().filter(|line| !line.contains("PASSED_MANUAL")).collect::<Vec<_>>(), Vec::<&String>::new());
    }
    if let Some(found) = validators::dcat_findings(&public.join("dcat.ttl"), &public.join("dcat.rdf")) {
        assert_eq!((&found["violations"], &found["hvd"]), (&serde_json::json!([]), &serde_json::json!([])), "{found:#}");
        assert_eq!(found["same"], true);
    }
    if let Some(mut command) = oracles::python("open_outputs.py") {
        // pystac among others.
        command.arg(release.path("public"));
        oracles::run(command);
    }

    // What the records say of the data is what others find in the deliveries and in the truth of the town.
    let folder = town.folder();
    let images = files(&folder.join("in/dop"), ".tif");
    let of_images = images.iter().map(|image| extent_of("gdalinfo", image)).collect::<Option<Vec<_>>>();
    if let Some(boxes) = of_images {
        same_place(extent(&read("dop.xml")), boxes.into_iter().reduce(union).unwrap(), "dop");
    }
    if let Some(data) = extent_of("ogrinfo", &folder.join("truth/buildings.geojson")) {
        same_place(extent(&read("lod2.xml")), data, "lod2");
        let data = extent_of("ogrinfo", &folder.join("truth/parcels.geojson")).unwrap();
        same_place(extent(&read("alkis.xml")), data, "alkis");
    }
    let period = |name: &str| {
        let xml = read(name);
        (value(&xml, "<gml:beginPosition>", "<"), value(&xml, "<gml:endPosition>", "<"))
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let flight = value(&images[0].to_string_lossy(), "_sh_", ".tif");
    assert_eq!(period("dop.xml"), pair(&flight, &flight));
    assert_eq!(period("serie-luftbild.xml"), pair(&flight, &flight));
    let created = first_in_zip(&files(&folder.join("in/lod2"), ".zip")[0], r"creationDate>(\d{4}-\d\d-\d\d)");
    assert_eq!(period("lod2.xml"), pair(&created, &created));
    let mut text = String::new();
    for file in files(&folder.join("in/alkis"), ".gz") {
        flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    }
    let begins = regex::Regex::new(r"beginnt>(\d{4}-\d\d-\d\d)").unwrap();
    let oldest = begins.captures_iter(&text).map(|found| found[1].to_owned()).min().unwrap();
    let truth: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("truth/truth.json")).unwrap()).unwrap();
    assert_eq!(period("alkis.xml"), pair(&oldest, truth["nights"][0]["date"].as_str().unwrap()));
}

fn first_in_zip(path: &Path, pattern: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    archive.by_index(0).unwrap().read_to_string(&mut text).unwrap();
    regex::Regex::new(pattern).unwrap().captures(&text).unwrap()[1].to_owned()
}
