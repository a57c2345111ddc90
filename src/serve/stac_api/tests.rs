//! The API over two small surveys, made here as the kind makes them.

use super::*;
use crate::format::mvt::{Layer, Shape, Value as Tag};
use crate::format::pmtiles;
use crate::serve::http::{Body, request};
use std::path::Path;

const OWN: &str = "http://geo.example.org";

fn uuid(text: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes())
}

fn save(path: &Path, value: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, value.to_string()).unwrap();
}

/// A survey of two sequences with 150 pictures each, 3 m apart on a line to the east, one picture a second.
fn survey(folder: &Path, name: &str, day: u32, blurred: bool) {
    let mut sequences = Vec::new();
    for line in 0..2 {
        let id = uuid(&format!("{name}{line}"));
        let lat = 53.7 + f64::from(line) * 0.001;
        let times: Vec<String> =
            (0..150).map(|n| format!("2026-05-{day:02}T08:{:02}:{:02}Z", 10 * line + n / 60, n % 60)).collect();
        let pictures: Vec<Uuid> = (0..150).map(|n| uuid(&format!("{name}{line}/{n}"))).collect();
        let mut frames = Vec::new();
        for (n, picture) in pictures.iter().enumerate() {
            let lon = 9.9 + n as f64 * 0.0001;
            let href = |size: &str| format!("pictures/{picture}/{size}.jpg");
            frames.push(json!({
                "id": picture, "datetime": times[n], "lon": lon, "lat": lat, "azimuth": 90.0, "chainage_m": n * 3,
                "thumb": href("thumb"), "sd": href("sd"), "hd": href("hd"), "tiles": null,
            }));
            let near = |rel: &str, other: Option<&Uuid>| {
                other.map(|id| json!({ "rel": rel, "href": format!("./{id}.json"), "type": GEOJSON, "id": id }))
            };
            let links: Vec<Value> =
                [near("prev", n.checked_sub(1).and_then(|n| pictures.get(n))), near("next", pictures.get(n + 1))]
                    .into_iter()
                    .flatten()
                    .chain([json!({ "rel": "self", "href": "x" }), json!({ "rel": "license", "href": "https://example.org/l" })])
                    .collect();
            let asset = |size: &str| json!({ "href": format!("../../{}", href(size)), "roles": [size], "type": "image/jpeg" });
            let item = json!({
                "type": "Feature", "id": picture, "collection": id, "links": links,
                "geometry": { "type": "Point", "coordinates": [lon, lat] }, "properties": { "datetime": times[n] },
                "assets": { "hd": asset("hd"), "sd": asset("sd"), "thumb": asset("thumb") },
                "asset_templates": { "tiles": { "href": format!("../../pictures/{picture}/{{TileCol}}_{{TileRow}}.jpg") } },
            });
            save(&folder.join(format!("stac/{id}/{picture}.json")), &item);
        }
        let first = pictures[0];
        std::fs::create_dir_all(folder.join(format!("pictures/{first}"))).unwrap();
        std::fs::write(folder.join(format!("pictures/{first}/thumb.jpg")), name).unwrap();
        save(&folder.join(format!("drive/{id}.json")), &json!({ "id": id, "frames": frames }));
        let collection = json!({ "type": "Collection", "id": id, "links": [{ "rel": "item", "href": "x.json" }] });
        save(&folder.join(format!("stac/{id}/collection.json")), &collection);
        let bbox = [9.9, lat, 9.9 + 149.0 * 0.0001, lat];
        sequences.push(json!({ "id": id, "datetime": [times[0], times[149]], "bbox": bbox }));
    }
    save(&folder.join("drive.json"), &json!({ "dataset": name, "title": name, "blurred": blurred, "sequences": sequences }));
    let header = pmtiles::Header {
        tile_type: pmtiles::TileType::Mvt,
        min_zoom: 0,
        max_zoom: 15,
        bounds_lonlat: [9.9, 53.7, 9.92, 53.71].into(),
        name: name.to_owned(),
        attribution: String::new(),
        metadata: Map::new(),
    };
    let mut writer = pmtiles::Writer::create(&folder.join("street_survey.pmtiles"), &header).unwrap();
    let mut layer = Layer::new("pictures");
    layer.add(&Shape::Points(vec![[1, 1]]), &[("id", Tag::Text(name.to_owned()))]);
    writer.add(0, 0, 0, &crate::format::mvt::tile(&[layer])).unwrap();
    writer.finish().unwrap();
}

struct Served {
    surveys: Surveys,
    folder: tempfile::TempDir,
}

/// A release with one blurred survey for everybody, and one that is not for the office.
fn served(audience: Audience) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let release = folder.path().join("releases/r0001-12345678");
    for (audience, name, day, blurred) in [("public", "a", 4, true), ("internal", "a", 4, true), ("internal", "b", 5, false)] {
        survey(&release.join(audience).join(name), name, day, blurred);
    }
    std::fs::create_dir_all(release.join("public/metadata")).unwrap();
    std::os::unix::fs::symlink("releases/r0001-12345678", folder.path().join("current")).unwrap();
    let surveys = Surveys {
        workspace: folder.path().to_owned(),
        audience,
        title: "Straßenbefahrungen t".to_owned(),
        read: Mutex::new(None),
    };
    Served { surveys, folder }
}

impl Served {
    fn raw(&self, method: &str, target: &str, body: &str) -> Response {
        let request = Request { body: body.as_bytes().to_vec(), ..request(method.to_owned(), target, OWN.to_owned()) };
        self.surveys.respond(&request).unwrap()
    }
    fn ask(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let response = self.raw(method, target, body);
        let Body::Bytes(bytes) = response.body else { panic!("{target} is a file") };
        (response.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
    fn get(&self, target: &str) -> Value {
        let (status, value) = self.ask("GET", target, "");
        assert_eq!(status, 200, "{target}: {value}");
        value
    }
}

fn local(address: &Value) -> String {
    address.as_str().unwrap().strip_prefix(OWN).unwrap().to_owned()
}

fn next(page: &Value) -> Option<&Value> {
    page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next")
}

#[test]
fn pictures_are_found_by_place_time_sequence_and_name_on_any_number_of_pages() {
    let served = served(Audience::Internal);
    let matched = |query: &str| served.get(&format!("/stac/search?{query}"))["numberMatched"].as_u64().unwrap();
    let first = uuid("a0");
    assert_eq!(matched(""), 600);
    assert_eq!(matched(&format!("collections={first},{}", uuid("b1"))), 300);
    assert_eq!(matched(&format!("ids={},{},nonsense", uuid("a0/3"), uuid("b1/149"))), 2);
    // 9.9 to 9.901 has pictures 0 to 10; both lines, both surveys.
    assert_eq!(matched("bbox=9.89,53.6,9.90105,53.8"), 44);
    assert_eq!(matched("bbox=9.89,53.6,0,9.90105,53.7005,9"), 22, "six numbers, the southern lines");
    assert_eq!(matched("datetime=2026-05-04T08:00:00Z/2026-05-04T08:00:29Z"), 30);
    assert_eq!(matched("datetime=2026-05-04T10:00:29%2B02:00"), 1);
    assert_eq!(matched("datetime=2026-05-05T00:00:00Z/.."), 300);
    let triangle = r#"{"type":"Polygon","coordinates":[[[9.8,53.6],[9.90105,53.6],[9.90105,53.8],[9.8,53.8],[9.8,53.6]]]}"#;
    let body = format!(r#"{{"intersects":{triangle},"collections":["{first}"],"limit":4}}"#);
    let mut seen = Vec::new();
    let mut body = body;
    loop {
        let (status, page) = served.ask("POST", "/stac/search", &body);
        assert_eq!((status, page["numberMatched"].as_u64()), (200, Some(11)));
        seen.extend(page["features"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = next(&page) else { break };
        assert_eq!(next["method"], "POST");
        body = next["body"].to_string();
    }
    assert_eq!(seen, (0..11).map(|n| uuid(&format!("a0/{n}")).to_string()).collect::<Vec<_>>());
    // All of a sequence, page by page, as the viewer reads it.
    let (mut address, mut count) = (format!("/stac/collections/{first}/items"), 0);
    loop {
        let page = served.get(&address);
        count += page["features"].as_array().unwrap().len();
        let Some(next) = next(&page) else { break };
        address = local(&next["href"]);
    }
    assert_eq!(count, 150);
    // pystac-client names the collection once more.
    let one = served.get(&format!("/stac/collections/{first}/items?collections={first}&ids={},{}", uuid("a0/7"), uuid("a1/7")));
    assert_eq!((one["numberMatched"].as_u64(), &one["features"][0]["id"]), (Some(1), &json!(uuid("a0/7").to_string())));
    let newest = served.get("/stac/search?sortby=-datetime&limit=1");
    assert_eq!(newest["features"][0]["id"], uuid("b1/149").to_string());
    assert_eq!(served.get("/stac/collections?limit=3")["collections"].as_array().unwrap().len(), 3);
}

#[test]
fn items_link_to_each_other_and_to_their_pictures_here() {
    let served = served(Audience::Internal);
    let landing = served.get("/stac/");
    assert_eq!(landing["extent"]["spatial"]["bbox"][0], json!([9.9, 53.7, 9.9 + 149.0 * 0.0001, 53.701]));
    for rel in ["self", "root", "conformance", "service-desc", "data"] {
        let link = landing["links"].as_array().unwrap().iter().find(|link| link["rel"] == rel).unwrap();
        served.get(&local(&link["href"]));
    }
    let (sequence, picture) = (uuid("b1"), uuid("b1/0"));
    let item = served.get(&format!("/stac/collections/{sequence}/items/{picture}"));
    let found = served.get(&format!("/stac/search?ids={picture}"));
    assert_eq!(found["features"][0], item);
    assert_eq!(item["assets"]["sd"]["href"], format!("{OWN}/stac/files/b/pictures/{picture}/sd.jpg"));
    assert_eq!(
        item["asset_templates"]["tiles"]["href"],
        format!("{OWN}/stac/files/b/pictures/{picture}/{{TileCol}}_{{TileRow}}.jpg")
    );
    let thumb = served.raw("GET", &local(&item["assets"]["thumb"]["href"]), "");
    assert_eq!((thumb.status, thumb.content_type), (200, "image/jpeg"));
    assert!(matches!(thumb.body, Body::File(_, 1)));
    let rels: Vec<&str> = item["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    assert_eq!(rels, ["self", "parent", "collection", "root", "next", "license"]);
    let after = served.get(&local(&next(&item).unwrap()["href"]));
    assert_eq!(after["id"], uuid("b1/1").to_string());
    let collection = served.get(&format!("/stac/collections/{sequence}"));
    assert!(collection["links"].as_array().unwrap().iter().all(|link| link["rel"] != "item"));
    let tile = served.raw("GET", "/stac/map/0/0/0.mvt", "");
    assert_eq!((tile.status, tile.content_type), (200, MVT));
    assert_eq!(served.get("/stac/map/style.json")["sources"]["geovisio"]["maxzoom"], 15);
}

#[test]
fn the_public_sees_what_is_blurred_and_nobody_leaves_the_folder() {
    let public = served(Audience::Public);
    assert_eq!(public.get("/stac/search")["numberMatched"], 300);
    let hidden = [format!("/stac/collections/{}", uuid("b0")), format!("/stac/files/b/pictures/{}/thumb.jpg", uuid("b0/0"))];
    for target in &hidden {
        assert_eq!(public.ask("GET", target, "").0, 404, "{target}");
    }
    // Were a survey put there that is not blurred, it would still not be served.
    survey(&public.folder.path().join("releases/r0002-12345678/public/c"), "c", 6, false);
    std::fs::remove_file(public.folder.path().join("current")).unwrap();
    std::os::unix::fs::symlink("releases/r0002-12345678", public.folder.path().join("current")).unwrap();
    assert_eq!(public.get("/stac/search")["numberMatched"], 0, "the new release counts at once");
    assert_eq!(public.ask("GET", "/stac/files/c/drive.json", "").0, 404);
    let internal = served(Audience::Internal);
    assert_eq!(internal.raw("GET", &hidden[1], "").status, 200);
    for outside in ["../metadata", "..%2f..%2f..%2fcurrent", "%2fetc/passwd", "drive.json/..", "", "stac"] {
        assert_eq!(internal.ask("GET", &format!("/stac/files/b/{outside}"), "").0, 404, "{outside}");
    }
    for outside in ["..", ".", "", "metadata", "%2e%2e"] {
        assert_eq!(internal.ask("GET", &format!("/stac/files/{outside}/drive.json"), "").0, 404, "{outside}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let served = served(Audience::Internal);
    let many = vec!["x"; 2000].join(",");
    for query in [
        "bbox=1,2,3",
        "bbox=1,9,3,4",
        "bbox=a,b,c,d",
        "limit=0",
        "limit=-1",
        "limit=x",
        "datetime=gestern",
        "datetime=../..",
        "datetime=2026-05-05T00:00:00Z/2026-05-04T00:00:00Z",
        "sortby=colour",
        "intersects={}",
        "intersects=x",
        "filter=a",
        "token=x",
        "bbox=1,2,3,4&intersects={%22type%22:%22Point%22,%22coordinates%22:[1,2]}",
        &format!("ids={many}"),
    ] {
        assert_eq!(served.ask("GET", &format!("/stac/search?{query}"), "").0, 400, "{query}");
    }
    for body in ["", "[]", "{\"limit\":\"x\"}", "{\"query\":{}}", "{\"intersects\":{\"type\":\"Polygon\",\"coordinates\":[]}}"] {
        assert_eq!(served.ask("POST", "/stac/search", body).0, 400, "{body}");
    }
    let deep = format!("{{\"intersects\":{}}}", "{\"type\":\"GeometryCollection\",\"geometries\":[".repeat(9));
    assert_eq!(served.ask("POST", "/stac/search", &deep).0, 400);
    for (method, target) in [("DELETE", "/stac/search"), ("POST", "/stac/collections"), ("PUT", "/stac")] {
        assert_eq!(served.ask(method, target, "").0, 405, "{method} {target}");
    }
    for target in [
        "/stac/x",
        "/stac/collections/x",
        "/stac/collections/x/items",
        "/stac/map/a/b/c.mvt",
        "/stac/map/0/5/0.mvt",
        "/stac/map/0/0/0",
    ] {
        assert_eq!(served.ask("GET", target, "").0, 404, "{target}");
    }
    assert!(served.surveys.respond(&request("GET".to_owned(), "/stack", OWN.to_owned())).is_none());
    assert_eq!(served.get("/stac/search?limit=99999")["numberReturned"], 600);
    assert_eq!(served.get("/stac/search?token=99999")["features"], json!([]));
}

proptest::proptest! {
    #[test]
    fn no_query_makes_a_panic(query in "(ids|bbox|intersects|datetime|limit|sortby|token)=[-+0-9a-z.,/:{}\\[\\]\"]{0,30}", body in "[{\\[\"a-z:0-9}\\]]{0,40}") {
        let request = request("GET".to_owned(), &format!("/stac/search?{query}"), String::new());
        let _ = Search::from_query(&request.query).and_then(|query| Search::read(&query));
        if let Ok(body) = serde_json::from_str(&body) {
            let _ = Search::read(&body);
        }
    }
}
