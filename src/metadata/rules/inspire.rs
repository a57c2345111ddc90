//! INSPIRE technical guidance for metadata 2.0.1: the requirements C (all records), 1 (datasets and series), 2 (interoperable data) and
//! 3 (services), by the numbers of its conformance classes. They hold for INSPIRE records; title, abstract, dates and extent for
//! every record. What the official test suite looks up in the network is not asked for here.

use super::gdi_de::is_web_address;
use super::{Checker, Scope, Tree, is_date};

/// The official languages of the European Union (ISO 639-2/B).
const LANGUAGES: [&str; 24] = [
    "bul", "cze", "dan", "dut", "eng", "est", "fin", "fre", "ger", "gre", "hrv", "hun", "gle", "ita", "lav", "lit", "mlt", "pol",
    "por", "rum", "slo", "slv", "spa", "swe",
];
const CITATION: &str = "gmd:identificationInfo/*/gmd:citation/gmd:CI_Citation";
const EXTENT: &str = "gmd:identificationInfo/*/*:extent/gmd:EX_Extent";

impl Checker<'_> {
    pub(super) fn inspire(&mut self) {
        self.texts();
        self.extents();
        self.dates();
        if !self.is_inspire() {
            return;
        }
        if !Self::code(self.root, "gmd:language/gmd:LanguageCode").is_some_and(|code| LANGUAGES.contains(&code)) {
            self.fail("INSPIRE TG C.5", "gmd:language", "Die Sprache der Metadaten ist keine Amtssprache der EU.");
        }
        self.thesauri();
        self.conditions();
        self.conformity();
        match self.scope {
            Scope::Dataset => self.dataset(),
            Scope::Service => self.spatial_data_service(),
            Scope::Other => {}
        }
    }

    fn texts(&mut self) {
        let title = self.in_data("gmd:citation/gmd:CI_Citation/gmd:title").first().map_or("", |title| title.value());
        let summary = self.in_data("gmd:abstract").first().map_or("", |text| text.value());
        if title.is_empty() {
            self.fail("INSPIRE TG C.8", CITATION, "Der Titel fehlt.");
        }
        let path = "gmd:identificationInfo/*/gmd:abstract";
        if summary.is_empty() {
            self.fail("INSPIRE TG C.9", path, "Die Kurzbeschreibung fehlt.");
        } else if summary == title {
            self.warn("INSPIRE TG C.9", path, "Die Kurzbeschreibung wiederholt nur den Titel.");
        }
    }

    fn extents(&mut self) {
        let holder = if self.scope == Scope::Service { "srv:extent" } else { "gmd:extent" };
        let boxes = self.in_data(&format!("{holder}/gmd:EX_Extent/gmd:geographicElement/gmd:EX_GeographicBoundingBox"));
        let bound = |tree: &Tree, name: &str, most: f64| {
            tree.first(name).and_then(|value| value.value().parse::<f64>().ok()).filter(|value| (-most..=most).contains(value))
        };
        let plausible = boxes.iter().any(|tree| {
            let (west, east) = (bound(tree, "gmd:westBoundLongitude", 180.0), bound(tree, "gmd:eastBoundLongitude", 180.0));
            let (south, north) = (bound(tree, "gmd:southBoundLatitude", 90.0), bound(tree, "gmd:northBoundLatitude", 90.0));
            matches!((west, east, south, north), (Some(w), Some(e), Some(s), Some(n)) if w <= e && s <= n)
        });
        if !plausible && self.scope != Scope::Other {
            self.fail("INSPIRE TG C.19", EXTENT, "Es gibt kein plausibles umschließendes Rechteck in Grad.");
        }
    }

    fn dates(&mut self) {
        let dates = self.in_data("gmd:citation/gmd:CI_Citation/gmd:date/gmd:CI_Date");
        let of_kind =
            |kind: &str| dates.iter().filter(|date| Self::code(date, "gmd:dateType/gmd:CI_DateTypeCode") == Some(kind)).count();
        if dates.iter().any(|date| date.first("gmd:date").is_none_or(|date| !is_date(date.value()))) {
            self.fail("INSPIRE TG C.11", CITATION, "Ein Datum der Ressource ist kein Datum.");
        }
        let (created, revised) = (of_kind("creation"), of_kind("revision"));
        let period = self.in_data("gmd:extent/gmd:EX_Extent/gmd:temporalElement").len();
        if dates.is_empty() && period == 0 {
            self.fail("INSPIRE TG C.11", CITATION, "Es gibt keinen zeitlichen Bezug.");
        }
        if created > 1 {
            self.fail("INSPIRE TG C.12", CITATION, "Es gibt mehr als ein Datum der Erstellung.");
        }
        if revised > 1 {
            self.fail("INSPIRE TG C.13", CITATION, "Es gibt mehr als ein Datum der Überarbeitung.");
        }
    }

    /// C.15, C.16: a word of a thesaurus stands with its title and date.
    fn thesauri(&mut self) {
        let path = "gmd:identificationInfo/*/gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:thesaurusName";
        for citation in self.in_data("gmd:descriptiveKeywords/gmd:MD_Keywords/gmd:thesaurusName/gmd:CI_Citation") {
            let dated = citation.first("gmd:date/gmd:CI_Date/gmd:date").is_some_and(|date| is_date(date.value()));
            if citation.first("gmd:title").is_none_or(|title| title.value().is_empty()) || !dated {
                self.fail("INSPIRE TG C.15", path, "Ein Thesaurus steht ohne Titel oder Datum da.");
            }
        }
    }

    fn conditions(&mut self) {
        let path = "gmd:identificationInfo/*/gmd:resourceConstraints/gmd:MD_LegalConstraints/gmd:useConstraints";
        let groups = self.in_data("gmd:resourceConstraints/gmd:MD_LegalConstraints");
        let use_groups: Vec<_> = groups.iter().filter(|group| group.first("gmd:useConstraints").is_some()).collect();
        let access: Vec<_> = groups.iter().filter(|group| group.first("gmd:accessConstraints").is_some()).collect();
        if use_groups.iter().any(|group| group.first("gmd:accessConstraints").is_some()) {
            self.fail("INSPIRE TG C.18", path, "Zugang und Nutzung stehen in demselben MD_LegalConstraints.");
        }
        if access.len() != 1 {
            let path = "gmd:identificationInfo/*/gmd:resourceConstraints/gmd:MD_LegalConstraints/gmd:accessConstraints";
            self.fail("INSPIRE TG C.17", path, "Es muss genau ein MD_LegalConstraints mit accessConstraints geben.");
        }
    }

    fn conformity(&mut self) {
        let path = "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:report/*/gmd:result/gmd:DQ_ConformanceResult";
        let results = self.root.all(path);
        if results.is_empty() {
            return self.fail("INSPIRE TG C.20", path, "Es gibt keine Aussage zur Konformität.");
        }
        for result in results {
            let citation = result.first("gmd:specification/gmd:CI_Citation");
            let titled = citation.and_then(|citation| citation.first("gmd:title")).is_some_and(|title| !title.value().is_empty());
            let dated = citation.is_some_and(|citation| {
                citation.first("gmd:date/gmd:CI_Date/gmd:date").is_some_and(|date| is_date(date.value()))
                    && Self::code(citation, "gmd:date/gmd:CI_Date/gmd:dateType/gmd:CI_DateTypeCode").is_some()
            });
            if !titled || !dated {
                self.fail("INSPIRE TG C.21", path, "Eine Aussage zur Konformität nennt Titel oder Datum der Vorschrift nicht.");
            }
            let pass = result.first("gmd:pass");
            let said = pass.is_some_and(|pass| {
                ["true", "false", "1", "0"].contains(&pass.value()) || pass.attribute("gco:nilReason") == Some("unknown")
            });
            if !said {
                self.fail("INSPIRE TG C.22", path, "Der Grad der Konformität ist weder wahr noch falsch.");
            }
        }
    }

    fn dataset(&mut self) {
        let Some(data) = self.data else { return };
        if !data.is("gmd:MD_DataIdentification") {
            self.fail("INSPIRE TG 1.2", "gmd:identificationInfo", "Ein Datensatz braucht MD_DataIdentification.");
        }
        let path = "gmd:identificationInfo/*/gmd:spatialResolution";
        let resolutions = data.all("gmd:spatialResolution/gmd:MD_Resolution");
        let usable = |tree: &&Tree| {
            let positive = |text: &str| text.parse::<f64>().is_ok_and(|value| value > 0.0);
            tree.first("gmd:distance/gco:Distance").is_some_and(|d| positive(d.text.trim()) && d.attribute("uom").is_some())
                || tree
                    .first("gmd:equivalentScale/gmd:MD_RepresentativeFraction/gmd:denominator")
                    .is_some_and(|d| positive(d.value()))
        };
        if resolutions.iter().any(|tree| !usable(tree)) {
            self.fail("INSPIRE TG 1.5", path, "Die räumliche Auflösung ist weder Maßstab noch Abstand mit Einheit.");
        }
        let path = "gmd:identificationInfo/*/gmd:language";
        if Self::code(data, "gmd:language/gmd:LanguageCode").is_none_or(|code| code.len() != 3) {
            self.fail("INSPIRE TG 1.6", path, "Die Sprache der Daten fehlt.");
        }
        if data.all("gmd:topicCategory").iter().all(|topic| topic.value().is_empty()) {
            self.fail("INSPIRE TG 1.7", "gmd:identificationInfo/*/gmd:topicCategory", "Die Themenkategorie fehlt.");
        }
        let path = "gmd:distributionInfo/gmd:MD_Distribution/gmd:transferOptions/gmd:MD_DigitalTransferOptions/gmd:onLine/gmd:CI_OnlineResource/gmd:linkage/gmd:URL";
        if !self.root.all(path).iter().any(|url| is_web_address(url.text.trim())) {
            self.warn("INSPIRE TG 1.8", path, "Kein Verweis führt zu den Daten.");
        }
        let path = "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:lineage/gmd:LI_Lineage/gmd:statement";
        match self.root.all(path).as_slice() {
            [one] if !one.value().is_empty() => {}
            _ => self.fail("INSPIRE TG 1.11", path, "Die Herkunft muss genau einmal beschrieben sein."),
        }
        let path = "gmd:referenceSystemInfo/gmd:MD_ReferenceSystem/gmd:referenceSystemIdentifier/gmd:RS_Identifier/gmd:code";
        if self.root.all(path).iter().all(|code| code.value().is_empty()) {
            self.fail("INSPIRE TG 2.1", path, "Das Koordinatenreferenzsystem fehlt.");
        }
        let path = "gmd:identificationInfo/*/gmd:spatialRepresentationType";
        if Self::code(data, "gmd:spatialRepresentationType/gmd:MD_SpatialRepresentationTypeCode").is_none() {
            self.fail("INSPIRE TG 2.4", path, "Die räumliche Darstellungsart fehlt.");
        }
        let path = "gmd:distributionInfo/gmd:MD_Distribution/gmd:distributionFormat/gmd:MD_Format";
        let formats = self.root.all(path);
        let named = |format: &&Tree| {
            format.first("gmd:name").is_some_and(|name| !name.value().is_empty())
                && format.first("gmd:version").is_some_and(|v| !v.value().is_empty() || v.attribute("gco:nilReason").is_some())
        };
        if formats.is_empty() || !formats.iter().all(named) {
            self.fail("INSPIRE TG 2.6", path, "Ein Format der Daten steht ohne Name oder Version da.");
        }
    }

    fn spatial_data_service(&mut self) {
        let Some(data) = self.data else { return };
        if !data.is("srv:SV_ServiceIdentification") {
            self.fail("INSPIRE TG 3.2", "gmd:identificationInfo", "Ein Dienst braucht SV_ServiceIdentification.");
        }
        let qualities = self.root.all("gmd:dataQualityInfo");
        if qualities.len() != 1 {
            self.fail("INSPIRE TG 3.8", "gmd:dataQualityInfo", "Ein Dienst braucht genau ein dataQualityInfo.");
        }
        let path = "gmd:dataQualityInfo/gmd:DQ_DataQuality/gmd:scope/gmd:DQ_Scope/gmd:level/gmd:MD_ScopeCode";
        if Self::code(self.root, path) != Some("service") {
            self.fail("INSPIRE TG 3.8", path, "dataQualityInfo gilt nicht für den Dienst.");
        }
    }
}
