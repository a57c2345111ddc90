//! Pure pixel kernels: slices in, values out; no files, no logging.
//!
//! A pixel is four bytes, red, green, blue and its validity (255 valid, 0 not). Validity travels with the colour, so that a kernel
//! can never mix what is known with what is not.

mod atlas;
mod clip;
mod fill;
mod grid;
mod halve;
mod image;
mod lanes;
mod sample;
mod shrink;

pub use atlas::{Atlas, Part, Wrap};
pub use clip::clip;
pub use fill::{JPEG_BLOCK, fill_invalid};
pub use grid::{Grid, Span};
pub use halve::{halve, halve_into};
pub use image::{Coverage, Rgbx};
pub use sample::{Kernel, draw, warp};
pub use shrink::shrink;
