//! What files contained when they were last hashed: an unchanged file is not read again.

use super::{Ledger, json, to_json};
use crate::io::Source;
use crate::io::discover::{Stat, StatCache};
use rusqlite::{OptionalExtension, params};

impl StatCache for Ledger {
    fn get(&self, path: &str, stat: &Stat) -> Option<Vec<Source>> {
        self.connection
            .prepare_cached(
                "SELECT sources FROM source WHERE path = ?1 AND size = ?2 AND mtime_ns = ?3 AND ctime_ns = ?4 AND inode = ?5",
            )
            .and_then(|mut statement| {
                statement
                    .query_row(
                        params![path, stat.size as i64, stat.mtime_ns as i64, stat.ctime_ns as i64, stat.inode as i64],
                        |row| json(&row.get::<_, String>(0)?),
                    )
                    .optional()
            })
            .ok()
            .flatten()
    }

    /// A row that cannot be written costs hashing the file again, nothing else.
    fn put(&mut self, path: &str, stat: &Stat, sources: &[Source]) {
        let Ok(text) = to_json(&sources) else { return };
        let _ = self.connection.execute(
            "INSERT OR REPLACE INTO source (path, size, mtime_ns, ctime_ns, inode, sources) VALUES (?1,?2,?3,?4,?5,?6)",
            params![path, stat.size as i64, stat.mtime_ns as i64, stat.ctime_ns as i64, stat.inode as i64, text],
        );
    }

    /// In one transaction: ten thousand files cost one write to disk.
    fn put_all(&mut self, entries: &[(String, Stat, Vec<Source>)]) {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE").is_ok();
        for (path, stat, sources) in entries {
            self.put(path, stat, sources);
        }
        if begun {
            let _ = self.connection.execute_batch("COMMIT");
        }
    }
}
