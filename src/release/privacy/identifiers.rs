//! Looking for very many identifiers at once, in bytes of any kind.
//!
//! Those of a cadastre are hundreds of thousands, but begin in few ways: with the country, the Land and the office. The begins are
//! looked for with vector instructions; what follows one is looked up in a table of bits first, which answers for nearly all
//! identifiers that are not protected, and only then among those that are.

use aho_corasick::Span;
use aho_corasick::packed::{Config, Searcher};
use memchr::memmem::Finder;
use std::collections::BTreeSet;

/// Length of the identifiers of objects (GeoInfoDok: two letters of the country, two of the Land, twelve more).
const ID: usize = 16;
/// Letters by which the begins are told apart.
const BEGIN: usize = 4;
/// Bits of the table for each identifier.
const BITS: usize = 16;

/// An identifier.
pub type Id = [u8; ID];

/// The text as an identifier, if it is one: letters and digits, an upper case letter first.
pub fn of(text: &str) -> Option<Id> {
    let id = Id::try_from(text.as_bytes()).ok()?;
    (id.iter().all(u8::is_ascii_alphanumeric) && id[0].is_ascii_uppercase()).then_some(id)
}

/// Identifiers to be looked for.
pub struct Identifiers {
    /// Sorted.
    known: Vec<Id>,
    begins: BTreeSet<[u8; BEGIN]>,
    /// Finds the begins; none when there are too many of them, or the processor cannot.
    begin: Option<Begin>,
    bits: Vec<u64>,
}

/// How the begins are found.
enum Begin {
    /// There is just one: those of an office begin with its Land.
    One(Finder<'static>),
    Several(Searcher),
}

impl Begin {
    fn of(begins: &BTreeSet<[u8; BEGIN]>) -> Option<Self> {
        match begins.first() {
            Some(begin) if begins.len() == 1 => Some(Self::One(Finder::new(begin).into_owned())),
            Some(_) => Config::new().builder().extend(begins).build().map(Self::Several),
            None => None,
        }
    }

    /// Where the first one begins in the bytes from `start` to `end`.
    fn find(&self, bytes: &[u8], start: usize, end: usize) -> Option<usize> {
        match self {
            Self::One(finder) => finder.find(bytes.get(start..end)?).map(|at| start + at),
            Self::Several(searcher) => searcher.find_in(bytes, Span { start, end }).map(|found| found.start()),
        }
    }
}

impl Identifiers {
    /// All of them, in any order.
    pub fn new(mut known: Vec<Id>) -> Self {
        known.sort_unstable();
        let begins: BTreeSet<[u8; BEGIN]> = known.iter().map(|id| [id[0], id[1], id[2], id[3]]).collect();
        let begin = Begin::of(&begins);
        let mut bits = vec![0; (known.len() * BITS / 64).next_power_of_two()];
        for id in &known {
            let (word, bit) = place(id, bits.len());
            bits[word] |= bit;
        }
        Self { known, begins, begin, bits }
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// True when the bytes hold one of them.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        if self.known.is_empty() || bytes.len() < ID {
            return false;
        }
        let Some(begin) = &self.begin else { return self.are_in_any_way(bytes) };
        // A begin after this one is that of nothing whole.
        let end = bytes.len() - ID + BEGIN;
        let mut at = 0;
        while let Some(found) = begin.find(bytes, at, end) {
            if self.is_at(bytes, found) {
                return true;
            }
            at = found + 1;
        }
        false
    }

    fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        let Some(id) = bytes.get(at..).and_then(|rest| rest.first_chunk::<ID>()) else { return false };
        let (word, bit) = place(id, self.bits.len());
        self.bits[word] & bit != 0 && self.known.binary_search(id).is_ok()
    }

    /// Where the searcher cannot be had.
    fn are_in_any_way(&self, bytes: &[u8]) -> bool {
        let mut at = 0;
        while at + ID <= bytes.len() {
            // Back from the end of the window: a byte that is none of an identifier lets the window jump over it.
            let window = &bytes[at..at + ID];
            if let Some(last) = window.iter().rposition(|byte| !byte.is_ascii_alphanumeric()) {
                at += last + 1;
                continue;
            }
            if window.first_chunk().is_some_and(|begin| self.begins.contains(begin)) && self.is_at(bytes, at) {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// Word and bit of an identifier in a table of so many words, a power of two.
fn place(id: &Id, words: usize) -> (usize, u64) {
    let number = u128::from_le_bytes(*id);
    let mixed = ((number as u64) ^ ((number >> 64) as u64).rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    ((mixed >> 32) as usize & (words - 1), 1 << (mixed & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// With so many begins, three at most.
    fn ids(count: u32, begins: usize) -> Vec<Id> {
        (0..count)
            .filter_map(|number| of(&format!("DE{}P{:012}", ["R", "S", "N"][number as usize % begins], number * 7919)))
            .collect()
    }

    #[test]
    fn what_is_no_identifier_is_none() {
        assert!(of("DERP012345678901").is_some());
        for text in ["DERP01234567890", "derp012345678901", "DERP0123456789 1", "0ERP012345678901"] {
            assert!(of(text).is_none(), "{text}");
        }
        let none = Identifiers::new(Vec::new());
        assert!(none.is_empty() && !none.are_in(b"DERP012345678901"));
    }

    proptest! {
        /// Both ways find one wherever it stands, and neither finds what is only like one.
        #[test]
        fn one_is_found_wherever_it_stands(
            before in "[A-Z0-9 _]{0,70}", after in "[DERP0-9]{0,70}", number in 0_u32..500, cut in 1_usize..16,
            begins in 1_usize..4,
        ) {
            let known = ids(500, begins);
            let all = Identifiers::new(known.clone());
            let other = "DESP99999999999".to_owned() + "Q";
            let like = format!("{before}DEDERP{other}{after}");
            let id = String::from_utf8(known[number as usize].to_vec()).unwrap();
            for text in [format!("{before}{id}{after}"), format!("{before}DE{id}{after}"), id.clone(), format!("{before}{id}")] {
                prop_assert!(all.are_in(text.as_bytes()) && all.are_in_any_way(text.as_bytes()), "{}", text);
            }
            let half = format!("{before} {}", &id[..cut]);
            for text in [like, half] {
                let really = text.as_bytes().windows(ID).any(|window| known.iter().any(|id| id == window));
                prop_assert_eq!(all.are_in(text.as_bytes()), really);
                prop_assert_eq!(all.are_in_any_way(text.as_bytes()), really);
            }
        }
    }
}
