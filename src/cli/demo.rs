//! `messkette demo`: a synthetic town to try things on.

use super::measure;
use super::ui::{Ui, count, print_json};
use crate::demo::{self, DemoOptions, Dialect};
use crate::error::{Exit, Result};
use std::path::PathBuf;

/// Write a synthetic town with known truth: a pipeline and what arrives on a night.
///
/// The same seed and size give the same bytes. All persons are invented; their names contain KANARI.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, new or that of an earlier night.
    dir: PathBuf,
    /// Size of the town in square kilometres.
    #[arg(long, default_value_t = 1.0)]
    km2: f64,
    /// The town is a function of this number.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The night whose deliveries are written, from 1; nights come one after the other.
    #[arg(long, default_value_t = 1)]
    night: u32,
    /// Only the deliveries of this kind.
    #[arg(long, value_name = "KIND")]
    only: Option<String>,
    /// Version of the GeoInfoDok that the deliveries of the cadastre follow.
    #[arg(long, value_name = "VERSION", default_value = "7.1", value_parser = ["6.0", "7.1"])]
    dialect: String,
    /// Changes of the cadastre as net differences since the delivery before, which may lie several nights back; with `--only cadastre`.
    #[arg(long)]
    key_dates: bool,
    /// Panoramas of the street survey.
    #[arg(long, value_name = "N", default_value_t = 60)]
    panoramas: u32,
    /// Width of the panoramas in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 512)]
    panorama_px: u32,
    /// Threads; defaults to the processors.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let options = DemoOptions {
        km2: args.km2,
        seed: args.seed,
        night: args.night,
        only: args.only.clone(),
        jobs: args.jobs,
        dialect: if args.dialect == "6.0" { Dialect::Gid6 } else { Dialect::Gid7 },
        key_dates: args.key_dates,
        panoramas: args.panoramas,
        panorama_px: args.panorama_px,
    };
    let report = demo::write(&args.dir, &options)?;
    if ui.json {
        print_json(&report)?;
    }
    let size: u64 = report.files.iter().map(|file| file.size).sum();
    let files = count(report.files.len() as u64, "file");
    ui.say(format!("night {}: {files}, {}, in {}", report.night, measure::bytes(size), args.dir.display()))?;
    ui.say(format!("next: messkette run {}", args.dir.join("pipeline.toml").display()))?;
    Ok(Exit::Ok)
}
