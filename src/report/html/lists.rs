//! Lists of a dataset's section: objects, rejections, findings, files, operations.

use super::{Page, clip, el, scroll};
use crate::dataset::ArtefactRole;
use crate::error::Place;
use crate::markup::{Element, url_path};
use crate::pipeline::Audience;
use crate::report::{ArtefactReport, Change, DatasetReport, FindingGroup, Language, OperationReport};

/// `3 neu`, `1 geändert`.
pub(super) fn change(change: Change, n: u64, l: Language) -> String {
    let word = match change {
        Change::New => l.t("neu", "new"),
        Change::Changed => l.t("geändert", "changed"),
        Change::Removed => l.t("entfallen", "removed"),
    };
    format!("{} {word}", l.number(n))
}

/// A folded list with its number of entries.
pub(super) fn folded(title: &str, n: u64, open: bool, l: Language, content: impl IntoIterator<Item = Element>) -> Element {
    let summary = el("summary").child(el("h3").text(title)).child(el("span").class("badge").text(l.number(n)));
    let details = el("details").child(summary).children(content);
    if open { details.attr("open", "") } else { details }
}

/// What was left out.
pub(super) fn rest(shown: usize, all: usize, l: Language) -> Option<Element> {
    let more = all.checked_sub(shown).filter(|more| *more > 0)? as u64;
    let text = match l {
        Language::De => format!("{} weitere stehen in report.json.", l.number(more)),
        Language::En => format!("{} more are in report.json.", l.number(more)),
    };
    Some(el("p").class("quiet").text(text))
}

fn table(class: &'static str, columns: &[&'static str], rows: Vec<Vec<Element>>) -> Element {
    let head = columns.iter().map(|name| el("th").attr("scope", "col").text(*name));
    let row = |cells: Vec<Element>| {
        el("tr").children(cells.into_iter().zip(columns).map(|(cell, column)| cell.attr("data-label", *column)))
    };
    let table = el("table").class(class).child(el("thead").child(el("tr").children(head)));
    scroll(table.child(el("tbody").children(rows.into_iter().map(row))))
}

/// Objects by type, with the change since the release before.
pub(super) fn counts(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    if dataset.counts.0.is_empty() {
        return None;
    }
    let columns = [
        l.t("Objektart", "Type"),
        l.t("gelesen", "in"),
        l.t("verarbeitet", "out"),
        l.t("abgewiesen", "rejected"),
        l.t("Personenbezug, verworfen", "personal, dropped"),
        l.t("zur vorigen Ausgabe", "since the release before"),
    ];
    let number = |n: u64, loud: bool| {
        let cell = el("td").class(if loud && n > 0 { "n loud" } else { "n" });
        cell.text(if n == 0 { "–".to_owned() } else { l.number(n) })
    };
    let mut entries: Vec<_> = dataset.counts.0.iter().collect();
    // What was lost comes first, then what there is most of.
    entries.sort_by_key(|(name, count)| (std::cmp::Reverse(count.rejected), std::cmp::Reverse(count.input), name.to_owned()));
    let shown = entries.len().min(page.budget.rows);
    let rows = entries[..shown].iter().map(|(name, count)| {
        let before = dataset.previous_counts.as_ref().map(|counts| counts.0.get(*name).map_or(0, |count| count.output));
        let delta = match before {
            None => el("td").class("n quiet"),
            Some(before) if before == count.output => el("td").class("n quiet").text("="),
            Some(before) => {
                let text = l.number(count.output.abs_diff(before));
                el("td").class("n").text(format!("{}{text}", if count.output > before { "+" } else { "−" }))
            }
        };
        vec![
            el("td").class("key").text(clip(name, 80)),
            number(count.input, false),
            number(count.output, false),
            number(count.rejected, true),
            number(count.dropped_private, false),
            delta,
        ]
    });
    let content = std::iter::once(table("numbers stack", &columns, rows.collect())).chain(rest(shown, entries.len(), l));
    Some(folded(l.t("Objekte nach Art", "Objects by type"), dataset.counts.0.len() as u64, false, l, content))
}

/// File, line and object of a place, one under the other.
fn place(place: &Place) -> Element {
    let mut cell = el("td").class("mono");
    if let Some(file) = &place.file {
        let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
        cell = cell.child(el("span").text(format!("{}{line}", clip(file, 120))));
    } else if let Some(line) = place.line {
        cell = cell.child(el("span").text(line.to_string()));
    }
    if let Some(object) = &place.object {
        cell = cell.child(el("span").text(clip(object, 80)));
    }
    match place.byte {
        Some(byte) if place.line.is_none() => cell.child(el("span").class("quiet").text(format!("Byte {byte}"))),
        _ => cell,
    }
}

fn coordinate(place: &Place, l: Language) -> Element {
    let text = place.at.map(|[east, north]| format!("{}\u{a0}/\u{a0}{}", l.decimal(east, 1), l.decimal(north, 1)));
    el("td").class("n").text(text.unwrap_or_default())
}

fn reason(reason: &str, code: &str) -> Element {
    el("td").child(el("span").text(clip(reason, 300))).child(el("small").text(clip(code, 60)))
}

/// Units that failed.
pub(super) fn quarantined(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    if dataset.quarantined.is_empty() {
        return None;
    }
    let columns = [l.t("Teil", "Unit"), l.t("Grund", "Reason"), l.t("Ort", "Place"), l.t("Folge", "Effect")];
    let shown = dataset.quarantined.len().min(page.budget.rejections);
    let rows = dataset.quarantined[..shown].iter().map(|unit| {
        let effect = if unit.stale {
            l.t("letzter guter Stand bleibt", "last good state stays")
        } else {
            l.t("fehlt in der Ausgabe", "missing in the release")
        };
        let mut effect = el("td").child(el("span").text(effect));
        if let Some(since) = unit.since {
            let zone = page.data.run.time_zone.as_deref();
            effect = effect.child(el("small").text(format!("{} {}", l.t("seit", "since"), l.date_time(since, zone))));
        }
        vec![
            el("td").class("mono").child(el("span").text(clip(&unit.key, 120))).child(el("small").text(clip(&unit.stage, 40))),
            reason(&unit.reason, &unit.code),
            place(&unit.place),
            effect,
        ]
    });
    let all = dataset.quarantined.len();
    let content = std::iter::once(table("stack", &columns, rows.collect())).chain(rest(shown, all, l));
    Some(folded(l.t("Zurückgehaltene Teile", "Units held back"), all as u64, true, l, content))
}

/// Objects that did not get through: by reason, then one by one.
pub(super) fn rejections(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    if dataset.rejections.is_empty() {
        return None;
    }
    let columns = [l.t("Objektart", "Type"), l.t("Grund", "Reason"), l.t("Ort", "Place"), l.t("Ost / Nord", "East / north")];
    let shown = dataset.rejections.len().min(page.budget.rejections);
    let rows = dataset.rejections[..shown].iter().map(|rejection| {
        vec![
            el("td").class("key").text(clip(&rejection.object_type, 80)),
            reason(&rejection.reason, &rejection.code),
            place(&rejection.place),
            coordinate(&rejection.place, l),
        ]
    });
    let groups = FindingGroup::group(&dataset.rejections);
    let mut content = Vec::new();
    if groups.len() > 1 && dataset.rejections.len() > 5 {
        let item = |group: &FindingGroup| {
            let text = format!(" {} · {}", clip(&group.object_type, 60), clip(&group.reason, 200));
            el("li").child(el("strong").text(format!("{}×", l.number(group.count)))).text(text)
        };
        content.push(el("ul").class("groups").children(groups.iter().take(8).map(item)));
    }
    let all = dataset.rejections.len();
    content.push(table("stack", &columns, rows.collect()));
    content.extend(rest(shown, all, l));
    Some(folded(l.t("Abgewiesene Objekte", "Rejected objects"), all as u64, all <= 20, l, content))
}

/// What was kept but is worth a look.
pub(super) fn findings(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    if dataset.findings.is_empty() {
        return None;
    }
    let columns =
        [l.t("Anzahl", "Count"), l.t("Objektart", "Type"), l.t("Hinweis", "Finding"), l.t("zum Beispiel", "for example")];
    let shown = dataset.findings.len().min(page.budget.rows);
    let rows = dataset.findings[..shown].iter().map(|group| {
        vec![
            el("td").class("n").text(l.number(group.count)),
            el("td").class("key").text(clip(&group.object_type, 80)),
            reason(&group.reason, &group.code),
            group.examples.first().map_or_else(|| el("td"), place),
        ]
    });
    let total = dataset.findings.iter().map(|group| group.count).sum();
    let content = std::iter::once(table("stack", &columns, rows.collect())).chain(rest(shown, dataset.findings.len(), l));
    Some(folded(
        l.t("Hinweise zur Qualität (nichts ging verloren)", "Findings on quality (nothing was lost)"),
        total,
        false,
        l,
        content,
    ))
}

/// Sources that are new, changed, gone or late.
pub(super) fn sources(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    let sources = &dataset.sources;
    let mut rows: Vec<(&'static str, &str)> = Vec::new();
    rows.extend(sources.missing.iter().map(|name| (l.t("fehlt", "missing"), name.as_str())));
    rows.extend(sources.waiting.iter().map(|name| (l.t("wird noch geschrieben", "still being written"), name.as_str())));
    rows.extend(sources.examples.iter().map(|(change, name)| {
        let word = match change {
            Change::New => l.t("neu", "new"),
            Change::Changed => l.t("geändert", "changed"),
            Change::Removed => l.t("entfallen", "removed"),
        };
        (word, name.as_str())
    }));
    if rows.is_empty() {
        return None;
    }
    let changed: u64 = sources.changes.values().sum::<u64>() + (sources.missing.len() + sources.waiting.len()) as u64;
    let shown = rows.len().min(page.budget.rows);
    let lines = rows[..shown].iter().map(|(word, name)| {
        el("li").child(el("span").class("tag").text(*word)).child(el("span").class("mono").text(clip(name, 160)))
    });
    let all = usize::try_from(changed).unwrap_or(usize::MAX).max(rows.len());
    let content = std::iter::once(el("ul").class("tags").children(lines)).chain(rest(shown, all, l));
    Some(folded(l.t("Lieferung", "Delivery"), all as u64, false, l, content))
}

/// What is published.
pub(super) fn artefacts(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    // Parts are told by what they are parts of.
    let listed: Vec<_> = dataset.artefacts.iter().filter(|published| published.artefact.role != ArtefactRole::Part).collect();
    if listed.is_empty() {
        return None;
    }
    let columns = [l.t("Datei", "File"), l.t("Format", "Format"), l.t("Größe", "Size"), l.t("Sicht", "Audience"), "BLAKE3"];
    let shown = listed.len().min(page.budget.rows);
    let row = |published: &ArtefactReport| {
        let artefact = &published.artefact;
        let name = clip(&artefact.path, 120);
        let name = match published.href.as_ref().filter(|_| !page.alone) {
            Some(href) => el("a").link(&url_path(href)).text(name),
            None => el("span").text(name),
        };
        let mut first = el("td").child(name.class("mono")).child(el("small").text(clip(&artefact.title, 120)));
        if published.changed {
            first = first.child(el("span").class("tag").text(l.t("geändert", "changed")));
        }
        let size = el("td").class("n").child(el("span").text(l.bytes(published.size)));
        let size = if published.files > 1 {
            size.child(el("small").text(l.count(published.files, ("Datei", "Dateien"), ("file", "files"))))
        } else {
            size
        };
        let audience = match artefact.audience {
            Audience::Public => l.t("öffentlich", "public"),
            Audience::Internal => l.t("intern", "internal"),
        };
        vec![
            first,
            el("td").text(clip(&artefact.format, 60)),
            size,
            el("td").text(audience),
            el("td").class("mono quiet").text(published.digest.to_string().get(..12).unwrap_or_default()),
        ]
    };
    let rows = listed[..shown].iter().map(|published| row(published)).collect();
    let content = std::iter::once(table("stack", &columns, rows)).chain(rest(shown, listed.len(), l));
    Some(folded(l.t("Veröffentlichte Dateien", "Published files"), listed.len() as u64, false, l, content))
}

/// Coordinate operations with accuracy and grids.
pub(super) fn operations(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    if dataset.operations.is_empty() {
        return None;
    }
    let item = |operation: &OperationReport| {
        let accuracy = match operation.accuracy_m {
            Some(metres) => {
                format!("{} {}\u{a0}m", l.t("Genauigkeit", "accuracy"), l.decimal(metres, if metres < 0.1 { 3 } else { 1 }))
            }
            None => l.t("Genauigkeit nicht angegeben", "accuracy not stated").to_owned(),
        };
        let mut item = el("li")
            .child(el("strong").text(format!("{} → {}", clip(&operation.from, 30), clip(&operation.to, 30))))
            .text(format!(" {} · {accuracy}", clip(&operation.name, 160)))
            .child(el("code").text(clip(&operation.pipeline, 600)));
        for grid in operation.grids.iter().take(10) {
            let digest = grid.digest.get(..12).unwrap_or(&grid.digest);
            item = item.child(el("small").text(format!(
                "{} {} · BLAKE3 {digest} · {}",
                l.t("Gitter", "Grid"),
                clip(&grid.name, 80),
                clip(&grid.attribution, 120)
            )));
        }
        item
    };
    let shown = dataset.operations.len().min(page.budget.rows);
    let list = el("ul").class("operations").children(dataset.operations[..shown].iter().map(item));
    let content = std::iter::once(list).chain(rest(shown, dataset.operations.len(), l));
    Some(folded(l.t("Koordinaten-Transformationen", "Coordinate operations"), dataset.operations.len() as u64, false, l, content))
}
