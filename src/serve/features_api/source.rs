//! What is served: the GeoPackages of the current release that an audience may see, opened once for each release.

use super::collection::{About, Collection};
use super::edits::Edits;
use super::matches::Known;
use super::pool::Pool;
use super::problem::Problem;
use super::rows;
use super::table::{Table, tables};
use super::target::Target;
use crate::crs::Bbox;
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::{Audience, DatasetConfig, Pipeline};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The features of a workspace.
pub struct Features {
    workspace: PathBuf,
    audience: Audience,
    datasets: Vec<DatasetConfig>,
    grids: Vec<PathBuf>,
    title: String,
    contact: (String, String),
    edits: Option<Edits>,
    /// The release that was opened last.
    opened: Mutex<Option<Arc<Release>>>,
}

/// What is served of a release.
pub struct Release {
    /// Its identifier.
    pub id: String,
    /// Title of the service.
    pub title: String,
    /// Office and its e-mail address.
    pub contact: (String, String),
    /// The collections, in the order of the pipeline.
    pub collections: Vec<Collection>,
}

impl Features {
    /// The features of a pipeline's current release.
    pub fn new(pipeline: &Pipeline, audience: Audience) -> Self {
        let contact = pipeline.config.contact.as_ref();
        let contact = contact.map(|contact| (contact.organisation.clone(), contact.email.clone()));
        Self {
            workspace: pipeline.workspace(),
            audience,
            datasets: pipeline.datasets.clone(),
            grids: pipeline.config.grids.iter().map(|path| pipeline.folder().join(path)).collect(),
            title: format!("Geodaten {}", pipeline.config.name),
            contact: contact.unwrap_or_default(),
            edits: None,
            opened: Mutex::new(None),
        }
    }

    /// With edits of playgrounds by those who have the token.
    ///
    /// # Errors
    /// When no dataset takes edits, the token is too short, or another server takes them.
    pub fn with_edits(mut self, pipeline: &Pipeline, token: &str) -> Result<Self> {
        self.edits = Some(Edits::new(pipeline, token)?);
        Ok(self)
    }

    /// Who may edit, where anybody may.
    pub(super) fn edits(&self) -> Option<&Edits> {
        self.edits.as_ref()
    }

    /// Does work on the current release while nobody else edits and no other release is opened.
    pub(super) fn alone<T>(&self, work: impl FnOnce(&Release, &Edits) -> Result<T, Problem>) -> Result<T, Problem> {
        let Some(edits) = &self.edits else {
            return Err(Problem::new(405, "this is for reading only").with("Allow", "GET, HEAD, OPTIONS"));
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let release = self.current(&mut opened)?;
        work(&release, edits)
    }

    /// The release that is current now.
    ///
    /// # Errors
    /// When nothing is released, or a file of it cannot be read.
    pub(super) fn release(&self) -> Result<Arc<Release>> {
        // Requests that come meanwhile wait: opening takes them no longer than it takes this one.
        self.current(&mut self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn current(&self, opened: &mut Option<Arc<Release>>) -> Result<Arc<Release>> {
        let Some(id) = crate::release::current(&self.workspace)? else {
            return Err(Error::new("mk::release::none", "nothing is released here yet")
                .at(Place::file(self.workspace.display().to_string()))
                .hint("`messkette run` makes the first release")
                .exit(Exit::NoState));
        };
        if let Some(release) = opened.as_ref().filter(|release| release.id == id) {
            return Ok(Arc::clone(release));
        }
        let release = Arc::new(self.open(id)?);
        *opened = Some(Arc::clone(&release));
        Ok(release)
    }

    /// How many collections there are now.
    ///
    /// # Errors
    /// As `Features::release`.
    pub fn count(&self) -> Result<usize> {
        Ok(self.release()?.collections.len())
    }

    fn open(&self, id: String) -> Result<Release> {
        let audience = match self.audience {
            Audience::Public => "public",
            Audience::Internal => "internal",
        };
        let root = crate::release::folder(&self.workspace, &id).join(audience);
        let (mut collections, known) = (Vec::new(), Known::default());
        for dataset in &self.datasets {
            let names = crate::dataset::kind(&dataset.kind).map_or(&[][..], |kind| kind.features);
            let file = names.iter().map(|name| root.join(&dataset.id).join(name)).find(|path| path.is_file());
            if let Some(file) = file {
                collections.extend(self.collections(&id, dataset, &file, &root, &known)?);
            }
        }
        Ok(Release { id, title: self.title.clone(), contact: self.contact.clone(), collections })
    }

    fn collections(
        &self,
        release: &str,
        dataset: &DatasetConfig,
        file: &Path,
        root: &Path,
        known: &Known,
    ) -> Result<Vec<Collection>> {
        let edits = self.edits.as_ref().filter(|edits| edits.takes(&dataset.id));
        let copied = edits.map(|edits| edits.copied(&dataset.id, release, file)).transpose()?;
        let edited = copied.is_some();
        let pool = Arc::new(Pool::new(copied.as_deref().unwrap_or(file), edited));
        let mut tables = pool.with(|base| tables(base).map_err(|error| pool.failed(error)))?;
        if edited {
            // Rows come and go.
            for table in &mut tables {
                table.rows = None;
            }
        }
        for table in tables.iter_mut().filter(|table| table.is_view) {
            // Nobody noted the extent of a view.
            let extent = pool.with(|base| rows::extent(base, table).map_err(|error| pool.failed(error)))?;
            if let Some(shape) = &mut table.shape {
                shape.extent = extent;
            }
        }
        let (title, text, about) = record(&root.join("metadata").join(format!("{}.json", dataset.id)));
        let title = title.or_else(|| dataset.metadata.title.clone()).unwrap_or_else(|| dataset.id.clone());
        let about = Arc::new(about);
        let single = tables.len() == 1;
        let collection = |table: Table| {
            let (targets, extent) = self.targets(&table);
            let own = if single { title.clone() } else { format!("{title}: {}", table.title) };
            Collection {
                id: if single { dataset.id.clone() } else { format!("{}:{}", dataset.id, table.name) },
                dataset: dataset.id.clone(),
                edited,
                editable: edits.is_some_and(|edits| edits.changes(&dataset.id, &table.name)),
                title: own,
                description: text.clone().unwrap_or_else(|| title.clone()),
                about: Arc::clone(&about),
                table,
                pool: Arc::clone(&pool),
                targets,
                extent,
                period: OnceLock::new(),
                known: known.clone(),
                nowhere: OnceLock::new(),
            }
        };
        Ok(tables.into_iter().map(collection).collect())
    }

    /// The CRSs of a table; none where its own is not known: such coordinates belong on no map.
    fn targets(&self, table: &Table) -> (Vec<Target>, Option<Bbox>) {
        let Some((shape, crs)) = table.shape.as_ref().and_then(|shape| Some((shape, shape.crs?))) else {
            return (Vec::new(), None);
        };
        match Target::all(crs, &self.grids) {
            Ok(mut targets) => {
                targets.retain(|target| shape.extent.is_empty() || target.around(shape.extent).is_ok());
                let extent = targets.first().filter(|_| !shape.extent.is_empty());
                let extent = extent.and_then(|target| target.around(shape.extent).ok());
                (targets, extent)
            }
            Err(error) => {
                tracing::warn!("{} is served without geometries: {}", table.name, error.full_message());
                (Vec::new(), None)
            }
        }
    }
}

/// What the record of a dataset says: title, description, and more.
fn record(path: &Path) -> (Option<String>, Option<String>, About) {
    let read = std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let Some(record) = read else { return (None, None, About::default()) };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let properties = &record["properties"];
    let words = properties["keywords"].as_array().into_iter().flatten().filter_map(text).collect();
    let about = About {
        record: text(&record["id"]),
        licence: text(&properties["license"]).filter(|licence| licence.starts_with("http")),
        attribution: text(&properties["rights"]),
        keywords: words,
    };
    (text(&properties["title"]), text(&properties["description"]), about)
}
