//! Stage `read`: a file to checked rows of a table, or to changes from the field.

use super::changes::{Change, changes_of};
use super::model::{GEOMETRY, Row, SITE, Table, table};
use super::options::{Content, Options, TableOption, Wanted};
use super::photos;
use crate::crs::{Bbox, Crs, Operation, OperationFact};
use crate::dataset::features::{Raw, Value as Read1, check, convert, date_text, source};
use crate::dataset::{Area, Counts, Outcome, PlanContext, UnitContext};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::wkb;
use crate::io::beside::Finder;
use crate::io::{Limits, Source};
use crate::plan::{Input, UnitSpec};
use geo::{Geometry, MapCoords};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// Entry of a pack with the rows.
const ROWS: &str = "rows";
/// Entry of a pack with the changes.
const CHANGES: &str = "changes";
/// Name of the changes among the counts.
pub const CHANGE: &str = "aenderung";
/// Bytes that a file of changes may have.
const MAX_CHANGES: u64 = 64 << 20;

/// A row of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    /// Values, with the geometry.
    pub values: Row,
    /// Where it stood.
    pub at: String,
}

/// What the assembly wants to know of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// The table; none for changes.
    pub table: Option<String>,
    /// CRS of the rows, where they have geometries.
    pub crs: Option<Crs>,
    /// The operation that was applied.
    pub operation: Option<OperationFact>,
    /// Photos that it names by their paths, with their SHA-256 where it says it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub photos: photos::Named,
}

/// One unit for each file, with the files that belong to it.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let sorter = options.sorter()?;
    let mut finder = Finder::default();
    let mut units = Vec::new();
    for main in context.sources.iter().filter(|source| !source::is_beside(source.file_name())) {
        let mut files = vec![main.clone()];
        if !source::beside(main.file_name()).is_empty() {
            files.extend(finder.of(main, source::beside)?);
        }
        let size: u64 = files.iter().map(|file| file.size).sum();
        if sorter.content(main.file_name()) == Some(Content::Photo) {
            continue;
        }
        let table = match sorter.content(main.file_name()) {
            Some(Content::Rows(table)) => Some(table),
            Some(Content::Changes | Content::Photo) => None,
            // A file that nobody wants is a mistake in the pipeline: the unit tells it.
            None => Some(""),
        };
        units.push(UnitSpec {
            key: main.name.clone(),
            inputs: files.iter().map(Input::source).collect(),
            params: serde_json::json!({ "table": table }),
            bbox: None,
            memory_mb: 128 + (size >> 17).min(2048),
            cost: size,
        });
    }
    Ok(units)
}

/// Reads the file.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let files: Vec<Source> = unit.inputs.iter().filter_map(Input::as_source).collect();
    let Some(main) = files.first() else { return Err(Error::new("mk::run::input", "the unit has no source")) };
    match unit.params["table"].as_str() {
        Some(name) => {
            let known = table(name).and_then(|table| Some((table, options.of(name)?)));
            let Some((table, option)) = known else {
                return Err(Error::new("mk::playground::file", "no pattern of the pipeline says what the file has")
                    .at(Place::file(&main.name))
                    .hint("name it in `sites`, `devices`, `inspections` or `changes`"));
            };
            rows(table, option, &files, context).map_err(|error| error.in_file(&main.name))
        }
        None => changes(main, context).map_err(|error| error.in_file(&main.name)),
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(failed)
}

fn failed(error: serde_json::Error) -> Error {
    Error::new("mk::run::result", "the result cannot be handed on").because(error)
}

fn summary(table: Option<&str>, operation: Option<OperationFact>, photos: photos::Named) -> Result<Value> {
    let crs = operation.as_ref().map(|fact| fact.to);
    serde_json::to_value(Summary { table: table.map(str::to_owned), crs, operation, photos }).map_err(failed)
}

fn rows(table: &'static Table, option: &TableOption, files: &[Source], context: &mut UnitContext<'_>) -> Result<Outcome> {
    let wanted = option.wanted(table);
    let mut work = Work {
        table,
        option,
        wanted: &wanted,
        area: context.area,
        name: &files[0].name,
        operation: None,
        rows: Vec::new(),
        keys: BTreeSet::new(),
        outcome: Outcome::default(),
        bbox: Bbox::EMPTY,
    };
    source::read(files, &option.reading(table), context.scratch, &mut work)?;
    let Work { operation, rows, mut outcome, bbox, .. } = work;
    context.pack.add(ROWS, &to_json(&rows)?)?;
    outcome.bbox = (!bbox.is_empty()).then_some(bbox);
    let fact = operation.map(|operation| operation.fact().clone());
    // Rows without a place say nothing about the CRS of the tables.
    let placed = rows.iter().any(|row| row.values.contains_key(GEOMETRY));
    let fact = fact.filter(|_| placed);
    let named = rows.iter().flat_map(|stored| photos::of_row(&stored.values)).map(|path| (path, None)).collect();
    outcome.summary = summary(Some(table.name), fact, named)?;
    Ok(outcome)
}

/// What is made of a file.
struct Work<'w> {
    table: &'static Table,
    option: &'w TableOption,
    wanted: &'w [Wanted],
    area: &'w Area,
    name: &'w str,
    operation: Option<Operation>,
    rows: Vec<Stored>,
    /// Keys that there were.
    keys: BTreeSet<String>,
    outcome: Outcome,
    bbox: Bbox,
}

impl source::Sink for Work<'_> {
    fn begin(&mut self, head: &source::Head) -> Result<Vec<Option<usize>>> {
        let find = |name: &str| {
            let exact = head.columns.iter().position(|column| column.name == name);
            exact.or_else(|| head.columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase()))
        };
        let sources: Vec<Option<usize>> =
            self.wanted.iter().map(|wanted| wanted.names.iter().find_map(|name| find(name))).collect();
        let known = || head.columns.iter().take(20).map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        for (wanted, _) in self.wanted.iter().zip(&sources).filter(|(_, source)| source.is_none()) {
            if wanted.field.required || wanted.field.from.is_some() {
                let message =
                    format!("the file has no field '{}', which `{}` needs", wanted.names.join("', '"), wanted.field.name);
                return Err(Error::new("mk::playground::field", message).hint(format!("its fields are {}", known())));
            }
        }
        for needed in super::fold::needed(self.table.name) {
            let is_there = |name: &&str| {
                self.wanted.iter().zip(&sources).any(|(wanted, source)| wanted.field.name == **name && source.is_some())
            };
            if !needed.iter().any(is_there) {
                let message = format!("the file has no field for `{}` of the table {}", needed.join("` or `"), self.table.name);
                return Err(Error::new("mk::playground::field", message).hint(format!(
                    "name it: fields = [{{ name = \"{}\", from = \"...\" }}]; its fields are {}",
                    needed[0],
                    known()
                )));
            }
        }
        let crs = self.area.crs.unwrap_or(head.crs);
        self.operation = Some(Operation::between(head.crs, crs, &self.area.grids)?);
        Ok(sources)
    }

    fn take(&mut self, features: Vec<Raw>) -> Result<()> {
        for raw in features {
            let place = source::place(self.name, &raw);
            match self.row(raw) {
                Ok(values) => {
                    self.outcome.counts.kept(self.table.name);
                    self.rows.push(Stored { values, at: place.to_string() });
                }
                Err(error) => {
                    self.outcome.counts.rejected(self.table.name);
                    let place = Place { at: error.place().at, ..place };
                    self.outcome.rejections.push(Rejection::of(self.table.name, &error.at(place)));
                }
            }
        }
        Ok(())
    }
}

impl Work<'_> {
    fn row(&mut self, raw: Raw) -> Result<Row> {
        let mut row = Row::new();
        for (value, wanted) in raw.values.into_iter().zip(self.wanted) {
            let value = convert(value, &wanted.field, self.option.decimal)
                .map_err(|reason| Error::new("mk::playground::value", reason))?;
            if let Some(value) = json(value, wanted.factor) {
                row.insert(wanted.field.name.clone(), value);
            }
        }
        for needed in super::fold::needed(self.table.name) {
            if !needed.iter().any(|name| row.contains_key(*name)) {
                return Err(Error::new("mk::playground::value", format!("it has no value for `{}`", needed.join("` or `"))));
            }
        }
        if self.table.shape {
            match raw.geometry {
                Ok(bytes) => {
                    let geometry = self.geometry(&bytes)?;
                    row.insert(GEOMETRY.to_owned(), wkb::to_text(&geometry).into());
                }
                Err(reason) if self.table.name != SITE && reason.starts_with("it has no") => {}
                Err(reason) => return Err(Error::new("mk::playground::geometry", reason)),
            }
        } else if let Err(reason) = raw.geometry
            && !reason.starts_with("it has no")
        {
            return Err(Error::new("mk::playground::geometry", reason));
        }
        let key = super::fold::key(self.table.name, &row);
        if !key.is_empty() && !self.keys.insert(key.clone()) {
            return Err(Error::new("mk::playground::key", format!("the file has '{key}' twice")));
        }
        Ok(row)
    }

    fn geometry(&mut self, bytes: &[u8]) -> Result<Geometry<f64>> {
        let geometry = check::sound(bytes, None).map_err(|fault| Error::new("mk::playground::geometry", fault.reason))?;
        let geometry = match &self.operation {
            Some(operation) => moved(&geometry, operation)?,
            None => geometry,
        };
        let bbox = Bbox::around(geo::CoordsIter::coords_iter(&geometry).map(|at| [at.x, at.y]));
        if let Some(extent) = self.area.extent.filter(|_| self.area.crs.is_some())
            && !extent.intersects(&bbox)
        {
            let place = Place::default().at(bbox.centre());
            return Err(Error::new("mk::playground::outside", "it lies outside the pipeline's extent").at(place));
        }
        self.bbox = self.bbox.union(bbox);
        Ok(geometry)
    }
}

/// A geometry in another CRS.
pub fn moved(geometry: &Geometry<f64>, operation: &Operation) -> Result<Geometry<f64>> {
    if operation.fact().from == operation.fact().to {
        return Ok(geometry.clone());
    }
    geometry.try_map_coords(|at| {
        let mut point = [[at.x, at.y]];
        operation.forward(&mut point)?;
        Ok(geo::Coord { x: point[0][0], y: point[0][1] })
    })
}

/// A value as it is kept; `None` for none.
pub fn json(value: Read1, factor: f64) -> Option<Value> {
    Some(match value {
        Read1::Null => return None,
        Read1::Text(text) => Value::from(text.trim()),
        Read1::Whole(whole) => Value::from(whole),
        // Ten digits behind the point hide what the factor does to the last bits.
        Read1::Real(real) if factor != 1.0 => Value::from((real * factor * 1e10).round() / 1e10),
        Read1::Real(real) => Value::from(real),
        Read1::Truth(truth) => Value::from(truth),
        Read1::Day(days) => Value::from(date_text(days)),
    })
}

fn changes(main: &Source, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let mut bytes = Vec::new();
    let read = main.reader(Limits::default())?.take(MAX_CHANGES + 1).read_to_end(&mut bytes);
    read.map_err(|error| crate::io::source::read_error(&main.name, &error))?;
    if bytes.len() as u64 > MAX_CHANGES {
        return Err(Error::new("mk::playground::changes", "the file of changes has more than 64 MiB"));
    }
    let (changes, rejections) = changes_of(&bytes, context.area)?;
    context.pack.add(CHANGES, &to_json(&changes)?)?;
    let mut counts = Counts::default();
    for _ in &changes {
        counts.kept(CHANGE);
    }
    let mut outcome = Outcome { summary: summary(None, None, photos::of_changes(&changes))?, ..Outcome::default() };
    for error in rejections {
        counts.rejected(CHANGE);
        outcome.rejections.push(Rejection::of(CHANGE, &error.at(Place::file(&main.name))));
    }
    outcome.counts = counts;
    Ok(outcome)
}

/// What the stage read of a file.
pub enum Loaded {
    /// Rows of a table.
    Rows(&'static Table, Vec<Stored>),
    /// Changes from the field.
    Changes(Vec<Change>),
}

/// The result of a unit.
///
/// # Errors
/// When it cannot be read.
pub fn load(result: &crate::dataset::UnitResult) -> Result<(Summary, Loaded)> {
    let summary: Summary = serde_json::from_value(result.outcome.summary.clone()).map_err(failed)?;
    let mut pack = result.pack()?;
    let loaded = match summary.table.as_deref().and_then(table) {
        Some(table) => Loaded::Rows(table, serde_json::from_slice(&pack.read(ROWS)?).map_err(failed)?),
        None => Loaded::Changes(serde_json::from_slice(&pack.read(CHANGES)?).map_err(failed)?),
    };
    Ok((summary, loaded))
}
