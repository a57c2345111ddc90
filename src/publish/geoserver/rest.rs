//! The REST API of a GeoServer: documents as JSON, and what its answers mean.

use super::Options;
use crate::error::{Error, Exit, Result};
use crate::io::http::{Client, Failure, Method, Reply};
use crate::markup::url_path;
use serde_json::Value;
use std::path::Path;

/// A GeoServer.
pub struct Rest {
    http: Client,
    base: String,
}

impl Rest {
    /// A client; nothing is sent yet. `folder` is the pipeline file's.
    ///
    /// # Errors
    /// When the secrets do not do.
    pub fn new(options: &Options, folder: &Path) -> Result<Self> {
        Ok(Self { http: Client::new(&options.settings(folder)?)?, base: options.endpoint.trim_end_matches('/').to_owned() })
    }

    /// A document, or none where there is none.
    ///
    /// # Errors
    /// When the server does not answer so.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        let reply = Self::answer(self.http.get(&self.address(path)))?;
        match reply.status {
            404 => Ok(None),
            200..300 => serde_json::from_slice(&reply.body).map(Some).map_err(|error| {
                Error::new("mk::publish::geoserver", "the map server's answer is no JSON").because(error).exit(Exit::Unavailable)
            }),
            status => Err(self.refused(status, &reply)),
        }
    }

    /// Makes something.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.write(Method::Post, path, "application/json", body.to_string().as_bytes())
    }

    /// Changes something.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn put(&self, path: &str, body: &Value) -> Result<()> {
        self.write(Method::Put, path, "application/json", body.to_string().as_bytes())
    }

    /// Takes something away.
    ///
    /// # Errors
    /// When the server does not.
    pub fn delete(&self, path: &str) -> Result<()> {
        let reply = Self::answer(self.http.delete(&self.address(path)))?;
        if (200..300).contains(&reply.status) || reply.status == 404 { Ok(()) } else { Err(self.refused(reply.status, &reply)) }
    }

    /// Lets it open all files anew, and throws the tiles of these layers away that it has drawn.
    ///
    /// # Errors
    /// When the server does not.
    pub fn refresh(&self, layers: &[String]) -> Result<()> {
        self.write(Method::Post, "/rest/reset", "application/json", b"")?;
        for layer in layers {
            let body = format!("<truncateLayer><layerName>{}</layerName></truncateLayer>", crate::markup::escaped(layer));
            let reply = self.http.send(Method::Post, &self.address("/gwc/rest/masstruncate"), "text/xml", body.as_bytes());
            let reply = Self::answer(reply)?;
            // A layer without tiles is none that it knows there.
            if reply.status >= 500 {
                return Err(self.refused(reply.status, &reply));
            }
        }
        Ok(())
    }

    fn write(&self, method: Method, path: &str, media_type: &str, body: &[u8]) -> Result<()> {
        let reply = Self::answer(self.http.send(method, &self.address(path), media_type, body))?;
        if (200..300).contains(&reply.status) { Ok(()) } else { Err(self.refused(reply.status, &reply)) }
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn answer(reply: std::result::Result<Reply, Failure>) -> Result<Reply> {
        let reply = reply.map_err(|failure| {
            Error::new("mk::publish::geoserver", format!("the map server does not answer: {}", failure.reason()))
                .hint("the next night goes on from here")
                .exit(Exit::Unavailable)
        })?;
        if matches!(reply.status, 401 | 403 | 407) {
            return Err(Error::new(
                "mk::publish::credentials",
                format!("the map server refuses access (status {})", reply.status),
            )
            .hint("are `credentials` right, and may this user administer the workspace?")
            .exit(Exit::Credentials));
        }
        Ok(reply)
    }

    fn refused(&self, status: u16, reply: &Reply) -> Error {
        let text = self.http.redact(&String::from_utf8_lossy(&reply.body));
        let exit = if status == 429 || status >= 500 { Exit::Unavailable } else { Exit::Failed };
        Error::new("mk::publish::geoserver", format!("the map server refuses (status {status}): {text}")).exit(exit)
    }
}

/// Path of a resource: its parts, escaped.
pub fn path(parts: &[&str]) -> String {
    let escaped: Vec<String> = parts.iter().map(|part| url_path(part).replace('/', "%2F")).collect();
    format!("/rest/{}.json", escaped.join("/"))
}

/// The names in a list, as `{"featureTypes": {"featureType": [{"name": ...}]}}`; an empty list comes as an empty text.
pub fn names(list: &Value, outer: &str, inner: &str) -> Vec<String> {
    let items = match &list[outer][inner] {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => std::slice::from_ref(&list[outer][inner]),
        _ => &[],
    };
    items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned).collect()
}
