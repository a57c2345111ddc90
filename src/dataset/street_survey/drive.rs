//! `drive.json` and a file for each sequence: what an intranet page needs to play a drive without a server.

use super::derive::Tiles;
use super::model::{Frame, Sequence};
use super::moment;
use crate::crs::{Bbox, Crs};
use crate::dataset::AssembleContext;
use crate::error::{Error, Result};
use geo::{Coord, LineString, Simplify};
use serde_json::{Value, json};

/// A way may leave out corners of less than this (metres): it is drawn on a map, not measured.
const SIMPLE_M: f64 = 0.3;

/// A picture that can be shown.
pub struct Shown<'s> {
    pub frame: &'s Frame,
    pub tiles: Option<Tiles>,
}

/// A sequence with the pictures that can be shown.
pub struct Drive<'s> {
    pub sequence: &'s Sequence,
    pub frames: Vec<Shown<'s>>,
}

impl Drive<'_> {
    /// First and last moment.
    pub fn interval(&self) -> [i64; 2] {
        let times = || self.frames.iter().map(|shown| shown.frame.time);
        [times().min().unwrap_or_default(), times().max().unwrap_or_default()]
    }
    /// Extent in longitude and latitude.
    pub fn bbox(&self) -> Bbox {
        Bbox::around(self.frames.iter().map(|shown| shown.frame.lonlat))
    }
    /// The way in longitude and latitude; a single picture is a way that stays.
    pub fn line(&self) -> Vec<[f64; 2]> {
        let places: LineString<f64> = self.frames.iter().map(|shown| Coord::from(shown.frame.place)).collect();
        let kept = places.simplify(SIMPLE_M);
        let mut wanted = kept.0.iter().peekable();
        let mut line: Vec<[f64; 2]> = Vec::with_capacity(kept.0.len());
        for shown in &self.frames {
            if wanted.peek().is_some_and(|at| at.x == shown.frame.place[0] && at.y == shown.frame.place[1]) {
                wanted.next();
                line.push(degrees(shown.frame.lonlat));
            }
        }
        if let [only] = line[..] {
            line.push(only);
        }
        line
    }
}

/// Eight decimals: a millimetre.
pub fn degrees(lonlat: [f64; 2]) -> [f64; 2] {
    lonlat.map(|value| (value * 1e8).round() / 1e8)
}

pub fn metres(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Extent of GeoJSON and STAC.
pub fn corners(bbox: &Bbox) -> Value {
    let ([west, south], [east, north]) = (degrees(bbox.min), degrees(bbox.max));
    json!([west, south, east, north])
}

fn frame(shown: &Shown<'_>) -> Value {
    let Shown { frame, tiles } = shown;
    let [longitude, latitude] = degrees(frame.lonlat);
    let folder = format!("pictures/{}", frame.id);
    let tiles = tiles.map(|tiles| {
        json!({
            "href": format!("{folder}/tiles/{{TileCol}}_{{TileRow}}.jpg"),
            "cols": tiles.cols, "rows": tiles.rows, "tile_px": tiles.tile_px,
        })
    });
    json!({
        "id": frame.id,
        "datetime": moment::text(frame.time),
        "lon": longitude,
        "lat": latitude,
        "easting": metres(frame.place[0]),
        "northing": metres(frame.place[1]),
        "height_m": frame.height.map(metres),
        "azimuth": frame.azimuth,
        "pitch": frame.pitch,
        "roll": frame.roll,
        "chainage_m": metres(frame.chainage),
        "speed_kmh": frame.speed.map(|speed| (speed * 10.0).round() / 10.0),
        "thumb": format!("{folder}/thumb.jpg"),
        "sd": format!("{folder}/sd.jpg"),
        "hd": format!("{folder}/hd.jpg"),
        "tiles": tiles,
    })
}

/// Writes `drive.json` and `drive/`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(context: &AssembleContext<'_>, title: &str, (crs, blurred): (Crs, bool), drives: &[Drive<'_>]) -> Result<()> {
    let mut sequences = Vec::with_capacity(drives.len());
    for drive in drives {
        let id = drive.sequence.id;
        let frames: Vec<Value> = drive.frames.iter().map(frame).collect();
        save(context, &format!("drive/{id}.json"), &json!({ "id": id, "frames": frames }))?;
        sequences.push(json!({
            "id": id,
            "datetime": drive.interval().map(moment::text),
            "length_m": metres(drive.sequence.length),
            "frames": drive.frames.len(),
            "bbox": corners(&drive.bbox()),
            "geometry": { "type": "LineString", "coordinates": drive.line() },
            "href": format!("drive/{id}.json"),
        }));
    }
    let length: f64 = drives.iter().map(|drive| drive.sequence.length).sum();
    let metadata = &context.dataset.metadata;
    save(
        context,
        "drive.json",
        &json!({
            "dataset": context.dataset.id,
            "title": title,
            "attribution": metadata.attribution,
            "licence": metadata.licence,
            "crs": crs.to_string(),
            "blurred": blurred,
            "length_m": metres(length),
            "sequences": sequences,
        }),
    )
}

/// Writes a JSON file of an artefact, unless the last assembly has it.
///
/// # Errors
/// When it cannot be written.
pub fn save(context: &AssembleContext<'_>, path: &str, value: &Value) -> Result<()> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| Error::new("mk::io::write", "cannot write JSON").because(error))?;
    bytes.push(b'\n');
    context.write(path, &bytes)
}
