//! When each device is due, by DIN EN 1176-7: visual routine, operational and main inspections.

use super::model::{DEVICE, INSPECTION, PLAN, Row, SITE, Tables, day, row, text};
use super::options::Options;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A kind of inspection.
#[derive(Debug)]
pub struct Kind {
    /// Value in the tables.
    pub code: &'static str,
    /// German title.
    pub title: &'static str,
    /// Inspections up to this rank are covered by it.
    rank: u8,
    /// True when it is due again and again.
    planned: bool,
    /// Parts of words that tell it, in lower case.
    words: &'static [&'static str],
}

/// All kinds; the first whose word is in a text. A main inspection is also an operational one, and that a visual one; the acceptance
/// of new equipment is as thorough as a main inspection; an extraordinary one, after damage, puts off no more than a visual one.
pub static KINDS: [Kind; 5] = [
    Kind {
        code: "abnahme",
        title: "Abnahme nach Einbau",
        rank: 3,
        planned: false,
        words: &["abnahme", "installation", "inbetrieb"],
    },
    Kind {
        code: "ausserordentlich",
        title: "Außerordentliche Inspektion",
        rank: 1,
        planned: false,
        words: &["außerordent", "ausserordent", "anlass"],
    },
    Kind {
        code: "haupt",
        title: "Jährliche Hauptinspektion",
        rank: 3,
        planned: true,
        words: &["haupt", "jährlich", "jahres", "annual", "main"],
    },
    Kind {
        code: "operativ",
        title: "Operative Inspektion",
        rank: 2,
        planned: true,
        words: &["operativ", "operational", "verschleiß", "funktion"],
    },
    Kind {
        code: "visuell",
        title: "Visuelle Routineinspektion",
        rank: 1,
        planned: true,
        words: &["visuell", "visual", "routine", "sicht"],
    },
];

/// The kind that a text names, if one.
pub fn kind_of(text: &str) -> Option<&'static Kind> {
    let text = text.to_lowercase();
    KINDS
        .iter()
        .find(|kind| kind.code == text)
        .or_else(|| KINDS.iter().find(|kind| kind.words.iter().any(|word| text.contains(word))))
}

/// An interval between inspections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Days.
    Days(i64),
    /// Months; the last day of a shorter month where it has no such day.
    Months(i64),
}

impl Interval {
    /// The day on which the next one is due.
    pub fn after(self, last: Date) -> Date {
        let span = match self {
            Self::Days(days) => last.checked_add(days.days()),
            Self::Months(months) => last.checked_add(months.months()),
        };
        span.unwrap_or(Date::MAX)
    }
    fn days(self) -> i64 {
        match self {
            Self::Days(days) => days,
            Self::Months(months) => months * 30,
        }
    }
}

/// Time in which nothing is inspected, because the site is closed; both days belong to it. Without an end it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suspension {
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub until: Option<Date>,
}

impl Suspension {
    /// True on a day of it.
    pub fn holds(&self, day: Date) -> bool {
        (self.from.is_some() || self.until.is_some())
            && self.from.is_none_or(|from| from <= day)
            && self.until.is_none_or(|until| day <= until)
    }
    /// A due day that lies in it moves to the day after it; to none while its end is not known.
    pub fn put_off(&self, due: Date) -> Option<Date> {
        if !self.holds(due) {
            return Some(due);
        }
        self.until.and_then(|until| until.tomorrow().ok())
    }
}

/// Which light a plan shows; without a due day the last inspection tells whether there never was one.
pub fn light(last: Option<Date>, due: Option<Date>, suspension: Suspension, warn_days: i64, today: Date) -> &'static str {
    if suspension.holds(today) {
        return "grau";
    }
    match due {
        None if last.is_some() => "grau",
        None => "rot",
        Some(due) if due < today => "rot",
        Some(due) if today.until(due).is_ok_and(|left| i64::from(left.get_days()) <= warn_days) => "gelb",
        Some(_) => "gruen",
    }
}

/// The interval of a device: its own, where it has one, never more than a year for the main inspection.
fn interval(kind: &Kind, device: &Row, options: &Options) -> Interval {
    let own = |column: &str| device.get(column).and_then(Value::as_i64).filter(|value| (1..=1200).contains(value));
    let intervals = &options.intervals;
    match kind.code {
        "visuell" => Interval::Days(own("intervall_visuell_tage").unwrap_or(intervals.visual_days.into())),
        "operativ" => Interval::Months(own("intervall_operativ_monate").unwrap_or(intervals.operational_months.into())),
        _ => Interval::Months(own("intervall_haupt_monate").unwrap_or(intervals.main_months.into()).min(12)),
    }
}

/// Fills the table of due dates; inspections after `today` do not count yet.
pub fn plan(tables: &mut Tables, options: &Options, today: Date) {
    // The last day of each rank, by device and by site.
    let mut last: BTreeMap<(&str, u8), Date> = BTreeMap::new();
    for inspection in tables.get(INSPECTION).into_iter().flat_map(BTreeMap::values) {
        let kind = text(inspection, "pruefart").and_then(|code| KINDS.iter().find(|kind| kind.code == code));
        let (Some(kind), Some(on)) = (kind, day(inspection, "datum").filter(|on| *on <= today)) else { continue };
        // Of a whole site where it names no device.
        let Some(of) = text(inspection, "geraet_uuid").or_else(|| text(inspection, "spielplatz_uuid")) else { continue };
        for rank in 1..=kind.rank {
            let known = last.entry((of, rank)).or_insert(on);
            *known = on.max(*known);
        }
    }
    let mut planned: BTreeMap<Uuid, Row> = BTreeMap::new();
    for (uuid, device) in tables.get(DEVICE).into_iter().flatten() {
        if device.get("nicht_pruefen").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let name = uuid.to_string();
        let site = text(device, "spielplatz_uuid");
        let suspension = site
            .and_then(|site| tables.get(SITE)?.get(&Uuid::try_parse(site).ok()?))
            .map(|site| Suspension { from: day(site, "ausgesetzt_von"), until: day(site, "ausgesetzt_bis") })
            .unwrap_or_default();
        for kind in KINDS.iter().filter(|kind| kind.planned) {
            let of = |of: &str| last.get(&(of, kind.rank)).copied();
            let last = of(&name).max(site.and_then(of));
            let interval = interval(kind, device, options);
            let due = last.and_then(|last| suspension.put_off(interval.after(last)));
            let date = |date: Option<Date>| date.map(|date| Value::from(date.to_string()));
            let warn = i64::from(options.warn_days).min(interval.days() / 4);
            let entry = row([
                ("spielplatz_uuid", site.map(Value::from)),
                ("geraet_uuid", Some(name.as_str().into())),
                ("pruefart", Some(kind.code.into())),
                ("letzte", date(last)),
                ("faellig", date(due)),
                ("vorlauf_tage", Some(warn.into())),
                ("ausgesetzt_von", date(suspension.from)),
                ("ausgesetzt_bis", date(suspension.until)),
            ]);
            planned.insert(Uuid::new_v5(uuid, kind.code.as_bytes()), entry);
        }
    }
    tables.insert(PLAN, planned);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn texts_of_people_tell_the_kind() {
        let code = |text: &str| kind_of(text).map(|kind| kind.code);
        assert_eq!(code("Jahreshauptinspektion"), Some("haupt"));
        assert_eq!(code("operative Inspektion"), Some("operativ"));
        assert_eq!(code("visuelle Routineinspektion"), Some("visuell"));
        assert_eq!(code("Sichtkontrolle"), Some("visuell"));
        assert_eq!(code("Außerordentliche Prüfung"), Some("ausserordentlich"));
        assert_eq!(code("Abnahmeprüfung"), Some("abnahme"));
        assert_eq!(code("Kaffeepause"), None);
    }

    #[test]
    fn months_end_where_a_shorter_one_does_and_years_leap() {
        assert_eq!(Interval::Months(3).after(date(2025, 11, 30)), date(2026, 2, 28));
        assert_eq!(Interval::Months(12).after(date(2024, 2, 29)), date(2025, 2, 28));
        assert_eq!(Interval::Days(7).after(date(2023, 12, 28)), date(2024, 1, 4));
        assert_eq!(Interval::Days(1000).after(Date::MAX), Date::MAX);
    }

    #[test]
    fn a_closed_site_is_due_on_the_day_after() {
        let winter = Suspension { from: Some(date(2025, 11, 1)), until: Some(date(2026, 3, 31)) };
        assert_eq!(winter.put_off(date(2025, 12, 24)), Some(date(2026, 4, 1)));
        assert_eq!(winter.put_off(date(2025, 10, 31)), Some(date(2025, 10, 31)));
        assert_eq!(winter.put_off(date(2026, 4, 1)), Some(date(2026, 4, 1)));
        let open = Suspension { until: None, ..winter };
        assert_eq!(open.put_off(date(2027, 1, 1)), None);
        assert!(!Suspension::default().holds(date(2026, 1, 1)));
    }

    #[test]
    fn lights_follow_the_day() {
        let today = date(2026, 5, 28);
        let say = |due| light(None, due, Suspension::default(), 14, today);
        assert_eq!(say(None), "rot");
        assert_eq!(say(Some(date(2026, 5, 27))), "rot");
        assert_eq!(say(Some(today)), "gelb");
        assert_eq!(say(Some(date(2026, 6, 11))), "gelb");
        assert_eq!(say(Some(date(2026, 6, 12))), "gruen");
        let closed = Suspension { from: Some(date(2026, 1, 1)), until: None };
        assert_eq!(light(None, None, closed, 14, today), "grau");
        // It was inspected, and closes before the next time.
        let soon = Suspension { from: Some(date(2026, 6, 1)), until: None };
        assert_eq!(light(Some(today), None, soon, 14, today), "grau");
    }
}
