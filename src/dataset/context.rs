//! What a kind is handed: where to read, where to write, what is asked.

use super::{Artefact, ArtefactRole, Facts, Kept, Outcome};
use crate::crs::{Bbox, Crs};
use crate::error::{Error, Exit, Rejection, Result};
use crate::io::{Digest, Pack, PackWriter, Source};
use crate::pipeline::{Audience, DatasetConfig};
use crate::plan::{Input, InputKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What holds for the whole pipeline.
#[derive(Debug, Clone, Default)]
pub struct Area {
    /// CRS of the tables, if the pipeline fixes one.
    pub crs: Option<Crs>,
    /// Plausibility box in that CRS.
    pub extent: Option<Bbox>,
    /// Folders with transformation grids, absolute.
    pub grids: Vec<PathBuf>,
    /// Folder that relative paths in options are relative to.
    pub folder: PathBuf,
    /// Address under which the release's folder `public` is served, where the pipeline says it.
    pub base_url: Option<String>,
    /// The only artefact that is wanted, by its short name, when a conversion asks for just one.
    pub only: Option<String>,
}

/// The result of a unit that ran, tonight or earlier.
#[derive(Debug, Clone)]
pub struct UnitResult {
    /// Key of the unit.
    pub key: String,
    /// Digest of its pack.
    pub digest: Digest,
    /// The pack in the store.
    pub path: PathBuf,
    /// What it said.
    pub outcome: Outcome,
    /// Inputs it was made from.
    pub inputs: Vec<Input>,
    /// True when this is the last good result of a unit that failed tonight.
    pub stale: bool,
}

impl UnitResult {
    /// Opens the pack.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn pack(&self) -> Result<Pack> {
        Pack::open(&self.path)
    }
    /// The whole result as input of a later unit.
    pub fn as_input(&self) -> Input {
        Input {
            kind: InputKind::Result,
            name: self.key.clone(),
            path: self.path.clone(),
            member: None,
            size: 0,
            digest: self.digest,
        }
    }
    /// One entry of the result as input of a later unit: the unit stays valid while just this entry is unchanged.
    pub fn entry_as_input(&self, entry: &str, info: crate::io::pack::Entry) -> Input {
        Input {
            kind: InputKind::Result,
            name: format!("{}#{entry}", self.key),
            path: self.path.clone(),
            member: Some(entry.to_owned()),
            size: info.size,
            digest: info.digest,
        }
    }
}

/// Artefacts of another dataset, as released or about to be.
#[derive(Debug, Clone)]
pub struct UsedDataset {
    /// Files by their path within the dataset's folder, with their digests.
    pub files: BTreeMap<String, (PathBuf, Digest)>,
    /// Its facts.
    pub facts: Facts,
}

/// For fetching what a server has, before a night looks for its sources.
pub struct FetchContext<'a> {
    /// Folder that relative paths in options are relative to.
    pub folder: &'a Path,
    /// A folder of the dataset's own that stays from night to night.
    pub keep: &'a Path,
    /// True when nothing may be asked or written: what is kept counts.
    pub look: bool,
    /// Set when the night is to stop.
    pub cancel: &'a AtomicBool,
}

/// What was fetched.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Sources: those of tonight, or those that are kept.
    pub sources: Vec<Source>,
    /// What could not be fetched.
    pub refused: Vec<Rejection>,
}

/// For planning a stage.
pub struct PlanContext<'a> {
    /// The dataset.
    pub dataset: &'a DatasetConfig,
    /// The pipeline.
    pub area: &'a Area,
    /// All sources, sorted by name.
    pub sources: &'a [Source],
    /// Results of the earlier stages, sorted by key.
    pub earlier: &'a [Vec<UnitResult>],
    /// The datasets it uses, by id.
    pub uses: &'a BTreeMap<String, UsedDataset>,
    /// A folder for temporary files.
    pub scratch: &'a Path,
    /// When set, only the artefact of this short name is wanted: units that make nothing for it may be left out.
    pub only: Option<&'a str>,
}

impl PlanContext<'_> {
    /// True when the artefact of this short name is wanted.
    pub fn wants(&self, short_name: &str) -> bool {
        self.only.is_none_or(|only| only == short_name)
    }
}

/// For executing a unit.
pub struct UnitContext<'a> {
    /// The dataset.
    pub dataset: &'a DatasetConfig,
    /// The pipeline.
    pub area: &'a Area,
    /// A folder for temporary files, of this unit alone.
    pub scratch: &'a Path,
    /// The last good result under the unit's key, made by the same version of the code from other inputs. A unit may go on from
    /// it to be quicker; its own result must be the same without.
    pub previous: Option<&'a UnitResult>,
    /// The result.
    pub pack: &'a mut PackWriter,
    /// The threads that units run on.
    pub crew: &'a Crew,
    /// Set when the night is to stop.
    pub cancel: &'a AtomicBool,
}

/// The threads of the engine. Near the end of a stage fewer units are left than there are threads.
#[derive(Debug)]
pub struct Crew {
    threads: usize,
    busy: AtomicUsize,
}

/// A unit that runs, until it is dropped.
#[derive(Debug)]
pub struct Busy<'a>(&'a Crew);

impl Crew {
    /// So many threads, of which none has a unit.
    pub fn new(threads: usize) -> Self {
        Self { threads, busy: AtomicUsize::new(0) }
    }
    /// A thread begins with a unit.
    pub fn begin(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }
    /// Does two things, at the same time where a thread is free. Where each has a unit nothing is gained by handing one of them to the
    /// pool, and much is lost: a thread of the pool that waits for it takes up a part of another unit, and the first waits until that is
    /// done.
    pub fn join<A: Send, B: Send>(&self, one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
        if self.busy.load(Ordering::Relaxed) < self.threads { rayon::join(one, other) } else { (one(), other()) }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UnitContext<'_> {
    /// Ends the unit when the night is to stop; long units call it often.
    ///
    /// # Errors
    /// With [`Exit::Cancelled`] when the night is to stop.
    pub fn check(&self) -> Result<()> {
        check(self.cancel)
    }
    /// The bytes of an input that is an entry of a pack.
    ///
    /// # Errors
    /// When it is no such input or cannot be read.
    pub fn entry(&self, input: &Input) -> Result<Vec<u8>> {
        let Some(entry) = &input.member else {
            return Err(Error::new("mk::run::input", format!("the input {} is no entry of a pack", input.name)));
        };
        Pack::open(&input.path)?.read(entry)
    }
}

/// As [`UnitContext::check`], where the context's other parts are in use.
///
/// # Errors
/// With [`Exit::Cancelled`] when the night is to stop.
pub fn check(cancel: &AtomicBool) -> Result<()> {
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::new("mk::run::cancelled", "stopped on request").exit(Exit::Cancelled));
    }
    Ok(())
}

/// For assembling the artefacts.
pub struct AssembleContext<'a> {
    /// The dataset.
    pub dataset: &'a DatasetConfig,
    /// The pipeline.
    pub area: &'a Area,
    /// All sources.
    pub sources: &'a [Source],
    /// Results of all stages, sorted by key.
    pub results: &'a [Vec<UnitResult>],
    /// The datasets it uses, by id.
    pub uses: &'a BTreeMap<String, UsedDataset>,
    /// The folder that the artefacts are written to; each [`super::Artefact`] names its path in it.
    pub output: &'a Path,
    /// A folder for temporary files.
    pub scratch: &'a Path,
    /// Threads that may be used.
    pub jobs: usize,
    /// Highest audience of the dataset.
    pub audience: Audience,
    /// The artefacts of the dataset as they were last assembled, for what lasts from night to night.
    pub before: Option<&'a UsedDataset>,
    /// The day of the night, for a dataset that follows it.
    pub today: jiff::civil::Date,
    /// When set, only the artefact of this short name (`pmtiles`, `gpkg`, `parquet` ...) is wanted.
    pub only: Option<&'a str>,
    /// What the last assembly made of what.
    pub kept: &'a Kept,
}

impl AssembleContext<'_> {
    /// Address of a file of the dataset; `None` where it is internal, or nobody said where the release is served.
    pub fn address(&self, path: &str) -> Option<String> {
        let base = self.area.base_url.as_ref().filter(|_| self.audience == Audience::Public)?;
        Some(format!("{}/{}", base.trim_end_matches('/'), crate::markup::url_path(&format!("{}/{path}", self.dataset.id))))
    }
    /// An artefact with data, of the dataset's audience.
    pub fn artefact(&self, path: &str, media_type: &str, format: &str, title: &str) -> Artefact {
        Artefact {
            path: path.to_owned(),
            audience: self.audience,
            role: ArtefactRole::Data,
            media_type: media_type.to_owned(),
            format: format.to_owned(),
            title: title.to_owned(),
        }
    }
    /// Writes a small file of an artefact, unless the last assembly has it with these bytes. `path` is relative to the output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        if self.kept.is_same(path, bytes) { Ok(()) } else { crate::io::atomic::write_unseen(&self.output.join(path), bytes) }
    }
    /// True when the artefact of this short name is wanted.
    pub fn wants(&self, short_name: &str) -> bool {
        self.only.is_none_or(|only| only == short_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_hands_nothing_on_while_every_thread_has_one() {
        let here = std::thread::current().id();
        let thread = || std::thread::current().id();
        let crew = Crew::new(2);
        let first = crew.begin();
        let (one, other) = crew.join(thread, thread);
        assert!(one != here && other != here, "a thread is free: the pool does both");
        let second = crew.begin();
        assert_eq!(crew.join(thread, thread), (here, here));
        drop(second);
        assert_ne!(crew.join(thread, thread).0, here);
        drop(first);
    }
}
