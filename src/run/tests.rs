//! The flow on a toy kind: words of text files, gathered by first letter.

mod loss;
mod rollback;

use crate::crs::{Bbox, Crs};
use crate::dataset::{
    Artefact, ArtefactRole, AssembleContext, Assembly, Dataset, Facts, Kind, Located, Outcome, PlanContext, Representation,
    Stage, UnitContext,
};
use crate::error::{Error, Exit, Place, Result};
use crate::io::Pack;
use crate::pipeline::{Audience, DatasetConfig, Pipeline};
use crate::plan::{Input, Reason, UnitSpec};
use crate::release::Manifest;
use crate::run::{ENGINES, Finished, Options, Silent, outlook};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The toy kind; [`crate::dataset::kind`] knows it in unit tests.
pub const KIND: Kind = Kind {
    name: "words",
    summary: "text files to words by letter",
    title: "Wörter",
    patterns: &[],
    types_are_delivered: false,
    features: &[],
    options: || schemars::json_schema!({ "type": "object", "properties": { "shout": { "type": "boolean" } }, "additionalProperties": false }),
    open: |config| Ok(Box::new(Words { shout: config.options.contains_key("shout") })),
};

struct Words {
    shout: bool,
}

impl Dataset for Words {
    fn stages(&self) -> &'static [Stage] {
        &[Stage { name: "read", version: 1 }, Stage { name: "letter", version: 1 }]
    }
    fn units(&self, stage: usize, context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
        let spec =
            |key: String, inputs| UnitSpec { key, inputs, params: serde_json::Value::Null, bbox: None, memory_mb: 1, cost: 1 };
        if stage == 0 {
            return Ok(context.sources.iter().map(|source| spec(source.name.clone(), vec![Input::source(source)])).collect());
        }
        let mut letters: BTreeMap<String, Vec<Input>> = BTreeMap::new();
        for result in &context.earlier[0] {
            for (letter, entry) in result.pack()?.entries() {
                letters.entry(letter.clone()).or_default().push(result.entry_as_input(letter, *entry));
            }
        }
        Ok(letters.into_iter().map(|(letter, inputs)| spec(letter, inputs)).collect())
    }
    fn execute(&self, stage: usize, unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        if stage == 1 {
            let mut words = Vec::new();
            for input in &unit.inputs {
                words.extend(String::from_utf8_lossy(&context.entry(input)?).lines().map(str::to_owned));
            }
            words.sort();
            context.pack.add("words", words.join("\n").as_bytes())?;
            return Ok(outcome);
        }
        let source = unit.inputs[0].as_source().unwrap();
        let text = String::from_utf8(source.bytes(crate::io::Limits::default())?).unwrap();
        if text.contains("BROKEN") {
            return Err(Error::new("mk::words::broken", "the file is broken").at(Place::file(&source.name).line(1)));
        }
        assert!(!text.contains("PANIC"), "a kind must not panic, but if it does");
        if text.contains("SLOW") {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let mut letters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for word in text.split_whitespace() {
            outcome.counts.kept("word");
            let word = if self.shout { word.to_uppercase() } else { word.to_owned() };
            letters.entry(word[..1].to_owned()).or_default().push(word);
        }
        for (letter, words) in letters {
            context.pack.add(&letter, words.join("\n").as_bytes())?;
        }
        Ok(outcome)
    }
    fn assemble_version(&self) -> u32 {
        1
    }
    fn assemble(&self, context: &AssembleContext<'_>) -> Result<Assembly> {
        let mut all = String::new();
        for result in &context.results[1] {
            all.push_str(&String::from_utf8(Pack::open(&result.path)?.read("words")?).unwrap());
            all.push('\n');
        }
        std::fs::write(context.output.join("words.txt"), &all).unwrap();
        std::fs::create_dir(context.output.join("internal")).unwrap();
        std::fs::write(context.output.join("internal/count.txt"), all.lines().count().to_string()).unwrap();
        let artefact = |path: &str, audience| Artefact {
            path: path.into(),
            audience,
            role: ArtefactRole::Data,
            media_type: "text/plain".into(),
            format: "Text".into(),
            title: path.into(),
        };
        Ok(Assembly {
            artefacts: vec![artefact("words.txt", Audience::Public), artefact("internal", Audience::Internal)],
            facts: Facts {
                crs: Crs::UTM32,
                vertical: None,
                bbox: Bbox::new([565_000.0, 5_948_000.0], [566_000.0, 5_949_000.0]),
                bbox_lonlat: Bbox::new([9.98, 53.67], [10.0, 53.68]),
                representation: Representation::Vector,
                resolution_m: None,
                dates: None,
                counts: crate::dataset::Counts::default(),
                operations: Vec::new(),
                steps: vec!["Wörter gesammelt.".into()],
                layers: Vec::new(),
                notes: Vec::new(),
            },
        })
    }
    fn locate(&self, object: &str, context: &AssembleContext<'_>) -> Result<Vec<Located>> {
        let letter = &object[..1];
        let found = context.results[1].iter().filter(|result| result.key == letter);
        Ok(found.map(|result| Located { stage: 1, key: result.key.clone(), what: "gathered".into() }).collect())
    }
}

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(world.path("in")).unwrap();
        for (name, text) in files {
            world.write(name, text);
        }
        world.pipeline("");
        world
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("in").join(name), text).unwrap();
    }
    fn pipeline(&self, options: &str) {
        let text = format!(
            "[pipeline]\nname = \"test\"\nkeep_releases = 2\n[[dataset]]\nid = \"w\"\nkind = \"words\"\nsource = [\"in/*.txt\"]\naudience = \"public\"\n{options}\n"
        );
        std::fs::write(self.path("p.toml"), text).unwrap();
    }
    fn load(&self) -> Pipeline {
        let text = std::fs::read_to_string(self.path("p.toml")).unwrap();
        let value: serde_json::Value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        let datasets: Vec<DatasetConfig> = serde_json::from_value(value["dataset"].clone()).unwrap();
        Pipeline {
            config: serde_json::from_value(value["pipeline"].clone()).unwrap(),
            datasets,
            publish: Vec::new(),
            file: self.path("p.toml"),
        }
    }
    fn night(&self, change: impl FnOnce(&mut Options)) -> Result<Finished> {
        let mut options = options();
        change(&mut options);
        crate::night(&self.load(), &options, &Silent)
    }
    fn run(&self) -> Finished {
        self.night(|_| {}).unwrap()
    }
    fn words(&self) -> String {
        std::fs::read_to_string(self.path("work/current/public/w/words.txt")).unwrap()
    }
    fn reasons(&self) -> Vec<(String, Reason)> {
        let outlook = outlook(&self.load(), &options(), &Silent).unwrap();
        outlook.units.into_iter().map(|unit| (unit.spec.key, unit.reason)).collect()
    }
    fn rollback(&self, to: Option<&str>) -> Result<String> {
        let work = self.path("work");
        crate::release::rollback(&work, Some(&mut crate::ledger::Ledger::open(&work)?), &self.load().config.canaries, to)
    }
    /// Every file and link below the release tree, with its time of change.
    fn tree(&self) -> BTreeSet<(PathBuf, std::time::SystemTime)> {
        let entries = walkdir::WalkDir::new(self.path("work/releases")).into_iter().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.path().to_owned(), entry.metadata().unwrap().modified().unwrap())).collect()
    }
}

fn options() -> Options {
    Options {
        plan: None,
        only: None,
        retry: false,
        jobs: 2,
        memory_mb: 100,
        engine: ENGINES[0],
        artefact: None,
        cancel: Arc::new(AtomicBool::new(false)),
        command: "run".into(),
    }
}

/// The JSON twin of a report's page.
fn told_by(page: &Path) -> serde_json::Value {
    assert!(page.is_file(), "{}", page.display());
    serde_json::from_str(&std::fs::read_to_string(page.with_file_name("report.json")).unwrap()).unwrap()
}

fn units(finished: &Finished) -> [u64; 4] {
    let units = finished.summary.units;
    [units.planned, units.done, units.reused, units.quarantined]
}

#[test]
fn the_first_night_releases_everything_and_the_next_touches_nothing() {
    let world = World::new(&[("a.txt", "apple bear"), ("b.txt", "ant cat")]);
    let first = world.run();
    assert_eq!((first.exit, units(&first), first.new_release), (Exit::Ok, [5, 5, 0, 0], true));
    assert_eq!(world.words(), "ant\napple\nbear\ncat\n");
    assert!(first.summary.release.as_deref().unwrap().starts_with("r0001-"));
    assert_eq!(first.summary.by_type.0["word"].output, 4);
    assert!(!world.path("work/current/public/w/internal").exists(), "internal artefacts are not public");
    assert!(world.path("work/current/internal/w/internal/count.txt").is_file());
    assert!(world.path("work/current/public/metadata/w.xml").is_file());
    assert!(crate::release::verify(&world.path("work/current").canonicalize().unwrap()).unwrap().is_empty());

    let before = world.tree();
    let second = world.run();
    assert_eq!((second.exit, units(&second), second.new_release), (Exit::Ok, [0, 0, 5, 0], false));
    assert_eq!(second.summary.release, first.summary.release);
    assert_eq!(second.summary.by_type, first.summary.by_type);
    assert_eq!(world.tree(), before, "a night without changes writes nothing into the releases");
    // Each night names its own page, also the one whose release is of a night before.
    assert_eq!(
        [told_by(&first.report)["run"]["id"].as_str(), told_by(&second.report)["run"]["id"].as_str()],
        [Some("1"), Some("2")]
    );
    let latest = world.path("work/reports/latest").canonicalize().unwrap();
    // What they link is there, wherever the page lies.
    for page in [
        &first.report,
        &second.report,
        &world.path("work/reports/latest/index.html"),
        &world.path("work/current/report/index.html"),
    ] {
        let told = told_by(page);
        let links: Vec<&str> =
            told["datasets"][0]["artefacts"].as_array().unwrap().iter().map(|file| file["href"].as_str().unwrap()).collect();
        assert_eq!(links.len(), 2);
        let html = std::fs::read_to_string(page).unwrap();
        for link in links {
            assert!(page.parent().unwrap().canonicalize().unwrap().join(link).exists(), "{link} of {}", page.display());
            assert!(html.contains(&format!("href=\"{link}\"")), "{link}");
        }
    }
    assert_eq!(second.report.parent().unwrap().canonicalize().unwrap(), latest);
}

#[test]
fn a_night_tells_of_records_that_catalogues_would_refuse() {
    let world = World::new(&[("a.txt", "apple")]);
    // Also on a night without a new release: it is not mended by waiting.
    for _ in 0..2 {
        let night = world.run();
        assert_eq!(night.exit, Exit::Ok);
        let rules = crate::release::by_rule(&night.records);
        let contact = rules.iter().find(|rule| rule.finding.rule == "GDI-DE 2.5").unwrap();
        assert_eq!(contact.datasets, ["w"]);
        assert!(contact.finding.remedy.unwrap().contains("contact"));
        let report = std::fs::read_to_string(world.path("work/reports/latest/report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let findings = report["datasets"][0]["findings"].as_array().unwrap();
        assert!(findings.iter().any(|group| group["code"] == "GDI-DE 2.5 [F]"), "{findings:?}");
    }
    let text = std::fs::read_to_string(world.path("p.toml")).unwrap();
    let contact = "contact = { organisation = \"Amt\", email = \"a@b.de\" }\n[[dataset]]";
    std::fs::write(world.path("p.toml"), text.replacen("[[dataset]]", contact, 1)).unwrap();
    assert!(world.run().records.iter().all(|record| !record.finding.rule.starts_with("GDI-DE 2.5")));
}

#[test]
fn a_change_redoes_what_depends_on_it_and_gives_what_a_full_run_gives() {
    let world = World::new(&[("a.txt", "apple bear"), ("b.txt", "ant cat")]);
    world.run();
    world.write("b.txt", "ant dog");
    assert_eq!(world.reasons(), [("in/b.txt".to_owned(), Reason::ChangedInput)]);
    let night = world.run();
    // b.txt again; the letter a is unchanged, c is gone, d is new.
    assert_eq!((night.exit, units(&night)), (Exit::Ok, [2, 2, 3, 0]));
    assert_eq!(world.words(), "ant\napple\nbear\ndog\n");
    let full = World::new(&[("a.txt", "apple bear"), ("b.txt", "ant dog")]);
    full.run();
    let manifest = |world: &World| {
        let mut manifest = Manifest::read(&world.path("work/current")).unwrap();
        // Records and portal differ by the pipeline's folder name at most; the data must not differ at all.
        manifest.files.retain(|file| file.path.contains("/w/"));
        manifest
    };
    assert_eq!(manifest(&world), manifest(&full));
}

#[test]
fn a_failed_unit_is_quarantined_and_its_last_good_result_stays() {
    let world = World::new(&[("a.txt", "apple"), ("b.txt", "bear")]);
    world.run();
    world.write("b.txt", "BROKEN");
    let night = world.run();
    assert_eq!((night.exit, units(&night), night.new_release), (Exit::Quarantined, [1, 0, 3, 1], true));
    assert_eq!(world.words(), "apple\nbear\n");
    assert!(night.summary.by_type.0.values().all(crate::dataset::Count::balances));
    assert_eq!(night.summary.objects.rejected, 1);
    // Every night until it is mended, without trying the same bytes again ...
    let again = world.run();
    assert_eq!((again.exit, units(&again), again.new_release), (Exit::Quarantined, [0, 0, 3, 1], false));
    // ... unless asked to.
    let retry = world.night(|options| options.retry = true).unwrap();
    assert_eq!((retry.exit, units(&retry)), (Exit::Quarantined, [1, 0, 3, 1]));
    world.write("b.txt", "bee");
    let mended = world.run();
    assert_eq!((mended.exit, units(&mended)), (Exit::Ok, [2, 2, 2, 0]));
    assert_eq!(world.words(), "apple\nbee\n");
}

#[test]
fn a_failed_unit_is_left_out_where_the_dataset_says_so() {
    let world = World::new(&[("a.txt", "apple"), ("b.txt", "bear")]);
    world.pipeline("on_reject = \"omit\"");
    world.run();
    world.write("b.txt", "BROKEN");
    assert_eq!(world.run().exit, Exit::Quarantined);
    assert_eq!(world.words(), "apple\n");
}

#[test]
fn a_panic_in_a_kind_costs_its_unit_only() {
    let world = World::new(&[("a.txt", "apple"), ("b.txt", "PANIC")]);
    let night = world.run();
    assert_eq!((night.exit, units(&night)), (Exit::Quarantined, [3, 2, 0, 1]));
    assert_eq!(world.words(), "apple\n");
}

#[test]
fn an_empty_delivery_never_removes_what_is_published() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    std::fs::remove_file(world.path("in/a.txt")).unwrap();
    let night = world.run();
    assert_eq!((night.exit, night.new_release), (Exit::Quarantined, false));
    assert_eq!(world.words(), "apple\n");
    let metrics = std::fs::read_to_string(world.path("work/metrics.prom")).unwrap();
    assert!(metrics.contains("messkette_state{pipeline=\"test\"} 1\n"), "{metrics}");
}

#[test]
fn a_tile_index_that_cannot_be_read_costs_its_dataset_only() {
    let world = World::new(&[("a.txt", "apple"), ("kacheln.geojson", "{}")]);
    let second = "[[dataset]]\nid = \"v\"\nkind = \"words\"\nsource = [\"in/*.txt\"]\naudience = \"public\"";
    for (index, reason) in [("in/gone.geojson", "cannot"), ("in/kacheln.geojson", "it has no features")] {
        world.pipeline(&format!("expect = {{ index = \"{index}\" }}\n{second}"));
        let night = world.run();
        assert_eq!((night.exit, night.lost.number), (Exit::Quarantined, 1));
        assert!(world.path("work/current/public/v/words.txt").is_file());
        let (dataset, lost) = &night.lost.first[0];
        assert_eq!((dataset.as_str(), lost.code.as_str()), ("w", "mk::discover::index"));
        assert!(
            lost.reason.starts_with("`expect.index` of dataset 'w' cannot be used: ") && lost.reason.contains(reason),
            "{}",
            lost.reason
        );
        assert_eq!((lost.place.file.as_deref(), lost.place.object.as_deref()), (Some(index), Some("expect.index")));
    }
}

#[test]
fn a_delivery_that_is_still_being_written_waits_and_is_no_failure() {
    let world = World::new(&[("a.txt.part", "apple")]);
    let first = world.run();
    assert_eq!((first.exit, first.summary.release.as_deref()), (Exit::Failed, None), "nothing is published yet");
    assert!(told_by(&first.report)["datasets"][0]["error"].is_null());
    std::fs::remove_file(world.path("in/a.txt.part")).unwrap();
    world.write("a.txt", "apple");
    world.run();
    // The next delivery takes the place of the file, and is not whole when the night begins.
    std::fs::remove_file(world.path("in/a.txt")).unwrap();
    world.write("a.txt.part", "app");
    let outlook = outlook(&world.load(), &options(), &Silent).unwrap();
    assert!(outlook.failed.is_empty() && !outlook.has_changes());
    let night = world.run();
    assert_eq!((night.exit, night.new_release, night.lost.number), (Exit::Quarantined, false, 0));
    assert_eq!(world.words(), "apple\n");
    let told = told_by(&night.report);
    assert_eq!(told["datasets"][0]["sources"]["waiting"], serde_json::json!(["in/a.txt"]));
    assert!(told["datasets"][0]["error"].is_null() && told["datasets"][0]["sources"]["changes"] == serde_json::json!({}));
    let metrics = std::fs::read_to_string(world.path("work/metrics.prom")).unwrap();
    assert!(metrics.contains("messkette_dataset_state{pipeline=\"test\",dataset=\"w\"} 1\n"), "{metrics}");
}

#[test]
fn when_nothing_can_be_published_at_all_the_exit_code_says_failed() {
    let world = World::new(&[]);
    let night = world.run();
    assert_eq!((night.exit, night.summary.release), (Exit::Failed, None));
    assert!(!world.path("work/current").exists());
}

#[test]
fn a_parameter_and_a_lost_object_are_reasons_too() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    world.pipeline("shout = true");
    assert_eq!(world.reasons(), [("in/a.txt".to_owned(), Reason::ChangedParameter)]);
    world.run();
    assert_eq!(world.words(), "APPLE\n");
    std::fs::remove_dir_all(world.path("work/store")).unwrap();
    assert_eq!(world.reasons(), [("in/a.txt".to_owned(), Reason::LostResult)]);
    let night = world.run();
    assert_eq!((night.exit, night.new_release), (Exit::Ok, false));
    assert_eq!(world.words(), "APPLE\n", "a release does not need the store");
}

#[test]
fn a_saved_plan_is_applied_only_while_the_world_stands_still() {
    let world = World::new(&[("a.txt", "apple")]);
    let path = world.path("plan.parquet");
    let plan = outlook(&world.load(), &options(), &Silent).unwrap();
    assert!(!world.path("work").exists(), "a plan writes nothing");
    plan.pins.save(&plan.units, &path).unwrap();
    world.write("b.txt", "bear");
    let error = world.night(|options| options.plan = Some(path.clone())).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("mk::plan::moved", Exit::Failed));
    std::fs::remove_file(world.path("in/b.txt")).unwrap();
    assert_eq!(world.night(|options| options.plan = Some(path)).unwrap().exit, Exit::Ok);
}

#[test]
fn a_night_that_is_stopped_goes_on_where_it_was() {
    let world = World::new(&[("a.txt", "apple")]);
    let error = world.night(|options| options.cancel.store(true, Ordering::SeqCst)).unwrap_err();
    assert_eq!(error.exit_code(), Exit::Cancelled);
    assert_eq!(world.run().exit, Exit::Ok);
}

#[test]
fn a_report_shows_its_own_night_as_it_ended_and_a_killed_one_as_interrupted() {
    let world = World::new(&[("a.txt", "apple"), ("b.txt", "BROKEN")]);
    let night = world.run();
    // A kill leaves nothing but the begin of the run.
    crate::ledger::Ledger::open(&world.path("work")).unwrap().begin_run("2026-01-02T03:04:05Z", 0).unwrap();
    let third = world.run();
    let nights = |page: &Path| -> Vec<(Option<u64>, u64, u64)> {
        let nights = told_by(page)["nights"].as_array().unwrap().clone();
        nights.iter().map(|n| (n["exit"].as_u64(), n["done"].as_u64().unwrap(), n["quarantined"].as_u64().unwrap())).collect()
    };
    assert_eq!(nights(&night.report), [(Some(3), 2, 1)]);
    assert_eq!(nights(&world.path("work/current/report/index.html")), [(Some(3), 2, 1)]);
    assert_eq!(nights(&third.report), [(Some(3), 0, 1), (None, 0, 0), (Some(3), 2, 1)]);
    let page = std::fs::read_to_string(&third.report).unwrap();
    assert!(page.contains("02.01.2026") && page.contains("<small>unterbrochen</small>"));
    let failed = world.night(|options| options.cancel.store(true, Ordering::SeqCst)).unwrap_err();
    assert_eq!(failed.exit_code(), Exit::Cancelled);
    assert_eq!(nights(&world.path("work/reports/latest/index.html"))[0], (Some(130), 0, 0));
}

/// Files of one content and name in several folders make units of one identity.
#[test]
fn units_that_make_the_same_do_not_share_their_scratch() {
    let world = World::new(&[]);
    let text = std::fs::read_to_string(world.path("p.toml")).unwrap();
    std::fs::write(world.path("p.toml"), text.replace("in/*.txt", "in/**/*.txt")).unwrap();
    for folder in 0..40 {
        std::fs::create_dir(world.path(&format!("in/{folder}"))).unwrap();
        world.write(&format!("{folder}/a.txt"), "SLOW apple");
    }
    let night = world.run();
    assert_eq!((night.exit, night.lost.first.len()), (Exit::Ok, 0), "{:?}", night.lost);
    assert_eq!(units(&night)[0], 42);
}

#[test]
fn a_plan_says_why_another_release_would_be_made_when_no_unit_is_to_do() {
    let second = "[[dataset]]\nid = \"v\"\nkind = \"words\"\nsource = [\"in/*.txt\"]";
    let world = World::new(&[("a.txt", "apple")]);
    world.pipeline(second);
    let planned = || {
        let outlook = outlook(&world.load(), &options(), &Silent).unwrap();
        assert_eq!((outlook.units.len(), outlook.removed.len(), outlook.failed.len()), (0, 0, 0));
        assert_eq!(outlook.has_changes(), !outlook.release.is_empty());
        outlook.release.join("; ")
    };
    world.run();
    assert_eq!(planned(), "");
    // A dataset is taken out of the file.
    world.pipeline("");
    assert_eq!(planned(), "the dataset 'v' is no longer in the pipeline file and is withdrawn");
    let night = world.run();
    assert!(night.new_release && !world.path("work/current/internal/v").exists());
    assert_eq!(
        (night.withdrawn.as_slice(), told_by(&night.report)["withdrawn"].clone()),
        (&["v".to_owned()][..], serde_json::json!(["v"]))
    );
    let page = std::fs::read_to_string(world.path("work/current/report/index.html")).unwrap();
    assert!(page.contains("Zurückgezogen, weil nicht mehr in der Pipeline-Datei: v"));
    assert_eq!((planned(), world.run().withdrawn), (String::new(), Vec::new()));
    // Titles and addresses are in the files of the dataset, or at least in its record.
    for change in ["metadata = { title = \"Anders\" }", "metadata = { title = \"Ganz anders\" }"] {
        world.pipeline(change);
        assert_eq!(planned(), "the files of the dataset 'w' are put together anew");
        assert!(world.run().new_release);
        assert_eq!(planned(), "");
    }
    let text = std::fs::read_to_string(world.path("p.toml")).unwrap().replacen("keep_releases = 2", "keep_releases = 3", 1);
    std::fs::write(world.path("p.toml"), text).unwrap();
    assert_eq!(planned(), "the pipeline file, a record's files or the program differ from those of the release");
    assert!(world.run().new_release);
    // Who went back stays there until something changes.
    let mut ledger = crate::ledger::Ledger::open(&world.path("work")).unwrap();
    let older = crate::release::rollback(&world.path("work"), Some(&mut ledger), &[], None).unwrap();
    drop(ledger);
    assert_eq!(planned(), "");
    assert_eq!(world.run().summary.release.as_ref(), Some(&older));
    world.pipeline("metadata = { title = \"Noch anders\" }");
    assert!(planned().starts_with("the files of the dataset 'w' are put together anew"));
    assert!(world.run().new_release);
}

#[test]
fn what_stays_quarantined_is_no_change() {
    let world = World::new(&[("a.txt", "apple"), ("b.txt", "bear")]);
    world.run();
    world.write("b.txt", "BROKEN");
    world.run();
    let outlook = outlook(&world.load(), &options(), &Silent).unwrap();
    assert_eq!((outlook.quarantined.len(), outlook.has_changes()), (1, false), "{:?} {:?}", outlook.removed, outlook.release);
}

#[test]
fn the_records_keep_their_identifiers_when_the_lock_file_is_lost() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    let record = || std::fs::read_to_string(world.path("work/current/public/metadata/w.xml")).unwrap();
    let uuid = |xml: &str| xml.split("<gmd:fileIdentifier>").nth(1).unwrap()[..120].to_owned();
    let before = uuid(&record());
    std::fs::remove_file(world.path("work/catalogue.lock")).unwrap();
    let text = std::fs::read_to_string(world.path("p.toml")).unwrap().replace("\"test\"", "\"renamed\"");
    std::fs::write(world.path("p.toml"), text).unwrap();
    world.write("b.txt", "bear");
    world.run();
    assert_eq!(uuid(&record()), before);
}

#[test]
fn explain_names_the_unit_and_its_files() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    let found = crate::run::explain(&world.load(), &options(), "apple").unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].stage.as_str(), found[0].unit.inputs[0].name.as_str()), ("letter", "in/a.txt#a"));
    assert_eq!(crate::run::explain(&world.load(), &options(), "zebra").unwrap_err().code(), "mk::explain::unknown");
}

#[test]
fn the_files_of_a_release_are_whole_for_a_reader_at_any_time() {
    let world = World::new(&[("a.txt", "apple")]);
    world.run();
    let stop = AtomicBool::new(false);
    let looks = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let release = world.path("work/current").canonicalize().unwrap();
                for file in Manifest::read(Path::new(&release)).unwrap().files {
                    assert_eq!(std::fs::metadata(release.join(&file.path)).unwrap().len(), file.size, "{}", file.path);
                }
                looks.fetch_add(1, Ordering::SeqCst);
            }
        });
        for round in 0..5 {
            world.write("a.txt", &format!("apple{round}"));
            world.run();
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(looks.into_inner() > 0);
}
