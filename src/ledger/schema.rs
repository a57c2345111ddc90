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
