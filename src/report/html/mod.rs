//! The page: one self-contained file that opens anywhere, without scripts, made for somebody who has two minutes at seven o'clock.
//!
//! It begins with one sentence and what to do, and gets more exact downwards. It stays below 2 MB whatever the night was like:
//! lists, maps and pictures are capped, and the page says where it left something out.

mod dataset;
mod headline;
mod lists;
mod map;
mod nights;

use super::{Language, Light, ReportData};
use crate::markup::Element;
use headline::{Action, actions, headline};

/// The report as a page that lies where the night put it: it links its JSON twin and the files of the release.
pub fn html(data: &ReportData, language: Language) -> String {
    fitting(data, language, false)
}

/// The report as a page that may lie anywhere, or go out by mail: without links to files, which would lead nowhere.
pub fn html_alone(data: &ReportData, language: Language) -> String {
    fitting(data, language, true)
}

fn fitting(data: &ReportData, language: Language, alone: bool) -> String {
    // An ordinary night fits at once; a monstrous one shows less of everything until it does.
    let mut share = 1;
    loop {
        let page = Page { data, language, alone, budget: Budget::of(data.datasets.len(), share) }.html();
        if page.len() <= MAX_BYTES || share >= 1 << 12 {
            return page;
        }
        share *= 2;
    }
}

/// Bytes of a page at most: a mail server and a phone take it.
const MAX_BYTES: usize = 1_900_000;

/// What a page needs everywhere.
struct Page<'a> {
    data: &'a ReportData,
    language: Language,
    /// True when nothing lies beside the page.
    alone: bool,
    budget: Budget,
}

/// How much of each thing a dataset may show, so that the page stays small.
struct Budget {
    /// Sections of datasets.
    sections: usize,
    /// Rejected objects and units held back.
    rejections: usize,
    /// Units on the map.
    units: usize,
    /// Rows of other lists.
    rows: usize,
    /// Base64 digits of pictures.
    pictures: usize,
}

impl Budget {
    fn of(datasets: usize, share: usize) -> Self {
        let each = |all: usize, most: usize| most.min(all / datasets.max(1) / share).max(1);
        Self {
            sections: (200 / share).max(1),
            rejections: each(1_200, 200),
            units: each(12_000, 4_000),
            rows: each(600, 60),
            pictures: each(1_400_000, 700_000),
        }
    }
}

impl Page<'_> {
    fn html(&self) -> String {
        let l = self.language;
        let (sentence, next) = headline(self.data, l);
        let head = el("head")
            .child(el("meta").attr("charset", "utf-8"))
            .child(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
            .child(el("meta").attr("http-equiv", "Content-Security-Policy").attr(
                "content",
                "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
            ))
            .child(el("meta").attr("name", "color-scheme").attr("content", "light dark"))
            .child(el("meta").attr("name", "robots").attr("content", "noindex"))
            .with("title", format!("{} {} – {sentence}", sign(self.data.light()), self.data.run.pipeline))
            .child(el("style").style_sheet(include_str!("report.css")));
        let mut main = el("main").child(self.figures()).child(self.overview());
        main = main.children(self.sections());
        main = main.children(nights::section(self)).child(self.technical());
        let body = el("body")
            .child(map::patterns())
            .child(el("a").class("skip").link("#datensaetze").text(l.t("Zu den Datensätzen", "To the datasets")))
            .child(self.header(&sentence, &next))
            .child(main)
            .child(self.footer());
        el("html").attr("lang", l.code()).child(head).child(body).to_page()
    }

    /// The datasets' sections, in the order of the pipeline; where there is no room for all, those that went well are left out.
    fn sections(&self) -> Vec<Element> {
        let mut order: Vec<_> = self.data.datasets.iter().enumerate().collect();
        order.sort_by_key(|(index, dataset)| (std::cmp::Reverse(dataset.light()), *index));
        order.truncate(self.budget.sections);
        order.sort_by_key(|(index, _)| *index);
        let left_out = self.data.datasets.len() - order.len();
        let mut sections: Vec<_> = order.into_iter().map(|(_, dataset)| dataset::section(self, dataset)).collect();
        sections.extend(lists::rest(0, left_out, self.language));
        sections
    }

    fn header(&self, sentence: &str, next: &str) -> Element {
        let (l, run, light) = (self.language, &self.data.run, self.data.light());
        let zone = run.time_zone.as_deref();
        let words = el("div")
            .class("words")
            .child(el("p").class("eyebrow").text(format!(
                "{} · {} – {}",
                run.pipeline,
                l.date_time(run.started, zone),
                l.time(run.ended, zone)
            )))
            .child(el("h1").text(sentence))
            .child(el("p").class("next").text(next));
        let mut inner = el("div").class("wrap").child(el("div").class("hero").child(lamp(light, l)).child(words));
        let list = actions(self.data, l);
        if !list.is_empty() {
            let item = |action: &Action| {
                let mut item = el("li");
                if let Some(dataset) = &action.dataset {
                    item = item.child(el("a").link(&format!("#{dataset}")).text(&action.title)).text(" ");
                } else {
                    item = item.child(el("strong").text(&action.title)).text(" ");
                }
                item = item.text(&action.text);
                if let Some(command) = &action.command {
                    item = item.text(" ").child(el("code").text(*command));
                }
                item
            };
            let section = el("section").class("todo").child(el("h2").text(l.t("Was zu tun ist", "What to do")));
            inner = inner.child(section.child(el("ol").children(list.iter().map(item))));
        }
        el("header").class(class(light)).child(inner)
    }

    /// The night in six numbers.
    fn figures(&self) -> Element {
        let l = self.language;
        let (mut done, mut all, mut kept, mut rejected, mut private) = (0, 0, 0, 0, 0);
        for dataset in &self.data.datasets {
            let units = &dataset.units;
            done += units.done;
            all += units.done + units.reused + units.quarantined;
            let total = dataset.counts.total();
            kept += total.output;
            rejected += total.rejected;
            private += total.dropped_private;
        }
        let usage = &self.data.usage;
        let figure = |value: String, name: &'static str, detail: String| {
            let box_ = el("div").child(el("dt").text(name)).child(el("dd").class("value").text(value));
            if detail.is_empty() { box_ } else { box_.child(el("dd").class("detail").text(detail)) }
        };
        let mut objects = Vec::new();
        if rejected > 0 {
            objects.push(format!("{} {}", l.number(rejected), l.t("abgewiesen", "rejected")));
        }
        if private > 0 {
            objects.push(format!("{} {}", l.number(private), l.t("zu Personen verworfen", "personal dropped")));
        }
        let detail = |text: &str, value: String| format!("{text} {value}");
        el("dl").class("figures").children([
            figure(l.number(done), l.t("Teile neu gerechnet", "units done"), detail(l.t("von", "of"), l.number(all))),
            figure(l.number(kept), l.t("Objekte verarbeitet", "objects processed"), objects.join(", ")),
            figure(l.bytes(usage.bytes_in), l.t("gelesen", "read"), String::new()),
            figure(l.bytes(usage.bytes_out), l.t("neu geschrieben", "newly written"), String::new()),
            figure(
                l.duration(usage.wall_s),
                l.t("Laufzeit", "wall time"),
                detail(l.t("Rechenzeit", "processor"), l.duration(usage.cpu_s)),
            ),
            figure(
                l.bytes((usage.peak_rss_mb * 1_048_576.0).max(0.0) as u64),
                l.t("Spitze im Speicher", "peak memory"),
                detail(l.t("von", "of"), l.bytes(self.data.machine.memory_mb.saturating_mul(1_048_576))),
            ),
        ])
    }

    /// One line for each dataset.
    fn overview(&self) -> Element {
        let l = self.language;
        let columns = [
            l.t("Datensatz", "Dataset"),
            l.t("Quellen", "Sources"),
            l.t("Neu gerechnet", "Done"),
            l.t("Übernommen", "Reused"),
            l.t("Zurückgehalten", "Held back"),
            l.t("Objekte", "Objects"),
            l.t("Abgewiesen", "Rejected"),
            l.t("Zeit", "Time"),
        ];
        let rows = self.data.datasets.iter().map(|dataset| {
            let total = dataset.counts.total();
            let changes: Vec<String> = dataset.sources.changes.iter().map(|(change, n)| lists::change(*change, *n, l)).collect();
            let mut sources = l.number(dataset.sources.count);
            if let Some(expected) = dataset.sources.expected.filter(|expected| *expected != dataset.sources.count) {
                sources.push_str(&format!(" {} {}", l.t("von", "of"), l.number(expected)));
            }
            let name = el("div")
                .class("named")
                .child(small_lamp(dataset.light(), l))
                .child(el("a").link(&format!("#{}", dataset.id)).text(&dataset.title))
                .child(el("small").text(&dataset.id));
            let name = el("td").class("name").child(name);
            let cells = [
                (sources, changes.join(", "), false),
                (l.number(dataset.units.done), String::new(), false),
                (l.number(dataset.units.reused), String::new(), false),
                (l.number(dataset.units.quarantined), String::new(), dataset.units.quarantined > 0),
                (l.number(total.output), String::new(), false),
                (l.number(total.rejected), String::new(), total.rejected > 0),
                (l.duration(dataset.usage.wall_s), String::new(), false),
            ];
            let cells = cells.into_iter().zip(&columns[1..]).map(|((value, detail, loud), column)| {
                let mut cell = el("td").class(if loud { "n loud" } else { "n" }).attr("data-label", *column);
                cell = cell.child(el("span").text(value));
                if detail.is_empty() { cell } else { cell.child(el("small").text(detail)) }
            });
            el("tr").child(name).children(cells)
        });
        let head = columns
            .iter()
            .enumerate()
            .map(|(index, name)| el("th").attr("scope", "col").class(if index == 0 { "name" } else { "n" }).text(*name));
        let table = el("table")
            .class("overview stack")
            .child(el("thead").child(el("tr").children(head)))
            .child(el("tbody").children(rows));
        let section =
            el("section").attr("id", "datensaetze").child(el("h2").text(l.t("Datensätze", "Datasets"))).child(scroll(table));
        if self.data.withdrawn.is_empty() {
            return section;
        }
        let why = l.t("Zurückgezogen, weil nicht mehr in der Pipeline-Datei", "Withdrawn, as no longer in the pipeline file");
        section.child(el("p").class("quiet").text(format!("{why}: {}", clip(&self.data.withdrawn.join(", "), 300))))
    }

    fn technical(&self) -> Element {
        let (l, data) = (self.language, self.data);
        let mut rows: Vec<(&str, String)> = vec![(l.t("Lauf", "Run"), data.run.id.clone())];
        for (name, release) in
            [(l.t("Ausgabe", "Release"), &data.release), (l.t("Vorige Ausgabe", "Release before"), &data.previous)]
        {
            if let Some(release) = release {
                let mut text = release.id.clone();
                if release.files > 0 {
                    text.push_str(&format!(
                        " · {} · {}",
                        l.count(release.files, ("Datei", "Dateien"), ("file", "files")),
                        l.bytes(release.bytes)
                    ));
                }
                if let Some(manifest) = release.manifest {
                    text.push_str(&format!(" · manifest.json BLAKE3 {manifest}"));
                }
                rows.push((name, text));
            }
        }
        rows.push((l.t("Rückgabewert", "Exit code"), data.run.exit.to_string()));
        let machine = &data.machine;
        rows.push((
            l.t("Rechner", "Machine"),
            format!(
                "{} · {} · {} · {} {}",
                machine.system,
                l.count(machine.cpus.into(), ("Prozessor", "Prozessoren"), ("processor", "processors")),
                l.bytes(machine.memory_mb.saturating_mul(1_048_576)),
                machine.jobs,
                l.t("gleichzeitig", "at a time")
            ),
        ));
        rows.extend(data.software.iter().map(|(name, version)| (name.as_str(), version.clone())));
        let rows = rows.into_iter().map(|(name, value)| {
            el("tr")
                .child(el("th").attr("scope", "row").text(clip(name, 60)))
                .child(el("td").class("mono").text(clip(&value, 300)))
        });
        let summary = el("summary").child(el("h2").text(l.t("Technik", "Technical details")));
        el("details").class("section").child(summary).child(el("table").class("plain").child(el("tbody").children(rows)))
    }

    fn footer(&self) -> Element {
        let l = self.language;
        let line = el("p")
            .text(l.t("Alle Angaben, auch die hier gekürzten, stehen in ", "Everything, also what is shortened here, is in "));
        let line = if self.alone {
            line.child(el("code").text(format!("reports/{:0>6}/report.json", self.data.run.id)))
                .text(l.t(" des Arbeitsordners.", " of the workspace."))
        } else {
            line.child(el("a").link("report.json").text("report.json")).text(".")
        };
        el("footer").child(el("div").class("wrap").child(line))
    }
}

/// The traffic light: three lamps, of which the lit one has a sign, so that it is read without colour.
fn lamp(light: Light, l: Language) -> Element {
    let word = name(light, l);
    let mut svg = el("svg").class("lamp").attr("viewBox", "0 0 44 120").attr("role", "img").attr("aria-label", word);
    svg = svg.child(el("rect").class("case").attr("width", "44").attr("height", "120").attr("rx", "12"));
    for (index, (lamp, drawing)) in [
        (Light::Red, "M15 15l14 14M29 15l-14 14"),
        (Light::Yellow, "M22 52v9M22 66.6v.8"),
        (Light::Green, "M14.500 98.500l5.500 5.500 10-11.500"),
    ]
    .into_iter()
    .enumerate()
    {
        let y = 22 + 38 * index;
        let on = lamp == light;
        svg = svg.child(
            el("circle")
                .class(if on { format!("on {}", class(lamp)) } else { "off".to_owned() })
                .attr("cx", "22")
                .attr("cy", y.to_string())
                .attr("r", "15"),
        );
        if on {
            svg = svg.child(el("path").class("sign").attr("d", drawing));
        }
    }
    el("div").class("light").child(svg).child(el("span").text(word))
}

fn small_lamp(light: Light, l: Language) -> Element {
    el("span")
        .class(format!("dot {}", class(light)))
        .attr("role", "img")
        .attr("aria-label", name(light, l))
        .attr("title", name(light, l))
        .text(sign(light))
}

fn name(light: Light, l: Language) -> &'static str {
    match light {
        Light::Green => l.t("Grün", "Green"),
        Light::Yellow => l.t("Gelb", "Yellow"),
        Light::Red => l.t("Rot", "Red"),
    }
}

fn sign(light: Light) -> &'static str {
    match light {
        Light::Green => "✓",
        Light::Yellow => "!",
        Light::Red => "✕",
    }
}

fn class(light: Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Yellow => "yellow",
        Light::Red => "red",
    }
}

/// A table that may scroll by itself on a narrow screen.
fn scroll(table: Element) -> Element {
    el("div").class("scroll").child(table)
}

/// The beginning of a text, for what may be long without end.
fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn el(name: &'static str) -> Element {
    Element::new(name)
}
