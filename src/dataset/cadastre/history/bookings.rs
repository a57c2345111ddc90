//! The table of where parcels are booked in the land register, for an office that reads owners: the way from a parcel to its owners.

use super::texts::Texts;
use super::{Options, owners};
use crate::dataset::UnitResult;
use crate::error::Result;
use std::path::Path;

/// Name of the file.
pub const FILE: &str = "flurstueck_buchung.parquet";

/// Columns, and whether they may be empty.
const COLUMNS: [(&str, bool); 5] =
    [("flurstueckskennzeichen", true), ("flurstueck", false), ("buchungsstelle", false), ("beginnt", false), ("endet", true)];

/// Writes a row for each `istGebucht` of each version of a parcel that is shown.
///
/// # Errors
/// When a result cannot be read or the file not be written.
pub fn write(path: &Path, options: &Options, results: &[Vec<UnitResult>]) -> Result<()> {
    let mut table = Texts::create(path, COLUMNS)?;
    owners::each_booked(results, options, |rows| {
        for row in &rows {
            let fields = row.fields();
            let key = fields.text(&["flurstueckskennzeichen"]);
            let entries = fields.list("istGebucht");
            let booked = |entry| [key.as_deref(), Some(&*row.oid), Some(entry), Some(&*row.beginnt), row.endet.as_deref()];
            table.add(entries.iter().map(|entry| booked(&**entry)))?;
        }
        Ok(())
    })?;
    table.finish()
}
