//! The program is killed at random moments of a night, again and again: `current` is a whole release at any instant, and the
//! same command finishes with the same bytes as a night that nobody disturbed.

use super::town::{Release, Town, messkette};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KILLS: u32 = 50;

/// Numbers from a seed (SplitMix64), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }
    /// A duration below `limit`.
    fn below(&mut self, limit: Duration) -> Duration {
        limit.mul_f64((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }
}

fn night(town: &Town) -> Command {
    let mut command = messkette();
    command.arg("run").arg(town.pipeline()).args(["--quiet", "--jobs", "2"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Looks at `current` until told to stop; returns how often it found a whole release, or what was wrong.
fn watch(work: &Path, stop: &AtomicBool, seen: &AtomicU64) -> Result<(), String> {
    while !stop.load(Ordering::Relaxed) {
        if work.join("current").symlink_metadata().is_ok() {
            let release = Release::current(work).map_err(|error| format!("current is no release: {error}"))?;
            let faults = release.faults();
            if !faults.is_empty() {
                return Err(format!("{} is not whole: {}", release.id(), faults.join(", ")));
            }
            seen.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Starts the night until it ends by itself, and kills it at a random moment each time; returns the number of kills.
fn kill_until_done(town: &Town, length: Duration, numbers: &mut Numbers) -> u32 {
    let mut kills = 0;
    loop {
        let mut child = night(town).spawn().unwrap();
        std::thread::sleep(numbers.below(length));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "after {kills} kills: {status}");
            return kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
}

#[test]
fn a_night_killed_at_any_moment_ends_with_the_same_bytes() {
    let town = Town::quick();
    // The night before stays published while the killed ones work on the next.
    town.run(&[]).expect(0);
    let before: PathBuf = town.folder().join("before");
    super::town::copy_tree(&town.work(), &before);
    town.arrive(2);

    let clock = Instant::now();
    assert!(night(&town).status().unwrap().success());
    let length = clock.elapsed();
    let wanted = town.release().content();
    assert_ne!(wanted, Release::current(&before).unwrap().content(), "the second night changes nothing");

    let mut numbers = Numbers(7);
    let seen = AtomicU64::new(0);
    let (mut kills, mut finished) = (0, 0);
    while kills < KILLS {
        town.forget();
        super::town::copy_tree(&before, &town.work());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| watch(&town.work(), &stop, &seen));
            kills += kill_until_done(&town, length, &mut numbers);
            stop.store(true, Ordering::Relaxed);
            assert_eq!(reader.join().unwrap(), Ok(()), "after {kills} kills");
        });
        assert_eq!(town.release().content(), wanted, "after {kills} kills");
        finished += 1;
    }
    assert!(finished > 1, "no night was ever finished under {kills} kills");
    assert!(seen.load(Ordering::Relaxed) > 100, "the reader saw too little");
    println!("{kills} kills, {finished} nights finished, a whole release seen {} times", seen.load(Ordering::Relaxed));
}
