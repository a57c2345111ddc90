//! Rules that a written record must meet beyond its schema: those of the GDI-DE conventions for metadata (2.0.3) that apply to
//! datasets, with the INSPIRE and open data rules where the record claims to be such. Numbers are the conventions' chapters.
//!
//! A failure is what their test suite calls *Fehler*: catalogues refuse such a record. A warning is its *Warnung*.

use super::licence::licence;
use super::theme::THEMES;
use super::tree::Tree;
use crate::error::Result;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Catalogues refuse the record.
    Failure,
    /// It can be better.
    Warning,
}

/// A rule that a record does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFinding {
    /// The rule, as `GDI-DE 2.5`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
}

struct Checker<'a> {
    root: &'a Tree,
    /// The first `identificationInfo`'s object: the only one that counts.
    data: Option<&'a Tree>,
    findings: Vec<RuleFinding>,
}

const CODE_LISTS: &str = "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml";

/// Checks a record.
///
/// # Errors
/// When the text cannot be read as XML.
pub fn check(xml: &str) -> Result<Vec<RuleFinding>> {
    let root = Tree::parse(xml)?;
    let data = root.first("gmd:identificationInfo/*");
    let mut checker = Checker { root: &root, data, findings: Vec::new() };
    if root.is("gmd:MD_Metadata") {
        checker.identity();
        checker.language();
        let party = "gmd:CI_ResponsibleParty";
        checker.contact("GDI-DE 2.5", root.first(&format!("gmd:contact/{party}")), "metadata");
        checker.contact("GDI-DE 2.6", data.and_then(|data| data.first(&format!("gmd:pointOfContact/{party}"))), "dataset");
        checker.access();
        checker.terms();
        checker.identifier();
        checker.keywords();
        checker.texts();
    } else {
        checker.fail("ISO 19139", "the root element is not gmd:MD_Metadata");
    }
    Ok(checker.findings)
}

impl<'a> Checker<'a> {
    fn fail(&mut self, rule: &'static str, message: impl Into<String>) {
        self.findings.push(RuleFinding { rule, severity: Severity::Failure, message: message.into() });
    }
    fn warn(&mut self, rule: &'static str, message: impl Into<String>) {
        self.findings.push(RuleFinding { rule, severity: Severity::Warning, message: message.into() });
    }
    fn in_data(&self, path: &str) -> Vec<&'a Tree> {
        self.data.map_or_else(Vec::new, |data| data.all(path))
    }

    fn identity(&mut self) {
        match self.root.all("gmd:identificationInfo").len() {
            0 => self.fail("GDI-DE 2.1", "there is no identificationInfo"),
            1 => {}
            _ => self.warn("GDI-DE 2.1", "there are several identificationInfo; only the first counts"),
        }
        match self.root.first("gmd:fileIdentifier").map(Tree::value) {
            None | Some("") => self.fail("GDI-DE 2.2", "there is no fileIdentifier"),
            Some(id) if uuid::Uuid::try_parse(id).is_err() => self.warn("GDI-DE 2.2", "the fileIdentifier is no UUID"),
            Some(_) => {}
        }
        const SCOPES: [&str; 16] = [
            "attribute",
            "attributeType",
            "collectionHardware",
            "collectionSession",
            "dataset",
            "series",
            "nonGeographicDataset",
            "dimensionGroup",
            "feature",
            "featureType",
            "propertyType",
            "fieldSession",
            "software",
            "service",
            "model",
            "tile",
        ];
        match self.root.first("gmd:hierarchyLevel/gmd:MD_ScopeCode") {
            None => self.fail("GDI-DE 2.3", "there is no hierarchyLevel"),
            Some(scope) => {
                if !scope.attribute("codeListValue").is_some_and(|value| SCOPES.contains(&value)) {
                    self.fail("GDI-DE 2.3", "the hierarchyLevel is no value of MD_ScopeCode");
                }
                if scope.attribute("codeList") != Some(&format!("{CODE_LISTS}#MD_ScopeCode")) {
                    self.warn("GDI-DE 2.3", "the hierarchyLevel names another code list");
                }
            }
        }
        let stamp = self.root.first("gmd:dateStamp").map(Tree::value).unwrap_or_default();
        if stamp.get(..10).unwrap_or(stamp).parse::<jiff::civil::Date>().is_err() {
            self.fail("ISO 19115", "the dateStamp is no date");
        }
    }

    fn language(&mut self) {
        let code = self.root.first("gmd:language/gmd:LanguageCode");
        match code.and_then(|code| code.attribute("codeListValue")) {
            None | Some("") => self.fail("GDI-DE 2.4", "there is no language"),
            Some("ger") => {}
            Some(value) if value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                self.warn("GDI-DE 2.4", "the language is not 'ger'");
            }
            Some(_) => self.fail("GDI-DE 2.4", "the language is no code of three letters (ISO 639-2)"),
        }
        if code.is_some_and(|code| code.attribute("codeList") != Some("http://www.loc.gov/standards/iso639-2/")) {
            self.warn("GDI-DE 2.4", "the language names another code list");
        }
    }

    fn contact(&mut self, rule: &'static str, party: Option<&Tree>, of: &str) {
        let Some(party) = party else { return self.fail(rule, format!("there is no contact for the {of}")) };
        let get = |path: &str| party.first(path).map(Tree::value).unwrap_or_default();
        if get("gmd:organisationName").is_empty() {
            self.fail(rule, format!("the contact for the {of} has no organisation"));
        }
        let mail = get("gmd:contactInfo/gmd:CI_Contact/gmd:address/gmd:CI_Address/gmd:electronicMailAddress");
        if !is_mail_address(mail) {
            self.fail(rule, format!("the contact for the {of} has no e-mail address"));
        }
        let role = party.first("gmd:role/gmd:CI_RoleCode").and_then(|role| role.attribute("codeListValue"));
        if role != Some("pointOfContact") {
            self.fail(rule, format!("the contact for the {of} has not the role pointOfContact"));
        }
    }

    fn access(&mut self) {
        if !self.has_keyword("inspireidentifiziert") {
            return;
        }
        let base = "http://inspire.ec.europa.eu/metadata-codelist/LimitationsOnPublicAccess/";
        let anchors = self.in_data("gmd:resourceConstraints/gmd:MD_LegalConstraints/gmd:otherConstraints/gmx:Anchor");
        if !anchors.iter().any(|anchor| anchor.attribute("xlink:href").is_some_and(|href| href.starts_with(base))) {
            self.fail("GDI-DE 2.8", "no limitation of public access is taken from the INSPIRE code list");
        }
    }

    fn terms(&mut self) {
        let groups = self.in_data("gmd:resourceConstraints/gmd:MD_LegalConstraints");
        let usage: Vec<_> = groups.into_iter().filter(|group| group.first("gmd:useConstraints").is_some()).collect();
        let &[group] = usage.as_slice() else {
            return self.fail("GDI-DE 2.9.1", format!("there are {} groups of useConstraints, not one", usage.len()));
        };
        let codes = group.all("gmd:useConstraints/gmd:MD_RestrictionCode");
        let other = codes.iter().filter(|code| code.attribute("codeListValue") == Some("otherRestrictions")).count();
        if other != 1 {
            self.warn("GDI-DE 2.9.1", format!("otherRestrictions is given {other} times, not once"));
        }
        let texts = group.all("gmd:otherConstraints").into_iter().map(Tree::value);
        let (json, plain): (Vec<_>, Vec<_>) = texts.partition(|text| text.starts_with('{') && text.ends_with('}'));
        if plain.iter().all(|text| text.is_empty()) {
            self.fail("GDI-DE 2.9.1", "there are no terms of use in words");
        }
        if plain.contains(&"Bedingungen unbekannt") {
            self.warn("GDI-DE 2.9.1", "the terms of use are unknown");
        }
        if plain.len() > 1 {
            self.warn("GDI-DE 2.9.1", "there are several texts of terms of use");
        }
        if self.has_keyword("opendata") {
            self.licence_json(&json);
        }
    }

    fn licence_json(&mut self, json: &[&str]) {
        let &[text] = json else {
            return self.fail("GDI-DE 3.6", format!("there are {} licences as JSON, not one", json.len()));
        };
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let get = |key: &str| value.get(key).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
        match get("id") {
            Some(id) if licence(id).is_some() => {}
            _ => self.fail("GDI-DE 3.6", "the licence's id is no code of DCAT-AP.de"),
        }
        for key in ["name", "url", "quelle"] {
            if value.get(key).is_none() {
                self.warn("GDI-DE 3.6", format!("the licence has no '{key}'"));
            }
        }
    }

    fn identifier(&mut self) {
        let codes = self.in_data("gmd:citation/gmd:CI_Citation/gmd:identifier/*/gmd:code");
        match codes.as_slice() {
            [] => self.fail("GDI-DE 3.1", "the dataset has no identifier of its own"),
            codes if codes.iter().any(|code| code.value().is_empty()) => {
                self.fail("GDI-DE 3.1", "the dataset's identifier is empty");
            }
            codes if !codes.iter().any(|code| code.value().contains(':')) => {
                self.warn("GDI-DE 3.1", "the dataset's identifier has no namespace");
            }
            _ => {}
        }
    }

    fn keywords(&mut self) {
        let groups = self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords");
        // Only words of that thesaurus: a free keyword may have the name of another theme.
        let mut themes = Vec::new();
        for group in &groups {
            let thesaurus = group.first("gmd:thesaurusName/gmd:CI_Citation/gmd:title").map(Tree::value);
            let words = group.all("gmd:keyword");
            if thesaurus.is_some() && words.iter().any(|word| ["opendata", "inspireidentifiziert"].contains(&word.value())) {
                self.warn("GDI-DE 3.2.2", "'opendata' and 'inspireidentifiziert' belong to no thesaurus");
            }
            if thesaurus == Some("GEMET - INSPIRE themes, version 1.0") {
                for word in words {
                    match THEMES.iter().find(|theme| theme.name == word.value()) {
                        Some(theme) => themes.push(theme),
                        None => self.fail("GDI-DE 3.2.1", format!("'{}' is no INSPIRE theme", word.value())),
                    }
                }
            }
        }
        if !self.has_keyword("inspireidentifiziert") {
            return;
        }
        if themes.is_empty() {
            self.fail("GDI-DE 3.2.1", "an INSPIRE record names no INSPIRE theme");
        }
        let topics: Vec<_> = self.in_data("gmd:topicCategory").into_iter().map(Tree::value).collect();
        for topic in themes.iter().filter_map(|theme| theme.topic) {
            if !topics.contains(&topic) {
                self.warn("GDI-DE 3.3", format!("the topic category of its INSPIRE theme is '{topic}'"));
            }
        }
        let report =
            "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:report/gmd:DQ_DomainConsistency/gmd:result/gmd:DQ_ConformanceResult";
        let conforms = self.root.all(report).into_iter().any(|result| {
            let title = result.first("gmd:specification/gmd:CI_Citation/gmd:title").map(Tree::value).unwrap_or_default();
            title.contains("1089/2010") && result.first("gmd:pass/gco:Boolean").is_some_and(|pass| !pass.text.trim().is_empty())
        });
        if !conforms {
            self.fail("GDI-DE 3.5", "an INSPIRE record does not say whether it conforms to Regulation (EC) 1089/2010");
        }
    }

    fn texts(&mut self) {
        let title = self.in_data("gmd:citation/gmd:CI_Citation/gmd:title").first().map_or("", |title| title.value());
        let summary = self.in_data("gmd:abstract").first().map_or("", |text| text.value());
        if title.is_empty() {
            self.fail("INSPIRE TG 1.4", "there is no title");
        }
        if summary.is_empty() {
            self.fail("INSPIRE TG 1.4", "there is no abstract");
        } else if summary == title {
            self.warn("INSPIRE TG 1.4", "the abstract only repeats the title");
        }
        let boxes = self.in_data("gmd:extent/gmd:EX_Extent/gmd:geographicElement/gmd:EX_GeographicBoundingBox");
        let bound = |tree: &Tree, name: &str| tree.first(name).and_then(|value| value.value().parse::<f64>().ok());
        let plausible = boxes.iter().any(|tree| {
            let west = bound(tree, "gmd:westBoundLongitude").filter(|west| (-180.0..=180.0).contains(west));
            let east = bound(tree, "gmd:eastBoundLongitude").filter(|east| (-180.0..=180.0).contains(east));
            let south = bound(tree, "gmd:southBoundLatitude").filter(|south| (-90.0..=90.0).contains(south));
            let north = bound(tree, "gmd:northBoundLatitude").filter(|north| (-90.0..=90.0).contains(north));
            matches!((west, east, south, north), (Some(w), Some(e), Some(s), Some(n)) if w <= e && s <= n)
        });
        if !plausible {
            self.fail("INSPIRE TG 1.2", "there is no plausible bounding box");
        }
    }

    fn has_keyword(&self, keyword: &str) -> bool {
        self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:keyword").iter().any(|word| word.value() == keyword)
    }
}

/// The form that GDI-DE 2.5 asks for: a local part, `@`, a host with a dot.
fn is_mail_address(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let local_ok = !local.is_empty() && local.chars().all(|c| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c));
    let labels: Vec<_> = host.split('.').collect();
    let label_ok = |label: &&str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    local_ok && labels.len() > 1 && labels.iter().all(label_ok)
}
