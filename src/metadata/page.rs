//! A page for people about one record: one file without scripts and without anything from elsewhere but the preview.

use super::record::{Level, Link, LinkRole, Record};
use crate::markup::Element;
use crate::pipeline::Audience;
use crate::report::Language;

const STYLE: &str = include_str!("page.css");

/// Steps and sources that are shown at once.
const SHOWN: usize = 8;

/// `metadata/<dataset>.html`. What lies below `base`, the address of the audience's folder, is linked relatively: so the page also works
/// from a copy of the folder.
pub fn write(record: &Record, base: Option<&str>) -> String {
    let policy =
        "default-src 'none'; img-src https: http: 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    let head = el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .child(el("meta").attr("http-equiv", "Content-Security-Policy").attr("content", policy))
        .child(el("meta").attr("name", "color-scheme").attr("content", "light dark"))
        .child(el("meta").attr("name", "description").attr("content", &record.abstract_text))
        .with("title", &record.title)
        .child(el("style").style_sheet(STYLE));
    let kind = match record.level {
        Level::Dataset => "Datensatz",
        Level::Series => "Datenserie",
        Level::Service => "Geodatendienst",
    };
    let mut top = el("div").class("wrap").child(el("p").class("kind").text(kind)).with("h1", &record.title);
    if let Some(contact) = &record.contact {
        top = top.with("p", &contact.organisation);
    }
    let mut main = el("main").child(summary(record, base)).child(facts(record));
    main = main.children(files(record, base, LinkRole::Download, "Herunterladen"));
    let others = if record.level == Level::Series { "Datensätze" } else { "Dienste und Verzeichnisse" };
    main = main.children(files(record, base, LinkRole::Information, others));
    main = main.children(origin(record));
    let own = |suffix: &str, text: &str| el("a").link(&format!("{}{suffix}", record.dataset_id)).text(text);
    let footer = el("footer").child(
        el("div").class("wrap").child(
            el("p")
                .text("Diese Beschreibung für Programme: ")
                .child(own(".xml", "ISO 19139"))
                .text(" · ")
                .child(own(".json", "OGC API – Records"))
                .text(" · ")
                .child(el("a").link("index.html").text("Alle Metadaten")),
        ),
    );
    let body = el("body").child(el("header").child(top)).child(main).child(footer);
    el("html").attr("lang", "de").child(head).child(body).to_page()
}

fn summary(record: &Record, base: Option<&str>) -> Element {
    let mut section = el("section").child(el("p").class("summary").text(&record.abstract_text));
    if let Some(english) = &record.abstract_en {
        let title = record.title_en.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
        section = section.child(el("p").attr("lang", "en").text(format!("{title}{english}")));
    }
    if let Some((address, _)) = &record.overview {
        section = section.child(el("img").attr("src", near(address, base)).attr("alt", format!("Vorschau: {}", record.title)));
    }
    section
}

/// Links, one line for each title: the same in several formats stands together. Checksums are for those who ask for them.
fn files(record: &Record, base: Option<&str>, role: LinkRole, heading: &str) -> Option<Element> {
    let links: Vec<&Link> = record.links.iter().filter(|link| link.role == role).collect();
    let mut titles: Vec<&str> = Vec::new();
    for link in &links {
        if !titles.contains(&link.title.as_str()) {
            titles.push(&link.title);
        }
    }
    // The format, then the digest.
    let parts = |link: &Link| match link.description.split_once(", BLAKE3 ") {
        Some((format, digest)) => (format.to_owned(), Some(digest.to_owned())),
        None => (link.description.clone(), None),
    };
    let chip = |link: &&&Link| {
        let size = if link.size_mb > 0.0 { Language::De.bytes((link.size_mb * 1e6).round() as u64) } else { String::new() };
        el("a").link(&near(&link.url, base)).text(parts(link).0).text(" ").child(el("small").text(size))
    };
    let item = |title: &&str| {
        let same = links.iter().filter(|link| link.title == **title);
        el("li").class("file").with("span", *title).child(el("div").children(same.collect::<Vec<_>>().iter().map(chip)))
    };
    if links.is_empty() {
        return None;
    }
    let mut section = el("section").with("h2", heading).child(el("ul").children(titles.iter().map(item)));
    let digests: Vec<Element> = links
        .iter()
        .filter_map(|link| {
            let name = link.url.rsplit('/').next().unwrap_or_default();
            Some(el("li").text(name).with("code", parts(link).1?))
        })
        .collect();
    if !digests.is_empty() {
        section = section.child(el("details").with("summary", "Prüfsummen (BLAKE3)").child(el("ul").children(digests)));
    }
    Some(section)
}

/// An address as seen from `metadata/`.
fn near(address: &str, base: Option<&str>) -> String {
    let below = base.and_then(|base| address.strip_prefix(base.trim_end_matches('/'))).filter(|rest| rest.starts_with('/'));
    below.map_or_else(|| address.to_owned(), |rest| format!("..{rest}"))
}

fn facts(record: &Record) -> Element {
    let mut list = Vec::new();
    let mut fact = |name: &str, value: Element| list.extend([el("dt").text(name), el("dd").child(value)]);
    let text = |text: String| el("span").text(text);
    if let Some((first, last)) = &record.period {
        let (first, last) = (Language::De.date(first), Language::De.date(last));
        fact("Stand", text(if first == last { first } else { format!("{first} bis {last}") }));
    }
    if record.level != Level::Service {
        let systems = [Some(record.crs.to_string()), record.vertical.clone()].into_iter().flatten().collect::<Vec<_>>();
        fact("Bezugssystem", text(systems.join(", Höhen ")));
    }
    if let Some(metres) = record.resolution_m {
        fact("Bodenauflösung", text(format!("{} m", metres.to_string().replace('.', ","))));
    }
    if let Some(extent) = record.extent {
        let degrees = |value: f64| format!("{value:.4}°").replace('.', ",");
        let [west, south, east, north] = [extent.min[0], extent.min[1], extent.max[0], extent.max[1]].map(degrees);
        fact("Gebiet", text(format!("{west} bis {east} Ost, {south} bis {north} Nord")));
    }
    if let Some(contents) = &record.contents {
        fact("Inhalt", text(contents.clone()));
    }
    match record.licence {
        Some(licence) => fact("Lizenz", el("a").link(licence.url).text(licence.name)),
        None if record.audience == Audience::Internal => fact("Nutzung", text("nur innerhalb der Verwaltung".to_owned())),
        None => {}
    }
    if let Some(attribution) = &record.attribution {
        fact("Quellenvermerk", text(attribution.clone()));
    }
    if let Some(contact) = &record.contact {
        fact("Fragen an", el("a").link(&format!("mailto:{}", contact.email)).text(&contact.email));
    }
    if !record.keywords.is_empty() {
        fact("Schlüsselwörter", el("ul").class("words").children(record.keywords.iter().map(|word| el("li").text(word))));
    }
    fact("Kennung", text(record.uuid.to_string()));
    fact("Veröffentlicht", text(Language::De.date(&record.published.to_string())));
    fact("Metadaten vom", text(Language::De.date(&record.date_stamp.to_string())));
    el("section").with("h2", "Auf einen Blick").child(el("dl").children(list))
}

fn origin(record: &Record) -> Option<Element> {
    let told = record.kept.statement.iter().chain(&record.steps).map(|step| el("li").text(step));
    let made_of = record.sources.iter().map(|source| el("li").text(&source.name).with("code", &source.identifier));
    let all: Vec<Element> = told.chain(made_of).collect();
    if all.is_empty() {
        return None;
    }
    // One more line is no longer than the line that folds it.
    let (shown, folded) = all.split_at(if all.len() > SHOWN + 1 { SHOWN } else { all.len() });
    let mut section = el("section").with("h2", "Herkunft").child(el("ul").children(shown.iter().cloned()));
    if !folded.is_empty() {
        let summary = el("summary").text(format!("{} weitere Angaben", folded.len()));
        section = section.child(el("details").child(summary).child(el("ul").children(folded.iter().cloned())));
    }
    Some(section)
}

fn el(name: &'static str) -> Element {
    Element::new(name)
}
