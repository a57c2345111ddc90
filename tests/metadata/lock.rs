//! Identifiers and dates that never drift, and what a record may show.

use super::{day, render};
use crate::samples::{Sample, datasets, input, pipeline};
use messkette::metadata::{CatalogueLock, RecordInput, content_digest};
use messkette::pipeline::Audience;

#[test]
fn the_date_stamp_moves_only_with_the_content() {
    let pipeline = pipeline();
    let mut sample = datasets().remove(1);
    let mut lock = CatalogueLock::new(&pipeline);
    let first = render(&mut lock, &pipeline, &sample, "2026-11-21");
    assert!(first.changed);
    let saved = lock.to_text().unwrap();
    let mut lock = CatalogueLock::parse(&saved, "catalogue.lock").unwrap();
    let second = render(&mut lock, &pipeline, &sample, "2026-11-22");
    assert_eq!((second.changed, &second.xml), (false, &first.xml));
    assert_eq!(lock.to_text().unwrap(), saved);
    sample.facts.steps.push("Noch ein Schritt.".to_owned());
    let third = render(&mut lock, &pipeline, &sample, "2026-11-23");
    assert_eq!((third.changed, third.date_stamp, third.uuid), (true, day("2026-11-23"), first.uuid));
    assert!(third.xml.contains("<gco:Date>2026-11-21</gco:Date>"), "the day of publication stays");
    assert_ne!(content_digest(&first.xml).unwrap(), content_digest(&third.xml).unwrap());
    // A clock that goes back does not take the stamp back.
    sample.facts.steps.pop();
    assert_eq!(render(&mut lock, &pipeline, &sample, "2020-01-01").date_stamp, day("2026-11-23"));
}

#[test]
fn uuids_are_the_same_in_two_workspaces_and_never_change() {
    let mut pipeline = pipeline();
    let mut sample = datasets().remove(0);
    let mut lock = CatalogueLock::new(&pipeline);
    let uuid = render(&mut lock, &pipeline, &sample, "2026-11-21").uuid;
    assert_eq!(uuid, render(&mut CatalogueLock::new(&pipeline), &pipeline, &sample, "2030-01-01").uuid);
    pipeline.name = "umbenannt".to_owned();
    pipeline.contact = None;
    assert_eq!(uuid, render(&mut lock, &pipeline, &sample, "2026-11-21").uuid);
    sample.config.metadata.uuid = Some("5f0a2c1e-6d1b-5a8e-9c77-0d1f3a2b4c5d".to_owned().try_into().unwrap());
    let error = lock.render(&input(&pipeline, &sample), day("2026-11-21")).unwrap_err();
    assert_eq!(error.code(), "mk::metadata::uuid");
    let mut fresh = CatalogueLock::new(&pipeline);
    assert_eq!(render(&mut fresh, &pipeline, &sample, "2026-11-21").uuid.to_string(), "5f0a2c1e-6d1b-5a8e-9c77-0d1f3a2b4c5d");
    sample.config.id = "other".to_owned();
    assert_eq!(fresh.render(&input(&pipeline, &sample), day("2026-11-21")).unwrap_err().code(), "mk::metadata::uuid");
}

#[test]
fn a_lost_lock_comes_back_from_the_records() {
    let pipeline = pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    let mut samples = datasets();
    samples[0].config.metadata.uuid = Some("5f0a2c1e-6d1b-5a8e-9c77-0d1f3a2b4c5d".to_owned().try_into().unwrap());
    let xml: Vec<String> = samples.iter().map(|sample| render(&mut lock, &pipeline, sample, "2026-01-02").xml).collect();
    let mut other = pipeline.clone();
    other.name = "umbenannt".to_owned();
    let mut restored = CatalogueLock::new(&other);
    let documents: Vec<_> = xml.iter().map(|xml| (Audience::Public, xml.as_str())).collect();
    assert_eq!(restored.restore_from_records(&documents).unwrap(), 3);
    assert_eq!(restored.datasets, lock.datasets);
    assert_eq!(restored.restore_from_records(&documents).unwrap(), 0);
    samples[0].config.metadata.uuid = None;
    assert!(!render(&mut restored, &pipeline, &samples[0], "2026-02-02").changed);
    let foreign = [(Audience::Public, "<a/>")];
    assert_eq!(restored.restore_from_records(&foreign).unwrap_err().code(), "mk::metadata::restore");
}

#[test]
fn a_damaged_lock_is_an_error_not_a_new_start() {
    for text in ["", "version = 1", "version = 99\nnamespace = \"5f0a2c1e-6d1b-5a8e-9c77-0d1f3a2b4c5d\"", "\u{0}"] {
        assert_eq!(CatalogueLock::parse(text, "catalogue.lock").unwrap_err().code(), "mk::metadata::lock");
    }
}

#[test]
fn records_show_no_more_than_their_readers_may_see() {
    let pipeline = pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    let mut sample = datasets().remove(1);
    sample.artefacts[0].artefact.audience = Audience::Internal;
    let record = render(&mut lock, &pipeline, &sample, "2026-11-21");
    assert!(!record.xml.contains("cadastre.gpkg") && record.xml.contains("flurstueck.parquet"));
    let both =
        lock.render(&RecordInput { audience: Audience::Internal, ..input(&pipeline, &sample) }, day("2026-11-22")).unwrap();
    assert!(both.xml.contains("cadastre.gpkg"));
    assert_eq!(both.uuid, record.uuid);
    sample.config.audience = Audience::Internal;
    assert_eq!(lock.render(&input(&pipeline, &sample), day("2026-11-21")).unwrap_err().code(), "mk::metadata::audience");
}

#[test]
fn what_cannot_be_a_record_is_refused_and_leaves_no_trace() {
    let pipeline = pipeline();
    type Change = fn(&mut Sample);
    let changes: [(&str, Change); 5] = [
        ("mk::metadata::text", |sample| sample.config.metadata.title = Some("a\u{1b}[31mb".to_owned())),
        ("mk::metadata::text", |sample| sample.config.metadata.keywords.push("\u{7f}".to_owned())),
        ("mk::metadata::code", |sample| sample.config.metadata.licence = Some("dl-de/by-2-0".to_owned())),
        ("mk::metadata::attribution", |sample| sample.config.metadata.attribution = None),
        ("mk::metadata::code", |sample| sample.config.metadata.theme = Some("ortho".to_owned())),
    ];
    for (code, change) in changes {
        let mut sample = datasets().remove(0);
        change(&mut sample);
        let mut lock = CatalogueLock::new(&pipeline);
        assert_eq!(lock.render(&input(&pipeline, &sample), day("2026-11-21")).unwrap_err().code(), code);
        assert!(lock.datasets.is_empty());
    }
}
