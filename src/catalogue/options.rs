//! The options of a catalogue in the pipeline file.

use crate::error::{Error, Exit, Place, Result};
use crate::io::http::{self, Auth, Reach, Settings};
use crate::pipeline::{Audience, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The options of the publisher `csw`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CswOptions {
    /// Address of the catalogue, where it answers `GetRecordById`; `https`, or plain `http` on this machine.
    pub endpoint: String,
    /// Address for transactions, with the parameters it wants. Defaults to the one that the catalogue names itself, if that is on the
    /// same host, else to `endpoint`.
    #[serde(default)]
    pub transaction: Option<String>,
    /// How the server wants its transactions. Defaults to `generic`.
    #[serde(default)]
    pub dialect: Dialect,
    /// Whose records it gets. Defaults to `public`.
    #[serde(default = "public")]
    pub audience: Audience,
    /// Where the credentials are: `user:password`, or a token with `auth = "bearer"`.
    #[serde(default)]
    pub credentials: Option<Secret>,
    /// What the credentials are. Defaults to `basic`.
    #[serde(default)]
    pub auth: Auth,
    /// Where the client certificate with its private key is, PEM.
    #[serde(default)]
    pub client_certificate: Option<Secret>,
    /// Certificates of authorities to trust instead of the usual ones, PEM, relative to this file.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Address of a proxy, as `http://proxy.example.de:3128`.
    #[serde(default)]
    pub proxy: Option<String>,
    /// What happens to a record that somebody changed or deleted in the catalogue. Defaults to `keep`.
    #[serde(default)]
    pub drift: Drift,
    /// Fields that stay as the catalogue has them, with `drift = "merge"`.
    #[serde(default)]
    pub merge: Vec<Field>,
    /// Delete records of ours that are no longer released, every night. Defaults to `false`: only `catalogue apply --prune` does.
    #[serde(default)]
    pub prune: bool,
    /// Send records at the end of every night. Defaults to `true`; otherwise only `catalogue apply` does.
    #[serde(default = "yes")]
    pub nightly: bool,
    /// Seconds for a whole request. Defaults to 60.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_s: u32,
    /// Requests at a time. Defaults to 4.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 16))]
    pub connections: u32,
    /// Records in one request where the dialect allows several. Defaults to 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 20))]
    pub chunk: u32,
    /// Tries of a request that the server could not serve. Defaults to 4.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// Most seconds to wait before another try, also where the server asks for more. Defaults to 30.
    #[serde(default = "thirty")]
    #[schemars(range(max = 600))]
    pub wait_s: u32,
}

fn public() -> Audience {
    Audience::Public
}
fn yes() -> bool {
    true
}
fn sixty() -> u32 {
    60
}
fn four() -> u32 {
    4
}
fn ten() -> u32 {
    10
}
fn thirty() -> u32 {
    30
}

/// How a server wants its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// pycsw.
    Pycsw,
    /// The editor of InGrid (MetaVer, BKG and others).
    Ingrid,
    /// GeoNetwork.
    Geonetwork,
    /// As the standard has it, one record at a time.
    #[default]
    Generic,
}

impl Dialect {
    /// Records that are asked for at a time.
    pub fn reads(self) -> usize {
        match self {
            Self::Pycsw | Self::Geonetwork => 50,
            Self::Ingrid | Self::Generic => 1,
        }
    }
    /// True when one request may hold several records.
    pub fn writes_many(self) -> bool {
        matches!(self, Self::Pycsw | Self::Geonetwork)
    }
}

/// What happens to a record that somebody changed or deleted in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It is reported and stays.
    #[default]
    Keep,
    /// Our record is written over it.
    Overwrite,
    /// The fields in `merge` stay as they are there, the others become ours.
    Merge,
}

/// A field that people may keep in a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Title of the resource.
    Title,
    /// Abstract.
    Abstract,
    /// All groups of keywords.
    Keywords,
    /// Contacts for the resource.
    PointOfContact,
    /// Purpose.
    Purpose,
    /// Credits.
    Credit,
    /// Update frequency.
    Maintenance,
    /// Preview pictures.
    Overview,
}

impl CswOptions {
    /// What no schema can say.
    ///
    /// # Errors
    /// When an address is none, or options contradict each other; the object of the place is the key.
    pub fn check(&self) -> Result<()> {
        let at = |error: Error, key: &str| error.at(Place::default().object(key));
        http::check_address(&self.endpoint).map_err(|error| at(error, "endpoint"))?;
        if let Some(address) = &self.transaction {
            http::check_address(address).map_err(|error| at(error, "transaction"))?;
        }
        let wrong = |key: &str, message: &str| Err(at(Error::new("mk::catalogue::option", message).exit(Exit::Usage), key));
        match (self.drift, self.merge.is_empty()) {
            (Drift::Merge, true) => wrong("drift", "`drift = \"merge\"` needs the fields in `merge`"),
            (Drift::Keep | Drift::Overwrite, false) => wrong("merge", "`merge` needs `drift = \"merge\"`"),
            _ if self.auth == Auth::Bearer && self.credentials.is_none() => wrong("auth", "`auth` needs `credentials`"),
            _ => Ok(()),
        }
    }

    /// How the HTTP client reaches the server. Reads the secrets.
    ///
    /// # Errors
    /// When a secret or the file of authorities cannot be read.
    pub fn settings(&self, folder: &Path) -> Result<Settings> {
        let reach = Reach {
            credentials: self.credentials.as_ref(),
            auth: self.auth,
            client_certificate: self.client_certificate.as_ref(),
            ca_file: self.ca_file.as_deref(),
            proxy: self.proxy.as_deref(),
            timeout_s: self.timeout_s,
        };
        Settings::gather(&reach, folder)
    }
}
