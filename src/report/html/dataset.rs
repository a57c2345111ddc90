//! The section of one dataset.

use super::{Page, clip, el, lists, map, small_lamp};
use crate::markup::Element;
use crate::report::{DatasetReport, Light, Picture};

/// The section; open when something happened.
pub(super) fn section(page: &Page<'_>, dataset: &DatasetReport) -> Element {
    let l = page.language;
    let light = dataset.light();
    let busy = dataset.units.done > 0 || !dataset.sources.changes.is_empty();
    let mut line = Vec::new();
    for (n, german, english) in [
        (dataset.units.done, "neu gerechnet", "done"),
        (dataset.units.reused, "unverändert", "unchanged"),
        (dataset.units.stale, "mit altem Stand", "with old state"),
        (dataset.units.quarantined, "zurückgehalten", "held back"),
    ] {
        if n > 0 {
            line.push(format!("{} {}", l.number(n), l.t(german, english)));
        }
    }
    if line.is_empty() {
        line.push(l.t("keine Teile", "no units").to_owned());
    }
    line.push(l.duration(dataset.usage.wall_s));
    let summary = el("summary")
        .child(small_lamp(light, l))
        .child(el("h2").text(clip(&dataset.title, 160)))
        .child(el("span").class("quiet").text(line.join(" · ")));
    let mut details = el("details").class("section dataset").attr("id", &dataset.id).child(summary);
    if busy || light > Light::Green {
        details = details.attr("open", "");
    }
    if let Some(error) = &dataset.error {
        let mut note = el("p").class("error").child(el("strong").text(clip(&error.message, 600)));
        if let Some(hint) = &error.hint {
            note = note.text(format!(" → {}", clip(hint, 300)));
        }
        details = details.child(note.child(el("small").text(clip(&error.code, 60))));
    }
    let mut columns = el("div").class("columns");
    let map = map::figure(page, dataset);
    let pictures = pictures(page, dataset);
    columns = columns.children(map);
    columns = columns.child(el("div").class("side").children(pictures).child(facts(page, dataset)));
    details = details.child(columns);
    let parts = [
        lists::quarantined(page, dataset),
        lists::rejections(page, dataset),
        lists::sources(page, dataset),
        lists::findings(page, dataset),
        lists::counts(page, dataset),
        lists::artefacts(page, dataset),
        lists::operations(page, dataset),
    ];
    details.children(parts.into_iter().flatten())
}

/// Pairs of name and value that need no table.
fn facts(page: &Page<'_>, dataset: &DatasetReport) -> Element {
    let l = page.language;
    let mut rows: Vec<(String, String)> = Vec::new();
    let reasons = dataset.units.planned.iter().map(|(reason, n)| format!("{} {}", l.number(*n), reason_name(reason, l)));
    let reasons: Vec<String> = reasons.collect();
    if !reasons.is_empty() {
        rows.push((l.t("Warum gerechnet", "Why done").to_owned(), reasons.join(", ")));
    }
    let usage = &dataset.usage;
    if usage.bytes_in > 0 || usage.bytes_out > 0 {
        let text = format!("{} → {}", l.bytes(usage.bytes_in), l.bytes(usage.bytes_out));
        rows.push((l.t("Gelesen → geschrieben", "Read → written").to_owned(), text));
    }
    let mut cost = Vec::new();
    if usage.cpu_s > 0.0 {
        cost.push(format!("{} {}", l.duration(usage.cpu_s), l.t("Rechenzeit", "processor")));
    }
    if usage.peak_rss_mb > 0.0 {
        cost.push(format!("{} {}", l.bytes((usage.peak_rss_mb * 1_048_576.0) as u64), l.t("Speicher", "memory")));
    }
    if !cost.is_empty() {
        rows.push((l.t("Aufwand", "Cost").to_owned(), cost.join(", ")));
    }
    if !dataset.crs.is_empty() {
        rows.push((l.t("Bezugssystem", "CRS").to_owned(), dataset.crs.clone()));
    }
    if let Some(at) = dataset.last_success {
        rows.push((
            l.t("Zuletzt ohne Verlust", "Last without loss").to_owned(),
            l.date_time(at, page.data.run.time_zone.as_deref()),
        ));
    }
    if let Some(record) = &dataset.record {
        rows.push((l.t("Metadatensatz", "Record").to_owned(), record.clone()));
    }
    rows.extend(dataset.notes.iter().take(page.budget.rows).cloned());
    let rows = rows.iter().map(|(name, value)| el("div").with("dt", clip(name, 80)).with("dd", clip(value, 300)));
    el("dl").class("facts").children(rows)
}

/// German names of the plan's reasons; an unknown one stays as it is.
fn reason_name(reason: &str, l: crate::report::Language) -> String {
    let german = match reason {
        "new" => "neu",
        "changed input" => "geänderte Eingabe",
        "changed parameter" => "geänderte Einstellung",
        "changed code version" => "geändertes Programm",
        "retry" => "erneut versucht",
        "lost result" => "Ergebnis verloren",
        "removed" => "entfallen",
        other => return clip(other, 60),
    };
    if l == crate::report::Language::De { german.to_owned() } else { reason.to_owned() }
}

/// Pictures before and after, as far as the page has room.
fn pictures(page: &Page<'_>, dataset: &DatasetReport) -> Vec<Element> {
    let l = page.language;
    let mut room = page.budget.pictures;
    let mut out = Vec::new();
    for pair in &dataset.previews {
        let Some(after) = pair.after.data_uri().filter(|after| after.len() <= room) else { continue };
        room -= after.len();
        let before = pair.before.as_ref().and_then(Picture::data_uri).filter(|before| before.len() <= room);
        room -= before.as_ref().map_or(0, String::len);
        let image = |uri: String, caption: &str| {
            let alt = format!("{} – {caption}", clip(&pair.title, 120));
            el("figure").child(el("img").attr("src", uri).attr("alt", alt)).child(el("figcaption").text(caption))
        };
        let mut figure = el("div").class("pair");
        match before {
            Some(before) => {
                figure = figure.child(image(before, l.t("vorher", "before"))).child(image(after, l.t("nachher", "after")));
            }
            None => figure = figure.child(image(after, &clip(&pair.title, 120))),
        }
        out.push(figure);
    }
    out
}
