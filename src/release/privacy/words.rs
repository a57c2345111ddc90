//! Looking for a few words in bytes of any kind, in any case of their letters.
//!
//! Their first letters, in every case, are looked for with vector instructions, as those of [identifiers](super::identifiers) are; where
//! they stand, an automaton says whether a whole word does. The automaton alone goes through every word with a K for `KANARI`.

use aho_corasick::packed::{Config, Searcher};
use aho_corasick::{AhoCorasick, Anchored, BuildError, Input, Span, StartKind};

/// Letters by which words are found.
const BEGIN: usize = 3;
/// Most begins that are looked for at once.
const MOST_BEGINS: usize = 64;

/// Words to be looked for.
pub struct Words {
    automaton: AhoCorasick,
    /// Finds the begins; none when a word is too short, there are too many of them, or the processor cannot.
    searcher: Option<Searcher>,
    /// Bytes of the longest word.
    longest: usize,
}

impl Words {
    /// All of them, none of them empty.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new(words: &[Vec<u8>]) -> Result<Self, BuildError> {
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).start_kind(StartKind::Both).build(words)?;
        let begins: Option<Vec<[u8; BEGIN]>> = words.iter().map(|word| word.first_chunk().copied()).collect();
        let mut begins: Vec<[u8; BEGIN]> = begins.unwrap_or_default().into_iter().flat_map(cases).collect();
        begins.sort_unstable();
        begins.dedup();
        let few = (1..=MOST_BEGINS).contains(&begins.len());
        let searcher = if few { Config::new().builder().extend(&begins).build() } else { None };
        Ok(Self { automaton, searcher, longest: words.iter().map(Vec::len).max().unwrap_or_default() })
    }

    /// True when the bytes hold one of them.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        let Some(searcher) = &self.searcher else { return self.automaton.is_match(bytes) };
        let mut at = 0;
        while let Some(found) = searcher.find_in(bytes, Span { start: at, end: bytes.len() }) {
            let here = found.start()..bytes.len().min(found.start() + self.longest);
            if self.automaton.is_match(Input::new(bytes).span(here).anchored(Anchored::Yes)) {
                return true;
            }
            at = found.start() + 1;
        }
        false
    }
}

/// A begin in every case of its letters; some may come twice.
fn cases(begin: [u8; BEGIN]) -> impl Iterator<Item = [u8; BEGIN]> {
    (0..1_u8 << BEGIN).map(move |upper| {
        std::array::from_fn(
            |at| if upper >> at & 1 == 1 { begin[at].to_ascii_uppercase() } else { begin[at].to_ascii_lowercase() },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_is_found_in_any_case_at_any_place() {
        let words = Words::new(&[b"Kanari".to_vec(), b"geheim-4711".to_vec()]).unwrap();
        let can = Config::new().builder().extend([b"kan"]).build().is_some();
        assert_eq!(words.searcher.is_some(), can, "the begins are not looked for");
        for text in [
            "KANARI",
            "ein kanari.",
            "xkAnArI",
            "kankanari",
            &"k".repeat(99),
            "Geheim-471",
            "kanar",
            "",
            &"GEHEIM-4711".repeat(9),
        ] {
            let really = ["kanari", "geheim-4711"].iter().any(|word| text.to_ascii_lowercase().contains(word));
            assert_eq!(words.are_in(text.as_bytes()), really, "{text}");
        }
    }

    proptest! {
        /// Words that are short, many, of the same begin, or of other letters than ASCII.
        #[test]
        fn it_is_what_a_comparison_of_each_place_finds(
            words in prop::collection::vec("[kKaAnNä1]{1,6}", 1..20), text in "[kKaAnNäÄ1 ]{0,200}",
        ) {
            let bytes: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            let found = Words::new(&bytes).unwrap().are_in(text.as_bytes());
            let text = text.to_ascii_lowercase();
            prop_assert_eq!(found, words.iter().any(|word| text.contains(&word.to_ascii_lowercase())));
        }
    }
}
