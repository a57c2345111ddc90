//! ISO 19139 of services (ISO 19119): the download service that the feeds are, and view services of map tiles, coupled with the
//! datasets by `operatesOn`.

use super::iso_parts::{anchor, character_set, code, contact, date, el, extent, language, namespaces, text, wrap};
use super::record::Record;
use crate::markup::Element;

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// ATOM feeds: download of pre-defined datasets.
    Atom,
    /// Map tiles (WMTS 1.0.0).
    Wmts,
}

impl ServiceKind {
    /// The category of services and the kind of service in INSPIRE's lists, and the service's own version.
    fn codes(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Atom => ("infoFeatureAccessService", "download", "ATOM 1.0"),
            Self::Wmts => ("infoMapAccessService", "view", "OGC:WMTS 1.0.0"),
        }
    }
    /// Name and version of what it answers.
    pub fn format(self) -> (&'static str, &'static str) {
        match self {
            Self::Atom => ("ATOM", "1.0"),
            Self::Wmts => ("WMTS", "1.0.0"),
        }
    }
    fn operation(self) -> &'static str {
        match self {
            Self::Atom => "Get Download Service Metadata",
            Self::Wmts => "GetCapabilities",
        }
    }
    /// What its address leads to.
    pub fn name(self) -> &'static str {
        match self {
            Self::Atom => "ATOM-Feed",
            Self::Wmts => "WMTS-Capabilities",
        }
    }
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service<'a> {
    /// What it is.
    pub kind: ServiceKind,
    /// Identity, texts, contact and extent; its dataset's parts are not used.
    pub about: Record,
    /// Address of the top feed or of the capabilities.
    pub endpoint: String,
    /// Records of the datasets that it serves, with the addresses of these records.
    pub datasets: Vec<(&'a Record, String)>,
}

/// The record as an XML document.
pub fn write(service: &Service<'_>) -> String {
    let about = &service.about;
    let scope = || code("gmd:hierarchyLevel", "gmd:MD_ScopeCode", "MD_ScopeCode", "service");
    namespaces(el("gmd:MD_Metadata"))
        .child(text("gmd:fileIdentifier", about.uuid.to_string()))
        .child(language())
        .child(character_set())
        .child(scope())
        .child(text("gmd:hierarchyLevelName", "Dienst"))
        .child(contact("gmd:contact", about))
        .child(el("gmd:dateStamp").with("gco:Date", about.date_stamp.to_string()))
        .child(text("gmd:metadataStandardName", "ISO 19119"))
        .child(text("gmd:metadataStandardVersion", "2005/PDAM 1"))
        .child(wrap("gmd:identificationInfo", "srv:SV_ServiceIdentification", identification(service)))
        .child(wrap(
            "gmd:distributionInfo",
            "gmd:MD_Distribution",
            [
                wrap(
                    "gmd:distributionFormat",
                    "gmd:MD_Format",
                    [text("gmd:name", service.kind.format().0), text("gmd:version", service.kind.format().1)],
                ),
                wrap("gmd:transferOptions", "gmd:MD_DigitalTransferOptions", [el("gmd:onLine").child(online(service))]),
            ],
        ))
        .child(wrap("gmd:dataQualityInfo", "gmd:DQ_DataQuality", quality()))
        .to_xml()
}

fn online(service: &Service<'_>) -> Element {
    let function = if service.kind == ServiceKind::Atom { "download" } else { "information" };
    el("gmd:CI_OnlineResource")
        .child(el("gmd:linkage").with("gmd:URL", &service.endpoint))
        .child(text("gmd:name", service.kind.name()))
        .child(code("gmd:function", "gmd:CI_OnLineFunctionCode", "CI_OnLineFunctionCode", function))
}

fn identification(service: &Service<'_>) -> Vec<Element> {
    let about = &service.about;
    let (category, kind, version) = service.kind.codes();
    let citation = [
        text("gmd:title", &about.title),
        text("gmd:alternateTitle", &about.dataset_id),
        date(&about.published.to_string(), "publication"),
    ];
    let restriction = |name| code(name, "gmd:MD_RestrictionCode", "MD_RestrictionCode", "otherRestrictions");
    let free = |word: &str| wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [text("gmd:keyword", word)]);
    let category = anchor(
        "gmd:keyword",
        &format!("http://inspire.ec.europa.eu/metadata-codelist/SpatialDataServiceCategory/{category}"),
        category,
    );
    let thesaurus = wrap(
        "gmd:thesaurusName",
        "gmd:CI_Citation",
        [text("gmd:title", "ISO - 19119 geographic services taxonomy"), date("2010-01-19", "publication")],
    );
    let mut parts = vec![
        wrap("gmd:citation", "gmd:CI_Citation", citation),
        text("gmd:abstract", &about.abstract_text),
        contact("gmd:pointOfContact", about),
        wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [category, thesaurus]),
    ];
    if service.datasets.iter().any(|(record, _)| record.is_inspire()) {
        parts.push(free("inspireidentifiziert"));
    }
    let limits = "http://inspire.ec.europa.eu/metadata-codelist/LimitationsOnPublicAccess/noLimitations";
    let conditions = "http://inspire.ec.europa.eu/metadata-codelist/ConditionsApplyingToAccessAndUse/noConditionsApply";
    parts.push(wrap(
        "gmd:resourceConstraints",
        "gmd:MD_LegalConstraints",
        [restriction("gmd:accessConstraints"), anchor("gmd:otherConstraints", limits, "Es gelten keine Zugriffsbeschränkungen")],
    ));
    // The service has no terms of its own; those of the data stand in their records.
    let usage = [restriction("gmd:useConstraints"), anchor("gmd:otherConstraints", conditions, "Es gelten keine Bedingungen")];
    parts.push(wrap("gmd:resourceConstraints", "gmd:MD_LegalConstraints", usage));
    parts.push(el("srv:serviceType").with("gco:LocalName", kind));
    parts.push(text("srv:serviceTypeVersion", version));
    let extent = extent(about);
    if !extent.is_empty() {
        parts.push(wrap("srv:extent", "gmd:EX_Extent", extent));
    }
    parts.push(
        el("srv:couplingType").child(
            el("srv:SV_CouplingType")
                .attr("codeList", "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml#SV_CouplingType")
                .attr("codeListValue", "tight"),
        ),
    );
    let platform = el("srv:DCP").child(
        el("srv:DCPList")
            .attr("codeList", "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml#DCPList")
            .attr("codeListValue", "WebServices"),
    );
    parts.push(wrap(
        "srv:containsOperations",
        "srv:SV_OperationMetadata",
        [text("srv:operationName", service.kind.operation()), platform, el("srv:connectPoint").child(online(service))],
    ));
    for (record, address) in &service.datasets {
        parts.push(el("srv:operatesOn").attr("uuidref", &record.resource_id).attr("xlink:href", address));
    }
    parts
}

fn quality() -> Vec<Element> {
    let level = code("gmd:level", "gmd:MD_ScopeCode", "MD_ScopeCode", "service");
    let description = wrap("gmd:levelDescription", "gmd:MD_ScopeDescription", [text("gmd:other", "Dienst")]);
    let regulation = [
        anchor(
            "gmd:title",
            "http://data.europa.eu/eli/reg/2009/976",
            "VERORDNUNG (EG) Nr. 976/2009 DER KOMMISSION vom 19. Oktober 2009 zur Durchführung der Richtlinie 2007/2/EG des Europäischen Parlaments \
             und des Rates hinsichtlich der Netzdienste",
        ),
        date("2009-10-20", "publication"),
    ];
    let result = wrap(
        "gmd:result",
        "gmd:DQ_ConformanceResult",
        [
            wrap("gmd:specification", "gmd:CI_Citation", regulation),
            text("gmd:explanation", "siehe angegebene Durchführungsbestimmung"),
            // Availability and response times of a file server are nobody's promise here.
            el("gmd:pass").with("gco:Boolean", "false"),
        ],
    );
    vec![wrap("gmd:scope", "gmd:DQ_Scope", [level, description]), wrap("gmd:report", "gmd:DQ_DomainConsistency", [result])]
}
