//! `street_survey.pmtiles`: vector tiles with the layers `sequences` and `pictures`.

use super::drive::Drive;
use super::moment;
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::vector_tiles::{self, Brush, Drawing, MapHeader, Parts, Wanted, to_world};
use crate::error::Result;
use crate::format::mvt::Value;
use crate::vector::arc::Point;
use serde_json::json;
use std::path::Path;

const SEQUENCES: usize = 0;
const PICTURES: usize = 1;
/// Zooms at which sequences are drawn, and the lowest with pictures; maps draw the highest larger.
const LOW: u8 = 6;
const PICTURES_LOW: u8 = 15;
const HIGH: u8 = 16;

/// Writes the archive; gives the number of its tiles.
///
/// # Errors
/// When a place cannot be transformed, or the archive not be written.
pub fn write(path: &Path, drives: &[Drive<'_>], header: &MapHeader<'_>) -> Result<u64> {
    let to_map = Operation::between(Crs::WGS84, Crs::WEB_MERCATOR, &[])?;
    let (wanted, world_tile) = (Wanted::all(), (0, 0, 0));
    let mut drawing = Drawing::new(vec!["sequences", "pictures"]);
    for drive in drives {
        let mut line: Vec<Point> = drive.frames.iter().map(|shown| shown.frame.lonlat).collect();
        to_map.forward(&mut line)?;
        let world: Vec<Point> = line.into_iter().map(to_world).collect();
        let sequence = drive.sequence.id.to_string();
        let mut pieces = Vec::new();
        let brush = Brush { layer: SEQUENCES, low: LOW, high: HIGH };
        brush.draw(&Parts::Lines(vec![world.clone()]), world_tile, &wanted, &mut pieces);
        let tags = [("id", Value::Text(sequence.clone()))];
        drawing.put(&pieces, |_| &tags);
        for (shown, at) in drive.frames.iter().zip(world) {
            let tags = [
                ("id", Value::Text(shown.frame.id.to_string())),
                ("ts", Value::Text(moment::text(shown.frame.time))),
                ("heading", Value::Whole(shown.frame.azimuth.round() as i64 % 360)),
                ("first_sequence", Value::Text(sequence.clone())),
                ("type", Value::Text("equirectangular".to_owned())),
            ];
            pieces.clear();
            let brush = Brush { layer: PICTURES, low: PICTURES_LOW, high: HIGH };
            brush.draw(&Parts::Points(vec![at]), world_tile, &wanted, &mut pieces);
            drawing.put(&pieces, |_| &tags);
        }
    }
    let layer =
        |id: &str, low: u8, fields: serde_json::Value| json!({ "id": id, "minzoom": low, "maxzoom": HIGH, "fields": fields });
    let layers = vec![
        layer("sequences", LOW, json!({ "id": "String" })),
        layer(
            "pictures",
            PICTURES_LOW,
            json!({ "id": "String", "ts": "String", "heading": "Number", "first_sequence": "String", "type": "String" }),
        ),
    ];
    vector_tiles::write(
        path,
        drawing.into_tiles()?,
        &MapHeader { layers, name: header.name, bounds_lonlat: header.bounds_lonlat, attribution: header.attribution },
    )
}

/// Extent for the header.
pub fn bounds(drives: &[Drive<'_>]) -> Bbox {
    drives.iter().map(Drive::bbox).fold(Bbox::EMPTY, Bbox::union)
}
