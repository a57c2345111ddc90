//! Stage `read`: tables to rows, pictures to what their heads tell, the network of streets to lines.

use super::cyclomedia;
use super::look::look;
use super::model::{Look, Table};
use super::options::{Options, StreetsOption};
use super::table::{self, Told};
use crate::crs::Crs;
use crate::dataset::features::source::{self, Head, Sink};
use crate::dataset::features::{CsvOption, Raw, Reading, Value};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Place, Result};
use crate::format::wkb;
use crate::io::beside::Finder;
use crate::io::sniff::Content;
use crate::io::{Digest, Source};
use crate::plan::{Input, InputKind, UnitSpec};
use geo::{Geometry, LineString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Entries of packs.
const TABLE: &str = "table";
const LOOKS: &str = "pictures";
const STREETS: &str = "streets";
/// With more pictures they are looked at in 256 parts, not in 16.
const MANY: usize = 4000;

/// The streets of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Streets {
    /// CRS of the lines.
    pub crs: Crs,
    /// Name and line; a street of several lines is there several times.
    pub lines: Vec<(String, Vec<[f64; 2]>)>,
}

/// What stage `read` gave.
#[derive(Default)]
pub struct Everything {
    /// Tables, by the names of their files.
    pub tables: Vec<Table>,
    /// Pictures, by the names of their files.
    pub looks: Vec<Look>,
}

fn extension(source: &Source) -> String {
    let name = source.file_name().to_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.').map(|(_, end)| end.to_owned()).unwrap_or_default()
}

fn is_picture(source: &Source) -> bool {
    matches!(extension(source).as_str(), "jpg" | "jpeg")
}

/// A unit for each table, one for each sixteenth of the pictures by their content, so that others stay as they are when some come; one
/// for the streets.
///
/// # Errors
/// When the network of streets is not there.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let mut units = Vec::new();
    let (pictures, tables): (Vec<&Source>, Vec<&Source>) = context.sources.iter().partition(|source| is_picture(source));
    for table in tables {
        units.push(UnitSpec {
            key: format!("table/{}", table.name),
            inputs: vec![Input::source(table)],
            params: serde_json::Value::Null,
            bbox: None,
            memory_mb: 64 + (table.size >> 17).min(4096),
            cost: table.size,
        });
    }
    let mut parts: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
    let digits = if pictures.len() > MANY { 2 } else { 1 };
    for picture in pictures {
        parts.entry(picture.digest.to_string()[..digits].to_owned()).or_default().push(picture);
    }
    for (part, pictures) in parts {
        units.push(UnitSpec {
            key: format!("pictures/{part}"),
            inputs: pictures.iter().map(|picture| Input::source(picture)).collect(),
            params: serde_json::Value::Null,
            bbox: None,
            memory_mb: 64,
            cost: pictures.len() as u64 * 4096,
        });
    }
    if let Some(streets) = &options.streets {
        let inputs = network(streets, context)?;
        let size = inputs.iter().map(|input| input.size).sum::<u64>();
        units.push(UnitSpec {
            key: STREETS.to_owned(),
            inputs,
            params: serde_json::Value::Null,
            bbox: None,
            memory_mb: 256 + (size >> 17).min(4096),
            cost: size,
        });
    }
    Ok(units)
}

/// The file of the network, and what belongs to it.
fn network(streets: &StreetsOption, context: &PlanContext<'_>) -> Result<Vec<Input>> {
    let shown = streets.file.display().to_string();
    if let Some(dataset) = &streets.dataset {
        let found = context.uses.get(dataset).and_then(|used| used.files.get(&shown));
        let Some((path, digest)) = found else {
            return Err(Error::new("mk::street_survey::streets", format!("the dataset '{dataset}' has no artefact {shown}"))
                .at(Place::default().object("streets"))
                .hint("name a file that it makes, as `theme.gpkg`"));
        };
        let size = std::fs::metadata(path).map_or(0, |about| about.len());
        return Ok(vec![Input {
            kind: InputKind::Artefact,
            name: format!("{dataset}/{shown}"),
            path: path.clone(),
            member: None,
            size,
            digest: *digest,
        }]);
    }
    let main = Source::of_file(&context.area.folder.join(&streets.file), &shown)?;
    let mut inputs = vec![Input::source(&main)];
    inputs.extend(Finder::default().of(&main, source::beside)?.iter().map(Input::source));
    Ok(inputs)
}

/// Reads the table, looks at the pictures, or reads the streets.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    if unit.key == STREETS {
        let Some(wanted) = &options.streets else { return Err(Error::new("mk::run::input", "no network of streets is wanted")) };
        let streets = streets(wanted, &unit.inputs, context.scratch)?;
        context.pack.add(STREETS, &to_json(&streets)?)?;
        return Ok(Outcome::default());
    }
    let sources: Vec<Source> = unit.inputs.iter().filter_map(Input::as_source).collect();
    if unit.key.starts_with("pictures/") {
        let zone = options.time_zone.zone();
        let mut looks = Vec::with_capacity(sources.len());
        for source in &sources {
            context.check()?;
            looks.push(look(source, &zone)?);
        }
        context.pack.add(LOOKS, &to_json(&looks)?)?;
        return Ok(Outcome::default());
    }
    let Some(source) = sources.first() else { return Err(Error::new("mk::run::input", "the unit has no source")) };
    let read = match source.content() {
        Ok(Content::Xml) => cyclomedia::read(options, source),
        Ok(Content::Other) => table::read(options, source, context.area),
        Ok(other) => Err(Error::new("mk::io::content", format!("the file is {}, no table of recordings", other.name()))),
        Err(error) => Err(error),
    };
    let Told { table, counts, rejections } = read.map_err(|error| error.in_file(&source.name))?;
    context.pack.add(TABLE, &to_json(&table)?)?;
    Ok(Outcome { counts, rejections, ..Outcome::default() })
}

/// A value as bytes of a pack.
///
/// # Errors
/// When it cannot be written.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::new("mk::run::result", "the result cannot be handed on").because(error))
}

/// The other way.
///
/// # Errors
/// When the bytes are not as expected.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new("mk::run::result", "the result of a unit is not as expected").because(error))
}

/// All tables and pictures as inputs of the next stage.
///
/// # Errors
/// When a pack cannot be read.
pub fn as_inputs(results: &[UnitResult]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for result in results {
        let pack = result.pack()?;
        for name in [TABLE, LOOKS] {
            if let Some(entry) = pack.entries().get(name) {
                inputs.push(result.entry_as_input(name, *entry));
            }
        }
    }
    Ok(inputs)
}

/// What the inputs hold, in a stable order.
///
/// # Errors
/// When one cannot be read.
pub fn everything(inputs: &[Input], context: &UnitContext<'_>) -> Result<Everything> {
    let mut all = Everything::default();
    for input in inputs {
        let bytes = context.entry(input)?;
        match input.member.as_deref() {
            Some(TABLE) => all.tables.push(from_json(&bytes)?),
            _ => all.looks.extend(from_json::<Vec<Look>>(&bytes)?),
        }
    }
    all.tables.sort_by(|a, b| a.file.cmp(&b.file));
    all.looks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The streets, where a network is wanted, with the digest of what was read.
///
/// # Errors
/// When the pack cannot be read.
pub fn read_streets(results: &[UnitResult]) -> Result<Option<(Streets, Digest)>> {
    let Some(result) = results.iter().find(|result| result.key == STREETS) else { return Ok(None) };
    Ok(Some((from_json(&result.pack()?.read(STREETS)?)?, result.digest)))
}

fn streets(wanted: &StreetsOption, inputs: &[Input], scratch: &Path) -> Result<Streets> {
    // An artefact of another dataset is a file as any other.
    let source = |input: &Input| Source {
        name: input.name.clone(),
        path: input.path.clone(),
        member: input.member.clone(),
        size: input.size,
        digest: input.digest,
    };
    let files: Vec<Source> = inputs.iter().map(source).collect();
    let name = files.first().map(|file| file.name.clone()).unwrap_or_default();
    let csv: &CsvOption = &wanted.csv;
    let reading = Reading {
        layer: wanted.layer.as_deref(),
        source_crs: wanted.source_crs,
        encoding: wanted.encoding.as_deref(),
        decimal: crate::dataset::features::DecimalOption::Point,
        csv,
        places_optional: false,
    };
    let mut lines = Lines { name: wanted.name.as_deref(), streets: Streets { crs: Crs::WGS84, lines: Vec::new() } };
    source::read(&files, &reading, scratch, &mut lines).map_err(|error| error.in_file(&name))?;
    if lines.streets.lines.is_empty() {
        return Err(Error::new("mk::street_survey::streets", "the network of streets has no line").at(Place::file(name)));
    }
    Ok(lines.streets)
}

struct Lines<'l> {
    name: Option<&'l str>,
    streets: Streets,
}

impl Sink for Lines<'_> {
    fn begin(&mut self, head: &Head) -> Result<Vec<Option<usize>>> {
        self.streets.crs = head.crs;
        let Some(name) = self.name else { return Ok(Vec::new()) };
        let Some(column) = head.columns.iter().position(|column| column.name == name) else {
            let known = head.columns.iter().take(20).map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::new("mk::street_survey::streets", format!("the network of streets has no field '{name}'"))
                .hint(format!("its fields are {known}")));
        };
        Ok(vec![Some(column)])
    }
    fn take(&mut self, features: Vec<Raw>) -> Result<()> {
        for raw in features {
            // Squares and points of a network are no way that can be driven.
            let Ok(Ok(geometry)) = raw.geometry.as_deref().map(wkb::decode) else { continue };
            let name = match raw.values.first() {
                Some(Value::Text(name)) => name.clone(),
                _ => String::new(),
            };
            let mut add = |line: &LineString<f64>| {
                let line: Vec<[f64; 2]> = line.0.iter().map(|at| [at.x, at.y]).collect();
                if line.len() > 1 && line.iter().flatten().all(|value| value.is_finite()) {
                    self.streets.lines.push((name.clone(), line));
                }
            };
            match &geometry {
                Geometry::LineString(line) => add(line),
                Geometry::MultiLineString(lines) => lines.0.iter().for_each(add),
                _ => {}
            }
        }
        Ok(())
    }
}
