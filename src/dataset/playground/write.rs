//! The files: `GeoPackage` of all tables or of what everybody may see, the list of what is due, `GeoJSON` and `GeoParquet`.

use super::feed::Feed;
use super::fold::Folded;
use super::model::{self, DEVICE, GEOMETRY, INSPECTION, PLAN, Row, SITE, TABLES, Table, VERSION, day, text};
use super::options::Options;
use super::plan::{KINDS, Suspension, light};
use crate::dataset::features::{FieldOption, FieldType};
use crate::error::{Error, Place, Result};
use crate::format::gpkg::{ColumnText, Geopackage, Layer, ValueList};
use crate::format::qgis::Shape;
use crate::format::sheet::cell;
use crate::format::{geojson, geoparquet, wkb};
use crate::io::atomic;
use crate::io::gdal::wkb_of_text;
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use jiff::civil::Date;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// What the writers need.
pub struct Writer<'w> {
    pub options: &'w Options,
    pub folded: &'w Folded,
    pub feed: &'w Feed,
    pub grids: &'w [PathBuf],
    /// The day that lights and lists hold for.
    pub today: Date,
}

/// A column of a file.
pub struct Told {
    /// Name.
    pub name: String,
    /// Title, with the unit.
    pub title: String,
    /// Type.
    pub field_type: FieldType,
    /// Name of its value list.
    pub list: Option<&'static str>,
}

/// The columns of a table but for its geometry: those that everybody may see, or all.
pub fn columns(table: &Table, more: &[FieldOption], public: bool) -> Vec<Told> {
    let told =
        |name: &str, title: &str, field_type, list| Told { name: name.to_owned(), title: title.to_owned(), field_type, list };
    let mut columns = vec![told("uuid", "UUID", FieldType::Text, None)];
    let own = table.columns.iter().filter(|column| column.public || !public);
    columns.extend(own.map(|column| told(column.name, column.title, column.field_type, column.list)));
    if !public {
        // What the pipeline adds is for the office: nobody has said that everybody may see it.
        columns.extend(more.iter().map(|field| told(&field.name, &field.label(), field.field_type, None)));
        columns.push(told(VERSION, "Änderungsstand", FieldType::Integer, None));
    }
    columns
}

/// The place of a row as WKB.
///
/// # Errors
/// When it is none.
pub fn shape(row: &Row) -> Result<Option<Vec<u8>>> {
    let Some(shape) = text(row, GEOMETRY) else { return Ok(None) };
    let failed = || Error::new("mk::playground::geometry", format!("a geometry cannot be written: {shape}"));
    wkb_of_text(shape).map(Some).ok_or_else(failed)
}

fn array(rows: &[&Row], name: &str, field_type: FieldType) -> ArrayRef {
    let values = rows.iter().map(|row| row.get(name));
    match field_type {
        FieldType::Text => Arc::new(values.map(|value| value.and_then(Value::as_str)).collect::<StringArray>()),
        FieldType::Integer => Arc::new(values.map(|value| value.and_then(Value::as_i64)).collect::<Int64Array>()),
        FieldType::Number => Arc::new(values.map(|value| value.and_then(Value::as_f64)).collect::<Float64Array>()),
        FieldType::Boolean => Arc::new(values.map(|value| value.and_then(Value::as_bool)).collect::<BooleanArray>()),
        FieldType::Date => {
            let days = rows.iter().map(|row| {
                let since = jiff::civil::date(1970, 1, 1).until(day(row, name)?).ok()?;
                Some(since.get_days())
            });
            Arc::new(days.collect::<Date32Array>())
        }
    }
}

/// Names of the views with lights: of each plan, and the worst of each device.
pub const LIGHTS: &str = "ampel";
pub const DEVICE_LIGHTS: &str = "ampel_geraet";

/// The worst light of each device that has a plan.
fn device_lights() -> String {
    let any = |light: &str| format!("WHEN sum(a.ampel = '{light}') > 0 THEN '{light}'");
    format!(
        "SELECT g.fid AS fid, g.uuid, g.spielplatz_uuid, g.kennung AS geraet, g.art, CASE {} {} {} ELSE 'grau' END AS ampel, \
         min(a.faellig) AS faellig, min(a.tage) AS tage, g.geom AS geom FROM {DEVICE} g JOIN {LIGHTS} a ON a.geraet_uuid = g.uuid \
         GROUP BY g.fid",
        any("rot"),
        any("gelb"),
        any("gruen")
    )
}

impl Writer<'_> {
    /// The rows of a table, by key for people.
    fn rows(&self, table: &Table) -> Vec<(&Uuid, &Row)> {
        let mut rows: Vec<(&Uuid, &Row)> = self.folded.tables.get(table.name).into_iter().flatten().collect();
        rows.sort_by_cached_key(|(uuid, row)| (super::fold::key(table.name, row), **uuid));
        rows
    }

    fn batch(&self, table: &Table, public: bool) -> Result<RecordBatch> {
        let told = columns(table, &self.options.more(table), public);
        let rows = self.rows(table);
        let versions = self.feed.versions();
        let plain: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
        let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        for column in &told {
            let array: ArrayRef = match column.name.as_str() {
                "uuid" => Arc::new(rows.iter().map(|(uuid, _)| Some(uuid.to_string())).collect::<StringArray>()),
                VERSION => {
                    let version =
                        |uuid: &Uuid| versions.get(&(table.name, *uuid)).and_then(|version| i64::try_from(*version).ok());
                    Arc::new(rows.iter().map(|(uuid, _)| version(uuid)).collect::<Int64Array>())
                }
                name => array(&plain, name, column.field_type),
            };
            fields.push(Field::new(&column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        if table.shape {
            // Areas of one part and of several are one layer to most programs when all are written as several.
            let several = self.geometry_type(table)?.starts_with("MULTI");
            let shapes = plain.iter().map(|row| Ok(shape(row)?.map(|it| if several { wkb::promoted(&it) } else { it })));
            let shapes = shapes.collect::<Result<Vec<_>>>()?;
            let array: BinaryArray = shapes.iter().map(Option::as_deref).collect();
            fields.push(Field::new(GEOMETRY, arrow::datatypes::DataType::Binary, true));
            arrays.push(Arc::new(array));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::new("mk::playground::rows", "the rows of a table do not fit").because(error))
    }

    /// The types of a table's geometries, as WKB numbers them.
    fn kinds(&self, table: &Table) -> Result<BTreeSet<u32>> {
        let mut kinds = BTreeSet::new();
        for row in self.folded.tables.get(table.name).into_iter().flat_map(BTreeMap::values) {
            if let Some(bytes) = shape(row)? {
                kinds.insert(wkb::summary(&bytes)?.kind);
            }
        }
        Ok(kinds)
    }

    /// What the places of a table are.
    pub fn shapes(&self, table: &Table) -> Result<BTreeSet<Shape>> {
        let of = |kind: u32| match kind {
            1 | 4 => Some(Shape::Point),
            2 | 5 => Some(Shape::Line),
            3 | 6 => Some(Shape::Polygon),
            _ => None,
        };
        Ok(self.kinds(table)?.into_iter().filter_map(of).collect())
    }

    /// The type of a layer: that of all its geometries, if they have one.
    fn geometry_type(&self, table: &Table) -> Result<&'static str> {
        Ok(match self.kinds(table)?.into_iter().collect::<Vec<_>>()[..] {
            [1] => "POINT",
            [2] => "LINESTRING",
            [3] => "POLYGON",
            [4] | [1, 4] => "MULTIPOINT",
            [5] | [2, 5] => "MULTILINESTRING",
            [6] | [3, 6] => "MULTIPOLYGON",
            // Where nothing has a place yet, somebody in the field gives it one.
            [] if table.name == DEVICE => "POINT",
            _ => "GEOMETRY",
        })
    }

    /// The last day that an inspection is of: what the content holds for.
    pub fn last_inspection(&self) -> Option<Date> {
        let rows = self.folded.tables.get(INSPECTION).into_iter().flat_map(BTreeMap::values);
        rows.filter_map(|row| day(row, "datum")).filter(|on| *on <= self.today).max()
    }

    /// The moment that files say they hold for.
    pub fn moment(&self) -> String {
        format!("{}T00:00:00.000Z", self.last_inspection().unwrap_or(jiff::civil::date(1970, 1, 1)))
    }

    /// Writes a `GeoPackage`: all tables with the view of lights, or what everybody may see.
    pub fn gpkg(&self, path: &Path, public: bool) -> Result<()> {
        let mut file = Geopackage::create(path, &self.moment())?;
        let tables = || TABLES.iter().filter(|table| table.public || !public);
        for table in tables() {
            let rows = self.batch(table, public)?;
            let layer = Layer {
                name: table.name,
                title: table.title,
                geometry: table.shape.then_some(GEOMETRY),
                geometry_type: if table.shape { self.geometry_type(table)? } else { "" },
                crs: table.shape.then_some(self.folded.crs),
            };
            file.add(&layer, &rows.schema(), std::slice::from_ref(&rows))?;
            file.unique(table.name, "uuid")?;
            if !public {
                file.count_changes(table.name, VERSION)?;
            }
        }
        let told: Vec<(&Table, Vec<Told>)> =
            tables().map(|table| (table, columns(table, &self.options.more(table), public))).collect();
        let texts: Vec<ColumnText<'_>> = told
            .iter()
            .flat_map(|(table, columns)| {
                columns.iter().map(|column| ColumnText {
                    table: table.name,
                    column: &column.name,
                    title: &column.title,
                    list: column.list,
                })
            })
            .collect();
        let lists: Vec<ValueList<'_>> =
            model::lists().into_iter().filter(|(name, _)| texts.iter().any(|text| text.list == Some(*name))).collect();
        file.describe(&texts, &lists)?;
        if !public {
            file.view(LIGHTS, "Ampel der Prüfungen", &self.lights(), Some(DEVICE))?;
            file.view(DEVICE_LIGHTS, "Ampel der Spielgeräte", &device_lights(), Some(DEVICE))?;
        }
        file.finish()
    }

    /// The lights as a view: of the day on which somebody looks, so that they are right offline too, unless the pipeline names one.
    fn lights(&self) -> String {
        let today = match &self.options.as_of {
            Some(day) => format!("'{}'", day.as_str()),
            None => "date('now', 'localtime')".to_owned(),
        };
        // As `plan::light` says it.
        format!(
            "SELECT p.fid AS fid, p.uuid, p.geraet_uuid, p.spielplatz_uuid, s.name AS spielplatz, s.adresse, g.kennung AS geraet, g.art, \
             p.pruefart, p.letzte, p.faellig, CAST(julianday(p.faellig) - julianday({today}) AS INTEGER) AS tage, \
             CASE WHEN (p.ausgesetzt_von IS NOT NULL OR p.ausgesetzt_bis IS NOT NULL) \
             AND coalesce(p.ausgesetzt_von, {today}) <= {today} AND coalesce(p.ausgesetzt_bis, {today}) >= {today} THEN 'grau' \
             WHEN p.faellig IS NULL AND p.letzte IS NOT NULL THEN 'grau' WHEN p.faellig IS NULL OR p.faellig < {today} THEN 'rot' \
             WHEN julianday(p.faellig) - julianday({today}) <= p.vorlauf_tage THEN 'gelb' ELSE 'gruen' END AS ampel, \
             g.geom AS geom FROM {PLAN} p JOIN {DEVICE} g ON g.uuid = p.geraet_uuid \
             LEFT JOIN {SITE} s ON s.uuid = p.spielplatz_uuid"
        )
    }

    /// What is due: yellow and red, the oldest first; and how many of them are red.
    pub fn due(&self) -> (String, u64, u64) {
        let tables = &self.folded.tables;
        let find = |table: &str, uuid: Option<&str>| tables.get(table)?.get(&Uuid::try_parse(uuid?).ok()?);
        let mut lines: Vec<(Option<Date>, [String; 9])> = Vec::new();
        for entry in tables.get(PLAN).into_iter().flat_map(BTreeMap::values) {
            let (last, due) = (day(entry, "letzte"), day(entry, "faellig"));
            let suspension = Suspension { from: day(entry, "ausgesetzt_von"), until: day(entry, "ausgesetzt_bis") };
            let warn = entry.get("vorlauf_tage").and_then(Value::as_i64).unwrap_or_default();
            let light = light(last, due, suspension, warn, self.today);
            if !matches!(light, "rot" | "gelb") {
                continue;
            }
            let site = find(SITE, text(entry, "spielplatz_uuid"));
            let device = find(DEVICE, text(entry, "geraet_uuid"));
            let of = |row: Option<&Row>, column: &str| cell(row.and_then(|row| text(row, column)).unwrap_or_default());
            let kind = KINDS.iter().find(|kind| Some(kind.code) == text(entry, "pruefart")).map_or("", |kind| kind.title);
            let left =
                due.and_then(|due| self.today.until(due).ok()).map_or_else(String::new, |left| left.get_days().to_string());
            let date = |date: Option<Date>| date.map_or_else(String::new, |date| date.to_string());
            lines.push((
                due,
                [
                    of(site, "name"),
                    of(site, "adresse"),
                    of(device, "kennung"),
                    of(device, "art"),
                    kind.to_owned(),
                    date(last),
                    date(due),
                    left,
                    light.to_owned(),
                ],
            ));
        }
        lines.sort();
        let mut out = String::from("\u{feff}spielplatz;adresse;geraet;art;pruefart;letzte;faellig;tage;ampel\r\n");
        for (_, line) in &lines {
            let _ = write!(out, "{}\r\n", line.join(";"));
        }
        let red = lines.iter().filter(|(_, line)| line[8] == "rot").count() as u64;
        (out, red, lines.len() as u64 - red)
    }

    /// A table for everybody as GeoParquet.
    pub fn parquet(&self, table: &Table, path: &Path) -> Result<()> {
        let rows = self.batch(table, true)?;
        let options = geoparquet::Options::new(GEOMETRY, Some(self.folded.crs));
        geoparquet::write_file(path, &rows.schema(), [Ok(rows.clone())], &options)
    }

    /// A table for everybody as `GeoJSON`.
    pub fn geojson(&self, table: &Table, path: &Path) -> Result<()> {
        let file = BufWriter::new(atomic::create_unseen(path)?);
        let mut writer = geojson::Writer::new(file, GEOMETRY, self.folded.crs, self.grids)?;
        writer.write(&self.batch(table, true)?)?;
        writer.finish()?.flush().map_err(|error| {
            Error::new("mk::io::write", "cannot write the file").at(Place::file(path.display().to_string())).because(error)
        })
    }
}
