//! DCAT-AP.de 3.0 for open data portals: one catalogue with its datasets, series, distributions, services and their records. High-value datasets
//! (Regulation (EU) 2023/138) name the regulation and their category.
//!
//! Only what a portal may show is in it: datasets that the audience sees, under a licence.

use super::hvd;
use super::rdf::{self, Node, Value};
use super::record::{Level, Link, LinkRole, Record};
use crate::pipeline::PipelineConfig;

/// What is written.
pub struct Dcat {
    /// `metadata/dcat.ttl`.
    pub turtle: String,
    /// `metadata/dcat.rdf`.
    pub xml: String,
}

/// The catalogue of these records; none without an address under which they are served: the names of things are addresses.
pub fn write(pipeline: &PipelineConfig, base_url: &str, records: &[&Record]) -> Dcat {
    let base = base_url.trim_end_matches('/');
    let mut nodes = Vec::new();
    let office = format!("{base}/metadata/dcat#office");
    let mut catalogue = Node::new(format!("{base}/metadata/dcat#catalogue"), &["dcat:Catalog"])
        .with("dct:title", german(format!("Geodaten: {}", pipeline.name)))
        .with("dct:description", german("Alle veröffentlichten Geodaten, jede Nacht auf dem Stand der Daten."))
        .with("dct:language", iri("http://publications.europa.eu/resource/authority/language/DEU"))
        .with("dct:publisher", iri(&office));
    for record in records {
        let property = if record.level == Level::Service { "dcat:service" } else { "dcat:dataset" };
        catalogue.add(property, iri(dataset_iri(base, record)));
        catalogue.add("dcat:record", iri(format!("{base}/metadata/{}.xml", record.dataset_id)));
    }
    if let Some(modified) = records.iter().map(|record| record.date_stamp).max() {
        catalogue.add("dct:modified", date(modified.to_string()));
    }
    nodes.push(catalogue);
    let name = pipeline.contact.as_ref().map_or(pipeline.name.as_str(), |contact| contact.organisation.as_str());
    nodes.push(Node::new(&*office, &["foaf:Agent"]).with("foaf:name", german(name)));
    for record in records {
        let mut node = match record.level {
            Level::Service => service(base, records, record),
            Level::Series => series(base, records, record),
            Level::Dataset => dataset(base, records, record),
        };
        common(&mut node, base, &office, record);
        nodes.push(node);
        if record.level == Level::Dataset {
            nodes.extend(distributions(base, record));
        }
        let entry = Node::new(format!("{base}/metadata/{}.xml", record.dataset_id), &["dcat:CatalogRecord"])
            .with("foaf:primaryTopic", iri(dataset_iri(base, record)))
            .with("dct:identifier", Value::Plain(record.uuid.to_string()))
            .with("dct:modified", date(record.date_stamp.to_string()));
        nodes.push(entry);
    }
    Dcat { turtle: rdf::turtle(&nodes), xml: rdf::xml(&nodes) }
}

fn dataset_iri(base: &str, record: &Record) -> String {
    format!("{base}/metadata/{}#dataset", record.dataset_id)
}

/// What datasets, series and services have in common.
fn common(node: &mut Node, base: &str, office: &str, record: &Record) {
    node.add("dct:title", german(&record.title));
    node.add("dct:description", german(&record.abstract_text));
    for (property, text) in [("dct:title", &record.title_en), ("dct:description", &record.abstract_en)] {
        if let Some(text) = text {
            node.add(property, Value::English(text.clone()));
        }
    }
    node.add("dct:publisher", iri(office));
    node.add("dct:language", iri("http://publications.europa.eu/resource/authority/language/DEU"));
    node.add("dct:issued", date(record.published.to_string()));
    node.add("dct:modified", date(record.date_stamp.to_string()));
    node.add("dcat:landingPage", iri(format!("{base}/metadata/{}.html", record.dataset_id)));
    node.add("dct:accessRights", iri("http://publications.europa.eu/resource/authority/access-right/PUBLIC"));
    if let Some(contact) = &record.contact {
        let card = Node::blank(&["vcard:Kind", "vcard:Organization"])
            .with("vcard:fn", Value::Plain(contact.organisation.clone()))
            .with("vcard:hasEmail", iri(format!("mailto:{}", contact.email)));
        node.add("dcat:contactPoint", Value::Node(card));
    }
    for theme in themes(record) {
        node.add("dcat:theme", iri(format!("http://publications.europa.eu/resource/authority/data-theme/{theme}")));
    }
    for keyword in &record.keywords {
        node.add("dcat:keyword", german(keyword));
    }
    if let Some(extent) = record.extent {
        let [west, south, east, north] = [extent.min[0], extent.min[1], extent.max[0], extent.max[1]];
        let ring = format!("POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))");
        let place = Node::blank(&["dct:Location"]).with("dcat:bbox", Value::Typed(ring, "geosparql:wktLiteral"));
        node.add("dct:spatial", Value::Node(place));
    }
    if let Some((first, last)) = &record.period
        && first.len() == 10
        && last.len() == 10
    {
        let period = Node::blank(&["dct:PeriodOfTime"]).with("dcat:startDate", date(first)).with("dcat:endDate", date(last));
        node.add("dct:temporal", Value::Node(period));
    }
    if let Some(category) = record.hvd {
        node.add("dcatap:applicableLegislation", iri(hvd::LEGISLATION));
        node.add("dcatap:hvdCategory", iri(category.url()));
    }
}

fn dataset(base: &str, records: &[&Record], record: &Record) -> Node {
    let mut node = Node::new(dataset_iri(base, record), &["dcat:Dataset", "dcat:Resource"])
        .with("dct:identifier", Value::Plain(record.resource_id.clone()))
        .with("dcatde:politicalGeocodingLevelURI", iri("http://dcat-ap.de/def/politicalGeocoding/Level/municipality"));
    if let Some(metres) = record.resolution_m {
        node.add("dcat:spatialResolutionInMeters", Value::Typed(metres.to_string(), "xsd:decimal"));
    }
    if let Some(series) = records.iter().find(|other| Some(other.uuid) == record.series) {
        node.add("dcat:inSeries", iri(dataset_iri(base, series)));
    }
    for index in 0..downloads(record).count() {
        node.add("dcat:distribution", iri(distribution_iri(base, record, index)));
    }
    node
}

fn series(base: &str, records: &[&Record], record: &Record) -> Node {
    let members = records.iter().filter(|other| other.series == Some(record.uuid));
    let mut node = Node::new(dataset_iri(base, record), &["dcat:DatasetSeries", "dcat:Dataset", "dcat:Resource"])
        .with("dct:identifier", Value::Plain(record.resource_id.clone()));
    for member in members {
        node.add("dcat:seriesMember", iri(dataset_iri(base, member)));
    }
    node
}

/// A view service serves the dataset whose tiles it shows, the download service all of them.
fn service(base: &str, records: &[&Record], record: &Record) -> Node {
    let mut node = Node::new(dataset_iri(base, record), &["dcat:DataService", "dcat:Resource"]);
    for link in &record.links {
        node.add("dcat:endpointURL", iri(&link.url));
        node.add("dcat:endpointDescription", iri(&link.url));
    }
    node.add("foaf:page", iri(format!("{base}/metadata/{}.html", record.dataset_id)));
    let shown = record.dataset_id.strip_prefix("dienst-wmts-");
    for other in records.iter().filter(|other| other.level == Level::Dataset) {
        if shown.is_none_or(|shown| shown == other.dataset_id) {
            node.add("dcat:servesDataset", iri(dataset_iri(base, other)));
        }
    }
    node
}

fn downloads(record: &Record) -> impl Iterator<Item = &Link> {
    record.links.iter().filter(|link| link.role == LinkRole::Download)
}

fn distribution_iri(base: &str, record: &Record, index: usize) -> String {
    format!("{base}/metadata/{}#distribution-{}", record.dataset_id, index + 1)
}

fn distributions(base: &str, record: &Record) -> Vec<Node> {
    let distribution = |(index, link): (usize, &Link)| {
        let mut node = Node::new(distribution_iri(base, record, index), &["dcat:Distribution"])
            .with("dct:title", german(&link.title))
            .with("dct:description", german(&link.description))
            .with("dcat:accessURL", iri(&link.url))
            .with("dcat:downloadURL", iri(&link.url))
            .with("dcat:byteSize", Value::Typed(format!("{:.0}", (link.size_mb * 1e6).round()), "xsd:nonNegativeInteger"));
        if let Some(licence) = record.licence {
            node.add("dct:license", iri(format!("http://dcat-ap.de/def/licenses/{}", licence.code)));
        }
        if let Some(text) = &record.attribution {
            node.add("dcatde:licenseAttributionByText", german(text));
        }
        if let Some(format) = file_type(&link.description) {
            node.add("dct:format", iri(format!("http://publications.europa.eu/resource/authority/file-type/{format}")));
        }
        if record.hvd.is_some() {
            node.add("dcatap:applicableLegislation", iri(hvd::LEGISLATION));
        }
        node
    };
    downloads(record).enumerate().map(distribution).collect()
}

/// The themes of the EU's vocabulary for an INSPIRE theme.
fn themes(record: &Record) -> &'static [&'static str] {
    match record.theme.map(|theme| theme.code) {
        Some("tn") => &["TRAN", "REGI"],
        Some("hy" | "ps" | "lc" | "so" | "ge" | "ef" | "am" | "nz" | "ac" | "mf" | "of" | "sr" | "br" | "hb" | "sd") => {
            &["ENVI", "REGI"]
        }
        Some("su" | "pd") => &["SOCI", "REGI"],
        Some("hh") => &["HEAL", "REGI"],
        Some("af") => &["AGRI", "REGI"],
        Some("er" | "mr") => &["ENER", "REGI"],
        Some("cp" | "au") => &["REGI", "GOVE"],
        _ => &["REGI"],
    }
}

/// The EU's code for a file type, by the beginning of the format's name.
fn file_type(description: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 8] = [
        ("CSV", "CSV"),
        ("Cloud Optimized GeoTIFF", "TIFF"),
        ("GeoTIFF", "TIFF"),
        ("GeoPackage", "GPKG"),
        ("GeoJSON", "GEOJSON"),
        ("GeoParquet", "PARQUET"),
        ("CityJSON", "JSON"),
        ("GML", "GML"),
    ];
    KNOWN.iter().find(|(name, _)| description.starts_with(name)).map(|(_, code)| *code)
}

fn german(text: impl Into<String>) -> Value {
    Value::German(text.into())
}
fn iri(address: impl Into<String>) -> Value {
    Value::Iri(address.into())
}
fn date(day: impl Into<String>) -> Value {
    Value::Typed(day.into(), "xsd:date")
}
