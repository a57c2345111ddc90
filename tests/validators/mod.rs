//! Validators of records that others wrote: what they say is independent of us. Each is `None`, with a printed reason, where it is not
//! there.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic, and say what they skip")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn skip<T>(what: &str) -> Option<T> {
    println!("skipped: {what} is not there");
    None
}

/// A file beside the project, which others made.
pub fn shared(part: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(part);
    if path.exists() { Some(path) } else { skip(&path.display().to_string()) }
}

fn runs(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// What `xmllint` says against the ISO schemas of 2007; nothing when all files are valid.
pub fn schema_errors(files: &[PathBuf]) -> Option<String> {
    let schema = shared("data/metadata/xsd-2007/gdi-de-2007.xsd")?;
    if !runs("xmllint", "--version") {
        return skip("xmllint");
    }
    let lint = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(schema).args(files).output().unwrap();
    let told = String::from_utf8_lossy(&lint.stderr);
    Some(if lint.status.success() {
        String::new()
    } else {
        told.lines().filter(|line| !line.ends_with(" validates")).collect::<Vec<_>>().join("\n")
    })
}

/// The official INSPIRE assertions of these suites, in BaseX: one line for each that does not pass. Those are left out that need the
/// network: 1.10 asks the register of the European Commission for the titles of its regulations, 3.4 fetches a list, 3.6 the coupled
/// records.
pub fn inspire_failures(suites: &str, files: &[PathBuf]) -> Option<Vec<String>> {
    let script = shared("peers/ets_run.py")?;
    if !runs("basex", "-h") {
        return skip("basex");
    }
    let output = Command::new("python3").arg(script).arg(suites).args(files).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" | ")).collect();
    assert!(lines.len() > 10, "{text}");
    let offline = |line: &&&str| !["1.10", "3.4", "3.6"].iter().any(|number| line.contains(number));
    Some(lines.iter().filter(|line| !line.contains("| PASSED")).filter(offline).map(|line| (*line).to_owned()).collect())
}

/// What the official SHACL shapes of DCAT-AP 3.0, DCAT-AP.de 3.0 and for high-value datasets find in a catalogue, and whether both
/// of its forms say the same.
pub fn dcat_findings(turtle: &Path, xml: &Path) -> Option<Value> {
    let shapes = shared("data/metadata/shacl")?;
    let python = root().join(".venv-catalogue/bin/python");
    let there = Command::new(&python).args(["-c", "import pyshacl"]).output().is_ok_and(|output| output.status.success());
    if !there {
        return skip("pyshacl in .venv-catalogue");
    }
    let script = root().join("tests/oracles/check_dcat.py");
    let output = Command::new(&python).arg(script).arg(shapes).arg(turtle).arg(xml).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
