//! GDAL, behind a fence: few drivers, no network, its errors counted.
//!
//! GDAL opens by content, and some formats are little programs: a VRT of one line named `photo.tif` reads any file of the machine
//! into the tiles (GDAL restricts that only since 3.12). So all drivers but those of plain data files are taken out of the process,
//! each use names those it wants, and the first bytes must fit one of them before GDAL sees the file. GDAL also reports many
//! a damaged file by a message alone while its functions succeed; [`watched`] makes an error of that.

use super::sniff::{Content, SNIFF_BYTES, sniff};
use crate::error::{Error, Result};
use gdal::errors::CplErrType;
use gdal::{Dataset, DatasetOptions, DriverManager, GdalOpenFlags};
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Drivers that read data from the file they are given and nothing else. All others are removed from the process.
pub const DRIVERS: &[&str] = &[
    // Raster
    "GTiff",
    "COG",
    "JPEG",
    "JP2OpenJPEG",
    "PNG",
    "WEBP",
    "AAIGrid",
    "GTX",
    "NTv2",
    "MEM",
    // Vector
    "GPKG",
    "ESRI Shapefile",
    "GeoJSON",
    "GeoJSONSeq",
    "FlatGeobuf",
    "CSV",
    "OpenFileGDB",
    "DXF",
    "MapInfo File",
    "Memory",
    "Parquet",
    "GML",
];

/// Settings of the process, before any driver is there.
const SETTINGS: &[(&str, &str)] = &[
    // Nothing over the network, whatever a file asks for.
    ("CPL_VSIL_CURL_ALLOWED_FILENAME", "/vsicurl/none"),
    ("GDAL_HTTP_MAX_RETRY", "0"),
    ("GDAL_HTTP_TIMEOUT", "1"),
    // No `.aux.xml` is read beside a source or written there.
    ("GDAL_PAM_ENABLED", "NO"),
    // A JPEG that is cut off is an error, not a grey area.
    ("GDAL_ERROR_ON_LIBJPEG_WARNING", "YES"),
    // A GML file is read by its content: no schema from elsewhere, no other file that it refers to, nothing noted beside it.
    ("GML_DOWNLOAD_SCHEMA", "NO"),
    ("GML_SKIP_RESOLVE_ELEMS", "ALL"),
    // Views and triggers of a GeoPackage run nothing.
    ("OGR_SQLITE_PRAGMA", "trusted_schema=OFF"),
    // Threads are the engine's business, memory too (MiB).
    ("GDAL_NUM_THREADS", "1"),
    ("GDAL_CACHEMAX", "128"),
];

/// Messages that are kept of one piece of work, and characters of each.
const KEPT: usize = 8;
const KEPT_LENGTH: usize = 300;

thread_local! {
    /// Failures that GDAL reported on this thread since the outermost [`watched`] began.
    static FAILURES: RefCell<Failures> = const { RefCell::new(Failures { depth: 0, count: 0, messages: Vec::new() }) };
}

struct Failures {
    depth: usize,
    count: u64,
    messages: Vec<String>,
}

/// Prepares GDAL once; every function here does it, others that use the `gdal` crate directly call it first.
pub fn init() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        for (key, value) in SETTINGS {
            // Fails only for texts with a NUL.
            let _ = gdal::config::set_config_option(key, value);
        }
        DriverManager::register_all();
        for index in (0..DriverManager::count()).rev() {
            if let Ok(driver) = DriverManager::get_driver(index)
                && !DRIVERS.contains(&driver.short_name().as_str())
            {
                DriverManager::deregister_driver(&driver);
            }
        }
        // GDAL calls it on the thread that failed, and only thread-local state is touched.
        gdal::config::set_error_handler(|kind, number, message| {
            let shown: String = message.chars().take(KEPT_LENGTH).collect();
            tracing::debug!(target: "gdal", number, "{shown}");
            if matches!(kind, CplErrType::Failure | CplErrType::Fatal) {
                FAILURES.with(|failures| {
                    let Ok(mut failures) = failures.try_borrow_mut() else { return };
                    failures.count += 1;
                    if failures.depth > 0 && failures.messages.len() < KEPT && !failures.messages.contains(&shown) {
                        failures.messages.push(shown);
                    }
                });
            }
        });
    });
}

/// Does work with GDAL on a file, and fails when GDAL reported a failure meanwhile, also where the work itself saw none. GDAL's
/// messages name the file by its own name: the folders of a machine are nobody's business.
///
/// # Errors
/// That of the work, or `mk::io::gdal` with `what` failed; either with GDAL's messages.
pub fn watched<T>(path: &Path, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    init();
    let (count, kept) = FAILURES.with_borrow_mut(|failures| {
        failures.depth += 1;
        (failures.count, failures.messages.len())
    });
    let result = work();
    let messages = FAILURES.with_borrow_mut(|failures| {
        failures.depth = failures.depth.saturating_sub(1);
        let own = failures.messages.get(kept..).unwrap_or_default().join("; ");
        if failures.depth == 0 {
            failures.messages.clear();
        }
        (failures.count > count).then(|| without_folders(&own, path))
    });
    match (result, messages) {
        (Ok(value), None) => Ok(value),
        (Ok(_), Some(messages)) => Err(Error::new("mk::io::gdal", format!("{what}; GDAL says: {messages}"))),
        (Err(error), Some(messages)) if error.code() == "mk::io::gdal" && error.message() == what => {
            Err(Error::new("mk::io::gdal", format!("{what}; GDAL says: {messages}")))
        }
        (Err(error), _) => Err(error),
    }
}

/// GDAL's words without the folders of the machine, and without the name of the file where they begin with it: the error's place
/// says it.
fn without_folders(messages: &str, path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut text = messages.to_owned();
    for path in [absolute.as_path(), path] {
        if let Some(folder) = path.parent().and_then(Path::to_str).filter(|folder| folder.len() > 1) {
            text = text.replace(&format!("{folder}/"), "");
        }
    }
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        let named = format!("{name}: ");
        text = text.strip_prefix(&named).unwrap_or(&text).replace(&format!("; {named}"), "; ");
    }
    text
}

/// The error of work within [`watched`] whose GDAL call said no.
pub fn failed(what: &str) -> Error {
    Error::new("mk::io::gdal", what)
}

/// Caps on what an image may claim before any pixel is read.
#[derive(Debug, Clone, Copy)]
pub struct RasterLimits {
    /// Columns and rows, each.
    pub max_side: usize,
    /// Bands.
    pub max_bands: usize,
    /// Unpacked bytes for each byte of the file; asked only beyond [`RasterLimits::FREE_BYTES`].
    pub max_ratio: u64,
}

impl RasterLimits {
    /// Unpacked bytes that any file may claim.
    pub const FREE_BYTES: u64 = 256 << 20;
}

impl Default for RasterLimits {
    fn default() -> Self {
        // A sparse tiled TIFF needs 16 bytes for each tile of 256 x 256 x 4.
        Self { max_side: 4_000_000, max_bands: 64, max_ratio: 20_000 }
    }
}

/// Opens an image for reading, with one of `drivers` and no other. Errors name no file: the caller knows what people call it.
///
/// # Errors
/// When the name is not that of a plain file, the content fits none of the drivers, GDAL cannot read it, or it claims more
/// than `limits`.
pub fn open_raster(path: &Path, drivers: &[&str], limits: RasterLimits) -> Result<Dataset> {
    let dataset = open(path, drivers, GdalOpenFlags::GDAL_OF_RASTER, &[])?;
    check_dimensions(&dataset, path, limits)?;
    Ok(dataset)
}

/// Well-known text as WKB; `None` where it is none.
pub fn wkb_of_text(text: &str) -> Option<Vec<u8>> {
    init();
    gdal::vector::Geometry::from_wkt(text.trim()).and_then(|geometry| geometry.wkb()).ok()
}

/// Opens vector data for reading, with one of `drivers` and no other.
///
/// # Errors
/// As [`open_raster`], without the caps of images.
pub fn open_vector(path: &Path, drivers: &[&str]) -> Result<Dataset> {
    open_vector_with(path, drivers, &[])
}

/// As [`open_vector`], with options of the driver, as `ENCODING=CP1252`.
///
/// # Errors
/// As [`open_vector`].
pub fn open_vector_with(path: &Path, drivers: &[&str], options: &[&str]) -> Result<Dataset> {
    open(path, drivers, GdalOpenFlags::GDAL_OF_VECTOR, options)
}

fn open(path: &Path, drivers: &[&str], kind: GdalOpenFlags, options: &[&str]) -> Result<Dataset> {
    let what = "it cannot be opened";
    init();
    let name = plain_name(path)?;
    // A file geodatabase is a folder; it has no first bytes.
    if !(name.is_dir() && drivers.contains(&"OpenFileGDB")) {
        check_content(&name, drivers)?;
    }
    let options = DatasetOptions {
        open_flags: GdalOpenFlags::GDAL_OF_READONLY | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR | kind,
        allowed_drivers: Some(drivers),
        open_options: Some(options),
        ..DatasetOptions::default()
    };
    #[expect(clippy::disallowed_methods, reason = "behind the fence")]
    watched(path, what, || Dataset::open_ex(&name, options).map_err(|_| failed(what)))
}

/// The absolute path, as GDAL can only take it for a file: names such as `/vsicurl/…`, `GTIFF_DIR:…` or `MEM:::…` are programs.
fn plain_name(path: &Path) -> Result<PathBuf> {
    let refused = |reason: &str| Error::new("mk::io::name", reason).hint("sources are plain files on this machine");
    let Some(text) = path.to_str() else { return Err(refused("the file's name is no UTF-8")) };
    if text.chars().any(char::is_control) {
        return Err(refused("the file's name has control characters"));
    }
    let absolute =
        std::path::absolute(path).map_err(|error| refused("the file's name cannot be made absolute").because(error))?;
    if absolute.to_string_lossy().to_ascii_lowercase().starts_with("/vsi") {
        return Err(refused("the name begins with /vsi, which GDAL does not take for a file"));
    }
    Ok(absolute)
}

/// What a driver reads begins with; `None` for formats of text that begin with anything.
fn content_of(driver: &str) -> Option<Content> {
    Some(match driver {
        "GTiff" | "COG" => Content::Tiff,
        "JPEG" => Content::Jpeg,
        "PNG" => Content::Png,
        "JP2OpenJPEG" => Content::Jp2,
        "GPKG" => Content::Sqlite,
        "ESRI Shapefile" => Content::Shapefile,
        "FlatGeobuf" => Content::FlatGeobuf,
        "Parquet" => Content::Parquet,
        "GeoJSON" | "GeoJSONSeq" => Content::Json,
        "GML" => Content::Xml,
        _ => return None,
    })
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new("mk::io::read", "cannot read the file").because(error)
}

fn check_content(path: &Path, drivers: &[&str]) -> Result<()> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| {
            if !file.metadata()?.is_file() {
                return Err(std::io::Error::other("no plain file"));
            }
            file.take(SNIFF_BYTES as u64).read_to_end(&mut head)
        })
        .map_err(unreadable)?;
    let content = sniff(&head);
    if content == Content::GdalVirtual {
        return Err(Error::new(
            "mk::io::virtual",
            "the file is a virtual dataset of GDAL, which reads other files: it is no source",
        )
        .hint("deliver the data itself: gdal_translate makes a GeoTIFF of it"));
    }
    let known: Option<Vec<Content>> = drivers.iter().map(|driver| content_of(driver)).collect();
    match known {
        Some(known) if !known.contains(&content) => {
            let wanted: Vec<&str> = known.iter().map(|content| content.name()).collect();
            Err(Error::new("mk::io::content", format!("the file is {}, not {}", content.name(), wanted.join(" or "))))
        }
        _ => Ok(()),
    }
}

fn check_dimensions(dataset: &Dataset, path: &Path, limits: RasterLimits) -> Result<()> {
    let (width, height) = dataset.raster_size();
    let bands = dataset.raster_count();
    let refused = |message: String| Error::new("mk::io::dimensions", message);
    // As GDALCheckDatasetDimensions.
    if width == 0 || height == 0 || width > limits.max_side || height > limits.max_side {
        return Err(refused(format!("the image claims {width} x {height} pixels")));
    }
    if bands > limits.max_bands {
        return Err(refused(format!("the image claims {bands} bands")));
    }
    let mut pixel = 0_u64;
    for index in 1..=bands {
        let what = "the bands cannot be read";
        let band = watched(path, what, || dataset.rasterband(index).map_err(|_| failed(what)))?;
        pixel += u64::from(band.band_type().bytes());
    }
    let unpacked = (width as u64).saturating_mul(height as u64).saturating_mul(pixel);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if unpacked > RasterLimits::FREE_BYTES && unpacked / size.max(1) > limits.max_ratio {
        return Err(refused(format!("the image claims {width} x {height} pixels of {bands} bands in a file of {size} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
