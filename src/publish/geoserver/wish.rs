//! What a GeoServer is to serve.

use crate::dataset::ArtefactRole;
use crate::error::{Error, Place, Result};
use crate::publish::PortalInput;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where it lies in the audience's folder.
pub const FILE: &str = "portal/geoserver.json";

/// Sort of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// Tables.
    GeoPackage,
    /// An image.
    #[serde(rename = "GeoTIFF")]
    GeoTiff,
}

/// A store that is to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Name in the workspace.
    pub name: String,
    /// The dataset it belongs to.
    pub dataset: String,
    /// Its sort.
    pub sort: Sort,
    /// File, below the audience's folder.
    pub path: String,
    /// Digest of the file and of all that is said of it here: with another one, there is something to do.
    pub digest: String,
    /// Title of the dataset.
    pub title: String,
    /// Abstract of the dataset.
    pub summary: String,
    /// Keywords of the dataset.
    pub keywords: Vec<String>,
    /// Address of its record.
    pub record: Option<String>,
}

/// The stores for the artefacts that a GeoServer can read.
pub fn stores(input: &PortalInput<'_>) -> Vec<Store> {
    let mut stores = Vec::new();
    for dataset in input.visible() {
        for published in dataset.visible(input.audience) {
            let artefact = &published.artefact;
            let sort = match artefact.role {
                ArtefactRole::Data if artefact.media_type == "application/geopackage+sqlite3" => Sort::GeoPackage,
                ArtefactRole::Data if artefact.format.starts_with("Cloud Optimized GeoTIFF") => Sort::GeoTiff,
                _ => continue,
            };
            let id = &dataset.config.id;
            let metadata = &dataset.config.metadata;
            let mut store = Store {
                name: name(id, &artefact.path),
                dataset: id.clone(),
                sort,
                path: format!("{id}/{}", artefact.path),
                digest: String::new(),
                title: dataset.title().to_owned(),
                summary: metadata.abstract_text.clone().unwrap_or_default(),
                keywords: metadata.keywords.clone(),
                record: dataset.uuid.and(input.base_url).map(|base| format!("{}/metadata/{id}.xml", base.trim_end_matches('/'))),
            };
            let said = serde_json::json!([published.digest, store]).to_string();
            store.digest = crate::io::Digest::of(said.as_bytes()).short();
            stores.push(store);
        }
    }
    stores
}

/// Name of a store: the dataset's, and the file's without its end.
fn name(dataset: &str, path: &str) -> String {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{dataset}-{}", stem.trim_matches('/').chars().map(safe).collect::<String>())
}

/// A layer of a store: its name in the workspace, its name in the file, its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name in the workspace.
    pub name: String,
    /// Name in the file.
    pub native: String,
    /// Title.
    pub title: String,
}

impl Store {
    /// Itself, or one for each image where it is a folder of images. `folder` is the audience's.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sheets(self, folder: &Path) -> Result<Vec<Self>> {
        let path = folder.join(&self.path);
        if !path.is_dir() {
            return Ok(vec![self]);
        }
        let mut sheets = Vec::new();
        for entry in walkdir::WalkDir::new(&path).max_depth(1).sort_by_file_name() {
            let entry = entry.map_err(|error| {
                Error::new("mk::publish::geoserver", "cannot read a released folder of images")
                    .at(Place::file(&self.path))
                    .because(error)
            })?;
            let file = entry.file_name().to_string_lossy();
            if let Some(stem) = file.strip_suffix(".tif") {
                sheets.push(Self {
                    name: name(&self.dataset, &file),
                    path: format!("{}/{file}", self.path.trim_end_matches('/')),
                    title: format!("{}, {stem}", self.title),
                    ..self.clone()
                });
            }
        }
        Ok(sheets)
    }

    /// The layers: the tables with shapes of a GeoPackage, or the image. `folder` is the audience's.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn layers(&self, folder: &Path) -> Result<Vec<Layer>> {
        if self.sort == Sort::GeoTiff {
            return Ok(vec![Layer { name: self.name.clone(), native: self.name.clone(), title: self.title.clone() }]);
        }
        let file = folder.join(&self.path);
        let read = || -> rusqlite::Result<Vec<(String, Option<String>)>> {
            let base = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            let sql = "SELECT table_name, identifier FROM gpkg_contents WHERE data_type = 'features' ORDER BY table_name";
            base.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let tables = read().map_err(|error| {
            Error::new("mk::publish::gpkg", "cannot read the tables of a released GeoPackage")
                .at(Place::file(&self.path))
                .because(error)
        })?;
        let layer = |(table, title): (String, Option<String>)| Layer {
            name: format!("{}-{table}", self.dataset),
            title: format!("{}: {}", self.title, title.filter(|title| !title.is_empty()).unwrap_or_else(|| table.clone())),
            native: table,
        };
        Ok(tables.into_iter().map(layer).collect())
    }
}
