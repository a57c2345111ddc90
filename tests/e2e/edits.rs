//! Edits of playgrounds over OGC API – Features, Part 4: what was accepted is on disk, is served, and is merged by the next night.

use super::served::{Answer, Part, Served, call};
use super::town::Run;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TOKEN: &str = "ein-langes-geheimnis-4711";
const DEVICES: &str = "/collections/spielplaetze:spielgeraet/items";

/// A town whose playgrounds take edits.
fn town() -> Part {
    let part = Part::of(&["playground"]);
    let text = std::fs::read_to_string(part.pipeline()).unwrap();
    let own = text.replace("source = [\"in/playground/*\"]", "source = [\"in/playground/*\", \"work/edits/spielplaetze/*\"]");
    assert_ne!(own, text);
    std::fs::write(part.pipeline(), own).unwrap();
    part
}

fn serve(part: &Part) -> Served {
    Served::start_with(&part.pipeline(), &["--audience", "internal", "--edits"], &[("MESSKETTE_EDIT_TOKEN", TOKEN)])
}

/// A request with the token, of the state that was seen.
fn edit(served: &Served, method: &str, path: &str, seen: Option<&str>, body: &Value) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let mut headers = vec![("Authorization", bearer.as_str()), ("X-Client-Id", "tablet-7")];
    headers.extend(seen.map(|seen| ("If-Match", seen)));
    let text = if body.is_null() { String::new() } else { body.to_string() };
    if !text.is_empty() {
        headers.push(("Content-Type", "application/geo+json"));
    }
    served.call(method, path, &headers, &text)
}

fn names(served: &Served, items: &str) -> Vec<String> {
    let page = served.get(&format!("{items}?limit=10000")).json();
    page["features"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn edits_are_refused_where_they_could_leak_or_get_lost() {
    let part = Part::of(&["playground"]);
    let pipeline = part.pipeline();
    let refused = |options: &[&str]| {
        let mut command = super::town::messkette();
        let output = command.arg("serve").args(options).arg(&pipeline).env("MESSKETTE_EDIT_TOKEN", TOKEN).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(refused(&["--edits"]).0, 2, "not for the public");
    let (code, text) = refused(&["--edits", "--audience", "internal", "--listen", "0.0.0.0:0"]);
    assert!(code == 2 && text.contains("unencrypted"), "{text}");
    let (code, text) = refused(&["--edits", "--audience", "internal", "--listen", "127.0.0.1:0"]);
    assert!(code == 2 && text.contains("work/edits/spielplaetze/*"), "{text}");
    let no_token =
        Run::of(&["serve".as_ref(), "--edits".as_ref(), "--audience".as_ref(), "internal".as_ref(), pipeline.as_os_str()]);
    assert_eq!(no_token.code, 12, "{}", no_token.stderr);
    // Without the option nobody can.
    let served = Served::start(&pipeline, &["--audience", "internal"]);
    let name = &names(&served, DEVICES)[0];
    for (method, path) in
        [("POST", DEVICES.to_owned()), ("PUT", format!("{DEVICES}/{name}")), ("DELETE", format!("{DEVICES}/{name}"))]
    {
        let answer = edit(&served, method, &path, Some("*"), &if method == "DELETE" { Value::Null } else { json!({}) });
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, OPTIONS"), "{method}");
    }
}

#[test]
fn edits_are_served_at_once_and_merged_by_the_next_night() {
    let part = town();
    let served = serve(&part);
    let all = names(&served, DEVICES);
    let one = format!("{DEVICES}/{}", all[0]);
    let read = served.get(&one);
    let state = read.header("etag").to_owned();
    let feature = read.json();
    let with = |name: &str, value: Value| {
        let mut feature = feature.clone();
        feature["properties"][name] = value;
        feature
    };
    // Token, state, fields, types, lists.
    let year = feature["properties"]["baujahr"].as_i64().unwrap();
    let new = with("baujahr", json!(year - 3));
    let text = new.to_string();
    for headers in [vec![], vec![("Authorization", "Bearer falsch")], vec![("Authorization", TOKEN)]] {
        let mut headers: Vec<(&str, &str)> = headers;
        headers.extend([("If-Match", state.as_str()), ("Content-Type", "application/geo+json")]);
        assert_eq!(served.call("PUT", &one, &headers, &text).status, 401);
    }
    for (seen, body, status) in [
        (None, &new, 428),
        (Some("\"0123456789abcdef01234567-json\""), &new, 412),
        (Some(state.as_str()), &with("farbe", json!("rot")), 422),
        (Some(state.as_str()), &with("baujahr", json!("alt")), 422),
        (Some(state.as_str()), &with("baujahr", json!(2020.5)), 422),
        (Some(state.as_str()), &with("geraetetyp", json!("schaukel2")), 422),
        (Some(state.as_str()), &with("row_version", json!(999)), 422),
        (Some(state.as_str()), &json!([1]), 400),
    ] {
        let answer = edit(&served, "PUT", &one, seen, body);
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(edit(&served, "PUT", &format!("{DEVICES}/nobody"), Some("*"), &new).status, 404);
    assert_eq!(served.get(&one).header("etag"), state, "nothing was changed");
    let allowed = served.call("OPTIONS", &one, &[], "");
    assert_eq!(allowed.header("allow"), "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");

    // A replacement: what the program makes is sent back as it was, the place too.
    let done = edit(&served, "PUT", &one, Some(&state), &new);
    assert_eq!((done.status, done.text.as_str()), (204, ""), "{}", done.text);
    let now = served.get(&one);
    assert_eq!(now.header("etag"), done.header("etag"));
    assert_ne!(now.header("etag"), state);
    assert_eq!(now.json()["properties"]["baujahr"], year - 3);
    assert_eq!(now.json()["geometry"], feature["geometry"]);
    assert_eq!(edit(&served, "PUT", &one, Some(&state), &new).status, 412, "the old state is no longer");

    // An update of some values, and of the place in another CRS.
    let two = format!("{DEVICES}/{}", all[1]);
    let utm = "http://www.opengis.net/def/crs/EPSG/0/25832";
    let there: [f64; 2] =
        serde_json::from_value(served.get(&format!("{two}?crs={utm}")).json()["geometry"]["coordinates"].clone()).unwrap();
    let moved = [there[0] + 7.0, there[1] - 3.0];
    let state = served.get(&two).header("etag").to_owned();
    let body =
        json!({ "geometry": { "type": "Point", "coordinates": moved }, "properties": { "hersteller": "Neue Spielwerke" } })
            .to_string();
    let bearer = format!("Bearer {TOKEN}");
    let crs = format!("<{utm}>");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("If-Match", state.as_str()),
        ("Content-Type", "application/merge-patch+json"),
        ("Content-Crs", crs.as_str()),
    ];
    assert_eq!(served.call("PATCH", &two, &headers, &body).status, 204);
    let near = format!("bbox-crs={utm}&bbox={},{},{},{}", moved[0] - 0.1, moved[1] - 0.1, moved[0] + 0.1, moved[1] + 0.1);
    let found = served.get(&format!("{DEVICES}?{near}")).json();
    assert_eq!((found["numberMatched"].as_u64(), found["features"][0]["id"].as_str()), (Some(1), Some(all[1].as_str())));

    // New inspections and defects; one defect goes.
    let inspections = "/collections/spielplaetze:pruefung/items";
    let inspection = json!({ "type": "Feature", "geometry": null,
        "properties": { "geraet_uuid": all[2], "pruefart": "haupt", "datum": "2026-03-02", "pruefer": "KANARI-Prüferin", "ergebnis": "ohne Befund" } });
    let made = edit(&served, "POST", inspections, None, &inspection);
    assert_eq!(made.status, 201, "{}", made.text);
    let inspected = served.get(made.header("location"));
    assert_eq!((inspected.header("etag"), &inspected.json()["properties"]["datum"]), (made.header("etag"), &json!("2026-03-02")));
    let inspected = inspected.json()["id"].as_str().unwrap().to_owned();
    let mut wrong = inspection.clone();
    wrong["properties"]["pruefart"] = json!("gründlich");
    assert_eq!(edit(&served, "POST", inspections, None, &wrong).status, 422);
    let mut again = inspection.clone();
    again["properties"]["uuid"] = json!(inspected);
    assert_eq!(edit(&served, "POST", inspections, None, &again).status, 409);
    let defects = "/collections/spielplaetze:mangel/items";
    let gone = names(&served, defects)[0].clone();
    let state = served.get(&format!("{defects}/{gone}")).header("etag").to_owned();
    assert_eq!(edit(&served, "DELETE", &format!("{defects}/{gone}"), Some(&state), &Value::Null).status, 204);
    assert_eq!(served.get(&format!("{defects}/{gone}")).status, 404);
    assert!(!names(&served, defects).contains(&gone));
    assert_eq!(
        edit(&served, "POST", "/collections/spielplaetze:ampel/items", None, &inspection).status,
        405,
        "a view is not edited"
    );

    // A tablet of QField had changed the first device too, from what it was in the morning.
    let delta = json!({ "id": "7b0f6a8e-0000-4000-8000-000000000001", "created_at": "2030-01-01T00:00:00Z", "deltas": [{
        "uuid": "7b0f6a8e-0000-4000-8000-000000000002", "clientId": "tablet-0", "localLayerId": "spielgeraet_1", "sourcePk": all[0],
        "method": "patch", "old": { "attributes": { "baujahr": year } }, "new": { "attributes": { "baujahr": year + 1 } } }] });
    std::fs::write(part.folder.path().join("in/playground/delta_tablet.json"), delta.to_string()).unwrap();

    // The night: all of it is in the release, the conflict is listed, and the server shows the same as before.
    let before: BTreeMap<String, String> = [&one, &two].map(|path| (path.clone(), served.get(path).text)).into();
    let release = part.night();
    let base = Connection::open(release.path("internal/spielplaetze/playground_intern.gpkg")).unwrap();
    let text = |sql: &str| base.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text(&format!("SELECT baujahr || '' FROM spielgeraet WHERE uuid = '{}'", all[0])), (year - 3).to_string());
    assert_eq!(text(&format!("SELECT hersteller FROM spielgeraet WHERE uuid = '{}'", all[1])), "Neue Spielwerke");
    assert_eq!(
        text(&format!("SELECT letzte FROM pruefplan WHERE geraet_uuid = '{}' AND pruefart = 'haupt'", all[2])),
        "2026-03-02"
    );
    assert_eq!(text(&format!("SELECT count(*) || '' FROM mangel WHERE uuid = '{gone}'")), "0");
    assert_eq!(
        text("SELECT group_concat(geraet_client || ' ' || feld || ' ' || neu) FROM konflikt"),
        format!("tablet-0 baujahr {}", year + 1)
    );
    for (path, text) in &before {
        let (mut now, mut then) = (served.get(path).json(), serde_json::from_str::<Value>(text).unwrap());
        for feature in [&mut now, &mut then] {
            feature["properties"]["row_version"] = Value::Null;
        }
        assert_eq!(now, then);
    }
    // An edit of what the night made goes on from there.
    let state = served.get(&one).header("etag").to_owned();
    assert_eq!(edit(&served, "PATCH", &one, Some(&state), &json!({ "properties": { "baujahr": year } })).status, 204);
    assert_eq!(served.get(&one).json()["properties"]["baujahr"], year);
}

#[test]
fn no_accepted_edit_is_lost_when_the_server_is_killed() {
    let part = town();
    let mut accepted: BTreeMap<String, i64> = BTreeMap::new();
    let mut made: BTreeSet<String> = BTreeSet::new();
    let bearer = format!("Bearer {TOKEN}");
    for round in 0..5_u64 {
        let mut served = serve(&part);
        let all = names(&served, DEVICES);
        for (name, year) in &accepted {
            assert_eq!(served.get(&format!("{DEVICES}/{name}")).json()["properties"]["baujahr"], *year, "round {round}");
        }
        let url = served.url.clone();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150 + 90 * round));
            served.kill();
        });
        for step in 0.. {
            let name = &all[(step as usize * 5) % all.len()];
            let path = format!("{url}{DEVICES}/{name}");
            let year = 1990 + (round as i64 * 7 + step) % 30;
            let Ok(read) = call("GET", &path, &[], "") else { break };
            let headers =
                [("Authorization", bearer.as_str()), ("If-Match", read.header("etag")), ("Content-Type", "application/json")];
            let body = json!({ "properties": { "baujahr": year } }).to_string();
            // While nobody answers, either may be: the edit is on disk, or it is not.
            accepted.remove(name);
            match call("PATCH", &path, &headers, &body) {
                Ok(answer) if answer.status == 204 => drop(accepted.insert(name.clone(), year)),
                Ok(answer) => panic!("{}: {}", answer.status, answer.text),
                Err(_) => break,
            }
            let defect = json!({ "properties": { "geraet_uuid": name, "beschreibung": "lose Schraube", "festgestellt_am": "2026-03-02", "status": "offen" } });
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
            match call("POST", &format!("{url}/collections/spielplaetze:mangel/items"), &headers, &defect.to_string()) {
                Ok(answer) => drop(made.insert(answer.header("location").rsplit('/').next().unwrap().to_owned())),
                Err(_) => break,
            }
        }
        killer.join().unwrap();
    }
    assert!(accepted.len() > 3 && made.len() > 5, "{} {}", accepted.len(), made.len());
    let release = part.night();
    let base = Connection::open(release.path("internal/spielplaetze/playground_intern.gpkg")).unwrap();
    for (name, year) in &accepted {
        let there: i64 = base.query_row("SELECT baujahr FROM spielgeraet WHERE uuid = ?", [name], |row| row.get(0)).unwrap();
        assert_eq!(there, *year);
    }
    let there: i64 =
        base.query_row("SELECT count(*) FROM mangel WHERE beschreibung = 'lose Schraube'", [], |row| row.get(0)).unwrap();
    assert!(there >= made.len() as i64, "{there} of {}", made.len());
    assert_eq!(base.query_row("SELECT count(*) FROM konflikt", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
