//! GDI-DE conventions for metadata 2.0.3: numbers are its chapters. Chapters 2 are for all records, 3 for datasets and series, 4 for
//! services; open data and INSPIRE rules hold where the record claims to be such.

use super::super::licence::licence;
use super::super::theme::THEMES;
use super::{CODE_LISTS, Checker, Scope, Tree, is_date, is_mail_address};

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

/// ISO 19115, B.5.24.
const RESTRICTIONS: [&str; 8] = [
    "copyright",
    "patent",
    "patentPending",
    "trademark",
    "license",
    "intellectualPropertyRights",
    "restricted",
    "otherRestrictions",
];

const LEGAL: &str = "gmd:identificationInfo/*/gmd:resourceConstraints/gmd:MD_LegalConstraints";
const KEYWORDS: &str = "gmd:identificationInfo/*/gmd:descriptiveKeywords/gmd:MD_Keywords";

impl Checker<'_> {
    pub(super) fn gdi_de(&mut self) {
        self.identity();
        self.language();
        let (root, data) = (self.root, self.data);
        let party = "gmd:CI_ResponsibleParty";
        self.contact("GDI-DE 2.5", "gmd:contact", root.first(&format!("gmd:contact/{party}")), "die Metadaten");
        let resource = data.and_then(|data| data.first(&format!("gmd:pointOfContact/{party}")));
        self.contact("GDI-DE 2.6", "gmd:identificationInfo/*/gmd:pointOfContact", resource, "die Ressource");
        self.access();
        self.terms();
        self.keywords();
        match self.scope {
            Scope::Dataset => {
                self.identifier();
                self.inspire_theme();
                self.dataset_links();
            }
            Scope::Service => self.service(),
            Scope::Other => {}
        }
    }

    fn identity(&mut self) {
        let path = "gmd:identificationInfo";
        match self.root.all(path).len() {
            0 => self.fail("GDI-DE 2.1", path, "Es gibt kein identificationInfo."),
            1 => {}
            _ => self.warn("GDI-DE 2.1", path, "Es gibt mehrere identificationInfo; nur das erste wird ausgewertet."),
        }
        let path = "gmd:fileIdentifier";
        match self.root.first(path).map(Tree::value) {
            None | Some("") => self.fail("GDI-DE 2.2", path, "Der Metadatensatzidentifikator fehlt."),
            Some(id) if uuid::Uuid::try_parse(id).is_err() => {
                self.warn("GDI-DE 2.2", path, "Der Metadatensatzidentifikator ist keine UUID.");
            }
            Some(_) => {}
        }
        let path = "gmd:hierarchyLevel/gmd:MD_ScopeCode";
        match self.root.first(path) {
            None => self.fail("GDI-DE 2.3", path, "Die Art der Ressource (hierarchyLevel) fehlt."),
            Some(scope) => {
                if !scope.attribute("codeListValue").is_some_and(|value| SCOPES.contains(&value)) {
                    self.fail("GDI-DE 2.3", path, "Die Art der Ressource ist kein Wert aus MD_ScopeCode.");
                }
                if scope.attribute("codeList") != Some(&format!("{CODE_LISTS}#MD_ScopeCode")) {
                    self.warn("GDI-DE 2.3", path, "Die Art der Ressource nennt eine andere Codeliste.");
                }
            }
        }
        let path = "gmd:dateStamp";
        if !self.root.first(path).map(Tree::value).is_some_and(|stamp| stamp.len() >= 10 && is_date(stamp)) {
            self.fail("ISO 19115", path, "dateStamp ist kein Datum.");
        }
    }

    fn language(&mut self) {
        let path = "gmd:language/gmd:LanguageCode";
        let code = self.root.first(path);
        match code.and_then(|code| code.attribute("codeListValue")) {
            None | Some("") => self.fail("GDI-DE 2.4", path, "Die Sprache der Metadaten fehlt."),
            Some("ger") => {}
            Some(value) if value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                self.warn("GDI-DE 2.4", path, "Die Sprache der Metadaten ist nicht Deutsch (ger).");
            }
            Some(_) => self.fail("GDI-DE 2.4", path, "Die Sprache der Metadaten ist kein Code aus drei Buchstaben (ISO 639-2)."),
        }
        if code.is_some_and(|code| code.attribute("codeList") != Some("http://www.loc.gov/standards/iso639-2/")) {
            self.warn("GDI-DE 2.4", path, "Die Sprache der Metadaten nennt eine andere Codeliste.");
        }
    }

    fn contact(&mut self, rule: &'static str, path: &'static str, party: Option<&Tree>, of: &str) {
        let Some(party) = party else { return self.fail(rule, path, format!("Der Kontakt für {of} fehlt.")) };
        let get = |path: &str| party.first(path).map(Tree::value).unwrap_or_default();
        if get("gmd:organisationName").is_empty() {
            self.fail(rule, path, format!("Der Kontakt für {of} nennt keine Organisation."));
        }
        let mail = get("gmd:contactInfo/gmd:CI_Contact/gmd:address/gmd:CI_Address/gmd:electronicMailAddress");
        if !is_mail_address(mail) {
            self.fail(rule, path, format!("Der Kontakt für {of} hat keine E-Mail-Adresse."));
        }
        if Self::code(party, "gmd:role/gmd:CI_RoleCode") != Some("pointOfContact") {
            self.fail(rule, path, format!("Der Kontakt für {of} hat nicht die Rolle pointOfContact."));
        }
    }

    fn access(&mut self) {
        if !self.is_inspire() {
            return;
        }
        let base = "http://inspire.ec.europa.eu/metadata-codelist/LimitationsOnPublicAccess/";
        let groups = self.in_data("gmd:resourceConstraints/gmd:MD_LegalConstraints");
        let given = groups.iter().any(|group| {
            Self::code(group, "gmd:accessConstraints/gmd:MD_RestrictionCode") == Some("otherRestrictions")
                && group.all("gmd:otherConstraints/gmx:Anchor").iter().any(|anchor| {
                    anchor.attribute("xlink:href").is_some_and(|href| href.replacen("https://", "http://", 1).starts_with(base))
                })
        });
        if !given {
            self.fail(
                "GDI-DE 2.8",
                LEGAL,
                "Die Beschränkung des öffentlichen Zugangs ist nicht aus der INSPIRE-Codeliste genommen.",
            );
        }
    }

    fn terms(&mut self) {
        let rule = if self.is_inspire() { "GDI-DE 2.9.2" } else { "GDI-DE 2.9.1" };
        let groups = self.in_data("gmd:resourceConstraints/gmd:MD_LegalConstraints");
        let usage: Vec<_> = groups.into_iter().filter(|group| group.first("gmd:useConstraints").is_some()).collect();
        let &[group] = usage.as_slice() else {
            let message = format!("Es muss genau ein MD_LegalConstraints mit useConstraints geben, nicht {}.", usage.len());
            return self.fail(rule, LEGAL, message);
        };
        let codes = group.all("gmd:useConstraints/gmd:MD_RestrictionCode");
        if codes.iter().any(|code| !code.attribute("codeListValue").is_some_and(|value| RESTRICTIONS.contains(&value))) {
            self.fail(rule, LEGAL, "Ein useConstraints hat keinen Wert aus MD_RestrictionCode.");
        }
        let other = codes.iter().filter(|code| code.attribute("codeListValue") == Some("otherRestrictions")).count();
        if other != 1 {
            self.warn(rule, LEGAL, format!("otherRestrictions kommt {other}-mal vor, nicht einmal."));
        }
        let texts = group.all("gmd:otherConstraints").into_iter().map(Tree::value);
        let (json, plain): (Vec<_>, Vec<_>) = texts.partition(|text| text.starts_with('{') && text.ends_with('}'));
        if plain.iter().all(|text| text.is_empty()) {
            self.fail(rule, LEGAL, "Die Nutzungsbedingungen fehlen; ohne Bedingungen: „Es gelten keine Bedingungen“.");
        }
        if plain.contains(&"Bedingungen unbekannt") {
            self.warn(rule, LEGAL, "„Bedingungen unbekannt“ sollte vermieden werden.");
        }
        if plain.len() > 1 {
            self.warn(rule, LEGAL, "Die Nutzungsbedingungen stehen in mehreren otherConstraints.");
        }
        if self.has_keyword("opendata") {
            self.licence_json(&json);
        }
    }

    fn licence_json(&mut self, json: &[&str]) {
        let &[text] = json else {
            return self.fail("GDI-DE 3.6", LEGAL, format!("Es muss genau eine Lizenz als JSON geben, nicht {}.", json.len()));
        };
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let get = |key: &str| value.get(key).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
        match get("id") {
            Some(id) if licence(id).is_some() => {}
            _ => self.fail("GDI-DE 3.6", LEGAL, "Die `id` der Lizenz ist kein Code aus DCAT-AP.de."),
        }
        for key in ["name", "url", "quelle"] {
            if value.get(key).is_none() {
                self.warn("GDI-DE 3.6", LEGAL, format!("Der Lizenz fehlt `{key}`."));
            }
        }
    }

    fn keywords(&mut self) {
        for group in self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords") {
            let words = group.all("gmd:keyword");
            let own = words.iter().any(|word| ["opendata", "inspireidentifiziert", "AdVMIS"].contains(&word.value()));
            if own && group.first("gmd:thesaurusName").is_some() {
                self.warn(
                    "GDI-DE 3.2.2",
                    KEYWORDS,
                    "„opendata“, „inspireidentifiziert“ und „AdVMIS“ gehören zu keinem Thesaurus.",
                );
            }
        }
        let lower = |word: &str| word.to_lowercase();
        let near = self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:keyword");
        if near.iter().any(|word| ["open data", "open-data"].contains(&lower(word.value()).as_str()))
            && !self.has_keyword("opendata")
        {
            self.warn("GDI-DE 3.2.2", KEYWORDS, "Offene Daten kennzeichnet das Schlüsselwort „opendata“, genau so geschrieben.");
        }
        self.high_value();
    }

    /// How high-value datasets are marked (Regulation (EU) 2023/138), where a record claims to be one.
    fn high_value(&mut self) {
        let anchors = self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:keyword/gmx:Anchor");
        let href = |tree: &Tree| tree.attribute("xlink:href").unwrap_or_default().to_owned();
        let legislation = anchors.iter().filter(|anchor| href(anchor) == super::super::hvd::LEGISLATION).count();
        let categories: Vec<String> =
            anchors.iter().map(|anchor| href(anchor)).filter(|url| url.starts_with("http://data.europa.eu/bna/c_")).collect();
        if legislation == 0 && categories.is_empty() {
            return;
        }
        if legislation != 1 {
            let message = format!("Die Verordnung (EU) 2023/138 muss genau einmal genannt sein, nicht {legislation}-mal.");
            self.fail("GDI-DE HVD", KEYWORDS, message);
        }
        if categories.is_empty()
            || categories.iter().any(|url| super::super::hvd::CATEGORIES.iter().all(|category| category.url() != *url))
        {
            self.fail("GDI-DE HVD", KEYWORDS, "Ein hochwertiger Datensatz braucht eine Kategorie aus der Liste der EU.");
        }
    }

    fn identifier(&mut self) {
        let path = "gmd:identificationInfo/*/gmd:citation/gmd:CI_Citation/gmd:identifier/*/gmd:code";
        let codes = self.in_data("gmd:citation/gmd:CI_Citation/gmd:identifier/*/gmd:code");
        match codes.as_slice() {
            [] => self.fail("GDI-DE 3.1", path, "Der Ressourcenidentifikator fehlt."),
            codes if codes.iter().any(|code| code.value().is_empty()) => {
                self.fail("GDI-DE 3.1", path, "Der Ressourcenidentifikator ist leer.");
            }
            codes if !codes.iter().any(|code| code.value().contains(':')) => {
                self.warn("GDI-DE 3.1", path, "Der Ressourcenidentifikator hat keinen Namensraum.");
            }
            _ => {}
        }
    }

    fn inspire_theme(&mut self) {
        // Only words of that thesaurus: a free keyword may have the name of another theme.
        let mut themes = Vec::new();
        for group in self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords") {
            let thesaurus = group.first("gmd:thesaurusName/gmd:CI_Citation/gmd:title").map(Tree::value);
            if thesaurus == Some("GEMET - INSPIRE themes, version 1.0") {
                for word in group.all("gmd:keyword") {
                    match THEMES.iter().find(|theme| theme.name == word.value()) {
                        Some(theme) => themes.push(theme),
                        None => self.fail("GDI-DE 3.2.1", KEYWORDS, format!("„{}“ ist kein INSPIRE-Thema.", word.value())),
                    }
                }
            }
        }
        if !self.is_inspire() {
            return;
        }
        if themes.is_empty() {
            self.fail("GDI-DE 3.2.1", KEYWORDS, "Der INSPIRE-Datensatz nennt kein INSPIRE-Thema.");
        }
        let topics: Vec<_> = self.in_data("gmd:topicCategory").into_iter().map(Tree::value).collect();
        for topic in themes.iter().filter_map(|theme| theme.topic) {
            if !topics.contains(&topic) {
                let path = "gmd:identificationInfo/*/gmd:topicCategory";
                self.warn("GDI-DE 3.3", path, format!("Zum INSPIRE-Thema gehört die Themenkategorie „{topic}“."));
            }
        }
        if !self.conforms_to(&["1089/2010"]) {
            let path = "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:report";
            self.fail(
                "GDI-DE 3.5",
                path,
                "Der INSPIRE-Datensatz sagt nicht, ob er der Verordnung (EG) Nr. 1089/2010 entspricht.",
            );
        }
    }

    /// True when a degree of conformity with one of these regulations is stated.
    pub(super) fn conforms_to(&self, regulations: &[&str]) -> bool {
        let report =
            "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:report/gmd:DQ_DomainConsistency/gmd:result/gmd:DQ_ConformanceResult";
        self.root.all(report).into_iter().any(|result| {
            let title = result.first("gmd:specification/gmd:CI_Citation/gmd:title").map(Tree::value).unwrap_or_default();
            regulations.iter().any(|regulation| title.contains(regulation))
                && result
                    .first("gmd:pass")
                    .is_some_and(|pass| !pass.value().is_empty() || pass.attribute("gco:nilReason").is_some())
        })
    }

    fn dataset_links(&mut self) {
        let path = "gmd:distributionInfo/gmd:MD_Distribution/gmd:transferOptions/gmd:MD_DigitalTransferOptions/gmd:onLine/gmd:CI_OnlineResource/gmd:linkage/gmd:URL";
        let open = self.is_inspire() || self.has_keyword("opendata");
        if open && !self.root.all(path).iter().any(|url| is_web_address(url.text.trim())) {
            self.warn("GDI-DE 3.4", path, "Kein Ressourcenverweis führt zu den Daten.");
        }
    }

    fn service(&mut self) {
        let Some(data) = self.data else { return };
        let path = "gmd:identificationInfo/srv:SV_ServiceIdentification/srv:serviceType";
        let kind = data.first("srv:serviceType").map(Tree::value).unwrap_or_default();
        if !["discovery", "view", "download", "transformation", "invoke", "other"].contains(&kind) {
            self.fail("GDI-DE 4.4", path, "Die Art des Geodatendienstes ist kein Wert der INSPIRE-Codeliste.");
        }
        if data.all("srv:serviceTypeVersion").iter().all(|version| version.value().is_empty()) {
            let path = "gmd:identificationInfo/srv:SV_ServiceIdentification/srv:serviceTypeVersion";
            self.warn("GDI-DE 4.5", path, "Die Version des Geodatendienstes fehlt.");
        }
        if self.is_inspire() {
            let words = self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:keyword");
            if !words.iter().any(|word| word.value().starts_with("info") || word.value().starts_with("humanGeographic")) {
                self.fail("GDI-DE 4.1.1", KEYWORDS, "Die Dienstkategorie fehlt unter den Schlüsselwörtern.");
            }
            if !self.conforms_to(&["976/2009", "1089/2010"]) {
                let path = "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:report";
                self.fail("GDI-DE 4.6", path, "Der Dienst sagt nicht, ob er der Verordnung (EG) Nr. 976/2009 entspricht.");
            }
        }
        let path = "gmd:identificationInfo/srv:SV_ServiceIdentification/srv:operatesOn";
        for coupled in data.all("srv:operatesOn") {
            let missing = |name| coupled.attribute(name).is_none_or(|value| value.trim().is_empty());
            if missing("xlink:href") {
                self.fail("GDI-DE 4.2.1", path, "Ein operatesOn hat kein xlink:href zum Metadatensatz der Daten.");
            }
            if missing("uuidref") {
                self.warn("GDI-DE 4.2.1", path, "Ein operatesOn hat kein uuidref.");
            }
        }
        if data.all("srv:operatesOn").is_empty() && kind != "discovery" && kind != "other" {
            self.warn("GDI-DE 4.2.1", path, "Der Dienst nennt keine gekoppelten Daten.");
        }
        let path = "gmd:identificationInfo/srv:SV_ServiceIdentification/srv:containsOperations/srv:SV_OperationMetadata/srv:connectPoint";
        let points = data
            .all("srv:containsOperations/srv:SV_OperationMetadata/srv:connectPoint/gmd:CI_OnlineResource/gmd:linkage/gmd:URL");
        if !points.iter().any(|url| is_web_address(url.text.trim())) {
            self.fail("GDI-DE 4.3.2", path, "Unter connectPoint steht keine Adresse des Dienstes.");
        }
        let path = "gmd:distributionInfo/gmd:MD_Distribution/gmd:transferOptions/gmd:MD_DigitalTransferOptions/gmd:onLine/gmd:CI_OnlineResource/gmd:linkage/gmd:URL";
        if self.is_inspire() && !self.root.all(path).iter().any(|url| is_web_address(url.text.trim())) {
            self.fail("GDI-DE 4.3.1", path, "Unter transferOptions steht keine Adresse des Dienstes.");
        }
    }
}

pub(super) fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
}
