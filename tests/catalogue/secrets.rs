//! Planted credentials appear nowhere, whatever the server throws back at us.

use crate::proxy::Fault;
use crate::world::{World, fresh, server};
use std::process::Command;

const USER: &str = "KANARI-nutzer";
const PASSWORD: &str = "KANARI-geheim-4711";

#[test]
fn credentials_appear_in_no_log_plan_journal_or_report() {
    let Some((_server, proxy)) = server() else { return };
    let coded = "S0FOQVJJLW51dHplcjpLQU5BUkktZ2VoZWltLTQ3MTE=";
    for fault in [None, Some(Fault::Unauthorized), Some(Fault::Server(false)), Some(Fault::Reset(false))] {
        for command in ["plan", "apply"] {
            let world = World::new(&proxy.url(), "pycsw");
            world.release(&[(fresh(), "Geheim")]);
            drop(world.ledger());
            let path = world.folder.path().join("p.toml");
            let text = format!(
                "[pipeline]\nname = \"t\"\nworkspace = \".\"\n[[dataset]]\nid = \"d\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n\
                 [[publish]]\nkind = \"csw\"\nendpoint = \"{0}\"\ntransaction = \"{0}\"\ncredentials = {{ env = \"MK_TEST_CSW\" }}\nattempts = 1\n",
                world.options.endpoint
            );
            std::fs::write(&path, text).unwrap();
            if let Some(fault) = fault {
                proxy.arm("csw", fault, 20);
            }
            proxy.requests();
            let mut seen = Vec::new();
            for verbose in ["-q", "-vv"] {
                let output = Command::new(env!("CARGO_BIN_EXE_messkette"))
                    .args(["catalogue", command, "--json", verbose])
                    .arg(&path)
                    .env("MK_TEST_CSW", format!("{USER}:{PASSWORD}"))
                    .output()
                    .unwrap();
                seen.extend([output.stdout, output.stderr]);
            }
            // The server did get them.
            assert!(proxy.requests().iter().any(|request| request.header("authorization") == Some(&format!("Basic {coded}"))));
            proxy.struck();
            for entry in walkdir::WalkDir::new(world.folder.path()).into_iter().flatten().filter(|e| e.file_type().is_file()) {
                seen.push(std::fs::read(entry.path()).unwrap());
            }
            for bytes in seen {
                let text = String::from_utf8_lossy(&bytes);
                for secret in [PASSWORD, USER, coded] {
                    assert!(!text.contains(secret), "{command} {fault:?}: {text}");
                }
            }
        }
    }
}
