//! An object version as a row, and rows as Arrow IPC: what the units of this kind hand to each other.

use super::attributes::Attributes;
use super::columns::{self, broken};
use crate::error::Result;
use arrow::array::{Array, AsArray, BinaryArray, BinaryBuilder, RecordBatch, StringArray, StringBuilder, UInt64Builder};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use arrow::ipc::writer::FileWriter;
use serde_json::{Map, Value};
use std::borrow::Borrow;
use std::sync::Arc;

/// What a row does to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A version of the stock, or a new one.
    Insert,
    /// A new version of an object that is there.
    Replace,
    /// Ends a version.
    Update,
    /// Ends an object.
    Delete,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
    fn parse(name: &str) -> Self {
        match name {
            "replace" => Self::Replace,
            "update" => Self::Update,
            "delete" => Self::Delete,
            _ => Self::Insert,
        }
    }
}

/// A version of an object, or a change to one. Identified by (`oid`, `beginnt`).
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub operation: Operation,
    /// Local name of the class; empty in updates and deletes. Many rows share it.
    pub class: Arc<str>,
    pub oid: String,
    /// Begin of the version; empty where a change names the object only.
    pub beginnt: String,
    /// End of the version.
    pub endet: Option<String>,
    /// Kept properties as a JSON object.
    pub attributes: String,
    /// WKB in the CRS of the tables.
    pub geometry: Option<Vec<u8>>,
    /// Name of a local CRS, and the geometry in it.
    pub srs: Option<String>,
    pub local: Option<Vec<u8>>,
    /// First digits of the delivery's digest. Many rows share it.
    pub delivery: Arc<str>,
    /// Offset in the delivery.
    pub byte: u64,
}

impl Row {
    /// The kept properties, to be changed.
    pub fn properties(&self) -> Map<String, Value> {
        serde_json::from_str(&self.attributes).unwrap_or_default()
    }

    /// The kept properties, to be looked at.
    pub fn fields(&self) -> Attributes<'_> {
        Attributes::of(&self.attributes)
    }
}

fn schema() -> SchemaRef {
    let text = |name: &str, missing| Field::new(name, DataType::Utf8, missing);
    Arc::new(Schema::new(vec![
        text("operation", false),
        text("class", false),
        text("oid", false),
        text("beginnt", false),
        text("endet", true),
        text("attributes", false),
        Field::new("geometry", DataType::Binary, true),
        text("srs", true),
        Field::new("local", DataType::Binary, true),
        text("delivery", false),
        Field::new("byte", DataType::UInt64, false),
    ]))
}

/// Rows of one batch of a file: large enough to be quick, small enough for the 2 GiB that a column of text may hold.
const BATCH: usize = 65_536;

/// The rows as an Arrow IPC file.
///
/// # Errors
/// When a batch holds more than a column can.
pub fn to_ipc<R: Borrow<Row>>(rows: &[R]) -> Result<Vec<u8>> {
    let schema = schema();
    let bytes = |row: &Row| row.attributes.len() + row.geometry.as_ref().or(row.local.as_ref()).map_or(0, Vec::len) + 160;
    let size: usize = rows.iter().map(|row| bytes(row.borrow())).sum();
    let mut writer = FileWriter::try_new(Vec::with_capacity(size + 4096), &schema).map_err(broken)?;
    for rows in rows.chunks(BATCH) {
        let text = |value: fn(&Row) -> Option<&str>| {
            // Growing would copy the column several times.
            let length = rows.iter().filter_map(|row| value(row.borrow())).map(str::len).sum();
            let mut column = StringBuilder::with_capacity(rows.len(), length);
            for row in rows {
                column.append_option(value(row.borrow()));
            }
            Arc::new(column.finish()) as Arc<dyn Array>
        };
        let bytes = |value: fn(&Row) -> Option<&[u8]>| {
            let length = rows.iter().filter_map(|row| value(row.borrow())).map(<[u8]>::len).sum();
            let mut column = BinaryBuilder::with_capacity(rows.len(), length);
            for row in rows {
                column.append_option(value(row.borrow()));
            }
            Arc::new(column.finish()) as Arc<dyn Array>
        };
        let mut offsets = UInt64Builder::new();
        for row in rows {
            offsets.append_value(row.borrow().byte);
        }
        let columns: Vec<Arc<dyn Array>> = vec![
            text(|row| Some(row.operation.name())),
            text(|row| Some(&row.class)),
            text(|row| Some(&row.oid)),
            text(|row| Some(&row.beginnt)),
            text(|row| row.endet.as_deref()),
            text(|row| Some(&row.attributes)),
            bytes(|row| row.geometry.as_deref()),
            text(|row| row.srs.as_deref()),
            bytes(|row| row.local.as_deref()),
            text(|row| Some(&row.delivery)),
            Arc::new(offsets.finish()),
        ];
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns).map_err(broken)?).map_err(broken)?;
    }
    writer.into_inner().map_err(broken)
}

/// What decides whether a row is wanted, known before the row is made.
#[derive(Debug, Clone, Copy)]
pub struct Look<'b> {
    pub class: &'b str,
    pub oid: &'b str,
    pub beginnt: &'b str,
    pub endet: Option<&'b str>,
}

impl Look<'_> {
    /// True for a version that holds at a moment; without one, at present.
    pub fn holds(&self, as_of: Option<&str>) -> bool {
        match as_of {
            None => self.endet.is_none(),
            Some(moment) => self.beginnt <= moment && self.endet.is_none_or(|end| end > moment),
        }
    }
}

/// The rows of an Arrow IPC file.
///
/// # Errors
/// When it is none, or not of these columns.
pub fn from_ipc(bytes: impl Into<Buffer>) -> Result<Vec<Row>> {
    from_ipc_where(bytes, |_| true)
}

/// The rows of an Arrow IPC file that are wanted: making a row costs more than looking at it.
///
/// # Errors
/// When it is none, or not of these columns.
pub fn from_ipc_where(bytes: impl Into<Buffer>, mut wanted: impl FnMut(Look<'_>) -> bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for batch in columns::from_ipc(&bytes.into(), &schema())? {
        // Which type a column is of is asked once, not for each value.
        let text = |column: usize| batch.column(column).as_string::<i32>();
        let bytes = |column: usize| batch.column(column).as_binary::<i32>();
        let (operations, classes, oids, begins, ends) = (text(0), text(1), text(2), text(3), text(4));
        let (attributes, geometries, systems, locals, deliveries) = (text(5), bytes(6), text(7), bytes(8), text(9));
        let offsets = batch.column(10).as_primitive::<UInt64Type>();
        let text_or = |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
        let bytes_or = |column: &BinaryArray, row: usize| column.is_valid(row).then(|| column.value(row).to_vec());
        let look = |row: usize| Look {
            class: classes.value(row),
            oid: oids.value(row),
            beginnt: begins.value(row),
            endet: ends.is_valid(row).then(|| ends.value(row)),
        };
        let (mut class_of, mut delivery_of) = (shared(), shared());
        rows.extend((0..batch.num_rows()).filter(|row| wanted(look(*row))).map(|row| Row {
            operation: Operation::parse(operations.value(row)),
            class: class_of(classes.value(row)),
            oid: oids.value(row).to_owned(),
            beginnt: begins.value(row).to_owned(),
            endet: text_or(ends, row),
            attributes: attributes.value(row).to_owned(),
            geometry: bytes_or(geometries, row),
            srs: text_or(systems, row),
            local: bytes_or(locals, row),
            delivery: delivery_of(deliveries.value(row)),
            byte: offsets.value(row),
        }));
    }
    Ok(rows)
}

/// Gives texts to be shared: rows that follow each other mostly have the same.
fn shared() -> impl FnMut(&str) -> Arc<str> {
    let mut last: Arc<str> = Arc::from("");
    move |text| {
        if *last != *text {
            last = Arc::from(text);
        }
        Arc::clone(&last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let row = |oid: &str| Row {
            operation: Operation::Replace,
            class: "AX_Flurstueck".into(),
            oid: oid.into(),
            beginnt: "2024-01-01T00:00:00Z".into(),
            endet: None,
            attributes: r#"{"flurnummer":"07"}"#.into(),
            geometry: Some(vec![1, 2, 3]),
            srs: None,
            local: None,
            delivery: "abc".into(),
            byte: 7,
        };
        let rows = vec![row("A"), Row { endet: Some("2025".into()), local: Some(vec![9]), geometry: None, ..row("B") }];
        let bytes = to_ipc(&rows).unwrap();
        assert_eq!(bytes, to_ipc(&rows).unwrap());
        assert_eq!(from_ipc(bytes.clone()).unwrap(), rows);
        assert_eq!(from_ipc_where(bytes.clone(), |look| look.holds(None)).unwrap(), rows[..1]);
        assert_eq!(from_ipc_where(bytes.clone(), |look| look.holds(Some("2024-06"))).unwrap(), rows);
        assert_eq!(from_ipc_where(bytes.clone(), |look| look.holds(Some("2023"))).unwrap(), []);
        assert_eq!(rows[0].properties()["flurnummer"], "07");
        for length in [0, 2, 9, 10, 40, bytes.len() - 1] {
            assert!(from_ipc(bytes[..length].to_vec()).is_err(), "{length}");
        }
        // It need not lie where numbers can be read in place.
        let moved = Buffer::from_vec([&b"x"[..], &bytes].concat()).slice(1);
        assert_eq!(from_ipc(moved).unwrap(), rows);
        assert_eq!(from_ipc(to_ipc::<Row>(&[]).unwrap()).unwrap(), []);
    }
}
