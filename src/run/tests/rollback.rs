//! Going back to an earlier release, and what the nights after it make of that.

use super::World;
use crate::error::Exit;

#[test]
fn releases_are_kept_in_number_and_rollback_switches_back() {
    let world = World::new(&[]);
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        world.write("a.txt", text);
        ids.push(world.run().summary.release.unwrap());
    }
    let work = world.path("work");
    let rollback = |to: Option<&str>| world.rollback(to);
    assert_eq!(crate::release::on_disk(&work).unwrap(), ids[1..]);
    assert_eq!(rollback(None).unwrap(), ids[1]);
    assert_eq!(world.words(), "two\n");
    assert_eq!(rollback(None).unwrap_err().code(), "mk::release::unknown");
    assert_eq!(rollback(Some(&ids[2])).unwrap(), ids[2]);
    assert_eq!(rollback(Some(&ids[0])).unwrap_err().exit_code(), Exit::Usage);
    // After a rollback nights that find nothing new leave it at that, ...
    rollback(None).unwrap();
    for _ in 0..2 {
        let night = world.run();
        assert_eq!((night.summary.release.as_ref(), night.new_release), (Some(&ids[1]), false));
        assert_eq!(world.words(), "two\n");
    }
    // ... one that finds changes goes forward, ...
    world.write("a.txt", "four");
    let fourth = world.run().summary.release.unwrap();
    assert!(fourth.starts_with("r0004-"), "{fourth}");
    assert_eq!(world.words(), "four\n");
    // ... and so does one that finds again what was gone back from, once there was something else.
    assert_eq!(rollback(None).unwrap(), ids[2]);
    for (text, release) in [("three", &ids[2]), ("four", &fourth)] {
        world.write("a.txt", text);
        assert_eq!(world.run().summary.release.as_ref(), Some(release));
    }
    // Who names the newest goes forward at once.
    rollback(None).unwrap();
    rollback(Some(&fourth)).unwrap();
    assert_eq!(world.run().summary.release, Some(fourth));
}

/// A word that was not looked for when the release was made.
#[test]
fn who_goes_back_publishes_no_protected_word() {
    let world = World::new(&[("a.txt", "apple melon")]);
    let first = world.run().summary.release.unwrap();
    world.write("a.txt", "apple");
    let second = world.run().summary.release.unwrap();
    assert_eq!(world.rollback(None).unwrap(), first);
    assert_eq!(world.rollback(Some(&second)).unwrap(), second);
    assert_eq!(world.words(), "apple\n");
    let text = std::fs::read_to_string(world.path("p.toml")).unwrap();
    std::fs::write(world.path("p.toml"), text.replacen("keep_releases = 2", "keep_releases = 3\ncanaries = [\"Melon\"]", 1))
        .unwrap();
    let error = world.rollback(None).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("mk::release::canary", Exit::Failed));
    assert!(error.full_message().contains("public/w/words.txt") && !error.full_message().to_lowercase().contains("melon"));
    assert_eq!(world.run().summary.release.as_ref().map(|id| &id[..5]), Some("r0003"));
    assert_eq!(world.rollback(Some(&second)).unwrap(), second);
}
