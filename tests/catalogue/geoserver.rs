//! The publisher for a GeoServer against a test server written from the documentation of its REST API; not a real one.

use crate::http::{Request, answer};
use crate::proxy::{Fault, Proxy};
use crate::samples;
use messkette::Exit;
use messkette::pipeline::{Audience, Pipeline, PublishConfig};
use messkette::publish::{self, Outside, Phase, PortalInput, PublishedDataset};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Documents by path without `.json`, as `workspaces/stadt/datastores/alkis`.
pub type Store = Arc<Mutex<BTreeMap<String, Value>>>;

pub struct GeoServer {
    pub port: u16,
    pub store: Store,
}

/// Collection, its name in a list, the name of one.
const KINDS: [(&str, &str, &str); 6] = [
    ("layergroups", "layerGroups", "layerGroup"),
    ("workspaces", "workspaces", "workspace"),
    ("datastores", "dataStores", "dataStore"),
    ("coveragestores", "coverageStores", "coverageStore"),
    ("featuretypes", "featureTypes", "featureType"),
    ("coverages", "coverages", "coverage"),
];

pub fn start() -> GeoServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store: Store = Arc::default();
    let shared = Arc::clone(&store);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(request) = Request::read(&stream) else { continue };
            let (status, body) = serve(&request, &mut shared.lock().unwrap());
            answer(&stream, status, &[("Content-Type", "application/json")], body.as_bytes());
        }
    });
    GeoServer { port, store }
}

fn serve(request: &Request, store: &mut BTreeMap<String, Value>) -> (&'static str, String) {
    // `amt:geheim-4711`
    if request.header("authorization") != Some("Basic YW10OmdlaGVpbS00NzEx") {
        return ("401 Unauthorized", String::new());
    }
    let method = request.line.split(' ').next().unwrap();
    let (target, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    if method == "POST" && ["/geoserver/rest/reset", "/geoserver/gwc/rest/masstruncate"].contains(&target) {
        return ("200 OK", String::new());
    }
    let Some(path) = target.strip_prefix("/geoserver/rest/") else { return ("404 Not Found", String::new()) };
    let path = path.trim_end_matches(".json");
    let kind = |name: &str| KINDS.iter().find(|(collection, ..)| *collection == name);
    let last = path.rsplit('/').next().unwrap();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    match (method, kind(last)) {
        ("GET", Some((_, outer, inner))) => {
            let prefix = format!("{path}/");
            let items: Vec<Value> = store
                .keys()
                .filter_map(|key| key.strip_prefix(&prefix))
                .filter(|name| !name.contains('/'))
                .map(|name| json!({ "name": name, "href": format!("http://x/{name}.json") }))
                .collect();
            // An empty list is an empty text.
            let list = if items.is_empty() { json!("") } else { json!({ *inner: items }) };
            ("200 OK", json!({ *outer: list }).to_string())
        }
        ("POST", Some((_, _, inner))) => {
            let document: Value = serde_json::from_slice(&request.body).unwrap();
            let name = document[inner]["name"].as_str().unwrap();
            if !parent.is_empty() && !store.contains_key(parent) {
                return ("404 Not Found", "no parent".to_owned());
            }
            if store.insert(format!("{path}/{name}"), document.clone()).is_some() {
                return ("409 Conflict", "already there".to_owned());
            }
            ("201 Created", name.to_owned())
        }
        ("GET", None) => match store.get(path) {
            Some(document) => ("200 OK", document.to_string()),
            None => ("404 Not Found", "No such resource".to_owned()),
        },
        ("PUT", None) if store.contains_key(path) => {
            let document: Value = serde_json::from_slice(&request.body).unwrap();
            store.insert(path.to_owned(), document);
            ("200 OK", String::new())
        }
        ("DELETE", None) if store.contains_key(path) => {
            let below = format!("{path}/");
            if query != "recurse=true" && store.keys().any(|key| key.starts_with(&below)) {
                return ("403 Forbidden", "not empty".to_owned());
            }
            store.retain(|key, _| key != path && !key.starts_with(&below));
            ("200 OK", String::new())
        }
        _ => ("404 Not Found", String::new()),
    }
}

/// A workspace with a release, and a pipeline that publishes to the server.
struct World {
    folder: tempfile::TempDir,
    pipeline: Pipeline,
}

impl World {
    fn new(port: u16, options: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("login"), "amt:geheim-4711\n").unwrap();
        let mut all = json!({ "endpoint": format!("http://127.0.0.1:{port}/geoserver"), "workspace": "stadt", "credentials": { "file": "login" } });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let config: PublishConfig = serde_json::from_value(json!({ "kind": "geoserver" })).unwrap();
        let config = PublishConfig { options: serde_json::from_value(all).unwrap(), ..config };
        let pipeline = Pipeline {
            config: samples::pipeline(),
            datasets: Vec::new(),
            publish: vec![config],
            file: folder.path().join("p.toml"),
        };
        let world = Self { folder, pipeline };
        world.release(&["flurstueck", "gebaeude"], 1, 3);
        world
    }

    /// A release of the first datasets of the town; the cadastre has these tables, `version` makes other data.
    fn release(&self, tables: &[&str], version: u8, datasets: usize) {
        let public = self.folder.path().join("current/public");
        std::fs::create_dir_all(public.join("alkis")).unwrap();
        std::fs::create_dir_all(public.join("portal")).unwrap();
        geopackage(&public.join("alkis/cadastre.gpkg"), tables);
        let mut samples = samples::datasets();
        samples[1].artefacts[0].digest = messkette::io::Digest::of(&[version]);
        let published: Vec<PublishedDataset<'_>> = samples
            .iter()
            .take(datasets)
            .map(|sample| PublishedDataset {
                config: &sample.config,
                kind: sample.kind,
                facts: &sample.facts,
                artefacts: &sample.artefacts,
                uuid: Some(uuid::Uuid::nil()),
                preview: None,
                stale_units: 0,
            })
            .collect();
        let input = PortalInput {
            pipeline: &self.pipeline.config,
            datasets: &published,
            audience: Audience::Public,
            date: "2026-11-21".parse().unwrap(),
            base_url: self.pipeline.config.base_url.as_deref(),
        };
        for file in publish::files(&self.pipeline, &input).unwrap() {
            std::fs::write(public.join(file.path), file.bytes).unwrap();
        }
    }

    fn night(&self) -> Vec<Outside> {
        [Phase::Before, Phase::After]
            .into_iter()
            .flat_map(|phase| publish::outside(&self.pipeline, self.folder.path(), phase))
            .collect()
    }
}

fn geopackage(path: &Path, tables: &[&str]) {
    let _ = std::fs::remove_file(path);
    let base = rusqlite::Connection::open(path).unwrap();
    base.execute_batch("CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT, identifier TEXT)").unwrap();
    for table in tables {
        base.execute("INSERT INTO gpkg_contents VALUES (?1, 'features', ?1)", [table]).unwrap();
    }
    base.execute("INSERT INTO gpkg_contents VALUES ('nur_text', 'attributes', 'x')", []).unwrap();
}

fn changed(all: &[Outside]) -> Vec<&str> {
    all.iter().flat_map(|outside| &outside.changed).map(String::as_str).collect()
}

fn exit(all: &[Outside]) -> Exit {
    all.iter().map(Outside::exit).find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok)
}

#[test]
fn a_map_server_serves_what_is_released_and_nothing_of_others_is_touched() {
    let server = start();
    let proxy = Proxy::before(server.port);
    let world = World::new(proxy.port, &json!({}));
    let first = world.night();
    assert_eq!(exit(&first), Exit::Ok, "{first:?}");
    assert_eq!(changed(&first), ["workspace stadt", "dop20-2026-orthophoto with 1 layers", "alkis-cadastre with 2 layers"]);
    {
        let store = server.store.lock().unwrap();
        let layer = &store["workspaces/stadt/datastores/alkis-cadastre/featuretypes/alkis-flurstueck"]["featureType"];
        assert_eq!(
            (layer["nativeName"].as_str(), layer["title"].as_str()),
            (Some("flurstueck"), Some("Liegenschaftskataster (ALKIS): flurstueck"))
        );
        let link = &layer["metadataLinks"]["metadataLink"][0];
        assert_eq!(link["content"], "https://geo.example.org/daten/metadata/alkis.xml");
        assert_eq!(link["metadataType"], "ISO19115:2003");
        let image = &store["workspaces/stadt/coveragestores/dop20-2026-orthophoto"]["coverageStore"];
        let file = world.folder.path().join("current/public/dop20-2026/orthophoto.tif");
        assert_eq!(image["url"].as_str().unwrap(), format!("file:{}", file.display()));
        assert!(!store.keys().any(|key| key.contains("nur_text")));
    }
    // Nothing new: it only reads.
    proxy.requests();
    assert_eq!(changed(&world.night()), Vec::<&str>::new());
    let requests = proxy.requests();
    assert!(requests.iter().all(|request| request.line.starts_with("GET ")));
    assert_eq!(requests.len(), 3 + 2, "workspace and two stores, then two lists");

    // New data with other tables.
    world.release(&["flurstueck", "nutzung"], 2, 3);
    assert_eq!(changed(&world.night()), ["alkis-cadastre with 2 layers"]);
    let bodies: Vec<String> = proxy.requests().iter().map(Request::text).collect();
    assert!(bodies.iter().any(|body| body.contains("<layerName>stadt:alkis-nutzung</layerName>")), "old tiles are thrown away");
    {
        let mut store = server.store.lock().unwrap();
        let keys: Vec<&String> = store.keys().filter(|key| key.contains("featuretypes/")).collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert!(!store.contains_key("workspaces/stadt/datastores/alkis-cadastre/featuretypes/alkis-gebaeude"));
        // Somebody else's store, and one that takes a name of ours.
        let foreign = json!({ "dataStore": { "name": "baumkataster", "description": "Grünflächenamt" } });
        store.insert("workspaces/stadt/datastores/baumkataster".to_owned(), foreign);
        let taken = json!({ "coverageStore": { "name": "dop20-2026-orthophoto" } });
        store.insert("workspaces/stadt/coveragestores/dop20-2026-orthophoto".to_owned(), taken);
    }
    let told = world.night();
    assert_eq!((exit(&told), changed(&told)), (Exit::Quarantined, Vec::new()));
    assert_eq!(told[0].left[0].0, "dop20-2026");

    // No longer released: told of, and taken away only where the pipeline says so.
    world.release(&["flurstueck"], 2, 0);
    let kept = world.night();
    assert_eq!((changed(&kept), kept[1].left.len()), (Vec::new(), 1), "{kept:?}");
    let mut pruning = World::new(proxy.port, &json!({ "prune": true }));
    pruning.release(&["flurstueck"], 2, 0);
    assert_eq!(changed(&pruning.night()), ["alkis-cadastre removed"]);
    // Another pipeline's are somebody else's.
    pruning.pipeline.config.name = "andere".to_owned();
    assert_eq!(changed(&pruning.night()), Vec::<&str>::new());
    let left: Vec<String> = server.store.lock().unwrap().keys().filter(|key| key.matches('/').count() == 3).cloned().collect();
    assert_eq!(left, ["workspaces/stadt/coveragestores/dop20-2026-orthophoto", "workspaces/stadt/datastores/baumkataster"]);
}

/// Each call × each fault: the next night finds everything in order or brings it in order.
#[test]
fn no_fault_leaves_a_map_server_half_done() {
    let calls = [
        "GET /geoserver/rest/workspaces/stadt.json",
        "POST /geoserver/rest/workspaces ",
        "POST /geoserver/rest/workspaces/stadt/datastores ",
        "/featuretypes",
        "POST /geoserver/rest/reset",
        "masstruncate",
        "PUT /geoserver/rest/workspaces/stadt/datastores",
        "/coverages",
    ];
    let faults = [
        Fault::Reset(false),
        Fault::Reset(true),
        Fault::Truncated,
        Fault::Html200(false),
        Fault::Unauthorized,
        Fault::TooMany,
        Fault::Server(false),
        Fault::Server(true),
        Fault::Unavailable,
    ];
    for call in calls {
        for fault in faults {
            let server = start();
            let proxy = Proxy::before(server.port);
            let world = World::new(proxy.port, &json!({}));
            proxy.arm(call, fault, 1);
            let broken = world.night();
            assert!(proxy.struck(), "{call} {fault:?}");
            let shown = format!("{broken:?}");
            assert!(!shown.contains("geheim") && !shown.contains("YW10"), "{shown}");
            if fault == Fault::Unauthorized {
                assert_eq!(exit(&broken), Exit::Credentials, "{call}");
            }
            let mended = world.night();
            assert_eq!(exit(&mended), Exit::Ok, "{call} {fault:?}: {mended:?}");
            assert_eq!(changed(&world.night()), Vec::<&str>::new(), "{call} {fault:?}");
            let store = server.store.lock().unwrap();
            let layers = store.keys().filter(|key| key.contains("/featuretypes/") || key.contains("/coverages/")).count();
            assert_eq!(layers, 3, "{call} {fault:?}");
        }
    }
}

#[test]
fn a_portal_of_the_office_gets_our_layers_and_keeps_its_own() {
    let mut world = World::new(1, &json!({}));
    let list = world.folder.path().join("services.json");
    let theirs = "[\n    { \"id\": \"453\",   \"name\": \"Stadtplan\", \"opacity\": 1.50 }\n]\n";
    std::fs::write(&list, theirs).unwrap();
    let config: PublishConfig = serde_json::from_value(json!({ "kind": "masterportal" })).unwrap();
    let options = json!({ "merge_into": "services.json", "background": [{ "title": "Karte", "url": "https://x.example/wms", "layers": "a" }] });
    world.pipeline.publish = vec![PublishConfig { options: serde_json::from_value(options).unwrap(), ..config }];
    world.release(&["flurstueck"], 1, 3);
    let night = world.night();
    assert_eq!(exit(&night), Exit::Ok, "{night:?}");
    let text = std::fs::read_to_string(&list).unwrap();
    assert!(text.contains("{ \"id\": \"453\",   \"name\": \"Stadtplan\", \"opacity\": 1.50 }"), "{text}");
    let layers: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(layers.len() > 2 && !text.contains("hintergrund"), "{text}");
    assert_eq!(layers[1]["datasets"][0]["md_id"], uuid::Uuid::nil().to_string());
    let written = std::fs::metadata(&list).unwrap().modified().unwrap();
    assert_eq!(changed(&world.night()), Vec::<&str>::new());
    assert_eq!(std::fs::metadata(&list).unwrap().modified().unwrap(), written, "a night without news writes nothing");
    world.release(&["flurstueck"], 1, 0);
    assert!(changed(&world.night()).iter().all(|line| line.ends_with("removed")));
    let left: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&list).unwrap()).unwrap();
    assert_eq!(left, serde_json::from_str::<Vec<Value>>(theirs).unwrap());
    // What is no list stays as it is.
    std::fs::write(&list, "{ \"kaputt\": ").unwrap();
    world.release(&["flurstueck"], 1, 3);
    assert_eq!(exit(&world.night()), Exit::Usage);
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "{ \"kaputt\": ");
    world.pipeline.config.base_url = None;
    assert_eq!(exit(&world.night()), Exit::Usage);
}
