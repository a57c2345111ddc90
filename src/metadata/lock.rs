//! The catalogue lock file, `catalogue.lock` in the workspace: which dataset has which UUID, and since when a record is as it is.
//!
//! It is small TOML that can be kept under version control. A UUID is made once and never changes: harvesters know a record by it,
//! and a new one would be a second record of the same data. Lost, the file is restored from the published records.

use super::derived;
use super::record::{Identity, Record, RecordInput};
use super::tree::Tree;
use super::{content_digest, iso19139};
use crate::error::{Error, Exit, Place, Result};
use crate::io::Digest;
use crate::pipeline::{Audience, PipelineConfig};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

const VERSION: u32 = 1;
const HEAD: &str = "# Identifiers and dates of the catalogue records. Written by messkette; keep it, best under version control.\n\
                    # Without it records would appear a second time in catalogues that have harvested them.\n\n";

/// The lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueLock {
    /// Version of the form.
    version: u32,
    /// Namespace of the UUIDs of new datasets (version 5, RFC 9562).
    pub namespace: Uuid,
    /// The datasets that have or had a record, by identifier.
    #[serde(default, rename = "dataset")]
    pub datasets: BTreeMap<String, LockedDataset>,
}

/// What is locked for a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedDataset {
    /// Identifier of its records.
    pub uuid: Uuid,
    /// Day of the first publication.
    pub published: Date,
    /// The record that everybody sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<Stamp>,
    /// The record that the office sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<Stamp>,
}

impl LockedDataset {
    fn stamp(&mut self, audience: Audience) -> &mut Option<Stamp> {
        match audience {
            Audience::Public => &mut self.public,
            Audience::Internal => &mut self.internal,
        }
    }
}

/// Since when a record has its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// `gmd:dateStamp`.
    pub date: Date,
    /// See [`content_digest`].
    pub content: Digest,
}

/// A record as it is published.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedRecord {
    /// Its identifier.
    pub uuid: Uuid,
    /// Path within the audience's folder of the release: `metadata/<dataset>.xml`.
    pub path: String,
    /// Title.
    pub title: String,
    /// `gmd:dateStamp`.
    pub date_stamp: Date,
    /// True when the content differs from that of the last time, or there was none.
    pub changed: bool,
    /// The document.
    pub xml: String,
    /// The record, for other forms of it.
    pub record: Record,
}

impl CatalogueLock {
    /// The lock file of a pipeline that has none. The namespace comes from its name, its contact and its address, so that the same
    /// pipeline makes the same UUIDs in two workspaces; once written, it stays when these change.
    pub fn new(pipeline: &PipelineConfig) -> Self {
        let organisation = pipeline.contact.as_ref().map_or("", |contact| contact.organisation.as_str());
        let base_url = pipeline.base_url.as_deref().unwrap_or_default();
        let name = format!("messkette\n{}\n{organisation}\n{base_url}", pipeline.name);
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        Self { version: VERSION, namespace, datasets: BTreeMap::new() }
    }

    /// Reads a lock file; `name` is for messages.
    ///
    /// # Errors
    /// When it is damaged or of a later version: going on without would make new UUIDs.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let lock: Self = toml::from_str(text).map_err(|error| {
            Error::new("mk::metadata::lock", "the catalogue lock file cannot be read")
                .at(Place::file(name))
                .hint("restore it from a backup, or from the published records")
                .because(error)
        })?;
        if lock.version != VERSION {
            return Err(Error::new(
                "mk::metadata::lock",
                format!("the catalogue lock file has version {}, not {VERSION}", lock.version),
            )
            .at(Place::file(name))
            .hint("use the version of messkette that wrote it, or a later one"));
        }
        Ok(lock)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// Never for a lock made here; the TOML writer may refuse.
    pub fn to_text(&self) -> Result<String> {
        let text = toml::to_string(self)
            .map_err(|error| Error::new("mk::metadata::lock", "the catalogue lock file cannot be written").because(error))?;
        Ok(format!("{HEAD}{text}"))
    }

    /// The record of a dataset for an audience. Makes the UUID when there is none; `today` becomes the date stamp when the content
    /// changed, else the old one stays. The lock is to be saved before the record is published.
    ///
    /// # Errors
    /// When the record cannot be built, or the pipeline gives the dataset another UUID than it has.
    pub fn render(&mut self, input: &RecordInput<'_>, today: Date) -> Result<RenderedRecord> {
        let wanted = input.dataset.metadata.uuid.as_ref().and_then(|uuid| Uuid::parse_str(uuid.as_str()).ok());
        let write = |identity| Ok(iso19139::write(&Record::build(input, identity)?));
        let first = input.existing.and_then(|existing| existing.published).unwrap_or(today);
        let (identity, changed, xml) = self.settle(&input.dataset.id, wanted, input.audience, (first, today), write)?;
        let record = Record::build(input, identity)?;
        Ok(RenderedRecord {
            uuid: identity.uuid,
            path: format!("metadata/{}.xml", input.dataset.id),
            title: record.title.clone(),
            date_stamp: identity.date_stamp,
            changed,
            xml,
            record,
        })
    }

    /// The identity of a record and its document; `write` makes the document for an identity. `first` is the day of the first
    /// publication where the lock does not know it yet.
    pub(super) fn settle(
        &mut self,
        id: &str,
        wanted: Option<Uuid>,
        audience: Audience,
        (first, today): (Date, Date),
        write: impl Fn(Identity) -> Result<String>,
    ) -> Result<(Identity, bool, String)> {
        let mut locked = self.locked(id, wanted, first)?;
        let old = *locked.stamp(audience);
        let mut identity =
            Identity { uuid: locked.uuid, published: locked.published, date_stamp: old.map_or(today, |stamp| stamp.date) };
        let mut xml = write(identity)?;
        let content = content_digest(&xml)?;
        let changed = old.is_none_or(|stamp| stamp.content != content);
        if changed {
            // A clock that went back does not take the stamp back: harvesters would miss the change.
            identity.date_stamp = today.max(identity.date_stamp);
            xml = write(identity)?;
        }
        // Only now, so that a record that could not be built leaves no trace in the lock.
        *locked.stamp(audience) = Some(Stamp { date: identity.date_stamp, content });
        self.datasets.insert(id.to_owned(), locked);
        Ok((identity, changed, xml))
    }

    /// What is locked for a dataset, or would be.
    pub(super) fn locked(&self, id: &str, wanted: Option<Uuid>, first: Date) -> Result<LockedDataset> {
        match (self.datasets.get(id), wanted) {
            (Some(locked), Some(wanted)) if locked.uuid != wanted => Err(Error::new(
                "mk::metadata::uuid",
                format!("dataset '{}' was published with the UUID {}, the pipeline file says {wanted}", id, locked.uuid),
            )
            .hint("take `uuid` out of the pipeline file; for other data use another dataset id")
            .exit(Exit::Usage)),
            (Some(locked), _) => Ok(locked.clone()),
            (None, wanted) => {
                let uuid = wanted.unwrap_or_else(|| Uuid::new_v5(&self.namespace, id.as_bytes()));
                if let Some((other, _)) = self.datasets.iter().find(|(_, locked)| locked.uuid == uuid) {
                    return Err(Error::new("mk::metadata::uuid", format!("datasets '{id}' and '{other}' have the same UUID"))
                        .exit(Exit::Usage));
                }
                Ok(LockedDataset { uuid, published: first, public: None, internal: None })
            }
        }
    }

    /// Takes UUIDs and dates from published records, for datasets that the lock does not know: pairs of audience and document.
    /// Returns how many datasets came back.
    ///
    /// # Errors
    /// When a document is no record of this program, or two of them contradict each other.
    pub fn restore_from_records(&mut self, records: &[(Audience, &str)]) -> Result<usize> {
        let mut restored: BTreeMap<String, LockedDataset> = BTreeMap::new();
        for (audience, xml) in records {
            let (id, found, stamp) = read(xml)?;
            let entry = restored.entry(id.clone()).or_insert_with(|| found.clone());
            if entry.uuid != found.uuid {
                return Err(Error::new("mk::metadata::restore", format!("two records of dataset '{id}' have different UUIDs")));
            }
            *entry.stamp(*audience) = Some(stamp);
        }
        restored.retain(|id, _| !self.datasets.contains_key(id));
        let count = restored.len();
        self.datasets.append(&mut restored);
        Ok(count)
    }
}

fn read(xml: &str) -> Result<(String, LockedDataset, Stamp)> {
    let root = Tree::parse(xml)?;
    let get = |path: &str| root.first(path).map(Tree::value).filter(|text| !text.is_empty());
    let citation = "gmd:identificationInfo/*/gmd:citation/gmd:CI_Citation";
    let published = root.all(&format!("{citation}/gmd:date/gmd:CI_Date")).into_iter().find_map(|date| {
        let kind = date.first("gmd:dateType/gmd:CI_DateTypeCode")?.attribute("codeListValue")?;
        (kind == "publication").then(|| date.first("gmd:date").map(Tree::value))?
    });
    let parts = (|| {
        let id = derived::lock_key(get(&format!("{citation}/gmd:alternateTitle"))?);
        let uuid = Uuid::parse_str(get("gmd:fileIdentifier")?).ok()?;
        let date: Date = get("gmd:dateStamp")?.parse().ok()?;
        let published = published?.parse().ok()?;
        Some((id, LockedDataset { uuid, published, public: None, internal: None }, date))
    })();
    let Some((id, locked, date)) = parts else {
        return Err(Error::new("mk::metadata::restore", "not a record of messkette: identifier, dates or dataset are missing"));
    };
    Ok((id, locked, Stamp { date, content: content_digest(xml)? }))
}
