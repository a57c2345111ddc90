//! `messkette serve` on a part of the demo town, and requests to it.

use super::town::{Release, Run, messkette, write_demo};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// A town of some kinds of datasets, released.
pub struct Part {
    pub folder: tempfile::TempDir,
}

impl Part {
    /// Writes the first night's deliveries of these kinds, and lets a night pass.
    pub fn of(kinds: &[&str]) -> Self {
        let part = Self { folder: tempfile::tempdir().unwrap() };
        let mut text = String::new();
        for kind in kinds {
            write_demo(part.folder.path(), &["--only", kind]);
            let own = std::fs::read_to_string(part.pipeline()).unwrap();
            let from = if text.is_empty() { 0 } else { own.find("\n[[dataset]]").unwrap() };
            text.push_str(&own[from..]);
        }
        std::fs::write(part.pipeline(), text).unwrap();
        part.night();
        part
    }
    pub fn pipeline(&self) -> PathBuf {
        self.folder.path().join("pipeline.toml")
    }
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }
    /// A night, with the release after it.
    pub fn night(&self) -> Release {
        Run::of(&["run".as_ref(), "--json".as_ref(), self.pipeline().as_os_str()]).expect(0);
        Release::current(&self.work()).unwrap()
    }
}

/// The program while it serves; it ends with the test.
pub struct Served {
    child: Child,
    /// Address of the server.
    pub own: String,
    /// Address of OGC API – Features.
    pub url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Served {
    pub fn start(pipeline: &Path, options: &[&str]) -> Self {
        Self::start_with(pipeline, options, &[])
    }
    /// With more in the environment.
    pub fn start_with(pipeline: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = messkette();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options).arg(pipeline);
        let mut child = command.envs(environment.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let own = line.split_once(": ").unwrap_or_else(|| panic!("{line}")).0.to_owned();
        Self { child, url: format!("{own}/features"), own }
    }
    /// As a power cut does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
    /// An address: of the API, or a whole one.
    pub fn address(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) }
    }
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "")
    }
    /// A request with a body, if there is one.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        call(method, &self.address(path), headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }
}

/// A request to a server that may be killed meanwhile.
pub fn call(method: &str, address: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, ureq::Error> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = if body.is_empty() {
        agent.run(request.body(()).unwrap())?
    } else {
        agent.run(request.body(body.to_owned()).unwrap())?
    };
    let text = answer.body_mut().with_config().limit(1 << 28).read_to_string()?;
    Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text })
}
