//! The built program from outside: exit codes, standard output, standard error.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::path::Path;
use std::process::Command;

/// What a call of the program came to.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// All of it, for a snapshot.
    fn text(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

fn messkette(folder: &Path, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_messkette"))
        .args(args)
        .current_dir(folder)
        .env_remove("MESSKETTE_LOG")
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn folder_with(pipeline: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("stadt.toml"), pipeline).expect("the pipeline can be written");
    folder
}

const GOOD: &str = "[pipeline]\nname = \"stadt\"\n\n[[dataset]]\nid = \"dop\"\nkind = \"orthophoto\"\nsource = [\"in/*.tif\"]\n";

#[test]
fn a_good_pipeline_passes_and_nothing_is_made() {
    let folder = folder_with(GOOD);
    insta::assert_snapshot!(messkette(folder.path(), &["check", "stadt.toml"]).text(), @r#"
    exit 0
    --- stdout
    stadt.toml: ok, 1 dataset, 0 publishers
    --- stderr
    "#);
    insta::assert_snapshot!(messkette(folder.path(), &["check", "stadt.toml", "--json"]).text(), @r#"
    exit 0
    --- stdout
    {"pipeline":"stadt.toml","valid":true,"datasets":["dop"],"errors":[]}
    --- stderr
    "#);
    assert_eq!(messkette(folder.path(), &["check", "-q", "stadt.toml"]).out, "");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1);
}

#[test]
fn what_may_not_be_meant_is_said_and_no_error() {
    let public =
        "[[dataset]]\nid = \"wald\"\nkind = \"orthophoto\"\nsource = [\"wald/*.tif\"]\nuses = [\"dop\"]\naudience = \"public\"\n";
    let folder = folder_with(&format!("{GOOD}{public}"));
    let ran = messkette(folder.path(), &["check", "stadt.toml", "--json"]);
    let warning = "`wald` is public: what it takes from `dop`, which is internal, is published with it";
    assert_eq!((ran.code, ran.json()["warnings"].clone()), (0, serde_json::json!([warning])));
    assert!(ran.err.contains(warning), "{}", ran.err);
}

#[test]
fn all_errors_come_at_once() {
    let folder = folder_with(&GOOD.replace("id = ", "ident = ").replace("orthophoto", "orthofoto"));
    insta::assert_snapshot!(messkette(folder.path(), &["check", "stadt.toml"]).text(), @r#"
    exit 2
    --- stdout
    --- stderr
    error[mk::config::missing_key] stadt.toml:4:1
      × [[dataset]] has no key `id`
       ╭─[stadt.toml:4:1]
     3 │
     4 │ [[dataset]]
       · ───────────
     5 │ ident = "dop"
       ╰────

    error[mk::config::unknown_kind] stadt.toml:6:8
      × there is no kind "orthofoto"
       ╭─[stadt.toml:6:8]
     5 │ ident = "dop"
     6 │ kind = "orthofoto"
       ·        ───────────
     7 │ source = ["in/*.tif"]
       ╰────
      hint: did you mean `orthophoto`?

    error: 2 errors in the pipeline file: stadt.toml
    "#);
}

#[test]
fn errors_for_programs_carry_the_bytes() {
    let folder = folder_with(&GOOD.replace("\"dop\"", "7"));
    insta::assert_snapshot!(messkette(folder.path(), &["check", "stadt.toml", "--json"]).text(), @r#"
    exit 2
    --- stdout
    {"pipeline":"stadt.toml","valid":false,"errors":[{"code":"mk::config::type","message":"`id` must be a string, not an integer","file":"stadt.toml","line":5,"column":6,"byte":44,"span":[44,45],"hint":"write \"7\"","exit":2}]}
    --- stderr
    "#);
    insta::assert_snapshot!(messkette(folder.path(), &["run", "stadt.toml", "--log-format", "json"]).text(), @r#"
    exit 2
    --- stdout
    --- stderr
    {"code":"mk::config::type","message":"`id` must be a string, not an integer","file":"stadt.toml","line":5,"column":6,"byte":44,"span":[44,45],"hint":"write \"7\"","exit":2,"level":"ERROR"}
    "#);
}

#[test]
fn a_missing_pipeline_is_told() {
    let folder = folder_with(GOOD);
    insta::assert_snapshot!(messkette(folder.path(), &["check", "dorf.toml"]).text(), @r#"
    exit 2
    --- stdout
    --- stderr
    error[mk::config::unreadable] dorf.toml
      × cannot read the pipeline file
      ╰─▶ No such file or directory (os error 2)
      hint: `messkette init DIR` writes one to start from
    "#);
}

#[test]
fn wrong_usage_is_exit_2() {
    let folder = folder_with(GOOD);
    for args in [
        &[][..],
        &["trot"],
        &["check"],
        &["run", "stadt.toml", "--jobs", "0"],
        &["run", "stadt.toml", "--memory", "much"],
        &["run", "stadt.toml", "--engine", "steam"],
        &["run", "stadt.toml", "--only", "dob"],
        &["status", "stadt.toml", "--max-age", "soon"],
        &["check", "-q", "-v", "stadt.toml"],
        &["convert", "orthophoto", "missing.tif", "-o", "out"],
        &["convert", "ortho", "stadt.toml", "-o", "out"],
        &["convert", "orthophoto", "stadt.toml", "-o", "out", "--set", "zom=3"],
        &["convert", "orthophoto", "stadt.toml", "-o", "out", "--set", "quality=101"],
        &["convert", "orthophoto", "stadt.toml", "-o", "out", "--set", "zoom"],
    ] {
        let ran = messkette(folder.path(), args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.text());
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{args:?}: {}", ran.text());
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn set_says_what_was_probably_meant() {
    let folder = folder_with(GOOD);
    let set = |set| messkette(folder.path(), &["convert", "orthophoto", "stadt.toml", "-o", "out", "--set", set]).text();
    insta::assert_snapshot!(set("zom=3"), @r#"
    exit 2
    --- stdout
    --- stderr
    error[mk::cli::set]
      × --set does not know the key 'zom' for orthophoto
      hint: did you mean `zoom`?
    "#);
    insta::assert_snapshot!(set("quality=much"), @r#"
    exit 2
    --- stdout
    --- stderr
    error[mk::config::type]
      × `tiles[0].quality` must be an integer, not a string
    "#);
}

#[test]
fn without_a_workspace_there_is_nothing_to_tell() {
    let folder = folder_with(GOOD);
    for args in [["status", "stadt.toml"], ["verify", "stadt.toml"], ["rollback", "stadt.toml"], ["gc", "stadt.toml"]] {
        let ran = messkette(folder.path(), &args);
        assert_eq!(ran.code, 10, "{args:?}: {}", ran.text());
        assert!(ran.err.contains("hint:"), "{}", ran.text());
    }
    assert!(!folder.path().join("work").exists(), "looking makes nothing");
}

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    let folder = folder_with(GOOD);
    std::fs::create_dir(folder.path().join("work")).expect("a workspace");
    let lock = std::fs::File::create(folder.path().join("work/lock")).expect("a lock file");
    lock.lock().expect("it is free");
    let ran = messkette(folder.path(), &["run", "stadt.toml"]);
    assert_eq!(ran.code, 11, "{}", ran.text());
    assert!(ran.err.contains("mk::ledger::locked"), "{}", ran.text());
}

#[test]
fn init_writes_a_pipeline_that_passes_and_never_writes_over_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    insta::assert_snapshot!(messkette(folder.path(), &["init", "neu"]).text(), @r#"
    exit 0
    --- stdout
    wrote neu/pipeline.toml
    next: edit it, then `messkette check neu/pipeline.toml` and `messkette run neu/pipeline.toml`
    --- stderr
    "#);
    assert_eq!(messkette(folder.path(), &["check", "neu/pipeline.toml"]).code, 0);
    insta::assert_snapshot!(messkette(folder.path(), &["init", "neu"]).text(), @r#"
    exit 2
    --- stdout
    --- stderr
    error[mk::init::exists] neu/pipeline.toml
      × there is a pipeline already
      hint: choose another folder
    "#);
}

#[test]
fn what_is_generated_is_what_it_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schema = messkette(folder.path(), &["generate", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.out).expect("the schema is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for shell in ["bash", "zsh", "fish"] {
        let ran = messkette(folder.path(), &["generate", "completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("rollback"), "{shell}");
    }
    assert!(messkette(folder.path(), &["generate", "man"]).out.contains(".TH messkette"));
    assert_eq!(messkette(folder.path(), &["generate", "man", "--dir", "man"]).code, 0);
    assert!(folder.path().join("man/messkette-run.1").is_file());
}

#[test]
fn doctor_knows_the_machine() {
    let folder = folder_with(GOOD);
    let ran = messkette(folder.path(), &["doctor", "stadt.toml", "--json"]);
    let found = ran.json();
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(found["messkette"], env!("CARGO_PKG_VERSION"));
    let names: Vec<&str> = found["libraries"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["GDAL", "PROJ", "SQLite"]);
    assert!(found["disks"][1]["free_bytes"].as_u64().is_some());
}

#[test]
fn the_report_of_a_run_that_was_killed_says_that_it_did_not_end() {
    let folder = folder_with(GOOD);
    let work = folder.path().join("work");
    std::fs::create_dir(&work).expect("a folder can be made");
    // A kill leaves no more of a run than its begin.
    let begun = messkette::ledger::Ledger::open(&work).and_then(|mut ledger| ledger.begin_run("2026-01-02T03:04:05Z", 0));
    assert_eq!(begun.expect("the ledger can be written"), 1);
    for (id, told) in [
        ("1", "run 1, begun 2026-01-02T03:04:05Z, did not end: it was interrupted, or is still under way"),
        ("2", "there is no report of run 2"),
    ] {
        let ran = messkette(folder.path(), &["report", "stadt.toml", "--run", id, "--json"]);
        assert_eq!(ran.code, 2, "{}", ran.text());
        assert!(ran.err.contains(told), "{}", ran.text());
    }
}

#[test]
fn doctor_looks_for_what_the_pipeline_names() {
    let head = "[pipeline]\nname = \"stadt\"\ngrids = [\"grids\"]\nworkspace = \"WORK\"\n";
    let lod2 = "[[dataset]]\nid = \"lod2\"\nkind = \"city_model\"\nsource = [\"in/*.gml\"]\ngeoid = \"grids/mine.gtx\"\n";
    let folder = folder_with(&format!("{head}{lod2}").replace("WORK", "work"));
    let ran = messkette(folder.path(), &["doctor", "stadt.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.text());
    for line in ["grids: missing, for `grids`", "grids/mine.gtx: missing, for dataset 'lod2', `geoid`"] {
        assert!(ran.out.contains(line), "{}", ran.text());
    }
    assert!(ran.err.contains("grids/mine.gtx is missing") && !ran.out.contains("gcg2016"), "{}", ran.text());
    std::fs::create_dir(folder.path().join("grids")).expect("a folder can be made");
    std::fs::write(folder.path().join("grids/mine.gtx"), "x").expect("a file can be written");
    let ran = messkette(folder.path(), &["doctor", "stadt.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.out.contains("grids/mine.gtx: ok, for dataset 'lod2', `geoid`") && ran.out.ends_with("\nok\n"), "{}", ran.text());
    assert!(!folder.path().join("work").exists(), "it only looks");
    // Below a file nobody can make a folder, whoever asks.
    let below = format!("{head}{lod2}").replace("WORK", "stadt.toml/work");
    std::fs::write(folder.path().join("stadt.toml"), below).expect("the pipeline can be written");
    let ran = messkette(folder.path(), &["doctor", "stadt.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.text());
    assert!(ran.err.contains("stadt.toml/work cannot be written"), "{}", ran.text());
}

#[test]
fn a_secret_in_the_file_stays_there() {
    const CANARY: &str = "KANARI-geheim-000001";
    let folder =
        folder_with(&format!("{GOOD}passwort = \"{CANARY}\"\n[[publish]]\nkind = \"csw\"\ncredentials = \"{CANARY}\"\n"));
    for args in [
        &["check", "stadt.toml"][..],
        &["check", "stadt.toml", "--json"],
        &["run", "stadt.toml", "-vv", "--log-format", "json"],
        &["plan", "stadt.toml", "-vv"],
    ] {
        let ran = messkette(folder.path(), args);
        assert_eq!(ran.code, 2);
        assert!(!ran.text().contains("KANARI"), "{}", ran.text());
    }
}

#[test]
fn an_empty_delivery_publishes_nothing() {
    let folder = folder_with(GOOD);
    let ran = messkette(folder.path(), &["run", "stadt.toml", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.text());
    assert_eq!(ran.json()["summary"]["release"], serde_json::Value::Null);
    assert!(!folder.path().join("work/current").exists());
}

/// Runs the JSON Schema reference validator over the schema, a good file and several that are not.
const VALIDATE: &str = r#"
import json, sys, copy, datetime
try:
    import jsonschema, tomllib
except ImportError as error:
    print(f"skipped: {error}"); sys.exit(0)
schema = json.load(open("schema.json"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
good = json.loads(json.dumps(tomllib.load(open("neu/pipeline.toml", "rb")), default=str))
errors = [error.message for error in validator.iter_errors(good)]
assert not errors, errors
def wrong(change):
    bad = copy.deepcopy(good)
    change(bad)
    assert list(validator.iter_errors(bad)), bad
wrong(lambda p: p["pipeline"].pop("name"))
wrong(lambda p: p["pipeline"].update(nam="x"))
wrong(lambda p: p["dataset"][0].update(kind="ortho"))
wrong(lambda p: p["dataset"][0].update(source="in"))
wrong(lambda p: p["dataset"][0].update(audience="all"))
wrong(lambda p: p["dataset"][0].update(geoid="of another kind"))
wrong(lambda p: p["dataset"][0].update(tiles=[{"quality": 0}]))
wrong(lambda p: p.update(datasets=[]))
print("validated")
"#;

#[test]
fn the_schema_is_one_that_validators_take() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let schema = messkette(folder.path(), &["generate", "schema"]).out;
    std::fs::write(folder.path().join("schema.json"), schema).expect("the schema can be written");
    assert_eq!(messkette(folder.path(), &["init", "neu"]).code, 0);
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python3");
    let python = if venv.is_file() { venv } else { "python3".into() };
    let Ok(ran) = Command::new(python).args(["-c", VALIDATE]).current_dir(folder.path()).output() else {
        assert!(std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_none(), "python3 is needed");
        println!("skipped: no python3");
        return;
    };
    let out = String::from_utf8_lossy(&ran.stdout);
    println!("{out}");
    assert!(ran.status.success(), "{out}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_none() || out.contains("validated"), "{out}");
}

/// A small city model from the demo: a whole night, what follows it, and a night without changes.
#[test]
fn a_night_and_what_follows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let demo = messkette(at, &["demo", "stadt", "--only", "city_model", "-q"]);
    assert_eq!((demo.code, demo.out.as_str()), (0, ""), "{}", demo.text());
    let file = "stadt/pipeline.toml";

    assert_eq!(messkette(at, &["plan", file, "--exit-code", "-o", "plan.parquet"]).code, 4);
    let first = messkette(at, &["run", file, "--plan", "plan.parquet", "--json"]);
    assert_eq!(first.code, 0, "{}", first.text());
    let summary = &first.json()["summary"];
    let objects = &summary["objects"];
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    assert!(number(&objects["in"]) > 0);
    assert_eq!(
        number(&objects["in"]),
        number(&objects["out"]) + number(&objects["rejected"]) + number(&objects["dropped_private"])
    );
    for key in ["release", "units", "by_type", "wall_s", "cpu_s", "peak_rss_mb"] {
        assert!(!summary[key].is_null(), "{key}");
    }
    assert!(at.join("stadt/work/current/public/lod2/tileset.json").is_file());

    assert_eq!(messkette(at, &["plan", file, "--exit-code"]).code, 0);
    let second = messkette(at, &["run", file, "--json"]);
    let again = &second.json()["summary"];
    assert_eq!((second.code, &again["release"]), (0, &summary["release"]));
    assert_eq!(number(&again["units"]["done"]) + number(&again["units"]["planned"]), 0);

    let status = messkette(at, &["status", file, "--json", "--max-age", "1h"]);
    assert_eq!((status.code, &status.json()["release"]), (0, &summary["release"]), "{}", status.text());
    assert_eq!(messkette(at, &["status", file, "--max-age", "0s"]).code, 5);
    let report = messkette(at, &["report", file, "--json"]);
    assert_eq!(report.json()["run"]["exit"], 0, "{}", report.text());
    assert_eq!(messkette(at, &["report", file, "-o", "report.html", "--lang", "en"]).code, 0);
    assert!(std::fs::read_to_string(at.join("report.html")).expect("it is there").starts_with("<!DOCTYPE html>"));
    assert_eq!(messkette(at, &["report", file, "--run", "99"]).code, 2);
    assert_eq!(messkette(at, &["rollback", file]).code, 2, "there is no earlier release");
    assert_eq!(messkette(at, &["gc", file]).code, 0);
    assert_eq!(messkette(at, &["explain", file, "no-such-building"]).code, 1);

    assert_eq!(messkette(at, &["verify", file]).code, 0);
    let tileset = at.join("stadt/work/current/public/lod2/tileset.json");
    std::fs::remove_file(&tileset).expect("it can be deleted");
    std::fs::write(&tileset, "{}").expect("it can be written");
    let verify = messkette(at, &["verify", file, "--json"]);
    assert_eq!((verify.code, &verify.json()["valid"]), (5, &serde_json::Value::Bool(false)), "{}", verify.text());

    let convert = messkette(
        at,
        &["convert", "city_model", "stadt/in/lod2", "-o", "out", "--json", "--set", "geoid=stadt/grids/demo_geoid.gtx"],
    );
    assert_eq!(convert.code, 0, "{}", convert.text());
    assert_eq!(convert.json()["summary"]["objects"], *objects);
    assert_eq!(convert.json()["summary"]["release"], serde_json::Value::Null);
    assert!(at.join("out/tileset.json").is_file());
    assert!(
        std::fs::read_dir(at.join("out"))
            .expect("it is there")
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with('.') })
    );
}
