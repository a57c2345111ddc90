//! A catalogue of many records: time and requests of the first apply, of a night without changes, and of one change.
//!
//!   cargo bench --bench catalogue            1,000 records to pycsw 2.6.2 (.venv-catalogue), and a plan of 10,000 against `messkette serve`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop, and prints")]

use messkette::catalogue::{Catalogue, CswOptions, Desired, Report, Step};
use messkette::ledger::Ledger;
use messkette::metadata::Tree;
use messkette::serve::{Entry, Holdings, Server, respond};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use uuid::Uuid;

#[path = "../tests/samples/mod.rs"]
mod samples;

/// A record that meets all rules.
fn record(n: u32, title: &str) -> String {
    let (xml, id, old) = samples::record_template();
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_URL, &n.to_le_bytes());
    xml.replace(id, &uuid.to_string()).replace(&format!(">{old}<"), &format!(">{title}<"))
}

fn release(folder: &Path, count: u32, changed: Option<u32>) {
    let metadata = folder.join("current/public/metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    for n in 0..count {
        let title = if changed == Some(n) { format!("Geändert {n}") } else { format!("Datensatz {n}") };
        std::fs::write(metadata.join(format!("d{n}.xml")), record(n, &title)).unwrap();
    }
}

fn catalogue(folder: &Path, endpoint: &str, connections: u32) -> Catalogue {
    let options =
        serde_json::json!({ "endpoint": endpoint, "transaction": endpoint, "dialect": "pycsw", "connections": connections });
    let options: CswOptions = serde_json::from_value(options).unwrap();
    Catalogue::new(options, folder, folder)
}

fn apply(catalogue: &Catalogue, folder: &Path, what: &str) -> Report {
    let began = Instant::now();
    let choices = catalogue.choices(false, std::collections::BTreeSet::new());
    let report = catalogue.apply(&mut Ledger::open(folder).unwrap(), &choices, None, &AtomicBool::new(false)).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let (inserted, updated) = (report.written(Step::Insert), report.written(Step::Update));
    println!(
        "{what}: {seconds:.2} s, {inserted} inserted, {updated} updated, {} requests read, {} write",
        report.requests.reads, report.requests.writes
    );
    report
}

fn thousand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv-catalogue/bin/python");
    if !python.exists() {
        println!("skipped: pycsw is missing; scripts/setup --tests installs it");
        return;
    }
    let (folder, server) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut child = Command::new(python)
        .args(["-W", "ignore"])
        .arg(root.join("tests/oracles/pycsw_server.py"))
        .arg(server.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    release(folder.path(), 1_000, None);
    let catalogue = catalogue(folder.path(), &format!("http://127.0.0.1:{}/csw", line.trim()), 1);
    apply(&catalogue, folder.path(), "1,000 records, first apply");
    let idle = apply(&catalogue, folder.path(), "1,000 records, nothing new");
    assert_eq!(idle.requests.writes, 0);
    release(folder.path(), 1_000, Some(500));
    let one = apply(&catalogue, folder.path(), "1,000 records, one change");
    assert_eq!((one.requests.writes, one.requests.reads), (1, idle.requests.reads + 1));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn ten_thousand() {
    let folder = tempfile::tempdir().unwrap();
    release(folder.path(), 10_000, None);
    let mut holdings = Holdings::default();
    for desired in Desired::read_folder(&folder.path().join("current/public/metadata")).unwrap() {
        let tree = Tree::parse(&desired.xml).unwrap();
        holdings.entries.push(Entry::read(&tree, &desired.xml, Some(serde_json::Value::Null)));
    }
    let server = Server::bind("127.0.0.1:0", None).unwrap();
    let endpoint = format!("http://{}/csw", server.address().unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(&stop, |request| respond(&holdings, request)));
        let catalogue = catalogue(folder.path(), &endpoint, 4);
        // All there already: the first apply takes them over, the plan after it finds all in step.
        apply(&catalogue, folder.path(), "10,000 records, taken over");
        let began = Instant::now();
        let choices = catalogue.choices(false, std::collections::BTreeSet::new());
        let (plan, requests) = catalogue.plan(&Ledger::open(folder.path()).unwrap(), &choices).unwrap();
        println!("10,000 records, plan: {:.2} s, {} requests", began.elapsed().as_secs_f64(), requests.reads);
        assert!(!plan.has_changes() && plan.items.len() == 10_000);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

fn main() {
    thousand();
    ten_thousand();
}
