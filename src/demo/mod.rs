//! The demo town: a synthetic municipality with known truth, from a seed.
//!
//! One model (`town`), several views of it: orthophotos, cadastre, city model, playgrounds, a street survey, and `truth/`, which
//! says what must come out. Later nights change the model and deliver only what changed. The same options give the same bytes, on any
//! number of threads.

mod city;
mod deliver;
mod files;
mod ground;
pub(crate) mod image;
pub(crate) mod nas;
mod panorama;
mod pipeline;
pub(crate) mod plane;
mod playground;
pub(crate) mod random;
mod street;
mod tablets;
mod theme;
pub(crate) mod town;
mod truth;

#[cfg(test)]
mod tests;

pub use deliver::{DemoOptions, DemoReport, write};
pub use files::Written;
pub use nas::xml::Dialect;
