//! What became of the features since the release before: told by the digests in the tables of both, so that it holds whatever happened
//! in between.

use super::rows::{DIGEST, text_at};
use crate::dataset::ObjectChanges;
use crate::error::Result;
use crate::format::geoparquet::{self, COVERING};
use crate::format::sheet::cell;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use std::cmp::Ordering;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Lines of the list; beyond them only numbers are told.
const MAX_LINES: usize = 100_000;

/// A feature by its key, with the digest of its content and the middle of its extent.
struct Known {
    key: Box<str>,
    digest: Box<str>,
    at: [f64; 2],
}

/// Compares the tables of two releases; `None` when they are the same file, or cannot be compared by that key.
///
/// # Errors
/// When a table cannot be read.
pub fn between(before: &Path, after: &Path, key: Option<&str>) -> Result<Option<ObjectChanges>> {
    if is_same(before, after) {
        return Ok(None);
    }
    let (Some(before), Some(after)) = (known(before, key)?, known(after, key)?) else { return Ok(None) };
    let mut changes = ObjectChanges { csv: "\u{feff}schluessel;aenderung;ost;nord\r\n".to_owned(), ..ObjectChanges::default() };
    let mut lines = 0;
    let mut tell = |csv: &mut String, known: &Known, what: &str| {
        lines += 1;
        if lines <= MAX_LINES {
            csv.push_str(&format!("{};{what};{:.2};{:.2}\r\n", cell(&known.key), known.at[0], known.at[1]));
        }
    };
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => old.key.cmp(&new.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(Some(changes)),
        };
        let gone = if order == Ordering::Greater { None } else { old.next() };
        let come = if order == Ordering::Less { None } else { new.next() };
        match (gone, come) {
            (Some(gone), Some(come)) if gone.digest != come.digest => {
                changes.changed += 1;
                tell(&mut changes.csv, come, "geändert");
            }
            (Some(gone), None) => {
                changes.removed += 1;
                tell(&mut changes.csv, gone, "entfernt");
            }
            (None, Some(come)) => {
                changes.new += 1;
                tell(&mut changes.csv, come, "neu");
            }
            _ => {}
        }
    }
}

/// True for two names of one file: a release links what did not change.
fn is_same(before: &Path, after: &Path) -> bool {
    let of = |path: &Path| std::fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    of(before).is_some() && of(before) == of(after)
}

/// The features of a table in the order of their keys; `None` without a table or the column of the key.
fn known(path: &Path, key: Option<&str>) -> Result<Option<Vec<Known>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut names = vec![DIGEST, COVERING];
    names.extend(key);
    if !geoparquet::has_columns(path, &names)? {
        return Ok(None);
    }
    let mut all = Vec::new();
    for rows in geoparquet::columns(path, &names)? {
        let (Some(digests), Some(boxes)) = (rows.column_by_name(DIGEST), rows.column_by_name(COVERING)) else { continue };
        let digests = digests.as_string::<i32>();
        let corner =
            |name: &str| boxes.as_struct().column_by_name(name).map(|column| column.as_primitive::<Float64Type>().clone());
        let corners = ["xmin", "xmax", "ymin", "ymax"].map(corner);
        let keys = key.and_then(|key| rows.column_by_name(key));
        for row in 0..rows.num_rows() {
            let value = |index: usize| corners[index].as_ref().map_or(0.0, |column| column.value(row));
            let digest = digests.value(row);
            let text = keys.map(|column| text_at(column.as_ref(), row).unwrap_or_default());
            all.push(Known {
                key: text.as_deref().unwrap_or(digest).into(),
                digest: digest.into(),
                at: [f64::midpoint(value(0), value(1)), f64::midpoint(value(2), value(3))],
            });
        }
    }
    // Features of one key pair up in the order of their content.
    all.sort_unstable_by(|a, b| (&a.key, &a.digest).cmp(&(&b.key, &b.digest)));
    Ok(Some(all))
}
