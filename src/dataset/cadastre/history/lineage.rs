//! How parcels came of each other, `flurstueck_lineage`: what the cadastre says, and what the geometry of versions shows.

use super::PARCEL;
use super::parcels::{Version, texts};
use super::texts::Texts;
use crate::crs::Bbox;
use crate::dataset::cadastre::row::Row;
use crate::error::Result;
use crate::format::wkb;
use crate::vector::overlay;
use geo::{Area, Geometry, MultiPolygon};
use geo_index::rtree::sort::HilbertSort;
use geo_index::rtree::{RTree, RTreeBuilder, RTreeIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Ground that two parcels share by less than this (square metres), or that is thinner on average (metres), came of two surveys of one
/// line, not of each other.
const SHARED_M2: f64 = 0.005;
const SHARED_WIDTH_M: f64 = 0.02;
/// Seconds that may lie between the end of a parcel and the begin of what came of it: a deletion ends with the portion.
const BETWEEN_S: i64 = 86_400;

/// Class of the cases of an update of the cadastre.
const CASE: &str = "AX_Fortfuehrungsfall";

/// Source of what only the geometry shows.
pub const INFERRED: &str = "inferred";

/// One parcel came of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Flurstückskennzeichen of the older.
    pub from: String,
    /// Flurstückskennzeichen of the younger.
    pub to: String,
    /// Class of the object that says so, or [`INFERRED`].
    pub source: String,
    /// Day, where it is known.
    pub date: Option<String>,
}

/// What an object says itself: historical parcels name theirs, a Fortfuehrungsfall names old and new ones.
pub fn stated(row: &Row) -> Vec<Edge> {
    if *row.class == *PARCEL || row.endet.is_some() {
        return Vec::new();
    }
    let fields = row.fields();
    let list = |name: &str| texts(&fields, name);
    let day = |name: &str| list(name).into_iter().next().map(|day| day.get(..10).unwrap_or(&day).to_owned());
    let edge = |from: &str, to: &str, date: Option<String>| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        source: row.class.as_ref().to_owned(),
        date,
    };
    let mut edges = Vec::new();
    if *row.class == *CASE {
        let date = row.beginnt.get(..10).map(str::to_owned);
        for from in list("zeigtAufAltesFlurstueck") {
            edges.extend(list("zeigtAufNeuesFlurstueck").iter().map(|to| edge(&from, to, date.clone())));
        }
    } else if let Some(own) = list("flurstueckskennzeichen").into_iter().next() {
        let ended = day("zeitpunktDerHistorisierung").or_else(|| row.beginnt.get(..10).map(str::to_owned));
        let arisen = day("zeitpunktDerEntstehung").or_else(|| day("zeitpunktDerEntstehungDesBezugsflurstuecks"));
        edges.extend(list("nachfolgerFlurstueckskennzeichen").iter().map(|to| edge(&own, to, ended.clone())));
        edges.extend(list("vorgaengerFlurstueckskennzeichen").iter().map(|from| edge(from, &own, arisen.clone())));
    }
    edges.retain(|edge| edge.from != edge.to && edge.from.len() == 20 && edge.to.len() == 20);
    edges
}

/// What the versions of parcels show, gathered some objects at a time: another Kennzeichen of the same object, and parcels that ended.
#[derive(Debug, Default)]
pub struct Ground {
    edges: BTreeSet<Edge>,
    /// The last version of each that ended.
    ended: Vec<Version>,
}

impl Ground {
    /// Of all versions of some objects.
    pub fn of(versions: &[Version]) -> Self {
        let mut ground = Self::default();
        for life in lives(versions) {
            for pair in life.windows(2).filter(|pair| pair[0].key != pair[1].key) {
                ground.edges.insert(edge(pair[0], pair[1], &pair[1].begins));
            }
            ground.ended.extend(life.last().filter(|last| last.ends.is_some()).map(|last| (*last).clone()));
        }
        ground
    }

    /// Adds what others show.
    pub fn add(&mut self, other: Self) {
        self.edges.extend(other.edges);
        self.ended.extend(other.ended);
    }

    /// When all have been added: to be asked what came of those that ended.
    pub fn settle(self) -> Heirs {
        let old = |version| Some((area(&version)?, version)).and_then(|(area, it)| Some((overlay::bbox(&area)?, area, it)));
        let mut ended: Vec<(Bbox, MultiPolygon<f64>, Version)> = self.ended.into_iter().filter_map(old).collect();
        ended.truncate(u32::MAX as usize);
        let tree = (!ended.is_empty()).then(|| {
            let mut builder = RTreeBuilder::<f64>::new(ended.len() as u32);
            for (Bbox { min, max }, ..) in &ended {
                builder.add(min[0], min[1], max[0], max[1]);
            }
            builder.finish::<HilbertSort>()
        });
        Heirs { edges: self.edges, ended, tree }
    }
}

/// Parcels that ended, to be asked what came of them.
pub struct Heirs {
    edges: BTreeSet<Edge>,
    ended: Vec<(Bbox, MultiPolygon<f64>, Version)>,
    tree: Option<RTree<f64>>,
}

impl Heirs {
    /// False when nothing ended: then nothing came of anything.
    pub fn are_any(&self) -> bool {
        self.tree.is_some()
    }

    /// Which of some objects, with all their versions, took ground that another gave: the one that had it last. As ends are known to the
    /// portion only, a parcel and what came of it may end together.
    ///
    /// # Errors
    /// When a geometry is none.
    pub fn among(&self, versions: &[Version]) -> Result<Vec<Edge>> {
        let Some(tree) = &self.tree else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for life in lives(versions) {
            let Some((new, geometry)) = life.first().and_then(|new| Some((*new, new.geometry.as_deref()?))) else { continue };
            let Bbox { min, max } = wkb::summary(geometry)?.bbox;
            let follows = |old: &Version| {
                new.oid != old.oid
                    && new.begins > old.begins
                    && new.key != old.key
                    && old.ends.as_ref().is_some_and(|end| seconds_after(end, &new.begins) <= BETWEEN_S)
            };
            let candidates = tree.search(min[0], min[1], max[0], max[1]).into_iter();
            let candidates = candidates.filter_map(|index| self.ended.get(index as usize));
            let mut olds: Vec<_> = candidates.filter(|(_, _, old)| follows(old)).collect();
            olds.sort_by(|(_, _, a), (_, _, b)| (&b.begins, &a.oid).cmp(&(&a.begins, &b.oid)));
            let Some(mut ground) = area(new).filter(|_| !olds.is_empty()) else { continue };
            for (_, ground_of_old, old) in olds {
                let shared = overlay::intersection(ground_of_old, &ground);
                if shared.unsigned_area() > SHARED_M2 && overlay::width(&shared) > SHARED_WIDTH_M {
                    found.push(edge(old, new, &new.begins));
                    ground = overlay::difference(&ground, ground_of_old);
                }
            }
        }
        Ok(found)
    }

    /// All that the ground shows, with what was found [`among`](Self::among) all objects.
    pub fn into_edges(self, found: Vec<Edge>) -> Vec<Edge> {
        let mut edges = self.edges;
        edges.extend(found);
        edges.retain(|edge| edge.from != edge.to);
        edges.into_iter().collect()
    }
}

/// The versions of each parcel's life, of one identifier, in their order.
fn lives(versions: &[Version]) -> impl Iterator<Item = Vec<&Version>> {
    let mut objects: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for version in versions.iter().filter(|version| version.class == PARCEL) {
        objects.entry(&version.oid).or_default().push(version);
    }
    objects.into_values().map(|mut life| {
        life.sort_by(|a, b| a.begins.cmp(&b.begins));
        life
    })
}

/// What the versions of parcels show.
#[cfg(test)]
pub fn inferred(versions: &[Version]) -> Vec<Edge> {
    let heirs = Ground::of(versions).settle();
    let found = heirs.among(versions).unwrap();
    heirs.into_edges(found)
}

/// Seconds by which `moment` is later than `end`; none when it is earlier or one of them is no moment.
fn seconds_after(end: &str, moment: &str) -> i64 {
    match (end.parse::<jiff::Timestamp>(), moment.parse::<jiff::Timestamp>()) {
        (Ok(end), Ok(moment)) => moment.as_second().saturating_sub(end.as_second()),
        _ if moment > end => i64::MAX,
        _ => 0,
    }
}

fn edge(from: &Version, to: &Version, moment: &str) -> Edge {
    let date = moment.get(..10).map(str::to_owned);
    Edge { from: from.key.clone(), to: to.key.clone(), source: INFERRED.to_owned(), date }
}

fn area(version: &Version) -> Option<MultiPolygon<f64>> {
    match wkb::decode(version.geometry.as_deref()?).ok()? {
        Geometry::Polygon(polygon) => Some(MultiPolygon(vec![polygon])),
        Geometry::MultiPolygon(polygons) => Some(polygons),
        _ => None,
    }
}

/// All of it, sorted: what is stated, and what is inferred where nothing is stated that leads from the one to the other.
///
/// A Fortfuehrungsfall names old and new parcels, not which came of which: where the ground tells of a new one, that holds.
pub fn all(mut stated: Vec<Edge>, inferred: &[Edge]) -> Vec<Edge> {
    let mut shown: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in inferred {
        shown.entry(&edge.to).or_default().insert(&edge.from);
    }
    stated
        .retain(|edge| edge.source != CASE || shown.get(edge.to.as_str()).is_none_or(|shown| shown.contains(edge.from.as_str())));
    let mut after: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in &stated {
        after.entry(&edge.from).or_default().insert(&edge.to);
    }
    let leads_to = |from: &str, to: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(key) = open.pop() {
            for next in after.get(key).into_iter().flatten() {
                if *next == to {
                    return true;
                }
                if seen.insert(*next) {
                    open.push(next);
                }
            }
        }
        false
    };
    let more: Vec<Edge> = inferred.iter().filter(|edge| !leads_to(&edge.from, &edge.to)).cloned().collect();
    stated.into_iter().chain(more).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Writes `flurstueck_lineage.parquet`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, edges: &[Edge]) -> Result<()> {
    let mut table = Texts::create(path, [("from_fkz", false), ("to_fkz", false), ("source", false), ("datum", true)])?;
    table.add(edges.iter().map(|edge| [Some(&*edge.from), Some(&*edge.to), Some(&*edge.source), edge.date.as_deref()]))?;
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::cadastre::row::Operation;
    use geo::polygon;

    fn key(number: u32) -> String {
        format!("019901002{number:05}______")
    }

    fn historic(class: &str, attributes: &serde_json::Value) -> Row {
        Row {
            operation: Operation::Insert,
            class: class.into(),
            oid: "H".into(),
            beginnt: "2020-05-04T00:00:00Z".into(),
            endet: None,
            attributes: attributes.to_string(),
            geometry: None,
            srs: None,
            local: None,
            delivery: "".into(),
            byte: 0,
        }
    }

    #[test]
    fn each_kind_of_object_says_it_in_its_own_way() {
        let told = |class: &str, attributes: &serde_json::Value| -> Vec<String> {
            let edges = stated(&historic(class, attributes));
            edges
                .iter()
                .map(|it| format!("{}>{} {}", &it.from[9..14], &it.to[9..14], it.date.as_deref().unwrap_or("-")))
                .collect()
        };
        let both = serde_json::json!({
            "flurstueckskennzeichen": key(1),
            "nachfolgerFlurstueckskennzeichen": [key(2), key(3)],
            "vorgaengerFlurstueckskennzeichen": key(9),
            "zeitpunktDerHistorisierung": "2020-05-03",
            "zeitpunktDerEntstehungDesBezugsflurstuecks": "1950-01-01",
        });
        for class in ["AX_HistorischesFlurstueck", "AX_HistorischesFlurstueckALB", "AX_HistorischesFlurstueckOhneRaumbezug"] {
            assert_eq!(told(class, &both), ["00001>00002 2020-05-03", "00001>00003 2020-05-03", "00009>00001 1950-01-01"]);
        }
        let case =
            serde_json::json!({ "zeigtAufAltesFlurstueck": [key(1), key(2)], "zeigtAufNeuesFlurstueck": [key(2), key(3)] });
        assert_eq!(
            told("AX_Fortfuehrungsfall", &case),
            ["00001>00002 2020-05-04", "00001>00003 2020-05-04", "00002>00003 2020-05-04"]
        );
        assert!(told(PARCEL, &both).is_empty());
    }

    fn version(number: u32, oid: &str, days: [&str; 2], x: [f64; 2]) -> Version {
        let [x0, x1] = x;
        let square = polygon![(x: x0, y: 0.0), (x: x1, y: 0.0), (x: x1, y: 10.0), (x: x0, y: 10.0)];
        Version {
            key: key(number),
            class: PARCEL.into(),
            oid: oid.into(),
            begins: format!("2020-{}T10:00:00Z", days[0]),
            ends: (!days[1].is_empty()).then(|| format!("2020-{}T10:00:00Z", days[1])),
            geometry: Some(wkb::encode(&Geometry::Polygon(square))),
            ..Version::default()
        }
    }

    #[test]
    fn the_ground_shows_what_came_of_what() {
        let versions = [
            version(1, "A", ["01-01", "03-02"], [0.0, 20.0]),
            // A deletion ends with its portion, a while after the new ones began.
            version(2, "B", ["03-01", ""], [0.0, 12.0]),
            version(3, "C", ["03-01", "05-01"], [12.0, 20.0]),
            // Beside it, over a line that was measured anew; there before; long after.
            version(4, "D", ["03-01", ""], [20.0 - 0.0004, 30.0]),
            version(5, "E", ["01-01", ""], [30.0, 40.0]),
            // Beside it before the end too, over a line that was drawn a millimetre off.
            version(8, "G", ["02-01", ""], [-9.0, 0.001]),
            version(6, "F", ["09-01", ""], [0.0, 20.0]),
            // Another number for the same object.
            version(7, "C", ["05-01", ""], [12.0, 20.0]),
        ];
        let told: Vec<String> = inferred(&versions).iter().map(|it| format!("{}>{}", &it.from[13..14], &it.to[13..14])).collect();
        assert_eq!(told, ["1>2", "1>3", "3>7"]);
        let stated = vec![Edge { from: key(1), to: key(2), source: "AX_Fortfuehrungsfall".into(), date: None }];
        let all = all(stated, &inferred(&versions));
        assert_eq!(all.iter().filter(|edge| edge.source == INFERRED).count(), 2);
    }

    /// From, to and the first letter of the source.
    fn told(edges: &[Edge]) -> Vec<String> {
        edges.iter().map(|it| format!("{}>{} {}", &it.from[12..14], &it.to[12..14], &it.source[..1])).collect()
    }

    /// All that a portion deletes ends with it, parents and children alike.
    #[test]
    fn ground_comes_of_the_parcel_that_had_it_last() {
        let versions = [
            version(1, "A", ["01-01", "04-02"], [0.0, 20.0]),
            version(11, "B", ["03-03", "04-02"], [0.0, 12.0]),
            version(12, "C", ["03-03", ""], [12.0, 20.0]),
            version(21, "D", ["03-25", ""], [0.0, 5.0]),
            // It took ground of the child, and of a neighbour of the parent's age.
            version(22, "E", ["03-25", ""], [-3.0, 12.0]),
            version(2, "F", ["01-01", "04-02"], [-9.0, 0.0]),
        ];
        assert_eq!(told(&inferred(&versions)), ["01>11 i", "01>12 i", "02>22 i", "11>21 i", "11>22 i"]);
    }

    #[test]
    fn what_is_stated_step_by_step_is_not_inferred_at_once() {
        let edge = |from: u32, to: u32, source: &str| Edge { from: key(from), to: key(to), source: source.into(), date: None };
        let stated = vec![edge(1, 11, "Stated"), edge(11, 21, "Stated"), edge(21, 31, "Stated")];
        let inferred = vec![edge(1, 31, INFERRED), edge(1, 21, INFERRED), edge(2, 31, INFERRED), edge(31, 1, INFERRED)];
        assert_eq!(told(&all(stated, &inferred)), ["01>11 S", "02>31 i", "11>21 S", "21>31 S", "31>01 i"]);
        // A case names all old and all new ones.
        let case = [(1, 11), (1, 21), (2, 11), (2, 21), (1, 3), (2, 3)].map(|(from, to)| edge(from, to, CASE));
        let inferred = vec![edge(1, 11, INFERRED), edge(2, 21, INFERRED)];
        assert_eq!(told(&all(case.to_vec(), &inferred)), ["01>03 A", "01>11 A", "02>03 A", "02>21 A"]);
    }
}
