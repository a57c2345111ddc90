//! Planted credentials appear nowhere, whatever the server throws back at us.

use crate::proxy::Fault;
use crate::world::{World, fresh, server};
use std::process::Command;

/// How we show who we are: the option that says so, the secret, the header that the server gets, and what must not be seen.
struct Identity {
    option: &'static str,
    secret: &'static str,
    header: &'static str,
    planted: &'static [&'static str],
}

const BASIC: Identity = Identity {
    option: "",
    secret: "KANARI-nutzer:KANARI-geheim-4711",
    header: "Basic S0FOQVJJLW51dHplcjpLQU5BUkktZ2VoZWltLTQ3MTE=",
    planted: &["KANARI-geheim-4711", "KANARI-nutzer", "S0FOQVJJLW51dHplcjpLQU5BUkktZ2VoZWltLTQ3MTE="],
};

const BEARER: Identity = Identity {
    option: "auth = \"bearer\"\n",
    secret: "KANARI-marke-0815",
    header: "Bearer KANARI-marke-0815",
    planted: &["KANARI-marke-0815"],
};

#[test]
fn credentials_appear_in_no_log_plan_journal_or_report() {
    let Some((_server, proxy)) = server() else { return };
    let all = [None, Some(Fault::Unauthorized), Some(Fault::Server(false)), Some(Fault::Reset(false))];
    let cases = all.into_iter().map(|fault| (BASIC, fault)).chain(all[..2].iter().map(|&fault| (BEARER, fault)));
    for (identity, fault) in cases {
        for command in ["plan", "apply"] {
            let world = World::new(&proxy.url(), "pycsw");
            world.release(&[(fresh(), "Geheim")]);
            drop(world.ledger());
            let path = world.folder.path().join("p.toml");
            let text = format!(
                "[pipeline]\nname = \"t\"\nworkspace = \".\"\n[[dataset]]\nid = \"d\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n\
                 [[publish]]\nkind = \"csw\"\nendpoint = \"{0}\"\ntransaction = \"{0}\"\ncredentials = {{ env = \"MK_TEST_CSW\" }}\nattempts = 1\n{1}",
                world.options.endpoint, identity.option
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
                    .env("MK_TEST_CSW", identity.secret)
                    .output()
                    .unwrap();
                seen.extend([output.stdout, output.stderr]);
            }
            // The server did get them.
            let header = Some(identity.header);
            assert!(proxy.requests().iter().any(|request| request.header("authorization") == header), "{}", identity.header);
            proxy.struck();
            for entry in walkdir::WalkDir::new(world.folder.path()).into_iter().flatten().filter(|e| e.file_type().is_file()) {
                seen.push(std::fs::read(entry.path()).unwrap());
            }
            for bytes in seen {
                let text = String::from_utf8_lossy(&bytes);
                for planted in identity.planted {
                    assert!(!text.contains(planted), "{command} {fault:?}: {text}");
                }
            }
        }
    }
}
