//! Stage `owners`: the versions of objects of personal data, and where parcels were booked in the land register, in a pack of their own
//! and in no other, so that they can be deleted.
//!
//! The stage reads the deliveries themselves: a result that lay between would keep what is to go. With `owners_days` the content of a
//! version goes when it ended so many days ago. Its skeleton stays (class, identifier, begin, end): a later delivery that names it
//! finds it, and the fold comes to the same, whether it begins at the start or with an earlier result.

use super::cell::Cell;
use super::chain::Delivery;
use super::fold::Versions;
use super::spill::Spill;
use super::state::{chain_of, replay};
use super::store;
use crate::dataset::cadastre::Options;
use crate::dataset::cadastre::nas::{self, Root};
use crate::dataset::cadastre::read::{self, Summary, is_parcel_item, is_private_item};
use crate::dataset::cadastre::row::{Row, from_ipc, to_ipc};
use crate::dataset::cadastre::{OWNERS, READ};
use crate::dataset::{Outcome, PlanContext, UnitContext, UnitResult, check};
use crate::error::{Error, Rejection, Result};
use crate::io::{Limits, Pack, Source};
use crate::plan::{Input, UnitSpec};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The entry that says what the pack was made of.
const ABOUT: &str = "about.json";
/// Entries with rows, spread by identifier.
const ROWS: &str = "rows/";
/// Bytes of rows in memory before they spill.
const ROWS_IN_MEMORY: usize = 48 << 20;

/// Parameters of the unit: the deliveries in the order of its inputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    deliveries: Vec<Delivery>,
    as_of: Option<String>,
    arc_tolerance_m: f64,
    /// Last day such that what ended on it, or before, is deleted; of the days on which something may have ended.
    forgotten: Option<Date>,
    /// Since when that is so.
    since: Option<String>,
    /// For how many days what ended is kept.
    days: Option<u32>,
}

/// What the pack was made of.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    deliveries: Vec<Delivery>,
    findings: Vec<Rejection>,
}

/// What the assembly wants to know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OwnersSummary {
    /// Objects that hold at the moment that is shown.
    pub shown: u64,
    /// Since when the newest of the deletions was due: a release that is older may hold what was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_since: Option<String>,
    /// For how many days they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
}

impl OwnersSummary {
    /// True when more was kept than for so many days: earlier releases may hold what is forgotten now, whenever they were made.
    fn kept_longer_than(&self, days: Option<u32>) -> bool {
        days.is_some_and(|days| self.days.is_none_or(|before| before > days))
    }
}

/// The one unit, where owners are read at all.
///
/// # Errors
/// When a result is not as expected.
pub fn units(options: &Options, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let chain = chain_of(context)?;
    if !options.owners || chain.applied.is_empty() {
        return Ok(Vec::new());
    }
    let sources: BTreeMap<&str, &Source> = context.sources.iter().map(|source| (source.name.as_str(), source)).collect();
    let inputs: Vec<Input> = chain
        .applied
        .iter()
        .filter_map(|delivery| sources.get(delivery.name.as_str()))
        .map(|source| Input::source(source))
        .collect();
    let mut ends: BTreeSet<Date> = BTreeSet::new();
    for result in context.earlier.get(READ).into_iter().flatten() {
        if let Ok(summary) = serde_json::from_value::<Summary>(result.outcome.summary.clone()) {
            ends.extend(summary.private_ends.iter().filter_map(|day| day.parse::<Date>().ok()));
        }
    }
    let today = crate::run::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let span = options.owners_days.map(|days| jiff::Span::new().days(i64::from(days)));
    let limit = span.and_then(|span| today.checked_sub(span).ok());
    let forgotten = limit.and_then(|limit| ends.range(..=limit).next_back().copied());
    let due = forgotten.zip(span).and_then(|(day, span)| day.checked_add(span).ok());
    let params = Params {
        deliveries: chain.applied,
        as_of: options.moment(),
        arc_tolerance_m: options.arc_tolerance_m,
        forgotten,
        since: due.map(|day| format!("{day}T00:00:00Z")),
        days: options.owners_days,
    };
    let cost = inputs.iter().map(|input| input.size).sum();
    let params = serde_json::to_value(&params).map_err(store::unwritable)?;
    Ok(vec![UnitSpec { key: "owners".to_owned(), inputs, params, bbox: None, memory_mb: 192, cost }])
}

impl Params {
    /// True for a version whose content is deleted.
    fn is_forgotten(&self, endet: Option<&str>) -> bool {
        // A day as text is before all moments of the next one.
        self.forgotten.is_some_and(|day| endet.and_then(|end| end.get(..10)).is_some_and(|end| end <= day.to_string().as_str()))
    }
}

/// A version without its content, and without where it was read from.
fn skeleton(row: &Row) -> Row {
    let attributes = "{}".to_owned();
    Row { attributes, geometry: None, srs: None, local: None, delivery: "".into(), byte: 0, ..row.clone() }
}

fn is_skeleton(row: &Row) -> bool {
    row.delivery.is_empty()
}

/// True for what a parcel says of the land register; the parcel itself is elsewhere.
fn is_booking(row: &Row) -> bool {
    *row.class == *nas::PARCEL
}

/// What an earlier night left, when tonight's deliveries only go on from there.
fn earlier(params: &Params, previous: Option<&UnitResult>) -> Option<(Pack, About)> {
    let mut pack = previous?.pack().ok()?;
    let about: About = serde_json::from_slice(&pack.read(ABOUT).ok()?).ok()?;
    let applied = about.deliveries.len();
    let goes_on = params.deliveries.get(..applied) == Some(&about.deliveries)
        && params.deliveries[applied..].iter().all(|delivery| delivery.root == Root::Changes);
    goes_on.then_some((pack, about))
}

/// Reads and folds.
///
/// # Errors
/// When a delivery cannot be read or the result not be written.
pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let params: Params = serde_json::from_value(unit.params.clone())
        .map_err(|error| Error::new("mk::run::params", "the parameters of the unit are not as expected").because(error))?;
    if unit.inputs.len() != params.deliveries.len() {
        return Err(Error::new("mk::cadastre::owners", "a delivery of the chain is not there as it was read"));
    }
    let mut earlier = earlier(&params, context.previous);
    let first = earlier.as_ref().map_or(0, |(_, about)| about.deliveries.len());
    let mut spill = Spill::new(context.scratch, ROWS_IN_MEMORY);
    for (number, input) in unit.inputs.iter().enumerate().skip(first) {
        read_one(&params, number, input, context, &mut spill)?;
    }
    let mut findings = earlier.as_mut().map(|(_, about)| std::mem::take(&mut about.findings)).unwrap_or_default();
    let touched: BTreeSet<Cell> = spill.cells().into_iter().collect();
    let names =
        earlier.iter().flat_map(|(pack, _)| pack.entries().keys()).filter_map(|name| Cell::parse(name.strip_prefix(ROWS)?));
    let all: BTreeSet<Cell> = names.chain(touched).collect();
    let (mut odd, mut gone, mut shown) = (Vec::new(), HashSet::new(), 0);
    for cell in all {
        context.check()?;
        let name = format!("{ROWS}{}", cell.key());
        let known = match &mut earlier {
            Some((pack, _)) if pack.entries().contains_key(&name) => from_ipc(pack.read(&name)?)?,
            _ => Vec::new(),
        };
        let mut versions = Versions::of(known);
        replay(&params.deliveries, first, &mut versions, spill.take(&cell)?.rows()?);
        odd.append(&mut versions.odd);
        let mut rows = versions.into_rows();
        for row in &mut rows {
            if params.is_forgotten(row.endet.as_deref()) {
                gone.insert(row.oid.clone());
                *row = skeleton(row);
            } else {
                shown += u64::from(!is_booking(row) && store::holds(row, params.as_of.as_deref()));
            }
        }
        context.pack.add(&name, &to_ipc(&rows)?)?;
    }
    // What is odd of a parcel has been told.
    odd.retain(|odd| odd.finding.object_type != nas::PARCEL);
    odd.sort_by(|a, b| (a.at, &a.finding.place.object).cmp(&(b.at, &b.finding.place.object)));
    findings.extend(odd.into_iter().map(|odd| odd.finding));
    // Who comes from an earlier result compares with skeletons: nothing is said of them.
    findings.retain(|finding| finding.place.object.as_ref().is_none_or(|oid| !gone.contains(oid)));
    let about = About { deliveries: params.deliveries, findings: findings.clone() };
    context.pack.add(ABOUT, &serde_json::to_vec(&about).map_err(store::unwritable)?)?;
    let before = context.previous.and_then(|previous| serde_json::from_value(previous.outcome.summary.clone()).ok());
    let is_shortened =
        params.forgotten.is_some() && before.is_some_and(|before: OwnersSummary| before.kept_longer_than(params.days));
    let since = if is_shortened { Some(crate::run::utc(crate::run::now())) } else { params.since };
    let summary = OwnersSummary { shown, forgotten_since: since, days: params.days };
    let summary = serde_json::to_value(&summary).map_err(store::unwritable)?;
    Ok(Outcome { findings, summary, ..Outcome::default() })
}

/// The objects of personal data of a delivery, on their way to the fold.
fn read_one(params: &Params, number: usize, input: &Input, context: &UnitContext<'_>, spill: &mut Spill<Cell>) -> Result<()> {
    let source = input.as_source().ok_or_else(|| Error::new("mk::run::input", "the unit has no source"))?;
    let settings = nas::Settings {
        crs: context.area.crs,
        extent: None,
        grids: context.area.grids.clone(),
        arc_tolerance_m: params.arc_tolerance_m,
        owners: true,
        owners_only: true,
    };
    let name = read::short_name(&source);
    let delivery = nas::read(&|| source.reader(Limits::default()), &settings, &|| check(context.cancel), &mut |items| {
        for item in items.into_iter().filter(|item| is_private_item(&item.change) || is_parcel_item(&item.change)) {
            for row in read::rows_of(item, &name) {
                spill.add(Cell::by_name(&row.oid), number, row)?;
            }
        }
        Ok(())
    });
    delivery.map(|_| ()).map_err(|error| error.in_file(&source.name))
}

/// The versions of objects of personal data that are shown, some at a time: what holds, and with `history` what was, as long as it is
/// kept.
///
/// # Errors
/// When a result cannot be read, or `each` fails.
pub fn each_shown(results: &[Vec<UnitResult>], options: &Options, each: impl FnMut(Vec<Row>) -> Result<()>) -> Result<()> {
    each_of(results, options, |row| !is_booking(row), each)
}

/// As [`each_shown`], what parcels say of the land register: their Kennzeichen and `istGebucht`.
///
/// # Errors
/// When a result cannot be read, or `each` fails.
pub fn each_booked(results: &[Vec<UnitResult>], options: &Options, each: impl FnMut(Vec<Row>) -> Result<()>) -> Result<()> {
    each_of(results, options, is_booking, each)
}

fn each_of(
    results: &[Vec<UnitResult>],
    options: &Options,
    is_asked_for: impl Fn(&Row) -> bool,
    mut each: impl FnMut(Vec<Row>) -> Result<()>,
) -> Result<()> {
    for result in results.get(OWNERS).into_iter().flatten() {
        let mut pack = result.pack()?;
        let names: Vec<String> = pack.entries().keys().filter(|name| name.starts_with(ROWS)).cloned().collect();
        for name in names {
            let mut rows = store::shown(vec![pack.read(&name)?], options, |_| true)?;
            rows.retain(|row| !is_skeleton(row) && is_asked_for(row));
            each(rows)?;
        }
    }
    Ok(())
}

/// All versions of objects of personal data, skeletons too.
///
/// # Errors
/// When a result cannot be read.
#[cfg(test)]
pub fn each_version(results: &[Vec<UnitResult>], mut each: impl FnMut(Row)) -> Result<()> {
    for result in results.get(OWNERS).into_iter().flatten() {
        let mut pack = result.pack()?;
        let names: Vec<String> = pack.entries().keys().filter(|name| name.starts_with(ROWS)).cloned().collect();
        for name in names {
            from_ipc(pack.read(&name)?)?.into_iter().filter(|row| !is_booking(row)).for_each(&mut each);
        }
    }
    Ok(())
}

/// What the stage said.
pub fn summary(results: &[Vec<UnitResult>]) -> OwnersSummary {
    let result = results.get(OWNERS).and_then(|results| results.first());
    result.and_then(|result| serde_json::from_value(result.outcome.summary.clone()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::town;
    use super::*;
    use crate::dataset::testing::{Harness, Play};
    use crate::demo::Dialect;
    use serde_json::json;
    use std::path::PathBuf;

    fn play(files: &[PathBuf], days: i32) -> Play {
        let options = json!({ "history": true, "owners": true, "owners_days": days, "audience": "internal", "zoom": [12, 12] });
        let mut play = Play::new("cadastre", &options, files);
        play.only = Some("quittierung".into());
        play
    }

    /// Identifiers of persons whose last version has ended: those with content, and those without.
    fn ended(harness: &Harness) -> [BTreeSet<String>; 2] {
        let mut found = [BTreeSet::new(), BTreeSet::new()];
        each_version(&harness.results, |row| {
            let forgotten = is_skeleton(&row);
            let named = ["AX_Person", "AX_Anschrift"].contains(&&*row.class);
            assert_eq!(row.attributes.contains("KANARI"), named && !forgotten, "{row:?}");
            if *row.class == *"AX_Person" && row.endet.is_some() {
                found[usize::from(forgotten)].insert(row.oid);
            }
        })
        .unwrap();
        found
    }

    #[test]
    fn what_ended_long_ago_is_a_skeleton_and_a_night_that_goes_on_comes_to_the_same_bytes() {
        let (folder, files) = town(Dialect::Gid7, 4);
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("truth/truth.json")).unwrap()).unwrap();
        // Who owned no more after each night.
        let former: Vec<BTreeSet<String>> = truth["nights"].as_array().unwrap()[1..]
            .iter()
            .map(|night| {
                let events = night["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "owner_change");
                events.map(|event| event["objects"][0].as_str().unwrap().to_owned()).collect()
            })
            .collect();
        assert!(former.iter().all(|night| !night.is_empty()), "{former:?}");
        // As many days as make the second night's end the last that is forgotten.
        let today = crate::run::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let days = today.since((jiff::Unit::Day, jiff::civil::date(2026, 3, 3))).unwrap().get_days();
        let whole = play(&files, days).run();
        assert!(whole.errors.is_empty(), "{:?}", whole.errors);
        let [kept, forgotten] = ended(&whole);
        assert_eq!((forgotten, kept), (former[0].clone(), former[1].union(&former[2]).cloned().collect()));
        let since = summary(&whole.results).forgotten_since.unwrap();
        assert_eq!(since, format!("{today}T00:00:00Z"));
        for results in &whole.results[..OWNERS] {
            for result in results {
                let mut pack = result.pack().unwrap();
                for name in pack.entries().keys().cloned().collect::<Vec<_>>() {
                    assert!(memchr::memmem::find(&pack.read(&name).unwrap(), b"KANARI").is_none(), "{name}");
                }
            }
        }
        // Night by night, with fewer forgotten before.
        let first = play(&files[..files.len() - 1], days + 1).run();
        assert_eq!(ended(&first)[1].len(), 0);
        let mut step = play(&files, days);
        step.previous.insert("4/owners".to_owned(), first.results[OWNERS][0].clone());
        let step = step.run();
        assert_eq!(step.packs["4/owners"], whole.packs["4/owners"]);
        // What was kept longer may be in a release of this very day.
        let now = summary(&step.results).forgotten_since.unwrap();
        assert!(now > since && now.len() > 16, "{now}");
        let mut again = play(&files, days);
        again.previous.insert("4/owners".to_owned(), step.results[OWNERS][0].clone());
        assert_eq!(again.run().results[OWNERS][0].outcome, whole.results[OWNERS][0].outcome);
    }
}
