//! Part 4 (OGC 20-002): features of playgrounds are created, replaced, updated and deleted, for the office alone.
//!
//! ```text
//! request → token → state that the client saw (If-Match) → values that fit → delta file on disk → copy that is served → answer
//! ```
//!
//! The released GeoPackage stays as it is. An edit is a file as QField writes them, in a folder that is a source of the dataset: the next
//! night merges it as everything from the field. Until then the server shows the release with the edits that it does not have yet.

mod change;
mod copy;
mod shape;
mod store;

use super::super::http::{Request, Response};
use super::collection::Collection;
use super::documents::Links;
use super::problem::Problem;
use crate::dataset::playground::{Editable, editable};
use crate::error::{Error, Exit, Result};
use crate::ledger::{Ledger, Lock};
use crate::markup::url_path;
use crate::pipeline::{DatasetConfig, Pipeline};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use store::Store;

/// Who may edit what, and where edits go.
pub struct Edits {
    token: String,
    workspace: PathBuf,
    /// The tables that the field may change with their columns, by dataset.
    datasets: BTreeMap<String, Editable>,
    store: Store,
    _lock: Lock,
}

/// Shortest token: it is all that stands between the network and the inventory.
const SHORTEST: usize = 16;

impl Edits {
    /// For the playgrounds of a pipeline that take the folder of edits as a source.
    ///
    /// # Errors
    /// When there is none, the token is too short, or another server takes edits for this workspace.
    pub fn new(pipeline: &Pipeline, token: &str) -> Result<Self> {
        if token.len() < SHORTEST {
            return Err(Error::new("mk::serve::token", format!("the token for edits has fewer than {SHORTEST} characters"))
                .hint("make one: openssl rand -hex 24")
                .exit(Exit::Credentials));
        }
        let own = pipeline.config.workspace.display().to_string();
        let pattern = |id: &str| format!("{}/edits/{id}", own.trim_start_matches("./").trim_end_matches('/'));
        let takes = |dataset: &&DatasetConfig| {
            let folder = pattern(&dataset.id) + "/";
            dataset.source.iter().any(|source| source.trim_start_matches("./").starts_with(&folder))
        };
        let playgrounds = || pipeline.datasets.iter().filter(|dataset| dataset.kind == "playground");
        let datasets = playgrounds().filter(takes).map(|dataset| Ok((dataset.id.clone(), editable(dataset)?)));
        let datasets = datasets.collect::<Result<BTreeMap<_, _>>>()?;
        if datasets.is_empty() {
            let hint = match playgrounds().next() {
                Some(dataset) => format!("add \"{}/*\" to the `source` of the dataset '{}'", pattern(&dataset.id), dataset.id),
                None => "only datasets of the kind `playground` can be edited".to_owned(),
            };
            return Err(Error::new("mk::serve::edits", "no dataset takes edits: the next night would not see them")
                .hint(hint)
                .exit(Exit::Usage));
        }
        let workspace = pipeline.workspace();
        let folder = workspace.join("edits");
        let lock = Lock::take(&folder, "serve --edits")?;
        let store = Store::open(&folder, datasets.keys())?;
        Ok(Self { token: token.to_owned(), workspace, datasets, store, _lock: lock })
    }

    /// True for a dataset that takes edits.
    pub fn takes(&self, dataset: &str) -> bool {
        self.datasets.contains_key(dataset)
    }

    /// True for a table whose rows the field may change.
    pub fn changes(&self, dataset: &str, table: &str) -> bool {
        self.datasets.get(dataset).is_some_and(|tables| tables.contains_key(table))
    }

    /// The columns of a collection that can be changed; `None` where nothing can.
    fn columns(&self, collection: &Collection) -> Option<&BTreeSet<String>> {
        self.datasets.get(&collection.dataset)?.get(collection.table.name.as_str())
    }

    /// Methods of a page of features and of one feature.
    pub fn methods(&self, collection: &Collection) -> Option<[&'static str; 2]> {
        self.columns(collection).map(|_| ["GET, HEAD, POST, OPTIONS", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"])
    }

    /// A copy of a released file with the edits that its release does not have.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copied(&self, dataset: &str, release: &str, file: &Path) -> Result<PathBuf> {
        let known = self.merged(dataset, release)?;
        let path = self.store.copy_of(dataset, release, file)?;
        let mut base = copy::open(&path)?;
        for (name, bytes) in self.store.pending(dataset, &known)? {
            // What a night cannot read it lists; here it shows nothing.
            let Ok((changes, _)) = crate::dataset::playground::changes_of(&bytes, &crate::dataset::Area::default()) else {
                tracing::warn!("{name} is no file of changes");
                continue;
            };
            copy::apply(&mut base, &path, &changes)?;
        }
        Ok(path)
    }

    /// Digests of the files that the current release was made of; none when it is not the latest, so that all count as pending.
    fn merged(&self, dataset: &str, release: &str) -> Result<BTreeSet<String>> {
        let ledger = Ledger::open_read_only(&self.workspace)?;
        if ledger.releases()?.first().is_none_or(|latest| latest.id != release) {
            return Ok(BTreeSet::new());
        }
        let assembly = ledger.assembly(dataset)?;
        Ok(assembly.into_iter().flat_map(|row| row.sources).map(|source| source.digest.to_string()).collect())
    }

    /// Carries out a request that changes something. The caller lets nobody else in meanwhile.
    pub fn carry_out(
        &self,
        collection: &Collection,
        feature: Option<&str>,
        request: &Request,
        links: &Links,
    ) -> Result<Response, Problem> {
        let methods = self.methods(collection);
        let here = methods.map(|methods| methods[usize::from(feature.is_some())]);
        let (Some(columns), Some(allowed)) = (self.columns(collection), here) else {
            return Err(Problem::new(405, "this is for reading only").with("Allow", "GET, HEAD, OPTIONS"));
        };
        if !allowed.split(", ").any(|method| method == request.method) {
            return Err(Problem::new(405, "there is no such method here").with("Allow", allowed));
        }
        self.check_token(request)?;
        let now = match feature {
            Some(name) => {
                Some(super::items::find(collection, name)?.ok_or_else(|| Problem::not_found("there is no such feature"))?)
            }
            None => None,
        };
        if let Some(now) = &now {
            let Some(seen) = request.header("if-match") else {
                return Err(Problem::new(428, "If-Match with the ETag of the feature as it was read is missing"));
            };
            let state = now.state();
            let is_it = |tag: &str| tag == "*" || tag.trim_matches('"').split('-').next() == Some(state.as_str());
            if !seen.split(',').map(str::trim).any(is_it) {
                return Err(Problem::new(412, "the feature has changed since it was read: read it again"));
            }
        }
        let wanted = change::Wanted { collection, columns, now: now.as_ref(), request };
        let Some(delta) = wanted.delta()? else {
            // Everything is as it is wanted already.
            let state = now.map(|now| now.state()).unwrap_or_default();
            return Ok(Response::empty(204).with("ETag", format!("\"{state}-json\"")));
        };
        let bytes = self.store.add(&collection.dataset, &delta)?;
        let (changes, _) = crate::dataset::playground::changes_of(&bytes, &crate::dataset::Area::default())?;
        let path = collection.pool.path();
        copy::apply(&mut copy::open(path)?, path, &changes)?;
        if request.method == "DELETE" {
            return Ok(Response::empty(204));
        }
        let row =
            super::items::find(collection, &delta.object)?.ok_or_else(|| Problem::new(500, "the data could not be read"))?;
        let response = Response::empty(if feature.is_some() { 204 } else { 201 });
        let response = response.with("ETag", format!("\"{}-json\"", row.state()));
        if feature.is_some() {
            return Ok(response);
        }
        let path = format!("{}/items/{}", Links::collection(&collection.id), url_path(&delta.object));
        Ok(response.with("Location", links.to(&path)))
    }

    fn check_token(&self, request: &Request) -> Result<(), Problem> {
        let given = request.header("authorization").and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
        // Digests take the same time to compare wherever they differ.
        if crate::io::Digest::of(given.trim().as_bytes()) == crate::io::Digest::of(self.token.as_bytes()) {
            return Ok(());
        }
        Err(Problem::new(401, "edits need the token: Authorization: Bearer …").with("WWW-Authenticate", "Bearer"))
    }
}
