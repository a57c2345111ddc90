//! Tables and their migrations. A migration is never edited once released; a new one is added.

use super::Ledger;
use crate::error::{Error, Place, Result};

/// Marks the file as a ledger of this program (`application_id`, "MKTT").
const APPLICATION: i64 = 0x4d4b_5454;

/// Each entry brings the ledger from the version that is its index to the next.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE source (              -- what a file contained when it was last hashed
    path TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    sources TEXT NOT NULL,         -- JSON: the sources in it, one, or one for each member
    PRIMARY KEY (path)
) WITHOUT ROWID;
CREATE TABLE result (              -- what a unit gave, by the unit's identity
    id TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL, size INTEGER NOT NULL,
    outcome TEXT NOT NULL, inputs TEXT NOT NULL, params TEXT NOT NULL, version INTEGER NOT NULL,
    run INTEGER NOT NULL, wall_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE slot (                -- the last good result of each unit that the pipeline has
    dataset TEXT NOT NULL, stage INTEGER NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL REFERENCES result(id),
    PRIMARY KEY (dataset, stage, key)
) WITHOUT ROWID;
CREATE TABLE failure (             -- units that failed, until they are mended
    dataset TEXT NOT NULL, stage INTEGER NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL,
    rejection TEXT NOT NULL, transient INTEGER NOT NULL, run INTEGER NOT NULL,
    PRIMARY KEY (dataset, stage, key)
) WITHOUT ROWID;
CREATE TABLE assembly (            -- the artefacts of each dataset
    dataset TEXT NOT NULL PRIMARY KEY, id TEXT NOT NULL, assembly TEXT NOT NULL, files TEXT NOT NULL,
    sources TEXT NOT NULL, run INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE run (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, ended TEXT, exit INTEGER, release TEXT, summary TEXT, report TEXT
);
CREATE TABLE delivery (            -- what each dataset's sources were in the last run
    dataset TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (dataset, name)
) WITHOUT ROWID;
CREATE TABLE success (             -- when each dataset last came through without loss
    dataset TEXT NOT NULL PRIMARY KEY, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE release (
    id TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL UNIQUE, created TEXT NOT NULL, content TEXT NOT NULL, run INTEGER
) WITHOUT ROWID;
",
    "
CREATE TABLE catalogue (           -- what each catalogue was last known to hold of ours
    target TEXT NOT NULL, uuid TEXT NOT NULL, dataset TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,
    desired TEXT NOT NULL, remote TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (target, uuid)
) WITHOUT ROWID;
",
    "
CREATE TABLE clean (               -- public artefacts that were looked through for personal data, and for what
    mark TEXT NOT NULL PRIMARY KEY, watch TEXT NOT NULL
) WITHOUT ROWID;
",
    // One row for each file and source: a night writes those that are others.
    "
CREATE TABLE assembly_file (       -- the files of each dataset's artefacts
    dataset TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, made_of TEXT,
    PRIMARY KEY (dataset, path)
) WITHOUT ROWID;
CREATE TABLE assembly_source (     -- the delivery that they were made from; JSON
    dataset TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (dataset, name)
) WITHOUT ROWID;
INSERT INTO assembly_file SELECT a.dataset, f.value ->> 'path', f.value ->> 'digest', f.value ->> 'size', f.value ->> 'made_of'
    FROM assembly a, json_each(a.files) f;
INSERT OR REPLACE INTO assembly_source SELECT a.dataset, s.value ->> 'name', s.value FROM assembly a, json_each(a.sources) s;
ALTER TABLE assembly DROP COLUMN files;
ALTER TABLE assembly DROP COLUMN sources;
",
    "
CREATE TABLE rolled_back (         -- the release that people went back to, and what they went back from; one row at most
    release TEXT NOT NULL, content TEXT NOT NULL
);
",
];

/// Makes or migrates the tables.
pub fn migrate(ledger: &mut Ledger) -> Result<()> {
    let version = check(ledger)?;
    let path = ledger.path.clone();
    let mut work = || -> rusqlite::Result<()> {
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
            let transaction = ledger.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", index as i64 + 1)?;
            transaction.commit()?;
        }
        Ok(())
    };
    work().map_err(|error| super::failed(&path, error))
}

/// Refuses what is no ledger or of a newer program; gives the version.
pub fn check(ledger: &mut Ledger) -> Result<usize> {
    let read = |name: &str| ledger.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (
        read("application_id").map_err(|error| ledger.error(error))?,
        read("user_version").map_err(|error| ledger.error(error))?,
    );
    let at = Place::file(ledger.path.display().to_string());
    if application != APPLICATION && (application != 0 || version != 0) {
        return Err(Error::new("mk::ledger::foreign", "this SQLite file is no ledger of messkette").at(at));
    }
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(Error::new(
            "mk::ledger::newer",
            format!("the ledger has version {version}, this program knows {}", MIGRATIONS.len()),
        )
        .at(at)
        .hint("update messkette, or use another workspace"));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Digest, Source};
    use crate::ledger::{AssemblyRow, StoredFile};

    fn row() -> AssemblyRow {
        let facts = serde_json::json!({
            "crs": "EPSG:25832", "vertical": null, "bbox": [0.0, 0.0, 1.0, 1.0], "bbox_lonlat": [9.0, 53.0, 10.0, 54.0],
            "representation": "vector", "resolution_m": null, "dates": null, "counts": {}, "operations": [], "steps": [],
            "layers": [], "notes": [],
        });
        let assembly = serde_json::json!({ "artefacts": [], "facts": facts });
        let file = |number: u64| StoredFile {
            path: format!("items/{number:03}.json"),
            digest: Digest::of(&number.to_le_bytes()),
            size: number,
            made_of: number.is_multiple_of(2).then(|| Digest::of(b"parts")),
        };
        let source = |number: u64| Source {
            name: format!("in/{number:03}.tif"),
            path: format!("/data/in/{number:03}.tif").into(),
            member: (number == 7).then(|| "member".to_owned()),
            size: number,
            digest: Digest::of(&number.to_be_bytes()),
        };
        AssemblyRow {
            id: Digest::of(b"assembly"),
            assembly: serde_json::from_value(assembly).unwrap(),
            files: (0..100).map(file).collect(),
            sources: (0..100).map(source).collect(),
            run: 3,
        }
    }

    /// Who only looks changes nothing, and knows what that version could not note.
    #[test]
    fn a_ledger_of_before_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        {
            let old = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
            MIGRATIONS[..4].iter().for_each(|migration| old.execute_batch(migration).unwrap());
            old.pragma_update(None, "application_id", APPLICATION).unwrap();
            old.pragma_update(None, "user_version", 4).unwrap();
        }
        assert_eq!(Ledger::open_read_only(folder.path()).unwrap().rolled_back().unwrap(), None);
        assert_eq!(Ledger::open(folder.path()).unwrap().rolled_back().unwrap(), None);
    }

    #[test]
    fn a_ledger_of_before_keeps_its_assemblies() {
        let folder = tempfile::tempdir().unwrap();
        let row = row();
        {
            let old = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
            MIGRATIONS[..3].iter().for_each(|migration| old.execute_batch(migration).unwrap());
            old.pragma_update(None, "application_id", APPLICATION).unwrap();
            old.pragma_update(None, "user_version", 3).unwrap();
            let json = |value: serde_json::Value| value.to_string();
            old.execute(
                "INSERT INTO assembly (dataset, id, assembly, files, sources, run) VALUES ('dop', ?1, ?2, ?3, ?4, 3)",
                [
                    row.id.to_string(),
                    json(serde_json::to_value(&row.assembly).unwrap()),
                    json(serde_json::to_value(&row.files).unwrap()),
                    json(serde_json::to_value(&row.sources).unwrap()),
                ],
            )
            .unwrap();
        }
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(ledger.assembly("dop").unwrap(), Some(row.clone()));
        assert_eq!(ledger.referenced().unwrap(), row.files.iter().map(|file| file.digest).collect());
    }

    #[test]
    fn of_many_files_and_sources_only_the_others_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        let mut row = row();
        let mut written = |row: &AssemblyRow| {
            let before = ledger.connection.total_changes();
            ledger.keep_assembly("dop", row).unwrap();
            assert_eq!(ledger.assembly("dop").unwrap().as_ref(), Some(row));
            ledger.connection.total_changes() - before
        };
        assert_eq!(written(&row), 201);
        assert_eq!(written(&row), 1, "the row of the assembly itself");
        row.files[5].digest = Digest::of(b"other");
        row.files[6].made_of = None;
        row.sources[7].size += 1;
        row.files.remove(80);
        row.sources.remove(90);
        assert_eq!(written(&row), 6);
        let all: std::collections::BTreeMap<String, Digest> =
            row.sources.iter().map(|source| (source.name.clone(), source.digest)).collect();
        let delivered = |ledger: &mut Ledger, sources: &std::collections::BTreeMap<String, Digest>| {
            let before = ledger.connection.total_changes();
            ledger.keep_delivered("dop", sources).unwrap();
            assert_eq!(ledger.delivered().unwrap().get("dop"), Some(sources));
            ledger.connection.total_changes() - before
        };
        assert_eq!(delivered(&mut ledger, &all), 99);
        let mut other = all.clone();
        assert_eq!(delivered(&mut ledger, &all), 0);
        other.remove("in/005.tif");
        other.insert("in/006.tif".to_owned(), Digest::of(b"new"));
        assert_eq!(delivered(&mut ledger, &other), 2);
    }
}
