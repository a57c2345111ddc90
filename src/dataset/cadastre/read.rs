//! Stage `read`: a delivery to rows.

use super::Options;
use super::nas::{self, Change, Feature, Header, Root};
use super::row::{Operation, Row, from_ipc, to_ipc};
use crate::crs::{Bbox, Crs, OperationFact};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult, check};
use crate::error::{Error, Result};
use crate::format::wkb;
use crate::io::{Limits, Pack, PackWriter, Source};
use crate::plan::{Input, UnitSpec};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the names of the entries with rows in a unit's pack begin with; they are in the order of the delivery.
const ROWS: &str = "rows/";
/// The entry with the identifiers of objects of personal data, one a line; nothing that is published may hold one.
pub const PRIVATE: &str = "private.txt";
/// Rows of one entry, at most.
const BATCH_ROWS: usize = 8192;
/// Bytes of one entry, about: what is in memory at once does not depend on the delivery's size.
const BATCH_BYTES: usize = 2 << 20;

/// The rows of a delivery, in the order of the file, some at a time.
///
/// # Errors
/// When the result cannot be read, or `each` fails.
pub fn each_batch(input: &Input, mut each: impl FnMut(Vec<Row>) -> Result<()> + Send) -> Result<()> {
    let mut pack = Pack::open(&input.path)?;
    let names: Vec<String> = pack.entries().keys().filter(|name| name.starts_with(ROWS)).cloned().collect();
    let mut names = names.into_iter();
    let mut next = || names.next().map(|name| from_ipc(pack.read(&name)?)).transpose();
    let mut rows = next()?;
    while let Some(some) = rows.take() {
        // The next are read while these go their way.
        let (following, done) = rayon::join(&mut next, || each(some));
        done?;
        rows = following?;
    }
    Ok(())
}

/// What later stages want to know of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// What it is.
    pub root: Root,
    /// What its head says.
    pub header: Header,
    /// CRS of its rows.
    pub crs: Option<Crs>,
    /// Operations that were applied.
    pub operations: Vec<OperationFact>,
    /// First and last begin of a version.
    pub begins: Option<(String, String)>,
    /// Days on which versions of objects of personal data, and of parcels, may have ended, where owners are read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub private_ends: BTreeSet<String>,
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

/// Identifiers of all objects of personal data in the deliveries.
///
/// # Errors
/// When a pack cannot be read.
pub fn protected(results: &[UnitResult]) -> Result<Vec<String>> {
    let mut identifiers = Vec::new();
    for result in results {
        let mut pack = result.pack()?;
        if pack.entries().contains_key(PRIVATE) {
            identifiers.extend(String::from_utf8_lossy(&pack.read(PRIVATE)?).lines().map(str::to_owned));
        }
    }
    Ok(identifiers)
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
        owners_only: false,
    };
    let open = || source.reader(Limits::default());
    let name = short_name(&source);
    let mut private_ends = BTreeSet::new();
    let UnitContext { pack, cancel, .. } = context;
    let mut writer = Writer { pack, rows: Vec::new(), bytes: 0, entries: 0, bbox: Bbox::EMPTY, begins: None };
    let mut delivery = nas::read(&open, &settings, &|| check(cancel), &mut |mut items| {
        // They are counted here and kept elsewhere: what is to be deleted one day must not lie in every result.
        if options.owners {
            items.retain(|item| {
                let private = is_private_item(&item.change);
                if private || is_parcel_item(&item.change) {
                    private_ends.extend(ends_of(&item.change).filter_map(|moment| moment.get(..10)).map(str::to_owned));
                }
                !private
            });
        }
        let located = |item| {
            let rows = rows_of(item, &name);
            let boxes = rows.iter().filter_map(|row| row.geometry.as_deref());
            let bbox = boxes.map(|wkb| Ok(wkb::summary(wkb)?.bbox)).collect::<Result<Vec<_>>>()?;
            Ok((rows, bbox.into_iter().fold(Bbox::EMPTY, Bbox::union)))
        };
        let items: Vec<(Vec<Row>, Bbox)> = items.into_par_iter().map(located).collect::<Result<_>>()?;
        for (rows, bbox) in items {
            writer.bbox = writer.bbox.union(bbox);
            rows.into_iter().try_for_each(|row| writer.add(row))?;
        }
        Ok(())
    })
    .map_err(|error| error.in_file(&source.name))?;
    for noted in delivery.rejections.iter_mut().chain(&mut delivery.findings) {
        noted.place.file = Some(source.name.clone());
    }
    writer.flush()?;
    let Writer { bbox, begins, pack, .. } = writer;
    delivery.private.sort_unstable();
    delivery.private.dedup();
    pack.add(PRIVATE, delivery.private.join("\n").as_bytes())?;
    if options.owners {
        let ends = [delivery.header.deleted_at(), delivery.header.until(), begins.as_ref().map(|(_, last)| last.as_str())];
        private_ends.extend(ends.into_iter().flatten().filter_map(|moment| moment.get(..10)).map(str::to_owned));
    }
    let summary = Summary {
        root: delivery.root,
        header: delivery.header,
        crs: delivery.crs,
        operations: delivery.operations,
        begins,
        private_ends,
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

/// Rows on their way into the pack.
struct Writer<'p> {
    pack: &'p mut PackWriter,
    rows: Vec<Row>,
    bytes: usize,
    entries: u32,
    bbox: Bbox,
    begins: Option<(String, String)>,
}

impl Writer<'_> {
    fn add(&mut self, row: Row) -> Result<()> {
        if !row.beginnt.is_empty() {
            let (first, last) = self.begins.get_or_insert_with(|| (row.beginnt.clone(), row.beginnt.clone()));
            if row.beginnt < *first {
                first.clone_from(&row.beginnt);
            }
            if row.beginnt > *last {
                last.clone_from(&row.beginnt);
            }
        }
        let geometry = row.geometry.as_ref().or(row.local.as_ref()).map_or(0, Vec::len);
        self.bytes += row.attributes.len() + geometry + 128;
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }
    fn flush(&mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.pack.add(&format!("{ROWS}{:06}.arrow", self.entries), &to_ipc(&self.rows)?)?;
            self.rows.clear();
            (self.bytes, self.entries) = (0, self.entries + 1);
        }
        Ok(())
    }
}

/// The name that rows of a delivery bear.
pub fn short_name(source: &Source) -> Arc<str> {
    source.digest.to_string()[..16].into()
}

/// True for what an object of personal data is made of.
pub fn is_private_item(change: &Change) -> bool {
    nas::is_private(class_of(change))
}

/// True for what a parcel is made of.
pub fn is_parcel_item(change: &Change) -> bool {
    class_of(change) == nas::PARCEL
}

fn class_of(change: &Change) -> &str {
    match change {
        Change::Insert(feature) | Change::Replace { feature, .. } => &feature.class,
        Change::Update { class, .. } | Change::Delete { class, .. } => class,
    }
}

/// The moments at which an item may end a version: its own, and that before it.
fn ends_of(change: &Change) -> impl Iterator<Item = &str> {
    let (first, second) = match change {
        Change::Insert(feature) | Change::Replace { feature, .. } => (Some(feature.beginnt.as_str()), feature.endet.as_deref()),
        Change::Update { endet, .. } => (endet.as_deref(), None),
        Change::Delete { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

/// The rows that an item is.
pub fn rows_of(item: nas::Item, delivery: &Arc<str>) -> Vec<Row> {
    let mut rows = Vec::with_capacity(1);
    let byte = item.byte;
    let named = |operation, target: nas::Target, endet: Option<String>| Row {
        operation,
        class: "".into(),
        oid: target.oid,
        beginnt: target.beginnt.unwrap_or_default(),
        endet,
        attributes: "{}".to_owned(),
        geometry: None,
        srs: None,
        local: None,
        delivery: Arc::clone(delivery),
        byte,
    };
    match *item.change {
        Change::Insert(feature) => rows.push(feature_row(Operation::Insert, feature, delivery, byte)),
        Change::Replace { target, feature } => {
            // A replacement that has another identifier ends its predecessor.
            if target.oid != feature.oid {
                rows.push(named(Operation::Delete, target, Some(feature.beginnt.clone())));
            }
            rows.push(feature_row(Operation::Replace, feature, delivery, byte));
        }
        Change::Update { targets, class, endet, anlass } => {
            let class: Arc<str> = class.into();
            let attributes =
                if anlass.is_empty() { "{}".to_owned() } else { serde_json::json!({ "anlass": anlass }).to_string() };
            rows.extend(targets.into_iter().map(|target| Row {
                class: Arc::clone(&class),
                attributes: attributes.clone(),
                ..named(Operation::Update, target, endet.clone())
            }));
        }
        Change::Delete { targets, class } => {
            let class: Arc<str> = class.into();
            rows.extend(
                targets.into_iter().map(|target| Row { class: Arc::clone(&class), ..named(Operation::Delete, target, None) }),
            );
        }
    }
    rows
}

fn feature_row(operation: Operation, feature: Feature, delivery: &Arc<str>, byte: u64) -> Row {
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
        class: feature.class.into(),
        oid: feature.oid,
        beginnt: feature.beginnt,
        endet: feature.endet,
        attributes: feature.attributes,
        geometry,
        srs,
        local,
        delivery: Arc::clone(delivery),
        byte,
    }
}
