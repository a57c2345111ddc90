//! INSPIRE download by pre-defined datasets: ATOM feeds with an OpenSearch description (technical guidance for download services
//! 3.1, chapter 5). One top feed, one feed for each dataset; entries are the files as they are released.

use super::record::{Link, LinkRole, Record};
use crate::markup::Element;
use uuid::Uuid;

/// What all feeds share.
pub struct Feeds<'a> {
    /// Title of the service.
    pub title: &'a str,
    /// The office and its e-mail address.
    pub author: (&'a str, &'a str),
    /// Address of the audience's folder, without a slash at its end.
    pub base: &'a str,
    /// Identifier and file of the service's record.
    pub service: (Uuid, &'a str),
    /// The datasets.
    pub records: &'a [&'a Record],
}

/// The files, by path below the audience's folder.
pub fn write(feeds: &Feeds<'_>) -> Vec<(String, String)> {
    let mut files = vec![
        ("atom/service.xml".to_owned(), top(feeds).to_xml()),
        ("atom/opensearch.xml".to_owned(), open_search(feeds).to_xml()),
    ];
    files.extend(feeds.records.iter().map(|record| (format!("atom/{}.xml", record.dataset_id), dataset(feeds, record).to_xml())));
    files
}

fn feed(feeds: &Feeds<'_>, title: &str, own: &str, updated: String) -> Element {
    let (name, mail) = feeds.author;
    Element::new("feed")
        .attr("xmlns", "http://www.w3.org/2005/Atom")
        .attr("xmlns:georss", "http://www.georss.org/georss")
        .attr("xmlns:inspire_dls", "http://inspire.ec.europa.eu/schemas/inspire_dls/1.0")
        .attr("xml:lang", "de")
        .with("title", title)
        .child(link("self", &format!("{}/{own}", feeds.base), "application/atom+xml", title).attr("hreflang", "de"))
        .with("id", format!("{}/{own}", feeds.base))
        .with("rights", "Siehe die Lizenz der einzelnen Datensätze")
        .with("updated", updated)
        .child(Element::new("author").with("name", name).with("email", mail))
}

fn top(feeds: &Feeds<'_>) -> Element {
    let newest = feeds.records.iter().map(|record| record.date_stamp.to_string()).max().unwrap_or_default();
    let base = feeds.base;
    feed(feeds, feeds.title, "atom/service.xml", moment(&newest))
        .with("subtitle", "Downloaddienst für vordefinierte Datensätze")
        .child(link("describedby", &format!("{base}/metadata/{}", feeds.service.1), "application/xml", "Metadaten des Dienstes"))
        .child(link("search", &format!("{base}/atom/opensearch.xml"), "application/opensearchdescription+xml", "Suche"))
        .children(feeds.records.iter().map(|record| {
            let own = format!("{base}/atom/{}.xml", record.dataset_id);
            let (namespace, code) = record.resource_id.rsplit_once('/').unwrap_or(("", &record.resource_id));
            let entry = Element::new("entry")
                .with("title", &record.title)
                .with("inspire_dls:spatial_dataset_identifier_code", code)
                .with("inspire_dls:spatial_dataset_identifier_namespace", namespace)
                .child(link("describedby", &format!("{base}/metadata/{}.xml", record.dataset_id), "application/xml", "Metadaten"))
                .child(link("alternate", &own, "application/atom+xml", &record.title).attr("hreflang", "de"))
                .with("id", own)
                .with("rights", rights(record))
                .with("updated", moment(&record.date_stamp.to_string()))
                .with("summary", &record.abstract_text);
            placed(entry, record)
        }))
}

fn dataset(feeds: &Feeds<'_>, record: &Record) -> Element {
    let base = feeds.base;
    let own = format!("atom/{}.xml", record.dataset_id);
    feed(feeds, &record.title, &own, moment(&record.date_stamp.to_string()))
        .with("subtitle", &record.abstract_text)
        .child(link("describedby", &format!("{base}/metadata/{}.xml", record.dataset_id), "application/xml", "Metadaten"))
        .child(link("up", &format!("{base}/atom/service.xml"), "application/atom+xml", feeds.title))
        .children(record.links.iter().filter(|link| link.role == LinkRole::Download).map(|file| {
            let entry = Element::new("entry")
                .with("title", &file.title)
                .child(download(file))
                .with("id", &file.url)
                .with("rights", rights(record))
                .with("updated", moment(&record.date_stamp.to_string()))
                .with("summary", &file.description);
            placed(entry, record)
        }))
}

fn download(file: &Link) -> Element {
    link("alternate", &file.url, &file.media_type, &file.title)
        .attr("hreflang", "de")
        .attr("length", format!("{:.0}", (file.size_mb * 1e6).round()))
}

fn placed(mut entry: Element, record: &Record) -> Element {
    let crs = format!("http://www.opengis.net/def/crs/EPSG/0/{}", record.crs.0);
    entry = entry.child(Element::new("category").attr("term", crs).attr("label", record.crs.to_string()));
    if let Some(extent) = record.extent {
        let [west, south, east, north] = [extent.min[0], extent.min[1], extent.max[0], extent.max[1]];
        // Latitude first (GeoRSS Simple).
        entry =
            entry.with("georss:polygon", format!("{south} {west} {south} {east} {north} {east} {north} {west} {south} {west}"));
    }
    entry
}

fn rights(record: &Record) -> String {
    let licence = record.licence.map(|licence| format!("{} ({})", licence.name, licence.url));
    [licence, record.attribution.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn link(rel: &str, address: &str, media_type: &str, title: &str) -> Element {
    Element::new("link").attr("rel", rel).attr("href", address).attr("type", media_type).attr("title", title)
}

fn moment(day: &str) -> String {
    format!("{day}T00:00:00Z")
}

/// The description of the search. The files lie on a plain web server: what it finds for a template without parameters is the top
/// feed, from which clients go on.
fn open_search(feeds: &Feeds<'_>) -> Element {
    let url = |rel: &str, media_type: &str, template: String| {
        Element::new("Url").attr("rel", rel).attr("type", media_type).attr("template", template)
    };
    let base = feeds.base;
    let name: String = feeds.title.chars().take(16).collect();
    Element::new("OpenSearchDescription")
        .attr("xmlns", "http://a9.com/-/spec/opensearch/1.1/")
        .attr("xmlns:inspire_dls", "http://inspire.ec.europa.eu/schemas/inspire_dls/1.0")
        .with("ShortName", name)
        .with("Description", feeds.title)
        .child(url("self", "application/opensearchdescription+xml", format!("{base}/atom/opensearch.xml")))
        .child(url("results", "application/atom+xml", format!("{base}/atom/service.xml")))
        .with("Contact", feeds.author.1)
        .with("LongName", feeds.title)
        .children(feeds.records.iter().map(|record| {
            let (namespace, code) = record.resource_id.rsplit_once('/').unwrap_or(("", &record.resource_id));
            Element::new("Query")
                .attr("role", "example")
                .attr("inspire_dls:spatial_dataset_identifier_namespace", namespace)
                .attr("inspire_dls:spatial_dataset_identifier_code", code)
                .attr("title", &record.title)
                .attr("language", "de")
        }))
        .with("Developer", feeds.author.0)
        .with("Language", "de")
}
