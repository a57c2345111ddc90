//! A night of changes to the cadastre comes to the files that a run of all deliveries at once comes to.

use super::town::{Release, Run, write_demo};
use std::collections::BTreeMap;
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
