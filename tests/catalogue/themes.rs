//! A theme that a server has: pages are fetched whole or not at all, and what did not change costs nothing.

use crate::http::{Request, answer};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

/// What the server does.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mood {
    Fine,
    /// The second page fails.
    Broken,
    /// The next link leads back.
    Circle,
    /// The next link leads to another server.
    Elsewhere,
    /// The second page of a WFS is the first.
    Same,
}

struct Server {
    port: u16,
    mood: Arc<Mutex<(Mood, usize)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mood, asked) = (Arc::new(Mutex::new((Mood::Fine, 25))), Arc::new(Mutex::new(Vec::new())));
        let (moods, asks) = (Arc::clone(&mood), Arc::clone(&asked));
        std::thread::spawn(move || {
            for (turn, stream) in listener.incoming().flatten().enumerate() {
                let Some(request) = Request::read(&stream) else { continue };
                let target = request.target().to_owned();
                asks.lock().unwrap_or_else(PoisonError::into_inner).push(target.clone());
                let (mood, count) = *moods.lock().unwrap_or_else(PoisonError::into_inner);
                let page = if target.starts_with("/wfs") {
                    wfs(&target, mood, count, turn)
                } else {
                    items(&target, mood, count, turn, port)
                };
                match page {
                    Some((media_type, body)) => answer(&stream, "200 OK", &[("Content-Type", media_type)], body.as_bytes()),
                    None => answer(&stream, "500 Internal Server Error", &[], b"no"),
                }
            }
        });
        Self { port, mood, asked }
    }
    fn set(&self, mood: Mood, count: usize) {
        *self.mood.lock().unwrap() = (mood, count);
    }
}

fn parameter(target: &str, name: &str) -> usize {
    let found = target.split(['?', '&']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn east(number: usize) -> usize {
    565_000 + number * 100
}

fn wfs(target: &str, mood: Mood, count: usize, turn: usize) -> Option<(&'static str, String)> {
    let (mut start, most) = (parameter(target, "STARTINDEX"), parameter(target, "COUNT"));
    if mood == Mood::Broken && start > 0 {
        return None;
    }
    if mood == Mood::Same {
        start = 0;
    }
    let members: Vec<String> = (start..count.min(start + most))
        .map(|number| {
            format!(
                "<wfs:member><app:ort gml:id=\"o{number}\"><app:nr>{number}</app:nr><app:geom><gml:Point gml:id=\"p{number}\" \
                 srsName=\"urn:ogc:def:crs:EPSG::25832\"><gml:pos>{} 5950000</gml:pos></gml:Point></app:geom></app:ort></wfs:member>",
                east(number)
            )
        })
        .collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<wfs:FeatureCollection xmlns:wfs=\"http://www.opengis.net/wfs/2.0\" \
         xmlns:gml=\"http://www.opengis.net/gml/3.2\" xmlns:app=\"http://example.org/app\" timeStamp=\"2026-11-21T00:00:{turn:02}Z\" \
         numberMatched=\"{count}\" numberReturned=\"{}\">{}</wfs:FeatureCollection>\n",
        members.len(),
        members.concat()
    );
    Some(("application/gml+xml", body))
}

fn items(target: &str, mood: Mood, count: usize, turn: usize, port: u16) -> Option<(&'static str, String)> {
    let (start, most) = (parameter(target, "offset"), parameter(target, "limit"));
    if mood == Mood::Broken && start > 0 {
        return None;
    }
    let feature = |number: usize| {
        let longitude = 9.98 + number as f64 / 1000.0;
        json!({ "type": "Feature", "id": number, "properties": { "nr": number },
                "geometry": { "type": "Point", "coordinates": [longitude, 53.68] } })
    };
    let end = count.min(start + most);
    let features: Vec<Value> = (start..end).map(feature).collect();
    let mut links = vec![json!({ "rel": "self", "href": target })];
    if end < count {
        let next = match mood {
            Mood::Circle => target.to_owned(),
            Mood::Elsewhere => "http://127.0.0.1:9/items".to_owned(),
            _ => format!("http://127.0.0.1:{port}/orte/items?f=json&limit={most}&offset={end}"),
        };
        links.push(json!({ "rel": "next", "href": next }));
    }
    let page = json!({ "type": "FeatureCollection", "features": features, "links": links, "numberMatched": count,
                       "timeStamp": format!("2026-11-21T00:00:{turn:02}Z") });
    Some(("application/geo+json", page.to_string()))
}

fn write(folder: &Path, endpoint: &str) {
    let text = format!(
        "[pipeline]\nname = \"a\"\nworkspace = \"work\"\ncrs = \"EPSG:25832\"\n[[dataset]]\nid = \"orte\"\nkind = \"vector_theme\"\n\
         endpoint = {endpoint}\nfields = [{{ name = \"nr\", type = \"integer\" }}]\nkey = \"nr\"\nzoom = [10, 12]\naudience = \"public\"\n"
    );
    std::fs::write(folder.join("p.toml"), text).unwrap();
}

/// Exit code, units done, features, what was said.
fn night(folder: &Path) -> (i32, u64, usize, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_messkette")).args(["run", "--json"]).arg(folder.join("p.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary: Value =
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default())
            .unwrap_or_default();
    let made = std::fs::read(folder.join("work/current/public/orte/theme.geojson")).unwrap_or_default();
    let made: Value = serde_json::from_slice(&made).unwrap_or_default();
    let done = summary["summary"]["units"]["done"].as_u64().unwrap_or(0);
    (output.status.code().unwrap_or(-1), done, made["features"].as_array().map_or(0, Vec::len), said)
}

#[test]
fn pages_of_a_server_are_fetched_whole_or_not_at_all() {
    for protocol in ["wfs", "oapif"] {
        let server = Server::start();
        let folder = tempfile::tempdir().unwrap();
        let port = server.port;
        write(
            folder.path(),
            &if protocol == "wfs" {
                format!("{{ protocol = \"wfs\", url = \"http://127.0.0.1:{port}/wfs\", type_name = \"app:ort\", page = 10 }}")
            } else {
                format!("{{ protocol = \"oapif\", url = \"http://127.0.0.1:{port}/orte\", page = 10 }}")
            },
        );
        let (code, done, features, said) = night(folder.path());
        assert_eq!((code, features), (0, 25), "{protocol}: {said}");
        assert!(done >= 2, "{protocol}");
        assert_eq!(server.asked.lock().unwrap().len(), 3, "{protocol}: three pages");
        // The same theme again, with other time stamps: nothing is done.
        let (code, done, features, said) = night(folder.path());
        assert_eq!((code, done, features), (0, 0, 25), "{protocol}: {said}");
        // A page that fails is a delivery that did not come: what was there stays.
        let faults: &[Mood] =
            if protocol == "wfs" { &[Mood::Broken, Mood::Same] } else { &[Mood::Broken, Mood::Circle, Mood::Elsewhere] };
        for mood in faults {
            server.set(*mood, 26);
            let (code, done, features, said) = night(folder.path());
            assert_eq!((code, done, features), (3, 0, 25), "{protocol} {mood:?}: {said}");
            assert!(said.contains("refused"), "{protocol} {mood:?}: {said}");
        }
        // A plan asks nobody.
        let asked = server.asked.lock().unwrap().len();
        let plan = Command::new(env!("CARGO_BIN_EXE_messkette")).arg("plan").arg(folder.path().join("p.toml")).output().unwrap();
        assert_eq!(plan.status.code(), Some(0));
        assert_eq!(server.asked.lock().unwrap().len(), asked);
        // One more, and all is well again.
        server.set(Mood::Fine, 26);
        let (code, _, features, said) = night(folder.path());
        assert_eq!((code, features), (0, 26), "{protocol}: {said}");
        // A theme that became empty is no theme.
        server.set(Mood::Fine, 0);
        let (code, _, features, said) = night(folder.path());
        assert_eq!((code, features), (3, 26), "{protocol}: {said}");
    }
}
