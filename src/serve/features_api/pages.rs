//! The API as pages for people, in German: without scripts, and without anything from elsewhere.

mod map;

use super::super::http::Response;
use super::collection::Collection;
use super::documents::{Links, description};
use super::items::Page;
use super::source::Release;
use super::table::{Column, Kind};
use crate::markup::{Element, url_path};
use crate::report::Language;
use serde_json::Value;

const STYLE: &str = include_str!("../../metadata/page.css");
const OWN: &str = include_str!("pages.css");

/// Columns of a table of features on a page: all of them stand on the page of the feature.
const SHOWN: usize = 8;

fn el(name: &'static str) -> Element {
    Element::new(name)
}

fn page(title: &str, kind: &str, way: &[(&str, String)], content: Vec<Element>) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    let head = el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .child(el("meta").attr("http-equiv", "Content-Security-Policy").attr("content", policy))
        .child(el("meta").attr("name", "color-scheme").attr("content", "light dark"))
        .with("title", title)
        .child(el("style").style_sheet(STYLE))
        .child(el("style").style_sheet(OWN));
    let steps = way.iter().map(|(text, address)| el("li").child(el("a").link(address).text(*text)));
    let nav = el("nav").attr("aria-label", "Pfad").child(el("ol").children(steps));
    let top = el("div")
        .class("wrap")
        .children((!way.is_empty()).then_some(nav))
        .child(el("p").class("kind").text(kind))
        .with("h1", title);
    let body = el("body").child(el("header").child(top)).child(el("main").children(content));
    let page = el("html").attr("lang", "de").child(head).child(body).to_page();
    Response::text(200, "text/html; charset=utf-8", page)
}

fn section(heading: &str) -> Element {
    el("section").with("h2", heading)
}

/// Links, one to a line.
fn list(links: Vec<(String, String, String)>) -> Element {
    el("ul").children(links.into_iter().map(|(address, text, more)| {
        let small = (!more.is_empty()).then(|| el("small").text(format!(" {more}")));
        el("li").child(el("a").link(&address).text(text)).children(small)
    }))
}

fn html(links: &Links, path: &str) -> String {
    links.to(&format!("{path}?f=html"))
}

fn home(links: &Links) -> (&'static str, String) {
    ("Geodaten", html(links, "/"))
}

fn overview(links: &Links) -> (&'static str, String) {
    ("Sammlungen", html(links, "/collections"))
}

/// The landing page.
pub fn landing(release: &Release, links: &Links) -> Response {
    let more = vec![
        (html(links, "/api"), "Beschreibung der Schnittstelle".to_owned(), "OpenAPI 3.0".to_owned()),
        (html(links, "/conformance"), "Erfüllte Konformitätsklassen".to_owned(), String::new()),
        (links.to("/?f=json"), "Diese Seite für Programme".to_owned(), "JSON".to_owned()),
        (links.beside("/"), "Metadaten".to_owned(), "OGC API – Records".to_owned()),
    ];
    let use_it = format!(
        "In QGIS: Layer hinzufügen → WFS / OGC API – Features → Neue Verbindung, Adresse {}. Mit GDAL: ogrinfo OAPIF:{}",
        links.to(""),
        links.to("")
    );
    let content = vec![
        el("section").child(el("p").class("summary").text(description(release))).child(el("p").text(use_it)),
        section("Sammlungen").child(rows(release, links)),
        section("Mehr").child(list(more)),
    ];
    page(&release.title, "OGC API – Features", &[], content)
}

fn rows(release: &Release, links: &Links) -> Element {
    let of = |collection: &Collection| {
        let count = collection.table.rows.map(|count| format!("{} Objekte", Language::De.number(count)));
        let path = Links::collection(&collection.id);
        let items = el("a").link(&html(links, &format!("{path}/items"))).text("Ansehen");
        el("li")
            .class("file")
            .child(el("span").child(el("a").link(&html(links, &path)).text(&collection.title)))
            .child(el("div").child(items).with("small", count.unwrap_or_default()))
    };
    el("ul").children(release.collections.iter().map(of))
}

/// All collections.
pub fn collections(release: &Release, links: &Links) -> Response {
    page("Sammlungen", &release.title, &[home(links)], vec![el("section").child(rows(release, links))])
}

/// One of them.
pub fn collection(collection: &Collection, value: &Value, links: &Links) -> Response {
    let path = Links::collection(&collection.id);
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Element| facts.extend([el("dt").text(name), el("dd").child(value)]);
    let text = |text: &str| el("span").text(text);
    if let Some(count) = collection.table.rows {
        fact("Objekte", text(&Language::De.number(count)));
    }
    if let Some(extent) = collection.extent {
        let degrees = |value: f64| format!("{value:.4}°").replace('.', ",");
        let [west, south, east, north] = [extent.min[0], extent.min[1], extent.max[0], extent.max[1]].map(degrees);
        fact("Gebiet", text(&format!("{west} bis {east} Ost, {south} bis {north} Nord")));
    }
    if let Some([first, last]) = value["extent"]["temporal"]["interval"][0].as_array().map(|all| [&all[0], &all[all.len() - 1]]) {
        let day = |value: &Value| Language::De.date(value.as_str().and_then(|text| text.get(..10)).unwrap_or_default());
        fact("Zeitraum", text(&format!("{} bis {}", day(first), day(last))));
    }
    let names: Vec<&str> = collection.targets.iter().map(|target| target.uri.as_str()).collect();
    if !names.is_empty() {
        fact("Bezugssysteme", el("ul").children(names.into_iter().map(|name| el("li").text(name))));
    }
    if let Some(licence) = &collection.about.licence {
        fact("Lizenz", el("a").link(licence).text(licence));
    }
    if let Some(attribution) = &collection.about.attribution {
        fact("Quellenvermerk", text(attribution));
    }
    let more = vec![
        (html(links, &format!("{path}/items")), "Objekte ansehen".to_owned(), String::new()),
        (links.to(&format!("{path}/items")), "Objekte".to_owned(), "GeoJSON".to_owned()),
        (html(links, &format!("{path}/queryables")), "Eigenschaften zum Auswählen".to_owned(), String::new()),
        (links.to(&format!("{path}?f=json")), "Diese Seite für Programme".to_owned(), "JSON".to_owned()),
    ];
    let content = vec![
        el("section").child(el("p").class("summary").text(&collection.description)),
        section("Objekte").child(list(more)),
        section("Auf einen Blick").child(el("dl").children(facts)),
    ];
    page(&collection.title, "Sammlung", &[home(links), overview(links)], content)
}

/// A value for people.
fn shown(column: Option<&Column>, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "ja".to_owned(),
        Value::Bool(false) => "nein".to_owned(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string().replace('.', ","),
        Value::String(text) => match column {
            Some(column) if column.kind == Kind::Date => Language::De.date(text),
            Some(column) => {
                column.values.iter().find(|(value, _)| value == text).map_or_else(|| text.clone(), |(_, said)| said.clone())
            }
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

fn name_of(feature: &Value) -> String {
    feature["id"].as_str().map_or_else(|| feature["id"].to_string(), str::to_owned)
}

/// A page of features.
pub fn items(release: &Release, collection: &Collection, found: &Page, links: &Links) -> Response {
    let path = Links::collection(&collection.id);
    let columns: Vec<&Column> = collection
        .table
        .columns
        .iter()
        .filter(|column| column.name != "uuid" && !column.name.ends_with("_uuid"))
        .take(SHOWN)
        .collect();
    let head = el("tr").with("th", "Objekt").children(columns.iter().map(|column| el("th").text(&column.title)));
    let row = |feature: &Value| {
        let name = name_of(feature);
        let address = html(links, &format!("{path}/items/{}", url_path(&name)));
        let short: String = if name.len() > 12 { name.chars().take(8).chain(['…']).collect() } else { name.clone() };
        let cells = columns.iter().map(|column| el("td").text(shown(Some(column), &feature["properties"][&column.name])));
        el("tr").child(el("td").child(el("a").link(&address).attr("title", name).text(short))).children(cells)
    };
    let table = el("div")
        .class("table")
        .attr("tabindex", "0")
        .child(el("table").child(el("thead").child(head)).child(el("tbody").children(found.features.iter().map(row))));
    let count = found.features.len() as u64;
    let range = if count == 0 {
        "Keine Objekte".to_owned()
    } else {
        let number = |number: u64| Language::De.number(number);
        format!(
            "{} bis {} von {} Objekten",
            number(found.about.offset + 1),
            number(found.about.offset + count),
            number(found.about.matched)
        )
    };
    let step = |query: &Option<String>, text: &'static str| {
        query.as_ref().map(|query| el("a").link(&links.to(&format!("{path}/items?f=html&{query}"))).text(text))
    };
    let walk = el("p")
        .class("walk")
        .with("span", range)
        .children(step(&found.about.around[0], "← vorige Seite"))
        .children(step(&found.about.around[1], "nächste Seite →"));
    let mut content = vec![];
    content.extend(map::drawn(&found.features).map(|map| el("section").child(map)));
    content.push(el("section").child(walk.clone()).child(table).children((count > 20).then_some(walk)));
    let way = [home(links), overview(links), (collection.title.as_str(), html(links, &path))];
    page(&collection.title, &format!("Objekte – {}", release.title), &way, content)
}

/// One feature.
pub fn item(collection: &Collection, feature: &Value, links: &Links) -> Response {
    let path = Links::collection(&collection.id);
    let mut facts = Vec::new();
    for column in &collection.table.columns {
        let value = shown(Some(column), &feature["properties"][&column.name]);
        facts.extend([el("dt").text(&column.title), el("dd").text(if value.is_empty() { "–".to_owned() } else { value })]);
    }
    let name = name_of(feature);
    let title = ["name", "bezeichnung", "kennung", "strasse", "lagebeztxt"]
        .iter()
        .find_map(|column| feature["properties"][*column].as_str().filter(|text| !text.is_empty()))
        .map_or_else(|| name.clone(), str::to_owned);
    let own = (links.to(&format!("{path}/items/{}", url_path(&name))), "Dieses Objekt".to_owned(), "GeoJSON".to_owned());
    let mut content = vec![];
    content.extend(map::drawn(std::slice::from_ref(feature)).map(|map| el("section").child(map)));
    content.push(section("Eigenschaften").child(el("dl").children(facts)));
    content.push(section("Für Programme").child(list(vec![own])));
    let items = html(links, &format!("{path}/items"));
    let way = [home(links), overview(links), (collection.title.as_str(), html(links, &path)), ("Objekte", items)];
    page(&title, &collection.title, &way, content)
}

/// The properties by which features can be chosen.
pub fn queryables(collection: &Collection, links: &Links) -> Response {
    let path = Links::collection(&collection.id);
    let rows = collection.queryables().map(|(_, column)| {
        let values: Vec<String> = column.values.iter().map(|(value, text)| format!("{value} ({text})")).collect();
        let kind = match column.kind {
            Kind::Text => "Text",
            Kind::Integer => "ganze Zahl",
            Kind::Number => "Zahl",
            Kind::Boolean => "true oder false",
            Kind::Date => "Tag",
            Kind::Moment => "Zeitpunkt",
            Kind::Any => "Wert",
        };
        el("tr")
            .child(el("td").with("code", &column.name))
            .with("td", &column.title)
            .with("td", kind)
            .with("td", values.join(", "))
    });
    let head = el("tr").with("th", "Name").with("th", "Titel").with("th", "Art").with("th", "Werte");
    let example = collection.queryables().next().map(|(_, column)| format!("{}/items?{}=…", links.to(&path), column.name));
    let content = vec![
        el("section")
            .child(el("p").class("summary").text("Mit dem Namen als Parameter wählen sie Objekte aus."))
            .children(example.map(|it| el("code").text(it))),
        el("section").child(
            el("div")
                .class("table")
                .attr("tabindex", "0")
                .child(el("table").child(el("thead").child(head)).child(el("tbody").children(rows))),
        ),
    ];
    let way = [home(links), overview(links), (collection.title.as_str(), html(links, &path))];
    page("Eigenschaften zum Auswählen", &collection.title, &way, content)
}

/// The classes that are met.
pub fn conformance(classes: &[&str], links: &Links) -> Response {
    let all = classes.iter().map(|class| el("li").text(*class));
    page("Erfüllte Konformitätsklassen", "OGC API", &[home(links)], vec![el("section").child(el("ul").children(all))])
}

/// The description of the API: its resources with their parameters.
pub fn api(document: &Value, links: &Links) -> Response {
    let mut content = vec![el("section").child(list(vec![(
        links.to("/api?f=json"),
        "Beschreibung für Programme".to_owned(),
        "OpenAPI 3.0".to_owned(),
    )]))];
    let named = |parameter: &Value| {
        let reference = parameter["$ref"].as_str().and_then(|text| document.pointer(text.trim_start_matches('#')));
        reference.unwrap_or(parameter).clone()
    };
    for (path, resource) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in resource.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
                let parameter = named(parameter);
                let text = |key: &str| parameter[key].as_str().unwrap_or_default().to_owned();
                el("li").child(el("b").text(text("name"))).text(format!(" {}", text("description")))
            });
            let name = format!("{} {path}", method.to_uppercase());
            let summary = el("summary").text(operation["summary"].as_str().unwrap_or_default()).with("code", name);
            content.push(el("section").child(el("details").child(summary).child(el("ul").children(parameters))));
        }
    }
    page("Beschreibung der Schnittstelle", "OGC API – Features", &[home(links)], content)
}
