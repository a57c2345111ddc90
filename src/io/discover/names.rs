//! Which names count.

use crate::error::{Error, Exit, Result};
use globset::{GlobBuilder, GlobMatcher};

/// Endings under which programs keep a file that is not whole yet.
const UNFINISHED: &[&str] =
    &[".part", ".partial", ".filepart", ".crdownload", ".download", ".incomplete", ".tmp", ".temp", ".swp", "~"];

/// The name that a file will have when it is whole; `None` when it is whole by its name.
pub fn finished_name(name: &str) -> Option<&str> {
    let cut = |ending: &&str| {
        let at = name.len().checked_sub(ending.len())?;
        let tail = name.get(at..)?;
        (tail.eq_ignore_ascii_case(ending) && at > 0).then(|| &name[..at])
    };
    UNFINISHED.iter().find_map(cut)
}

/// True for names that systems hide or add for themselves.
pub fn is_hidden(part: &str) -> bool {
    part.starts_with('.') || part == "__MACOSX" || part.eq_ignore_ascii_case("Thumbs.db")
}

/// Compiles a pattern.
///
/// # Errors
/// When it is no glob.
pub fn glob(pattern: &str, case_insensitive: bool) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).case_insensitive(case_insensitive).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        Error::new("mk::discover::pattern", format!("'{}' is no pattern", pattern.escape_debug()))
            .because(error)
            .hint("use * within a name, ** across folders, ? for one character, [ab] and {tif,tiff}")
            .exit(Exit::Usage)
    })
}

/// Names that count where a folder or an archive holds others too.
pub struct NameFilter(Vec<(GlobMatcher, bool)>);

impl NameFilter {
    /// From the patterns of a kind; none counts all.
    pub fn new(patterns: &[&str]) -> Result<Self> {
        patterns.iter().map(|pattern| Ok((glob(pattern, true)?, pattern.contains('/')))).collect::<Result<_>>().map(Self)
    }
    /// True when a member of an archive counts.
    pub fn member(&self, name: &str) -> bool {
        !name.split('/').any(is_hidden) && self.matches(name)
    }
    /// True when a file of a folder counts; archives always do, for what is in them.
    pub fn file(&self, name: &str) -> bool {
        let ends = |ending: &str| name.len() > ending.len() && name.to_ascii_lowercase().ends_with(ending);
        ends(".zip") || self.matches(name)
    }
    fn matches(&self, name: &str) -> bool {
        let own = name.rsplit('/').next().unwrap_or(name);
        let plain =
            |text: &str| -> usize { if text.to_ascii_lowercase().ends_with(".gz") { text.len() - 3 } else { text.len() } };
        let matches = |(glob, whole): &(GlobMatcher, bool)| {
            let text = if *whole { name } else { own };
            glob.is_match(text) || glob.is_match(&text[..plain(text)])
        };
        self.0.is_empty() || self.0.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_names_are_told_by_their_ending() {
        assert_eq!(finished_name("a.tif.filepart"), Some("a.tif"));
        assert_eq!(finished_name("a.xml~"), Some("a.xml"));
        assert_eq!(finished_name("a.TMP"), Some("a"));
        assert_eq!(finished_name(".tmp"), None);
        assert_eq!(finished_name("department.tif"), None);
        assert_eq!(finished_name("ä~"), Some("ä"));
    }

    #[test]
    fn kind_patterns_ignore_case_packing_and_folders() {
        let filter = NameFilter::new(&["*.xml", "*.gml"]).unwrap();
        for (name, counts) in [
            ("a.xml", true),
            ("d/e/A.GML", true),
            ("d/a.xml.gz", true),
            ("a.txt", false),
            ("__MACOSX/a.xml", false),
            ("d/._a.xml", false),
        ] {
            assert_eq!(filter.member(name), counts, "{name}");
        }
        assert!(filter.file("a.ZIP") && !filter.file("a.tif") && !filter.member("a.zip"));
        assert!(NameFilter::new(&[]).unwrap().member("anything"));
        assert_eq!(NameFilter::new(&["[a"]).err().unwrap().code(), "mk::discover::pattern");
    }
}
