//! A collection: a table with its file, its CRSs, and what its dataset's record says.

use super::matches::Known;
use super::pool::Pool;
use super::table::{Column, Table, quoted};
use super::target::Target;
use crate::crs::Bbox;
use crate::error::Result;
use std::sync::{Arc, OnceLock};

/// A collection.
pub struct Collection {
    /// Identifier: that of the dataset, with the table where there are several.
    pub id: String,
    /// Its dataset.
    pub dataset: String,
    /// True when its rows may change while the release is served.
    pub edited: bool,
    /// True when features can be created, replaced, updated and deleted.
    pub editable: bool,
    /// German title.
    pub title: String,
    /// German description.
    pub description: String,
    /// What the record of the dataset says.
    pub about: Arc<About>,
    /// The table.
    pub table: Table,
    /// Its file.
    pub pool: Arc<Pool>,
    /// CRSs in which it is given, CRS84 first; empty without a geometry that has a CRS.
    pub targets: Vec<Target>,
    /// Extent in longitude and latitude.
    pub extent: Option<Bbox>,
    /// First and last time, once somebody asked.
    pub period: OnceLock<Option<(String, String)>>,
    /// Rows that matched earlier requests.
    pub known: Known,
    /// Rows without a place, once somebody asked for an area.
    pub nowhere: OnceLock<Arc<[i64]>>,
}

/// What the record of a dataset says.
#[derive(Debug, Default)]
pub struct About {
    /// Identifier of the record.
    pub record: Option<String>,
    /// Address of the licence.
    pub licence: Option<String>,
    /// Attribution that the licence asks for.
    pub attribution: Option<String>,
    /// Keywords.
    pub keywords: Vec<String>,
}

/// Names of parameters that are no property.
pub const RESERVED: [&str; 8] = ["f", "limit", "offset", "bbox", "bbox-crs", "crs", "datetime", "release"];

impl Collection {
    /// Columns by which features can be chosen.
    pub fn queryables(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.table.columns.iter().enumerate().filter(|(_, column)| !RESERVED.contains(&column.name.to_lowercase().as_str()))
    }

    /// The CRS in which the coordinates are stored.
    pub fn stored(&self) -> Option<&Target> {
        self.targets.iter().find(|target| target.is_stored())
    }

    /// First and last time of all features.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn period(&self) -> Result<Option<(String, String)>> {
        if let Some(known) = self.period.get() {
            return Ok(known.clone());
        }
        let Some(time) = &self.table.time else { return Ok(None) };
        let (from, until) = (quoted(&time.from), quoted(time.until.as_ref().unwrap_or(&time.from)));
        let sql = format!("SELECT min({from}), max(coalesce({until}, {from})) FROM {}", quoted(&self.table.name));
        let found = self.pool.with(|base| {
            base.query_row(&sql, [], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?)))
                .map_err(|error| self.pool.failed(error))
        })?;
        let found = match found {
            (Some(first), Some(last)) => Some((first, last)),
            _ => None,
        };
        Ok(self.period.get_or_init(|| found).clone())
    }
}
