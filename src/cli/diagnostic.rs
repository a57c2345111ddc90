//! How an error looks: for people with the text underlined, for programs as one JSON object.

use crate::error::Error;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Map, Value, json};
use std::fmt;

/// How errors are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// Columns to wrap at.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 120 }
    }
}

/// The error for people: `error[code] file:line:column`, what failed, the text underlined, causes, hint; then related errors.
pub fn render(error: &Error, style: Style) -> String {
    let mut out = String::new();
    if error.related().is_empty() {
        one(error, style, &mut out);
    } else {
        for related in error.related() {
            one(related, style, &mut out);
            out.push('\n');
        }
        out.push_str(&format!("{}: {}", paint("error", "1;31", style), error.message()));
        let place = error.place().to_string();
        if !place.is_empty() {
            out.push_str(&format!(": {place}"));
        }
        out.push('\n');
    }
    out
}

/// The error for programs.
pub fn to_json(error: &Error) -> Value {
    let mut object = Map::new();
    object.insert("code".to_owned(), json!(error.code()));
    object.insert("message".to_owned(), json!(error.full_message()));
    if let Ok(Value::Object(place)) = serde_json::to_value(error.place()) {
        object.extend(place);
    }
    if let Some(snippet) = error.snippet_ref() {
        object.insert("span".to_owned(), json!([snippet.span.start, snippet.span.end]));
    }
    if let Some(hint) = error.hint_text() {
        object.insert("hint".to_owned(), json!(hint));
    }
    object.insert("exit".to_owned(), json!(error.exit_code() as u8));
    if !error.related().is_empty() {
        object.insert("related".to_owned(), error.related().iter().map(to_json).collect());
    }
    Value::Object(object)
}

fn one(error: &Error, style: Style, out: &mut String) {
    out.push_str(&paint(&format!("error[{}]", error.code()), "1;31", style));
    let place = error.place();
    let text = match (&place.file, place.line, error.snippet_ref()) {
        (Some(file), Some(line), Some(_)) => format!("{file}:{line}:{}", place.column.unwrap_or(1)),
        _ => place.to_string(),
    };
    if !text.is_empty() {
        out.push(' ');
        out.push_str(&text);
    }
    out.push('\n');
    let theme = if style.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(style.width)
        .with_context_lines(1)
        .with_cause_chain();
    let shown = Shown { error, source: error.snippet_ref().map(|part| NamedSource::new(&part.name, part.text.clone())) };
    let mut body = String::new();
    if handler.render_report(&mut body, &shown).is_err() {
        body = format!("  × {}\n", error.full_message());
    }
    for line in body.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
    if let Some(hint) = error.hint_text() {
        out.push_str(&format!("  {} {hint}\n", paint("hint:", "36", style)));
    }
}

fn paint(text: &str, colour: &str, style: Style) -> String {
    if style.color { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// The error in miette's terms: message, causes and one label. Code and hint stand outside.
struct Shown<'a> {
    error: &'a Error,
    source: Option<NamedSource<std::sync::Arc<str>>>,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.error)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error.message())
    }
}

impl std::error::Error for Shown<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self.error)
    }
}

impl miette::Diagnostic for Shown<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.error.snippet_ref()?.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, (span.start, span.len())))))
    }
}
