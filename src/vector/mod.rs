//! Pure kernels on vector geometry: coordinates in, values out. No I/O, no logging.

pub mod hilbert;
