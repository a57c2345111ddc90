//! Rows in their places: in the dataset's CRS, in longitude and latitude, with heights and the azimuth of their grid's north.

use super::model::{Row, Table};
use super::north;
use crate::crs::{Crs, Geoid, Operation, OperationFact, is_geographic};
use crate::dataset::city_model::VerticalOption;
use crate::error::Result;
use std::path::PathBuf;

/// Where a picture was taken.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// Easting and northing in the dataset's CRS.
    pub place: [f64; 2],
    /// Longitude and latitude.
    pub lonlat: [f64; 2],
    /// Degrees clockwise from true north.
    pub azimuth: f64,
    /// Heights above the sea and above the ellipsoid.
    pub heights: [Option<f64>; 2],
}

/// Places the rows of a table.
pub struct Ground<'g> {
    table: &'g Table,
    geoid: Option<&'g Geoid>,
    to_place: Operation,
    to_lonlat: Operation,
}

impl<'g> Ground<'g> {
    /// Prepares the operations.
    ///
    /// # Errors
    /// When there is none, or its grid is missing.
    pub fn new(table: &'g Table, crs: Crs, geoid: Option<&'g Geoid>, grids: &[PathBuf]) -> Result<Self> {
        let to_place = Operation::between(table.crs, crs, grids)?;
        let to_lonlat = Operation::between(table.crs, Crs::WGS84, grids)?;
        Ok(Self { table, geoid, to_place, to_lonlat })
    }

    /// The operations that do something.
    pub fn facts(&self) -> impl Iterator<Item = OperationFact> {
        [&self.to_place, &self.to_lonlat]
            .map(|operation| operation.fact().clone())
            .into_iter()
            .filter(|fact| fact.from != fact.to)
    }

    /// Each row in its place, or why it has none.
    pub fn places(&self, rows: &[Row]) -> Vec<Result<Placed>> {
        // All at once where all can be; one by one where one cannot.
        self.all(rows).map_or_else(
            |_| {
                let one = |row: &Row| self.all(std::slice::from_ref(row)).map(|placed| placed[0]);
                rows.iter().map(one).collect()
            },
            |placed| placed.into_iter().map(Ok).collect(),
        )
    }

    fn all(&self, rows: &[Row]) -> Result<Vec<Placed>> {
        let delivered: Vec<[f64; 2]> = rows.iter().map(|row| row.at).collect();
        let mut places = delivered.clone();
        self.to_place.forward(&mut places)?;
        let mut lonlats = delivered.clone();
        self.to_lonlat.forward(&mut lonlats)?;
        let turns = if self.table.grid_north && !is_geographic(self.table.crs)? {
            north::convergence(&delivered, &self.to_lonlat)?
        } else {
            vec![0.0; rows.len()]
        };
        rows.iter()
            .zip(places)
            .zip(lonlats)
            .zip(turns)
            .map(|(((row, place), lonlat), turn)| {
                let heights = self.heights(row.z, lonlat)?;
                Ok(Placed { place, lonlat, azimuth: north::full_circle(row.heading + turn), heights })
            })
            .collect()
    }

    /// Heights above the sea and above the ellipsoid, as far as they are known.
    fn heights(&self, z: Option<f64>, [longitude, latitude]: [f64; 2]) -> Result<[Option<f64>; 2]> {
        let (Some(z), Some(vertical)) = (z, self.table.vertical) else { return Ok([None; 2]) };
        let undulation = self.geoid.map(|geoid| geoid.undulation(longitude, latitude)).transpose()?;
        Ok(match vertical {
            VerticalOption::Ellipsoidal => [undulation.map(|undulation| z - undulation), Some(z)],
            VerticalOption::Dhhn2016 | VerticalOption::Dhhn92 => [Some(z), undulation.map(|undulation| z + undulation)],
        })
    }
}
