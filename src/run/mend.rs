//! What the store has lost: taken from the releases where they still have it, told where nobody has.
//!
//! A disk loses files, a backup leaves out the store. Results of units are then made anew by the plan; artefacts are too, but for
//! those that go on from their last ones, as a feed does that numbers its changes.

use super::Event;
use super::night::Night;
use super::work::Work;
use crate::error::{Error, Result};
use crate::io::Digest;
use crate::ledger::StoredFile;
use crate::release;
use rayon::prelude::*;
use std::path::PathBuf;

/// Lost files named in a message.
const NAMED: usize = 3;

impl Night<'_> {
    /// Takes artefacts that are not in the store back from the newest release that has them whole.
    ///
    /// # Errors
    /// When the releases cannot be read or the store not written.
    pub fn mend(&mut self) -> Result<()> {
        let lost_of = |work: &Work| self.lost(work).cloned().collect::<Vec<_>>();
        let lost: Vec<(String, Vec<StoredFile>)> =
            self.works.iter().map(|work| (work.config.id.clone(), lost_of(work))).filter(|(_, lost)| !lost.is_empty()).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let mut folders: Vec<PathBuf> =
            release::on_disk(&self.workspace)?.iter().map(|id| release::folder(&self.workspace, id)).collect();
        folders.reverse();
        for (dataset, files) in lost {
            let take_back = |file: &StoredFile| -> Result<bool> {
                for folder in &folders {
                    let path = folder.join("internal").join(&dataset).join(&file.path);
                    if self.store.take_back(&path, file.digest, file.size)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            };
            let taken = files.par_iter().map(take_back).collect::<Result<Vec<_>>>()?.into_iter().filter(|taken| *taken).count();
            let text =
                format!("{dataset}: {taken} of {} artefacts that the store has lost are taken from the releases", files.len());
            self.progress.event(&Event::Note(&text));
        }
        Ok(())
    }

    /// The artefacts that a dataset should have in the store.
    fn lost<'w>(&self, work: &'w Work) -> impl Iterator<Item = &'w StoredFile> {
        let store = self.store.clone();
        work.assembly.iter().flat_map(|row| &row.files).filter(move |file| !store.contains(file.digest, file.size))
    }

    /// Leaves artefacts out of tonight's release that are lost everywhere and could not be made anew: all else is to be released.
    pub(crate) fn leave_out_lost(&mut self) {
        for index in 0..self.works.len() {
            let lost: Vec<String> = self.lost(&self.works[index]).map(|file| file.path.clone()).collect();
            if lost.is_empty() {
                continue;
            }
            let work = &mut self.works[index];
            let id = &work.config.id;
            let more = if lost.len() > NAMED { format!(" and {} more", lost.len() - NAMED) } else { String::new() };
            let named = lost[..lost.len().min(NAMED)].join(", ");
            let error = Error::new(
                "mk::store::lost",
                format!("artefacts of dataset '{id}' are lost from the store and from every release: {named}{more}"),
            )
            .hint(format!(
                "they are left out until they can be made anew: mend what else is told of '{id}', or put them back into {} from a backup",
                self.workspace.join("current/internal").join(id).display()
            ));
            self.progress.event(&Event::DatasetFailed { dataset: id, error: &error });
            if work.failed.is_none() {
                work.fail(&error);
            }
            if let Some(row) = &mut work.assembly {
                row.files.retain(|file| lost.binary_search(&file.path).is_err());
                row.assembly.artefacts.retain(|artefact| row.files.iter().any(|file| artefact.owns(&file.path)));
                // Another content than the whole one, which is to be released when it is there again.
                row.id = Digest::of_parts([&row.id.as_bytes()[..]].into_iter().chain(lost.iter().map(String::as_bytes)));
            }
            if work.assembly.as_ref().is_some_and(|row| row.files.is_empty()) {
                work.assembly = None;
            }
        }
    }

    /// Deletes the damaged among results that something could not be made from: the next night makes them anew. Gives their number.
    pub(crate) fn weed<'r>(&self, results: impl Iterator<Item = &'r crate::dataset::UnitResult>) -> Result<usize> {
        let packs: Vec<Digest> = results.map(|result| result.digest).collect();
        self.store.weed(&packs)
    }

    /// As [`Night::weed`], of all results of a dataset that failed, whose error then says what comes next.
    pub(crate) fn weed_for(&self, work: &Work, error: Error) -> Result<Error> {
        Ok(match self.weed(work.results.iter().flatten())? {
            0 => error,
            number => {
                error.hint(format!("{number} results of its units were damaged and are deleted: the next night makes them anew"))
            }
        })
    }
}
