//! Features of a WFS 2.0 or an OGC API Features server, fetched page by page.
//!
//! What a server changes in every answer (time stamps, links) is left out, so that an unchanged theme is an unchanged source.

use super::Remote;
use crate::dataset::FetchContext;
use crate::error::{Error, Exit, Place, Result};
use crate::io::http::{self, Auth, Client, Failure, Reach, Reply, Settings, with_parameters};
use crate::io::{Digest, atomic};
use crate::pipeline::Secret;
use quick_xml::events::{BytesStart, Event};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages that a theme may have.
const MAX_PAGES: usize = 20_000;
/// Bytes that all pages together may have.
const MAX_BYTES: u64 = 64 << 30;
/// Tries of one page, and the longest wait between two.
const TRIES: u32 = 3;
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A server that has the theme.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointOption {
    /// What it speaks: `wfs` (2.0) or `oapif` (OGC API Features).
    pub protocol: Protocol,
    /// Address of the WFS, or of the collection (`https://…/collections/<name>`); `https`, or plain `http` on this machine.
    pub url: String,
    /// Name of the feature type, as `app:schutzgebiet`; only for `wfs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Features of a page. Defaults to 1000.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    pub page: u32,
    /// Where the credentials are: `user:password`, or a token with `auth = "bearer"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Secret>,
    /// What the credentials are. Defaults to `basic`.
    #[serde(default)]
    pub auth: Auth,
    /// Certificates of authorities to trust instead of the usual ones, PEM, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Address of a proxy, as `http://proxy.example.de:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Seconds for a page. Defaults to 120.
    #[serde(default = "two_minutes")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_s: u32,
}

fn thousand() -> u32 {
    1000
}

fn two_minutes() -> u32 {
    120
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OGC WFS 2.0 (09-025r2), answers in GML.
    Wfs,
    /// OGC API Features, part 1 (17-069r4), answers in GeoJSON.
    Oapif,
}

impl EndpointOption {
    /// Checks what the schema cannot say; no I/O.
    ///
    /// # Errors
    /// When the address is none, or the name of the type is missing.
    pub fn check(&self) -> Result<()> {
        http::check_address(&self.url).map_err(|error| error.at(Place::default().object("endpoint.url")))?;
        match (self.protocol, &self.type_name) {
            (Protocol::Wfs, None) => Err(Error::new("mk::config::option", "a WFS has several feature types: name one")
                .at(Place::default().object("endpoint"))
                .hint("type_name = \"app:schutzgebiet\"")
                .exit(Exit::Usage)),
            (Protocol::Oapif, Some(_)) => {
                Err(Error::new("mk::config::option", "`type_name` is for `wfs`: the collection is in `url`")
                    .at(Place::default().object("endpoint.type_name"))
                    .hint("leave it out")
                    .exit(Exit::Usage))
            }
            _ => Ok(()),
        }
    }

    fn ending(&self) -> &'static str {
        match self.protocol {
            Protocol::Wfs => "gml",
            Protocol::Oapif => "geojson",
        }
    }
}

/// The key of the unit that reads a page, if the source is one.
pub fn unit_of(source: &str) -> Option<&str> {
    source.split_once("!seite-").map(|(name, _)| name)
}

impl Remote for EndpointOption {
    /// The address without what stands behind the `?`.
    fn name(&self) -> String {
        let address = self.url.split('?').next().unwrap_or_default().trim_end_matches('/');
        self.type_name.as_ref().map_or_else(|| address.to_owned(), |name| format!("{address} {name}"))
    }

    fn identity(&self) -> String {
        format!("{:?} {} {:?}", self.protocol, self.url, self.type_name)
    }

    /// One page at a time is in memory.
    fn bring(&self, context: &FetchContext<'_>, folder: &Path) -> Result<()> {
        let reach = Reach {
            credentials: self.credentials.as_ref(),
            auth: self.auth,
            client_certificate: None,
            ca_file: self.ca_file.as_deref(),
            proxy: self.proxy.as_deref(),
            timeout_s: self.timeout_s,
        };
        let client = Client::new(&Settings::gather(&reach, context.folder)?)?;
        let (seen, addresses) = (BTreeSet::new(), BTreeSet::new());
        let mut walk = Walk { client, option: self, context, folder, seen, addresses, bytes: 0, count: 0 };
        match self.protocol {
            Protocol::Wfs => walk.wfs()?,
            Protocol::Oapif => walk.oapif()?,
        }
        if walk.count == 0 {
            return Err(told("the server has no feature of this theme").hint("an empty delivery never removes what is published"));
        }
        Ok(())
    }
}

/// The address of the first features of a collection (OGC API Features, part 1, 7.15), with what the address has behind its `?`.
fn first_page(collection: &str, limit: u32) -> String {
    let (path, query) = collection.split_once('?').unwrap_or((collection, ""));
    let path = path.trim_end_matches('/');
    let items = if path.ends_with("/items") { path.to_owned() } else { format!("{path}/items") };
    let is_ours = |part: &str| part.is_empty() || part.starts_with("f=") || part.starts_with("limit=");
    let own: Vec<&str> = query.split('&').filter(|part| !is_ours(part)).collect();
    let address = if own.is_empty() { items } else { format!("{items}?{}", own.join("&")) };
    with_parameters(&address, &[("f", "json"), ("limit", &limit.to_string())])
}

fn told(message: impl Into<String>) -> Error {
    Error::new("mk::vector_theme::endpoint", message)
}

/// A way through the pages of a server.
struct Walk<'w> {
    client: Client,
    option: &'w EndpointOption,
    context: &'w FetchContext<'w>,
    /// Digests of the pages: a server that gives one twice goes round in a circle.
    seen: BTreeSet<Digest>,
    addresses: BTreeSet<String>,
    /// Where the pages are written.
    folder: &'w Path,
    bytes: u64,
    count: u64,
}

impl Walk<'_> {
    fn wfs(&mut self) -> Result<()> {
        let option = self.option;
        let type_name = option.type_name.as_deref().unwrap_or_default();
        loop {
            let parameters = [
                ("SERVICE", "WFS"),
                ("VERSION", "2.0.0"),
                ("REQUEST", "GetFeature"),
                ("TYPENAMES", type_name),
                ("COUNT", &option.page.to_string()),
                ("STARTINDEX", &self.count.to_string()),
            ];
            let reply = self.get(&with_parameters(&option.url, &parameters), "text/xml, application/xml")?;
            let page = GmlPage::read(&reply.body)?;
            let all = page.matched;
            self.take(&page.bytes, page.features)?;
            let whole = match all {
                Some(all) => self.count >= all,
                None => page.features < u64::from(option.page),
            };
            match all {
                Some(all) if self.count > all => return Err(told(format!("the server gave {} of {all} features", self.count))),
                Some(all) if page.features == 0 && self.count < all => {
                    return Err(told(format!("the server gave {} of {all} features, then none", self.count)));
                }
                _ if whole || page.features == 0 => return Ok(()),
                _ => {}
            }
        }
    }

    fn oapif(&mut self) -> Result<()> {
        let mut next = first_page(&self.option.url, self.option.page);
        let mut matched = None;
        loop {
            if !self.addresses.insert(next.clone()) {
                return Err(told("the server's links to the next page go round in a circle"));
            }
            let reply = self.get(&next, "application/geo+json, application/json;q=0.9")?;
            let page: Value =
                serde_json::from_slice(&reply.body).map_err(|error| told("the answer is no JSON").because(error))?;
            let Some(features) = page["features"].as_array() else {
                return Err(told("the answer is no collection of features"));
            };
            matched = page["numberMatched"].as_u64().or(matched);
            let link = page["links"].as_array().into_iter().flatten().find(|link| link["rel"] == "next");
            let link = link.and_then(|link| link["href"].as_str()).map(str::to_owned);
            let kept = json!({ "type": "FeatureCollection", "features": features });
            self.take((kept.to_string() + "\n").as_bytes(), features.len() as u64)?;
            match link {
                Some(link) => next = same_server(&next, &link)?,
                None => break,
            }
        }
        match matched {
            Some(all) if all != self.count => Err(told(format!("the server gave {} of {all} features", self.count))),
            _ => Ok(()),
        }
    }

    fn take(&mut self, page: &[u8], features: u64) -> Result<()> {
        if features == 0 {
            return Ok(());
        }
        if !self.seen.insert(Digest::of(page)) {
            return Err(told("the server gives the same page again"));
        }
        self.bytes += page.len() as u64;
        if self.bytes > MAX_BYTES {
            return Err(told("the theme has more than 64 GiB"));
        }
        let index = self.seen.len();
        if index > MAX_PAGES {
            return Err(told(format!("the theme has more than {MAX_PAGES} pages")).hint("ask for larger ones: page = 10000"));
        }
        atomic::write_new(&self.folder.join(format!("seite-{index:05}.{}", self.option.ending())), page)?;
        self.count += features;
        Ok(())
    }

    /// One answer; a server that is busy is asked again.
    fn get(&self, url: &str, accept: &str) -> Result<Reply> {
        let mut tries = 0;
        loop {
            tries += 1;
            crate::dataset::check(self.context.cancel)?;
            let (error, wait) = match self.client.get_as(url, accept) {
                Ok(reply) if reply.status == 200 => return Ok(reply),
                Ok(reply) if matches!(reply.status, 429 | 502..=504) => {
                    (told(format!("the server answers with status {}", reply.status)).exit(Exit::Unavailable), reply.retry_after)
                }
                Ok(reply) if matches!(reply.status, 401 | 403) => {
                    let message = format!("the server refuses the credentials (status {})", reply.status);
                    return Err(told(message).exit(Exit::Credentials));
                }
                Ok(reply) => return Err(told(format!("the server answers with status {}", reply.status))),
                Err(failure @ (Failure::NotSent(_) | Failure::Unknown(_))) => {
                    (told(format!("no answer: {}", failure.reason())).exit(Exit::Unavailable), None)
                }
            };
            if tries >= TRIES {
                return Err(error);
            }
            std::thread::sleep(wait.unwrap_or(Duration::from_millis(500 << tries)).min(MAX_WAIT));
        }
    }
}

/// The address of a link as seen from the page it stands on; only on the same server: credentials go nowhere else.
fn same_server(from: &str, link: &str) -> Result<String> {
    let (scheme, rest) = from.split_once("://").unwrap_or(("", from));
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let origin = format!("{scheme}://{host}");
    let address = if link.starts_with('/') && !link.starts_with("//") { format!("{origin}{link}") } else { link.to_owned() };
    let inside = address.strip_prefix(&origin).is_some_and(|rest| rest.starts_with(['/', '?']));
    if !inside || http::check_address(&address).is_err() {
        return Err(told("the link to the next page leads to another server")
            .hint("name the address that the server calls its own in `url`"));
    }
    Ok(address)
}

/// An answer to GetFeature.
struct GmlPage {
    /// The answer without its time stamp and links.
    bytes: Vec<u8>,
    features: u64,
    /// Features of all pages, where the server knows.
    matched: Option<u64>,
}

/// Attributes of the root that change in every answer.
const FLEETING: [&str; 3] = ["timeStamp", "next", "previous"];

impl GmlPage {
    fn read(body: &[u8]) -> Result<Self> {
        let broken = |error: quick_xml::Error| told("the answer is no XML that can be read").because(error);
        let text = std::str::from_utf8(body).map_err(|error| told("the answer is not in UTF-8").because(error))?;
        let mut reader = quick_xml::Reader::from_str(text);
        let (mut depth, mut features, mut matched, mut collection) = (0_u32, 0_u64, None, false);
        let mut plural = false;
        let mut fleeting: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event().map_err(broken)?;
            let (start, ends) = match &event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(_) => {
                    depth = depth.saturating_sub(1);
                    plural &= depth != 1;
                    continue;
                }
                Event::DocType(_) => return Err(told("the answer has a DOCTYPE, which is not read")),
                Event::Eof => break,
                _ => continue,
            };
            let name = start.local_name();
            match (depth, name.as_ref()) {
                (0, "FeatureCollection") => {
                    collection = true;
                    (matched, fleeting) = root(start)?;
                }
                (0, "ExceptionReport") => return Err(told("the server refuses the request").hint("check `url` and `type_name`")),
                (1, "member" | "featureMember") => features += 1,
                (1, "members" | "featureMembers") => plural = true,
                (2, _) if plural => features += 1,
                _ => {}
            }
            if !ends {
                depth += 1;
            }
            if depth > 200 {
                return Err(told("the answer is nested too deeply"));
            }
        }
        if !collection || depth != 0 {
            return Err(told("the answer is no whole collection of features"));
        }
        let mut bytes = body.to_vec();
        for attribute in fleeting {
            if let Some(at) = memchr::memmem::find(&bytes, attribute.as_bytes()) {
                bytes.drain(at..at + attribute.len());
            }
        }
        Ok(Self { bytes, features, matched })
    }
}

/// What the root says: the number of all features, and its attributes that change in every answer, as they stand there.
fn root(start: &BytesStart<'_>) -> Result<(Option<u64>, Vec<String>)> {
    let mut matched = None;
    let mut fleeting = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| told("the answer is no XML that can be read").because(error))?;
        let name: &str = attribute.key.as_ref();
        let value: &str = attribute.value.as_ref();
        if name == "numberMatched" {
            matched = value.parse().ok();
        }
        if FLEETING.contains(&name) {
            // Either quote; the text between them stands as it came.
            fleeting.extend([format!("{name}=\"{value}\""), format!("{name}='{value}'")]);
        }
    }
    Ok((matched, fleeting))
}

#[cfg(test)]
mod tests {
    use super::first_page;

    #[test]
    fn what_an_address_asks_for_is_asked_for() {
        for (address, expected) in [
            ("https://a.de/collections/x", "https://a.de/collections/x/items?f=json&limit=10"),
            ("https://a.de/collections/x/items/?", "https://a.de/collections/x/items?f=json&limit=10"),
            ("https://a.de/x?art=NSG&f=html&limit=5&bbox=1,2,3,4", "https://a.de/x/items?art=NSG&bbox=1,2,3,4&f=json&limit=10"),
        ] {
            assert_eq!(first_page(address, 10), expected);
        }
    }
}
