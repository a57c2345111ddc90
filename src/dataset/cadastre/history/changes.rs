//! What changed between two dates, as a GeoPackage: a row for each object that is new, gone, or another version.

use super::store::{each_version, holds};
use super::{Moment, Options};
use crate::crs::Crs;
use crate::dataset::UnitResult;
use crate::dataset::cadastre::codes;
use crate::dataset::cadastre::row::Row;
use crate::error::{Error, Result};
use crate::format::gpkg::{Geopackage, Layer};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Two dates.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The earlier date.
    pub from: Moment,
    /// The later date.
    pub to: Moment,
}

/// An object at both dates.
#[derive(Default)]
struct Pair {
    before: Option<Row>,
    after: Option<Row>,
}

/// What happened, the version that tells it, and whether the geometry is another.
type Change = (&'static str, Row, bool);

/// Writes the GeoPackage; gives the number of its rows.
///
/// # Errors
/// When the state cannot be read or the file not be written.
pub fn write(path: &Path, state: &UnitResult, options: &Options, period: &Period, crs: Option<Crs>) -> Result<usize> {
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    each_version(state, |row| {
        let wanted = *row.class == *"AX_Flurstueck"
            || *row.class == *"AX_LagebezeichnungMitHausnummer"
            || codes::building_class(&row.class).is_some()
            || codes::land_use_class(&row.class).is_some();
        let (before, after) = (holds(&row, Some(period.from.as_str())), holds(&row, Some(period.to.as_str())));
        // A version that holds at both dates is no change, and most are.
        if wanted && before != after {
            let pair = pairs.entry(row.oid.clone()).or_default();
            if before {
                pair.before = Some(row);
            } else {
                pair.after = Some(row);
            }
        }
        Ok(())
    })?;
    let mut changes: Vec<Change> = pairs
        .into_values()
        .filter_map(|pair| match (pair.before, pair.after) {
            (None, Some(row)) => Some(("neu", row, true)),
            (Some(row), None) => Some(("weggefallen", row, true)),
            (Some(before), Some(after)) => {
                let moved = before.geometry != after.geometry;
                Some(("geaendert", after, moved))
            }
            (None, None) => None,
        })
        .collect();
    changes.sort_by(|a, b| (&a.1.class, &a.1.oid).cmp(&(&b.1.class, &b.1.oid)));
    let text =
        |value: &dyn Fn(&Change) -> Option<String>| -> ArrayRef { Arc::new(changes.iter().map(value).collect::<StringArray>()) };
    let property = |name: &'static str| {
        move |row: &Row| {
            let all = super::parcels::texts(&row.fields(), name);
            (!all.is_empty()).then(|| all.join(";"))
        }
    };
    let (key, reason) = (property("flurstueckskennzeichen"), property("anlass"));
    let field = |name: &str| Field::new(name, DataType::Utf8, true);
    let schema = Arc::new(Schema::new(vec![
        field("oid"),
        field("objektart"),
        field("art"),
        field("flstkennz"),
        field("beginnt"),
        field("endet"),
        field("anlass"),
        Field::new("geometrie_geaendert", DataType::Boolean, true),
        Field::new("geometry", DataType::Binary, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        text(&|(_, row, _)| Some(row.oid.clone())),
        text(&|(_, row, _)| Some(row.class.as_ref().to_owned())),
        text(&|(kind, ..)| Some((*kind).to_owned())),
        text(&|(_, row, _)| key(row)),
        text(&|(_, row, _)| Some(row.beginnt.clone())),
        text(&|(_, row, _)| row.endet.clone()),
        text(&|(_, row, _)| reason(row)),
        Arc::new(changes.iter().map(|(_, _, moved)| Some(*moved)).collect::<BooleanArray>()),
        Arc::new(changes.iter().map(|(_, row, _)| row.geometry.as_deref()).collect::<BinaryArray>()),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|error| Error::new("mk::cadastre::changes", "the changes cannot be written").because(error))?;
    let moment = options.moment().unwrap_or_else(|| period.to.to_string());
    let mut file = Geopackage::create(path, &format!("{}T00:00:00.000Z", moment.get(..10).unwrap_or("1970-01-01")))?;
    let layer = Layer { name: "aenderung", title: "Änderungen", geometry: Some("geometry"), geometry_type: "GEOMETRY", crs };
    file.add(&layer, &schema, std::slice::from_ref(&batch))?;
    file.finish()?;
    Ok(changes.len())
}
