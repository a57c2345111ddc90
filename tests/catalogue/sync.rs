//! The three states of a record, and faults between us and the server.

use crate::proxy::{FAULTS, Fault};
use crate::world::{World, count, direct, fate, fresh, held, record, server};
use messkette::Exit;
use messkette::catalogue::{Drift, Outcome, State, Step, Written};
use messkette::metadata::content_digest;
use uuid::Uuid;

/// Writes to the server as somebody else would.
fn by_hand(port: u16, operation: &str) {
    let body = format!(
        "<csw:Transaction xmlns:csw=\"http://www.opengis.net/cat/csw/2.0.2\" xmlns:ogc=\"http://www.opengis.net/ogc\" \
         xmlns:apiso=\"http://www.opengis.net/cat/csw/apiso/1.0\" service=\"CSW\" version=\"2.0.2\">{operation}</csw:Transaction>"
    );
    let request = crate::http::Request {
        line: "POST /csw HTTP/1.1".to_owned(),
        headers: vec!["Content-Type: application/xml".to_owned()],
        body: Vec::new(),
    };
    let (_, answer) = crate::http::call(port, &request, body.as_bytes());
    assert!(String::from_utf8_lossy(&answer).contains("TransactionResponse"), "{}", String::from_utf8_lossy(&answer));
}

fn plain(xml: &str) -> &str {
    xml.split_once("?>").unwrap().1
}

pub fn put(port: u16, uuid: Uuid, title: &str) {
    by_hand(port, &format!("<csw:Insert>{}</csw:Insert>", plain(&record(uuid, title))));
}
pub fn edit(port: u16, uuid: Uuid, title: &str) {
    by_hand(port, &format!("<csw:Update>{}</csw:Update>", plain(&record(uuid, title))));
}
pub fn take_away(port: u16, uuid: Uuid) {
    let filter = format!(
        "<csw:Delete><csw:Constraint version=\"1.1.0\"><ogc:Filter><ogc:PropertyIsEqualTo><ogc:PropertyName>apiso:Identifier</ogc:PropertyName>\
         <ogc:Literal>{uuid}</ogc:Literal></ogc:PropertyIsEqualTo></ogc:Filter></csw:Constraint></csw:Delete>"
    );
    by_hand(port, &filter);
}

#[test]
fn a_catalogue_follows_the_release_and_never_more() {
    let Some((server, proxy)) = server() else { return };
    let mut world = World::new(&proxy.url(), "pycsw");
    let ids: Vec<Uuid> = (0..25).map(|_| fresh()).collect();
    let titles: Vec<String> = (0..25).map(|n| format!("Datensatz {n}")).collect();
    let all: Vec<(Uuid, &str)> = ids.iter().copied().zip(titles.iter().map(String::as_str)).collect();
    // Somebody else's record is nobody's business.
    let foreign = fresh();
    put(server.port, foreign, "Fremd");

    world.release(&all);
    let first = world.apply();
    assert_eq!((first.exit(), first.written(Step::Insert), first.requests.writes), (Exit::Ok, 25, 3), "{:?}", first.error);
    let there = held(server.port, &ids);
    for (uuid, title) in &all {
        assert_eq!(there[uuid].content, content_digest(&record(*uuid, title)).unwrap());
    }
    // Nothing to do: nothing is written, and what is asked is asked in lists.
    proxy.requests();
    let second = world.apply();
    assert_eq!((second.exit(), second.requests.writes), (Exit::Ok, 0));
    let requests = proxy.requests();
    assert!(requests.iter().all(|request| !request.writes()));
    assert_eq!(requests.len(), 2, "capabilities and one list of 25 identifiers");
    assert!(
        requests.iter().all(|request| request.header("accept-encoding") == Some("identity")),
        "compressed answers are cut off"
    );

    // One change: one request that writes, and one that proves it.
    let mut changed = all.clone();
    changed[3].1 = "Neu benannt";
    world.release(&changed);
    assert!(world.plan().has_changes());
    proxy.requests();
    let third = world.apply();
    assert_eq!((third.exit(), third.written(Step::Update), third.requests.writes), (Exit::Ok, 1, 1));
    assert_eq!(proxy.requests().len(), 4, "capabilities, list, update, proof");
    assert_eq!(held(server.port, &ids)[&ids[3]].content, content_digest(&record(ids[3], "Neu benannt")).unwrap());

    // No longer released: told of, and only deleted when asked to.
    world.release(&changed[1..]);
    let kept = world.apply();
    assert_eq!(fate(&kept, ids[0]), (State::NotReleased, Step::None, Outcome::Left));
    assert_eq!(kept.exit(), Exit::Ok);
    world.choices.prune = true;
    let error = world.try_apply().unwrap_err();
    assert_eq!(error.code(), "mk::catalogue::brake", "the only record of a dataset");
    let plan = world.plan();
    let accepted = messkette::catalogue::SavedRemovals::of([(world.options.endpoint.as_str(), &plan)]);
    let list = world.folder.path().join("removals.json");
    accepted.save(&list).unwrap();
    let accepted = messkette::catalogue::SavedRemovals::load(&list).unwrap();
    let never = std::sync::atomic::AtomicBool::new(false);
    let pruned = world.catalogue().apply(&mut world.ledger(), &world.choices, Some(&accepted), &never).unwrap();
    assert_eq!((pruned.exit(), pruned.written(Step::Delete)), (Exit::Ok, 1));
    assert_eq!(held(server.port, &ids).len(), 24);
    // The same list does for nothing else.
    world.release(&changed[2..]);
    let error = world.catalogue().apply(&mut world.ledger(), &world.choices, Some(&accepted), &never).unwrap_err();
    assert_eq!(error.code(), "mk::catalogue::removals");
    assert_eq!(count(server.port, foreign), 1);
    assert_eq!(world.known().len(), 24);
    assert!(world.open_intents().is_empty());
}

#[test]
fn what_others_did_is_told_and_not_undone() {
    let Some((server, proxy)) = server() else { return };
    let mut world = World::new(&proxy.url(), "pycsw");
    let [edited, both, deleted, foreign, same] = [(); 5].map(|()| fresh());
    world.release(&[(edited, "A"), (both, "B"), (deleted, "C")]);
    assert_eq!(world.apply().exit(), Exit::Ok);
    edit(server.port, edited, "von Hand");
    edit(server.port, both, "auch von Hand");
    take_away(server.port, deleted);
    put(server.port, foreign, "nicht von uns");
    put(server.port, same, "F");
    world.release(&[(edited, "A"), (both, "B2"), (deleted, "C"), (foreign, "D"), (same, "F")]);

    proxy.requests();
    let report = world.apply();
    assert_eq!(report.exit(), Exit::Quarantined);
    assert_eq!(fate(&report, edited), (State::Drifted, Step::None, Outcome::Left));
    assert_eq!(fate(&report, both), (State::Conflict, Step::None, Outcome::Left));
    assert_eq!(fate(&report, deleted), (State::DeletedByHand, Step::None, Outcome::Left));
    assert_eq!(fate(&report, foreign), (State::Foreign, Step::None, Outcome::Left));
    // What is there already, word for word, is taken over without a request.
    assert_eq!(fate(&report, same), (State::InSync, Step::Remember, Outcome::Done));
    assert!(proxy.requests().iter().all(|request| !request.writes()));
    let details = &report.items.iter().find(|result| result.item.uuid == edited).unwrap().item.details;
    assert!(details.iter().any(|line| line.contains("von Hand") && line.contains('A')), "{details:?}");
    let there = held(server.port, &[edited, foreign]);
    assert_eq!(there[&edited].content, content_digest(&record(edited, "von Hand")).unwrap());
    assert_eq!(there[&foreign].content, content_digest(&record(foreign, "nicht von uns")).unwrap());

    // The fields that people keep stay theirs, the others become ours.
    world.drift(Drift::Merge);
    world.choices.merge = vec![serde_json::from_str("\"title\"").unwrap()];
    let merged = world.apply();
    assert_eq!(fate(&merged, edited), (State::Drifted, Step::Remember, Outcome::Done), "nothing but the title differs");
    assert_eq!(fate(&merged, both).1, Step::Remember);
    assert_eq!(fate(&merged, deleted), (State::DeletedByHand, Step::Insert, Outcome::Done));
    assert_eq!(fate(&merged, foreign).2, Outcome::Left);
    assert_eq!(fate(&world.apply(), edited).2, Outcome::Done);

    world.choices.merge = Vec::new();
    world.drift(Drift::Overwrite);
    edit(server.port, edited, "noch einmal");
    let over = world.apply();
    assert_eq!(fate(&over, edited), (State::Drifted, Step::Update, Outcome::Done));
    assert_eq!(fate(&over, foreign).2, Outcome::Left, "drift is no licence for what is not ours");
    world.overwrite(foreign);
    assert_eq!(fate(&world.apply(), foreign), (State::Foreign, Step::Update, Outcome::Done));
    world.choices.overwrite.clear();
    let last = world.apply();
    assert_eq!((last.exit(), last.requests.writes), (Exit::Ok, 0));
}

/// Each call × each fault × before or after the server did it: afterwards catalogue, ledger and journal agree.
#[test]
fn no_fault_loses_or_doubles_a_record() {
    let Some((server, proxy)) = server() else { return };
    let calls = ["GetCapabilities", "GetRecordById", "<csw:Insert>", "<csw:Update>", "<csw:Delete>"];
    let mut cases = 0;
    for call in calls {
        for fault in FAULTS {
            // As often as there are tries: then the night gives up, and the next one goes on.
            let most = if matches!(fault, Fault::Reset(_) | Fault::Unavailable) { 3 } else { 1 };
            for times in [1, most] {
                // The transaction's address is configured otherwise, which spares asking for it.
                let mut world = World::new(&proxy.url(), "pycsw");
                world.choices.prune = true;
                world.options.attempts = 3;
                let (a, b) = (fresh(), fresh());
                let last = if call == "<csw:Insert>" { None } else { Some("alt") };
                if let Some(title) = last {
                    world.release(&[(a, title), (b, "bleibt")]);
                    assert_eq!(world.apply().exit(), Exit::Ok);
                }
                let wanted: &[(Uuid, &str)] =
                    if call == "<csw:Delete>" { &[(b, "bleibt")] } else { &[(a, "neu"), (b, "bleibt")] };
                world.release(wanted);
                let removals = messkette::catalogue::SavedRemovals::of([(world.options.endpoint.as_str(), &world.plan())]);
                let never = std::sync::atomic::AtomicBool::new(false);
                let patient = world.options.timeout_s;
                if let Fault::Timeout(_) = fault {
                    world.options.timeout_s = 2;
                }
                let apply = |world: &World| world.catalogue().apply(&mut world.ledger(), &world.choices, Some(&removals), &never);
                proxy.arm(call, fault, times);
                let told = match apply(&world) {
                    Ok(report) => report.exit(),
                    Err(error) => error.exit_code(),
                };
                assert!(proxy.struck() || times > 1, "{call} {fault:?} {times}");
                if fault == Fault::Unauthorized {
                    assert_eq!(told, Exit::Credentials, "{call} {fault:?}");
                }
                assert!([Exit::Ok, Exit::Unavailable, Exit::Credentials].contains(&told), "{call} {fault:?} {times}: {told:?}");
                // The next night finds everything in order or brings it in order.
                world.options.timeout_s = patient;
                let report = apply(&world).unwrap();
                assert_eq!(report.exit(), Exit::Ok, "{call} {fault:?} {times}: {:?}", report.items);
                let there = held(server.port, &[a, b]);
                let want: Vec<_> =
                    wanted.iter().map(|(uuid, title)| (*uuid, content_digest(&record(*uuid, title)).unwrap())).collect();
                let mut want = want;
                want.sort();
                assert_eq!(
                    there.iter().map(|(uuid, actual)| (*uuid, actual.content)).collect::<Vec<_>>(),
                    want,
                    "{call} {fault:?} {times}"
                );
                assert_eq!(
                    world.known().iter().map(|(uuid, known)| (*uuid, known.remote)).collect::<Vec<_>>(),
                    want,
                    "{call} {fault:?}"
                );
                assert!(world.open_intents().is_empty(), "{call} {fault:?} {times}");
                assert_eq!(apply(&world).unwrap().requests.writes, 0, "{call} {fault:?} {times}");
                cases += 1;
            }
        }
    }
    let all = crate::world::listing(server.port);
    let once: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(all.len(), once.len(), "no record twice");
    println!("{cases} cases");
    assert!(matches!(
        direct(server.port).transact(&[]).unwrap(),
        Written::Refused(_) | Written::Unknown { .. } | Written::Done { total: 0 }
    ));
}
