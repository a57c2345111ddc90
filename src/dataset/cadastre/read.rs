//! Stage `read`: a delivery to rows.

use super::Options;
use super::nas::{self, Change, Feature, Root};
use super::row::{Operation, Row, to_ipc};
use crate::crs::{Bbox, Crs, OperationFact};
use crate::dataset::{Outcome, PlanContext, UnitContext};
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::Limits;
use crate::plan::{Input, UnitSpec};
use serde::{Deserialize, Serialize};

/// The entry of a unit's pack that holds its rows.
pub const ROWS: &str = "rows.arrow";

/// What later stages want to know of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// What it is.
    pub root: Root,
    /// The moment it holds for, where it says one.
    pub until: Option<String>,
    /// CRS of its rows.
    pub crs: Option<Crs>,
    /// Operations that were applied.
    pub operations: Vec<OperationFact>,
    /// First and last begin of a version.
    pub begins: Option<(String, String)>,
}

/// One unit for each delivery.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Vec<UnitSpec> {
    let area = context.area;
    let params = serde_json::json!({
        "crs": area.crs,
        "extent": area.extent,
        "owners": options.owners,
        "arc_tolerance_m": options.arc_tolerance_m,
    });
    let unit = |source: &crate::io::Source| UnitSpec {
        key: source.name.clone(),
        inputs: vec![Input::source(source)],
        params: params.clone(),
        bbox: None,
        memory_mb: 64 + (source.size >> 20).saturating_mul(2),
        cost: source.size,
    };
    context.sources.iter().map(unit).collect()
}

/// Reads the delivery.
pub fn execute(options: &Options, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let source = unit.inputs.first().and_then(Input::as_source);
    let source = source.ok_or_else(|| Error::new("mk::run::input", "the unit has no source"))?;
    let settings = nas::Settings {
        crs: context.area.crs,
        extent: context.area.extent,
        grids: context.area.grids.clone(),
        arc_tolerance_m: options.arc_tolerance_m,
        owners: options.owners,
    };
    let open = || source.reader(Limits::default());
    let mut delivery = nas::read(&open, &settings, &|| context.check()).map_err(|error| error.in_file(&source.name))?;
    for noted in delivery.rejections.iter_mut().chain(&mut delivery.findings) {
        noted.place.file = Some(source.name.clone());
    }
    let name = source.digest.to_string()[..16].to_owned();
    let mut rows = Vec::with_capacity(delivery.items.len());
    for item in delivery.items {
        add_rows(item, &name, &mut rows);
    }
    let mut bbox = Bbox::EMPTY;
    for row in &rows {
        if let Some(geometry) = &row.geometry {
            bbox = bbox.union(wkb::summary(geometry)?.bbox);
        }
    }
    let begins = rows.iter().map(|row| &row.beginnt).filter(|begin| !begin.is_empty());
    let begins = begins.clone().min().zip(begins.max()).map(|(first, last)| (first.clone(), last.clone()));
    context.pack.add(ROWS, &to_ipc(&rows)?)?;
    let summary = Summary {
        root: delivery.root,
        until: delivery.header.until().map(str::to_owned),
        crs: delivery.crs,
        operations: delivery.operations,
        begins,
    };
    let summary = serde_json::to_value(&summary)
        .map_err(|error| Error::new("mk::run::result", "the result cannot be written").because(error))?;
    Ok(Outcome {
        counts: delivery.counts,
        rejections: delivery.rejections,
        findings: delivery.findings,
        bbox: (!bbox.is_empty()).then_some(bbox),
        summary,
    })
}

fn add_rows(item: nas::Item, delivery: &str, rows: &mut Vec<Row>) {
    let byte = item.byte;
    let named = |operation, target: nas::Target, endet: Option<String>| Row {
        operation,
        class: String::new(),
        oid: target.oid,
        beginnt: target.beginnt.unwrap_or_default(),
        endet,
        attributes: "{}".to_owned(),
        geometry: None,
        srs: None,
        local: None,
        delivery: delivery.to_owned(),
        byte,
    };
    match item.change {
        Change::Insert(feature) => rows.push(feature_row(Operation::Insert, feature, delivery, byte)),
        Change::Replace { target, feature } => {
            // A replacement that has another identifier ends its predecessor.
            if target.oid != feature.oid {
                rows.push(named(Operation::Delete, target, Some(feature.beginnt.clone())));
            }
            rows.push(feature_row(Operation::Replace, feature, delivery, byte));
        }
        Change::Update { targets, endet } => {
            rows.extend(targets.into_iter().map(|target| named(Operation::Update, target, endet.clone())));
        }
        Change::Delete { targets } => {
            rows.extend(targets.into_iter().map(|target| named(Operation::Delete, target, None)));
        }
    }
}

fn feature_row(operation: Operation, feature: Feature, delivery: &str, byte: u64) -> Row {
    let (mut geometry, mut srs, mut local) = (None, None, None);
    if let Some(shape) = feature.shape {
        let bytes = wkb::encode(&shape.geometry);
        if shape.located {
            geometry = Some(bytes);
        } else {
            (srs, local) = (Some(shape.srs), Some(bytes));
        }
    }
    Row {
        operation,
        class: feature.class,
        oid: feature.oid,
        beginnt: feature.beginnt,
        endet: feature.endet,
        attributes: serde_json::Value::Object(feature.attributes).to_string(),
        geometry,
        srs,
        local,
        delivery: delivery.to_owned(),
        byte,
    }
}
