//! Broken deliveries: each is refused with place and reason, whole or building by building, and never ends the program.

use super::{FIXTURE, fixture};
use crate::dataset::city_model::reader::{self, Wanted};
use std::fmt::Write;

/// What came of a text: counts, then what was refused.
fn outcome(text: &[u8]) -> String {
    let mut kept = Vec::new();
    let result = reader::read(text, "x.gml", Wanted::default(), None, |building| {
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

/// A document with one building of one solid.
fn city_json(boundaries: &str, vertices: &str) -> Vec<u8> {
    format!(
        "{{\"type\":\"CityJSON\",\"version\":\"2.0\",\"CityObjects\":{{\"a\":{{\"type\":\"Building\",\"geometry\":[{{\"type\":\"Solid\",\
         \"lod\":\"2\",\"boundaries\":{boundaries}}}]}}}},\"vertices\":{vertices}}}"
    )
    .into_bytes()
}

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
        ("a hole that runs like its outer ring", {
            let at = text.find("565603.000 5950203.000 30.000 565607.000").unwrap();
            let end = at + text[at..].find("</gml:posList>").unwrap();
            let mut points: Vec<String> = text[at..end].split(' ').collect::<Vec<_>>().chunks(3).map(|p| p.join(" ")).collect();
            points.reverse();
            let mut changed = text.clone();
            changed.replace_range(at..end, &points.join(" "));
            changed.into_bytes()
        }),
        ("a wall that is missing", {
            let start = text.find("<bldg:boundedBy><bldg:WallSurface").or_else(|| text.find("<bldg:boundedBy>")).unwrap();
            let end = start + text[start..].find("</bldg:boundedBy>").unwrap() + "</bldg:boundedBy>".len();
            let id = text[start..end].split("<gml:Polygon gml:id=\"").nth(1).unwrap().split('"').next().unwrap();
            let rest = format!("{}{}", &text[..start], &text[end..]);
            rest.replace(&format!("<gml:surfaceMember xlink:href=\"#{id}\"/>"), "").into_bytes()
        }),
        ("a texture over the map", once("</core:CityModel>", "<app:appearanceMember xmlns:app=\"http://www.opengis.net/citygml/appearance/1.0\"><app:Appearance><app:surfaceDataMember><app:GeoreferencedTexture/></app:surfaceDataMember></app:Appearance></app:appearanceMember></core:CityModel>")),
        ("JSON of another kind", b"{\"type\":\"FeatureCollection\",\"features\":[]}".to_vec()),
        ("CityJSON of the future", b"{\"type\":\"CityJSON\",\"version\":\"9.0\"}".to_vec()),
        ("CityJSON that is cut off", b"{\"type\":\"CityJSON\",\"version\":\"2.0\",\"CityObjects\":{\"a\":".to_vec()),
        ("CityJSON nested too deeply", format!("{{\"type\":\"CityJSON\",\"version\":\"2.0\",\"vertices\":{}", "[".repeat(400)).into_bytes()),
        ("a feature without a header", b"{\"type\":\"CityJSONFeature\",\"CityObjects\":{}}".to_vec()),
        ("a vertex that is not there", city_json("[[[[0,1,7]]]]", "[[0,0,0],[1,0,0],[1,1,0]]")),
        ("a vertex with a negative number", city_json("[[[[0,1,-7]]]]", "[[0,0,0],[1,0,0],[1,1,0]]")),
        ("a vertex beyond all projections", city_json("[[[[0,1,2]]]]", "[[0,0,0],[1e300,0,0],[1,1,0]]")),
        ("a vertex of two numbers", city_json("[[[[0,1,2]]]]", "[[0,0],[1,0],[1,1]]")),
        ("a JSON ring of two points", city_json("[[[[0,1]]]]", "[[0,0,0],[1,0,0],[1,1,0]]")),
        ("boundaries of the wrong depth", city_json("[[0,1,2]]", "[[0,0,0],[1,0,0],[1,1,0]]")),
        ("a child that is not there", b"{\"type\":\"CityJSON\",\"version\":\"2.0\",\"CityObjects\":{\"a\":{\"type\":\"Building\",\"children\":[\"b\",\"a\"]}},\"vertices\":[]}".to_vec()),
        ("unknown properties", once("<bldg:storeysAboveGround>", "<bldg:colour>red</bldg:colour><bldg:storeysAboveGround>")),
    ]
}

#[test]
fn every_broken_delivery_is_refused_with_place_and_reason() {
    let changes = changes();
    assert!(changes.len() > 50);
    let mut lines = String::new();
    for (name, bytes) in changes {
        writeln!(lines, "{name}: {}", outcome(&bytes)).unwrap();
    }
    insta::assert_snapshot!("broken", lines);
}

/// A stream of one building whose polygons never end: its size is capped, its text never in memory as a whole.
#[test]
fn a_building_of_millions_of_points_is_refused_and_the_next_one_read() {
    let text = fixture();
    let start = text.find("<gml:surfaceMember><gml:Polygon").unwrap();
    let polygon = format!(
        "<gml:surfaceMember><gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>{}0 0 0</gml:posList></gml:LinearRing>\
         </gml:exterior></gml:Polygon></gml:surfaceMember>",
        "0 0 0 9 0 0 9 9 0 0 9 1 ".repeat(5_000)
    );
    let parts: Vec<&[u8]> = std::iter::once(&text.as_bytes()[..start])
        .chain(std::iter::repeat_n(polygon.as_bytes(), 205))
        .chain([&text.as_bytes()[start..]])
        .collect();
    let stream = parts
        .into_iter()
        .fold(Box::new(std::io::empty()) as Box<dyn std::io::Read>, |all, part| Box::new(std::io::Read::chain(all, part)));
    let mut kept = 0;
    let document = reader::read(stream, "x.gml", Wanted::default(), None, |_| {
        kept += 1;
        Ok(None)
    })
    .unwrap();
    assert_eq!(kept, 2);
    let reasons: Vec<&str> = document.found.rejections.iter().map(|rejection| rejection.reason.as_str()).collect();
    assert_eq!(reasons, ["more than 4000000 points in one building"]);
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
        assert!(reader::read(&text.as_bytes()[..at], FIXTURE, Wanted::default(), None, |_| Ok(None)).is_err(), "cut at {at}");
    }
}
