//! What the head of a delivery says: the standard CRS, and the delivery's place in a chain of changes.

use super::names::Scope;
use super::xml::{Events, Parsed, Tag};
use crate::dataset::cadastre::history::normal;
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
    /// How many portions the interval has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portions: Option<u64>,
    /// Name of the user's profile: a chain of changes has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether every case comes in its order, or only what differs between two key dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// When the collection was made, as its start tag says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// Version of the GeoInfoDok: `6.0`, `7.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What the changes of an interval are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every case in its order (fallbezogen).
    CaseByCase,
    /// Net differences between two moments (stichtagsbezogen): what held only in between is not delivered.
    KeyDate,
}

/// Bytes of a delivery in which its root and collection are looked for.
const HEAD: usize = 64 << 10;

impl Header {
    /// Takes in what the start tags of the containers say: the version of the model, and when the collection was made.
    pub fn sniff(&mut self, bytes: &[u8]) {
        let head = &bytes[..bytes.len().min(HEAD)];
        let after = |word: &[u8], taken: fn(&u8) -> bool| {
            memchr::memmem::find_iter(head, word).find_map(|at| {
                let rest = &head[at + word.len()..];
                let length = rest.iter().take_while(|byte| taken(byte)).count();
                std::str::from_utf8(&rest[..length]).ok().filter(|text| !text.is_empty()).map(str::to_owned)
            })
        };
        if self.model.is_none() {
            self.model = after(b"namespaces/adv/gid/", |byte| byte.is_ascii_digit() || *byte == b'.');
        }
        if self.stamp.is_none() {
            let stamp = after(b" timeStamp=\"", |byte| byte.is_ascii_graphic() && *byte != b'"');
            self.stamp = stamp.filter(|text| text.len() >= 10).map(|text| normal(&text));
        }
    }
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
                        "abgabeintervallBeginn" if !text.is_empty() => self.interval_begin = Some(normal(&text)),
                        "abgabeintervallEnde" | "lieferzeitpunkt" if !text.is_empty() => self.interval_end = Some(normal(&text)),
                        "datum" if !text.is_empty() => self.portion_date = Some(normal(&text)),
                        "laufendePortionsnummer" => self.portion = text.parse().ok(),
                        "gesamtanzahlPortionen" => self.portions = text.parse().ok(),
                        "profilkennung" if !text.is_empty() => self.profile = Some(text),
                        // Free text: only these two words of it are taken.
                        "erlaeuterung" if text.contains("stichtagsbezogen") => self.mode = Some(Mode::KeyDate),
                        "erlaeuterung" if text.contains("fallbezogen") => self.mode = Some(Mode::CaseByCase),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
    /// The moment up to which the delivery holds, where one is given.
    pub fn until(&self) -> Option<&str> {
        self.interval_end.as_deref().or(self.portion_date.as_deref()).or(self.stamp.as_deref())
    }
    /// The moment at which what the delivery deletes ends: the date of the portion.
    pub fn deleted_at(&self) -> Option<&str> {
        self.portion_date.as_deref().or(self.interval_end.as_deref())
    }
}
