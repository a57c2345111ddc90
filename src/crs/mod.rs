//! Coordinate reference systems: pinned operations, grids, axis order, accuracy.
//!
//! All coordinates inside the program are easting before northing, longitude before latitude. Axis order is settled where a
//! file is read, never later.

mod bbox;
mod code;
mod operation;
mod projjson;

pub use bbox::Bbox;
pub use code::Crs;
pub use operation::{GridFact, Operation, OperationFact};
pub use projjson::{name_and_wkt, projjson};
