//! `messkette parcel`: a parcel today, on any date, and through its history.

use super::settings::PipelineArg;
use super::ui::{Ui, print_json};
use crate::dataset::cadastre::codes::reason;
use crate::dataset::cadastre::history::{Look, Moment, PARCEL, Related, TABLE, Version, page, related, svg, versions_of};
use crate::error::{Error, Exit, Place, Result};
use crate::format::wkb;
use crate::pipeline::Pipeline;
use crate::release;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Show a parcel: today, on a date, or its whole history.
///
/// Reads the current release; the dataset of kind cadastre needs `history = true`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// The Flurstückskennzeichen, 20 characters; underscores at its end may be left out.
    kennzeichen: String,
    /// What held on this date (at its beginning, UTC), as 2012-03-01, or at a moment, as 2012-03-01T14:30:00Z.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Moment>,
    /// All versions, and the parcels that it came of and that came of it.
    #[arg(long)]
    history: bool,
    /// Write a small map to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Write the history card (HTML, in German) to this file.
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let key = normal(&args.kennzeichen)?;
    let mut found = None;
    for table in tables(&pipeline)? {
        let versions = versions_of(&table, &key)?;
        if !versions.is_empty() {
            found = Some((table, versions));
            break;
        }
    }
    let Some((table, versions)) = found else {
        return Err(Error::new("mk::parcel::unknown", format!("no parcel has the Kennzeichen {key}, today or in the past"))
            .hint("a Kennzeichen has 20 characters: Land, Gemarkung, Flur, Zähler, Nenner, Folge"));
    };
    let moment = args.as_of.as_ref().map(Moment::as_str);
    let held = held(&versions, moment);
    let kin = if args.history || args.card.is_some() || args.map.is_some() { related(&table, &key)? } else { Related::default() };
    let shown: Vec<&Version> = if args.history { versions.iter().collect() } else { held.into_iter().collect() };
    if let Some(path) = &args.map {
        let of = shown.last().copied().or(versions.last());
        write(path, &map(&table, of, &kin)?)?;
    }
    if let Some(path) = &args.card {
        write(path, &page(&key, &kin.parcels))?;
    }
    if ui.json {
        print_json(&as_json(&key, args, &shown, &kin))?;
    }
    ui.say(format!("{key}{}", moment.map(|moment| format!(" as of {moment}")).unwrap_or_default()))?;
    if shown.is_empty() {
        ui.say(format!("  {}", absence(&versions, moment)))?;
    }
    if let Some(first) = shown.first() {
        ui.say(format!("  number     {}", first.number()))?;
    }
    for version in &shown {
        let begins = if version.begins.is_empty() { "?" } else { &version.begins };
        let area = version.area_m2.map(|area| format!("  {area} m²")).unwrap_or_default();
        let reasons = version.reasons.iter().fold(String::new(), |reasons, code| reasons + "  " + &reason(code));
        let record = if version.class == PARCEL { String::new() } else { format!("  {}", version.class) };
        let ends = version.ends.as_deref().unwrap_or("today");
        ui.say(format!("  {begins} to {ends}{area}{reasons}{record}"))?;
        if version.key_date {
            ui.say("    delivered by key dates: what held in between is not known")?;
        }
    }
    for (title, keys) in [("came of", all(&versions, |it| &it.predecessors)), ("became", all(&versions, |it| &it.successors))] {
        if !keys.is_empty() {
            ui.say(format!("  {title:<9}  {}", keys.join(", ")))?;
        }
    }
    if args.history && kin.cut {
        ui.say("  more parcels are related than are followed")?;
    }
    Ok(Exit::Ok)
}

/// Why no version is shown: the store may begin later than the parcel.
fn absence(versions: &[Version], moment: Option<&str>) -> String {
    let Some(moment) = moment else {
        let end = versions.iter().filter_map(|version| version.ends.as_deref()).max();
        return end.map_or_else(|| "does not exist any more".to_owned(), |end| format!("does not exist any more, since {end}"));
    };
    let own = || versions.iter().filter(|version| version.class == PARCEL && !version.begins.is_empty());
    let first = own().map(|version| version.begins.as_str()).min();
    let arisen = own().filter_map(|version| version.arisen.as_deref()).min();
    match (first, arisen) {
        (Some(first), Some(arisen)) if moment < first && arisen.get(..10) <= moment.get(..10) => {
            format!("came to be on {arisen}; the deliveries tell of it from {first} on, not of what held then")
        }
        _ => "did not exist then".to_owned(),
    }
}

/// The version that held: the parcel's own, else what a historical object says.
fn held<'v>(versions: &'v [Version], moment: Option<&str>) -> Option<&'v Version> {
    let of = |own: bool| versions.iter().rev().find(|version| (version.class == PARCEL) == own && version.holds(moment));
    of(true).or_else(|| of(false))
}

/// With its underscores, in 20 characters.
fn normal(text: &str) -> Result<String> {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let fits = (14..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !fits {
        return Err(Error::new("mk::parcel::kennzeichen", "this is no Flurstückskennzeichen")
            .hint("it has 20 characters, as 019901002000120003__: Land, Gemarkung, Flur, Zähler, Nenner, Folge")
            .exit(Exit::Usage));
    }
    Ok(format!("{text:_<20}"))
}

/// The tables of versions in the current release.
fn tables(pipeline: &Pipeline) -> Result<Vec<PathBuf>> {
    let workspace = &pipeline.workspace();
    let Some(id) = release::current(workspace)? else {
        return Err(Error::new("mk::parcel::release", "there is no release yet")
            .hint("messkette run makes one")
            .exit(Exit::NoState));
    };
    let folder = release::folder(workspace, &id);
    let kinds = pipeline.datasets.iter().filter(|dataset| dataset.kind == "cadastre");
    let found: Vec<PathBuf> = kinds
        .flat_map(|dataset| ["internal", "public"].map(|audience| folder.join(audience).join(&dataset.id).join(TABLE)))
        .filter(|path| path.exists())
        .collect();
    if found.is_empty() {
        return Err(Error::new("mk::parcel::history", "the current release has no history of parcels")
            .hint("set history = true in the dataset of kind cadastre, and run the pipeline"));
    }
    Ok(found)
}

fn all<'v>(versions: &'v [Version], of: fn(&'v Version) -> &'v [String]) -> Vec<&'v str> {
    let mut keys: Vec<&str> = versions.iter().flat_map(of).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The parcel among what it came of, what came of it, and its neighbours of the same Flur at that time.
fn map(table: &Path, of: Option<&Version>, kin: &Related) -> Result<String> {
    let Some(of) = of else { return Ok(String::new()) };
    let flur = versions_of(table, of.key.get(..9).unwrap_or_default())?;
    let moment = if of.ends.is_some() { Some(of.begins.as_str()) } else { None };
    let mut shapes: Vec<(&Version, Look)> = flur
        .iter()
        .filter(|version| version.class == PARCEL && version.key != of.key && version.holds(moment))
        .map(|version| (version, Look::Neighbour))
        .collect();
    let near = of.predecessors.iter().chain(&of.successors);
    let kin = near.filter_map(|key| kin.parcels.get(key)?.iter().rev().find(|version| version.geometry.is_some()));
    shapes.extend(kin.map(|version| (version, Look::Kin)));
    shapes.push((of, Look::Parcel));
    Ok(svg(&shapes))
}

fn as_json(key: &str, args: &Args, shown: &[&Version], kin: &Related) -> Value {
    let version = |version: &Version| {
        json!({
            "flurstueckskennzeichen": version.key,
            "objektart": version.class,
            "oid": version.oid,
            "beginnt": version.begins,
            "endet": version.ends,
            "zeitpunkt_der_entstehung": version.arisen,
            "anlass": version.reasons,
            "amtliche_flaeche": version.area_m2,
            "stichtagsbezogen": version.key_date,
            "vorgaenger": version.predecessors,
            "nachfolger": version.successors,
            "geometry": version.geometry.as_deref().and_then(|bytes| wkb::decode(bytes).ok()).map(|it| wkb::to_text(&it)),
        })
    };
    let mut value = json!({
        "flurstueckskennzeichen": key,
        "as_of": args.as_of.as_ref().map(Moment::as_str),
        "versions": shown.iter().map(|it| version(it)).collect::<Vec<_>>(),
    });
    if args.history {
        let others = kin.parcels.iter().filter(|(other, _)| *other != key);
        value["related"] = others.map(|(_, versions)| versions.iter().map(version).collect::<Value>()).collect();
    }
    value
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| {
        Error::new("mk::parcel::write", "cannot write the file").at(Place::file(path.display().to_string())).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_older_than_its_versions_is_not_said_to_have_been_none() {
        let version = |begins: &str, arisen: Option<&str>| Version {
            class: PARCEL.into(),
            begins: begins.into(),
            arisen: arisen.map(str::to_owned),
            ..Version::default()
        };
        let known = [version("2020-05-01T00:00:00Z", Some("1975-03-01")), version("2021-05-01T00:00:00Z", None)];
        assert!(absence(&known, Some("2010-01-01T00:00:00Z")).starts_with("came to be on 1975-03-01;"));
        assert_eq!(absence(&known, Some("1970-01-01T00:00:00Z")), "did not exist then");
        assert_eq!(absence(&known[1..], Some("2010-01-01T00:00:00Z")), "did not exist then");
        assert_eq!(absence(&known, None), "does not exist any more");
        let gone = Version { ends: Some("2026-03-02T04:00:00Z".into()), ..version("2020-05-01T00:00:00Z", None) };
        assert_eq!(absence(&[gone], None), "does not exist any more, since 2026-03-02T04:00:00Z");
    }
}
