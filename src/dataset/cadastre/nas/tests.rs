//! The reader against small deliveries of our own, and against the real ones in `../shared/data` where they are there.

use super::reader::Delivery;
use super::*;
use crate::error::Result;
use std::io::Read;
use std::path::PathBuf;

pub(crate) fn settings() -> Settings {
    Settings { crs: None, extent: None, grids: Vec::new(), arc_tolerance_m: 0.001, owners: false, owners_only: false }
}

/// A delivery with its objects.
#[derive(Debug)]
struct Whole {
    delivery: Delivery,
    items: Vec<Item>,
}

impl std::ops::Deref for Whole {
    type Target = Delivery;
    fn deref(&self) -> &Delivery {
        &self.delivery
    }
}

fn read_all(open: super::reader::Opener<'_>, settings: &Settings) -> Result<Whole> {
    let mut items = Vec::new();
    let delivery = read(open, settings, &|| Ok(()), &mut |more| {
        items.extend(more);
        Ok(())
    })?;
    Ok(Whole { delivery, items })
}

fn read_bytes(bytes: &[u8], settings: &Settings) -> Result<Whole> {
    let open = || -> Result<Box<dyn Read + Send>> { Ok(Box::new(std::io::Cursor::new(bytes.to_vec()))) };
    read_all(&open, settings)
}

/// The real stock, unpacked once for all tests; `None` (with a reason) where it is not there.
pub(crate) fn gm2566() -> Option<PathBuf> {
    static UNPACKED: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    UNPACKED
        .get_or_init(|| {
            let packed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cadastre/gm2566-pseudonymised.xml.xz");
            if !packed.exists() {
                println!("skipped: {} is not there", packed.display());
                return None;
            }
            let path = std::env::temp_dir().join("messkette-test-gm2566.xml");
            if path.metadata().map_or(0, |data| data.len()) < 100_000_000 {
                let part = path.with_extension(format!("part{}", std::process::id()));
                let output = std::fs::File::create(&part).unwrap();
                let status = std::process::Command::new("xz").arg("-dkc").arg(&packed).stdout(output).status();
                if !status.is_ok_and(|status| status.success()) {
                    println!("skipped: xz cannot unpack the real stock");
                    return None;
                }
                std::fs::copy(&part, &path).unwrap();
                std::fs::remove_file(&part).unwrap();
            }
            Some(path)
        })
        .clone()
}

#[test]
fn the_real_stock_is_read_object_by_object() {
    let Some(path) = gm2566() else { return };
    let bytes = std::fs::read(&path).unwrap();
    // The truth, by another way: every `gml:id` directly behind the name of a class.
    let mut truth = crate::dataset::Counts::default();
    for at in memchr::memmem::find_iter(&bytes, b" gml:id=") {
        let start = memchr::memrchr(b'<', &bytes[..at]).unwrap();
        let name = std::str::from_utf8(&bytes[start + 1..at]).unwrap();
        if name.starts_with("AX_") || name.starts_with("AP_") {
            truth.of(name).input += 1;
        }
    }
    let open = || -> Result<Box<dyn Read + Send>> { Ok(Box::new(std::fs::File::open(&path).unwrap())) };
    let started = std::time::Instant::now();
    let delivery = read_all(&open, &settings()).unwrap();
    println!("read in {:?}", started.elapsed());
    assert!(delivery.rejections.is_empty(), "{:?}", delivery.rejections.first());
    let inputs = |counts: &crate::dataset::Counts| -> Vec<(String, u64)> {
        counts.0.iter().map(|(name, count)| (name.clone(), count.input)).collect()
    };
    assert_eq!(inputs(&delivery.counts), inputs(&truth));
    let total = delivery.counts.total();
    assert_eq!((total.input, total.rejected), (82_737, 0));
    assert_eq!(total.dropped_private, 5_496 + 5_305 + 5_680 + 3_838 + 5_550 + 3);
    assert_eq!(delivery.items.len() as u64, total.output);
    assert_eq!(delivery.crs, Some(crate::crs::Crs::UTM32));
    assert_eq!(delivery.findings.len(), 11, "one for each local CRS");
    let text = format!("{:?}", delivery.items);
    assert!(!text.contains("KANARI"));
}

/// A stock of GeoInfoDok 6 with these members.
fn stock(members: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<AX_Bestandsdatenauszug xmlns="http://www.adv-online.de/namespaces/adv/gid/6.0" xmlns:gml="http://www.opengis.net/gml/3.2"
 xmlns:wfs="http://www.adv-online.de/namespaces/adv/gid/wfs" xmlns:xlink="http://www.w3.org/1999/xlink">
<koordinatenangaben><AA_Koordinatenreferenzsystemangaben><crs xlink:href="urn:adv:crs:ETRS89_UTM32"/><standard>true</standard>
</AA_Koordinatenreferenzsystemangaben></koordinatenangaben>
<enthaelt><wfs:FeatureCollection>{members}</wfs:FeatureCollection></enthaelt></AX_Bestandsdatenauszug>"#
    )
}

fn member(class: &str, attributes: &str, inside: &str) -> String {
    format!("<gml:featureMember><{class} {attributes}>{LIFE}{inside}</{class}></gml:featureMember>")
}

const LIFE: &str = "<lebenszeitintervall><AA_Lebenszeitintervall><beginnt>2024-01-01T00:00:00Z</beginnt></AA_Lebenszeitintervall></lebenszeitintervall>";

/// The delivery with a prefix of its own in place of the default namespace.
fn with_prefix(text: &str) -> String {
    let names = ["AX_", "AA_", "koordinatenangaben", "crs", "standard", "enthaelt", "lebenszeitintervall", "beginnt"];
    names.iter().fold(text.replace("xmlns=", "xmlns:x="), |text, name| {
        text.replace(&format!("<{name}"), &format!("<x:{name}")).replace(&format!("</{name}"), &format!("</x:{name}"))
    })
}

fn wald(geometry: &str) -> String {
    stock(&member("AX_Wald", r#"gml:id="DETEST0000000001""#, &format!("<position>{geometry}</position>")))
}

fn polygon(ring: &str) -> String {
    wald(&format!(
        "<gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>{ring}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>"
    ))
}

fn curves(members: &str) -> String {
    wald(&format!(
        "<gml:Surface><gml:patches><gml:PolygonPatch><gml:exterior><gml:Ring>{members}</gml:Ring></gml:exterior></gml:PolygonPatch></gml:patches></gml:Surface>"
    ))
}

fn segment(kind: &str, points: &str) -> String {
    format!(
        "<gml:curveMember><gml:Curve><gml:segments><gml:{kind}><gml:posList>{points}</gml:posList></gml:{kind}></gml:segments></gml:Curve></gml:curveMember>"
    )
}

/// What comes of a delivery, on one line.
fn told(bytes: &[u8], settings: &Settings) -> String {
    match read_bytes(bytes, settings) {
        Err(error) => format!("delivery: {} ({})", error.full_message(), error.place()),
        Ok(delivery) => {
            assert!(delivery.counts.0.values().all(crate::dataset::Count::balances));
            let total = delivery.counts.total();
            assert_eq!(delivery.rejections.len() as u64, total.rejected);
            let reasons: Vec<String> =
                delivery.rejections.iter().map(|it| format!("; {}: {} ({})", it.object_type, it.reason, it.place)).collect();
            format!("{} in, {} out, {} dropped{}", total.input, total.output, total.dropped_private, reasons.concat())
        }
    }
}

#[test]
fn broken_deliveries_are_told_apart() {
    let good = polygon("560000 5950000 560010 5950000 560010 5950010 560000 5950000");
    let object = |attributes: &str, inside: &str| stock(&member("AX_Wald", attributes, inside));
    let id = r#"gml:id="DETEST0000000001""#;
    let deep = format!("{}{}", "<a>".repeat(120), "</a>".repeat(120));
    let line = |points: &str| segment("LineStringSegment", points);
    let cases: Vec<(&str, String)> = vec![
        ("good", good.clone()),
        ("empty file", String::new()),
        ("text", "Sehr geehrte Damen und Herren".into()),
        ("another root", "<html><body/></html>".into()),
        ("a class in no namespace", good.replace("namespaces/adv/gid/6.0", "namespaces/other")),
        ("truncated within an object", good[..good.len() - 120].into()),
        ("truncated after the objects", good[..good.len() - 20].into()),
        ("truncated within a tag", good[..good.find("<koordinatenangaben").unwrap() - 10].into()),
        ("a DOCTYPE", good.replacen("<AX_Best", "<!DOCTYPE x [<!ENTITY a \"b\">]><AX_Best", 1)),
        ("a DOCTYPE within an object", good.replacen("<position>", "<!DOCTYPE x><position>", 1)),
        ("an entity", good.replacen("<position>", "<name>&boom;</name><position>", 1)),
        ("crossed tags", good.replacen("<position>", "<name><a></name></a><position>", 1)),
        ("an end tag too many", good.replace("</enthaelt>", "</enthaelt></enthaelt>")),
        ("content after the root", format!("{good}<AX_Wald/>")),
        ("too deep", object(id, &format!("<name>{deep}</name>"))),
        ("no id", object("", "")),
        ("an id of blanks", object("gml:id=\"  \"", "")),
        ("no begin", object(id, "").replace("2024-01-01T00:00:00Z", "")),
        ("a begin that is none", object(id, "").replace("2024-01-01T00:00:00Z", "yesterday")),
        ("an end before the begin", object(id, "").replace("</beginnt>", "</beginnt><endet>2023-01-01T00:00:00Z</endet>")),
        ("a coordinate that is text", good.replace("560010 5950000", "56oo10 5950000")),
        ("NaN", good.replace("560010 5950000", "NaN 5950000")),
        ("infinity", good.replace("560010 5950000", "1e999 5950000")),
        ("one number too few", good.replace("560010 5950000 ", "5950000 ")),
        ("a ring that is open", good.replace("560000 5950000</", "560000 5950099</")),
        ("a ring of three points", polygon("560000 5950000 560010 5950000 560000 5950000")),
        ("no outer ring", wald("<gml:Polygon/>")),
        ("two outer rings", good.replace("</gml:exterior>", "</gml:exterior><gml:exterior><gml:LinearRing><gml:posList>0 0 1 0 1 1 0 0</gml:posList></gml:LinearRing></gml:exterior>")),
        ("curves with a gap", curves(&(line("0 0 10 0 10 10") + &line("10 11 0 0")))),
        ("an arc of two points", curves(&segment("Arc", "560000 0 560010 0"))),
        ("a circle on a line", curves(&segment("Circle", "560000 0 560010 0 560020 0"))),
        ("an arc in degrees", curves(&segment("Arc", "9.5 53 9.6 53.1 9.7 53"))),
        ("a spline", curves(&segment("CubicSpline", "560000 0 560010 0 560020 0"))),
        ("a curve that is nowhere", curves(r##"<gml:curveMember xlink:href="#nowhere"/>"##)),
        ("a curve of another document", curves(r#"<gml:curveMember xlink:href="http://example.org/#a"/>"#)),
        ("a solid", wald("<gml:Solid/>")),
        ("two CRSs in one geometry", good.replace("<gml:LinearRing>", "<gml:LinearRing srsName=\"urn:adv:crs:ETRS89_UTM33\">").replace("<gml:Polygon>", "<gml:Polygon srsName=\"urn:adv:crs:ETRS89_UTM32\">")),
        ("the end in a comment", good.replacen("<position>", "<!-- </AX_Wald></gml:featureMember> --><position>", 1)),
        ("the end in CDATA", good.replacen("<position>", "<name><![CDATA[</AX_Wald>]]></name><position>", 1)),
        ("a comment that does not end", good.replacen("<position>", "<!-- <position>", 1)),
        ("an owner whose XML is broken", stock(&member("AX_Person", id, "<name><b></name>"))),
        ("an owner by another prefix", with_prefix(&stock(&member("AX_Person", id, "")))),
        ("a container in no namespace", good.replace("<enthaelt>", "<enthaelt xmlns=\"\">")),
        ("the same object twice", stock(&(member("AX_Wald", id, "") + &member("AX_Wald", id, "")))),
        ("an attribute without a value", object("gml:id", "")),
        ("bytes that are no UTF-8", String::from("<<latin>>")),
    ];
    let mut lines = Vec::new();
    for (name, text) in cases {
        let bytes = match text.as_str() {
            "<<latin>>" => {
                let at = good.find("<position>").unwrap();
                [&good.as_bytes()[..at], b"<name>Stra\xDFe</name>", &good.as_bytes()[at..]].concat()
            }
            _ => text.into_bytes(),
        };
        lines.push(format!("{name}: {}", told(&bytes, &settings())));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_lies_elsewhere_is_rejected_with_its_coordinates() {
    let extent = crate::crs::Bbox::from([550_000.0, 5_940_000.0, 570_000.0, 5_960_000.0]);
    let settings = Settings { extent: Some(extent), ..settings() };
    let good = "560000 5950000 560010 5950000 560010 5950010 560000 5950000";
    let swapped = "5950000 560000 5950000 560010 5950010 560010 5950000 560000";
    let wild = good.replace("560010 5950010", "0 5950010");
    let cases = [
        ("good", polygon(good)),
        ("swapped", polygon(swapped)),
        ("zone", polygon(&good.replace("560", "32560"))),
        ("wild", polygon(&wild)),
    ];
    let lines: Vec<String> = cases.iter().map(|(name, text)| format!("{name}: {}", told(text.as_bytes(), &settings))).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    good: 1 in, 1 out, 0 dropped
    swapped: 1 in, 0 out, 0 dropped; AX_Wald: the object lies outside the pipeline's extent: easting and northing are swapped (line 6, byte 506, DETEST0000000001, at 5950005.00 560005.00)
    zone: 1 in, 0 out, 0 dropped; AX_Wald: the object lies outside the pipeline's extent (line 6, byte 506, DETEST0000000001, at 32560005.00 5950005.00)
    wild: 1 in, 0 out, 0 dropped; AX_Wald: the object lies outside the pipeline's extent (line 6, byte 506, DETEST0000000001, at 280005.00 5950005.00)
    ");
}

/// Without an extent too: what cannot be drawn on the map is wrong in itself, and stops nothing else.
#[test]
fn coordinates_of_another_crs_are_rejected_alone() {
    let good = "560000 5950000 560010 5950000 560010 5950010 560000 5950000";
    for (wrong, rejected) in [(good.replace("560", "32560"), 1), (good.replace("560", "560000000"), 1), (good.to_owned(), 0)] {
        let other = member(
            "AX_Wald",
            r#"gml:id="DETEST0000000002""#,
            &format!(
                "<position><gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>{wrong}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></position>"
            ),
        );
        let text = polygon(good).replace("</wfs:FeatureCollection>", &format!("{other}</wfs:FeatureCollection>"));
        let read = read_bytes(text.as_bytes(), &settings()).unwrap();
        assert_eq!((read.items.len(), read.rejections.len()), (2 - rejected, rejected), "{wrong}");
        for fault in &read.rejections {
            assert_eq!(
                (fault.code.as_str(), fault.place.object.as_deref()),
                ("mk::cadastre::nas::outside", Some("DETEST0000000002"))
            );
            assert!(fault.reason.contains("lie outside EPSG:25832"), "{}", fault.reason);
        }
    }
}

/// An object of personal data is not parsed, but what follows it is not to go with it; and its identifier is known however it is written.
#[test]
fn what_is_passed_over_is_closed_and_known() {
    let person = |attributes: &str| {
        member("AX_Person", attributes, "<nachnameOderFirma><![CDATA[</AX_Person> <AX_Person>]]></nachnameOderFirma>")
    };
    let parcel = member("AX_Flurstueck", r#"gml:id="DETEST0000000002""#, "");
    let all = stock(&format!(
        "{}{parcel}{}",
        person(r#"gml:id="DETEST0000000001""#),
        person("gml:id = 'DETEST000000000320240101T000000Z'")
    ));
    let read = read_bytes(all.as_bytes(), &settings()).unwrap();
    assert_eq!((read.items.len(), read.counts.total().dropped_private), (1, 2));
    assert_eq!(read.delivery.private, ["DETEST0000000001", "DETEST0000000003"]);
    // Where a section may hide an end tag, the end is not found; elsewhere it is that of the next one.
    let hidden = "<![CDATA[</AX_Person> <AX_Person>]]>";
    for (text, code) in [(all.clone(), "mk::cadastre::nas::truncated"), (all.replace(hidden, "X"), "mk::cadastre::nas::xml")] {
        let open = text.replacen("</nachnameOderFirma></AX_Person>", "</nachnameOderFirma>", 1);
        let error = read_bytes(open.as_bytes(), &settings()).unwrap_err();
        assert_eq!(error.code(), code, "{}", error.full_message());
    }
}

/// What ends a version is taken; another value is told, as NAS has no such change.
#[test]
fn an_update_of_a_value_is_rejected() {
    let update = |properties: &[(&str, &str)]| {
        let property = |(name, value): &(&str, &str)| {
            format!("<wfs:Property><wfs:Name>{name}</wfs:Name><wfs:Value>{value}</wfs:Value></wfs:Property>")
        };
        let properties = properties.iter().map(property).collect::<Vec<_>>().concat();
        let text = format!(
            "<AX_Fortfuehrungsauftrag xmlns=\"http://www.adv-online.de/namespaces/adv/gid/6.0\" xmlns:ogc=\"http://www.opengis.net/ogc\" \
             xmlns:wfs=\"http://www.opengis.net/wfs\"><geaenderteObjekte><wfs:Transaction><wfs:Update typeName=\"AX_Flurstueck\">{properties}\
             <ogc:Filter><ogc:FeatureId fid=\"DETEST000000000120240101T000000Z\"/></ogc:Filter></wfs:Update></wfs:Transaction></geaenderteObjekte></AX_Fortfuehrungsauftrag>"
        );
        let read = read_bytes(text.as_bytes(), &settings()).unwrap();
        (read.items.len(), read.rejections.iter().map(|fault| fault.code.clone()).collect::<Vec<_>>())
    };
    let end = ("lebenszeitintervall/AA_Lebenszeitintervall/endet", "2024-02-01T00:00:00Z");
    assert_eq!(update(&[end]), (1, vec![]));
    assert_eq!(update(&[end, ("amtlicheFlaeche", "999")]), (1, vec![]));
    // What may not be kept anyway is no loss.
    assert_eq!(update(&[("istGebucht", "urn:adv:oid:DETEST0000000009")]), (1, vec![]));
    for name in ["amtlicheFlaeche", "adv:AX_Flurstueck/adv:flurstueckskennzeichen", "position"] {
        assert_eq!(update(&[(name, "999")]), (0, vec!["mk::cadastre::nas::update".to_owned()]), "{name}");
    }
}

/// A delivery that breaks off still says what it is.
#[test]
fn the_head_of_a_broken_delivery_is_read() {
    let text = format!(
        "<AX_NutzerbezogeneBestandsdatenaktualisierung_NBA xmlns=\"http://www.adv-online.de/namespaces/adv/gid/7.1\" \
         xmlns:wfs=\"http://www.opengis.net/wfs/2.0\"><profilkennung>stadt</profilkennung>\
         <abgabeintervallBeginn>2026-03-02T05:00:00+01:00</abgabeintervallBeginn><abgabeintervallEnde>2026-03-03T04:00:00.000Z</abgabeintervallEnde>\
         <geaenderteObjekte><wfs:Transaction><wfs:Insert><AX_Flurstueck>{LIFE}"
    );
    assert_eq!(read_bytes(text.as_bytes(), &settings()).unwrap_err().code(), "mk::cadastre::nas::truncated");
    let known = |text: &str| {
        let open = || -> Result<Box<dyn Read + Send>> { Ok(Box::new(std::io::Cursor::new(text.as_bytes().to_vec()))) };
        head(&open)
    };
    let (root, header) = known(&text).unwrap();
    assert_eq!((root, header.model.as_deref(), header.profile.as_deref()), (Root::Changes, Some("7.1"), Some("stadt")));
    // Moments are those of UTC, however they are written.
    let interval = (header.interval_begin.as_deref(), header.interval_end.as_deref());
    assert_eq!(interval, (Some("2026-03-02T04:00:00Z"), Some("2026-03-03T04:00:00Z")));
    assert!(known("").is_none() && known("<html/>").is_none() && known("<!DOCTYPE x>").is_none());
}

#[test]
fn each_form_of_geometry_is_read() {
    use geo::Area;
    let line = |points: &str| segment("LineStringSegment", points);
    let ring = |points: &str| format!("<gml:LinearRing><gml:posList>{points}</gml:posList></gml:LinearRing>");
    let square = "560000 0 560010 0 560010 10 560000 10 560000 0";
    let area = |text: &str| {
        let delivery = read_bytes(text.as_bytes(), &settings()).unwrap();
        assert_eq!(delivery.rejections, []);
        let features = delivery.items.iter().filter_map(|item| match &*item.change {
            Change::Insert(feature) => Some(feature),
            _ => None,
        });
        let shape = features.into_iter().find(|feature| feature.class == "AX_Wald").unwrap().shape.as_ref().unwrap();
        assert!(shape.located);
        (shape.geometry.signed_area() * 1000.0).round() / 1000.0
    };
    assert_eq!(area(&polygon(square)), 100.0);
    assert_eq!(
        area(
            &polygon("560000 0 7 560010 0 7 560010 10 7 560000 10 7 560000 0 7")
                .replace("<gml:posList>", "<gml:posList srsDimension=\"3\">")
        ),
        100.0
    );
    let compound = polygon("560000 0 7 560010 0 7 560010 10 7 560000 10 7 560000 0 7");
    for name in ["urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH", "EPSG:25832+7837"] {
        assert_eq!(
            area(&compound.replace("<gml:Polygon>", &format!("<gml:Polygon srsName=\"{name}\">"))),
            100.0,
            "as many as it has axes"
        );
    }
    assert_eq!(
        area(&curves(&(line("560000 0 560010 0") + &line("560010 0 560010 10 560000 10") + &line("560000 0 560000 10")))),
        100.0,
        "the last runs the other way"
    );
    let half = line("560000 0 560010 0") + &segment("Arc", "560010 0 560005 5 560000 0");
    let disc = area(&curves(&half)) - std::f64::consts::PI * 12.5;
    assert!(disc.abs() < 0.015, "half a disc, but for its chords: {disc}");
    let string = segment("ArcString", "560010 0 560005 5 560000 0 560005 -5 560010 0");
    assert!((area(&curves(&string)) - std::f64::consts::PI * 25.0).abs() < 0.03);
    let composite = format!(
        "<gml:MultiSurface><gml:surfaceMember><gml:Polygon><gml:exterior>{}</gml:exterior></gml:Polygon></gml:surfaceMember><gml:surfaceMember><gml:Polygon><gml:exterior>{}</gml:exterior></gml:Polygon></gml:surfaceMember></gml:MultiSurface>",
        ring(square),
        ring(&square.replace("5600", "5601"))
    );
    assert_eq!(area(&wald(&composite)), 200.0);
    // A curve that another object holds, further down.
    let shared = curves(&(line("560000 0 560010 0 560010 10") + r##"<gml:curveMember xlink:href="#c1"/>"##));
    let holder = member(
        "AX_Gehoelz",
        r#"gml:id="DETEST0000000002""#,
        r#"<position><gml:Curve gml:id="c1"><gml:segments><gml:LineStringSegment><gml:posList>560000 0 560000 10 560010 10</gml:posList></gml:LineStringSegment></gml:segments></gml:Curve></position>"#,
    );
    assert_eq!(area(&shared.replace("</wfs:FeatureCollection>", &format!("{holder}</wfs:FeatureCollection>"))), 100.0);
}

/// Curved segments against GDAL's own reader of GML.
/// Members of multiple geometries, given in other objects, whose own parts stand in a third: in any order.
#[test]
fn members_are_found_where_they_stand() {
    use geo::{Area, CoordsIter};
    let ring = |members: &str| format!("<gml:exterior><gml:Ring>{members}</gml:Ring></gml:exterior>");
    let patch = |inside: &str| format!("<gml:patches><gml:PolygonPatch>{inside}</gml:PolygonPatch></gml:patches>");
    let curve = |id: &str, points: &str| {
        format!(
            "<gml:curveMember><gml:Curve gml:id=\"{id}\"><gml:segments><gml:LineStringSegment><gml:posList>{points}</gml:posList>\
             </gml:LineStringSegment></gml:segments></gml:Curve></gml:curveMember>"
        )
    };
    let object = |number: usize, inside: &str| {
        member("AX_Wald", &format!("gml:id=\"DETEST000000000{number}\""), &format!("<position>{inside}</position>"))
    };
    let square = ring(&curve("c1", "560000 0 560010 0 560010 10 560000 10 560000 0"));
    let own = format!("<gml:Surface gml:id=\"s1\">{}</gml:Surface>", patch(&square));
    let borrowed = ring("<gml:curveMember xlink:href=\"#c1\"/>");
    let second = format!("<gml:Surface gml:id=\"s2\">{}</gml:Surface>", patch(&borrowed));
    let both =
        "<gml:MultiSurface><gml:surfaceMember xlink:href=\"#s1\"/><gml:surfaceMember xlink:href=\"#s2\"/></gml:MultiSurface>";
    let lines = "<gml:MultiCurve><gml:curveMember xlink:href=\"#c1\"/></gml:MultiCurve>";
    let dangling =
        "<gml:MultiSurface><gml:surfaceMember xlink:href=\"#s1\"/><gml:surfaceMember xlink:href=\"#s9\"/></gml:MultiSurface>";
    let other = "<gml:MultiSurface><gml:surfaceMember xlink:href=\"#c1\"/></gml:MultiSurface>";
    let objects = [object(1, both), object(2, &second), object(3, &own), object(4, lines), object(5, dangling), object(6, other)];
    for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]] {
        let text: String = order.iter().map(|at| objects[*at].as_str()).collect();
        let read = read_bytes(stock(&text).as_bytes(), &settings()).unwrap();
        let mut shapes: Vec<(String, f64, usize)> = read
            .items
            .iter()
            .map(|item| {
                let Change::Insert(feature) = &*item.change else { panic!() };
                let geometry = &feature.shape.as_ref().unwrap().geometry;
                (feature.oid.clone(), geometry.unsigned_area(), geometry.coords_count())
            })
            .collect();
        shapes.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [(1, 200.0, 10), (2, 100.0, 5), (3, 100.0, 5), (4, 0.0, 5)];
        assert_eq!(shapes, expected.map(|(number, area, points)| (format!("DETEST000000000{number}"), area, points)));
        let mut faults: Vec<String> = read
            .rejections
            .iter()
            .map(|fault| format!("{} {}", fault.place.object.clone().unwrap_or_default(), fault.reason))
            .collect();
        faults.sort();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.iter().any(|fault| fault.contains("that the delivery does not hold")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.contains("of another form")), "{faults:?}");
    }
}

#[test]
fn curved_segments_run_as_gdal_runs_them() {
    use geo::{Distance, Euclidean, Point};
    let centre = "<gml:pos>560000 5950000</gml:pos><gml:radius>25</gml:radius>";
    let ends = "<gml:posList>560000 5950000 560040 5950010</gml:posList>";
    for inside in [
        "<gml:Arc><gml:posList>560000 0 560005 5 560010 0</gml:posList></gml:Arc>".to_owned(),
        "<gml:ArcString><gml:posList>560000 0 560005 5 560010 0 560015 -5 560020 0</gml:posList></gml:ArcString>".to_owned(),
        format!("<gml:CircleByCenterPoint numArc=\"1\">{centre}</gml:CircleByCenterPoint>"),
        format!(
            "<gml:ArcByCenterPoint numArc=\"1\">{centre}<gml:startAngle>10</gml:startAngle><gml:endAngle>200</gml:endAngle></gml:ArcByCenterPoint>"
        ),
        format!(
            "<gml:ArcByCenterPoint numArc=\"1\">{centre}<gml:startAngle>90</gml:startAngle><gml:endAngle>-30</gml:endAngle></gml:ArcByCenterPoint>"
        ),
        format!("<gml:ArcByBulge>{ends}<gml:bulge>6</gml:bulge><gml:normal>-1</gml:normal></gml:ArcByBulge>"),
        format!("<gml:ArcByBulge>{ends}<gml:bulge>-9.5</gml:bulge><gml:normal>1</gml:normal></gml:ArcByBulge>"),
    ] {
        let curve =
            format!("<gml:Curve xmlns:gml=\"http://www.opengis.net/gml/3.2\"><gml:segments>{inside}</gml:segments></gml:Curve>");
        let delivery = read_bytes(wald(&curve).as_bytes(), &settings()).unwrap();
        assert_eq!(delivery.rejections, [], "{inside}");
        let Change::Insert(feature) = &*delivery.items[0].change else { panic!("no object") };
        let geo::Geometry::LineString(ours) = &feature.shape.as_ref().unwrap().geometry else { panic!("no line") };
        let theirs = gdal::vector::Geometry::from_gml(&curve).unwrap();
        // Curves are GDAL's own kind; the points that define them lie on them.
        let text = theirs.wkt().unwrap();
        let on: Vec<Point<f64>> = text
            .split(|letter: char| !(letter.is_ascii_digit() || " .-".contains(letter)))
            .filter_map(|pair| {
                let mut numbers = pair.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
                Some(Point::new(numbers.next()?, numbers.next()?))
            })
            .collect();
        assert!(on.len() >= 3, "{text}");
        for point in on {
            assert!(Euclidean.distance(&point, ours) < 0.0015, "{inside}: {point:?} of {text}");
        }
    }
    // A spline of three points that lie on a parabola, with its directions at the ends.
    let spline = "<gml:CubicSpline><gml:posList>560000 0 560010 10 560020 0</gml:posList><gml:vectorAtStart>1 1</gml:vectorAtStart><gml:vectorAtEnd>1 -1</gml:vectorAtEnd></gml:CubicSpline>";
    let delivery =
        read_bytes(wald(&format!("<gml:Curve><gml:segments>{spline}</gml:segments></gml:Curve>")).as_bytes(), &settings());
    assert_eq!(delivery.unwrap().rejections, []);
}

#[test]
fn objects_cut_from_a_delivery_are_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/cadastre/bonn-gid71");
    if !folder.exists() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let delivery = read_bytes(&bytes, &settings()).unwrap();
        assert_eq!(delivery.root, Root::Bare);
        let Change::Insert(feature) = &*delivery.items[0].change else { panic!("no object") };
        let place = feature.shape.as_ref().map_or("no geometry", |shape| if shape.located { "located" } else { "no CRS" });
        lines.push(format!("{} {} {place}: {}", feature.class, feature.beginnt, told(&bytes, &settings())));
    }
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @"
    AX_Aufnahmepunkt 2013-02-27T15:45:05Z no geometry: 1 in, 1 out, 0 dropped
    AX_BesondereFlurstuecksgrenze 2024-10-15T07:55:13Z no CRS: 1 in, 1 out, 0 dropped
    AX_BoeschungKliff 2024-10-15T07:55:13Z no geometry: 1 in, 1 out, 0 dropped
    AX_Fahrwegachse 2025-03-18T14:09:03Z no CRS: 1 in, 1 out, 0 dropped
    AX_Flurstueck 2024-10-15T07:55:13Z located: 1 in, 1 out, 0 dropped
    AX_Gebaeude 2024-10-15T07:55:13Z located: 1 in, 1 out, 0 dropped
    AX_LagebezeichnungOhneHausnummer 2013-02-27T15:45:05Z no geometry: 1 in, 1 out, 0 dropped
    AX_PunktortAU 2024-10-15T07:55:13Z no CRS: 1 in, 1 out, 0 dropped
    AX_Strassenverkehr 2024-10-15T07:55:13Z no CRS: 1 in, 1 out, 0 dropped
    AX_Turm 2024-10-15T07:55:13Z no CRS: 1 in, 1 out, 0 dropped
    AX_Wald 2024-10-15T07:55:13Z no CRS: 1 in, 1 out, 0 dropped
    AX_Wohnbauflaeche 2024-10-15T07:55:13Z no CRS: 1 in, 1 out, 0 dropped
    ");
}
