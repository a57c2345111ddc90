//! What went wrong, as problem details (RFC 9457).

use super::super::http::Response;
use crate::error::Error;

/// A refusal.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    detail: String,
    header: Option<(&'static str, String)>,
    gone: bool,
}

impl Problem {
    /// With this status and these words.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None, gone: false }
    }
    /// A parameter is wrong.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(400, detail)
    }
    /// There is no such resource.
    pub fn not_found(detail: &str) -> Self {
        Self::new(404, detail)
    }
    /// With a header field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }
    /// True when the files of the release could not be opened: perhaps it is no longer the current one.
    pub fn is_gone(&self) -> bool {
        self.gone
    }
    /// As an answer.
    pub fn response(self) -> Response {
        let title = match self.status {
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            410 => "Gone",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let body = serde_json::json!({ "title": title, "status": self.status, "detail": self.detail });
        let response = Response::text(self.status, "application/problem+json", body.to_string());
        match self.header {
            Some((name, value)) => response.with(name, value),
            None => response,
        }
    }
}

impl From<Error> for Problem {
    /// What it is about stands in the log: folders of this machine are nobody's business.
    fn from(error: Error) -> Self {
        match error.code() {
            "mk::serve::busy" => Self::new(503, "too many requests at a time").with("Retry-After", "5"),
            "mk::release::none" => Self::new(503, "nothing is released here yet").with("Retry-After", "600"),
            code => {
                tracing::error!("{}", error.full_message());
                Self { gone: code == "mk::serve::open", ..Self::new(500, "the data could not be read") }
            }
        }
    }
}

/// Words of a request for a message: not too many of them.
pub fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(60).collect()
}
