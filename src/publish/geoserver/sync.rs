//! A GeoServer in step with what is released.
//!
//! Every store of ours says so in its description, with the digest of what it serves; a store of that name without it is somebody
//! else's and is not touched. The digest is written last: it says that everything before it was done, so that whatever broke off is
//! begun again the next night, and a night without news only reads.

use super::Options;
use super::rest::{Rest, names, path};
use super::wish::{FILE, Layer, Sort, Store};
use crate::error::{Error, Exit, Place, Result};
use crate::publish::{Outside, OutsideInput, Phase};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The comparison of one server with one release.
pub struct Sync<'a> {
    rest: &'a Rest,
    options: &'a Options,
    pipeline: &'a str,
    stores: Vec<Store>,
    /// Images that are one layer for people: dataset, title, names of the layers.
    groups: Vec<(Store, Vec<String>)>,
    /// The audience's folder here.
    here: PathBuf,
    /// The same as the server sees it.
    there: PathBuf,
}

/// Words of the API for a sort of store.
struct Words {
    stores: &'static str,
    store: &'static str,
    layers: &'static str,
    layer: &'static str,
}

fn words(sort: Sort) -> Words {
    match sort {
        Sort::GeoPackage => Words { stores: "datastores", store: "dataStore", layers: "featuretypes", layer: "featureType" },
        Sort::GeoTiff => Words { stores: "coveragestores", store: "coverageStore", layers: "coverages", layer: "coverage" },
    }
}

impl<'a> Sync<'a> {
    /// Reads what is to be served.
    ///
    /// # Errors
    /// When the release has no list of stores that can be read.
    pub fn new(options: &'a Options, input: &OutsideInput<'a>, rest: &'a Rest) -> Result<Self> {
        let here = input.current.join(options.folder());
        let unreadable = || Error::new("mk::publish::geoserver", "cannot read the released list of stores").at(Place::file(FILE));
        let text = std::fs::read_to_string(here.join(FILE)).map_err(|error| unreadable().because(error))?;
        let wished: Vec<Store> = serde_json::from_str(&text).map_err(|error| unreadable().because(error))?;
        let (mut stores, mut groups) = (Vec::new(), Vec::new());
        for store in wished {
            let whole = store.clone();
            let sheets = store.sheets(&here)?;
            if sheets.len() != 1 || sheets[0] != whole {
                groups.push((whole, sheets.iter().map(|sheet| format!("{}:{}", options.workspace, sheet.name)).collect()));
            }
            stores.extend(sheets);
        }
        let own = std::path::absolute(&here).unwrap_or_else(|_| here.clone());
        let there = options.files.clone().unwrap_or(own);
        Ok(Self { rest, options, pipeline: &input.pipeline.config.name, stores, groups, here, there })
    }

    /// Does what the phase is for.
    ///
    /// # Errors
    /// When the server does not answer or does not take something; what was done before stays.
    pub fn run(&self, phase: Phase, outside: &mut Outside) -> Result<()> {
        match phase {
            Phase::Before => {
                let workspace = &self.options.workspace;
                if self.rest.get(&path(&["workspaces", workspace]))?.is_none() {
                    self.rest.post("/rest/workspaces", &json!({ "workspace": { "name": workspace } }))?;
                    outside.changed.push(format!("workspace {workspace}"));
                }
                for store in &self.stores {
                    self.bring(store, outside)?;
                }
                for (whole, layers) in &self.groups {
                    self.group(whole, layers, outside)?;
                }
            }
            Phase::After => self.clear(outside)?,
        }
        Ok(())
    }

    /// One store with its layers.
    fn bring(&self, store: &Store, outside: &mut Outside) -> Result<()> {
        let words = words(store.sort);
        let own = path(&["workspaces", &self.options.workspace, words.stores, &store.name]);
        let found = self.rest.get(&own)?;
        match found.as_ref().map(|found| self.mark(&found[words.store])) {
            Some(None) => {
                let why = format!("der Store „{}“ ist dort schon und nicht von uns, er bleibt unberührt", store.name);
                outside.left.push((store.dataset.clone(), why));
                return Ok(());
            }
            Some(Some(digest)) if digest == store.digest => return Ok(()),
            Some(Some(_)) => self.rest.put(&own, &self.document(store, "unfinished"))?,
            None => {
                let all = format!("/rest/workspaces/{}/{}", self.options.workspace, words.stores);
                self.rest.post(&all, &self.document(store, "unfinished"))?;
            }
        }
        let layers = store.layers(&self.here)?;
        self.layers(store, &layers)?;
        let full: Vec<String> = layers.iter().map(|layer| format!("{}:{}", self.options.workspace, layer.name)).collect();
        self.rest.refresh(&full)?;
        self.rest.put(&own, &self.document(store, &store.digest))?;
        // Its word is no proof.
        let now = self.rest.get(&own)?.and_then(|found| self.mark(&found[words.store]));
        if now.as_deref() != Some(store.digest.as_str()) {
            return Err(Error::new(
                "mk::publish::geoserver",
                format!("the map server says that it keeps the store '{}', and does not", store.name),
            )
            .exit(Exit::Unavailable));
        }
        outside.changed.push(format!("{} with {} layers", store.name, layers.len()));
        Ok(())
    }

    fn layers(&self, store: &Store, layers: &[Layer]) -> Result<()> {
        let words = words(store.sort);
        let base = ["workspaces", &self.options.workspace, words.stores, &store.name, words.layers];
        let listed = self.rest.get(&path(&base))?.unwrap_or_default();
        let outer = if store.sort == Sort::GeoPackage { "featureTypes" } else { "coverages" };
        let there = names(&listed, outer, words.layer);
        for layer in layers {
            let document = json!({ words.layer: described(store, layer) });
            if there.contains(&layer.name) {
                self.rest.put(&path(&[&base[..], &[&layer.name]].concat()), &document)?;
            } else {
                self.rest.post(path(&base).trim_end_matches(".json"), &document)?;
            }
        }
        // The store is ours, and so is every layer in it.
        for name in there.iter().filter(|name| layers.iter().all(|layer| layer.name != **name)) {
            self.rest.delete(&format!("{}?recurse=true", path(&[&base[..], &[name]].concat())))?;
        }
        Ok(())
    }

    /// Many images as one layer, by the name of the dataset. A group of that name is ours if it holds nothing but our layers.
    fn group(&self, whole: &Store, layers: &[String], outside: &mut Outside) -> Result<()> {
        let workspace = self.options.workspace.as_str();
        let own = path(&["workspaces", workspace, "layergroups", &whole.dataset]);
        let document = json!({ "layerGroup": {
            "name": whole.dataset, "mode": "SINGLE", "title": whole.title, "abstractTxt": whole.summary, "workspace": { "name": workspace },
            "publishables": { "published": layers.iter().map(|name| json!({ "@type": "layer", "name": name })).collect::<Vec<_>>() },
            "styles": { "style": vec![""; layers.len()] },
        } });
        let found = self.rest.get(&own)?;
        match found.as_ref().map(|found| self.members(found)) {
            Some(there) if there == layers => return Ok(()),
            Some(there) if self.is_own_group(&there, &whole.dataset) => self.rest.put(&own, &document)?,
            Some(_) => {
                let why = format!("die Gruppe „{}“ ist dort schon und nicht von uns, sie bleibt unberührt", whole.dataset);
                outside.left.push((whole.dataset.clone(), why));
                return Ok(());
            }
            None => self.rest.post(&format!("/rest/workspaces/{workspace}/layergroups"), &document)?,
        }
        outside.changed.push(format!("group {} of {} layers", whole.dataset, layers.len()));
        Ok(())
    }

    /// The layers of a group, with their workspace.
    fn members(&self, group: &Value) -> Vec<String> {
        let full = |name: String| if name.contains(':') { name } else { format!("{}:{name}", self.options.workspace) };
        names(&group["layerGroup"], "publishables", "published").into_iter().map(full).collect()
    }

    fn is_own_group(&self, members: &[String], dataset: &str) -> bool {
        let prefix = format!("{}:{dataset}-", self.options.workspace);
        members.iter().all(|name| name.starts_with(&prefix))
    }

    /// Stores of ours that are no longer released.
    fn clear(&self, outside: &mut Outside) -> Result<()> {
        for (sort, outer) in [(Sort::GeoPackage, "dataStores"), (Sort::GeoTiff, "coverageStores")] {
            let words = words(sort);
            let base = ["workspaces", self.options.workspace.as_str(), words.stores];
            let listed = self.rest.get(&path(&base))?.unwrap_or_default();
            for name in names(&listed, outer, words.store) {
                if self.stores.iter().any(|store| store.name == name) {
                    continue;
                }
                let own = path(&[&base[..], &[&name]].concat());
                let ours = self.rest.get(&own)?.and_then(|found| self.mark(&found[words.store])).is_some();
                if ours && self.options.prune {
                    // A group goes before the layers in it.
                    let parts: Vec<&str> = name.split('-').collect();
                    for end in 1..parts.len() {
                        let dataset = parts[..end].join("-");
                        let group = path(&["workspaces", &self.options.workspace, "layergroups", &dataset]);
                        let there = self.rest.get(&group)?.map(|found| self.members(&found));
                        let wished = self.groups.iter().any(|(whole, _)| whole.dataset == dataset);
                        if !wished && there.is_some_and(|there| self.is_own_group(&there, &dataset)) {
                            self.rest.delete(&group)?;
                        }
                    }
                    self.rest.delete(&format!("{own}?recurse=true"))?;
                    outside.changed.push(format!("{name} removed"));
                } else if ours {
                    let dataset = name.rsplit_once('-').map_or(name.as_str(), |(dataset, _)| dataset).to_owned();
                    outside.left.push((dataset, format!("der Store „{name}“ ist nicht mehr veröffentlicht und steht noch da")));
                }
            }
        }
        Ok(())
    }

    fn document(&self, store: &Store, digest: &str) -> Value {
        let file = format!("file:{}", self.there.join(&store.path).display());
        let mut document = json!({
            "name": store.name, "enabled": true, "description": format!("messkette {} {digest}", self.pipeline),
            "type": if store.sort == Sort::GeoPackage { "GeoPackage" } else { "GeoTIFF" },
        });
        if store.sort == Sort::GeoPackage {
            let entries = json!([{ "@key": "database", "$": file }, { "@key": "dbtype", "$": "geopkg" }, { "@key": "read_only", "$": "true" }]);
            document["connectionParameters"] = json!({ "entry": entries });
        } else {
            document["url"] = json!(file);
            document["workspace"] = json!({ "name": self.options.workspace });
        }
        json!({ words(store.sort).store: document })
    }

    /// The digest in the description of a store that is ours.
    fn mark(&self, store: &Value) -> Option<String> {
        let rest = store["description"].as_str()?.strip_prefix("messkette ")?;
        let (pipeline, digest) = rest.rsplit_once(' ')?;
        (pipeline == self.pipeline).then(|| digest.to_owned())
    }
}

fn described(store: &Store, layer: &Layer) -> Value {
    let mut document = json!({
        "name": layer.name, "nativeName": layer.native, "title": layer.title, "abstract": store.summary, "enabled": true,
        "keywords": { "string": store.keywords },
    });
    if let Some(record) = &store.record {
        let link = json!({ "type": "application/xml", "metadataType": "ISO19115:2003", "content": record });
        document["metadataLinks"] = json!({ "metadataLink": [link] });
    }
    document
}
