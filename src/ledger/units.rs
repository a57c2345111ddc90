//! Units: results by identity, the last good result of each slot, failures, assemblies.

use super::{Ledger, json, to_json};
use crate::dataset::{Assembly, Outcome};
use crate::error::{Rejection, Result};
use crate::io::{Digest, Source};
use crate::plan::Input;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// A unit's result as the ledger keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredUnit {
    /// Identity of the unit.
    pub id: Digest,
    /// The pack in the store.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What the unit said.
    pub outcome: Outcome,
    /// What it read.
    pub inputs: Vec<Input>,
    /// Parameters.
    pub params: String,
    /// Version of the code.
    pub version: u32,
    /// Run that made it.
    pub run: i64,
    /// Wall time in milliseconds.
    pub wall_ms: u64,
}

/// A unit that failed and is not mended yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Identity of the unit that failed.
    pub id: Digest,
    /// Why.
    pub rejection: Rejection,
    /// True when the cause was the machine's and the next night tries again.
    pub transient: bool,
    /// Run in which it failed.
    pub run: i64,
}

/// One file of an assembly, kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Path within the dataset's folder.
    pub path: String,
    /// Content.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Of everything that it was made of, where the kind says so: while it is the same, the file is not made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_of: Option<Digest>,
}

/// The artefacts of a dataset as the ledger keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct AssemblyRow {
    /// Identity: what it was made from.
    pub id: Digest,
    /// What the kind said.
    pub assembly: Assembly,
    /// The files.
    pub files: Vec<StoredFile>,
    /// The delivery that it was made from.
    pub sources: Vec<Source>,
    /// Run that made it.
    pub run: i64,
}

const UNIT: &str = "r.id, r.digest, r.size, r.outcome, r.inputs, r.params, r.version, r.run, r.wall_ms";

/// Writes a file of an assembly where it is another than before.
const PUT_FILE: &str = "INSERT INTO assembly_file (dataset, path, digest, size, made_of) VALUES (?1,?2,?3,?4,?5)
    ON CONFLICT (dataset, path) DO UPDATE SET digest = excluded.digest, size = excluded.size, made_of = excluded.made_of
    WHERE digest <> excluded.digest OR size <> excluded.size OR made_of IS NOT excluded.made_of";
/// Writes a source of an assembly where it is another than before.
const PUT_SOURCE: &str = "INSERT INTO assembly_source (dataset, name, source) VALUES (?1,?2,?3)
    ON CONFLICT (dataset, name) DO UPDATE SET source = excluded.source WHERE source <> excluded.source";

/// A unit from a row whose columns from `first` on are [`UNIT`].
fn unit(row: &Row<'_>, first: usize) -> rusqlite::Result<StoredUnit> {
    Ok(StoredUnit {
        id: digest(row, first)?,
        digest: digest(row, first + 1)?,
        size: row.get::<_, i64>(first + 2)? as u64,
        outcome: json(&row.get::<_, String>(first + 3)?)?,
        inputs: json(&row.get::<_, String>(first + 4)?)?,
        params: row.get(first + 5)?,
        version: row.get(first + 6)?,
        run: row.get(first + 7)?,
        wall_ms: row.get::<_, i64>(first + 8)? as u64,
    })
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: crate::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

impl Ledger {
    /// The result of the unit with this identity.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn result(&self, id: Digest) -> Result<Option<StoredUnit>> {
        self.connection
            .prepare_cached(&format!("SELECT {UNIT} FROM result r WHERE r.id = ?1"))
            .and_then(|mut statement| statement.query_row([id.to_string()], |row| unit(row, 0)).optional())
            .map_err(|error| self.error(error))
    }

    /// The last good results of a stage, by key.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn slots(&self, dataset: &str, stage: usize) -> Result<std::collections::BTreeMap<String, StoredUnit>> {
        let work = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT s.key, {UNIT} FROM slot s JOIN result r ON r.id = s.id WHERE s.dataset = ?1 AND s.stage = ?2"
            ))?;
            let rows =
                statement.query_map(params![dataset, stage as i64], |row| Ok((row.get::<_, String>(0)?, unit(row, 1)?)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| self.error(error))
    }

    /// Keeps the result of a unit and makes it the last good one of its slot; forgets the slot's failure.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_result(&mut self, dataset: &str, stage: usize, key: &str, stored: &StoredUnit) -> Result<()> {
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            transaction.execute(
                "INSERT OR REPLACE INTO result (id, digest, size, outcome, inputs, params, version, run, wall_ms) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                params![
                    stored.id.to_string(),
                    stored.digest.to_string(),
                    stored.size as i64,
                    to_json(&stored.outcome)?,
                    to_json(&stored.inputs)?,
                    stored.params,
                    stored.version,
                    stored.run,
                    stored.wall_ms as i64
                ],
            )?;
            fill_slot(&transaction, dataset, stage, key, stored.id)?;
            transaction.commit()
        };
        work(self).map_err(|error| self.error(error))
    }

    /// Makes results that exist already the last good ones of their slots.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn fill_slots(&mut self, dataset: &str, stage: usize, slots: &[(String, Digest)]) -> Result<()> {
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            for (key, id) in slots {
                fill_slot(&transaction, dataset, stage, key, *id)?;
            }
            transaction.commit()
        };
        if slots.is_empty() { Ok(()) } else { work(self).map_err(|error| self.error(error)) }
    }

    /// Forgets units that the pipeline no longer has.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn drop_slots(&mut self, dataset: &str, stage: usize, keys: &[String]) -> Result<()> {
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            for key in keys {
                for table in ["slot", "failure"] {
                    transaction.execute(
                        &format!("DELETE FROM {table} WHERE dataset = ?1 AND stage = ?2 AND key = ?3"),
                        params![dataset, stage as i64, key],
                    )?;
                }
            }
            transaction.commit()
        };
        if keys.is_empty() { Ok(()) } else { work(self).map_err(|error| self.error(error)) }
    }

    /// Keeps why a unit failed; its last good result stays in the slot.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_failure(&mut self, dataset: &str, stage: usize, key: &str, failure: &Failure) -> Result<()> {
        let work = || -> rusqlite::Result<usize> {
            self.connection.execute(
                "INSERT OR REPLACE INTO failure (dataset, stage, key, id, rejection, transient, run) VALUES (?1,?2,?3,?4,?5,?6,?7)",
                params![
                    dataset,
                    stage as i64,
                    key,
                    failure.id.to_string(),
                    to_json(&failure.rejection)?,
                    failure.transient,
                    failure.run
                ],
            )
        };
        work().map(|_| ()).map_err(|error| self.error(error))
    }

    /// The failures of a stage, by key.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn failures(&self, dataset: &str, stage: usize) -> Result<std::collections::BTreeMap<String, Failure>> {
        let work = || {
            let mut statement = self
                .connection
                .prepare_cached("SELECT key, id, rejection, transient, run FROM failure WHERE dataset = ?1 AND stage = ?2")?;
            let rows = statement.query_map(params![dataset, stage as i64], |row| {
                let failure = Failure {
                    id: digest(row, 1)?,
                    rejection: json(&row.get::<_, String>(2)?)?,
                    transient: row.get(3)?,
                    run: row.get(4)?,
                };
                Ok((row.get::<_, String>(0)?, failure))
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        work().map_err(|error| self.error(error))
    }

    /// The artefacts of a dataset.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn assembly(&self, dataset: &str) -> Result<Option<AssemblyRow>> {
        let work = || -> rusqlite::Result<Option<AssemblyRow>> {
            let said = self.connection.query_row("SELECT id, assembly, run FROM assembly WHERE dataset = ?1", [dataset], |row| {
                Ok((digest(row, 0)?, json(&row.get::<_, String>(1)?)?, row.get(2)?))
            });
            let Some((id, assembly, run)) = said.optional()? else { return Ok(None) };
            let mut statement = self
                .connection
                .prepare("SELECT path, digest, size, made_of FROM assembly_file WHERE dataset = ?1 ORDER BY path")?;
            let files = statement.query_map([dataset], |row| {
                let made_of = row.get::<_, Option<String>>(3)?.map(|_| digest(row, 3)).transpose()?;
                Ok(StoredFile { path: row.get(0)?, digest: digest(row, 1)?, size: row.get::<_, i64>(2)? as u64, made_of })
            })?;
            let files = files.collect::<rusqlite::Result<_>>()?;
            let mut statement = self.connection.prepare("SELECT source FROM assembly_source WHERE dataset = ?1 ORDER BY name")?;
            let sources = statement.query_map([dataset], |row| json(&row.get::<_, String>(0)?))?;
            Ok(Some(AssemblyRow { id, assembly, files, sources: sources.collect::<rusqlite::Result<_>>()?, run }))
        };
        work().map_err(|error| self.error(error))
    }

    /// Keeps the artefacts of a dataset; of files and sources, which may be many, only those are written that are others than before.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_assembly(&mut self, dataset: &str, row: &AssemblyRow) -> Result<()> {
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            transaction.execute(
                "INSERT OR REPLACE INTO assembly (dataset, id, assembly, run) VALUES (?1,?2,?3,?4)",
                params![dataset, row.id.to_string(), to_json(&row.assembly)?, row.run],
            )?;
            for StoredFile { path, digest, size, made_of } in &row.files {
                let made_of = made_of.map(|made_of| made_of.to_string());
                transaction.prepare_cached(PUT_FILE)?.execute(params![
                    dataset,
                    path,
                    digest.to_string(),
                    *size as i64,
                    made_of
                ])?;
            }
            for source in &row.sources {
                transaction.prepare_cached(PUT_SOURCE)?.execute(params![dataset, source.name, to_json(source)?])?;
            }
            let paths: Vec<&str> = row.files.iter().map(|file| file.path.as_str()).collect();
            let names: Vec<&str> = row.sources.iter().map(|source| source.name.as_str()).collect();
            drop_others(&transaction, "assembly_file", "path", dataset, &paths)?;
            drop_others(&transaction, "assembly_source", "name", dataset, &names)?;
            transaction.commit()
        };
        work(self).map_err(|error| self.error(error))
    }

    /// Forgets datasets that the pipeline no longer has, and results that no slot holds.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn forget_unused(&mut self, datasets: &[&str]) -> Result<()> {
        let keep = serde_json::to_string(datasets).unwrap_or_default();
        let work = |ledger: &mut Self| -> rusqlite::Result<()> {
            let transaction = ledger.connection.transaction()?;
            for table in ["slot", "failure", "assembly", "assembly_file", "assembly_source", "delivery", "success"] {
                transaction
                    .execute(&format!("DELETE FROM {table} WHERE dataset NOT IN (SELECT value FROM json_each(?1))"), [&keep])?;
            }
            transaction.execute("DELETE FROM result WHERE id NOT IN (SELECT id FROM slot)", [])?;
            transaction.commit()
        };
        work(self).map_err(|error| self.error(error))
    }

    /// Digests of everything in the store that the ledger still points to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn referenced(&self) -> Result<std::collections::BTreeSet<Digest>> {
        let work = || -> rusqlite::Result<std::collections::BTreeSet<Digest>> {
            let mut found = std::collections::BTreeSet::new();
            let mut statement = self.connection.prepare("SELECT digest FROM result UNION SELECT digest FROM assembly_file")?;
            for row in statement.query_map([], |row| digest(row, 0))? {
                found.insert(row?);
            }
            Ok(found)
        };
        work().map_err(|error| self.error(error))
    }
}

/// Drops the rows of a dataset whose names are not in the list.
pub(super) fn drop_others(
    transaction: &rusqlite::Transaction<'_>,
    table: &str,
    column: &str,
    dataset: &str,
    names: &[&str],
) -> rusqlite::Result<usize> {
    let others = format!("DELETE FROM {table} WHERE dataset = ?1 AND {column} NOT IN (SELECT value FROM json_each(?2))");
    transaction.execute(&others, params![dataset, to_json(&names)?])
}

fn fill_slot(
    transaction: &rusqlite::Transaction<'_>,
    dataset: &str,
    stage: usize,
    key: &str,
    id: Digest,
) -> rusqlite::Result<()> {
    let slot = params![dataset, stage as i64, key, id.to_string()];
    transaction.prepare_cached("INSERT OR REPLACE INTO slot (dataset, stage, key, id) VALUES (?1,?2,?3,?4)")?.execute(slot)?;
    transaction.prepare_cached("DELETE FROM failure WHERE dataset = ?1 AND stage = ?2 AND key = ?3")?.execute(params![
        dataset,
        stage as i64,
        key
    ])?;
    Ok(())
}
