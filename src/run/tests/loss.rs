//! What was lost or damaged behind the program's back: the ledger, files of the store and of a release.

use super::{World, units};
use crate::error::Exit;
use std::path::Path;

#[test]
fn a_lost_ledger_costs_no_release_and_no_dataset() {
    let world = World::new(&[]);
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        world.write("a.txt", text);
        ids.push(world.run().summary.release.unwrap());
    }
    let work = world.path("work");
    let lose_the_ledger = || {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(world.path(&format!("work/ledger.sqlite{end}")));
        }
    };
    lose_the_ledger();
    std::fs::create_dir_all(work.join("releases/r0009-unfinished/public")).unwrap();
    let night = world.run();
    assert_eq!((night.exit, units(&night), night.new_release), (Exit::Ok, [2, 2, 0, 0], false));
    assert_eq!(night.summary.release.as_ref(), Some(&ids[1]), "nothing is other than in the last release");
    assert_eq!(crate::release::on_disk(&work).unwrap(), ids);
    let ledger = crate::ledger::Ledger::open_read_only(&work).unwrap();
    assert_eq!((ledger.releases().unwrap().len(), ledger.runs(9).unwrap()[0].id), (2, 3));
    assert_eq!(world.rollback(None).unwrap(), ids[0]);
    world.rollback(Some(&ids[1])).unwrap();

    // What cannot be made anew stays as it was released.
    lose_the_ledger();
    world.write("a.txt", "BROKEN");
    let night = world.run();
    assert_eq!((night.exit, night.new_release), (Exit::Quarantined, false));
    assert_eq!(world.words(), "two\n");

    // Releases of an earlier version, of which less is known, count too.
    lose_the_ledger();
    for id in &ids {
        std::fs::remove_file(crate::release::folder(&work, id).join("made.json")).unwrap();
    }
    world.write("a.txt", "three");
    let third = world.run().summary.release.unwrap();
    assert!(third.starts_with("r0003-"), "{third}");
    assert_eq!(crate::release::on_disk(&work).unwrap(), [ids[1].clone(), third], "two are kept");
}

#[test]
fn verify_finds_what_was_changed_behind_our_back() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    let release = world.path("work/current").canonicalize().unwrap();
    let file = release.join("public/w/words.txt");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "peach\n").unwrap();
    std::fs::write(release.join("public/w/stray.txt"), "x").unwrap();
    std::fs::remove_file(release.join("internal/w/words.txt")).unwrap();
    let faults: Vec<String> =
        crate::release::verify(&release).unwrap().into_iter().map(|fault| format!("{}: {}", fault.path, fault.what)).collect();
    assert_eq!(
        faults,
        [
            "internal/w/words.txt: missing",
            "public/w/stray.txt: not part of the release",
            "public/w/words.txt: other content than when it was released"
        ]
    );
}

/// Writes other bytes into a file, as a disk does: all its names have them then.
fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    use std::os::unix::fs::PermissionsExt;
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_verify_says_to_delete_is_made_anew() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    let work = world.path("work");
    let release = || world.path("work/current").canonicalize().unwrap();
    let store = crate::run::Store::at(&work);
    let faults = || crate::release::verify(&release()).unwrap();
    for (path, files) in [("public/w/words.txt", 3), ("public/metadata/w.xml", 1)] {
        damage(&release().join(path), |bytes| bytes[0] ^= 1);
        assert!(!world.run().new_release, "a night does not read all that is published");
        let delete = crate::release::to_delete(&release(), &store, &faults()).unwrap();
        assert_eq!(delete.len(), files, "{delete:?}");
        for file in &delete {
            std::fs::remove_file(file).unwrap();
        }
        let night = world.run();
        assert_eq!((night.exit, night.new_release), (Exit::Ok, true));
        assert_eq!((faults(), world.words().as_str()), (Vec::new(), "apple\n"));
        assert!(!world.run().new_release);
    }
}

#[test]
fn what_the_store_has_lost_comes_back_from_the_release_or_is_told() {
    let world = World::new(&[("a.txt", "apple")]);
    let first = world.run().summary.release;
    // Nothing can be made anew: the unit's file is broken, and its last result is lost too.
    world.write("a.txt", "BROKEN");
    let store = world.path("work/store");
    std::fs::remove_dir_all(&store).unwrap();
    let night = world.run();
    assert_eq!((night.exit, night.summary.release.as_ref()), (Exit::Quarantined, first.as_ref()));
    let digest = crate::io::Digest::of(b"apple\n");
    assert!(crate::run::Store::at(&world.path("work")).contains(digest, 6));

    // Where no release has it either, all else is released.
    std::fs::remove_dir_all(&store).unwrap();
    for audience in ["internal", "public"] {
        std::fs::remove_file(world.path(&format!("work/current/{audience}/w/words.txt"))).unwrap();
    }
    let night = world.run();
    assert_eq!((night.exit, night.new_release), (Exit::Quarantined, true));
    assert!(night.lost.first.iter().any(|(_, lost)| lost.code == "mk::store::lost"), "{:?}", night.lost);
    let current = world.path("work/current").canonicalize().unwrap();
    assert!(crate::release::verify(&current).unwrap().is_empty());
    assert!(current.join("internal/w/internal/count.txt").is_file() && !current.join("public/w/words.txt").exists());
    assert!(!world.run().new_release);
    world.write("a.txt", "apple");
    assert_eq!(world.run().exit, Exit::Ok);
    assert_eq!(world.words(), "apple\n");
}

#[test]
fn a_damaged_result_costs_one_night_at_most() {
    let world = World::new(&[("a.txt", "apple"), ("b.txt", "ant")]);
    world.run();
    let pack = |stage: usize, key: &str| {
        let ledger = crate::ledger::Ledger::open_read_only(&world.path("work")).unwrap();
        crate::run::Store::at(&world.path("work")).path(ledger.slots("w", stage).unwrap()[key].digest)
    };
    let again = |exit: Exit| {
        let night = world.run();
        assert_eq!(night.exit, exit, "{:?}", night.lost);
        let night = world.run();
        assert_eq!(night.exit, Exit::Ok, "{:?}", night.lost);
        world.words()
    };
    // An entry that a later unit reads: behind its header and its name.
    damage(&pack(0, "in/a.txt"), |bytes| bytes[31] ^= 1);
    world.write("b.txt", "ant acorn");
    assert_eq!(again(Exit::Quarantined), "acorn\nant\napple\n");
    // All of a result: not even the plan can read it.
    damage(&pack(0, "in/a.txt"), |bytes| bytes.fill(0));
    assert_eq!(again(Exit::Quarantined), "acorn\nant\napple\n");
    // A result that only the assembly reads.
    damage(&pack(1, "a"), |bytes| bytes.fill(0));
    world.write("b.txt", "ant acorn bear");
    assert_eq!(again(Exit::Quarantined), "acorn\nant\napple\nbear\n");
}
