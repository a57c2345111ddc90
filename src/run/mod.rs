//! Running units: engines, the memory budget, what is told meanwhile.

pub mod progress;

pub use progress::{Event, Progress, Silent};
