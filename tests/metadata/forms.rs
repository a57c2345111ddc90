//! The other forms of a record: folder, page, JSON, feeds, DCAT.

use super::{BASE, day, render, service, town};
use crate::samples::{EVIL, datasets, pipeline};
use crate::validators;
use messkette::metadata::{CatalogueLock, LinkRole, Record, atom, dcat, ogc_record, page, waf};
use std::path::Path;

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
        let html = page::write(&rendered.record, Some(BASE));
        for text in [&rendered.title, &rendered.record.abstract_text, &rendered.uuid.to_string()] {
            assert!(html.contains(&text.replace('&', "&amp;")), "{text}");
        }
        let extent = rendered.record.extent.unwrap();
        assert_eq!(json["geometry"]["coordinates"][0][0], serde_json::json!([extent.min[0], extent.min[1]]));
        for link in &rendered.record.links {
            assert!(json["links"].as_array().unwrap().iter().any(|other| other["href"] == link.url), "{}", link.url);
            assert!(html.contains(link.url.strip_prefix(BASE).unwrap()) || link.role != LinkRole::Download);
        }
    }
    let mut evil = datasets().remove(0);
    evil.config.metadata.title = Some(EVIL.to_owned());
    evil.config.id = "evil".to_owned();
    let html = page::write(&render(&mut lock, &pipeline, &evil, "2026-11-21").record, None);
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
        for link in record.links.iter().filter(|link| link.role == LinkRole::Download) {
            assert!(feed.contains(&link.url), "{}", link.url);
        }
        assert!(service.xml.contains(&format!("{BASE}/metadata/{}.xml", record.dataset_id)), "operatesOn");
    }
    // The same service in the next night, and not a day younger for it.
    let again = lock.render_download_service(&all, BASE, day("2026-12-24")).unwrap().unwrap();
    assert_eq!((again.uuid, again.changed, &again.xml), (service.uuid, false, &service.xml));
}
