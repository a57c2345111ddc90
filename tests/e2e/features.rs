//! OGC API – Features: what is served is what is released, in pages, boxes, times and CRSs, for those who may see it.

use super::oracles::{self, ogr_counts};
use super::served::{Part, Served};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn names(page: &Value) -> Vec<String> {
    page["features"].as_array().unwrap().iter().map(|feature| feature["id"].to_string()).collect()
}

fn link(value: &Value, rel: &str) -> Option<String> {
    let links = value["links"].as_array().unwrap();
    links.iter().find(|link| link["rel"] == rel).map(|link| link["href"].as_str().unwrap().to_owned())
}

#[test]
fn gdal_and_owslib_read_what_the_geopackages_have() {
    let part = Part::of(&["cadastre", "city_model", "playground", "vector_theme"]);
    let served = Served::start(&part.pipeline(), &["--audience", "internal"]);
    let Some(mut command) = oracles::python("read_features.py") else { return };
    command.arg(&served.url).arg(part.work().join("current/internal"));
    let counts: BTreeMap<String, u64> = serde_json::from_str(&oracles::run(command)).unwrap();
    assert!(counts.len() >= 20, "{counts:?}");
    // The system's GDAL too.
    let Some(theirs) = ogr_counts(Path::new(&format!("OAPIF:{}", served.url))) else { return };
    assert_eq!(theirs, counts);
    // Buildings of the city model are the areas that they stand on.
    let base = Connection::open(part.work().join("current/internal/lod2/buildings.gpkg")).unwrap();
    let buildings: i64 = base.query_row("SELECT count(*) FROM gebaeude", [], |row| row.get(0)).unwrap();
    assert_eq!(counts["lod2"], buildings.unsigned_abs());
    assert!(counts["alkis:Flurstueck"] > 1000 && counts["spielplaetze:pruefung"] > 300);
}

#[test]
fn requests_are_answered_as_the_standard_says() {
    let part = Part::of(&["playground", "vector_theme"]);
    let served = Served::start(&part.pipeline(), &["--audience", "internal"]);
    let get = |path: &str| served.get(path);
    let base = Connection::open(part.work().join("current/internal/spielplaetze/playground_intern.gpkg")).unwrap();
    let count = |sql: &str| base.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs();

    // Landing page to features, by links alone.
    let landing = get("").json();
    for (rel, media_type) in [
        ("service-desc", "application/vnd.oai.openapi+json;version=3.0"),
        ("service-doc", "text/html; charset=utf-8"),
        ("conformance", "application/json"),
        ("data", "application/json"),
    ] {
        let answer = get(&link(&landing, rel).unwrap());
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type));
    }
    let collections = get(&link(&landing, "data").unwrap()).json();
    let devices =
        collections["collections"].as_array().unwrap().iter().find(|it| it["id"] == "spielplaetze:spielgeraet").unwrap();
    assert_eq!(devices["crs"][0], "http://www.opengis.net/def/crs/OGC/1.3/CRS84");
    assert_eq!(devices["storageCrs"], "http://www.opengis.net/def/crs/EPSG/0/25832");
    assert_eq!(devices["title"], "Spielplätze Kettenau: Spielgeräte");
    let items = link(devices, "items").unwrap();

    // Limit, offset, next: the whole table, each feature once, in the same order as in one page.
    let all = get(&format!("{items}?limit=10000")).json();
    assert_eq!(all["numberMatched"], count("SELECT count(*) FROM spielgeraet"));
    let (mut walked, mut next) = (Vec::new(), Some(format!("{items}?limit=4")));
    while let Some(address) = next {
        let page = get(&address).json();
        assert!(
            page["features"].as_array().unwrap().len() <= 4
                && page["numberReturned"] == page["features"].as_array().unwrap().len()
        );
        walked.extend(names(&page));
        next = link(&page, "next");
    }
    assert_eq!(walked, names(&all));
    assert_eq!(names(&get(&format!("{items}?limit=4&offset=3")).json()), names(&all)[3..7]);
    assert!(link(&get(&format!("{items}?limit=4&offset=3")).json(), "prev").unwrap().contains("offset=0"));
    assert_eq!(get(&format!("{items}?limit=100000")).status, 200, "more than the most is the most");
    assert!(names(&get(&format!("{items}?offset=99999999999999999999")).json()).is_empty());

    // A walk through what a filter chooses.
    let filter = "geraetetyp=schaukel&limit=1";
    let (mut walked, mut next) = (0, Some(format!("{items}?{filter}")));
    while let Some(address) = next {
        let page = get(&address).json();
        assert!(page["features"].as_array().unwrap().iter().all(|it| it["properties"]["geraetetyp"] == "schaukel"));
        walked += page["numberReturned"].as_u64().unwrap();
        next = link(&page, "next");
    }
    assert_eq!(walked, count("SELECT count(*) FROM spielgeraet WHERE geraetetyp = 'schaukel'"));

    // Times: instant, interval, open ends; what has no time is at any.
    let inspections =
        |query: &str| get(&format!("/collections/spielplaetze:pruefung/items?limit=1&{query}")).json()["numberMatched"].clone();
    for (query, condition) in [
        ("datetime=2025-03-01/2025-06-30", "datum BETWEEN '2025-03-01' AND '2025-06-30'"),
        ("datetime=2025-03-01T00:00:00Z/..", "datum >= '2025-03-01'"),
        ("datetime=../2024-12-31T23:59:59Z", "datum <= '2024-12-31'"),
        ("datetime=2025-03-01T12:00:00%2B01:00", "datum = '2025-03-01'"),
        ("datetime=../2024-12-31&pruefart=haupt", "datum <= '2024-12-31' AND pruefart = 'haupt'"),
        ("bbox=0,0,1,1&pruefart=haupt", "pruefart = 'haupt'"),
    ] {
        assert_eq!(inspections(query), count(&format!("SELECT count(*) FROM pruefung WHERE {condition}")), "{query}");
    }
    assert_eq!(
        get("/collections/spielplaetze:spielplatz/items?datetime=1900-01-01").json()["numberMatched"],
        4,
        "a site has no time"
    );

    // CRSs: header, order of axes, the same feature.
    let name = names(&all)[0].trim_matches('"').to_owned();
    let epsg = |code: u32| format!("http://www.opengis.net/def/crs/EPSG/0/{code}");
    let at = |query: &str| {
        let answer = get(&format!("{items}/{name}{query}"));
        let point: [f64; 2] = serde_json::from_value(answer.json()["geometry"]["coordinates"].clone()).unwrap();
        (answer.header("content-crs").to_owned(), point)
    };
    let (crs, [lon, lat]) = at("");
    assert_eq!(crs, "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>");
    assert_eq!(at(&format!("?crs={}", epsg(4326))), (format!("<{}>", epsg(4326)), [lat, lon]));
    assert_eq!(at(&format!("?crs={}", epsg(4258))).1, [lat, lon]);
    let [east, north] = at(&format!("?crs={}", epsg(25832))).1;
    assert!((564_500.0..566_500.0).contains(&east) && (5_947_500.0..5_949_500.0).contains(&north), "{east} {north}");
    let near = |bbox: String| get(&format!("{items}?{bbox}")).json()["numberMatched"].as_u64().unwrap();
    let d = 1e-6;
    let one = near(format!("bbox={},{},{},{}", lon - d, lat - d, lon + d, lat + d));
    assert_eq!(one, 1);
    assert_eq!(near(format!("bbox={},{},0,{},{},100", lon - d, lat - d, lon + d, lat + d)), 1, "six numbers");
    assert_eq!(near(format!("bbox={},{},{},{}&bbox-crs={}", lat - d, lon - d, lat + d, lon + d, epsg(4326))), 1);
    assert_eq!(near(format!("bbox={},{},{},{}&bbox-crs={}", east - 0.1, north - 0.1, east + 0.1, north + 0.1, epsg(25832))), 1);
    assert_eq!(near("bbox=-180,-90,180,90".to_owned()), walked_all(&all));
    assert_eq!(near("bbox=170,-90,-170,90".to_owned()), 0, "across the antimeridian");
    assert_eq!(near("bbox=10,40,11,41".to_owned()), 0);

    // One feature: its state, its absence.
    let answer = get(&format!("{items}/{name}"));
    let state = answer.header("etag").to_owned();
    let again = served.call("GET", &format!("{items}/{name}"), &[("If-None-Match", &state)], "");
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", state.as_str()));
    assert_eq!(served.call("GET", &format!("{items}/{name}"), &[("If-None-Match", "\"x\"")], "").status, 200);
    assert_eq!(answer.header("content-type"), "application/geo+json");

    // What is not defined is refused, with the reason.
    for (path, status) in [
        ("/collections/spielplaetze:spielgeraet/items?nonsense=1", 400),
        ("/collections/spielplaetze:spielgeraet?limit=1", 400),
        ("/collections/spielplaetze:spielgeraet/items?limit=0", 400),
        ("/collections/spielplaetze:spielgeraet/items?limit=-1", 400),
        ("/collections/spielplaetze:spielgeraet/items?bbox=1,2,3", 400),
        ("/collections/spielplaetze:spielgeraet/items?bbox=10,54,10.1,53", 400),
        ("/collections/spielplaetze:spielgeraet/items?bbox=NaN,1,2,3", 400),
        ("/collections/spielplaetze:spielgeraet/items?datetime=gestern", 400),
        ("/collections/spielplaetze:spielgeraet/items?crs=EPSG:25832", 400),
        ("/collections/spielplaetze:spielgeraet/items?bbox-crs=http://www.opengis.net/def/crs/EPSG/0/1", 400),
        ("/collections/spielplaetze:spielgeraet/items?baujahr=alt", 400),
        ("/collections/spielplaetze:spielgeraet/items?f=xml", 400),
        ("/collections/spielplaetze:spielgeraet/items/nobody", 404),
        ("/collections/strassenzustand/items/0", 404),
        ("/collections/nothing/items", 404),
        ("/collections/spielplaetze:gpkg_contents/items", 404),
        ("/nothing", 404),
    ] {
        let answer = get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, "application/problem+json"),
            "{path}: {}",
            answer.text
        );
        assert_eq!(answer.json()["status"], status, "{path}");
    }
    assert_eq!(served.call("GET", "/collections", &[("Accept", "image/png")], "").status, 406);
    assert!(served.call("GET", "/collections", &[("Accept", "text/html")], "").text.starts_with("<!DOCTYPE html>"));
    let refused = served.call("POST", "/collections/strassenzustand/items", &[("Content-Type", "application/geo+json")], "{}");
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD, OPTIONS"));
    let head = served.call("HEAD", &items, &[], "");
    assert_eq!((head.status, head.text.as_str(), head.header("access-control-allow-origin")), (200, "", "*"));

    // A new release: its features are served at once, and no walk goes on in it.
    let next = link(&get("/collections/spielplaetze:pruefung/items?limit=2").json(), "next").unwrap();
    assert_eq!(get(&next).status, 200);
    let before = count("SELECT count(*) FROM pruefung");
    super::town::write_demo(part.folder.path(), &["--only", "playground", "--night", "2"]);
    part.night();
    assert_eq!(get(&next).status, 410);
    let after = get("/collections/spielplaetze:pruefung/items").json()["numberMatched"].as_u64().unwrap();
    assert!(after > before, "{after} {before}");
}

fn walked_all(all: &Value) -> u64 {
    all["numberMatched"].as_u64().unwrap()
}

/// Every address that a page or a document of the server names, from its two landing pages on.
fn crawl(served: &Served) -> BTreeMap<String, String> {
    let address = regex::Regex::new(r#"href"?[:=]\s*"([^"]+)""#).unwrap();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut singles: BTreeMap<String, u32> = BTreeMap::new();
    let mut waiting: BTreeSet<String> =
        BTreeSet::from([format!("{}/", served.own), served.address("?f=html"), served.address("")]);
    while let Some(next) = waiting.pop_first() {
        let answer = served.get(&next);
        assert!(answer.status < 500, "{next}: {}", answer.text);
        for part in address.captures_iter(&answer.text) {
            let target = part[1].replace("&amp;", "&").replace("&#38;", "&");
            // Features alone are many: some of each collection stand for all.
            let one = target.split_once("/items/").filter(|_| !target.contains("/records/")).map(|(items, _)| items.to_owned());
            let single = one.is_some_and(|items| {
                let seen = singles.entry(items).or_insert(0);
                *seen += 1;
                *seen > 6
            });
            if target.starts_with(&served.own) && !single && !found.contains_key(&target) {
                waiting.insert(target);
            }
        }
        found.insert(next, answer.text);
        assert!(found.len() < 2_000, "too many addresses");
    }
    found
}

#[test]
fn the_public_sees_no_inspector_and_no_defect_wherever_it_looks() {
    let part = Part::of(&["playground", "vector_theme"]);
    let private = ["KANARI", "pruefer", "Prüfende", "mangel", "Mangel", "Verschleiß", "fallhoehe", "ausgesetzt", "hersteller"];
    let served = Served::start(&part.pipeline(), &[]);
    let seen = crawl(&served);
    assert!(seen.len() > 40, "{}", seen.len());
    assert!(seen.keys().any(|path| path.contains("spielgeraet/items/")));
    for (address, text) in &seen {
        let found = private.iter().find(|word| text.contains(**word));
        assert_eq!(found, None, "{address}");
    }
    for table in ["pruefung", "mangel", "pruefplan", "ampel", "konflikt", "hinweis"] {
        assert_eq!(served.get(&format!("/collections/spielplaetze:{table}/items")).status, 404);
    }
    // The office does.
    let served = Served::start(&part.pipeline(), &["--audience", "internal"]);
    assert!(served.get("/collections/spielplaetze:pruefung/items").text.contains("KANARI"));
}

#[test]
fn a_fuzzer_of_the_description_finds_nothing() {
    let Some(mut command) = oracles::schemathesis() else { return };
    let part = Part::of(&["playground", "vector_theme"]);
    let served = Served::start(&part.pipeline(), &[]);
    // Not asked: whether all that is refused breaks the description and all that breaks it is refused. The standard wants a limit
    // above the most to be taken, and a pattern does not know how many days February has.
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,unsupported_method,allow_header_conformance";
    command.args(["run", &format!("{}/api", served.url), "--max-examples", "3", "--phases", "examples,coverage,fuzzing"]);
    command.args(["--seed", "7", "--continue-on-failure", "--checks", checks, "--workers", "2"]);
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path());
    let told = oracles::run(command);
    assert!(told.contains("API Operations") && !told.contains("failures"), "{told}");
    assert_eq!(served.get("").json()["title"], json!("Geodaten kettenau"));
}
