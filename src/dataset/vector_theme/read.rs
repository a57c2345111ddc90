//! Stage `read`: a file to rows by cell of the map.

use super::cells::{CellInfo, Cells, Spot};
use super::mapping::Mapping;
use super::options::Options;
use super::rows::{Builder, pack_schema};
use crate::crs::{Bbox, Crs, Operation, OperationFact};
use crate::dataset::features::check::{self, Fault};
use crate::dataset::features::source::{self, Head, Sink, place};
use crate::dataset::features::{DecimalOption, FieldOption, GeometryOption, Raw, convert};
use crate::dataset::vector_tiles::around;
use crate::dataset::{Area, Counts, Outcome, PlanContext, UnitContext, check as check_cancel, remote};
use crate::error::{Error, Rejection, Result};
use crate::format::wkb;
use crate::io::Source;
use crate::io::beside::Finder;
use crate::pipeline::Audience;
use crate::plan::{Input, UnitSpec};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use geo::{Coord, Geometry, MapCoordsInPlace};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;

/// Features that a thread works on at once.
const PART: usize = 512;
/// Findings that are listed of a unit; the last says how many more there are.
const MAX_FINDINGS: usize = 500;

/// What later stages want to know of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// CRS of the rows.
    pub crs: Crs,
    /// Fields of the rows.
    pub fields: Vec<FieldOption>,
    /// WKB types that there are, without dimensions: 1 to 6.
    pub types: BTreeSet<u32>,
    /// The operation that was applied.
    pub operation: OperationFact,
    /// Rows.
    pub rows: u64,
}

/// One unit for each file, with the files that belong to it.
///
/// # Errors
/// When one that lies beside it cannot be read.
pub fn units(context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let mut finder = Finder::default();
    let mut units = Vec::new();
    // All pages of a server are one unit: a feature more moves all others from page to page.
    let mut pages: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
    for main in context.sources.iter().filter(|source| !source::is_beside(source.file_name())) {
        if let Some(name) = remote::unit_of(&main.name) {
            pages.entry(name).or_default().push(main.clone());
            continue;
        }
        let mut files = vec![main.clone()];
        if !source::beside(main.file_name()).is_empty() {
            files.extend(finder.of(main, source::beside)?);
        }
        units.push(unit(main.name.clone(), &files, context));
    }
    units.extend(pages.into_iter().map(|(name, pages)| unit(name.to_owned(), &pages, context)));
    Ok(units)
}

fn unit(key: String, files: &[Source], context: &PlanContext<'_>) -> UnitSpec {
    let size: u64 = files.iter().map(|file| file.size).sum();
    UnitSpec {
        key,
        inputs: files.iter().map(Input::source).collect(),
        // Without a list of fields it decides what is taken.
        params: serde_json::json!({ "audience": context.dataset.audience }),
        bbox: None,
        memory_mb: 320 + (size >> 20).min(64),
        cost: size,
    }
}

/// Reads the file.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let files: Vec<Source> = unit.inputs.iter().filter_map(Input::as_source).collect();
    let name = unit.key.clone();
    let UnitContext { dataset, area, scratch, pack, cancel, .. } = context;
    let office = dataset.audience == Audience::Internal;
    let mut work = Work::new(&name, options, area, scratch, cancel, office);
    source_of(&files, options, scratch, &mut work).map_err(|error| error.in_file(&name))?;
    let Some(reader) = work.reader else { return Err(Error::new("mk::vector_theme::empty", "the file has no layer")) };
    let known = reader.cells.finish(pack)?;
    if !reader.mapping.left_out.is_empty() {
        let reason = format!(
            "without the option `fields` nothing but places is public: {} are left out",
            reader.mapping.left_out.join(", ")
        );
        let finding = Error::new("mk::vector_theme::fields", reason).at(crate::error::Place::file(&name));
        work.findings.push(Rejection::of(&reader.layer, &finding));
    }
    if known.values().any(|info: &CellInfo| info.wide.is_some()) {
        let reason = "a feature is larger than 4096 tiles of zoom 12: it is drawn at lower zooms only";
        let finding = Error::new("mk::vector_theme::wide", reason).at(crate::error::Place::file(&name));
        work.findings.push(Rejection::of(&reader.layer, &finding));
    }
    if work.told > MAX_FINDINGS as u64 {
        let reason = format!("{} more features are worth a look", work.told - MAX_FINDINGS as u64);
        let finding = Error::new("mk::vector_theme::quality::more", reason).at(crate::error::Place::file(&name));
        work.findings.push(Rejection::of(&reader.layer, &finding));
    }
    let summary = Summary {
        crs: reader.crs,
        fields: reader.mapping.fields,
        types: work.types,
        operation: reader.operation.fact().clone(),
        rows: known.values().map(|info| info.rows).sum(),
    };
    let summary = serde_json::to_value(&summary)
        .map_err(|error| Error::new("mk::run::result", "the result cannot be written").because(error))?;
    Ok(Outcome {
        counts: work.counts,
        rejections: work.rejections,
        findings: work.findings,
        bbox: (!work.bbox.is_empty()).then_some(work.bbox),
        summary,
    })
}

/// Reads on this thread, for GDAL's layers stay on one; what is read goes to another, which shares the work out.
fn source_of(files: &[Source], options: &Options, scratch: &Path, work: &mut Work<'_>) -> Result<()> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Message>(2);
        let (answer, answers) = sync_channel::<Result<Vec<Option<usize>>>>(1);
        let worker = scope.spawn(move || -> Result<()> {
            for message in receiver {
                match message {
                    Message::Begin(head) => {
                        let begun = work.begin(&head);
                        // The reader is gone only when it failed itself.
                        let _ = answer.send(begun);
                    }
                    Message::Take(features) => work.take(features)?,
                }
            }
            Ok(())
        });
        let mut handing = Handing { sender, answers };
        let (reading, paged) = (options.reading(), files.first().is_some_and(|file| remote::unit_of(&file.name).is_some()));
        let read = if paged {
            let page = |page: &Source| {
                // Each page has a folder of its own: nothing lies beside it.
                let folder = scratch.join(page.file_name());
                source::read(std::slice::from_ref(page), &reading, &folder, &mut handing)
                    .map_err(|error| error.in_file(&page.name))
            };
            files.iter().try_for_each(page)
        } else {
            source::read(files, &reading, scratch, &mut handing)
        };
        drop(handing);
        let worked = worker.join().unwrap_or_else(|_| Err(Error::new("mk::run::panic", "the work on the features panicked")));
        // A worker that stopped is the reason why the reader did.
        worked.and(read)
    })
}

enum Message {
    Begin(Head),
    Take(Vec<Raw>),
}

/// Hands on what is read.
struct Handing {
    sender: std::sync::mpsc::SyncSender<Message>,
    answers: std::sync::mpsc::Receiver<Result<Vec<Option<usize>>>>,
}

impl Handing {
    fn stopped() -> Error {
        Error::new("mk::run::stopped", "the work on the features stopped")
    }
}

impl Sink for Handing {
    fn begin(&mut self, head: &Head) -> Result<Vec<Option<usize>>> {
        self.sender.send(Message::Begin(head.clone())).map_err(|_| Self::stopped())?;
        self.answers.recv().map_err(|_| Self::stopped())?
    }
    fn take(&mut self, features: Vec<Raw>) -> Result<()> {
        self.sender.send(Message::Take(features)).map_err(|_| Self::stopped())
    }
}

/// What is made of a file.
struct Work<'w> {
    name: &'w str,
    options: &'w Options,
    area: &'w Area,
    scratch: &'w Path,
    cancel: &'w AtomicBool,
    /// True when all fields may be published.
    office: bool,
    reader: Option<Reader>,
    counts: Counts,
    rejections: Vec<Rejection>,
    findings: Vec<Rejection>,
    told: u64,
    types: BTreeSet<u32>,
    bbox: Bbox,
}

/// What is known once the file has told what it has.
struct Reader {
    layer: String,
    mapping: Mapping,
    schema: SchemaRef,
    crs: Crs,
    /// From the file's CRS to that of the rows.
    operation: Operation,
    /// From the CRS of the rows to the map.
    to_map: Operation,
    cells: Cells,
}

/// What came of some features.
struct Part {
    rows: RecordBatch,
    spots: Vec<Spot>,
    rejections: Vec<Rejection>,
    findings: Vec<Rejection>,
    types: BTreeSet<u32>,
    bbox: Bbox,
}

impl<'w> Work<'w> {
    fn new(name: &'w str, options: &'w Options, area: &'w Area, scratch: &'w Path, cancel: &'w AtomicBool, office: bool) -> Self {
        Self {
            name,
            options,
            area,
            scratch,
            cancel,
            office,
            reader: None,
            counts: Counts::default(),
            rejections: Vec::new(),
            findings: Vec::new(),
            told: 0,
            types: BTreeSet::new(),
            bbox: Bbox::EMPTY,
        }
    }

    fn begin(&mut self, head: &Head) -> Result<Vec<Option<usize>>> {
        let mapping = Mapping::new(&head.columns, &head.hidden, &self.options.fields, self.office)?;
        let crs = self.area.crs.unwrap_or(head.crs);
        if let Some(reader) = &mut self.reader {
            // Another page of the same theme.
            if reader.operation.fact().from != head.crs {
                let message = format!("the page is in {}, those before it in {}", head.crs, reader.operation.fact().from);
                return Err(Error::new("mk::vector_theme::crs", message));
            }
            reader.mapping = mapping;
            return Ok(reader.mapping.sources.clone());
        }
        let schema = pack_schema(&mapping.fields);
        let sources = mapping.sources.clone();
        self.reader = Some(Reader {
            layer: head.layer.clone(),
            mapping,
            crs,
            operation: Operation::between(head.crs, crs, &self.area.grids)?,
            to_map: Operation::between(crs, Crs::WEB_MERCATOR, &self.area.grids)?,
            cells: Cells::new(SchemaRef::clone(&schema), self.scratch),
            schema,
        });
        Ok(sources)
    }

    fn take(&mut self, features: Vec<Raw>) -> Result<()> {
        check_cancel(self.cancel)?;
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let of = Features {
            name: self.name,
            options: self.options,
            extent: self.area.extent.filter(|_| self.area.crs.is_some()),
            reader,
        };
        let parts: Vec<Part> = into_parts(features).into_par_iter().map(|part| of.part(part)).collect::<Result<_>>()?;
        for part in parts {
            let count = self.counts.of(&reader.layer);
            count.input += (part.spots.len() + part.rejections.len()) as u64;
            count.output += part.spots.len() as u64;
            count.rejected += part.rejections.len() as u64;
            self.rejections.extend(part.rejections);
            self.told += part.findings.len() as u64;
            let room = MAX_FINDINGS.saturating_sub(self.findings.len());
            self.findings.extend(part.findings.into_iter().take(room));
            self.types.extend(part.types);
            self.bbox = self.bbox.union(part.bbox);
            if !part.spots.is_empty() {
                reader.cells.add(part.rows, &part.spots)?;
            }
        }
        Ok(())
    }
}

fn into_parts(mut features: Vec<Raw>) -> Vec<Vec<Raw>> {
    let mut parts = Vec::with_capacity(features.len().div_ceil(PART));
    while features.len() > PART {
        let rest = features.split_off(PART);
        parts.push(std::mem::replace(&mut features, rest));
    }
    parts.push(features);
    parts
}

/// What a thread needs for its features.
struct Features<'w> {
    name: &'w str,
    options: &'w Options,
    extent: Option<Bbox>,
    reader: &'w Reader,
}

impl Features<'_> {
    fn part(&self, features: Vec<Raw>) -> Result<Part> {
        let mut rows = Builder::new(&self.reader.schema);
        let mut spots = Vec::with_capacity(features.len());
        let (mut rejections, mut findings) = (Vec::new(), Vec::new());
        let (mut types, mut whole) = (BTreeSet::new(), Bbox::EMPTY);
        for raw in features {
            let place = place(self.name, &raw);
            let told = |code: &'static str, reason: String, at: Option<[f64; 2]>| {
                let place = match at {
                    Some(at) => place.clone().at(at),
                    None => place.clone(),
                };
                Rejection::of(&self.reader.layer, &Error::new(code, reason).at(place))
            };
            let Done { geometry, odd, world, bbox } = match self.geometry(&raw.geometry) {
                Ok(done) => done,
                Err(fault) => {
                    rejections.push(told(fault.code, fault.reason, fault.at));
                    continue;
                }
            };
            let values = raw.values.into_iter().zip(&self.reader.mapping.fields);
            let values: Result<Vec<_>, String> = values.map(|(value, field)| convert(value, field, self.decimal())).collect();
            let values = match values {
                Ok(values) => values,
                Err(reason) => {
                    rejections.push(told("mk::vector_theme::value", reason, Some(bbox.centre())));
                    continue;
                }
            };
            findings.extend(odd.map(|fault| told(fault.code, fault.reason, fault.at)));
            let bytes = wkb::encode(&geometry);
            types.insert(wkb::summary(&bytes)?.kind);
            whole = whole.union(bbox);
            let spot = Spot::of(world);
            rows.push(spot.order, &values, &bytes);
            spots.push(spot);
        }
        Ok(Part { rows: rows.finish()?, spots, rejections, findings, types, bbox: whole })
    }

    fn decimal(&self) -> DecimalOption {
        self.options.decimal
    }

    fn geometry(&self, read: &Result<Vec<u8>, &'static str>) -> Result<Done, Fault> {
        let fault = |code, reason: &str, at| Fault { code, reason: reason.to_owned(), at };
        let bytes = read.as_ref().map_err(|reason| {
            let code = if reason.starts_with("it has no") { "mk::vector_theme::empty" } else { "mk::vector_theme::geometry" };
            fault(code, reason, None)
        })?;
        let mut geometry = check::sound(bytes, self.options.geometry)?;
        let odd = check::worth_a_look(&geometry);
        let outside = |error: Error| fault("mk::vector_theme::outside", &error.full_message(), error.place().at);
        self.transform(&mut geometry).map_err(outside)?;
        let bbox = Bbox::around(geo::CoordsIter::coords_iter(&geometry).map(|at| [at.x, at.y]));
        if let Some(extent) = self.extent.filter(|extent| !extent.intersects(&bbox)) {
            let [east, north] = bbox.centre();
            let reason = if extent.contains([north, east]) {
                "the feature lies outside the pipeline's extent: easting and northing are swapped"
            } else {
                "the feature lies outside the pipeline's extent"
            };
            return Err(fault("mk::vector_theme::outside", reason, Some(bbox.centre())));
        }
        let world = around(bbox, &self.reader.to_map).map_err(outside)?;
        // The poles and what lies behind them have no place on the map of the web.
        if !(0..2).all(|axis| world.min[axis] >= -0.5 && world.max[axis] <= 1.5) {
            return Err(fault("mk::vector_theme::outside", "the feature lies outside the map", Some(bbox.centre())));
        }
        Ok(Done { geometry, odd, world, bbox })
    }

    fn transform(&self, geometry: &mut Geometry<f64>) -> Result<()> {
        let fact = self.reader.operation.fact();
        if fact.from == fact.to {
            return Ok(());
        }
        let mut points: Vec<[f64; 2]> = geo::CoordsIter::coords_iter(geometry).map(|at| [at.x, at.y]).collect();
        self.reader.operation.forward(&mut points)?;
        // Coordinates are visited in the same order.
        let next = Cell::new(0);
        let (next, points) = (&next, &points[..]);
        geometry.map_coords_in_place(|at| {
            let index = next.replace(next.get() + 1);
            points.get(index).map_or(at, |[x, y]| Coord { x: *x, y: *y })
        });
        Ok(())
    }
}

/// A feature's geometry, ready to be kept.
struct Done {
    geometry: Geometry<f64>,
    odd: Option<Fault>,
    world: Bbox,
    bbox: Bbox,
}

/// What there is to draw, by the types of geometries.
pub fn kinds(types: &BTreeSet<u32>) -> Vec<GeometryOption> {
    let any = |kinds: [u32; 2]| kinds.iter().any(|kind| types.contains(kind));
    // From the bottom to the top.
    [(GeometryOption::Polygon, [3, 6]), (GeometryOption::Line, [2, 5]), (GeometryOption::Point, [1, 4])]
        .into_iter()
        .filter(|(_, kinds)| any(*kinds))
        .map(|(kind, _)| kind)
        .collect()
}
