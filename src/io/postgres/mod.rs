//! A connection to PostgreSQL, as far as tables are read and written: statements of ours and `COPY` (protocol 3.0, PostgreSQL 10 or
//! later).
//!
//! Statements go as they are (simple query): names and texts in them are quoted by [`name`] and [`text`]. A password is sent by
//! SCRAM or MD5, in the clear over TLS or a socket of this machine only. What a server says is shown without details: they can quote
//! rows. `send` faults strike before and after each statement and each piece of rows.

mod reach;
mod stream;

pub use reach::{Reach, TlsMode};

use super::faults::{Operation, point};
use crate::error::{Error, Exit, Result};
use crate::pipeline::Revealed;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{ErrorResponseBody, Header, Message};
use postgres_protocol::message::frontend;
use std::io::{self, Read, Write};
use std::time::Duration;
use stream::Stream;

/// Bytes of one message of a server, at most: a row with all its geometry.
const MOST_BYTES: usize = 64 << 20;
/// Bytes of rows that are sent at once.
const PIECE: usize = 256 << 10;

/// How a server is reached, and who asks.
pub struct Settings {
    /// Name of the host, or the folder of the server's socket, which begins with `/`.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: Option<Revealed>,
    /// How the line is sealed; `None` for an open one.
    pub tls: Option<Tls>,
    /// For the answer to a statement.
    pub timeout: Duration,
}

/// A sealed line.
#[derive(Default)]
pub struct Tls {
    /// Certificates of authorities to trust instead of the usual ones, PEM.
    pub authorities: Option<Vec<u8>>,
    /// Certificate and key of the client, PEM.
    pub certificate: Option<Revealed>,
}

/// True for a server on this machine: a socket, or an address that no line leads away from.
pub fn is_here(host: &str) -> bool {
    host.starts_with('/') || ["localhost", "127.0.0.1", "::1"].contains(&host)
}

/// A name for use in a statement.
pub fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

/// A text for use in a statement; a connection has `standard_conforming_strings` on, so that a backslash is one.
pub fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}

/// A row of an answer, as text.
pub type Row = Vec<Option<String>>;

/// A value of a row as the server writes it.
pub type Value<'v> = Option<&'v [u8]>;

/// Takes rows as they come.
pub type Take<'t> = dyn FnMut(&[Value<'_>]) -> Result<()> + 't;

/// A connection.
pub struct Connection {
    stream: Stream,
    input: BytesMut,
    output: BytesMut,
    secret: Option<String>,
}

impl Connection {
    /// Calls the server and says who asks.
    ///
    /// # Errors
    /// When it does not answer, is not who it should be, or refuses.
    pub fn open(settings: &Settings) -> Result<Self> {
        let stream = Stream::open(settings)?;
        let secret = settings.password.as_ref().map(|password| password.expose().to_owned());
        let mut connection = Self { stream, input: BytesMut::new(), output: BytesMut::new(), secret };
        let parameters = [
            ("user", settings.user.as_str()),
            ("database", settings.database.as_str()),
            ("application_name", "messkette"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("standard_conforming_strings", "on"),
        ];
        frontend::startup_message(parameters, &mut connection.output).map_err(broken)?;
        connection.flush()?;
        connection.identify(settings)?;
        // Names without a schema are the server's own, whatever lies in the way; a server that waits for somebody says so in time.
        let limit = settings.timeout.as_millis();
        let wait = limit.min(60_000);
        connection.run(&format!("SET search_path = ''; SET statement_timeout = {limit}; SET lock_timeout = {wait}"))?;
        Ok(connection)
    }

    /// Runs statements, and gives the rows of their answers.
    ///
    /// # Errors
    /// When the server refuses one of them, or the line breaks.
    pub fn run(&mut self, statements: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.each(statements, &mut |row| {
            let value = |bytes: &Value<'_>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            rows.push(row.iter().map(value).collect());
            Ok(())
        })?;
        Ok(rows)
    }

    /// Runs statements, and hands on each row of their answers as it comes: only one is in memory.
    ///
    /// # Errors
    /// When the server refuses one of them, or the line breaks; those of `take`, after which the rest of the rows is still on the way
    /// and the connection good for nothing but its end.
    pub fn each(&mut self, statements: &str, take: &mut Take<'_>) -> Result<()> {
        sending()?;
        frontend::query(statements, &mut self.output).map_err(broken)?;
        self.flush()?;
        let mut fault = None;
        loop {
            match self.next()? {
                Message::DataRow(row) => {
                    let buffer = row.buffer();
                    let value = |range: Option<std::ops::Range<usize>>| Ok(range.and_then(|range| buffer.get(range)));
                    let values: Vec<Value<'_>> = row.ranges().map(value).collect().map_err(broken)?;
                    take(&values)?;
                }
                Message::ErrorResponse(body) => fault = fault.or(Some(self.told(&body))),
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => return Err(unexpected()),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        sending()?;
        fault.map_or(Ok(()), Err)
    }

    /// Runs a `COPY ... FROM STDIN`: `give` adds bytes to a buffer and says whether there is more to come. Gives the number of rows
    /// that the server took.
    ///
    /// # Errors
    /// When the server refuses, the line breaks, or `give` fails; the transaction is to be rolled back then.
    pub fn copy(&mut self, statement: &str, mut give: impl FnMut(&mut Vec<u8>) -> Result<bool>) -> Result<u64> {
        sending()?;
        frontend::query(statement, &mut self.output).map_err(broken)?;
        self.flush()?;
        loop {
            match self.next()? {
                Message::CopyInResponse(_) => break,
                Message::ErrorResponse(body) => {
                    let fault = self.told(&body);
                    self.until_ready()?;
                    return Err(fault);
                }
                Message::ReadyForQuery(_) => return Err(unexpected()),
                _ => {}
            }
        }
        let mut piece = Vec::with_capacity(PIECE + (PIECE >> 2));
        let given = loop {
            let more = match give(&mut piece) {
                Ok(more) => more,
                Err(error) => break Err(error),
            };
            if piece.len() >= PIECE || !more {
                if !piece.is_empty() {
                    sending()?;
                    frontend::CopyData::new(piece.as_slice()).map_err(broken)?.write(&mut self.output);
                    piece.clear();
                    self.flush_rows()?;
                }
                if !more {
                    break Ok(());
                }
            }
        };
        match &given {
            Ok(()) => frontend::copy_done(&mut self.output),
            Err(_) => frontend::copy_fail("the rows cannot be read", &mut self.output).map_err(broken)?,
        }
        self.flush_rows()?;
        let taken = self.until_ready();
        sending()?;
        given?;
        taken
    }

    /// Rows in the tag of the last statement that has been run, when the server is ready again.
    fn until_ready(&mut self) -> Result<u64> {
        let (mut count, mut fault) = (0, None);
        loop {
            match self.next()? {
                Message::CommandComplete(body) => {
                    let tag = body.tag().map_err(broken)?;
                    count = tag.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
                }
                Message::ErrorResponse(body) => fault = fault.or(Some(self.told(&body))),
                Message::ReadyForQuery(_) => return fault.map_or(Ok(count), Err),
                _ => {}
            }
        }
    }

    fn identify(&mut self, settings: &Settings) -> Result<()> {
        let mut scram: Option<ScramSha256> = None;
        loop {
            match self.next()? {
                Message::AuthenticationCleartextPassword => {
                    if !self.stream.is_private() {
                        let message = "the database asks for the password over an open line";
                        return Err(refused(message).hint("set tls = \"verify\", or let the server ask by scram-sha-256"));
                    }
                    frontend::password_message(self.password(settings)?.as_bytes(), &mut self.output).map_err(broken)?;
                    self.flush()?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let password = self.password(settings)?.into_bytes();
                    let hash = postgres_protocol::authentication::md5_hash(settings.user.as_bytes(), &password, body.salt());
                    frontend::password_message(hash.as_bytes(), &mut self.output).map_err(broken)?;
                    self.flush()?;
                }
                Message::AuthenticationSasl(body) => {
                    if !body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256)).map_err(broken)? {
                        return Err(refused("the database asks for a password in a way that is not known here"));
                    }
                    let state = ScramSha256::new(self.password(settings)?.as_bytes(), ChannelBinding::unsupported());
                    frontend::sasl_initial_response(SCRAM_SHA_256, state.message(), &mut self.output).map_err(broken)?;
                    scram = Some(state);
                    self.flush()?;
                }
                Message::AuthenticationSaslContinue(body) => {
                    let state = scram.as_mut().ok_or_else(unexpected)?;
                    state.update(body.data()).map_err(|_| refused("the database does not know this password"))?;
                    frontend::sasl_response(state.message(), &mut self.output).map_err(broken)?;
                    self.flush()?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    let state = scram.as_mut().ok_or_else(unexpected)?;
                    let impostor = |_| refused("the database cannot prove that it knows the password: it is not the right one");
                    state.finish(body.data()).map_err(impostor)?;
                }
                Message::ErrorResponse(body) => return Err(self.told(&body)),
                Message::ReadyForQuery(_) => return Ok(()),
                Message::AuthenticationOk
                | Message::ParameterStatus(_)
                | Message::BackendKeyData(_)
                | Message::NoticeResponse(_) => {}
                _ => return Err(refused("the database asks who we are in a way that is not known here")),
            }
        }
    }

    fn password(&self, settings: &Settings) -> Result<String> {
        let none = || refused(format!("the database asks for a password of the role '{}'", settings.user));
        self.secret.clone().ok_or_else(|| none().hint("name it by reference: password = { env = \"...\" }"))
    }

    fn next(&mut self) -> Result<Message> {
        let mut piece = [0; 16 << 10];
        loop {
            // The parser makes room for as many bytes as a message says it has.
            let header = Header::parse(&self.input).map_err(broken)?;
            if header.is_some_and(|header| usize::try_from(header.len()).is_ok_and(|length| length > MOST_BYTES)) {
                return Err(broken(io::Error::other("a message is larger than allowed")));
            }
            if let Some(message) = Message::parse(&mut self.input).map_err(broken)? {
                return Ok(message);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof))),
                Ok(read) => self.input.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        let sent = self.stream.write_all(&self.output).and_then(|()| self.stream.flush());
        self.output.clear();
        sent.map_err(broken)
    }

    /// As [`Connection::flush`], in the middle of rows: a server that has closed the line has said why before.
    fn flush_rows(&mut self) -> Result<()> {
        self.flush().map_err(|error| {
            while let Ok(message) = self.next() {
                if let Message::ErrorResponse(body) = message {
                    return self.told(&body);
                }
            }
            error
        })
    }

    /// What the server says. Details and context are left out, and for faults of values the message too: they can quote a row.
    fn told(&self, body: &ErrorResponseBody) -> Error {
        let (mut state, mut message) = (String::new(), String::new());
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => state = value,
                b'M' => message = value,
                _ => {}
            }
        }
        if state.starts_with("22") || state.starts_with("23") {
            "it does not take a value of a row".clone_into(&mut message);
        }
        if let Some(secret) = self.secret.as_deref().filter(|secret| secret.len() >= 4) {
            message = message.replace(secret, "***");
        }
        let message: String = message.chars().filter(|letter| !letter.is_control()).take(200).collect();
        let error = Error::new("mk::postgres::refused", format!("the database says: {message} (SQLSTATE {state})"));
        match state.get(..2).unwrap_or_default() {
            "28" => error.exit(Exit::Credentials).hint("check role and password, and what pg_hba.conf lets it do"),
            "42" if state == "42501" => error
                .exit(Exit::Credentials)
                .hint("the role needs CREATE on the database to publish, USAGE of the schema and SELECT on the table to read"),
            "08" | "53" | "55" | "57" | "40" => error.exit(Exit::Unavailable),
            "3D" => error.exit(Exit::Usage).hint("create the database, with the extension postgis"),
            _ => error,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.output.clear();
        frontend::terminate(&mut self.output);
        // The server also notices that the line is gone.
        let _ = self.flush();
    }
}

/// Where faults strike.
fn sending() -> Result<()> {
    point(Operation::Send).map_err(broken)
}

fn unreachable(message: impl Into<String>) -> Error {
    Error::new("mk::postgres::unavailable", message).exit(Exit::Unavailable)
}

fn refused(message: impl Into<String>) -> Error {
    Error::new("mk::postgres::credentials", message).exit(Exit::Credentials)
}

fn broken(error: io::Error) -> Error {
    unreachable("the line to the database broke").because(error)
}

fn unexpected() -> Error {
    unreachable("the database answers what was not asked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_stay_names_and_texts() {
        assert_eq!(name("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        assert_eq!(text("O'Hara\\'; DROP"), "'O''Hara\\''; DROP'");
        assert!(is_here("/run/postgresql") && is_here("localhost") && !is_here("localhost.example.org"));
    }
}
