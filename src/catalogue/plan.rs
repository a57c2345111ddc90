//! What is to be done to each record: a comparison of three states, without any I/O.

use super::diff::differences;
use super::journal::Intent;
use super::merge::merge;
use super::model::{Actual, Desired, Known, RecordKind, date_stamp, same_owner, title};
use super::options::{Drift, Field};
use crate::io::Digest;
use crate::metadata::{Tree, content_digest_of};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What is done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing.
    None,
    /// Put in.
    Insert,
    /// Replaced.
    Update,
    /// Taken out.
    Delete,
    /// Only noted in the ledger: the catalogue holds it so already.
    Remember,
    /// Only dropped from the ledger: the catalogue has it no longer.
    Forget,
}

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As released.
    InSync,
    /// Not in the catalogue yet.
    New,
    /// Released with another content than the catalogue has from us.
    Changed,
    /// Changed by hand in the catalogue.
    Drifted,
    /// Changed by hand in the catalogue, and released with another content.
    Conflict,
    /// Deleted by hand in the catalogue.
    DeletedByHand,
    /// There, but not from us.
    Foreign,
    /// No longer released.
    NotReleased,
    /// No longer released, and no longer there.
    Gone,
    /// Released with mandatory rules broken: catalogues would refuse it.
    Broken,
}

impl State {
    /// A few English words.
    pub fn words(self) -> &'static str {
        match self {
            Self::InSync => "in step",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Drifted => "changed by hand in the catalogue",
            Self::Conflict => "changed by hand in the catalogue and by us",
            Self::DeletedByHand => "deleted by hand in the catalogue",
            Self::Foreign => "in the catalogue, but not from us",
            Self::NotReleased => "no longer released",
            Self::Gone => "no longer released, gone from the catalogue",
            Self::Broken => "breaks mandatory rules",
        }
    }
}

/// The verdict on a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// `gmd:fileIdentifier`.
    pub uuid: Uuid,
    /// The dataset it belongs to.
    pub dataset: String,
    /// What it describes.
    pub kind: RecordKind,
    /// Title.
    pub title: String,
    /// How it stands.
    pub state: State,
    /// What is done.
    pub step: Step,
    /// What differs, or what is wrong.
    pub details: Vec<String>,
    /// Content in the catalogue when the plan was made.
    pub actual: Option<Digest>,
    /// Content that is released.
    #[serde(skip)]
    pub desired: Option<Digest>,
    /// What we last knew, with what an open intent tells.
    #[serde(skip)]
    pub known: Option<Known>,
    /// What is to be written.
    #[serde(skip)]
    pub writes: Option<Writes>,
}

/// A record as it is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Writes {
    /// The document.
    pub xml: String,
    /// Digest of its content.
    pub content: Digest,
}

/// The verdicts on all records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// One for each record, datasets first.
    pub items: Vec<Item>,
}

/// What the pipeline and the command line say about records that do not go by themselves.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// For records changed or deleted by hand.
    pub drift: Drift,
    /// Fields that stay as the catalogue has them.
    pub merge: Vec<Field>,
    /// Delete what is no longer released.
    pub prune: bool,
    /// Records that are written over whatever is there.
    pub overwrite: BTreeSet<Uuid>,
    /// The catalogue gives records back to the last word.
    pub exact: bool,
    /// Today.
    pub today: Date,
}

impl Plan {
    /// Compares. `known`, `actual` and `open` are by identifier; `actual` holds what the catalogue has of all identifiers in the
    /// others.
    pub fn make(
        desired: &[Desired],
        known: &BTreeMap<Uuid, Known>,
        actual: &BTreeMap<Uuid, Actual>,
        open: &BTreeMap<Uuid, Intent>,
        choices: &Choices,
    ) -> Self {
        let mut items = Vec::new();
        let mut seen = BTreeSet::new();
        for desired in desired {
            // The first of two with the same identifier; the release does not make two.
            if !seen.insert(desired.uuid) {
                continue;
            }
            let actual = actual.get(&desired.uuid);
            let known = believed(known.get(&desired.uuid), open.get(&desired.uuid), actual, desired, choices.exact);
            items.push(released(desired, known.as_ref(), actual, choices));
        }
        for known in known.values().filter(|known| !seen.contains(&known.uuid)) {
            items.push(withdrawn(known, actual.get(&known.uuid), choices));
        }
        // A record put in just before a crash, of a dataset that is no longer released.
        for intent in open.values().filter(|intent| !seen.contains(&intent.uuid) && !known.contains_key(&intent.uuid)) {
            let Some(theirs) = actual.get(&intent.uuid).filter(|theirs| is_ours(intent, theirs, choices.exact)) else { continue };
            let known = Known {
                uuid: intent.uuid,
                dataset: String::new(),
                kind: RecordKind::Dataset,
                title: intent.title.clone(),
                desired: theirs.content,
                remote: theirs.content,
            };
            items.push(withdrawn(&known, Some(theirs), choices));
        }
        items.sort_by(|a, b| (a.kind, &a.dataset, a.uuid).cmp(&(b.kind, &b.dataset, b.uuid)));
        Self { items }
    }

    /// True when something would be written to the catalogue.
    pub fn has_changes(&self) -> bool {
        self.items.iter().any(|item| matches!(item.step, Step::Insert | Step::Update | Step::Delete))
    }

    /// Records that stay other than released.
    pub fn left(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.step == Step::None && item.state != State::InSync)
    }

    /// Why the deletes of this plan are too many to go by themselves, if they are: more than one in twenty of our records, or all
    /// records of a dataset.
    pub fn brake(&self) -> Option<String> {
        let ours = self
            .items
            .iter()
            .filter(|item| !matches!(item.state, State::New | State::Foreign | State::Gone | State::Broken))
            .count();
        let removed: Vec<&Item> = self.items.iter().filter(|item| item.step == Step::Delete).collect();
        if removed.len() * 20 > ours {
            return Some(format!("{} of our {ours} records would be deleted, more than 5 %", removed.len()));
        }
        let whole = removed.iter().find(|item| {
            item.kind == RecordKind::Dataset
                && !self
                    .items
                    .iter()
                    .any(|other| other.dataset == item.dataset && other.step != Step::Delete && other.step != Step::Forget)
        });
        whole.map(|item| format!("all records of the dataset '{}' would be deleted", item.dataset))
    }
}

/// What we last knew, after what an open intent tells: it was carried out if the catalogue holds what it was to write.
fn believed(
    known: Option<&Known>,
    open: Option<&Intent>,
    actual: Option<&Actual>,
    desired: &Desired,
    exact: bool,
) -> Option<Known> {
    let Some(intent) = open else { return known.cloned() };
    match (intent.action, actual) {
        (Step::Insert | Step::Update, Some(theirs))
            if known.is_none_or(|known| known.remote != theirs.content) && is_ours(intent, theirs, exact) =>
        {
            Some(Known {
                uuid: desired.uuid,
                dataset: desired.dataset.clone(),
                kind: desired.kind,
                title: intent.title.clone(),
                desired: intent.desired.unwrap_or(theirs.content),
                remote: theirs.content,
            })
        }
        // Ours to delete, and deleted: as if it had never been there. Or to be put in again and not there: it was found deleted
        // before, and that was decided.
        (Step::Delete | Step::Insert, None) => None,
        _ => known.cloned(),
    }
}

/// True when what the catalogue holds is what the intent was to write: to the last word, or by its title where a catalogue writes
/// records in its own way.
fn is_ours(intent: &Intent, theirs: &Actual, exact: bool) -> bool {
    intent.content == Some(theirs.content) || (!exact && !intent.title.is_empty() && title(&theirs.tree) == intent.title)
}

fn released(desired: &Desired, known: Option<&Known>, actual: Option<&Actual>, choices: &Choices) -> Item {
    let forced = choices.overwrite.contains(&desired.uuid);
    let mut item = Item {
        uuid: desired.uuid,
        dataset: desired.dataset.clone(),
        kind: desired.kind,
        title: desired.title.clone(),
        state: State::InSync,
        step: Step::None,
        details: Vec::new(),
        actual: actual.map(|actual| actual.content),
        desired: Some(desired.content),
        known: known.cloned(),
        writes: None,
    };
    if !desired.broken.is_empty() {
        item.state = State::Broken;
        item.details = desired.broken.iter().map(|finding| format!("{}: {}", finding.rule, finding.message)).collect();
        return item;
    }
    let Some(theirs) = actual else {
        item.state = if known.is_some() { State::DeletedByHand } else { State::New };
        if known.is_none() || forced || choices.drift != Drift::Keep {
            item.step = Step::Insert;
            item.writes = Some(as_is(desired));
        }
        return item;
    };
    if theirs.content == desired.content {
        let noted = known.is_some_and(|known| known.desired == desired.content && known.remote == theirs.content);
        item.step = if noted { Step::None } else { Step::Remember };
        return item;
    }
    let Some(known) = known else {
        item.state = State::Foreign;
        item.details = differences(&theirs.tree, &desired.tree);
        if forced {
            item.step = Step::Update;
            item.writes = Some(over(desired, &desired.tree, theirs, choices.today));
        }
        return item;
    };
    let (ours_moved, theirs_moved) = (known.desired != desired.content, known.remote != theirs.content);
    item.state = match (ours_moved, theirs_moved) {
        (false, false) => State::InSync,
        (true, false) => State::Changed,
        (false, true) => State::Drifted,
        (true, true) => State::Conflict,
    };
    if item.state == State::InSync {
        return item;
    }
    let wanted = if choices.drift == Drift::Merge && !forced {
        merge(&desired.tree, &theirs.tree, &choices.merge)
    } else {
        desired.tree.clone()
    };
    item.details = differences(&theirs.tree, &wanted);
    let may = match (item.state, choices.drift) {
        (State::Changed, _) => true,
        (_, Drift::Keep) => forced,
        // Another record came in its place: that is no drift.
        (_, Drift::Overwrite | Drift::Merge) => forced || same_owner(&desired.tree, &theirs.tree),
    };
    if !may {
        return item;
    }
    if content_digest_of(&wanted) == theirs.content {
        item.step = Step::Remember;
        return item;
    }
    item.step = Step::Update;
    item.writes = Some(over(desired, &wanted, theirs, choices.today));
    item
}

fn withdrawn(known: &Known, actual: Option<&Actual>, choices: &Choices) -> Item {
    let forced = choices.overwrite.contains(&known.uuid);
    let (state, step) = match actual {
        None => (State::Gone, Step::Forget),
        Some(theirs) if theirs.content != known.remote && !forced && choices.drift == Drift::Keep => (State::Drifted, Step::None),
        Some(_) => (State::NotReleased, if choices.prune { Step::Delete } else { Step::None }),
    };
    Item {
        uuid: known.uuid,
        dataset: known.dataset.clone(),
        kind: known.kind,
        title: known.title.clone(),
        state,
        step,
        details: Vec::new(),
        actual: actual.map(|actual| actual.content),
        desired: None,
        known: Some(known.clone()),
        writes: None,
    }
}

fn as_is(desired: &Desired) -> Writes {
    Writes { xml: desired.xml.clone(), content: desired.content }
}

/// A record to be written over theirs: its date stamp is later than theirs, or harvesters would not notice.
fn over(desired: &Desired, wanted: &Tree, theirs: &Actual, today: Date) -> Writes {
    let own = date_stamp(wanted);
    let there = date_stamp(&theirs.tree);
    if *wanted == desired.tree && (there.is_none() || own >= there) {
        return as_is(desired);
    }
    let mut tree = wanted.clone();
    let stamp = [own, there, Some(today)].into_iter().flatten().max().unwrap_or(today);
    for child in tree.children.iter_mut().filter(|child| child.is("gmd:dateStamp")) {
        if let Some(date) = child.children.first_mut() {
            date.text = stamp.to_string();
        }
    }
    Writes { xml: tree.to_xml(), content: content_digest_of(&tree) }
}
