//! The units of a dataset as the report's map shows them.

use super::work::{UnitNote, UnitState, Work};
use crate::crs::Bbox;
use crate::report::{MapUnit, UnitState as State};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Units on the map: those of the stage that divides the place most finely, the last of them where several do; a unit that spans
/// everything would hide the others.
pub fn of(work: &Work) -> Vec<MapUnit> {
    let mut stages: BTreeMap<&str, Vec<(&UnitNote, Bbox)>> = BTreeMap::new();
    for note in &work.tally.units {
        if let Some(bbox) = note.bbox {
            stages.entry(&note.stage).or_default().push((note, bbox));
        }
    }
    let order = |name: &str| work.dataset.stages().iter().position(|stage| stage.name == name);
    let Some((_, finest)) = stages.into_iter().max_by_key(|(name, units)| (units.len(), order(name))) else { return Vec::new() };
    let state = |note: &UnitNote| match note.state {
        UnitState::Reused => State::Reused,
        UnitState::Done => State::Done,
        UnitState::Quarantined => {
            let failed = work.tally.failures.iter().find(|failure| failure.key == note.key && failure.stage == note.stage);
            if failed.is_some_and(|failure| failure.stale) { State::Stale } else { State::Quarantined }
        }
    };
    joined(finest.into_iter().map(|(note, bbox)| MapUnit { key: note.key.clone(), bbox, state: state(note), units: 1 }).collect())
}

/// Up to so many unchanged units each has its place on the map.
const SINGLE: usize = 1024;
/// Of more, those of one square of so many by so many are one: no eye tells ten thousand apart, and each night is kept with its map.
const SQUARES: f64 = 24.0;

/// Joins unchanged units that lie beside each other where there are many.
fn joined(units: Vec<MapUnit>) -> Vec<MapUnit> {
    let (unchanged, mut map): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| unit.state == State::Reused);
    if unchanged.len() <= SINGLE {
        map.extend(unchanged);
    } else {
        let ground = unchanged.iter().fold(Bbox::EMPTY, |all, unit| all.union(unit.bbox));
        let square = |unit: &MapUnit| {
            let centre = unit.bbox.centre();
            [0, 1].map(|axis| {
                let share = (centre[axis] - ground.min[axis]) / (ground.max[axis] - ground.min[axis]).max(f64::MIN_POSITIVE);
                (share * SQUARES) as u32
            })
        };
        let mut squares: BTreeMap<[u32; 2], MapUnit> = BTreeMap::new();
        for unit in unchanged {
            match squares.entry(square(&unit)) {
                Entry::Vacant(free) => drop(free.insert(unit)),
                Entry::Occupied(mut taken) => {
                    let all = taken.get_mut();
                    (all.bbox, all.units) = (all.bbox.union(unit.bbox), all.units + unit.units);
                }
            }
        }
        map.extend(squares.into_values());
    }
    map.sort_by(|a, b| a.key.cmp(&b.key));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(side: u32, state: impl Fn(u32, u32) -> State) -> Vec<MapUnit> {
        let unit = |x: u32, y: u32| {
            let min = [f64::from(x) * 200.0, f64::from(y) * 200.0];
            MapUnit {
                key: format!("{x}/{y}"),
                bbox: Bbox::new(min, [min[0] + 200.0, min[1] + 200.0]),
                state: state(x, y),
                units: 1,
            }
        };
        (0..side).flat_map(|x| (0..side).map(move |y| (x, y))).map(|(x, y)| unit(x, y)).collect()
    }

    #[test]
    fn few_units_are_shown_one_by_one_and_of_many_all_that_changed() {
        let changed = |x: u32, y: u32| if (x, y) == (17, 4) { State::Done } else { State::Reused };
        let few = joined(units(32, changed));
        assert_eq!(few.len(), 1024);
        let all = units(100, changed);
        let ground = all.iter().fold(Bbox::EMPTY, |all, unit| all.union(unit.bbox));
        let many = joined(all);
        assert!(many.len() <= 25 * 25 + 1, "{}", many.len());
        assert_eq!(many.iter().map(|unit| unit.units).sum::<u64>(), 10_000);
        assert_eq!(many.iter().fold(Bbox::EMPTY, |all, unit| all.union(unit.bbox)), ground);
        let done: Vec<&MapUnit> = many.iter().filter(|unit| unit.state == State::Done).collect();
        assert!(done.len() == 1 && done[0].key == "17/4" && done[0].units == 1);
        let area: f64 = many.iter().map(|unit| unit.bbox.width() * unit.bbox.height()).sum();
        assert!(area <= ground.width() * ground.height() + 200.0 * 200.0, "neighbours do not cover each other");
        // All in one place.
        let mut twins = units(1, |_, _| State::Reused);
        twins = (0..2000).map(|_| twins[0].clone()).collect();
        assert_eq!(joined(twins).iter().map(|unit| unit.units).collect::<Vec<_>>(), [2000]);
    }
}
