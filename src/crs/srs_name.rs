//! The names that files give their CRS (`srsName`), and what each says about the order of coordinates.
//!
//! | form | order |
//! |---|---|
//! | `urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016` (GeoInfoDok) | east, north; `ETRS89_Lat-Lon` latitude first |
//! | `EPSG:25832`, `EPSG:25832+7837`, `http://www.opengis.net/gml/srs/epsg.xml#25832` | east, north; longitude first |
//! | `urn:ogc:def:crs:EPSG::25832`, `urn:x-ogc:def:crs:EPSG:25832` (OGC 07-092r3) | as EPSG defines it |
//! | `urn:ogc:def:crs,crs:EPSG::25832,crs:EPSG::7837` | as EPSG defines the horizontal part |
//! | `http://www.opengis.net/def/crs/EPSG/0/5555` (OGC 09-048r5), `…/def/crs-compound?1=…&2=…` | as EPSG defines it |
//! | `urn:ogc:def:crs:OGC:1.3:CRS84`, `OGC:CRS84` | longitude, latitude |

use super::{Crs, native};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Order of the two horizontal coordinates in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisOrder {
    /// Easting or longitude first: the order inside the program.
    EastNorth,
    /// Northing or latitude first.
    NorthEast,
}

impl AxisOrder {
    /// Two coordinates as the file has them, in the order of the program.
    pub fn east_north(self, coordinates: [f64; 2]) -> [f64; 2] {
        match self {
            Self::EastNorth => coordinates,
            Self::NorthEast => [coordinates[1], coordinates[0]],
        }
    }
}

/// What heights refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vertical {
    /// Normal heights of the German main levelling network 2016 (EPSG:7837).
    Dhhn2016,
    /// Normal heights of the network 1992 (EPSG:5783); centimetres from [`Vertical::Dhhn2016`].
    Dhhn92,
    /// Normal-orthometric heights of the network 1985 (EPSG:5784).
    Dhhn85,
    /// Normal-orthometric heights of the network 1912 (EPSG:7699).
    Dhhn12,
    /// Above the ellipsoid.
    Ellipsoidal,
    /// Another vertical CRS, by its EPSG code.
    Epsg(u32),
}

impl Vertical {
    /// EPSG code of the vertical CRS; `None` for ellipsoidal heights, which have none of their own.
    pub fn code(self) -> Option<u32> {
        match self {
            Self::Dhhn2016 => Some(7837),
            Self::Dhhn92 => Some(5783),
            Self::Dhhn85 => Some(5784),
            Self::Dhhn12 => Some(7699),
            Self::Ellipsoidal => None,
            Self::Epsg(code) => Some(code),
        }
    }
    fn of_code(code: u32) -> Option<Self> {
        [Self::Dhhn2016, Self::Dhhn92, Self::Dhhn85, Self::Dhhn12].into_iter().find(|vertical| vertical.code() == Some(code))
    }
}

impl std::fmt::Display for Vertical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dhhn2016 => f.write_str("DHHN2016"),
            Self::Dhhn92 => f.write_str("DHHN92"),
            Self::Dhhn85 => f.write_str("DHHN85"),
            Self::Dhhn12 => f.write_str("DHHN12"),
            Self::Ellipsoidal => f.write_str("ellipsoidal"),
            Self::Epsg(code) => write!(f, "EPSG:{code}"),
        }
    }
}

/// What a `srsName` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrsName {
    /// Horizontal CRS; `None` for heights alone and for local systems.
    pub horizontal: Option<Crs>,
    /// What heights refer to, where the name says so.
    pub vertical: Option<Vertical>,
    /// Order of the horizontal coordinates in the file.
    pub axis: AxisOrder,
    /// Name of a local system that has no EPSG code (`LOKAL_RP_UTM32101`): such coordinates are kept, but belong on no map.
    pub local: Option<String>,
}

impl SrsName {
    fn of(horizontal: u32, vertical: Option<Vertical>, axis: AxisOrder) -> Self {
        Self { horizontal: Some(Crs(horizontal)), vertical, axis, local: None }
    }
    fn height(vertical: Vertical) -> Self {
        Self { horizontal: None, vertical: Some(vertical), axis: AxisOrder::EastNorth, local: None }
    }
}

/// Longest name that is looked at.
const MAX_LENGTH: usize = 400;

/// Reads a `srsName`.
///
/// # Errors
/// When it has none of the known forms, or its EPSG code is unknown: a CRS is never guessed.
pub fn parse(text: &str) -> Result<SrsName> {
    let trimmed = text.trim();
    if trimmed.len() > MAX_LENGTH {
        return Err(unknown("of more than 400 characters"));
    }
    read(trimmed).ok_or_else(|| unknown(&format!("'{}'", trimmed.escape_debug())))
}

fn unknown(name: &str) -> Error {
    Error::new("mk::crs::srs_name", format!("the srsName {name} is not known")).hint(
        "known are urn:adv:crs names, EPSG codes and OGC names of EPSG codes; set the CRS in the pipeline if the file is wrong",
    )
}

fn read(text: &str) -> Option<SrsName> {
    if let Some(names) = text.strip_prefix("urn:adv:crs:") {
        return adv(names);
    }
    let lower = text.to_ascii_lowercase();
    if lower.ends_with("crs84")
        && (lower.starts_with("urn:") || lower.starts_with("http") || lower == "ogc:crs84" || lower == "crs84")
    {
        return Some(SrsName::of(4326, None, AxisOrder::EastNorth));
    }
    if let Some(parts) = lower.strip_prefix("urn:ogc:def:crs,") {
        return parts
            .split(',')
            .map(|part| code_after(part, "crs:epsg:"))
            .collect::<Option<Vec<u32>>>()
            .and_then(|codes| official(&codes));
    }
    for prefix in ["urn:ogc:def:crs:epsg:", "urn:x-ogc:def:crs:epsg:"] {
        if lower.starts_with(prefix) {
            return official(&[code_after(&lower, prefix)?]);
        }
    }
    let web = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    if let Some(rest) = web.and_then(|web| web.strip_prefix("www.opengis.net/")) {
        if let Some(code) = rest.strip_prefix("gml/srs/epsg.xml#") {
            return traditional(&[number(code)?]);
        }
        if let Some(query) = rest.strip_prefix("def/crs-compound?") {
            let part = |part: &str| part.split_once("def/crs/epsg/").and_then(|(_, tail)| number(tail.split_once('/')?.1));
            return query.split('&').map(part).collect::<Option<Vec<u32>>>().and_then(|codes| official(&codes));
        }
        let tail = rest.strip_prefix("def/crs/epsg/")?;
        return official(&[number(tail.split_once('/')?.1)?]);
    }
    let codes = lower.strip_prefix("epsg:")?;
    codes.split('+').map(number).collect::<Option<Vec<u32>>>().and_then(|codes| traditional(&codes))
}

/// The code after `prefix` and a version that may be empty or left out: `:25832`, `6.12:3068`, `25832`.
fn code_after(text: &str, prefix: &str) -> Option<u32> {
    let tail = text.strip_prefix(prefix)?;
    number(tail.split_once(':').map_or(tail, |(_, code)| code))
}

fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Codes in a form that leaves the axis order to EPSG.
fn official(codes: &[u32]) -> Option<SrsName> {
    combine(codes, |code| north_first(code).map(|north| if north { AxisOrder::NorthEast } else { AxisOrder::EastNorth }))
}

/// Codes in a form that GIS software reads as east-north whatever EPSG says.
fn traditional(codes: &[u32]) -> Option<SrsName> {
    combine(codes, |code| north_first(code).map(|_| AxisOrder::EastNorth))
}

fn combine(codes: &[u32], axis: impl Fn(u32) -> Option<AxisOrder>) -> Option<SrsName> {
    match *codes {
        [code] => {
            if let Some(vertical) = Vertical::of_code(code) {
                return Some(SrsName::height(vertical));
            }
            let (horizontal, vertical) = split(code);
            Some(SrsName::of(horizontal, vertical, axis(horizontal)?))
        }
        [horizontal, vertical] => {
            let vertical = Vertical::of_code(vertical).unwrap_or(Vertical::Epsg(vertical));
            Some(SrsName::of(horizontal, Some(vertical), axis(horizontal)?))
        }
        _ => None,
    }
}

/// The parts of the compound and three-dimensional CRSs of EPSG that occur in German data.
fn split(code: u32) -> (u32, Option<Vertical>) {
    match code {
        5554..=5556 => (code - 5554 + 25831, Some(Vertical::Dhhn92)),
        9924 | 10293 => (4258, Some(Vertical::Dhhn2016)),
        4937 => (4258, Some(Vertical::Ellipsoidal)),
        4979 => (4326, Some(Vertical::Ellipsoidal)),
        _ => (code, None),
    }
}

fn north_first(code: u32) -> Option<bool> {
    static ASKED: Mutex<BTreeMap<u32, Option<bool>>> = Mutex::new(BTreeMap::new());
    match code {
        25831..=25833 | 3857 | 4647 | 5649 | 5650 => Some(false),
        4258 | 4326 => Some(true),
        _ => {
            // Files repeat their name on each geometry; PROJ's database is asked once for each code.
            let mut asked = ASKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // A hostile file may name every code there is.
            if asked.len() > 1000 {
                asked.clear();
            }
            *asked.entry(code).or_insert_with(|| native::north_first(code))
        }
    }
}

/// `NAME`, `NAME*HEIGHT`, `NAME*HEIGHT*GEOID` of the GeoInfoDok; the geoid only says how heights were measured.
fn adv(names: &str) -> Option<SrsName> {
    let mut parts = names.split('*');
    let first = parts.next()?;
    let vertical = match parts.next() {
        Some(name) => Some(adv_height(name)?),
        None => None,
    };
    if parts.count() > 1 || first.is_empty() {
        return None;
    }
    if let Some(height) = adv_height(first) {
        return Some(SrsName::height(height));
    }
    let (code, axis) = match first {
        "ETRS89_UTM31" => (25831, AxisOrder::EastNorth),
        "ETRS89_UTM32" => (25832, AxisOrder::EastNorth),
        "ETRS89_UTM33" => (25833, AxisOrder::EastNorth),
        "ETRS89_Lat-Lon" => (4258, AxisOrder::NorthEast),
        _ => {
            let Some(code) = gauss_krueger(first) else {
                let local = Some(first.to_owned());
                return Some(SrsName { horizontal: None, vertical, axis: AxisOrder::EastNorth, local });
            };
            (code, AxisOrder::EastNorth)
        }
    };
    Some(SrsName::of(code, vertical, axis))
}

/// `DE_DHDN_3GK3`, also with the realisation of a Land behind it (`DE_DHDN_3GK4_BY120`).
fn gauss_krueger(name: &str) -> Option<u32> {
    const NAMES: [(&str, u32); 10] = [
        ("DE_DHDN_3GK2", 31466),
        ("DE_DHDN_3GK3", 31467),
        ("DE_DHDN_3GK4", 31468),
        ("DE_DHDN_3GK5", 31469),
        ("DE_42-83_3GK4", 2398),
        ("DE_42-83_3GK5", 2399),
        ("DE_RD-83_3GK4", 3398),
        ("DE_RD-83_3GK5", 3399),
        ("DE_PD-83_3GK3", 3396),
        ("DE_PD-83_3GK4", 3397),
    ];
    let matches = |known: &str| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    NAMES.iter().find(|(known, _)| matches(known)).map(|&(_, code)| code)
}

fn adv_height(name: &str) -> Option<Vertical> {
    match name {
        "DE_DHHN2016_NH" | "DE_DHHN2016_NHN" => Some(Vertical::Dhhn2016),
        "DE_DHHN92_NH" | "DE_DHHN92_NHN" => Some(Vertical::Dhhn92),
        "DE_DHHN85_NOH" => Some(Vertical::Dhhn85),
        "DE_DHHN12_NOH" => Some(Vertical::Dhhn12),
        "ETRS89_h" => Some(Vertical::Ellipsoidal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AxisOrder::{EastNorth, NorthEast};
    use Vertical::{Dhhn92, Dhhn2016, Ellipsoidal};

    #[test]
    fn every_form_that_occurs() {
        for (text, horizontal, vertical, axis) in [
            ("urn:adv:crs:ETRS89_UTM32", 25832, None, EastNorth),
            ("urn:adv:crs:ETRS89_UTM33*DE_DHHN2016_NH", 25833, Some(Dhhn2016), EastNorth),
            ("urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016", 25832, Some(Dhhn2016), EastNorth),
            ("urn:adv:crs:ETRS89_UTM32*DE_DHHN92_NH", 25832, Some(Dhhn92), EastNorth),
            ("urn:adv:crs:ETRS89_Lat-Lon", 4258, None, NorthEast),
            ("urn:adv:crs:DE_DHDN_3GK3", 31467, None, EastNorth),
            ("urn:adv:crs:DE_DHDN_3GK4_BY120", 31468, None, EastNorth),
            ("urn:adv:crs:DE_RD-83_3GK5", 3399, None, EastNorth),
            ("EPSG:25832", 25832, None, EastNorth),
            (" epsg:25832+7837 ", 25832, Some(Dhhn2016), EastNorth),
            ("EPSG:4326", 4326, None, EastNorth),
            ("urn:ogc:def:crs:EPSG::25832", 25832, None, EastNorth),
            ("urn:ogc:def:crs:EPSG::4326", 4326, None, NorthEast),
            ("urn:ogc:def:crs:EPSG::4258", 4258, None, NorthEast),
            ("urn:ogc:def:crs:EPSG:6.12:31467", 31467, None, NorthEast),
            ("urn:ogc:def:crs:EPSG::3035", 3035, None, NorthEast),
            ("urn:ogc:def:crs:EPSG::4647", 4647, None, EastNorth),
            ("urn:x-ogc:def:crs:EPSG:25833", 25833, None, EastNorth),
            ("urn:ogc:def:crs,crs:EPSG::25832,crs:EPSG::7837", 25832, Some(Dhhn2016), EastNorth),
            // EPSG defines Soldner Berlin with x = north.
            ("urn:ogc:def:crs,crs:EPSG:6.12:3068,crs:EPSG:6.12:5783", 3068, Some(Dhhn92), NorthEast),
            ("urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709", 28992, Some(Vertical::Epsg(5709)), EastNorth),
            ("http://www.opengis.net/def/crs/EPSG/0/5555", 25832, Some(Dhhn92), EastNorth),
            ("https://www.opengis.net/def/crs/EPSG/0/4979", 4326, Some(Ellipsoidal), NorthEast),
            ("http://www.opengis.net/def/crs/EPSG/0/9924", 4258, Some(Dhhn2016), NorthEast),
            (
                "http://www.opengis.net/def/crs-compound?1=http://www.opengis.net/def/crs/EPSG/0/25832&2=http://www.opengis.net/def/crs/EPSG/0/7837",
                25832,
                Some(Dhhn2016),
                EastNorth,
            ),
            ("http://www.opengis.net/gml/srs/epsg.xml#4326", 4326, None, EastNorth),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", 4326, None, EastNorth),
            ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326, None, EastNorth),
        ] {
            let expected = SrsName { horizontal: Some(Crs(horizontal)), vertical, axis, local: None };
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn heights_alone_and_local_systems_have_no_horizontal_crs() {
        assert_eq!(parse("urn:adv:crs:DE_DHHN2016_NH").unwrap(), SrsName::height(Dhhn2016));
        assert_eq!(parse("urn:ogc:def:crs:EPSG::5783").unwrap(), SrsName::height(Dhhn92));
        let local = parse("urn:adv:crs:LOKAL_RP_UTM32101").unwrap();
        assert_eq!((local.horizontal, local.local.as_deref()), (None, Some("LOKAL_RP_UTM32101")));
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "25832",
            "EPSG:",
            "EPSG:99999999999",
            "EPSG:999999",
            "EPSG:25832+",
            "EPSG:25832+7837+1",
            "urn:adv:crs:",
            "urn:adv:crs:ETRS89_UTM32*DE_UNKNOWN",
            "urn:adv:crs:ETRS89_UTM32*DE_DHHN92_NH*A*B",
            "urn:ogc:def:crs:EPSG::",
            "urn:ogc:def:crs,crs:EPSG::25832,crs:X::1",
            "http://www.opengis.net/def/crs/EPSG/25832",
            "http://example.org/EPSG/0/25832",
            "EPSG:\u{0}",
            "EPSG:-25832",
        ] {
            assert_eq!(parse(text).unwrap_err().code(), "mk::crs::srs_name", "{text}");
        }
        assert!(parse(&"x".repeat(1_000_000)).unwrap_err().message().len() < 100);
    }

    #[test]
    fn the_order_of_the_program_is_east_north() {
        assert_eq!(NorthEast.east_north([53.7, 9.98]), [9.98, 53.7]);
        assert_eq!(EastNorth.east_north([9.98, 53.7]), [9.98, 53.7]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_name_or_an_error(text in ".{0,80}") {
            let _ = parse(&text);
            let _ = parse(&format!("urn:ogc:def:crs:{text}"));
            let _ = parse(&format!("urn:adv:crs:{text}"));
        }
    }
}
