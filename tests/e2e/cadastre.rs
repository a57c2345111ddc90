//! A night of changes to the cadastre comes to the files that a run of all deliveries at once comes to.

use super::oracles;
use super::town::{Release, Run, write_demo};
use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The dataset's files, of both audiences, with size and digest.
fn files(work: &Path) -> BTreeMap<String, (u64, String)> {
    let release = Release::current(work).unwrap();
    let ours = |name: &String| name.starts_with("public/alkis/") || name.starts_with("internal/alkis/");
    release.files.into_iter().filter(|(name, _)| ours(name)).collect()
}

#[test]
fn nights_of_changes_come_to_the_files_of_one_run_of_all_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let (pipeline, work) = (folder.path().join("pipeline.toml"), folder.path().join("work"));
    let run = || Run::of(&["run".as_ref(), pipeline.as_os_str(), "--json".as_ref()]).expect(0).summary();
    let mut nights = Vec::new();
    for night in 1..=3 {
        write_demo(folder.path(), &["--only", "cadastre", "--night", &night.to_string()]);
        if night == 1 {
            // Tiles of two kinds of units, of zooms with and without sketches, and few of them.
            let text = std::fs::read_to_string(&pipeline).unwrap();
            assert!(text.contains("history = true\n"), "{text}");
            std::fs::write(&pipeline, text.replace("history = true\n", "history = true\nzoom = [12, 17]\n")).unwrap();
        }
        let text = std::fs::read_to_string(&pipeline).unwrap();
        assert!(text.contains("zoom = [12, 17]"), "the pipeline stays as it is");
        run();
        nights.push(files(&work));
    }
    assert!(nights[2].len() > 20, "{:?}", nights[2].keys());
    for name in ["public/alkis/cadastre.gpkg", "public/alkis/flurstueck.parquet", "internal/alkis/flurstueck_lineage.parquet"] {
        assert_ne!(nights[0][name], nights[1][name], "{name} is another after the changes");
    }
    let kept = nights[1].iter().filter(|(name, file)| nights[2].get(*name) == Some(file)).count();
    assert!(kept > 0, "some files are taken over");
    std::fs::remove_dir_all(&work).unwrap();
    run();
    let whole = files(&work);
    assert_eq!(nights[2].keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    let other: Vec<&String> = whole.iter().filter(|(name, file)| nights[2][*name] != **file).map(|(name, _)| name).collect();
    assert!(other.is_empty(), "other bytes than a run of everything: {other:?}");
}

#[test]
fn the_owners_of_parcels_are_found_as_the_documentation_says() {
    let Some(mut command) = oracles::python("owners.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    write_demo(folder.path(), &["--only", "cadastre"]);
    let out = folder.path().join("out");
    let deliveries =
        std::fs::read_dir(folder.path().join("in/alkis")).unwrap().map(|entry| entry.unwrap().path().into_os_string());
    let deliveries: Vec<_> = deliveries.collect();
    let mut arguments = vec!["convert".into(), "cadastre".into()];
    arguments.extend(deliveries.iter().cloned());
    let options = ["--set", "owners=true", "--set", "audience=internal", "--set", "only=parquet", "-o"];
    arguments.extend(options.into_iter().map(Into::into));
    arguments.push(out.clone().into_os_string());
    Run::of(&arguments).expect(0);
    command.arg(&out).args(&deliveries);
    println!("{}", oracles::run(command));
}

/// Who sees only the console at seven in the morning knows which portion to ask for; when it comes, the files are those of whole chains.
#[test]
fn a_missing_portion_is_told_with_the_interval_that_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let (pipeline, work) = (folder.path().join("pipeline.toml"), folder.path().join("work"));
    for night in 1..=4 {
        write_demo(folder.path(), &["--only", "cadastre", "--night", &night.to_string()]);
    }
    let run = || Run::of(&["run".as_ref(), pipeline.as_os_str()]);
    let mut portions: Vec<_> =
        std::fs::read_dir(folder.path().join("in/alkis")).unwrap().map(|entry| entry.unwrap().path()).collect();
    portions.retain(|path| path.to_string_lossy().contains("_nba_"));
    portions.sort();
    let [_, missing, last] = &portions[..] else { panic!("{portions:?}") };
    let later = std::fs::read(missing).unwrap();
    std::fs::remove_file(missing).unwrap();
    let told = run().expect(3).stderr;
    let last = last.file_name().unwrap().to_string_lossy();
    let expected = "expected is one that begins at 2026-03-03T04:00:00Z: a delivery between is missing";
    assert!(told.lines().any(|line| line.contains(expected) && line.contains(&*last)), "{told}");
    assert!(told.contains("not everything got through: 1 file not taken; exit code 3"), "{told}");
    // The next night says so again, though it does nothing.
    assert!(run().expect(3).stderr.contains(expected));

    std::fs::write(missing, later).unwrap();
    run().expect(0);
    let late = files(&work);
    std::fs::remove_dir_all(&work).unwrap();
    run().expect(0);
    assert!(late == files(&work), "a portion that came late left other files");
}

/// The rows of a GeoParquet file, but for how they are grouped.
fn rows(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// A conversion keeps nothing for a night after it, and writes the GeoPackage as rows come: what it makes says the same.
#[test]
fn a_conversion_comes_to_what_a_run_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    let (pipeline, out) = (folder.path().join("pipeline.toml"), folder.path().join("out"));
    write_demo(folder.path(), &["--only", "cadastre"]);
    let text = std::fs::read_to_string(&pipeline).unwrap();
    std::fs::write(&pipeline, text.replace("history = true\n", "")).unwrap();
    Run::of(&["run".as_ref(), pipeline.as_os_str()]).expect(0);
    let input = folder.path().join("in/alkis");
    Run::of(&["convert".as_ref(), "cadastre".as_ref(), input.as_os_str(), "-o".as_ref(), out.as_os_str()]).expect(0);
    let run = folder.path().join("work/current/public/alkis");
    let mut compared = 0;
    for entry in std::fs::read_dir(&run).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (one, other) = (run.join(&name), out.join(&name));
        match Path::new(&name).extension().and_then(|it| it.to_str()) {
            Some("fgb" | "csv" | "png") => assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{name}"),
            Some("parquet") => assert_eq!(rows(&one), rows(&other), "{name}"),
            Some("gpkg") => {
                let base = Connection::open(&one).unwrap();
                base.execute("ATTACH ? AS other", [other.to_str().unwrap()]).unwrap();
                let check: String = base.query_row("PRAGMA other.integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(check, "ok");
                let mut tables = base.prepare("SELECT table_name FROM gpkg_contents").unwrap();
                let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
                assert_eq!(tables.len(), 9);
                let number = |sql: &str| base.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
                for table in tables.iter().chain([&"gpkg_contents".to_owned()]) {
                    let rows = number(&format!("SELECT count(*) FROM \"{table}\""));
                    let same = format!("SELECT * FROM main.\"{table}\" INTERSECT SELECT * FROM other.\"{table}\"");
                    assert_eq!(number(&format!("SELECT count(*) FROM ({same})")), rows, "{table}");
                    assert_eq!(number(&format!("SELECT count(*) FROM other.\"{table}\"")), rows, "{table}");
                }
            }
            _ => continue,
        }
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
    // Alone it is the same file.
    let (alone, only) = (folder.path().join("alone"), "only=gpkg");
    let arguments = ["convert".as_ref(), "cadastre".as_ref(), input.as_os_str(), "-o".as_ref(), alone.as_os_str()];
    Run::of(&[&arguments[..], &["--set".as_ref(), only.as_ref()]].concat()).expect(0);
    let [one, other] = [out, alone].map(|folder| std::fs::read(folder.join("cadastre.gpkg")).unwrap());
    assert!(one == other);
}
