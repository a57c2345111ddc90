//! The reader of NAS (AdV, GeoInfoDok 6.0 and 7.1): a stream of bytes to objects and changes.
//!
//! ```text
//! bytes → text (UTF-8) → splitter (members, header) → object (rayon, per member) → geometry
//! ```
//! Names are matched by namespace family and local name, never by prefix. Objects of personal data are counted by the splitter
//! and never parsed.

mod curve;
mod geometry;
mod header;
mod names;
mod object;
mod properties;
mod reader;
mod splitter;
mod srs;
mod text;
mod xml;

pub use header::{Header, Mode};
pub use names::{PARCEL, is_private};
pub use object::{Change, Feature, Target};
pub use reader::{Item, Settings, head, read};
pub use splitter::Root;

#[cfg(test)]
pub(crate) mod tests;
