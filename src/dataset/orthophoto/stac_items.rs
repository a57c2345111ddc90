//! `stac/`: a collection, and an item for each image whose flight date is known.

use super::assemble::archive_name;
use super::inspect::Inspected;
use super::products::Product;
use super::sheets;
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{AssembleContext, Facts};
use crate::error::Result;
use crate::format::stac::{Asset, Collection, Item, spdx};
use std::collections::BTreeSet;

/// What the catalogue is made of.
pub struct Catalogue<'a> {
    /// The images.
    pub images: &'a [Inspected<'a>],
    /// Names of their items and files.
    pub names: &'a [String],
    /// True for those that have a file.
    pub sheets: &'a [bool],
    /// The sets of tiles with their numbers of tiles.
    pub made: &'a [(Product, usize)],
}

/// Writes the folder. STAC has no item without a time, so that images of unknown date are in the footprints only.
pub fn write(folder: &str, context: &AssembleContext<'_>, title: &str, facts: &Facts, catalogue: &Catalogue<'_>) -> Result<()> {
    let id = &context.dataset.id;
    let (images, made) = (catalogue.images, catalogue.made);
    let mut items = Vec::new();
    for (index, inspected) in images.iter().enumerate() {
        let mut assets = Vec::new();
        if catalogue.sheets[index] {
            assets.push(sheets::asset("../../", &catalogue.names[index]));
        }
        assets.extend(tiles(
            "../../",
            made.iter().filter(|(product, _)| product.images.binary_search_by_key(&index, |(shown, _)| *shown).is_ok()),
        ));
        let Some(item) = item(inspected, context, &catalogue.names[index], assets)? else { continue };
        let file = format!("{}.json", item.id);
        save(context, &format!("{folder}/items/{file}"), &item.to_json(id, "../collection.json"))?;
        items.push(format!("items/{file}"));
    }
    items.sort();
    let days = images.iter().filter_map(|inspected| Some(inspected.image.flight_date.as_ref()?.days()));
    let days = days.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let metadata = &context.dataset.metadata;
    let collection = Collection {
        id: id.clone(),
        title: title.to_owned(),
        description: metadata.abstract_text.clone().unwrap_or_else(|| title.to_owned()),
        license: spdx(metadata.licence.as_deref()).to_owned(),
        bbox: facts.bbox_lonlat,
        days,
        attribution: metadata.attribution.clone(),
        items,
        assets: tiles("../", made),
    };
    save(context, &format!("{folder}/collection.json"), &collection.to_json("collection.json"))
}

/// The archives that show an image; `up` leads to the dataset's folder.
fn tiles<'a>(up: &str, made: impl IntoIterator<Item = &'a (Product, usize)>) -> Vec<Asset> {
    let shown = made.into_iter().filter(|(product, tiles)| *tiles > 0 && product.fits_pmtiles());
    shown
        .map(|(product, _)| Asset {
            key: if product.name == "orthophoto" { "tiles".to_owned() } else { product.name.clone() },
            href: format!("{up}{}", archive_name(product)),
            media_type: "application/vnd.pmtiles".into(),
            title: "Kartenkacheln".into(),
            roles: vec!["visual".into()],
        })
        .collect()
}

fn item(inspected: &Inspected<'_>, context: &AssembleContext<'_>, name: &str, assets: Vec<Asset>) -> Result<Option<Item>> {
    let image = &inspected.image;
    let Some(date) = &image.flight_date else { return Ok(None) };
    let header = &image.header;
    let mut ring = header.corners();
    Operation::between(header.crs, Crs::WGS84, &context.area.grids)?.forward(&mut ring)?;
    let mut ring: Vec<[f64; 2]> = ring.iter().chain([&ring[0]]).copied().collect();
    let area: f64 = ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum();
    if area < 0.0 {
        ring.reverse();
    }
    let digest = inspected.result.inputs.first().map(|input| input.digest);
    let mut properties = serde_json::Map::new();
    properties.insert("messkette:crs".into(), header.crs.to_string().into());
    properties.insert("title".into(), inspected.file_name().into());
    if let Some(digest) = digest {
        properties.insert("messkette:source_blake3".into(), digest.to_string().into());
    }
    Ok(Some(Item {
        id: name.to_owned(),
        bbox: Bbox::around(ring.iter().copied()),
        ring,
        days: date.days(),
        gsd: image.resolution_m,
        properties,
        assets,
    }))
}

/// Names of the images' items and files.
pub fn names(images: &[Inspected<'_>]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let name = |inspected: &Inspected<'_>| {
        let digest = inspected.result.inputs.first().map(|input| input.digest.short()).unwrap_or_default();
        unique(inspected.file_name(), &digest, &mut names)
    };
    images.iter().map(name).collect()
}

/// An identifier that is a safe file name: the image's own name; with the digest where two have the same.
fn unique(file: &str, digest: &str, names: &mut BTreeSet<String>) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let mut name: String = stem.chars().map(safe).collect::<String>().trim_start_matches('.').to_owned();
    if name.is_empty() || names.contains(&name) {
        name = format!("{name}_{digest}");
    }
    while !names.insert(name.clone()) {
        name.push('_');
    }
    name
}

fn save(context: &AssembleContext<'_>, path: &str, value: &serde_json::Value) -> Result<()> {
    context.write(path, format!("{value:#}\n").as_bytes())
}
