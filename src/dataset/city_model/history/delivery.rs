//! Deliveries: what date a file is of, and which files hold on a date.
//!
//! An office keeps each delivery in a folder named by its date (`lod2/2021/...`, `lod2/2024-07-01/...`). What stands behind that
//! part of the name is the file's own: a file of a later delivery takes the place of the one of the same name in an earlier one.

use crate::dataset::UnitResult;
use crate::error::{Error, Exit, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A day, `2024-07-01`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Day(String);

impl Day {
    /// The day a name says: `2024`, `2024-07`, `2024-07-01` or `20240701`, where a period stands for its first day.
    fn of_name(text: &str) -> Option<Self> {
        let part = |range: Range<usize>| text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let dashes = |at: &[usize]| at.iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
        let (year, month, day) = match text.len() {
            4 => (part(0..4)?, "01", "01"),
            7 if dashes(&[4]) => (part(0..4)?, part(5..7)?, "01"),
            8 => (part(0..4)?, part(4..6)?, part(6..8)?),
            10 if dashes(&[4, 7]) => (part(0..4)?, part(5..7)?, part(8..10)?),
            _ => return None,
        };
        let date: jiff::civil::Date = format!("{year}-{month}-{day}").parse().ok()?;
        // A folder may be named by a tile's number instead.
        (1990..2100).contains(&date.year()).then(|| Self(date.to_string()))
    }
    /// The day as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Day {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        if let (10, Ok(date)) = (text.len(), text.parse::<jiff::civil::Date>()) {
            return Ok(Self(date.to_string()));
        }
        let shown: String = text.chars().take(40).collect();
        Err(Error::new("mk::city_model::day", format!("'{shown}' is no date of the form 2024-07-01")).exit(Exit::Usage))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the name of a source says.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery<'n> {
    /// The day of the delivery.
    pub day: Day,
    /// The name of the file within its delivery.
    pub file: &'n str,
}

/// The delivery of a source: by the innermost folder or archive that is named by a date, alone or behind the last `_`.
pub fn delivery(source: &str) -> Option<Delivery<'_>> {
    let ends = source.match_indices(['/', '!']).map(|(end, _)| end);
    let mut begin = 0;
    let mut found = None;
    for end in ends {
        let name = source.get(begin..end).unwrap_or_default();
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        if let Some(day) = Day::of_name(stem.rsplit('_').next().unwrap_or(stem)) {
            found = Some(Delivery { day, file: source.get(end + 1..).unwrap_or_default() });
        }
        begin = end + 1;
    }
    found
}

/// That a source is of no delivery.
pub fn undated(source: &str) -> Error {
    Error::new("mk::city_model::delivery", "the file is in no folder that is named by the date of its delivery")
        .at(Place::file(source))
        .hint("put each delivery into a folder of its own, as 2024-07-01/; or leave out `history` and `as_of`")
}

/// The files that a later delivery, up to a day, has not taken the place of.
pub fn holding(read: &[UnitResult], as_of: Option<&Day>) -> Vec<UnitResult> {
    let mut latest: BTreeMap<&str, (Day, &UnitResult)> = BTreeMap::new();
    for result in read {
        let Some(Delivery { day, file }) = delivery(&result.key) else { continue };
        let later = latest.get(file).is_none_or(|(known, _)| *known <= day);
        if as_of.is_none_or(|as_of| day <= *as_of) && later {
            latest.insert(file, (day, result));
        }
    }
    let mut out: Vec<UnitResult> = latest.into_values().map(|(_, result)| result.clone()).collect();
    out.sort_by(|a, b| a.key.cmp(&b.key));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Option<(String, &str)> {
        delivery(source).map(|it| (it.day.0, it.file))
    }

    #[test]
    fn deliveries_are_dated_by_their_folders() {
        for (source, day, file) in [
            ("in/2021/a.gml", "2021-01-01", "a.gml"),
            ("in/lod2_2024-07/north/a.zip!a.gml", "2024-07-01", "north/a.zip!a.gml"),
            ("in/20240731/a.gml", "2024-07-31", "a.gml"),
            ("in/2019/2024-07-31/a.gml", "2024-07-31", "a.gml"),
            ("in/LoD2_2022-12-31.zip!565/a.gml", "2022-12-31", "565/a.gml"),
        ] {
            assert_eq!(of(source), Some((day.to_owned(), file)), "{source}");
        }
        for source in
            ["a.gml", "2021.gml", "in/LoD2_32_565_5950_1_SH.zip!LoD2_2021.gml", "in/2024-13/a.gml", "in/5950/a.gml", "in/ä2021/a"]
        {
            assert_eq!(of(source), None, "{source}");
        }
    }

    #[test]
    fn a_day_is_written_in_full() {
        assert_eq!(Day::try_from("2024-07-01".to_owned()).unwrap().as_str(), "2024-07-01");
        for wrong in ["2024", "2024-7-1", "01.07.2024", "2024-07-32", ""] {
            assert_eq!(Day::try_from(wrong.to_owned()).unwrap_err().exit_code(), Exit::Usage, "{wrong}");
        }
    }
}
