//! History: what holds on a date, and what became of each building from delivery to delivery.
//!
//! Nothing is stored but what the stage `read` makes of each file anyway: the office keeps its deliveries, and history is what
//! they say together. So it can be made anew at any time, and a delivery found later takes its place in the row.

mod delivery;
mod files;
mod versions;

pub use delivery::{Day, delivery, holding, undated};
pub use files::write;
