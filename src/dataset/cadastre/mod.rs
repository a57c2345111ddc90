//! ALKIS NAS deliveries to tables, GeoPackage and vector tiles.

mod nas;

use super::{AssembleContext, Assembly, Dataset, Kind, Located, Outcome, PlanContext, Stage, UnitContext};
use crate::error::{Error, Result};
use crate::pipeline::DatasetConfig;
use crate::plan::UnitSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "cadastre",
    summary: "ALKIS NAS deliveries to tables, GeoPackage and vector tiles",
    title: "Liegenschaftskataster",
    patterns: &[],
    options: || schemars::schema_for!(Options),
    open,
};

/// The options of the kind in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {}

struct Cadastre {
    options: Options,
}

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    let options = super::read_options(config)?;
    Ok(Box::new(Cadastre { options }))
}

impl Dataset for Cadastre {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 1 }]
    }
    fn units(&self, _stage: usize, _context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        Ok(Vec::new())
    }
    fn execute(&self, _stage: usize, _unit: &UnitSpec, _context: &mut UnitContext<'_>) -> Result<Outcome> {
        Ok(Outcome::default())
    }
    fn assemble_version(&self) -> u32 {
        1
    }
    fn assemble(&self, _context: &AssembleContext<'_>) -> Result<Assembly> {
        let _ = &self.options;
        Err(Error::new("mk::dataset::empty", "nothing to assemble"))
    }
    fn locate(&self, _object: &str, _context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        Ok(Vec::new())
    }
}
