//! One step of a wave of datasets, a stage or several that are beside each other: plan it, execute it, gather the results.

use super::Event;
use super::night::Night;
use super::work::{FailedUnit, UnitNote, UnitState, Work};
use crate::dataset::{Crew, Made, PlanContext, UnitContext, UnitResult};
use crate::error::{Error, Exit, Rejection, Result};
use crate::io::{Digest, PackWriter, atomic};
use crate::ledger::{Failure, StoredUnit};
use crate::pipeline::OnReject;
use crate::plan::{self, Decision, Known, PlannedUnit, Reason, StageOf, StagePlan};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The plan of one stage of one dataset, with the last good results to fall back on.
pub struct Planned {
    /// Which dataset.
    pub index: usize,
    /// Which stage.
    pub stage: usize,
    /// What is to be done.
    pub plan: StagePlan,
    pub(super) slots: BTreeMap<String, StoredUnit>,
}

/// Changed results that are remembered for the report's pictures: it shows fewer, but not every stage has any.
const MOST_CHANGED: usize = 64;

thread_local! {
    /// The dataset of the last unit of this thread of the engine.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What came of units: by dataset, stage and key.
type Done = BTreeMap<(String, usize, String), Result<(StoredUnit, f64), Rejection>>;

impl Night<'_> {
    /// Plans a step of each dataset of a wave.
    ///
    /// # Errors
    /// When the ledger fails; a dataset that cannot be planned is noted and left out.
    pub fn plan(&mut self, wave: &[usize], step: usize) -> Result<Vec<Planned>> {
        let mut planned = Vec::new();
        for index in wave {
            for stage in self.works[*index].steps().get(step).cloned().unwrap_or_default() {
                self.check_cancel()?;
                let work = &self.works[*index];
                if !work.runs() {
                    break;
                }
                match self.plan_one(work, stage) {
                    Ok((plan, slots)) => {
                        let cost = plan.to_do().iter().map(|unit| unit.spec.cost).sum();
                        self.progress.event(&Event::Planned {
                            dataset: &work.config.id,
                            stage: work.dataset.stages()[stage].name,
                            reasons: &plan.reasons(),
                            reused: plan.reused(),
                            cost,
                        });
                        planned.push(Planned { index: *index, stage, plan, slots });
                    }
                    Err(error) if error.code().starts_with("mk::ledger::") => return Err(error),
                    Err(error) => {
                        // A plan without side effects deletes nothing.
                        let error = if self.is_look() { error } else { self.weed_for(work, error)? };
                        self.progress.event(&Event::DatasetFailed { dataset: &work.config.id, error: &error });
                        self.works[*index].fail(&error);
                    }
                }
            }
        }
        Ok(planned)
    }

    fn plan_one(&self, work: &Work, stage: usize) -> Result<(StagePlan, BTreeMap<String, StoredUnit>)> {
        let context = PlanContext {
            dataset: &work.config,
            area: &self.area,
            sources: &work.sources,
            earlier: &work.results,
            uses: &self.uses(work),
            scratch: &self.scratch,
            only: self.options.artefact.as_deref(),
        };
        let desired = work.dataset.units(stage, &context)?;
        let ledger = self.ledger();
        let (slots, failures) = (ledger.slots(&work.config.id, stage)?, ledger.failures(&work.config.id, stage)?);
        let known = Known {
            slots: &slots,
            failures: &failures,
            result: &|id| ledger.result(id).ok().flatten(),
            stored: &|unit| self.store.contains(unit.digest, unit.size),
        };
        let info = work.dataset.stages()[stage];
        let of = StageOf {
            dataset: &work.config.id,
            kind: work.kind.name,
            index: stage,
            name: info.name,
            version: info.version,
            common: &work.common,
        };
        let plan = plan::diff(&of, desired, &known, self.options.retry);
        drop(ledger);
        Ok((plan, slots))
    }

    /// Executes what is planned, all datasets together, and gathers the results.
    ///
    /// # Errors
    /// When the machinery fails or the night is stopped; a unit that fails is quarantined.
    pub fn execute(&mut self, planned: Vec<Planned>) -> Result<()> {
        let units: Vec<PlannedUnit> = planned.iter().flat_map(|planned| planned.plan.to_do()).collect();
        let works: BTreeMap<&str, &Work> = self.works.iter().map(|work| (work.config.id.as_str(), work)).collect();
        let previous: BTreeMap<(&str, usize, &str), UnitResult> = planned
            .iter()
            .flat_map(|planned| {
                let work = &self.works[planned.index];
                let version = work.dataset.stages()[planned.stage].version;
                let slots = planned.slots.iter().filter(move |(_, slot)| slot.version == version);
                slots.map(|(key, slot)| ((work.config.id.as_str(), planned.stage, key.as_str()), self.result_of(key, slot)))
            })
            .collect();
        let done: Mutex<Done> = Mutex::default();
        let crew = Crew::new(self.limits().jobs);
        let work = |unit: &PlannedUnit| -> Result<()> {
            let Some(work) = works.get(unit.dataset.as_str()) else { return Ok(()) };
            LAST.with_borrow_mut(|last| {
                if *last != unit.dataset {
                    if let Some(work) = works.get(last.as_str()) {
                        work.dataset.let_go();
                    }
                    last.clone_from(&unit.dataset);
                }
            });
            let previous = previous.get(&(unit.dataset.as_str(), unit.stage, unit.spec.key.as_str()));
            if let Some(result) = self.execute_one(work, unit, previous, &crew)? {
                let of = (unit.dataset.clone(), unit.stage, unit.spec.key.clone());
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(of, result);
            }
            Ok(())
        };
        if !units.is_empty() {
            self.preflight(&units)?;
            self.options.engine.run(&units, self.limits(), &self.options.cancel, &work)?;
        }
        self.check_cancel()?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        for planned in planned {
            self.gather(planned, &mut done)?;
        }
        Ok(())
    }

    /// Does one unit. `None` when it was stopped; an error only when ledger or store fail.
    fn execute_one(
        &self,
        work: &Work,
        unit: &PlannedUnit,
        previous: Option<&UnitResult>,
        crew: &Crew,
    ) -> Result<Option<Result<(StoredUnit, f64), Rejection>>> {
        let clock = Instant::now();
        let _busy = crew.begin();
        // Units that make the same of the same files have one identity, and may be done at the same time.
        let name = Digest::of_parts([unit.stage_name.as_bytes(), b"/", unit.spec.key.as_bytes()]);
        let scratch = self.scratch.join(format!("{}-{name}", unit.dataset));
        atomic::create_dir_all(&scratch)?;
        let packed = scratch.join("result.zip");
        let attempt = catch_unwind(AssertUnwindSafe(|| -> Result<_> {
            let mut pack = PackWriter::create(&packed)?;
            let mut context = UnitContext {
                dataset: &work.config,
                area: &self.area,
                scratch: &scratch,
                previous,
                pack: &mut pack,
                crew,
                cancel: &self.options.cancel,
            };
            let outcome = work.dataset.execute(unit.stage, &unit.spec, &mut context)?;
            Ok((outcome, pack.finish_with_digest()?))
        }))
        .unwrap_or_else(|panic| Err(panicked(&*panic)));
        let wall_s = clock.elapsed().as_secs_f64();
        let (dataset, stage, key, cost) =
            (unit.dataset.as_str(), unit.stage_name.as_str(), unit.spec.key.as_str(), unit.spec.cost);
        let result = match attempt {
            Ok((outcome, digest)) => {
                let size = self.store.adopt_as(&[(&packed, digest)])?.into_iter().sum();
                let stored = StoredUnit {
                    id: unit.identity.id,
                    digest,
                    size,
                    outcome,
                    inputs: unit.spec.inputs.clone(),
                    params: unit.identity.params.clone(),
                    version: unit.identity.version,
                    run: self.run,
                    wall_ms: (wall_s * 1000.0) as u64,
                };
                self.ledger().keep_result(dataset, unit.stage, key, &stored)?;
                self.progress.event(&Event::UnitDone { dataset, stage, key, cost, wall_s, outcome: &stored.outcome });
                Some(Ok((stored, wall_s)))
            }
            Err(error) if error.exit_code() == Exit::Cancelled => None,
            Err(error) => {
                let rejection = Rejection::of("file", &error);
                // What a unit could not read may have been damaged since: then it is made anew, and the unit with it.
                let read = |result: &&UnitResult| unit.spec.inputs.iter().any(|input| input.path == result.path);
                let was_damaged = self.weed(work.results.iter().flatten().filter(read))? > 0;
                let transient = was_damaged || transient(&error);
                let failure = Failure { id: unit.identity.id, rejection: rejection.clone(), transient, run: self.run };
                self.ledger().keep_failure(dataset, unit.stage, key, &failure)?;
                self.progress.event(&Event::UnitQuarantined { dataset, stage, key, cost, error: &error });
                Some(Err(rejection))
            }
        };
        atomic::remove_tree(&scratch)?;
        Ok(result)
    }

    /// A stored result as a unit sees it.
    fn result_of(&self, key: &str, stored: &StoredUnit) -> UnitResult {
        result_of(key, stored, self.store.path(stored.digest))
    }

    fn gather(&mut self, planned: Planned, done: &mut Done) -> Result<()> {
        let Planned { index, stage, plan, slots } = planned;
        let work = &mut self.works[index];
        let tally = &mut work.tally;
        for (reason, count) in plan.reasons() {
            *tally.reasons.entry(reason).or_default() += count;
        }
        let (mut results, mut refill) = (Vec::new(), Vec::new());
        let stage_name = work.dataset.stages()[stage].name;
        let keep_stale = work.config.on_reject == OnReject::Keep;
        let path = |stored: &StoredUnit| self.store.path(stored.digest);
        for (key, (spec, decision)) in plan.units {
            let mut note = UnitNote {
                stage: stage_name.to_owned(),
                key: key.clone(),
                bbox: spec.bbox,
                state: UnitState::Reused,
                reason: None,
                detail: String::new(),
                wall_s: 0.0,
            };
            let outcome = match decision {
                Decision::Reuse(stored) => {
                    tally.reused += 1;
                    if slots.get(&key).is_none_or(|slot| slot.id != stored.id) {
                        refill.push((key.clone(), stored.id));
                    }
                    Ok(stored)
                }
                Decision::Quarantined(failure) => Err(failure.rejection),
                Decision::Do(unit) => {
                    (note.reason, note.detail) = (Some(unit.reason), unit.detail);
                    match done.remove(&(work.config.id.clone(), stage, key.clone())) {
                        Some(Ok((stored, wall_s))) => {
                            tally.done += 1;
                            tally.unit_s += wall_s;
                            let made = Made::of(&stored.outcome);
                            if made != Made::default() {
                                tally.made.0.add(made);
                                tally.made.1 += wall_s;
                            }
                            let before = slots.get(&key).filter(|_| note.reason == Some(Reason::ChangedInput));
                            if let Some(before) = before.filter(|old| old.digest != stored.digest)
                                && tally.changed.len() < MOST_CHANGED
                            {
                                let result = |stored: &StoredUnit| result_of(&key, stored, self.store.path(stored.digest));
                                tally.changed.push((stage, result(before), result(&stored)));
                            }
                            (note.state, note.wall_s) = (UnitState::Done, wall_s);
                            Ok(stored)
                        }
                        Some(Err(rejection)) => Err(rejection),
                        None => return Err(Error::new("mk::run::lost", format!("the engine lost the unit {key}"))),
                    }
                }
            };
            let (stored, stale) = match outcome {
                Ok(stored) => (Some(stored), false),
                Err(rejection) => {
                    tally.quarantined += 1;
                    note.state = UnitState::Quarantined;
                    // Only the stage that reads the sources counts objects: there a lost unit is a lost file.
                    if stage == 0 {
                        tally.counts.rejected(&rejection.object_type);
                    }
                    let old = slots.get(&key).filter(|old| keep_stale && self.store.contains(old.digest, old.size));
                    tally.stale += u64::from(old.is_some());
                    tally.rejections.push(rejection.clone());
                    tally.failures.push(FailedUnit {
                        stage: stage_name.to_owned(),
                        key: key.clone(),
                        rejection,
                        stale: old.is_some(),
                    });
                    (old.cloned(), true)
                }
            };
            if let Some(stored) = stored {
                note.bbox = stored.outcome.bbox.or(note.bbox);
                tally.counts.add(&stored.outcome.counts);
                tally.rejections.extend(stored.outcome.rejections.iter().cloned());
                tally.findings.extend(stored.outcome.findings.iter().cloned());
                results.push(UnitResult {
                    path: path(&stored),
                    digest: stored.digest,
                    outcome: stored.outcome,
                    inputs: spec.inputs,
                    stale,
                    key,
                });
            }
            tally.units.push(note);
        }
        let dataset = work.config.id.clone();
        work.results.push(results);
        let mut ledger = self.ledger();
        ledger.fill_slots(&dataset, stage, &refill)?;
        ledger.drop_slots(&dataset, stage, &plan.removed)
    }

    /// Refuses to begin when the disk cannot hold what the inputs suggest.
    fn preflight(&self, units: &[PlannedUnit]) -> Result<()> {
        let needed = units.iter().flat_map(|unit| &unit.spec.inputs).map(|input| input.size).sum::<u64>().max(64 << 20);
        let free = crate::io::machine::free_disk(&self.workspace)?;
        if free < needed {
            return Err(Error::new(
                "mk::run::disk",
                format!("the night needs about {} MB of disk, {} MB are free", needed >> 20, free >> 20),
            )
            .hint("make room, or keep fewer releases (keep_releases), then `messkette gc PIPELINE`")
            .exit(Exit::Preflight));
        }
        Ok(())
    }
}

fn result_of(key: &str, stored: &StoredUnit, path: PathBuf) -> UnitResult {
    UnitResult {
        key: key.to_owned(),
        digest: stored.digest,
        path,
        outcome: stored.outcome.clone(),
        inputs: stored.inputs.clone(),
        stale: false,
    }
}

/// True when the cause was the machine's, not the input's: the next night tries again by itself.
fn transient(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.downcast_ref::<std::io::Error>().is_some_and(|error| error.raw_os_error().is_some()) {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    // A panic's text may quote input; the report gets its beginning only.
    let text: String = text.chars().take(120).collect();
    Error::new("mk::run::panic", format!("the program failed on this input: {text}")).hint("please report this with the file")
}
