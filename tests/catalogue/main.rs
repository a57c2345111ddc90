//! Keeping a catalogue in step: against pycsw 2.6.2 as it is, behind a proxy that misbehaves, and killed at every step; against a
//! server with InGrid's habits.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests may panic, and say what they skip")]

#[path = "../samples/mod.rs"]
mod samples;

mod geoserver;
mod http;
mod ingrid;
mod kill;
mod night;
mod postgis;
mod proxy;
mod pycsw;
mod secrets;
mod serve;
mod sync;
mod tables;
mod themes;
mod tls;
mod traps;
mod world;
