//! All that is private at once, in one night: photos of the field with words in every corner of the file, inspectors and defects in
//! tables and deltas, pictures of a drive of which some are not blurred. None of it is public, and all of it is with the office.
//!
//! The words are none of the canaries that a release is searched for by itself: what keeps them out is what the kinds publish.

use super::oracles;
use super::town::{Release, Run};
use messkette::format::jpeg::{Decoder, Encoder};
use messkette::raster::Rgbx;
use serde_json::json;
use std::path::Path;

/// What is hidden, with the folder of the office where it is found all the same.
const FIELD: [&str; 9] = [
    "Zeisig-Exif",
    "Zeisig-Xmp",
    "Zeisig-Kommentar",
    "Zeisig-Ende",
    "Zeisig-Datei",
    "Zeisig-Prueferin",
    "Zeisig-Mangel",
    "Zeisig-Delta",
    "Zeisig-Ansprechpartner",
];
const DRIVE: [&str; 3] = ["Zeisig-Fahrer", "Zeisig-Kamera", "Zeisig-Fahrtkommentar"];
/// Names of files of the drive: its folder, its table, its pictures that are blurred and that are not, its column of runs.
const NAMES: [&str; 5] = ["Zeisig-Ordner", "Zeisig-Trajektorie", "Zeisig-Bild", "Zeisig-Gesicht", "Zeisig-Tour"];

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker][..], &length, content].concat()
}

/// A picture of one colour with words in EXIF (Artist), XMP and a comment.
fn picture(size: [usize; 2], colour: [u8; 3], [exif, xmp, comment]: [&str; 3]) -> Vec<u8> {
    let mut picture = Rgbx::empty(size[0], size[1]);
    picture.pixels_mut().as_chunks_mut::<4>().0.fill([colour[0], colour[1], colour[2], 255]);
    let plain = Encoder::new(90).unwrap().encode(&picture).unwrap();
    // A directory with one text behind it (TIFF 6.0, sections 2 and 8: Artist).
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x3b\x01\x02\0".to_vec();
    tiff.extend((exif.len() as u32 + 1).to_le_bytes());
    tiff.extend(26_u32.to_le_bytes());
    tiff.extend([0; 4]);
    tiff.extend([exif.as_bytes(), b"\0"].concat());
    let packet = format!(
        "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:creator=\"{xmp}\"/></rdf:RDF></x:xmpmeta>"
    );
    let head =
        [segment(0xe1, &[b"Exif\0\0", &tiff[..]].concat()), segment(0xe1, packet.as_bytes()), segment(0xfe, comment.as_bytes())];
    [&plain[..2], &head.concat(), &plain[2..]].concat()
}

fn deliver(folder: &Path) {
    let place = folder.join("in/spielplatz");
    std::fs::create_dir_all(place.join("DCIM")).unwrap();
    let fixture =
        |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/playground").join(name)).unwrap();
    let sites = String::from_utf8(fixture("spielplaetze.geojson")).unwrap();
    std::fs::write(place.join("spielplaetze.geojson"), sites.replace("KANARI Beispiel", FIELD[8])).unwrap();
    std::fs::write(place.join("spielgeraete.csv"), fixture("spielgeraete.csv")).unwrap();
    let inspections = format!(
        "pruefung_id;geraet_id;pruefart;datum;pruefer;ergebnis;mangel;foto\n\
         P-1;G-1;Jahreshauptinspektion;14.08.2025;{};Mangel;{};{}.jpg\n",
        FIELD[5], FIELD[6], FIELD[4]
    );
    std::fs::write(place.join("pruefungen.csv"), inspections).unwrap();
    let mut photo = picture([64, 48], [250, 0, 250], [FIELD[0], FIELD[1], FIELD[2]]);
    photo.extend(FIELD[3].as_bytes());
    std::fs::write(place.join(format!("DCIM/{}.jpg", FIELD[4])), &photo).unwrap();
    let defect = "11111111-0000-4000-8000-000000000001";
    let uuid = |number: u8| format!("22222222-0000-4000-8000-00000000000{number}");
    let change = |number: u8, layer: &str, attributes: serde_json::Value| json!({ "uuid": uuid(number), "clientId": FIELD[7], "localLayerId": layer, "method": "create", "new": { "attributes": attributes } });
    let deltas = json!({ "id": "datei-1", "deltas": [
        change(1, "mangel", json!({ "uuid": defect, "beschreibung": FIELD[6], "status": "offen" })),
        change(2, "foto_tabelle", json!({ "uuid": uuid(7), "mangel_uuid": defect, "pfad": format!("DCIM/{}.jpg", FIELD[4]) })),
        change(3, "pruefung", json!({ "uuid": uuid(8), "pruefart": "haupt", "datum": "2026-05-27", "pruefer": FIELD[7], "mangel": FIELD[6] })),
    ] });
    std::fs::write(place.join("delta_1.json"), deltas.to_string()).unwrap();

    let drive = folder.join("in/fahrt").join(NAMES[0]);
    std::fs::create_dir_all(&drive).unwrap();
    let mut table = String::from("bild;x;y;richtung;verpixelt;fahrt\n");
    for number in 0..9_u8 {
        let open = number % 3 == 0;
        let colour = if open { [250, 0, 250] } else { [0, 20 * number, 90] };
        let (name, blurred) = if open { (NAMES[3], "nein") } else { (NAMES[2], "ja") };
        std::fs::write(drive.join(format!("{name}-{number}.jpg")), picture([512, 256], colour, DRIVE)).unwrap();
        let east = 565_000 + u32::from(number) * 5;
        table.push_str(&format!("{name}-{number}.jpg;{east};5948010;90;{blurred};{}\n", NAMES[4]));
    }
    std::fs::write(drive.join(format!("{}.csv", NAMES[1])), table).unwrap();
    let pipeline = "[pipeline]\nname = \"amt\"\ncrs = \"EPSG:25832\"\nbase_url = \"https://geo.amt.example\"\n\
        contact = { organisation = \"Amt\", email = \"geo@amt.example\" }\n\
        [[dataset]]\nid = \"spielplaetze\"\nkind = \"playground\"\nsource = [\"in/spielplatz/*\", \"in/spielplatz/DCIM/*\"]\naudience = \"public\"\n\
        devices = { source_crs = \"EPSG:25832\", encoding = \"windows-1252\", decimal = \",\", fields = [{ name = \"fallhoehe_cm\", from = \"Fallhöhe\", unit = \"m\" }] }\n\
        [[dataset]]\nid = \"fahrt\"\nkind = \"street_survey\"\nsource = [\"in/fahrt/**/*\"]\naudience = \"public\"\ndate = \"2025-06-12\"\n";
    std::fs::write(folder.join("pipeline.toml"), pipeline).unwrap();
}

/// Pictures below a folder, and those that show the colour of what is private: photos and pictures that are not blurred.
fn pictures(folder: &Path) -> (usize, usize) {
    let mut decoder = Decoder::new().unwrap();
    let (mut all, mut private) = (0, 0);
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        if bytes.starts_with(&[0xff, 0xd8]) {
            let [width, height] = decoder.size(&bytes).unwrap();
            let [red, green, blue, _] = decoder.decode(&bytes, width, height).unwrap().pixel(width / 2, height / 2);
            all += 1;
            private += usize::from(red > 200 && green < 60 && blue > 200);
        }
    }
    (all, private)
}

#[test]
fn nothing_of_a_night_with_photos_deltas_and_a_drive_that_is_private_is_public() {
    let folder = tempfile::tempdir().unwrap();
    deliver(folder.path());
    // Three pictures that are not blurred cannot go where their dataset goes.
    let run = Run::of(&["run".as_ref(), "--json".as_ref(), folder.path().join("pipeline.toml").as_os_str()]).expect(3);
    assert_eq!(run.summary().objects("rejected"), 3, "{}", run.stderr);
    let release = Release::current(&folder.path().join("work")).unwrap();
    let (public, office) = (release.path("public"), release.path("internal"));

    let (all, private) = pictures(&public);
    assert!(all >= 18 && private == 0, "{private} of {all} public pictures");
    let photos = office.join("spielplaetze/fotos");
    assert_eq!(pictures(&photos), (1, 1), "the office has the photo");
    let base = rusqlite::Connection::open(public.join("spielplaetze/playground.gpkg")).unwrap();
    let mut tables = base.prepare("SELECT table_name FROM gpkg_contents ORDER BY 1").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(tables, ["spielgeraet", "spielplatz"]);
    for name in release.files.keys().filter(|name| name.starts_with("public/")) {
        let lower = name.to_lowercase();
        assert!(
            !["foto", "mangel", "pruef", "faellig", "feed", "qfield", "intern", "delta"].iter().any(|word| lower.contains(word)),
            "{name}"
        );
    }

    // The records are there, and say where the data come from, without a name of a file.
    let records = |folder: &Path| {
        let files = walkdir::WalkDir::new(folder.join("metadata")).into_iter().flatten();
        let texts = files.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "xml"));
        texts.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect::<String>()
    };
    let (told, named) = (records(&public), records(&office));
    assert!(told.contains("6 Bilder einer Befahrung") && told.contains("Gelieferte Datei spielplaetze.geojson"), "{told}");
    assert!([NAMES[1], NAMES[2], NAMES[3], FIELD[4]].iter().all(|name| named.contains(name)), "{named}");

    // Inside of everything, packed or not, as another program unpacks it.
    let Some(mut command) = oracles::python("find_text.py") else { return };
    command.arg("Zeisig-").arg(&public);
    let found = oracles::run(command);
    let lines = |path: &str| {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        text.lines().filter(|line| line.contains("Zeisig-")).map(|line| line.chars().take(300).collect()).collect::<Vec<String>>()
    };
    assert_eq!(found, "", "{:?}", found.lines().map(lines).collect::<Vec<_>>());
    // The same search finds them with the office: it can find them. Who is to be asked at a site is nobody's but the file's.
    for word in FIELD.iter().take(8) {
        let mut command = oracles::python("find_text.py").unwrap();
        command.arg(word).arg(&office).arg(folder.path().join("in"));
        let found = oracles::run(command);
        let by_name = *word == "Zeisig-Delta" || found.contains("/internal/spielplaetze/");
        assert!(by_name && !found.is_empty(), "{word}: {found}");
    }
    let mut command = oracles::python("find_text.py").unwrap();
    command.arg(DRIVE[0]).arg(folder.path().join("in"));
    assert!(oracles::run(command).lines().count() >= 9);
}
