//! The name of a CRS: an EPSG code.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A CRS by its EPSG code, written `EPSG:25832`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Crs(pub u32);

impl Crs {
    /// ETRS89 / UTM zone 32N.
    pub const UTM32: Self = Self(25832);
    /// WGS 84 / Pseudo-Mercator.
    pub const WEB_MERCATOR: Self = Self(3857);
    /// WGS 84, used with longitude before latitude (OGC:CRS84).
    pub const WGS84: Self = Self(4326);

    /// True for a code that the registry has as a horizontal CRS with an axis to the east and one to the north.
    pub fn is_known(self) -> bool {
        super::srs_name::parse(&self.to_string()).is_ok_and(|name| name.horizontal == Some(self))
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EPSG:{}", self.0)
    }
}

impl FromStr for Crs {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("EPSG:")
            .and_then(|code| code.parse().ok())
            .map(Self)
            .ok_or_else(|| Error::new("mk::crs::name", format!("'{text}' is not a CRS of the form EPSG:25832")))
    }
}

impl TryFrom<String> for Crs {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Crs> for String {
    fn from(crs: Crs) -> Self {
        crs.to_string()
    }
}
