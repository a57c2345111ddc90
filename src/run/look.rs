//! Looking without touching: what a night would do, and what made an object.

use super::night::Night;
use super::work::Work;
use super::{Options, Planned, Progress, Silent, Store};
use crate::dataset::{AssembleContext, Kept, Located, UnitResult};
use crate::error::{Error, Exit, Result};
use crate::ledger::{Ledger, StoredUnit};
use crate::pipeline::{OnReject, Pipeline};
use crate::plan::{Decision, PlannedUnit, SavedPlan};
use std::collections::BTreeMap;

/// What a night would do.
pub struct Outlook {
    /// Units to do, as far as they are known before the night.
    pub units: Vec<PlannedUnit>,
    /// Units that are no longer needed: dataset, stage, key.
    pub removed: Vec<(String, String, String)>,
    /// Units whose results are reused.
    pub reused: u64,
    /// Units that stay quarantined: dataset, stage, key.
    pub quarantined: Vec<(String, String, String)>,
    /// Stages whose units are known only when the stage before is done: dataset, stage.
    pub later: Vec<(String, String)>,
    /// Datasets that can be planned only when another has files that they use: dataset, the other.
    pub waits: Vec<(String, String)>,
    /// Datasets that cannot be planned, with the reason.
    pub failed: Vec<(String, String)>,
    /// Why another release would become current, beside the units to do.
    pub release: Vec<String>,
    /// What the plan is bound to.
    pub pins: SavedPlan,
}

impl Outlook {
    /// True when a night would change something.
    pub fn has_changes(&self) -> bool {
        !(self.units.is_empty() && self.removed.is_empty() && self.waits.is_empty() && self.release.is_empty())
    }
}

/// Plans a night without writing anything.
///
/// # Errors
/// When the workspace or the sources cannot be read.
pub fn outlook(pipeline: &Pipeline, options: &Options, progress: &dyn Progress) -> Result<Outlook> {
    let scratch =
        tempfile::tempdir().map_err(|error| Error::new("mk::io::write", "cannot make a temporary folder").because(error))?;
    let mut night = Night::look(pipeline, options, progress, scratch.path())?;
    night.discover()?;
    let mut outlook = Outlook {
        units: Vec::new(),
        removed: Vec::new(),
        reused: 0,
        quarantined: Vec::new(),
        later: Vec::new(),
        waits: Vec::new(),
        failed: Vec::new(),
        release: Vec::new(),
        pins: night.pins()?,
    };
    let hopeless: Vec<bool> = night.works.iter().map(|work| work.failed.is_some()).collect();
    for wave in night.waves() {
        for step in 0..night.steps(&wave) {
            for Planned { index, stage, plan, slots } in night.plan(&wave, step)? {
                let (work, store) = (&mut night.works[index], &night.store);
                let (id, name) = (work.config.id.clone(), work.dataset.stages()[stage].name.to_owned());
                let keep = work.config.on_reject == OnReject::Keep;
                outlook.reused += plan.reused();
                outlook.removed.extend(plan.removed.iter().map(|key| (id.clone(), name.clone(), key.clone())));
                let to_do = plan.to_do();
                let mut results = Vec::new();
                for (key, (spec, decision)) in plan.units {
                    match decision {
                        Decision::Reuse(stored) => results.push(result(store, key, stored, spec.inputs)),
                        Decision::Quarantined(_) => {
                            outlook.quarantined.push((id.clone(), name.clone(), key.clone()));
                            // As in the night, its last good result stays.
                            if let Some(old) = slots.get(&key).filter(|old| keep && store.contains(old.digest, old.size)) {
                                work.tally.stale += 1;
                                results.push(UnitResult { stale: true, ..result(store, key, old.clone(), spec.inputs) });
                            }
                        }
                        Decision::Do(_) => {}
                    }
                }
                if to_do.is_empty() {
                    work.results.push(results);
                } else {
                    outlook.units.extend(to_do);
                    // Nothing more can be known about it now, but for what is beside it.
                    if std::mem::take(&mut work.active) {
                        let later = work.steps().into_iter().skip(step + 1).flatten();
                        outlook.later.extend(later.map(|later| (id.clone(), work.dataset.stages()[later].name.to_owned())));
                    }
                }
            }
        }
    }
    let anew = night.works.iter().filter(|work| night.would_assemble(work));
    let anew = anew.map(|work| format!("the files of the dataset '{}' are put together anew", work.config.id)).collect();
    outlook.release = night.release_changes(anew)?;
    for (work, hopeless) in night.works.iter().zip(hopeless) {
        let Some(rejection) = &work.failed else { continue };
        let id = work.config.id.clone();
        // What it uses is not made yet; in the night it is, before its turn comes.
        match night.unmade(work).filter(|_| !hopeless) {
            Some(other) => outlook.waits.push((id, other)),
            None => outlook.failed.push((id, rejection.reason.clone())),
        }
    }
    Ok(outlook)
}

fn result(store: &Store, key: String, stored: StoredUnit, inputs: Vec<crate::plan::Input>) -> UnitResult {
    UnitResult { path: store.path(stored.digest), digest: stored.digest, outcome: stored.outcome, inputs, stale: false, key }
}

/// A unit that had a part in an object, with what the ledger knows of it.
#[derive(Debug)]
pub struct Explanation {
    /// Dataset.
    pub dataset: String,
    /// Name of the stage.
    pub stage: String,
    /// What the kind says.
    pub located: Located,
    /// The unit's result.
    pub unit: StoredUnit,
    /// When the run began that made it, UTC.
    pub made: Option<String>,
}

/// Why an object is as it is: the units that made it, from which files.
///
/// # Errors
/// When nothing is known of the object, or the workspace cannot be read.
pub fn explain(pipeline: &Pipeline, options: &Options, object: &str) -> Result<Vec<Explanation>> {
    let workspace = pipeline.workspace();
    let ledger = Ledger::open_read_only(&workspace)?;
    let scratch =
        tempfile::tempdir().map_err(|error| Error::new("mk::io::write", "cannot make a temporary folder").because(error))?;
    let night = Night::look(pipeline, options, &Silent, scratch.path())?;
    let mut found = Vec::new();
    for work in &night.works {
        found.extend(explain_in(&night, work, &ledger, object)?);
    }
    if found.is_empty() {
        return Err(Error::new("mk::explain::unknown", format!("no dataset of this pipeline has made '{object}'"))
            .hint("name a tile as z/x/y, a parcel by its Flurstückskennzeichen, a building by its gml:id")
            .exit(Exit::Failed));
    }
    Ok(found)
}

fn explain_in(night: &Night<'_>, work: &Work, ledger: &Ledger, object: &str) -> Result<Vec<Explanation>> {
    let mut slots: Vec<BTreeMap<String, StoredUnit>> = Vec::new();
    for stage in 0..work.dataset.stages().len() {
        slots.push(ledger.slots(&work.config.id, stage)?);
    }
    let results: Vec<Vec<UnitResult>> = slots
        .iter()
        .map(|stage| {
            stage.iter().map(|(key, stored)| result(&night.store, key.clone(), stored.clone(), stored.inputs.clone())).collect()
        })
        .collect();
    let context = AssembleContext {
        dataset: &work.config,
        area: &night.area,
        sources: &work.sources,
        results: &results,
        uses: &night.uses(work),
        output: &night.scratch,
        scratch: &night.scratch,
        jobs: 1,
        audience: work.config.audience,
        before: None,
        today: night.today(),
        only: None,
        kept: &Kept::default(),
    };
    let mut found = Vec::new();
    for located in work.dataset.locate(object, &context)? {
        let Some(unit) = slots.get(located.stage).and_then(|stage| stage.get(&located.key)).cloned() else { continue };
        found.push(Explanation {
            dataset: work.config.id.clone(),
            stage: work.dataset.stages()[located.stage].name.to_owned(),
            made: ledger.run(unit.run)?.map(|row| row.started),
            located,
            unit,
        });
    }
    Ok(found)
}
