//! Records of a made-up town, against the ISO schemas, the conventions' rules, and themselves of the night before.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::assigning_clones, reason = "nobody waits for a test's copy")]

mod existing;
mod forms;
mod lock;
#[path = "../samples/mod.rs"]
mod samples;
#[path = "../validators/mod.rs"]
mod validators;

use messkette::metadata::{CatalogueLock, Existing, Record, RecordInput, RenderedRecord, rules};
use messkette::pipeline::{Audience, MetadataConfig, PipelineConfig, SeriesConfig};
use samples::{EVIL, Sample, datasets, input, pipeline};
use std::path::{Path, PathBuf};

fn day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
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
    let derived = town(&mut lock, &pipeline);
    for (name, id) in [("series", "serie-luftbild"), ("view", "dienst-wmts-dop20-2026"), ("service", "dienst-download")] {
        out.push((name.to_owned(), derived.iter().find(|record| record.record.dataset_id == id).unwrap().xml.clone()));
    }
    out.push(("kept".to_owned(), kept(&pipeline).xml));
    out
}

/// The records of a town with a series, map tiles with capabilities, and titles in English.
fn town(lock: &mut CatalogueLock, pipeline: &PipelineConfig) -> Vec<RenderedRecord> {
    let series = SeriesConfig { title: "Luftbilder aller Jahre".to_owned(), ..SeriesConfig::default() };
    let uuid = lock.series_uuid("luftbild", &series, day("2026-11-21")).unwrap();
    let mut samples = datasets();
    samples[0].config.metadata.title_en = Some("Digital orthophotos 2026 <20 cm>".to_owned());
    samples[0].config.metadata.abstract_en = Some("Rectified aerial images.".to_owned());
    let mut tiles = samples[0].artefacts[1].clone();
    tiles.artefact.path = "WMTSCapabilities.xml".to_owned();
    tiles.artefact.format = "WMTS 1.0.0".to_owned();
    tiles.url = Some(format!("{BASE}/dop20-2026/WMTSCapabilities.xml"));
    samples[0].artefacts.push(tiles);
    let mut records: Vec<RenderedRecord> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let input = RecordInput { series: (index == 0).then_some(uuid), ..input(pipeline, sample) };
        records.push(lock.render(&input, day("2026-11-21")).unwrap());
    }
    let members = [&records[0].record];
    let whole = lock.render_series(("luftbild", &series), pipeline, &members, (Audience::Public, Some(BASE)), day("2026-11-21"));
    let view = lock.render_view_service(&records[0].record, BASE, day("2026-11-21")).unwrap();
    assert!(lock.render_view_service(&records[1].record, BASE, day("2026-11-21")).unwrap().is_none());
    let download = service(lock, &records);
    records.extend(whole.unwrap());
    records.extend(view);
    records.push(download);
    records
}

/// What becomes of a dataset of which the office has a record already.
fn kept(pipeline: &PipelineConfig) -> RenderedRecord {
    let mut sample = datasets().remove(0);
    let own = MetadataConfig { theme: Some("oi".to_owned()), ..MetadataConfig::default() };
    let (metadata, existing) = Existing::read(include_str!("../samples/existing.xml"), "existing.xml").unwrap().beside(&own);
    sample.config.metadata = metadata;
    sample.config.id = "kept".to_owned();
    sample.facts.resolution_m = Some(0.2);
    let input = RecordInput { existing: Some(&existing), ..input(pipeline, &sample) };
    CatalogueLock::new(pipeline).render(&input, day("2026-11-21")).unwrap()
}

const BASE: &str = "https://geo.example.org/daten";

fn service(lock: &mut CatalogueLock, records: &[RenderedRecord]) -> RenderedRecord {
    let all: Vec<&Record> = records.iter().map(|record| &record.record).collect();
    lock.render_download_service(&all, BASE, day("2026-11-21")).unwrap().unwrap()
}

#[test]
fn records_are_valid_against_the_schemas_of_2007() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("records");
    let files = save(&folder, &records());
    let Some(errors) = validators::schema_errors(&files) else { return };
    assert_eq!(errors, "");
    // The check can fail: an element in the wrong place is found.
    let broken = folder.join("broken.xml");
    let moved = records()[0].1.replacen("gmd:characterSet>", "gmd:fileIdentifier>", 2);
    std::fs::write(&broken, moved).unwrap();
    assert_ne!(validators::schema_errors(&[broken]).unwrap(), "");
}

fn save(folder: &Path, records: &[(String, String)]) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    let save = |(name, xml): &(String, String)| {
        let file = folder.join(format!("{name}.xml"));
        std::fs::write(&file, xml).unwrap();
        file
    };
    records.iter().map(save).collect()
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
        ("Zugangsdaten", good.replace("https://geo.example.org/daten/dop", "https://amt:geheim@geo.example.org/daten/dop")),
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

/// An independent reading of the rules.
#[test]
fn the_official_assertions_of_inspire_pass() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ets");
    let of = |names: &[&str]| -> Vec<(String, String)> {
        records().into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect()
    };
    let datasets = of(&["dop20-2026", "alkis", "lod2", "kept", "series"]);
    assert_eq!(datasets.len(), 5);
    let Some(failures) = validators::inspire_failures("common,dss,isdss", &save(&folder, &datasets)) else { return };
    assert_eq!(failures, Vec::<String>::new());
    let services = save(&folder, &of(&["service", "view"]));
    let failures = validators::inspire_failures("common,sds,ns", &services).unwrap();
    let left: Vec<String> = failures.into_iter().filter(|line| !line.contains("PASSED_MANUAL")).collect();
    assert_eq!(left, Vec::<String>::new());
    // It can fail.
    let broken: Vec<(String, String)> = of(&["alkis"])
        .into_iter()
        .map(|(name, xml)| (name, xml.replace("gmd:abstract>", "gmd:purpose>").replace("LI_Lineage>", "X>")))
        .collect();
    assert!(validators::inspire_failures("common,dss", &save(&folder, &broken)).unwrap().len() >= 2);
}
