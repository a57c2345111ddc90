//! The journal of a catalogue: what was about to be written, on disk before it is sent.
//!
//! One JSON object on each line, only ever appended. An intent that is not followed by its end is *open*: the program, the machine or
//! the line died in between, and only the catalogue knows what became of it. The next plan reads there and closes it.

use super::plan::Step;
use crate::error::{Error, Place, Result};
use crate::io::faults::{Operation, point};
use crate::io::{Digest, atomic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A journal this large is begun anew once nothing in it is open.
const LARGE: u64 = 4 << 20;

/// An intent without an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The record.
    pub uuid: Uuid,
    /// What was to be done.
    pub action: Step,
    /// Content that was released; none for a delete.
    pub desired: Option<Digest>,
    /// Content that was to be written; none for a delete.
    pub content: Option<Digest>,
    /// Title, to know the record again where a catalogue writes it in its own way.
    pub title: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Line {
    Intent {
        at: String,
        #[serde(flatten)]
        intent: Intent,
    },
    Answered {
        at: String,
        uuids: Vec<Uuid>,
        answer: String,
    },
    Closed {
        at: String,
        uuid: Uuid,
        result: String,
    },
}

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    open: BTreeMap<Uuid, Intent>,
}

impl Journal {
    /// Reads what is open in a journal, without touching it.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn open_intents(path: &Path) -> Result<BTreeMap<Uuid, Intent>> {
        let mut text = Vec::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut text).map_err(|error| failed(path, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(failed(path, error)),
        };
        let mut open = BTreeMap::new();
        for line in text.split(|byte| *byte == b'\n') {
            // The last line may be torn: then what it tells of never began.
            match serde_json::from_slice(line) {
                Ok(Line::Intent { intent, .. }) => {
                    open.insert(intent.uuid, intent);
                }
                Ok(Line::Closed { uuid, .. }) => {
                    open.remove(&uuid);
                }
                Ok(Line::Answered { .. }) | Err(_) => {}
            }
        }
        Ok(open)
    }

    /// Opens a journal for appending; makes it where needed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            atomic::create_dir_all(folder)?;
        }
        let open = Self::open_intents(path)?;
        let size = std::fs::metadata(path).map_or(0, |data| data.len());
        if open.is_empty() && size > LARGE {
            atomic::write_atomic(path, b"")?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| failed(path, error))?;
        // A torn line of a crash must not swallow the next one.
        if size > 0 {
            file.write_all(b"\n").map_err(|error| failed(path, error))?;
        }
        Ok(Self { path: path.to_owned(), file, open })
    }

    /// True when what became of this record is not known.
    pub fn is_open(&self, uuid: Uuid) -> bool {
        self.open.contains_key(&uuid)
    }

    /// Notes what is about to be written; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written: then nothing must be sent.
    pub fn intend(&mut self, intents: &[Intent]) -> Result<()> {
        let lines: Vec<Line> = intents.iter().map(|intent| Line::Intent { at: now(), intent: intent.clone() }).collect();
        self.append(&lines)?;
        self.open.extend(intents.iter().map(|intent| (intent.uuid, intent.clone())));
        Ok(())
    }

    /// Notes what the server said; for people.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn answered(&mut self, uuids: Vec<Uuid>, answer: &str) -> Result<()> {
        self.append(&[Line::Answered { at: now(), uuids, answer: answer.to_owned() }])
    }

    /// Notes that what became of a record is known, and in the ledger.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(&mut self, results: &[(Uuid, String)]) -> Result<()> {
        let known: Vec<_> = results.iter().filter(|(uuid, _)| self.open.contains_key(uuid)).collect();
        if known.is_empty() {
            return Ok(());
        }
        let lines: Vec<Line> =
            known.iter().map(|(uuid, result)| Line::Closed { at: now(), uuid: *uuid, result: result.clone() }).collect();
        self.append(&lines)?;
        for (uuid, _) in results {
            self.open.remove(uuid);
        }
        Ok(())
    }

    fn append(&mut self, lines: &[Line]) -> Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| failed(&self.path, error.into()))?;
            text.push(b'\n');
        }
        let mut work = || -> std::io::Result<()> {
            point(Operation::Write)?;
            self.file.write_all(&text)?;
            point(Operation::Sync)?;
            self.file.sync_data()
        };
        work().map_err(|error| failed(&self.path, error))
    }
}

fn now() -> String {
    crate::run::utc_now()
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new("mk::catalogue::journal", "the catalogue's journal cannot be read or written")
        .at(Place::file(path.display().to_string()))
        .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(n: u128) -> Intent {
        let digest = Some(Digest::of(&n.to_le_bytes()));
        Intent { uuid: Uuid::from_u128(n), action: Step::Insert, desired: digest, content: digest, title: "T".to_owned() }
    }

    #[test]
    fn an_intent_is_open_until_it_is_closed_and_a_torn_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.intend(&[intent(1), intent(2)]).unwrap();
        journal.answered(vec![Uuid::from_u128(1)], "x").unwrap();
        journal.close(&[(Uuid::from_u128(1), "verified".to_owned())]).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let torn = [whole.as_slice(), b"{\"step\":\"intent\",\"at\":\"2026"].concat();
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(Journal::open_intents(&path).unwrap().into_keys().collect::<Vec<_>>(), [Uuid::from_u128(2)]);
        // The line after a torn one counts.
        let mut journal = Journal::open(&path).unwrap();
        journal.intend(&[intent(3)]).unwrap();
        journal.close(&[(Uuid::from_u128(2), "verified".to_owned())]).unwrap();
        assert_eq!(Journal::open_intents(&path).unwrap().into_keys().collect::<Vec<_>>(), [Uuid::from_u128(3)]);
    }
}
