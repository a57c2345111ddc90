//! The record model: what a catalogue wants to know of a dataset, independent of the format it is written in.

use super::hvd::{CATEGORIES, Category, category};
use super::licence::{LICENCES, Licence, licence};
use super::theme::{THEMES, Theme, theme};
use crate::crs::{Bbox, Crs};
use crate::dataset::{Artefact, ArtefactRole, Facts, Kind, Representation};
use crate::error::{Error, Exit, Place, Result};
use crate::io::{Digest, Source};
use crate::markup::is_text;
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
    /// The dataset's identifier in the pipeline: `gmd:alternateTitle`.
    pub dataset_id: String,
    /// `MD_Identifier/code`: unlike addresses, it never changes.
    pub resource_id: String,
    /// Title.
    pub title: String,
    /// Abstract.
    pub abstract_text: String,
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

/// Sources that are named one by one; a record of a whole state stays readable.
const MAX_SOURCES: usize = 100;

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
        Ok(Self {
            uuid: identity.uuid,
            date_stamp: identity.date_stamp,
            published: identity.published,
            revised: period.as_ref().map(|(_, last)| last.clone()),
            dataset_id: dataset.id.clone(),
            resource_id: match pipeline.contact.as_ref().and_then(|contact| contact.namespace.as_deref()) {
                Some(namespace) => format!("https://registry.gdi-de.org/id/{namespace}/{}", identity.uuid),
                None => format!("urn:uuid:{}", identity.uuid),
            },
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
            formats: formats(&artefacts),
            links: artefacts.iter().filter_map(|published| link(published)).collect(),
            overview: artefacts
                .iter()
                .find(|published| published.artefact.role == ArtefactRole::Preview)
                .and_then(|published| published.url.as_ref().map(|url| (url.clone(), published.artefact.media_type.clone()))),
            steps: steps(input),
            sources: lineage(input.sources),
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

/// What is wrong with the texts for records in the pipeline file; no I/O. `check` shows it. The object of each error's place is the
/// key it speaks of, as `metadata.licence`.
pub fn check_config(dataset: &DatasetConfig) -> Vec<Error> {
    let metadata = &dataset.metadata;
    let mut errors = Vec::new();
    let texts = [("title", &metadata.title), ("abstract", &metadata.abstract_text), ("attribution", &metadata.attribution)];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
    for (key, text) in texts.chain(metadata.keywords.iter().map(|keyword| ("keywords", keyword))) {
        errors.extend(control_character(text).map(|error| error.at(Place::default().object(format!("metadata.{key}")))));
    }
    if let Some(code) = metadata.licence.as_deref().filter(|code| licence(code).is_none()) {
        errors.push(unknown("licence", code, LICENCES.iter().map(|licence| licence.code)));
    }
    if let Some(code) = metadata.theme.as_deref().filter(|code| theme(code).is_none()) {
        errors.push(unknown("theme", code, THEMES.iter().map(|theme| theme.code)));
    }
    if let Some(code) = metadata.hvd.as_deref().filter(|code| category(code).is_none()) {
        errors.push(unknown("hvd", code, CATEGORIES.iter().map(|category| category.code)));
    }
    let licence = metadata.licence.as_deref().and_then(licence);
    if licence.is_some_and(|licence| licence.attribution) && metadata.attribution.is_none() {
        errors.push(
            Error::new("mk::metadata::attribution", format!("the licence of dataset '{}' asks for an attribution", dataset.id))
                .at(Place::default().object("metadata.licence"))
                .hint("add `attribution = \"© ...\"` beside `licence`")
                .exit(Exit::Usage),
        );
    }
    errors
}

/// What is wrong with the contact in the pipeline file.
fn check_contact(pipeline: &PipelineConfig) -> Vec<Error> {
    let contact = pipeline.contact.iter().flat_map(|contact| {
        [Some(&contact.organisation), Some(&contact.email), contact.url.as_ref(), contact.namespace.as_ref()]
            .into_iter()
            .flatten()
    });
    contact.filter_map(|text| control_character(text)).map(|error| error.at(Place::default().object("contact"))).collect()
}

fn control_character(text: &str) -> Option<Error> {
    let bad = text.chars().find(|c| !is_text(*c))?;
    Some(
        Error::new("mk::metadata::text", format!("a text for records has the control character U+{:04X}", bad as u32))
            .hint("take it out: XML has no way to write it")
            .exit(Exit::Usage),
    )
}

fn unknown(key: &str, code: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let best = known.map(|other| (strsim::damerau_levenshtein(code, other), other)).min();
    let error = Error::new("mk::metadata::code", format!("unknown {key} '{code}'"))
        .at(Place::default().object(format!("metadata.{key}")))
        .exit(Exit::Usage);
    match best {
        Some((_, other)) => error.hint(format!("did you mean '{other}'?")),
        None => error,
    }
}

/// The day of an ISO 8601 date, with what is known of month and day.
fn day(text: &str) -> Option<String> {
    let date = text.get(..10).unwrap_or(text);
    let well_formed = match date.len() {
        4 => date.bytes().all(|byte| byte.is_ascii_digit()),
        7 => format!("{date}-01").parse::<Date>().is_ok(),
        _ => date.parse::<Date>().is_ok(),
    };
    well_formed.then(|| date.to_owned())
}

/// Four decimals, outwards: a last-digit difference in a projection does not change the record.
fn extent(lonlat: Bbox) -> Option<Bbox> {
    let globe = Bbox::new([-180.0, -90.0], [180.0, 90.0]);
    if lonlat.is_empty() || !globe.contains(lonlat.min) || !globe.contains(lonlat.max) {
        return None;
    }
    let outwards = |value: f64, up: bool| {
        let scaled = (value * 1e4).clamp(-1.8e6, 1.8e6);
        // A value on the grid but for its last bits stays where it is.
        let grid = scaled.round();
        let near = if (scaled - grid).abs() < 1e-6 { grid } else { scaled };
        (if up { near.ceil() } else { near.floor() }) / 1e4
    };
    Some(Bbox::new(lonlat.min.map(|value| outwards(value, false)), lonlat.max.map(|value| outwards(value, true))))
}

fn describe(title: &str, facts: &Facts, period: Option<&(String, String)>) -> String {
    let mut text = format!("{title}.");
    if let Some(metres) = facts.resolution_m {
        text.push_str(&format!(" Bodenauflösung {} m.", metres.to_string().replace('.', ",")));
    }
    match period {
        Some((first, last)) if first == last => text.push_str(&format!(" Stand {last}.")),
        Some((first, last)) => text.push_str(&format!(" Stand {first} bis {last}.")),
        None => {}
    }
    text.push_str(&format!(" Bezugssystem {}", facts.crs));
    if let Some(vertical) = &facts.vertical {
        text.push_str(&format!(", Höhen in {vertical}"));
    }
    text.push('.');
    text
}

fn formats(artefacts: &[&PublishedArtefact]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for published in artefacts.iter().filter(|p| matches!(p.artefact.role, ArtefactRole::Data | ArtefactRole::Tiles)) {
        let text = &published.artefact.format;
        let split = text.rsplit_once(' ').filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
        let format = match split {
            Some((name, version)) => Format { name: name.to_owned(), version: Some(version.to_owned()) },
            None => Format { name: text.clone(), version: None },
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

fn link(published: &PublishedArtefact) -> Option<Link> {
    let role = match published.artefact.role {
        ArtefactRole::Data | ArtefactRole::Tiles => LinkRole::Download,
        ArtefactRole::Index => LinkRole::Information,
        ArtefactRole::Preview | ArtefactRole::Part => return None,
    };
    Some(Link {
        url: published.url.clone()?,
        title: published.artefact.title.clone(),
        description: format!("{}, BLAKE3 {}", published.artefact.format, published.digest),
        media_type: published.artefact.media_type.clone(),
        size_mb: published.size as f64 / 1e6,
        role,
    })
}

fn steps(input: &RecordInput<'_>) -> Vec<String> {
    let mut steps = input.facts.steps.clone();
    for operation in input.facts.operations.iter().filter(|operation| operation.from != operation.to) {
        let mut text = format!("Koordinaten von {} nach {} überführt", operation.from, operation.to);
        if !operation.name.is_empty() {
            text.push_str(&format!(" ({})", operation.name));
        }
        if let Some(metres) = operation.accuracy_m {
            text.push_str(&format!(", Genauigkeit der Transformation {} m", metres.to_string().replace('.', ",")));
        }
        for grid in &operation.grids {
            text.push_str(&format!(", Gitter {} (BLAKE3 {})", grid.name, grid.digest));
            if !grid.attribution.is_empty() {
                text.push_str(&format!(", {}", grid.attribution));
            }
        }
        text.push('.');
        steps.push(text);
    }
    match input.stale_units {
        0 => {}
        1 => steps
            .push("Ein Teil zeigt einen älteren Stand, weil die letzte Lieferung nicht verarbeitet werden konnte.".to_owned()),
        n => steps
            .push(format!("{n} Teile zeigen einen älteren Stand, weil die letzte Lieferung nicht verarbeitet werden konnte.")),
    }
    steps
}

fn lineage(sources: &[Source]) -> Vec<LineageSource> {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| (a.file_name(), a.digest).cmp(&(b.file_name(), b.digest)));
    if sorted.len() > MAX_SOURCES {
        let all = Digest::of_parts(sorted.iter().map(|source| source.digest.as_bytes().as_slice()));
        return vec![LineageSource {
            name: format!("{} Dateien", sorted.len()),
            identifier: format!("blake3:{all}"),
            description: format!("{} gelieferte Dateien; die Prüfsumme ist die ihrer sortierten Prüfsummen", sorted.len()),
        }];
    }
    let source = |source: &Source| LineageSource {
        name: source.file_name().to_owned(),
        identifier: format!("blake3:{}", source.digest),
        description: format!("Gelieferte Datei {}", source.file_name()),
    };
    sorted.into_iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_days() {
        for (text, want) in
            [("2023-05-14", "2023-05-14"), ("2023-05", "2023-05"), ("2023", "2023"), ("2023-05-14T10:00:00Z", "2023-05-14")]
        {
            assert_eq!(day(text).unwrap(), want);
        }
        for text in ["", "2023-13", "14.05.2023", "2023-02-30", "äöüäöü", "20x3"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn an_extent_beyond_the_globe_is_none() {
        for bad in
            [Bbox::EMPTY, Bbox::new([556_000.0, 5_946_000.0], [557_000.0, 5_947_000.0]), Bbox::new([f64::NAN; 2], [1.0; 2])]
        {
            assert_eq!(extent(bad), None);
        }
    }

    proptest! {
        #[test]
        fn a_rounded_extent_contains_the_exact_one(w in -180.0..180.0, s in -90.0..90.0, dx in 0.0..1.0, dy in 0.0..1.0) {
            let exact = Bbox::new([w, s], [f64::min(w + dx, 180.0), f64::min(s + dy, 90.0)]);
            let rounded = extent(exact).unwrap();
            for axis in 0..2 {
                prop_assert!(rounded.min[axis] <= exact.min[axis] + 1e-9 && rounded.max[axis] >= exact.max[axis] - 1e-9);
                prop_assert!(exact.min[axis] - rounded.min[axis] < 1.1e-4 && rounded.max[axis] - exact.max[axis] < 1.1e-4);
            }
        }
    }
}
