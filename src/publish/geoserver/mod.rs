//! A GeoServer that serves what was released, told by its REST API: a store for each GeoPackage and each Cloud Optimized GeoTIFF, a layer
//! for each table or image, with title, abstract, keywords and a link to the record.
//!
//! What it is to serve lies in the release (`portal/geoserver.json`); after the switch the server is compared with it (`sync.rs`). The
//! server reads the files themselves, by the link `current`, so that new data need no new configuration.

mod rest;
mod sync;
mod wish;

use super::{Outside, OutsideInput, PortalFile, PortalInput, Publisher, read_options};
use crate::error::{Error, Exit, Place, Result};
use crate::io::http::{self, Auth, Reach, Settings};
use crate::pipeline::{Audience, PublishConfig, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The publisher, as the table lists it.
pub const PUBLISHER: Publisher = Publisher {
    name: "geoserver",
    summary: "Layers of a GeoServer: stores and layers for the released GeoPackages and Cloud Optimized GeoTIFFs",
    always: false,
    once: true,
    options: || schemars::schema_for!(Options),
    check: |config| read_options::<Options>(config)?.check(),
    files,
    outside: Some(outside),
};

/// The options of the publisher in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Address of the GeoServer, as `https://geo.example.de/geoserver`; `https`, or plain `http` on this machine.
    pub endpoint: String,
    /// Workspace whose layers these are; it is made where it is missing.
    pub workspace: String,
    /// Whose data it serves. Defaults to `public`.
    #[serde(default = "public")]
    pub audience: Audience,
    /// Folder under which the GeoServer finds the audience's folder of the current release. Defaults to the one in this workspace,
    /// for a GeoServer on this machine.
    #[serde(default)]
    pub files: Option<PathBuf>,
    /// Take away stores of ours that are no longer released. Defaults to `false`: they are told of.
    #[serde(default)]
    pub prune: bool,
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
    /// Seconds for a whole request. Defaults to 60.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_s: u32,
}

fn public() -> Audience {
    Audience::Public
}
fn sixty() -> u32 {
    60
}

impl Options {
    fn check(&self) -> Result<()> {
        let at = |error: Error, key: &str| error.at(Place::default().object(key));
        http::check_address(&self.endpoint).map_err(|error| at(error, "endpoint"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.workspace.is_empty()
            || !self.workspace.starts_with(|c: char| c.is_ascii_alphabetic())
            || !self.workspace.chars().all(plain)
        {
            let error = Error::new(
                "mk::publish::workspace",
                "a workspace has letters, digits, `-`, `_` and `.`, and begins with a letter",
            );
            return Err(at(error.exit(Exit::Usage), "workspace"));
        }
        if self.auth == Auth::Bearer && self.credentials.is_none() {
            return Err(at(Error::new("mk::publish::auth", "`auth` needs `credentials`").exit(Exit::Usage), "auth"));
        }
        Ok(())
    }

    fn folder(&self) -> &'static str {
        match self.audience {
            Audience::Public => "public",
            Audience::Internal => "internal",
        }
    }

    fn settings(&self, folder: &Path) -> Result<Settings> {
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

/// What the server is to serve, for the audience that it is for.
fn files(config: &PublishConfig, input: &PortalInput<'_>) -> Result<Vec<PortalFile>> {
    let options: Options = read_options(config)?;
    if options.audience != input.audience {
        return Ok(Vec::new());
    }
    let text = serde_json::to_string_pretty(&wish::stores(input))
        .map_err(|error| Error::new("mk::publish::json", "cannot write the list of stores").because(error))?;
    Ok(vec![PortalFile { path: wish::FILE.to_owned(), bytes: (text + "\n").into_bytes() }])
}

fn outside(config: &PublishConfig, input: &OutsideInput<'_>) -> Result<Option<Outside>> {
    let options: Options = read_options(config)?;
    options.check()?;
    let mut outside = Outside::new("geoserver", options.endpoint.clone());
    let done = rest::Rest::new(&options, input.pipeline.folder())
        .and_then(|rest| sync::Sync::new(&options, input, &rest)?.run(input.phase, &mut outside));
    outside.error = done.err();
    Ok(Some(outside))
}
