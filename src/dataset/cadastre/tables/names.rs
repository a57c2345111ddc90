//! Stage `names`: of everything that tables look up, what each cell's own want. One unit gathers what all cells say, and gives each
//! what it asks for; the tables of a cell are made again only where that is another.

use super::Object;
use super::lookups::{Address, GEOREFERENCED, HOUSE, Lookups, Place, gemarkung_key, municipality_key, place, references};
use crate::dataset::cadastre::STATE;
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::history::{number_of, store};
use crate::dataset::cadastre::row::Row;
use crate::dataset::cadastre::said::broken;
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::Result;
use crate::plan::{Input, UnitSpec};
use rayon::prelude::*;
use store::{Entries, Need};

/// Entries with what the tables of a cell want to know.
pub const ANSWERS: &str = "answers";
/// Cells whose entries are in memory at once.
const AT_ONCE: usize = 64;

/// The numbers of all keys and objects that the tables of a cell look up, from its rows that hold; nothing where there are none.
pub fn asks<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<u8> {
    let mut asked: Vec<u64> = Vec::new();
    for row in rows {
        let object = Object::new(row);
        let mut ask = |key: &str| asked.push(number_of(key));
        if *row.class == *"AX_Flurstueck" {
            if let Some(key) = municipality_key(&object, "gemeindezugehoerigkeit") {
                [key.get(..3), key.get(..5), Some(&key)].into_iter().flatten().for_each(&mut ask);
            }
            gemarkung_key(&object, "gemarkung").as_deref().into_iter().for_each(&mut ask);
            object.text(&["gemarkung", "land"]).as_deref().into_iter().for_each(&mut ask);
        } else if *row.class == *HOUSE {
            ask(&row.oid);
            if let Some(key) = place(&object).as_ref().and_then(Place::municipality) {
                ask(key);
            }
        } else if *row.class == *GEOREFERENCED {
            references(&object).for_each(|reference| ask(&reference));
            let [municipality, street] = super::address::keys(&object);
            ask(&municipality);
            ask(&street);
        } else if *row.class == *"AX_Grenzpunkt" {
            ask(&row.oid);
        }
        if *row.class == *"AX_Flurstueck" || codes::building_class(&row.class).is_some() {
            let places = ["weistAuf", "zeigtAuf"].into_iter().flat_map(|name| object.list(name));
            places.for_each(|place| ask(&place));
        }
    }
    asked.sort_unstable();
    asked.dedup();
    asked.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Something that is known of a key or an object.
enum Answer<'l> {
    Unit(&'l str, &'l str),
    Gemarkung(&'l str, &'l str),
    Street(&'l str, &'l str),
    Place(&'l str, &'l Place),
    Parcel(&'l str, &'l (String, String)),
    Building(&'l str, &'l str),
    Address(&'l str, &'l Address),
    Position(&'l str, &'l (usize, String, Vec<u8>)),
    House(&'l str),
}

/// All answers, by the number of what they are about.
struct Answers<'l> {
    lookups: &'l Lookups,
    all: Vec<(u64, Answer<'l>)>,
}

impl<'l> Answers<'l> {
    fn of(lookups: &'l Lookups) -> Self {
        let mut all: Vec<(u64, Answer<'l>)> = Vec::new();
        let Lookups { units, gemarkungen, streets, places, parcels, buildings, addresses, positions, houses, .. } = lookups;
        all.extend(units.iter().map(|(key, name)| (number_of(key), Answer::Unit(key, name))));
        all.extend(gemarkungen.iter().map(|(key, name)| (number_of(key), Answer::Gemarkung(key, name))));
        all.extend(streets.iter().map(|(key, name)| (number_of(key), Answer::Street(key, name))));
        all.extend(places.iter().map(|(oid, place)| (number_of(oid), Answer::Place(oid, place))));
        all.extend(parcels.iter().map(|(place, parcel)| (number_of(place), Answer::Parcel(place, parcel))));
        all.extend(buildings.iter().map(|(place, building)| (number_of(place), Answer::Building(place, building))));
        all.extend(addresses.iter().map(|(house, address)| (number_of(house), Answer::Address(house, address))));
        all.extend(positions.iter().map(|(point, position)| (number_of(point), Answer::Position(point, position))));
        all.extend(houses.iter().map(|house| (number_of(house), Answer::House(house))));
        all.par_sort_unstable_by_key(|(number, _)| *number);
        Self { lookups, all }
    }

    /// What is known of those that are asked for.
    fn to(&self, asks: &[u8]) -> Result<Lookups> {
        let (asks, []) = asks.as_chunks::<8>() else { return Err(broken()) };
        let mut known = Lookups::default();
        for number in asks.iter().map(|bytes| u64::from_le_bytes(*bytes)) {
            let first = self.all.partition_point(|(other, _)| *other < number);
            for (_, answer) in self.all[first..].iter().take_while(|(other, _)| *other == number) {
                self.tell(answer, &mut known);
            }
        }
        known.loose.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(known)
    }

    fn tell(&self, answer: &Answer<'l>, known: &mut Lookups) {
        match answer {
            Answer::Unit(key, name) => drop(known.units.insert((*key).to_owned(), (*name).to_owned())),
            Answer::Gemarkung(key, name) => drop(known.gemarkungen.insert((*key).to_owned(), (*name).to_owned())),
            Answer::Street(key, name) => drop(known.streets.insert((*key).to_owned(), (*name).to_owned())),
            Answer::Place(oid, place) => {
                // Who is told of a place wants the name of its street too.
                if let Some((key, name)) = place.key.as_ref().and_then(|key| self.lookups.streets.get_key_value(key)) {
                    known.streets.insert(key.clone(), name.clone());
                }
                known.places.insert((*oid).to_owned(), (*place).clone());
            }
            Answer::Parcel(place, parcel) => drop(known.parcels.insert((*place).to_owned(), (*parcel).clone())),
            Answer::Building(place, building) => drop(known.buildings.insert((*place).to_owned(), (*building).to_owned())),
            Answer::Address(house, address) => known.loose.push((vec![(*house).to_owned()], (*address).clone())),
            Answer::Position(point, position) => drop(known.positions.insert((*point).to_owned(), (*position).clone())),
            Answer::House(house) => drop(known.houses.insert((*house).to_owned())),
        }
    }
}

/// The one unit, where rows of tables are kept.
///
/// # Errors
/// When the state cannot be read.
pub fn units(context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let mut units = Vec::new();
    for state in context.earlier.get(STATE).into_iter().flatten().filter(|_| super::rows::are_kept(context)) {
        let pack = state.pack()?;
        let cells = store::cells(state)?;
        let inputs: Vec<Input> = cells.keys().flat_map(|cell| store::inputs_of(state, &pack, cell, Need::Names)).collect();
        let size: u64 = inputs.iter().map(|input| input.size).sum();
        let (key, params) = ("names".to_owned(), serde_json::json!({}));
        units.push(UnitSpec { key, inputs, params, bbox: None, memory_mb: 32 + (size >> 20).saturating_mul(4), cost: size });
    }
    Ok(units)
}

/// What all cells say; `check` says whether to go on.
fn gathered(names: &[&Input], entries: &mut Entries, check: impl Fn() -> Result<()>) -> Result<Lookups> {
    let mut lookups = Lookups::default();
    for some in names.chunks(AT_ONCE) {
        check()?;
        let said = some.iter().map(|input| entries.read(input)).collect::<Result<Vec<_>>>()?;
        let said = said.par_iter().map(|bytes| Lookups::from_bytes(bytes)).collect::<Result<Vec<_>>>()?;
        for more in said {
            lookups.add(more);
        }
    }
    lookups.settle();
    Ok(lookups)
}

/// What all cells of a state say, at once: for tables whose rows nobody keeps.
///
/// # Errors
/// When the state cannot be read.
pub fn all(state: &UnitResult) -> Result<Lookups> {
    let (pack, cells) = (state.pack()?, store::cells(state)?);
    let inputs: Vec<Input> = cells.keys().flat_map(|cell| store::inputs_of(state, &pack, cell, Need::Names)).collect();
    let names: Vec<&Input> = inputs.iter().filter(|input| store::is_names(input)).collect();
    gathered(&names, &mut Entries::default(), || Ok(()))
}

/// Gathers what all cells say, and gives each what it asks for.
///
/// # Errors
/// When an input cannot be read or the result not be written.
pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let mut entries = Entries::default();
    let (names, asks): (Vec<&Input>, Vec<&Input>) = unit.inputs.iter().partition(|input| store::is_names(input));
    let lookups = gathered(&names, &mut entries, || context.check())?;
    let answers = Answers::of(&lookups);
    for some in asks.chunks(AT_ONCE) {
        context.check()?;
        let asked = some.iter().map(|input| entries.read(input)).collect::<Result<Vec<_>>>()?;
        let told = asked.par_iter().map(|asks| Ok(answers.to(asks)?.into_bytes())).collect::<Result<Vec<_>>>()?;
        for (input, bytes) in some.iter().zip(told) {
            if let (Some((_, cell)), false) = (store::part_and_cell(input), bytes.is_empty()) {
                context.pack.add(&format!("{ANSWERS}/{cell}"), &bytes)?;
            }
        }
    }
    Ok(Outcome::default())
}
