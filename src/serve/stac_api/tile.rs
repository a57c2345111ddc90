//! Vector tiles of all surveys together: layers `sequences` and `pictures`.

use super::index::Index;
use super::{Fault, MVT, nothing};
use crate::serve::http::Response;
use geozero::mvt::{Message, Tile};
use serde_json::{Value, json};
use std::sync::PoisonError;

/// A tile; an empty one where no survey has any, as maps expect it.
pub fn tile(index: &Index, z: &str, x: &str, y: &str) -> Result<Response, Fault> {
    let number = |text: &str| text.parse::<u32>().ok();
    let (Some(z), Some(x), Some(y)) = (z.parse::<u8>().ok(), number(x), y.strip_suffix(".mvt").and_then(number)) else {
        return Err(nothing());
    };
    let mut tiles = Vec::new();
    for survey in index.surveys.iter().filter_map(|survey| survey.tiles.as_ref()) {
        let tile = survey.lock().unwrap_or_else(PoisonError::into_inner).tile(z, x, y);
        // There is no such tile in the pyramid, or the archive cannot be read.
        tiles.extend(tile.map_err(|error| (404, error.to_string()))?);
    }
    let merged = if tiles.len() > 1 {
        merged(&tiles).ok_or((503, "a tile is broken".to_owned()))?
    } else {
        tiles.pop().unwrap_or_default()
    };
    Ok(Response::new(200, MVT, merged))
}

/// One tile of several: layers of the same name become one, with the keys and values of both.
fn merged(tiles: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut out = Tile::default();
    for bytes in tiles {
        for mut layer in Tile::decode(bytes.as_slice()).ok()?.layers {
            let Some(known) = out.layers.iter_mut().find(|known| known.name == layer.name) else {
                out.layers.push(layer);
                continue;
            };
            if known.extent() != layer.extent() {
                return None;
            }
            let (keys, values) = (known.keys.len() as u32, known.values.len() as u32);
            for feature in &mut layer.features {
                for (place, tag) in feature.tags.iter_mut().enumerate() {
                    *tag = tag.checked_add(if place % 2 == 0 { keys } else { values })?;
                }
            }
            known.keys.append(&mut layer.keys);
            known.values.append(&mut layer.values);
            known.features.append(&mut layer.features);
        }
    }
    Some(out.encode_to_vec())
}

/// The style that tells the Panoramax viewer where the tiles are; what they look like it knows itself.
pub fn style(index: &Index, own: &str) -> Value {
    let zooms = index.surveys.iter().filter_map(|survey| survey.tiles.as_ref());
    let zooms = zooms.map(|tiles| tiles.lock().unwrap_or_else(PoisonError::into_inner).zooms());
    let (low, high) = zooms.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 15));
    let mut source = json!({
        "type": "vector", "tiles": [format!("{own}/map/{{z}}/{{x}}/{{y}}.mvt")], "minzoom": low, "maxzoom": high,
    });
    if let Some(bbox) = index.bbox() {
        source["bounds"] = json!(bbox);
    }
    json!({ "version": 8, "name": "Befahrungen", "sources": { "geovisio": source }, "layers": [] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mvt::{Layer, Shape, Value, tile};

    fn with(id: &str, key: &str) -> Vec<u8> {
        let mut layer = Layer::new("pictures");
        layer.add(&Shape::Points(vec![[1, 2]]), &[(key, Value::Text(id.to_owned()))]);
        tile(&[layer])
    }

    #[test]
    fn layers_of_two_surveys_become_one_with_the_tags_of_both() {
        let bytes = merged(&[with("a", "id"), with("b", "ts")]).unwrap();
        let tile = Tile::decode(bytes.as_slice()).unwrap();
        assert_eq!(tile.layers.len(), 1);
        let layer = &tile.layers[0];
        let tags: Vec<_> = layer
            .features
            .iter()
            .map(|feature| (layer.keys[feature.tags[0] as usize].as_str(), layer.values[feature.tags[1] as usize].string_value()))
            .collect();
        assert_eq!(tags, [("id", "a"), ("ts", "b")]);
        assert!(merged(&[vec![0xff], vec![0xff]]).is_none());
    }
}
