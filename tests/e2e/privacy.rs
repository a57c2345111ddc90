//! The gate before a release: a datum planted where it would become public stops the release, in `convert` and in a night.

use super::oracles;
use super::town::{Run, messkette};
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

/// Files below a folder that hold a text, also inside what is packed, as another program finds them.
fn holding(text: &str, folder: &Path) -> Option<String> {
    let mut command = oracles::python("find_text.py")?;
    command.arg(text).arg(folder);
    Some(oracles::run(command))
}

#[test]
fn a_former_owner_is_gone_from_every_byte_when_the_time_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("pipeline.toml");
    let work = folder.path().join("work");
    std::fs::create_dir(folder.path().join("in")).unwrap();
    let arrive = |name: &str| {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cadastre").join(name);
        std::fs::copy(fixture, folder.path().join("in").join(name)).unwrap();
    };
    let text = "[pipeline]\nname = \"amt\"\n\n[[dataset]]\nid = \"alkis\"\nkind = \"cadastre\"\nsource = [\"in/*.xml\"]\naudience = \"internal\"\n\
                zoom = [12, 12]\nhistory = true\nowners = true\nowners_days = 365\n";
    std::fs::write(&pipeline, text).unwrap();
    let night = |day: &str| {
        let moment: jiff::Timestamp = format!("{day}T02:00:00Z").parse().unwrap();
        let done =
            messkette().env("SOURCE_DATE_EPOCH", moment.as_second().to_string()).arg("run").arg(&pipeline).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    arrive("stock-gid6.xml");
    night("2024-02-01");
    // The person gets another name on 1 June.
    arrive("changes-gid6.xml");
    night("2024-06-03");
    night("2025-05-31");
    let Some(before) = holding("KANARI-Nachname", &work) else { return };
    assert!(before.contains("releases/") && before.contains("store/"), "{before}");
    night("2025-06-01");
    assert_eq!(holding("KANARI-Nachname", &work).unwrap(), "");
    assert!(holding("KANARI-Neu", &work).unwrap().contains("/internal/alkis/objekt.parquet"), "who owns today stays");
    // A day later what the portion deleted is due: where its parcel was booked. A quiet night has nothing to delete, and nothing to do.
    night("2025-06-02");
    let traces = super::town::traces(&work.join("store"));
    night("2025-06-03");
    assert_eq!(super::town::traces(&work.join("store")), traces);
}
