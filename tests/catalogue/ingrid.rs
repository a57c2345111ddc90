//! A server with the habits of InGrid's editor, written from its documented behaviour: operations are found by their literal prefix,
//! one record for each insert, updates and deletes by constraint, exceptions in the namespace of CSW with a status of their own,
//! unknown parameters refused, and records given back in its own words.

use crate::http::{Request, answer};
use crate::world::{World, fate, fresh, record};
use messkette::Exit;
use messkette::catalogue::{Outcome, State, Step};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

type Store = Arc<Mutex<BTreeMap<String, String>>>;

fn start() -> (u16, Store) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store: Store = Arc::default();
    let shared = Arc::clone(&store);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(request) = Request::read(&stream) else { continue };
            let (status, body) = serve(&request, &mut shared.lock().unwrap());
            answer(&stream, status, &[("Content-Type", "application/xml")], body.as_bytes());
        }
    });
    (port, store)
}

fn refuse(status: &'static str, text: &str) -> (&'static str, String) {
    let body = format!(
        "<csw:ExceptionReport xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\"><csw:Exception exceptionCode=\"NoApplicableCode\">\
         <csw:ExceptionText>{text}</csw:ExceptionText></csw:Exception></csw:ExceptionReport>"
    );
    (status, body)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    Some(&text[from..from + text[from..].find(end)?])
}

fn identifier(xml: &str) -> Option<String> {
    let inner = between(xml, "<gmd:fileIdentifier>", "</gmd:fileIdentifier>")?;
    Some(between(inner, ">", "<")?.trim().to_owned())
}

/// As the editor gives it back: its own words for what it knows better.
fn in_its_own_words(xml: &str) -> String {
    xml.replace("ISO 19115<", "ISO19115<").replace("2003/Cor.1:2006", "2003/Cor.1:2006 (InGrid)")
}

fn serve(request: &Request, store: &mut BTreeMap<String, String>) -> (&'static str, String) {
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    let parameters: Vec<(String, &str)> =
        query.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_lowercase(), v)).collect();
    let get = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    if path == "/csw" {
        if get("request") == Some("GetCapabilities") {
            return ("200 OK", "<csw:Capabilities xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\"/>".to_owned());
        }
        let id = get("id").unwrap_or_default();
        // It knows no lists.
        let record = store.get(id).map(|xml| in_its_own_words(xml)).unwrap_or_default();
        return (
            "200 OK",
            format!(
                "<csw:GetRecordByIdResponse xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\">{record}</csw:GetRecordByIdResponse>"
            ),
        );
    }
    const KNOWN: [&str; 5] = ["service", "request", "catalog", "datasetfolderid", "addressfolderid"];
    if path != "/api/cswt"
        || parameters.iter().any(|(name, _)| !KNOWN.contains(&name.as_str()))
        || get("request") != Some("Transaction")
    {
        return refuse("400 Bad Request", "unknown parameter");
    }
    let text = request.text();
    // One database transaction: all of it or nothing.
    let mut next = store.clone();
    let mut totals = [0, 0, 0];
    for part in text.split("<csw:Insert>").skip(1) {
        let all = part.split("</csw:Insert>").next().unwrap();
        let first = all.split_inclusive("</gmd:MD_Metadata>").next().unwrap().to_owned();
        let Some(id) = identifier(&first) else { return refuse("400 Bad Request", "no fileIdentifier") };
        if next.insert(id.clone(), first).is_some() {
            return refuse("409 Conflict", &format!("already exists: {id}"));
        }
        totals[0] += 1;
    }
    let constrained = |part: &str| {
        let property = between(part, "<ogc:PropertyName>", "<")?.to_lowercase();
        let literal = between(part, "<ogc:Literal>", "<")?.trim().to_owned();
        (part.contains("<ogc:PropertyIsEqualTo>") && (property.ends_with("identifier") || property == "uuid")).then_some(literal)
    };
    for part in text.split("<csw:Update>").skip(1) {
        let Some(id) = constrained(part) else { return refuse("400 Bad Request", "an update needs a constraint") };
        let xml = part.split_inclusive("</gmd:MD_Metadata>").next().unwrap().to_owned();
        if identifier(&xml).as_ref() != Some(&id) {
            return refuse("400 Bad Request", "constraint and fileIdentifier differ");
        }
        if next.insert(id, xml).is_none() {
            return refuse("404 Not Found", "no such record");
        }
        totals[1] += 1;
    }
    for part in text.split("<csw:Delete>").skip(1) {
        let Some(id) = constrained(part) else { return refuse("400 Bad Request", "a delete needs a constraint") };
        if next.remove(&id).is_none() {
            return refuse("404 Not Found", "no such record");
        }
        totals[2] += 1;
    }
    *store = next;
    let summary = format!(
        "<csw:TransactionResponse xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\"><csw:TransactionSummary><csw:totalInserted>{}</csw:totalInserted>\
         <csw:totalUpdated>{}</csw:totalUpdated><csw:totalDeleted>{}</csw:totalDeleted></csw:TransactionSummary></csw:TransactionResponse>",
        totals[0], totals[1], totals[2]
    );
    ("200 OK", summary)
}

#[test]
fn a_server_with_ingrids_habits_is_kept_in_step() {
    let (port, store) = start();
    let mut world = World::new(&format!("http://127.0.0.1:{port}/csw"), "ingrid");
    world.options.transaction = Some(format!("http://127.0.0.1:{port}/api/cswt?catalog=testkatalog"));
    let ids: Vec<Uuid> = (0..4).map(|_| fresh()).collect();
    let released: Vec<(Uuid, &str)> = ids.iter().map(|uuid| (*uuid, "Datensatz")).collect();
    world.release(&released);
    let first = world.apply();
    assert_eq!((first.exit(), first.written(Step::Insert), first.requests.writes), (Exit::Ok, 4, 4), "{:?}", first.items);
    assert_eq!(store.lock().unwrap().len(), 4, "one record for each insert");
    // It gives them back in its own words, and that is no drift.
    assert_eq!((world.apply().requests.writes, world.apply().exit()), (0, Exit::Ok));
    world.release(&[(ids[0], "Neu"), released[1], released[2]]);
    let second = world.apply();
    assert_eq!(fate(&second, ids[0]), (State::Changed, Step::Update, Outcome::Done));
    assert!(store.lock().unwrap()[&ids[0].to_string()].contains(">Neu<"));
    // Somebody edits a record there.
    store.lock().unwrap().insert(ids[1].to_string(), record(ids[1], "von Hand").split_once("?>").unwrap().1.to_owned());
    assert_eq!(fate(&world.apply(), ids[1]).0, State::Drifted);
    world.choices.prune = true;
    let plan = world.plan();
    let report = world.carry_out(&plan);
    assert_eq!(fate(&report, ids[3]), (State::NotReleased, Step::Delete, Outcome::Done));
    assert_eq!(store.lock().unwrap().len(), 3);
    assert!(world.open_intents().is_empty());
    // The identifier is taken there by another's record.
    let taken = fresh();
    store.lock().unwrap().insert(taken.to_string(), record(taken, "Fremd").split_once("?>").unwrap().1.to_owned());
    world.choices.prune = false;
    world.release(&[(taken, "Unser")]);
    assert_eq!(fate(&world.apply(), taken).0, State::Foreign);
}
