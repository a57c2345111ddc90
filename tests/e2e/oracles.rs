//! Reference programs: what they say about an output is independent of us.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A program of the system, or `None` with a printed reason.
pub fn system(program: &str, version: &str) -> Option<Command> {
    let found = Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    found.then(|| Command::new(program)).or_else(|| missing(program))
}

/// A script of `tests/oracles` in the Python environment that `scripts/setup --tests` makes.
pub fn python(script: &str) -> Option<Command> {
    let python = root().join(".venv/bin/python");
    if !python.exists() {
        return missing("the Python environment .venv");
    }
    let mut command = Command::new(python);
    command.arg(root().join("tests/oracles").join(script));
    Some(command)
}

/// A script of `tests/oracles` in the system's Python, which has the library of QGIS.
pub fn qgis(script: &str) -> Option<Command> {
    let python = "/usr/bin/python3";
    let there = Command::new(python).args(["-c", "import qgis.core"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return missing("the Python library of QGIS");
    }
    let mut command = Command::new(python);
    command.arg(root().join("tests/oracles").join(script));
    Some(command)
}

/// The fuzzer of APIs that are described by OpenAPI, in the Python environment that `scripts/setup --tests` makes.
pub fn schemathesis() -> Option<Command> {
    let program = root().join(".venv-serve/bin/schemathesis");
    if !program.exists() {
        return missing("schemathesis in .venv-serve");
    }
    Some(Command::new(program))
}

/// A script of `tests/oracles` in node, with the packages that `scripts/setup --tests` installs.
pub fn node(script: &str) -> Option<Command> {
    if !root().join("tests/oracles/node_modules/gltf-validator").exists() {
        return missing("the glTF validator");
    }
    let mut command = system("node", "--version")?;
    command.arg(root().join("tests/oracles").join(script));
    Some(command)
}

/// True when a file of a package is there; else the reason is printed.
pub fn has(file: &Path, what: &str) -> bool {
    file.exists() || missing::<()>(what).is_some()
}

fn missing<T>(what: &str) -> Option<T> {
    assert!(
        std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_none_or(|value| value != "1"),
        "{what} is missing; scripts/setup --tests installs it"
    );
    println!("skipped: {what} is missing; scripts/setup --tests installs it");
    None
}

/// The folder of the shared data, or `None` with a printed reason.
pub fn shared_data(part: &str) -> Option<PathBuf> {
    let folder = root().join("../shared/data").join(part);
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: the shared data are not here: {}", folder.display());
    None
}

/// Runs it and returns its output; fails the test unless it succeeds.
#[track_caller]
pub fn run(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// Number of features of each layer, as GDAL counts them.
#[track_caller]
pub fn ogr_counts(file: &Path) -> Option<std::collections::BTreeMap<String, u64>> {
    let mut command = system("ogrinfo", "--version")?;
    command.args(["-ro", "-so", "-al"]).arg(file);
    let text = run(command);
    let mut counts = std::collections::BTreeMap::new();
    let mut layer = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Layer name: ") {
            name.clone_into(&mut layer);
        } else if let Some(count) = line.strip_prefix("Feature Count: ") {
            counts.insert(layer.clone(), count.parse().unwrap());
        }
    }
    Some(counts)
}
