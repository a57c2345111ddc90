//! The plan: desired state minus ledger = the units of work that tonight needs, each with its reason.

pub mod unit;

pub use unit::{Input, InputKind, Reason, UnitSpec};
