//! Rows of a table as features.

use super::table::{Column, KEY, Kind, Table, quoted};
use crate::crs::Bbox;
use crate::format::wkb;
use crate::io::Digest;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use serde_json::{Map, Value};

/// A feature as it is stored.
pub struct Row {
    /// Its name: a number, or the value of the table's identifier.
    pub id: Value,
    /// Values by column.
    pub properties: Map<String, Value>,
    /// Well-known binary.
    pub shape: Option<Vec<u8>>,
}

/// The statement that reads rows; a condition on the key follows.
pub fn select(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let shape = table.shape.as_ref().map_or_else(|| "NULL".to_owned(), |shape| quoted(&shape.column));
    format!(
        "SELECT {KEY}, {shape}{}{} FROM {}",
        if columns.is_empty() { "" } else { ", " },
        columns.join(", "),
        quoted(&table.name)
    )
}

/// A row of [`select`], and about how many bytes it takes.
pub fn row(table: &Table, row: &rusqlite::Row<'_>) -> Result<(Row, usize)> {
    let mut weight = 0;
    let shape = match row.get_ref(1)? {
        ValueRef::Blob(bytes) => geometry(bytes).map(<[u8]>::to_vec),
        _ => None,
    };
    weight += shape.as_ref().map_or(0, Vec::len);
    let mut properties = Map::new();
    for (index, column) in table.columns.iter().enumerate() {
        let value = row.get_ref(index + 2)?;
        weight += match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            _ => 8,
        } + column.name.len();
        properties.insert(column.name.clone(), property(column, value));
    }
    let named = table.identifier.as_ref().and_then(|name| properties.get(name)).filter(|value| value.is_string()).cloned();
    let id = named.map_or_else(|| row.get::<_, i64>(0).map(Value::from), Ok)?;
    Ok((Row { id, properties, shape }, weight))
}

fn property(column: &Column, value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
        ValueRef::Integer(whole) if column.kind == Kind::Boolean => Value::from(whole != 0),
        ValueRef::Integer(whole) => Value::from(whole),
        // What is no number in JSON is none.
        ValueRef::Real(real) => Value::from(real),
        ValueRef::Text(bytes) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
    }
}

impl Row {
    /// What tells this state of the feature from others.
    pub fn state(&self) -> String {
        let properties = Value::Object(self.properties.clone()).to_string();
        let digest = Digest::of_parts([properties.as_bytes(), self.shape.as_deref().unwrap_or_default()]);
        digest.to_string().chars().take(24).collect()
    }
}

/// The well-known binary in a geometry of a GeoPackage (OGC 12-128r17, 2.1.3); `None` for an empty one.
pub fn geometry(bytes: &[u8]) -> Option<&[u8]> {
    let flags = bytes.get(3).filter(|_| bytes.starts_with(b"GP"))?;
    let envelope = match (flags >> 1) & 7 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return None,
    };
    bytes.get(8 + envelope..).filter(|_| flags & 0b1_0000 == 0)
}

/// The extent of a view, whose rows are few.
pub fn extent(base: &Connection, table: &Table) -> Result<Bbox> {
    let Some(shape) = &table.shape else { return Ok(Bbox::EMPTY) };
    let mut statement = base.prepare(&format!("SELECT {} FROM {}", quoted(&shape.column), quoted(&table.name)))?;
    let mut rows = statement.query([])?;
    let mut extent = Bbox::EMPTY;
    while let Some(row) = rows.next()? {
        if let ValueRef::Blob(bytes) = row.get_ref(0)? {
            let found = geometry(bytes).and_then(|bytes| wkb::summary(bytes).ok());
            extent = found.map_or(extent, |found| extent.union(found.bbox));
        }
    }
    Ok(extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_geometry_is_taken_off() {
        let mut bytes = vec![b'G', b'P', 0, 0b0000_0011, 0, 0, 0, 0];
        bytes.extend([0; 32]);
        bytes.extend([1, 2, 3]);
        assert_eq!(geometry(&bytes), Some(&[1, 2, 3][..]));
        bytes[3] = 0b0001_0011;
        assert_eq!(geometry(&bytes), None);
        assert_eq!(geometry(b"GP\0\x0f____"), None);
        assert_eq!(geometry(b"GP\0\x03"), None);
        assert_eq!(geometry(b"SELECT"), None);
    }
}
