//! What three tablets send from the playgrounds on the second night, some of it against each other.

use super::town::{Town, names};
use crate::dataset::playground::identity;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The dataset of the demo's pipeline: identities are made of it.
const DATASET: &str = "spielplaetze";
/// The day on which the tablets were out.
pub const OUT: (i32, u32, u32) = (2026, 3, 2);
const DAY: &str = "2026-03-02";

/// What the tablets do.
pub struct Tablets {
    space: Uuid,
    sent: [Vec<Value>; 3],
    conflicts: Vec<String>,
    years: BTreeMap<String, usize>,
    defects: u64,
}

impl Tablets {
    /// Nothing yet.
    pub fn new() -> Self {
        let space = identity::space(DATASET);
        Self { space, sent: [Vec::new(), Vec::new(), Vec::new()], conflicts: Vec::new(), years: BTreeMap::new(), defects: 0 }
    }

    fn send(&mut self, tablet: usize, table: &str, method: &str, uuid: Uuid, [old, new]: [Value; 2]) -> String {
        let id = identity::plain(&self.space, "demo", &format!("{tablet}/{}", self.sent[tablet].len())).to_string();
        let side = |side: Value| if side.is_null() { side } else { json!({ "attributes": side }) };
        self.sent[tablet].push(json!({
            "uuid": id, "clientId": format!("tablet-{tablet}"), "localLayerId": format!("{table}_demo"),
            "localLayerCrs": "EPSG:25832", "sourcePk": uuid, "method": method, "old": side(old), "new": side(new),
        }));
        id
    }

    /// Tablets 0 and 1 correct the year, now and then both; tablet 1 inspects; tablet 2 reports defects, and measures a layer that it
    /// saw as another one. True when the device got its main inspection.
    pub fn visit(&mut self, town: &Town, index: u64, key: &str, year: usize) -> bool {
        let device = identity::plain(&self.space, "spielgeraet", key);
        let years = |new: usize| [json!({ "baujahr": year }), json!({ "baujahr": new })];
        if index.is_multiple_of(7) {
            self.send(0, "spielgeraet", "patch", device, years(year + 1));
            self.years.insert(key.to_owned(), year + 1);
        }
        if index.is_multiple_of(14) {
            let id = self.send(1, "spielgeraet", "patch", device, years(year - 1));
            self.conflicts.push(id);
        }
        let inspected = index % 5 == 1;
        if inspected {
            let inspection = identity::plain(&self.space, "demo", &format!("inspection/{key}"));
            let person = &names::person(town.seed, 0x00FF_FFFF, 3)[0];
            let new = json!({
                "uuid": inspection, "geraet_uuid": device, "pruefart": "haupt", "datum": DAY, "pruefer": person
            });
            self.send(1, "pruefung", "create", inspection, [Value::Null, new]);
        }
        if index % 11 == 3 {
            let defect = identity::plain(&self.space, "demo", &format!("defect/{key}"));
            let new = json!({
                "uuid": defect, "geraet_uuid": device, "beschreibung": "Verschleiß an Kette", "festgestellt_am": DAY, "status": "offen"
            });
            self.send(2, "mangel", "create", defect, [Value::Null, new]);
            self.defects += 1;
        }
        if index % 13 == 5 {
            let layer = [json!({ "fallschutz_dicke_cm": 1 }), json!({ "fallschutz_dicke_cm": 2 })];
            let id = self.send(2, "spielgeraet", "patch", device, layer);
            self.conflicts.push(id);
        }
        inspected
    }

    /// The files: name, text, changes.
    pub fn files(&self) -> Vec<(String, String, u64)> {
        let file = |(tablet, deltas): (usize, &Vec<Value>)| {
            let file = json!({
                "version": "1.0", "id": identity::plain(&self.space, "demo", &format!("file/{tablet}")), "project": DATASET,
                "created_at": format!("{DAY}T15:{tablet}0:00Z"), "files": [], "deltas": deltas,
            });
            (format!("in/playground/deltas_{DAY}_tablet-{tablet}.json"), format!("{file:#}\n"), deltas.len() as u64)
        };
        self.sent.iter().enumerate().map(file).collect()
    }

    /// What must come of it, beside the plan.
    pub fn truth(&self) -> [(&'static str, Value); 3] {
        [("konflikte", json!(self.conflicts)), ("baujahr", json!(self.years)), ("maengel", json!(self.defects))]
    }
}
