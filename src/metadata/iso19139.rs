//! ISO 19139 (2007 schemas, GML 3.2.1) as German catalogues want it: the GDI-DE conventions for metadata on top of the INSPIRE
//! technical guidance 2.0. The order of elements is that of the schemas.
//!
//! Titles, abstracts and terms of use are `gco:CharacterString` and limitations of access are `gmx:Anchor`, because portals read
//! them so.

use super::hvd;
use super::record::{Link, LinkRole, Record};
use crate::dataset::Representation;
use crate::markup::Element;
use crate::pipeline::Audience;

const CODE_LISTS: &str = "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml";
const INSPIRE: &str = "http://inspire.ec.europa.eu/metadata-codelist";

/// The record as an XML document with `gmd:MD_Metadata` at its root.
pub fn write(record: &Record) -> String {
    root(record).to_xml()
}

/// The namespaces that all records use, declared at the root.
pub(super) fn namespaces(root: Element) -> Element {
    root.attr("xmlns:gmd", "http://www.isotc211.org/2005/gmd")
        .attr("xmlns:gco", "http://www.isotc211.org/2005/gco")
        .attr("xmlns:gmx", "http://www.isotc211.org/2005/gmx")
        .attr("xmlns:gml", "http://www.opengis.net/gml/3.2")
        .attr("xmlns:xlink", "http://www.w3.org/1999/xlink")
        .attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        .attr(
            "xsi:schemaLocation",
            "http://www.isotc211.org/2005/gmd \
             http://repository.gdi-de.org/schemas/geonetwork/2020-12-11/csw/2.0.2/profiles/apiso/1.0.1/apiso.xsd",
        )
}

fn root(record: &Record) -> Element {
    let mut root = namespaces(el("gmd:MD_Metadata"))
        .child(text("gmd:fileIdentifier", record.uuid.to_string()))
        .child(language())
        .child(character_set())
        .child(code("gmd:hierarchyLevel", "gmd:MD_ScopeCode", "MD_ScopeCode", "dataset"))
        .child(contact("gmd:contact", record))
        .child(el("gmd:dateStamp").with("gco:Date", record.date_stamp.to_string()))
        .child(text("gmd:metadataStandardName", "ISO 19115"))
        .child(text("gmd:metadataStandardVersion", "2003/Cor.1:2006"))
        .child(reference_system(&format!("http://www.opengis.net/def/crs/EPSG/0/{}", record.crs.0), &record.crs.to_string()));
    if let Some(vertical) = &record.vertical {
        root = root.child(match vertical_epsg(vertical) {
            Some(epsg) => reference_system(&format!("http://www.opengis.net/def/crs/EPSG/0/{epsg}"), &format!("EPSG:{epsg}")),
            None => wrap(
                "gmd:referenceSystemInfo",
                "gmd:MD_ReferenceSystem",
                [wrap("gmd:referenceSystemIdentifier", "gmd:RS_Identifier", [text("gmd:code", vertical)])],
            ),
        });
    }
    root.child(wrap("gmd:identificationInfo", "gmd:MD_DataIdentification", identification(record)))
        .child(wrap("gmd:distributionInfo", "gmd:MD_Distribution", distribution(record)))
        .child(wrap("gmd:dataQualityInfo", "gmd:DQ_DataQuality", quality(record)))
}

/// EPSG codes of the vertical references that German data comes in.
fn vertical_epsg(name: &str) -> Option<u32> {
    match name {
        "DHHN2016" => Some(7837),
        "DHHN92" => Some(5783),
        "DHHN85" => Some(5784),
        "SNN76" => Some(5785),
        _ => None,
    }
}

fn identification(record: &Record) -> Vec<Element> {
    let mut parts = vec![wrap("gmd:citation", "gmd:CI_Citation", citation(record))];
    parts.push(text("gmd:abstract", &record.abstract_text));
    parts.push(contact("gmd:pointOfContact", record));
    parts.push(wrap(
        "gmd:resourceMaintenance",
        "gmd:MD_MaintenanceInformation",
        [code("gmd:maintenanceAndUpdateFrequency", "gmd:MD_MaintenanceFrequencyCode", "MD_MaintenanceFrequencyCode", "asNeeded")],
    ));
    if let Some((url, media_type)) = &record.overview {
        parts.push(wrap(
            "gmd:graphicOverview",
            "gmd:MD_BrowseGraphic",
            [text("gmd:fileName", url), text("gmd:fileDescription", "Vorschau"), text("gmd:fileType", media_type)],
        ));
    }
    parts.extend(keywords(record));
    parts.extend(constraints(record));
    let representation = match record.representation {
        Representation::Grid => "grid",
        Representation::Vector => "vector",
        Representation::Tin => "tin",
    };
    parts.push(code(
        "gmd:spatialRepresentationType",
        "gmd:MD_SpatialRepresentationTypeCode",
        "MD_SpatialRepresentationTypeCode",
        representation,
    ));
    if let Some(metres) = record.resolution_m {
        let distance = el("gco:Distance").attr("uom", "m").text(metres.to_string());
        parts.push(wrap("gmd:spatialResolution", "gmd:MD_Resolution", [el("gmd:distance").child(distance)]));
    }
    parts.push(language());
    parts.push(character_set());
    parts.push(el("gmd:topicCategory").with("gmd:MD_TopicCategoryCode", record.topic));
    let extent = extent(record);
    if !extent.is_empty() {
        parts.push(wrap("gmd:extent", "gmd:EX_Extent", extent));
    }
    parts
}

fn citation(record: &Record) -> Vec<Element> {
    let mut parts = vec![
        text("gmd:title", &record.title),
        text("gmd:alternateTitle", &record.dataset_id),
        date(&record.published.to_string(), "publication"),
    ];
    if let Some(revised) = &record.revised {
        parts.push(date(revised, "revision"));
    }
    parts.push(wrap("gmd:identifier", "gmd:MD_Identifier", [text("gmd:code", &record.resource_id)]));
    parts
}

fn keywords(record: &Record) -> Vec<Element> {
    let mut groups = Vec::new();
    let free = |keyword: &str| wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [text("gmd:keyword", keyword)]);
    if let Some(theme) = record.theme {
        groups.push(thesaurus(
            ("http://inspire.ec.europa.eu/theme/", theme.code, theme.name),
            ("http://www.eionet.europa.eu/gemet/inspire_themes", "GEMET - INSPIRE themes, version 1.0", "2008-06-01"),
        ));
        groups.push(thesaurus(
            ("http://inspire.ec.europa.eu/metadata-codelist/SpatialScope/", "local", "Lokal"),
            ("http://inspire.ec.europa.eu/metadata-codelist/SpatialScope", "Spatial scope", "2019-05-22"),
        ));
    }
    // Each in a group of its own: a thesaurus given for one would hold for all (GDI-DE 3.2.2).
    if record.is_open() {
        groups.push(free("opendata"));
    }
    if record.is_inspire() {
        groups.push(free("inspireidentifiziert"));
    }
    // The regulation and the category in groups of their own: the category is a word of a list, the regulation is none.
    if let Some(category) = record.hvd {
        let regulation = anchor("gmd:keyword", hvd::LEGISLATION, "Durchführungsverordnung (EU) 2023/138");
        groups.push(wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [regulation]));
        let (url, title, day) = hvd::THESAURUS;
        let citation = wrap("gmd:thesaurusName", "gmd:CI_Citation", [anchor("gmd:title", url, title), date(day, "publication")]);
        let keyword = anchor("gmd:keyword", &category.url(), category.name);
        groups.push(wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [keyword, citation]));
    }
    if !record.keywords.is_empty() {
        let all = record.keywords.iter().map(|keyword| text("gmd:keyword", keyword));
        groups.push(wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", all));
    }
    groups
}

fn thesaurus((base, key, name): (&str, &str, &str), (url, title, day): (&str, &str, &str)) -> Element {
    let citation = wrap("gmd:thesaurusName", "gmd:CI_Citation", [anchor("gmd:title", url, title), date(day, "publication")]);
    wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [anchor("gmd:keyword", &format!("{base}{key}"), name), citation])
}

/// Two groups: who may see it, and what may be done with it. GDI-DE 2.9.1 wants the latter in exactly one group, 3.6 the licence as
/// JSON in the same.
fn constraints(record: &Record) -> [Element; 2] {
    let restriction = |name| code(name, "gmd:MD_RestrictionCode", "MD_RestrictionCode", "otherRestrictions");
    let access = match record.audience {
        Audience::Public => anchor(
            "gmd:otherConstraints",
            &format!("{INSPIRE}/LimitationsOnPublicAccess/noLimitations"),
            "Es gelten keine Zugriffsbeschränkungen",
        ),
        Audience::Internal => text("gmd:otherConstraints", "Nur für den Dienstgebrauch"),
    };
    let mut usage = vec![restriction("gmd:useConstraints")];
    match record.licence {
        Some(licence) => {
            let mut terms =
                format!("Dieser Datensatz kann gemäß der Lizenz „{}“ ({}) genutzt werden.", licence.name, licence.url);
            if let Some(attribution) = &record.attribution {
                terms.push_str(&format!(" Quellenvermerk: {attribution}"));
            }
            usage.push(text("gmd:otherConstraints", terms));
            usage.push(text("gmd:otherConstraints", licence_json(record)));
        }
        None if record.audience == Audience::Internal => {
            usage.push(text("gmd:otherConstraints", "Nutzung nur innerhalb der Verwaltung"));
        }
        None => usage.push(text("gmd:otherConstraints", "Bedingungen unbekannt")),
    }
    [
        wrap("gmd:resourceConstraints", "gmd:MD_LegalConstraints", [restriction("gmd:accessConstraints"), access]),
        wrap("gmd:resourceConstraints", "gmd:MD_LegalConstraints", usage),
    ]
}

fn licence_json(record: &Record) -> String {
    let Some(licence) = record.licence else { return String::new() };
    let quelle = record.attribution.as_deref().unwrap_or_default();
    serde_json::json!({"id": licence.code, "name": licence.name, "url": licence.url, "quelle": quelle}).to_string()
}

pub(super) fn extent(record: &Record) -> Vec<Element> {
    let bound = |name, value: f64| el(name).with("gco:Decimal", format!("{value:.4}"));
    let mut parts = Vec::new();
    if let Some(extent) = record.extent {
        parts.push(wrap(
            "gmd:geographicElement",
            "gmd:EX_GeographicBoundingBox",
            [
                bound("gmd:westBoundLongitude", extent.min[0]),
                bound("gmd:eastBoundLongitude", extent.max[0]),
                bound("gmd:southBoundLatitude", extent.min[1]),
                bound("gmd:northBoundLatitude", extent.max[1]),
            ],
        ));
    }
    if let Some((first, last)) = &record.period {
        let period =
            el("gml:TimePeriod").attr("gml:id", "zeitraum").with("gml:beginPosition", first).with("gml:endPosition", last);
        parts.push(wrap("gmd:temporalElement", "gmd:EX_TemporalExtent", [el("gmd:extent").child(period)]));
    }
    parts
}

fn distribution(record: &Record) -> Vec<Element> {
    let format = |format: &super::record::Format| {
        let version = match &format.version {
            Some(version) => text("gmd:version", version),
            None => el("gmd:version").attr("gco:nilReason", "inapplicable"),
        };
        wrap("gmd:distributionFormat", "gmd:MD_Format", [text("gmd:name", &format.name), version])
    };
    record.formats.iter().map(format).chain(record.links.iter().map(transfer)).collect()
}

fn transfer(link: &Link) -> Element {
    let function = match link.role {
        LinkRole::Download => "download",
        LinkRole::Information => "information",
    };
    let online = el("gmd:CI_OnlineResource")
        .child(el("gmd:linkage").with("gmd:URL", &link.url))
        .child(text("gmd:name", &link.title))
        .child(text("gmd:description", &link.description))
        .child(code("gmd:function", "gmd:CI_OnLineFunctionCode", "CI_OnLineFunctionCode", function));
    wrap(
        "gmd:transferOptions",
        "gmd:MD_DigitalTransferOptions",
        [el("gmd:transferSize").with("gco:Real", format!("{:.3}", link.size_mb)), el("gmd:onLine").child(online)],
    )
}

fn quality(record: &Record) -> Vec<Element> {
    let scope = code("gmd:level", "gmd:MD_ScopeCode", "MD_ScopeCode", "dataset");
    let mut parts = vec![wrap("gmd:scope", "gmd:DQ_Scope", [scope])];
    if record.is_inspire() {
        let regulation = [
            anchor(
                "gmd:title",
                "http://data.europa.eu/eli/reg/2010/1089",
                "VERORDNUNG (EG) Nr. 1089/2010 DER KOMMISSION vom 23. November 2010 zur Durchführung der Richtlinie 2007/2/EG des \
                 Europäischen Parlaments und des Rates hinsichtlich der Interoperabilität von Geodatensätzen und -diensten",
            ),
            date("2010-12-08", "publication"),
        ];
        // The formats published here are not those of the INSPIRE data specifications, and the record says so.
        let result = wrap(
            "gmd:result",
            "gmd:DQ_ConformanceResult",
            [
                wrap("gmd:specification", "gmd:CI_Citation", regulation),
                text("gmd:explanation", "siehe angegebene Durchführungsbestimmung"),
                el("gmd:pass").with("gco:Boolean", "false"),
            ],
        );
        parts.push(wrap("gmd:report", "gmd:DQ_DomainConsistency", [result]));
    }
    let statement = match record.steps.as_slice() {
        [] => "Automatisch aus den gelieferten Daten erzeugt.".to_owned(),
        steps => steps.join(" "),
    };
    let mut lineage = vec![text("gmd:statement", statement)];
    lineage
        .extend(record.steps.iter().map(|step| wrap("gmd:processStep", "gmd:LI_ProcessStep", [text("gmd:description", step)])));
    lineage.extend(record.sources.iter().map(|source| {
        let citation = [
            text("gmd:title", &source.name),
            el("gmd:date").attr("gco:nilReason", "unknown"),
            wrap("gmd:identifier", "gmd:MD_Identifier", [text("gmd:code", &source.identifier)]),
        ];
        wrap(
            "gmd:source",
            "gmd:LI_Source",
            [text("gmd:description", &source.description), wrap("gmd:sourceCitation", "gmd:CI_Citation", citation)],
        )
    }));
    parts.push(wrap("gmd:lineage", "gmd:LI_Lineage", lineage));
    parts
}

/// The party that answers questions; `nilReason` where the pipeline names none, which the rules report.
pub(super) fn contact(name: &'static str, record: &Record) -> Element {
    let missing = |name| el(name).attr("gco:nilReason", "missing");
    let mut party = Vec::new();
    match &record.contact {
        Some(contact) => {
            let address = wrap("gmd:address", "gmd:CI_Address", [text("gmd:electronicMailAddress", &contact.email)]);
            let mut info = vec![address];
            if let Some(url) = &contact.url {
                let online = [el("gmd:linkage").with("gmd:URL", url)];
                info.push(wrap("gmd:onlineResource", "gmd:CI_OnlineResource", online));
            }
            party.push(text("gmd:organisationName", &contact.organisation));
            party.push(wrap("gmd:contactInfo", "gmd:CI_Contact", info));
        }
        None => party.push(missing("gmd:organisationName")),
    }
    party.push(code("gmd:role", "gmd:CI_RoleCode", "CI_RoleCode", "pointOfContact"));
    wrap(name, "gmd:CI_ResponsibleParty", party)
}

fn reference_system(url: &str, name: &str) -> Element {
    let identifier = wrap("gmd:referenceSystemIdentifier", "gmd:RS_Identifier", [anchor("gmd:code", url, name)]);
    wrap("gmd:referenceSystemInfo", "gmd:MD_ReferenceSystem", [identifier])
}

pub(super) fn language() -> Element {
    let code = el("gmd:LanguageCode").attr("codeList", "http://www.loc.gov/standards/iso639-2/").attr("codeListValue", "ger");
    el("gmd:language").child(code.text("ger"))
}

pub(super) fn character_set() -> Element {
    code("gmd:characterSet", "gmd:MD_CharacterSetCode", "MD_CharacterSetCode", "utf8")
}

pub(super) fn date(day: &str, kind: &str) -> Element {
    let kind = code("gmd:dateType", "gmd:CI_DateTypeCode", "CI_DateTypeCode", kind);
    wrap("gmd:date", "gmd:CI_Date", [el("gmd:date").with("gco:Date", day), kind])
}

pub(super) fn code(property: &'static str, element: &'static str, list: &str, value: &str) -> Element {
    let element = el(element).attr("codeList", format!("{CODE_LISTS}#{list}")).attr("codeListValue", value);
    el(property).child(element.text(value))
}

pub(super) fn anchor(property: &'static str, url: &str, text: &str) -> Element {
    el(property).child(el("gmx:Anchor").attr("xlink:href", url).text(text))
}

pub(super) fn text(property: &'static str, text: impl Into<String>) -> Element {
    el(property).with("gco:CharacterString", text)
}

pub(super) fn wrap(property: &'static str, object: &'static str, children: impl IntoIterator<Item = Element>) -> Element {
    el(property).child(el(object).children(children))
}

pub(super) fn el(name: &'static str) -> Element {
    Element::new(name)
}
