//! What became of each building from delivery to delivery.

use super::delivery::{Day, delivery};
use crate::dataset::UnitResult;
use crate::dataset::city_model::read::{self, Listed};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

/// How a version begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Begin {
    /// With the first delivery of its file: since when it stands is not known.
    First,
    /// A building that was not there before.
    New,
    /// In place of an earlier version.
    Changed,
}

/// How a version ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A later version takes its place.
    Changed,
    /// The building is in no file any more.
    Demolished,
}

/// A building as it was from one delivery to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first delivery that has it.
    pub from: Day,
    /// How it begins.
    pub begin: Begin,
    /// The first delivery that has it no more, and why; `None` while it holds.
    pub until: Option<(Day, End)>,
    /// Number of the result that holds it.
    pub file: usize,
    /// Its entry there.
    pub listed: Listed,
}

/// While a file holds, a building in it does.
struct Span {
    from: Day,
    until: Option<Day>,
    first: bool,
    file: usize,
    listed: Listed,
}

/// The versions of all buildings by id, each in the order of time.
///
/// # Errors
/// When a result cannot be read.
pub fn versions(read: &[UnitResult]) -> Result<BTreeMap<String, Vec<Version>>> {
    let mut chains: BTreeMap<&str, Vec<(Day, usize)>> = BTreeMap::new();
    for (number, result) in read.iter().enumerate() {
        if let Some(found) = delivery(&result.key) {
            chains.entry(found.file).or_default().push((found.day, number));
        }
    }
    let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for mut chain in chains.into_values() {
        chain.sort();
        for (place, (day, file)) in chain.iter().enumerate() {
            let until = chain.get(place + 1).map(|(day, _)| day.clone());
            for (id, listed) in read::listed(&mut read[*file].pack()?)? {
                let span = Span { from: day.clone(), until: until.clone(), first: place == 0, file: *file, listed };
                spans.entry(id).or_default().push(span);
            }
        }
    }
    Ok(spans.into_iter().map(|(id, spans)| (id, timeline(&spans))).collect())
}

/// One version after the other. Where several files have the building, the newest counts, as in the tiles.
fn timeline(spans: &[Span]) -> Vec<Version> {
    let days: BTreeSet<&Day> = spans.iter().flat_map(|span| [Some(&span.from), span.until.as_ref()]).flatten().collect();
    let mut out: Vec<Version> = Vec::new();
    for day in days {
        let holds = |span: &&Span| span.from <= *day && span.until.as_ref().is_none_or(|until| day < until);
        let rank = |span: &&Span| (span.listed.created.clone(), span.file);
        let shown = spans.iter().filter(holds).max_by_key(rank);
        let last = out.last_mut().filter(|version| version.until.is_none());
        match (last, shown) {
            (None, None) => {}
            (Some(version), None) => version.until = Some((day.clone(), End::Demolished)),
            (Some(version), Some(span)) if version.listed.content == span.listed.content => {}
            (last, Some(span)) => {
                let begin = match &last {
                    Some(_) => Begin::Changed,
                    None if span.first => Begin::First,
                    None => Begin::New,
                };
                if let Some(version) = last {
                    version.until = Some((day.clone(), End::Changed));
                }
                out.push(Version { from: day.clone(), begin, until: None, file: span.file, listed: span.listed.clone() });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::city_model::cell::Cell;
    use proptest::prelude::*;

    fn day(year: u16) -> Day {
        Day::try_from(format!("{year}-01-01")).unwrap()
    }

    fn span(from: u16, until: Option<u16>, content: u8) -> Span {
        let listed = Listed { cell: Cell([0, 0]), content: content.to_string(), created: None };
        Span { from: day(from), until: until.map(day), first: from == 2000, file: 0, listed }
    }

    /// First year, the year after the last, content, how it begins and ends.
    type Shown = (u16, Option<u16>, String, Begin, Option<End>);

    fn shown(spans: &[Span]) -> Vec<Shown> {
        let year = |day: &Day| day.as_str()[..4].parse().unwrap();
        let short = |it: Version| {
            (
                year(&it.from),
                it.until.as_ref().map(|(day, _)| year(day)),
                it.listed.content,
                it.begin,
                it.until.map(|(_, end)| end),
            )
        };
        timeline(spans).into_iter().map(short).collect()
    }

    #[test]
    fn buildings_come_change_and_go() {
        let text = |content: u8| content.to_string();
        let all = [span(2000, Some(2005), 1), span(2005, Some(2010), 1), span(2010, Some(2015), 2), span(2020, None, 2)];
        assert_eq!(
            shown(&all),
            [
                (2000, Some(2010), text(1), Begin::First, Some(End::Changed)),
                (2010, Some(2015), text(2), Begin::Changed, Some(End::Demolished)),
                (2020, None, text(2), Begin::New, None),
            ]
        );
        let handed_over = [span(2000, Some(2005), 1), span(2003, None, 1)];
        assert_eq!(shown(&handed_over), [(2000, None, text(1), Begin::First, None)], "two files that share an edge");
    }

    proptest! {
        /// At any moment the timeline shows what the spans show, and versions follow each other without overlap.
        #[test]
        fn the_timeline_is_what_the_spans_say(
            parts in prop::collection::vec((2000_u16..2012, prop::option::of(1_u16..6), 0_u8..3), 1..6)
        ) {
            let spans: Vec<Span> = parts.iter().enumerate().map(|(file, &(from, length, content))| {
                Span { file, ..span(from, length.map(|length| from + length), content) }
            }).collect();
            let versions = timeline(&spans);
            for pair in versions.windows(2) {
                prop_assert!(pair[0].until.as_ref().is_some_and(|(until, _)| *until <= pair[1].from));
            }
            for moment in (2000..2020).map(day) {
                let holds = |from: &Day, until: Option<&Day>| *from <= moment && until.is_none_or(|until| moment < *until);
                let wanted = spans.iter().rfind(|span| holds(&span.from, span.until.as_ref())).map(|span| &span.listed.content);
                let found = versions.iter().find(|it| holds(&it.from, it.until.as_ref().map(|(day, _)| day)));
                prop_assert_eq!(wanted, found.map(|it| &it.listed.content));
            }
        }
    }
}
