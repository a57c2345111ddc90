//! The n-th write, rename, fsync, link or deletion of a night fails, or is the process's last, for n spread over the whole night
//! with a stride that keeps the test short: what was published stays whole, the exit code says that something went wrong, and the
//! same command then finishes with the same bytes.

use super::town::{Release, Town, copy_tree, messkette};
use std::path::PathBuf;
use std::process::{Output, Stdio};

/// The night with the `nth` operation failing.
fn night(town: &Town, fault: Option<&str>) -> Output {
    let mut command = messkette();
    command.arg("run").arg(town.pipeline()).args(["--quiet", "--jobs", "2"]).stdin(Stdio::null());
    if let Some(fault) = fault {
        command.env("MESSKETTE_FAULT", fault);
    }
    command.output().unwrap()
}

fn try_faults(kind: &str, step: u64) {
    let town = Town::quick();
    town.run(&[]).expect(0);
    let before: PathBuf = town.folder().join("before");
    copy_tree(&town.work(), &before);
    town.arrive(2);
    assert!(night(&town, None).status.success());
    let wanted = town.release().content();
    let old = Release::current(&before).unwrap().content();
    assert_ne!(wanted, old, "the second night changes nothing");

    let (mut tried, mut hit) = (0, 0);
    // Until a night has fewer operations than that: then nothing failed.
    for nth in (1..).step_by(usize::try_from(step).unwrap()) {
        town.forget();
        copy_tree(&before, &town.work());
        let output = night(&town, Some(&format!("any:{nth}:{kind}")));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let release = town.release();
        assert_eq!(release.faults(), Vec::<String>::new(), "operation {nth}: {message}");
        let content = release.content();
        // With exit 3 the last good result of a unit may stand in for it; everything else is the old release or the new one.
        let whole = content == old || content == wanted;
        assert!(whole || output.status.code() == Some(3), "operation {nth}: neither the old release nor the new one: {message}");
        tried += 1;
        if output.status.success() {
            assert_eq!(content, wanted, "operation {nth}: exit 0 and not everything is there");
            // A deletion that fails or a fault that is never reached may leave the night whole; the first such run past the
            // others ends the loop.
            if nth > 10 {
                break;
            }
            continue;
        }
        hit += 1;
        assert!(!message.contains("panicked"), "operation {nth}: {message}");
        let code = output.status.code();
        let expected: &[Option<i32>] = if kind == "KILL" { &[None] } else { &[Some(1), Some(3), Some(13)] };
        assert!(expected.contains(&code), "operation {nth}: exit {code:?}: {message}");
        let again = night(&town, None);
        assert!(again.status.success(), "after operation {nth}: {}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(town.release().content(), wanted, "after operation {nth}");
    }
    println!("{kind}: {tried} nights, {hit} of them hit");
    assert!(hit >= 5, "only {hit} nights were hit");
}

#[test]
fn a_failed_operation_leaves_the_old_release_or_the_new_one() {
    try_faults("EIO", 29);
}

#[test]
fn a_full_disk_leaves_the_old_release_or_the_new_one() {
    try_faults("ENOSPC", 53);
}

#[test]
fn an_end_at_any_operation_leaves_the_old_release_or_the_new_one() {
    try_faults("KILL", 37);
}
