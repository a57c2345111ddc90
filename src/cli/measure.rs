//! Sizes and durations on the command line.

use crate::dataset::Made;
use std::time::Duration;

/// Memory in MiB from `6G`, `512M`, `6GiB` or bytes.
///
/// # Errors
/// When it is no size, or no memory at all.
pub fn memory_mb(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size: write it like 6G or 512M");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let factor = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 1.0 / (1024.0 * 1024.0),
        "k" => 1.0 / 1024.0,
        "m" => 1.0,
        "g" => 1024.0,
        "t" => 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let mb = number * factor;
    if (64.0..1e9).contains(&mb) { Ok(mb as u64) } else { Err(format!("'{text}' is not between 64M and 900T")) }
}

/// A duration from `26h`, `90min`, `2 days`.
///
/// # Errors
/// When it is no duration, or a negative one.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no duration: write it like 26h or 2days");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// A size for people.
pub fn bytes(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// How fast something was made: `, 1124 tiles/s, 73.7 MPix/s, 21 % cache hits`; empty when nothing countable was.
pub fn rates(made: Made, seconds: f64) -> String {
    if made.tiles == 0 {
        return String::new();
    }
    let seconds = seconds.max(0.001);
    let mut text = format!(", {:.0} tiles/s", made.tiles as f64 / seconds);
    if made.pixels > 0 {
        text.push_str(&format!(", {:.1} MPix/s", made.pixels as f64 / 1e6 / seconds));
    }
    if let Some(percent) = made.hits_percent() {
        text.push_str(&format!(", {percent} % cache hits"));
    }
    text
}

/// A duration for people.
pub fn time(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_as_people_write_them() {
        assert_eq!(memory_mb("6G"), Ok(6144));
        assert_eq!(memory_mb("6GiB"), Ok(6144));
        assert_eq!(memory_mb("0.5g"), Ok(512));
        assert_eq!(memory_mb("134217728"), Ok(128));
        for wrong in ["", "G", "6X", "-1G", "1", "1e400", "99999999T"] {
            assert!(memory_mb(wrong).is_err(), "{wrong}");
        }
        assert_eq!(duration("26h"), Ok(Duration::from_hours(26)));
        assert_eq!(duration("2 days"), Ok(Duration::from_hours(48)));
        for wrong in ["", "26", "h", "-3h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536 * 1024), "1.5 MiB");
        assert_eq!(time(61.2), "1 min 01 s");
    }

    #[test]
    fn rates_name_what_was_counted() {
        assert_eq!(rates(Made::default(), 1.0), "");
        assert_eq!(rates(Made { tiles: 300, ..Made::default() }, 2.0), ", 150 tiles/s");
        let made = Made { tiles: 300, pixels: 19_660_800, decoded: 3, cached: 1 };
        assert_eq!(rates(made, 2.0), ", 150 tiles/s, 9.8 MPix/s, 25 % cache hits");
    }
}
