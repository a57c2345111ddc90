//! What a release says about its data: records, portal, and the lock that keeps their identifiers.

use super::night::{Night, now};
use super::work::Work;
use crate::dataset::ArtefactRole;
use crate::error::{Error, Exit, Place, Result};
use crate::io::{Digest, Source, atomic};
use crate::ledger::{AssemblyRow, StoredFile};
use crate::metadata::{self, CatalogueLock, Existing, PublishedArtefact, RecordInput, RenderedRecord};
use crate::pipeline::{Audience, DatasetConfig};
use crate::publish::{self, PortalInput, PublishedDataset};
use crate::report::Picture;
use std::collections::BTreeMap;
use std::path::Path;
use uuid::Uuid;

const LOCK: &str = "catalogue.lock";

impl Night<'_> {
    /// The records and portals of both audiences, by path within the release. Saves the catalogue lock: identifiers are fixed
    /// before anything that carries them is published.
    ///
    /// # Errors
    /// When a record cannot be built, or the lock cannot be read or written.
    pub(crate) fn documents(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let path = self.workspace.join(LOCK);
        let mut lock = self.lock_file(&path)?;
        let mut documents = BTreeMap::new();
        for audience in [Audience::Internal, Audience::Public] {
            self.documents_for(audience, &mut lock, &mut documents)?;
        }
        let text = lock.to_text()?;
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            atomic::write_atomic(&path, text.as_bytes())?;
        }
        Ok(documents)
    }

    fn documents_for(
        &self,
        audience: Audience,
        lock: &mut CatalogueLock,
        documents: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<()> {
        let (folder, base_url) = match audience {
            Audience::Public => ("public", self.pipeline.config.base_url.as_deref()),
            Audience::Internal => ("internal", None),
        };
        let today = now().to_zoned(jiff::tz::TimeZone::system()).date();
        let seen: Vec<(&Work, &AssemblyRow, Vec<PublishedArtefact>)> = self
            .works
            .iter()
            .filter_map(|work| {
                let row = work.assembly.as_ref()?;
                let artefacts = published(row, &work.config.id, audience, base_url);
                (!artefacts.is_empty()).then_some((work, row, artefacts))
            })
            .collect();
        let named = |(work, row, _): &(&Work, &AssemblyRow, Vec<PublishedArtefact>)| -> Vec<Source> {
            let told = |source: &&Source| audience == Audience::Internal || work.dataset.names_publicly(source);
            row.sources.iter().filter(told).cloned().collect()
        };
        let named: Vec<Vec<Source>> = seen.iter().map(named).collect();
        let mut records: Vec<RenderedRecord> = Vec::new();
        let series = &self.pipeline.config.series;
        for ((work, row, artefacts), sources) in seen.iter().zip(&named) {
            let (config, existing) = self.with_existing(&work.config)?;
            let belongs = config.metadata.series.as_deref().and_then(|name| Some((name, series.get(name)?)));
            let input = RecordInput {
                pipeline: &self.pipeline.config,
                dataset: &config,
                kind: work.kind,
                facts: &row.assembly.facts,
                artefacts,
                sources,
                stale_units: work.tally.stale,
                audience,
                existing: existing.as_ref(),
                series: belongs.map(|(name, config)| lock.series_uuid(name, config, today)).transpose()?,
            };
            records.push(lock.render(&input, today)?);
        }
        let datasets: Vec<PublishedDataset<'_>> = seen
            .iter()
            .zip(&records)
            .map(|((work, row, artefacts), record)| PublishedDataset {
                config: &work.config,
                kind: work.kind,
                facts: &row.assembly.facts,
                artefacts,
                uuid: Some(record.uuid),
                preview: self.preview(row, audience),
                stale_units: work.tally.stale,
            })
            .collect();
        let date = records.iter().map(|record| record.date_stamp).max().unwrap_or(today);
        let input = PortalInput { pipeline: &self.pipeline.config, datasets: &datasets, audience, date, base_url };
        for file in publish::files(self.pipeline, &input)? {
            documents.insert(format!("{folder}/{}", file.path), file.bytes);
        }
        let base = base_url.map(|base| base.trim_end_matches('/'));
        for (name, config) in series {
            let uuid = lock.series_uuid(name, config, today)?;
            let members: Vec<&metadata::Record> =
                records.iter().map(|record| &record.record).filter(|record| record.series == Some(uuid)).collect();
            let rendered = lock.render_series((name, config), &self.pipeline.config, &members, (audience, base), today)?;
            records.extend(rendered);
        }
        if let (Audience::Public, Some(base)) = (audience, base) {
            self.public_services(&mut records, base, lock, today, documents)?;
        }
        documents.insert(format!("{folder}/metadata/index.html"), metadata::waf::index(&records).into_bytes());
        for record in records {
            let name = format!("{folder}/metadata/{}", record.record.dataset_id);
            let json = metadata::ogc_record::write(&record.record, &format!("{}.json", record.record.dataset_id));
            documents.insert(format!("{name}.json"), (json.to_string() + "\n").into_bytes());
            documents.insert(format!("{name}.html"), metadata::page::write(&record.record, base).into_bytes());
            documents.insert(format!("{folder}/{}", record.path), record.xml.into_bytes());
        }
        Ok(())
    }

    /// A dataset's configuration with what its existing record adds.
    fn with_existing(&self, config: &DatasetConfig) -> Result<(DatasetConfig, Option<Existing>)> {
        let mut config = config.clone();
        let Some(path) = &config.metadata.record else { return Ok((config, None)) };
        let file = self.pipeline.folder().join(path);
        let name = path.display().to_string();
        let (metadata, existing) = Existing::read(&read_record(&file, &name)?, &name)?.beside(&config.metadata);
        config.metadata = metadata;
        Ok((config, Some(existing)))
    }

    /// What everybody may find: the records of the services, the feeds of the download service, the catalogue as DCAT-AP.de.
    fn public_services(
        &self,
        records: &mut Vec<RenderedRecord>,
        base: &str,
        lock: &mut CatalogueLock,
        today: jiff::civil::Date,
        documents: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<()> {
        let datasets: Vec<metadata::Record> = records
            .iter()
            .filter(|r| !r.record.dataset_id.starts_with(metadata::SERIES_PREFIX))
            .map(|r| r.record.clone())
            .collect();
        let datasets: Vec<&metadata::Record> = datasets.iter().collect();
        for record in &datasets {
            records.extend(lock.render_view_service(record, base, today)?);
        }
        if let Some(service) = lock.render_download_service(&datasets, base, today)? {
            let contact = self.pipeline.config.contact.as_ref();
            let file = format!("{}.xml", service.record.dataset_id);
            let feeds = metadata::atom::Feeds {
                title: &service.title,
                author: contact.map_or((self.pipeline.config.name.as_str(), ""), |c| (c.organisation.as_str(), c.email.as_str())),
                base,
                service: (service.uuid, &file),
                records: &datasets,
            };
            for (path, xml) in metadata::atom::write(&feeds) {
                documents.insert(format!("public/{path}"), xml.into_bytes());
            }
            records.push(service);
        }
        let all: Vec<&metadata::Record> = records.iter().map(|record| &record.record).collect();
        let dcat = metadata::dcat::write(&self.pipeline.config, base, &all);
        documents.insert("public/metadata/dcat.ttl".to_owned(), dcat.turtle.into_bytes());
        documents.insert("public/metadata/dcat.rdf".to_owned(), dcat.xml.into_bytes());
        Ok(())
    }

    /// The small picture of a dataset.
    pub(crate) fn preview(&self, row: &AssemblyRow, audience: Audience) -> Option<Picture> {
        let artefact = row
            .assembly
            .artefacts
            .iter()
            .find(|artefact| artefact.role == ArtefactRole::Preview && artefact.audience <= audience)?;
        let file = row.files.iter().find(|file| artefact.owns(&file.path))?;
        const MOST: u64 = 400 << 10;
        (file.size <= MOST)
            .then(|| std::fs::read(self.store.path(file.digest)).ok())
            .flatten()
            .and_then(|bytes| Picture::of(&bytes))
    }

    /// The catalogue lock; after the loss of the file, with the identifiers of the records that are published.
    fn lock_file(&self, path: &Path) -> Result<CatalogueLock> {
        match std::fs::read_to_string(path) {
            Ok(text) => CatalogueLock::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut lock = CatalogueLock::new(&self.pipeline.config);
                let records = self.published_records();
                let records: Vec<(Audience, &str)> = records.iter().map(|(audience, xml)| (*audience, xml.as_str())).collect();
                lock.restore_from_records(&records)?;
                Ok(lock)
            }
            Err(error) => Err(Error::new("mk::metadata::lock", "cannot read the catalogue lock")
                .at(Place::file(path.display().to_string()))
                .because(error)),
        }
    }

    fn published_records(&self) -> Vec<(Audience, String)> {
        let mut records = Vec::new();
        for (audience, folder) in [(Audience::Public, "public"), (Audience::Internal, "internal")] {
            let files = walkdir::WalkDir::new(self.workspace.join("current").join(folder).join("metadata")).sort_by_file_name();
            for file in files.into_iter().flatten().filter(|file| file.path().extension().is_some_and(|end| end == "xml")) {
                records.extend(std::fs::read_to_string(file.path()).ok().map(|xml| (audience, xml)));
            }
        }
        records
    }
}

/// The identifiers of the datasets' records, as far as there are any.
pub fn record_ids(workspace: &Path) -> BTreeMap<String, Uuid> {
    let text = std::fs::read_to_string(workspace.join(LOCK)).unwrap_or_default();
    let lock = CatalogueLock::parse(&text, LOCK).ok();
    lock.map(|lock| lock.datasets.into_iter().map(|(id, locked)| (id, locked.uuid)).collect()).unwrap_or_default()
}

/// Bytes of an existing record that are read at most.
const MOST_RECORD: u64 = 16 << 20;

/// The text of an existing record.
fn read_record(file: &Path, name: &str) -> Result<String> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| {
        Error::new("mk::metadata::existing", "cannot read the existing record")
            .at(Place::file(name))
            .hint("`metadata.record` names an XML file, relative to the pipeline file")
            .because(error)
            .exit(Exit::Usage)
    };
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(MOST_RECORD).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// The digest of a dataset's existing record: with another text, another release. None where it cannot be read, which is told when it
/// is needed.
pub(crate) fn record_digest(folder: &Path, config: &DatasetConfig) -> Option<Digest> {
    let path = config.metadata.record.as_ref()?;
    Digest::of_file(&folder.join(path)).ok()
}

/// The artefacts that an audience sees, with their sizes: a folder counts with all its files.
fn published(row: &AssemblyRow, dataset: &str, audience: Audience, base_url: Option<&str>) -> Vec<PublishedArtefact> {
    row.assembly
        .artefacts
        .iter()
        .filter(|artefact| artefact.audience <= audience)
        .map(|artefact| {
            let files: Vec<&StoredFile> = row.files.iter().filter(|file| artefact.owns(&file.path)).collect();
            PublishedArtefact {
                artefact: artefact.clone(),
                size: files.iter().map(|file| file.size).sum(),
                digest: digest(&files),
                url: base_url.map(|base| {
                    format!("{}/{}", base.trim_end_matches('/'), crate::markup::url_path(&format!("{dataset}/{}", artefact.path)))
                }),
            }
        })
        .collect()
}

/// The digest of an artefact: of its file, or of the list of its files.
pub fn digest(files: &[&StoredFile]) -> Digest {
    match files {
        [file] => file.digest,
        files => Digest::of_parts(files.iter().flat_map(|file| [file.path.as_bytes(), file.digest.as_bytes().as_slice()])),
    }
}
