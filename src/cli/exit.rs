//! The exit codes, for help and reference: one table.

use crate::error::Exit;

/// Every exit code with its meaning and what a script should do.
pub const CODES: &[(Exit, &str, &str)] = &[
    (Exit::Ok, "ok", "all went well and nothing was lost"),
    (Exit::Failed, "failed, nothing newly published", "look at the message; what was published before still is"),
    (Exit::Usage, "usage or pipeline file", "mend the command line or the pipeline file; nothing was done"),
    (Exit::Quarantined, "published, something quarantined or rejected", "look at the report; the rest is published"),
    (Exit::Changes, "changes planned", "only where `--exit-code` asks for it"),
    (Exit::Unverified, "unverified or too old", "what is published is not what was released, or no run was good for too long"),
    (Exit::NoState, "no workspace yet", "run the pipeline once"),
    (Exit::Locked, "locked", "another run is under way; the message names it"),
    (Exit::Credentials, "credentials refused", "a secret is missing, or a service does not accept it"),
    (Exit::Preflight, "too little disk or memory", "nothing was begun"),
    (Exit::Unavailable, "remote unavailable", "try again later"),
    (Exit::Cancelled, "cancelled", "the same command goes on from there"),
];

/// One paragraph for `--help`.
pub fn help() -> String {
    let codes: Vec<String> = CODES.iter().map(|(exit, what, _)| format!("{} {what}", *exit as u8)).collect();
    format!("Exit codes: {}.", codes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_in_order() {
        let codes: Vec<u8> = CODES.iter().map(|(exit, ..)| *exit as u8).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 75, 130]);
    }
}
