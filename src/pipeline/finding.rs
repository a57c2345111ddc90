//! What is wrong in a pipeline file, and how it becomes an [`Error`] with line, column and the text underlined.

use super::tree::{Item, Node};
use crate::error::{Error, Exit, Place, Snippet};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub code: &'static str,
    pub message: String,
    pub span: Range<usize>,
    pub hint: Option<String>,
}

impl Finding {
    pub fn new(code: &'static str, span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: span.clone(), hint: None }
    }
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// Words in a key that say that its value is nobody's business.
const SECRET_WORDS: &[&str] = &["passw", "kennwort", "secret", "token", "credential", "api_key", "apikey", "api-key"];

/// Lines that set such a key, for files that do not parse.
static SECRET_LINE: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
    regex::Regex::new(r#"(?i)(?:passw|kennwort|secret|token|credential|api[_-]?key)[\w-]*["']?\s*=\s*([^\s{][^\n]*)"#).ok()
});

/// `user:password@` in addresses.
static USERINFO: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(r#"://([^/\s"'@]+)@"#).ok());

/// The text with stars, byte for byte, where a secret may stand: messages quote and underline this text only.
pub(super) fn masked(text: &str, root: &Node, parsed: bool) -> String {
    let mut ranges = Vec::new();
    collect(root, false, &mut ranges);
    let mut patterns = vec![&*USERINFO];
    if !parsed {
        patterns.push(&*SECRET_LINE);
    }
    for pattern in patterns.into_iter().flatten() {
        ranges.extend(pattern.captures_iter(text).filter_map(|found| found.get(1)).map(|group| group.range()));
    }
    mask(text, &ranges)
}

/// Replaces byte ranges by stars; line breaks stay.
pub(super) fn mask(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        let Some(part) = bytes.get_mut(range.clone()) else { continue };
        for byte in part {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b'*';
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn collect(node: &Node, secret: bool, ranges: &mut Vec<Range<usize>>) {
    match &node.item {
        Item::Table(entries) => {
            // A reference, `{ env = "NAME" }`, is no secret.
            let reference = entries.iter().all(|entry| super::secret::KEYS.contains(&entry.key.as_str()));
            for entry in entries {
                let lower = entry.key.to_lowercase();
                let named = SECRET_WORDS.iter().any(|word| lower.contains(word));
                let by_reference = reference && super::secret::KEYS.contains(&entry.key.as_str());
                collect(&entry.node, !by_reference && (secret || named), ranges);
            }
        }
        Item::Array(values) => values.iter().for_each(|value| collect(value, secret, ranges)),
        _ if secret => ranges.push(node.span.clone()),
        _ => {}
    }
}

/// The error of all findings: the finding itself when there is one, else one error with all of them related.
pub(super) fn into_error(name: &str, text: &str, mut findings: Vec<Finding>) -> Error {
    findings.sort_by_key(|finding| finding.span.start);
    let text: Arc<str> = Arc::from(text);
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut errors: Vec<Error> = findings
        .into_iter()
        .map(|finding| {
            let start = floor(&text, finding.span.start);
            let end = floor(&text, finding.span.end.max(start));
            let line = starts.partition_point(|at| *at <= start);
            let column = text[starts[line - 1]..start].chars().count() + 1;
            let place = Place {
                file: Some(name.to_owned()),
                line: Some(line as u64),
                column: Some(column as u64),
                byte: Some(start as u64),
                ..Place::default()
            };
            let error = Error::new(finding.code, finding.message).at(place).exit(Exit::Usage).snippet(Snippet {
                name: name.to_owned(),
                text: text.clone(),
                span: start..end,
            });
            match finding.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
        .collect();
    if errors.len() == 1 {
        return errors.remove(0);
    }
    Error::new("mk::config::invalid", format!("{} errors in the pipeline file", errors.len()))
        .at(Place::file(name))
        .exit(Exit::Usage)
        .with_related(errors)
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// The candidate that was probably meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase().replace('-', "_");
            let edits = strsim::damerau_levenshtein(&lower, &other);
            let close =
                edits <= other.chars().count().max(lower.chars().count()) / 3 || strsim::jaro_winkler(&lower, &other) > 0.9;
            close.then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The hint for a name that is not known: the nearest one, or all.
pub fn did_you_mean<'a>(word: &str, what: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(nearest) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    (!candidates.is_empty()).then(|| format!("{what}: {}", listed(&candidates)))
}

/// Names between backticks, separated by commas.
pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
