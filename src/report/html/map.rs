//! The map of a dataset's units: what was done anew, what stayed, what was held back. Inline SVG, readable without colour.

use super::{Page, clip, el};
use crate::crs::Bbox;
use crate::markup::Element;
use crate::report::{DatasetReport, Language, MapUnit, UnitState};

/// Width of the drawing in its own units; one is about a pixel on a desktop.
const WIDTH: f64 = 640.0;
const MAX_HEIGHT: f64 = 460.0;
/// Scale bar and place stand side by side below the map.
const MIN_WIDTH: f64 = 360.0;
const MARGIN: f64 = 10.0;

/// Hatchings that all maps share.
pub(super) fn patterns() -> Element {
    let hatch = |id: &'static str, d: &'static str| {
        el("pattern")
            .attr("id", id)
            .attr("width", "7")
            .attr("height", "7")
            .attr("patternUnits", "userSpaceOnUse")
            .child(el("path").class(id).attr("d", d))
    };
    let defs = el("defs")
        .child(hatch("h-stale", "M-1 1l2-2M0 7L7 0M6 8l2-2"))
        .child(hatch("h-held", "M-1 1l2-2M0 7L7 0M6 8l2-2M-1 6l2 2M0 0l7 7M6-1l2 2"));
    el("svg").class("hidden").attr("width", "0").attr("height", "0").attr("aria-hidden", "true").child(defs)
}

/// How ground becomes paper.
struct Frame {
    ground: Bbox,
    scale: f64,
    /// Paper beside the ground, left and right.
    left: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn around(ground: Bbox) -> Option<Self> {
        let (w, h) = (ground.width().max(1.0), ground.height().max(1.0));
        if !(w.is_finite() && h.is_finite()) {
            return None;
        }
        let scale = ((WIDTH - 2.0 * MARGIN) / w).min((MAX_HEIGHT - 2.0 * MARGIN) / h);
        let width = (w * scale + 2.0 * MARGIN).max(MIN_WIDTH);
        Some(Self { ground, scale, left: (width - w * scale) / 2.0, width, height: h * scale + 2.0 * MARGIN })
    }
    fn x(&self, easting: f64) -> f64 {
        self.left + (easting - self.ground.min[0]) * self.scale
    }
    fn y(&self, northing: f64) -> f64 {
        self.height - MARGIN - (northing - self.ground.min[1]) * self.scale
    }
    /// Left, top, width and height of a rectangle, a point still visible.
    fn rect(&self, bbox: Bbox) -> [f64; 4] {
        let width = (bbox.width() * self.scale).max(1.5);
        let height = (bbox.height() * self.scale).max(1.5);
        [self.x(bbox.min[0]), self.y(bbox.max[1]), width, height]
    }
}

/// The map with its legend; nothing when no unit has a place.
pub(super) fn figure(page: &Page<'_>, dataset: &DatasetReport) -> Option<Element> {
    let l = page.language;
    let placed = |unit: &&MapUnit| {
        let bbox = unit.bbox;
        [bbox.min, bbox.max].as_flattened().iter().all(|value| value.is_finite()) && !bbox.is_empty()
    };
    let mut units: Vec<&MapUnit> = dataset.map.iter().filter(placed).collect();
    if units.is_empty() {
        return None;
    }
    // What went wrong is drawn last and never left out.
    units.sort_by_key(|unit| unit.state);
    let undrawn = units.len().saturating_sub(page.budget.units);
    let left_out: u64 = units[..undrawn].iter().map(|unit| unit.units).sum();
    let ground = units.iter().fold(Bbox::EMPTY, |all, unit| all.union(unit.bbox));
    let frame = Frame::around(ground)?;
    let drawn = &units[undrawn..];
    let counts = |state| units.iter().filter(|unit| unit.state == state).map(|unit| unit.units).sum::<u64>();
    let marks: Vec<[f64; 2]> = dataset
        .rejections
        .iter()
        .filter_map(|r| r.place.at)
        .filter(|at| ground.contains(*at))
        .take(page.budget.rejections)
        .collect();
    let mut legend = el("ul").class("legend");
    for (state, class, name) in [
        (UnitState::Done, "done", l.t("neu gerechnet", "done")),
        (UnitState::Reused, "reused", l.t("unverändert", "unchanged")),
        (UnitState::Stale, "stale", l.t("alter Stand", "old state kept")),
        (UnitState::Quarantined, "held", l.t("zurückgehalten", "held back")),
    ] {
        let n = counts(state);
        if n > 0 {
            legend = legend.child(el("li").child(key(class)).text(format!("{name} {}", l.number(n))));
        }
    }
    if !marks.is_empty() {
        let cross = el("svg").class("key").attr("viewBox", "0 0 18 14").attr("aria-hidden", "true").child(cross(9.0, 7.0));
        legend = legend.child(el("li").child(cross).text(format!(
            "{} {}",
            l.t("abgewiesene Objekte", "rejected objects"),
            l.number(marks.len() as u64)
        )));
    }
    let mut caption = el("figcaption").child(legend);
    if left_out > 0 {
        let text = match l {
            Language::De => format!("{} unveränderte Teile sind nicht gezeichnet.", l.number(left_out)),
            Language::En => format!("{} unchanged units are not drawn.", l.number(left_out)),
        };
        caption = caption.child(el("p").class("quiet").text(text));
    }
    Some(el("figure").class("map").child(drawing(dataset, &frame, drawn, &marks, l)).child(caption))
}

fn key(class: &'static str) -> Element {
    let rect = el("rect").class(class).attr("x", "1").attr("y", "1").attr("width", "16").attr("height", "12");
    el("svg").class("key").attr("viewBox", "0 0 18 14").attr("aria-hidden", "true").child(rect)
}

fn drawing(dataset: &DatasetReport, frame: &Frame, units: &[&MapUnit], marks: &[[f64; 2]], l: Language) -> Element {
    let label = format!("{}: {}", l.t("Karte der Teile", "Map of the units"), clip(&dataset.title, 120));
    let mut svg = el("svg")
        .attr("viewBox", format!("0 0 {:.0} {:.0}", frame.width, frame.height + 22.0))
        .attr("width", format!("{:.0}", frame.width))
        .attr("height", format!("{:.0}", frame.height + 22.0))
        .attr("role", "img")
        .attr("aria-label", label)
        .child(
            el("rect").class("sheet").attr("width", format!("{:.0}", frame.width)).attr("height", format!("{:.0}", frame.height)),
        );
    for (state, class) in [(UnitState::Reused, "reused"), (UnitState::Done, "done")] {
        let mut d = String::new();
        for unit in units.iter().filter(|unit| unit.state == state) {
            let [x, y, w, h] = frame.rect(unit.bbox);
            d.push_str(&format!("M{} {}h{}v{}h{}z", short(x), short(y), short(w), short(h), short(-w)));
        }
        if !d.is_empty() {
            svg = svg.child(el("path").class(class).attr("d", d));
        }
    }
    for unit in units.iter().filter(|unit| unit.state >= UnitState::Stale) {
        let [x, y, w, h] = frame.rect(unit.bbox);
        svg = svg.child(
            el("rect")
                .class(if unit.state == UnitState::Stale { "stale" } else { "held" })
                .attr("x", short(x))
                .attr("y", short(y))
                .attr("width", short(w))
                .attr("height", short(h))
                .with("title", clip(&unit.key, 120)),
        );
    }
    svg = svg.children(marks.iter().map(|at| cross(frame.x(at[0]), frame.y(at[1]))));
    svg.child(scale_bar(frame, l)).child(corner(dataset, frame, l))
}

fn cross(x: f64, y: f64) -> Element {
    el("path").class("cross").attr("d", format!("M{} {}l7 7m0-7l-7 7", short(x - 3.5), short(y - 3.5)))
}

/// A bar of a round length, at most a third of the map.
fn scale_bar(frame: &Frame, l: Language) -> Element {
    let most = (frame.width / 3.0).min(160.0) / frame.scale;
    let magnitude = 10f64.powf(most.log10().floor());
    let length = [5.0, 2.0, 1.0].into_iter().map(|step| step * magnitude).find(|length| *length <= most).unwrap_or(magnitude);
    let text = if length >= 1_000.0 {
        format!("{} km", l.decimal(length / 1_000.0, 0))
    } else {
        format!("{} m", l.decimal(length, if length < 1.0 { 2 } else { 0 }))
    };
    let y = frame.height + 12.0;
    let width = length * frame.scale;
    el("g")
        .class("scale")
        .child(el("path").attr("d", format!("M{MARGIN} {} v6h{}v-6", short(y - 3.0), short(width))))
        .child(el("text").attr("x", short(MARGIN + width + 6.0)).attr("y", short(y + 4.0)).text(text))
}

/// Where the map is.
fn corner(dataset: &DatasetReport, frame: &Frame, l: Language) -> Element {
    let [east, north] = frame.ground.centre();
    let text = format!("{} {} / {}", clip(&dataset.crs, 20), l.decimal(east, 0), l.decimal(north, 0));
    el("text").class("corner").attr("x", short(frame.width - MARGIN)).attr("y", short(frame.height + 16.0)).text(text)
}

/// One decimal, without what need not be written.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
