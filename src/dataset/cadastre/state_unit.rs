//! Stage `state`: all deliveries in their order to the current objects.

use super::nas::Root;
use super::read::{self, Summary};
use super::row::to_ipc;
use super::state::State;
use super::{Options, READ};
use crate::crs::{Bbox, Crs};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Place, Rejection, Result};
use crate::format::wkb;
use crate::io::Pack;
use crate::plan::UnitSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The entry of the pack that holds all current objects.
pub const OBJECTS: &str = "objects.arrow";

/// What the assembly wants to know of the state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StateSummary {
    /// CRS of the tables.
    pub crs: Option<Crs>,
    /// First and last begin of a version.
    pub begins: Option<(String, String)>,
    /// The moment the last delivery holds for.
    pub until: Option<String>,
}

/// Parameters of the unit: what is known of its deliveries, in the order of its inputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    history: bool,
    crs: Option<Crs>,
    deliveries: Vec<Applied>,
    /// Deliveries that wait for one that failed.
    waiting: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Applied {
    root: Root,
    until: Option<String>,
}

/// The one unit: stock first, then changes, each by the moment it holds for, then by name.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let Some(read) = context.earlier.get(READ) else { return Ok(Vec::new()) };
    let mut deliveries = Vec::new();
    for result in read {
        deliveries.push((summary(result)?, result));
    }
    deliveries.sort_by(|(a, first), (b, second)| {
        let key = |summary: &Summary| (summary.root == Root::Changes, summary.until.clone().unwrap_or_default());
        (key(a), &first.key).cmp(&(key(b), &second.key))
    });
    // A change builds on those before it: what comes after a delivery that failed waits.
    let done: BTreeSet<&str> = read.iter().map(|result| result.key.as_str()).collect();
    let failed = context.sources.iter().map(|source| source.name.as_str()).filter(|name| !done.contains(name)).min();
    let (waiting, deliveries): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|(summary, result)| {
        summary.root == Root::Changes && failed.is_some_and(|failed| result.key.as_str() > failed)
    });
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    let stated: BTreeSet<Crs> = deliveries.iter().filter_map(|(summary, _)| summary.crs).collect();
    if stated.len() > 1 && context.area.crs.is_none() {
        let names: Vec<String> = stated.iter().map(ToString::to_string).collect();
        return Err(Error::new("mk::cadastre::crs", format!("the deliveries are in different CRSs: {}", names.join(", ")))
            .hint("set crs in [pipeline]: everything is transformed to it"));
    }
    let params = Params {
        history: options.history,
        crs: context.area.crs.or_else(|| stated.first().copied()),
        deliveries: deliveries.iter().map(|(summary, _)| Applied { root: summary.root, until: summary.until.clone() }).collect(),
        waiting: waiting.iter().map(|(_, result)| result.key.clone()).collect(),
    };
    let size: u64 = deliveries.iter().flat_map(|(_, result)| &result.inputs).map(|input| input.size).sum();
    let params = serde_json::to_value(&params).map_err(unwritable)?;
    let inputs = deliveries.iter().map(|(_, result)| result.as_input()).collect();
    Ok(vec![UnitSpec {
        key: "state".to_owned(),
        inputs,
        params,
        bbox: None,
        memory_mb: 64 + (size >> 20).saturating_mul(2),
        cost: size,
    }])
}

fn summary(result: &UnitResult) -> Result<Summary> {
    serde_json::from_value(result.outcome.summary.clone()).map_err(|error| {
        Error::new("mk::run::result", "the result of a delivery is not as expected")
            .at(Place::file(result.key.clone()))
            .because(error)
    })
}

/// Applies the deliveries.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: Params = serde_json::from_value(unit.params.clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    let mut state = State::default();
    let mut until: Option<String> = None;
    for (input, applied) in unit.inputs.iter().zip(&params.deliveries) {
        context.check()?;
        let mut rows = read::rows(&mut Pack::open(&input.path)?)?;
        if params.crs.is_some() {
            // A bare object names no CRS when it leaves the delivery that it was cut from: that of the others holds.
            for row in &mut rows {
                if row.srs.as_deref() == Some("") {
                    row.srs = None;
                    row.geometry = row.local.take();
                }
            }
        }
        until = until.max(applied.until.clone());
        state.apply(rows, &input.name, applied.until.as_deref());
    }
    let mut findings = std::mem::take(&mut state.findings);
    findings.extend(params.waiting.iter().map(|name| Rejection {
        object_type: "file".to_owned(),
        code: "mk::cadastre::waiting".to_owned(),
        reason: "the delivery of changes waits until the one that failed before it is mended".to_owned(),
        place: Place::file(name.clone()),
    }));
    let rows = state.into_rows(options.history);
    let mut bbox = Bbox::EMPTY;
    for row in &rows {
        if let Some(geometry) = &row.geometry {
            bbox = bbox.union(wkb::summary(geometry)?.bbox);
        }
    }
    context.pack.add(OBJECTS, &to_ipc(&rows)?)?;
    if let Some(crs) = params.crs {
        for (name, bytes) in super::tiles::blocks(&rows, crs, &context.area.grids)? {
            context.pack.add(&name, &bytes)?;
        }
    }
    let begins = rows.iter().map(|row| &row.beginnt);
    let begins = begins.clone().min().zip(begins.max()).map(|(first, last)| (first.clone(), last.clone()));
    let summary = StateSummary { crs: params.crs, begins, until };
    Ok(Outcome {
        findings,
        bbox: (!bbox.is_empty()).then_some(bbox),
        summary: serde_json::to_value(&summary).map_err(unwritable)?,
        ..Outcome::default()
    })
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new("mk::run::result", "the result cannot be written").because(error)
}
