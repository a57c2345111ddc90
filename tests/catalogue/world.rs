//! A workspace with released records, and the catalogue they go to.

use crate::proxy::Proxy;
use crate::pycsw::Pycsw;
use crate::samples;
use messkette::Result;
use messkette::catalogue::{
    Actual, Catalogue, Choices, Client, CswOptions, Drift, Journal, Known, Outcome, Plan, Report, State, Step,
};
use messkette::ledger::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use uuid::Uuid;

/// A record of a dataset that meets all rules, with this identifier and title.
pub fn record(uuid: Uuid, title: &str) -> String {
    let (xml, id, old) = samples::record_template();
    xml.replace(id, &uuid.to_string()).replace(&format!(">{old}<"), &format!(">{title}<"))
}

/// An identifier that no other test has.
pub fn fresh() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("{} {}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

/// A workspace and its catalogue.
pub struct World {
    pub folder: tempfile::TempDir,
    pub options: CswOptions,
    pub choices: Choices,
}

impl World {
    pub fn new(endpoint: &str, dialect: &str) -> Self {
        let options = serde_json::json!({
            "endpoint": endpoint, "dialect": dialect, "timeout_s": 30, "wait_s": 0, "connections": 1, "attempts": 2, "transaction": endpoint,
        });
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            options: serde_json::from_value(options).unwrap(),
            choices: Choices { exact: dialect == "pycsw", today: "2026-11-21".parse().unwrap(), ..Choices::default() },
        };
        world.release(&[]);
        world
    }
    /// Replaces what is released.
    pub fn release(&self, records: &[(Uuid, &str)]) {
        let folder = self.folder.path().join("current/public/metadata");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (uuid, title) in records {
            std::fs::write(folder.join(format!("{uuid}.xml")), record(*uuid, title)).unwrap();
        }
    }
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::new(self.options.clone(), self.folder.path(), self.folder.path())
    }
    pub fn ledger(&self) -> Ledger {
        Ledger::open(self.folder.path()).unwrap()
    }
    pub fn plan(&self) -> Plan {
        self.catalogue().plan(&self.ledger(), &self.choices).unwrap().0
    }
    pub fn try_apply(&self) -> Result<Report> {
        self.catalogue().apply(&mut self.ledger(), &self.choices, None, &AtomicBool::new(false))
    }
    pub fn apply(&self) -> Report {
        self.try_apply().unwrap()
    }
    pub fn carry_out(&self, plan: &Plan) -> Report {
        self.catalogue().carry_out_plan(&mut self.ledger(), plan, &AtomicBool::new(false)).unwrap()
    }
    pub fn known(&self) -> BTreeMap<Uuid, Known> {
        self.ledger().catalogued(&self.options.endpoint).unwrap()
    }
    pub fn open_intents(&self) -> BTreeSet<Uuid> {
        Journal::open_intents(&self.catalogue().journal()).unwrap().into_keys().collect()
    }
    pub fn overwrite(&mut self, uuid: Uuid) {
        self.choices.overwrite = [uuid].into();
    }
    pub fn drift(&mut self, drift: Drift) {
        self.choices.drift = drift;
    }
}

/// What a server holds of these records, asked directly.
pub fn held(port: u16, ids: &[Uuid]) -> BTreeMap<Uuid, Actual> {
    let records = direct(port).records(ids).unwrap();
    records.into_iter().map(|(uuid, tree)| (uuid, Actual::of(tree))).collect()
}

/// A client without anything in between.
pub fn direct(port: u16) -> Client {
    let options = serde_json::json!({ "endpoint": format!("http://127.0.0.1:{port}/csw"), "dialect": "pycsw" });
    Client::new(&serde_json::from_value(options).unwrap(), Path::new(".")).unwrap()
}

/// How many records of the server have this identifier, by listing all of them.
pub fn count(port: u16, uuid: Uuid) -> usize {
    listing(port).iter().filter(|id| **id == uuid.to_string()).count()
}

pub fn listing(port: u16) -> Vec<String> {
    let client = direct(port);
    let (mut all, mut start) = (Vec::new(), Some(1));
    while let Some(at) = start {
        let page = client.page(at, 100).unwrap();
        all.extend(page.identifiers);
        start = page.next;
    }
    all
}

/// State, step and outcome of one record.
pub fn fate(report: &Report, uuid: Uuid) -> (State, Step, Outcome) {
    let result = report.items.iter().find(|result| result.item.uuid == uuid).unwrap();
    (result.item.state, result.item.step, result.outcome.clone())
}

/// A server and a proxy before it.
pub fn server() -> Option<(Pycsw, Proxy)> {
    let server = Pycsw::start()?;
    let proxy = Proxy::before(server.port);
    Some((server, proxy))
}
