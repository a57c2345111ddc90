//! The web accessible folder: a plain page of links to the records, from which harvesters fetch them.

use super::RenderedRecord;
use crate::markup::{Element, url_path};

/// The style of the pages in this folder.
pub const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2027;\
                     background:#fff}li{margin:.4rem 0}small{color:#4a5560}a{color:#0b5cad}\
                     @media(prefers-color-scheme:dark){body{background:#14181d;color:#e4e8ec}small{color:#a9b4be}a{color:#7db7f5}}";

/// `metadata/index.html`: one link for each record, by title.
pub fn index(records: &[RenderedRecord]) -> String {
    let mut sorted: Vec<&RenderedRecord> = records.iter().collect();
    sorted.sort_by(|a, b| (&a.title, &a.path).cmp(&(&b.title, &b.path)));
    let item = |record: &&RenderedRecord| {
        let file = record.path.rsplit('/').next().unwrap_or(&record.path);
        let details = format!(" – Stand {}, {}", record.date_stamp, record.uuid);
        Element::new("li")
            .child(Element::new("a").link(&url_path(file)).attr("title", &record.title).text(file))
            .text(" ")
            .child(Element::new("a").link(&url_path(&file.replace(".xml", ".html"))).text(&record.title))
            .with("small", details)
    };
    let head = Element::new("head")
        .child(Element::new("meta").attr("charset", "utf-8"))
        .child(Element::new("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .child(
            Element::new("meta")
                .attr("http-equiv", "Content-Security-Policy")
                .attr("content", "default-src 'none'; style-src 'unsafe-inline'"),
        )
        .with("title", "Metadaten")
        .child(Element::new("style").style_sheet(STYLE));
    let body = Element::new("body").child(
        Element::new("main")
            .with("h1", "Metadaten")
            .with("p", "Beschreibungen der Datensätze nach ISO 19139, eine Datei je Datensatz. Suchdienste können diesen Ordner einlesen.")
            .child(Element::new("ul").children(sorted.iter().map(item))),
    );
    Element::new("html").attr("lang", "de").child(head).child(body).to_page()
}
