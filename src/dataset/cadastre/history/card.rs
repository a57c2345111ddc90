//! The history card of a parcel: a page in German that needs nothing else, for the geoportal and for a file on the way.

use super::PARCEL;
use super::parcels::Version;
use super::sketch::{Look, svg};
use crate::dataset::cadastre::codes;
use crate::markup::escaped as escape;
use std::collections::{BTreeMap, BTreeSet};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc;vertical-align:top}\
    div{overflow-x:auto}svg{width:20rem;max-width:100%;border:1px solid #ccc}code{white-space:nowrap}.now{font-weight:600}\
    section{display:none}section:target,section.only{display:block}section:target~nav{display:none}";

/// A page for one parcel alone.
pub fn page(key: &str, parcels: &BTreeMap<String, Vec<Version>>) -> String {
    let versions: Vec<&Version> = parcels.get(key).into_iter().flatten().collect();
    let kin: Vec<&Version> = kin(&versions)
        .into_iter()
        .filter_map(|key| parcels.get(key)?.iter().rev().find(|version| version.geometry.is_some()))
        .collect();
    let body = card(key, &versions, &kin, true, &|key| format!("<code>{}</code>", escape(key)));
    document(&format!("Flurstück {key}"), &body)
}

/// A page with the cards of many parcels, of which it shows the one that its address names (`#KENNZEICHEN`).
pub fn pages(title: &str, versions: &[Version]) -> String {
    let mut parcels: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for version in versions {
        parcels.entry(&version.key).or_default().push(version);
    }
    let link = |key: &str| {
        let shown = escape(key);
        format!("<a href=\"{}#{shown}\"><code>{shown}</code></a>", file_of(key))
    };
    let mut body = String::new();
    for (key, versions) in &parcels {
        let kin: Vec<&Version> = kin(versions)
            .into_iter()
            .filter_map(|key| parcels.get(key.as_str())?.iter().rev().find(|version| version.geometry.is_some()).copied())
            .collect();
        body.push_str(&card(key, versions, &kin, false, &link));
    }
    body.push_str(&format!("<nav><h1>{}</h1><ul>", escape(title)));
    for key in parcels.keys() {
        body.push_str(&format!("<li>{}</li>", link(key)));
    }
    body.push_str("</ul></nav>");
    document(title, &body)
}

/// The parcels that some versions came of, and that came of them, each once.
fn kin<'v>(versions: &[&'v Version]) -> BTreeSet<&'v String> {
    versions.iter().flat_map(|version| version.predecessors.iter().chain(&version.successors)).collect()
}

/// The file with the cards of a parcel's Flur: Land, Gemarkung and Flur.
pub fn file_of(key: &str) -> String {
    let flur: String = key.chars().take(9).filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    format!("{flur}.html")
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"de\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n",
        escape(title)
    )
}

fn card(key: &str, versions: &[&Version], kin: &[&Version], only: bool, link: &dyn Fn(&str) -> String) -> String {
    let shown = escape(key);
    let mut out = format!("<section id=\"{shown}\"{}>", if only { " class=\"only\"" } else { "" });
    let part = |from: usize, to: usize| escape(key.get(from..to).unwrap_or_default().trim_matches('_'));
    let number = versions.first().map(|version| version.number()).unwrap_or_default();
    out.push_str(&format!(
        "<h1>Flurstück {}</h1><p>Kennzeichen <code>{shown}</code> · Gemarkung {} · Flur {}</p>",
        escape(&number),
        part(2, 6),
        part(6, 9).trim_start_matches('0')
    ));
    let last = versions.iter().rev().find(|version| version.class == PARCEL).or(versions.last()).copied();
    // A deletion says no date, the historical object does.
    let stated = versions.iter().filter(|version| version.class != PARCEL).filter_map(|version| version.ends.as_deref()).max();
    let last_end = last.and_then(|version| version.ends.as_deref());
    let is_late = |end: &str| stated.is_some_and(|stated| stated.get(..10) < end.get(..10));
    let state = match last_end.map(|end| stated.filter(|_| is_late(end)).unwrap_or(end)) {
        None => "Das Flurstück besteht.".to_owned(),
        Some(end) => format!("Das Flurstück ist am {} untergegangen.", day(end)),
    };
    out.push_str(&format!("<p class=\"now\">{state}</p>"));
    if let Some(last) = last {
        let mut shapes: Vec<(&Version, Look)> = kin.iter().map(|version| (*version, Look::Kin)).collect();
        shapes.push((last, Look::Parcel));
        out.push_str(&svg(&shapes));
    }
    let list = |title: &str, of: &dyn Fn(&Version) -> &[String]| {
        let mut keys: Vec<&String> = versions.iter().flat_map(|version| of(version)).collect();
        keys.sort();
        keys.dedup();
        let items = keys.iter().fold(String::new(), |items, key| items + "<li>" + &link(key) + "</li>");
        if items.is_empty() { String::new() } else { format!("<h2>{title}</h2><ul>{items}</ul>") }
    };
    out.push_str(&list("Hervorgegangen aus", &|version| &version.predecessors));
    out.push_str(&list("Daraus hervorgegangen", &|version| &version.successors));
    out.push_str(
        "<h2>Fassungen</h2><div><table><thead><tr><th>gültig ab</th><th>gültig bis</th><th>amtliche Fläche</th><th>Anlass</th>\
         <th>Nachweis</th></tr></thead><tbody>",
    );
    for version in versions {
        let area = version.area_m2.map_or_else(|| "–".to_owned(), |area| format!("{} m²", area.round() as i64));
        // What a historical object says is why the parcel ended.
        let (record, ended) =
            if version.class == PARCEL { ("Flurstück", "") } else { ("historisches Flurstück", "Untergang: ") };
        let reasons: Vec<String> =
            version.reasons.iter().map(|code| format!("{ended}{}", escape(&codes::reason(code)))).collect();
        let mode = if version.key_date { ", Stichtagslieferung: Zwischenstände unbekannt" } else { "" };
        out.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{area}</td><td>{}</td><td>{record}{mode}</td></tr>",
            if version.begins.is_empty() { "–".to_owned() } else { day(&version.begins) },
            match version.ends.as_deref() {
                None => "heute".to_owned(),
                Some(end) if version.class == PARCEL && Some(end) == last_end && is_late(end) =>
                    format!("{} (gelöscht mit der Lieferung)", day(end)),
                Some(end) => day(end),
            },
            reasons.join("<br>"),
        ));
    }
    out.push_str("</tbody></table></div></section>");
    out
}

/// `2026-03-02T14:05:00Z` as `02.03.2026`.
fn day(moment: &str) -> String {
    match (moment.get(..4), moment.get(5..7), moment.get(8..10)) {
        (Some(year), Some(month), Some(day)) => escape(&format!("{day}.{month}.{year}")),
        _ => escape(moment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::wkb;
    use geo::{Geometry, polygon};

    #[test]
    fn a_card_tells_what_a_parcel_was_and_what_came_of_it() {
        let square = |x: f64| {
            let ring = polygon![(x: x, y: 0.0), (x: x + 20.0, y: 0.0), (x: x + 20.0, y: 30.0), (x: x, y: 30.0)];
            Some(wkb::encode(&Geometry::Polygon(ring)))
        };
        let old = Version {
            key: "019901002000120001__".into(),
            class: PARCEL.into(),
            begins: "2001-05-03T08:00:00Z".into(),
            ends: Some("2026-03-03T04:00:00Z".into()),
            reasons: vec!["010101".into(), "<b>".into()],
            area_m2: Some(600.0),
            successors: vec!["019901002000120003__".into()],
            geometry: square(0.0),
            ..Version::default()
        };
        let new = Version {
            key: "019901002000120003__".into(),
            begins: "2026-03-02T14:00:00Z".into(),
            ends: None,
            predecessors: vec![old.key.clone()],
            successors: Vec::new(),
            geometry: square(5.0),
            key_date: true,
            ..old.clone()
        };
        let parcels = BTreeMap::from([(old.key.clone(), vec![old.clone()]), (new.key.clone(), vec![new.clone()])]);
        let page = page(&old.key, &parcels);
        for part in
            ["Flurstück 12/1", "am 03.03.2026 untergegangen", "03.05.2001", "600 m²", "019901002000120003__", "<svg", "&lt;b&gt;"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<b>"));
        // The historical object knows the day better than the delivery that deleted the parcel.
        let historical = Version {
            class: "AX_HistorischesFlurstueck".into(),
            begins: "1990-01-01T00:00:00Z".into(),
            ends: Some("2026-03-02T00:00:00Z".into()),
            ..old.clone()
        };
        let both = BTreeMap::from([(old.key.clone(), vec![historical, old.clone()])]);
        let both = super::page(&old.key, &both);
        for part in ["am 02.03.2026 untergegangen", "03.03.2026 (gelöscht mit der Lieferung)", "Untergang: Zerlegung"] {
            assert!(both.contains(part), "{part}: {both}");
        }
        let all = pages("Flur", &[old, new]);
        assert!(all.contains("href=\"019901002.html#019901002000120003__\"") && all.contains("Das Flurstück besteht"));
        assert!(all.contains("Stichtagslieferung"));
    }
}
