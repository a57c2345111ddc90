//! `messkette`: what a survey office receives, turned every night into what its people use.
//!
//! ```text
//! discover → plan → run → assemble → release → publish → report
//! ```

pub mod cli;
pub mod crs;
pub mod dataset;
pub mod error;
pub mod format;
pub mod io;
pub mod mesh;
pub mod pipeline;
pub mod plan;
pub mod run;
pub mod vector;

pub use error::{Error, Exit, Result};
