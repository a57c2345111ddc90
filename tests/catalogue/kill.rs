//! `kill -9` between any two steps: the program ends itself at the n-th write, sync or request, and the next run brings everything in
//! order. An ordinary run takes every other step; `MESSKETTE_KILL_ROUNDS` sets how often the whole row of steps is gone through.

use crate::world::{World, fresh, held, record, server};
use messkette::metadata::content_digest;
use std::process::Command;
use uuid::Uuid;

fn pipeline(world: &World) -> std::path::PathBuf {
    let text = format!(
        "[pipeline]\nname = \"t\"\nworkspace = \".\"\n[[dataset]]\nid = \"d\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n\
         [[publish]]\nkind = \"csw\"\nendpoint = \"{0}\"\ntransaction = \"{0}\"\ndialect = \"pycsw\"\nprune = true\nattempts = 2\nwait_s = 0\nconnections = 1\n",
        world.options.endpoint
    );
    let path = world.folder.path().join("p.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn apply(world: &World, fault: Option<u64>) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_messkette"));
    command.args(["catalogue", "apply", "-q"]).arg(pipeline(world)).env("NO_COLOR", "1");
    if let Some(nth) = fault {
        command.env("MESSKETTE_FAULT", format!("any:{nth}:KILL"));
    }
    // A killed process has no code.
    command.output().unwrap().status.code().unwrap_or(-1)
}

#[test]
fn killed_between_any_two_steps_nothing_is_lost_or_doubled() {
    let Some((server, proxy)) = server() else { return };
    let wanted: Option<u32> = std::env::var("MESSKETTE_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
    let (rounds, stride) = (wanted.unwrap_or(1), if wanted.is_some() { 1 } else { 2 });
    let mut kills = 0;
    for _ in 0..rounds {
        let mut nth = 1;
        loop {
            let world = World::new(&proxy.url(), "pycsw");
            let ids: Vec<Uuid> = (0..3).map(|_| fresh()).collect();
            // One record is changed and one is new; a third stays.
            world.release(&[(ids[0], "alt"), (ids[1], "bleibt")]);
            drop(world.ledger());
            assert_eq!(world.apply().exit(), messkette::Exit::Ok);
            let wanted = [(ids[0], "neu"), (ids[1], "bleibt"), (ids[2], "dazu")];
            world.release(&wanted);
            let code = apply(&world, Some(nth));
            assert!([-1, 0].contains(&code), "step {nth}: {code}");
            if code == -1 {
                kills += 1;
                assert_eq!(apply(&world, None), 0, "step {nth}");
            }
            let there = held(server.port, &ids);
            for (uuid, title) in wanted {
                let content = content_digest(&record(uuid, title)).unwrap();
                assert_eq!(there[&uuid].content, content, "step {nth}");
                assert_eq!((world.known()[&uuid].desired, world.known()[&uuid].remote), (content, content), "step {nth}");
            }
            assert!(world.open_intents().is_empty(), "step {nth}");
            assert_eq!(world.apply().requests.writes, 0, "step {nth}");
            if code == 0 {
                break;
            }
            nth += stride;
        }
    }
    let all = crate::world::listing(server.port);
    let once: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(all.len(), once.len());
    println!("{kills} kills");
    assert!(kills > 4, "{kills}");
}
