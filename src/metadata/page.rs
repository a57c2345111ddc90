//! A page for people about one record.

use super::record::{LinkRole, Record};
use crate::markup::Element;

/// `metadata/<dataset>.html`.
pub fn write(record: &Record, style: &'static str) -> String {
    let head = Element::new("head")
        .child(Element::new("meta").attr("charset", "utf-8"))
        .child(Element::new("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .child(
            Element::new("meta")
                .attr("http-equiv", "Content-Security-Policy")
                .attr("content", "default-src 'none'; img-src https: 'self'; style-src 'unsafe-inline'"),
        )
        .with("title", &record.title)
        .child(Element::new("style").style_sheet(style));
    let mut facts = Element::new("dl");
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let old = std::mem::replace(&mut facts, Element::new("dl"));
            facts = old.with("dt", name).with("dd", value);
        }
    };
    if let Some((first, last)) = &record.period {
        fact("Stand", if first == last { first.clone() } else { format!("{first} bis {last}") });
    }
    fact(
        "Bezugssystem",
        [Some(record.crs.to_string()), record.vertical.clone()].into_iter().flatten().collect::<Vec<_>>().join(", "),
    );
    if let Some(metres) = record.resolution_m {
        fact("Bodenauflösung", format!("{} m", metres.to_string().replace('.', ",")));
    }
    if let Some(extent) = record.extent {
        let degrees = |value: f64| format!("{value:.4}°").replace('.', ",");
        let text = format!(
            "{} bis {} Ost, {} bis {} Nord",
            degrees(extent.min[0]),
            degrees(extent.max[0]),
            degrees(extent.min[1]),
            degrees(extent.max[1])
        );
        fact("Gebiet", text);
    }
    if let Some(licence) = record.licence {
        fact("Lizenz", licence.name.to_owned());
    }
    fact("Quellenvermerk", record.attribution.clone().unwrap_or_default());
    if let Some(contact) = &record.contact {
        fact("Ansprechstelle", format!("{}, {}", contact.organisation, contact.email));
    }
    fact("Schlüsselwörter", record.keywords.join(", "));
    fact("Kennung", record.uuid.to_string());
    fact("Metadaten vom", record.date_stamp.to_string());
    let item = |link: &super::record::Link| {
        let size = if link.size_mb >= 1.0 { format!(" ({:.0} MB)", link.size_mb) } else { String::new() };
        Element::new("li")
            .child(Element::new("a").link(&link.url).text(&link.title))
            .with("small", format!(" {}{size}", link.description))
    };
    let list = |role: LinkRole| Element::new("ul").children(record.links.iter().filter(|link| link.role == role).map(item));
    let mut main = Element::new("main").with("h1", &record.title).with("p", &record.abstract_text).child(facts);
    if record.links.iter().any(|link| link.role == LinkRole::Download) {
        main = main.with("h2", "Downloads").child(list(LinkRole::Download));
    }
    if !record.steps.is_empty() {
        main = main
            .with("h2", "Herkunft")
            .child(Element::new("ul").children(record.steps.iter().map(|step| Element::new("li").text(step))));
    }
    let own = Element::new("a").link(&format!("{}.xml", record.dataset_id)).text("ISO 19139");
    let all = Element::new("a").link("index.html").text("Alle Metadaten");
    main = main.child(Element::new("p").child(own).text(" · ").child(all));
    Element::new("html").attr("lang", "de").child(head).child(Element::new("body").child(main)).to_page()
}
