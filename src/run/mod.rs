//! Running units: engines, the memory budget, the store, what is told meanwhile.

mod assemble;
mod documents;
mod engine;
mod finish;
mod look;
mod memory;
mod mend;
mod night;
pub mod progress;
mod stage;
mod store;
mod summary;
mod tell;
#[cfg(test)]
pub(crate) mod tests;
mod unit_map;
mod work;

pub use engine::{ENGINES, Engine, Limits, Local};
pub use finish::{Finished, Released};
pub use look::{Explanation, Outlook, explain, outlook};
pub use night::{Night, Options, now, utc, utc_now};
pub use progress::{Event, Progress, Silent};
pub use stage::Planned;
pub use store::Store;
pub use summary::{Summary, UnitCounts};
pub use work::{FailedUnit, Tally, UnitNote, UnitState, Work};
