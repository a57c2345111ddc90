//! The order in which deliveries are applied, and what is wrong with it.
//!
//! First the stock, then its changes by their intervals; a stock of a later GeoInfoDok comes after all of the earlier one, because
//! its changes cannot be applied to the old model. Intervals of one profile follow each other without gap and repetition, and the
//! portions of an interval are complete: what comes after a fault waits until it is mended. A file that cannot be read has its place by
//! what its head still says, else by its name.

use crate::dataset::cadastre::nas::{Header, Root};
use crate::error::{Place, Rejection};
use crate::io::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A delivery that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Name of the file.
    pub name: String,
    /// Digest of the file.
    pub source: Digest,
    /// Digest of what was read from it.
    pub rows: Digest,
    pub root: Root,
    pub header: Header,
    /// Last begin of a version in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_begin: Option<String>,
}

impl Delivery {
    /// Major version of the GeoInfoDok.
    pub fn model(&self) -> u32 {
        let major = self.header.model.as_deref().and_then(|model| model.split('.').next());
        major.and_then(|major| major.parse().ok()).unwrap_or(0)
    }
    /// The moment at which what it deletes, or a stock no longer holds, ends.
    pub fn ends(&self) -> Option<&str> {
        self.header.deleted_at().or(self.header.until()).or(self.last_begin.as_deref())
    }
    fn changes(&self) -> bool {
        self.root == Root::Changes
    }
    /// What the order is by: of two stocks the newer holds.
    fn key(&self) -> (u32, bool, &str, &str, u64, &str) {
        let head = &self.header;
        let until = head.until().unwrap_or_default();
        let begin = head.interval_begin.as_deref().unwrap_or(until);
        let begin = if self.changes() { begin } else { "" };
        (self.model(), self.changes(), begin, until, head.portion.unwrap_or(0), &self.name)
    }
    fn profile(&self) -> (u32, String) {
        (self.model(), self.header.profile.clone().unwrap_or_default())
    }
    /// What no two deliveries of changes have.
    fn interval(&self) -> ((u32, String), Option<String>, Option<String>, Option<u64>) {
        let head = &self.header;
        (self.profile(), head.interval_begin.clone(), head.until().map(str::to_owned), head.portion)
    }
    /// The day of a stock: files of that day are one.
    fn day(&self) -> Option<&str> {
        self.header.until().and_then(|until| until.get(..10))
    }
}

/// A file that could not be read: its name, and what its head says, as far as that can be read.
#[derive(Debug, Clone)]
pub struct Failed {
    pub name: String,
    pub head: Option<(Root, Header)>,
}

impl Failed {
    fn delivery(&self) -> Option<Delivery> {
        let (root, header) = self.head.clone()?;
        let nothing = Digest::of(&[]);
        Some(Delivery { name: self.name.clone(), source: nothing, rows: nothing, root, header, last_begin: None })
    }
}

/// Deliveries in the order in which they are applied, and what is wrong with the others.
#[derive(Debug, Default, PartialEq)]
pub struct Chain {
    pub applied: Vec<Delivery>,
    /// Faults: deliveries that are not applied.
    pub rejections: Vec<Rejection>,
    /// What is worth a look.
    pub findings: Vec<Rejection>,
}

/// Puts deliveries in their order. What comes after a file that failed waits: after one whose head says nothing, changes named after it,
/// and all where there is no stock, as it may be that.
pub fn order(deliveries: Vec<Delivery>, failed: &[Failed]) -> Chain {
    let mut chain = Chain::default();
    let lost: Vec<Delivery> = failed.iter().filter_map(Failed::delivery).collect();
    let unknown = failed.iter().filter(|failed| failed.head.is_none()).map(|failed| failed.name.as_str()).min();
    let held = held_back(&deliveries, &lost, &mut chain);
    let has_stock = deliveries.iter().any(|delivery| !delivery.changes());
    let bases_lost = lost.iter().filter(|lost| is_base(lost, &deliveries)).map(|lost| (lost.model(), unread(&lost.name)));
    let bases_lost: BTreeMap<u32, String> = bases_lost.collect();
    // Another copy of what is there takes nothing back.
    let there: BTreeSet<_> = deliveries.iter().map(Delivery::interval).collect();
    let lost: Vec<Delivery> = lost.into_iter().filter(|lost| lost.changes() && !there.contains(&lost.interval())).collect();
    let mut all: Vec<(Delivery, bool)> = deliveries.into_iter().map(|delivery| (delivery, false)).collect();
    all.extend(lost.into_iter().map(|delivery| (delivery, true)));
    all.sort_by(|a, b| a.0.key().cmp(&b.0.key()));
    let mut seen: BTreeMap<Digest, String> = BTreeMap::new();
    let mut profiles: BTreeMap<(u32, String), Progress> = BTreeMap::new();
    // By profile, what is wrong with it first.
    let mut broken: BTreeMap<(u32, String), String> = BTreeMap::new();
    let mut stocks: BTreeMap<u32, Stock> = BTreeMap::new();
    for (delivery, is_lost) in all {
        let profile = delivery.profile();
        if is_lost {
            broken.entry(profile).or_insert_with(|| unread(&delivery.name));
            continue;
        }
        if let Some(first) = seen.get(&delivery.source) {
            let reason = format!("the same content as {first}: applied once");
            chain.findings.push(fault(&delivery, "mk::cadastre::same_delivery", reason));
            continue;
        }
        seen.insert(delivery.source, delivery.name.clone());
        if let Some(cause) = held.get(&delivery.model()) {
            let reason = format!("waits, as all of the later model, until its stock is whole: {cause}");
            chain.rejections.push(fault(&delivery, "mk::cadastre::waiting", reason));
            continue;
        }
        if !delivery.changes() {
            stocks.entry(delivery.model()).or_default().add(delivery.header.until().unwrap_or_default());
            chain.applied.push(delivery);
            continue;
        }
        let before = unknown.filter(|failed| delivery.name.as_str() > *failed || !has_stock).map(unread);
        let before = before.or_else(|| bases_lost.get(&delivery.model()).or(broken.get(&profile)).cloned());
        if let Some(cause) = before {
            let reason = format!("waits until what comes before it is mended: {cause}");
            chain.rejections.push(fault(&delivery, "mk::cadastre::waiting", reason));
            continue;
        }
        let progress = profiles.entry(profile.clone()).or_default();
        let is_first = progress.end.is_empty();
        let stock = stocks.get(&delivery.model());
        match progress.next(&delivery, stock) {
            Ok(covered) => {
                chain.findings.extend(covered.map(|reason| fault(&delivery, GAP, reason)));
                chain.findings.extend(stock.and_then(|stock| stock.look_at(&delivery, is_first)));
                chain.applied.push(delivery);
            }
            Err((code, reason)) => {
                // A repetition is left out; after a gap nothing can be applied.
                if code != REPEATED {
                    broken.insert(profile, format!("{} is not applied", delivery.name));
                }
                chain.rejections.push(fault(&delivery, code, reason));
            }
        }
    }
    for ((_, profile), progress) in profiles {
        if let Some(reason) = progress.incomplete().filter(|_| broken.keys().all(|(_, name)| *name != profile)) {
            let place = Place::file(progress.name);
            let code = "mk::cadastre::portion".to_owned();
            chain.findings.push(Rejection { object_type: "file".to_owned(), code, reason, place });
        }
    }
    chain
}

/// What is said of a file that failed to those that wait for it.
fn unread(name: &str) -> String {
    format!("{name} cannot be read")
}

/// True for stocks of one model and day. One that does not say its day may be part of any.
fn is_of_one_stock(one: &Delivery, other: &Delivery) -> bool {
    let is_of_one_day = one.day().zip(other.day()).is_none_or(|(one, other)| one == other);
    !one.changes() && !other.changes() && one.model() == other.model() && is_of_one_day
}

/// True for a stock that changes are applied to: there is none else of its model, or it is a part of one that is there.
fn is_base(lost: &Delivery, deliveries: &[Delivery]) -> bool {
    let has_other = deliveries.iter().any(|other| !other.changes() && other.model() == lost.model());
    !lost.changes() && (!has_other || deliveries.iter().any(|other| is_of_one_stock(lost, other)))
}

/// The later models whose stock is not whole, and what is missing: part of it could not be read, or is not there. What it does not hold
/// would end. Portions of a stock that are missing are told, of whatever model.
fn held_back(deliveries: &[Delivery], lost: &[Delivery], chain: &mut Chain) -> BTreeMap<u32, String> {
    let first = deliveries.iter().map(Delivery::model).min();
    let is_part = |lost: &&Delivery| deliveries.iter().any(|other| is_of_one_stock(lost, other));
    let mut held: BTreeMap<u32, String> = lost.iter().filter(is_part).map(|lost| (lost.model(), unread(&lost.name))).collect();
    let mut portions: BTreeMap<(u32, String, &str, u64), BTreeMap<u64, &Delivery>> = BTreeMap::new();
    for stock in deliveries.iter().filter(|delivery| !delivery.changes()) {
        if let (Some(number), Some(all)) = (stock.header.portion, stock.header.portions.filter(|all| *all > 1)) {
            let (model, profile) = stock.profile();
            portions.entry((model, profile, stock.day().unwrap_or_default(), all)).or_default().insert(number, stock);
        }
    }
    for ((model, _, day, all), there) in portions {
        let Some((missing, stock)) = (1..=all).find(|number| !there.contains_key(number)).zip(there.values().last()) else {
            continue;
        };
        let reason = format!("of {all} portions of the stock of {day} {} are there: portion {missing} is missing", there.len());
        held.entry(model).or_insert_with(|| reason.clone());
        chain.findings.push(fault(stock, "mk::cadastre::portion", reason));
    }
    held.retain(|model, _| first.is_some_and(|first| *model > first));
    held
}

/// Of when the stock of a model is: the first of its files that says so, and the last.
#[derive(Default)]
struct Stock {
    first: String,
    last: String,
}

impl Stock {
    fn add(&mut self, until: &str) {
        if self.first.is_empty() || (!until.is_empty() && until < self.first.as_str()) {
            until.clone_into(&mut self.first);
        }
        if until > self.last.as_str() {
            until.clone_into(&mut self.last);
        }
    }

    /// True when the newest stock is of a moment or later: it holds what had changed by then. A date alone is the whole day.
    fn covers(&self, moment: &str) -> bool {
        !self.last.is_empty() && as_long_as(moment, &self.last) <= self.last.as_str()
    }

    /// What is said of changes that do not go on from the stock: the first begin after it, or they are older than all of it.
    fn look_at(&self, delivery: &Delivery, is_first: bool) -> Option<Rejection> {
        let (begin, end) = (delivery.header.interval_begin.as_deref()?, delivery.header.interval_end.as_deref()?);
        if is_first && !self.last.is_empty() && !self.covers(begin) {
            let last = &self.last;
            let reason =
                format!("the first interval begins at {begin}, the stock is of {last}: what changed between them is not known");
            return Some(fault(delivery, GAP, reason));
        }
        (as_long_as(end, &self.first) < self.first.as_str()).then(|| {
            let reason = format!(
                "the interval ends at {end}, before the stock of {}: what it brings and the stock does not hold is shown as of today; take the file away where the stock replaces it",
                self.first
            );
            fault(delivery, "mk::cadastre::older", reason)
        })
    }
}

/// A moment, or its date where the other is one.
fn as_long_as<'m>(moment: &'m str, other: &str) -> &'m str {
    moment.get(..other.len()).filter(|_| other.len() == 10).unwrap_or(moment)
}

const GAP: &str = "mk::cadastre::gap";
const REPEATED: &str = "mk::cadastre::repeated";

/// How far the intervals of a profile have come.
#[derive(Default)]
struct Progress {
    name: String,
    begin: String,
    end: String,
    /// Portions of the last interval: the last applied, and all.
    portions: Option<(u64, u64)>,
}

impl Progress {
    fn incomplete(&self) -> Option<String> {
        let (last, all) = self.portions.filter(|(last, all)| last < all)?;
        let (begin, end) = (&self.begin, &self.end);
        Some(format!("of {all} portions of the interval {begin} to {end} {last} are there: portion {} is missing", last + 1))
    }

    /// Takes the next delivery, or says what was expected. A gap is none where a stock is newer: that is said.
    fn next(&mut self, delivery: &Delivery, stock: Option<&Stock>) -> Result<Option<String>, (&'static str, String)> {
        let head = &delivery.header;
        let (Some(begin), Some(end)) = (head.interval_begin.as_deref(), head.interval_end.as_deref()) else {
            // Without an interval its date and name are all there is to go by.
            return Ok(None);
        };
        if end < begin {
            return Err(("mk::cadastre::interval", format!("the interval ends at {end}, before it begins at {begin}")));
        }
        let portion = head.portion.zip(head.portions);
        let same = begin == self.begin && end == self.end;
        let expected = if self.end.is_empty() { None } else { Some(self.end.as_str()) };
        let mut covered = None;
        match (same, self.portions, portion) {
            (true, Some((last, all)), Some((number, _))) if number == last + 1 && number <= all => {}
            (true, Some((last, all)), Some((number, _))) if number > last && last < all => {
                let reason = format!("portion {number} of the interval {begin} to {end}; expected is portion {}", last + 1);
                return Err(("mk::cadastre::portion", reason));
            }
            (true, ..) => {
                let reason =
                    format!("the interval {begin} to {end} again, with other content; expected is the one that begins at {end}");
                return Err((REPEATED, reason));
            }
            (false, ..) => {
                if let Some(reason) = self.incomplete() {
                    return Err(("mk::cadastre::portion", reason));
                }
                if let Some(expected) = expected {
                    let shown = format!("the interval {begin} to {end}; expected is one that begins at {expected}");
                    if end <= expected {
                        return Err((REPEATED, format!("{shown}: this one has been applied")));
                    }
                    if begin < expected {
                        return Err(("mk::cadastre::overlap", format!("{shown}: this one begins before")));
                    }
                    if let Some(stock) = stock.filter(|stock| begin > expected && stock.covers(begin)) {
                        covered = Some(format!("{shown}: the stock of {} goes on; what ended between is not known", stock.last));
                    } else if begin > expected {
                        return Err((GAP, format!("{shown}: a delivery between is missing")));
                    }
                }
                if let Some((number, all)) = portion.filter(|(number, _)| *number != 1) {
                    let reason = format!("portion {number} of {all} of the interval {begin} to {end}; expected is portion 1");
                    return Err(("mk::cadastre::portion", reason));
                }
            }
        }
        (self.name, self.begin, self.end) = (delivery.name.clone(), begin.to_owned(), end.to_owned());
        self.portions = portion;
        Ok(covered)
    }
}

fn fault(delivery: &Delivery, code: &str, reason: String) -> Rejection {
    let place = Place::file(delivery.name.clone());
    Rejection { object_type: "file".to_owned(), code: code.to_owned(), reason, place }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(name: &str, model: &str) -> Delivery {
        let header = Header { model: Some(model.into()), ..Header::default() };
        let digest = Digest::of(name.as_bytes());
        Delivery { name: name.into(), source: digest, rows: digest, root: Root::Stock, header, last_begin: None }
    }

    /// Changes of the days `from` to `to`.
    fn changes(name: &str, from: u32, to: u32, portion: Option<(u64, u64)>) -> Delivery {
        let day = |day: u32| Some(format!("2026-03-{day:02}T04:00:00Z"));
        let mut delivery = stock(name, "7.1");
        delivery.root = Root::Changes;
        let (begin, end) = (day(from), day(to));
        let header = Header { interval_begin: begin, interval_end: end, profile: Some("p".into()), ..delivery.header };
        delivery.header = Header { portion: portion.map(|(number, _)| number), portions: portion.map(|(_, all)| all), ..header };
        delivery
    }

    /// Names in their order, then what is wrong.
    fn told(deliveries: Vec<Delivery>, failed: &[&str]) -> Vec<String> {
        told_with(deliveries, &failed.iter().map(|name| Failed { name: (*name).to_owned(), head: None }).collect::<Vec<_>>())
    }

    fn told_with(deliveries: Vec<Delivery>, failed: &[Failed]) -> Vec<String> {
        let chain = order(deliveries, failed);
        let names = chain.applied.iter().map(|delivery| delivery.name.clone());
        let faults = chain.rejections.iter().chain(&chain.findings);
        let faults = faults.map(|fault| format!("{}: {}: {}", fault.place, fault.code, fault.reason));
        names.chain(faults).collect()
    }

    #[test]
    fn deliveries_are_applied_by_their_intervals_and_not_by_their_names() {
        let all = vec![changes("a", 3, 4, None), changes("z", 1, 3, None), stock("s2", "7.1"), stock("s1", "7.1")];
        assert_eq!(told(all, &[]), ["s1", "s2", "z", "a"]);
        // A new model comes after everything of the old one.
        let mut old = changes("old", 8, 9, None);
        old.header.model = Some("6.0".into());
        assert_eq!(
            told(vec![changes("new", 3, 4, None), stock("7", "7.1"), old, stock("6", "6.0")], &[]),
            ["6", "old", "7", "new"]
        );
    }

    #[track_caller]
    fn assert_told(deliveries: Vec<Delivery>, expected: &[&str]) {
        let told = told(deliveries, &[]);
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (line, expected) in told.iter().zip(expected) {
            assert!(expected.split(" .. ").all(|part| line.contains(part)), "{told:#?}");
        }
    }

    #[test]
    fn gaps_repeats_and_missing_portions_name_what_is_expected() {
        assert_told(
            vec![stock("s", "7.1"), changes("a", 1, 2, None), changes("b", 3, 4, None), changes("c", 4, 5, None)],
            &[
                "s",
                "a",
                "b: mk::cadastre::gap .. expected is one that begins at 2026-03-02T04:00:00Z",
                "c: mk::cadastre::waiting .. until what comes before it is mended: b is not applied",
            ],
        );
        assert_told(
            vec![changes("a", 1, 2, None), changes("b", 1, 2, None), changes("c", 2, 3, None), changes("d", 2, 4, None)],
            &[
                "a",
                "c",
                "b: mk::cadastre::repeated .. expected is the one that begins at 2026-03-02T04:00:00Z",
                "d: mk::cadastre::overlap .. expected is one that begins at 2026-03-03T04:00:00Z",
            ],
        );
        assert_told(
            vec![changes("a", 1, 2, Some((1, 3))), changes("b", 1, 2, Some((3, 3))), changes("c", 2, 3, Some((1, 1)))],
            &["a", "b: mk::cadastre::portion .. expected is portion 2", "c: mk::cadastre::waiting"],
        );
        assert_told(
            vec![changes("a", 1, 2, Some((1, 2))), changes("c", 2, 3, Some((1, 1)))],
            &["a", "c: mk::cadastre::portion .. portion 2 is missing"],
        );
        let whole = vec![changes("a", 1, 2, Some((1, 2))), changes("b", 1, 2, Some((2, 2))), changes("c", 2, 3, Some((1, 1)))];
        assert_told(whole, &["a", "b", "c"]);
        assert_told(vec![changes("a", 1, 2, Some((1, 2)))], &["a", "a: mk::cadastre::portion .. portion 2 is missing"]);
    }

    #[test]
    fn the_same_content_again_is_applied_once_and_what_follows_a_failure_waits() {
        let mut twin = changes("b", 1, 2, None);
        twin.source = changes("a", 1, 2, None).source;
        let told_twice = told(vec![changes("a", 1, 2, None), twin, changes("c", 2, 3, None)], &[]);
        assert_eq!(told_twice[..2], ["a", "c"]);
        assert!(told_twice[2].contains("mk::cadastre::same_delivery"), "{told_twice:?}");
        let waiting = told(vec![stock("z", "7.1"), changes("a", 1, 2, None), changes("c", 2, 3, None)], &["b"]);
        assert_eq!(waiting[..2], ["z", "a"]);
        assert_eq!(waiting[2], "c: mk::cadastre::waiting: waits until what comes before it is mended: b cannot be read");
    }

    /// A file that cannot be read to its end is known by its head: names play no part then.
    #[test]
    fn what_follows_a_failure_is_known_by_its_head() {
        let lost = |delivery: Delivery| Failed { name: delivery.name.clone(), head: Some((delivery.root, delivery.header)) };
        let all = || vec![stock("m", "7.1"), changes("a", 2, 3, None), changes("b", 1, 2, None), changes("c", 3, 4, None)];
        let told = told_with(all(), &[lost(changes("z", 2, 3, None))]);
        assert_eq!(told[..2], ["m", "b"]);
        assert_eq!(told[2..], ["a", "c"], "another copy of what is there");
        let told = told_with(all(), &[lost(changes("0", 1, 2, None)), lost(stock("w", "7.1"))]);
        assert_eq!(told.iter().filter(|line| line.contains("mk::cadastre::waiting")).count(), 3, "a part of the stock: {told:?}");
        let without = || all().into_iter().filter(|delivery| delivery.name != "a").collect::<Vec<_>>();
        let told = told_with(without(), &[lost(changes("z", 2, 3, None))]);
        assert!(told.len() == 3 && told[2].starts_with("c: mk::cadastre::waiting"), "{told:?}");
        assert!(told[2].ends_with(": z cannot be read"), "{told:?}");
        // Without its stock nothing is applied, whatever it is called; a broken copy beside it changes nothing for another model.
        for failed in [lost(stock("z", "7.1")), Failed { name: "z".into(), head: None }] {
            let told = told_with(vec![changes("a", 1, 2, None)], &[failed]);
            assert!(told.len() == 1 && told[0].starts_with("a: mk::cadastre::waiting"), "{told:?}");
        }
        assert_eq!(told_with(all(), &[lost(stock("z", "6.0"))]), ["m", "b", "a", "c"]);
    }

    #[test]
    fn a_stock_of_a_later_model_waits_until_it_is_whole() {
        let part = |name: &str, model: &str, number: u64| {
            let mut part = stock(name, model);
            part.header.portion_date = Some("2026-03-02T04:00:00Z".into());
            (part.header.portion, part.header.portions) = (Some(number), Some(2));
            part
        };
        let mut late = changes("n", 3, 4, None);
        late.header.interval_begin = Some("2026-03-02T04:00:00Z".into());
        let whole = vec![stock("6", "6.0"), part("a", "7.1", 1), part("b", "7.1", 2), late.clone()];
        assert_eq!(told(whole.clone(), &[]), ["6", "a", "b", "n"]);
        let without: Vec<Delivery> = whole.iter().filter(|delivery| delivery.name != "b").cloned().collect();
        let told = |deliveries: Vec<Delivery>, failed: &[Failed]| told_with(deliveries, failed);
        let missing = told(without.clone(), &[]);
        assert_eq!(missing[0], "6");
        assert!(
            missing[1].starts_with("a: mk::cadastre::waiting") && missing[2].starts_with("n: mk::cadastre::waiting"),
            "{missing:?}"
        );
        assert!(
            missing[3].ends_with("of 2 portions of the stock of 2026-03-02 1 are there: portion 2 is missing"),
            "{missing:?}"
        );
        let b = part("b", "7.1", 2);
        let broken = told(without, &[Failed { name: b.name, head: Some((b.root, b.header)) }]);
        assert_eq!(broken[..1], ["6"]);
        assert!(broken[1].ends_with("until its stock is whole: b cannot be read"), "{broken:?}");
        // A first stock is better than none: it is told.
        let first = told(vec![part("a", "7.1", 1)], &[]);
        assert!(first[0] == "a" && first[1].starts_with("a: mk::cadastre::portion"), "{first:?}");
        // A copy of another day that cannot be read takes nothing back.
        let mut copy = part("c", "7.1", 1);
        copy.header.portion_date = Some("2026-04-02T04:00:00Z".into());
        let told = told(whole, &[Failed { name: copy.name, head: Some((copy.root, copy.header)) }]);
        assert_eq!(told[..3], ["6", "a", "b"]);
    }

    #[test]
    fn a_newer_stock_that_cannot_be_read_takes_nothing_back() {
        let dated = |name: &str, day: u32| {
            let mut stock = stock(name, "7.1");
            stock.header.portion_date = Some(format!("2026-03-{day:02}T04:00:00Z"));
            stock
        };
        let lost = |stock: Delivery| Failed { name: stock.name.clone(), head: Some((stock.root, stock.header)) };
        let all = || vec![dated("s", 1), changes("a", 1, 2, None)];
        assert_eq!(told_with(all(), &[lost(dated("t", 9))]), ["s", "a"]);
        assert_eq!(told_with(all(), &[lost(dated("t", 1))])[..1], ["s"], "its second part");
    }

    #[test]
    fn a_newer_stock_closes_a_gap_and_what_is_older_than_it_is_told() {
        let dated = |name: &str, day: u32| {
            let mut stock = stock(name, "7.1");
            stock.header.portion_date = Some(format!("2026-03-{day:02}T04:00:00Z"));
            stock
        };
        let gap = |newer: u32| vec![dated("s", 2), changes("a", 2, 3, None), dated("t", newer), changes("b", 10, 11, None)];
        let closed = told(gap(10), &[]);
        assert_eq!(closed[..4], ["s", "t", "a", "b"]);
        assert!(closed.len() == 5 && closed[4].starts_with("b: mk::cadastre::gap"), "{closed:?}");
        assert!(closed[4].ends_with("the stock of 2026-03-10T04:00:00Z goes on; what ended between is not known"), "{closed:?}");
        let open = told(gap(9), &[]);
        assert_eq!(open[..3], ["s", "t", "a"]);
        assert!(open.len() == 4 && open[3].ends_with("a delivery between is missing"), "{open:?}");
        // Without the stock of before.
        let older = told(gap(10).split_off(1), &[]);
        assert_eq!(older[..3], ["t", "a", "b"]);
        assert!(older.iter().any(|line| line.starts_with("a: mk::cadastre::older")), "{older:?}");
    }

    #[test]
    fn of_two_stocks_the_newer_holds_and_a_gap_after_it_is_told() {
        let dated = |name: &str, date: &str| {
            let mut stock = stock(name, "7.1");
            stock.header.portion_date = Some(date.to_owned());
            stock
        };
        let all = vec![dated("a", "2026-03-20T04:00:00Z"), dated("b", "2026-03-02T04:00:00Z")];
        assert_eq!(told(all, &[]), ["b", "a"]);
        for (date, gap) in
            [("2026-03-01T04:00:00Z", true), ("2026-03-01", true), ("2026-03-02", false), ("2026-03-02T04:00:00Z", false)]
        {
            let told = told(vec![dated("s", date), changes("a", 2, 3, None), changes("b", 3, 4, None)], &[]);
            assert_eq!(told[..3], ["s", "a", "b"]);
            assert_eq!(told[3..].iter().any(|line| line.starts_with("a: mk::cadastre::gap")), gap, "{date}: {told:?}");
        }
    }
}
