//! The kind from tables and pictures to artefacts.

use crate::crs::{Bbox, Crs};
use crate::dataset::testing::{Harness, Play};
use crate::dataset::{Count, Counts};
use crate::format::jpeg::{Decoder, Encoder};
use crate::raster::Rgbx;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A small panorama that no other is: red grows to the right, green downwards, blue tells its number.
pub fn panorama(number: u32, width: usize) -> Vec<u8> {
    let mut picture = Rgbx::empty(width, width / 2);
    for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (index % width * 255 / width, index / width * 510 / width);
        pixel.copy_from_slice(&[x as u8, y as u8, (number * 37 % 251) as u8, 255]);
    }
    Encoder::new(90).unwrap().encode(&picture).unwrap()
}

/// A picture with a segment behind its start.
fn with_segment(jpeg: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut all = vec![0xff, 0xd8, 0xff, 0xe1];
    all.extend_from_slice(&(payload.len() as u16 + 2).to_be_bytes());
    all.extend_from_slice(payload);
    all.extend_from_slice(&jpeg[2..]);
    all
}

struct Delivery {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Delivery {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), files: Vec::new() }
    }
    fn file(&mut self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.files.push(path);
    }
    fn play(&self, options: &Value) -> Play {
        let mut play = Play::new("street_survey", options, &self.files);
        play.area.crs = Some(Crs::UTM32);
        play
    }
}

const HEADER: &str = "filename;utm_easting;utm_northing;z;roll;pitch;heading;relative_path\n";

/// Twenty pictures eastwards from a place in Norderstedt, five metres apart, in two runs, and what is wrong beside them.
fn eagle_eye() -> Delivery {
    let mut delivery = Delivery::new();
    let mut table = HEADER.to_owned();
    for k in 0..20 {
        let (name, run) = (format!("pano_{k:03}.jpg"), k / 12);
        let east = 564_700.0 + f64::from(k) * 5.0;
        table.push_str(&format!("{name};{east:.3};5950590.000;31.500;0.10;-0.20;90.00;run_{run}/{name}\n"));
        delivery.file(&name, &panorama(k, 512));
    }
    table.push_str("pano_900.jpg;564710.000;5950590.000;31.5;0;0;90;run_1/pano_900.jpg\n");
    table.push_str("pano_901.jpg;5950590.000;564710.000;31.5;0;0;90;run_1/pano_901.jpg\n");
    table.push_str("pano_902.jpg;564810,5;5950590.000;31.5;0;0;90;run_1/pano_902.jpg\n");
    table.push_str("pano_903.jpg;564811;5950590.000\n");
    table.push_str("pano_904.jpg;564812;5950590.000;31.5;0;0;90;run_1/pano_904.jpg\n");
    table.push_str("pano_905.jpg;564813;5950590.000;31.5;0;0;90;run_1/pano_905.jpg\n");
    delivery.file("pano_901.jpg", &panorama(901, 512));
    delivery.file("pano_904.jpg", &panorama(904, 512)[..2000]);
    delivery.file("pano_905.jpg", &Encoder::new(80).unwrap().encode(&Rgbx::empty(320, 320)).unwrap());
    delivery.file("pano_999.jpg", &panorama(999, 512));
    delivery.file("trajektorie.csv", table.as_bytes());
    delivery
}

fn run(play: Play) -> Harness {
    let done = play.run();
    assert!(done.errors.is_empty(), "{:?}", done.errors);
    done
}

fn counts(done: &Harness) -> Count {
    let mut all = Counts::default();
    for result in done.results.iter().flatten() {
        all.add(&result.outcome.counts);
    }
    all.total()
}

/// Codes and places of everything that was refused.
fn refused(done: &Harness) -> Vec<String> {
    let all = done.results.iter().flatten().flat_map(|result| &result.outcome.rejections);
    let mut told: Vec<String> =
        all.map(|one| format!("{} {}", one.code.rsplit("::").next().unwrap_or_default(), one.place)).collect();
    told.sort();
    told
}

fn document(done: &Harness, path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(done.output().join(path)).unwrap()).unwrap()
}

fn frames(done: &Harness) -> Vec<Value> {
    let drive = document(done, "drive.json");
    let sequences = drive["sequences"].as_array().unwrap();
    let all = sequences.iter().map(|sequence| document(done, sequence["href"].as_str().unwrap()));
    all.flat_map(|sequence| sequence["frames"].as_array().unwrap().clone()).collect()
}

fn internal() -> Value {
    json!({ "audience": "internal", "date": "2025-06-12", "vertical": "dhhn2016" })
}

#[test]
fn a_delivery_of_eagle_eye_becomes_a_drive() {
    let delivery = eagle_eye();
    let mut play = delivery.play(&internal());
    play.area.extent = Some(Bbox::new([560_000.0, 5_940_000.0], [570_000.0, 5_960_000.0]));
    let done = run(play);
    insta::assert_snapshot!(refused(&done).join("\n"), @r"
    decode pano_904.jpg
    no_picture trajektorie.csv:22, run_1/pano_900.jpg
    no_row pano_999.jpg
    outside trajektorie.csv:23, run_1/pano_901.jpg, at 5950590.00 564710.00
    picture trajektorie.csv:27, run_1/pano_905.jpg
    row trajektorie.csv:24, run_1/pano_902.jpg
    row trajektorie.csv:25, pano_903.jpg
    ");
    assert_eq!(counts(&done), Count { input: 27, output: 20, rejected: 7, dropped_private: 0 });
    let drive = document(&done, "drive.json");
    assert_eq!(drive["sequences"].as_array().unwrap().len(), 2);
    assert_eq!((drive["crs"].as_str(), drive["blurred"].as_bool()), (Some("EPSG:25832"), Some(false)));
    // The picture that is broken was driven to.
    assert_eq!(drive["length_m"], 55.0 + 35.0 + 17.0);
    let frames = frames(&done);
    assert_eq!(frames.len(), 20);
    for frame in &frames {
        // What PROJ gives for the convergence here (see `north`), and how it grows eastwards: 0.0122° in a kilometre.
        let (azimuth, east) = (frame["azimuth"].as_f64().unwrap(), frame["easting"].as_f64().unwrap());
        let expected = 90.0 + 0.789_837 + (east - 564_698.593) * 1.22e-5;
        assert!((azimuth - expected).abs() < 0.000_1, "{azimuth} where {expected} is expected");
        assert_eq!((frame["height_m"].as_f64(), frame["pitch"].as_f64()), (Some(31.5), Some(-0.2)));
        assert_eq!((&frame["datetime"], &frame["speed_kmh"]), (&json!("2025-06-12T12:00:00Z"), &Value::Null));
        for name in ["hd", "sd", "thumb"] {
            assert!(done.output().join(frame[name].as_str().unwrap()).exists(), "{name}");
        }
        assert_eq!(frame["tiles"]["cols"], 2);
    }
    let first = &frames[0];
    assert!((first["lon"].as_f64().unwrap() - 9.98).abs() < 1e-4 && (first["lat"].as_f64().unwrap() - 53.7).abs() < 1e-4);
    assert_eq!(frames[11]["chainage_m"], 55.0);
    assert_eq!(frames[12]["chainage_m"], 0.0);
    // The same again gives the same bytes, and the same identifiers wherever the files lie.
    let second = eagle_eye();
    let again = run({
        let mut play = second.play(&internal());
        play.area.extent = Some(Bbox::new([560_000.0, 5_940_000.0], [570_000.0, 5_960_000.0]));
        play
    });
    assert_eq!(again.packs, done.packs);
    let files = |done: &Harness| done.as_before().files.into_iter().map(|(name, (_, digest))| (name, digest)).collect::<Vec<_>>();
    assert_eq!(files(&again), files(&done));
    let located = done.locate("pano_003.jpg").unwrap();
    assert_eq!(located.len(), 2);
    assert!(located[0].what.contains("trajektorie.csv, line 5"), "{}", located[0].what);
}

#[test]
fn pictures_are_made_smaller_and_cut_and_tell_nothing() {
    let mut delivery = Delivery::new();
    let jpeg = with_segment(&panorama(1, 2304), b"Exif\0\0II*\0\x08\0\0\0KANARI");
    delivery.file("a.jpg", &jpeg);
    delivery.file("a.csv", format!("{HEADER}a.jpg;564700;5950590;31;0;0;0;a.jpg\n").as_bytes());
    let done = run(delivery.play(&internal()));
    let frame = &frames(&done)[0];
    let bytes = |name: &str| std::fs::read(done.output().join(frame[name].as_str().unwrap())).unwrap();
    let hd = bytes("hd");
    assert!(memchr::memmem::find(&hd, b"KANARI").is_none() && memchr::memmem::find(&hd, b"equirectangular").is_some());
    let mut decoder = Decoder::new().unwrap();
    let (whole, shown) = (decoder.decode(&jpeg, 2304, 1152).unwrap(), decoder.decode(&hd, 2304, 1152).unwrap());
    assert_eq!(whole.pixels(), shown.pixels(), "the whole picture is the delivered one");
    let sd = decoder.decode(&bytes("sd"), 2048, 1024).unwrap();
    let thumb = decoder.decode(&bytes("thumb"), 500, 300).unwrap();
    // Colours tell where a pixel comes from: the thumb is the middle quarter.
    let near = |a: [u8; 4], b: [u8; 4]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 8);
    assert!(near(sd.pixel(512, 256), whole.pixel(576, 288)), "{:?}", sd.pixel(512, 256));
    assert!(near(thumb.pixel(0, 150), whole.pixel(864, 576)) && near(thumb.pixel(499, 150), whole.pixel(1439, 576)));
    let tiles = &frame["tiles"];
    assert_eq!((tiles["cols"].as_u64(), tiles["rows"].as_u64(), tiles["tile_px"].as_u64()), (Some(8), Some(4), Some(288)));
    let template = tiles["href"].as_str().unwrap();
    for (col, row) in [(0, 0), (7, 3), (3, 1)] {
        let name = template.replace("{TileCol}", &col.to_string()).replace("{TileRow}", &row.to_string());
        let tile = decoder.decode(&std::fs::read(done.output().join(name)).unwrap(), 288, 288).unwrap();
        assert_eq!(tile.pixel(144, 144), whole.pixel(col * 288 + 144, row * 288 + 144));
    }
    let item = document(&done, "drive.json")["sequences"][0]["id"].as_str().unwrap().to_owned();
    let item = document(&done, &format!("stac/{item}/{}.json", frame["id"].as_str().unwrap()));
    assert_eq!(item["properties"]["tiles:tile_matrix_sets"]["geovisio"]["tileMatrix"][0]["matrixWidth"], 8);
    assert_eq!(item["properties"]["pers:interior_orientation"]["sensor_array_dimensions"], json!([2304, 1152]));
}

#[test]
fn what_nobody_has_blurred_never_becomes_public() {
    let table = |columns: &str, values: [&str; 3]| {
        let mut delivery = Delivery::new();
        let mut text = format!("bild;x;y;richtung{columns}\n");
        for (index, value) in values.iter().enumerate() {
            let name = format!("p{index}.jpg");
            delivery.file(&name, &panorama(index as u32, 512));
            text.push_str(&format!("{name};{};5950590;10{value}\n", 564_700 + index * 5));
        }
        delivery.file("t.csv", text.as_bytes());
        delivery
    };
    let public = |more: Value| {
        let mut options = json!({ "audience": "public", "date": "2025-06-12" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    // Nobody says anything: nothing is derived, nothing is made.
    let nothing = run(table("", [""; 3]).play(&public(json!({}))));
    let error = nothing.assembly.as_ref().unwrap_err();
    assert_eq!(error.code(), "mk::street_survey::empty");
    insta::assert_snapshot!(error.hint_text().unwrap_or_default(), @r#"3 pictures are not marked as blurred: set audience = "internal"; or blurred = true, when faces and plates cannot be seen in any of them"#);
    assert!(nothing.results[2].is_empty() && !nothing.output().join("pictures").exists());
    assert_eq!(counts(&nothing), Count { input: 3, output: 0, rejected: 3, dropped_private: 0 });
    // A column says it of some: the others are nowhere, whatever the option says.
    let some = run(table(";verpixelt", [";ja", ";nein", ";ja"]).play(&public(json!({ "blurred": true }))));
    assert_eq!(refused(&some), ["unblurred t.csv:3, p1.jpg"]);
    assert_eq!(frames(&some).len(), 2);
    assert_eq!(document(&some, "drive.json")["blurred"], true);
    let hidden = Decoder::new().unwrap().decode(&panorama(1, 512), 512, 256).unwrap().pixel(256, 128);
    for (name, (path, _)) in some.as_before().files.iter().filter(|(name, _)| name.ends_with("hd.jpg")) {
        let shown = Decoder::new().unwrap().decode(&std::fs::read(path).unwrap(), 512, 256).unwrap();
        assert_ne!(shown.pixel(256, 128), hidden, "{name}");
    }
    let all = run(table("", [""; 3]).play(&public(json!({ "blurred": true }))));
    assert_eq!(frames(&all).len(), 3);
    // The office sees all of them.
    let office = run(table(";verpixelt", [";ja", ";nein", ";ja"]).play(&internal()));
    assert_eq!(frames(&office).len(), 3);
    assert_eq!(document(&office, "drive.json")["blurred"], false);
}

#[test]
fn recordings_of_cyclomedia_have_times_speeds_and_true_directions() {
    let mut delivery = Delivery::new();
    let mut text = String::from("<?xml version=\"1.0\"?>\n<Recordings xmlns=\"http://www.cyclomedia.com\">\n");
    for k in 0..6 {
        let id = format!("5D4KX5S{k}");
        let (longitude, seconds) = (9.98 + f64::from(k) * 5.0 / 65_900.0, k);
        text.push_str(&format!(
            "<Recording><ImageId>{id}</ImageId><Location><Longitude>{longitude:.8}</Longitude><Latitude>53.7</Latitude><Height>70.5</Height></Location>\
             <RecorderDirection>89.5</RecorderDirection><RecordedAt><DateTime>2025-06-12T10:00:{seconds:02}</DateTime><OffsetMinutes>120</OffsetMinutes></RecordedAt></Recording>\n"
        ));
        delivery.file(&format!("{id}.jpg"), &panorama(k, 512));
    }
    text.push_str("<Recording><ImageId>BROKEN</ImageId></Recording></Recordings>\n");
    delivery.file("recordings.xml", text.as_bytes());
    let mut options = json!({ "audience": "internal", "spacing_m": 0.0 });
    options["geoid"] = json!("fixtures/city_model/geoid.gtx");
    let done = run(delivery.play(&options));
    assert_eq!(refused(&done), ["row recordings.xml, BROKEN"]);
    let frames = frames(&done);
    assert_eq!(frames.len(), 6);
    assert_eq!(frames[0]["datetime"], "2025-06-12T08:00:00Z");
    assert!(frames.iter().all(|frame| frame["azimuth"] == 89.5));
    let speed = frames[2]["speed_kmh"].as_f64().unwrap();
    assert!((speed - 18.0).abs() < 0.1, "5 m in a second are {speed} km/h");
    // Heights come as those of the ellipsoid; PROJ knows how high the geoid lies above it.
    let pipeline = "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad \
         +step +proj=vgridshift +grids=\"fixtures/city_model/geoid.gtx\" +multiplier=1";
    for (k, frame) in frames.iter().enumerate() {
        let (height, geoid) = (
            frame["height_m"].as_f64().unwrap(),
            crate::crs::proj_height(pipeline, 9.98 + k as f64 * 5.0 / 65_900.0, 53.7).unwrap(),
        );
        assert!((height - (70.5 - geoid)).abs() < 0.0011, "{height}, the geoid lies at {geoid}");
    }
    let broken = |text: &str| {
        let mut delivery = Delivery::new();
        delivery.file("r.xml", text.as_bytes());
        delivery.play(&options).run().errors.into_iter().map(|(.., error)| error.full_message()).collect::<Vec<_>>().join("; ")
    };
    assert!(broken("<!DOCTYPE a><Recordings><Recording/></Recordings>").contains("DOCTYPE"));
    assert!(broken("<Recordings><Recording>").contains("ends early"));
    assert!(broken("<Recordings></Recordings>").contains("no recording"));
    assert!(broken(&format!("<Recordings>{}", "<a>".repeat(40))).contains("within each other"));
}

#[test]
fn a_table_of_any_columns_is_read_by_its_mapping() {
    let mut delivery = Delivery::new();
    let mut text = "Foto\tRechts\tHoch\tBlick\tAufnahme\tWagen\n".to_owned();
    for k in 0..8 {
        let name = format!("bild-{k}.jpg");
        delivery.file(&name, &panorama(k, 512));
        // The clock stands still for a minute after four pictures; a row of another car is between.
        let seconds = if k < 4 { k } else { k + 60 };
        let time = format!("12.06.2025 10:{:02}:{:02},5", seconds / 60, seconds % 60);
        text.push_str(&format!(
            "{name}\t{}\t5950590,0\t-90,0\t{time}\tKOD Süd\n",
            format!("{:.1}", 564_700.0 + f64::from(k) * 4.0).replace('.', ",")
        ));
    }
    delivery.file("fahrt.tsv", encoding_rs::WINDOWS_1252.encode(&text).0.as_ref());
    let columns =
        json!({ "picture": "Foto", "x": "Rechts", "y": "Hoch", "heading": "Blick", "time": "Aufnahme", "run": "Wagen" });
    let options = json!({
        "audience": "internal", "columns": columns, "encoding": "windows-1252", "decimal": ",", "time_zone": "Europe/Berlin",
        "spacing_m": 5.0, "camera": { "manufacturer": "FLIR", "model": "Ladybug5" },
    });
    let done = run(delivery.play(&options));
    let drive = document(&done, "drive.json");
    assert_eq!(drive["sequences"].as_array().unwrap().len(), 2, "a minute is a long pause");
    assert_eq!(drive["sequences"][0]["datetime"], json!(["2025-06-12T08:00:00.5Z", "2025-06-12T08:00:02.5Z"]));
    // Four metres apart, five wanted: every second one stays, the others are no loss.
    assert_eq!(frames(&done).len(), 4);
    assert_eq!(counts(&done), Count { input: 8, output: 8, rejected: 0, dropped_private: 0 });
    let notes = &done.assembly.as_ref().unwrap().facts.notes;
    assert!(notes.contains(&("Ausgedünnte Bilder".to_owned(), "4".to_owned())), "{notes:?}");
    assert!((frames(&done)[0]["azimuth"].as_f64().unwrap() - 270.789_8).abs() < 0.001);
    // Without the mapping the table is refused with what it has.
    let mut plain = options.clone();
    plain["columns"] = json!({ "picture": "Bild" });
    let refused = delivery.play(&plain).run();
    insta::assert_snapshot!(refused.errors[0].2.to_string(), @"the table has no column 'Bild' (fahrt.tsv)");
}

#[test]
fn pictures_that_know_their_place_need_no_table() {
    use exif::experimental::Writer;
    use exif::{Field, In, Rational, Tag, Value};
    let mut delivery = Delivery::new();
    for k in 0..4_u32 {
        let ascii = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
        let degrees = |degrees: u32, minutes: u32, millis: u32| {
            Value::Rational(vec![(degrees, 1).into(), (minutes, 1).into(), Rational { num: millis, denom: 1000 }])
        };
        let fields = [
            (Tag::GPSLatitude, degrees(53, 42, 0)),
            (Tag::GPSLatitudeRef, ascii("N")),
            (Tag::GPSLongitude, degrees(9, 58, 48_000 + k * 300)),
            (Tag::GPSLongitudeRef, ascii("E")),
            (Tag::GPSImgDirection, Value::Rational(vec![(8950, 100).into()])),
            (Tag::GPSImgDirectionRef, ascii("M")),
            (Tag::DateTimeOriginal, ascii(&format!("2025:06:12 10:00:{k:02}"))),
            (Tag::OffsetTimeOriginal, ascii("+02:00")),
            (Tag::Make, ascii("GoPro")),
            (Tag::Model, ascii("Max")),
            (Tag::Artist, ascii("KANARI")),
        ];
        let fields = fields.map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
        let mut writer = Writer::new();
        for field in &fields {
            writer.push_field(field);
        }
        let mut tiff = std::io::Cursor::new(Vec::new());
        writer.write(&mut tiff, true).unwrap();
        let mut jpeg = with_segment(&panorama(k, 512), &[b"Exif\0\0", &tiff.into_inner()[..]].concat());
        if k != 3 {
            let xmp = "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF xmlns:r='r'><r:Description xmlns:GPano='g' GPano:PosePitchDegrees='1.5'><GPano:PoseHeadingDegrees>91.25</GPano:PoseHeadingDegrees></r:Description></r:RDF></x:xmpmeta>";
            jpeg = with_segment(&jpeg, xmp.as_bytes());
        }
        delivery.file(&format!("GS{k:04}.jpg"), &jpeg);
    }
    delivery.file("plain.jpg", &panorama(9, 512));
    let done = run(delivery.play(&json!({ "audience": "internal" })));
    assert_eq!(refused(&done), ["no_row plain.jpg"]);
    let frames = frames(&done);
    assert_eq!(frames.len(), 4);
    assert_eq!(frames[0]["datetime"], "2025-06-12T08:00:00Z");
    assert_eq!((frames[0]["azimuth"].as_f64(), frames[0]["pitch"].as_f64()), (Some(91.25), Some(1.5)));
    assert_eq!(frames[3]["azimuth"], 89.5);
    assert!((frames[0]["lon"].as_f64().unwrap() - 9.98).abs() < 1e-7);
    let findings: Vec<&str> =
        done.results.iter().flatten().flat_map(|result| &result.outcome.findings).map(|finding| &*finding.code).collect();
    assert_eq!(findings, ["mk::street_survey::magnetic"]);
    let sequence = document(&done, "drive.json")["sequences"][0]["id"].as_str().unwrap().to_owned();
    let item = document(&done, &format!("stac/{sequence}/{}.json", frames[0]["id"].as_str().unwrap()));
    assert_eq!(item["properties"]["pers:interior_orientation"]["camera_manufacturer"], "GoPro");
    for (name, (path, _)) in done.as_before().files {
        assert!(memchr::memmem::find(&std::fs::read(path).unwrap(), b"KANARI").is_none(), "{name}");
    }
}

#[test]
fn the_catalogue_chains_pictures_and_map_tiles_hold_them() {
    let done = run(eagle_eye().play(&internal()));
    let drive = document(&done, "drive.json");
    for sequence in drive["sequences"].as_array().unwrap() {
        let id = sequence["id"].as_str().unwrap();
        let frames = document(&done, sequence["href"].as_str().unwrap())["frames"].as_array().unwrap().clone();
        for (index, frame) in frames.iter().enumerate() {
            let item = document(&done, &format!("stac/{id}/{}.json", frame["id"].as_str().unwrap()));
            let link = |rel: &str| item["links"].as_array().unwrap().iter().find(|link| link["rel"] == rel).cloned();
            let neighbour = |index: Option<usize>| index.and_then(|index| frames.get(index));
            for (rel, wanted) in [("prev", neighbour(index.checked_sub(1))), ("next", neighbour(Some(index + 1)))] {
                assert_eq!(link(rel).map(|link| link["id"].clone()), wanted.map(|wanted| wanted["id"].clone()));
                let place = wanted.map(|wanted| json!([wanted["lon"], wanted["lat"]]));
                assert_eq!(link(rel).map(|link| link["geometry"]["coordinates"].clone()), place);
            }
            assert_eq!(item["properties"]["view:azimuth"], frame["azimuth"]);
        }
    }
    let mut reader = crate::format::pmtiles::Reader::open(&done.output().join("street_survey.pmtiles")).unwrap();
    // A way of a hundred metres is not seen from farther above.
    assert_eq!(reader.zooms(), (10, 16));
    let (mut seen, mut low) = (std::collections::BTreeSet::new(), 0);
    for (z, x, y) in reader.tiles().collect::<Vec<_>>() {
        use geozero::mvt::Message;
        let packed = reader.tile(z, x, y).unwrap().unwrap();
        let tile = geozero::mvt::Tile::decode(&packed[..]).unwrap();
        for layer in tile.layers {
            let ids = layer.values.iter().filter_map(|value| value.string_value.clone()).filter(|text| text.len() == 36);
            match layer.name.as_str() {
                "pictures" if z == 16 => seen.extend(ids),
                "pictures" => assert!(z >= 15),
                _ => low += u32::from(z < 15),
            }
        }
    }
    // Twenty pictures and their two sequences.
    assert!(seen.len() == 22 && low > 0, "{}", seen.len());
}

#[test]
fn streets_without_a_picture_are_told() {
    let mut delivery = eagle_eye();
    let line = |name: &str, from: [f64; 2], to: [f64; 2]| json!({ "type": "Feature", "properties": { "strasse": name }, "geometry": { "type": "LineString", "coordinates": [from, to] } });
    let network = json!({
        "type": "FeatureCollection",
        "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } },
        "features": [
            line("Fahrweg", [564_700.0, 5_950_588.0], [564_795.0, 5_950_588.0]),
            line("Hinterweg", [564_700.0, 5_950_800.0], [564_800.0, 5_950_800.0]),
        ],
    });
    let path = delivery.folder.path().join("netz.geojson");
    std::fs::write(&path, network.to_string()).unwrap();
    delivery.files.retain(|file| file != Path::new("netz.geojson"));
    let mut options = internal();
    options["streets"] = json!({ "file": path, "name": "strasse" });
    let done = run(delivery.play(&options));
    let coverage = document(&done, "coverage.geojson");
    let told: Vec<[String; 2]> = coverage["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| ["name", "stand"].map(|key| feature["properties"][key].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(told, [["Fahrweg", "befahren"], ["Hinterweg", "fehlt"]].map(|pair| pair.map(str::to_owned)));
    let notes = &done.assembly.as_ref().unwrap().facts.notes;
    assert!(notes.contains(&("Straßen ohne Bild".to_owned(), "Hinterweg".to_owned())), "{notes:?}");
    assert!(notes.contains(&("Straßennetz befahren".to_owned(), "0,1 von 0,2 km (48 %)".to_owned())), "{notes:?}");
    let file = std::io::BufReader::new(std::fs::File::open(done.output().join("preview.png")).unwrap());
    let mut picture = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; picture.output_buffer_size().unwrap()];
    picture.next_frame(&mut pixels).unwrap();
    let count = |colour: [u8; 3]| pixels.as_chunks::<3>().0.iter().filter(|pixel| **pixel == colour).count();
    // The street lies under its pictures here and there; the other one is beyond the paper.
    assert!(count([11, 92, 134]) >= 20 * 9 && count([58, 140, 92]) > 20, "pictures and what was driven");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for wrong in [
        json!({ "tiles": 6 }),
        json!({ "quality": 0 }),
        json!({ "max_gap_m": -1.0 }),
        json!({ "encoding": "latin-7000" }),
        json!({ "time_zone": "Mars" }),
        json!({ "streets": { "file": "a.gpkg", "dataset": "b" } }),
        json!({ "columns": { "bild": "a" } }),
    ] {
        let play = Play::new("street_survey", &wrong, &[]);
        assert!((super::KIND.open)(&play.config).is_err(), "{wrong}");
    }
}
