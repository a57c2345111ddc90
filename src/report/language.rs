//! Two languages side by side, and how each writes numbers, sizes, times and dates.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// German.
    #[default]
    De,
    /// English.
    En,
}

impl Language {
    /// The text in this language.
    pub fn t(self, german: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::De => german,
            Self::En => english,
        }
    }
    /// The language's code (BCP 47).
    pub fn code(self) -> &'static str {
        self.t("de", "en")
    }
    /// A number with its noun, singular or plural.
    pub fn count(self, n: u64, german: (&str, &str), english: (&str, &str)) -> String {
        let (one, many) = match self {
            Self::De => german,
            Self::En => english,
        };
        format!("{} {}", self.number(n), if n == 1 { one } else { many })
    }
    /// A whole number with separators between thousands.
    pub fn number(self, n: u64) -> String {
        let digits = n.to_string();
        let mut out = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                out.push_str(self.t(".", ","));
            }
            out.push(digit);
        }
        out
    }
    /// A number with that many decimals.
    pub fn decimal(self, value: f64, decimals: usize) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        let text = format!("{:.decimals$}", value.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), |n| self.number(n));
        let sign = if value < 0.0 && text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { "−" } else { "" };
        let point = if fraction.is_empty() { "" } else { self.t(",", ".") };
        format!("{sign}{whole}{point}{fraction}")
    }
    /// A size in decimal units, three digits at most.
    pub fn bytes(self, bytes: u64) -> String {
        let mut value = bytes as f64;
        let mut unit = 0;
        const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let decimals = usize::from(unit > 0 && value < 99.95);
        format!("{}\u{a0}{}", self.decimal(value, decimals), UNITS[unit])
    }
    /// A duration.
    pub fn duration(self, seconds: f64) -> String {
        if !seconds.is_finite() || seconds < 0.0 {
            return "–".to_owned();
        }
        if seconds < 9.95 {
            return format!("{}\u{a0}s", self.decimal(seconds, 1));
        }
        let whole = seconds.round() as u64;
        match (whole / 3600, whole / 60 % 60, whole % 60) {
            (0, 0, s) => format!("{s}\u{a0}s"),
            (0, m, s) => format!("{m}\u{a0}min {s}\u{a0}s"),
            (h, m, _) => format!("{}\u{a0}h {m}\u{a0}min", self.number(h)),
        }
    }
    /// A date of ISO 8601, with what is known of month and day.
    pub fn date(self, iso: &str) -> String {
        let mut parts = iso.get(..10).unwrap_or(iso).split('-');
        match (self, parts.next(), parts.next(), parts.next()) {
            (Self::De, Some(y), Some(m), Some(d)) => format!("{d}.{m}.{y}"),
            (Self::De, Some(y), Some(m), None) => format!("{m}/{y}"),
            _ => iso.get(..10).unwrap_or(iso).to_owned(),
        }
    }
    /// Date and time in a zone of the IANA database; in UTC when the zone is unknown.
    pub fn date_time(self, at: Timestamp, zone: Option<&str>) -> String {
        let zone = zone.and_then(|name| TimeZone::get(name).ok());
        let suffix = if zone.is_some() { "" } else { " UTC" };
        let local = at.to_zoned(zone.unwrap_or(TimeZone::UTC));
        let date = self.date(&local.date().to_string());
        format!("{date}, {:02}:{:02}{}{suffix}", local.hour(), local.minute(), self.t(" Uhr", ""))
    }
    /// The time of day alone.
    pub fn time(self, at: Timestamp, zone: Option<&str>) -> String {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let local = at.to_zoned(zone);
        format!("{:02}:{:02}{}", local.hour(), local.minute(), self.t(" Uhr", ""))
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{De, En};

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(De.number(0), "0");
        assert_eq!(De.number(1_234_567), "1.234.567");
        assert_eq!(En.number(999_999), "999,999");
        assert_eq!(De.decimal(-1234.5, 2), "−1.234,50");
        assert_eq!(En.decimal(-0.001, 2), "0.00");
        assert_eq!(De.decimal(f64::NAN, 2), "–");
        assert_eq!(De.count(1, ("Teil", "Teile"), ("part", "parts")), "1 Teil");
        assert_eq!(En.count(0, ("Teil", "Teile"), ("part", "parts")), "0 parts");
    }

    #[test]
    fn sizes_and_durations_stay_short() {
        let sizes: Vec<_> = [0, 999, 1000, 99_940, 999_499, 999_500, 1_234_567_890, u64::MAX].map(|n| De.bytes(n)).to_vec();
        assert_eq!(
            sizes,
            [
                "0\u{a0}B",
                "999\u{a0}B",
                "1,0\u{a0}kB",
                "99,9\u{a0}kB",
                "999\u{a0}kB",
                "1,0\u{a0}MB",
                "1,2\u{a0}GB",
                "18.446.744\u{a0}TB"
            ]
        );
        let times: Vec<_> = [0.04, 9.9, 9.96, 59.7, 3_599.0, 7_260.0, -1.0, f64::NAN].map(|s| En.duration(s)).to_vec();
        assert_eq!(
            times,
            [
                "0.0\u{a0}s",
                "9.9\u{a0}s",
                "10\u{a0}s",
                "1\u{a0}min 0\u{a0}s",
                "59\u{a0}min 59\u{a0}s",
                "2\u{a0}h 1\u{a0}min",
                "–",
                "–"
            ]
        );
    }

    #[test]
    fn dates_follow_the_zone() {
        let at = "2026-11-21T06:42:00Z".parse().unwrap();
        assert_eq!(De.date_time(at, None), "21.11.2026, 06:42 Uhr UTC");
        assert_eq!(En.date_time(at, Some("No/Where")), "2026-11-21, 06:42 UTC");
        assert_eq!(De.date("2023-05"), "05/2023");
        assert_eq!(En.date("2023-05-14T10:00:00Z"), "2023-05-14");
        assert_eq!(De.date("ü"), "ü");
    }
}
