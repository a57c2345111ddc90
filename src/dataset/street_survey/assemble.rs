//! The artefacts: pictures, drive, STAC, map tiles, coverage; and what is said about them.

use super::derive::{self, Derived, MAX_BYTES};
use super::drive::{self, Drive, Shown};
use super::model::{Arranged, Frame};
use super::options::Options;
use super::{ARRANGE, DERIVE, KIND, READ, arrange, coverage, maptiles, moment, page, preview, read, stac};
use crate::crs::{Bbox, Crs, Operation};
use crate::dataset::city_model::VerticalOption;
use crate::dataset::vector_tiles::MapHeader;
use crate::dataset::{
    Artefact, ArtefactRole, AssembleContext, Assembly, Counts, Facts, Located, PortalLayer, Representation, UnitResult,
};
use crate::error::{Error, Place, Result};
use crate::format::jpeg_segments::bare;
use crate::io::{Digest, Limits, Source, atomic};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const DRIVE: &str = "drive.json";
const DRIVES: &str = "drive";
const STAC: &str = "stac";
const PICTURES: &str = "pictures";
const PMTILES: &str = "street_survey.pmtiles";
const COVERAGE: &str = "coverage.geojson";
const PREVIEW: &str = "preview.png";

/// What a picture says of itself when it is published: that it is a whole sphere.
const XMP: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:ProjectionType="equirectangular" GPano:UsePanoramaViewer="True"/></rdf:RDF></x:xmpmeta>"#;

/// Streets that the report names.
const NAMED: usize = 12;

/// Writes everything that is wanted.
pub fn assemble(options: &Options, context: &AssembleContext<'_>) -> Result<Assembly> {
    let arranged = arrange::load(context.results)?;
    let made = derive::made(context.results)?;
    let drives: Vec<Drive<'_>> = arranged.iter().flat_map(|arranged| drives(arranged, &made)).collect();
    let Some(arranged) = arranged.as_ref().filter(|_| !drives.is_empty()) else {
        let hidden = context.results.iter().flatten().flat_map(|result| &result.outcome.rejections);
        let hidden = hidden.filter(|rejection| rejection.code == "mk::street_survey::unblurred").count();
        let error = Error::new("mk::street_survey::empty", "no picture can be shown, so there is no drive");
        return Err(if hidden > 0 {
            error.hint(format!(
                "{hidden} pictures are not marked as blurred: set audience = \"internal\"; or blurred = true, when faces and plates cannot be seen in any of them"
            ))
        } else {
            error.hint("the report lists each row and picture with the reason why it was refused")
        });
    };
    let title = context.dataset.metadata.title.clone().unwrap_or_else(|| KIND.title.to_owned());
    let output = context.output;
    let mut artefacts = Vec::new();
    if context.wants("pictures") {
        pictures(&drives, &made, context)?;
        let all = context.artefact(PICTURES, "image/jpeg", "JPEG", &format!("{title} (Bilder)"));
        artefacts.push(Artefact { role: ArtefactRole::Part, ..all });
    }
    if context.wants("drive") {
        drive::write(context, &title, (arranged.crs, arranged.blurred), &drives)?;
        let json = "application/json";
        artefacts.push(Artefact {
            role: ArtefactRole::Index,
            ..context.artefact(DRIVE, json, "JSON", &format!("{title} zum Abfahren"))
        });
        let parts = context.artefact(DRIVES, json, "JSON", &format!("{title}: Fahrten"));
        artefacts.push(Artefact { role: ArtefactRole::Part, ..parts });
        page::write(output)?;
        for (name, media_type, _) in page::FILES {
            let role = if name == page::PAGE { ArtefactRole::Index } else { ArtefactRole::Part };
            artefacts.push(Artefact { role, ..context.artefact(name, media_type, "HTML", &format!("{title} ansehen")) });
        }
    }
    if context.wants("stac") {
        stac::write(STAC, context, &title, &drives)?;
        let catalogue = context.artefact(STAC, "application/json", "STAC 1.1", &format!("STAC-Katalog {title}"));
        artefacts.push(Artefact { role: ArtefactRole::Index, ..catalogue });
    }
    let mut facts = facts(arranged, &drives, context)?;
    if context.wants("pmtiles") {
        let header = MapHeader {
            name: &title,
            bounds_lonlat: maptiles::bounds(&drives),
            attribution: context.dataset.metadata.attribution.as_deref(),
            layers: Vec::new(),
        };
        if maptiles::write(&output.join(PMTILES), &drives, &header)? > 0 {
            let kind = ("application/vnd.pmtiles", "PMTiles 3 (Mapbox Vector Tiles)");
            let tiles = context.artefact(PMTILES, kind.0, kind.1, &format!("{title} (Vektorkacheln)"));
            artefacts.push(Artefact { role: ArtefactRole::Tiles, ..tiles });
            facts.operations.push(Operation::between(Crs::WGS84, Crs::WEB_MERCATOR, &[])?.fact().clone());
        }
    }
    let found = match (&options.streets, read::read_streets(&context.results[READ])?) {
        (Some(wanted), Some((streets, _))) => {
            let lines = coverage::in_crs(streets, arranged.crs, &context.area.grids)?;
            Some(coverage::of(&lines, &arranged.been, wanted.reach_m))
        }
        _ => None,
    };
    if context.wants("preview") {
        atomic::write_unseen(&output.join(PREVIEW), &preview::png(&drives, found.as_ref())?)?;
        let picture = context.artefact(PREVIEW, "image/png", "PNG", &format!("{title}: befahrene Straßen"));
        artefacts.push(Artefact { role: ArtefactRole::Preview, ..picture });
    }
    if let Some(found) = found.filter(|_| context.wants("coverage")) {
        coverage::write(COVERAGE, context, &found, arranged.crs)?;
        let about = format!("{title}: befahrene und fehlende Straßen");
        artefacts.push(context.artefact(COVERAGE, "application/geo+json", "GeoJSON (RFC 7946)", &about));
        facts.notes.extend(told(&found));
        facts.layers.push(PortalLayer {
            name: "abdeckung".to_owned(),
            title: "Befahrene und fehlende Straßen".to_owned(),
            typ: "GeoJSON".to_owned(),
            path: COVERAGE.to_owned(),
            attributes: [("name", "Straße"), ("stand", "Stand"), ("laenge_m", "Länge (m)")]
                .map(|(name, title)| (name.to_owned(), title.to_owned()))
                .into(),
            extra: serde_json::Map::new(),
        });
    }
    Ok(Assembly { artefacts, facts })
}

/// The sequences with those of their pictures that could be read.
fn drives<'a>(arranged: &'a Arranged, made: &BTreeMap<Uuid, (Derived, &UnitResult)>) -> Vec<Drive<'a>> {
    let mut drives = Vec::new();
    for sequence in &arranged.sequences {
        let shown = |frame: &'a Frame| {
            let (derived, _) = made.get(&frame.id)?;
            Some(Shown { frame, tiles: derived.tiles })
        };
        let frames: Vec<Shown<'a>> = sequence.frames.iter().filter_map(shown).collect();
        if !frames.is_empty() {
            drives.push(Drive { sequence, frames });
        }
    }
    // As they were driven; at the same time as the tables have them.
    drives.sort_by_key(Drive::interval);
    drives
}

/// Writes the pictures: whole ones as they were delivered without what they tell, the smaller ones out of the packs.
fn pictures(drives: &[Drive<'_>], made: &BTreeMap<Uuid, (Derived, &UnitResult)>, context: &AssembleContext<'_>) -> Result<()> {
    let sources: BTreeMap<Digest, &Source> = context.sources.iter().map(|source| (source.digest, source)).collect();
    let frames: Vec<&Shown<'_>> = drives.iter().flat_map(|drive| &drive.frames).collect();
    frames.par_iter().try_for_each(|shown| {
        let frame = shown.frame;
        let path = format!("{PICTURES}/{}/hd.jpg", frame.id);
        if context.kept.is_kept(&path, [&frame.digest.as_bytes()[..], XMP.as_bytes()]) {
            return Ok(());
        }
        let Some(source) = sources.get(&frame.digest) else {
            return Err(Error::new("mk::run::input", "a picture is no longer there").at(Place::file(&frame.picture)));
        };
        let jpeg = source.bytes(Limits { max_bytes: MAX_BYTES, ..Limits::default() })?;
        atomic::write_unseen(&context.output.join(&path), &bare(&jpeg, Some(XMP)).map_err(|error| error.in_file(&source.name))?)
    })?;
    // Each pack is opened once.
    let mut packs: BTreeMap<&str, (&UnitResult, Vec<Uuid>)> = BTreeMap::new();
    for shown in frames {
        if let Some((_, result)) = made.get(&shown.frame.id) {
            packs.entry(&result.key).or_insert_with(|| (result, Vec::new())).1.push(shown.frame.id);
        }
    }
    packs.into_par_iter().try_for_each(|(_, (result, ids))| {
        let mut pack = result.pack()?;
        let ids: BTreeSet<String> = ids.iter().map(Uuid::to_string).collect();
        let wanted: Vec<(String, Digest)> = pack
            .entries()
            .iter()
            .filter(|(name, _)| name.split('/').next().is_some_and(|own| ids.contains(own)))
            .map(|(name, entry)| (name.clone(), entry.digest))
            .collect();
        for (name, digest) in wanted {
            let path = format!("{PICTURES}/{name}");
            if !context.kept.is_kept(&path, [&digest.as_bytes()[..]]) {
                atomic::write_unseen(&context.output.join(&path), &pack.read(&name)?)?;
            }
        }
        Ok(())
    })
}

/// What published heights refer to. Ellipsoidal ones became heights above the sea by the geoid, whose surface is that of DHHN2016.
fn height_system(delivered: Option<VerticalOption>) -> &'static str {
    match delivered {
        Some(VerticalOption::Dhhn92) => "DHHN92",
        _ => "DHHN2016",
    }
}

fn facts(arranged: &Arranged, drives: &[Drive<'_>], context: &AssembleContext<'_>) -> Result<Facts> {
    let mut counts = Counts::default();
    for result in context.results.iter().flatten() {
        counts.add(&result.outcome.counts);
    }
    let frames = || drives.iter().flat_map(|drive| &drive.frames).map(|shown| shown.frame);
    let bbox = Bbox::around(frames().map(|frame| frame.place));
    let day = |time: i64| moment::text(time).get(..10).unwrap_or_default().to_owned();
    let times = drives.iter().map(Drive::interval).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]);
    let length: f64 = drives.iter().map(|drive| drive.sequence.length).sum();
    let summary = context.results.get(ARRANGE).and_then(|stage| stage.first()).map(|result| &result.outcome.summary);
    let number = |name: &str| summary.and_then(|summary| summary[name].as_u64()).unwrap_or(0);
    let mut notes = vec![
        ("Bilder".to_owned(), frames().count().to_string()),
        ("Fahrten".to_owned(), drives.len().to_string()),
        ("Länge".to_owned(), format!("{} km", german(length / 1000.0))),
        ("Unkenntlich gemacht".to_owned(), if arranged.blurred { "ja" } else { "nein: nur intern" }.to_owned()),
    ];
    for (name, title) in [("thinned", "Ausgedünnte Bilder"), ("merged", "Doppelt gelieferte Bilder")] {
        if number(name) > 0 {
            notes.push((title.to_owned(), number(name).to_string()));
        }
    }
    let mut steps = vec![
        format!("{} Bilder einer Befahrung ihren Orten zugeordnet und zu {} Fahrten gefügt.", frames().count(), drives.len()),
        "Richtungen um die Meridiankonvergenz auf geographisch Nord umgerechnet, wo sie auf Gitternord bezogen sind.".to_owned(),
        "Bilder verkleinert und in Kacheln geschnitten; Angaben der Kamera in den Bildern entfernt.".to_owned(),
    ];
    if arranged.blurred {
        steps.push("Personen und Kennzeichen sind nach Angabe der Lieferung unkenntlich.".to_owned());
    }
    let heights = frames().any(|frame| frame.height.is_some());
    Ok(Facts {
        crs: arranged.crs,
        vertical: heights.then(|| height_system(arranged.vertical).to_owned()),
        bbox,
        bbox_lonlat: crate::crs::lonlat(arranged.crs, bbox, &context.area.grids)?,
        representation: Representation::Grid,
        resolution_m: None,
        dates: times.map(|[first, last]| (day(first), day(last))),
        counts,
        operations: arranged.operations.clone(),
        steps,
        layers: Vec::new(),
        notes,
    })
}

/// What the report says of the network.
fn told(found: &coverage::Coverage) -> Vec<(String, String)> {
    let share = if found.length > 0.0 { found.driven / found.length * 100.0 } else { 0.0 };
    let km = |metres: f64| german(metres / 1000.0);
    let mut notes = vec![(
        "Straßennetz befahren".to_owned(),
        format!("{} von {} km ({} %)", km(found.driven), km(found.length), share.floor()),
    )];
    if !found.missing.is_empty() {
        let named: Vec<&str> = found.missing.iter().take(NAMED).map(String::as_str).collect();
        let more = found.missing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" und {more} weitere") } else { String::new() };
        notes.push(("Straßen ohne Bild".to_owned(), format!("{}{more}", named.join(", "))));
    }
    notes
}

/// One decimal, with a comma.
fn german(value: f64) -> String {
    format!("{value:.1}").replace('.', ",")
}

/// What made a picture or a sequence, by its identifier, or a picture by a part of its name.
pub fn locate(object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
    let Some(arranged) = arrange::load(context.results)? else { return Ok(Vec::new()) };
    let made = derive::made(context.results)?;
    let mut located = Vec::new();
    let arranges = |what: String| Located { stage: ARRANGE, key: "sequences".to_owned(), what };
    for sequence in &arranged.sequences {
        if sequence.id.to_string() == object {
            let what = format!("a sequence of {} pictures, {:.0} m", sequence.frames.len(), sequence.length);
            located.push(arranges(what));
        }
        let named = |picture: &str| picture == object || picture.ends_with(&format!("/{object}"));
        for frame in sequence.frames.iter().filter(|frame| frame.id.to_string() == object || named(&frame.picture)) {
            located.push(arranges(format!("{} at {}, as {} says", frame.picture, moment::text(frame.time), frame.told)));
            if let Some((_, result)) = made.get(&frame.id) {
                let what = format!("the smaller pictures of {}", frame.picture);
                located.push(Located { stage: DERIVE, key: result.key.clone(), what });
            }
        }
    }
    Ok(located)
}
