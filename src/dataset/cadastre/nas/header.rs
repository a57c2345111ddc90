//! What the head of a delivery says: the standard CRS, and the delivery's place in a chain of changes.

use super::names::Scope;
use super::xml::{Events, Parsed, Tag};
use serde::{Deserialize, Serialize};

/// The head of a delivery, as far as it is read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Name of the CRS that holds where a geometry names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_srs: Option<String>,
    /// Begin of the interval of changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_begin: Option<String>,
    /// End of the interval of changes; orders the deliveries of a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_end: Option<String>,
    /// Date of the portion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portion_date: Option<String>,
    /// Number of the portion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portion: Option<u64>,
}

impl Header {
    /// Takes in one element of the head.
    pub fn read(&mut self, element: &str, scope: &Scope) -> Parsed<()> {
        let mut events = Events::new(element, scope);
        // The CRS entry that is open: its name, and whether it is the standard.
        let (mut srs, mut standard) = (None, false);
        let mut path: Vec<String> = Vec::new();
        while let Some(tag) = events.next()? {
            match tag {
                Tag::Open(element) => {
                    if element.local() == "crs" {
                        srs = element.attribute("href")?;
                    }
                    path.push(element.local().to_owned());
                }
                Tag::Close => {
                    let text = events.text().to_owned();
                    let Some(name) = path.pop() else { continue };
                    match name.as_str() {
                        "standard" => standard = text == "true" || text == "1",
                        "crs" if srs.is_none() && !text.is_empty() => srs = Some(text),
                        "AA_Koordinatenreferenzsystemangaben" => {
                            if standard || self.standard_srs.is_none() {
                                self.standard_srs = srs.take().or(self.standard_srs.take());
                            }
                            standard = false;
                        }
                        "abgabeintervallBeginn" if !text.is_empty() => self.interval_begin = Some(text),
                        "abgabeintervallEnde" | "lieferzeitpunkt" if !text.is_empty() => self.interval_end = Some(text),
                        "datum" if !text.is_empty() => self.portion_date = Some(text),
                        "laufendePortionsnummer" => self.portion = text.parse().ok(),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
    /// The moment up to which the delivery holds, where one is given.
    pub fn until(&self) -> Option<&str> {
        self.interval_end.as_deref().or(self.portion_date.as_deref())
    }
}
