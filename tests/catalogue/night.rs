//! A whole night: data released, a map server told, a catalogue brought in step, and no password anywhere but on its way.

use crate::geoserver;
use crate::proxy::{Fault, Proxy};
use crate::pycsw::{Pycsw, python};
use crate::serve::harvest;
use crate::world::listing;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const SECRETS: [&str; 4] = ["KANARI-geheim-4711", "bW5tOktBTkFSSS1nZWhlaW0tNDcxMQ==", "geheim-4711", "YW10OmdlaGVpbS00NzEx"];

fn pipeline(folder: &Path, csw: u16, geoserver: u16) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/orthophoto/dop20*.tif");
    let text = format!(
        r#"[pipeline]
name = "nacht"
workspace = "work"
base_url = "https://geo.example.org/daten"
contact = {{ organisation = "Amt", email = "geodaten@example.org" }}
[[dataset]]
id = "dop"
kind = "orthophoto"
source = ["{}"]
audience = "public"
cog = true
tiles = [{{ zoom = [13, 14] }}]
metadata = {{ title = "Luftbild", licence = "dl-by-de/2.0", attribution = "Amt", theme = "oi" }}
[[publish]]
kind = "csw"
endpoint = "http://127.0.0.1:{csw}/csw"
transaction = "http://127.0.0.1:{csw}/csw"
dialect = "pycsw"
credentials = {{ env = "MK_TEST_CSW" }}
attempts = 1
[[publish]]
kind = "geoserver"
endpoint = "http://127.0.0.1:{geoserver}/geoserver"
workspace = "stadt"
credentials = {{ env = "MK_TEST_MAP" }}
"#,
        fixtures.display()
    );
    std::fs::write(folder.join("p.toml"), text).unwrap();
}

/// Exit code and all that it said.
fn night(folder: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_messkette"))
        .args(["run", "--json", "-vv"])
        .arg(folder.join("p.toml"))
        .env("MK_TEST_CSW", "mnm:KANARI-geheim-4711")
        .env("MK_TEST_MAP", "amt:geheim-4711")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_night_tells_everybody_and_keeps_its_passwords() {
    let Some(catalogue) = Pycsw::start() else { return };
    let maps = geoserver::start();
    let (to_catalogue, to_maps) = (Proxy::before(catalogue.port), Proxy::before(maps.port));
    let folder = tempfile::tempdir().unwrap();
    pipeline(folder.path(), to_catalogue.port, to_maps.port);
    let mut told = Vec::new();

    let (code, said) = night(folder.path());
    assert_eq!(code, 0, "{said}");
    told.push(said);
    assert_eq!(listing(catalogue.port).len(), 2, "the dataset and the download service");
    {
        let store = maps.store.lock().unwrap();
        let group = &store["workspaces/stadt/layergroups/dop"]["layerGroup"]["publishables"]["published"];
        let names: Vec<&str> = group.as_array().unwrap().iter().map(|layer| layer["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["stadt:dop-dop20rgb-32-565-5948-1-sh-20230514", "stadt:dop-dop20rgb-32-566-5948-1-sh-20230514"]);
        assert_eq!(store.keys().filter(|key| key.contains("/coverages/")).count(), 2);
    }
    let sent = |proxy: &Proxy| proxy.requests().iter().any(|request| request.header("authorization").is_some());
    assert!(sent(&to_catalogue) && sent(&to_maps), "both got their passwords");
    // Nothing new: nothing is written.
    let (code, said) = night(folder.path());
    assert_eq!(code, 0, "{said}");
    told.push(said);
    assert!(to_catalogue.requests().iter().all(|request| !request.writes()));
    assert!(to_maps.requests().iter().all(|request| request.line.starts_with("GET ")));

    // A server that throws back what it got, one that is not there: the data are out all the same.
    for (fault, exit) in [(Fault::Unauthorized, 12), (Fault::Unavailable, 75)] {
        for proxy in [&to_catalogue, &to_maps] {
            proxy.arm("GET", fault, 50);
            let (code, said) = night(folder.path());
            assert_eq!(code, exit, "{said}");
            assert!(said.contains("the data are released"), "{said}");
            proxy.struck();
            told.push(said);
        }
    }
    for entry in walkdir::WalkDir::new(folder.path()).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        told.push(String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned());
    }
    for text in &told {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{text}");
        }
    }

    // The folder of records alone is enough for a catalogue that harvests.
    let Some(python) = python() else { return };
    let mut files = Command::new(python)
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"])
        .arg(folder.path().join("work/current/public/metadata"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(files.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.split("port ").nth(1).unwrap().split(' ').next().unwrap();
    let harvester = Pycsw::start().unwrap();
    let answer = harvest(harvester.port, &format!("http://127.0.0.1:{port}"), "urn:geoss:waf");
    let (mut found, mut want) = (listing(harvester.port), listing(catalogue.port));
    files.kill().unwrap();
    files.wait().unwrap();
    found.retain(|id| want.contains(id));
    found.sort();
    want.sort();
    assert_eq!(found, want, "{answer}");
}
