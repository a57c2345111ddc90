//! What `messkette serve` answers, read by those who come for it: OWSLib, the queries of MetaSearch, pycsw's own harvester.

use crate::http::{Request, call};
use crate::pycsw::{Pycsw, python};
use crate::samples;
use crate::world::listing;
use messkette::metadata::{CatalogueLock, ogc_record};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Served {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
    records: BTreeMap<String, String>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A release with the records of the sample town, served by the program.
fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let metadata = folder.path().join("releases/r0001-12345678/public/metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    std::os::unix::fs::symlink("releases/r0001-12345678", folder.path().join("current")).unwrap();
    let pipeline = samples::pipeline();
    let mut lock = CatalogueLock::new(&pipeline);
    let mut records = BTreeMap::new();
    for sample in samples::datasets() {
        let rendered = lock.render(&samples::input(&pipeline, &sample), "2026-11-20".parse().unwrap()).unwrap();
        let json = ogc_record::write(&rendered.record, "x.json").to_string();
        std::fs::write(metadata.join(format!("{}.xml", sample.config.id)), &rendered.xml).unwrap();
        std::fs::write(metadata.join(format!("{}.json", sample.config.id)), json).unwrap();
        records.insert(rendered.uuid.to_string(), rendered.title);
    }
    let text =
        "[pipeline]\nname = \"t\"\nworkspace = \".\"\n[[dataset]]\nid = \"d\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n";
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_messkette"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg(folder.path().join("p.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (url, rest) = line.split_once(": ").unwrap();
    assert!(rest.starts_with("3 records"), "{line}");
    Served { child, url: url.to_owned(), _folder: folder, records }
}

fn get(served: &Served, path: &str) -> (u16, String) {
    let port = served.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let request = Request { line: format!("GET {path} HTTP/1.1"), headers: Vec::new(), body: Vec::new() };
    let (status, body) = call(port, &request, b"");
    (status, String::from_utf8(body).unwrap())
}

#[test]
fn harvesters_and_search_boxes_read_all_of_it() {
    let Some(python) = python() else { return };
    let served = serve();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/harvest.py");
    let output = Command::new(python).args(["-W", "ignore"]).arg(script).arg(&served.url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let want = serde_json::to_value(&served.records).unwrap();
    for way in ["iso", "core", "api"] {
        assert_eq!(found[way], want, "{way}");
    }
    let first = served.records.keys().next().unwrap();
    assert_eq!(found["by_id"], serde_json::json!([first]));
    assert_eq!(found["equal"], serde_json::json!([first]));
    assert_eq!(found["search"], serde_json::json!(["Digitale Orthophotos 2026 (20 cm)"]));
    assert_eq!(found["dialog"], found["search"]);
    assert_eq!(found["elsewhere"], 0);
    assert_eq!(found["bbox"][first], serde_json::json!([9.8461, 53.6604, 10.0765, 53.7871]));

    // pycsw's own harvester takes them over.
    let Some(pycsw) = Pycsw::start() else { return };
    let answer = harvest(pycsw.port, &format!("{}/csw", served.url), "http://www.opengis.net/cat/csw/2.0.2");
    let harvested = listing(pycsw.port);
    for id in served.records.keys() {
        assert!(harvested.contains(id), "{harvested:?}: {answer}");
    }
}

/// Lets a catalogue fetch records by itself.
pub fn harvest(port: u16, source: &str, kind: &str) -> String {
    let body = format!(
        "<csw:Harvest xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\" service=\"CSW\" version=\"2.0.2\"><csw:Source>{source}</csw:Source>\
         <csw:ResourceType>{kind}</csw:ResourceType></csw:Harvest>"
    );
    let request = Request {
        line: "POST /csw HTTP/1.1".to_owned(),
        headers: vec!["Content-Type: application/xml".to_owned()],
        body: Vec::new(),
    };
    String::from_utf8_lossy(&call(port, &request, body.as_bytes()).1).into_owned()
}

/// A dialog of a portal on another site asks as Masterportal 3.19 does, from a browser.
#[test]
fn browsers_on_other_sites_may_read() {
    let served = serve();
    let port: u16 = served.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let id = served.records.keys().next().unwrap();
    let target = format!(
        "/csw?service=CSW&request=GetRecordById&version=2.0.2&outputschema=http://www.isotc211.org/2005/gmd&elementsetname=full&id={id}"
    );
    for (method, body) in [("GET", "gmd:MD_Metadata"), ("OPTIONS", "")] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let origin = "Origin: https://portal.example.org\r\nAccess-Control-Request-Headers: content-type";
        write!(stream, "{method} {target} HTTP/1.1\r\nHost: x\r\n{origin}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("Access-Control-Allow-Origin: *") && head.contains("Access-Control-Allow-Headers: Content-Type"),
            "{head}"
        );
        assert!(content.contains(body), "{content}");
    }
}

#[test]
fn what_is_not_understood_is_refused_in_the_standards_words() {
    let served = serve();
    let csw = |query: &str| get(&served, &format!("/csw?service=CSW&version=2.0.2&{query}")).1;
    let id = served.records.keys().next().unwrap();
    assert!(
        csw(&format!("request=GetRecordById&id={id}&outputSchema=http://www.isotc211.org/2005/gmd")).contains("<gmd:MD_Metadata")
    );
    assert!(csw("request=GetRecords&resultType=hits&typeNames=csw:Record").contains("numberOfRecordsMatched=\"3\""));
    assert!(csw("request=GetRecords&resultType=results&startPosition=3&maxRecords=10").contains("nextRecord=\"0\""));
    assert!(csw("request=GetRecords&resultType=results&startPosition=30").contains("nextRecord=\"0\""));
    for (query, code) in [
        ("request=GetRecordById", "MissingParameterValue"),
        ("request=Transaction", "OperationNotSupported"),
        ("request=GetRecords&startPosition=0", "InvalidParameterValue"),
        ("request=GetRecordById&id=x&outputSchema=http://x", "InvalidParameterValue"),
        ("request=GetRecords&constraintLanguage=CQL_TEXT&constraint=a", "InvalidParameterValue"),
        ("", "MissingParameterValue"),
    ] {
        assert!(csw(query).contains(code), "{query}: {}", csw(query));
    }
    assert_eq!(get(&served, "/collections/records/items?limit=2").0, 200);
    assert!(get(&served, "/collections/records/items?limit=2").1.contains("\"rel\":\"next\""));
    for bad in ["/collections/records/items?limit=0", "/collections/records/items?bbox=1,2", "/collections/records/items?x=1"] {
        assert_eq!(get(&served, bad).0, 400, "{bad}");
    }
    for missing in ["/collections/records/items/x", "/../../etc/passwd", "/x"] {
        assert_eq!(get(&served, missing).0, 404, "{missing}");
    }
}
