//! The built program from outside: a night, the next night, a kill, real deliveries, broken ones.
//!
//! What needs a reference program (GDAL, pyarrow, a validator) or the shared data says so and skips where it is missing;
//! `MESSKETTE_REQUIRE_ORACLES=1` makes a missing reference program a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy takes only functions marked as tests for tests; here everything is one"
)]

mod cadastre;
mod canary;
mod cesium;
mod completeness;
mod demo;
mod drive;
mod edits;
mod faults;
mod features;
mod kill;
mod map;
mod oracles;
mod orthophoto;
mod playground;
mod privacy;
mod real_data;
mod records;
mod served;
mod street_survey;
mod theme;
mod town;
#[path = "../validators/mod.rs"]
mod validators;
mod vector_tiles;
