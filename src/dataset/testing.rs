//! Plays plan → execute → assemble over a kind, with temporary folders in place of ledger, store and release.
//!
//! The order of a real night is kept: each stage is planned when the one before is done, a unit that fails is left out of the
//! next stage, and every pack is closed and read back.

use super::{
    Area, AssembleContext, Assembly, Crew, Dataset, Located, Outcome, PlanContext, UnitContext, UnitResult, UsedDataset,
};
use crate::error::{Error, Result};
use crate::io::{Digest, PackWriter, Source};
use crate::pipeline::DatasetConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What a kind is played with.
pub(crate) struct Play {
    pub(crate) config: DatasetConfig,
    pub(crate) area: Area,
    pub(crate) sources: Vec<Source>,
    pub(crate) uses: BTreeMap<String, UsedDataset>,
    pub(crate) only: Option<String>,
    /// Results of an earlier night by `stage/key`, for units that go on from them.
    pub(crate) previous: BTreeMap<String, UnitResult>,
    /// The artefacts of an earlier night.
    pub(crate) before: Option<UsedDataset>,
    /// The day of the night.
    pub(crate) today: jiff::civil::Date,
}

/// What came of it.
pub(crate) struct Harness {
    pub(crate) assembly: Result<Assembly>,
    /// By stage, sorted by key.
    pub(crate) results: Vec<Vec<UnitResult>>,
    /// Stage, key, error of the units that failed.
    pub(crate) errors: Vec<(usize, String, Error)>,
    /// Digest of what makes a unit's identity, by `stage/key`.
    pub(crate) identities: BTreeMap<String, Digest>,
    /// Digest of each pack, by `stage/key`.
    pub(crate) packs: BTreeMap<String, Digest>,
    play: Play,
    folder: tempfile::TempDir,
}

/// Plays the kind over files whose names are their last parts.
pub(crate) fn run_kind(kind: &str, options: &serde_json::Value, files: &[PathBuf]) -> Harness {
    Play::new(kind, options, files).run()
}

impl Play {
    pub(crate) fn new(kind: &str, options: &serde_json::Value, files: &[PathBuf]) -> Self {
        let mut config: serde_json::Value = serde_json::json!({ "id": "test", "kind": kind, "source": [], "audience": "public" });
        for (key, value) in options.as_object().unwrap() {
            config[key] = value.clone();
        }
        let mut sources: Vec<Source> =
            files.iter().map(|file| Source::of_file(file, &file.file_name().unwrap().to_string_lossy()).unwrap()).collect();
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Self {
            config: serde_json::from_value(config).unwrap(),
            area: Area { folder, ..Area::default() },
            sources,
            uses: BTreeMap::new(),
            only: None,
            previous: BTreeMap::new(),
            before: None,
            today: jiff::civil::date(2026, 5, 28),
        }
    }

    pub(crate) fn run(self) -> Harness {
        let dataset = self.open();
        let folder = tempfile::tempdir().unwrap();
        let mut harness = Harness {
            assembly: Err(Error::new("mk::test::unset", "not assembled")),
            results: Vec::new(),
            errors: Vec::new(),
            identities: BTreeMap::new(),
            packs: BTreeMap::new(),
            play: self,
            folder,
        };
        for (stage, about) in dataset.stages().iter().enumerate() {
            let units = {
                let scratch = harness.make(&format!("plan/{stage}"));
                let context = PlanContext {
                    dataset: &harness.play.config,
                    area: &harness.play.area,
                    sources: &harness.play.sources,
                    earlier: &harness.results,
                    uses: &harness.play.uses,
                    scratch: &scratch,
                    only: harness.play.only.as_deref(),
                };
                dataset.units(stage, &context).unwrap()
            };
            let mut results = Vec::new();
            for (index, unit) in units.iter().enumerate() {
                let name = format!("{stage}/{}", unit.key);
                let params = serde_json::to_vec(&(&unit.params, about.version)).unwrap();
                let digests = unit.inputs.iter().map(|input| &input.digest.as_bytes()[..]);
                let identity = Digest::of_parts([params.as_slice()].into_iter().chain(digests));
                assert!(harness.identities.insert(name.clone(), identity).is_none(), "two units are named {name}");
                let scratch = harness.make(&format!("unit/{stage}/{index}"));
                let path = scratch.join("result.pack");
                let mut pack = PackWriter::create(&path).unwrap();
                let cancel = AtomicBool::new(false);
                let crew = Crew::new(2);
                let mut context = UnitContext {
                    dataset: &harness.play.config,
                    area: &harness.play.area,
                    scratch: &scratch,
                    previous: harness.play.previous.get(&name),
                    pack: &mut pack,
                    crew: &crew,
                    cancel: &cancel,
                };
                match dataset.execute(stage, unit, &mut context) {
                    Ok(outcome) => {
                        assert!(outcome.counts.0.values().all(super::Count::balances), "{name} loses objects");
                        let path = pack.finish().unwrap();
                        let digest = Digest::of_file(&path).unwrap();
                        harness.packs.insert(name, digest);
                        // As the ledger does: what is not saved is gone.
                        let outcome = serde_json::from_str(&serde_json::to_string(&outcome).unwrap()).unwrap();
                        let inputs = unit.inputs.clone();
                        results.push(UnitResult { key: unit.key.clone(), digest, path, outcome, inputs, stale: false });
                    }
                    Err(error) => harness.errors.push((stage, unit.key.clone(), error)),
                }
            }
            results.sort_by(|a, b| a.key.cmp(&b.key));
            harness.results.push(results);
        }
        harness.make("output");
        harness.assembly = harness.with_context(|context| dataset.assemble(context));
        harness
    }

    fn open(&self) -> Box<dyn Dataset> {
        (super::kind(&self.config.kind).unwrap().open)(&self.config).unwrap()
    }
}

impl Harness {
    /// The folder with the artefacts.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }
    /// What was made, as the next night has it before it.
    pub(crate) fn as_before(&self) -> UsedDataset {
        let output = self.output();
        let files = walkdir::WalkDir::new(&output)
            .into_iter()
            .map(std::result::Result::unwrap)
            .filter(|entry: &walkdir::DirEntry| entry.file_type().is_file());
        let file = |entry: walkdir::DirEntry| {
            let name = entry.path().strip_prefix(&output).unwrap().to_string_lossy().into_owned();
            (name, (entry.path().to_owned(), Digest::of_file(entry.path()).unwrap()))
        };
        UsedDataset { files: files.map(file).collect(), facts: self.assembly.as_ref().unwrap().facts.clone() }
    }
    /// Outcomes of a stage, sorted by key.
    pub(crate) fn outcomes(&self, stage: usize) -> impl Iterator<Item = (&str, &Outcome)> {
        self.results[stage].iter().map(|result| (result.key.as_str(), &result.outcome))
    }
    /// What made an object.
    pub(crate) fn locate(&self, object: &str) -> Result<Vec<Located>> {
        let dataset = self.play.open();
        self.with_context(|context| dataset.locate(object, context))
    }
    /// Units that this run has and the other has not, or has with another identity.
    pub(crate) fn changed_since(&self, other: &Self) -> BTreeSet<&str> {
        let changed = self.identities.iter().filter(|(name, identity)| other.identities.get(*name) != Some(identity));
        changed.map(|(name, _)| name.as_str()).collect()
    }
    fn make(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
    fn with_context<T>(&self, run: impl FnOnce(&AssembleContext<'_>) -> T) -> T {
        let scratch = self.make("scratch");
        let output: &Path = &self.output();
        run(&AssembleContext {
            dataset: &self.play.config,
            area: &self.play.area,
            sources: &self.play.sources,
            results: &self.results,
            uses: &self.play.uses,
            output,
            scratch: &scratch,
            jobs: 2,
            audience: self.play.config.audience,
            before: self.play.before.as_ref(),
            today: self.play.today,
            only: self.play.only.as_deref(),
            kept: &super::Kept::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_over_nothing_is_the_same_run_twice() {
        let play = || run_kind("orthophoto", &serde_json::json!({}), &[]);
        let (first, second) = (play(), play());
        assert!(first.assembly.is_err(), "there is nothing to assemble");
        assert!(first.errors.is_empty() && first.packs.is_empty());
        assert!(first.outcomes(0).next().is_none());
        assert!(first.changed_since(&second).is_empty());
        assert!(first.locate("x").unwrap().is_empty());
    }
}
