//! What lets programs find the folders of tiles: WMTS capabilities, TileJSON, entries for the geoportal.

use super::products::Product;
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::{AssembleContext, PortalLayer};
use crate::error::Result;
use crate::format::tile_matrix::WEB_MERCATOR_QUAD_ID;
use crate::format::tilejson::TileJson;
use crate::format::wmts::{Layer, Service, capabilities};
use crate::io::atomic;
use std::path::Path;

/// File of the capabilities.
pub const CAPABILITIES: &str = "WMTSCapabilities.xml";

/// Title of a set of tiles: the dataset's, with what makes the set differ.
pub fn title(dataset: &str, product: &Product) -> String {
    let mut title = dataset.to_owned();
    if product.target.bands == super::Shown::Cir {
        title.push_str(", Falschfarben (CIR)");
    }
    if let Some(year) = &product.year {
        title.push_str(&format!(", Befliegung {year}"));
    }
    title
}

/// Extent of a set of tiles in longitude and latitude.
pub fn bounds_lonlat(product: &Product, lonlat: impl Fn(usize) -> Bbox) -> Bbox {
    product.images.iter().fold(Bbox::EMPTY, |bbox, (index, _)| bbox.union(lonlat(*index)))
}

/// Writes the capabilities of all sets that have a folder of tiles.
pub fn write_capabilities(
    path: &Path,
    context: &AssembleContext<'_>,
    dataset_title: &str,
    products: &[(&Product, Bbox)],
) -> Result<()> {
    let titles: Vec<String> = products.iter().map(|(product, _)| title(dataset_title, product)).collect();
    let layers: Vec<Layer<'_>> = products
        .iter()
        .zip(&titles)
        .map(|((product, bbox_lonlat), title)| Layer {
            name: &product.name,
            title,
            bbox_lonlat: *bbox_lonlat,
            bbox: product.on_map(),
            media_type: product.target.codec().media_type(),
            matrix: &product.matrix,
            zooms: [product.zooms.min, product.zooms.max],
            template: template(context, product, ["{TileMatrix}", "{TileCol}", "{TileRow}"]),
        })
        .collect();
    let metadata = &context.dataset.metadata;
    let service = Service {
        title: dataset_title,
        about: metadata.abstract_text.as_deref().unwrap_or(dataset_title),
        terms: metadata.attribution.as_deref().unwrap_or_default(),
        address: context.address(CAPABILITIES),
    };
    atomic::write_unseen(path, capabilities(&service, &layers).as_bytes())
}

/// Address of a tile; relative to the dataset's folder where it is not known under which address that is served.
fn template(context: &AssembleContext<'_>, product: &Product, [zoom, column, row]: [&str; 3]) -> String {
    let path = format!("{}/{zoom}/{column}/{row}.{}", product.name, product.target.codec().extension());
    match context.address("") {
        Some(base) => format!("{base}{path}"),
        None => path,
    }
}

/// Writes the TileJSON of a set, where it can have one; false where it cannot.
pub fn write_tilejson(
    path: &Path,
    context: &AssembleContext<'_>,
    dataset_title: &str,
    (product, bounds_lonlat): (&Product, Bbox),
) -> Result<bool> {
    if product.matrix.id != WEB_MERCATOR_QUAD_ID {
        return Ok(false);
    }
    let json = TileJson {
        name: &title(dataset_title, product),
        attribution: context.dataset.metadata.attribution.as_deref().unwrap_or_default(),
        template: template(context, product, ["{z}", "{x}", "{y}"]),
        zooms: [product.zooms.min, product.zooms.max],
        bounds_lonlat,
    };
    atomic::write_unseen(path, format!("{:#}\n", json.to_json()).as_bytes())?;
    Ok(true)
}

/// Entries for the geoportal: one for each set with a folder of tiles.
pub fn layers(dataset_title: &str, products: &[&Product]) -> Vec<PortalLayer> {
    let shown = products.iter().filter(|product| product.has_tree());
    shown
        .map(|product| {
            let mut extra = serde_json::Map::new();
            extra.insert("layers".into(), product.name.clone().into());
            extra.insert("optionsFromCapabilities".into(), true.into());
            PortalLayer {
                name: product.name.clone(),
                title: title(dataset_title, product),
                typ: "WMTS".to_owned(),
                path: CAPABILITIES.to_owned(),
                attributes: Vec::new(),
                extra,
            }
        })
        .collect()
}

/// The coordinate operations from the images to the maps, each once.
pub fn operations(
    products: &[&Product],
    crs_of: impl Fn(usize) -> Crs,
    grids: &[std::path::PathBuf],
) -> Result<Vec<crate::crs::OperationFact>> {
    let mut pairs = std::collections::BTreeSet::new();
    for product in products {
        pairs.extend(product.images.iter().map(|(index, _)| (crs_of(*index), product.matrix.crs)));
    }
    pairs.into_iter().map(|(from, to)| Ok(Operation::between(from, to, grids)?.fact().clone())).collect()
}
