//! Carrying out a plan: intent on disk, request, reading again, ledger.
//!
//! Datasets before services, which refer to them; deletes last, in reverse. Several records go in one request where the dialect
//! allows it; when that request is not proven to have done all of it, each of its records is looked at and, where still needed, sent
//! alone, so that one bad record keeps no other back.

use super::client::{Client, Written};
use super::journal::{Intent, Journal};
use super::model::{Actual, Known, RecordKind, same_owner, title};
use super::options::Dialect;
use super::plan::{Item, Plan, Step};
use super::request::Operation;
use crate::error::{Error, Exit, Result};
use crate::ledger::Ledger;
use crate::metadata::Tree;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "reason")]
pub enum Outcome {
    /// Nothing was to be done, or it is done and was read again.
    Done,
    /// It is other than released, and stays so.
    Left,
    /// The server does not take it.
    Failed(String),
    /// What became of it is not known yet: the next run looks.
    Unknown(String),
}

/// What became of one item of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemResult {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What is shared by the requests of one apply.
pub(super) struct Applier<'a> {
    pub client: &'a Client,
    pub target: &'a str,
    pub dialect: Dialect,
    pub chunk: usize,
    pub connections: usize,
    pub cancel: &'a AtomicBool,
    pub books: Mutex<Books<'a>>,
}

/// Where results are noted: the ledger first, then the journal, so that a closed intent is always in the ledger.
pub(super) struct Books<'a> {
    pub ledger: &'a mut Ledger,
    pub journal: Journal,
}

impl<'a> Applier<'a> {
    /// Carries out a plan; a result for each item, in its order. An error that stops everything leaves the rest as it is.
    pub fn run(&self, plan: &Plan) -> (Vec<ItemResult>, Option<Error>) {
        let results: Mutex<BTreeMap<Uuid, Outcome>> = Mutex::default();
        let mut stop = self.note(plan, &results).err();
        let phases: [(RecordKind, &[Step]); 4] = [
            (RecordKind::Dataset, &[Step::Insert, Step::Update]),
            (RecordKind::Service, &[Step::Insert, Step::Update]),
            (RecordKind::Service, &[Step::Delete]),
            (RecordKind::Dataset, &[Step::Delete]),
        ];
        for (kind, steps) in phases {
            for step in steps {
                if stop.is_none() {
                    let items: Vec<&Item> = plan.items.iter().filter(|item| item.kind == kind && item.step == *step).collect();
                    stop = self.phase(&items, &results).err();
                }
            }
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcome = |item: &Item| match (item.step, results.get(&item.uuid)) {
            (_, Some(outcome)) => outcome.clone(),
            (Step::None, None) if item.state == super::plan::State::InSync => Outcome::Done,
            (Step::None, None) => Outcome::Left,
            (_, None) => Outcome::Unknown("not begun".to_owned()),
        };
        (plan.items.iter().map(|item| ItemResult { item: item.clone(), outcome: outcome(item) }).collect(), stop)
    }

    /// What needs no request: records that the catalogue holds as released, or has no longer.
    fn note(&self, plan: &Plan, results: &Mutex<BTreeMap<Uuid, Outcome>>) -> Result<()> {
        let mut guard = self.books();
        let books = &mut *guard;
        for item in &plan.items {
            match (item.step, item.actual, item.desired) {
                (Step::Remember, Some(remote), Some(desired)) => {
                    books.ledger.keep_catalogued(self.target, &known(item, desired, remote))?;
                }
                (Step::Forget, ..) => books.ledger.drop_catalogued(self.target, item.uuid)?,
                _ => {}
            }
            if matches!(item.step, Step::Remember | Step::Forget) {
                lock(results).insert(item.uuid, Outcome::Done);
            }
        }
        // What this plan saw is how open intents of an earlier run ended: it is noted before they are closed.
        let mut ended = Vec::new();
        for item in plan.items.iter().filter(|item| books.journal.is_open(item.uuid)) {
            match &item.known {
                Some(known) if item.step != Step::Remember => books.ledger.keep_catalogued(self.target, known)?,
                None if item.step != Step::Remember => books.ledger.drop_catalogued(self.target, item.uuid)?,
                _ => {}
            }
            ended.push((item.uuid, format!("seen: {}", item.state.words())));
        }
        books.journal.close(&ended)
    }

    /// One kind of request for many records, several requests at a time.
    fn phase(&self, items: &[&Item], results: &Mutex<BTreeMap<Uuid, Outcome>>) -> Result<()> {
        let size = if self.dialect.writes_many() { self.chunk.max(1) } else { 1 };
        let groups: Mutex<Vec<&[&Item]>> = Mutex::new(items.chunks(size).rev().collect());
        let stop: Mutex<Option<Error>> = Mutex::default();
        let workers = self.connections.clamp(1, items.len().div_ceil(size).max(1));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while lock(&stop).is_none() {
                        let Some(group) = lock(&groups).pop() else { break };
                        let done = self.check_cancel().and_then(|()| self.group(group, results));
                        if let Err(error) = done {
                            lock(&stop).get_or_insert(error);
                        }
                    }
                });
            }
        });
        stop.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Several records in one request; what is not proven then goes one by one.
    fn group(&self, items: &[&Item], results: &Mutex<BTreeMap<Uuid, Outcome>>) -> Result<()> {
        if let [item] = items {
            let outcome = self.single(item, item.step)?;
            lock(results).insert(item.uuid, outcome);
            return Ok(());
        }
        let written = self.send(items)?;
        let seen = self.look(items)?;
        let mut rest = Vec::new();
        for item in items {
            match self.verdict(item, item.step, seen.get(&item.uuid), &written) {
                Verdict::Verified => {
                    self.settle(item, seen.get(&item.uuid))?;
                    lock(results).insert(item.uuid, Outcome::Done);
                }
                Verdict::Open | Verdict::Final(_) => rest.push(*item),
            }
        }
        for item in rest {
            let outcome = match next_step(item, seen.get(&item.uuid)) {
                Ok(step) => self.single(item, step)?,
                Err(reason) => self.fail(item, reason)?,
            };
            lock(results).insert(item.uuid, outcome);
        }
        Ok(())
    }

    /// One record: sent until it is proven to be there, or refused, or the tries are used up.
    fn single(&self, item: &Item, first: Step) -> Result<Outcome> {
        let mut step = first;
        let mut last = String::new();
        for attempt in 0..self.client.attempts() {
            self.check_cancel()?;
            let written = self.send_as(&[item], step)?;
            let mut seen = self.look(&[item])?;
            // A server may take a moment until what it did can be read.
            for again in 0..2 {
                let done = matches!(&written, Written::Done { total } if *total > 0);
                if !done || matches!(self.verdict(item, step, seen.get(&item.uuid), &written), Verdict::Verified) {
                    break;
                }
                self.client.wait(again, None);
                seen = self.look(&[item])?;
            }
            let seen = seen.get(&item.uuid);
            match self.verdict(item, step, seen, &written) {
                Verdict::Verified => {
                    self.settle(item, seen)?;
                    return Ok(Outcome::Done);
                }
                Verdict::Final(reason) => return self.fail(item, reason),
                Verdict::Open => {}
            }
            step = match next_step(item, seen) {
                Ok(step) => step,
                Err(reason) => return self.fail(item, reason),
            };
            let asked = match written {
                Written::Unknown { reason, wait } => {
                    last = reason;
                    wait
                }
                Written::Refused(reason) => {
                    last = reason;
                    None
                }
                Written::Done { .. } => None,
            };
            if attempt + 1 < self.client.attempts() {
                self.client.wait(attempt, asked);
            }
        }
        // It was read to be as before: nothing was written, and the next run begins there.
        Err(Error::new("mk::catalogue::unavailable", format!("the catalogue does not take requests: {last}"))
            .hint("the next run goes on from here")
            .exit(Exit::Unavailable))
    }

    fn send(&self, items: &[&Item]) -> Result<Written> {
        self.send_as(items, items.first().map_or(Step::None, |item| item.step))
    }

    fn send_as(&self, items: &[&Item], step: Step) -> Result<Written> {
        let intents: Vec<Intent> = items
            .iter()
            .map(|item| Intent {
                uuid: item.uuid,
                action: step,
                desired: item.desired,
                content: item.writes.as_ref().map(|writes| writes.content),
                title: item.writes.as_ref().map(|_| item.title.clone()).unwrap_or_default(),
            })
            .collect();
        self.books().journal.intend(&intents)?;
        let operations: Vec<Operation<'_>> = items
            .iter()
            .filter_map(|item| match (step, &item.writes) {
                (Step::Insert, Some(writes)) => Some(Operation::Insert(&writes.xml)),
                (Step::Update, Some(writes)) => Some(Operation::Update(item.uuid, &writes.xml)),
                (Step::Delete, _) => Some(Operation::Delete(item.uuid)),
                _ => None,
            })
            .collect();
        let written = self.client.transact(&operations)?;
        let answer = match &written {
            Written::Done { total } => format!("done {total}"),
            Written::Refused(reason) => format!("refused: {reason}"),
            Written::Unknown { reason, .. } => format!("unknown: {reason}"),
        };
        self.books().journal.answered(items.iter().map(|item| item.uuid).collect(), &answer)?;
        Ok(written)
    }

    fn look(&self, items: &[&Item]) -> Result<BTreeMap<Uuid, Actual>> {
        let ids: Vec<Uuid> = items.iter().map(|item| item.uuid).collect();
        Ok(self.client.records(&ids)?.into_iter().map(|(uuid, tree)| (uuid, Actual::of(tree))).collect())
    }

    /// What a record that was read again proves.
    fn verdict(&self, item: &Item, step: Step, seen: Option<&Actual>, written: &Written) -> Verdict {
        let done = matches!(written, Written::Done { total } if *total > 0);
        match (step, seen, &item.writes) {
            (Step::Delete, None, _) => return Verdict::Verified,
            (Step::Insert | Step::Update, Some(theirs), Some(writes)) => {
                if theirs.content == writes.content {
                    return Verdict::Verified;
                }
                // A server may write a record in its own way: it says that it did it, the record is another than before, and it is
                // about the same.
                let moved = Some(theirs.content) != item.actual;
                if done && moved && self.dialect != Dialect::Pycsw && is_about_the_same(&writes.xml, &theirs.tree) {
                    return Verdict::Verified;
                }
            }
            _ => {}
        }
        match written {
            Written::Refused(reason) => Verdict::Final(reason.clone()),
            Written::Done { .. } => Verdict::Final("the server says that it did it, and did not".to_owned()),
            Written::Unknown { .. } => Verdict::Open,
        }
    }

    fn settle(&self, item: &Item, seen: Option<&Actual>) -> Result<()> {
        let mut books = self.books();
        match (item.desired, seen) {
            (Some(desired), Some(theirs)) => books.ledger.keep_catalogued(self.target, &known(item, desired, theirs.content))?,
            _ => books.ledger.drop_catalogued(self.target, item.uuid)?,
        }
        books.journal.close(&[(item.uuid, "verified".to_owned())])
    }

    fn fail(&self, item: &Item, reason: String) -> Result<Outcome> {
        self.books().journal.close(&[(item.uuid, format!("failed: {reason}"))])?;
        Ok(Outcome::Failed(reason))
    }

    fn check_cancel(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::new("mk::run::cancelled", "stopped on request; what is done is kept")
                .hint("the same command goes on from here")
                .exit(Exit::Cancelled));
        }
        Ok(())
    }

    fn books(&self) -> MutexGuard<'_, Books<'a>> {
        lock(&self.books)
    }
}

enum Verdict {
    Verified,
    /// Not there, and the server's last word.
    Final(String),
    /// Not there, and nobody knows why.
    Open,
}

/// What is still to be done with a record that was read again and is not as wanted. An insert is never sent again blindly, and
/// nothing is written over what came there in the meantime.
fn next_step(item: &Item, seen: Option<&Actual>) -> Result<Step, String> {
    match (item.step, seen) {
        (Step::Delete, _) => Ok(Step::Delete),
        (Step::Insert, None) => Ok(Step::Insert),
        (Step::Update, Some(theirs)) if Some(theirs.content) == item.actual => Ok(Step::Update),
        (Step::Update, None) => Err("deleted by somebody else in the meantime".to_owned()),
        _ => Err("another record with this identifier came there in the meantime".to_owned()),
    }
}

fn is_about_the_same(xml: &str, theirs: &Tree) -> bool {
    Tree::parse(xml).is_ok_and(|ours| title(&ours) == title(theirs) && same_owner(&ours, theirs))
}

fn known(item: &Item, desired: crate::io::Digest, remote: crate::io::Digest) -> Known {
    Known { uuid: item.uuid, dataset: item.dataset.clone(), kind: item.kind, title: item.title.clone(), desired, remote }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
