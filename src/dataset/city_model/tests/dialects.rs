//! The same buildings in CityGML 2 and 3, CityJSON and CityJSONSeq.

use super::*;

#[test]
fn citygml_2_and_3_give_the_same_buildings() {
    let one = fixture();
    let two = one.replace("/1.0\"", "/2.0\"");
    assert_eq!(buildings(&one), buildings(&two));
    // 3.0: GML 3.2, boundaries and parts under other names, geometry in the core.
    let mut three = one.replace("/1.0\"", "/3.0\"").replace("http://www.opengis.net/gml\"", "http://www.opengis.net/gml/3.2\"");
    three = three.replace("xmlns:core=", "xmlns:con=\"http://www.opengis.net/citygml/construction/3.0\" xmlns:core=");
    for kind in ["Roof", "Wall", "Ground", "Closure"] {
        three = three.replace(&format!("bldg:{kind}Surface"), &format!("con:{kind}Surface"));
    }
    three = three.replace("bldg:boundedBy", "core:boundary").replace("bldg:lod2", "core:lod2");
    three = three.replace("consistsOfBuildingPart", "buildingPart");
    three = three.replace("<gen:stringAttribute name=\"", "<core:genericAttribute><gen:StringAttribute><gen:name>");
    three = three.replace("\"><gen:value>", "</gen:name><gen:value>");
    three = three.replace("</gen:stringAttribute>", "</gen:StringAttribute></core:genericAttribute>");
    assert_eq!(buildings(&one), buildings(&three));
}

#[test]
fn the_house_of_karlsruhe_and_the_test_cases_of_citygml_3_are_read() {
    if let (Some(file), Some(grid)) = (shared("misc/FZK-Haus-LoD2.gml"), shared("grids/de_bkg_gcg2016.tif")) {
        let play = Play::new("city_model", &json!({ "geoid": grid }), &[file]);
        let harness = play.run();
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        let (_, tile) = &tiles(&harness)[0];
        check_tileset(&harness);
        // 12 m × 10 m; two roofs at 30 degrees: 120 m² / cos 30°.
        let roof: f64 = tile.triangles().iter().filter(|triangle| triangle.class == "RoofSurface").map(area).sum();
        assert!((roof - 120.0 / 30.0_f64.to_radians().cos()).abs() < 1.0, "{roof}");
        assert_eq!(harness.assembly.as_ref().unwrap().facts.vertical.as_deref(), Some("DHHN92"));
    }
    if let Some(file) = shared("misc/lod2_buildings_v3.gml") {
        let read = buildings(&std::fs::read_to_string(file).unwrap());
        assert_eq!(read.len(), 100);
        let mut triangulator = Triangulator::new();
        for building in &read {
            assert_eq!((building.faces.len(), building.lod, building.solid), (7, 2, true), "{}", building.id);
            assert!(building.faces.iter().all(|face| !triangulator.triangulate(&face.rings).unwrap().crosses_itself()));
        }
    }
}

/// The 100 buildings of KIT's test cases, as CityGML 3.0, CityJSON and CityJSONSeq.
#[test]
fn citygml_3_cityjson_and_cityjsonseq_twins_are_the_same_buildings() {
    let twins = ["lod2_buildings_v3.gml", "lod2_buildings_v2.json", "lod2_buildings_as_CityJSON_features.jsonl"];
    let files: Option<Vec<PathBuf>> = twins.into_iter().map(|name| shared(&format!("misc/{name}"))).collect();
    let Some(files) = files else { return };
    let read = |path: &PathBuf| {
        let mut list = read_all(&std::fs::read(path).unwrap());
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list
    };
    let [mut xml, json, sequence] = [0, 1, 2].map(|number| read(&files[number]));
    assert_eq!((xml.len(), json.len()), (100, 100));
    assert_eq!(json, sequence);
    // The CityGML names EPSG:3068, whose northing comes first; its converter to CityJSON left the numbers in their order.
    for building in &mut xml {
        building.faces.iter_mut().flat_map(|face| face.rings.iter_mut().flatten()).for_each(|point| point.swap(0, 1));
        // Taken at its word, the file is a mirror image, and each shell in it inside out: the check sees that.
        assert_eq!(std::mem::take(&mut building.quality), [405]);
    }
    for (one, other) in xml.iter().zip(&json) {
        assert_eq!(one, other, "{}", one.id);
    }
}

/// A document of our own that is written by hand, not by a converter: parts, an installation, an address, a hole.
#[test]
fn cityjson_gives_what_the_same_citygml_gives() {
    let (harness, _folder) = play_texts(&[(FIXTURE, &fixture())], &json!({}));
    let bytes = std::fs::read(harness.output().join("buildings.city.jsonl")).unwrap();
    // Surfaces are numbered by their order in the solid here, by that of the boundaries there.
    let strip = |mut list: Vec<Building>| {
        list.sort_by(|a, b| a.id.cmp(&b.id));
        for object in list.iter_mut().flat_map(|building| {
            std::iter::once(&mut building.faces).chain(building.parts.iter_mut().map(|part| &mut part.faces))
        }) {
            for face in object.iter_mut() {
                face.surface = 0;
            }
        }
        list
    };
    assert_eq!(strip(read_all(&bytes)), strip(buildings(&fixture())), "what is written reads back");
    let pretty = br#"{
        "type": "CityJSON", "version": "1.1", "transform": { "scale": [0.001, 0.001, 0.001], "translate": [565000, 5950000, 0] },
        "metadata": { "referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/25832" },
        "CityObjects": {
            "a": { "type": "Building", "children": ["p", "i"], "attributes": { "roofType": "1000", "measuredHeight": 4 },
                   "address": [{ "ThoroughfareName": "Ring", "ThoroughfareNumber": "3", "LocalityName": "Musterstadt" }] },
            "p": { "type": "BuildingPart", "parents": ["a"], "geometry": [
                { "type": "MultiSurface", "lod": 1.2, "boundaries": [[[0, 1, 2]]] },
                { "type": "MultiSurface", "lod": "2.2", "boundaries": [[[0, 1, 2, 3]], [[4, 5, 6]]],
                  "semantics": { "surfaces": [{ "type": "GroundSurface" }], "values": [0, null] } }] },
            "i": { "type": "BuildingInstallation", "parents": ["a"], "geometry": [
                { "type": "MultiSurface", "lod": "2", "boundaries": [[[4, 6, 5]]] }] },
            "t": { "type": "TINRelief" }
        },
        "vertices": [[0, 0, 0], [0, 9000, 0], [9000, 9000, 0], [9000, 0, 0], [0, 0, 4000], [9000, 0, 4000], [0, 9000, 4000]]
    }"#;
    let [building] = &read_all(pretty)[..] else { panic!("one building") };
    assert_eq!(building.attribute("address").unwrap().to_string(), "Ring 3, Musterstadt");
    assert_eq!(
        building.parts.iter().map(|part| (part.kind.element(), part.faces.len())).collect::<Vec<_>>(),
        [("BuildingInstallation", 1), ("BuildingPart", 2)]
    );
    assert_eq!(building.parts[1].faces[0].rings[0][2], [565_009.0, 5_950_009.0, 0.0]);
    assert_eq!(building.parts[1].faces[1].semantic, Semantic::Roof, "guessed where the data does not say");
}
