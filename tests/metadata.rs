//! Records of a made-up town, against the ISO schemas, the conventions' rules, and themselves of the night before.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::assigning_clones, reason = "nobody waits for a test's copy")]

mod samples;
mod validators;

use messkette::metadata::{
    CatalogueLock, Existing, Record, RecordInput, RenderedRecord, atom, content_digest, dcat, ogc_record, page, rules, waf,
};
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
    let (metadata, existing) = Existing::read(include_str!("samples/existing.xml"), "existing.xml").unwrap().beside(&own);
    sample.config.metadata = metadata;
    sample.config.id = "kept".to_owned();
    sample.facts.resolution_m = Some(0.2);
    let input = RecordInput { existing: Some(&existing), ..input(pipeline, &sample) };
    CatalogueLock::new(pipeline).render(&input, day("2026-11-21")).unwrap()
}

#[test]
fn what_people_wrote_is_kept_and_what_the_data_says_is_not() {
    let pipeline = pipeline();
    let record = kept(&pipeline);
    for text in [
        "0b7e0e6c-3f4e-4d0e-9a4b-5d8f3f6f9c11",
        "https://registry.gdi-de.org/id/de.sh.beispielstadt/luftbilder-alt",
        "Luftbilder, wie das Amt sie nennt",
        "Aerial images as the office calls them",
        "Von Hand geschriebene Beschreibung.",
        "Für die Bauleitplanung",
        "Befliegungsgemeinschaft Nord",
        "Katasteramt Alt",
        "urheber@example.org",
        "Erste Ausgabe",
        "2019-03-01",
        "annually",
        "AdVMIS",
        "Versiegelung",
        "Bildflug",
        "elevation",
        "Nur bis zum Maßstab 1:500 geeignet",
        "https://wms.example.org/luftbild?REQUEST=GetCapabilities",
        "01060063",
        "Lagegenauigkeit 20 cm",
        "Aus analogen Bildern gescannt.",
        "Bitte anrufen.",
        "cc-by/4.0",
        "Amt für Alt",
        "76 Bildkacheln",
        "3f2c9a52-6f0a-4a9e-8f62-2f6f3b1a7d10",
    ] {
        assert!(record.xml.contains(text), "lost: {text}\n{}", record.xml);
    }
    // The data knows better, or it is said anew.
    for text in ["1.0000", "veraltet.tif", "1999-01-01", "EPSG:31467", "Altes Format"] {
        assert!(!record.xml.contains(text), "taken over: {text}");
    }
    assert_eq!(record.uuid.to_string(), "0b7e0e6c-3f4e-4d0e-9a4b-5d8f3f6f9c11");
    assert_eq!((record.record.published, record.record.licence.unwrap().code), (day("2019-03-01"), "cc-by/4.0"));
    assert_eq!(rules::check(&record.xml).unwrap(), []);
    // The same next night.
    assert_eq!(kept(&pipeline).xml, record.xml);
    // What the pipeline file says goes first.
    let own =
        MetadataConfig { title: Some("Neu".to_owned()), licence: Some("dl-zero-de/2.0".to_owned()), ..MetadataConfig::default() };
    let (filled, _) = Existing::read(include_str!("samples/existing.xml"), "existing.xml").unwrap().beside(&own);
    assert_eq!(
        (filled.title.as_deref(), filled.licence.as_deref(), filled.attribution),
        (Some("Neu"), Some("dl-zero-de/2.0"), None)
    );
}

/// Real records of German offices: each becomes a valid one, with the texts of its author.
#[test]
fn records_of_real_offices_can_be_taken_over() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("taken");
    let mut files = Vec::new();
    for name in [
        "reference/dataset-dop.xml",
        "samples/ingrid/iso_geodataset_full.xml",
        "ets-inspire/2.0/template_metadata/Metadata_datasets_series_cc2.xml",
    ] {
        let Some(path) = validators::shared(&format!("data/metadata/{name}")) else { return };
        let (pipeline, mut sample) = (pipeline(), datasets().remove(0));
        let xml = std::fs::read_to_string(path).unwrap();
        let (metadata, existing) = Existing::read(&xml, name).unwrap().beside(&MetadataConfig::default());
        let title = metadata.title.clone().unwrap();
        sample.config.metadata = metadata;
        let input = RecordInput { existing: Some(&existing), ..input(&pipeline, &sample) };
        let record = CatalogueLock::new(&pipeline).render(&input, day("2026-11-21")).unwrap();
        assert_eq!(record.title, title);
        files.extend(save(&folder, &[(format!("taken-{}", files.len()), record.xml)]));
    }
    assert_eq!(validators::schema_errors(&files).unwrap_or_default(), "");
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

/// DCAT-AP 3.0 with the German profile and the shapes for high-value datasets; both forms hold the same statements.
#[test]
fn the_catalogue_conforms_to_dcat_ap_de() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dcat");
    std::fs::create_dir_all(&folder).unwrap();
    let pipeline = pipeline();
    let records = town(&mut CatalogueLock::new(&pipeline), &pipeline);
    let all: Vec<&Record> = records.iter().map(|record| &record.record).collect();
    let written = dcat::write(&pipeline, BASE, &all);
    let (turtle, xml, broken) = (folder.join("dcat.ttl"), folder.join("dcat.rdf"), folder.join("broken.ttl"));
    std::fs::write(&turtle, &written.turtle).unwrap();
    std::fs::write(&xml, &written.xml).unwrap();
    std::fs::write(&broken, written.turtle.replace("dct:publisher", "dct:source").replace("dct:license", "dct:rights")).unwrap();
    let Some(found) = validators::dcat_findings(&turtle, &xml) else { return };
    assert_eq!(found["violations"], serde_json::json!([]), "{found:#}");
    assert_eq!(found["same"], true, "Turtle and RDF/XML say the same");
    assert_eq!(found["hvd"], serde_json::json!([]), "{found:#}");
    assert!(found["marked"].as_u64().unwrap() > 1, "a dataset and its distributions are of high value");
    // Three datasets and their series, which is one too.
    assert_eq!((found["datasets"].as_u64(), found["distributions"].as_u64()), (Some(4), Some(16)), "{found:#}");
    assert_eq!(found["services"].as_u64(), Some(2), "{found:#}");
    assert!(validators::dcat_findings(&broken, &xml).unwrap()["violations"].as_array().unwrap().len() >= 6);
}

#[test]
fn every_form_of_a_record_says_the_same() {
    let pipeline = pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    for sample in datasets() {
        let rendered = render(&mut lock, &pipeline, &sample, "2026-11-21");
        let json = ogc_record::write(&rendered.record, "x.json");
        assert_eq!(json["id"], rendered.uuid.to_string());
        let html = page::write(&rendered.record);
        for text in [&rendered.title, &rendered.record.abstract_text, &rendered.uuid.to_string()] {
            assert!(html.contains(&text.replace('&', "&amp;")), "{text}");
        }
        let extent = rendered.record.extent.unwrap();
        assert_eq!(json["geometry"]["coordinates"][0][0], serde_json::json!([extent.min[0], extent.min[1]]));
        for link in &rendered.record.links {
            assert!(json["links"].as_array().unwrap().iter().any(|other| other["href"] == link.url), "{}", link.url);
            assert!(html.contains(&link.url) || link.role != messkette::metadata::LinkRole::Download);
        }
    }
    let mut evil = datasets().remove(0);
    evil.config.metadata.title = Some(EVIL.to_owned());
    evil.config.id = "evil".to_owned();
    let html = page::write(&render(&mut lock, &pipeline, &evil, "2026-11-21").record);
    assert!(!html.contains("<script") && !html.contains("<img src=x"));
}

#[test]
fn feeds_list_every_download_and_lead_to_the_records() {
    let pipeline = pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    let records: Vec<_> = datasets().iter().map(|sample| render(&mut lock, &pipeline, sample, "2026-11-21")).collect();
    let all: Vec<&Record> = records.iter().map(|record| &record.record).collect();
    let service = service(&mut lock, &records);
    assert!(service.xml.contains(&format!("{BASE}/atom/service.xml")), "the service's record leads to the feed");
    let feeds = atom::Feeds {
        title: &service.title,
        author: ("Amt", "geodaten@example.org"),
        base: BASE,
        service: (service.uuid, "dienst-download.xml"),
        records: &all,
    };
    let files = atom::write(&feeds);
    assert_eq!(files.len(), 5);
    let top = &files[0].1;
    assert!(
        top.contains(&format!("{BASE}/metadata/dienst-download.xml")) && top.contains(&format!("{BASE}/atom/opensearch.xml"))
    );
    for record in &all {
        assert!(top.contains(&format!("{BASE}/atom/{}.xml", record.dataset_id)));
        let (_, feed) = files.iter().find(|(path, _)| *path == format!("atom/{}.xml", record.dataset_id)).unwrap();
        for link in record.links.iter().filter(|link| link.role == messkette::metadata::LinkRole::Download) {
            assert!(feed.contains(&link.url), "{}", link.url);
        }
        assert!(service.xml.contains(&format!("{BASE}/metadata/{}.xml", record.dataset_id)), "operatesOn");
    }
    // The same service in the next night, and not a day younger for it.
    let again = lock.render_download_service(&all, BASE, day("2026-12-24")).unwrap().unwrap();
    assert_eq!((again.uuid, again.changed, &again.xml), (service.uuid, false, &service.xml));
}
