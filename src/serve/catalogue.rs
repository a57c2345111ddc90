//! The records that are served: read once for each release.

use crate::error::{Error, Exit, Place, Result};
use crate::metadata::Tree;
use crate::pipeline::Audience;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A record.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `gmd:fileIdentifier`.
    pub id: String,
    /// The document without its declaration.
    pub xml: String,
    /// `dataset`, `series` or `service`.
    pub kind: String,
    /// Title.
    pub title: String,
    /// Abstract.
    pub summary: String,
    /// Keywords.
    pub subjects: Vec<String>,
    /// The office.
    pub organisation: String,
    /// `gmd:dateStamp`.
    pub modified: String,
    /// West, south, east, north.
    pub bbox: Option<[f64; 4]>,
    /// Addresses.
    pub links: Vec<String>,
    /// All texts in lower case, for searching.
    pub any_text: String,
    /// The record as GeoJSON.
    pub json: Value,
}

/// All records of a release, in the order of their identifiers.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// Title of the catalogue.
    pub title: String,
    /// Office and its e-mail address.
    pub contact: (String, String),
    /// The records.
    pub entries: Vec<Entry>,
}

/// Where the records come from: the current release of a workspace.
pub struct Source {
    workspace: PathBuf,
    audience: Audience,
    title: String,
    contact: (String, String),
    /// The release that was read last, with its records.
    read: Mutex<Option<(String, Arc<Holdings>)>>,
}

impl Source {
    /// The records of a pipeline's current release.
    pub fn new(pipeline: &crate::pipeline::Pipeline, audience: Audience) -> Self {
        let contact = pipeline.config.contact.as_ref();
        Self {
            workspace: pipeline.workspace(),
            audience,
            title: format!("Metadaten {}", pipeline.config.name),
            contact: contact.map(|contact| (contact.organisation.clone(), contact.email.clone())).unwrap_or_default(),
            read: Mutex::new(None),
        }
    }

    /// The records that are current now.
    ///
    /// # Errors
    /// When nothing is released, or a record cannot be read.
    pub fn holdings(&self) -> Result<Arc<Holdings>> {
        let Some(release) = crate::release::current(&self.workspace)? else {
            return Err(Error::new("mk::release::none", "nothing is released here yet")
                .at(Place::file(self.workspace.display().to_string()))
                .hint("`messkette run` makes the first release")
                .exit(Exit::NoState));
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, holdings)) = read.as_ref()
            && *known == release
        {
            return Ok(Arc::clone(holdings));
        }
        let folder = match self.audience {
            Audience::Public => "public",
            Audience::Internal => "internal",
        };
        let folder = crate::release::folder(&self.workspace, &release).join(folder).join("metadata");
        let holdings = Holdings { title: self.title.clone(), contact: self.contact.clone(), entries: entries(&folder)? };
        let holdings = Arc::new(holdings);
        *read = Some((release, Arc::clone(&holdings)));
        Ok(holdings)
    }
}

fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for file in walkdir::WalkDir::new(folder).max_depth(1).into_iter().flatten() {
        if file.path().extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let unreadable = |error| {
            Error::new("mk::serve::record", "cannot read a released record")
                .at(Place::file(file.path().display().to_string()))
                .because(error)
        };
        let xml = std::fs::read_to_string(file.path()).map_err(unreadable)?;
        let tree = Tree::parse(&xml)?;
        if tree.is("gmd:MD_Metadata") {
            let json = std::fs::read_to_string(file.path().with_extension("json"))
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok());
            found.push(Entry::read(&tree, &xml, json));
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

impl Entry {
    /// From a record; `json` is its form in OGC API – Records, where there is one.
    pub fn read(tree: &Tree, xml: &str, json: Option<Value>) -> Self {
        let get = |path: &str| tree.first(path).map(Tree::value).unwrap_or_default().to_owned();
        let data = "gmd:identificationInfo/*";
        let number = |tree: &Tree, name: &str| tree.first(name).and_then(|value| value.value().parse::<f64>().ok());
        let extent = tree.find("EX_GeographicBoundingBox");
        let bbox = extent.and_then(|extent| {
            Some([
                number(extent, "gmd:westBoundLongitude")?,
                number(extent, "gmd:southBoundLatitude")?,
                number(extent, "gmd:eastBoundLongitude")?,
                number(extent, "gmd:northBoundLatitude")?,
            ])
        });
        let level = tree.first("gmd:hierarchyLevel/gmd:MD_ScopeCode").and_then(|code| code.attribute("codeListValue"));
        let mut any_text = String::new();
        texts(tree, &mut any_text);
        let body = xml.split_once("?>").filter(|_| xml.trim_start().starts_with("<?xml")).map_or(xml, |(_, body)| body);
        let mut entry = Self {
            id: get("gmd:fileIdentifier"),
            xml: body.trim().to_owned(),
            kind: level.unwrap_or("dataset").to_owned(),
            title: get(&format!("{data}/gmd:citation/gmd:CI_Citation/gmd:title")),
            summary: get(&format!("{data}/gmd:abstract")),
            subjects: tree
                .all(&format!("{data}/gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:keyword"))
                .iter()
                .map(|w| w.value().to_owned())
                .collect(),
            organisation: get("gmd:contact/gmd:CI_ResponsibleParty/gmd:organisationName"),
            modified: get("gmd:dateStamp"),
            bbox,
            links: tree.find_all("URL").iter().map(|url| url.text.trim().to_owned()).collect(),
            any_text: any_text.to_lowercase(),
            json: Value::Null,
        };
        entry.json = json.unwrap_or_else(|| entry.as_json());
        entry
    }

    /// What OGC API – Records asks for at least, of a record that has no such form of its own.
    fn as_json(&self) -> Value {
        let geometry = self.bbox.map(
            |[w, s, e, n]| serde_json::json!({ "type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]] }),
        );
        serde_json::json!({
            "id": self.id, "type": "Feature", "geometry": geometry, "time": null,
            "properties": {
                "type": self.kind, "title": self.title, "description": self.summary, "keywords": self.subjects,
                "updated": format!("{}T00:00:00Z", self.modified.get(..10).unwrap_or_default()),
            },
            "links": self.links.iter().map(|url| serde_json::json!({ "rel": "related", "href": url })).collect::<Vec<_>>(),
        })
    }
}

fn texts(tree: &Tree, out: &mut String) {
    let text = tree.text.trim();
    if !text.is_empty() {
        out.push_str(text);
        out.push('\n');
    }
    for child in &tree.children {
        texts(child, out);
    }
}
