//! What a pipeline says about tables of a database with PostGIS that are read.

use crate::error::{Error, Exit, Place, Result};
use crate::io::postgres::{Reach, TlsMode};
use crate::pipeline::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Tables of a database with PostGIS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgisOption {
    /// Host of the server, or the folder of its socket on this machine, as `/run/postgresql`.
    pub host: String,
    /// Port. Defaults to 5432.
    #[serde(default = "port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Database; it has the extension `postgis`.
    pub database: String,
    /// Role that reads: it needs `SELECT` on the tables, and nothing else.
    pub user: String,
    /// Where the role's password is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Tables or views as `schema.name`, in their letters; without a schema those of `public`.
    #[schemars(length(min = 1, max = 100))]
    pub tables: Vec<String>,
    /// `verify`: TLS, with the certificate and the host name checked; `off`: an open line, on this machine only. Defaults to `verify`,
    /// on this machine to `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsMode>,
    /// Certificates of authorities to trust instead of the usual ones, PEM, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Where the client certificate with its private key is, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Secret>,
    /// Seconds for a table. Defaults to 600.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_s: u32,
}

fn port() -> u16 {
    5432
}
fn ten_minutes() -> u32 {
    600
}

/// A table by its two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named<'o> {
    pub schema: &'o str,
    pub table: &'o str,
}

impl<'o> Named<'o> {
    fn of(text: &'o str) -> Self {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        Self { schema, table }
    }
    /// Name of its file, of letters that all file systems take.
    pub fn file(&self) -> String {
        let plain = |letter: char| if letter.is_alphanumeric() || "-_".contains(letter) { letter } else { '_' };
        let name = |name: &str| name.chars().map(plain).collect::<String>();
        format!("{}.{}.parquet", name(self.schema), name(self.table))
    }
}

impl PostgisOption {
    /// The tables, each with its schema.
    pub fn named(&self) -> Vec<Named<'_>> {
        self.tables.iter().map(|text| Named::of(text)).collect()
    }

    /// How the database is reached.
    pub fn reach(&self) -> Reach<'_> {
        Reach {
            before: "postgis.",
            host: &self.host,
            port: self.port,
            database: &self.database,
            user: &self.user,
            password: self.password.as_ref(),
            tls: self.tls,
            ca_file: self.ca_file.as_deref(),
            client_certificate: self.client_certificate.as_ref(),
            timeout_s: self.timeout_s,
        }
    }

    /// Checks what the schema cannot say; no I/O.
    ///
    /// # Errors
    /// When the host is none, something would go over an open line, or two tables are not told apart.
    pub fn check(&self) -> Result<()> {
        self.reach().check()?;
        let mut files = BTreeSet::new();
        for (index, named) in self.named().iter().enumerate() {
            let wrong = |message: &str, hint: &str| {
                let place = Place::default().object(format!("postgis.tables[{index}]"));
                Err(Error::new("mk::config::option", message).at(place).hint(hint).exit(Exit::Usage))
            };
            let is_name = |name: &str| !name.is_empty() && name.len() <= 63 && !name.chars().any(char::is_control);
            if !is_name(named.schema) || !is_name(named.table) {
                return wrong("this is no name of a table", "write it like \"gruen.spielplatz\"");
            }
            // Some file systems take no notice of the case.
            if !files.insert(named.file().to_lowercase()) {
                return wrong("two tables have the same name", "leave one out, or give it another name by a view");
            }
        }
        Ok(())
    }
}
