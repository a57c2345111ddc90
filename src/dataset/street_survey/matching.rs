//! Which picture a row means: by its path as far as the row gives it, by its name alone where that is enough.

use super::model::Look;
use std::collections::BTreeMap;

/// The pictures of a delivery by their names.
pub struct Matching {
    /// Full names in lower case, without their endings.
    paths: Vec<String>,
    by_name: BTreeMap<String, Vec<usize>>,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The picture of this number.
    One(usize),
    /// None of that name.
    None,
    /// This many of that name.
    Several(usize),
}

/// Case and ending do not count: systems change the one, some tables leave out the other.
fn plain(name: &str) -> String {
    let name = name.replace(['\\', '!'], "/").to_lowercase();
    let stem = name.strip_suffix(".jpg").or_else(|| name.strip_suffix(".jpeg"));
    stem.map_or_else(|| name.clone(), str::to_owned)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Matching {
    pub fn new(looks: &[Look]) -> Self {
        let paths: Vec<String> = looks.iter().map(|look| plain(&look.name)).collect();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, path) in paths.iter().enumerate() {
            by_name.entry(last(path).to_owned()).or_default().push(index);
        }
        Self { paths, by_name }
    }

    /// The picture that a row means.
    pub fn find(&self, picture: &str) -> Found {
        let wanted = plain(picture);
        let wanted = wanted.trim_start_matches(['.', '/']);
        let Some(named) = self.by_name.get(last(wanted)) else { return Found::None };
        let ends = |path: &str| path.strip_suffix(wanted).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
        let mut fitting = named.iter().copied().filter(|index| ends(&self.paths[*index]));
        match (fitting.next(), fitting.next(), &named[..]) {
            (Some(one), None, _) => Found::One(one),
            // Folders were named anew on the way; the name is the only one.
            (None, _, [only]) => Found::One(*only),
            _ => Found::Several(named.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Tags;
    use super::*;
    use crate::io::Digest;

    #[test]
    fn a_row_means_the_picture_of_its_path() {
        let names = ["in/survey/run_1/A.JPG", "in/survey/run_2/a.jpg", "in/survey.zip!x/b.jpeg"];
        let looks: Vec<Look> = names
            .iter()
            .map(|name| Look {
                name: (*name).to_owned(),
                digest: Digest::of(name.as_bytes()),
                size: [2, 1],
                tags: Tags::default(),
                fault: None,
            })
            .collect();
        let matching = Matching::new(&looks);
        assert_eq!(matching.find("run_1\\a.jpg"), Found::One(0));
        assert_eq!(matching.find("./run_2/a.jpg"), Found::One(1));
        assert_eq!(matching.find("a"), Found::Several(2));
        assert_eq!(matching.find("run_3/a.jpg"), Found::Several(2));
        assert_eq!(matching.find("elsewhere/b"), Found::One(2));
        assert_eq!(matching.find("c.jpg"), Found::None);
    }
}
