//! The record model: what a catalogue wants to know of a dataset, independent of the format it is written in.

use super::config::{check_config, check_contact};
use super::existing::{Existing, Kept};
use super::from_data::{contents, day, describe, extent, formats, lineage, link, steps};
use super::hvd::{Category, category};
use super::licence::{Licence, licence};
use super::theme::{Theme, theme};
use crate::crs::{Bbox, Crs};
use crate::dataset::{Artefact, ArtefactRole, Facts, Kind, Representation};
use crate::error::{Error, Result};
use crate::io::{Digest, Source};
use crate::pipeline::model::ContactConfig;
use crate::pipeline::{Audience, DatasetConfig, PipelineConfig};
use jiff::civil::Date;
use uuid::Uuid;

/// An artefact as it is released.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedArtefact {
    /// What it is.
    pub artefact: Artefact,
    /// Bytes, of a folder with all its files.
    pub size: u64,
    /// BLAKE3 of the file, or of the folder's list of digests.
    pub digest: Digest,
    /// Address under which it is served, where the pipeline has a `base_url`.
    pub url: Option<String>,
}

/// What a record is made from.
#[derive(Clone, Copy)]
pub struct RecordInput<'a> {
    /// The pipeline.
    pub pipeline: &'a PipelineConfig,
    /// The dataset.
    pub dataset: &'a DatasetConfig,
    /// Its kind.
    pub kind: &'a Kind,
    /// What is known about it.
    pub facts: &'a Facts,
    /// Its artefacts; those beyond `audience` are left out.
    pub artefacts: &'a [PublishedArtefact],
    /// Its sources.
    pub sources: &'a [Source],
    /// Units that failed and whose last good result stays published.
    pub stale_units: u64,
    /// Who reads the record.
    pub audience: Audience,
    /// The office's own record, from which what people wrote is kept. See [`Existing::beside`].
    pub existing: Option<&'a Existing>,
    /// The record of the series it belongs to.
    pub series: Option<Uuid>,
}

/// What a record describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// A dataset.
    #[default]
    Dataset,
    /// A series of datasets.
    Series,
    /// A service.
    Service,
}

impl Level {
    /// `MD_ScopeCode`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Series => "series",
            Self::Service => "service",
        }
    }
}

/// What the lock file adds: see [`super::CatalogueLock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// `gmd:fileIdentifier`.
    pub uuid: Uuid,
    /// Day of the first publication.
    pub published: Date,
    /// `gmd:dateStamp`.
    pub date_stamp: Date,
}

/// A record, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// `gmd:fileIdentifier`.
    pub uuid: Uuid,
    /// `gmd:dateStamp`.
    pub date_stamp: Date,
    /// Day of the first publication.
    pub published: Date,
    /// Day of the last change that the data shows.
    pub revised: Option<String>,
    /// What it describes.
    pub level: Level,
    /// `gmd:parentIdentifier`: the record of its series.
    pub series: Option<Uuid>,
    /// The dataset's identifier in the pipeline: `gmd:alternateTitle`.
    pub dataset_id: String,
    /// `MD_Identifier/code`: unlike addresses, it never changes.
    pub resource_id: String,
    /// Title.
    pub title: String,
    /// Abstract.
    pub abstract_text: String,
    /// Title in English.
    pub title_en: Option<String>,
    /// Abstract in English.
    pub abstract_en: Option<String>,
    /// Who answers questions.
    pub contact: Option<ContactConfig>,
    /// Who may see the dataset.
    pub audience: Audience,
    /// Licence.
    pub licence: Option<&'static Licence>,
    /// Attribution that the licence asks for.
    pub attribution: Option<String>,
    /// INSPIRE theme.
    pub theme: Option<&'static Theme>,
    /// Category of high-value datasets.
    pub hvd: Option<&'static Category>,
    /// `MD_TopicCategoryCode`.
    pub topic: &'static str,
    /// Free keywords.
    pub keywords: Vec<String>,
    /// Raster, vector or surfaces.
    pub representation: Representation,
    /// Ground resolution in metres.
    pub resolution_m: Option<f64>,
    /// CRS of the main tables.
    pub crs: Crs,
    /// Vertical reference.
    pub vertical: Option<String>,
    /// Longitude and latitude, rounded outwards to four decimals (about 10 m).
    pub extent: Option<Bbox>,
    /// First and last day that the data holds for.
    pub period: Option<(String, String)>,
    /// How many objects of which types, a sentence.
    pub contents: Option<String>,
    /// Formats, each once.
    pub formats: Vec<Format>,
    /// Where to get it.
    pub links: Vec<Link>,
    /// Address of a small picture, with its media type.
    pub overview: Option<(String, String)>,
    /// How it was made, one sentence each.
    pub steps: Vec<String>,
    /// What it was made from.
    pub sources: Vec<LineageSource>,
    /// What is kept of an existing record, as it was.
    pub kept: Kept,
}

/// A format in which the dataset is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Name.
    pub name: String,
    /// Version, where the format has one.
    pub version: Option<String>,
}

/// An address.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Address.
    pub url: String,
    /// Title.
    pub title: String,
    /// Format and digest, for people.
    pub description: String,
    /// IANA media type.
    pub media_type: String,
    /// Megabytes.
    pub size_mb: f64,
    /// What it leads to.
    pub role: LinkRole,
}

/// `CI_OnLineFunctionCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRole {
    /// A download.
    Download,
    /// Something to read or to look at.
    Information,
}

/// A source in the lineage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageSource {
    /// File name, or what a list of many says.
    pub name: String,
    /// Identifier: `blake3:` and the digest.
    pub identifier: String,
    /// What it is.
    pub description: String,
}

impl Record {
    /// Builds a record. What the data says of itself never fails it: a date that is none and an extent beyond the globe are left
    /// out, and the rules tell; control characters are replaced.
    ///
    /// # Errors
    /// When the dataset is internal and the record public, or the pipeline's own texts do not do: see [`check_config`].
    pub fn build(input: &RecordInput<'_>, identity: Identity) -> Result<Self> {
        let RecordInput { pipeline, dataset, kind, facts, .. } = *input;
        if let Some(error) = check_config(dataset).into_iter().chain(check_contact(pipeline)).next() {
            return Err(error);
        }
        if dataset.audience > input.audience {
            return Err(Error::new(
                "mk::metadata::audience",
                format!("dataset '{}' is internal: no public record of it", dataset.id),
            ));
        }
        let metadata = &dataset.metadata;
        let theme = metadata.theme.as_deref().and_then(theme);
        let title = metadata.title.clone().unwrap_or_else(|| match &pipeline.contact {
            Some(contact) => format!("{} – {}", kind.title, contact.organisation),
            None => kind.title.to_owned(),
        });
        let period = facts.dates.as_ref().and_then(|(first, last)| Some((day(first)?, day(last)?)));
        let mut artefacts: Vec<&PublishedArtefact> =
            input.artefacts.iter().filter(|published| published.artefact.audience <= input.audience).collect();
        artefacts.sort_by(|a, b| a.artefact.path.cmp(&b.artefact.path));
        // Nobody promised that names of layers that somebody delivered are for everybody.
        let types_are_named = input.audience == Audience::Internal || !kind.types_are_delivered;
        Ok(Self {
            uuid: identity.uuid,
            date_stamp: identity.date_stamp,
            published: identity.published,
            revised: period.as_ref().map(|(_, last)| last.clone()),
            level: input.existing.map_or(Level::Dataset, |existing| existing.level),
            series: input.series,
            dataset_id: dataset.id.clone(),
            resource_id: match input.existing.and_then(|existing| existing.resource_id.clone()) {
                Some(known) => known,
                None => resource_id(pipeline, identity.uuid),
            },
            title_en: metadata.title_en.clone(),
            abstract_en: metadata.abstract_en.clone(),
            abstract_text: metadata.abstract_text.clone().unwrap_or_else(|| describe(&title, facts, period.as_ref())),
            title,
            contact: pipeline.contact.clone(),
            audience: dataset.audience,
            licence: metadata.licence.as_deref().and_then(licence),
            attribution: metadata.attribution.clone(),
            theme,
            hvd: metadata.hvd.as_deref().and_then(category),
            topic: theme.and_then(|theme| theme.topic).unwrap_or(match facts.representation {
                Representation::Grid => "imageryBaseMapsEarthCover",
                Representation::Vector => "planningCadastre",
                Representation::Tin => "structure",
            }),
            keywords: metadata.keywords.clone(),
            representation: facts.representation,
            resolution_m: facts.resolution_m.filter(|metres| metres.is_finite() && *metres > 0.0),
            crs: facts.crs,
            vertical: facts.vertical.clone(),
            extent: extent(facts.bbox_lonlat),
            period,
            contents: contents(&facts.counts, types_are_named).filter(|_| facts.representation != Representation::Grid),
            formats: formats(&artefacts),
            links: artefacts.iter().filter_map(|published| link(published)).collect(),
            overview: artefacts
                .iter()
                .find(|published| published.artefact.role == ArtefactRole::Preview)
                .and_then(|published| published.url.as_ref().map(|url| (url.clone(), published.artefact.media_type.clone()))),
            steps: steps(input),
            sources: lineage(input.sources),
            kept: kept(input),
        })
    }

    /// True when everybody may use it under an open licence: GovData takes it.
    pub fn is_open(&self) -> bool {
        self.audience == Audience::Public && self.licence.is_some_and(|licence| licence.open)
    }
    /// True when the record is to be found under its INSPIRE theme.
    pub fn is_inspire(&self) -> bool {
        self.audience == Audience::Public && self.theme.is_some()
    }
}

/// The identifier of a dataset or series, as registered with the GDI-DE where the office is.
pub(super) fn resource_id(pipeline: &PipelineConfig, uuid: Uuid) -> String {
    match pipeline.contact.as_ref().and_then(|contact| contact.namespace.as_deref()) {
        Some(namespace) => format!("https://registry.gdi-de.org/id/{namespace}/{uuid}"),
        None => format!("urn:uuid:{uuid}"),
    }
}

/// What is kept of the existing record, without links to what is released here anyway.
fn kept(input: &RecordInput<'_>) -> Kept {
    let Some(existing) = input.existing else { return Kept::default() };
    let mut kept = existing.kept.clone();
    let base = input.pipeline.base_url.as_deref().map(|base| base.trim_end_matches('/'));
    kept.distribution.retain(|element| {
        let urls = element.find_all("URL");
        !base.is_some_and(|base| urls.iter().any(|url| url.text.trim().starts_with(base)))
    });
    kept
}
