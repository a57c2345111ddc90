//! Items and collections as the API gives them: those of the release, with the addresses under which they are served.

use super::index::{Index, Sequence, json};
use crate::error::Result;
use crate::markup::url_path;
use serde_json::{Value, json};
use uuid::Uuid;

/// The item of a picture.
///
/// # Errors
/// When its file cannot be read.
pub fn item(index: &Index, place: usize, own: &str) -> Result<Option<Value>> {
    let Some((picture, sequence)) =
        index.pictures.get(place).and_then(|picture| Some((picture, index.sequences.get(picture.sequence as usize)?)))
    else {
        return Ok(None);
    };
    let Some(survey) = index.surveys.get(sequence.survey) else { return Ok(None) };
    let folder = format!("stac/{}", sequence.id);
    let mut item: Value = json(&survey.folder.join(&folder).join(format!("{}.json", picture.id)))?;
    let address = |href: &str| absolute(href, &folder).map(|path| file(own, &survey.id, &path));
    for key in ["assets", "asset_templates"] {
        for asset in item[key].as_object_mut().into_iter().flatten().map(|(_, asset)| asset) {
            if let Some(href) = asset["href"].as_str().and_then(address) {
                asset["href"] = href.into();
            }
        }
    }
    let collection = format!("{own}/collections/{}", sequence.id);
    let mut links = vec![
        link("self", &format!("{collection}/items/{}", picture.id), "application/geo+json"),
        link("parent", &collection, "application/json"),
        link("collection", &collection, "application/json"),
        link("root", own, "application/json"),
    ];
    links.extend(item["links"].as_array().into_iter().flatten().filter_map(|old| neighbour(index, old, own)));
    item["links"] = json!(links);
    Ok(Some(item))
}

/// A link to another picture, or to something elsewhere; those of the files to each other are left out.
fn neighbour(index: &Index, old: &Value, own: &str) -> Option<Value> {
    let mut link = old.clone();
    if matches!(old["rel"].as_str()?, "prev" | "next" | "related") {
        let id = old["id"].as_str().and_then(|id| Uuid::try_parse(id).ok())?;
        let picture = index.pictures.get(index.picture(id)?)?;
        let sequence = index.sequences.get(picture.sequence as usize)?;
        link["href"] = format!("{own}/collections/{}/items/{id}", sequence.id).into();
        return Some(link);
    }
    old["href"].as_str().filter(|href| href.starts_with("https://") || href.starts_with("http://")).map(|_| link)
}

/// The collection of a sequence.
///
/// # Errors
/// When its file cannot be read.
pub fn collection(index: &Index, sequence: &Sequence, own: &str) -> Result<Option<Value>> {
    let Some(survey) = index.surveys.get(sequence.survey) else { return Ok(None) };
    let folder = format!("stac/{}", sequence.id);
    let mut collection: Value = json(&survey.folder.join(&folder).join("collection.json"))?;
    let address = format!("{own}/collections/{}", sequence.id);
    let mut links = vec![
        link("self", &address, "application/json"),
        link("parent", own, "application/json"),
        link("root", own, "application/json"),
        link("items", &format!("{address}/items"), "application/geo+json"),
    ];
    let others = collection["links"].as_array().into_iter().flatten().filter(|link| link["rel"] != "item");
    links.extend(others.filter_map(|old| neighbour(index, old, own)));
    collection["links"] = json!(links);
    Ok(Some(collection))
}

/// A link.
pub fn link(rel: &str, href: &str, media_type: &str) -> Value {
    json!({ "rel": rel, "href": href, "type": media_type })
}

/// The address of a file of a survey; the places for numbers in a template stay as they are.
pub fn file(own: &str, survey: &str, path: &str) -> String {
    let path = url_path(path).replace("%7B", "{").replace("%7D", "}");
    format!("{own}/files/{}/{path}", url_path(survey))
}

/// A path from the dataset's folder, of one that is relative to a file in `folder`; `None` for what lies elsewhere.
fn absolute(href: &str, folder: &str) -> Option<String> {
    if href.contains("://") || href.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in href.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_stay_within_the_dataset() {
        assert_eq!(absolute("../../pictures/a/sd.jpg", "stac/s").as_deref(), Some("pictures/a/sd.jpg"));
        assert_eq!(absolute("./t.jpg", "stac/s").as_deref(), Some("stac/s/t.jpg"));
        for elsewhere in ["../../../x", "/x", "https://x/y"] {
            assert_eq!(absolute(elsewhere, "stac/s"), None, "{elsewhere}");
        }
        assert_eq!(file("http://x/stac", "b", "p/{TileCol}_{TileRow}.jpg"), "http://x/stac/files/b/p/{TileCol}_{TileRow}.jpg");
    }
}
