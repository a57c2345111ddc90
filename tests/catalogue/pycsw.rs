//! pycsw 2.6.2 from PyPI, started by the test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running server; it ends with the test.
pub struct Pycsw {
    child: Child,
    pub port: u16,
    _folder: tempfile::TempDir,
}

/// The Python of the tests with pycsw, or `None` with a printed reason.
pub fn python() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv-catalogue/bin/python");
    let there = Command::new(&python).args(["-c", "import pycsw"]).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if there {
        return Some(python);
    }
    assert!(
        std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_none_or(|value| value != "1"),
        "pycsw is missing; scripts/setup --tests installs it"
    );
    println!("skipped: pycsw is missing; scripts/setup --tests installs it");
    None
}

impl Pycsw {
    pub fn start() -> Option<Self> {
        let python = python()?;
        let folder = tempfile::tempdir().unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/pycsw_server.py");
        let mut child = Command::new(python)
            .args(["-W", "ignore"])
            .arg(script)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, port: line.trim().parse().unwrap(), _folder: folder })
    }
}

impl Drop for Pycsw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
