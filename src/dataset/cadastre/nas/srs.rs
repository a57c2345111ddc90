//! What an `srsName` means to the reader: a CRS of the registry, or coordinates that stay as they are.

use crate::crs::{AxisOrder, Crs, srs_name};

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
    Local,
}

/// The CRS that an `srsName` names; heights play no part.
pub fn parse(name: &str) -> Srs {
    match srs_name::parse(name.trim()) {
        Ok(srs_name::SrsName { horizontal: Some(crs), axis, .. }) => {
            Srs::Known { crs, north_first: axis == AxisOrder::NorthEast }
        }
        _ => Srs::Local,
    }
}

/// True for the name of a CRS with heights: its positions have three numbers.
pub fn has_heights(name: &str) -> bool {
    // Nearly all names are plain ones of the GeoInfoDok, which need no look.
    let plain = name.starts_with("urn:adv:crs:") && !name.contains('*');
    !plain && srs_name::parse(name).is_ok_and(|name| name.horizontal.is_some() && name.vertical.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_deliveries_have_their_codes() {
        let known = |code, north_first| Srs::Known { crs: Crs(code), north_first };
        assert_eq!(parse("urn:adv:crs:ETRS89_UTM32"), known(25_832, false));
        assert_eq!(parse("urn:adv:crs:ETRS89_UTM33*DE_DHHN2016_NH"), known(25_833, false));
        assert_eq!(parse("urn:adv:crs:DE_DHDN_3GK4_BY120"), known(31_468, false));
        assert_eq!(parse("urn:ogc:def:crs:EPSG::4258"), known(4_258, true));
        assert_eq!(parse("urn:adv:crs:LOKAL_RP_UTM32101"), Srs::Local);
        assert_eq!(parse(""), Srs::Local);
        for name in
            ["urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH", "urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016", "EPSG:25832+7837"]
        {
            assert!(has_heights(name), "{name}");
        }
        for name in
            ["urn:adv:crs:ETRS89_UTM32", "EPSG:25832", "urn:adv:crs:DE_DHHN2016_NH", "urn:adv:crs:LOKAL_X*DE_DHHN2016_NH", ""]
        {
            assert!(!has_heights(name), "{name}");
        }
    }
}
