//! The last nights: a strip of bars to see a trend, and the table for those who want to know.

use super::{Language, Page, class, clip, el, name, scroll, sign, small_lamp};
use crate::markup::Element;
use crate::report::Night;

/// Nights in the strip and the table.
const SHOWN: usize = 60;

/// The section; nothing while there is just this night.
pub(super) fn section(page: &Page<'_>) -> Option<Element> {
    let l = page.language;
    let nights = page.data.nights.get(..page.data.nights.len().min(SHOWN))?;
    if nights.len() < 2 {
        return None;
    }
    let zone = page.data.run.time_zone.as_deref();
    let columns = [
        l.t("Nacht", "Night"),
        l.t("Neu gerechnet", "Done"),
        l.t("Zurückgehalten", "Held back"),
        l.t("Abgewiesen", "Rejected"),
        l.t("Laufzeit", "Wall time"),
        l.t("Ausgabe", "Release"),
    ];
    let row = |night: &Night| {
        let dot = night.light().map_or_else(|| no_lamp(l), |light| small_lamp(light, l));
        let mut first = el("div").class("named").child(dot).child(el("span").text(l.date_time(night.started, zone)));
        if night.light().is_none() {
            first = first.child(el("small").text(interrupted(l)));
        }
        let first = el("td").class("name").child(first);
        // What a run did that was interrupted is not known.
        let known = |text: String| if night.exit.is_some() { text } else { "–".to_owned() };
        let number = |n: u64, loud: bool| el("td").class(if loud && n > 0 { "n loud" } else { "n" }).text(known(l.number(n)));
        let release = el("td").class("mono").text(night.release.as_deref().map(|id| clip(id, 60)).unwrap_or_default());
        let cells = [
            number(night.done, false),
            number(night.quarantined, true),
            number(night.rejected, true),
            el("td").class("n").text(known(l.duration(night.wall_s))),
            release,
        ];
        let cells = cells.into_iter().zip(&columns[1..]).map(|(cell, column)| cell.attr("data-label", *column));
        el("tr").child(first).children(cells)
    };
    let head = columns.iter().map(|name| el("th").attr("scope", "col").text(*name));
    let table = el("table")
        .class("overview stack")
        .child(el("thead").child(el("tr").children(head)))
        .child(el("tbody").children(nights.iter().map(row)));
    let summary = el("summary").child(el("h3").text(l.t("Als Tabelle", "As a table")));
    let section = el("section")
        .child(el("h2").text(l.t("Die letzten Nächte", "The last nights")))
        .child(strip(page, nights))
        .child(el("details").child(summary).child(scroll(table)));
    Some(section)
}

/// Stands for the sign of a light.
const NO_SIGN: &str = "–";

fn interrupted(l: Language) -> &'static str {
    l.t("unterbrochen", "interrupted")
}

/// In place of the light of a run that was interrupted.
fn no_lamp(l: Language) -> Element {
    let dot = el("span").class("dot open").attr("role", "img").attr("aria-label", interrupted(l));
    dot.attr("title", interrupted(l)).text(NO_SIGN)
}

/// One bar for each night, oldest first: its height is the wall time, its sign the traffic light.
fn strip(page: &Page<'_>, nights: &[Night]) -> Element {
    let (l, zone) = (page.language, page.data.run.time_zone.as_deref());
    let longest = nights.iter().map(|night| night.wall_s).filter(|s| s.is_finite()).fold(1e-9, f64::max);
    let (bar, gap, height) = (22.0, 6.0, 64.0);
    let width = nights.len() as f64 * (bar + gap);
    let mut svg = el("svg")
        .class("strip")
        .attr("viewBox", format!("0 0 {width} {}", height + 26.0))
        .attr("width", format!("{width}"))
        .attr("height", format!("{}", height + 26.0))
        .attr("role", "img")
        .attr("aria-label", l.t("Laufzeit und Ampel der letzten Nächte", "Wall time and traffic light of the last nights"));
    for (index, night) in nights.iter().rev().enumerate() {
        let x = index as f64 * (bar + gap);
        let share = if night.wall_s.is_finite() { (night.wall_s / longest).clamp(0.0, 1.0) } else { 0.0 };
        let tall = (share * height).max(3.0);
        let light = night.light();
        let what =
            light.map_or_else(|| interrupted(l).to_owned(), |light| format!("{}, {}", name(light, l), l.duration(night.wall_s)));
        let title = format!("{}: {what}", l.date_time(night.started, zone));
        svg = svg.child(
            el("g")
                .class(light.map_or("open", class))
                .with("title", title)
                .child(
                    el("rect")
                        .attr("x", format!("{x:.0}"))
                        .attr("y", format!("{:.1}", height - tall))
                        .attr("width", format!("{bar}"))
                        .attr("height", format!("{tall:.1}"))
                        .attr("rx", "3"),
                )
                .child(
                    el("text")
                        .attr("x", format!("{:.0}", x + bar / 2.0))
                        .attr("y", format!("{}", height + 18.0))
                        .text(light.map_or(NO_SIGN, sign)),
                ),
        );
    }
    el("div").class("scroll").child(svg)
}
