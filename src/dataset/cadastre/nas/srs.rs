//! Names of coordinate reference systems in NAS.

use crate::crs::Crs;

/// What an `srsName` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Srs {
    /// A CRS of the registry.
    Known {
        /// Its code.
        crs: Crs,
        /// True when the first number is the northing or latitude.
        north_first: bool,
    },
    /// A local one, or one without a counterpart: its coordinates mean something to the office only.
    Local(String),
}

/// The CRS that an `srsName` names.
pub fn parse(name: &str) -> Srs {
    // A compound name carries the heights after the asterisk; positions are what is read.
    let plain = name.split('*').next().unwrap_or(name).trim();
    if let Some(local) = plain.strip_prefix("urn:adv:crs:") {
        return adv(local)
            .map_or_else(|| Srs::Local(plain.to_owned()), |(code, north_first)| Srs::Known { crs: Crs(code), north_first });
    }
    let (code, official_order) = if let Some(code) = plain.strip_prefix("EPSG:") {
        (code, false)
    } else if let Some(rest) = plain.strip_prefix("urn:ogc:def:crs:EPSG:") {
        (rest.rsplit(':').next().unwrap_or(rest), true)
    } else if let Some(rest) = plain.strip_prefix("http://www.opengis.net/def/crs/EPSG/") {
        (rest.rsplit('/').next().unwrap_or(rest), true)
    } else if let Some(rest) = plain.strip_prefix("http://www.opengis.net/gml/srs/epsg.xml#") {
        (rest, false)
    } else {
        return Srs::Local(plain.to_owned());
    };
    match code.parse() {
        Ok(code) if code > 0 => Srs::Known { crs: Crs(code), north_first: official_order && is_north_first(code) },
        _ => Srs::Local(plain.to_owned()),
    }
}

/// GeoInfoDok, "Koordinatenreferenzsysteme": easting first, but for latitude and longitude.
fn adv(name: &str) -> Option<(u32, bool)> {
    Some(match name {
        "ETRS89_UTM31" => (25_831, false),
        "ETRS89_UTM32" => (25_832, false),
        "ETRS89_UTM33" => (25_833, false),
        "ETRS89_Lat-Lon" => (4_258, true),
        _ if name.starts_with("DE_DHDN_3GK2") => (31_466, false),
        _ if name.starts_with("DE_DHDN_3GK3") => (31_467, false),
        _ if name.starts_with("DE_DHDN_3GK4") => (31_468, false),
        _ if name.starts_with("DE_DHDN_3GK5") => (31_469, false),
        _ => return None,
    })
}

/// CRSs whose registered order is north before east, among those that services in Germany speak.
fn is_north_first(code: u32) -> bool {
    matches!(code, 4_258 | 4_326 | 4_314 | 31_466..=31_469 | 3_034 | 3_035 | 3_044 | 3_045)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_codes_and_order() {
        let known = |code, north_first| Srs::Known { crs: Crs(code), north_first };
        assert_eq!(parse("urn:adv:crs:ETRS89_UTM32"), known(25_832, false));
        assert_eq!(parse("urn:adv:crs:ETRS89_UTM33*DE_DHHN2016_NH"), known(25_833, false));
        assert_eq!(parse("urn:adv:crs:DE_DHDN_3GK4_BY120"), known(31_468, false));
        assert_eq!(parse("urn:ogc:def:crs:EPSG::25832"), known(25_832, false));
        assert_eq!(parse("urn:ogc:def:crs:EPSG::4326"), known(4_326, true));
        assert_eq!(parse("EPSG:4326"), known(4_326, false));
        assert_eq!(parse("http://www.opengis.net/def/crs/EPSG/0/4258"), known(4_258, true));
        assert_eq!(parse("urn:adv:crs:LOKAL_RP_UTM32101"), Srs::Local("urn:adv:crs:LOKAL_RP_UTM32101".into()));
        assert_eq!(parse("EPSG:x"), Srs::Local("EPSG:x".into()));
    }

    /// The registry itself says which come north first.
    #[test]
    fn the_order_is_that_of_the_registry() {
        for code in [
            4_258, 4_326, 4_314, 31_466, 31_467, 31_468, 31_469, 3_034, 3_035, 3_044, 3_045, 25_831, 25_832, 25_833, 4_647, 5_650,
        ] {
            let definition = crate::crs::projjson(Crs(code)).unwrap();
            let first = definition["coordinate_system"]["axis"][0]["direction"].as_str().unwrap();
            assert_eq!(first == "north", is_north_first(code), "EPSG:{code}");
        }
    }
}
