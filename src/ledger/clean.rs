//! Public artefacts that were looked through for personal data before a release.

use super::Ledger;
use crate::error::Result;
use crate::io::Digest;
use rusqlite::params;
use std::collections::BTreeSet;

impl Ledger {
    /// The artefacts, by their marks, in which nothing was found of what `watch` stands for.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn clean(&self, watch: Digest) -> Result<BTreeSet<Digest>> {
        let read = || -> rusqlite::Result<BTreeSet<Digest>> {
            let mut statement = self.connection.prepare("SELECT mark FROM clean WHERE watch = ?1")?;
            let marks = statement.query_map([watch.to_string()], |row| row.get::<_, String>(0))?;
            // One that cannot be read is looked through again.
            Ok(marks.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|mark| mark.parse().ok()).collect())
        };
        read().map_err(|error| self.error(error))
    }

    /// Notes in which artefacts nothing was found; what was noted of others is forgotten.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn keep_clean(&mut self, watch: Digest, marks: &BTreeSet<Digest>) -> Result<()> {
        let mut write = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            transaction.execute("DELETE FROM clean", [])?;
            for mark in marks {
                transaction.execute("INSERT INTO clean VALUES (?1, ?2)", params![mark.to_string(), watch.to_string()])?;
            }
            transaction.commit()
        };
        let written = write();
        written.map_err(|error| self.error(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_clean_is_known_for_the_same_words_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        let of = |text: &str| Digest::of(text.as_bytes());
        assert!(ledger.clean(of("words")).unwrap().is_empty());
        ledger.keep_clean(of("words"), &BTreeSet::from([of("a"), of("b")])).unwrap();
        assert_eq!(ledger.clean(of("words")).unwrap(), BTreeSet::from([of("a"), of("b")]));
        assert!(ledger.clean(of("other words")).unwrap().is_empty());
        ledger.keep_clean(of("other words"), &BTreeSet::from([of("b")])).unwrap();
        assert!(ledger.clean(of("words")).unwrap().is_empty());
    }
}
