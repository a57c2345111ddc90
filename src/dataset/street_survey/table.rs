//! Tables of recordings as surveyors deliver them: eagle eye, Cyclomedia, and whatever names its columns.

use super::PICTURE;
use super::model::{Row, Table};
use super::moment;
use super::options::{ColumnsOption, NorthOption, Options};
use crate::crs::{Crs, is_geographic};
use crate::dataset::features::csv_file::{self, OTHER_WIDTH};
use crate::dataset::features::source::{Head, Sink};
use crate::dataset::features::{Column, CsvOption, DecimalOption, Raw, Reading, Value, number};
use crate::dataset::{Area, Counts};
use crate::error::{Error, Place, Rejection, Result};
use crate::io::Source;
use jiff::tz::TimeZone;

/// What a column says, with the names that surveyors give it: eagle eye, Cyclomedia, Applied Streetview, Orbit, and German ones.
const ROLES: [(&str, &[&str]); 10] = [
    ("picture", &["relative_path", "filename", "file", "image", "imageid", "picture", "bild", "bilddatei", "datei"]),
    (
        "x",
        &[
            "utm_easting",
            "easting",
            "x",
            "x/long",
            "ost",
            "ostwert",
            "rechtswert",
            "e",
            "longitude",
            "long",
            "lon",
            "laenge",
            "länge",
        ],
    ),
    ("y", &["utm_northing", "northing", "y", "y/lat", "nord", "nordwert", "hochwert", "n", "latitude", "lat", "breite"]),
    ("z", &["z", "altitude", "height", "hoehe", "höhe"]),
    ("heading", &["heading", "azimuth", "azimut", "pan", "yaw", "recorderdirection", "richtung"]),
    ("pitch", &["pitch", "tilt", "nick"]),
    ("roll", &["roll", "wank"]),
    ("time", &["timestamp", "datetime", "time", "stamp", "recordedat", "zeit", "zeitpunkt", "zeitstempel"]),
    ("run", &["run", "run_id", "recordingid", "sequence", "sequenz", "fahrt", "track"]),
    ("blurred", &["blurred", "anonymised", "anonymized", "anonymisiert", "verpixelt", "unkenntlich"]),
];

/// Names of columns with degrees.
const DEGREES: [&str; 5] = ["longitude", "long", "lon", "laenge", "länge"];

/// Rows that a table may have: all of them are held in memory.
const MAX_ROWS: usize = 5_000_000;

/// What came of a table.
pub struct Told {
    /// The rows.
    pub table: Table,
    /// Rows that were refused.
    pub counts: Counts,
    /// Why.
    pub rejections: Vec<Rejection>,
}

/// Reads a table of columns.
///
/// # Errors
/// When it cannot be read, or lacks a column that is needed.
pub fn read(options: &Options, source: &Source, area: &Area) -> Result<Told> {
    // The places are taken from their columns here; the reader would want to know their CRS before it has told their names.
    let csv = CsvOption { separator: options.separator, ..CsvOption::default() };
    let reading = Reading {
        layer: None,
        source_crs: Some(options.source_crs.or(area.crs).unwrap_or(Crs::WGS84)),
        encoding: options.encoding.as_deref(),
        decimal: options.decimal,
        csv: &csv,
        places_optional: true,
    };
    let mut work = Work {
        options,
        area,
        zone: options.time_zone.zone(),
        roles: Vec::new(),
        told: Told {
            table: Table {
                file: source.name.clone(),
                crs: Crs::WGS84,
                grid_north: false,
                vertical: options.vertical,
                rows: Vec::new(),
            },
            counts: Counts::default(),
            rejections: Vec::new(),
        },
    };
    csv_file::read(source, &reading, &mut work)?;
    Ok(work.told)
}

/// CRS of a table, and whether its headings count from grid north.
///
/// # Errors
/// When nobody says the CRS.
pub fn reference(options: &Options, area: &Area, degrees: bool) -> Result<(Crs, bool)> {
    let own = if degrees { Some(Crs(4258)) } else { area.crs };
    let Some(crs) = options.source_crs.or(own) else {
        return Err(Error::new("mk::street_survey::crs", "nobody says the CRS of the table")
            .hint("say it in the dataset: source_crs = \"EPSG:25832\""));
    };
    let geographic = is_geographic(crs)?;
    let grid_north = options.north.map_or(!geographic, |north| north == NorthOption::Grid) && !geographic;
    Ok((crs, grid_north))
}

struct Work<'w> {
    options: &'w Options,
    area: &'w Area,
    zone: TimeZone,
    /// The roles of the columns that were asked for, in that order.
    roles: Vec<&'static str>,
    told: Told,
}

fn said<'c>(columns: &'c ColumnsOption, role: &str) -> Option<&'c String> {
    match role {
        "picture" => columns.picture.as_ref(),
        "x" => columns.x.as_ref(),
        "y" => columns.y.as_ref(),
        "z" => columns.z.as_ref(),
        "heading" => columns.heading.as_ref(),
        "pitch" => columns.pitch.as_ref(),
        "roll" => columns.roll.as_ref(),
        "time" => columns.time.as_ref(),
        "run" => columns.run.as_ref(),
        _ => columns.blurred.as_ref(),
    }
}

fn find(columns: &[Column], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase())
}

impl Sink for Work<'_> {
    fn begin(&mut self, head: &Head) -> Result<Vec<Option<usize>>> {
        let mut wanted = Vec::new();
        for (role, names) in ROLES {
            let column = match said(&self.options.columns, role) {
                Some(name) => Some(find(&head.columns, name).ok_or_else(|| {
                    let known = head.columns.iter().take(20).map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
                    Error::new("mk::street_survey::column", format!("the table has no column '{name}'"))
                        .hint(format!("its columns are {known}"))
                })?),
                None => names.iter().find_map(|name| find(&head.columns, name)),
            };
            if let Some(column) = column {
                self.roles.push(role);
                wanted.push(Some(column));
                if role == "x" {
                    let degrees = DEGREES.contains(&head.columns[column].name.to_lowercase().as_str());
                    (self.told.table.crs, self.told.table.grid_north) = reference(self.options, self.area, degrees)?;
                }
            }
        }
        // eagle eye names the picture twice, alone and with its folder: one of them may be a folder only.
        if let Some(name) = find(&head.columns, "filename")
            && self.options.columns.picture.is_none()
        {
            self.roles.push("name");
            wanted.push(Some(name));
        }
        if let Some(missing) = ["picture", "x", "y", "heading"].iter().find(|role| !self.roles.contains(role)) {
            let known = head.columns.iter().take(20).map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::new("mk::street_survey::column", format!("the table has no column that is known as `{missing}`"))
                .hint(format!("name it in the dataset: columns = {{ {missing} = \"...\" }}; the table's columns are {known}")));
        }
        Ok(wanted)
    }

    fn take(&mut self, features: Vec<Raw>) -> Result<()> {
        for raw in features {
            if self.told.table.rows.len() >= MAX_ROWS {
                return Err(Error::new("mk::street_survey::rows", format!("the table has more than {MAX_ROWS} rows"))
                    .hint("deliver it in parts"));
            }
            let line = raw.line.unwrap_or(raw.number);
            match self.row(raw, line) {
                Ok(row) => self.told.table.rows.push(row),
                Err((picture, reason)) => {
                    let place = Place::file(&self.told.table.file).line(line).object(picture);
                    let error = Error::new("mk::street_survey::row", reason).at(place);
                    self.told.counts.rejected(PICTURE);
                    self.told.rejections.push(Rejection::of(PICTURE, &error));
                }
            }
        }
        Ok(())
    }
}

impl Work<'_> {
    /// The row, or the picture and why it is none.
    fn row(&self, raw: Raw, line: u64) -> Result<Row, (String, String)> {
        let wide = raw.geometry.as_ref().err().is_none_or(|reason| *reason != OTHER_WIDTH);
        let mut texts: Vec<String> = raw
            .values
            .into_iter()
            .map(|value| if let Value::Text(text) = value { text.trim().to_owned() } else { String::new() })
            .collect();
        let mut take = |role: &str| {
            let index = self.roles.iter().position(|known| *known == role);
            index.map(|index| std::mem::take(&mut texts[index])).filter(|text| !text.is_empty())
        };
        let (picture, name) = (take("picture").unwrap_or_default().replace('\\', "/"), take("name"));
        let picture = match name {
            Some(name) if picture.is_empty() => name,
            Some(name) if !picture.to_lowercase().ends_with(&name.to_lowercase()) => {
                format!("{}/{name}", picture.trim_end_matches('/'))
            }
            _ => picture,
        };
        let failed = |reason: String| Err((picture.clone(), reason));
        if !wide {
            return failed(OTHER_WIDTH.to_owned());
        }
        if picture.is_empty() {
            return failed("it names no picture".to_owned());
        }
        let mut numbers = [None; 6];
        for (slot, role) in numbers.iter_mut().zip(["x", "y", "z", "heading", "pitch", "roll"]) {
            let Some(text) = take(role) else { continue };
            let Some(value) = number_of(&text, self.options.decimal) else { return failed(format!("its {role} is no number")) };
            *slot = Some(value);
        }
        let [Some(x), Some(y), z, heading, pitch, roll] = numbers else { return failed("it has no place".to_owned()) };
        let Some(heading) = heading else { return failed("it has no heading".to_owned()) };
        let time = match take("time") {
            None => None,
            Some(text) => match moment::parse(&text, &self.zone) {
                None => return failed("its time is none that is known".to_owned()),
                time => time,
            },
        };
        let blurred = match take("blurred").map(|text| text.to_lowercase()) {
            None => None,
            Some(text) => match text.as_str() {
                "true" | "t" | "1" | "ja" | "j" | "wahr" | "yes" | "y" => Some(true),
                "false" | "f" | "0" | "nein" | "n" | "falsch" | "no" => Some(false),
                _ => return failed("whether it is blurred is neither true nor false".to_owned()),
            },
        };
        let folder = || picture.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
        let run = take("run").unwrap_or_else(folder);
        let (pitch, roll) = (pitch.unwrap_or(0.0), roll.unwrap_or(0.0));
        Ok(Row { line, picture, at: [x, y], z, heading, pitch, roll, time, run, blurred })
    }
}

/// A number; a point is understood in a table with decimal commas too, where no comma is: surveyors mix them.
fn number_of(text: &str, decimal: DecimalOption) -> Option<f64> {
    let mixed = decimal == DecimalOption::Comma && !text.contains(',') && text.matches('.').count() == 1;
    number(text, if mixed { DecimalOption::Point } else { decimal })
}
