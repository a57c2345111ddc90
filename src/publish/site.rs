//! The index page of a release for one audience: what there is, how old it is, and where to get it.

use super::{PortalFile, PortalInput, PublishedDataset, Publisher, read_options};
use crate::dataset::{ArtefactRole, Representation};
use crate::error::Result;
use crate::markup::Element;
use crate::metadata::{PublishedArtefact, licence};
use crate::pipeline::{Audience, PublishConfig};
use crate::report::{Language, Picture};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The publisher, as the table lists it.
pub const PUBLISHER: Publisher = Publisher {
    name: "site",
    summary: "A plain page that lists the datasets with their downloads",
    always: true,
    once: true,
    options: || schemars::schema_for!(Options),
    check: |config| read_options::<Options>(config).map(|_| ()),
    files,
    outside: None,
};

/// The options of the publisher in the pipeline file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Heading of the page. Defaults to `Geodaten` and the name of the office.
    #[serde(default)]
    pub title: Option<String>,
    /// A sentence or two below the heading.
    #[serde(default)]
    pub introduction: Option<String>,
}

fn files(config: &PublishConfig, input: &PortalInput<'_>) -> Result<Vec<PortalFile>> {
    let options: Options = read_options(config)?;
    let page = page(&options, input);
    Ok(vec![PortalFile { path: "portal/index.html".to_owned(), bytes: page.into_bytes() }])
}

fn page(options: &Options, input: &PortalInput<'_>) -> String {
    let office = input.pipeline.contact.as_ref().map(|contact| contact.organisation.as_str());
    let title = options.title.clone().unwrap_or_else(|| "Geodaten".to_owned());
    let window_title = office.map_or_else(|| title.clone(), |office| format!("{title} – {office}"));
    let head =
        el("head")
            .child(el("meta").attr("charset", "utf-8"))
            .child(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
            .child(el("meta").attr("http-equiv", "Content-Security-Policy").attr(
                "content",
                "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
            ))
            .child(el("meta").attr("name", "color-scheme").attr("content", "light dark"))
            .child(el("meta").attr("name", "description").attr("content", introduction(options, input)))
            .with("title", window_title)
            .child(el("style").style_sheet(include_str!("site.css")));
    let datasets: Vec<_> = input.visible().collect();
    let cards: Vec<Element> = datasets.iter().map(|dataset| card(dataset, input)).collect();
    let list = match cards.as_slice() {
        [] => el("p").class("empty").text("In dieser Ausgabe ist nichts veröffentlicht."),
        _ => el("div").class(if cards.len() == 1 { "cards single" } else { "cards" }).children(cards),
    };
    let mut contents = Vec::new();
    if datasets.len() > 3 {
        let entry = |dataset: &&PublishedDataset<'_>| {
            el("li").child(el("a").link(&format!("#{}", dataset.config.id)).text(dataset.title()))
        };
        contents.push(
            el("nav").class("contents").attr("aria-label", "Datensätze").child(el("ul").children(datasets.iter().map(entry))),
        );
    }
    let body = el("body")
        .child(el("a").class("skip").link("#daten").text("Zu den Datensätzen"))
        .child(header(&title, office, options, input))
        .child(el("main").attr("id", "daten").children(contents).child(list))
        .child(footer(input));
    el("html").attr("lang", "de").child(head).child(body).to_page()
}

fn introduction(options: &Options, input: &PortalInput<'_>) -> String {
    options.introduction.clone().unwrap_or_else(|| {
        match input.audience {
            Audience::Public => "Offene Geodaten zum Ansehen, Herunterladen und Weiterverwenden.",
            Audience::Internal => "Geodaten für den Dienstgebrauch. Bitte nicht weitergeben.",
        }
        .to_owned()
    })
}

fn header(title: &str, office: Option<&str>, options: &Options, input: &PortalInput<'_>) -> Element {
    let mut inner = el("div").class("wrap");
    if let Some(office) = office {
        inner = inner.child(el("p").class("office").text(office));
    }
    let mut heading = el("h1").text(title);
    if input.audience == Audience::Internal {
        heading = heading.text(" ").child(el("span").class("badge").text("Intern"));
    }
    let count = Language::De.count(input.visible().count() as u64, ("Datensatz", "Datensätze"), ("dataset", "datasets"));
    let line = el("p").class("release").text(format!("{count} · Stand {}", input.date.strftime("%d.%m.%Y")));
    inner = inner.child(heading).child(el("p").class("lead").text(introduction(options, input))).child(line);
    el("header").child(inner)
}

fn card(dataset: &PublishedDataset<'_>, input: &PortalInput<'_>) -> Element {
    let metadata = &dataset.config.metadata;
    let id = &dataset.config.id;
    let mut text = el("div").class("text").child(el("h2").attr("id", format!("{id}-titel")).text(dataset.title()));
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Element| facts.push(el("div").with("dt", name).child(el("dd").child(value)));
    if let Some((first, last)) = &dataset.facts.dates {
        let (first, last) = (Language::De.date(first), Language::De.date(last));
        fact("Stand", el("span").text(if first == last { last } else { format!("{first} – {last}") }));
    }
    if let Some(metres) = dataset.facts.resolution_m {
        let text = if metres < 1.0 {
            format!("{}\u{a0}cm", Language::De.decimal(metres * 100.0, 0))
        } else {
            format!("{}\u{a0}m", Language::De.decimal(metres, 1))
        };
        fact("Auflösung", el("span").text(text));
    }
    fact(
        "Bezugssystem",
        el("span").text(match &dataset.facts.vertical {
            Some(vertical) => format!("{} + {vertical}", dataset.facts.crs),
            None => dataset.facts.crs.to_string(),
        }),
    );
    let licence = metadata.licence.as_deref().and_then(licence);
    fact(
        "Lizenz",
        match licence {
            Some(licence) => el("a").link(licence.url).text(licence.code),
            None if dataset.config.audience == Audience::Internal => el("span").text("nur intern"),
            None => el("span").text("nicht angegeben"),
        },
    );
    if let Some(summary) = &metadata.abstract_text {
        text = text.child(el("p").class("abstract").text(summary));
    }
    if dataset.stale_units > 0 {
        let note = el("p").class("note").with("strong", "Hinweis: ");
        text = text.child(note.text(
            "Teile dieses Datensatzes zeigen einen älteren Stand, weil die letzte Lieferung nicht verarbeitet werden konnte.",
        ));
    }
    text = text.child(el("dl").class("facts").children(facts));
    text = text.children(downloads(dataset, input));
    let mut links = el("p").class("links");
    if dataset.uuid.is_some() {
        let record = input.address(&format!("metadata/{id}.xml"));
        links = links.child(el("a").link(&record).text("Metadaten (ISO 19139)"));
    }
    if let Some(attribution) = &metadata.attribution {
        links = links.child(el("span").class("attribution").text(format!("Quellenvermerk: {attribution}")));
    }
    text = text.child(links);
    el("article").attr("id", id).attr("aria-labelledby", format!("{id}-titel")).child(picture(dataset)).child(text)
}

/// Lists of files: data first, then what maps and globes read.
fn downloads(dataset: &PublishedDataset<'_>, input: &PortalInput<'_>) -> Vec<Element> {
    let visible = dataset.visible(input.audience);
    let groups = [
        ("Herunterladen", vec![ArtefactRole::Data]),
        ("Für Karten und 3D-Programme", vec![ArtefactRole::Tiles]),
        ("Verzeichnisse", vec![ArtefactRole::Index]),
    ];
    let mut out = Vec::new();
    for (heading, roles) in groups {
        let rows: Vec<Element> = visible
            .iter()
            .filter(|published| roles.contains(&published.artefact.role))
            .map(|published| download(dataset, published, input))
            .collect();
        if rows.is_empty() {
            continue;
        }
        // One more line is no longer than the line that folds it.
        let (shown, folded) = rows.split_at(if rows.len() > SHOWN + 1 { SHOWN } else { rows.len() });
        out.push(el("h3").text(heading));
        out.push(el("ul").class("files").children(shown.iter().cloned()));
        if !folded.is_empty() {
            let summary = el("summary").text(format!("{} weitere", folded.len()));
            out.push(el("details").child(summary).child(el("ul").class("files").children(folded.iter().cloned())));
        }
    }
    out
}

/// Files that a card shows at once.
const SHOWN: usize = 6;

fn download(dataset: &PublishedDataset<'_>, published: &PublishedArtefact, input: &PortalInput<'_>) -> Element {
    let artefact = &published.artefact;
    let path = artefact.path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let size = Language::De.bytes(published.size);
    let about = el("span")
        .class("about")
        .child(el("span").class("format").text(&artefact.format))
        .text(" ")
        .child(el("span").class("size").text(size));
    // A folder has no page of its own.
    if !name.contains('.') {
        return el("li")
            .child(el("span").class("name").text(&artefact.title).with("small", format!("Ordner {path}")))
            .child(about);
    }
    let address = input.address(&format!("{}/{path}", dataset.config.id));
    let mut link = el("a").link(&address).class("name").text(&artefact.title).with("small", name);
    if artefact.role == ArtefactRole::Data {
        link = link.attr("download", "");
    }
    el("li").child(link).child(about)
}

fn footer(input: &PortalInput<'_>) -> Element {
    let mut inner = el("div").class("wrap");
    if let Some(contact) = &input.pipeline.contact {
        let mut line = el("p").child(el("strong").text(&contact.organisation)).text(" · ");
        line = line.child(el("a").link(&format!("mailto:{}", contact.email)).text(&contact.email));
        if let Some(url) = &contact.url {
            line = line.text(" · ").child(el("a").link(url).text(url.trim_start_matches("https://").trim_end_matches('/')));
        }
        inner = inner.child(line);
    }
    let machines = el("p")
        .text("Für Programme: ")
        .child(el("a").link(&input.address("metadata/index.html")).text("Metadatensätze"))
        .text(" · ")
        .child(el("a").link("services.json").text("Masterportal-Dienste"));
    el("footer").child(inner.child(machines))
}

/// The preview, or a drawing of its kind where there is none.
fn picture(dataset: &PublishedDataset<'_>) -> Element {
    let frame = el("div").class("picture");
    let fits = dataset.preview.as_ref().filter(|picture| picture.base64.len() <= MAX_PICTURE).and_then(Picture::data_uri);
    match fits {
        Some(uri) => {
            frame.child(el("img").attr("src", uri).attr("alt", format!("Vorschau: {}", dataset.title())).attr("loading", "lazy"))
        }
        None => frame.child(drawing(dataset.facts.representation)),
    }
}

/// Base64 digits of a preview; a larger one would make the page slow on a phone.
const MAX_PICTURE: usize = 600_000;

fn drawing(representation: Representation) -> Element {
    let svg = el("svg").attr("viewBox", "0 0 160 90").attr("aria-hidden", "true").attr("preserveAspectRatio", "xMidYMid slice");
    let path = |class: &str, d: &str| el("path").class(class).attr("d", d);
    match representation {
        Representation::Grid => svg
            .child(path("a", "M0 0h160v90H0z"))
            .child(path("b", "M0 0h53v30H0zM53 30h54v30H53zM107 0h53v30h-53zM0 60h53v30H0z"))
            .child(path("c", "M0 72Q40 40 80 58T160 30v10Q120 48 80 68T0 82z"))
            .child(path("l", "M53 0v90M107 0v90M0 30h160M0 60h160")),
        Representation::Vector => svg
            .child(path("a", "M0 0h160v90H0z"))
            .child(path("b", "M20 8l34 6-5 30-34-6zM92 50l44-8 6 32-42 9z"))
            .child(path("c", "M26 15l13 2-2 13-13-2zM104 56l14-3 3 14-14 3z"))
            .child(path(
                "l",
                "M0 2l54 12 40-8 66 10M54 14l-5 30 43 6 44-8 24 4M49 44L0 36M92 50l8 33M94 6l-2 44M136 42l6 32 18 4M49 44l-6 46",
            )),
        Representation::Tin => svg
            .child(path("a", "M0 0h160v90H0z"))
            .child(path("b", "M30 44l24-12 24 12-24 12zM84 36l20-10 24 12-20 10z"))
            .child(path("c", "M30 44l24 12v22L30 66zM84 36l24 12v28L84 64z"))
            .child(path("d", "M78 44L54 56v22l24-12zM128 38l-20 10v28l20-10z"))
            .child(path("l", "M0 76l54 12 106-30")),
    }
}

fn el(name: &'static str) -> Element {
    Element::new(name)
}
