//! Stage `read`: a CityGML file to buildings by cell.
//!
//! The result has one entry for each cell, so that a tile is only built anew when a building in it changed, and the entry `ids`
//! with cell, content and date of each building, from which buildings that two deliveries place in different cells are found, and
//! those that changed from one delivery to the next.

use super::cell::Cell;
use super::codec;
use super::heights;
use super::history::{delivery, undated};
use super::model::{Attributes, Building, Value};
use super::options::Options;
use super::reader;
use crate::crs::{Bbox, Crs, Vertical};
use crate::dataset::{Outcome, UnitContext};
use crate::error::{Error, Place, Rejection, Result};
use crate::io::{Limits, Pack, Source};
use crate::plan::{Input, UnitSpec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Entry with a line for each building: `gml:id`, cell, digest of the content, date of creation, with tabulators between.
const IDS: &str = "ids";
/// Entry with the pictures that buildings show: lines of cell, tabulator, name as the file gives it. Only where there are some.
pub const PICTURES: &str = "pictures";
/// Prefix of the entries with buildings.
pub const CELLS: &str = "cell/";

/// What the later stage wants to know of a file without opening its pack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// CRS; `None` for a file without buildings.
    pub crs: Option<Crs>,
    /// Vertical reference.
    pub vertical: Option<Vertical>,
    /// What the file says it covers, in its CRS.
    pub envelope: Option<Bbox>,
    /// Earliest and latest date of creation of its buildings.
    pub dates: Option<(String, String)>,
    /// Number of buildings.
    pub buildings: u64,
    /// Their attributes, for the columns of the table.
    pub attributes: Attributes,
}

/// What the list of a file says of a building.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The cell that its middle lies in.
    pub cell: Cell,
    /// Digest of what it is, see [`codec::content`].
    pub content: String,
    /// Date of creation, as delivered.
    pub created: Option<String>,
}

/// The buildings of a result, by id.
///
/// # Errors
/// When it cannot be read.
pub fn listed(pack: &mut Pack) -> Result<Vec<(String, Listed)>> {
    let bytes = pack.read(IDS)?;
    let line = |line: &str| {
        let mut parts = line.split('\t');
        let (id, cell) = (parts.next()?, Cell::parse(parts.next()?)?);
        let (content, created) = (parts.next()?.to_owned(), parts.next().filter(|date| !date.is_empty()).map(str::to_owned));
        Some((id.to_owned(), Listed { cell, content, created }))
    };
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(line).collect())
}

/// The unit of a source.
pub fn unit(source: &Source, options: &Options, area: &crate::dataset::Area) -> UnitSpec {
    UnitSpec {
        key: source.name.clone(),
        inputs: vec![Input::source(source)],
        params: serde_json::json!({
            "vertical": options.vertical,
            "lod": options.wanted().lod,
            "dated": options.dated(),
            "crs": area.crs,
            "extent": area.extent,
        }),
        bbox: None,
        // Buildings of a file are kept encoded until its end: about a seventh of the XML.
        memory_mb: 32 + (source.size >> 20) / 2,
        cost: source.size,
    }
}

/// Reads a file.
///
/// # Errors
/// When the file is broken as a whole, or its CRS or vertical reference is not known.
pub fn execute(unit: &UnitSpec, options: &Options, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let source =
        unit.inputs.iter().find_map(Input::as_source).ok_or_else(|| Error::new("mk::run::input", "the unit has no source"))?;
    if options.dated() && delivery(&source.name).is_none() {
        return Err(undated(&source.name));
    }
    let mut known = None;
    let (document, gathered) = loop {
        let mut gathered = Gathered::default();
        let input = source.reader(Limits::default())?;
        let mut document = reader::read(input, &source.name, options.wanted(), known.take(), |building| {
            context.check()?;
            Ok(gathered.take(building, context.area.extent))
        })?;
        match document.late.take() {
            // What faces look like stood behind them: again, with that.
            Some(late) => known = Some(late),
            None => break (document, gathered),
        }
    };
    let Gathered { cells, attributes, dates, bbox, buildings, pictures } = gathered;
    let mut summary = Summary { envelope: document.envelope, dates, buildings, attributes, ..Summary::default() };
    if buildings > 0 {
        let reference = heights::reference(document.srs.as_ref(), options.vertical);
        let (crs, vertical) = reference.map_err(|error| error.at(Place::file(&source.name)))?;
        if let Some(wanted) = context.area.crs
            && wanted != crs
        {
            return Err(Error::new("mk::city_model::srs", format!("the file is in {crs}, the pipeline in {wanted}"))
                .at(Place::file(&source.name))
                .hint("deliver the city model in the CRS of the pipeline"));
        }
        (summary.crs, summary.vertical) = (Some(crs), Some(vertical));
    } else if let Some(crs) = document.srs.as_ref().and_then(|srs| srs.horizontal) {
        summary.crs = Some(crs);
    }
    write(cells, context)?;
    if !pictures.is_empty() {
        let mut lines = String::new();
        for (cell, picture) in &pictures {
            lines.push_str(&format!("{}\t{picture}\n", cell.name()));
        }
        context.pack.add(PICTURES, lines.as_bytes())?;
    }
    let mut findings = document.found.findings;
    findings.extend(document.unknown.iter().map(|(name, count)| Rejection {
        object_type: name.clone(),
        code: "mk::city_model::unknown".to_owned(),
        reason: format!("{count} elements that are not read"),
        place: Place::file(&source.name),
    }));
    Ok(Outcome {
        counts: document.found.counts,
        rejections: document.found.rejections,
        findings,
        bbox: (!bbox.is_empty()).then_some(bbox),
        summary: serde_json::to_value(&summary).unwrap_or_default(),
    })
}

/// A building, ready to be stored.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Encoded {
    id: String,
    bytes: Vec<u8>,
    content: String,
    created: String,
}

/// What is kept of a file's buildings.
struct Gathered {
    cells: BTreeMap<Cell, Vec<Encoded>>,
    attributes: Attributes,
    dates: Option<(String, String)>,
    bbox: Bbox,
    buildings: u64,
    pictures: BTreeSet<(Cell, String)>,
}

impl Default for Gathered {
    fn default() -> Self {
        let (cells, attributes, pictures) = (BTreeMap::new(), Attributes::default(), BTreeSet::new());
        Self { cells, attributes, dates: None, bbox: Bbox::EMPTY, buildings: 0, pictures }
    }
}

impl Gathered {
    /// Keeps a building, or says why not.
    fn take(&mut self, building: Building, extent: Option<Bbox>) -> Option<Error> {
        let Some(centre) = building.centroid() else {
            return Some(Error::new("mk::city_model::no_geometry", "it has no surfaces"));
        };
        if extent.is_some_and(|extent| !extent.contains(centre)) {
            let error = Error::new("mk::city_model::outside", "it lies outside the pipeline's extent");
            return Some(error.at(Place::default().at(centre)));
        }
        let created = created(&building).unwrap_or_default().to_owned();
        if !created.is_empty() {
            self.dates = Some(match self.dates.take() {
                None => (created.clone(), created.clone()),
                Some((first, last)) => (first.min(created.clone()), last.max(created.clone())),
            });
        }
        self.attributes.add(&building);
        for point in building.points() {
            self.bbox.grow([point[0], point[1]]);
        }
        self.buildings += 1;
        let cell = Cell::of(centre);
        self.pictures.extend(building.pictures().map(|picture| (cell, picture.to_owned())));
        let mut bytes = Vec::new();
        codec::encode(&building, &mut bytes);
        let content = codec::content(&building);
        self.cells.entry(cell).or_default().push(Encoded { id: building.id, bytes, content, created });
        None
    }
}

fn write(cells: BTreeMap<Cell, Vec<Encoded>>, context: &mut UnitContext<'_>) -> Result<()> {
    let mut lines: Vec<String> = Vec::new();
    for (cell, mut buildings) in cells {
        // By id, so that the order of the file does not matter; a building given twice alike is kept once.
        buildings.sort();
        buildings.dedup();
        let name = cell.name();
        // A text with a line break or tabulator is no XML name and no date; it would still not break anything but itself.
        let plain = |text: &str| text.replace(['\n', '\t'], " ");
        let line = |it: &Encoded| format!("{}\t{name}\t{}\t{}\n", plain(&it.id), it.content, plain(&it.created));
        lines.extend(buildings.iter().map(line));
        let bytes: Vec<u8> = buildings.into_iter().flat_map(|it| it.bytes).collect();
        context.pack.add(&format!("{CELLS}{name}"), &bytes)?;
    }
    lines.sort();
    lines.dedup();
    context.pack.add(IDS, lines.concat().as_bytes())
}

/// The newer of two versions of a building goes by its date of creation; `None` is older than any.
pub fn created(building: &Building) -> Option<&str> {
    building.attributes.get("creationDate").and_then(Value::as_text)
}
