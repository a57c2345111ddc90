//! The package for `QField`: one archive with a project, the tables, and orthophotos of the sites for where there is no network.
//!
//! It is a ZIP, which `QField` takes in as it is: nobody opens it in place, where a program would write beside the files of a release.

mod project;

use super::aerial::{Aerial, Taken, on_map};
use super::model::{SITE, table};
use super::write::Writer;
use crate::crs::Bbox;
use crate::dataset::AssembleContext;
use crate::error::{Error, Place, Result};
use crate::format::wkb;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Names in the archive.
const TABLES: &str = "spielplaetze.gpkg";
const PICTURES: &str = "luftbild.gpkg";
const PROJECT: &str = "spielplaetze.qgs";
/// Metres around a site that the pictures show.
const MARGIN_M: f64 = 30.0;

/// Writes the package; `tables` is the office's `GeoPackage`. Gives what was taken along of the orthophotos, if anything.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(
    path: &Path,
    writer: &Writer<'_>,
    tables: &Path,
    title: &str,
    context: &AssembleContext<'_>,
) -> Result<Option<Taken>> {
    let sites = sites(writer)?;
    let pictures = context.scratch.join(PICTURES);
    let most = u64::from(writer.options.offline_mb) << 20;
    let aerial = if most == 0 { None } else { Aerial::of(context)? };
    let (mut taken, mut attribution) = (None, String::new());
    if let Some(mut aerial) = aerial {
        let places = on_map(&sites, writer.folded.crs, MARGIN_M, writer.grids)?;
        taken = aerial.write(&pictures, &places, most, &writer.moment())?;
        attribution = aerial.attribution;
    }
    let extent = sites.iter().fold(Bbox::EMPTY, |extent, site| extent.union(*site));
    let project = project::project(writer, title, extent, taken.is_some().then_some(attribution.as_str()))?;
    let output = BufWriter::new(File::create(path).map_err(|error| failed(path, error))?);
    let mut archive = ZipWriter::new(output);
    let options = |method| {
        let options = SimpleFileOptions::default().compression_method(method).unix_permissions(0o644);
        options.last_modified_time(zip::DateTime::default())
    };
    archive.start_file(PROJECT, options(CompressionMethod::Deflated)).map_err(|error| failed(path, error))?;
    archive.write_all(project.to_xml().as_bytes()).map_err(|error| failed(path, error))?;
    archive.start_file(TABLES, options(CompressionMethod::Deflated).large_file(true)).map_err(|error| failed(path, error))?;
    copy(tables, &mut archive, path)?;
    if taken.is_some() {
        // Pictures are packed already.
        archive.start_file(PICTURES, options(CompressionMethod::Stored).large_file(true)).map_err(|error| failed(path, error))?;
        copy(&pictures, &mut archive, path)?;
    }
    let mut output = archive.finish().map_err(|error| failed(path, error))?;
    output.flush().map_err(|error| failed(path, error))?;
    Ok(taken)
}

/// Extents of the sites.
fn sites(writer: &Writer<'_>) -> Result<Vec<Bbox>> {
    let mut sites = Vec::new();
    let rows = writer.folded.tables.get(table(SITE).map_or(SITE, |table| table.name)).into_iter().flat_map(BTreeMap::values);
    for row in rows {
        if let Some(bytes) = super::write::shape(row)? {
            sites.push(wkb::summary(&bytes)?.bbox);
        }
    }
    sites.retain(|bbox| !bbox.is_empty());
    Ok(sites)
}

fn copy(from: &Path, to: &mut impl Write, path: &Path) -> Result<()> {
    let mut file = File::open(from).map_err(|error| failed(from, error))?;
    let mut piece = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut piece).map_err(|error| failed(from, error))?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&piece[..read]).map_err(|error| failed(path, error))?;
    }
}

fn failed(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::io::write", "cannot write the package for QField").at(Place::file(path.display().to_string())).because(cause)
}
