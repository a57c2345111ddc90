//! Opening a file of a theme: what it is, which of its layers and fields are read, in which CRS it is.

use super::feature::{Column, Raw};
use super::options::Reading;
use super::{csv_file, ogr, parquet_file};
use crate::crs::Crs;
use crate::dataset::remote::is_table;
use crate::error::{Error, Place, Result};
use crate::io::{Limits, Source, sniff::Content, source::read_error};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a file says before its first feature.
#[derive(Debug, Clone)]
pub struct Head {
    /// Name of the layer, for counts and places.
    pub layer: String,
    /// CRS.
    pub crs: Crs,
    /// All its fields.
    pub columns: Vec<Column>,
    /// Indices of those that hold the geometry.
    pub hidden: Vec<usize>,
}

/// Takes what a reader finds.
pub trait Sink {
    /// Before the first feature: gives the indices of the fields that are wanted.
    ///
    /// # Errors
    /// When the file does not fit.
    fn begin(&mut self, head: &Head) -> Result<Vec<Option<usize>>>;
    /// Some features, in the order of the file.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn take(&mut self, features: Vec<Raw>) -> Result<()>;
}

/// Features that are handed on at once.
pub const CHUNK: usize = 8192;

/// Files that belong to a shape file or a MapInfo file, by the ending of the main file.
const BESIDE: [(&str, &[&str]); 3] =
    [("shp", &["shx", "dbf", "prj", "cpg"]), ("tab", &["dat", "map", "id", "ind"]), ("mif", &["mid"])];

/// Names of the files that may belong to a file.
pub fn beside(name: &str) -> Vec<String> {
    let Some((stem, ending)) = name.rsplit_once('.') else { return Vec::new() };
    let lower = ending.to_lowercase();
    let endings = BESIDE.iter().find(|(main, _)| *main == lower).map_or(&[][..], |(_, endings)| endings);
    // Names come in capitals from some systems.
    let named = endings.iter().flat_map(|ending| [format!("{stem}.{ending}"), format!("{stem}.{}", ending.to_uppercase())]);
    named.collect()
}

/// True for a file that is read for another one only.
pub fn is_beside(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
    BESIDE.iter().any(|(_, endings)| endings.contains(&ending.as_str()))
}

/// Reads a file into a sink; `files` are the main file and those that belong to it.
///
/// # Errors
/// When the file cannot be read; the error names no file.
pub fn read(files: &[Source], reading: &Reading<'_>, scratch: &Path, sink: &mut dyn Sink) -> Result<()> {
    let Some(main) = files.first() else { return Err(Error::new("mk::run::input", "the unit has no source")) };
    let content = main.content()?;
    if content == Content::Other && is_csv(main.file_name()) {
        return csv_file::read(main, reading, sink);
    }
    // Only what was written here: the reader panics over broken files of others.
    if content == Content::Parquet && is_table(main) {
        let (layer, _) = main.file_name().rsplit_once(".parquet").unwrap_or((main.file_name(), ""));
        return parquet_file::read(&main.local(scratch)?, layer, reading, sink);
    }
    let folder = scratch.join("source");
    let placed = files.iter().map(|file| file.place(&folder)).collect::<Result<Vec<PathBuf>>>()?;
    if content == Content::Xml {
        refuse_doctype(main)?;
    }
    ogr::read(&placed[0], content, reading, sink)
}

fn is_csv(name: &str) -> bool {
    let plain = name.to_lowercase();
    plain.strip_suffix(".gz").unwrap_or(&plain).rsplit('.').next() == Some("csv")
}

/// Bytes of an XML file before its root element that are looked at.
const PROLOG: u64 = 1 << 20;

/// A DOCTYPE can name other files and grow without end; GDAL's reader would follow it.
fn refuse_doctype(main: &Source) -> Result<()> {
    let mut head = Vec::new();
    main.reader(Limits::default())?.take(PROLOG).read_to_end(&mut head).map_err(|error| read_error(&main.name, &error))?;
    // In UTF-16 each letter has a zero beside it.
    head.retain(|byte| *byte != 0);
    if memchr::memmem::find(&head.to_ascii_uppercase(), b"<!DOCTYPE").is_some() {
        return Err(Error::new("mk::features::doctype", "the file has a DOCTYPE, which is not read")
            .hint("deliver it without one: GML needs none"));
    }
    Ok(())
}

/// The CRS of a file: what it says, else what the pipeline says.
///
/// # Errors
/// When they differ, or neither says it.
pub fn settle_crs(said: Option<Crs>, unnamed: Option<&str>, wanted: Option<Crs>) -> Result<Crs> {
    match (said, wanted) {
        (Some(said), Some(wanted)) if said != wanted => {
            Err(Error::new("mk::features::crs", format!("the file is in {said}, the pipeline says {wanted}"))
                .hint("leave out `source_crs`, or correct the file"))
        }
        (Some(crs), _) | (None, Some(crs)) => Ok(crs),
        (None, None) => {
            let message = unnamed.map_or_else(
                || "the file does not say its CRS".to_owned(),
                |name| format!("the file's CRS '{name}' has no EPSG code"),
            );
            Err(Error::new("mk::features::crs", message).hint("say it in the pipeline: source_crs = \"EPSG:25832\""))
        }
    }
}

/// A place in a file's layer.
pub fn place(file: &str, raw: &Raw) -> Place {
    let place = Place::file(file);
    match raw.line {
        Some(line) => place.line(line),
        None => place.object(raw.number.to_string()),
    }
}
