//! What pycsw 2.6.2 was measured to do, each with a test that a naive client fails. The numbers are those of the list in
//! `docs/catalogue.md`.

use crate::proxy::Fault;
use crate::sync::{put, take_away};
use crate::world::{World, count, direct, fate, fresh, held, listing, record, server};
use messkette::Exit;
use messkette::catalogue::{Desired, Outcome, State, Step, Written};
use messkette::metadata::content_digest;
use uuid::Uuid;

#[test]
fn the_servers_word_is_never_taken_for_a_proof() {
    let Some((server, proxy)) = server() else { return };
    let port = server.port;
    let client = direct(port);

    // 1: a second insert is an exception with status 200, with the statement and the record in it.
    let uuid = fresh();
    let xml = record(uuid, "Eins");
    let insert = messkette::catalogue::Operation::Insert(&xml);
    assert!(matches!(client.transact(&[insert]).unwrap(), Written::Done { total: 1 }));
    let Written::Refused(text) = client.transact(&[insert]).unwrap() else { panic!("taken for a success") };
    assert!(text.contains("UNIQUE constraint failed") && !text.contains("INSERT INTO") && text.chars().count() <= 201, "{text}");

    // 2: of two inserts in a refused request the other one is stored. And the one that came there in between is not overwritten.
    let world = World::new(&proxy.url(), "pycsw");
    let (ours, theirs) = (fresh(), fresh());
    world.release(&[(ours, "Unser"), (theirs, "Unser auch")]);
    let plan = world.plan();
    put(port, theirs, "Dazwischen gekommen");
    let report = world.carry_out(&plan);
    assert_eq!(fate(&report, ours).2, Outcome::Done);
    assert!(matches!(fate(&report, theirs).2, Outcome::Failed(_)), "{:?}", fate(&report, theirs));
    assert_eq!(held(port, &[theirs])[&theirs].content, content_digest(&record(theirs, "Dazwischen gekommen")).unwrap());
    assert_eq!(fate(&world.apply(), theirs).0, State::Foreign);

    // 3: an update with a constraint counts 0 and changes nothing; ours has none and is read again.
    world.release(&[(ours, "Geändert")]);
    assert_eq!(fate(&world.apply(), ours), (State::Changed, Step::Update, Outcome::Done));
    assert_eq!(held(port, &[ours])[&ours].content, content_digest(&record(ours, "Geändert")).unwrap());

    // 4: an update of what is no longer there is status 200 and 0 updates.
    world.release(&[(ours, "Noch einmal")]);
    let plan = world.plan();
    take_away(port, ours);
    let report = world.carry_out(&plan);
    assert!(matches!(fate(&report, ours).2, Outcome::Failed(_)), "{:?}", fate(&report, ours));
    assert_eq!(fate(&world.apply(), ours).0, State::DeletedByHand);

    // 5: what is not there is an empty answer with status 200.
    assert!(client.records(&[fresh()]).unwrap().is_empty());

    // 6: an exception in another namespace, with status 400.
    let bad = messkette::catalogue::Operation::Insert("<broken");
    assert!(matches!(client.transact(&[bad]).unwrap(), Written::Refused(_)));

    // 7: half of a large request is stored, then status 500 with a page of HTML.
    let ids: Vec<Uuid> = (0..6).map(|_| fresh()).collect();
    let records: Vec<(Uuid, &str)> = ids.iter().map(|uuid| (*uuid, "Viele")).collect();
    let many = World::new(&proxy.url(), "pycsw");
    many.release(&records);
    proxy.requests();
    proxy.arm("<csw:Insert>", Fault::HalfThen500, 1);
    let report = many.apply();
    assert_eq!((report.exit(), report.written(Step::Insert)), (Exit::Ok, 6));
    assert!(proxy.struck());
    assert_eq!(report.requests.writes, 4, "the three that were stored are not sent again");
    assert_eq!(held(port, &ids).len(), 6);

    // 8: a listing by pages has an end, and every record once.
    let all = listing(port);
    let once: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), once.len()), (1 + 1 + 6, 1 + 1 + 6));
    assert!(client.page(1_000, 10).unwrap().next.is_none(), "past the end the server says to begin again");

    // 9: answers that are cut off. No compression is asked for (see the first test of `sync`), and a short answer is no answer.
    let short = World::new(&proxy.url(), "pycsw");
    short.release(&[(ids[0], "Viele")]);
    proxy.arm("GetRecordById", Fault::Truncated, 2);
    assert_eq!(short.try_apply().unwrap_err().exit_code(), Exit::Unavailable);
    assert_eq!(count(port, ids[0]), 1);

    // 12: a record without an identifier never leaves.
    let nameless = record(fresh(), "Ohne").replacen("gmd:fileIdentifier>", "gmd:parentIdentifier>", 2);
    assert_eq!(Desired::read("x", nameless).unwrap_err().code(), "mk::catalogue::identifier");

    // 13: a document type in an answer is refused; ours never have one (units of `catalogue::request` and `catalogue::reply`).
    // 10 and 11 (deletes by anything but equality; identifiers only for inserts) are units of `catalogue::request`: what an answer
    // names is not used at all.
}
