//! A night: the state that the steps of [`crate::night`] share.

use super::work::Work;
use super::{Engine, Event, Limits, Progress, Store};
use crate::dataset::{Area, FetchContext, ObjectChanges, UsedDataset};
use crate::error::{Error, Exit, Result};
use crate::io::discover::{self, Request};
use crate::io::{Digest, atomic};
use crate::ledger::{Ledger, Lock};
use crate::pipeline::Pipeline;
use crate::plan::SavedPlan;
use crate::report::FindingGroup;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a night is to run.
#[derive(Clone)]
pub struct Options {
    /// A saved plan that the night must still agree with.
    pub plan: Option<PathBuf>,
    /// Only this dataset; the others keep their artefacts.
    pub only: Option<String>,
    /// Try again what failed before.
    pub retry: bool,
    /// Units at a time.
    pub jobs: usize,
    /// Memory budget in MiB.
    pub memory_mb: u64,
    /// Who executes.
    pub engine: &'static dyn Engine,
    /// Only the artefact of this short name.
    pub artefact: Option<String>,
    /// Set from outside to stop.
    pub cancel: Arc<AtomicBool>,
    /// The command, for the lock.
    pub command: String,
}

/// A night under way.
pub struct Night<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) options: &'a Options,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) workspace: PathBuf,
    pub(crate) scratch: PathBuf,
    pub(crate) store: Store,
    pub(crate) area: Area,
    pub(crate) works: Vec<Work>,
    pub(crate) run: i64,
    pub(crate) started: jiff::Timestamp,
    pub(crate) clock: Instant,
    /// What became of the objects since the release before, by dataset.
    pub(crate) object_changes: BTreeMap<String, ObjectChanges>,
    /// Datasets that the release before had and the pipeline file no longer has.
    pub(crate) withdrawn: Vec<String>,
    /// What the report says of records in catalogues, by dataset.
    pub(crate) catalogued: BTreeMap<String, Vec<FindingGroup>>,
    ledger: Mutex<Ledger>,
    /// Held to the end; a plan without side effects has none.
    lock: Option<Lock>,
}

/// Now, or the time that `SOURCE_DATE_EPOCH` fixes.
pub fn now() -> jiff::Timestamp {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .unwrap_or_else(jiff::Timestamp::now)
}

/// A time as the ledger writes it: UTC, to the second.
pub fn utc(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// [`now`] as the ledger writes it.
pub fn utc_now() -> String {
    utc(now())
}

/// The number of the last run that has its report as a page.
fn last_report(workspace: &Path) -> i64 {
    let entries = std::fs::read_dir(workspace.join("reports")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max().unwrap_or(0)
}

impl<'a> Night<'a> {
    /// Takes the lock, opens ledger and store, and clears what a crash left.
    ///
    /// # Errors
    /// When the workspace is in use or cannot be written.
    pub fn begin(pipeline: &'a Pipeline, options: &'a Options, progress: &'a dyn Progress) -> Result<Self> {
        let workspace = pipeline.workspace();
        let lock = Lock::take(&workspace, &options.command)?;
        let mut ledger = Ledger::open(&workspace)?;
        crate::release::recover(&workspace, &mut ledger)?;
        let scratch = workspace.join("scratch");
        atomic::remove_tree(&scratch)?;
        atomic::create_dir_all(&scratch)?;
        let started = now();
        let run = ledger.begin_run(&utc(started), last_report(&workspace))?;
        let store = Store::open(&workspace)?;
        progress.event(&Event::Started { run, jobs: options.jobs, memory_mb: options.memory_mb });
        Self::with(pipeline, options, progress, workspace, scratch, store, ledger, Some(lock), run, started)
    }

    /// Opens the workspace for a plan: nothing is written, not even a lock.
    ///
    /// # Errors
    /// When the workspace cannot be read.
    pub fn look(pipeline: &'a Pipeline, options: &'a Options, progress: &'a dyn Progress, scratch: &Path) -> Result<Self> {
        let workspace = pipeline.workspace();
        let ledger = match Ledger::open_read_only(&workspace) {
            Err(error) if error.exit_code() == Exit::NoState => Ledger::open(scratch)?,
            other => other?,
        };
        let store = Store::at(&workspace);
        Self::with(pipeline, options, progress, workspace, scratch.to_owned(), store, ledger, None, 0, now())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one struct, from the two functions above")]
    fn with(
        pipeline: &'a Pipeline,
        options: &'a Options,
        progress: &'a dyn Progress,
        workspace: PathBuf,
        scratch: PathBuf,
        store: Store,
        ledger: Ledger,
        lock: Option<Lock>,
        run: i64,
        started: jiff::Timestamp,
    ) -> Result<Self> {
        if let Some(only) = &options.only
            && !pipeline.datasets.iter().any(|dataset| &dataset.id == only)
        {
            return Err(Error::new("mk::run::only", format!("the pipeline has no dataset '{only}'")).exit(Exit::Usage));
        }
        let folder = pipeline.folder().to_owned();
        let area = Area {
            crs: pipeline.config.crs,
            extent: pipeline.config.extent,
            grids: pipeline.config.grids.iter().map(|path| folder.join(path)).collect(),
            folder,
            base_url: pipeline.config.base_url.clone(),
            only: options.artefact.clone(),
        };
        let mut works = Vec::new();
        for config in &pipeline.datasets {
            let kind = crate::dataset::kind(&config.kind).ok_or_else(|| {
                Error::new("mk::config::kind", format!("there is no kind of dataset '{}'", config.kind)).exit(Exit::Usage)
            })?;
            let assembly = ledger.assembly(&config.id)?;
            works.push(Work {
                config: config.clone(),
                kind,
                dataset: (kind.open)(config)?,
                common: serde_json::json!({ "options": config.options, "crs": area.crs, "extent": area.extent }),
                active: options.only.as_ref().is_none_or(|only| *only == config.id),
                sources: Vec::new(),
                waiting: Vec::new(),
                missing: Vec::new(),
                results: Vec::new(),
                tally: super::work::Tally::default(),
                failed: None,
                failed_exit: None,
                previous: assembly.clone(),
                assembly,
                assembled: false,
            });
        }
        Ok(Self {
            pipeline,
            options,
            progress,
            workspace,
            scratch,
            store,
            area,
            works,
            run,
            started,
            clock: Instant::now(),
            object_changes: BTreeMap::new(),
            withdrawn: Vec::new(),
            catalogued: BTreeMap::new(),
            ledger: Mutex::new(ledger),
            lock,
        })
    }

    /// True for a plan without side effects.
    pub(crate) fn is_look(&self) -> bool {
        self.lock.is_none()
    }

    /// The day on which the night began.
    pub(crate) fn today(&self) -> jiff::civil::Date {
        self.started.to_zoned(jiff::tz::TimeZone::system()).date()
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the sources of each dataset by content.
    ///
    /// # Errors
    /// When the ledger fails; a file that cannot be read is a rejection.
    pub fn discover(&mut self) -> Result<()> {
        let folder = self.pipeline.folder().to_owned();
        for index in 0..self.works.len() {
            self.check_cancel()?;
            let mut work = self.works.remove(index);
            let result = self.discover_one(&mut work, &folder);
            self.works.insert(index, work);
            result?;
        }
        Ok(())
    }

    fn discover_one(&self, work: &mut Work, folder: &Path) -> Result<()> {
        if !work.active {
            return Ok(());
        }
        let request =
            Request { folder, patterns: &work.config.source, kind_patterns: work.kind.patterns, settle: Duration::ZERO };
        let mut found = discover::discover(&request, &mut *self.ledger())?;
        let fetched = work.dataset.fetch(&FetchContext {
            folder,
            keep: &self.workspace.join("fetched").join(&work.config.id),
            look: self.is_look(),
            cancel: &self.options.cancel,
        })?;
        found.sources.extend(fetched.sources);
        found.sources.sort_by(|a, b| a.name.cmp(&b.name));
        found.refused.extend(fetched.refused);
        work.sources = found.sources;
        work.waiting = found.waiting;
        let mut unsure = None;
        if let Some(expect) = &work.config.expect {
            match discover::missing(expect, folder, &work.sources) {
                Ok(missing) => work.missing = missing,
                Err(error) => unsure = Some(error),
            }
        }
        for rejection in &found.refused {
            work.tally.counts.rejected(&rejection.object_type);
        }
        self.progress.event(&Event::Discovered {
            dataset: &work.config.id,
            sources: work.sources.len(),
            waiting: &work.waiting,
            missing: &work.missing,
            refused: &found.refused,
        });
        work.tally.rejections.extend(found.refused);
        if let Some(cause) = unsure {
            // Who cannot say whether the delivery is whole must not publish a part of it.
            let message = format!("`expect.index` of dataset '{}' cannot be used", work.config.id);
            let hint =
                cause.hint_text().unwrap_or("put the tile index there, or mend `expect.index` in the pipeline file").to_owned();
            let error = Error::new("mk::discover::index", message)
                .at(cause.place().clone().object("expect.index"))
                .because(cause)
                .hint(hint);
            self.progress.event(&Event::DatasetFailed { dataset: &work.config.id, error: &error });
            work.fail(&error);
            return Ok(());
        }
        let nothing = work.sources.is_empty() && work.tally.rejections.is_empty();
        if nothing && !work.waiting.is_empty() {
            // The delivery is on its way: until it is whole the last artefacts stay, as with a dataset that is not asked for.
            work.active = false;
        } else if nothing {
            let error =
                Error::new("mk::discover::nothing", format!("no file matches the sources of dataset '{}'", work.config.id)).hint(
                    format!(
                        "looked for {} in {}; an empty delivery never removes what is published",
                        work.config.source.join(", "),
                        folder.display()
                    ),
                );
            self.progress.event(&Event::DatasetFailed { dataset: &work.config.id, error: &error });
            work.fail(&error);
        }
        Ok(())
    }

    /// Refuses when a saved plan no longer fits.
    ///
    /// # Errors
    /// When the plan cannot be read or the world has moved.
    pub fn check_plan(&self) -> Result<()> {
        match &self.options.plan {
            Some(path) => SavedPlan::load(path)?.check(&self.pins()?),
            None => Ok(()),
        }
    }

    /// What a plan made now is bound to.
    ///
    /// # Errors
    /// When the pipeline file or the current release cannot be read.
    pub fn pins(&self) -> Result<SavedPlan> {
        let sources = |work: &Work| work.sources.iter().map(|source| (source.name.clone(), source.digest)).collect();
        Ok(SavedPlan {
            pipeline: Digest::of_file(&self.pipeline.file)?,
            release: crate::release::current(&self.workspace)?,
            sources: self.works.iter().map(|work| (work.config.id.clone(), sources(work))).collect(),
        })
    }

    /// Datasets in the order in which they may run: each group after those that it uses.
    pub fn waves(&self) -> Vec<Vec<usize>> {
        let mut waves: Vec<Vec<usize>> = Vec::new();
        let mut level = BTreeMap::new();
        for (index, work) in self.works.iter().enumerate() {
            let after =
                work.config.uses.iter().filter_map(|id| level.get(id.as_str())).max().map_or(0, |level: &usize| level + 1);
            level.insert(work.config.id.as_str(), after);
            if waves.len() <= after {
                waves.resize(after + 1, Vec::new());
            }
            waves[after].push(index);
        }
        waves
    }

    /// The number of steps of the longest dataset of a wave.
    pub fn steps(&self, wave: &[usize]) -> usize {
        wave.iter().map(|index| self.works[*index].steps().len()).max().unwrap_or(0)
    }

    pub(crate) fn uses(&self, work: &Work) -> BTreeMap<String, UsedDataset> {
        let of = |id: &String| {
            let used = self.works.iter().find(|other| &other.config.id == id)?.used(&self.store)?;
            Some((id.clone(), used))
        };
        work.config.uses.iter().filter_map(of).collect()
    }

    /// The first dataset that this one uses and that has no artefacts yet, but will have unless it fails.
    pub(crate) fn unmade(&self, work: &Work) -> Option<String> {
        let unmade = |other: &&Work| work.config.uses.contains(&other.config.id) && other.assembly.is_none();
        self.works.iter().find(unmade).map(|other| other.config.id.clone())
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { jobs: self.options.jobs, memory_mb: self.options.memory_mb }
    }

    pub(crate) fn check_cancel(&self) -> Result<()> {
        if self.options.cancel.load(Ordering::Relaxed) {
            return Err(Error::new("mk::run::cancelled", "stopped on request; what is done is kept")
                .hint("the same command goes on from here")
                .exit(Exit::Cancelled));
        }
        Ok(())
    }
}
