//! Records that follow from those of the datasets: of a series, of the download service, of the view services.

use super::CatalogueLock;
use super::existing::Kept;
use super::iso_service::{self, Service, ServiceKind};
use super::iso19139;
use super::lock::RenderedRecord;
use super::record::{Format, Identity, Level, Link, LinkRole, Record, resource_id};
use crate::crs::Bbox;
use crate::error::Result;
use crate::pipeline::{Audience, PipelineConfig, SeriesConfig};
use jiff::civil::Date;
use uuid::Uuid;

/// The files of services begin so, and those of series; no dataset's identifier does.
pub const SERVICE_PREFIX: &str = "dienst-";
/// See [`SERVICE_PREFIX`].
pub const SERIES_PREFIX: &str = "serie-";
/// File of a view service's capabilities.
pub const WMTS_FILE: &str = "WMTSCapabilities.xml";

/// The name in the lock file of a record, by its own: the colon keeps it apart from every dataset's identifier.
pub(super) fn lock_key(id: &str) -> String {
    if let Some(name) = id.strip_prefix(SERVICE_PREFIX) {
        return format!("service:{name}");
    }
    id.strip_prefix(SERIES_PREFIX).map_or_else(|| id.to_owned(), |name| format!("series:{name}"))
}

impl CatalogueLock {
    /// The UUID that the record of a series has or will have: its datasets name it.
    ///
    /// # Errors
    /// When the pipeline file gives it another one than it has.
    pub fn series_uuid(&self, name: &str, config: &SeriesConfig, today: Date) -> Result<Uuid> {
        Ok(self.locked(&format!("series:{name}"), wanted(config), today)?.uuid)
    }

    /// The record of a series, from those of its datasets. `base` is the address of the audience's folder.
    ///
    /// # Errors
    /// When the record cannot be built.
    pub fn render_series(
        &mut self,
        (name, config): (&str, &SeriesConfig),
        pipeline: &PipelineConfig,
        members: &[&Record],
        (audience, base): (Audience, Option<&str>),
        today: Date,
    ) -> Result<Option<RenderedRecord>> {
        let Some(about) = series(name, config, members, base) else { return Ok(None) };
        let write = |identity: Identity| Ok(iso19139::write(&identified(&about, identity, Some(pipeline))));
        let settled = self.settle(&format!("series:{name}"), wanted(config), audience, (today, today), write)?;
        Ok(Some(rendered(&about, settled, Some(pipeline))))
    }

    /// The record of the download service for these datasets, at `metadata/dienst-download.xml`. `base` is the address of the
    /// audience's folder.
    ///
    /// # Errors
    /// When the record cannot be built.
    pub fn render_download_service(&mut self, records: &[&Record], base: &str, today: Date) -> Result<Option<RenderedRecord>> {
        let Some(first) = records.first() else { return Ok(None) };
        let title = match &first.contact {
            Some(contact) => format!("Downloaddienst (ATOM) – {}", contact.organisation),
            None => "Downloaddienst (ATOM)".to_owned(),
        };
        let titles: Vec<&str> = records.iter().map(|record| record.title.as_str()).collect();
        let summary = format!("Herunterladen der veröffentlichten Geodaten als vordefinierte Datensätze: {}.", titles.join("; "));
        let endpoint = format!("{base}/atom/service.xml");
        self.service("download", ServiceKind::Atom, (title, summary), &endpoint, (records, base), today).map(Some)
    }

    /// The record of the view service of a dataset that has map tiles with capabilities (WMTS), at
    /// `metadata/dienst-wmts-<dataset>.xml`.
    ///
    /// # Errors
    /// When the record cannot be built.
    pub fn render_view_service(&mut self, record: &Record, base: &str, today: Date) -> Result<Option<RenderedRecord>> {
        let Some(capabilities) = record.links.iter().find(|link| link.url.ends_with(&format!("/{WMTS_FILE}"))) else {
            return Ok(None);
        };
        let title = format!("Darstellungsdienst (WMTS) – {}", record.title);
        let summary = format!("Kartenkacheln zum Ansehen: {}", record.abstract_text);
        let name = format!("wmts-{}", record.dataset_id);
        self.service(&name, ServiceKind::Wmts, (title, summary), &capabilities.url, (&[record], base), today).map(Some)
    }

    fn service(
        &mut self,
        name: &str,
        kind: ServiceKind,
        (title, summary): (String, String),
        endpoint: &str,
        (records, base): (&[&Record], &str),
        today: Date,
    ) -> Result<RenderedRecord> {
        let (format, version) = kind.format();
        let mut about = Record {
            level: Level::Service,
            title,
            abstract_text: summary,
            dataset_id: format!("{SERVICE_PREFIX}{name}"),
            extent: records.iter().filter_map(|record| record.extent).reduce(Bbox::union),
            keywords: Vec::new(),
            formats: vec![Format { name: format.to_owned(), version: Some(version.to_owned()) }],
            links: vec![Link {
                url: endpoint.to_owned(),
                title: kind.name().to_owned(),
                description: format!("{format} {version}"),
                media_type: if kind == ServiceKind::Atom { "application/atom+xml" } else { "application/xml" }.to_owned(),
                size_mb: 0.0,
                role: LinkRole::Information,
            }],
            theme: records.iter().find_map(|record| record.theme),
            hvd: records.iter().find_map(|record| record.hvd),
            ..derived_from(records[0])
        };
        about.resource_id = String::new();
        let address = |record: &Record| format!("{base}/metadata/{}.xml", record.dataset_id);
        let datasets: Vec<(&Record, String)> = records.iter().map(|record| (*record, address(record))).collect();
        let write = |identity| {
            let about = identified(&about, identity, None);
            Ok(iso_service::write(&Service { kind, about, endpoint: endpoint.to_owned(), datasets: datasets.clone() }))
        };
        let settled = self.settle(&format!("service:{name}"), None, Audience::Public, (today, today), write)?;
        Ok(rendered(&about, settled, None))
    }
}

fn wanted(config: &SeriesConfig) -> Option<Uuid> {
    config.uuid.as_ref().and_then(|uuid| Uuid::parse_str(uuid.as_str()).ok())
}

/// A record of the same office without what is particular to a dataset.
fn derived_from(first: &Record) -> Record {
    Record {
        series: None,
        title_en: None,
        abstract_en: None,
        resolution_m: None,
        vertical: None,
        period: None,
        revised: None,
        contents: None,
        overview: None,
        steps: Vec::new(),
        sources: Vec::new(),
        kept: Kept::default(),
        ..first.clone()
    }
}

fn series(name: &str, config: &SeriesConfig, members: &[&Record], base: Option<&str>) -> Option<Record> {
    let (first, last) = (*members.first()?, *members.last()?);
    let titles: Vec<&str> = members.iter().map(|record| record.title.as_str()).collect();
    let all = |same: &dyn Fn(&Record) -> bool| members.iter().all(|record| same(record));
    let mut keywords: Vec<String> = Vec::new();
    let mut formats: Vec<Format> = Vec::new();
    let mut attributions: Vec<&str> = Vec::new();
    for record in members {
        keywords.extend(record.keywords.iter().filter(|word| !keywords.contains(word)).cloned().collect::<Vec<_>>());
        formats.extend(record.formats.iter().filter(|format| !formats.contains(format)).cloned().collect::<Vec<_>>());
        attributions.extend(record.attribution.as_deref().filter(|text| !attributions.contains(text)));
    }
    let periods: Vec<&(String, String)> = members.iter().filter_map(|record| record.period.as_ref()).collect();
    let begin = periods.iter().map(|(first, _)| first).min();
    let end = periods.iter().map(|(_, last)| last).max();
    let link = |record: &&Record| {
        Some(Link {
            url: format!("{}/metadata/{}.html", base?, record.dataset_id),
            title: record.title.clone(),
            description: "Datensatz der Serie".to_owned(),
            media_type: "text/html".to_owned(),
            size_mb: 0.0,
            role: LinkRole::Information,
        })
    };
    Some(Record {
        level: Level::Series,
        dataset_id: format!("{SERIES_PREFIX}{name}"),
        title: config.title.clone(),
        abstract_text: config
            .abstract_text
            .clone()
            .unwrap_or_else(|| format!("{}. Die Serie umfasst: {}.", config.title, titles.join("; "))),
        extent: members.iter().filter_map(|record| record.extent).reduce(Bbox::union),
        revised: end.cloned(),
        period: begin.cloned().zip(end.cloned()),
        keywords,
        formats,
        links: members.iter().filter_map(link).collect(),
        overview: last.overview.clone(),
        attribution: (!attributions.is_empty()).then(|| attributions.join("; ")),
        licence: first.licence.filter(|_| all(&|record| record.licence == first.licence)),
        theme: first.theme.filter(|_| all(&|record| record.theme == first.theme)),
        hvd: first.hvd.filter(|_| all(&|record| record.hvd == first.hvd)),
        resolution_m: first.resolution_m.filter(|_| all(&|record| record.resolution_m == first.resolution_m)),
        vertical: first.vertical.clone().filter(|_| all(&|record| record.vertical == first.vertical)),
        steps: vec![format!("Serie aus {}: {}.", count(members.len()), titles.join("; "))],
        ..derived_from(first)
    })
}

fn count(members: usize) -> String {
    if members == 1 { "einem Datensatz".to_owned() } else { format!("{members} Datensätzen") }
}

fn identified(about: &Record, identity: Identity, pipeline: Option<&PipelineConfig>) -> Record {
    let mut record = about.clone();
    (record.uuid, record.published, record.date_stamp) = (identity.uuid, identity.published, identity.date_stamp);
    if let Some(pipeline) = pipeline {
        record.resource_id = resource_id(pipeline, identity.uuid);
    }
    record
}

fn rendered(
    about: &Record,
    (identity, changed, xml): (Identity, bool, String),
    pipeline: Option<&PipelineConfig>,
) -> RenderedRecord {
    let record = identified(about, identity, pipeline);
    RenderedRecord {
        uuid: identity.uuid,
        path: format!("metadata/{}.xml", record.dataset_id),
        title: record.title.clone(),
        date_stamp: identity.date_stamp,
        changed,
        xml,
        record,
    }
}
