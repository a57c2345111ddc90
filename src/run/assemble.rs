//! Assembly: the results of a dataset's units become its artefacts, kept in the store by content.

use super::Event;
use super::night::Night;
use super::work::Work;
use crate::dataset::{AssembleContext, Assembly, Earlier, Kept};
use crate::error::{Error, Place, Result};
use crate::io::{Digest, atomic};
use crate::ledger::{AssemblyRow, StoredFile};
use crate::pipeline::Audience;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

impl Night<'_> {
    /// True when the artefacts of a dataset whose units are all done would be made anew.
    pub(super) fn would_assemble(&self, work: &Work) -> bool {
        work.runs()
            && work.results.iter().any(|stage| !stage.is_empty())
            && self.still_right(work, self.assembly_id(work)).is_none()
    }

    /// The last assembly, where it is what a new one would be.
    fn still_right<'w>(&self, work: &'w Work, id: Digest) -> Option<&'w AssemblyRow> {
        let there = |row: &&AssemblyRow| row.files.iter().all(|file| self.store.contains(file.digest, file.size));
        work.assembly.as_ref().filter(|row| row.id == id).filter(there)
    }

    /// Makes the artefacts of each dataset of a wave, where they are not still right.
    ///
    /// # Errors
    /// When ledger or store fail; a dataset that cannot be assembled keeps its last artefacts.
    pub fn assemble(&mut self, wave: &[usize]) -> Result<()> {
        for index in wave {
            self.check_cancel()?;
            let work = &self.works[*index];
            if !work.runs() || work.results.iter().all(Vec::is_empty) {
                continue;
            }
            let id = self.assembly_id(work);
            if let Some(row) = self.still_right(work, id) {
                self.tell_assembled(work, row, true);
                continue;
            }
            let clock = Instant::now();
            match self.assemble_one(work, id) {
                Ok(row) => {
                    self.ledger().keep_assembly(&work.config.id, &row)?;
                    self.tell_assembled(work, &row, false);
                    let work = &mut self.works[*index];
                    work.assembly = Some(row);
                    work.assembled = true;
                    work.tally.assemble_s = clock.elapsed().as_secs_f64();
                }
                Err(error) if matches!(error.code(), "mk::io::write" | "mk::ledger::sqlite") => return Err(error),
                Err(error) => {
                    let error = self.weed_for(work, error)?;
                    self.progress.event(&Event::DatasetFailed { dataset: &work.config.id, error: &error });
                    self.works[*index].fail(&error);
                }
            }
        }
        Ok(())
    }

    fn tell_assembled(&self, work: &Work, row: &AssemblyRow, reused: bool) {
        self.progress.event(&Event::Assembled {
            dataset: &work.config.id,
            files: row.files.len(),
            bytes: row.files.iter().map(|file| file.size).sum(),
            reused,
        });
    }

    /// Everything the artefacts depend on.
    fn assembly_id(&self, work: &Work) -> Digest {
        let results: Vec<_> = work
            .results
            .iter()
            .map(|stage| {
                stage.iter().map(|result| (&result.key, result.digest, &result.outcome, result.stale)).collect::<Vec<_>>()
            })
            .collect();
        let sources: Vec<_> = work.sources.iter().map(|source| (&source.name, source.digest)).collect();
        let uses: Vec<_> = self
            .works
            .iter()
            .filter(|other| work.config.uses.contains(&other.config.id))
            .map(|other| (&other.config.id, other.assembly.as_ref().map(|row| row.id)))
            .collect();
        let text = serde_json::json!({
            "kind": work.kind.name,
            "version": work.dataset.assemble_version(),
            "config": work.config,
            "common": work.common,
            "base_url": self.area.base_url,
            "results": results,
            "sources": sources,
            "uses": uses,
            "artefact": self.options.artefact,
            "day": work.dataset.follows_the_day().then(|| self.today()),
        });
        Digest::of(text.to_string().as_bytes())
    }

    fn assemble_one(&self, work: &Work, id: Digest) -> Result<AssemblyRow> {
        let base = self.scratch.join(format!("assemble-{}", work.config.id));
        let (output, scratch) = (base.join("out"), base.join("scratch"));
        atomic::remove_tree(&base)?;
        atomic::create_dir_all(&output)?;
        atomic::create_dir_all(&scratch)?;
        let before = work.before(&self.store);
        // What the last assembly has, as far as it can stand for what this one would make.
        let earlier: BTreeMap<&str, &StoredFile> =
            work.assembly.iter().flat_map(|row| &row.files).map(|file| (file.path.as_str(), file)).collect();
        // Of a folder whose files are made together none is kept where one is lost.
        let all_there = earlier.values().all(|file| self.store.contains(file.digest, file.size));
        let known = |file: &StoredFile| (file.path.clone(), Earlier { made_of: file.made_of, content: file.digest });
        let made_before = earlier.values().copied().filter(|_| all_there).map(known).collect();
        let common = format!("{} {} {}", work.kind.name, work.dataset.assemble_version(), env!("CARGO_PKG_VERSION"));
        let kept = Kept::new(common, made_before);
        let context = AssembleContext {
            dataset: &work.config,
            area: &self.area,
            sources: &work.sources,
            results: &work.results,
            uses: &self.uses(work),
            output: &output,
            scratch: &scratch,
            jobs: self.options.jobs,
            audience: work.config.audience,
            before: before.as_ref(),
            today: self.today(),
            only: self.options.artefact.as_deref(),
            kept: &kept,
        };
        let mut assembly = work.dataset.assemble(&context)?;
        limit_audience(&mut assembly, work.config.audience);
        let noted = kept.into_noted();
        let made = files_below(&output)?;
        let adopted = self.store.adopt(&made.iter().map(|path| output.join(path)).collect::<Vec<_>>())?;
        let stored = |(path, (digest, size)): (String, (Digest, u64))| {
            let made_of = noted.get(&path).and_then(|noted| noted.made_of);
            StoredFile { path, digest, size, made_of }
        };
        let mut files: Vec<StoredFile> = made.into_iter().zip(adopted).map(stored).collect();
        let kept = noted.iter().filter(|(_, noted)| noted.kept);
        files.extend(kept.filter_map(|(path, _)| earlier.get(path.as_str()).map(|file| StoredFile::clone(file))));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        check(&work.config.id, &assembly, &files)?;
        atomic::remove_tree(&base)?;
        Ok(AssemblyRow { id, assembly, files, sources: work.sources.clone(), run: self.run })
    }
}

/// The dataset's audience is the ceiling of each artefact's.
fn limit_audience(assembly: &mut Assembly, ceiling: Audience) {
    for artefact in &mut assembly.artefacts {
        artefact.audience = artefact.audience.max(ceiling);
    }
}

/// Every file belongs to one artefact, and every artefact has a file.
fn check(dataset: &str, assembly: &Assembly, files: &[StoredFile]) -> Result<()> {
    for file in files {
        let owners = assembly.artefacts.iter().filter(|artefact| artefact.owns(&file.path)).count();
        if owners != 1 {
            return Err(Error::new(
                "mk::assemble::owner",
                format!("the file {} of dataset '{dataset}' belongs to {owners} artefacts", file.path),
            ));
        }
    }
    for artefact in &assembly.artefacts {
        if !files.iter().any(|file| artefact.owns(&file.path)) {
            return Err(Error::new(
                "mk::assemble::missing",
                format!("the artefact {} of dataset '{dataset}' has no file", artefact.path),
            ));
        }
    }
    Ok(())
}

/// Paths of all files below a folder, relative to it, sorted.
fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            Error::new("mk::io::read", "cannot read the folder").at(Place::file(folder.display().to_string())).because(error)
        })?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(files)
}
