//! Coordinate reference systems: pinned operations, grids, axis order, accuracy.
//!
//! All coordinates inside the program are easting before northing, longitude before latitude. Axis order is settled where a
//! file is read ([`srs_name`]), never later. Heights become ellipsoidal only through a [`Geoid`] that was named.

mod bbox;
mod code;
mod ecef;
mod geoid;
mod grids;
mod native;
mod operation;
mod pinned;
mod projjson;
pub mod srs_name;

pub use bbox::Bbox;
pub use code::Crs;
pub use ecef::ecef;
pub use geoid::Geoid;
pub use grids::{BETA2007, KnownGrid};
#[cfg(test)]
pub use native::height as proj_height;
pub use native::{data_folders, version as proj_version};
pub use operation::{GridFact, Operation, OperationFact, lonlat};
pub use projjson::{is_geographic, name_and_wkt, projjson};
pub use srs_name::{AxisOrder, SrsName, Vertical};
