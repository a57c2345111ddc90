//! Recordings as Cyclomedia delivers them in XML: `<Recordings><Recording>` with a child for each value.
//!
//! Elements are known by their local names. Places are longitude and latitude (ETRS89), heights ellipsoidal, directions true.

use super::PICTURE;
use super::model::{Row, Table};
use super::moment;
use super::options::Options;
use super::table::Told;
use crate::crs::Crs;
use crate::dataset::Counts;
use crate::dataset::city_model::VerticalOption;
use crate::error::{Error, Place, Rejection, Result};
use crate::io::source::read_error;
use crate::io::{Limits, Source};
use jiff::tz::{Offset, TimeZone};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};

/// Bytes of a file that are read: a recording has about 2,000.
const MAX_BYTES: u64 = 4 << 30;
/// Longest value, and most values of a recording.
const MAX_TEXT: usize = 4096;
const MAX_VALUES: usize = 256;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Bytes of one element or text that the reader may gather.
const MAX_EVENT: u64 = 1 << 20;

/// Reads a file of recordings.
///
/// # Errors
/// When it is not well-formed, has a DOCTYPE, or more than a limit allows.
pub fn read(options: &Options, source: &Source) -> Result<Told> {
    let mut told = Told {
        table: Table {
            file: source.name.clone(),
            crs: options.source_crs.unwrap_or(Crs(4258)),
            grid_north: false,
            vertical: Some(options.vertical.unwrap_or(VerticalOption::Ellipsoidal)),
            rows: Vec::new(),
        },
        counts: Counts::default(),
        rejections: Vec::new(),
    };
    let broken = |error: &dyn std::fmt::Display| Error::new("mk::street_survey::xml", format!("the XML is broken: {error}"));
    let limit = |what: &str| Error::new("mk::street_survey::xml", format!("the XML has {what}"));
    let stream = Metered { inner: source.reader(Limits { max_bytes: MAX_BYTES, ..Limits::default() })?, left: MAX_EVENT };
    let mut reader = Reader::from_reader(BufReader::with_capacity(64 << 10, stream));
    reader.config_mut().expand_empty_elements = true;
    let (mut buffer, mut open, mut text) = (Vec::new(), Vec::<String>::new(), String::new());
    let mut recording: Option<BTreeMap<String, String>> = None;
    let mut number = 0;
    loop {
        buffer.clear();
        reader.get_mut().get_mut().left = MAX_EVENT;
        let event = reader.read_event_into(&mut buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) => read_error(&source.name, &std::io::Error::other(error)),
            error => broken(&error),
        })?;
        match event {
            Event::DocType(_) => return Err(limit("a DOCTYPE, which is not read")),
            Event::Start(element) => {
                if open.len() >= MAX_DEPTH {
                    return Err(limit("too many elements within each other"));
                }
                let name = element.local_name().as_ref().to_lowercase();
                if name == "recording" {
                    number += 1;
                    recording = Some(BTreeMap::new());
                }
                open.push(name);
                text.clear();
            }
            Event::Text(part) if recording.is_some() => {
                text.push_str(&part);
                if text.len() > MAX_TEXT {
                    return Err(limit("a value that is too long"));
                }
            }
            Event::End(_) => {
                let name = open.pop().unwrap_or_default();
                if name == "recording"
                    && let Some(values) = recording.take()
                {
                    match row(&values, number, &options.time_zone.zone()) {
                        Ok(row) => told.table.rows.push(row),
                        Err(reason) => {
                            let place = Place::file(&source.name)
                                .object(values.get("imageid").cloned().unwrap_or_else(|| format!("recording {number}")));
                            told.counts.rejected(PICTURE);
                            let error = Error::new("mk::street_survey::row", reason).at(place);
                            told.rejections.push(Rejection::of(PICTURE, &error));
                        }
                    }
                } else if let Some(values) = &mut recording {
                    let value = std::mem::take(&mut text);
                    if !value.trim().is_empty() {
                        if values.len() >= MAX_VALUES {
                            return Err(limit("a recording with too many values"));
                        }
                        values.entry(name).or_insert_with(|| value.trim().to_owned());
                    }
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !open.is_empty() || number == 0 {
        return Err(broken(&if number == 0 { "it has no recording" } else { "it ends early" }));
    }
    Ok(told)
}

/// Ends a stream when one event has more bytes than are allowed.
struct Metered<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            std::io::Error::other(Error::new("mk::street_survey::xml", "the XML has an element that is too long"))
        })?;
        Ok(count)
    }
}

fn row(values: &BTreeMap<String, String>, line: u64, zone: &TimeZone) -> Result<Row, String> {
    let get = |name: &str| values.get(name).map(String::as_str);
    let number = |name: &str| -> Result<Option<f64>, String> {
        let value = get(name).map(|text| text.parse::<f64>().ok().filter(|value| value.is_finite()));
        if value == Some(None) { Err(format!("its {name} is no number")) } else { Ok(value.flatten()) }
    };
    let picture = get("imageid").ok_or("it has no ImageId")?.to_owned();
    let (x, y) = number("longitude")?.zip(number("latitude")?).ok_or("it has no place")?;
    let heading = number("recorderdirection")?.ok_or("it has no RecorderDirection")?;
    // The moment may be written in local time, with its distance to UTC beside it.
    let zone = match number("offsetminutes")? {
        Some(minutes) => {
            TimeZone::fixed(Offset::from_seconds((minutes.clamp(-1000.0, 1000.0) * 60.0) as i32).unwrap_or(Offset::UTC))
        }
        None => zone.clone(),
    };
    let time = match get("datetime").or_else(|| get("recordedat")) {
        Some(text) => Some(moment::parse(text, &zone).ok_or("its time is none that is known")?),
        None => None,
    };
    Ok(Row {
        line,
        // A recording lies in the folder of the first six characters of its name: that is the run.
        run: picture.chars().take(6).collect(),
        picture,
        at: [x, y],
        z: number("height")?,
        heading,
        pitch: number("pitch")?.unwrap_or(0.0),
        roll: number("roll")?.unwrap_or(0.0),
        time,
        blurred: None,
    })
}
