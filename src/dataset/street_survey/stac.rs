//! `stac/`: a catalogue, a collection for each sequence, an item for each picture, as the Panoramax viewer takes them.
//!
//! STAC 1.1.0 with the extensions `view` (azimuth), `perspective-imagery` (camera and its pose) and `tiled-assets` (tiles). Links `prev` and
//! `next` carry identifier, place and moment of what they lead to: the viewer draws its arrows from them.

use super::derive::Tiles;
use super::drive::{Drive, Shown, corners, degrees, metres, save};
use super::model::Frame;
use super::moment;
use crate::dataset::AssembleContext;
use crate::error::Result;
use crate::format::stac::spdx;
use serde_json::{Map, Value, json};

const VERSION: &str = "1.1.0";
const EXTENSIONS: [&str; 3] = [
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://stac-extensions.github.io/perspective-imagery/v1.0.0/schema.json",
    "https://stac-extensions.github.io/tiled-assets/v1.0.0/schema.json",
];

/// Writes the folder.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &str, context: &AssembleContext<'_>, title: &str, drives: &[Drive<'_>]) -> Result<()> {
    let metadata = &context.dataset.metadata;
    let about = metadata.abstract_text.clone().unwrap_or_else(|| title.to_owned());
    let mut children = vec![json!({ "rel": "root", "href": "catalog.json", "type": "application/json" })];
    for drive in drives {
        let id = drive.sequence.id.to_string();
        let own = format!("{folder}/{id}");
        for (index, shown) in drive.frames.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| drive.frames.get(before));
            let item = item(shown, &id, [before, drive.frames.get(index + 1)]);
            save(context, &format!("{own}/{}.json", shown.frame.id), &item)?;
        }
        save(context, &format!("{own}/collection.json"), &collection(drive, &id, title, context))?;
        children.push(json!({ "rel": "child", "href": format!("{id}/collection.json"), "type": "application/json" }));
    }
    let catalog = json!({
        "type": "Catalog",
        "stac_version": VERSION,
        "id": context.dataset.id,
        "title": title,
        "description": about,
        "links": children,
    });
    save(context, &format!("{folder}/catalog.json"), &catalog)
}

fn collection(drive: &Drive<'_>, id: &str, title: &str, context: &AssembleContext<'_>) -> Value {
    let metadata = &context.dataset.metadata;
    let [first, last] = drive.interval().map(moment::text);
    let mut links = vec![
        json!({ "rel": "root", "href": "../catalog.json", "type": "application/json" }),
        json!({ "rel": "parent", "href": "../catalog.json", "type": "application/json" }),
    ];
    let item =
        |shown: &Shown<'_>| json!({ "rel": "item", "href": format!("{}.json", shown.frame.id), "type": "application/geo+json" });
    links.extend(drive.frames.iter().map(item));
    let mut collection = json!({
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": id,
        "title": format!("{title}, {}", first.get(..10).unwrap_or_default()),
        "description": format!("{} Bilder auf {} m", drive.frames.len(), drive.sequence.length.round()),
        "license": spdx(metadata.licence.as_deref()),
        "extent": { "spatial": { "bbox": [corners(&drive.bbox())] }, "temporal": { "interval": [[first, last]] } },
        "stats:items": { "count": drive.frames.len() },
        "links": links,
    });
    if let Some(attribution) = &metadata.attribution {
        collection["providers"] = json!([{ "name": attribution, "roles": ["licensor"] }]);
    }
    collection
}

/// An item; `neighbours` are the pictures before and after.
fn item(shown: &Shown<'_>, collection: &str, neighbours: [Option<&Shown<'_>>; 2]) -> Value {
    let frame = shown.frame;
    let place = degrees(frame.lonlat);
    let folder = format!("../../pictures/{}", frame.id);
    let mut links = vec![
        json!({ "rel": "root", "href": "../catalog.json", "type": "application/json" }),
        json!({ "rel": "parent", "href": "collection.json", "type": "application/json" }),
        json!({ "rel": "collection", "href": "collection.json", "type": "application/json" }),
    ];
    for (rel, neighbour) in ["prev", "next"].into_iter().zip(neighbours) {
        links.extend(neighbour.map(|Shown { frame, .. }| {
            json!({
                "rel": rel,
                "href": format!("{}.json", frame.id),
                "type": "application/geo+json",
                "id": frame.id,
                "geometry": { "type": "Point", "coordinates": degrees(frame.lonlat) },
                "datetime": moment::text(frame.time),
            })
        }));
    }
    let asset = |name: &str, role: &str, title: &str| json!({ "href": format!("{folder}/{name}.jpg"), "type": "image/jpeg", "roles": [role], "title": title });
    let mut item = json!({
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": EXTENSIONS,
        "id": frame.id,
        "collection": collection,
        "geometry": { "type": "Point", "coordinates": place },
        "bbox": [place[0], place[1], place[0], place[1]],
        "properties": properties(frame, shown.tiles),
        "links": links,
        "assets": {
            "hd": asset("hd", "data", "Ganzes Bild"),
            "sd": asset("sd", "visual", "Verkleinertes Bild"),
            "thumb": asset("thumb", "thumbnail", "Vorschau"),
        },
    });
    if shown.tiles.is_some() {
        item["asset_templates"] = json!({
            "tiles": {
                "href": format!("{folder}/tiles/{{TileCol}}_{{TileRow}}.jpg"),
                "type": "image/jpeg",
                "roles": ["data"],
                "title": "Kacheln",
            },
        });
    }
    item
}

fn properties(frame: &Frame, tiles: Option<Tiles>) -> Value {
    let mut camera = Map::new();
    camera.insert("field_of_view".into(), 360.into());
    camera.insert("sensor_array_dimensions".into(), json!(frame.size));
    for (key, value) in [("camera_manufacturer", &frame.manufacturer), ("camera_model", &frame.model)] {
        if let Some(value) = value {
            camera.insert(key.into(), value.clone().into());
        }
    }
    if let Some(focal) = frame.focal_mm {
        camera.insert("focal_length".into(), focal.into());
    }
    let mut properties = json!({
        "datetime": moment::text(frame.time),
        "view:azimuth": frame.azimuth,
        "pers:pitch": frame.pitch,
        "pers:roll": frame.roll,
        "pers:interior_orientation": camera,
    });
    for (key, height) in [("messkette:height_dhhn_m", frame.height), ("messkette:height_ellipsoidal_m", frame.ellipsoidal)] {
        if let Some(height) = height {
            properties[key] = metres(height).into();
        }
    }
    if let Some(tiles) = tiles {
        properties["tiles:tile_matrix_sets"] = json!({
            "geovisio": {
                "type": "TileMatrixSetType",
                "title": "Kacheln des Bildes",
                "identifier": format!("messkette-{}", frame.id),
                "tileMatrix": [{
                    "type": "TileMatrixType",
                    "identifier": "0",
                    "scaleDenominator": 1,
                    "topLeftCorner": [0, 0],
                    "tileWidth": tiles.tile_px,
                    "tileHeight": tiles.tile_height_px,
                    "matrixWidth": tiles.cols,
                    "matrixHeight": tiles.rows,
                }],
            },
        });
    }
    properties
}
