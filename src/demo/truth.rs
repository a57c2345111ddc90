//! `truth/`: what must come out, for tests that compare.

use super::deliver::DemoOptions;
use super::files::{Folder, Written};
use super::town::Town;
use crate::error::Result;
use serde_json::json;
use std::collections::BTreeMap;

/// Writes the truth files.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Folder, town: &Town, options: &DemoOptions, files: &[Written]) -> Result<Vec<Written>> {
    let mut listed: Vec<&Written> = files.iter().collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let value = json!({
        "seed": options.seed,
        "km2": town.km2(),
        "crs": "EPSG:25832",
        "bounds": town.bounds(),
        "nights": [{ "night": options.night, "files": listed }],
    });
    let text = format!("{value:#}\n");
    Ok(vec![folder.write("truth/truth.json", text.as_bytes(), BTreeMap::new())?])
}
