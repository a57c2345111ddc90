//! Records of a made-up town, against the ISO schemas, the conventions' rules, and themselves of the night before.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::assigning_clones, reason = "nobody waits for a test's copy")]

mod samples;

use messkette::metadata::{CatalogueLock, RecordInput, RenderedRecord, content_digest, rules, waf};
use messkette::pipeline::{Audience, PipelineConfig};
use samples::{EVIL, Sample, datasets, pipeline};
use std::path::Path;
use std::process::Command;

fn day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

fn input<'a>(pipeline: &'a PipelineConfig, sample: &'a Sample) -> RecordInput<'a> {
    RecordInput {
        pipeline,
        dataset: &sample.config,
        kind: sample.kind,
        facts: &sample.facts,
        artefacts: &sample.artefacts,
        sources: &sample.sources,
        stale_units: 0,
        audience: Audience::Public,
    }
}

fn render(lock: &mut CatalogueLock, pipeline: &PipelineConfig, sample: &Sample, today: &str) -> RenderedRecord {
    lock.render(&input(pipeline, sample), day(today)).unwrap()
}

/// Every shape of record: of each kind, internal, with little known, with hostile texts.
fn records() -> Vec<(String, String)> {
    let pipeline = pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    let mut out = Vec::new();
    for sample in datasets() {
        out.push((sample.config.id.clone(), render(&mut lock, &pipeline, &sample, "2026-11-21").xml));
    }
    let mut bare = datasets().remove(1);
    bare.config.id = "bare".to_owned();
    bare.config.metadata = messkette::pipeline::MetadataConfig::default();
    bare.config.audience = Audience::Internal;
    bare.facts.dates = Some(("gestern".to_owned(), "2026-11-21".to_owned()));
    bare.facts.bbox_lonlat = messkette::crs::Bbox::EMPTY;
    bare.facts.steps.push("a\u{0}\u{1b}[31mb".to_owned());
    bare.artefacts.clear();
    bare.sources = (0..150).map(|_| datasets()[2].sources[0].clone()).collect();
    let mut nobody = pipeline.clone();
    (nobody.contact, nobody.base_url) = (None, None);
    let internal = RecordInput { audience: Audience::Internal, stale_units: 2, ..input(&nobody, &bare) };
    out.push(("bare".to_owned(), lock.render(&internal, day("2026-11-21")).unwrap().xml));
    let mut evil = datasets().remove(0);
    evil.config.id = "evil".to_owned();
    evil.config.metadata.title = Some(EVIL.to_owned());
    evil.config.metadata.attribution = Some(EVIL.to_owned());
    evil.config.metadata.keywords = vec![EVIL.to_owned()];
    evil.facts.vertical = Some(EVIL.to_owned());
    evil.facts.steps.push(EVIL.to_owned());
    evil.artefacts[0].artefact.title = EVIL.to_owned();
    evil.sources[0].name = EVIL.to_owned();
    evil.facts.dates = Some(("2025".to_owned(), "2025-04".to_owned()));
    out.push(("evil".to_owned(), render(&mut lock, &pipeline, &evil, "2026-11-21").xml));
    out
}

#[test]
fn records_are_valid_against_the_schemas_of_2007() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/metadata/xsd-2007/gdi-de-2007.xsd");
    if !schema.exists() || Command::new("xmllint").arg("--version").output().is_err() {
        println!("skipped: {} or xmllint is not there", schema.display());
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("records");
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = Vec::new();
    for (name, xml) in records() {
        files.push(folder.join(format!("{name}.xml")));
        std::fs::write(files.last().unwrap(), xml).unwrap();
    }
    let lint = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(&schema).args(&files).output().unwrap();
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stderr));
    // The check can fail: an element in the wrong place is found.
    let broken = folder.join("broken.xml");
    let moved = records()[0].1.replacen("gmd:characterSet>", "gmd:fileIdentifier>", 2);
    std::fs::write(&broken, moved).unwrap();
    let lint = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(&schema).arg(&broken).output().unwrap();
    assert!(!lint.status.success());
}

#[test]
fn records_meet_the_rules_and_broken_ones_do_not() {
    for (name, xml) in records() {
        let found: Vec<_> = rules::check(&xml).unwrap().into_iter().map(|finding| (finding.rule, finding.severity)).collect();
        let want: &[_] = match name.as_str() {
            "bare" => &[
                ("GDI-DE 2.5", rules::Severity::Failure),
                ("GDI-DE 2.5", rules::Severity::Failure),
                ("GDI-DE 2.6", rules::Severity::Failure),
                ("GDI-DE 2.6", rules::Severity::Failure),
                ("INSPIRE TG C.19", rules::Severity::Failure),
            ],
            _ => &[],
        };
        assert_eq!(found, want, "{name}");
    }
    let good = &records()[0].1;
    let broken = [
        ("GDI-DE 2.1", good.replace("gmd:identificationInfo>", "gmd:portrayalCatalogueInfo>")),
        ("GDI-DE 2.2", good.replacen("gmd:fileIdentifier>", "gmd:x>", 2)),
        ("GDI-DE 2.3", good.replace("codeListValue=\"dataset\"", "codeListValue=\"data\"")),
        ("GDI-DE 2.4", good.replace("codeListValue=\"ger\"", "codeListValue=\"de\"")),
        ("GDI-DE 2.5", good.replacen("geodaten@example.org", "geodaten", 1)),
        ("GDI-DE 2.6", good.replace("gmd:pointOfContact>", "gmd:x>")),
        ("GDI-DE 2.8", good.replace("LimitationsOnPublicAccess", "x")),
        ("GDI-DE 2.9.2", good.replace("gmd:useConstraints", "gmd:x")),
        ("GDI-DE 3.1", good.replace("gmd:identifier>", "gmd:x>")),
        ("GDI-DE 3.2.1", good.replace(">Orthofotografie<", ">Luftbilder<")),
        ("GDI-DE 3.3", good.replace("imageryBaseMapsEarthCover", "structure")),
        ("GDI-DE 3.5", good.replace("1089/2010", "1/2")),
        ("GDI-DE 3.6", good.replace("\"id\":\"dl-by-de/2.0\"", "\"id\":\"dl\"")),
        ("INSPIRE TG C.19", good.replace("<gco:Decimal>9.", "<gco:Decimal>199.")),
        ("INSPIRE TG C.9", good.replace("gmd:abstract>", "gmd:x>")),
    ];
    for (rule, xml) in broken {
        assert_ne!(&xml, good, "{rule} is not tested");
        assert!(rules::check(&xml).unwrap().iter().any(|finding| finding.rule == rule), "{rule} is not found");
    }
}

#[test]
fn the_reference_record_meets_the_rules() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/metadata/reference/dataset-dop.xml");
    let Ok(xml) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    assert_eq!(rules::check(&xml).unwrap(), []);
}

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

#[test]
fn the_folder_lists_every_record() {
    let pipeline = pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    let mut samples = datasets();
    samples[0].config.metadata.title = Some(EVIL.to_owned());
    let records: Vec<_> = samples.iter().map(|sample| render(&mut lock, &pipeline, sample, "2026-11-21")).collect();
    let page = waf::index(&records);
    for sample in &samples {
        assert!(page.contains(&format!("<a href=\"{}.xml\"", sample.config.id)));
    }
    assert!(!page.contains("<script") && !page.contains("<img"));
}
