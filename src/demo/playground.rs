//! The playgrounds: inventory, three years of inspections, and when each device is due.
//!
//! What is due follows from the days that the town drew, by the calendar alone: tests compare the program's plan with it.

use super::plane::Point;
use super::random::Random;
use super::tablets::{OUT, Tablets};
use super::town::layout::Use;
use super::town::{Town, names};
use serde_json::{Value, json};
use std::fmt::Write;

/// A day: year, month, day.
type Day = (i32, u32, u32);

const KINDS: [(&str, &str); 6] = [
    ("Schaukel", "DIN EN 1176-2"),
    ("Rutsche", "DIN EN 1176-3"),
    ("Seilbahn", "DIN EN 1176-4"),
    ("Karussell", "DIN EN 1176-5"),
    ("Wippe", "DIN EN 1176-6"),
    ("Klettergerüst", "DIN EN 1176-1"),
];

/// What the crews deliver, and what must come of it.
pub struct Field {
    /// Files: name, text, rows.
    pub files: [(&'static str, String, u64); 3],
    /// What arrives on the second night: name, text, changes.
    pub changes: Vec<(String, String, u64)>,
    /// Due days by device and kind of inspection; from the second night on with what the tablets sent.
    pub truth: Value,
}

fn text((year, month, day): Day) -> String {
    format!("{year}-{month:02}-{day:02}")
}

fn month_length(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The same day some months later, or the last of a shorter month.
fn months_later((year, month, day): Day, months: u32) -> Day {
    let total = month - 1 + months;
    let (year, month) = (year + (total / 12) as i32, total % 12 + 1);
    (year, month, day.min(month_length(year, month)))
}

fn days_later(mut at: Day, days: u32) -> Day {
    for _ in 0..days {
        at.2 += 1;
        if at.2 > month_length(at.0, at.1) {
            at = if at.1 == 12 { (at.0 + 1, 1, 1) } else { (at.0, at.1 + 1, 1) };
        }
    }
    at
}

/// The inspections of one device: kind and day, by day.
fn inspections(random: &mut Random) -> Vec<(&'static str, Day)> {
    let mut days = Vec::new();
    let any = |random: &mut Random, year, month: u32| {
        let day = 1 + random.below(month_length(year, month) as usize) as u32;
        (year, month, day)
    };
    for year in 2023..2026 {
        // A tenth of the main inspections did not take place.
        if !random.chance(0.1) {
            let month = 3 + random.below(9) as u32;
            days.push(("Jahreshauptinspektion", any(random, year, month)));
        }
        for quarter in 0..4 {
            let month = 1 + quarter * 3 + random.below(3) as u32;
            days.push(("operative Inspektion", any(random, year, month)));
        }
    }
    for month in [1, 2] {
        for _ in 0..2 {
            days.push(("visuelle Routineinspektion", any(random, 2026, month)));
        }
    }
    days.sort_by_key(|(_, day)| *day);
    days
}

/// The site's closed days: some are for the winter, one is until further notice.
fn closed(index: usize) -> Option<(Day, Option<Day>)> {
    match index % 5 {
        2 => Some(((2025, 11, 15), Some((2026, 3, 31)))),
        4 => Some(((2026, 2, 1), None)),
        _ => None,
    }
}

/// When a kind is due: its interval after the last inspection that covers it, or the day after the site opens again.
fn due(last: Option<Day>, code: &str, closed: Option<(Day, Option<Day>)>) -> Option<Day> {
    let plain = match (last?, code) {
        (last, "visuell") => days_later(last, 7),
        (last, "operativ") => months_later(last, 3),
        (last, _) => months_later(last, 12),
    };
    match closed {
        Some((from, Some(until))) if plain >= from && plain <= until => Some(days_later(until, 1)),
        Some((from, None)) if plain >= from => None,
        _ => Some(plain),
    }
}

/// The files as of a night: sites (`GeoJSON`), equipment and inspections (CSV with semicolons and decimal commas), and the truth about them.
pub fn field(town: &Town, night: u32) -> Field {
    let mut tablets = Tablets::new();
    let (mut sites, mut truth): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let mut equipment = String::from(
        "geraet_id;spielplatz_id;art;norm;hersteller;baujahr;fallhoehe_cm;fallschutz;fallschutz_dicke_cm;rechtswert;hochwert\n",
    );
    let mut list = String::from("pruefung_id;geraet_id;pruefart;datum;pruefer;ergebnis;mangel\n");
    let (mut devices, mut checks) = (0_u64, 0_u64);
    for parcel in town.quarters.iter().flat_map(|quarter| &quarter.parcels).filter(|parcel| parcel.kind == Use::Playground) {
        let closed = closed(sites.len());
        let id = format!("SP-{:04}", sites.len() + 1);
        let street = parcel.street.map(names::street).unwrap_or_default();
        let mut ring: Vec<[f64; 2]> = parcel.outline.points.iter().map(|point| point.xy()).collect();
        ring.extend(ring.first().copied());
        sites.push(json!({
            "type": "Feature",
            "properties": {
                "spielplatz_id": id, "name": format!("Spielplatz {street}"), "strasse": street,
                "flurstueckskennzeichen": parcel.mark(), "flaeche_m2": parcel.area, "altersgruppe": "3-12",
                "ausgesetzt_von": closed.map(|(from, _)| text(from)),
                "ausgesetzt_bis": closed.and_then(|(_, until)| until).map(text),
            },
            "geometry": { "type": "Polygon", "coordinates": [ring] },
        }));
        let mut random = Random::of(town.seed, &[0x706c_6179, parcel.oid.0]);
        let centre = parcel.outline.centre();
        for _ in 0..3 + random.below(5) {
            devices += 1;
            let (kind, norm) = random.pick(&KINDS);
            // Well inside: half-way from the middle to a corner at most.
            let corner = parcel.outline.points[random.below(parcel.outline.points.len())];
            let at: Point = centre.toward(corner, random.between(0.05, 0.5));
            let (year, fall, thick) = (2004 + random.below(21), 60 + random.below(24) * 10, 15 + random.below(6) * 5);
            let ground = random.pick(&["Sand", "Holzhackschnitzel", "Fallschutzplatten", "Kies"]);
            let [e, n] = at.xy().map(|value| format!("{value:.2}").replace('.', ","));
            let _ =
                writeln!(equipment, "SG-{devices:05};{id};{kind};{norm};Spielwerk Nord;{year};{fall};{ground};{thick};{e};{n}");
            let days = inspections(&mut random);
            for (period, day) in &days {
                checks += 1;
                let inspector = names::person(town.seed, 0x00FF_FFFF, random.below(6) as u32 + 1)[0].clone();
                let defect = random.chance(0.12);
                let (result, what) = if defect { ("Mangel", "Verschleiß an Lager") } else { ("in Ordnung", "") };
                let _ = writeln!(list, "PR-{checks:06};SG-{devices:05};{period};{};{inspector};{result};{what}", text(*day));
            }
            // A main inspection is an operational one too, and that a visual one.
            let inspected = tablets.visit(town, devices, &format!("SG-{devices:05}"), year);
            let out = Some(("haupt", OUT)).filter(|_| inspected && night > 1);
            let last = |covers: &[&str]| {
                let days = days.iter().copied().chain(out);
                days.filter(|(kind, _)| covers.iter().any(|part| kind.contains(part))).map(|(_, on)| on).max()
            };
            for (code, covers) in
                [("haupt", &["haupt"][..]), ("operativ", &["haupt", "operativ"]), ("visuell", &["haupt", "operativ", "visuell"])]
            {
                let last = last(covers);
                truth.push(json!({
                    "geraet": format!("SG-{devices:05}"), "pruefart": code,
                    "letzte": last.map(text), "faellig": due(last, code, closed).map(text),
                }));
            }
        }
    }
    let count = sites.len() as u64;
    let mut truth = json!({ "pruefplan": truth });
    if night > 1 {
        for (name, value) in tablets.truth() {
            truth[name] = value;
        }
    }
    let collection = json!({
        "type": "FeatureCollection",
        "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::25832" } },
        "features": sites,
    });
    Field {
        files: [
            ("in/playground/spielplaetze.geojson", format!("{collection}\n"), count),
            ("in/playground/spielgeraete.csv", equipment, devices),
            ("in/playground/pruefungen.csv", list, checks),
        ],
        changes: tablets.files(),
        truth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_that_of_everybody() {
        assert_eq!(months_later((2024, 2, 29), 12), (2025, 2, 28));
        assert_eq!(months_later((2025, 11, 30), 3), (2026, 2, 28));
        assert_eq!(days_later((2023, 12, 28), 7), (2024, 1, 4));
        assert_eq!(days_later((2024, 2, 28), 2), (2024, 3, 1));
        assert_eq!(due(Some((2025, 12, 20)), "visuell", closed(2)), Some((2026, 4, 1)));
        assert_eq!(due(Some((2026, 1, 31)), "operativ", closed(4)), None);
        assert_eq!(due(None, "haupt", None), None);
    }
}
