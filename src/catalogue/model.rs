//! The three states of a record that are compared: released, last known, and what the catalogue holds.

use crate::error::{Error, Place, Result};
use crate::io::Digest;
use crate::metadata::rules::{self, RuleFinding, Severity};
use crate::metadata::{Tree, content_digest_of};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::path::Path;
use uuid::Uuid;

/// What a record describes. Services refer to datasets: they are written after and deleted before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A dataset or a series.
    Dataset,
    /// A service.
    Service,
}

/// A released record.
#[derive(Debug, Clone)]
pub struct Desired {
    /// `gmd:fileIdentifier`.
    pub uuid: Uuid,
    /// The dataset it belongs to: its file's name.
    pub dataset: String,
    /// What it describes.
    pub kind: RecordKind,
    /// Title.
    pub title: String,
    /// The document.
    pub xml: String,
    /// Digest of its content.
    pub content: Digest,
    /// The document, parsed.
    pub tree: Tree,
    /// Mandatory rules that it breaks: it is not sent.
    pub broken: Vec<RuleFinding>,
}

impl Desired {
    /// Reads a released record.
    ///
    /// # Errors
    /// When it is no record with a UUID: without one, catalogues make one up and every night would add another record.
    pub fn read(dataset: &str, xml: String) -> Result<Self> {
        let tree = Tree::parse(&xml)?;
        let uuid = identifier(&tree).ok_or_else(|| {
            Error::new("mk::catalogue::identifier", "a released record has no UUID").at(Place::file(format!("{dataset}.xml")))
        })?;
        let level = tree.first("gmd:hierarchyLevel/gmd:MD_ScopeCode").and_then(|code| code.attribute("codeListValue"));
        let mut broken = rules::check_tree(&tree);
        broken.retain(|finding| finding.severity == Severity::Failure);
        Ok(Self {
            uuid,
            dataset: dataset.to_owned(),
            kind: if level == Some("service") { RecordKind::Service } else { RecordKind::Dataset },
            title: title(&tree).to_owned(),
            content: content_digest_of(&tree),
            xml,
            tree,
            broken,
        })
    }

    /// All records of a folder `metadata` of a release, in the order of their names.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read_folder(folder: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(folder).max_depth(1).sort_by_file_name().into_iter().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "xml") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let xml = std::fs::read_to_string(path).map_err(|error| {
                Error::new("mk::catalogue::record", "cannot read a released record")
                    .at(Place::file(path.display().to_string()))
                    .because(error)
            })?;
            if let Some(tree) = Tree::parse(&xml).ok().filter(|tree| tree.is("gmd:MD_Metadata")) {
                drop(tree);
                found.push(Self::read(&name, xml)?);
            }
        }
        Ok(found)
    }
}

/// What a catalogue holds.
#[derive(Debug, Clone)]
pub struct Actual {
    /// Digest of its content.
    pub content: Digest,
    /// The record.
    pub tree: Tree,
}

impl Actual {
    /// From a parsed record.
    pub fn of(tree: Tree) -> Self {
        Self { content: content_digest_of(&tree), tree }
    }
}

/// What we last knew of a record in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// `gmd:fileIdentifier`.
    pub uuid: Uuid,
    /// The dataset it belongs to.
    pub dataset: String,
    /// What it describes.
    pub kind: RecordKind,
    /// Title.
    pub title: String,
    /// Content that was released then.
    pub desired: Digest,
    /// Content that the catalogue held then: it may write a record in its own way.
    pub remote: Digest,
}

/// `gmd:fileIdentifier`.
pub fn identifier(tree: &Tree) -> Option<Uuid> {
    Uuid::try_parse(tree.first("gmd:fileIdentifier")?.value()).ok()
}

/// The resource's title.
pub fn title(tree: &Tree) -> &str {
    tree.first("gmd:identificationInfo/*/gmd:citation/gmd:CI_Citation/gmd:title").map(Tree::value).unwrap_or_default()
}

/// `gmd:dateStamp`.
pub fn date_stamp(tree: &Tree) -> Option<Date> {
    tree.first("gmd:dateStamp")?.value().get(..10)?.parse().ok()
}

/// True when two records speak of the same thing for the same office: what a record that somebody edited by hand still has, and a
/// foreign record under our identifier has not.
pub fn same_owner(ours: &Tree, theirs: &Tree) -> bool {
    let code = |tree: &Tree| {
        tree.first("gmd:identificationInfo/*/gmd:citation/gmd:CI_Citation/gmd:identifier/*/gmd:code")
            .map(|code| code.value().to_owned())
    };
    let office =
        |tree: &Tree| tree.first("gmd:contact/gmd:CI_ResponsibleParty/gmd:organisationName").map(|name| name.value().to_owned());
    let same = |a: Option<String>, b: Option<String>| a.is_some_and(|a| !a.is_empty() && Some(a) == b);
    same(code(ours), code(theirs)) || same(office(ours), office(theirs))
}
