//! Desired state minus ledger, for one stage: pure, so that it can be tested without a world.

use super::unit::inputs_identity;
use super::{Identity, PlannedUnit, Reason, UnitSpec};
use crate::io::Digest;
use crate::ledger::{Failure, StoredUnit};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a desired unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Its result is there.
    Reuse(StoredUnit),
    /// It failed with these very inputs: it stays quarantined until something changes, or `--retry`.
    Quarantined(Failure),
    /// It is to be done.
    Do(PlannedUnit),
}

/// The plan of one stage of a dataset.
#[derive(Debug, Clone, Default)]
pub struct StagePlan {
    /// Every desired unit by key, with its decision.
    pub units: BTreeMap<String, (UnitSpec, Decision)>,
    /// Keys of units that are no longer desired.
    pub removed: Vec<String>,
}

impl StagePlan {
    /// The units to do, in the order of their keys.
    pub fn to_do(&self) -> Vec<PlannedUnit> {
        let planned = |(_, decision): &(UnitSpec, Decision)| match decision {
            Decision::Do(unit) => Some(unit.clone()),
            _ => None,
        };
        self.units.values().filter_map(planned).collect()
    }
    /// Number of units to do by reason.
    pub fn reasons(&self) -> BTreeMap<Reason, u64> {
        let mut reasons = BTreeMap::new();
        for (_, decision) in self.units.values() {
            if let Decision::Do(unit) = decision {
                *reasons.entry(unit.reason).or_default() += 1;
            }
        }
        if !self.removed.is_empty() {
            reasons.insert(Reason::Removed, self.removed.len() as u64);
        }
        reasons
    }
    /// Number of units whose results are reused.
    pub fn reused(&self) -> u64 {
        self.units.values().filter(|(_, decision)| matches!(decision, Decision::Reuse(_))).count() as u64
    }
}

/// What [`diff`] compares with.
pub struct Known<'a> {
    /// Last good results by key.
    pub slots: &'a BTreeMap<String, StoredUnit>,
    /// Failures by key.
    pub failures: &'a BTreeMap<String, Failure>,
    /// Looks up a result by identity, wherever it was made.
    pub result: &'a dyn Fn(Digest) -> Option<StoredUnit>,
    /// True when a result's object is in the store.
    pub stored: &'a dyn Fn(&StoredUnit) -> bool,
}

/// Which stage of which dataset is compared.
pub struct StageOf<'a> {
    /// Dataset.
    pub dataset: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Index of the stage.
    pub index: usize,
    /// Name of the stage.
    pub name: &'a str,
    /// Version of its code.
    pub version: u32,
    /// What holds for all units of the dataset.
    pub common: &'a serde_json::Value,
}

/// Decides for each desired unit.
pub fn diff(stage: &StageOf<'_>, desired: Vec<UnitSpec>, known: &Known<'_>, retry: bool) -> StagePlan {
    let mut plan = StagePlan::default();
    for spec in desired {
        let identity = Identity::of(stage.kind, stage.name, stage.version, stage.common, &spec);
        let slot = known.slots.get(&spec.key);
        let failure = known.failures.get(&spec.key).filter(|failure| failure.id == identity.id);
        let same = slot.filter(|slot| slot.id == identity.id).cloned().or_else(|| (known.result)(identity.id));
        let decision = match (failure, same) {
            (Some(failure), _) if !retry && !failure.transient => Decision::Quarantined(failure.clone()),
            (None, Some(result)) if (known.stored)(&result) => Decision::Reuse(result),
            (failure, same) => {
                let (reason, detail) = if failure.is_some() {
                    (Reason::Retry, String::new())
                } else if same.is_some() {
                    (Reason::LostResult, String::new())
                } else {
                    why(&spec, &identity, slot)
                };
                Decision::Do(PlannedUnit {
                    dataset: stage.dataset.to_owned(),
                    stage: stage.index,
                    stage_name: stage.name.to_owned(),
                    spec: spec.clone(),
                    identity,
                    reason,
                    detail,
                })
            }
        };
        plan.units.insert(spec.key.clone(), (spec, decision));
    }
    let gone = |key: &&String| !plan.units.contains_key(*key);
    let removed: BTreeSet<&String> = known.slots.keys().chain(known.failures.keys()).filter(gone).collect();
    plan.removed = removed.into_iter().cloned().collect();
    plan
}

/// Why a unit has no result: what differs from the last good one of its slot.
fn why(spec: &UnitSpec, identity: &Identity, slot: Option<&StoredUnit>) -> (Reason, String) {
    let Some(slot) = slot else { return (Reason::New, String::new()) };
    if slot.version != identity.version {
        return (Reason::ChangedCode, format!("version {} to {}", slot.version, identity.version));
    }
    if inputs_identity(&slot.inputs) != inputs_identity(&spec.inputs) {
        let old: BTreeSet<Digest> = slot.inputs.iter().map(|input| input.digest).collect();
        let new: BTreeSet<Digest> = spec.inputs.iter().map(|input| input.digest).collect();
        let mut names: Vec<&str> =
            spec.inputs.iter().filter(|input| !old.contains(&input.digest)).map(|input| input.name.as_str()).collect();
        let gone = slot.inputs.iter().filter(|input| !new.contains(&input.digest)).map(|input| input.name.as_str());
        if names.is_empty() {
            names.extend(gone);
        }
        let more = names.len().saturating_sub(3);
        names.truncate(3);
        let mut detail = names.join(", ");
        if more > 0 {
            detail.push_str(&format!(" and {more} more"));
        }
        return (Reason::ChangedInput, detail);
    }
    (Reason::ChangedParameter, String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Outcome;
    use crate::error::{Error, Rejection};
    use crate::plan::{Input, InputKind};

    fn spec(key: &str, content: &[u8], params: i32) -> UnitSpec {
        let input = Input {
            kind: InputKind::Source,
            name: format!("in/{key}.tif"),
            path: "x".into(),
            member: None,
            size: 1,
            digest: Digest::of(content),
        };
        UnitSpec { key: key.into(), inputs: vec![input], params: params.into(), bbox: None, memory_mb: 1, cost: 1 }
    }

    fn stage(version: u32) -> StageOf<'static> {
        static COMMON: serde_json::Value = serde_json::Value::Null;
        StageOf { dataset: "d", kind: "k", index: 0, name: "read", version, common: &COMMON }
    }

    fn stored(spec: &UnitSpec, version: u32) -> StoredUnit {
        let identity = Identity::of("k", "read", version, &serde_json::Value::Null, spec);
        StoredUnit {
            id: identity.id,
            digest: Digest::of(b"pack"),
            size: 4,
            outcome: Outcome::default(),
            inputs: spec.inputs.clone(),
            params: identity.params,
            version,
            run: 1,
            wall_ms: 1,
        }
    }

    fn reason(
        desired: &UnitSpec,
        slot: Option<StoredUnit>,
        failure: Option<Failure>,
        version: u32,
        retry: bool,
        there: bool,
    ) -> Decision {
        let slots = slot.map(|slot| (desired.key.clone(), slot)).into_iter().collect();
        let failures = failure.map(|failure| (desired.key.clone(), failure)).into_iter().collect();
        let known = Known { slots: &slots, failures: &failures, result: &|_| None, stored: &|_| there };
        let mut plan = diff(&stage(version), vec![desired.clone()], &known, retry);
        plan.units.remove(&desired.key).unwrap().1
    }

    fn done(decision: &Decision) -> Option<(Reason, &str)> {
        match decision {
            Decision::Do(unit) => Some((unit.reason, unit.detail.as_str())),
            _ => None,
        }
    }

    #[test]
    fn each_reason_is_told() {
        let old = spec("a", b"1", 1);
        let slot = || Some(stored(&old, 1));
        assert_eq!(reason(&old, slot(), None, 1, false, true), Decision::Reuse(stored(&old, 1)));
        assert_eq!(done(&reason(&old, None, None, 1, false, true)), Some((Reason::New, "")));
        assert_eq!(done(&reason(&spec("a", b"2", 1), slot(), None, 1, false, true)), Some((Reason::ChangedInput, "in/a.tif")));
        assert_eq!(done(&reason(&spec("a", b"1", 2), slot(), None, 1, false, true)), Some((Reason::ChangedParameter, "")));
        assert_eq!(done(&reason(&old, slot(), None, 2, false, true)), Some((Reason::ChangedCode, "version 1 to 2")));
        assert_eq!(done(&reason(&old, slot(), None, 1, false, false)), Some((Reason::LostResult, "")));
    }

    #[test]
    fn a_failure_waits_for_a_change_or_for_retry() {
        let unit = spec("a", b"1", 1);
        let failure = |transient| {
            let rejection = Rejection::of("file", &Error::new("mk::test", "broken"));
            Some(Failure { id: stored(&unit, 1).id, rejection, transient, run: 1 })
        };
        assert!(matches!(reason(&unit, None, failure(false), 1, false, true), Decision::Quarantined(_)));
        assert_eq!(done(&reason(&unit, None, failure(false), 1, true, true)), Some((Reason::Retry, "")));
        assert_eq!(done(&reason(&unit, None, failure(true), 1, false, true)), Some((Reason::Retry, "")));
        assert_eq!(done(&reason(&spec("a", b"2", 1), None, failure(false), 1, false, true)), Some((Reason::New, "")));
    }

    #[test]
    fn what_is_no_longer_desired_is_removed() {
        let old = spec("a", b"1", 1);
        let slots = [("a".to_owned(), stored(&old, 1))].into();
        let failures = BTreeMap::new();
        let known = Known { slots: &slots, failures: &failures, result: &|_| None, stored: &|_| true };
        let plan = diff(&stage(1), Vec::new(), &known, false);
        assert_eq!(plan.removed, ["a"]);
        assert_eq!(plan.reasons(), [(Reason::Removed, 1)].into());
    }

    #[test]
    fn a_moved_file_is_no_change_a_renamed_one_is() {
        let old = spec("a", b"1", 1);
        let mut moved = old.clone();
        moved.inputs[0].name = "elsewhere/a.tif".into();
        assert!(matches!(reason(&moved, Some(stored(&old, 1)), None, 1, false, true), Decision::Reuse(_)));
        moved.inputs[0].name = "in/b.tif".into();
        assert_eq!(done(&reason(&moved, Some(stored(&old, 1)), None, 1, false, true)).unwrap().0, Reason::ChangedInput);
    }
}
