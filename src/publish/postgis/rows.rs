//! Rows of a GeoPackage as `COPY ... WITH (FORMAT binary)` takes them.

use super::geopackage::{Kind, Table};
use crate::error::{Error, Result};
use rusqlite::types::ValueRef;

/// What stands before the rows: signature, no flags, no extension.
pub const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands after them.
pub const END: &[u8] = &(-1_i16).to_be_bytes();

/// Adds a row.
///
/// # Errors
/// When a value is not of its column's type; the message names the column, never the value.
pub fn add(out: &mut Vec<u8>, table: &Table, row: &rusqlite::Row<'_>) -> Result<()> {
    out.extend_from_slice(&(table.columns.len() as i16).to_be_bytes());
    for (index, column) in table.columns.iter().enumerate() {
        let wrong = || {
            let message = format!("a value of {}.{} is not of the column's type", table.name, column.name);
            Error::new("mk::publish::value", message)
        };
        let value = row.get_ref(index).map_err(|error| wrong().because(error))?;
        if matches!(value, ValueRef::Null) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            continue;
        }
        // The length is known when the value is there.
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        put(out, &column.kind, value).ok_or_else(wrong)?;
        let length = i32::try_from(out.len() - at - 4).map_err(|_| wrong())?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, kind: &Kind, value: ValueRef<'_>) -> Option<()> {
    match (kind, value) {
        (Kind::Text, ValueRef::Text(text)) => out.extend_from_slice(std::str::from_utf8(text).ok()?.as_bytes()),
        (Kind::Whole, ValueRef::Integer(number)) => out.extend_from_slice(&i32::try_from(number).ok()?.to_be_bytes()),
        (Kind::Large, ValueRef::Integer(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (Kind::Real, ValueRef::Real(number)) => out.extend_from_slice(&number.to_be_bytes()),
        // SQLite keeps a whole number in fewer bytes.
        (Kind::Real, ValueRef::Integer(number)) => out.extend_from_slice(&(number as f64).to_be_bytes()),
        (Kind::Truth, ValueRef::Integer(number @ 0..=1)) => out.push(number as u8),
        (Kind::Date, ValueRef::Text(text)) => {
            let date: jiff::civil::Date = std::str::from_utf8(text).ok()?.parse().ok()?;
            let days = date.since((jiff::Unit::Day, jiff::civil::date(2000, 1, 1))).ok()?.get_days();
            out.extend_from_slice(&days.to_be_bytes());
        }
        (Kind::Moment, ValueRef::Text(text)) => {
            let moment: jiff::Timestamp = std::str::from_utf8(text).ok()?.parse().ok()?;
            // Microseconds since 2000.
            out.extend_from_slice(&moment.as_microsecond().checked_sub(946_684_800_000_000)?.to_be_bytes());
        }
        (Kind::Bytes, ValueRef::Blob(bytes)) => out.extend_from_slice(bytes),
        (Kind::Geometry(_, srid), ValueRef::Blob(bytes)) => ewkb(out, bytes, *srid)?,
        _ => return None,
    }
    Some(())
}

/// The geometry of a GeoPackage (clause 2.1.3) as extended WKB: its WKB with the CRS behind the type.
fn ewkb(out: &mut Vec<u8>, blob: &[u8], srid: i32) -> Option<()> {
    const WITH_SRID: u32 = 0x2000_0000;
    let (head, rest) = blob.split_at_checked(8)?;
    if !head.starts_with(b"GP") {
        return None;
    }
    let envelope = match (head[3] >> 1) & 0b111 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return None,
    };
    let wkb = rest.get(envelope..)?;
    let (order, rest) = wkb.split_first()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    out.push(*order);
    match order {
        0 => {
            out.extend_from_slice(&(u32::from_be_bytes(*kind) | WITH_SRID).to_be_bytes());
            out.extend_from_slice(&srid.to_be_bytes());
        }
        1 => {
            out.extend_from_slice(&(u32::from_le_bytes(*kind) | WITH_SRID).to_le_bytes());
            out.extend_from_slice(&srid.to_le_bytes());
        }
        _ => return None,
    }
    out.extend_from_slice(rest);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_carries_its_crs_and_what_is_none_is_refused() {
        let mut blob = b"GP\0\x03\xe8\x64\0\0".to_vec();
        blob.extend([0; 32]);
        blob.extend([1, 1, 0, 0, 0]);
        blob.extend([7; 16]);
        let mut out = Vec::new();
        ewkb(&mut out, &blob, 25832).unwrap();
        assert_eq!(out[..9], [1, 1, 0, 0, 0x20, 0xe8, 0x64, 0, 0]);
        assert_eq!(out[9..], [7; 16]);
        for cut in [0, 4, 8, 20, 41, 44] {
            assert!(ewkb(&mut Vec::new(), &blob[..cut], 25832).is_none(), "{cut}");
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for (kind, value) in [
            (Kind::Whole, ValueRef::Integer(1 << 40)),
            (Kind::Truth, ValueRef::Integer(2)),
            (Kind::Date, ValueRef::Text(b"gestern")),
            (Kind::Text, ValueRef::Text(b"\xff")),
            (Kind::Text, ValueRef::Integer(1)),
            (Kind::Bytes, ValueRef::Text(b"a")),
        ] {
            assert!(put(&mut Vec::new(), &kind, value).is_none(), "{kind:?}");
        }
        let mut out = Vec::new();
        put(&mut out, &Kind::Date, ValueRef::Text(b"1999-12-31")).unwrap();
        put(&mut out, &Kind::Moment, ValueRef::Text(b"2000-01-01T00:00:00.001Z")).unwrap();
        assert_eq!(out, [&(-1_i32).to_be_bytes()[..], &1000_i64.to_be_bytes()].concat());
    }
}
