//! What went wrong, where, and what to do next: one error type for the whole program.
//!
//! A message has three parts: what failed, the [`Place`] (file, line or byte, object), and a hint with the next step.
//! Every error has a stable code (`mk::<area>::<name>`) and an [`Exit`] code. What a unit of work loses is no error but data:
//! see [`Rejection`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The result of anything that can fail in this program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Exit codes of the program; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[repr(u8)]
pub enum Exit {
    /// All went well and nothing was lost.
    Ok = 0,
    /// Failed, and nothing was newly published.
    Failed = 1,
    /// The command line or the pipeline file is wrong.
    Usage = 2,
    /// Published, but something was quarantined or rejected.
    Quarantined = 3,
    /// The plan has changes (only where `--exit-code` asks for it).
    Changes = 4,
    /// What is published does not verify, or is older than allowed.
    Unverified = 5,
    /// There is no workspace here yet.
    NoState = 10,
    /// Another run holds the lock.
    Locked = 11,
    /// Credentials were refused.
    Credentials = 12,
    /// Too little disk or memory to begin.
    Preflight = 13,
    /// A remote service is temporarily unavailable.
    Unavailable = 75,
    /// Cancelled by the user or the system.
    Cancelled = 130,
}

/// Where something is: as much as is known of file, line, byte, object and coordinate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file as the pipeline names it; a member of an archive as `archive.zip!member.xml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Byte offset in the (unpacked) file, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// The object's identifier: a `gml:id`, a tile `z/x/y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Easting and northing in the CRS of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 2]>,
}

impl Place {
    /// A place in a file, nothing else known.
    pub fn file(name: impl Into<String>) -> Self {
        Self { file: Some(name.into()), ..Self::default() }
    }
    /// Adds the byte offset.
    #[must_use]
    pub fn byte(mut self, byte: u64) -> Self {
        self.byte = Some(byte);
        self
    }
    /// Adds the line (from 1).
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }
    /// Adds the object's identifier.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }
    /// Adds the coordinate (easting, northing).
    #[must_use]
    pub fn at(mut self, at: [f64; 2]) -> Self {
        self.at = Some(at);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(file) = &self.file {
            let mut text = file.clone();
            if let Some(line) = self.line {
                text.push_str(&format!(":{line}"));
                if let Some(column) = self.column {
                    text.push_str(&format!(":{column}"));
                }
            }
            parts.push(text);
        } else if let Some(line) = self.line {
            parts.push(format!("line {line}"));
        }
        if let Some(byte) = self.byte {
            parts.push(format!("byte {byte}"));
        }
        if let Some(object) = &self.object {
            parts.push(object.clone());
        }
        if let Some([e, n]) = self.at {
            parts.push(format!("at {e:.2} {n:.2}"));
        }
        f.write_str(&parts.join(", "))
    }
}

/// A stretch of a text that a diagnostic underlines.
#[derive(Debug, Clone)]
pub struct Snippet {
    /// Name of the text (the file as the user wrote it).
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
    /// Byte range to underline.
    pub span: std::ops::Range<usize>,
}

/// An error: code, message, place, hint, cause, exit code.
pub struct Error(Box<Inner>);

struct Inner {
    code: &'static str,
    message: String,
    place: Place,
    hint: Option<String>,
    exit: Exit,
    snippet: Option<Snippet>,
    related: Vec<Error>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error; `code` is `mk::<area>::<name>`, `message` says what failed, without a full stop.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            place: Place::default(),
            hint: None,
            exit: Exit::Failed,
            snippet: None,
            related: Vec::new(),
            cause: None,
        }))
    }
    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place = place;
        self
    }
    /// Adds the file where none is known yet; keeps a more exact place.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        if self.0.place.file.is_none() {
            self.0.place.file = Some(file.to_owned());
        }
        self
    }
    /// Adds the next step for the user.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }
    /// Sets the exit code (default [`Exit::Failed`]).
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }
    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }
    /// Adds the text to underline.
    #[must_use]
    pub fn snippet(mut self, snippet: Snippet) -> Self {
        self.0.snippet = Some(snippet);
        self
    }
    /// Several errors shown at once under one message.
    #[must_use]
    pub fn with_related(mut self, related: Vec<Error>) -> Self {
        self.0.related = related;
        self
    }
    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }
    /// What failed.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// Where.
    pub fn place(&self) -> &Place {
        &self.0.place
    }
    /// What to do next.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
    /// The exit code.
    pub fn exit_code(&self) -> Exit {
        self.0.exit
    }
    /// The text to underline.
    pub fn snippet_ref(&self) -> Option<&Snippet> {
        self.0.snippet.as_ref()
    }
    /// Further errors of the same check.
    pub fn related(&self) -> &[Error] {
        &self.0.related
    }
    /// The message with its causes, on one line.
    pub fn full_message(&self) -> String {
        let mut text = self.0.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let place = self.0.place.to_string();
        if !place.is_empty() {
            write!(f, " ({place})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {self}", self.0.code)?;
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| &**cause as &(dyn std::error::Error + 'static))
    }
}

/// Something that did not get through: counted, and listed in the report. The rest of the night goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rejection {
    /// Local name of the element, or `image`, `file`.
    pub object_type: String,
    /// Stable code.
    pub code: String,
    /// What is wrong, without quoting content.
    pub reason: String,
    /// File, position, object.
    pub place: Place,
}

impl Rejection {
    /// The rejection of one object of `object_type`, for the reason that `error` gives.
    pub fn of(object_type: &str, error: &Error) -> Self {
        Self {
            object_type: object_type.to_owned(),
            code: error.code().to_owned(),
            reason: error.full_message(),
            place: error.place().clone(),
        }
    }
    /// True for a file of which nothing was taken.
    pub fn is_of_file(&self) -> bool {
        self.object_type == "file"
    }
}
