//! Configuration of a Masterportal (version 3) that shows what was released: `services.json` with the layers, `config.json` with the
//! map and the tree, `config.js` with the paths, and the small files these name. Put a Masterportal's own files beside them.
//!
//! Layers come from [`Facts::layers`](crate::dataset::Facts::layers). A type that the portal's layer factory does not know is left
//! out: it would stop the whole tree.

mod merge;

use super::{Outside, OutsideInput, Phase, PortalFile, PortalInput, PublishedDataset, Publisher, read_options};
use crate::crs::{Bbox, Crs};
use crate::error::{Error, Exit, Place, Result};
use crate::io::atomic;
use crate::pipeline::PublishConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The publisher, as the table lists it.
pub const PUBLISHER: Publisher = Publisher {
    name: "masterportal",
    summary: "Configuration of a Masterportal: services.json, config.json, config.js",
    always: true,
    once: true,
    options: || schemars::schema_for!(Options),
    check: |config| read_options::<Options>(config).map(|_| ()),
    files,
    outside: Some(merge_into),
};

/// The options of the publisher in the pipeline file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Title of the portal. Defaults to the pipeline's name.
    #[serde(default)]
    pub title: Option<String>,
    /// Address of the catalogue (CSW) from which the portal fetches records to show; none shows no records in the portal.
    #[serde(default)]
    pub csw_url: Option<String>,
    /// Page of the catalogue to which a record's UUID is added, for people.
    #[serde(default)]
    pub show_doc_url: Option<String>,
    /// Background maps, the first one shown at the start.
    #[serde(default)]
    pub background: Vec<Background>,
    /// A `services.json` of the office's own portal, relative to the pipeline file: every night it gets the public layers, and what others
    /// wrote in it stays. Needs `base_url`. Defaults to none.
    #[serde(default)]
    pub merge_into: Option<PathBuf>,
}

/// A background map: a WMS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// Title, in German.
    pub title: String,
    /// Address of the WMS, without parameters.
    pub url: String,
    /// Names of its layers, separated by commas.
    pub layers: String,
    /// Attribution that its licence asks for.
    #[serde(default)]
    pub attribution: Option<String>,
}

/// Identifiers of background maps begin so.
const BACKGROUND: &str = "hintergrund-";

/// Layer types of the portal's factory (3.19), in its own spelling.
const TYPES: &[&str] = &[
    "Entities3D",
    "GeoJSON",
    "GeoTiff",
    "OAF",
    "StaticImage",
    "Terrain3D",
    "TileSet3D",
    "VectorBase",
    "VectorTile",
    "WFS",
    "WMS",
    "WMTS",
];

fn files(config: &PublishConfig, input: &PortalInput<'_>) -> Result<Vec<PortalFile>> {
    let options: Options = read_options(config)?;
    let mut ids = BTreeSet::new();
    let mut services = Vec::new();
    let mut base = Vec::new();
    let mut folders = Vec::new();
    for (index, background) in options.background.iter().enumerate() {
        let id = unique(&mut ids, &format!("{BACKGROUND}{}", index + 1));
        base.push(json!({"id": id, "visibility": index == 0}));
        services.push(wms(&id, background));
    }
    let mut extent = Bbox::EMPTY;
    for dataset in input.visible() {
        if dataset.facts.crs == Crs::UTM32 {
            extent = extent.union(dataset.facts.bbox);
        }
        let mut elements = Vec::new();
        for layer in &dataset.facts.layers {
            let Some(typ) = TYPES.iter().find(|known| known.eq_ignore_ascii_case(&layer.typ)) else { continue };
            let released = dataset.visible(input.audience).iter().any(|published| published.artefact.owns(&layer.path));
            if !released {
                continue;
            }
            let id = unique(&mut ids, &format!("{}-{}", dataset.config.id, layer.name));
            let first = elements.is_empty();
            elements.push(json!({"id": id, "name": layer.title, "visibility": first}));
            services.push(service(&id, typ, layer, dataset, input, &options));
        }
        if !elements.is_empty() {
            folders.push(json!({"type": "folder", "name": dataset.title(), "elements": elements}));
        }
    }
    let title = options.title.clone().unwrap_or_else(|| input.pipeline.name.clone());
    let config = portal(&title, extent, &base, &folders, &services);
    let mut files = vec![
        file("services.json", &Value::Array(services))?,
        file("config.json", &config)?,
        file("rest-services.json", &rest_services(&options))?,
        file("style.json", &json!([]))?,
    ];
    files.push(PortalFile { path: "portal/config.js".to_owned(), bytes: config_js()?.into_bytes() });
    Ok(files)
}

/// Brings the office's own list of layers in step with the public layers of the release.
fn merge_into(config: &PublishConfig, input: &OutsideInput<'_>) -> Result<Option<Outside>> {
    let options: Options = read_options(config)?;
    let Some(path) = options.merge_into.filter(|_| input.phase == Phase::After) else { return Ok(None) };
    let file = input.pipeline.folder().join(&path);
    // The link stays a link.
    let file = file.canonicalize().unwrap_or(file);
    let mut outside = Outside::new("masterportal", path.display().to_string());
    if input.pipeline.config.base_url.is_none() {
        let error = Error::new("mk::publish::base_url", "layers in another portal need the address under which they are served");
        outside.error = Some(error.hint("set [pipeline] base_url").exit(Exit::Usage));
        return Ok(Some(outside));
    }
    let released = read_list(&input.current.join("public/portal/services.json"))?.unwrap_or_default();
    let mut ours: Vec<Value> = serde_json::from_str(&released)
        .map_err(|error| Error::new("mk::publish::services", "the released list of layers cannot be read").because(error))?;
    // The background maps are the office's own business there.
    ours.retain(|layer| layer["id"].as_str().is_none_or(|id| !id.starts_with(BACKGROUND)));
    let existing = read_list(&file)?;
    let merged = merge::merge(existing.as_deref(), &ours, &input.pipeline.config.name, &outside.target)?;
    if !merged.changed.is_empty() {
        let mode = std::fs::metadata(&file).ok().map(|data| data.permissions());
        if read_list(&file)? != existing {
            return Err(Error::new("mk::publish::services", "somebody else wrote the list of layers at the same moment")
                .at(Place::file(&outside.target))
                .hint("the next night writes it"));
        }
        atomic::write_atomic(&file, merged.text.as_bytes())?;
        if let Some(mode) = mode {
            let _ = std::fs::set_permissions(&file, mode);
        }
    }
    outside.changed = merged.changed;
    outside.left = merged.left.into_iter().map(|(id, why)| (dataset_of(&id, input), format!("„{id}“ {why}"))).collect();
    Ok(Some(outside))
}

/// The dataset whose layer has this identifier.
fn dataset_of(id: &str, input: &OutsideInput<'_>) -> String {
    let datasets = input.pipeline.datasets.iter().map(|dataset| &dataset.id);
    datasets.filter(|dataset| id.starts_with(dataset.as_str())).max_by_key(|dataset| dataset.len()).cloned().unwrap_or_default()
}

/// Bytes of a list of layers that are read at most.
const MOST_BYTES: u64 = 64 << 20;

fn read_list(path: &Path) -> Result<Option<String>> {
    use std::io::Read;
    let failed = |error: std::io::Error| {
        Error::new("mk::publish::services", "cannot read the list of layers")
            .at(Place::file(path.display().to_string()))
            .because(error)
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

fn wms(id: &str, background: &Background) -> Value {
    json!({
        "id": id, "name": background.title, "url": background.url, "typ": "WMS", "layers": background.layers, "format": "image/png",
        "version": "1.3.0", "singleTile": false, "transparent": true, "tilesize": 512, "gutter": 0, "gfiAttributes": "ignore",
        "layerAttribution": background.attribution.clone().unwrap_or_else(|| "nicht vorhanden".to_owned()), "legend": false, "datasets": [],
    })
}

fn service(
    id: &str,
    typ: &str,
    layer: &crate::dataset::PortalLayer,
    dataset: &PublishedDataset<'_>,
    input: &PortalInput<'_>,
    options: &Options,
) -> Value {
    let address = input.address(&format!("{}/{}", dataset.config.id, layer.path));
    let mut service = Map::new();
    let mut set = |key: &str, value: Value| {
        service.insert(key.to_owned(), value);
    };
    set("id", json!(id));
    set("name", json!(layer.title));
    set("typ", json!(typ));
    match typ {
        // The portal adds `/tileset.json` and `/layer.json` itself.
        "TileSet3D" => set("url", json!(address.trim_end_matches("tileset.json").trim_end_matches('/'))),
        "Terrain3D" => set("url", json!(address.trim_end_matches("layer.json").trim_end_matches('/'))),
        "GeoTiff" => {
            set("urls", json!([address]));
            set("crs", json!(dataset.facts.crs.to_string()));
        }
        // The portal reads grid, format and address from the capabilities; `layers` comes with the layer.
        "WMTS" => set("capabilitiesUrl", json!(address)),
        // A pattern of a tile address is no path: its braces stay.
        "VectorTile" => {
            set("url", json!(address.replace("%7B", "{").replace("%7D", "}")));
            set("epsg", json!(dataset.facts.crs.to_string()));
        }
        _ => set("url", json!(address)),
    }
    let attributes: Map<String, Value> = layer.attributes.iter().map(|(name, title)| (name.clone(), json!(title))).collect();
    set("gfiAttributes", if attributes.is_empty() { json!("showAll") } else { Value::Object(attributes) });
    set("layerAttribution", json!(dataset.config.metadata.attribution.as_deref().unwrap_or("nicht vorhanden")));
    set("legend", json!(false));
    let record = dataset.uuid.map(|uuid| {
        let mut entry = json!({
            "md_id": uuid.to_string(), "md_name": dataset.title(), "rs_id": format!("urn:uuid:{uuid}"),
            "bbox": bbox_text(dataset.facts.bbox), "kategorie_opendata": [], "kategorie_inspire": [], "kategorie_organisation":
            input.pipeline.contact.as_ref().map(|contact| contact.organisation.clone()).unwrap_or_default(),
        });
        if let Some(csw) = &options.csw_url {
            entry["csw_url"] = json!(csw);
        }
        if let Some(page) = &options.show_doc_url {
            entry["show_doc_url"] = json!(page);
        }
        entry
    });
    set("datasets", Value::Array(record.into_iter().collect()));
    for (key, value) in &layer.extra {
        // What is written here is right for every layer; the kind adds to it.
        if !service.contains_key(key) || (key == "epsg" || key == "crs") {
            service.insert(key.clone(), value.clone());
        }
    }
    Value::Object(service)
}

fn bbox_text(bbox: Bbox) -> String {
    if bbox.is_empty() {
        String::new()
    } else {
        format!("{:.0},{:.0},{:.0},{:.0}", bbox.min[0], bbox.min[1], bbox.max[0], bbox.max[1])
    }
}

fn portal(title: &str, extent: Bbox, base: &[Value], folders: &[Value], services: &[Value]) -> Value {
    // Germany in EPSG:25832, where no dataset gives an extent.
    let extent = if extent.is_empty() { Bbox::new([280_000.0, 5_230_000.0], [920_000.0, 6_110_000.0]) } else { extent };
    let margin = extent.width().max(extent.height()).max(1_000.0);
    let centre = extent.centre();
    let three_d =
        services.iter().any(|service| matches!(service["typ"].as_str(), Some("TileSet3D" | "Terrain3D" | "Entities3D")));
    json!({
        "portalConfig": {
            "map": {
                "controls": {"zoom": true, "orientation": {"zoomMode": "once"}, "button3d": three_d, "fullScreen": true},
                "mapView": {
                    "epsg": "EPSG:25832",
                    "startCenter": [centre[0].round(), centre[1].round()],
                    "extent": [
                        (extent.min[0] - margin).round(), (extent.min[1] - margin).round(),
                        (extent.max[0] + margin).round(), (extent.max[1] + margin).round()
                    ],
                    "startZoomLevel": start_zoom(extent)
                }
            },
            "mainMenu": {"expanded": true, "title": {"text": title}, "searchBar": {"searchInterfaces": [{"type": "topicTree", "hitTemplate": "layer"}]}, "sections": [[]]},
            "secondaryMenu": {"expanded": false, "sections": [[{"type": "legend"}, {"type": "measure"}, {"type": "coordToolkit"}, {"type": "shareView"}]]},
            "tree": {"type": "auto"}
        },
        "layerConfig": {
            "baselayer": {"elements": base},
            "subjectlayer": {"elements": folders}
        }
    })
}

/// The portal's default scale list; the first zoom level at which the extent fills a screen of about 1000 pixels.
fn start_zoom(extent: Bbox) -> usize {
    const RESOLUTIONS: [f64; 10] = [66.14, 26.46, 15.87, 10.58, 5.29, 2.65, 1.32, 0.66, 0.26, 0.13];
    let wanted = extent.width().max(extent.height()) / 1_000.0;
    RESOLUTIONS.iter().rposition(|resolution| *resolution >= wanted).unwrap_or(0)
}

fn rest_services(options: &Options) -> Value {
    let csw = options.csw_url.as_ref().map(|url| json!({"id": "katalog", "name": "Metadatenkatalog", "url": url, "typ": "CSW"}));
    Value::Array(csw.into_iter().collect())
}

fn config_js() -> Result<String> {
    let config = json!({
        "namedProjections": [
            ["EPSG:25832", "+title=ETRS89/UTM 32N +proj=utm +zone=32 +ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs"],
            ["EPSG:25833", "+title=ETRS89/UTM 33N +proj=utm +zone=33 +ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs"]
        ],
        "layerConf": "./services.json",
        "restConf": "./rest-services.json",
        "styleConf": "./style.json",
        "portalLanguage": {
            "enabled": true, "debug": false, "languages": {"de": "Deutsch", "en": "English"}, "fallbackLanguage": "de",
            "changeLanguageOnStartWhen": ["querystring", "localStorage", "htmlTag"]
        }
    });
    Ok(format!("const Config = {};\n", pretty(&config)?))
}

/// An identifier of letters, digits and hyphens: the portal cuts others at underscores and dots.
fn unique(ids: &mut BTreeSet<String>, wanted: &str) -> String {
    let plain: String = wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain = plain.trim_matches('-').to_owned();
    let mut id = plain.clone();
    let mut number = 2;
    while !ids.insert(id.clone()) {
        id = format!("{plain}-{number}");
        number += 1;
    }
    id
}

fn pretty(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Error::new("mk::publish::json", "cannot write the portal's JSON").because(error))
}

fn file(name: &str, value: &Value) -> Result<PortalFile> {
    Ok(PortalFile { path: format!("portal/{name}"), bytes: (pretty(value)? + "\n").into_bytes() })
}
