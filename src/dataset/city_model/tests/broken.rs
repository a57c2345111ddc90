//! Broken deliveries: each is refused with place and reason, whole or building by building, and never ends the program.

use super::{FIXTURE, fixture};
use crate::dataset::city_model::reader;
use std::fmt::Write;

/// What came of a text: counts, then what was refused.
fn outcome(text: &[u8]) -> String {
    let mut kept = Vec::new();
    let result = reader::read(text, "x.gml", |building| {
        kept.push(building.id);
        Ok(None)
    });
    let mut out = String::new();
    match result {
        Err(error) => write!(out, "file refused: {error} [{}]", error.code()).unwrap(),
        Ok(document) => {
            let total = document.found.counts.total();
            assert_eq!(document.found.rejections.len() as u64, total.rejected);
            write!(out, "in {} out {} rejected {}", total.input, total.output, total.rejected).unwrap();
            for rejection in document.found.rejections.iter().chain(&document.found.findings) {
                write!(out, "; {}: {} ({}) [{}]", rejection.object_type, rejection.reason, rejection.place, rejection.code)
                    .unwrap();
            }
            for (name, count) in &document.unknown {
                write!(out, "; unknown {name} x{count}").unwrap();
            }
        }
    }
    out
}

/// The first coordinates of the first building's south wall.
const CORNER: &str = "565100.000 5950200.000 30.000";

/// A change of the fixture, and what it is called.
fn changes() -> Vec<(&'static str, Vec<u8>)> {
    let text = fixture();
    let once = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let ring_at = text.find("<gml:posList").unwrap();
    let ring_end = ring_at + text[ring_at..].find("</gml:posList>").unwrap();
    let ring_with = |inner: &str| {
        let mut changed = text.clone();
        let start = ring_at + text[ring_at..].find('>').unwrap() + 1;
        changed.replace_range(start..ring_end, inner);
        changed.into_bytes()
    };
    let polygon = |inner: &str| once("<gml:exterior><gml:LinearRing>", &format!("<gml:exterior>{inner}<gml:LinearRing>"));
    let doctype = text.replacen("<core:CityModel", "<!DOCTYPE x [<!ENTITY a \"b\">]><core:CityModel", 1);
    let deep = text.replacen("</core:CityModel>", &format!("{}{}</core:CityModel>", "<a>".repeat(150), "</a>".repeat(150)), 1);
    let long = format!("{text}<!--{}-->", "x".repeat(65 << 20));
    vec![
        ("sound", text.clone().into_bytes()),
        ("empty file", Vec::new()),
        ("only a byte order mark", vec![0xef, 0xbb, 0xbf]),
        ("no XML", b"GIF89a and so on".to_vec()),
        ("binary", vec![0, 1, 2, 255, 254, 60, 0, 62]),
        ("another root", text.replace("core:CityModel", "core:TownModel").into_bytes()),
        ("another namespace", once("http://www.opengis.net/citygml/1.0", "http://example.org/citygml/1.0")),
        ("cut off in a ring", text.as_bytes()[..ring_at + 60].to_vec()),
        ("cut off after a building", text.as_bytes()[..text.find("</core:cityObjectMember>").unwrap()].to_vec()),
        ("a wrong end tag", once("</bldg:Building>", "</bldg:Bilding>")),
        ("a DOCTYPE", doctype.into_bytes()),
        ("an unknown entity", once("Musterstadt", "&muster;")),
        ("nested too deeply", deep.into_bytes()),
        ("a comment of 65 MiB", long.into_bytes()),
        ("not UTF-8 though it says so", text.replace("Höhenstraße", "H\u{1}henstrasse").bytes().map(|b| if b == 1 { 0xf6 } else { b }).collect()),
        ("an unknown srsName", once("urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016", "urn:example:flat")),
        ("no gml:id", once(" gml:id=\"DESHMUSTER000001\"", "")),
        ("a coordinate is NaN", once(CORNER, "NaN 5950200.000 30.000")),
        ("a coordinate is infinite", once(CORNER, "inf 5950200.000 30.000")),
        ("a coordinate is a word", once(CORNER, "565100,000 5950200.000 30.000")),
        ("a coordinate is huge", once(CORNER, "5e300 5950200.000 30.000")),
        ("a height is missing", once(CORNER, "565100.000 5950200.000")),
        ("two dimensions", once("<gml:posList srsDimension=\"3\">", "<gml:posList srsDimension=\"2\">")),
        ("an empty ring", ring_with("")),
        ("a ring of two points", ring_with("1 1 1 2 2 2 1 1 1")),
        ("a ring that is not closed", ring_with("1 1 1 2 2 2 3 1 1 4 1 1")),
        ("a ring of one point, repeated", ring_with("1 1 1 1 1 1 1 1 1 1 1 1")),
        ("a face without area", ring_with("1 1 1 2 2 2 3 3 3 1 1 1")),
        ("a bow tie", ring_with("0 0 0 4 4 0 4 0 0 0 6 0 0 0 0")),
        ("no outer ring", {
            let close = ring_end + text[ring_end..].find("</gml:exterior>").unwrap();
            let mut changed = text.clone();
            changed.replace_range(close..close + "</gml:exterior>".len(), "</gml:interior>");
            changed.replacen("<gml:exterior><gml:LinearRing>", "<gml:interior><gml:LinearRing>", 1).into_bytes()
        }),
        ("a ring of curves", polygon("<gml:Ring/>")),
        ("a reference that leads nowhere", once("xlink:href=\"#A_ground\"", "xlink:href=\"#A_grund\"")),
        ("another CRS in a geometry", once("<gml:MultiSurface>", "<gml:MultiSurface srsName=\"EPSG:25833\">")),
        ("a part of a part", once("<bldg:roofType>1000</bldg:roofType>", "<bldg:consistsOfBuildingPart><bldg:BuildingPart gml:id=\"p\"/></bldg:consistsOfBuildingPart>")),
        ("two parts of one name", once("GUID_B2", "GUID_B1")),
        ("a part without surfaces", text.replace("<bldg:BuildingPart gml:id=\"GUID_B1\">", "<bldg:BuildingPart gml:id=\"GUID_B0\"/></bldg:consistsOfBuildingPart><bldg:consistsOfBuildingPart><bldg:BuildingPart gml:id=\"GUID_B1\">").into_bytes()),
        ("a building without surfaces", once("</core:CityModel>", "<core:cityObjectMember><bldg:Building gml:id=\"n\"/></core:cityObjectMember></core:CityModel>")),
        ("other objects", once("</core:CityModel>", "<core:cityObjectMember><bldg:Tunnel/></core:cityObjectMember></core:CityModel>")),
        ("unknown properties", once("<bldg:storeysAboveGround>", "<bldg:colour>red</bldg:colour><bldg:storeysAboveGround>")),
    ]
}

#[test]
fn every_broken_delivery_is_refused_with_place_and_reason() {
    let changes = changes();
    assert!(changes.len() > 30);
    let mut lines = String::new();
    for (name, bytes) in changes {
        writeln!(lines, "{name}: {}", outcome(&bytes)).unwrap();
    }
    insta::assert_snapshot!(lines, @r#"
    sound: in 5 out 5 rejected 0
    empty file: file refused: the file has no element (x.gml) [mk::city_model::empty]
    only a byte order mark: file refused: the file has no element (x.gml) [mk::city_model::empty]
    no XML: file refused: the file has no element (x.gml) [mk::city_model::empty]
    binary: file refused: the XML is not well-formed: cannot decode input using UTF-8: invalid utf-8 sequence of 1 bytes from index 3 (x.gml:1, byte 5) [mk::xml::malformed]
    another root: file refused: the root element is TownModel, not a CityGML CityModel (x.gml:2, byte 351) [mk::city_model::root]
    another namespace: file refused: the root element is CityModel, not a CityGML CityModel (x.gml:2, byte 347) [mk::city_model::root]
    cut off in a ring: file refused: the file ends inside an element (x.gml:25, byte 2239) [mk::xml::truncated]
    cut off after a building: file refused: the file ends inside an element (x.gml:86, byte 6750) [mk::xml::truncated]
    a wrong end tag: file refused: the XML is not well-formed: ill-formed document: expected `</bldg:Building>`, but `</bldg:Bilding>` was found (x.gml:85, byte 6746) [mk::xml::malformed]
    a DOCTYPE: file refused: a DOCTYPE is not accepted (x.gml:2, byte 69) [mk::xml::doctype]
    an unknown entity: file refused: an entity that XML does not define (x.gml:84, byte 6446) [mk::xml::entity]
    nested too deeply: file refused: elements are nested deeper than 100 (x.gml:321, byte 24382) [mk::xml::depth]
    a comment of 65 MiB: file refused: a text or tag is longer than 64 MiB (x.gml:322, byte 67371008) [mk::xml::length]
    not UTF-8 though it says so: file refused: the XML is not well-formed: cannot decode input using UTF-8: invalid utf-8 sequence of 1 bytes from index 1 (x.gml:84, byte 6585) [mk::xml::malformed]
    an unknown srsName: file refused: the srsName 'urn:example:flat' is not known (x.gml:5, byte 460) [mk::crs::srs_name]
    no gml:id: in 5 out 4 rejected 1; Building: it has no gml:id (x.gml:11, byte 740) [mk::city_model::id]
    a coordinate is NaN: in 5 out 4 rejected 1; Building: a coordinate is not finite (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::coordinate]
    a coordinate is infinite: in 5 out 4 rejected 1; Building: a coordinate is not finite (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::coordinate]
    a coordinate is a word: in 5 out 4 rejected 1; Building: a coordinate is no number (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::coordinate]
    a coordinate is huge: in 5 out 4 rejected 1; Building: the coordinate 5e300 is beyond all projections (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::coordinate]
    a height is missing: in 5 out 4 rejected 1; Building: a ring's number of coordinates is no multiple of three (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::coordinate]
    two dimensions: in 5 out 4 rejected 1; Building: a ring has coordinates without heights (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::coordinate]
    an empty ring: in 5 out 4 rejected 1; Building: a ring is empty (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::ring]
    a ring of two points: in 5 out 4 rejected 1; Building: a ring has fewer than three different points (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::ring]
    a ring that is not closed: in 5 out 4 rejected 1; Building: a ring is not closed (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::ring]
    a ring of one point, repeated: in 5 out 4 rejected 1; Building: a ring has fewer than three different points (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::ring]
    a face without area: in 5 out 5 rejected 0; Building: faces without area, left out: 1 (x.gml:11, byte 766, DESHMUSTER000001) [mk::city_model::no_area]
    a bow tie: in 5 out 5 rejected 0; Building: a face crosses itself: its triangles cover 12.00 m², its rings 4.00 m², at 0.00 0.00 (x.gml:11, byte 766, DESHMUSTER000001) [mk::city_model::crossing]
    no outer ring: in 5 out 4 rejected 1; Building: a polygon has no outer ring (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::ring]
    a ring of curves: in 5 out 4 rejected 1; Building: a ring of curves is not supported (x.gml:25, byte 2149, DESHMUSTER000001) [mk::city_model::curve]
    a reference that leads nowhere: in 5 out 4 rejected 1; Building: the reference to 'A_grund' leads nowhere (x.gml:11, byte 766, DESHMUSTER000001) [mk::city_model::xlink]
    another CRS in a geometry: in 5 out 4 rejected 1; Building: a geometry has another CRS than its file (x.gml:24, byte 2105, DESHMUSTER000001) [mk::city_model::srs]
    a part of a part: in 6 out 5 rejected 1; BuildingPart: it is a part of a part (x.gml:97, byte 7633, p) [mk::city_model::part]
    two parts of one name: in 5 out 4 rejected 1; BuildingPart: another part has the same gml:id (x.gml:157, byte 11867, GUID_B1) [mk::city_model::id]
    a part without surfaces: in 6 out 5 rejected 1; BuildingPart: it has no surfaces at LOD2, LOD1 or LOD3 (x.gml:96, byte 7567, GUID_B0) [mk::city_model::no_geometry]
    a building without surfaces: in 6 out 5 rejected 1; Building: it has no surfaces at LOD2, LOD1 or LOD3 (x.gml:321, byte 24132, n) [mk::city_model::no_geometry]
    other objects: in 5 out 5 rejected 0; unknown Tunnel x1
    unknown properties: in 5 out 5 rejected 0; unknown colour x1
    "#);
}

#[test]
fn a_file_cut_anywhere_is_refused_and_never_read_as_whole() {
    let text = fixture();
    let end = text.rfind("</core:CityModel>").unwrap();
    for at in (0..end).step_by(97) {
        let mut at = at;
        while !text.is_char_boundary(at) {
            at += 1;
        }
        assert!(reader::read(&text.as_bytes()[..at], FIXTURE, |_| Ok(None)).is_err(), "cut at {at}");
    }
}
