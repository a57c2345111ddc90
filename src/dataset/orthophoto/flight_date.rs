//! When an image was flown: from the pipeline, the tile index, or the file's name; never from the file's times.

use crate::error::{Error, Place, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A day, or a year where no more is known. Later ones are greater; a year counts as its beginning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct FlightDate(String);

impl FlightDate {
    /// The date in ISO 8601: `2023-05-14` or `2023`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// First and last day.
    pub fn days(&self) -> (String, String) {
        if self.0.len() == 4 {
            (format!("{}-01-01", self.0), format!("{}-12-31", self.0))
        } else {
            (self.0.clone(), self.0.clone())
        }
    }
    /// The date in a file's name, as the state offices write it: the last part between underscores, `2023`, `20230514` or
    /// `2023-05-14`.
    pub fn in_name(file_name: &str) -> Option<Self> {
        let stem = file_name.split_once('.').map_or(file_name, |(stem, _)| stem);
        let (_, last) = stem.rsplit_once('_')?;
        Self::parse(last)
    }
    fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let day = match text.len() {
            4 if digits(text) => {
                let year: u16 = text.parse().ok()?;
                // Photogrammetry from aircraft began after 1900; a tile number of four digits is most often beyond 2100.
                return (1900..2100).contains(&year).then(|| Self(text.to_owned()));
            }
            8 if digits(text) => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
            10 => text.to_owned(),
            _ => return None,
        };
        let date: jiff::civil::Date = day.parse().ok()?;
        (1900..2100).contains(&date.year()).then(|| Self(date.to_string()))
    }
}

impl FromStr for FlightDate {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| {
            Error::new("mk::orthophoto::flight_date", format!("'{text}' is no date of the form 2023-05-14 or 2023"))
        })
    }
}

impl TryFrom<String> for FlightDate {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<FlightDate> for String {
    fn from(date: FlightDate) -> Self {
        date.0
    }
}

impl fmt::Display for FlightDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tile index: GeoJSON whose features name a tile and may name the date of its flight. Dates by the names of the tiles; a state has
/// tens of thousands.
#[derive(Debug, Default)]
pub struct TileIndex(HashMap<String, FlightDate>);

/// Properties that hold the date, in the words of the state offices.
const DATE_KEYS: [&str; 7] =
    ["bildflugdatum", "flugdatum", "befliegungsdatum", "flight_date", "aktualitaet", "datetime", "datum"];

impl TileIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// When it cannot be read or is no GeoJSON.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |message: &str| Error::new("mk::orthophoto::index", message).at(Place::file(path.display().to_string()));
        let size = std::fs::metadata(path).map_err(|error| failed("cannot read the tile index").because(error))?.len();
        if size > 1 << 28 {
            return Err(failed("the tile index is larger than 256 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed("cannot read the tile index").because(error))?;
        let json: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| failed("the tile index is no JSON").because(error))?;
        let features =
            json["features"].as_array().ok_or_else(|| failed("the tile index is no GeoJSON collection of features"))?;
        let mut dates = HashMap::new();
        for (names, date) in features.iter().filter_map(entry) {
            for name in names {
                // Where two features have the same name, the later flight.
                let known = dates.entry(name).or_insert_with(|| date.clone());
                if *known < date {
                    *known = date.clone();
                }
            }
        }
        Ok(Self(dates))
    }
    /// The date of the tile that a file's name belongs to.
    pub fn date(&self, file_name: &str) -> Option<FlightDate> {
        let stem = file_name.split_once('.').map_or(file_name, |(stem, _)| stem).to_lowercase();
        // Of several that fit, the one that fits longest: the name as a whole, then without its last part, and so on.
        let mut name = stem.as_str();
        loop {
            if let Some(date) = self.0.get(name) {
                return Some(date.clone());
            }
            name = name.rsplit_once('_')?.0;
        }
    }
}

/// The names of a feature (strings in its properties, of links the last part without its ending) and its date.
fn entry(feature: &serde_json::Value) -> Option<(Vec<String>, FlightDate)> {
    let properties = feature["properties"].as_object()?;
    let date = properties.iter().find_map(|(key, value)| {
        let text = value.as_str()?;
        // A time of day may follow the date.
        DATE_KEYS.contains(&key.to_lowercase().as_str()).then(|| FlightDate::parse(text.get(..10).unwrap_or(text)))?
    })?;
    let names = properties.values().filter_map(|value| {
        let last = value.as_str()?.rsplit(['/', '=']).next()?;
        let stem = last.split_once('.').map_or(last, |(stem, _)| stem);
        (stem.len() > 4).then(|| stem.to_lowercase())
    });
    Some((names.collect(), date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_the_names_of_the_state_offices() {
        let known = [
            ("dop10rgbi_32_280_5652_1_nw_2025.jp2", Some("2025")),
            ("dop20rgbi_32_565_5948_sh_file_20250317.jp2", Some("2025-03-17")),
            ("dop20rgbi_32_550_5802_2_ni_2025-03-06.tif", Some("2025-03-06")),
            ("truedop20rgbi_32_566_5934_1_hh_2022.tif", Some("2022")),
            ("m_4709963_se_14_1_20100629.tif", Some("2010-06-29")),
            ("32726_5433.tif", None),
            ("dop20rgb_32_362_5604.tif", None),
            ("dop20_32_362_5604_2_rp_20231399.tif", None),
            ("2019_YELL_2_541000_4977000_image_crop.png", None),
            ("5dded5bc0140b80006d2e565_23.tif", None),
        ];
        for (name, date) in known {
            assert_eq!(FlightDate::in_name(name).as_ref().map(FlightDate::as_str), date, "{name}");
        }
    }

    #[test]
    fn order_and_days() {
        let date = |text: &str| text.parse::<FlightDate>().unwrap();
        assert!(date("2023-05-14") > date("2023") && date("2023") > date("2022-12-31"));
        assert_eq!(date("2023").days(), ("2023-01-01".into(), "2023-12-31".into()));
        insta::assert_snapshot!("14.5.2023".parse::<FlightDate>().unwrap_err(), @"'14.5.2023' is no date of the form 2023-05-14 or 2023");
    }

    #[test]
    fn a_tile_index_names_the_dates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kacheln.geojson");
        let index = serde_json::json!({ "type": "FeatureCollection", "features": [
            { "properties": { "kachel": "dop20_32_565_5948", "Bildflugdatum": "2023-05-14", "link_data": "https://x/y?file=a.tif" } },
            { "properties": { "kachel": "32_566_5948", "link_data": "https://x/dop20rgbi_32_566_5948_1_sh.tif", "datum": "2022-03-02T10:00:00Z" } },
            { "properties": { "kachel": "dop20_32_567_5948" } },
        ]});
        std::fs::write(&path, index.to_string()).unwrap();
        let index = TileIndex::read(&path).unwrap();
        let date = |name: &str| index.date(name).map(|date| date.as_str().to_owned());
        assert_eq!(date("dop20_32_565_5948_1_sh.tif").as_deref(), Some("2023-05-14"));
        assert_eq!(date("dop20rgbi_32_566_5948_1_sh.tif").as_deref(), Some("2022-03-02"));
        assert_eq!(date("dop20_32_567_5948.tif"), None);
        assert_eq!(date("dop20_32_565_59480.tif"), None);
        std::fs::write(&path, "{}").unwrap();
        assert!(TileIndex::read(&path).is_err());
    }
}
