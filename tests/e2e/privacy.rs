//! The gate before a release: a datum planted where it would become public stops the release, in `convert` and in a night.

use super::town::Run;
use std::path::{Path, PathBuf};

/// A stock with the name of a person in the free text of a building.
fn planted(folder: &Path) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre/stock-gid6.xml");
    let text = std::fs::read_to_string(fixture).unwrap();
    let path = folder.join("stock.xml");
    std::fs::write(&path, text.replace("<name>Markthalle</name>", "<name>Haus Kanari-Petersen</name>")).unwrap();
    path
}

#[track_caller]
fn refused(run: &Run) {
    // Long messages are wrapped.
    let text = format!("{}{}", run.stdout, run.stderr).replace("\n  │ ", " ");
    assert_eq!(run.code, 1, "{text}");
    assert!(
        text.contains("mk::release::canary") && text.contains("cadastre.gpkg (table GebaeudeBauwerk, column name)"),
        "{text}"
    );
    assert!(text.contains("cadastre.pmtiles (tile ") && text.contains("gebaeude_bauwerk.parquet"), "{text}");
    assert!(!text.to_lowercase().contains("kanari") && !text.contains("Petersen"), "{text}");
}

#[test]
fn a_canary_in_free_text_stops_the_release() {
    let folder = tempfile::tempdir().unwrap();
    let stock = planted(folder.path());
    let out = folder.path().join("out");
    refused(&Run::of(&["convert".as_ref(), "cadastre".as_ref(), stock.as_os_str(), "-o".as_ref(), out.as_os_str()]));
    assert!(!out.join("cadastre.gpkg").exists(), "nothing is handed over");

    let pipeline = folder.path().join("pipeline.toml");
    let text = |name: &str| {
        format!(
            "[pipeline]\nname = \"amt\"\n\n[[dataset]]\nid = \"alkis\"\nkind = \"cadastre\"\nsource = [\"{name}\"]\naudience = \"public\"\n"
        )
    };
    std::fs::write(&pipeline, text("stock.xml")).unwrap();
    let night = || Run::of(&["run".as_ref(), pipeline.as_os_str()]);
    refused(&night());
    let current = folder.path().join("work/current");
    assert!(!current.exists());
    // Without the datum the same pipeline goes through; with another list of canaries, so does the datum.
    std::fs::write(&pipeline, text("stock.xml").replace("name = \"amt\"", "name = \"amt\"\ncanaries = [\"Zeisig\"]")).unwrap();
    night().expect(0);
    assert!(current.exists());
}
