//! Moments: how tables and pictures write them, and in which time zone.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// German time by rule, so that it is the same on a machine without a time zone database.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// A time zone: `UTC`, `Europe/Berlin` or an offset as `+02:00`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(#[schemars(regex(pattern = r"^(UTC|Europe/Berlin|[+-]\d{2}:\d{2})$"))] String);

impl Default for Zone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}
impl TryFrom<String> for Zone {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        zone(&text).ok_or("not `UTC`, `Europe/Berlin` or an offset as `+02:00`")?;
        Ok(Self(text))
    }
}
impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}
impl Zone {
    /// The zone.
    pub fn zone(&self) -> TimeZone {
        zone(&self.0).unwrap_or(TimeZone::UTC)
    }
}

fn zone(text: &str) -> Option<TimeZone> {
    match text {
        "UTC" => Some(TimeZone::UTC),
        "Europe/Berlin" => TimeZone::posix(BERLIN).ok(),
        offset => {
            let (sign, rest) = match offset.split_at_checked(1)? {
                ("+", rest) => (1, rest),
                ("-", rest) => (-1, rest),
                _ => return None,
            };
            let (hours, minutes) = rest.split_once(':')?;
            let two = |text: &str| (text.len() == 2).then(|| text.parse::<i32>().ok().filter(|value| *value >= 0)).flatten();
            let seconds = sign * (two(hours)? * 3600 + two(minutes).filter(|minutes| *minutes < 60)? * 60);
            Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
        }
    }
}

/// Milliseconds since 1970 of a text: RFC 3339; a date and a time as `2025-06-12 10:11:12.5`, `2025:06:12 10:11:12` (Exif) or
/// `12.06.2025 10:11:12,5`; seconds or milliseconds since 1970.
pub fn parse(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim().replace(',', ".");
    if let Ok(number) = text.parse::<f64>() {
        // What is less is a time of day or of the week, which no date is known to.
        return match number {
            _ if !(1e8..1e14).contains(&number) => None,
            seconds if seconds < 1e11 => Some((seconds * 1000.0).round() as i64),
            milliseconds => Some(milliseconds.round() as i64),
        };
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let (date, time) = text.split_once([' ', 'T'])?;
    let parts: Vec<&str> = date.split(['-', ':', '/', '.']).collect();
    let [a, b, c] = parts[..] else { return None };
    let (year, month, day) = if a.len() == 4 { (a, b, c) } else { (c, b, a) };
    let (year, month, day) = (year.parse::<u16>().ok()?, month.parse::<u8>().ok()?, day.parse::<u8>().ok()?);
    let moment: DateTime = format!("{year:04}-{month:02}-{day:02}T{}", time.trim()).parse().ok()?;
    Some(zone.to_timestamp(moment).ok()?.as_millisecond())
}

/// Noon of a day.
pub fn noon(day: &str, zone: &TimeZone) -> Option<i64> {
    let day: jiff::civil::Date = day.parse().ok()?;
    Some(zone.to_timestamp(day.at(12, 0, 0, 0)).ok()?.as_millisecond())
}

/// RFC 3339 in UTC.
pub fn text(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map(|moment| moment.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_understood_as_they_are_written() {
        let berlin = Zone("Europe/Berlin".to_owned()).zone();
        let read = |text: &str| parse(text, &berlin).map(super::text);
        let summer = Some("2025-06-12T08:11:12.5Z".to_owned());
        for written in [
            "2025-06-12T08:11:12.5Z",
            "2025-06-12 10:11:12.5",
            "2025:06:12 10:11:12.5",
            "12.06.2025 10:11:12,5",
            "2025-06-12T10:11:12.5+02:00",
            "1749715872.5",
            "1749715872500",
        ] {
            assert_eq!(read(written), summer, "{written}");
        }
        assert_eq!(read("2025-12-12 10:11:12"), Some("2025-12-12T09:11:12Z".to_owned()));
        for wrong in ["", "10:11:12", "345600.5", "31.02.2025 10:00:00", "2025-06-12", "yesterday"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(noon("2025-06-12", &berlin).map(super::text), Some("2025-06-12T10:00:00Z".to_owned()));
    }

    #[test]
    fn a_zone_is_one_of_three_kinds() {
        for good in ["UTC", "Europe/Berlin", "+02:00", "-05:30"] {
            assert!(Zone::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for wrong in ["", "Berlin", "+2", "+02:77", "2:00", "+0x:00"] {
            assert!(Zone::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
