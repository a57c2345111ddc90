//! Catalogue records: one model, [`Record`], made from what the data says of itself; ISO 19139 written from it; the lock file that
//! keeps UUIDs and date stamps; the rules that a record must meet; the folder from which harvesters fetch records.
//!
//! Pure: facts in, text out. The usual way is [`CatalogueLock::render`], once for each dataset and audience.
//!
//! Two things never happen here: a UUID changes, and `dateStamp` moves while the content stays. Harvesters identify records by
//! the one and notice changes by the other (GDI-DE conventions, chapter 1).

pub mod atom;
mod config;
mod content;
pub mod dcat;
mod derived;
mod existing;
mod from_data;
pub mod hvd;
pub mod iso19139;
mod iso_parts;
mod iso_service;
mod licence;
mod lock;
pub mod ogc_record;
pub mod page;
mod rdf;
mod record;
pub mod rules;
mod theme;
pub(crate) mod tree;
pub mod waf;

pub use config::check_config;
pub use content::{content_digest, content_digest_of};
pub use derived::{SERIES_PREFIX, SERVICE_PREFIX, WMTS_FILE};
pub use existing::{Existing, Kept};
pub use iso_service::ServiceKind;
pub use licence::{LICENCES, Licence, licence};
pub use lock::{CatalogueLock, LockedDataset, RenderedRecord, Stamp};
pub use record::{Format, Identity, Level, LineageSource, Link, LinkRole, PublishedArtefact, Record, RecordInput};
pub use theme::{THEMES, Theme, theme};
pub use tree::Tree;
