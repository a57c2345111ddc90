//! What a record takes from the data: dates, extent, formats, links, lineage, and sentences for people.

use super::record::{Format, LineageSource, Link, LinkRole, PublishedArtefact, RecordInput};
use crate::crs::Bbox;
use crate::dataset::{ArtefactRole, Counts, Facts};
use crate::io::{Digest, Source};
use crate::report::Language;
use jiff::civil::Date;

/// Sources that are named one by one; a record of a whole state stays readable.
const MAX_SOURCES: usize = 100;

/// Types of objects that are named with their numbers.
const MAX_TYPES: usize = 12;

/// The day of an ISO 8601 date, with what is known of month and day.
pub(super) fn day(text: &str) -> Option<String> {
    let date = text.get(..10).unwrap_or(text);
    let well_formed = match date.len() {
        4 => date.bytes().all(|byte| byte.is_ascii_digit()),
        7 => format!("{date}-01").parse::<Date>().is_ok(),
        _ => date.parse::<Date>().is_ok(),
    };
    well_formed.then(|| date.to_owned())
}

/// Four decimals, outwards: a last-digit difference in a projection does not change the record.
pub(super) fn extent(lonlat: Bbox) -> Option<Bbox> {
    let globe = Bbox::new([-180.0, -90.0], [180.0, 90.0]);
    if lonlat.is_empty() || !globe.contains(lonlat.min) || !globe.contains(lonlat.max) {
        return None;
    }
    let outwards = |value: f64, up: bool| {
        let scaled = (value * 1e4).clamp(-1.8e6, 1.8e6);
        // A value on the grid but for its last bits stays where it is.
        let grid = scaled.round();
        let near = if (scaled - grid).abs() < 1e-6 { grid } else { scaled };
        (if up { near.ceil() } else { near.floor() }) / 1e4
    };
    Some(Bbox::new(lonlat.min.map(|value| outwards(value, false)), lonlat.max.map(|value| outwards(value, true))))
}

pub(super) fn describe(title: &str, facts: &Facts, period: Option<&(String, String)>) -> String {
    let mut text = format!("{title}.");
    if let Some(metres) = facts.resolution_m {
        text.push_str(&format!(" Bodenauflösung {} m.", metres.to_string().replace('.', ",")));
    }
    match period {
        Some((first, last)) if first == last => text.push_str(&format!(" Stand {last}.")),
        Some((first, last)) => text.push_str(&format!(" Stand {first} bis {last}.")),
        None => {}
    }
    text.push_str(&format!(" Bezugssystem {}", facts.crs));
    if let Some(vertical) = &facts.vertical {
        text.push_str(&format!(", Höhen in {vertical}"));
    }
    text.push('.');
    text
}

pub(super) fn formats(artefacts: &[&PublishedArtefact]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for published in artefacts.iter().filter(|p| matches!(p.artefact.role, ArtefactRole::Data | ArtefactRole::Tiles)) {
        let text = &published.artefact.format;
        let split = text.rsplit_once(' ').filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
        let format = match split {
            Some((name, version)) => Format { name: name.to_owned(), version: Some(version.to_owned()) },
            None => Format { name: text.clone(), version: None },
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

pub(super) fn link(published: &PublishedArtefact) -> Option<Link> {
    let role = match published.artefact.role {
        // What describes a service is not the data.
        ArtefactRole::Tiles if published.artefact.path.ends_with(super::WMTS_FILE) => LinkRole::Information,
        ArtefactRole::Data | ArtefactRole::Tiles => LinkRole::Download,
        ArtefactRole::Index => LinkRole::Information,
        ArtefactRole::Preview | ArtefactRole::Part => return None,
    };
    Some(Link {
        url: published.url.clone()?,
        title: published.artefact.title.clone(),
        description: format!("{}, BLAKE3 {}", published.artefact.format, published.digest),
        media_type: published.artefact.media_type.clone(),
        size_mb: published.size as f64 / 1e6,
        role,
    })
}

pub(super) fn steps(input: &RecordInput<'_>) -> Vec<String> {
    let mut steps = input.facts.steps.clone();
    for operation in input.facts.operations.iter().filter(|operation| operation.from != operation.to) {
        let mut text = format!("Koordinaten von {} nach {} überführt", operation.from, operation.to);
        if !operation.name.is_empty() {
            text.push_str(&format!(" ({})", operation.name));
        }
        if let Some(metres) = operation.accuracy_m {
            text.push_str(&format!(", Genauigkeit der Transformation {} m", metres.to_string().replace('.', ",")));
        }
        for grid in &operation.grids {
            text.push_str(&format!(", Gitter {} (BLAKE3 {})", grid.name, grid.digest));
            if !grid.attribution.is_empty() {
                text.push_str(&format!(", {}", grid.attribution));
            }
        }
        text.push('.');
        steps.push(text);
    }
    match input.stale_units {
        0 => {}
        1 => steps
            .push("Ein Teil zeigt einen älteren Stand, weil die letzte Lieferung nicht verarbeitet werden konnte.".to_owned()),
        n => steps
            .push(format!("{n} Teile zeigen einen älteren Stand, weil die letzte Lieferung nicht verarbeitet werden konnte.")),
    }
    steps
}

pub(super) fn lineage(sources: &[Source]) -> Vec<LineageSource> {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| (a.file_name(), a.digest).cmp(&(b.file_name(), b.digest)));
    if sorted.len() > MAX_SOURCES {
        let all = Digest::of_parts(sorted.iter().map(|source| source.digest.as_bytes().as_slice()));
        return vec![LineageSource {
            name: format!("{} Dateien", sorted.len()),
            identifier: format!("blake3:{all}"),
            description: format!("{} gelieferte Dateien; die Prüfsumme ist die ihrer sortierten Prüfsummen", sorted.len()),
        }];
    }
    let source = |source: &Source| LineageSource {
        name: source.file_name().to_owned(),
        identifier: format!("blake3:{}", source.digest),
        description: format!("Gelieferte Datei {}", source.file_name()),
    };
    sorted.into_iter().map(source).collect()
}

/// What the dataset holds, by type of object where these may be named; none for images.
pub(super) fn contents(counts: &Counts, types_are_named: bool) -> Option<String> {
    let mut kept: Vec<(&String, u64)> =
        counts.0.iter().map(|(name, count)| (name, count.output)).filter(|(_, number)| *number > 0).collect();
    if kept.is_empty() {
        return None;
    }
    let all: u64 = kept.iter().map(|(_, number)| number).sum();
    if !types_are_named {
        return Some(format!("{} Objekte.", Language::De.number(all)));
    }
    kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let more = kept.len().saturating_sub(MAX_TYPES);
    let mut parts: Vec<String> =
        kept.iter().take(MAX_TYPES).map(|(name, number)| format!("{name} {}", Language::De.number(*number))).collect();
    if more > 0 {
        parts.push(format!("{more} weitere Objektarten"));
    }
    Some(format!("{} Objekte: {}.", Language::De.number(all), parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn types_are_counted_the_most_first_and_named_where_they_may_be() {
        let mut counts = Counts::default();
        (0..3).for_each(|_| counts.kept("Wald"));
        counts.kept("Kopie_Meier");
        assert_eq!(contents(&counts, true).unwrap(), "4 Objekte: Wald 3, Kopie_Meier 1.");
        assert_eq!(contents(&counts, false).unwrap(), "4 Objekte.");
        assert_eq!(contents(&Counts::default(), true), None);
    }

    #[test]
    fn days_are_days() {
        for (text, want) in
            [("2023-05-14", "2023-05-14"), ("2023-05", "2023-05"), ("2023", "2023"), ("2023-05-14T10:00:00Z", "2023-05-14")]
        {
            assert_eq!(day(text).unwrap(), want);
        }
        for text in ["", "2023-13", "14.05.2023", "2023-02-30", "äöüäöü", "20x3"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn an_extent_beyond_the_globe_is_none() {
        for bad in
            [Bbox::EMPTY, Bbox::new([556_000.0, 5_946_000.0], [557_000.0, 5_947_000.0]), Bbox::new([f64::NAN; 2], [1.0; 2])]
        {
            assert_eq!(extent(bad), None);
        }
    }

    proptest! {
        #[test]
        fn a_rounded_extent_contains_the_exact_one(w in -180.0..180.0, s in -90.0..90.0, dx in 0.0..1.0, dy in 0.0..1.0) {
            let exact = Bbox::new([w, s], [f64::min(w + dx, 180.0), f64::min(s + dy, 90.0)]);
            let rounded = extent(exact).unwrap();
            for axis in 0..2 {
                prop_assert!(rounded.min[axis] <= exact.min[axis] + 1e-9 && rounded.max[axis] >= exact.max[axis] - 1e-9);
                prop_assert!(exact.min[axis] - rounded.min[axis] < 1.1e-4 && rounded.max[axis] - exact.max[axis] < 1.1e-4);
            }
        }
    }
}
