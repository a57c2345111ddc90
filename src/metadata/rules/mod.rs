//! Rules that a written record must meet beyond its schema: the GDI-DE conventions for metadata (2.0.3, `gdi_de`) and the INSPIRE
//! technical guidance for metadata (2.0.1, `inspire`), for datasets, series and services.
//!
//! A failure is what the test suites call *Fehler*: catalogues refuse such a record. A warning is their *Warnung*. Messages are
//! German, since the people who read them are those who answer for the record; each names the element by its XPath, and what to
//! write in the pipeline file where that mends it.

mod gdi_de;
mod inspire;

use super::existing::holds_credentials;
use super::tree::Tree;
use crate::error::Result;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Catalogues refuse the record.
    Failure,
    /// It can be better.
    Warning,
}

impl Severity {
    /// `F` or `W`, as the test suites write it.
    pub fn letter(self) -> char {
        match self {
            Self::Failure => 'F',
            Self::Warning => 'W',
        }
    }
}

/// A rule that a record does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFinding {
    /// The rule, as `GDI-DE 2.5`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in German.
    pub message: String,
    /// The element, below `gmd:MD_Metadata`.
    pub xpath: &'static str,
    /// What to write in the pipeline file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// What a record describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Dataset,
    Service,
    Other,
}

struct Checker<'a> {
    root: &'a Tree,
    /// The first `identificationInfo`'s object: the only one that counts.
    data: Option<&'a Tree>,
    scope: Scope,
    findings: Vec<RuleFinding>,
}

const CODE_LISTS: &str = "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml";

/// Checks a record.
///
/// # Errors
/// When the text cannot be read as XML.
pub fn check(xml: &str) -> Result<Vec<RuleFinding>> {
    Ok(check_tree(&Tree::parse(xml)?))
}

/// Checks a parsed record.
pub(crate) fn check_tree(root: &Tree) -> Vec<RuleFinding> {
    let data = root.first("gmd:identificationInfo/*");
    let level = root.first("gmd:hierarchyLevel/gmd:MD_ScopeCode").and_then(|scope| scope.attribute("codeListValue"));
    let scope = match level {
        Some("dataset" | "series") => Scope::Dataset,
        Some("service") => Scope::Service,
        _ => Scope::Other,
    };
    let mut checker = Checker { root, data, scope, findings: Vec::new() };
    if root.is("gmd:MD_Metadata") {
        checker.gdi_de();
        checker.inspire();
        checker.secrets();
    } else {
        checker.fail("ISO 19139", ".", "Das Wurzelelement ist nicht gmd:MD_Metadata.");
    }
    checker.findings
}

impl<'a> Checker<'a> {
    fn fail(&mut self, rule: &'static str, xpath: &'static str, message: impl Into<String>) {
        self.push(Severity::Failure, rule, xpath, message.into());
    }
    fn warn(&mut self, rule: &'static str, xpath: &'static str, message: impl Into<String>) {
        self.push(Severity::Warning, rule, xpath, message.into());
    }
    fn push(&mut self, severity: Severity, rule: &'static str, xpath: &'static str, message: String) {
        self.findings.push(RuleFinding { rule, severity, message, xpath, remedy: remedy(rule) });
    }
    /// An address that lets everybody in who reads it: whoever harvests the record would publish it.
    fn secrets(&mut self) {
        if self.root.find_all("URL").iter().any(|url| holds_credentials(&url.text)) {
            self.fail("Zugangsdaten", "//gmd:URL", "Eine Adresse enthält ein Passwort oder ein Zugriffstoken.");
        }
    }
    fn in_data(&self, path: &str) -> Vec<&'a Tree> {
        self.data.map_or_else(Vec::new, |data| data.all(path))
    }
    fn has_keyword(&self, keyword: &str) -> bool {
        self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:keyword").iter().any(|word| word.value() == keyword)
    }
    /// True when the record claims to be an INSPIRE record.
    fn is_inspire(&self) -> bool {
        self.has_keyword("inspireidentifiziert")
    }
    /// The code of the first element on a path.
    fn code<'t>(tree: &'t Tree, path: &str) -> Option<&'t str> {
        tree.first(path)?.attribute("codeListValue")
    }
}

/// What mends a rule that the pipeline file decides.
fn remedy(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "GDI-DE 2.5" | "GDI-DE 2.6" | "INSPIRE TG C.6" | "INSPIRE TG C.10" => {
            "[pipeline] contact = { organisation = \"Stadt ..., Amt ...\", email = \"geodaten@...\" }"
        }
        "GDI-DE 2.9.1" | "GDI-DE 2.9.2" | "GDI-DE 3.6" | "INSPIRE TG C.18" => {
            "[dataset.metadata] licence = \"dl-by-de/2.0\", attribution = \"© ...\""
        }
        "GDI-DE 3.1" => "[pipeline] contact = { ..., namespace = \"de.sh....\" }",
        "GDI-DE 3.4" | "INSPIRE TG 1.8" | "GDI-DE 4.3.1" | "GDI-DE 4.3.2" | "INSPIRE TG 3.7" => {
            "[pipeline] base_url = \"https://...\""
        }
        "INSPIRE TG C.9" => "[dataset.metadata] abstract = \"...\"",
        _ => return None,
    })
}

/// The form that GDI-DE 2.5 asks for: a local part, `@`, a host with a dot.
fn is_mail_address(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let local_ok = !local.is_empty() && local.chars().all(|c| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c));
    let labels: Vec<_> = host.split('.').collect();
    let label_ok = |label: &&str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    local_ok && labels.len() > 1 && labels.iter().all(label_ok)
}

/// A day, with a time or without; also a month or a year.
fn is_date(text: &str) -> bool {
    match text.len() {
        4 => text.bytes().all(|byte| byte.is_ascii_digit()),
        7 => format!("{text}-01").parse::<jiff::civil::Date>().is_ok(),
        _ => text.get(..10).is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok()),
    }
}
