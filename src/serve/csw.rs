//! OGC Catalogue Services 2.0.2, HTTP binding, for reading: GetCapabilities, DescribeRecord, GetRecords, GetRecordById
//! (OGC 07-006r1, clause 10). Records come as Dublin Core (`csw:Record`) or as ISO 19139 (`gmd:MD_Metadata`).

use super::catalogue::{Entry, Holdings};
use super::filter::Filter;
use super::http::{Request, Response};
use crate::markup::Element;
use crate::metadata::Tree;

const CSW: &str = "http://www.opengis.net/cat/csw/2.0.2";
const GMD: &str = "http://www.isotc211.org/2005/gmd";
const XML: &str = "application/xml; charset=UTF-8";
/// Records on a page, unless asked for otherwise, and at most.
const PAGE: (usize, usize) = (10, 200);

/// What is asked for.
#[derive(Debug, Default)]
struct Ask {
    operation: String,
    ids: Vec<String>,
    schema: String,
    set: String,
    hits_only: bool,
    start: usize,
    most: usize,
    filter: Option<Filter>,
}

/// A fault: code, locator, text.
type Fault = (&'static str, &'static str, String);

/// Answers.
pub fn respond(holdings: &Holdings, request: &Request) -> Response {
    let ask = if request.body.is_empty() { from_query(request) } else { from_body(&request.body) };
    let answer = ask.and_then(|ask| answer(holdings, request, &ask));
    match answer {
        Ok(xml) => Response::text(200, XML, xml),
        Err((code, locator, text)) => {
            Response::text(if code == "OperationNotSupported" { 400 } else { 200 }, XML, exception(code, locator, &text))
        }
    }
}

fn answer(holdings: &Holdings, request: &Request, ask: &Ask) -> Result<String, Fault> {
    match ask.operation.as_str() {
        "GetCapabilities" => Ok(capabilities(holdings, &format!("{}/csw", request.own))),
        "DescribeRecord" => Ok(root("csw:DescribeRecordResponse").to_xml()),
        "GetRecordById" => {
            schema(ask)?;
            if ask.ids.is_empty() {
                return Err(("MissingParameterValue", "id", "id is missing".to_owned()));
            }
            let found = holdings.entries.iter().filter(|entry| ask.ids.contains(&entry.id));
            Ok(framed("csw:GetRecordByIdResponse", "", &written(found, ask)))
        }
        "GetRecords" => records(holdings, ask),
        other => {
            let text = format!("there is no operation '{}'", other.chars().take(40).collect::<String>());
            Err(("OperationNotSupported", "request", text))
        }
    }
}

fn from_query(request: &Request) -> Result<Ask, Fault> {
    let get = |name: &str| request.get(name).unwrap_or_default().trim().to_owned();
    let service = get("service");
    if !service.is_empty() && !service.eq_ignore_ascii_case("CSW") {
        return Err(("InvalidParameterValue", "service", "this is a CSW".to_owned()));
    }
    let version = get("version");
    if !version.is_empty() && version != "2.0.2" {
        return Err(("InvalidParameterValue", "version", "only 2.0.2".to_owned()));
    }
    let operation = get("request");
    if operation.is_empty() {
        return Err(("MissingParameterValue", "request", "request is missing".to_owned()));
    }
    let filter = match (get("constraint"), get("constraintlanguage").to_uppercase()) {
        (text, _) if text.is_empty() => None,
        (text, language) if language == "FILTER" => Some(filter(&parse(&text)?)?),
        _ => return Err(("InvalidParameterValue", "constraintlanguage", "only FILTER".to_owned())),
    };
    Ok(Ask {
        operation,
        ids: get("id").split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect(),
        schema: get("outputschema"),
        set: get("elementsetname"),
        // By default a query by parameters counts only (table 29).
        hits_only: !get("resulttype").eq_ignore_ascii_case("results"),
        start: number(&get("startposition"), 1, "startposition")?,
        most: number(&get("maxrecords"), PAGE.0, "maxrecords")?,
        filter,
    })
}

fn from_body(body: &[u8]) -> Result<Ask, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| ("NoApplicableCode", "", "the request is not UTF-8".to_owned()))?;
    let tree = parse(text)?;
    let get = |name: &str| tree.attribute(name).unwrap_or_default().to_owned();
    let constraint = tree.find("Constraint");
    if constraint.is_some_and(|constraint| constraint.find("CqlText").is_some()) {
        return Err(("InvalidParameterValue", "Constraint", "only Filter, not CqlText".to_owned()));
    }
    let filter = constraint.and_then(|constraint| constraint.find("Filter")).map(filter).transpose()?;
    Ok(Ask {
        operation: tree.name.clone(),
        ids: tree.find_all("Id").iter().map(|id| id.text.trim().to_owned()).collect(),
        schema: get("outputSchema"),
        set: tree.find("ElementSetName").map(|set| set.text.trim().to_owned()).unwrap_or_default(),
        hits_only: get("resultType") != "results",
        start: number(&get("startPosition"), 1, "startPosition")?,
        most: number(&get("maxRecords"), PAGE.0, "maxRecords")?,
        filter,
    })
}

fn parse(text: &str) -> Result<Tree, Fault> {
    Tree::parse(text).map_err(|error| ("NoApplicableCode", "", error.full_message()))
}

fn filter(tree: &Tree) -> Result<Filter, Fault> {
    Filter::read(tree).map_err(|text| ("InvalidParameterValue", "constraint", text))
}

fn number(text: &str, usual: usize, name: &'static str) -> Result<usize, Fault> {
    if text.is_empty() {
        return Ok(usual);
    }
    text.parse().ok().filter(|number| *number > 0 || name.eq_ignore_ascii_case("maxrecords")).ok_or((
        "InvalidParameterValue",
        name,
        format!("{name} is no position"),
    ))
}

fn schema(ask: &Ask) -> Result<(), Fault> {
    if ["", CSW, GMD, "csw:Record", "csw:IsoRecord"].contains(&ask.schema.as_str()) {
        return Ok(());
    }
    Err(("InvalidParameterValue", "outputSchema", format!("only {CSW} and {GMD}")))
}

fn records(holdings: &Holdings, ask: &Ask) -> Result<String, Fault> {
    schema(ask)?;
    let matched: Vec<&Entry> =
        holdings.entries.iter().filter(|entry| ask.filter.as_ref().is_none_or(|filter| filter.fits(entry))).collect();
    let most = if ask.hits_only { 0 } else { ask.most.min(PAGE.1) };
    let page: Vec<&Entry> = matched.iter().skip(ask.start - 1).take(most).copied().collect();
    let after = ask.start + page.len();
    // 0 means: that was the last page (10.8.4.3).
    let next = if page.is_empty() || after > matched.len() { 0 } else { after };
    let results = format!(
        "  <csw:SearchResults numberOfRecordsMatched=\"{}\" numberOfRecordsReturned=\"{}\" nextRecord=\"{}\" elementSet=\"{}\" recordSchema=\"{}\">\n{}  </csw:SearchResults>\n",
        matched.len(),
        page.len(),
        if ask.hits_only && !matched.is_empty() { 1 } else { next },
        set(ask),
        if is_iso(ask) { GMD } else { CSW },
        written(page.into_iter(), ask)
    );
    Ok(framed(
        "csw:GetRecordsResponse",
        " version=\"2.0.2\"",
        &format!("  <csw:SearchStatus timestamp=\"{}\"/>\n{results}", crate::run::utc_now()),
    ))
}

fn is_iso(ask: &Ask) -> bool {
    ask.schema == GMD || ask.schema == "csw:IsoRecord"
}

fn set(ask: &Ask) -> &'static str {
    match ask.set.as_str() {
        "brief" => "brief",
        "full" => "full",
        _ => "summary",
    }
}

fn written<'a>(entries: impl Iterator<Item = &'a Entry>, ask: &Ask) -> String {
    let mut out = String::new();
    for entry in entries {
        if is_iso(ask) {
            out.push_str(&entry.xml);
            out.push('\n');
        } else {
            let xml = dublin_core(entry, set(ask)).to_xml();
            out.push_str(xml.split_once("?>\n").map_or(xml.as_str(), |(_, body)| body));
        }
    }
    out
}

fn dublin_core(entry: &Entry, set: &str) -> Element {
    let name = match set {
        "brief" => "csw:BriefRecord",
        "full" => "csw:Record",
        _ => "csw:SummaryRecord",
    };
    let mut record =
        Element::new(name).with("dc:identifier", &entry.id).with("dc:title", &entry.title).with("dc:type", &entry.kind);
    if set != "brief" {
        record = record.children(entry.subjects.iter().map(|word| Element::new("dc:subject").text(word)));
        record = record.with("dct:modified", &entry.modified).with("dct:abstract", &entry.summary);
    }
    if set == "full" {
        record = record.with("dc:publisher", &entry.organisation);
        record = record.children(entry.links.iter().map(|url| Element::new("dct:references").text(url)));
    }
    if let Some([west, south, east, north]) = entry.bbox {
        let corners = Element::new("ows:BoundingBox")
            .attr("crs", "urn:ogc:def:crs:EPSG::4326")
            .with("ows:LowerCorner", format!("{south} {west}"))
            .with("ows:UpperCorner", format!("{north} {east}"));
        record = record.child(corners);
    }
    record
}

const NAMESPACES: [(&str, &str); 9] = [
    ("xmlns:csw", CSW),
    ("xmlns:dc", "http://purl.org/dc/elements/1.1/"),
    ("xmlns:dct", "http://purl.org/dc/terms/"),
    ("xmlns:gmd", GMD),
    ("xmlns:gml", "http://www.opengis.net/gml"),
    ("xmlns:ogc", "http://www.opengis.net/ogc"),
    ("xmlns:ows", "http://www.opengis.net/ows"),
    ("xmlns:xlink", "http://www.w3.org/1999/xlink"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

fn framed(name: &str, attributes: &str, inner: &str) -> String {
    let namespaces = NAMESPACES.map(|(name, url)| format!("{name}=\"{url}\"")).join(" ");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name} {namespaces}{attributes}>\n{inner}</{name}>\n")
}

fn root(name: &'static str) -> Element {
    NAMESPACES.iter().fold(Element::new(name), |root, (name, url)| root.attr(*name, *url))
}

fn exception(code: &str, locator: &str, text: &str) -> String {
    let mut inner = Element::new("ows:Exception").attr("exceptionCode", code);
    if !locator.is_empty() {
        inner = inner.attr("locator", locator);
    }
    root("ows:ExceptionReport")
        .attr("version", "1.2.0")
        .attr("language", "en")
        .child(inner.with("ows:ExceptionText", text))
        .to_xml()
}

fn capabilities(holdings: &Holdings, url: &str) -> String {
    let el = Element::new;
    let operation = |name: &str, parameters: &[(&str, &[&str])]| {
        let address = |kind| el(kind).attr("xlink:href", url);
        let parameter = |(name, values): &(&str, &[&str])| {
            el("ows:Parameter").attr("name", *name).children(values.iter().map(|value| el("ows:Value").text(*value)))
        };
        el("ows:Operation")
            .attr("name", name)
            .child(el("ows:DCP").child(el("ows:HTTP").child(address("ows:Get")).child(address("ows:Post"))))
            .children(parameters.iter().map(parameter))
    };
    let schemas: (&str, &[&str]) = ("outputSchema", &[CSW, GMD]);
    let sets: (&str, &[&str]) = ("ElementSetName", &["brief", "summary", "full"]);
    let operations = el("ows:OperationsMetadata")
        .child(operation("GetCapabilities", &[("sections", &["All"])]))
        .child(operation("DescribeRecord", &[("typeName", &["csw:Record", "gmd:MD_Metadata"])]))
        .child(operation(
            "GetRecords",
            &[
                ("resultType", &["hits", "results"]),
                ("outputFormat", &["application/xml"]),
                schemas,
                ("typeNames", &["csw:Record", "gmd:MD_Metadata"]),
                ("CONSTRAINTLANGUAGE", &["FILTER"]),
                sets,
            ],
        ))
        .child(operation("GetRecordById", &[schemas, sets]))
        .child(el("ows:Parameter").attr("name", "service").with("ows:Value", "CSW"))
        .child(el("ows:Parameter").attr("name", "version").with("ows:Value", "2.0.2"));
    let identification = el("ows:ServiceIdentification")
        .with("ows:Title", &holdings.title)
        .with("ows:Abstract", "Metadatensätze der veröffentlichten Geodaten")
        .with("ows:ServiceType", "CSW")
        .with("ows:ServiceTypeVersion", "2.0.2")
        .with("ows:Fees", "none")
        .with("ows:AccessConstraints", "none");
    let (office, mail) = &holdings.contact;
    let contact =
        el("ows:ServiceContact").child(el("ows:ContactInfo").child(el("ows:Address").with("ows:ElectronicMailAddress", mail)));
    let provider = el("ows:ServiceProvider").with("ows:ProviderName", office).child(contact);
    let operators = ["EqualTo", "NotEqualTo", "LessThan", "LessThanEqualTo", "GreaterThan", "GreaterThanEqualTo", "Like"];
    let filters =
        el("ogc:Filter_Capabilities")
            .child(
                el("ogc:Spatial_Capabilities")
                    .child(el("ogc:GeometryOperands").with("ogc:GeometryOperand", "gml:Envelope"))
                    .child(el("ogc:SpatialOperators").child(el("ogc:SpatialOperator").attr("name", "BBOX"))),
            )
            .child(el("ogc:Scalar_Capabilities").child(el("ogc:LogicalOperators")).child(
                el("ogc:ComparisonOperators").children(operators.iter().map(|name| el("ogc:ComparisonOperator").text(*name))),
            ))
            .child(el("ogc:Id_Capabilities").child(el("ogc:EID")).child(el("ogc:FID")));
    root("csw:Capabilities")
        .attr("version", "2.0.2")
        .child(identification)
        .child(provider)
        .child(operations)
        .child(filters)
        .to_xml()
}
