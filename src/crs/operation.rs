//! A pinned coordinate operation, with what a report says about it.
//!
//! Which operation runs is decided here and nowhere else: first the pinned ones of [`super::pinned`], else the one that PROJ would
//! prefer if every grid were installed. A missing grid is an error, a "ballpark" operation too: what runs never depends on what
//! happens to be on the machine.

use super::grids::{self, Grid};
use super::native::{self, Transform};
use super::{Crs, pinned};
use crate::error::{Error, Place, Result};
use crate::io::Digest;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
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

thread_local! {
    /// libproj's objects belong to one thread; each prepares its own, once.
    static PREPARED: RefCell<HashMap<Arc<str>, Transform>> = RefCell::new(HashMap::new());
}

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
        PREPARED.with_borrow_mut(|prepared| {
            if !prepared.contains_key(&self.inner.runs) {
                let transform = Transform::new(&self.inner.runs).map_err(|cause| {
                    let fact = &self.inner.fact;
                    Error::new(
                        "mk::crs::operation",
                        format!("PROJ refuses the operation from {} to {}: {cause}", fact.from, fact.to),
                    )
                    .hint("the grid file may be damaged; `messkette doctor` lists grids and versions")
                })?;
                prepared.insert(Arc::clone(&self.inner.runs), transform);
            }
            let Some(transform) = prepared.get(&self.inner.runs) else {
                return Err(Error::new("mk::crs::operation", "no prepared operation"));
            };
            Ok(work(transform))
        })
    }
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
mod tests {
    use super::*;
    use std::path::Path;

    fn near(found: [f64; 2], truth: [f64; 2], tolerance: f64) {
        assert!((found[0] - truth[0]).hypot(found[1] - truth[1]) < tolerance, "{found:?} {truth:?}");
    }

    fn there(from: u32, to: u32, point: [f64; 2]) -> [f64; 2] {
        let mut points = [point];
        Operation::between(Crs(from), Crs(to), &[]).unwrap().forward(&mut points).unwrap();
        points[0]
    }

    /// Truth: `gdaltransform -output_xy` and `cct` (PROJ 9.1.1).
    #[test]
    fn golden_points_of_utm_and_web_mercator() {
        for (point, truth) in [
            ([556_000.0, 5_946_000.0], [1_096_210.844_304, 7_105_978.631_512]),
            ([571_000.0, 5_960_000.0], [1_121_832.420_615, 7_129_305.836_147]),
            ([404_863.349, 5_746_935.008], [848_066.109_503, 6_775_767.599_294]),
        ] {
            near(there(25832, 3857, point), truth, 1e-5);
            near(there(3857, 25832, truth), point, 1e-5);
        }
        near(there(26914, 3857, [600_000.0, 3_800_000.0]), [-10_899_609.289_903, 4_074_072.569_014], 1e-5);
        near(there(28992, 3857, [120_000.0, 480_000.0]), [542_572.938_175, 6_855_799.548_218], 1e-4);
    }

    fn beta2007_is_here() -> bool {
        let here = native::data_folders().iter().any(|folder| folder.join("BETA2007.gsb").is_file());
        if !here {
            println!("skipped: BETA2007.gsb is not installed");
        }
        here
    }

    /// Truth: `cs2cs -d 4 EPSG:31467 EPSG:25832` and `gdaltransform`, with BETA2007.gsb of Debian's proj-data.
    #[test]
    fn golden_points_of_gauss_krueger() {
        if !beta2007_is_here() {
            return;
        }
        near(there(31467, 25832, [3_477_000.0, 5_983_000.0]), [476_939.448_9, 5_981_047.855_2], 2e-4);
        near(there(31467, 25832, [3_570_000.0, 5_940_000.0]), [569_901.777_0, 5_938_063.047_6], 2e-4);
        near(there(31468, 25833, [4_434_000.0, 5_980_000.0]), [237_089.364_43, 5_985_017.338_289], 1e-4);
        near(there(3068, 25833, [25_000.0, 21_000.0]), [391_732.883_448, 5_819_616.818_247], 1e-4);
        // Back again: the grid's inverse is iterated.
        near(there(25832, 31467, [476_939.448_9, 5_981_047.855_2]), [3_477_000.0, 5_983_000.0], 1e-3);
        let fact = Operation::between(Crs(31467), Crs(25832), &[]).unwrap().fact().clone();
        assert_eq!((fact.accuracy_m, fact.grids.len(), fact.grids[0].name.as_str()), (Some(0.9), 1, "BETA2007.gsb"));
        assert!(fact.pipeline.contains("+grids=BETA2007.gsb "), "{}", fact.pipeline);
        // Paris lies outside the grid.
        let mut paris = [[2_960_000.0, 5_420_000.0]];
        let error = Operation::between(Crs(31467), Crs(25832), &[]).unwrap().forward(&mut paris).unwrap_err();
        assert!(error.message().contains("BETA2007.gsb"), "{error}");
    }

    #[test]
    fn without_its_grid_an_operation_is_refused_never_replaced() {
        for (from, to, name) in
            [(31467, 25832, "BETA2007.gsb"), (31469, 3857, "BETA2007.gsb"), (28992, 25832, "nl_nsgi_rdtrans2018.tif")]
        {
            let error = Operation::with_grids_in(Crs(from), Crs(to), &[]).unwrap_err();
            assert_eq!(error.code(), "mk::crs::grid_missing");
            assert!(error.message().contains(name), "{error}");
            assert!(error.hint_text().unwrap().contains("https://cdn.proj.org/"), "{:?}", error.hint_text());
        }
    }

    #[test]
    fn what_only_a_ballpark_connects_is_refused() {
        let error = Operation::between(Crs(26914), Crs(25832), &[]).unwrap_err();
        assert_eq!(error.code(), "mk::crs::operation");
        assert!(Operation::between(Crs(25832), Crs(999_999), &[]).is_err());
    }

    /// A small NTv2 grid that shifts by 1.8" north and 3.6" east everywhere, in a folder with a space in its name.
    #[test]
    fn a_grid_of_the_pipeline_is_used_and_digested() {
        let folder = tempfile::tempdir().unwrap();
        let grids = folder.path().join("my grids");
        std::fs::create_dir(&grids).unwrap();
        let bytes = ntv2([53.0, 55.0, 8.0, 11.0], 0.5, [1.8, 3.6]);
        std::fs::write(grids.join("BETA2007.gsb"), &bytes).unwrap();
        let operation = Operation::between(Crs(4314), Crs(4258), std::slice::from_ref(&grids)).unwrap();
        assert_eq!(operation.fact().grids[0].digest, Digest::of(&bytes));
        assert!(!operation.fact().pipeline.contains("my grids"));
        let mut points = [[9.25, 53.75]];
        operation.forward(&mut points).unwrap();
        near(points[0], [9.25 + 0.001, 53.75 + 0.0005], 1e-9);
        operation.inverse(&mut points).unwrap();
        near(points[0], [9.25, 53.75], 1e-9);
        let damaged = folder.path().join("damaged");
        std::fs::create_dir(&damaged).unwrap();
        std::fs::write(damaged.join("BETA2007.gsb"), b"damaged").unwrap();
        let error = Operation::between(Crs(4314), Crs(4258), &[damaged]).unwrap_err();
        assert_eq!(error.code(), "mk::crs::operation");
    }

    /// NTv2 binary grid (little-endian) with one subgrid and constant shifts in seconds, north and east positive.
    fn ntv2([south, north, west, east]: [f64; 4], step: f64, [shift_n, shift_e]: [f64; 2]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut record = |key: &str, value: [u8; 8]| {
            bytes.extend(format!("{key:<8}").as_bytes());
            bytes.extend(value);
        };
        let int = |value: i32| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&value.to_le_bytes());
            bytes
        };
        let text = |text: &str| <[u8; 8]>::try_from(format!("{text:<8}").as_bytes()).unwrap();
        let (rows, columns) = (((north - south) / step) as i32 + 1, ((east - west) / step) as i32 + 1);
        for (key, value) in [("NUM_OREC", 11), ("NUM_SREC", 11), ("NUM_FILE", 1)] {
            record(key, int(value));
        }
        for (key, value) in [("GS_TYPE", "SECONDS"), ("VERSION", "TEST"), ("SYSTEM_F", "DHDN"), ("SYSTEM_T", "ETRS89")] {
            record(key, text(value));
        }
        for key in ["MAJOR_F", "MINOR_F", "MAJOR_T", "MINOR_T"] {
            record(key, 6_378_137.0_f64.to_le_bytes());
        }
        for (key, value) in [("SUB_NAME", "ONE"), ("PARENT", "NONE"), ("CREATED", ""), ("UPDATED", "")] {
            record(key, text(value));
        }
        // NTv2 counts longitude positive towards the west.
        let limits =
            [("S_LAT", south), ("N_LAT", north), ("E_LONG", -east), ("W_LONG", -west), ("LAT_INC", step), ("LONG_INC", step)];
        for (key, degrees) in limits {
            record(key, (degrees * 3600.0).to_le_bytes());
        }
        record("GS_COUNT", int(rows * columns));
        for _ in 0..rows * columns {
            for value in [shift_n as f32, -shift_e as f32, 0.0, 0.0] {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes.extend(b"END     ");
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn what_is_not_finite_is_an_error() {
        for (from, to) in [(25832, 3857), (25832, 25832), (4326, 3857)] {
            let operation = Operation::between(Crs(from), Crs(to), &[]).unwrap();
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut points = vec![[10.0, 50.0]; 600];
                points[511] = [10.0, bad];
                assert_eq!(operation.forward(&mut points).unwrap_err().code(), "mk::crs::point", "{from} {to} {bad}");
            }
        }
    }

    #[test]
    fn threads_share_an_operation() {
        let operation = Operation::between(Crs::UTM32, Crs::WEB_MERCATOR, &[]).unwrap();
        let run = |operation: &Operation| {
            let mut points: Vec<[f64; 2]> = (0..1000).map(|i| [556_000.0 + f64::from(i), 5_946_000.0]).collect();
            operation.forward(&mut points).unwrap();
            points
        };
        let first = run(&operation);
        let handles: Vec<_> = (0..4)
            .map(|_| {
                let operation = operation.clone();
                std::thread::spawn(move || run(&operation))
            })
            .collect();
        for handle in handles {
            assert_eq!(handle.join().unwrap(), first);
        }
    }

    #[test]
    fn a_path_that_proj_would_split_is_refused() {
        let error = with_grid("+grids=x", "x", Path::new("/a,b/x")).unwrap_err();
        assert_eq!(error.code(), "mk::crs::grid_path");
    }

    proptest::proptest! {
        #[test]
        fn there_and_back_is_within_a_tenth_of_a_millimetre(e in 300_000.0..700_000.0_f64, n in 5_200_000.0..6_100_000.0_f64) {
            for to in [3857, 4258, 4326, 25833, 4647] {
                let operation = Operation::between(Crs::UTM32, Crs(to), &[]).unwrap();
                let mut points = [[e, n]];
                operation.forward(&mut points).unwrap();
                operation.inverse(&mut points).unwrap();
                near(points[0], [e, n], 1e-4);
            }
        }
    }
}
