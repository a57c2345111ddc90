//! Where the pipeline file says that a database is, and how its line is sealed.

use super::{Connection, Settings, Tls, is_here};
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// How the line is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// TLS, with the certificate and the host name checked.
    Verify,
    /// An open line.
    Off,
}

/// What the options of a publisher or of a dataset say about a database.
pub struct Reach<'a> {
    /// What stands before the names of options in messages, as `postgis.`.
    pub before: &'a str,
    /// Host of the server, or the folder of its socket.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: &'a str,
    /// Role.
    pub user: &'a str,
    /// Its password.
    pub password: Option<&'a Secret>,
    /// How the line is sealed; `None` leaves it to the host.
    pub tls: Option<TlsMode>,
    /// Authorities to trust.
    pub ca_file: Option<&'a Path>,
    /// Certificate and key of the client.
    pub client_certificate: Option<&'a Secret>,
    /// Seconds for a statement.
    pub timeout_s: u32,
}

impl Reach<'_> {
    /// Checks what the schema cannot say; no I/O.
    ///
    /// # Errors
    /// When the host is none, or something would go over an open line.
    pub fn check(&self) -> Result<()> {
        let wrong = |code, key: &str, message: &str, hint: &str| {
            let place = Place::default().object(format!("{}{key}", self.before));
            Err(Error::new(code, message).hint(hint).exit(Exit::Usage).at(place))
        };
        if self.host.is_empty()
            || self.host.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "@?".contains(letter))
        {
            let hint = "name the host alone: user, database and password have keys of their own";
            return wrong("mk::postgres::host", "host", "this is no name of a host", hint);
        }
        if self.tls == Some(TlsMode::Off) && !is_here(self.host) {
            let hint = "leave tls out: the certificate is checked then; ca_file names the office's own authority";
            return wrong("mk::postgres::tls", "tls", "an open line is accepted on this machine only", hint);
        }
        if self.tls() == TlsMode::Off && (self.ca_file.is_some() || self.client_certificate.is_some()) {
            return wrong("mk::postgres::tls", "tls", "certificates are of use with TLS only", "add tls = \"verify\"");
        }
        Ok(())
    }

    fn tls(&self) -> TlsMode {
        self.tls.unwrap_or(if is_here(self.host) { TlsMode::Off } else { TlsMode::Verify })
    }

    /// Calls the server; files are relative to `folder`, the pipeline file's.
    ///
    /// # Errors
    /// When a secret or a certificate cannot be read; those of [`Connection::open`].
    pub fn connect(&self, folder: &Path) -> Result<Connection> {
        let reveal = |secret: Option<&Secret>| secret.map(|secret| secret.reveal(folder)).transpose();
        let authorities = self.ca_file.map(|path| folder.join(path)).map(|path| {
            std::fs::read(&path).map_err(|error| {
                Error::new("mk::postgres::ca_file", "cannot read the file of authorities")
                    .at(Place::file(path.display().to_string()))
                    .because(error)
                    .exit(Exit::Usage)
            })
        });
        let tls = match self.tls() {
            TlsMode::Off => None,
            TlsMode::Verify => Some(Tls { authorities: authorities.transpose()?, certificate: reveal(self.client_certificate)? }),
        };
        Connection::open(&Settings {
            host: self.host.to_owned(),
            port: self.port,
            database: self.database.to_owned(),
            user: self.user.to_owned(),
            password: reveal(self.password)?,
            tls,
            timeout: Duration::from_secs(u64::from(self.timeout_s)),
        })
    }
}
