//! Parts that records of datasets and of services have in common, in the form of ISO 19139.

use super::record::Record;
use super::tree::Tree;
use crate::markup::Element;

const CODE_LISTS: &str = "http://standards.iso.org/iso/19139/resources/gmxCodelists.xml";

/// The namespaces that all records use, declared at the root.
pub(super) fn namespaces(root: Element) -> Element {
    root.attr("xmlns:gmd", "http://www.isotc211.org/2005/gmd")
        .attr("xmlns:gco", "http://www.isotc211.org/2005/gco")
        .attr("xmlns:gmx", "http://www.isotc211.org/2005/gmx")
        .attr("xmlns:srv", "http://www.isotc211.org/2005/srv")
        .attr("xmlns:gml", "http://www.opengis.net/gml/3.2")
        .attr("xmlns:xlink", "http://www.w3.org/1999/xlink")
        .attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        .attr(
            "xsi:schemaLocation",
            "http://www.isotc211.org/2005/gmd \
             http://repository.gdi-de.org/schemas/geonetwork/2020-12-11/csw/2.0.2/profiles/apiso/1.0.1/apiso.xsd",
        )
}

pub(super) fn extent(record: &Record) -> Vec<Element> {
    let bound = |name, value: f64| el(name).with("gco:Decimal", format!("{value:.4}"));
    let mut parts = Vec::new();
    parts.extend(record.kept.places.iter().map(Tree::to_element));
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

pub(super) fn reference_system(url: &str, name: &str) -> Element {
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

/// A text in German, and in English where there is one (`PT_FreeText`; the locale is declared at the root).
pub(super) fn text_in_both(property: &'static str, german: &str, english: Option<&str>) -> Element {
    let Some(english) = english else { return text(property, german) };
    let localised = el("gmd:LocalisedCharacterString").attr("locale", "#locale-en").text(english);
    el(property).attr("xsi:type", "gmd:PT_FreeText_PropertyType").with("gco:CharacterString", german).child(wrap(
        "gmd:PT_FreeText",
        "gmd:textGroup",
        [localised],
    ))
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
