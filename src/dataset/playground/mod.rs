//! Playgrounds: sites, equipment and inspections of any file to what an inspector's tablet needs every morning.
//!
//! ```text
//! read (a unit per file) → fold: identities, changes from the field, equipment, due dates → GeoPackage, feed, lists, public files
//! ```
//!
//! The tables are a function of the sources. What lasts from night to night, identities and the numbers of the feed, comes from
//! the feed of the release before.

mod aerial;
mod assemble;
mod equipment;
mod feed;
mod fold;
pub(crate) mod identity;
mod merge;
mod model;
mod options;
mod plan;
mod qfield;
mod read;
mod surface;
#[cfg(test)]
mod tests;
mod write;

pub use options::Options;

use super::{AssembleContext, Assembly, Dataset, Kind, Located, Outcome, PlanContext, Stage, UnitContext};
use crate::error::Result;
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "playground",
    summary: "playgrounds with equipment and inspections to a GeoPackage for the field, due dates and a feed of changes",
    title: "Spielplätze",
    patterns: super::vector_theme::KIND.patterns,
    options: || schemars::schema_for!(Options),
    open,
};

const READ: usize = 0;

struct Playground {
    options: Options,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    Ok(Box::new(Playground { options: options::read(config)? }))
}

impl Dataset for Playground {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 1 }]
    }
    fn units(&self, _stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        read::units(&self.options, context)
    }
    fn execute(&self, _stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        read::execute(&self.options, unit, context)
    }
    fn assemble_version(&self) -> u32 {
        1
    }
    fn follows_the_day(&self) -> bool {
        self.options.as_of.is_none()
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        assemble::assemble(&self.options, context)
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        assemble::locate(object, context)
    }
}
