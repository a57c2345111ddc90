//! Files of an assembly that the last one made of the same: they are not made again.

use crate::io::Digest;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What the files of the last assembly were made of, and what is noted of this one's.
#[derive(Debug, Default)]
pub struct Kept {
    /// What holds for all files: the kind and the version of its code.
    common: String,
    earlier: BTreeMap<String, Earlier>,
    noted: Mutex<BTreeMap<String, Noted>>,
}

/// A file that the last assembly made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Of everything that it depends on, where that was said.
    pub made_of: Option<Digest>,
    /// Of its bytes.
    pub content: Digest,
}

/// What is noted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// Of everything that it depends on, where that was said.
    pub made_of: Option<Digest>,
    /// True when the file of the last assembly stands for it.
    pub kept: bool,
}

impl Kept {
    /// With the files that the last assembly made, as far as they are still there, by their paths.
    pub fn new(common: String, earlier: BTreeMap<String, Earlier>) -> Self {
        Self { common, earlier, noted: Mutex::default() }
    }

    /// True when the last assembly made the file at `path` of the same: it is then part of this one too, and not to be written.
    /// `made_of` tells apart everything in it, and everything that decides how it is written.
    pub fn is_kept<'p>(&self, path: &str, made_of: impl IntoIterator<Item = &'p [u8]>) -> bool {
        let made_of = self.made_of(made_of);
        let kept = self.earlier.get(path).is_some_and(|earlier| earlier.made_of == Some(made_of));
        self.note(path, Noted { made_of: Some(made_of), kept })
    }

    /// As [`Self::is_kept`], of all files below a folder, which are made together: true when the last assembly made them of the same.
    pub fn are_kept<'p>(&self, folder: &str, made_of: impl IntoIterator<Item = &'p [u8]>) -> bool {
        let made_of = self.made_of(made_of);
        let is_below = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let mut files = self.earlier.iter().filter(|(path, _)| is_below(path)).peekable();
        let kept = files.peek().is_some() && files.clone().all(|(_, earlier)| earlier.made_of == Some(made_of));
        kept && files.all(|(path, _)| self.note(path, Noted { made_of: Some(made_of), kept }))
    }

    fn made_of<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Digest {
        let parts: Vec<&[u8]> = parts.into_iter().collect();
        Digest::of_parts([self.common.as_bytes()].into_iter().chain(parts))
    }

    /// True when the last assembly made a file of these very bytes at `path`: it is then part of this one too, and not to be written.
    pub fn is_same(&self, path: &str, bytes: &[u8]) -> bool {
        let kept = self.earlier.get(path).is_some_and(|earlier| earlier.content == Digest::of(bytes));
        self.note(path, Noted { made_of: None, kept })
    }

    fn note(&self, path: &str, noted: Noted) -> bool {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), noted);
        noted.kept
    }

    /// What was noted, by path.
    pub fn into_noted(self) -> BTreeMap<String, Noted> {
        self.noted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_kept_while_all_its_files_were_made_of_the_same() {
        let first = Kept::new("kind 1".to_owned(), BTreeMap::new());
        assert!(!first.are_kept("suche", [&b"rows"[..]]));
        for path in ["suche/a", "suche/b/c"] {
            assert!(!first.is_kept(path, [&b"rows"[..]]));
        }
        assert!(!first.is_kept("suchen/d", [&b"other"[..]]));
        let file = |noted: &Noted| Earlier { made_of: noted.made_of, content: Digest::of(b"bytes") };
        let mut earlier: BTreeMap<String, Earlier> =
            first.into_noted().iter().map(|(path, noted)| (path.clone(), file(noted))).collect();
        let second = Kept::new("kind 1".to_owned(), earlier.clone());
        assert!(!second.are_kept("suche", [&b"others"[..]]) && second.noted.lock().unwrap().is_empty());
        assert!(second.are_kept("suche", [&b"rows"[..]]));
        let noted = second.into_noted();
        assert_eq!(noted.keys().collect::<Vec<_>>(), ["suche/a", "suche/b/c"]);
        assert!(noted.values().all(|noted| noted.kept && noted.made_of.is_some()));
        earlier.insert("suche/e".to_owned(), Earlier { made_of: None, content: Digest::of(b"bytes") });
        assert!(!Kept::new("kind 1".to_owned(), earlier).are_kept("suche", [&b"rows"[..]]), "one of them was not");
    }

    #[test]
    fn a_file_is_kept_while_all_that_it_is_made_of_is_the_same() {
        let first = Kept::new("kind 1".to_owned(), BTreeMap::new());
        assert!(!first.is_kept("a", [&b"rows"[..], b"how"]));
        assert!(!first.is_kept("b", [&b"rows"[..]]));
        assert!(!first.is_same("d", b"bytes"));
        let file = |noted: &Noted| Earlier { made_of: noted.made_of, content: Digest::of(b"bytes") };
        let earlier: BTreeMap<String, Earlier> =
            first.into_noted().iter().map(|(path, noted)| (path.clone(), file(noted))).collect();
        let second = Kept::new("kind 1".to_owned(), earlier.clone());
        assert!(second.is_kept("a", [&b"rows"[..], b"how"]));
        assert!(!second.is_kept("b", [&b"other"[..]]));
        assert!(!second.is_kept("c", [&b"rows"[..], b"how"]), "another path");
        assert!(second.is_same("d", b"bytes") && !second.is_same("e", b"bytes") && !second.is_same("f", b"other bytes"));
        let noted = second.into_noted();
        assert_eq!(noted.values().map(|noted| noted.kept).collect::<Vec<_>>(), [true, false, false, true, false, false]);
        let other = Kept::new("kind 2".to_owned(), earlier);
        assert!(!other.is_kept("a", [&b"rows"[..], b"how"]), "other code");
        assert!(other.is_same("d", b"bytes") && !other.is_same("a", b"other bytes"), "bytes are bytes");
    }
}
