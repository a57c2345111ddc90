//! Real deliveries, and broken ones: everything is counted, and the counts are those of other programs.

use super::demo::{holding, open_in_other_programs};
use super::oracles::{ogr_counts, python, run, shared_data, system};
use super::town::{Release, Run, messkette};
use quick_xml::events::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The files of a folder that end so, sorted.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.is_file() && path.to_string_lossy().ends_with(end)).collect();
    found.sort();
    assert_ne!(found.len(), 0, "no *{end} in {}", folder.display());
    found
}

/// `convert --json` of these inputs.
fn convert(kind: &str, inputs: &[PathBuf], out: &Path, settings: &[String]) -> Run {
    let mut arguments: Vec<OsString> = ["--json", "convert", kind].map(OsString::from).into();
    arguments.extend(inputs.iter().map(OsString::from));
    arguments.extend(["-o".into(), out.into()]);
    for setting in settings {
        arguments.extend(["--set".into(), setting.into()]);
    }
    Run::of(&arguments)
}

/// How often each element stands where `counts` says so: it sees the local names of the parent and of the element.
fn count_elements(xml: impl BufRead, counted: impl Fn(&str, &str) -> bool, counts: &mut BTreeMap<String, u64>) {
    let mut reader = quick_xml::Reader::from_reader(xml);
    let (mut buffer, mut path) = (Vec::new(), vec![String::new()]);
    loop {
        let event = reader.read_event_into(&mut buffer).unwrap();
        if let Event::Start(element) | Event::Empty(element) = &event {
            let name = element.local_name().as_ref().to_owned();
            if counted(path.last().unwrap(), &name) {
                *counts.entry(name.clone()).or_default() += 1;
            }
            if matches!(event, Event::Start(_)) {
                path.push(name);
            }
        } else if matches!(event, Event::End(_)) {
            path.pop();
        } else if matches!(event, Event::Eof) {
            return;
        }
        buffer.clear();
    }
}

fn city_model_counts(zips: &[PathBuf]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for path in zips {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
        for index in 0..archive.len() {
            let member = BufReader::new(archive.by_index(index).unwrap());
            count_elements(member, |_, name| ["Building", "BuildingPart"].contains(&name), &mut counts);
        }
    }
    counts
}

fn geoid() -> Option<String> {
    Some(format!("geoid={}", shared_data("lod2/grids/de_bkg_gcg2016.tif")?.display()))
}

#[test]
fn city_model_tiles_of_a_county() {
    let (Some(folder), Some(geoid)) = (shared_data("lod2/nrw-wesel"), geoid()) else { return };
    let zips = files(&folder, ".zip");
    let out = tempfile::tempdir().unwrap();
    let summary = convert("city_model", &zips, out.path(), &[geoid]).expect(0).summary();
    let wanted = city_model_counts(&zips);
    assert!(wanted["Building"] > 1000);
    for (name, count) in summary.by_type("in") {
        assert_eq!(Some(&count), wanted.get(&name), "{name}");
    }
    assert!(summary.by_type("in").contains_key("Building"));
    assert_eq!(summary.by_type("out"), summary.by_type("in"));
    // GDAL reads the same buildings from one of the archives.
    let tile = &zips[1 + zips.len() / 2];
    let unpacked = out.path().join("tile.gml");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(tile).unwrap()).unwrap();
    std::io::copy(&mut archive.by_index(0).unwrap(), &mut std::fs::File::create(&unpacked).unwrap()).unwrap();
    if let Some(counts) = ogr_counts(&unpacked) {
        let one = tempfile::tempdir().unwrap();
        let summary =
            convert("city_model", std::slice::from_ref(tile), one.path(), &[self::geoid().unwrap()]).expect(0).summary();
        assert_eq!(counts.get("Building"), summary.by_type("in").get("Building"), "{}", tile.display());
    }
    std::fs::remove_file(&unpacked).unwrap();
    open_folder(out.path());
    let buildings = out.path().join("buildings.parquet");
    assert!(buildings.exists() && out.path().join("tileset.json").exists());
}

/// Other programs open what a conversion wrote.
#[track_caller]
fn open_folder(folder: &Path) {
    let mut release = Release { folder: folder.to_owned(), files: BTreeMap::new() };
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            release.files.insert(name, (entry.metadata().unwrap().len(), String::new()));
        }
    }
    open_in_other_programs(&release);
}

/// The cadastre of a Gemeinde, unpacked.
fn gm2566(into: &Path) -> Option<PathBuf> {
    let packed = shared_data("cadastre/gm2566-pseudonymised.xml.xz")?;
    let mut command = system("xz", "--version")?;
    let path = into.join("gm2566.xml");
    let status = command.arg("-dc").arg(packed).stdout(std::fs::File::create(&path).unwrap()).status().unwrap();
    assert!(status.success());
    Some(path)
}

#[test]
fn the_cadastre_of_a_gemeinde() {
    let folder = tempfile::tempdir().unwrap();
    let Some(delivery) = gm2566(folder.path()) else { return };
    let out = folder.path().join("out");
    let run = convert("cadastre", std::slice::from_ref(&delivery), &out, &[]).expect(0);
    let summary = run.summary();

    let mut wanted = BTreeMap::new();
    let member = |parent: &str, _: &str| ["featureMember", "member"].contains(&parent);
    count_elements(BufReader::new(std::fs::File::open(&delivery).unwrap()), member, &mut wanted);
    assert_eq!(wanted.values().sum::<u64>(), 82_737);
    assert_eq!(summary.by_type("in"), wanted);
    if let Some(mut counts) = ogr_counts(&delivery) {
        // A table of GDAL's own, of relations between objects.
        counts.remove("ALKIS_beziehungen");
        let alike =
            |counts: BTreeMap<String, u64>| counts.into_iter().filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>();
        assert_eq!(alike(summary.by_type("in")), alike(counts));
    }
    assert_eq!(summary.objects("rejected"), 0);
    let private = summary.by_type("dropped_private");
    for name in ["AX_Person", "AX_Anschrift", "AX_Namensnummer", "AX_Buchungsblatt"] {
        assert_eq!(private[name], wanted[name], "{name}");
    }

    assert!(!run.stdout.contains("KANARI") && !run.stderr.contains("KANARI"));
    if let Some(found) = holding("KANARI", std::slice::from_ref(&out)) {
        assert_eq!(found, BTreeSet::new());
    }
    open_tables(&out);
    if let Some(mut command) = python("nas_attributes.py") {
        command.arg(&delivery).arg(&out);
        println!("{}", self::run(command));
    }
}

/// The tables open and their rows are those of the parcels and buildings.
#[track_caller]
fn open_tables(folder: &Path) {
    if let Some(mut command) = python("open_outputs.py") {
        command.arg(folder);
        println!("{}", run(command));
    }
    if let Some(mut command) = python("open_cadastre.py") {
        command.arg(folder);
        println!("{}", run(command));
    }
    if let Some(counts) = ogr_counts(&folder.join("cadastre.gpkg")) {
        println!("{counts:?}");
        assert_eq!(counts.get("Flurstueck"), Some(&2_369), "{counts:?}");
    }
}

#[test]
fn orthophotos_of_other_countries() {
    let (Some(naip), Some(aerial)) = (shared_data("ortho/naip"), shared_data("ortho/aerial")) else { return };
    // Five years of one sheet in one grid; and single pictures, each in a CRS of its own.
    let mut deliveries = vec![files(&naip, ".tif")];
    deliveries.extend(files(&aerial, ".tif").into_iter().map(|file| vec![file]));
    for delivery in deliveries {
        let out = tempfile::tempdir().unwrap();
        let summary = convert("orthophoto", &delivery, out.path(), &[]).expect(0).summary();
        assert_eq!(summary.objects("in"), delivery.len() as u64, "{delivery:?}");
        assert_eq!(summary.objects("out"), delivery.len() as u64, "{delivery:?}");
        assert!(out.path().join("orthophoto.pmtiles").exists());
        if let Some(mut command) = python("open_outputs.py") {
            command.arg(out.path());
            println!("{}", self::run(command));
        }
    }
}

#[test]
fn real_deliveries_through_a_pipeline() {
    let (Some(lod2), Some(naip), Some(aerial), Some(grid)) = (
        shared_data("lod2/nrw-wesel"),
        shared_data("ortho/naip"),
        shared_data("ortho/aerial"),
        shared_data("lod2/grids/de_bkg_gcg2016.tif"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(delivery) = gm2566(folder.path()) else { return };
    let arrive = |part: &str, files: &[PathBuf]| {
        let target = folder.path().join("in").join(part);
        std::fs::create_dir_all(&target).unwrap();
        for file in files {
            std::fs::copy(file, target.join(file.file_name().unwrap())).unwrap();
        }
    };
    let zips = files(&lod2, ".zip");
    arrive("lod2", &zips);
    arrive("naip", &files(&naip, ".tif"));
    arrive("alkis", std::slice::from_ref(&delivery));
    arrive("grids", &[grid]);
    // Single pictures, each in a CRS of its own: one dataset each.
    let mut pictures = String::new();
    for (number, picture) in files(&aerial, ".tif").iter().enumerate() {
        arrive(&format!("aerial{number}"), std::slice::from_ref(picture));
        pictures += &format!(
            "[[dataset]]\nid = \"aerial{number}\"\nkind = \"orthophoto\"\nsource = [\"in/aerial{number}/*.tif\"]\naudience = \"public\"\n\n"
        );
    }
    let pipeline = folder.path().join("pipeline.toml");
    std::fs::write(
        &pipeline,
        pictures
            + r#"
[pipeline]
name = "real"

[[dataset]]
id = "naip"
kind = "orthophoto"
source = ["in/naip/*.tif"]
audience = "public"

[[dataset]]
id = "alkis"
kind = "cadastre"
source = ["in/alkis/*.xml"]
audience = "public"

[[dataset]]
id = "lod2"
kind = "city_model"
source = ["in/lod2/*.zip"]
geoid = "in/grids/de_bkg_gcg2016.tif"
audience = "public"
"#,
    )
    .unwrap();
    let run = Run::of(&["--json".as_ref(), "run".as_ref(), pipeline.as_os_str()]).expect(0);
    let counts = run.summary().by_type("in");
    assert_eq!(counts.get("AX_Flurstueck"), Some(&2_369));
    assert_eq!(counts.get("Building"), city_model_counts(&zips).get("Building"));
    let release = Release::current(&folder.path().join("work")).unwrap();
    assert_eq!(release.faults(), Vec::<String>::new());
    for name in ["naip/orthophoto.pmtiles", "alkis/flurstueck.parquet", "lod2/tileset.json"] {
        assert!(release.files.contains_key(&format!("public/{name}")), "{name}");
    }
    for number in 0..files(&aerial, ".tif").len() {
        assert!(release.files.contains_key(&format!("public/aerial{number}/orthophoto.pmtiles")), "aerial{number}");
    }
    assert!(!run.stdout.contains("KANARI") && !run.stderr.contains("KANARI"));
    if let Some(found) = holding("KANARI", &["public", "report"].map(|part| release.path(part))) {
        assert_eq!(found, BTreeSet::new());
    }
}

/// Runs it under the kernel's limits, so much processor time and 1 GiB of memory, and kills it after a wait that no load of the
/// machine explains.
#[track_caller]
fn within(limit: Duration, command: &Command) -> Run {
    let mut limited = Command::new("prlimit");
    limited.args([format!("--cpu={}", limit.as_secs()), format!("--data={}", 1_u64 << 30)]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let command = limited.stdin(Stdio::null());
    let patience = limit * 20;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let drain = |mut stream: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = drain(Box::new(child.stdout.take().unwrap()));
    let stderr = drain(Box::new(child.stderr.take().unwrap()));
    let clock = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if clock.elapsed() > patience {
            child.kill().unwrap();
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Run { code: status.code().unwrap_or(-1), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

#[test]
fn each_broken_file_is_read_or_refused_in_little_time_and_memory() {
    let (Some(tiffs), Some(zips), Some(disguised)) =
        (shared_data("broken/tiff"), shared_data("broken/zip"), shared_data("broken/vrt_disguised_as_tif.tif"))
    else {
        return;
    };
    let mut inputs: Vec<(&str, PathBuf)> =
        std::fs::read_dir(tiffs).unwrap().map(|entry| ("orthophoto", entry.unwrap().path())).collect();
    assert_eq!(inputs.len(), 128);
    inputs.extend(files(&zips, ".zip").into_iter().map(|path| ("city_model", path)));
    inputs.push(("orthophoto", disguised));
    assert_eq!(inputs.len(), 161);
    let mut wrong = Vec::new();
    for (kind, input) in inputs {
        let out = tempfile::tempdir().unwrap();
        let mut command = messkette();
        command.args(["--json", "convert", kind]).arg(&input).arg("-o").arg(out.path());
        let run = within(Duration::from_secs(10), &command);
        let name = input.file_name().unwrap().to_string_lossy().into_owned();
        if !(run.code == 0 || run.code == 1 || run.code == 3) || run.stderr.contains("panicked") {
            wrong.push(format!("{name}: exit {}: {}", run.code, run.stderr.lines().last().unwrap_or_default()));
        }
        if run.code != 0 && !run.stderr.contains(&name) {
            wrong.push(format!("{name}: exit {} without naming the file", run.code));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_night_with_broken_files_publishes_the_rest_and_lists_them() {
    let (Some(broken), Some(good), Some(lod2), Some(grid)) = (
        shared_data("broken"),
        shared_data("ortho/naip"),
        shared_data("lod2/nrw-wesel"),
        shared_data("lod2/grids/de_bkg_gcg2016.tif"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for part in ["tiff", "zip"] {
        super::town::copy_tree(&broken.join(part), &folder.path().join(part));
    }
    let copy = |from: PathBuf, to: &str| std::fs::copy(from, folder.path().join(to)).unwrap();
    copy(broken.join("vrt_disguised_as_tif.tif"), "tiff/vrt_disguised_as_tif.tif");
    copy(files(&good, ".tif").remove(0), "tiff/good.tif");
    copy(files(&lod2, ".zip").remove(3), "zip/good.zip");
    copy(grid, "gcg2016.tif");
    let pipeline = folder.path().join("pipeline.toml");
    std::fs::write(
        &pipeline,
        r#"
[pipeline]
name = "broken"

[[dataset]]
id = "dop"
kind = "orthophoto"
source = ["tiff/*"]

[[dataset]]
id = "lod2"
kind = "city_model"
source = ["zip/*.zip"]
geoid = "gcg2016.tif"
"#,
    )
    .unwrap();
    let mut command = messkette();
    command.args([OsStr::new("--json"), OsStr::new("run"), pipeline.as_os_str()]);
    let run = within(Duration::from_mins(1), &command).expect(3);
    assert!(!run.stderr.contains("panicked"));
    assert!(run.summary().0["peak_rss_mb"].as_f64().unwrap() < 1024.0);
    let release = Release::current(&folder.path().join("work")).unwrap();
    assert_eq!(release.faults(), Vec::<String>::new());
    for name in ["dop/orthophoto.pmtiles", "lod2/tileset.json"] {
        assert!(release.files.contains_key(&format!("internal/{name}")), "{name}");
    }
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(release.path("report/report.json")).unwrap()).unwrap();
    let mut reasons = BTreeSet::new();
    collect_rejections(&report, &mut reasons);
    let list = reasons.into_iter().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("broken_files", list);
}

/// Every rejection in the report: file, code and reason, without GDAL's own words, which differ between its versions.
fn collect_rejections(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => {
            if let (Some(code), Some(reason), Some(file)) =
                (value["code"].as_str(), value["reason"].as_str(), value["place"]["file"].as_str())
            {
                let (reason, _) = reason.split_once("; GDAL says: ").unwrap_or((reason, ""));
                assert_ne!(reason, "", "{file}");
                found.insert(format!("{file}: {code}: {reason}"));
            }
            members.values().for_each(|member| collect_rejections(member, found));
        }
        serde_json::Value::Array(members) => members.iter().for_each(|member| collect_rejections(member, found)),
        _ => {}
    }
}
