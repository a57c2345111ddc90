//! CSV as German offices write it: semicolons, decimal commas, ISO 8859-1, coordinates in two columns or as well-known text.

use super::feature::{Column, Raw, Value, number};
use super::options::{FieldType, Reading};
use super::source::{CHUNK, Head, Sink, settle_crs};
use crate::crs::Crs;
use crate::error::{Error, Place, Result};
use crate::format::wkb;
use crate::io::gdal::wkb_of_text;
use crate::io::source::read_error;
use crate::io::{Limits, Source};
use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::{Encoding, UTF_8};
use geo::{Geometry, Point};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// Bytes that a line with its quoted breaks may have; more is a quote that never ends.
const MAX_RECORD: u64 = 64 << 20;
/// Columns that a file may have.
const MAX_COLUMNS: usize = 2_000;
/// Names of columns with well-known text, and of those with coordinates, where the pipeline says none.
const WKT: [&str; 4] = ["wkt", "geom", "geometry", "the_geom"];
const XY: [[&str; 2]; 6] =
    [["x", "y"], ["ost", "nord"], ["rechtswert", "hochwert"], ["easting", "northing"], ["lon", "lat"], ["e", "n"]];

/// Why a line has no geometry that has more or fewer columns than the first.
pub const OTHER_WIDTH: &str = "the line has another number of columns than the first";

/// Where the geometry is.
enum Shape {
    /// Nowhere: a table without places.
    None,
    Wkt(usize),
    Xy([usize; 2]),
}

/// Ends a stream when too much was read since the last record.
struct Guard<R> {
    inner: R,
    since: Rc<Cell<u64>>,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.since.set(self.since.get() + count as u64);
        if self.since.get() > MAX_RECORD {
            let message = format!("a line has more than {MAX_RECORD} bytes: a quote is not closed");
            return Err(io::Error::other(Error::new("mk::features::csv", message)));
        }
        Ok(count)
    }
}

/// Reads a file into a sink.
///
/// # Errors
/// When it cannot be read, has no geometry, or is in another encoding than the pipeline says.
pub fn read(file: &Source, reading: &Reading<'_>, sink: &mut dyn Sink) -> Result<()> {
    let named = reading.encoding.as_ref().and_then(|name| Encoding::for_label(name.as_bytes()));
    let encoding = named.unwrap_or(UTF_8);
    if !encoding.is_ascii_compatible() {
        return Err(Error::new("mk::features::csv", format!("CSV in {} is not read", encoding.name())).hint("save it as UTF-8"));
    }
    let since = Rc::new(Cell::new(0));
    let stream = Guard { inner: file.reader(Limits::default())?, since: Rc::clone(&since) };
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let first = stream.fill_buf().map_err(|error| read_error(&file.name, &error))?;
    let separator = reading.csv.separator.map_or_else(|| separator_of(first), |separator| separator as u8);
    // The reader counts the second character of a line's end with the line after it.
    let late = u64::from(first.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r")));
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(stream);
    let headers = reader.byte_headers().map_err(|error| unreadable(file, &error))?.clone();
    let names: Vec<String> =
        headers.iter().map(|name| decode(name, encoding).map(|name| name.trim().to_owned())).collect::<Result<_>>()?;
    if names.len() > MAX_COLUMNS {
        return Err(Error::new("mk::features::csv", format!("the file has {} columns", names.len())));
    }
    let shape = shape(&names, reading)?;
    let columns = names.iter().map(|name| Column { name: name.clone(), field_type: FieldType::Text }).collect();
    let hidden = match shape {
        Shape::None => Vec::new(),
        Shape::Wkt(column) => vec![column],
        Shape::Xy(columns) => columns.to_vec(),
    };
    // Where there are no places, their CRS does not matter.
    let crs = if matches!(shape, Shape::None) { Crs::WGS84 } else { settle_crs(None, None, reading.source_crs)? };
    let layer = file.file_name().split('.').next().unwrap_or_default().to_owned();
    let wanted = sink.begin(&Head { layer, crs, columns, hidden })?;
    let (mut record, mut chunk, mut number) = (ByteRecord::new(), Vec::with_capacity(CHUNK), 0);
    loop {
        since.set(0);
        if !reader.read_byte_record(&mut record).map_err(|error| unreadable(file, &error))? {
            break;
        }
        number += 1;
        let line = record.position().map(|position| position.line() + late);
        let at = |error: Error| error.at(Place { line, ..Place::default() });
        let text = |index: usize| decode(record.get(index).unwrap_or_default(), encoding);
        let geometry = if record.len() == names.len() { geometry(&shape, reading, &text).map_err(at)? } else { Err(OTHER_WIDTH) };
        let value =
            |index: &Option<usize>| index.map_or(Ok(Value::Null), |index| text(index).map(|text| Value::Text(text.into_owned())));
        let values = wanted.iter().map(value).collect::<Result<Vec<_>>>().map_err(at)?;
        chunk.push(Raw { number, line, geometry, values });
        if chunk.len() >= CHUNK {
            sink.take(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))?;
        }
    }
    if chunk.is_empty() { Ok(()) } else { sink.take(chunk) }
}

fn unreadable(file: &Source, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(error) => read_error(&file.name, error),
        _ => Error::new("mk::features::csv", format!("the file cannot be read as CSV: {error}")),
    }
}

/// The separator that the first line has most often outside of quotes.
fn separator_of(head: &[u8]) -> u8 {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut counts = [(b';', 0), (b',', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some(count) = counts.iter_mut().find(|(separator, _)| separator == byte && !quoted) {
            count.1 += 1;
        }
    }
    // Of equals the first.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b';', |(separator, _)| *separator)
}

fn decode<'b>(bytes: &'b [u8], encoding: &'static Encoding) -> Result<Cow<'b, str>> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(|| {
        Error::new("mk::features::encoding", format!("a text is not in {}", encoding.name()))
            .hint("say the encoding in the pipeline: encoding = \"windows-1252\"")
    })
}

fn shape(names: &[String], reading: &Reading<'_>) -> Result<Shape> {
    let find = |wanted: &str| {
        names.iter().position(|name| name == wanted).or_else(|| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
    };
    let named = |wanted: &str| {
        find(wanted).ok_or_else(|| {
            let known = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
            Error::new("mk::features::csv", format!("the file has no column '{wanted}'")).hint(format!("its columns are {known}"))
        })
    };
    if let Some(wkt) = &reading.csv.wkt {
        return named(wkt).map(Shape::Wkt);
    }
    if let (Some(x), Some(y)) = (&reading.csv.x, &reading.csv.y) {
        return Ok(Shape::Xy([named(x)?, named(y)?]));
    }
    let wkt = WKT.iter().find_map(|name| find(name)).map(Shape::Wkt);
    let xy = || XY.iter().find_map(|[x, y]| Some(Shape::Xy([find(x)?, find(y)?])));
    let nowhere = || reading.places_optional.then_some(Shape::None);
    wkt.or_else(xy).or_else(nowhere).ok_or_else(|| {
        Error::new("mk::features::csv", "the file has no columns with coordinates")
            .hint("name them in the pipeline: csv = { x = \"rechtswert\", y = \"hochwert\" } or csv = { wkt = \"geometrie\" }")
    })
}

type Read1<'r, 'b> = dyn Fn(usize) -> Result<Cow<'b, str>> + 'r;

/// The geometry of a line as WKB, or why it has none.
fn geometry(shape: &Shape, reading: &Reading<'_>, text: &Read1<'_, '_>) -> Result<Result<Vec<u8>, &'static str>> {
    match shape {
        Shape::None => Ok(Err("it has no place")),
        Shape::Wkt(column) => {
            let text = text(*column)?;
            if text.trim().is_empty() {
                return Ok(Err("it has no geometry"));
            }
            Ok(wkb_of_text(&text).ok_or("the geometry is no well-known text"))
        }
        Shape::Xy([x, y]) => {
            let (x, y) = (text(*x)?, text(*y)?);
            if x.trim().is_empty() && y.trim().is_empty() {
                return Ok(Err("it has no coordinates"));
            }
            let pair = number(&x, reading.decimal).zip(number(&y, reading.decimal));
            Ok(pair.map(|(x, y)| wkb::encode(&Geometry::Point(Point::new(x, y)))).ok_or("a coordinate is no number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_that_of_the_first_line_outside_of_quotes() {
        assert_eq!(separator_of(b"a;b,c;d\n1,2,3,4,5"), b';');
        assert_eq!(separator_of(b"\"a;b;c\",d\n"), b',');
        assert_eq!(separator_of(b"a\tb\tc"), b'\t');
        assert_eq!(separator_of(b"only"), b';');
    }
}
