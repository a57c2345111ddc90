//! A moment as the store orders them: UTC, `2012-03-01T00:00:00Z`.

use crate::error::{Error, Exit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A date (its beginning, UTC) or a moment of ISO 8601.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(String);

impl Moment {
    /// As beginnt and endet are written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The date alone.
    pub fn date(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

/// A moment with an offset or fractions of a second as the store writes it; anything else as it is.
pub fn normal(text: &str) -> String {
    let plain = text.len() == 20 && text.ends_with('Z');
    match if plain { None } else { text.parse::<jiff::Timestamp>().ok() } {
        Some(moment) => moment.to_string(),
        None => text.to_owned(),
    }
}

impl FromStr for Moment {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        if let (10, Ok(date)) = (text.len(), text.parse::<jiff::civil::Date>()) {
            return Ok(Self(format!("{date}T00:00:00Z")));
        }
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(moment.to_string()));
        }
        let shown: String = text.chars().take(40).collect();
        Err(Error::new("mk::cadastre::moment", format!("'{shown}' is no date of the form 2012-03-01, and no moment"))
            .hint("2012-03-01 is the beginning of that day, 2012-03-01T14:30:00Z a moment of it")
            .exit(Exit::Usage))
    }
}

impl TryFrom<String> for Moment {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_so_that_text_orders_them() {
        assert_eq!("2012-03-01".parse::<Moment>().unwrap().as_str(), "2012-03-01T00:00:00Z");
        assert_eq!("2012-03-01T02:00:00+02:00".parse::<Moment>().unwrap().as_str(), "2012-03-01T00:00:00Z");
        assert_eq!("2012-03-01".parse::<Moment>().unwrap().date(), "2012-03-01");
        for wrong in ["", "2012", "2012-13-01", "01.03.2012", "20120301"] {
            assert_eq!(wrong.parse::<Moment>().unwrap_err().exit_code(), Exit::Usage, "{wrong}");
        }
        assert_eq!(normal("2012-03-01T00:00:00.000Z"), "2012-03-01T00:00:00Z");
        assert_eq!(normal("2012-03-01T01:00:00+01:00"), "2012-03-01T00:00:00Z");
        assert_eq!(normal("2012-03-01"), "2012-03-01");
    }
}
