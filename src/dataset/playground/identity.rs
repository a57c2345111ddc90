//! Identities that last: the UUID of an object stays when its row is delivered again, moved a little, or numbered anew.
//!
//! In this order: the UUID that the file gives; that of the row with the same key in the release before; where the key is new and
//! other keys are gone, that of the gone row of the same type within the distance, if each of the two is the other's only
//! candidate; else one made of dataset, table and key, so that a first night gives the same ones anywhere.

use super::fold::key;
use super::model::{GEOMETRY, Row, text};
use crate::format::wkb;
use crate::io::gdal::wkb_of_text;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How rows with new keys are matched with rows whose keys are gone.
pub struct Matching {
    /// Distance in metres.
    pub distance_m: f64,
    /// True when coordinates are degrees.
    pub degrees: bool,
}

/// The namespace of a dataset.
pub fn space(dataset: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("messkette/playground/{dataset}").as_bytes())
}

/// The identity that an object gets which no earlier night and no file has given one.
pub fn plain(space: &Uuid, table: &str, key: &str) -> Uuid {
    Uuid::new_v5(space, format!("{table}/{key}").as_bytes())
}

/// The rows of a table, told apart by their keys, under their identities; and how many were matched.
pub fn assign(
    space: &Uuid,
    table: &str,
    rows: BTreeMap<String, Row>,
    before: &BTreeMap<Uuid, Row>,
    matching: &Matching,
) -> (BTreeMap<Uuid, Row>, u64) {
    let mut assigned: BTreeMap<Uuid, Row> = BTreeMap::new();
    let known: BTreeMap<String, Uuid> = before.iter().map(|(uuid, row)| (key(table, row), *uuid)).collect();
    let mut fresh: Vec<(String, Row)> = Vec::new();
    let mut keyed: Vec<(String, Row)> = Vec::new();
    for (name, mut row) in rows {
        let said = row.remove("uuid").and_then(|uuid| Uuid::try_parse(uuid.as_str()?).ok());
        match said.filter(|uuid| !assigned.contains_key(uuid)) {
            Some(uuid) => drop(assigned.insert(uuid, row)),
            None => keyed.push((name, row)),
        }
    }
    for (name, row) in keyed {
        match known.get(&name).filter(|uuid| !assigned.contains_key(uuid)) {
            Some(uuid) => drop(assigned.insert(*uuid, row)),
            None => fresh.push((name, row)),
        }
    }
    let gone: Vec<(&Uuid, &Row)> = before.iter().filter(|(uuid, _)| !assigned.contains_key(uuid)).collect();
    let pairs = pairs(&fresh, &gone, matching);
    let matched = pairs.len() as u64;
    for (index, (name, row)) in fresh.into_iter().enumerate() {
        let uuid = pairs.get(&index).copied().unwrap_or_else(|| {
            let free = |uuid: &Uuid| !assigned.contains_key(uuid) && !before.contains_key(uuid);
            (0..u32::MAX)
                .map(|turn| {
                    let turn = if turn == 0 { String::new() } else { format!("#{turn}") };
                    plain(space, table, &format!("{name}{turn}"))
                })
                .find(free)
                .unwrap_or_default()
        });
        assigned.insert(uuid, row);
    }
    (assigned, matched)
}

/// Number and place of a row that is gone.
type Placed = (usize, [f64; 2]);

/// Pairs of a row with a new key and a row whose key is gone, each the only candidate of the other. Those that are gone are looked up
/// by type and square, so that a whole town may be numbered anew.
fn pairs(fresh: &[(String, Row)], gone: &[(&Uuid, &Row)], matching: &Matching) -> BTreeMap<usize, Uuid> {
    let scale = |[x, y]: [f64; 2]| if matching.degrees { [x * DEGREE_M * y.to_radians().cos(), y * DEGREE_M] } else { [x, y] };
    // Wider than the distance: degrees of longitude are not as long on the other side of it.
    let side = matching.distance_m + 10.0;
    let square = |at: [f64; 2]| scale(at).map(|value| (value / side).floor() as i64);
    let mut squares: BTreeMap<(String, [i64; 2]), Vec<Placed>> = BTreeMap::new();
    for (number, (_, row)) in gone.iter().enumerate() {
        if let Some(at) = middle(row) {
            squares.entry((kind(row), square(at))).or_default().push((number, at));
        }
    }
    let mut candidates: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut times = vec![0_u32; gone.len()];
    for (index, (_, row)) in fresh.iter().enumerate() {
        let Some(here) = middle(row) else { continue };
        let ([column, line], kind) = (square(here), kind(row));
        let around = (-1..=1).flat_map(|x| (-1..=1).map(move |y| [column + x, line + y]));
        for &(number, there) in around.filter_map(|square| squares.get(&(kind.clone(), square))).flatten() {
            if distance_m(here, there, matching.degrees) <= matching.distance_m {
                candidates.entry(index).or_default().push(number);
                times[number] += 1;
            }
        }
    }
    let only = candidates.into_iter().filter_map(|(index, found)| match found[..] {
        [one] if times[one] == 1 => Some((index, *gone[one].0)),
        _ => None,
    });
    only.collect()
}

/// What must be the same: the type of a device, or its text where it has none.
fn kind(row: &Row) -> String {
    let art = text(row, "art").unwrap_or_default();
    super::equipment::type_of(art).map_or_else(|| art.to_lowercase(), |kind| kind.code.to_owned())
}

fn middle(row: &Row) -> Option<[f64; 2]> {
    let bytes = wkb_of_text(text(row, GEOMETRY)?)?;
    wkb::summary(&bytes).ok().map(|summary| summary.bbox).filter(|bbox| !bbox.is_empty()).map(|bbox| bbox.centre())
}

/// Metres of a degree of latitude.
pub const DEGREE_M: f64 = 111_320.0;

fn distance_m(a: [f64; 2], b: [f64; 2], degrees: bool) -> f64 {
    let (dx, dy) = (a[0] - b[0], a[1] - b[1]);
    if degrees { (dx * DEGREE_M * a[1].to_radians().cos()).hypot(dy * DEGREE_M) } else { dx.hypot(dy) }
}

#[cfg(test)]
mod tests {
    use super::super::model::{DEVICE, row};
    use super::*;
    use serde_json::Value;

    fn device(key: &str, art: &str, at: [f64; 2]) -> Row {
        let place = format!("POINT ({} {})", at[0], at[1]);
        row([("kennung", Some(key.into())), ("art", Some(art.into())), (GEOMETRY, Some(Value::from(place)))])
    }

    fn night(rows: &[Row], before: &BTreeMap<Uuid, Row>) -> BTreeMap<Uuid, Row> {
        let rows = rows.iter().map(|row| (key(DEVICE, row), row.clone())).collect();
        assign(&space("test"), DEVICE, rows, before, &Matching { distance_m: 10.0, degrees: false }).0
    }

    fn uuid_of(rows: &BTreeMap<Uuid, Row>, key: &str) -> Uuid {
        *rows.iter().find(|(_, row)| text(row, "kennung") == Some(key)).unwrap().0
    }

    #[test]
    fn an_identity_survives_moves_and_new_numbers() {
        let first = night(&[device("1", "Schaukel", [0.0, 0.0]), device("2", "Rutsche", [3.0, 0.0])], &BTreeMap::new());
        // The same key: wherever it moves.
        let moved = night(&[device("1", "Schaukel", [900.0, 0.0]), device("2", "Rutsche", [3.0, 0.0])], &first);
        assert_eq!(uuid_of(&moved, "1"), uuid_of(&first, "1"));
        // New keys near by: of the same type.
        let renamed = night(&[device("A", "Nestschaukel", [4.0, 3.0]), device("B", "Rutsche", [0.0, 1.0])], &first);
        assert_eq!(uuid_of(&renamed, "A"), uuid_of(&first, "1"));
        assert_eq!(uuid_of(&renamed, "B"), uuid_of(&first, "2"));
        // Too far.
        let far = night(&[device("A", "Schaukel", [10.1, 0.0]), device("2", "Rutsche", [3.0, 0.0])], &first);
        assert_ne!(uuid_of(&far, "A"), uuid_of(&first, "1"));
        // The old key comes back for another device: it does not take the identity that went on under the new key.
        let back = night(&[device("A", "Schaukel", [4.0, 3.0]), device("1", "Wippe", [5.0, 5.0])], &renamed);
        assert_eq!(uuid_of(&back, "A"), uuid_of(&first, "1"));
        assert_ne!(uuid_of(&back, "1"), uuid_of(&first, "1"));
    }

    #[test]
    fn two_candidates_are_none() {
        let first = night(&[device("1", "Wippe", [0.0, 0.0])], &BTreeMap::new());
        let two = night(&[device("A", "Wippe", [1.0, 0.0]), device("B", "Wippe", [2.0, 0.0])], &first);
        assert!(two.keys().all(|uuid| *uuid != uuid_of(&first, "1")));
        let both = night(&[device("1", "Wippe", [0.0, 0.0]), device("2", "Wippe", [1.0, 0.0])], &BTreeMap::new());
        let one = night(&[device("C", "Wippe", [0.5, 0.0])], &both);
        assert!(one.keys().all(|uuid| !both.contains_key(uuid)));
    }

    #[test]
    fn an_identity_of_the_office_is_kept() {
        let mut given = device("1", "Wippe", [0.0, 0.0]);
        given.insert("uuid".into(), "8c5e9f2a-0000-4000-8000-000000000001".into());
        let rows = night(&[given], &BTreeMap::new());
        assert_eq!(uuid_of(&rows, "1").to_string(), "8c5e9f2a-0000-4000-8000-000000000001");
        assert!(rows.values().all(|row| !row.contains_key("uuid")));
    }
}
