//! The tables of released GeoPackages in a PostgreSQL database with PostGIS: a schema for each dataset.
//!
//! A dataset's tables are loaded in one transaction that also puts them in the place of the old ones: who reads sees the old schema or
//! the new one, whole, and a load that breaks off leaves nothing behind. The schema that was replaced stays for a night, so that nobody
//! who is reading it has to be waited for. What it serves stands in the schema's comment: a night without news only reads.

mod geopackage;
mod rows;
mod sync;

use super::{Outside, OutsideInput, Phase, Publisher, read_options};
use crate::error::{Error, Exit, Place, Result};
use crate::io::postgres::{Reach, TlsMode};
use crate::pipeline::{Audience, PublishConfig, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The publisher, as the table lists it.
pub const PUBLISHER: Publisher = Publisher {
    name: "postgis",
    summary: "Tables of a PostgreSQL database with PostGIS: a schema for each dataset that has a GeoPackage",
    always: false,
    once: false,
    options: || schemars::schema_for!(Options),
    check: |config| read_options::<Options>(config)?.check(),
    files: |_, _| Ok(Vec::new()),
    outside: Some(outside),
};

/// The options of the publisher in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Host of the server, or the folder of its socket on this machine, as `/run/postgresql`.
    pub host: String,
    /// Port. Defaults to 5432.
    #[serde(default = "port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Database; it has the extension `postgis`.
    pub database: String,
    /// Role that the schemas belong to; it needs `CREATE` on the database.
    pub user: String,
    /// Where the role's password is.
    #[serde(default)]
    pub password: Option<Secret>,
    /// `verify`: TLS, with the certificate and the host name checked; `off`: an open line, on this machine only. Defaults to `verify`,
    /// on this machine to `off`.
    #[serde(default)]
    pub tls: Option<TlsMode>,
    /// Certificates of authorities to trust instead of the usual ones, PEM, relative to this file.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Where the client certificate with its private key is, PEM.
    #[serde(default)]
    pub client_certificate: Option<Secret>,
    /// Whose tables it gets. Defaults to `public`.
    #[serde(default = "public")]
    pub audience: Audience,
    /// Datasets that it gets. Defaults to all that have a GeoPackage.
    #[serde(default)]
    pub datasets: Vec<String>,
    /// What the names of schemas begin with; the dataset's id follows, with `_` for `-`. Defaults to nothing.
    #[serde(default)]
    pub schema_prefix: String,
    /// Roles that may read the tables. Defaults to none.
    #[serde(default)]
    pub readers: Vec<String>,
    /// Take away schemas of ours that are no longer released. Defaults to `false`: they are told of.
    #[serde(default)]
    pub prune: bool,
    /// Seconds for a statement, such as the making of an index. Defaults to 600.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_s: u32,
}

fn port() -> u16 {
    5432
}
fn public() -> Audience {
    Audience::Public
}
fn ten_minutes() -> u32 {
    600
}

/// The longest name of PostgreSQL, less what is added to that of a schema.
const MOST_NAME: usize = 63 - sync::BEFORE.len();

impl Options {
    fn check(&self) -> Result<()> {
        let wrong = |code, key: &str, message: &str, hint: &str| {
            Err(Error::new(code, message).hint(hint).exit(Exit::Usage).at(Place::default().object(key)))
        };
        self.reach().check()?;
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        let begins = self.schema_prefix.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_');
        if !self.schema_prefix.is_empty()
            && (!begins || self.schema_prefix.starts_with("pg_") || !self.schema_prefix.chars().all(plain))
        {
            let hint = "write it like \"geo_\"";
            return wrong(
                "mk::publish::schema",
                "schema_prefix",
                "a schema has small letters, digits and `_`, and is none of the server's",
                hint,
            );
        }
        Ok(())
    }

    fn reach(&self) -> Reach<'_> {
        Reach {
            before: "",
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

    fn folder(&self) -> &'static str {
        match self.audience {
            Audience::Public => "public",
            Audience::Internal => "internal",
        }
    }
}

fn outside(config: &PublishConfig, input: &OutsideInput<'_>) -> Result<Option<Outside>> {
    let options: Options = read_options(config)?;
    options.check()?;
    let mut outside = Outside::new("postgis", format!("{}/{}", options.host, options.database));
    outside.error = run(&options, input, &mut outside).err();
    Ok(Some(outside))
}

/// Before the catalogues the tables are there; after them goes what nobody links to any more.
fn run(options: &Options, input: &OutsideInput<'_>, outside: &mut Outside) -> Result<()> {
    let wishes = sync::wishes(options, input)?;
    let mut connection = options.reach().connect(input.pipeline.folder())?;
    let mut sync = sync::Sync::new(options, &input.pipeline.config.name, &mut connection);
    match input.phase {
        Phase::Before => wishes.iter().filter(|wish| wish.asked).try_for_each(|wish| sync.bring(wish, outside)),
        Phase::After => sync.clear(&wishes, outside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_would_go_over_an_open_line_or_into_a_foreign_schema_is_refused() {
        let check = |more: serde_json::Value| {
            let mut all = json!({ "host": "db.example.org", "database": "geo", "user": "amt" });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Options>(all).unwrap().check().map_err(|error| error.code().to_owned())
        };
        for good in [
            json!({}),
            json!({ "host": "/run/postgresql" }),
            json!({ "tls": "off", "host": "::1" }),
            json!({ "schema_prefix": "geo_" }),
        ] {
            check(good).unwrap();
        }
        for (bad, code) in [
            (json!({ "tls": "off" }), "mk::postgres::tls"),
            (json!({ "host": "localhost", "ca_file": "ca.pem" }), "mk::postgres::tls"),
            (json!({ "host": "user@db" }), "mk::postgres::host"),
            (json!({ "host": "" }), "mk::postgres::host"),
            (json!({ "schema_prefix": "pg_" }), "mk::publish::schema"),
            (json!({ "schema_prefix": "a\"; DROP" }), "mk::publish::schema"),
        ] {
            assert_eq!(check(bad.clone()).unwrap_err(), code, "{bad}");
        }
    }
}
