//! The plan: desired state minus ledger = the units of work that tonight needs, each with its reason.

mod diff;
mod table;
pub mod unit;

pub use diff::{Decision, Known, StageOf, StagePlan, diff};
pub use table::SavedPlan;
pub use unit::{Identity, Input, InputKind, PlannedUnit, Reason, UnitSpec};
