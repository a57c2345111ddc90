//! libproj: the `proj` crate runs a pinned pipeline; the few calls that no crate offers are made here: the list of candidate
//! operations with the grids each needs, and the axis order of a CRS.
//!
//! Left alone, PROJ chooses an operation, hides which one it was, and falls back to a less accurate one when a grid is missing. A
//! night must not do that, so the candidates are listed here and chosen in [`super::operation`].
//! Everything unsafe of `crs` is in this file. Network access of PROJ is off in every context.
#![expect(unsafe_code, reason = "libproj's C interface; each call says why it holds")]

use proj::Proj;
use proj_sys as sys;
use std::ffi::{CStr, CString, c_char};
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

/// A grid that a candidate operation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridUse {
    /// File name as PROJ's database has it.
    pub name: String,
    /// Address at which it is published; empty when unknown.
    pub url: String,
}

/// An operation that PROJ offers between two CRSs.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Name for people.
    pub name: String,
    /// PROJ pipeline, easting/longitude first on both sides; `None` when PROJ cannot write it down.
    pub pipeline: Option<String>,
    /// Stated accuracy in metres.
    pub accuracy_m: Option<f64>,
    /// Grids it needs, present or not.
    pub grids: Vec<GridUse>,
    /// True when a datum shift is left out ("ballpark").
    pub ballpark: bool,
}

/// A libproj context: log and network are off. Used by one thread at a time.
struct Context(*mut sys::PJ_CONTEXT);

impl Context {
    fn new() -> Option<Self> {
        // SAFETY: no preconditions; a null result is handled, and the context is only used through this value.
        unsafe {
            let context = sys::proj_context_create();
            if context.is_null() {
                return None;
            }
            sys::proj_log_level(context, sys::PJ_LOG_LEVEL_PJ_LOG_NONE);
            sys::proj_context_set_enable_network(context, 0);
            Some(Self(context))
        }
    }
    fn create(&self, definition: &str) -> Option<Object> {
        let definition = CString::new(definition).ok()?;
        // SAFETY: the context is valid, the text NUL-terminated; a null result is handled by `Object::from`.
        Object::from(unsafe { sys::proj_create(self.0, definition.as_ptr()) })
    }
    fn failure(&self) -> String {
        // SAFETY: the context is valid; the text is copied at once. The context-aware variant of the second call exists only
        // since PROJ 8 and is thread-safe.
        unsafe {
            let code = sys::proj_context_errno(self.0);
            text(sys::proj_context_errno_string(self.0, code))
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed once; objects of it are dropped before (field order of their owners).
        unsafe {
            sys::proj_context_destroy(self.0);
        }
    }
}

/// A `PJ`: a CRS, a coordinate system or an operation.
struct Object(*mut sys::PJ);

impl Object {
    fn from(pointer: *mut sys::PJ) -> Option<Self> {
        (!pointer.is_null()).then_some(Self(pointer))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: owned by this value, destroyed once.
        unsafe {
            sys::proj_destroy(self.0);
        }
    }
}

/// A prepared operation, used by one thread at a time, run by the `proj` crate.
pub struct Transform(Proj);

// SAFETY: a `Proj` owns its operation together with the context that this was made in, and shares neither. libproj ties a context
// to one thread at a time, not to the thread that made it; `Transform` is not `Sync`, so there is never more than one.
unsafe impl Send for Transform {}

impl Transform {
    /// Prepares a PROJ pipeline; opens the grids it names. The network is off.
    pub fn new(pipeline: &str) -> Result<Self, String> {
        Proj::new(pipeline).map(Self).map_err(|error| error.to_string())
    }
    /// Transforms points in place. Points that fail become infinite, as in PROJ.
    pub fn apply(&self, inverse: bool, points: &mut [[f64; 2]]) {
        let mut pairs: Vec<(f64, f64)> = points.iter().map(|&[x, y]| (x, y)).collect();
        // The crate gives up on all points when one fails: then each is asked alone.
        if self.0.project_array(&mut pairs, inverse).is_err() {
            for (pair, &[x, y]) in pairs.iter_mut().zip(points.iter()) {
                *pair = self.0.project((x, y), inverse).unwrap_or((f64::INFINITY, f64::INFINITY));
            }
        }
        for (point, (x, y)) in points.iter_mut().zip(pairs) {
            *point = [x, y];
        }
    }
}

/// The height that a point of height 0 gets from a pipeline; infinite when it fails. For comparing our geoid reader with PROJ's.
#[cfg(test)]
pub fn height(pipeline: &str, x: f64, y: f64) -> Option<f64> {
    let context = Context::new()?;
    let operation = context.create(pipeline)?;
    let coordinate = sys::PJ_COORD { xyzt: sys::PJ_XYZT { x, y, z: 0.0, t: f64::INFINITY } };
    // SAFETY: a valid operation and a coordinate by value; all members of the union are plain numbers.
    Some(unsafe { sys::proj_trans(operation.0, sys::PJ_DIRECTION_PJ_FWD, coordinate).xyz.z })
}

/// The operations from one EPSG code to another, PROJ's preferred one first, whether their grids are present or not.
pub fn candidates(from: u32, to: u32) -> Result<Vec<Candidate>, String> {
    let context = Context::new().ok_or("PROJ gives no context")?;
    let crs = |code: u32| context.create(&format!("EPSG:{code}")).ok_or_else(|| format!("EPSG:{code} is not in PROJ's database"));
    let (source, target) = (crs(from)?, crs(to)?);
    let mut found = Vec::new();
    // SAFETY: all pointers come from this context and are checked for null; factory and list are destroyed on every path
    // (nothing between creation and destruction returns early or panics); objects of the list are owned by `Object`.
    unsafe {
        let factory = sys::proj_create_operation_factory_context(context.0, ptr::null());
        if factory.is_null() {
            return Err(context.failure());
        }
        // Preference must not depend on which grids happen to be installed.
        let ignored = sys::PROJ_GRID_AVAILABILITY_USE_PROJ_GRID_AVAILABILITY_IGNORED;
        sys::proj_operation_factory_context_set_grid_availability_use(context.0, factory, ignored);
        sys::proj_operation_factory_context_set_allow_ballpark_transformations(context.0, factory, 0);
        let list = sys::proj_create_operations(context.0, source.0, target.0, factory);
        if !list.is_null() {
            for index in 0..sys::proj_list_get_count(list) {
                if let Some(operation) = Object::from(sys::proj_list_get(context.0, list, index)) {
                    found.push(describe(&context, &operation));
                }
            }
            sys::proj_list_destroy(list);
        }
        sys::proj_operation_factory_context_destroy(factory);
    }
    Ok(found)
}

fn describe(context: &Context, operation: &Object) -> Candidate {
    // SAFETY: context and operation are valid; texts are copied before the next call can overwrite them.
    unsafe {
        let accuracy = sys::proj_coordoperation_get_accuracy(context.0, operation.0);
        let normal = Object::from(sys::proj_normalize_for_visualization(context.0, operation.0));
        let pipeline = normal.and_then(|normal| {
            let text_pointer = sys::proj_as_proj_string(context.0, normal.0, sys::PJ_PROJ_STRING_TYPE_PJ_PROJ_5, ptr::null());
            (!text_pointer.is_null()).then(|| text(text_pointer))
        });
        let count = sys::proj_coordoperation_get_grid_used_count(context.0, operation.0);
        let grids = (0..count).map(|index| grid(context, operation, index)).collect();
        Candidate {
            name: text(sys::proj_get_name(operation.0)),
            pipeline,
            accuracy_m: (accuracy >= 0.0).then_some(accuracy),
            grids,
            ballpark: sys::proj_coordoperation_has_ballpark_transformation(context.0, operation.0) != 0,
        }
    }
}

fn grid(context: &Context, operation: &Object, index: i32) -> GridUse {
    let (mut name, mut url) = (ptr::null::<c_char>(), ptr::null::<c_char>());
    // SAFETY: valid handles; the out pointers that are not wanted may be null by PROJ's contract.
    unsafe {
        sys::proj_coordoperation_get_grid_used(
            context.0,
            operation.0,
            index,
            &raw mut name,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut url,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        );
    }
    GridUse { name: text(name), url: text(url) }
}

/// True when the authority's definition of the CRS has the northing or latitude first; `None` for an unknown code, a CRS without
/// a horizontal part, or one whose axes are neither east nor north (polar).
pub fn north_first(code: u32) -> Option<bool> {
    let context = Context::new()?;
    let crs = context.create(&format!("EPSG:{code}"))?;
    // A compound CRS has no coordinate system of its own: its first part is the horizontal one.
    // SAFETY: valid handles; null results are handled.
    let system = unsafe {
        let horizontal = Object::from(sys::proj_crs_get_sub_crs(context.0, crs.0, 0)).unwrap_or(crs);
        Object::from(sys::proj_crs_get_coordinate_system(context.0, horizontal.0))?
    };
    match axis(&context, &system, 0)?.as_str() {
        "north" => Some(true),
        "east" => Some(false),
        _ => None,
    }
}

fn axis(context: &Context, system: &Object, index: i32) -> Option<String> {
    let mut direction = ptr::null::<c_char>();
    // SAFETY: valid handles; unwanted out pointers may be null; the text is copied before the handles go.
    let found = unsafe {
        sys::proj_cs_get_axis_info(
            context.0,
            system.0,
            index,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut direction,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (found != 0).then(|| text(direction))
}

/// Release of libproj, as `9.1.1`.
pub fn version() -> &'static str {
    &info().0
}

/// Folders in which PROJ looks for grids: `PROJ_DATA`, `PROJ_LIB`, then those it was built with.
pub fn data_folders() -> &'static [PathBuf] {
    &info().1
}

fn info() -> &'static (String, Vec<PathBuf>) {
    static INFO: OnceLock<(String, Vec<PathBuf>)> = OnceLock::new();
    INFO.get_or_init(|| {
        let mut folders: Vec<PathBuf> = ["PROJ_DATA", "PROJ_LIB"]
            .iter()
            .filter_map(std::env::var_os)
            .flat_map(|value| std::env::split_paths(&value).collect::<Vec<_>>())
            .collect();
        // SAFETY: `proj_info` keeps its texts in a static; it is called once, here, and they are copied.
        let (version, search) = unsafe {
            let info = sys::proj_info();
            (format!("{}.{}.{}", info.major, info.minor, info.patch), text(info.searchpath))
        };
        folders.extend(std::env::split_paths(&search));
        let mut seen = Vec::new();
        for folder in folders {
            if !folder.as_os_str().is_empty() && !seen.contains(&folder) {
                seen.push(folder);
            }
        }
        (version, seen)
    })
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: libproj's texts are NUL-terminated; this one is copied before any further call.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_name_their_grids_and_never_a_ballpark() {
        let found = candidates(31467, 25832).unwrap();
        assert_eq!(found[0].accuracy_m, Some(0.9));
        assert!(found[0].grids[0].name.contains("BETA2007"), "{:?}", found[0].grids);
        assert!(found[0].grids[0].url.starts_with("https://cdn.proj.org/"));
        assert!(candidates(26914, 25832).unwrap().iter().all(|candidate| !candidate.ballpark));
        assert!(candidates(25832, 999_999).unwrap_err().contains("EPSG:999999"));
    }

    #[test]
    fn axis_order_is_that_of_the_authority() {
        assert_eq!(north_first(4326), Some(true));
        assert_eq!(north_first(25832), Some(false));
        assert_eq!(north_first(31467), Some(true));
        assert_eq!(north_first(5555), Some(false));
        assert_eq!(north_first(3035), Some(true));
        assert_eq!(north_first(7837), None);
    }

    #[test]
    fn a_failed_point_is_infinite_and_the_next_call_works() {
        let transform =
            Transform::new("+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=webmerc").unwrap();
        let mut points = [[9.0, 95.0], [9.0, 50.0]];
        transform.apply(false, &mut points);
        assert!(!points[0][0].is_finite() && points[1][0].is_finite(), "{points:?}");
        let mut again = [[9.0, 50.0]];
        transform.apply(false, &mut again);
        assert_eq!(again[0], points[1]);
        transform.apply(false, &mut []);
    }

    #[test]
    fn an_invalid_pipeline_is_refused_with_a_text() {
        assert!(Transform::new("+proj=nonsense").err().is_some_and(|text| !text.is_empty()));
        assert!(Transform::new("a\0b").is_err());
    }
}
