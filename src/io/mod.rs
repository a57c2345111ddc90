//! The only module that touches files, archives, the network and GDAL.
//!
//! Everything else gets readers, writers and paths from here, so that atomic writes, limits, digests and fault injection
//! exist once.

pub mod archive;
pub mod atomic;
pub mod beside;
pub mod digest;
pub mod discover;
pub mod faults;
pub mod gdal;
pub mod http;
pub mod known;
pub mod machine;
pub mod pack;
pub mod postgres;
pub mod sniff;
pub mod source;

pub use digest::Digest;
pub use pack::{Pack, PackEntries, PackWriter};
pub use source::{Limits, Source};
