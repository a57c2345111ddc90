//! The files of the history: every version of every building as a table, and what came, changed and went as a map layer.

use super::delivery::Day;
use super::versions::{Begin, End, Version, versions};
use crate::crs::Bbox;
use crate::dataset::city_model::artefacts::Whole;
use crate::dataset::city_model::cell::{Cell, SIZE_M};
use crate::dataset::city_model::codec;
use crate::dataset::city_model::footprint::{footprint, wkb};
use crate::dataset::city_model::labels;
use crate::dataset::city_model::measure::Measures;
use crate::dataset::city_model::model::Building;
use crate::dataset::city_model::outputs::{create, flushed};
use crate::dataset::city_model::read::CELLS;
use crate::dataset::city_model::table::{self, GEOMETRY, Table};
use crate::dataset::{Artefact, AssembleContext, UnitResult};
use crate::error::{Error, Result};
use crate::format::gpkg::{Geopackage, Layer};
use crate::format::{self, geoparquet};
use crate::io::Pack;
use crate::vector::hilbert;
use arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Name of the table of all versions.
pub const HISTORY: &str = "buildings_history.parquet";
/// Name of the file of changes.
pub const CHANGES: &str = "buildings_changes.gpkg";

/// Columns of the table beside those of the buildings.
const COLUMNS: [&str; 4] = ["valid_from", "valid_to", "begins", "ends"];

/// What the report tells: a name and a text.
type Note = (String, String);

/// Writes the history of the deliveries up to the day that is asked for, and tells what the last of them changed.
///
/// # Errors
/// When a result cannot be read or a file not be written.
pub fn write(context: &AssembleContext<'_>, read: &[UnitResult], whole: &Whole) -> Result<(Vec<Artefact>, Vec<Note>)> {
    let table = Table::new(&whole.attributes, None, &COLUMNS);
    let schema = schema(&table);
    let mut parquet = None;
    if context.wants("parquet") {
        let options = geoparquet::Options::new(GEOMETRY, Some(whole.crs));
        parquet = Some(geoparquet::Writer::new(create(&context.output.join(HISTORY))?, &schema, &options)?);
    }
    let versions = versions(read)?;
    let mut changes = Changes::default();
    for (cell, here) in by_cell(&versions) {
        let buildings = buildings(cell, &here, read)?;
        changes.take(&here, &buildings);
        if let Some(parquet) = &mut parquet {
            parquet.write(&rows(&table, &schema, &here, &buildings)?)?;
        }
    }
    let mut artefacts = Vec::new();
    if let Some(parquet) = parquet {
        flushed(parquet.finish()?, HISTORY)?;
        let title = "Gebäude mit allen früheren Fassungen";
        artefacts.push(context.artefact(HISTORY, "application/vnd.apache.parquet", "GeoParquet 1.1", title));
    }
    let events = changes.events();
    if context.wants("gpkg") {
        let title = "Neue, geänderte und abgerissene Gebäude";
        write_changes(&events, title, context, whole)?;
        artefacts.push(context.artefact(CHANGES, "application/geopackage+sqlite3", "GeoPackage 1.3", title));
    }
    Ok((artefacts, notes(&events)))
}

/// A version with its building's id.
type Named<'v> = (&'v str, &'v Version);

/// The versions by the cell they lie in, along the Hilbert curve.
fn by_cell(versions: &BTreeMap<String, Vec<Version>>) -> Vec<(Cell, Vec<Named<'_>>)> {
    let mut cells: BTreeMap<Cell, Vec<Named<'_>>> = BTreeMap::new();
    for (id, version) in versions.iter().flat_map(|(id, versions)| versions.iter().map(move |version| (id, version))) {
        cells.entry(version.listed.cell).or_default().push((id, version));
    }
    let boxes: Vec<Bbox> = cells.keys().map(|cell| Bbox::around([cell.0.map(|number| number as f64 * SIZE_M)])).collect();
    let mut cells: Vec<Option<(Cell, Vec<Named<'_>>)>> = cells.into_iter().map(Some).collect();
    let order = hilbert::order(&boxes);
    order.into_iter().filter_map(|number| cells.get_mut(number as usize)?.take()).collect()
}

/// The buildings of those versions, in their order.
fn buildings(cell: Cell, versions: &[Named<'_>], read: &[UnitResult]) -> Result<Vec<Building>> {
    let files: BTreeSet<usize> = versions.iter().map(|(_, version)| version.file).collect();
    let mut found: BTreeMap<(usize, String), Building> = BTreeMap::new();
    for file in files {
        let mut pack: Pack = read[file].pack()?;
        for building in codec::decode(&pack.read(&format!("{CELLS}{}", cell.name()))?)? {
            found.insert((file, building.id.clone()), building);
        }
    }
    let take = |(id, version): &Named<'_>| found.remove(&(version.file, (*id).to_owned()));
    let out: Vec<Building> = versions.iter().filter_map(take).collect();
    if out.len() == versions.len() { Ok(out) } else { Err(Error::new("mk::city_model::pack", "a cell's entry lacks a building")) }
}

/// The columns of the table of all versions.
fn schema(table: &Table) -> SchemaRef {
    let own = COLUMNS.iter().map(|&name| Field::new(name, DataType::Utf8, matches!(name, "valid_to" | "ends")));
    let fields: Vec<Field> = table.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    Arc::new(Schema::new(own.chain(fields).collect::<Vec<_>>()))
}

fn rows(table: &Table, schema: &SchemaRef, versions: &[Named<'_>], buildings: &[Building]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&Version) -> Option<&str>| -> ArrayRef {
        Arc::new(versions.iter().map(|(_, version)| value(version)).collect::<StringArray>())
    };
    let mut columns = vec![
        text(&|it| Some(it.from.as_str())),
        text(&|it| it.until.as_ref().map(|(day, _)| day.as_str())),
        text(&|it| {
            Some(match it.begin {
                Begin::First => "first",
                Begin::New => "new",
                Begin::Changed => "changed",
            })
        }),
        text(&|it| {
            it.until.as_ref().map(|(_, end)| match end {
                End::Changed => "changed",
                End::Demolished => "demolished",
            })
        }),
    ];
    columns.extend(table.batch(buildings)?.columns().iter().cloned());
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(table::failed)
}

/// What a map of changes says of a version.
#[derive(Clone)]
struct Brief {
    function: Option<String>,
    height: Option<f64>,
    footprint_area: f64,
    volume: Option<f64>,
    footprint: Option<Vec<u8>>,
}

impl Brief {
    fn of(building: &Building) -> Self {
        let Measures { height, footprint_area, volume, .. } = Measures::of(building);
        let function = building.attribute("function").and_then(|code| labels::function(code.as_text()?));
        Self { function, height, footprint_area, volume, footprint: wkb(footprint(building).iter()) }
    }
}

/// What came, changed and went, by day, id and what happened.
#[derive(Default)]
struct Changes {
    /// Before and after of each.
    all: BTreeMap<(Day, String), [Option<Brief>; 2]>,
}

struct Event<'c> {
    day: &'c Day,
    id: &'c str,
    before: Option<&'c Brief>,
    after: Option<&'c Brief>,
}

impl Event<'_> {
    /// What happened, in the words of the office.
    fn what(&self) -> &'static str {
        match (self.before, self.after) {
            (Some(_), Some(_)) => "geändert",
            (None, _) => "neu",
            (Some(_), None) => "abgerissen",
        }
    }
}

impl Changes {
    fn take(&mut self, versions: &[Named<'_>], buildings: &[Building]) {
        for ((id, version), building) in versions.iter().zip(buildings) {
            let begins = (version.begin != Begin::First).then_some((&version.from, 1));
            let ends = version.until.as_ref().map(|(day, _)| (day, 0));
            for (day, side) in [begins, ends].into_iter().flatten() {
                let event = self.all.entry((day.clone(), (*id).to_owned())).or_default();
                event[side] = Some(Brief::of(building));
            }
        }
    }
    fn events<'c>(&'c self) -> Vec<Event<'c>> {
        let event = |((day, id), [before, after]): (&'c (Day, String), &'c [Option<Brief>; 2])| Event {
            day,
            id,
            before: before.as_ref(),
            after: after.as_ref(),
        };
        self.all.iter().map(event).collect()
    }
}

fn write_changes(events: &[Event<'_>], title: &str, context: &AssembleContext<'_>, whole: &Whole) -> Result<()> {
    let text = |value: &dyn Fn(&Event<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(events.iter().map(value).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&Event<'_>) -> Option<f64>| -> ArrayRef {
        Arc::new(events.iter().map(|it| value(it).map(table::rounded)).collect::<Float64Array>())
    };
    let flat = |event: &Event<'_>| -> Result<Option<Vec<u8>>> {
        let bytes = event.after.or(event.before).and_then(|brief| brief.footprint.as_ref());
        bytes.map(|bytes| format::wkb::decode(bytes).map(|geometry| format::wkb::encode(&geometry))).transpose()
    };
    let footprints = events.iter().map(flat).collect::<Result<Vec<_>>>()?;
    let columns: [(&str, ArrayRef); 11] = [
        ("id", text(&|it| Some(it.id.to_owned()))),
        ("aenderung", text(&|it| Some(it.what().to_owned()))),
        ("datum", text(&|it| Some(it.day.to_string()))),
        ("funktion", text(&|it| it.after.or(it.before)?.function.clone())),
        ("hoehe_vorher", number(&|it| it.before?.height)),
        ("hoehe_nachher", number(&|it| it.after?.height)),
        ("grundflaeche_vorher", number(&|it| Some(it.before?.footprint_area))),
        ("grundflaeche_nachher", number(&|it| Some(it.after?.footprint_area))),
        ("volumen_vorher", number(&|it| it.before?.volume)),
        ("volumen_nachher", number(&|it| it.after?.volume)),
        ("geom", Arc::new(footprints.iter().map(Option::as_deref).collect::<BinaryArray>())),
    ];
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, column)| column).collect());
    let last = events.last().map_or("1970-01-01", |event| event.day.as_str());
    let mut file = Geopackage::create(&context.output.join(CHANGES), &format!("{last}T00:00:00.000Z"))?;
    let geometry_type = "MULTIPOLYGON";
    let layer = Layer { name: "aenderungen", title, geometry: Some("geom"), geometry_type, crs: Some(whole.crs) };
    file.add(&layer, &schema, &[batch.map_err(table::failed)?])?;
    file.finish()
}

/// What the last delivery that changed something changed.
fn notes(events: &[Event<'_>]) -> Vec<Note> {
    let Some(last) = events.last().map(|event| event.day) else { return Vec::new() };
    let count = |what: &str| events.iter().filter(|event| event.day == last && event.what() == what).count();
    let text = ["neu", "geändert", "abgerissen"].map(|what| format!("{} {what}", count(what))).join(", ");
    let day: Vec<&str> = last.as_str().split('-').rev().collect();
    vec![(format!("Gebäude mit der Lieferung vom {}", day.join(".")), text)]
}
