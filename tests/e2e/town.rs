//! A demo town in a temporary folder, and the program run on it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;
use tempfile::TempDir;

/// The time that every run in these tests believes it is: records carry the day.
const CLOCK: &str = "1780000000";

/// The program with a calm, reproducible environment: the one of this build, or the one that `MESSKETTE` names.
pub fn messkette() -> Command {
    let built = OsString::from(env!("CARGO_BIN_EXE_messkette"));
    let mut command = Command::new(std::env::var_os("MESSKETTE").unwrap_or(built));
    command.env("SOURCE_DATE_EPOCH", CLOCK).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// What a run of the program came to.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Runs the program to its end.
    pub fn of<A: AsRef<OsStr>>(arguments: &[A]) -> Self {
        let output = messkette().args(arguments).output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; stdout:\n{}\nstderr:\n{}", tail(&self.stdout), tail(&self.stderr));
        self
    }
    /// The summary that ends `run --json` and `convert --json`, with its sums checked.
    #[track_caller]
    pub fn summary(&self) -> Summary {
        let line = self.stdout.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no summary ({error}) in: {line}"));
        let summary = Summary(value["summary"].clone());
        assert!(summary.0.is_object(), "no summary in: {line}");
        let balanced = |counts: &Value, what: &str| {
            let get = |key: &str| counts[key].as_u64().unwrap_or_else(|| panic!("no {key} of {what} in: {line}"));
            assert_eq!(get("in"), get("out") + get("rejected") + get("dropped_private"), "objects of {what} got lost: {line}");
        };
        balanced(&summary.0["objects"], "all types");
        for (name, counts) in summary.0["by_type"].as_object().unwrap() {
            balanced(counts, name);
        }
        summary
    }
}

fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(4000);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    &text[start..]
}

/// The contract's summary of a run.
#[derive(Debug, PartialEq)]
pub struct Summary(pub Value);

impl Summary {
    pub fn release(&self) -> Option<&str> {
        self.0["release"].as_str()
    }
    /// Units `planned`, `done`, `reused` or `quarantined`.
    #[track_caller]
    pub fn units(&self, what: &str) -> u64 {
        self.0["units"][what].as_u64().unwrap()
    }
    /// Objects `in`, `out`, `rejected` or `dropped_private`.
    #[track_caller]
    pub fn objects(&self, what: &str) -> u64 {
        self.0["objects"][what].as_u64().unwrap()
    }
    /// One count for every type.
    pub fn by_type(&self, what: &str) -> BTreeMap<String, u64> {
        let types = self.0["by_type"].as_object().unwrap();
        types.iter().map(|(name, counts)| (name.clone(), counts[what].as_u64().unwrap())).collect()
    }
}

/// A town on disk; gone when dropped.
pub struct Town {
    folder: TempDir,
}

impl Town {
    /// One square kilometre of the town of seed 7, with the deliveries of its first night.
    pub fn new() -> Self {
        let town = Self { folder: tempfile::tempdir().unwrap() };
        town.arrive(1);
        town
    }
    /// The same with coarse map tiles: the same chain with less to draw.
    pub fn quick() -> Self {
        let town = Self::new();
        let text = std::fs::read_to_string(town.pipeline()).unwrap();
        std::fs::write(town.pipeline(), coarse(&text)).unwrap();
        town
    }
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    pub fn pipeline(&self) -> PathBuf {
        self.folder().join("pipeline.toml")
    }
    pub fn work(&self) -> PathBuf {
        self.folder().join("work")
    }
    /// What arrives on a night; the pipeline file stays as it is.
    #[track_caller]
    pub fn arrive(&self, night: u32) {
        let pipeline = std::fs::read(self.pipeline());
        write_demo(self.folder(), &["--night", &night.to_string(), "--panoramas", "12"]);
        if let Ok(text) = pipeline {
            std::fs::write(self.pipeline(), text).unwrap();
        }
    }
    /// A command on this town's pipeline.
    #[track_caller]
    pub fn call(&self, command: &str, options: &[&str]) -> Run {
        let pipeline = self.pipeline();
        let mut arguments = vec![OsStr::new(command), pipeline.as_os_str()];
        arguments.extend(options.iter().map(OsStr::new));
        Run::of(&arguments)
    }
    /// A night.
    #[track_caller]
    pub fn run(&self, options: &[&str]) -> Run {
        self.call("run", &[&["--json"], options].concat())
    }
    /// The release that `current` points to.
    pub fn release(&self) -> Release {
        Release::current(&self.work()).unwrap()
    }
    /// Everything that a night made is gone, the deliveries stay.
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.work()).unwrap();
    }
}

/// A pipeline file with map tiles of the orthophotos down to zoom 15 only.
fn coarse(pipeline: &str) -> String {
    let kind = "kind = \"orthophoto\"\n";
    assert!(pipeline.contains(kind) && !pipeline.contains("tiles ="), "{pipeline}");
    pipeline.replace(kind, &format!("{kind}tiles = [{{ zoom = [12, 15] }}]\n"))
}

/// Writes a demo town, or a part of one.
#[track_caller]
pub fn write_demo(folder: &Path, options: &[&str]) {
    let mut arguments = vec![OsStr::new("demo"), folder.as_os_str()];
    arguments.extend(options.iter().map(OsStr::new));
    Run::of(&arguments).expect(0);
}

/// A release on disk.
pub struct Release {
    pub folder: PathBuf,
    /// Size and digest of every file by its path, as the manifest says.
    pub files: BTreeMap<String, (u64, String)>,
}

impl Release {
    /// The release that `current` of a workspace points to at this moment. `Ok` only if its manifest can be read.
    pub fn current(work: &Path) -> std::io::Result<Self> {
        // The link is read once: it may be switched at any moment.
        let folder = work.join(std::fs::read_link(work.join("current"))?);
        let text = std::fs::read_to_string(folder.join("manifest.json"))?;
        let manifest: Value = serde_json::from_str(&text)?;
        let files = manifest["files"].as_array().ok_or_else(|| std::io::Error::other("no files in the manifest"))?;
        let files = files
            .iter()
            .map(|file| {
                let name = |key: &str| file[key].as_str().unwrap_or_else(|| panic!("no {key} in {file}")).to_owned();
                (name("path"), (file["size"].as_u64().unwrap(), name("blake3")))
            })
            .collect();
        Ok(Self { folder, files })
    }
    pub fn id(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
    /// What is wrong with it: a file of the manifest that is missing or has another size.
    pub fn faults(&self) -> Vec<String> {
        let wrong = |(name, (size, _)): (&String, &(u64, String))| match std::fs::metadata(self.folder.join(name)) {
            Ok(found) if found.len() == *size => None,
            Ok(found) => Some(format!("{name} has {} of {size} bytes", found.len())),
            Err(error) => Some(format!("{name}: {error}")),
        };
        self.files.iter().filter_map(wrong).collect()
    }
    /// Path and digest of what people use: everything but the report, which tells times.
    pub fn content(&self) -> BTreeMap<String, (u64, String)> {
        let published = |name: &String| name.starts_with("public/") || name.starts_with("internal/");
        self.files.iter().filter(|(name, _)| published(name)).map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }
    /// Names of the files that end so.
    pub fn ending(&self, end: &str) -> Vec<PathBuf> {
        self.files.keys().filter(|name| name.ends_with(end)).map(|name| self.path(name)).collect()
    }
}

/// Size, time of the last change and inode of everything below a folder: equal only if nothing was written.
pub fn traces(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let found = entry.path().symlink_metadata().unwrap();
            (entry.path().to_owned(), (found.len(), found.modified().unwrap(), found.ino()))
        })
        .collect()
}

/// Copies a folder with everything in it.
pub fn copy_tree(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}
