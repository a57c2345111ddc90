//! `messkette`: what a survey office receives, turned every night into what its people use.
//!
//! ```text
//! discover → plan → run → assemble → release → publish → report
//! ```
//!
//! [`night`] is that flow. A *kind* of dataset ([`dataset::KINDS`]) says which units its sources make, what a unit does and how
//! results become files; *planning* ([`plan`]) compares with the *ledger* ([`ledger`]) what is there already; an *engine*
//! ([`run`]) executes the rest; a *release* ([`release`]) is an immutable tree that becomes current by one rename.

pub mod catalogue;
pub mod cli;
pub mod crs;
pub mod dataset;
pub mod demo;
pub mod error;
pub mod format;
pub mod io;
pub mod ledger;
pub mod markup;
pub mod mesh;
pub mod metadata;
pub mod pipeline;
pub mod plan;
pub mod publish;
pub mod raster;
pub mod release;
pub mod report;
pub mod run;
pub mod serve;
pub mod vector;

pub use error::{Error, Exit, Result};

/// Runs a night: from the sources on disk to a release that is current, and a report about it.
///
/// # Errors
/// When the night as a whole fails; the release that was current is then still current. What a unit or an object loses is no
/// error but counted and listed, and the exit code says so.
pub fn night(pipeline: &pipeline::Pipeline, options: &run::Options, progress: &dyn run::Progress) -> Result<run::Finished> {
    let mut night = run::Night::begin(pipeline, options, progress)?;
    match steps(&mut night) {
        Ok(released) => night.finish(released),
        Err(error) => {
            night.fail(&error);
            Err(error)
        }
    }
}

fn steps(night: &mut run::Night<'_>) -> Result<Option<run::Released>> {
    night.mend()?;
    night.discover()?;
    night.check_plan()?;
    for wave in night.waves() {
        for step in 0..night.steps(&wave) {
            let planned = night.plan(&wave, step)?;
            night.execute(planned)?;
        }
        night.assemble(&wave)?;
    }
    night.release()
}
