//! A unit: the smallest work that can be redone alone.

use crate::crs::Bbox;
use crate::io::{Digest, Source};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What an input of a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A source file.
    Source,
    /// The result of a unit of an earlier stage, or one entry of it.
    Result,
    /// A grid that a coordinate operation needs.
    Grid,
    /// An artefact of another dataset.
    Artefact,
}

/// One input of a unit: enough to find and to check it, on any machine that shares the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What it is.
    pub kind: InputKind,
    /// The name people see; not part of the unit's identity.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The member of an archive, or the entry of a pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of what is read: the file, the member, or the entry.
    pub digest: Digest,
}

impl Input {
    /// A source as input.
    pub fn source(source: &Source) -> Self {
        Self {
            kind: InputKind::Source,
            name: source.name.clone(),
            path: source.path.clone(),
            member: source.member.clone(),
            size: source.size,
            digest: source.digest,
        }
    }
    /// The source again; `None` for other kinds of input.
    pub fn as_source(&self) -> Option<Source> {
        (self.kind == InputKind::Source).then(|| Source {
            name: self.name.clone(),
            path: self.path.clone(),
            member: self.member.clone(),
            size: self.size,
            digest: self.digest,
        })
    }
}

/// A unit as its dataset describes it. Key, parameters, code version and the digests of the inputs make its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitSpec {
    /// Name within dataset and stage, stable from night to night: `12/2165/1324`, or a file's name.
    pub key: String,
    /// What it reads, in an order that is part of its identity.
    pub inputs: Vec<Input>,
    /// Everything else that its result depends on.
    pub params: serde_json::Value,
    /// Where it lies, in the dataset's CRS, as far as known before it runs.
    pub bbox: Option<Bbox>,
    /// Estimated peak memory in MiB.
    pub memory_mb: u64,
    /// Relative cost: dearer units start first.
    pub cost: u64,
}

/// Why a unit is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There was no such unit before.
    New,
    /// An input has other content, or is another file.
    ChangedInput,
    /// An option or another parameter changed.
    ChangedParameter,
    /// The program does it differently now.
    ChangedCode,
    /// It failed before and is tried again.
    Retry,
    /// Its result is gone from the store.
    LostResult,
    /// The unit is no longer needed: its source was withdrawn.
    Removed,
}

impl Reason {
    /// The words that plan and report use.
    pub fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::ChangedInput => "changed input",
            Self::ChangedParameter => "changed parameter",
            Self::ChangedCode => "changed code version",
            Self::Retry => "retry",
            Self::LostResult => "lost result",
            Self::Removed => "removed",
        }
    }
}

/// What makes a unit the same from night to night.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The digest of all of it.
    pub id: Digest,
    /// Parameters: those of the unit and the options of the dataset, as JSON.
    pub params: String,
    /// Version of the stage's code.
    pub version: u32,
}

impl Identity {
    /// The identity of a unit. `common` is what holds for all units of the dataset: its options, CRS and plausibility box.
    pub fn of(kind: &str, stage: &str, version: u32, common: &serde_json::Value, spec: &UnitSpec) -> Self {
        let params = serde_json::json!({ "dataset": common, "unit": spec.params }).to_string();
        let inputs = inputs_identity(&spec.inputs);
        let id =
            Digest::of_parts([kind.as_bytes(), stage.as_bytes(), &version.to_le_bytes(), params.as_bytes(), inputs.as_bytes()]);
        Self { id, params, version }
    }
}

/// The part of the inputs that is identity: content, and for files their names without folders, because names carry dates.
pub fn inputs_identity(inputs: &[Input]) -> String {
    let mut text = String::new();
    for input in inputs {
        let name = match input.kind {
            InputKind::Source | InputKind::Artefact => input.name.rsplit(['/', '!']).next().unwrap_or_default(),
            InputKind::Result | InputKind::Grid => "",
        };
        text.push_str(&format!("{:?} {} {name}\n", input.kind, input.digest));
    }
    text
}

/// A unit that tonight needs.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedUnit {
    /// Dataset.
    pub dataset: String,
    /// Index of the stage.
    pub stage: usize,
    /// Name of the stage.
    pub stage_name: String,
    /// The unit.
    pub spec: UnitSpec,
    /// Its identity.
    pub identity: Identity,
    /// Why.
    pub reason: Reason,
    /// More on why: which input changed.
    pub detail: String,
}
