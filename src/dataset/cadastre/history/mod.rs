//! The version store: every version of every object, by (oid, beginnt), and what is derived from it.
//!
//! ```text
//! deliveries → chain (order, gaps, repeats) → route (a cell for each object) → fold (the rules, cell by cell) → store
//! store → parcels (versions and lineage), changes between two dates, receipts
//! ```
//!
//! The store is a pack with an entry for each *cell*: the objects of a square of 250 m with what belongs to them. A night's
//! changes are folded into the cells they touch; all others are taken over as bytes. The result is the same, byte by byte, as from
//! all deliveries at once.

mod bookings;
mod card;
mod cell;
mod chain;
mod changes;
mod fold;
mod lineage;
mod lookup;
mod moment;
pub mod owners;
mod parcels;
#[cfg(test)]
mod peer;
mod products;
mod receipt;
mod sketch;
mod spill;
pub mod state;
pub mod store;
#[cfg(test)]
pub(super) mod tests;
mod texts;

use super::Options;

pub use super::nas::PARCEL;

pub use card::page;
pub use cell::number_of;
pub use changes::Period;
pub use lookup::{Related, related, versions_of};
pub use moment::{Moment, normal};
pub use parcels::Version;
pub use products::{TABLE, products};
pub use sketch::{Look, svg};
pub use store::StateSummary;
