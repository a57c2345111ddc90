//! Pure kernels on vector geometry: coordinates in, values out. No I/O, no logging.

pub mod arc;
pub mod clip;
pub mod hilbert;
pub mod overlay;
pub mod partition;
pub mod ring;
pub mod spline;
