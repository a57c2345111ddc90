//! The catalogues of a pipeline: reading the three states, planning, applying, telling.

use super::apply::{Applier, Books, ItemResult, Outcome};
use super::client::Client;
use super::journal::Journal;
use super::model::{Actual, Desired};
use super::options::{CswOptions, Dialect};
use super::plan::{Choices, Plan, State, Step};
use crate::error::{Error, Exit, Place, Result};
use crate::io::{Digest, atomic};
use crate::ledger::Ledger;
use crate::pipeline::{Audience, Pipeline};
use crate::report::FindingGroup;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use uuid::Uuid;

/// A catalogue that the pipeline file names.
pub struct Catalogue {
    /// Its address: what it is known by in ledger and messages.
    pub target: String,
    /// Its options.
    pub options: CswOptions,
    folder: PathBuf,
    workspace: PathBuf,
}

/// Requests that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Those that read.
    pub reads: u64,
    /// Those that write.
    pub writes: u64,
}

/// What became of a catalogue.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its address.
    pub target: String,
    /// Every record.
    pub items: Vec<ItemResult>,
    /// Requests.
    pub requests: Requests,
    /// What stopped it.
    #[serde(skip)]
    pub error: Option<Error>,
}

/// Deletes that a person has looked at: written by `catalogue plan -o`, taken by `--accept-removals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedRemovals {
    version: u32,
    /// For each catalogue the records to delete, with the content that they had.
    pub removals: BTreeMap<String, BTreeMap<Uuid, Option<Digest>>>,
}

/// The catalogues that the pipeline file names.
///
/// # Errors
/// When the options of one do not fit.
pub fn configured(pipeline: &Pipeline) -> Result<Vec<Catalogue>> {
    let named = pipeline.publish.iter().filter(|config| config.kind == "csw");
    named
        .map(|config| {
            let options = crate::publish::csw_options(config)?;
            Ok(Catalogue {
                target: options.endpoint.clone(),
                options,
                folder: pipeline.folder().to_owned(),
                workspace: pipeline.workspace(),
            })
        })
        .collect()
}

/// Brings the catalogues in step that want it every night, after the release is current. A catalogue that does not answer is told
/// of, and does not stop the others.
///
/// # Errors
/// When the options of a catalogue do not fit.
pub fn after_release(pipeline: &Pipeline, ledger: &mut Ledger, cancel: &AtomicBool) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for catalogue in configured(pipeline)?.into_iter().filter(|catalogue| catalogue.options.nightly) {
        let choices = catalogue.choices(false, BTreeSet::new());
        let report = catalogue.apply(ledger, &choices, None, cancel).unwrap_or_else(|error| Report {
            target: catalogue.target.clone(),
            items: Vec::new(),
            requests: Requests::default(),
            error: Some(error),
        });
        reports.push(report);
    }
    Ok(reports)
}

impl Catalogue {
    /// A catalogue by its options; relative files in them are relative to `folder`.
    pub fn new(options: CswOptions, folder: &Path, workspace: &Path) -> Self {
        Self { target: options.endpoint.clone(), options, folder: folder.to_owned(), workspace: workspace.to_owned() }
    }

    /// What the pipeline file says, with what the command line adds.
    pub fn choices(&self, prune: bool, overwrite: BTreeSet<Uuid>) -> Choices {
        Choices {
            drift: self.options.drift,
            merge: self.options.merge.clone(),
            prune: prune || self.options.prune,
            overwrite,
            exact: self.options.dialect == Dialect::Pycsw,
            today: crate::run::now().to_zoned(jiff::tz::TimeZone::system()).date(),
        }
    }

    /// The journal's file: one for each catalogue.
    pub fn journal(&self) -> PathBuf {
        self.workspace.join("catalogue").join(format!("{}.journal", Digest::of(self.target.as_bytes()).short()))
    }

    /// The records that are released for the catalogue's audience.
    ///
    /// # Errors
    /// When nothing is released, or a record cannot be read.
    pub fn released(&self) -> Result<Vec<Desired>> {
        let folder = match self.options.audience {
            Audience::Public => "public",
            Audience::Internal => "internal",
        };
        let current = self.workspace.join("current");
        if !current.exists() {
            return Err(Error::new("mk::release::none", "nothing is released here yet")
                .at(Place::file(self.workspace.display().to_string()))
                .hint("`messkette run` makes the first release")
                .exit(Exit::NoState));
        }
        Desired::read_folder(&current.join(folder).join("metadata"))
    }

    /// Compares; writes nothing anywhere.
    ///
    /// # Errors
    /// When the release, the ledger or the catalogue cannot be read.
    pub fn plan(&self, ledger: &Ledger, choices: &Choices) -> Result<(Plan, Requests)> {
        let client = self.client()?;
        let plan = self.compare(&client, ledger, choices)?;
        Ok((plan, requests(&client)))
    }

    fn client(&self) -> Result<Client> {
        let mut client = Client::new(&self.options, &self.folder)?;
        client.probe(self.options.transaction.is_some())?;
        Ok(client)
    }

    fn compare(&self, client: &Client, ledger: &Ledger, choices: &Choices) -> Result<Plan> {
        let desired = self.released()?;
        let known = ledger.catalogued(&self.target)?;
        let open = Journal::open_intents(&self.journal())?;
        let mut ids: Vec<Uuid> = desired.iter().map(|record| record.uuid).collect();
        ids.extend(known.keys().chain(open.keys()));
        ids.sort_unstable();
        ids.dedup();
        let actual = self.read(client, &ids)?;
        Ok(Plan::make(&desired, &known, &actual, &open, choices))
    }

    /// What the catalogue holds of these records; several requests at a time.
    fn read(&self, client: &Client, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Actual>> {
        let size = self.options.dialect.reads();
        let groups: Mutex<Vec<&[Uuid]>> = Mutex::new(ids.chunks(size).collect());
        let found: Mutex<Result<BTreeMap<Uuid, Actual>>> = Mutex::new(Ok(BTreeMap::new()));
        let failed = || found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_err();
        std::thread::scope(|scope| {
            for _ in 0..(self.options.connections as usize).clamp(1, ids.len().div_ceil(size).max(1)) {
                scope.spawn(|| {
                    while !failed() {
                        let next = groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
                        let Some(group) = next else { break };
                        let records: Result<Vec<(Uuid, Actual)>> = client
                            .records(group)
                            .map(|records| records.into_iter().map(|(uuid, tree)| (uuid, Actual::of(tree))).collect());
                        let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        match (records, found.as_mut()) {
                            (Ok(records), Ok(all)) => all.extend(records),
                            (Err(error), Ok(_)) => *found = Err(error),
                            (_, Err(_)) => {}
                        }
                    }
                });
            }
        });
        found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Brings the catalogue in step. The caller holds the workspace's lock.
    ///
    /// # Errors
    /// When nothing could be begun, or the plan would delete too much; nothing was written then. What stops it later is in the
    /// report.
    pub fn apply(
        &self,
        ledger: &mut Ledger,
        choices: &Choices,
        accepted: Option<&SavedRemovals>,
        cancel: &AtomicBool,
    ) -> Result<Report> {
        let client = self.client()?;
        let mut plan = self.compare(&client, ledger, choices)?;
        match accepted {
            Some(accepted) => accepted.check(&self.target, &plan)?,
            None => self.brake(&mut plan)?,
        }
        self.carry_out(&client, ledger, &plan, cancel)
    }

    /// Carries out a plan that was made before. Each record that is written is read again, so that what moved since is found.
    ///
    /// # Errors
    /// When the catalogue cannot be reached at all, or the journal cannot be written.
    pub fn carry_out_plan(&self, ledger: &mut Ledger, plan: &Plan, cancel: &AtomicBool) -> Result<Report> {
        self.carry_out(&self.client()?, ledger, plan, cancel)
    }

    fn carry_out(&self, client: &Client, ledger: &mut Ledger, plan: &Plan, cancel: &AtomicBool) -> Result<Report> {
        let journal = Journal::open(&self.journal())?;
        let applier = Applier {
            client,
            target: &self.target,
            dialect: self.options.dialect,
            chunk: self.options.chunk as usize,
            connections: self.options.connections as usize,
            cancel,
            books: Mutex::new(Books { ledger, journal }),
        };
        let (items, error) = applier.run(plan);
        Ok(Report { target: self.target.clone(), items, requests: requests(client), error })
    }

    /// Deletes that are too many do not happen by themselves: every night the others go on.
    fn brake(&self, plan: &mut Plan) -> Result<()> {
        let Some(why) = plan.brake() else { return Ok(()) };
        // Asked for on the command line: then a person is there to look.
        if !self.options.prune {
            return Err(too_many(&why));
        }
        tracing::warn!("{}: no record is deleted: {why}", self.target);
        for item in plan.items.iter_mut().filter(|item| item.step == Step::Delete) {
            item.step = Step::None;
        }
        Ok(())
    }
}

fn too_many(why: &str) -> Error {
    Error::new("mk::catalogue::brake", format!("this would delete too much: {why}"))
        .hint("look at `messkette catalogue plan --prune -o removals.json`, then `catalogue apply --prune --accept-removals removals.json`")
}

fn requests(client: &Client) -> Requests {
    let (reads, writes) = client.requests();
    Requests { reads, writes }
}

impl Report {
    /// How it ended: what stopped it, or 3 when records are left other than released, or 0.
    pub fn exit(&self) -> Exit {
        if let Some(error) = &self.error {
            return error.exit_code();
        }
        if self.items.iter().any(|result| matches!(result.outcome, Outcome::Unknown(_))) {
            return Exit::Unavailable;
        }
        let left = |result: &ItemResult| match result.outcome {
            Outcome::Failed(_) => true,
            // That somebody else's hand, or a brake, keeps a record is a loss; that nobody asked for a deletion is none.
            Outcome::Left => result.item.state != State::NotReleased,
            _ => false,
        };
        if self.items.iter().any(left) { Exit::Quarantined } else { Exit::Ok }
    }

    /// Records that were written and proven.
    pub fn written(&self, step: Step) -> u64 {
        self.items.iter().filter(|result| result.item.step == step && result.outcome == Outcome::Done).count() as u64
    }
}

impl SavedRemovals {
    /// The deletes of plans, by catalogue.
    pub fn of<'a>(plans: impl IntoIterator<Item = (&'a str, &'a Plan)>) -> Self {
        let removals = |plan: &Plan| {
            let deleted = plan.items.iter().filter(|item| item.step == Step::Delete);
            deleted.map(|item| (item.uuid, item.actual)).collect()
        };
        Self { version: 1, removals: plans.into_iter().map(|(target, plan)| (target.to_owned(), removals(plan))).collect() }
    }

    /// Writes them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::new("mk::catalogue::removals", "cannot write the list of removals").because(error))?;
        atomic::write_atomic(path, (text + "\n").as_bytes())
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the file is not one of these.
    pub fn load(path: &Path) -> Result<Self> {
        let unreadable = || {
            Error::new("mk::catalogue::removals", "this is no list of removals")
                .at(Place::file(path.display().to_string()))
                .hint("`messkette catalogue plan --prune -o FILE` writes one")
                .exit(Exit::Usage)
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable().because(error))?;
        let read: Self = serde_json::from_str(&text).map_err(|error| unreadable().because(error))?;
        if read.version == 1 { Ok(read) } else { Err(unreadable()) }
    }

    /// Refuses when a plan deletes anything else, or what it deletes has changed since.
    fn check(&self, target: &str, plan: &Plan) -> Result<()> {
        let none = BTreeMap::new();
        let accepted = self.removals.get(target).unwrap_or(&none);
        for item in plan.items.iter().filter(|item| item.step == Step::Delete) {
            let why = match accepted.get(&item.uuid) {
                None => "it is not in the accepted list",
                Some(content) if *content != item.actual => "it has changed since the list was made",
                Some(_) => continue,
            };
            return Err(Error::new("mk::catalogue::removals", format!("'{}' is not deleted: {why}", item.title))
                .at(Place::default().object(item.uuid.to_string()))
                .hint("make the list anew and look at it: messkette catalogue plan --prune -o FILE"));
        }
        Ok(())
    }
}

/// What a night's report says of records that are not in step: by dataset; what stopped a catalogue stands with every dataset.
pub fn findings(reports: &[Report]) -> BTreeMap<String, Vec<FindingGroup>> {
    let mut found: BTreeMap<String, Vec<FindingGroup>> = BTreeMap::new();
    for report in reports {
        for result in &report.items {
            let why = match &result.outcome {
                Outcome::Done => continue,
                Outcome::Left => german(result.item.state).to_owned(),
                Outcome::Failed(reason) => format!("Der Katalog nimmt den Datensatz nicht an: {reason}"),
                Outcome::Unknown(reason) => format!("Ungewiss, die nächste Nacht sieht nach: {reason}"),
            };
            found.entry(result.item.dataset.clone()).or_default().push(FindingGroup {
                object_type: "MD_Metadata".to_owned(),
                code: format!("mk::catalogue::{:?}", result.item.state).to_lowercase(),
                reason: format!("{}: {why}", report.target),
                count: 1,
                examples: vec![Place::default().object(result.item.uuid.to_string())],
            });
        }
    }
    found
}

fn german(state: State) -> &'static str {
    match state {
        State::InSync => "stimmt überein",
        State::New => "noch nicht im Katalog",
        State::Changed => "noch der alte Stand im Katalog",
        State::Drifted => "im Katalog von Hand geändert, bleibt so",
        State::Conflict => "im Katalog von Hand geändert und hier neu, bleibt so",
        State::DeletedByHand => "im Katalog von Hand gelöscht, bleibt so",
        State::Foreign => "im Katalog steht unter dieser UUID ein fremder Metadatensatz, er bleibt unberührt",
        State::NotReleased => "nicht mehr veröffentlicht, steht noch im Katalog",
        State::Gone => "nicht mehr veröffentlicht",
        State::Broken => "verletzt Pflichtregeln, wird nicht gesendet",
    }
}
