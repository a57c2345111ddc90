//! A catalogue that takes records: its options. What is sent, and when, is [`crate::catalogue`]'s business: a release has no files
//! for it.

use super::{Publisher, read_options};
use crate::catalogue::CswOptions;
use crate::error::Result;
use crate::pipeline::PublishConfig;

/// The publisher, as the table lists it.
pub const PUBLISHER: Publisher = Publisher {
    name: "csw",
    summary: "A catalogue (CSW 2.0.2 with transactions) that is kept in step with the released records",
    always: false,
    once: false,
    options: || schemars::schema_for!(CswOptions),
    check: |config| csw_options(config)?.check(),
    files: |_, _| Ok(Vec::new()),
    outside: None,
};

/// The options of a table `[[publish]]` of this kind.
///
/// # Errors
/// When they do not fit.
pub fn csw_options(config: &PublishConfig) -> Result<CswOptions> {
    read_options(config)
}
