//! A catalogue server: reading, listing, writing. What it answers is told, never believed.

use super::options::{CswOptions, Dialect};
use super::reply::{self, Answer};
use super::request::{self, Operation};
use crate::error::{Error, Exit, Result};
use crate::io::http::{self, Failure, Method, Reply};
use crate::metadata::Tree;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// A catalogue server.
pub struct Client {
    http: http::Client,
    endpoint: String,
    transaction: String,
    dialect: Dialect,
    attempts: u32,
    most_wait: Duration,
    reads: AtomicU64,
    writes: AtomicU64,
}

/// What a request that writes came to, by the server's word.
#[derive(Debug)]
pub enum Written {
    /// It says that it did it.
    Done {
        /// Records that it says it touched.
        total: u64,
    },
    /// It says that it did not.
    Refused(String),
    /// It says nothing that counts. `wait` is what it asks for.
    Unknown {
        /// What happened.
        reason: String,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
}

/// A page of a listing.
#[derive(Debug)]
pub struct Page {
    /// Identifiers.
    pub identifiers: Vec<String>,
    /// Where the next page starts.
    pub next: Option<u64>,
}

impl Client {
    /// A client for a catalogue; nothing is sent yet. `folder` is the pipeline file's.
    ///
    /// # Errors
    /// When the options or the secrets do not do.
    pub fn new(options: &CswOptions, folder: &Path) -> Result<Self> {
        options.check()?;
        Ok(Self {
            http: http::Client::new(&options.settings(folder)?)?,
            endpoint: options.endpoint.clone(),
            transaction: options.transaction.clone().unwrap_or_else(|| options.endpoint.clone()),
            dialect: options.dialect,
            attempts: options.attempts.max(1),
            most_wait: Duration::from_secs(u64::from(options.wait_s)),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        })
    }

    /// Requests so far: those that read and those that write.
    pub fn requests(&self) -> (u64, u64) {
        (self.reads.load(Ordering::Relaxed), self.writes.load(Ordering::Relaxed))
    }

    /// Asks what the server can do, and takes its address for transactions when none is configured: only one of the same origin, so
    /// that credentials go where the pipeline file says.
    ///
    /// # Errors
    /// When the server does not answer or is no CSW.
    pub fn probe(&mut self, configured: bool) -> Result<()> {
        match self.read(&request::capabilities(&self.endpoint))? {
            Answer::Capabilities { transactions, post } => {
                if !configured {
                    if let Some(post) = post.filter(|post| origin(post) == origin(&self.endpoint)) {
                        self.transaction = post;
                    }
                    if !transactions {
                        return Err(Error::new("mk::catalogue::read_only", "the catalogue offers no transactions here")
                            .hint("ask its operator, and set `transaction` to the address for transactions; or let it harvest: messkette serve"));
                    }
                }
                Ok(())
            }
            Answer::Exception(text) => Err(self.refused(&text)),
            _ => Err(Error::new("mk::catalogue::answer", "the catalogue's answer to GetCapabilities is something else")),
        }
    }

    /// The records with these identifiers that the catalogue holds.
    ///
    /// # Errors
    /// When that cannot be found out. A record that is not in the result is not in the catalogue.
    pub fn records(&self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Tree>> {
        let mut found = BTreeMap::new();
        for group in ids.chunks(self.dialect.reads()) {
            let mut seen = self.ask(group)?;
            if seen.len() < group.len() && self.doubts(group, seen.len())? {
                for id in group {
                    if !seen.contains_key(id) {
                        seen.extend(self.ask(&[*id])?);
                    }
                }
            }
            found.extend(seen);
        }
        Ok(found)
    }

    /// True when a short answer to a list is no proof that the others are not there: a server may cut it short, or read only the
    /// first identifier. pycsw reads lists; of an empty answer the last one of the list is asked for alone.
    fn doubts(&self, group: &[Uuid], found: usize) -> Result<bool> {
        match (group, self.dialect, found) {
            ([] | [_], ..) | (_, Dialect::Pycsw, 2..) => Ok(false),
            ([.., last], Dialect::Pycsw, 0) => Ok(!self.ask(&[*last])?.is_empty()),
            _ => Ok(true),
        }
    }

    fn ask(&self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Tree>> {
        match self.read(&request::records_by_id(&self.endpoint, ids))? {
            Answer::Records(trees) => {
                let named = trees.into_iter().filter_map(|tree| Some((reply::identifier(&tree)?, tree)));
                Ok(named.filter(|(id, _)| ids.contains(id)).collect())
            }
            // Some servers say so where others give an empty list.
            Answer::Exception(text) if ids.len() == 1 && says_missing(&text) => Ok(BTreeMap::new()),
            Answer::Exception(text) => Err(self.refused(&text)),
            _ => Err(Error::new("mk::catalogue::answer", "the catalogue's answer to GetRecordById is something else")),
        }
    }

    /// One page of all identifiers.
    ///
    /// # Errors
    /// When the server does not answer with a page.
    pub fn page(&self, start: u64, most: u32) -> Result<Page> {
        let body = request::records(start, most);
        match self.with_retries(|| self.http.send(Method::Post, &self.endpoint, XML, body.as_bytes()))? {
            Answer::Page { matched, next, identifiers } => {
                let next = reply::next_start(start, identifiers.len(), matched, next);
                Ok(Page { identifiers, next })
            }
            Answer::Exception(text) => Err(self.refused(&text)),
            _ => Err(Error::new("mk::catalogue::answer", "the catalogue's answer to GetRecords is something else")),
        }
    }

    /// Sends one transaction, once: whether to try again is decided after reading.
    ///
    /// # Errors
    /// When the server refuses the credentials.
    pub fn transact(&self, operations: &[Operation<'_>]) -> Result<Written> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let body = request::transaction(self.dialect, operations);
        let url = match self.dialect {
            Dialect::Ingrid => request::with_parameters(&self.transaction, &[("SERVICE", "CSW"), ("REQUEST", "Transaction")]),
            _ => self.transaction.clone(),
        };
        let reply = match self.http.send(Method::Post, &url, XML, body.as_bytes()) {
            Ok(reply) => reply,
            Err(Failure::NotSent(reason) | Failure::Unknown(reason)) => return Ok(Written::Unknown { reason, wait: None }),
        };
        if let Some(error) = denied(&reply) {
            return Err(error);
        }
        Ok(match reply::read(&reply.body) {
            Ok(Answer::Transaction { inserted, updated, deleted }) if reply.status < 300 => {
                Written::Done { total: inserted.saturating_add(updated).saturating_add(deleted) }
            }
            Ok(Answer::Exception(text)) if reply.status != 503 && reply.status != 429 => {
                Written::Refused(self.http.redact(&text))
            }
            Err(_) if (400..429).contains(&reply.status) && reply.status != 408 => Written::Refused(status(&reply)),
            Ok(_) | Err(_) => Written::Unknown { reason: status(&reply), wait: reply.retry_after },
        })
    }

    /// How long to wait before the next try: what the server asks for, or ever longer, up to the most that is configured.
    pub fn wait(&self, attempt: u32, asked: Option<Duration>) {
        let own = Duration::from_millis(250) * 2u32.saturating_pow(attempt.min(10));
        std::thread::sleep(asked.unwrap_or(own).min(self.most_wait));
    }

    /// Tries of a request.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn read(&self, url: &str) -> Result<Answer> {
        self.with_retries(|| self.http.get(url))
    }

    /// Reading does no harm: it is tried again until an answer is understood.
    fn with_retries(&self, send: impl Fn() -> Result<Reply, Failure>) -> Result<Answer> {
        let mut last = String::new();
        for attempt in 0..self.attempts {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let asked = match send() {
                Err(failure) => {
                    failure.reason().clone_into(&mut last);
                    None
                }
                Ok(reply) => {
                    if let Some(error) = denied(&reply) {
                        return Err(error);
                    }
                    let answer = reply::read(&reply.body);
                    match answer {
                        Ok(answer @ Answer::Exception(_)) if reply.status < 500 && reply.status != 429 => return Ok(answer),
                        Ok(answer) if reply.status < 300 => return Ok(answer),
                        Err(error) if reply.status < 300 => error.message().clone_into(&mut last),
                        _ => last = status(&reply),
                    }
                    reply.retry_after
                }
            };
            if attempt + 1 < self.attempts {
                self.wait(attempt, asked);
            }
        }
        Err(Error::new("mk::catalogue::unavailable", format!("the catalogue does not answer: {last}"))
            .hint("the next run goes on from here; nothing was written without a trace in the journal")
            .exit(Exit::Unavailable))
    }

    fn refused(&self, text: &str) -> Error {
        Error::new("mk::catalogue::refused", format!("the catalogue refuses: {}", self.http.redact(text)))
    }
}

const XML: &str = "application/xml; charset=UTF-8";

fn denied(reply: &Reply) -> Option<Error> {
    matches!(reply.status, 401 | 403 | 407).then(|| {
        Error::new("mk::catalogue::credentials", format!("the catalogue refuses access (status {})", reply.status))
            .hint("are `credentials` right, and may this user write?")
            .exit(Exit::Credentials)
    })
}

fn status(reply: &Reply) -> String {
    let kind: String = reply.content_type.chars().filter(|c| !c.is_control()).take(60).collect();
    match reply.status {
        300..400 => format!("status {}: the server sends us to another address, which is not followed", reply.status),
        status => format!("status {status} with {} bytes of {kind}", reply.body.len()),
    }
}

fn says_missing(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("not found") || text.contains("no record") || text.contains("does not exist")
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<&str> {
    let end = url.find("://")? + 3;
    let host = url[end..].find(['/', '?', '#']).map_or(url.len(), |at| end + at);
    Some(&url[..host])
}
