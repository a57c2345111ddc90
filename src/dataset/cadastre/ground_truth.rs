//! Geometry of the store against the model of the demo town: arcs, circles, holes, shared curves, several CRSs in a file, and objects that
//! are in two of them.

use super::history::store::each_version;
use super::row::Row;
use crate::dataset::testing::Play;
use crate::demo::nas::object::{LOCAL, fountain_of, is_local, local_of};
use crate::demo::plane::{Point, Ring};
use crate::demo::town::{Class, Oid, Town};
use crate::demo::{self, DemoOptions, Dialect};
use crate::format::wkb;
use geo::{Area, CoordsIter, Geometry, LineString, Polygon};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Metres: a coordinate has three decimals, an arc may be a millimetre beside its line.
const NEAR: f64 = 0.0021;

fn polygon(row: &Row) -> Polygon<f64> {
    match wkb::decode(row.geometry.as_deref().unwrap()).unwrap() {
        Geometry::Polygon(polygon) => polygon,
        other => panic!("{}: {other:?}", row.oid),
    }
}

/// Centre and radius of the circle through three points.
fn circle([a, b, c]: [[f64; 2]; 3]) -> ([f64; 2], f64) {
    let (b, c) = ([b[0] - a[0], b[1] - a[1]], [c[0] - a[0], c[1] - a[1]]);
    let twice = 2.0 * (b[0] * c[1] - b[1] * c[0]);
    let (bb, cc) = (b[0] * b[0] + b[1] * b[1], c[0] * c[0] + c[1] * c[1]);
    let centre = [(c[1] * bb - b[1] * cc) / twice, (b[0] * cc - c[0] * bb) / twice];
    ([a[0] + centre[0], a[1] + centre[1]], centre[0].hypot(centre[1]))
}

/// The line lies on the ring, and the ring on the line.
fn assert_same(line: &LineString<f64>, ring: &Ring, what: &str) {
    let corners: Vec<[f64; 2]> = ring.points.iter().map(|point| point.xy()).collect();
    let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]) < NEAR;
    let line: Vec<[f64; 2]> = line.0.iter().map(|at| [at.x, at.y]).collect();
    if ring.curved {
        let arcs: Vec<_> = (0..corners.len())
            .step_by(2)
            .map(|k| circle([corners[k], corners[k + 1], corners[(k + 2) % corners.len()]]))
            .collect();
        for at in &line {
            let on = arcs.iter().any(|(centre, radius)| ((at[0] - centre[0]).hypot(at[1] - centre[1]) - radius).abs() < NEAR);
            assert!(on, "{what}: {at:?} is on no arc");
        }
        assert!(line.len() > corners.len(), "{what}: {} points", line.len());
        // Arcs begin and end at points of the line.
        for corner in corners.iter().step_by(2) {
            assert!(line.iter().any(|at| near(*at, *corner)), "{what}: {corner:?} is missing");
        }
    } else {
        assert_eq!(line.len(), corners.len() + 1, "{what}");
        for corner in &corners {
            assert!(line.iter().any(|at| near(*at, *corner)), "{what}: {corner:?} is missing");
        }
    }
}

fn assert_polygon(row: &Row, outline: &Ring, holes: &[Ring]) {
    let found = polygon(row);
    assert_same(found.exterior(), outline, &row.oid);
    assert_eq!(found.interiors().len(), holes.len(), "{}", row.oid);
    for hole in holes {
        let area = |line: &LineString<f64>| Polygon::new(line.clone(), Vec::new()).unsigned_area();
        let gap = |line: &&LineString<f64>| ((area(line) - hole.area_m2()).abs() * 1e6) as u64;
        assert_same(found.interiors().iter().min_by_key(gap).unwrap(), hole, &row.oid);
    }
}

fn assert_point(row: &Row, at: Point) {
    let Geometry::Point(found) = wkb::decode(row.geometry.as_deref().unwrap()).unwrap() else { panic!("{}", row.oid) };
    let [e, n] = at.xy();
    assert!((found.x() - e).abs() < 0.001 && (found.y() - n).abs() < 0.001, "{}: {found:?}, not {e} {n}", row.oid);
}

#[test]
fn every_object_is_once_in_the_store_and_lies_where_the_town_has_it() {
    for dialect in [Dialect::Gid6, Dialect::Gid7] {
        let folder = tempfile::tempdir().unwrap();
        let options = DemoOptions { dialect, only: Some("cadastre".into()), jobs: 1, ..DemoOptions::default() };
        let report = demo::write(folder.path(), &options).unwrap();
        let files = report.files.iter().filter(|file| file.name.ends_with(".xml.gz")).map(|file| folder.path().join(&file.name));
        let mut play = Play::new("cadastre", &json!({ "zoom": [12, 12] }), &files.collect::<Vec<_>>());
        play.only = Some("quittierung".into());
        let harness = play.run();
        assert!(harness.errors.is_empty(), "{:?}", harness.errors);
        let mut rows: HashMap<String, Row> = HashMap::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        each_version(&harness.results[1][0], |row| {
            *counts.entry(row.class.as_ref().to_owned()).or_default() += 1;
            rows.insert(row.oid.clone(), row);
            Ok(())
        })
        .unwrap();
        let town = Town::new(7, 1.0);
        let mut expected: BTreeMap<String, u64> =
            demo::nas::distinct(&town, dialect).into_iter().map(|(class, count)| (class.to_owned(), count)).collect();
        expected.retain(|class, _| !super::nas::is_private(class));
        assert_eq!(counts, expected);
        let row = |oid: Oid| rows.get(&oid.to_string()).unwrap_or_else(|| panic!("{oid} is missing"));
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        let mut see = |what, yes: bool| *seen.entry(what).or_default() += u32::from(yes);
        for quarter in &town.quarters {
            for parcel in &quarter.parcels {
                assert_polygon(row(parcel.oid), &parcel.outline, &parcel.holes);
                see("arcs", parcel.outline.curved || parcel.holes.iter().any(|hole| hole.curved));
                see("holes", !parcel.holes.is_empty());
            }
            for building in &quarter.buildings {
                assert_polygon(row(building.oid), &building.shape.outline, &building.shape.holes);
                if let Some((oid, centre)) = fountain_of(building) {
                    let disc = polygon(row(oid));
                    let [e, n] = centre.xy();
                    assert!(disc.exterior_coords_iter().all(|at| ((at.x - e).hypot(at.y - n) - 2.5).abs() < NEAR), "{oid}");
                    assert!((disc.unsigned_area() - std::f64::consts::PI * 6.25).abs() < 0.03, "{oid}");
                    see("circles", true);
                }
            }
            for land in &quarter.lands {
                assert_polygon(row(land.oid), &land.outline, &land.holes);
                see("shared curves", land.shared);
            }
            for address in &quarter.addresses {
                assert_point(row(address.point_oid), address.at);
            }
            for mark in &quarter.marks {
                assert_point(row(Oid::new(quarter.key(), Class::Mark, mark.serial)), mark.at);
                see("other zone", mark.serial.is_multiple_of(5));
                if is_local(mark) {
                    let local = row(Oid::new(quarter.key(), Class::LocalMark, mark.serial));
                    let Geometry::Point(at) = wkb::decode(local.local.as_deref().unwrap()).unwrap() else {
                        panic!("{}", local.oid)
                    };
                    let [x, y] = local_of(mark.at);
                    assert!((at.x() - x).abs() < 0.001 && (at.y() - y).abs() < 0.001, "{at:?}");
                    assert_eq!((local.srs.as_deref(), &local.geometry), (Some(LOCAL), &None));
                    see("local CRS", true);
                }
            }
        }
        println!("{dialect:?}: {seen:?}");
        for what in ["arcs", "holes", "circles", "shared curves", "other zone", "local CRS"] {
            assert!(seen[what] > 0, "{what}: {seen:?}");
        }
    }
}
