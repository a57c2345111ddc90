//! Taking over records that offices have already.

use super::{day, kept, save};
use crate::samples::{datasets, input, pipeline};
use crate::validators;
use messkette::metadata::{CatalogueLock, Existing, RecordInput, rules};
use messkette::pipeline::MetadataConfig;
use std::path::Path;

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
    let (filled, _) = Existing::read(include_str!("../samples/existing.xml"), "existing.xml").unwrap().beside(&own);
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
