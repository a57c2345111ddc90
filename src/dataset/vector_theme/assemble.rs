//! The artefacts from the rows of all files, and what is said about them.

use super::options::{Options, table_name};
use super::read::kinds;
use super::rows::{DIGEST, GEOMETRY, schema, text_at};
use super::style::Sheet;
use super::whole::{Rows, Whole, published};
use super::{READ, TILES, tiles};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::features::{FieldOption, FieldType};
use crate::dataset::vector_tiles::{self, MapHeader, around};
use crate::dataset::{
    Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Located, PortalLayer, Representation, UnitResult,
};
use crate::error::{Error, Place, Result};
use crate::format::canvas::{Canvas, Frame, Rings};
use crate::format::gpkg::{Geopackage, Layer};
use crate::format::{flatgeobuf, geojson, geoparquet, wkb};
use crate::io::atomic;
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use geo::{Geometry, LineString, Polygon};
use rayon::prelude::*;
use std::io::{BufWriter, Write};

/// Name of the table.
pub const PARQUET: &str = "theme.parquet";
const FGB: &str = "theme.fgb";
const GPKG: &str = "theme.gpkg";
const PMTILES: &str = "theme.pmtiles";
const GEOJSON: &str = "theme.geojson";
const STYLE: &str = "style.json";
const SLD: &str = "style.sld";
const PREVIEW: &str = "preview.png";

/// A theme with more features gets no GeoJSON: browsers read it whole.
const MAX_GEOJSON_ROWS: u64 = 10_000;

/// What is written, each without the others.
const FILES: [Write1; 6] = [write_parquet, write_fgb, write_gpkg, write_geojson, write_styles, write_preview];

type Write1 = fn(&Work<'_>) -> Result<Vec<Artefact>>;

/// What all writers need.
struct Work<'w> {
    options: &'w Options,
    context: &'w AssembleContext<'w>,
    read: &'w [UnitResult],
    whole: &'w Whole,
    title: String,
    table: String,
}

/// Writes everything that is wanted.
pub fn assemble(options: &Options, context: &AssembleContext<'_>) -> Result<Assembly> {
    let read = context.results.get(READ).map_or(&[][..], Vec::as_slice);
    let whole = Whole::of(read)?;
    let title = context.dataset.metadata.title.clone().unwrap_or_else(|| super::KIND.title.to_owned());
    let work = Work { options, context, read, whole: &whole, title, table: table_name(context.dataset) };
    let written: Result<Vec<Vec<Artefact>>> = FILES.par_iter().map(|write| write(&work)).collect();
    let mut artefacts: Vec<Artefact> = written?.into_iter().flatten().collect();
    let mut facts = work.facts()?;
    if context.wants("pmtiles") && work.write_tiles(&facts)? > 0 {
        let title = format!("{} (Vektorkacheln)", work.title);
        let tiles = context.artefact(PMTILES, "application/vnd.pmtiles", "PMTiles 3 (Mapbox Vector Tiles)", &title);
        artefacts.push(Artefact { role: ArtefactRole::Tiles, ..tiles });
        facts.steps.push(format!("Ableitung von Vektorkacheln der Zoomstufen {} bis {}.", options.zoom[0], options.zoom[1]));
        let operation = Operation::between(facts.crs, Crs::WEB_MERCATOR, &context.area.grids)?.fact().clone();
        if !facts.operations.contains(&operation) {
            facts.operations.push(operation);
        }
    }
    facts.layers = work.layers(&artefacts);
    Ok(Assembly { artefacts, facts })
}

fn write_parquet(work: &Work<'_>) -> Result<Vec<Artefact>> {
    if !work.context.wants("parquet") {
        return Ok(Vec::new());
    }
    let schema = schema(&work.whole.fields, true);
    let rows = published(work.read, work.whole, &schema)?;
    let options = geoparquet::Options::new(GEOMETRY, Some(work.whole.crs));
    geoparquet::write_file(&work.context.output.join(PARQUET), &schema, rows, &options)?;
    Ok(vec![work.context.artefact(PARQUET, "application/vnd.apache.parquet", "GeoParquet 1.1", &work.title)])
}

fn write_fgb(work: &Work<'_>) -> Result<Vec<Artefact>> {
    if !work.context.wants("fgb") {
        return Ok(Vec::new());
    }
    let schema = schema(&work.whole.fields, false);
    let options = flatgeobuf::Options {
        name: &work.table,
        title: &work.title,
        geometry: GEOMETRY,
        geometry_type: work.whole.geometry_type(),
        crs: Some(work.whole.crs),
    };
    let rows = || published(work.read, work.whole, &schema);
    let count = rows()?.map(|rows| flatgeobuf::located(&rows?, GEOMETRY)).sum::<Result<u64>>()?;
    flatgeobuf::write_file(&work.context.output.join(FGB), &schema, count, rows()?, &options)?;
    let artefact = || work.context.artefact(FGB, "application/vnd.flatgeobuf", "FlatGeobuf 3", &work.title);
    Ok((count > 0).then(artefact).into_iter().collect())
}

fn write_gpkg(work: &Work<'_>) -> Result<Vec<Artefact>> {
    if !work.context.wants("gpkg") {
        return Ok(Vec::new());
    }
    let schema = schema(&work.whole.fields, false);
    let day = work.options.date.as_ref().map_or("1970-01-01", |day| day.as_str());
    let mut file = Geopackage::create(&work.context.output.join(GPKG), &format!("{day}T00:00:00.000Z"))?;
    let layer = Layer {
        name: &work.table,
        title: &work.title,
        geometry: Some(GEOMETRY),
        geometry_type: work.whole.geometry_type(),
        crs: Some(work.whole.crs),
    };
    file.add_all(&layer, &schema, published(work.read, work.whole, &schema)?)?;
    file.finish()?;
    Ok(vec![work.context.artefact(GPKG, "application/geopackage+sqlite3", "GeoPackage 1.3", &work.title)])
}

fn write_geojson(work: &Work<'_>) -> Result<Vec<Artefact>> {
    if !work.context.wants("geojson") || work.whole.rows > MAX_GEOJSON_ROWS || work.whole.rows == 0 {
        return Ok(Vec::new());
    }
    let path = work.context.output.join(GEOJSON);
    let file = BufWriter::new(atomic::create_unseen(&path)?);
    let mut writer = geojson::Writer::new(file, GEOMETRY, work.whole.crs, &work.context.area.grids)?;
    for rows in published(work.read, work.whole, &schema(&work.whole.fields, false))? {
        writer.write(&rows?)?;
    }
    writer.finish()?.flush().map_err(|error| {
        Error::new("mk::io::write", "cannot write the file").at(Place::file(path.display().to_string())).because(error)
    })?;
    Ok(vec![work.context.artefact(GEOJSON, "application/geo+json", "GeoJSON (RFC 7946)", &work.title)])
}

fn write_styles(work: &Work<'_>) -> Result<Vec<Artefact>> {
    if !work.context.wants("style") || work.whole.rows == 0 {
        return Ok(Vec::new());
    }
    let geometries = kinds(&work.whole.types);
    let sheet = Sheet {
        style: &work.options.style,
        fields: &work.whole.fields,
        layer: &work.table,
        title: &work.title,
        geometries: &geometries,
    };
    let tiles = work.context.address(PMTILES).unwrap_or_else(|| PMTILES.to_owned());
    let style = sheet.maplibre(&format!("pmtiles://{tiles}"), work.context.dataset.metadata.attribution.as_deref());
    atomic::write_new(&work.context.output.join(STYLE), format!("{style:#}\n").as_bytes())?;
    atomic::write_new(&work.context.output.join(SLD), sheet.sld().as_bytes())?;
    let artefact = |path, media_type, format, title| Artefact {
        role: ArtefactRole::Index,
        ..work.context.artefact(path, media_type, format, title)
    };
    Ok(vec![
        artefact(STYLE, "application/json", "MapLibre Style 8", "Darstellung der Vektorkacheln"),
        artefact(SLD, "application/vnd.ogc.sld+xml", "SLD 1.1 (OGC)", "Darstellung für GIS und Dienste"),
    ])
}

fn write_preview(work: &Work<'_>) -> Result<Vec<Artefact>> {
    let Some(frame) = Frame::around(work.whole.bbox).filter(|_| work.context.wants("preview")) else { return Ok(Vec::new()) };
    let mut canvas = frame.canvas();
    for rows in Rows::new(work.read, work.whole)? {
        work.draw(&rows?, &frame, &mut canvas)?;
    }
    atomic::write_new(&work.context.output.join(PREVIEW), &canvas.png()?)?;
    let picture = work.context.artefact(PREVIEW, "image/png", "PNG", "Übersicht");
    Ok(vec![Artefact { role: ArtefactRole::Preview, ..picture }])
}

impl Work<'_> {
    fn draw(&self, rows: &RecordBatch, frame: &Frame, canvas: &mut Canvas) -> Result<()> {
        let style = &self.options.style;
        let by: Option<&ArrayRef> = style.by.as_ref().and_then(|by| rows.column_by_name(by));
        let shapes = rows.column_by_name(GEOMETRY).and_then(|column| column.as_binary_opt::<i32>());
        for (row, bytes) in shapes.into_iter().flatten().enumerate() {
            let Some(bytes) = bytes else { continue };
            let value = by.and_then(|column| text_at(column.as_ref(), row));
            let [fill, stroke] = style.colours(value.as_deref());
            match wkb::decode(bytes)? {
                Geometry::Point(point) => canvas.dot(&frame.place(&vec![vec![[point.x(), point.y()]]]), fill),
                Geometry::MultiPoint(points) => {
                    let points = points.0.iter().map(|point| vec![[point.x(), point.y()]]).collect();
                    canvas.dot(&frame.place(&points), fill);
                }
                Geometry::LineString(line) => canvas.outline(&frame.place(&vec![positions(&line)]), stroke),
                Geometry::MultiLineString(lines) => {
                    canvas.outline(&frame.place(&lines.0.iter().map(positions).collect()), stroke);
                }
                Geometry::Polygon(polygon) => draw_area(canvas, &frame.place(&rings(&polygon)), fill, stroke),
                Geometry::MultiPolygon(all) => {
                    for polygon in &all.0 {
                        draw_area(canvas, &frame.place(&rings(polygon)), fill, stroke);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Joins the tiles of all squares to one archive; gives their number.
    fn write_tiles(&self, facts: &Facts) -> Result<u64> {
        let results = self.context.results.get(TILES).map_or(&[][..], Vec::as_slice);
        let kind = |field_type| match field_type {
            FieldType::Integer | FieldType::Number => "Number",
            FieldType::Boolean => "Boolean",
            FieldType::Text | FieldType::Date => "String",
        };
        let fields = self.whole.fields.iter().map(|field| (field.name.clone(), kind(field.field_type).into()));
        let fields: serde_json::Map<String, serde_json::Value> = fields.collect();
        let [low, high] = self.options.zoom;
        let layer = serde_json::json!({
            "id": self.table, "description": self.title, "minzoom": low, "maxzoom": high, "fields": fields
        });
        let header = MapHeader {
            name: &self.title,
            bounds_lonlat: facts.bbox_lonlat,
            attribution: self.context.dataset.metadata.attribution.as_deref(),
            layers: vec![layer],
        };
        vector_tiles::join(&self.context.output.join(PMTILES), results, &header)
    }

    fn facts(&self) -> Result<Facts> {
        let mut counts = Counts::default();
        for result in self.read {
            counts.add(&result.outcome.counts);
        }
        let whole = self.whole;
        let bbox = if whole.bbox.is_empty() { Bbox::new([0.0; 2], [0.0; 2]) } else { whole.bbox };
        let bbox_lonlat = crate::crs::lonlat(whole.crs, bbox, &self.context.area.grids)?;
        let files = if self.read.len() == 1 { "einer Datei".to_owned() } else { format!("{} Dateien", self.read.len()) };
        let mut steps = vec![format!("Einlesen aus {files}; Geometrien und Werte geprüft.")];
        if whole.operations.iter().any(|operation| operation.from != operation.to) {
            steps.push(format!("Koordinaten nach {} umgerechnet.", whole.crs));
        }
        let fields = if whole.fields.is_empty() {
            "Veröffentlicht ohne Sachdaten.".to_owned()
        } else {
            let names: Vec<String> = whole.fields.iter().map(FieldOption::label).collect();
            format!("Veröffentlichte Sachdaten: {}.", names.join(", "))
        };
        steps.push(fields);
        let operations = whole.operations.iter().filter(|operation| operation.from != operation.to).cloned().collect();
        Ok(Facts {
            crs: whole.crs,
            vertical: None,
            bbox,
            bbox_lonlat,
            representation: Representation::Vector,
            resolution_m: None,
            dates: self.options.date.as_ref().map(|day| (day.as_str().to_owned(), day.as_str().to_owned())),
            counts,
            operations,
            steps,
            layers: Vec::new(),
            notes: vec![("Objekte".to_owned(), whole.rows.to_string())],
        })
    }

    /// For portals: the GeoJSON where there is one, and the vector tiles for those that read PMTiles.
    fn layers(&self, artefacts: &[Artefact]) -> Vec<PortalLayer> {
        let attributes: Vec<(String, String)> =
            self.whole.fields.iter().map(|field| (field.name.clone(), field.label())).collect();
        let layer = |name: &str, typ: &str, path: &str, extra| PortalLayer {
            name: name.to_owned(),
            title: self.title.clone(),
            typ: typ.to_owned(),
            path: path.to_owned(),
            attributes: attributes.clone(),
            extra,
        };
        let made = |path: &str| artefacts.iter().any(|artefact| artefact.path == path);
        let mut layers = Vec::new();
        if made(GEOJSON) {
            layers.push(layer("karte", "GeoJSON", GEOJSON, serde_json::Map::new()));
        }
        if made(PMTILES) {
            let names = serde_json::json!([{ "id": self.table, "title": self.title, "minzoom": self.options.zoom[0] }]);
            layers.push(layer("kacheln", "PMTiles", PMTILES, serde_json::Map::from_iter([("layers".to_owned(), names)])));
        }
        layers
    }
}

fn positions(line: &LineString<f64>) -> Vec<[f64; 2]> {
    line.0.iter().map(|at| [at.x, at.y]).collect()
}

fn rings(polygon: &Polygon<f64>) -> Rings {
    std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(positions).collect()
}

/// An area lets half of the paper through.
fn draw_area(canvas: &mut Canvas, rings: &Rings, fill: [u8; 3], stroke: [u8; 3]) {
    canvas.fill(rings, fill.map(|value| u8::midpoint(value, 255)));
    canvas.outline(rings, stroke);
}

/// The units that made an object, by the value of the key field or by the digest of its content.
pub fn locate(options: &Options, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let mut located = Vec::new();
    let mut squares = std::collections::BTreeSet::new();
    for result in context.results.get(READ).into_iter().flatten() {
        let alone = std::slice::from_ref(result);
        let whole = Whole::of(alone)?;
        let to_map = Operation::between(whole.crs, Crs::WEB_MERCATOR, &context.area.grids)?;
        let schema = schema(&whole.fields, true);
        for rows in published(alone, &whole, &schema)? {
            let rows = rows?;
            let names = [options.key.as_deref(), Some(DIGEST)];
            for column in names.into_iter().flatten().filter_map(|name| rows.column_by_name(name)) {
                for row in (0..rows.num_rows()).filter(|row| text_at(column.as_ref(), *row).as_deref() == Some(object)) {
                    located.push(Located {
                        stage: READ,
                        key: result.key.clone(),
                        what: format!("{object} was read from {}", result.key),
                    });
                    if let Some(shapes) = rows.column_by_name(GEOMETRY).and_then(|column| column.as_binary_opt::<i32>()) {
                        let world = around(wkb::summary(shapes.value(row))?.bbox, &to_map)?;
                        squares.extend(tiles::squares_at(world.centre(), options));
                    }
                }
            }
        }
    }
    for result in context.results.get(TILES).into_iter().flatten().filter(|result| squares.contains(&result.key)) {
        located.push(Located {
            stage: TILES,
            key: result.key.clone(),
            what: format!("draws the tiles below {} with {object}", result.key),
        });
    }
    Ok(located)
}
