//! The pages people see, of made-up nights: report and portal. They are written to the target folder, to be looked at.

#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::assigning_clones, reason = "nobody waits for a test's copy")]

mod samples;

use messkette::markup::Element;
use messkette::metadata::CatalogueLock;
use messkette::pipeline::{Audience, Pipeline, PublishConfig};
use messkette::publish::{self, PUBLISHERS, PortalFile, PortalInput, PublishedDataset};
use messkette::report::{self, Language, Light, Picture, ReportData};
use samples::{EVIL, Sample, datasets, night, pipeline};
use std::path::Path;

const CSP: &str = "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';";

fn save(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// What every page keeps to: no scripts, nothing from elsewhere, balanced tags, small.
fn assert_self_contained(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains(CSP));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for bad in ["<script", "<iframe", "<object", "onerror=", "onload=", "javascript:", "src=\"http", "url(http", "@import"] {
        let at = page.find(bad).filter(|at| !in_text(page, *at));
        assert_eq!(at.map(|at| &page[at..(at + 60).min(page.len())]), None, "{bad}");
    }
    let mut open = Vec::new();
    for tag in page.split('<').skip(2) {
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !["meta", "img", "br"].contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

/// True when the place is in text or in a quoted value, where it is harmless: after `<`, quotes open and close in pairs.
fn in_text(page: &str, at: usize) -> bool {
    let before = &page[..at];
    let tag = before.rfind('<').unwrap_or(0);
    let closed = before.rfind('>').unwrap_or(0);
    let bytes = page.as_bytes();
    bytes[at] != b'<' && (closed > tag || before[tag..].matches('"').count() % 2 == 1)
}

#[test]
fn reports_are_self_contained_and_say_the_night_in_one_sentence() {
    let nights: [(&str, ReportData, Light, &str, &str); 3] = [
        (
            "gruen",
            night::green(),
            Light::Green,
            "Nichts Neues: alle 3 Datensätze sind auf dem Stand der Lieferungen.",
            "Nothing new: all 3 datasets are as delivered.",
        ),
        (
            "gelb",
            night::yellow(),
            Light::Yellow,
            "Veröffentlicht, aber 1 Teil und 12 Objekte blieben zurück.",
            "Published, but 1 unit and 12 objects stayed behind.",
        ),
        ("rot", night::red(), Light::Red, "Diese Nacht wurde nichts veröffentlicht.", "Nothing was published this night."),
    ];
    for (name, data, light, german, english) in nights {
        assert_eq!(data.light(), light);
        for (language, sentence) in [(Language::De, german), (Language::En, english)] {
            let page = report::html(&data, language);
            assert_self_contained(&page);
            assert!(page.contains(&format!("<h1>{sentence}</h1>")), "{name}");
            assert!(page.contains(&format!("<html lang=\"{}\">", language.code())));
            save(&format!("{name}-{}/index.html", language.code()), page.as_bytes());
        }
        save(&format!("{name}.prom"), report::prometheus(&data).as_bytes());
        save(&format!("{name}-de/report.json"), data.to_json().unwrap().as_bytes());
    }
}

#[test]
fn a_dataset_that_failed_makes_the_night_yellow_wherever_it_is_told() {
    let mut data = night::yellow();
    data.datasets[2].error = Some(night::red().run.error.unwrap());
    assert_eq!((data.light(), data.datasets[2].light()), (Light::Yellow, Light::Red));
    assert_eq!(data.nights[0].light(), Some(Light::Yellow));
    let metrics = report::prometheus(&data);
    assert!(metrics.contains("messkette_state{pipeline=\"beispielstadt\"} 1\n"), "{metrics}");
    let page = report::html(&data, Language::De);
    assert!(page.contains("<h1>Veröffentlicht, aber 1 Datensatz konnte nicht erneuert werden.</h1>"));
    // The same without anything released is red.
    (data.run.exit, data.nights[0].exit, data.release) = (1, Some(1), None);
    assert_eq!((data.light(), data.nights[0].light()), (Light::Red, Some(Light::Red)));
    // The data are out, the catalogue could not be reached.
    let mut untold = night::green();
    untold.run.exit = 75;
    let page = report::html(&untold, Language::De);
    assert!(untold.light() == Light::Red && page.contains("<h1>Veröffentlicht, aber nicht überall gemeldet.</h1>"));
    // A run that stopped leaves the release that stood, which is not the one before it.
    untold.run.error = night::red().run.error;
    let page = report::html(&untold, Language::De);
    assert!(page.contains("Zu sehen ist weiter die Ausgabe 2026-11-21T0207-9f3a."));
}

#[test]
fn a_report_says_what_to_do() {
    let page = report::html(&night::yellow(), Language::De);
    for part in [
        "1 Teil nicht übernommen, in/alkis/nba_2026-11-21.xml.gz:20133",
        "12 Objekte abgewiesen, vor allem 9× the outer ring crosses itself (AX_Gebaeude)",
        "1 Datei wurde noch geschrieben (in/dop/dop20rgbi_32_571_5959_1_sh_2026.tif)",
        "messkette run PIPELINE --retry",
        "seit 20.11.2026, 02:04 Uhr",
        "562.010,0\u{a0}/\u{a0}5.950.400,0",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let page = report::html(&night::red(), Language::En);
    assert!(page.contains("free 12 GB below work/") && page.contains("Readers still see release 2026-11-20T0206-11b0."));
}

#[test]
fn a_page_that_lies_alone_has_no_links_to_files() {
    let data = night::yellow();
    let links = |page: &str| page.matches("<a ").count() - page.matches("href=\"#").count();
    assert!(links(&report::html(&data, Language::De)) > 1);
    let alone = report::html_alone(&data, Language::De);
    assert_eq!(links(&alone), 0);
    assert!(alone.contains("reports/000412/report.json"));
}

#[test]
fn hostile_and_endless_texts_neither_break_out_nor_blow_the_page_up() {
    let data = night::hostile();
    for language in [Language::De, Language::En] {
        let page = report::html(&data, language);
        assert_self_contained(&page);
        save(&format!("hostile-{}/index.html", language.code()), page.as_bytes());
    }
    let metrics = report::prometheus(&data);
    assert!(metrics.lines().all(|line| line.starts_with('#') || line.starts_with("messkette_")));
}

#[test]
fn the_json_twin_reads_back_and_has_a_schema() {
    let data = night::yellow();
    let json = data.to_json().unwrap();
    let back: ReportData = serde_json::from_str(&json).unwrap();
    assert_eq!(back.to_json().unwrap(), json);
    assert_eq!(back.datasets[1].rejections.len(), 12);
    let schema = serde_json::to_value(ReportData::schema()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    for (name, _) in value.as_object().unwrap() {
        assert!(schema["properties"].get(name).is_some(), "{name} is not in the schema");
    }
}

#[test]
fn metrics_have_the_names_that_alerts_rely_on() {
    let text = report::prometheus(&night::yellow());
    for line in [
        "messkette_state{pipeline=\"beispielstadt\"} 1",
        "messkette_last_success_timestamp_seconds{pipeline=\"beispielstadt\",dataset=\"alkis\"} 1795228260",
        "messkette_run_duration_seconds{pipeline=\"beispielstadt\"} 441",
        "messkette_units_total{pipeline=\"beispielstadt\",dataset=\"alkis\",action=\"run\",outcome=\"quarantined\"} 1",
        "messkette_features_rejected_total{pipeline=\"beispielstadt\",dataset=\"alkis\"} 12",
        "messkette_bytes_written_total{pipeline=\"beispielstadt\"} 224446078",
        "messkette_peak_rss_bytes{pipeline=\"beispielstadt\"} 2422210560",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let documented = include_str!("../docs/report.md");
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not in docs/report.md");
    }
    let mut data = night::green();
    data.run.pipeline = "a\"b\\c\nd".to_owned();
    assert!(report::prometheus(&data).contains("messkette_state{pipeline=\"a\\\"b\\\\c\\nd\"} 0"));
}

struct Town {
    pipeline: Pipeline,
    samples: Vec<Sample>,
}

impl Town {
    fn new() -> Self {
        let pipeline =
            Pipeline { config: pipeline(), datasets: Vec::new(), publish: Vec::new(), file: "/x/pipeline.toml".into() };
        Self { pipeline, samples: datasets() }
    }
    fn files(&self, audience: Audience, base_url: Option<&str>) -> Vec<PortalFile> {
        let mut lock = CatalogueLock::new(&self.pipeline.config);
        let picture = Picture::of(&night::picture(640, 360, 0));
        let mut published = Vec::new();
        for (index, sample) in self.samples.iter().enumerate() {
            let input = messkette::metadata::RecordInput {
                audience: Audience::Internal,
                ..samples::input(&self.pipeline.config, sample)
            };
            published.push(PublishedDataset {
                config: &sample.config,
                kind: sample.kind,
                facts: &sample.facts,
                artefacts: &sample.artefacts,
                uuid: Some(lock.render(&input, "2026-11-21".parse().unwrap()).unwrap().uuid),
                preview: picture.clone().filter(|_| index == 0),
                stale_units: u64::from(index == 1),
            });
        }
        let input = PortalInput {
            pipeline: &self.pipeline.config,
            datasets: &published,
            audience,
            date: "2026-11-21".parse().unwrap(),
            base_url,
        };
        publish::files(&self.pipeline, &input).unwrap()
    }
}

fn text<'a>(files: &'a [PortalFile], path: &str) -> &'a str {
    std::str::from_utf8(&files.iter().find(|file| file.path == path).unwrap().bytes).unwrap()
}

#[test]
fn the_portal_lists_what_its_readers_may_see() {
    let mut town = Town::new();
    town.samples[1].artefacts[1].artefact.audience = Audience::Internal;
    let files = town.files(Audience::Public, None);
    for file in &files {
        save(&format!("release/public/{}", file.path), &file.bytes);
    }
    let page = text(&files, "portal/index.html");
    assert_self_contained(page);
    assert!(page.contains("href=\"../alkis/cadastre.gpkg\"") && page.contains("96,3\u{a0}MB"));
    assert!(page.contains("href=\"../metadata/alkis.xml\""));
    assert!(!page.contains("flurstueck.parquet"), "an internal file is on the public page");
    town.samples[2].config.audience = Audience::Internal;
    let public = town.files(Audience::Public, None);
    assert!(!text(&public, "portal/index.html").contains("lod2") && !text(&public, "portal/services.json").contains("lod2"));
    let internal = town.files(Audience::Internal, None);
    assert!(text(&internal, "portal/index.html").contains("Intern") && text(&internal, "portal/services.json").contains("lod2"));
    for file in &internal {
        save(&format!("release/internal/{}", file.path), &file.bytes);
    }
    town.samples.clear();
    assert!(text(&town.files(Audience::Public, None), "portal/index.html").contains("nichts veröffentlicht"));
}

#[test]
fn a_hostile_dataset_does_not_break_the_page() {
    let mut town = Town::new();
    for sample in &mut town.samples {
        sample.config.metadata.title = Some(EVIL.to_owned());
        sample.config.metadata.abstract_text = Some(EVIL.repeat(50));
        sample.config.metadata.attribution = Some(EVIL.to_owned());
        sample.facts.vertical = Some(EVIL.to_owned());
        sample.artefacts[0].artefact.title = EVIL.to_owned();
        sample.artefacts[0].artefact.path = format!("a b/{EVIL}.tif");
    }
    town.pipeline.config.contact.as_mut().unwrap().url = Some("javascript:alert(1)".to_owned());
    let files = town.files(Audience::Public, None);
    let page = text(&files, "portal/index.html");
    save("hostile-site/index.html", page.as_bytes());
    assert_self_contained(page);
    assert!(!page.contains("href=\"javascript"));
    let _: serde_json::Value = serde_json::from_str(text(&files, "portal/services.json")).unwrap();
}

#[test]
fn masterportal_gets_layers_that_its_factory_knows() {
    let town = Town::new();
    let files = town.files(Audience::Public, Some("https://geo.example.org/daten/"));
    let services: serde_json::Value = serde_json::from_str(text(&files, "portal/services.json")).unwrap();
    let ids: Vec<_> = services.as_array().unwrap().iter().map(|service| service["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["dop20-2026-bild", "alkis-flurstuecke", "lod2-gebaeude"], "the unknown type Oblique is left out");
    assert_eq!(services[0]["urls"][0], "https://geo.example.org/daten/dop20-2026/orthophoto.tif");
    assert_eq!(services[0]["crs"], "EPSG:25832");
    assert_eq!(services[1]["url"], "https://geo.example.org/daten/alkis/tiles/{z}/{y}/{x}.pbf");
    assert_eq!(services[1]["epsg"], "EPSG:3857", "the kind knows its tiles");
    assert_eq!(services[1]["gfiAttributes"]["flurstueckskennzeichen"], "Flurstückskennzeichen");
    assert_eq!(services[2]["url"], "https://geo.example.org/daten/lod2", "the portal adds /tileset.json");
    for service in services.as_array().unwrap() {
        assert!(uuid::Uuid::parse_str(service["datasets"][0]["md_id"].as_str().unwrap()).is_ok());
    }
    let config: serde_json::Value = serde_json::from_str(text(&files, "portal/config.json")).unwrap();
    let folders = config["layerConfig"]["subjectlayer"]["elements"].as_array().unwrap();
    let listed: Vec<_> = folders
        .iter()
        .flat_map(|folder| folder["elements"].as_array().unwrap())
        .map(|layer| layer["id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, ids);
    assert_eq!(config["portalConfig"]["map"]["mapView"]["startCenter"], serde_json::json!([563_500.0, 5_953_000.0]));
    assert!(text(&files, "portal/config.js").starts_with("const Config = {"));
}

#[test]
fn publishers_take_their_own_options_and_no_others() {
    let mut town = Town::new();
    let options = |json: serde_json::Value| json.as_object().unwrap().clone().into_iter().collect();
    town.pipeline.publish = vec![PublishConfig {
        kind: "masterportal".to_owned(),
        options: options(serde_json::json!({
            "title": "Geoportal", "csw_url": "https://example.org/csw",
            "background": [{"title": "Karte", "url": "https://example.org/wms", "layers": "web"}],
        })),
    }];
    for config in &town.pipeline.publish {
        (publish::publisher(&config.kind).unwrap().check)(config).unwrap();
    }
    let files = town.files(Audience::Public, None);
    assert!(text(&files, "portal/rest-services.json").contains("https://example.org/csw"));
    assert!(text(&files, "portal/config.json").contains("hintergrund-1"));
    for publisher in PUBLISHERS {
        let wrong = PublishConfig { kind: publisher.name.to_owned(), options: options(serde_json::json!({"colour": 1})) };
        assert_eq!((publisher.check)(&wrong).unwrap_err().code(), "mk::config::option");
        let schema = serde_json::to_value((publisher.options)()).unwrap();
        assert!(schema["properties"].as_object().is_some_and(|options| !options.is_empty()), "{}", publisher.name);
        assert_eq!(schema["additionalProperties"], serde_json::json!(false), "{}", publisher.name);
    }
}

#[test]
fn pictures_are_only_what_they_say_they_are() {
    assert_eq!(Picture::of(b"<svg onload=alert(1)>"), None);
    assert_eq!(Picture::of(&[0xff, 0xd8, 0xff, 0xe0]).unwrap().media_type, "image/jpeg");
    let page = Element::new("img").attr("src", Picture::of(&night::picture(2, 2, 0)).unwrap().data_uri().unwrap()).to_html();
    assert!(page.starts_with("<img src=\"data:image/png;base64,iVBORw0KGgo"));
}
