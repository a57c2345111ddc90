//! Pure kernels on vector geometry: coordinates in, values out. No I/O, no logging.

pub mod arc;
pub mod clip;
pub mod hilbert;
pub mod ring;
