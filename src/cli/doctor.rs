//! `messkette doctor`: what this machine has, and what is known to be wrong with it.

use super::measure;
use super::ui::{Ui, print_json};
use crate::crs;
use crate::error::{Exit, Result};
use crate::io::{self, Digest, machine};
use crate::pipeline::Pipeline;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Say which libraries, drivers and grids are there, and what is known to be wrong with them.
///
/// With a pipeline file also whether the grids it names are there and its workspace can be written; it exits with 1 when not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pipeline file, to look for what it names and at its disk too.
    pipeline: Option<PathBuf>,
}

/// Grids for Germany by their names, with what needs them.
const GRIDS: &[(&[&str], &str)] = &[
    (crs::BETA2007.names, "Gauß-Krüger (EPSG:31466 to 31469) to ETRS89"),
    (
        &["de_bkg_gcg2016.tif", "de_bkg_GCG2016.tif", "GCG2016.gtx"],
        "DHHN2016 heights to ellipsoidal heights, as the option `geoid`",
    ),
];

/// Versions with a fault that matters here, with the reason why it does no harm or what to do.
struct KnownBad {
    library: &'static str,
    below: [u64; 3],
    what: &'static str,
}

const KNOWN_BAD: &[KnownBad] = &[
    KnownBad {
        library: "GDAL",
        below: [3, 9, 3],
        what: "GMLAS expands entities without a limit; messkette reads NAS and CityGML itself",
    },
    KnownBad {
        library: "GDAL",
        below: [3, 12, 0],
        what: "a VRT can read any file as raw pixels, whatever its name; messkette opens files by an allow-list of drivers",
    },
    KnownBad {
        library: "GDAL",
        below: [3, 13, 2],
        what: "`header_file` of /vsicurl can send files away; messkette refuses such names and gives GDAL no network",
    },
    KnownBad {
        library: "PROJ",
        below: [9, 2, 0],
        what: "a missing grid is passed over in silence; messkette pins operations and requires their grids",
    },
];

#[derive(Serialize)]
struct Findings {
    messkette: &'static str,
    libraries: Vec<Library>,
    drivers: Vec<Driver>,
    named: Vec<Named>,
    grids: Vec<GridFile>,
    missing_grids: Vec<MissingGrid>,
    notes: Vec<String>,
    processors: usize,
    free_memory_mb: u64,
    disks: Vec<Disk>,
    /// What ends a night or a dataset, each with what to do.
    problems: Vec<String>,
    healthy: bool,
}

/// A grid, or a folder of grids, that the pipeline file names.
#[derive(Serialize)]
struct Named {
    path: String,
    key: String,
    there: bool,
    blake3: Option<Digest>,
}

#[derive(Serialize)]
struct Library {
    name: &'static str,
    version: String,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    there: bool,
}

#[derive(Serialize)]
struct GridFile {
    path: String,
    blake3: Option<Digest>,
}

#[derive(Serialize)]
struct MissingGrid {
    names: &'static [&'static str],
    needed_for: &'static str,
}

#[derive(Serialize)]
struct Disk {
    path: String,
    free_bytes: Option<u64>,
    writable: bool,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.as_ref().map(Pipeline::load).transpose()?;
    let found = look(pipeline.as_ref());
    if ui.json {
        print_json(&found)?;
    } else {
        say(&found, ui)?;
    }
    Ok(if found.healthy { Exit::Ok } else { Exit::Failed })
}

fn look(pipeline: Option<&Pipeline>) -> Findings {
    let libraries = vec![
        Library { name: "GDAL", version: gdal::version::version_info("RELEASE_NAME") },
        Library { name: "PROJ", version: crs::proj_version().to_owned() },
        Library { name: "SQLite", version: rusqlite::version().to_owned() },
    ];
    io::gdal::init();
    let drivers: Vec<Driver> = io::gdal::DRIVERS
        .iter()
        .map(|name| Driver { name, there: gdal::DriverManager::get_driver_by_name(name).is_ok() })
        .collect();

    let mut folders = pipeline.map_or_else(Vec::new, |pipeline| {
        pipeline.config.grids.iter().map(|path| pipeline.folder().join(path)).collect::<Vec<_>>()
    });
    folders.extend_from_slice(crs::data_folders());
    let mut grids = Vec::new();
    let mut missing_grids = Vec::new();
    let named = pipeline.map_or_else(Vec::new, named);
    for (names, needed_for) in GRIDS {
        // Who names a geoid needs that one, not the usual one.
        if needed_for.contains("`geoid`") && named.iter().any(|named| named.key.ends_with("`geoid`")) {
            continue;
        }
        let there = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|path| path.is_file());
        match there {
            Some(path) => {
                grids.push(GridFile { path: path.display().to_string(), blake3: Digest::of_file(&path).ok() });
            }
            None => missing_grids.push(MissingGrid { names, needed_for }),
        }
    }

    let mut notes = Vec::new();
    for bad in KNOWN_BAD {
        let library = libraries.iter().find(|library| library.name == bad.library);
        if let Some(library) = library.filter(|library| numbers(&library.version) < bad.below) {
            let [major, minor, patch] = bad.below;
            notes.push(format!("{} {}, before {major}.{minor}.{patch}: {}", library.name, library.version, bad.what));
        }
    }
    let mut disks = vec![disk(&std::env::temp_dir())];
    if let Some(pipeline) = pipeline {
        disks.push(disk(&pipeline.workspace()));
    }
    // Without these nothing can be read or written; the others are for some sources only.
    let needed = ["GTiff", "GPKG"];
    let mut problems = Vec::new();
    if !drivers.iter().all(|driver| driver.there || !needed.contains(&driver.name)) {
        problems.push("GDAL has no GTiff or no GPKG driver: install GDAL with its usual drivers".to_owned());
    }
    for named in named.iter().filter(|named| !named.there) {
        problems.push(format!("{} is missing, which {} names: put it there, or mend the pipeline file", named.path, named.key));
    }
    for disk in disks.iter().filter(|disk| !disk.writable) {
        problems.push(format!("{} cannot be written: run as the user who owns it, or name another folder", disk.path));
    }
    Findings {
        messkette: env!("CARGO_PKG_VERSION"),
        libraries,
        drivers,
        named,
        grids,
        missing_grids,
        notes,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        free_memory_mb: machine::available_memory_mb(),
        disks,
        healthy: problems.is_empty(),
        problems,
    }
}

/// The grids that the pipeline file names.
fn named(pipeline: &Pipeline) -> Vec<Named> {
    let folders = pipeline.config.grids.iter().map(|path| {
        let there = pipeline.folder().join(path).is_dir();
        Named { path: path.display().to_string(), key: "`grids`".to_owned(), there, blake3: None }
    });
    let geoids = pipeline.datasets.iter().filter_map(|dataset| {
        let path = dataset.options.get("geoid")?.as_str()?;
        let file = pipeline.folder().join(path);
        let key = format!("dataset '{}', `geoid`", dataset.id);
        Some(Named { path: path.to_owned(), key, there: file.is_file(), blake3: Digest::of_file(&file).ok() })
    });
    folders.chain(geoids).collect()
}

/// The file system of a folder, or of the nearest one above that is there; a file without a name tries whether it can be written.
fn disk(path: &Path) -> Disk {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let writable = tempfile::tempfile_in(there).is_ok();
    Disk { path: path.display().to_string(), free_bytes: machine::free_disk(there).ok(), writable }
}

/// The first three numbers of a version.
fn numbers(version: &str) -> [u64; 3] {
    let mut found = [0; 3];
    let parts = version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    for (slot, number) in found.iter_mut().zip(parts) {
        *slot = number;
    }
    found
}

fn say(found: &Findings, ui: &Ui) -> Result<()> {
    ui.say(format!("messkette  {}", found.messkette))?;
    for library in &found.libraries {
        ui.say(format!("{:<10} {}", library.name, library.version))?;
    }
    let named = |there: bool| {
        let names: Vec<&str> = found.drivers.iter().filter(|driver| driver.there == there).map(|driver| driver.name).collect();
        names.join(", ")
    };
    ui.say(format!("drivers    {}", named(true)))?;
    if found.drivers.iter().any(|driver| !driver.there) {
        ui.say(format!("           not there: {}", named(false)))?;
    }
    for named in &found.named {
        let state = if named.there { "ok" } else { "missing" };
        ui.say(format!("grid       {}: {state}, for {}", named.path, named.key))?;
        if let Some(digest) = named.blake3 {
            ui.say(format!("           blake3 {digest}"))?;
        }
    }
    for grid in &found.grids {
        let digest = grid.blake3.map_or_else(|| "cannot be read".to_owned(), |digest| format!("blake3 {digest}"));
        ui.say(format!("grid       {}\n           {digest}", grid.path))?;
    }
    for grid in &found.missing_grids {
        ui.say(format!("grid       {}: not there; needed for {}", grid.names.join(" or "), grid.needed_for))?;
    }
    ui.say(format!("machine    {} processors, {} of memory free", found.processors, measure::bytes(found.free_memory_mb << 20)))?;
    for disk in &found.disks {
        let free = disk.free_bytes.map_or_else(|| "unknown".to_owned(), |free| format!("{} free", measure::bytes(free)));
        let writable = if disk.writable { "" } else { ", cannot be written" };
        ui.say(format!("disk       {}: {free}{writable}", disk.path))?;
    }
    for note in &found.notes {
        ui.say(format!("note       {note}"))?;
    }
    for problem in &found.problems {
        tracing::error!("{problem}");
    }
    ui.say(if found.healthy { "ok" } else { "not ok" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(numbers("3.6.2"), [3, 6, 2]);
        assert_eq!(numbers("Rel. 9.10.0, June"), [9, 10, 0]);
        assert!(numbers("3.6.2") < [3, 12, 0]);
    }
}
