//! Keeping a catalogue (CSW 2.0.2 with transactions) in step with what is released: plan and apply.
//!
//! ```text
//! released records ─┐
//! ledger (last known) ├─ plan: one verdict for each record ─ apply: journal → send → read again → ledger
//! catalogue (now)  ─┘
//! ```
//!
//! Three states are compared for each record: what is released, what we last knew the catalogue to hold, and what it holds now. So a
//! change by hand is told from a change of ours, and neither is overwritten silently. A record that we did not put there is never
//! touched.
//!
//! Nothing that a catalogue answers is taken for a proof: servers were measured to report errors with status 200, to count updates
//! that changed nothing, to store half of a refused request, and to fall silent after storing all of it. After each request that
//! writes the records are read again, and only what is read counts. The intent is in a journal on disk before the request leaves, so
//! that a crash at any instant is resolved by reading too.

mod apply;
mod client;
mod diff;
mod journal;
mod merge;
mod model;
pub mod options;
mod plan;
mod reply;
mod request;
mod sync;

pub use apply::{ItemResult, Outcome};
pub use client::{Client, Page, Written};
pub use journal::Journal;
pub use model::{Actual, Desired, Known, RecordKind};
pub use options::{CswOptions, Dialect, Drift};
pub use plan::{Choices, Item, Plan, State, Step};
pub use request::Operation;
pub use sync::{Catalogue, Report, Requests, SavedRemovals, after_release, configured, findings};
