//! A pinned coordinate operation, with what a report says about it.
//!
//! Which operation runs is decided here and nowhere else: first the pinned ones of [`super::pinned`], else the one that PROJ would
//! prefer if every grid were installed. A missing grid is an error, a "ballpark" operation too: what runs never depends on what
//! happens to be on the machine.

use super::grids::{self, Grid};
use super::native::{self, Transform};
use super::{Bbox, Crs, pinned};
use crate::error::{Error, Place, Result};
use crate::io::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A grid file that an operation used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridFact {
    /// File name.
    pub name: String,
    /// BLAKE3 of the file.
    pub digest: Digest,
    /// Attribution that its licence asks for; empty when unknown.
    pub attribution: String,
}

/// What was done to coordinates, for report, lineage and verification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationFact {
    /// Source CRS.
    pub from: Crs,
    /// Target CRS.
    pub to: Crs,
    /// Name for people.
    pub name: String,
    /// The PROJ pipeline that ran, easting/longitude first on both sides; grids by their file names.
    pub pipeline: String,
    /// Stated accuracy in metres, where one is stated.
    pub accuracy_m: Option<f64>,
    /// Grid files used.
    pub grids: Vec<GridFact>,
}

/// A coordinate operation between two CRSs; cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Operation {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    fact: OperationFact,
    /// The pipeline with the grids' absolute paths: exactly the files that were digested are opened.
    runs: Arc<str>,
    grids: Vec<PathBuf>,
}

/// Prepared operations that nobody uses just now, by pipeline: a thread takes one and puts it back. Not thread-local: the threads
/// of a pool end while the process exits, and would destroy libproj's objects after libproj itself has gone.
static PREPARED: Mutex<BTreeMap<Arc<str>, Vec<Transform>>> = Mutex::new(BTreeMap::new());

/// Points per call of libproj: their inputs are kept on the stack for the error message.
const CHUNK: usize = 256;

impl Operation {
    /// The operation from one CRS to another; grids are looked for in `grids`, then in PROJ's data folders.
    ///
    /// # Errors
    /// When there is no such operation, or a grid that the best one needs is missing: never a less accurate one instead.
    pub fn between(from: Crs, to: Crs, grids: &[PathBuf]) -> Result<Self> {
        let mut folders = grids.to_vec();
        folders.extend_from_slice(native::data_folders());
        Self::with_grids_in(from, to, &folders)
    }

    fn with_grids_in(from: Crs, to: Crs, folders: &[PathBuf]) -> Result<Self> {
        let (mut fact, wanted) = choose(from, to)?;
        let what = format!("the operation from {from} to {to}");
        let mut runs = fact.pipeline.clone();
        let mut paths = Vec::new();
        for grid in wanted {
            let names: Vec<&str> = grid.names.iter().map(String::as_str).collect();
            let Grid { path, fact: found } = grids::require(&names, &grid.url, grid.attribution, &what, folders)?;
            runs = with_grid(&runs, &grid.names[0], &path)?;
            fact.pipeline = fact.pipeline.replace(&grid.names[0], &found.name);
            fact.grids.push(found);
            paths.push(path);
        }
        let operation = Self { inner: Arc::new(Inner { fact, runs: runs.into(), grids: paths }) };
        operation.with(|_| ())?; // a damaged grid shows now, not at the first point
        Ok(operation)
    }
    /// What a report says about it.
    pub fn fact(&self) -> &OperationFact {
        &self.inner.fact
    }
    /// The grid files that it reads, in the order of [`OperationFact::grids`].
    pub fn grid_files(&self) -> &[PathBuf] {
        &self.inner.grids
    }
    /// Transforms points in place, easting/longitude first. After an error the points are a mixture of both sides.
    ///
    /// # Errors
    /// When a point cannot be transformed (outside the domain, outside the grid, not finite).
    pub fn forward(&self, points: &mut [[f64; 2]]) -> Result<()> {
        self.apply(false, points)
    }
    /// Transforms points back, in place.
    ///
    /// # Errors
    /// As [`Operation::forward`].
    pub fn inverse(&self, points: &mut [[f64; 2]]) -> Result<()> {
        self.apply(true, points)
    }

    fn apply(&self, inverse: bool, points: &mut [[f64; 2]]) -> Result<()> {
        self.with(|transform| {
            let mut before = [[0.0; 2]; CHUNK];
            for chunk in points.chunks_mut(CHUNK) {
                let before = &mut before[..chunk.len()];
                before.copy_from_slice(chunk);
                transform.apply(inverse, chunk);
                let good = |point: &[f64; 2]| point[0].is_finite() && point[1].is_finite();
                // Some PROJ steps turn a NaN into a number, so the input is asked as well.
                if let Some(index) = (0..chunk.len()).find(|&index| !(good(&chunk[index]) && good(&before[index]))) {
                    return Err(self.refused(inverse, before[index]));
                }
            }
            Ok(())
        })?
    }

    fn refused(&self, inverse: bool, point: [f64; 2]) -> Error {
        let fact = &self.inner.fact;
        let (from, to) = if inverse { (fact.to, fact.from) } else { (fact.from, fact.to) };
        let message = match fact.grids.first() {
            Some(grid) => format!("a point cannot be transformed from {from} to {to}: outside the grid {} or the CRS", grid.name),
            None => format!("a point cannot be transformed from {from} to {to}: outside the CRS"),
        };
        Error::new("mk::crs::point", message)
            .at(Place::default().at(point))
            .hint("check the CRS of the source and its axis order")
    }

    fn with<T>(&self, work: impl FnOnce(&Transform) -> T) -> Result<T> {
        let prepared = || PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = prepared().get_mut(&self.inner.runs).and_then(Vec::pop);
        let transform = kept.map_or_else(|| Transform::new(&self.inner.runs), Ok).map_err(|cause| {
            let fact = &self.inner.fact;
            Error::new("mk::crs::operation", format!("PROJ refuses the operation from {} to {}: {cause}", fact.from, fact.to))
                .hint("the grid file may be damaged; `messkette doctor` lists grids and versions")
        })?;
        let done = work(&transform);
        let mut prepared = prepared();
        // Hostile files may name every code there is.
        if prepared.len() > 64 {
            prepared.clear();
        }
        prepared.entry(Arc::clone(&self.inner.runs)).or_default().push(transform);
        Ok(done)
    }
}

/// A rectangle in longitude and latitude: around points along its border, which bend on the way.
///
/// # Errors
/// When a point cannot be transformed, or a grid is missing.
pub fn lonlat(crs: Crs, bbox: Bbox, grids: &[PathBuf]) -> Result<Bbox> {
    if bbox.is_empty() {
        return Ok(bbox);
    }
    let mut points = Vec::new();
    for step in 0..=8 {
        let part = f64::from(step) / 8.0;
        let (x, y) = (bbox.min[0] + bbox.width() * part, bbox.min[1] + bbox.height() * part);
        points.extend([[x, bbox.min[1]], [x, bbox.max[1]], [bbox.min[0], y], [bbox.max[0], y]]);
    }
    Operation::between(crs, Crs::WGS84, grids)?.forward(&mut points)?;
    Ok(Bbox::around(points))
}

/// A grid that the chosen operation needs; the pipeline has the first name.
struct Wanted {
    names: Vec<String>,
    url: String,
    attribution: &'static str,
}

fn choose(from: Crs, to: Crs) -> Result<(OperationFact, Vec<Wanted>)> {
    let fact =
        |name: String, pipeline: String, accuracy_m| OperationFact { from, to, name, pipeline, accuracy_m, grids: Vec::new() };
    if from == to {
        return Ok((fact("Identity".to_owned(), "+proj=noop".to_owned(), Some(0.0)), Vec::new()));
    }
    if let Some(pinned) = pinned::pinned(from.0, to.0) {
        let wanted = pinned.grid().map(|grid| Wanted {
            names: grid.names.iter().map(|&name| name.to_owned()).collect(),
            url: grid.url.to_owned(),
            attribution: grid.attribution,
        });
        return Ok((fact(pinned.name, pinned.pipeline, Some(pinned.accuracy_m)), wanted.into_iter().collect()));
    }
    let refused = |message: String| {
        Error::new("mk::crs::operation", message)
            .hint("check the EPSG codes; deliver the data in another CRS if no operation exists")
    };
    let candidates = candidates(from, to).map_err(&refused)?;
    let Some(best) = candidates.into_iter().find(|candidate| !candidate.ballpark) else {
        return Err(refused(format!("there is no operation from {from} to {to} of known accuracy")));
    };
    let Some(pipeline) = best.pipeline else {
        return Err(refused(format!("the operation '{}' from {from} to {to} cannot be written as a PROJ pipeline", best.name)));
    };
    let wanted = best.grids.into_iter().map(|grid| Wanted { names: vec![grid.name], url: grid.url, attribution: "" }).collect();
    Ok((fact(best.name, pipeline, best.accuracy_m), wanted))
}

/// PROJ's candidates, asked once for each pair: the answer takes it tens of milliseconds, and units ask by the thousand.
fn candidates(from: Crs, to: Crs) -> Result<Vec<native::Candidate>, String> {
    static ASKED: Mutex<BTreeMap<(Crs, Crs), Vec<native::Candidate>>> = Mutex::new(BTreeMap::new());
    let asked = || ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = asked().get(&(from, to)) {
        return Ok(known.clone());
    }
    let found = native::candidates(from.0, to.0)?;
    let mut asked = asked();
    // Hostile files may name every code there is.
    if asked.len() > 1000 {
        asked.clear();
    }
    asked.insert((from, to), found.clone());
    Ok(found)
}

/// Replaces a grid's name in a pipeline by its file.
fn with_grid(pipeline: &str, name: &str, path: &std::path::Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['"', ',', '\\']) && !text.chars().any(char::is_control));
    let Some(text) = text else {
        return Err(Error::new(
            "mk::crs::grid_path",
            "PROJ cannot open a grid whose path has commas, quotes or control characters",
        )
        .at(Place::file(path.display().to_string()))
        .hint("move the grids to a folder with a plain name"));
    };
    Ok(pipeline.replace(&format!("+grids={name}"), &format!("+grids=\"{text}\"")))
}

#[cfg(test)]
mod tests;
