//! Engines execute units. Placement is theirs; correctness is not: a unit's error is data, its output idempotent, its result a row.

use super::memory::Budget;
use crate::crs::Bbox;
use crate::error::{Error, Result};
use crate::plan::PlannedUnit;
use crate::vector::hilbert;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

/// What limits a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Units at a time.
    pub jobs: usize,
    /// Memory budget in MiB.
    pub memory_mb: u64,
}

/// Executes units of a stage, in any order.
pub trait Engine: Sync {
    /// Name on the command line.
    fn name(&self) -> &'static str;

    /// Calls `work` once for each unit. An error of `work` is one of the machinery (the unit's own errors are data) and ends the
    /// run after the units under way; so does `cancel`.
    ///
    /// # Errors
    /// The first error of the machinery.
    fn run(
        &self,
        units: &[PlannedUnit],
        limits: Limits,
        cancel: &AtomicBool,
        work: &(dyn Fn(&PlannedUnit) -> Result<()> + Sync),
    ) -> Result<()>;
}

/// All engines.
pub static ENGINES: &[&dyn Engine] = &[&Local];

/// Threads of this process, dearest units first, within the memory budget.
///
/// Units run on threads of their own and rayon's pool serves what is parallel inside a unit: were units tasks of the pool
/// too, a unit that waits for its parts could be made to run a whole other unit on its stack, and the memory budget would lie.
#[derive(Debug)]
pub struct Local;

impl Engine for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn run(
        &self,
        units: &[PlannedUnit],
        limits: Limits,
        cancel: &AtomicBool,
        work: &(dyn Fn(&PlannedUnit) -> Result<()> + Sync),
    ) -> Result<()> {
        // Units of the same cost follow each other along a curve over the map: neighbours read the same files.
        let boxes: Vec<Bbox> = units.iter().map(|unit| unit.spec.bbox.unwrap_or(Bbox::EMPTY)).collect();
        let mut order: Vec<&PlannedUnit> = hilbert::order(&boxes).into_iter().map(|index| &units[index as usize]).collect();
        order.sort_by_key(|unit| std::cmp::Reverse(unit.spec.cost));
        let queue = Mutex::new(order.into_iter());
        let budget = Budget::new(limits.memory_mb);
        let failed = Mutex::new(None);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..limits.jobs.clamp(1, units.len().max(1)) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) && !cancel.load(Ordering::Relaxed) {
                        let Some(unit) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() else { break };
                        let _share = budget.take(unit.spec.memory_mb);
                        let result = catch_unwind(AssertUnwindSafe(|| work(unit))).unwrap_or_else(|_| {
                            Err(Error::new("mk::run::panic", format!("the unit {} panicked", unit.spec.key)))
                        });
                        if let Err(error) = result {
                            stop.store(true, Ordering::Relaxed);
                            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}
