//! ISO 19139 (2007 schemas, GML 3.2.1) as German catalogues want it: the GDI-DE conventions for metadata on top of the INSPIRE
//! technical guidance 2.0. The order of elements is that of the schemas.
//!
//! Titles, abstracts and terms of use are `gco:CharacterString` and limitations of access are `gmx:Anchor`, because portals read
//! them so.

use super::existing::{HVD_THESAURUS, THEME_THESAURUS};
use super::hvd;
use super::iso_parts::{
    anchor, character_set, code, contact, date, el, extent, language, namespaces, reference_system, text, text_in_both, wrap,
};
use super::record::{Link, LinkRole, Record};
use super::tree::Tree;
use crate::dataset::Representation;
use crate::markup::Element;
use crate::pipeline::Audience;

const INSPIRE: &str = "http://inspire.ec.europa.eu/metadata-codelist";

/// The record as an XML document with `gmd:MD_Metadata` at its root.
pub fn write(record: &Record) -> String {
    root(record).to_xml()
}

fn root(record: &Record) -> Element {
    let kept = |name| kept(&record.kept.root, name);
    let mut root = namespaces(el("gmd:MD_Metadata"))
        .child(text("gmd:fileIdentifier", record.uuid.to_string()))
        .child(language())
        .child(character_set())
        .children(record.series.map(|series| text("gmd:parentIdentifier", series.to_string())))
        .children(kept("gmd:parentIdentifier"))
        .child(code("gmd:hierarchyLevel", "gmd:MD_ScopeCode", "MD_ScopeCode", record.level.code()))
        .children(kept("gmd:hierarchyLevelName"))
        .children(contacts("gmd:contact", record, &record.kept.root))
        .child(el("gmd:dateStamp").with("gco:Date", record.date_stamp.to_string()))
        .child(text("gmd:metadataStandardName", "ISO 19115"))
        .child(text("gmd:metadataStandardVersion", "2003/Cor.1:2006"))
        .children(kept("gmd:dataSetURI"))
        .children(has_english(record).then(english_locale))
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
        .children(kept("gmd:contentInfo"))
        .child(wrap("gmd:distributionInfo", "gmd:MD_Distribution", distribution(record)))
        .child(wrap("gmd:dataQualityInfo", "gmd:DQ_DataQuality", quality(record)))
        .children(kept("gmd:portrayalCatalogueInfo"))
        .children(kept("gmd:metadataConstraints"))
        .children(kept("gmd:applicationSchemaInfo"))
        .children(kept("gmd:metadataMaintenance"))
}

/// What is kept of that name.
fn kept<'a>(elements: &'a [Tree], name: &'static str) -> impl Iterator<Item = Element> + 'a {
    elements.iter().filter(move |element| element.is(name)).map(Tree::to_element)
}

/// The contacts of an existing record; ours before them, unless one of them answers questions and says how.
fn contacts(name: &'static str, record: &Record, elements: &[Tree]) -> Vec<Element> {
    let answers = |element: &&Tree| {
        let Some(party) = element.first("gmd:CI_ResponsibleParty") else { return false };
        let role = party.first("gmd:role/gmd:CI_RoleCode").and_then(|role| role.attribute("codeListValue"));
        let mail = party.first("gmd:contactInfo/gmd:CI_Contact/gmd:address/gmd:CI_Address/gmd:electronicMailAddress");
        role == Some("pointOfContact")
            && party.first("gmd:organisationName").is_some_and(|name| !name.value().is_empty())
            && mail.is_some_and(|mail| mail.value().contains('@'))
    };
    let of_name = || elements.iter().filter(|element| element.is(name));
    let (good, others): (Vec<&Tree>, Vec<&Tree>) = of_name().partition(answers);
    let ours = good.is_empty().then(|| contact(name, record));
    ours.into_iter().chain(good.into_iter().chain(others).map(Tree::to_element)).collect()
}

fn has_english(record: &Record) -> bool {
    record.title_en.is_some() || record.abstract_en.is_some()
}

fn english_locale() -> Element {
    let locale = el("gmd:PT_Locale").attr("id", "locale-en");
    let language = el("gmd:LanguageCode").attr("codeList", "http://www.loc.gov/standards/iso639-2/").attr("codeListValue", "eng");
    el("gmd:locale").child(locale.child(el("gmd:languageCode").child(language.text("eng"))).child(code(
        "gmd:characterEncoding",
        "gmd:MD_CharacterSetCode",
        "MD_CharacterSetCode",
        "utf8",
    )))
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
    let theirs = &record.kept.identification;
    let mut parts = vec![wrap("gmd:citation", "gmd:CI_Citation", citation(record))];
    parts.push(text_in_both("gmd:abstract", &record.abstract_text, record.abstract_en.as_deref()));
    for name in ["gmd:purpose", "gmd:credit", "gmd:status"] {
        parts.extend(kept(theirs, name));
    }
    parts.extend(contacts("gmd:pointOfContact", record, theirs));
    if theirs.iter().any(|element| element.is("gmd:resourceMaintenance")) {
        parts.extend(kept(theirs, "gmd:resourceMaintenance"));
    } else {
        let often = "gmd:maintenanceAndUpdateFrequency";
        let code = code(often, "gmd:MD_MaintenanceFrequencyCode", "MD_MaintenanceFrequencyCode", "asNeeded");
        parts.push(wrap("gmd:resourceMaintenance", "gmd:MD_MaintenanceInformation", [code]));
    }
    parts.extend(kept(theirs, "gmd:graphicOverview"));
    if let Some((url, media_type)) = &record.overview {
        parts.push(wrap(
            "gmd:graphicOverview",
            "gmd:MD_BrowseGraphic",
            [text("gmd:fileName", url), text("gmd:fileDescription", "Vorschau"), text("gmd:fileType", media_type)],
        ));
    }
    parts.extend(keywords(record));
    parts.extend(kept(theirs, "gmd:descriptiveKeywords"));
    parts.extend(kept(theirs, "gmd:resourceSpecificUsage"));
    parts.extend(constraints(record));
    parts.extend(kept(theirs, "gmd:aggregationInfo"));
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
    } else {
        parts.extend(kept(theirs, "gmd:spatialResolution"));
    }
    parts.push(language());
    parts.push(character_set());
    parts.push(el("gmd:topicCategory").with("gmd:MD_TopicCategoryCode", record.topic));
    let topics = theirs.iter().filter(|element| element.is("gmd:topicCategory") && element.value() != record.topic);
    parts.extend(topics.map(Tree::to_element));
    parts.extend(kept(theirs, "gmd:environmentDescription"));
    let extent = extent(record);
    if !extent.is_empty() {
        parts.push(wrap("gmd:extent", "gmd:EX_Extent", extent));
    }
    let more = theirs.iter().find(|element| element.is("gmd:supplementalInformation")).map(Tree::value);
    let more: Vec<&str> = more.into_iter().chain(record.contents.as_deref()).collect();
    if !more.is_empty() {
        parts.push(text("gmd:supplementalInformation", more.join(" ")));
    }
    parts
}

fn citation(record: &Record) -> Vec<Element> {
    let theirs = &record.kept.citation;
    let mut parts = vec![
        text_in_both("gmd:title", &record.title, record.title_en.as_deref()),
        text("gmd:alternateTitle", &record.dataset_id),
    ];
    let names = theirs.iter().filter(|name| name.is("gmd:alternateTitle") && name.value() != record.dataset_id);
    parts.extend(names.map(Tree::to_element));
    parts.push(date(&record.published.to_string(), "publication"));
    if let Some(revised) = &record.revised {
        parts.push(date(revised, "revision"));
    }
    for name in ["gmd:date", "gmd:edition", "gmd:editionDate"] {
        parts.extend(kept(theirs, name));
    }
    parts.push(wrap("gmd:identifier", "gmd:MD_Identifier", [text("gmd:code", &record.resource_id)]));
    for name in
        ["gmd:citedResponsibleParty", "gmd:presentationForm", "gmd:series", "gmd:otherCitationDetails", "gmd:collectiveTitle"]
    {
        parts.extend(kept(theirs, name));
    }
    parts
}

fn keywords(record: &Record) -> Vec<Element> {
    let mut groups = Vec::new();
    let free = |keyword: &str| wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [text("gmd:keyword", keyword)]);
    if let Some(theme) = record.theme.filter(|_| !record.kept.has_thesaurus(THEME_THESAURUS)) {
        groups.push(thesaurus(
            ("http://inspire.ec.europa.eu/theme/", theme.code, theme.name),
            ("http://www.eionet.europa.eu/gemet/inspire_themes", "GEMET - INSPIRE themes, version 1.0", "2008-06-01"),
        ));
    }
    if record.theme.is_some() && !record.kept.has_thesaurus("Spatial scope") {
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
    if record.hvd.is_some() {
        let regulation = anchor("gmd:keyword", hvd::LEGISLATION, "Durchführungsverordnung (EU) 2023/138");
        groups.push(wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [regulation]));
    }
    if let Some(category) = record.hvd.filter(|_| !record.kept.has_thesaurus(HVD_THESAURUS)) {
        let (url, title, day) = hvd::THESAURUS;
        let citation = wrap("gmd:thesaurusName", "gmd:CI_Citation", [anchor("gmd:title", url, title), date(day, "publication")]);
        let keyword = anchor("gmd:keyword", &category.url(), category.name);
        groups.push(wrap("gmd:descriptiveKeywords", "gmd:MD_Keywords", [keyword, citation]));
    }
    let kept: Vec<&str> =
        record.kept.identification.iter().flat_map(|group| group.all("gmd:MD_Keywords/gmd:keyword")).map(Tree::value).collect();
    let mut all = record.keywords.iter().filter(|keyword| !kept.contains(&keyword.as_str())).peekable();
    if all.peek().is_some() {
        let all = all.map(|keyword| text("gmd:keyword", keyword));
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
fn constraints(record: &Record) -> Vec<Element> {
    let theirs = &record.kept.identification;
    let legal = |element: &Tree| element.is("gmd:resourceConstraints") && element.first("gmd:MD_LegalConstraints").is_some();
    // No licence is known, and people wrote terms of their own.
    if record.audience == Audience::Public && record.licence.is_none() && theirs.iter().any(legal) {
        return kept(theirs, "gmd:resourceConstraints").collect();
    }
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
    let ours = [
        wrap("gmd:resourceConstraints", "gmd:MD_LegalConstraints", [restriction("gmd:accessConstraints"), access]),
        wrap("gmd:resourceConstraints", "gmd:MD_LegalConstraints", usage),
    ];
    let others = theirs.iter().filter(|element| element.is("gmd:resourceConstraints") && !legal(element));
    ours.into_iter().chain(others.map(Tree::to_element)).collect()
}

fn licence_json(record: &Record) -> String {
    let Some(licence) = record.licence else { return String::new() };
    let quelle = record.attribution.as_deref().unwrap_or_default();
    serde_json::json!({"id": licence.code, "name": licence.name, "url": licence.url, "quelle": quelle}).to_string()
}

fn distribution(record: &Record) -> Vec<Element> {
    let format = |format: &super::record::Format| {
        let version = match &format.version {
            Some(version) => text("gmd:version", version),
            None => el("gmd:version").attr("gco:nilReason", "inapplicable"),
        };
        wrap("gmd:distributionFormat", "gmd:MD_Format", [text("gmd:name", &format.name), version])
    };
    let theirs = &record.kept.distribution;
    let formats = record.formats.iter().map(format).chain(kept(theirs, "gmd:distributor"));
    formats.chain(record.links.iter().map(transfer)).chain(kept(theirs, "gmd:transferOptions")).collect()
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
    let size = (link.size_mb > 0.0).then(|| el("gmd:transferSize").with("gco:Real", format!("{:.3}", link.size_mb)));
    wrap("gmd:transferOptions", "gmd:MD_DigitalTransferOptions", size.into_iter().chain([el("gmd:onLine").child(online)]))
}

fn quality(record: &Record) -> Vec<Element> {
    let scope = code("gmd:level", "gmd:MD_ScopeCode", "MD_ScopeCode", record.level.code());
    let mut parts = vec![wrap("gmd:scope", "gmd:DQ_Scope", [scope])];
    let said = |report: &Tree| report.find_all("title").iter().any(|title| title.value().contains("1089/2010"));
    parts.extend(record.kept.reports.iter().map(Tree::to_element));
    if record.is_inspire() && !record.kept.reports.iter().any(said) {
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
    let statement = match &record.kept.statement {
        Some(theirs) if !theirs.contains(&statement) => format!("{theirs} {statement}"),
        _ => statement,
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
