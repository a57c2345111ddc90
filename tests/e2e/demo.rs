//! Nights in the demo town.

use super::oracles;
use super::town::{Release, Run, Town, copy_tree, messkette, traces, write_demo};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The units that a plan would do now: key, reason and detail of each.
fn planned(town: &Town) -> Vec<[String; 3]> {
    let run = town.call("plan", &["--json"]).expect(0);
    let plan: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let units = plan["units"].as_array().unwrap();
    units.iter().map(|unit| ["key", "reason", "detail"].map(|key| unit[key].as_str().unwrap().to_owned())).collect()
}

fn first(folder: &Path, end: &str) -> PathBuf {
    let mut found: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(end))
        .collect();
    found.sort();
    found.into_iter().next().unwrap_or_else(|| panic!("no file *{end} in {}", folder.display()))
}

#[test]
fn a_night_does_what_is_new_and_nothing_else() {
    let town = Town::quick();
    // Before the first night a dataset waits for the files of another one; that is no failure.
    assert!(
        town.call("plan", &[]).expect(0).stdout.contains("befahrung: planned when strassenzustand is made, whose files it uses")
    );
    town.call("plan", &["--exit-code"]).expect(4);
    let first_night = town.run(&[]).expect(0).summary();
    assert!(first_night.units("done") > 0);
    assert_eq!((first_night.units("reused"), first_night.units("quarantined")), (0, 0));
    let release = town.release();
    assert_eq!(first_night.release(), Some(release.id().as_str()));
    assert_eq!(release.faults(), Vec::<String>::new());
    for name in ["report/index.html", "report/report.json"] {
        assert!(release.path(name).exists(), "{name}");
    }
    for audience in ["public", "internal"] {
        assert!(release.content().keys().any(|name| name.starts_with(&format!("{audience}/"))), "nothing is {audience}");
    }

    // Nothing new: no unit, no byte in the release tree.
    let untouched = traces(&town.work().join("releases"));
    town.call("plan", &["--exit-code"]).expect(0);
    let idle = town.run(&[]).expect(0).summary();
    assert_eq!((idle.units("done"), idle.units("quarantined")), (0, 0));
    assert_eq!(idle.release(), first_night.release());
    assert_eq!(traces(&town.work().join("releases")), untouched);

    // One orthophoto tile and one city model tile are delivered anew, those of another town.
    let other = tempfile::tempdir().unwrap();
    write_demo(other.path(), &["--seed", "8"]);
    let changed: Vec<PathBuf> = ["dop", "lod2"]
        .iter()
        .map(|part| {
            let folder = town.folder().join("in").join(part);
            let end = if *part == "dop" { ".tif" } else { "" };
            let old = first(&folder, end);
            let new = first(&other.path().join("in").join(part), end);
            assert_ne!(std::fs::read(&old).unwrap(), std::fs::read(&new).unwrap());
            std::fs::copy(new, &old).unwrap();
            old.strip_prefix(town.folder()).unwrap().to_owned()
        })
        .collect();
    town.call("plan", &["--exit-code"]).expect(4);
    let plan = planned(&town);
    assert!(!plan.is_empty());
    for [key, reason, detail] in &plan {
        assert_eq!(reason, "changed_input", "{key}");
        let named = |path: &PathBuf| detail.contains(&*path.file_name().unwrap().to_string_lossy());
        assert!(changed.iter().any(named), "{key} is planned for {detail}, but only {changed:?} changed");
    }
    for path in &changed {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(plan.iter().any(|[.., detail]| detail.contains(&*name)), "nothing is planned for {name}");
    }
    let night = town.run(&[]).expect(0).summary();
    assert!(night.units("done") > 0 && night.units("reused") > 0, "{night:?}");
    assert!(night.units("done") < first_night.units("done"));
    assert_ne!(night.release(), first_night.release());
    // The release of the first night is still whole.
    assert_eq!(release.faults(), Vec::<String>::new());
    town.call("verify", &[]).expect(0);

    // Back to the first night's release, and its bytes are what they were.
    town.call("rollback", &[]).expect(0);
    assert_eq!(town.release().content(), release.content());
    // There they stay until something changes.
    let again = town.run(&[]).expect(0);
    assert_eq!(town.release().id(), release.id());
    assert!(again.stderr.contains("what `messkette rollback` went back from"), "{}", again.stderr);
}

#[test]
fn a_changed_building_gives_one_new_tile_and_the_bytes_of_a_full_night() {
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path(), &["--only", "city_model", "--km2", "2"]);
    let night = || {
        let run = Run::of(&["run".as_ref(), "--json".as_ref(), folder.path().join("pipeline.toml").as_os_str()]);
        (run.expect(0).summary(), Release::current(&folder.path().join("work")).unwrap())
    };
    let tiles = |release: &Release| -> BTreeSet<String> {
        release.ending(".glb").iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    let (_, before) = night();
    let file = first(&folder.path().join("in"), ".zip");
    raise_a_building(&file);
    let (second, after) = night();
    // The file, and its tile.
    assert_eq!((second.units("done"), second.units("quarantined")), (2, 0));
    let new: Vec<String> = tiles(&after).difference(&tiles(&before)).cloned().collect();
    assert_eq!(new.len(), 1, "{new:?}");
    // A night that knows nothing of the one before gives the same bytes.
    std::fs::remove_dir_all(folder.path().join("work")).unwrap();
    let (_, fresh) = night();
    assert_eq!(fresh.content(), after.content());
    assert_ne!(fresh.content(), before.content());
}

/// Gives the first building in a ZIP of CityGML another height.
fn raise_a_building(path: &Path) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut member = archive.by_index(0).unwrap();
    let (name, mut text) = (member.name().to_owned(), String::new());
    member.read_to_string(&mut text).unwrap();
    drop(member);
    let height = regex::Regex::new(r"(<bldg:measuredHeight[^>]*>)[0-9.]+").unwrap();
    let raised = height.replace(&text, "${1}99.000");
    assert_ne!(raised, text);
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(raised.as_bytes()).unwrap();
    archive.finish().unwrap();
}

#[test]
fn later_nights_bring_changes_and_succeed() {
    let town = Town::quick();
    town.run(&[]).expect(0);
    for night in 2..=3 {
        let before = town.release();
        town.arrive(night);
        let summary = town.run(&[]).expect(0).summary();
        assert!(summary.units("done") > 0 && summary.units("reused") > 0, "{summary:?}");
        assert_ne!(town.release().content(), before.content());
        town.call("verify", &[]).expect(0);
    }
}

#[test]
fn any_number_of_jobs_gives_the_same_bytes() {
    let town = Town::quick();
    let mut releases = [1, 2, 16].map(|jobs| {
        if town.work().exists() {
            town.forget();
        }
        town.run(&["--jobs", &jobs.to_string()]).expect(0);
        town.release().content()
    });
    let wanted = releases[0].clone();
    assert!(wanted.len() > 10);
    for release in &mut releases[1..] {
        release.retain(|name, entry| wanted.get(name) != Some(entry));
        assert_eq!(*release, std::collections::BTreeMap::new(), "files that differ from those of one job");
    }
}

/// Files below a folder that hold the text, also where they are packed.
#[track_caller]
pub fn holding(text: &str, folders: &[PathBuf]) -> Option<BTreeSet<String>> {
    let mut command = oracles::python("find_text.py")?;
    command.arg(text).args(folders);
    Some(oracles::run(command).lines().map(str::to_owned).collect())
}

#[test]
fn no_name_of_a_person_leaves_the_office() {
    let town = Town::quick();
    let mut told = String::new();
    for night in 1..=2 {
        town.arrive(night);
        for options in [&["--json", "-v"][..], &["--log-format", "json", "-v"]] {
            let run = town.run(options);
            told.push_str(&run.stdout);
            told.push_str(&run.stderr);
        }
    }
    for command in ["plan", "status", "report", "verify"] {
        let run = town.call(command, &["-v"]);
        told.push_str(&run.stdout);
        told.push_str(&run.stderr);
    }
    assert!(!told.contains("KANARI"), "in what the program tells");
    let release = town.release();
    let private = ["public", "report"].map(|part| release.path(part));
    if let Some(found) = holding("KANARI", &private) {
        assert_eq!(found, BTreeSet::new());
        // The search finds them where they are: in the deliveries.
        assert_ne!(holding("KANARI", &[town.folder().join("in")]), Some(BTreeSet::new()));
    }
}

#[test]
fn other_programs_open_what_a_night_makes() {
    let town = Town::new();
    let summary = town.run(&[]).expect(0).summary();
    assert_eq!(summary.objects("rejected"), 0);
    open_in_other_programs(&town.release());
}

/// GDAL, pyarrow, DuckDB, pystac and the glTF validator open every output of a release.
#[track_caller]
pub fn open_in_other_programs(release: &Release) {
    for file in release.ending(".gpkg") {
        if let Some(counts) = oracles::ogr_counts(&file) {
            assert!(counts.values().sum::<u64>() > 0, "{} is empty: {counts:?}", file.display());
        }
    }
    if let Some(mut command) = oracles::python("open_outputs.py") {
        command.arg(&release.folder);
        println!("{}", oracles::run(command));
    }
    if let Some(mut command) = oracles::node("validate_glb.js") {
        let files = release.ending(".glb");
        assert_ne!(files.len(), 0, "no GLB");
        command.arg(&release.folder);
        println!("{}", oracles::run(command));
    }
}

#[test]
fn a_broken_tile_is_quarantined_and_its_last_good_result_stays() {
    let town = Town::quick();
    town.run(&[]).expect(0);
    let good = town.release();
    let tile = first(&town.folder().join("in/dop"), ".tif");
    let bytes = std::fs::read(&tile).unwrap();
    std::fs::write(&tile, &bytes[..bytes.len() / 2]).unwrap();

    let run = town.run(&[]).expect(3);
    let summary = run.summary();
    assert!(summary.units("quarantined") > 0);
    let name = tile.file_name().unwrap().to_string_lossy();
    assert!(run.stderr.contains(&*name), "the broken file is not named:\n{}", run.stderr);
    let tiles = |release: &Release| -> Vec<_> {
        release.content().into_iter().filter(|(name, _)| name.ends_with("orthophoto.pmtiles")).collect()
    };
    assert_eq!(tiles(&town.release()), tiles(&good));
    let report = std::fs::read_to_string(town.release().path("report/report.json")).unwrap();
    assert!(report.contains(&*name), "the report does not name the broken file");

    // Not forgotten the next night; mended when the file is.
    town.run(&[]).expect(3);
    std::fs::write(&tile, bytes).unwrap();
    town.run(&[]).expect(0);
    assert_eq!(town.release().content(), good.content());
}

#[test]
fn only_one_run_at_a_time() {
    let town = Town::quick();
    let begin = || messkette().arg("run").arg(town.pipeline()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Whichever comes second is refused, unless the first has ended already: then try again.
    for _ in 0..10 {
        let runs = [begin(), begin()];
        let pids = [0, 1].map(|run| runs[run].id().to_string());
        let outputs = runs.map(|run| run.wait_with_output().unwrap());
        let codes = [0, 1].map(|run: usize| outputs[run].status.code());
        if let Some(refused) = codes.iter().position(|code| *code == Some(11)) {
            assert_eq!(codes[1 - refused], Some(0));
            let told = String::from_utf8_lossy(&outputs[refused].stderr).into_owned();
            assert!(told.contains(&pids[1 - refused]), "the holder's pid is not named:\n{told}");
            return;
        }
        assert_eq!(codes, [Some(0); 2]);
        town.forget();
    }
    panic!("two runs at a time never met");
}

#[test]
fn without_a_workspace_there_is_nothing_to_tell() {
    let town = Town::quick();
    for command in ["status", "report", "verify", "rollback"] {
        town.call(command, &[]).expect(10);
    }
    town.call("check", &[]).expect(0);
    assert!(!town.work().exists(), "check or a question made a workspace");
    Run::of(&["run", "no-such-pipeline.toml"]).expect(2);
}

#[test]
fn a_backup_of_the_town_gives_the_same_night_elsewhere() {
    let town = Town::quick();
    let copy = tempfile::tempdir().unwrap();
    copy_tree(town.folder(), &copy.path().join("town"));
    town.run(&[]).expect(0);
    let elsewhere = copy.path().join("town");
    Run::of(&["run".as_ref(), elsewhere.join("pipeline.toml").as_os_str()]).expect(0);
    assert_eq!(Release::current(&elsewhere.join("work")).unwrap().content(), town.release().content());
}

/// Runs a command where a town can only be read, in a mount namespace of its own; `None` where none can be made.
fn look_at_read_only(town: &Path, command: &str) -> Option<Run> {
    const SCRIPT: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" || exit 99
        touch \"$0/x\" 2>/dev/null && exit 99
        exec \"$@\"";
    let program = messkette();
    let pipeline = town.join("pipeline.toml");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT])
        .args([town.as_os_str(), program.get_program(), command.as_ref(), pipeline.as_os_str()])
        .env("NO_COLOR", "1")
        // It is the same day there.
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let run = Run { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    (run.code != 99 && !run.stderr.starts_with("unshare: ")).then_some(run)
}

#[test]
fn a_second_machine_looks_at_what_it_can_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let town = folder.path();
    write_demo(town, &["--only", "playground", "--km2", "1"]);
    Run::of(&["run".as_ref(), town.join("pipeline.toml").as_os_str()]).expect(0);
    let look = |told: &str| {
        for (command, words) in
            [("status", told), ("report", "run 1, "), ("plan", "nothing to do"), ("verify", "all as released")]
        {
            let Some(run) = look_at_read_only(town, command) else {
                println!("skipped: no mount namespace can be made here");
                return;
            };
            let run = run.expect(0);
            assert!(run.stdout.contains(words), "{command}: {}", run.stdout);
        }
    };
    look("run       1  ");

    // A night that was stopped leaves what it noted last in the log of the ledger.
    let names = ["ledger.sqlite", "ledger.sqlite-wal"].map(|name| town.join("work").join(name));
    assert!(!names[1].exists(), "a night that ended has no log");
    let ledger = rusqlite::Connection::open(&names[0]).unwrap();
    ledger.execute("INSERT INTO run (started) VALUES ('2026-06-01T03:30:00Z')", []).unwrap();
    let bytes = names.clone().map(|name| std::fs::read(name).unwrap());
    drop(ledger);
    for (name, bytes) in names.iter().zip(bytes) {
        std::fs::write(name, bytes).unwrap();
    }
    look("run       2  2026-06-01T03:30:00Z  running, or interrupted");
}
