//! What goes to the field and comes back: the project for QField, changes, photos.

use super::*;

/// What an inspector's tablet sends.
fn delta(id: &str, layer: &str, method: &str, uuid: &str, old: &Value, new: &Value) -> Value {
    json!({
        "uuid": id, "clientId": "tablet-1", "localLayerId": layer, "localLayerCrs": "EPSG:25832", "sourcePk": uuid, "localPk": "1",
        "method": method, "old": old, "new": new,
    })
}

#[test]
fn changes_from_the_field_are_taken_over_or_listed() {
    let first = play(&options(), &fixtures()).run();
    let base = open(&first, OFFICE);
    let one = |sql: &str| query(&base, sql).concat().concat();
    let defect = one("SELECT uuid FROM mangel");
    let swing = one("SELECT uuid FROM spielgeraet WHERE kennung = 'G-1'");
    let site = one("SELECT spielplatz_uuid FROM spielgeraet WHERE kennung = 'G-1'");
    let new = "0b8a6f7e-1111-4222-8333-444455556666";
    let file = json!({ "version": "1.0", "id": "f-1", "project": "p", "files": [], "deltas": [
        delta("d-1", "mangel_ab12", "patch", &defect,
            &json!({ "attributes": { "behoben_am": null, "status": "offen" } }),
            &json!({ "attributes": { "behoben_am": "2026-05-27", "status": "behoben" } })),
        delta("d-2", "spielgeraet", "patch", &swing,
            &json!({ "attributes": { "baujahr": 2016 }, "geometry": "Point (565010.5 5948010.25)" }),
            &json!({ "attributes": { "baujahr": 2017, "farbe": "rot" }, "geometry": "Point (565012 5948010)" })),
        delta("d-3", "pruefung", "create", new, &Value::Null, &json!({ "attributes": {
            "uuid": new, "geraet_uuid": swing, "spielplatz_uuid": site, "pruefart": "haupt", "datum": "2026-05-27",
            "pruefer": "KANARI Nissen", "mangel": "Splitter am Balken" } })),
        delta("d-4", "parkbank", "delete", new, &Value::Null, &Value::Null),
    ] });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deltas_1.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let mut files = fixtures();
    files.push(path);
    let mut second = play(&options(), &files);
    second.before = Some(first.as_before());
    let second = second.run();
    whole(&second);
    let base = open(&second, OFFICE);
    assert_eq!(lines(&base, "SELECT status, behoben_am FROM mangel WHERE beschreibung LIKE 'Lager%'"), ["behoben | 2026-05-27"]);
    assert_eq!(
        lines(&base, "SELECT status, festgestellt_am FROM mangel WHERE beschreibung LIKE 'Splitter%'"),
        ["offen | 2026-05-27"]
    );
    let due = "SELECT letzte, faellig FROM pruefplan p JOIN spielgeraet g ON g.uuid = p.geraet_uuid WHERE g.kennung = 'G-1' AND pruefart = 'haupt'";
    assert_eq!(lines(&base, due), ["2026-05-27 | 2027-05-27"]);
    let place = crate::io::gdal::open_vector(&second.output().join(OFFICE), &["GPKG"]).unwrap();
    let mut layer = place.layer_by_name("spielgeraet").unwrap();
    gdal::vector::LayerAccess::set_attribute_filter(&mut layer, "kennung = 'G-1'").unwrap();
    let point = gdal::vector::LayerAccess::features(&mut layer).next().unwrap().geometry().unwrap().get_point(0);
    assert_eq!((point.0, point.1), (565_012.0, 5_948_010.0));
    let conflicts = "SELECT aenderung, tabelle, art, feld, alt, neu, jetzt, grund FROM konflikt ORDER BY 1, 4";
    insta::assert_snapshot!(lines(&base, conflicts).join("\n"), @r#"
    d-2 | spielgeraet | patch | baujahr | 2016 | 2017 | 2015 | inzwischen von anderer Seite geändert
    d-2 | spielgeraet | patch | farbe | - | rot | - | das Feld gibt es nicht, oder es wird berechnet
    d-4 | parkbank | delete | - | - | - | - | keine Tabelle, die das Feld ändern darf
    "#);
    let notes = &second.assembly.as_ref().unwrap().facts.notes;
    assert!(notes.contains(&("Konflikte".to_owned(), "3".to_owned())), "{notes:?}");
    // Nobody outside learns of it.
    for name in ["playground.gpkg", "spielgeraete.geojson"] {
        assert!(memchr::memmem::find(&std::fs::read(second.output().join(name)).unwrap(), b"KANARI").is_none());
    }
}

/// The elements of a name, with their attributes.
fn elements(xml: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) if start.name().as_ref() == name => {
                let attributes = start.attributes().map(Result::unwrap);
                found.push(attributes.map(|it| (it.key.as_ref().to_owned(), it.value.to_string())).collect());
            }
            quick_xml::events::Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn the_project_for_qfield_names_layers_that_there_are_also_where_sites_are_points_and_areas() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = folder.path().join("spielplaetze.geojson");
    let feature =
        |key: &str, geometry: Value| json!({ "type": "Feature", "properties": { "spielplatz_id": key }, "geometry": geometry });
    let square = json!([[[10.0, 53.0], [10.001, 53.0], [10.001, 53.001], [10.0, 53.0]]]);
    let features = [
        feature("A", json!({ "type": "Point", "coordinates": [10.0, 53.0] })),
        feature("B", json!({ "type": "Polygon", "coordinates": square })),
        feature("C", json!({ "type": "MultiPolygon", "coordinates": [square] })),
    ];
    std::fs::write(&mixed, json!({ "type": "FeatureCollection", "features": features }).to_string()).unwrap();
    let harness = play(&json!({}), &[mixed]).run();
    whole(&harness);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(harness.output().join("playground.qfield.zip")).unwrap()).unwrap();
    let names: BTreeSet<String> = archive.file_names().map(str::to_owned).collect();
    assert_eq!(names, ["spielplaetze.gpkg", "spielplaetze.qgs"].map(str::to_owned).into());
    let mut project = String::new();
    std::io::Read::read_to_string(&mut archive.by_name("spielplaetze.qgs").unwrap(), &mut project).unwrap();
    let layers: BTreeSet<String> =
        elements(&project, "layer-tree-layer").into_iter().map(|mut layer| layer.remove("id").unwrap()).collect();
    assert!(layers.contains("spielplatz_tabelle_point") && layers.contains("spielplatz_tabelle_polygon"), "{layers:?}");
    assert!(layers.iter().all(|id| id.len() > 10), "QGIS gives others a new identifier");
    assert!(project.contains("./spielplaetze.gpkg|layername=spielplatz|geometrytype=Polygon"));
    let relations = elements(&project, "relation");
    assert!(relations.iter().all(|it| layers.contains(&it["referencedLayer"]) && layers.contains(&it["referencingLayer"])));
    let ids: BTreeSet<&str> = relations.iter().map(|relation| relation["id"].as_str()).collect();
    assert_eq!(ids.len(), relations.len());
    assert!(elements(&project, "attributeEditorRelation").iter().all(|it| ids.contains(it["relation"].as_str())));
    // The same again.
    let bytes = |harness: &Harness| std::fs::read(harness.output().join("playground.qfield.zip")).unwrap();
    let again = play(&json!({}), &[folder.path().join("spielplaetze.geojson")]).run();
    assert_eq!(bytes(&harness), bytes(&again));
}

fn jpeg(shade: u8) -> Vec<u8> {
    let mut picture = crate::raster::Rgbx::empty(16, 16);
    picture.pixels_mut().fill(shade);
    crate::format::jpeg::Encoder::new(80).unwrap().encode(&picture).unwrap()
}

#[test]
fn photos_are_kept_with_their_digests_or_rejected_and_never_public() {
    use sha2::Digest as _;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("DCIM")).unwrap();
    let whole_photo = [&jpeg(90)[..], b"KANARI in EXIF"].concat();
    std::fs::write(path("DCIM/gut.jpg"), &whole_photo).unwrap();
    std::fs::write(path("DCIM/anders.jpg"), jpeg(10)).unwrap();
    std::fs::write(path("DCIM/uebrig.jpg"), jpeg(200)).unwrap();
    std::fs::write(path("DCIM/kaputt.jpg"), b"\xff\xd8\xff").unwrap();
    let sha256 = |bytes: &[u8]| super::super::photos::hex(&sha2::Sha256::digest(bytes));
    let defect = "11111111-0000-4000-8000-000000000001";
    let photo = |index: u8, name: &str, digest: Value| {
        json!({
            "uuid": format!("22222222-0000-4000-8000-00000000000{index}"), "localLayerId": "foto_tabelle", "method": "create",
            "new": {
                "attributes": {
                    "uuid": format!("33333333-0000-4000-8000-00000000000{index}"), "mangel_uuid": defect, "pfad": name, "datei": "../../etc/passwd"
                },
                "files_sha256": { name: digest },
            },
        })
    };
    let deltas = json!({ "id": "datei-1", "deltas": [
        { "uuid": "22222222-0000-4000-8000-000000000000", "localLayerId": "mangel", "method": "create",
          "new": { "attributes": { "uuid": defect, "beschreibung": "Kette", "status": "offen" } } },
        photo(1, "DCIM/gut.jpg", sha256(&whole_photo).into()),
        photo(2, "DCIM/anders.jpg", sha256(b"was der Apparat sah").into()),
        photo(3, "DCIM/fort.jpg", Value::Null),
    ] });
    std::fs::write(path("delta_1.json"), deltas.to_string()).unwrap();
    std::fs::write(
        path("pruefungen.csv"),
        "pruefung_id;geraet_id;pruefart;datum;foto\nP-1;G-1;Sichtkontrolle;2026-05-01;gut.jpg, nie.jpg\n",
    )
    .unwrap();
    let mut files =
        vec![fixture("spielplaetze.geojson"), fixture("spielgeraete.csv"), path("pruefungen.csv"), path("delta_1.json")];
    files.extend(["gut", "anders", "uebrig", "kaputt"].map(|name| path(&format!("DCIM/{name}.jpg"))));
    let mut play = play(&options(), &files);
    for source in &mut play.sources {
        if std::path::Path::new(&source.name).extension().is_some_and(|ending| ending == "jpg") {
            source.name = format!("DCIM/{}", source.name);
        }
    }
    let harness = play.run();
    whole(&harness);
    let mut rejected: Vec<String> = harness
        .outcomes(1)
        .flat_map(|(_, outcome)| &outcome.rejections)
        .map(|it| format!("{}: {}", it.place, it.reason))
        .collect();
    rejected.sort();
    let told: Vec<&str> = rejected.iter().map(|reason| reason.split(", the field").next().unwrap()).collect();
    let altered = format!("DCIM/anders.jpg: the photo is not the one that was taken: its SHA-256 is {}", sha256(&jpeg(10)));
    assert_eq!(told[0], altered);
    assert!(told[1].starts_with("DCIM/kaputt.jpg: the photo is broken"), "{told:?}");
    assert_eq!(
        told[2..],
        ["delta_1.json: the photo 'DCIM/fort.jpg' was not delivered", "pruefungen.csv: the photo 'nie.jpg' was not delivered"]
    );
    let base = open(&harness, OFFICE);
    let digest = crate::io::Digest::of(&whole_photo).to_string();
    let rows = "SELECT f.pfad, m.beschreibung, p.kennung, f.datei, f.blake3, f.sha256, f.bytes FROM foto f LEFT JOIN mangel m ON m.uuid = f.mangel_uuid \
                LEFT JOIN pruefung p ON p.uuid = f.pruefung_uuid WHERE f.datei IS NOT NULL ORDER BY 1";
    let file = format!("fotos/{digest}.jpg");
    let end = format!("{file} | {digest} | {} | {}", sha256(&whole_photo), whole_photo.len());
    assert_eq!(lines(&base, rows), [format!("DCIM/gut.jpg | Kette | - | {end}"), format!("gut.jpg | - | P-1 | {end}")]);
    assert_eq!(std::fs::read(harness.output().join(&file)).unwrap(), whole_photo, "byte by byte, with what the camera wrote");
    assert_eq!(std::fs::read_dir(harness.output().join("fotos")).unwrap().count(), 2, "also the one that no row names");
    let notes = "SELECT hinweis FROM hinweis WHERE hinweis LIKE '%Foto %' ORDER BY 1";
    assert_eq!(
        lines(&base, notes),
        [
            "das Foto 'DCIM/anders.jpg' ist nicht da",
            "das Foto 'DCIM/fort.jpg' ist nicht da",
            "das Foto 'DCIM/uebrig.jpg' gehört zu keiner Zeile",
            "das Foto 'nie.jpg' ist nicht da",
        ]
    );
    // Where a file is, the field does not say.
    assert_eq!(lines(&base, "SELECT count(*) FROM konflikt WHERE feld = 'datei'"), ["3"]);
    let assembly = harness.assembly.as_ref().unwrap();
    let audience = |path: &str| assembly.artefacts.iter().find(|it| it.path == path).unwrap().audience;
    assert_eq!(audience("fotos"), crate::pipeline::Audience::Internal);
    assert!(!assembly.facts.counts.0.contains_key("foto"), "no record tells of photos");
}
