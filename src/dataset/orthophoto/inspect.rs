//! The first stage: each image is opened, and what it says about itself is kept.

use super::Orthophoto;
use super::beside::{self, Beside};
use super::cutline::{self, Cutlines, Rings};
use super::flight_date::{FlightDate, TileIndex};
use super::header::{self, Expected, Header};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{Area, Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::tile_matrix::WEB_MERCATOR_QUAD;
use crate::io::Source;
use crate::io::beside::Finder;
use crate::plan::{Input, UnitSpec};
use serde::{Deserialize, Serialize};

/// Type of the objects that are counted.
pub const OBJECT: &str = "image";

/// What is kept of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// What it says about itself.
    pub header: Header,
    /// Date of the flight, where it is known.
    pub flight_date: Option<FlightDate>,
    /// Side of a pixel on the ground in metres.
    pub resolution_m: f64,
    /// Extent in the CRS of the tiles.
    pub on_map: Bbox,
    /// Extent in longitude and latitude.
    pub lonlat: Bbox,
}

/// An image with its unit: its file and the file's digest.
pub struct Inspected<'a> {
    /// What is kept of it.
    pub image: Image,
    /// The result that says so.
    pub result: &'a UnitResult,
}

impl Inspected<'_> {
    /// The file's own name: folders are the office's business, not the public's.
    pub fn file_name(&self) -> &str {
        self.result.key.rsplit(['/', '!']).next().unwrap_or(&self.result.key)
    }
}

#[derive(Serialize, Deserialize)]
struct Params {
    expected: Expected,
    flight_date: Option<FlightDate>,
    crs: Option<Crs>,
    extent: Option<Bbox>,
    /// Tile matrix sets beside WebMercatorQuad: name, CRS, area.
    areas: Vec<(String, Crs, Bbox)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cutline: Option<(Crs, Rings)>,
}

pub fn units(dataset: &Orthophoto, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let options = &dataset.options;
    let index = match context.dataset.expect.as_ref().and_then(|expect| expect.index.as_ref()) {
        Some(path) => TileIndex::read(&context.area.folder.join(path))?,
        None => TileIndex::default(),
    };
    let mut areas = Vec::new();
    for (_, target) in &dataset.targets {
        let set = target.matrix(&context.area.folder)?;
        let area = (set.id.clone(), set.crs, set.area());
        if set.crs != Crs::WEB_MERCATOR && !areas.contains(&area) {
            areas.push(area);
        }
    }
    let cutlines = match &options.cutline {
        Some(options) => Cutlines::read(&context.area.folder, options)?,
        None => Cutlines::default(),
    };
    let cutline_crs = options.cutline.as_ref().and_then(|options| options.crs).unwrap_or(Crs::WGS84);
    let mut finder = Finder::default();
    let units = context.sources.iter().map(|source| {
        let files = finder.of(source, beside::names)?;
        let name = source.file_name();
        let flight_date = options.flight_date.clone().or_else(|| index.date(name)).or_else(|| FlightDate::in_name(name));
        let params = Params {
            expected: Expected { crs: options.crs, nodata: options.nodata, stretch: options.stretch },
            flight_date,
            crs: context.area.crs,
            extent: context.area.extent,
            areas: areas.clone(),
            cutline: cutlines.of(name).map(|rings| (cutline_crs, rings.clone())),
        };
        Ok(UnitSpec {
            key: source.name.clone(),
            inputs: std::iter::once(source).chain(&files).map(Input::source).collect(),
            params: super::to_json(&params)?,
            bbox: None,
            memory_mb: 96,
            cost: 1,
        })
    });
    units.collect()
}

pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: Params = super::from_json(&unit.params)?;
    let source = super::source(unit, 0)?;
    let path = source.local(context.scratch)?;
    let files: Vec<Source> = unit.inputs.iter().skip(1).filter_map(Input::as_source).collect();
    let beside = Beside::read(&files)?;
    let (mut header, nodata_ignored) = header::read(&path, &source.name, source.size, params.expected, &beside)?;
    let grids = &context.area.grids;
    if let Some((crs, rings)) = &params.cutline {
        header.cutline = cutline::in_pixels(rings, *crs, &header, grids).map_err(|error| error.in_file(&source.name))?;
    }
    let (image, bbox) = place(header, params, grids).map_err(|error| error.in_file(&source.name))?;
    let mut outcome = Outcome { bbox: Some(bbox), summary: super::to_json(&image)?, ..Outcome::default() };
    outcome.counts.kept(OBJECT);
    if nodata_ignored {
        let finding = Error::new(
            "mk::orthophoto::lossy_nodata",
            "a nodata value is not used: lossy compression changes colours, so that only a mask can say which pixels count",
        );
        outcome.findings.push(Rejection::of(OBJECT, &finding.at(Place::file(&source.name))));
    }
    Ok(outcome)
}

/// Where the image lies, in several CRSs; refused where it cannot lie.
fn place(header: Header, params: Params, grids: &[std::path::PathBuf]) -> Result<(Image, Bbox)> {
    let matrix = &*WEB_MERCATOR_QUAD;
    let to = |crs| header.bounds(&Operation::between(header.crs, crs, grids)?);
    if let Some(crs) = params.crs {
        let bbox = to(crs)?;
        if let Some(extent) = params.extent
            && !extent.intersects(&bbox)
        {
            let [east, north] = bbox.centre();
            return Err(header::refused(format!(
                "the image lies outside the pipeline's extent, at {east:.0} {north:.0} ({crs})"
            ))
            .hint("check its georeference and CRS; easting and northing may be swapped"));
        }
    }
    let on_map = to(matrix.crs)?;
    if matrix.range(0, &on_map).is_none()
        || !matrix.bbox(crate::format::tile_matrix::Tile { z: 0, x: 0, y: 0 }).contains(on_map.centre())
    {
        return Err(header::refused("the image lies outside the area of the map tiles"));
    }
    for (name, crs, area) in &params.areas {
        if !area.contains(to(*crs)?.centre()) {
            return Err(header::refused(format!("the image lies outside the area of the tile matrix set '{name}'")));
        }
    }
    let to_lonlat = Operation::between(header.crs, Crs::WGS84, grids)?;
    let lonlat = header.bounds(&to_lonlat)?;
    let resolution_m = header.resolution_m(&to_lonlat)?;
    let bbox = to(params.crs.unwrap_or(header.crs))?;
    Ok((Image { header, flight_date: params.flight_date, resolution_m, on_map, lonlat }, bbox))
}

/// All inspected images by priority: the latest flight first (unknown dates last), then the finest resolution, then the name.
pub fn images(results: &[UnitResult]) -> Result<Vec<Inspected<'_>>> {
    let mut images = Vec::with_capacity(results.len());
    for result in results {
        images.push(Inspected { image: super::from_json(&result.outcome.summary)?, result });
    }
    images.sort_by(|a, b| {
        b.image
            .flight_date
            .cmp(&a.image.flight_date)
            .then(a.image.resolution_m.total_cmp(&b.image.resolution_m))
            .then_with(|| a.result.key.cmp(&b.result.key))
    });
    Ok(images)
}

/// CRS of the dataset: the pipeline's, else the one that all images share, else that of the tiles.
pub fn dataset_crs<'a>(images: impl IntoIterator<Item = &'a Inspected<'a>>, area: &Area) -> Crs {
    if let Some(crs) = area.crs {
        return crs;
    }
    let mut all = images.into_iter().map(|inspected| inspected.image.header.crs);
    let first = all.next().unwrap_or(WEB_MERCATOR_QUAD.crs);
    if all.all(|crs| crs == first) { first } else { WEB_MERCATOR_QUAD.crs }
}
