//! ALKIS NAS deliveries to tables, GeoPackage and vector tiles.
//!
//! ```text
//! read (a unit per delivery) → state (stock and changes in their order) → areas, tiles (a unit per block)
//!   → names (what tables look up) → tables (a unit per group of cells) → GeoParquet, GeoPackage, PMTiles ...
//! ```

pub(super) mod address_files;
mod areas;
mod assemble;
mod attributes;
pub(crate) mod codes;
mod columns;
mod files;
#[cfg(test)]
mod ground_truth;
pub(crate) mod history;
mod nas;
mod preview;
mod quality_list;
mod read;
mod row;
mod said;
mod spool;
mod tables;
#[cfg(test)]
mod tests;
mod tiles;

use super::{AssembleContext, Assembly, Dataset, Kind, Located, Outcome, PlanContext, Stage, UnitContext, UnitResult};
use crate::error::{Error, Exit, Result};
use crate::io::atomic;
use crate::pipeline::{Audience, DatasetConfig};
use crate::plan::UnitSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind, as the table lists it.
pub const KIND: Kind = Kind {
    name: "cadastre",
    summary: "ALKIS NAS deliveries to tables, GeoPackage and vector tiles",
    title: "Liegenschaftskataster",
    patterns: &["*.xml", "*.xml.gz", "*.gml", "*.gml.gz", "*.nas"],
    types_are_delivered: false,
    features: &["cadastre.gpkg"],
    options: || schemars::schema_for!(Options),
    open,
};

/// The options of the kind in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Read owners and the land register too; only for an internal audience. Defaults to false.
    #[serde(default)]
    pub owners: bool,
    /// Days that a version of an object of personal data is kept after it ended; then it is deleted for good, from tables, results and
    /// older releases. Defaults to keeping it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 36525))]
    pub owners_days: Option<u32>,
    /// Publish for the office what was: all versions of parcels, their lineage, history cards; where the dataset is internal, ended
    /// versions of all objects in the table `objekt` too. Defaults to false.
    #[serde(default)]
    pub history: bool,
    /// Whether the dataset is: then its tables, which everybody sees, hold only what holds.
    #[serde(skip)]
    public: bool,
    /// Show what held on this date (at its beginning, UTC) instead of the present, as far as the deliveries tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<history::Moment>,
    /// Two dates, `from` and `to`: what changed between them, as a GeoPackage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<history::Period>,
    /// Greatest distance between an arc and the line that stands for it, in metres. Defaults to 0.001.
    #[serde(default = "default_arc_tolerance")]
    #[schemars(range(min = 0.000_1, max = 1.0))]
    pub arc_tolerance_m: f64,
    /// Lowest and highest zoom of the vector tiles, 10 to 18. Defaults to [10, 18]; maps draw the highest larger.
    #[serde(default = "default_zoom")]
    pub zoom: [u8; 2],
}

impl Options {
    /// The moment that is shown instead of the present.
    fn moment(&self) -> Option<String> {
        self.as_of.clone().map(String::from)
    }
    /// True where tables hold versions that have ended.
    fn shows_ended(&self) -> bool {
        self.history && !self.public
    }
}

fn default_zoom() -> [u8; 2] {
    [10, 18]
}

fn default_arc_tolerance() -> f64 {
    0.001
}

struct Cadastre {
    options: Options,
}

const READ: usize = 0;
const STATE: usize = 1;
const AREAS: usize = 2;
const TILES: usize = 3;
const OWNERS: usize = 4;
const NAMES: usize = 5;
const ROWS: usize = 6;

fn open(config: &DatasetConfig) -> Result<Box<dyn Dataset>> {
    let options = Options { public: config.audience == Audience::Public, ..super::read_options(config)? };
    let wrong = |message: String, hint: &str| Err(Error::new("mk::config::option", message).hint(hint).exit(Exit::Usage));
    if options.owners && config.audience == Audience::Public {
        let message = format!("dataset '{}' reads owners, but its audience is public", config.id);
        return wrong(message, "set audience = \"internal\", or leave owners out");
    }
    if options.owners_days.is_some_and(|days| !options.owners || days > 36_525) {
        let message = format!("dataset '{}': owners_days is up to 36525, and of use with owners only", config.id);
        return wrong(message, "owners = true reads owners; owners_days = 3650 keeps former ones for ten years");
    }
    if !(0.000_1..=1.0).contains(&options.arc_tolerance_m) {
        let message = format!("dataset '{}': arc_tolerance_m is to be between 0.0001 and 1", config.id);
        return wrong(message, "0.001 is one millimetre");
    }
    if options.changes.as_ref().is_some_and(|period| period.from > period.to) {
        let message = format!("dataset '{}': the changes end before they begin", config.id);
        return wrong(message, "changes = { from = 2026-01-01, to = 2026-02-01 } has the earlier date first");
    }
    let [low, high] = options.zoom;
    if !(tiles::OVERVIEW_ZOOM <= low && low <= high && high <= 18) {
        let message = format!("dataset '{}': zoom is to be two numbers from 10 to 18, the lower first", config.id);
        return wrong(message, "zoom = [10, 18] shows the town as a whole and each house");
    }
    Ok(Box::new(Cadastre { options }))
}

impl Dataset for Cadastre {
    fn stages(&self) -> &'static [Stage] {
        &[
            Stage { name: "read", version: 6 },
            Stage { name: "state", version: 11 },
            Stage { name: "areas", version: 6 },
            Stage { name: "tiles", version: 9 },
            Stage { name: "owners", version: 3 },
            Stage { name: "names", version: 1 },
            Stage { name: "tables", version: 5 },
        ]
    }
    fn is_beside(&self, stage: usize) -> bool {
        // All of these, and the areas before them, need the state; owners, the deliveries alone. A night keeps what it draws for the
        // next one: beside areas of a block that took 50 MB more, of 2 GB of deliveries.
        atomic::passes() && matches!(stage, TILES | OWNERS | NAMES)
    }
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        match stage {
            READ => Ok(read::units(&self.options, context)),
            STATE => history::state::units(&self.options, context),
            AREAS => areas::units(&self.options, context),
            OWNERS => history::owners::units(&self.options, context),
            NAMES => tables::names::units(context),
            ROWS => tables::rows::units(&self.options, context),
            _ => tiles::units(&self.options, context),
        }
    }
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        match stage {
            READ => read::execute(&self.options, unit, context),
            STATE => history::state::execute(unit, context),
            AREAS => areas::execute(&self.options, unit, context),
            OWNERS => history::owners::execute(unit, context),
            NAMES => tables::names::execute(unit, context),
            ROWS => tables::rows::execute(&self.options, unit, context),
            _ => tiles::execute(&self.options, unit, context),
        }
    }
    fn assemble_version(&self) -> u32 {
        13
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        assemble::assemble(&self.options, context)
    }
    fn protected(&self, results: &[Vec<UnitResult>]) -> Result<Vec<String>> {
        results.get(READ).map_or_else(|| Ok(Vec::new()), |results| read::protected(results))
    }
    fn forgotten_since(&self, results: &[Vec<UnitResult>]) -> Option<String> {
        history::owners::summary(results).forgotten_since
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        assemble::locate(&self.options, object, context)
    }
}
