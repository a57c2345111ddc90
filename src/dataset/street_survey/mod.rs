//! The town as driven: panoramas and the way they were taken along to sequences, a catalogue of pictures and a drive to play.
//!
//! ```text
//! read (tables, heads of pictures, streets) → arrange (places, azimuths, sequences) → derive (pictures by the dozen) → STAC, drive, map tiles
//! ```
//!
//! A picture that nobody has marked as blurred shows people: it never becomes part of a dataset for the public (module `arrange`).

mod arrange;
mod assemble;
mod coverage;
mod cyclomedia;
mod derive;
mod drive;
mod look;
mod maptiles;
mod matching;
mod model;
mod moment;
mod north;
mod options;
mod page;
mod place;
mod preview;
mod read;
mod stac;
mod table;
#[cfg(test)]
mod tests;
mod track;

pub use options::Options;

use super::{AssembleContext, Assembly, Dataset, Kind, Located, Outcome, PlanContext, Stage, UnitContext};
use crate::error::Result;
use crate::io::Source;
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "street_survey",
    summary: "panoramas along streets to sequences, STAC, vector tiles and a drive to play",
    title: "Straßenbefahrung",
    patterns: &["*.jpg", "*.jpeg", "*.JPG", "*.JPEG", "*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz", "*.xml", "*.xml.gz"],
    types_are_delivered: false,
    features: &[],
    options: || schemars::schema_for!(Options),
    open,
};

const READ: usize = 0;
const ARRANGE: usize = 1;
const DERIVE: usize = 2;

/// What is counted.
const PICTURE: &str = "picture";

struct StreetSurvey {
    options: Options,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    Ok(Box::new(StreetSurvey { options: options::read(config)? }))
}

impl Dataset for StreetSurvey {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 1 }, Stage { name: "arrange", version: 1 }, Stage { name: "derive", version: 1 }]
    }
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        match stage {
            READ => read::units(&self.options, context),
            ARRANGE => arrange::units(&self.options, context),
            _ => derive::units(context),
        }
    }
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        match stage {
            READ => read::execute(&self.options, unit, context),
            ARRANGE => arrange::execute(&self.options, unit, context),
            _ => derive::execute(&self.options, unit, context),
        }
    }
    fn assemble_version(&self) -> u32 {
        3
    }
    /// Names of pictures and tables tell who drove, and which pictures nobody may see.
    fn names_publicly(&self, _: &Source) -> bool {
        false
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        assemble::assemble(&self.options, context)
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        assemble::locate(object, context)
    }
}
