//! Requests to servers that the pipeline file names: one client with the limits, the identity and the discretion that all need.
//!
//! `https`, and plain `http` to this machine only. No redirect is followed: a password goes to the address that was configured and
//! to no other. Answers are asked for uncompressed, because servers were measured to send a wrong length with compressed ones; their
//! size is capped. A connection serves one request: a fault is then always that request's own.
//!
//! What went wrong is told apart by what it means for a request that writes: [`Failure::NotSent`] had no effect, after
//! [`Failure::Unknown`] only a look at the server tells.

use super::faults::{Operation, point};
use crate::error::{Error, Exit, Place, Result};
use crate::markup::base64;
use crate::pipeline::{Revealed, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// How a client reaches its server and who it says it is.
#[derive(Default)]
pub struct Settings {
    /// For the whole of a request.
    pub timeout: Duration,
    /// Address of a proxy.
    pub proxy: Option<String>,
    /// Certificates of authorities to trust instead of the usual ones, PEM.
    pub authorities: Option<Vec<u8>>,
    /// Certificate and key of the client, PEM.
    pub certificate: Option<Revealed>,
    /// Who asks.
    pub identity: Identity,
    /// Bytes of an answer that are read at most.
    pub most_bytes: u64,
}

/// Where the pipeline file says that secrets and certificates are, for [`Settings::gather`].
pub struct Reach<'a> {
    /// The credentials.
    pub credentials: Option<&'a Secret>,
    /// What they are.
    pub auth: Auth,
    /// Certificate and key of the client.
    pub client_certificate: Option<&'a Secret>,
    /// Authorities to trust.
    pub ca_file: Option<&'a Path>,
    /// Address of a proxy.
    pub proxy: Option<&'a str>,
    /// Seconds for a request.
    pub timeout_s: u32,
}

/// What credentials are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `user:password`.
    #[default]
    Basic,
    /// A token.
    Bearer,
}

/// Bytes of an answer that are read at most.
const MOST_BYTES: u64 = 64 << 20;

impl Settings {
    /// Reads secrets and certificates; files are relative to `folder`, the pipeline file's.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn gather(reach: &Reach<'_>, folder: &Path) -> Result<Self> {
        let authorities = reach.ca_file.map(|path| folder.join(path)).map(|path| {
            std::fs::read(&path).map_err(|error| {
                Error::new("mk::http::ca_file", "cannot read the file of authorities")
                    .at(Place::file(path.display().to_string()))
                    .because(error)
                    .exit(Exit::Usage)
            })
        });
        Ok(Self {
            timeout: Duration::from_secs(u64::from(reach.timeout_s)),
            proxy: reach.proxy.map(str::to_owned),
            authorities: authorities.transpose()?,
            certificate: reach.client_certificate.map(|secret| secret.reveal(folder)).transpose()?,
            identity: match (reach.credentials.map(|secret| secret.reveal(folder)).transpose()?, reach.auth) {
                (None, _) => Identity::None,
                (Some(pair), Auth::Basic) => Identity::Basic(pair),
                (Some(token), Auth::Bearer) => Identity::Bearer(token),
            },
            most_bytes: MOST_BYTES,
        })
    }
}

/// Who asks.
#[derive(Default)]
pub enum Identity {
    /// Nobody.
    #[default]
    None,
    /// `user:password` (RFC 7617).
    Basic(Revealed),
    /// A token (RFC 6750).
    Bearer(Revealed),
}

/// A client.
pub struct Client {
    agent: ureq::Agent,
    authorization: Option<String>,
    /// What must not appear in any message.
    secrets: Vec<String>,
    most_bytes: u64,
}

/// An answer that came whole.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content_type: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// No whole answer.
#[derive(Debug)]
pub enum Failure {
    /// The request never left.
    NotSent(String),
    /// It may have been carried out.
    Unknown(String),
}

impl Failure {
    /// What happened.
    pub fn reason(&self) -> &str {
        match self {
            Self::NotSent(reason) | Self::Unknown(reason) => reason,
        }
    }
}

/// True for an address that credentials may be sent to: `https`, or this machine; without user, password or fragment.
///
/// # Errors
/// When it is none, with what is wrong.
pub fn check_address(address: &str) -> Result<()> {
    let bad = |message: &str, hint: &str| Err(Error::new("mk::http::address", message).hint(hint).exit(Exit::Usage));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return bad("the address must not hold a user or a password", "name them by reference: credentials = { env = \"...\" }");
    }
    if host.is_empty() || address.contains('#') || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return bad("this is no web address", "write it like \"https://geo.example.de/csw\"");
    }
    let name = if host.starts_with('[') { host.split_inclusive(']').next() } else { host.split(':').next() }.unwrap_or_default();
    let here = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    match scheme {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => bad("plain http is accepted on this machine only", "use https"),
        _ => bad("this is no web address", "write it like \"https://geo.example.de/csw\""),
    }
}

/// Adds parameters to an address that may have some.
pub fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = address.trim_end_matches(['?', '&']).to_owned();
    for (name, value) in parameters {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={}", crate::markup::url_path(value)));
    }
    url
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// When a certificate cannot be read or the proxy is no address.
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut secrets = Vec::new();
        let authorization = match &settings.identity {
            Identity::None => None,
            Identity::Basic(pair) => {
                let coded = base64(pair.expose().as_bytes());
                secrets.extend([pair.expose().to_owned(), coded.clone()]);
                secrets.extend(pair.expose().split_once(':').map(|(_, password)| password.to_owned()));
                Some(format!("Basic {coded}"))
            }
            Identity::Bearer(token) => {
                secrets.push(token.expose().to_owned());
                Some(format!("Bearer {}", token.expose()))
            }
        };
        secrets.retain(|secret| secret.len() >= 4);
        let proxy = match &settings.proxy {
            None => None,
            Some(address) => Some(ureq::Proxy::new(address).map_err(|_| {
                Error::new("mk::http::proxy", "the proxy's address cannot be read")
                    .hint("write it like \"http://proxy.example.de:3128\"")
                    .exit(Exit::Usage)
            })?),
        };
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &settings.authorities {
            let certificates = certificates(pem);
            if certificates.is_empty() {
                return Err(no_pem("the file of authorities holds no certificate"));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        if let Some(pem) = &settings.certificate {
            let pem = pem.expose().as_bytes();
            let chain = certificates(pem);
            let key = PrivateKey::from_pem(pem).map_err(|_| no_pem("the client certificate has no private key"))?;
            if chain.is_empty() {
                return Err(no_pem("the client certificate holds no certificate"));
            }
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(settings.timeout))
            .timeout_connect(Some(settings.timeout.min(Duration::from_secs(20))))
            .proxy(proxy)
            .user_agent(concat!("messkette/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(tls.build())
            .build();
        Ok(Self { agent: config.into(), authorization, secrets, most_bytes: settings.most_bytes })
    }

    /// Asks.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn get(&self, url: &str) -> Result<Reply, Failure> {
        self.get_as(url, "*/*")
    }

    /// Asks for an answer of some media type.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn get_as(&self, url: &str, accept: &str) -> Result<Reply, Failure> {
        let mut request = self.agent.get(url).header("Accept", accept);
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        self.reply(request.call())
    }

    /// Sends a document.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn send(&self, method: Method, url: &str, media_type: &str, body: &[u8]) -> Result<Reply, Failure> {
        let mut request = match method {
            Method::Post => self.agent.post(url),
            Method::Put => self.agent.put(url),
        };
        request = request.header("Content-Type", media_type);
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        let point = || point(Operation::Send).map_err(|error| Failure::Unknown(error.to_string()));
        point()?;
        let reply = self.reply(request.send(body));
        point()?;
        reply
    }

    /// Asks to delete.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn delete(&self, url: &str) -> Result<Reply, Failure> {
        let mut request = self.agent.delete(url);
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        self.reply(request.call())
    }

    fn reply(&self, result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Reply, Failure> {
        let mut response = result.map_err(|error| self.failure(&error))?;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (content_type, retry_after) = (header("content-type"), header("retry-after"));
        let mut body = Vec::new();
        let reader = response.body_mut().with_config().limit(u64::MAX).reader();
        reader
            .take(self.most_bytes.saturating_add(1))
            .read_to_end(&mut body)
            .map_err(|error| Failure::Unknown(self.redact(&format!("the answer was cut off: {error}"))))?;
        if body.len() as u64 > self.most_bytes {
            return Err(Failure::Unknown("the answer is larger than allowed".to_owned()));
        }
        Ok(Reply {
            status: response.status().as_u16(),
            content_type,
            retry_after: wait_until(&retry_after, jiff::Timestamp::now()),
            body,
        })
    }

    fn failure(&self, error: &ureq::Error) -> Failure {
        use ureq::Error as E;
        let text = self.redact(&error.to_string());
        match error {
            E::HostNotFound
            | E::ConnectionFailed
            | E::InvalidProxyUrl
            | E::ConnectProxyFailed(_)
            | E::BadUri(_)
            | E::Tls(_)
            | E::Pem(_)
            | E::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => Failure::NotSent(text),
            E::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Failure::NotSent(text),
            _ => Failure::Unknown(text),
        }
    }

    /// A server's words as they may be shown: without what is secret, on one line, short.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        // What follows is the statement with the record in it (measured: 3 to 4 kB).
        let text = text.split("[SQL").next().unwrap_or_default();
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().filter(|c| crate::markup::is_text(*c)).take(200).collect();
        if line.chars().count() > 200 {
            short.push('…');
        }
        short
    }
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110 section 10.2.3), from now on.
fn wait_until(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let text = header.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// How a document is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// POST.
    Post,
    /// PUT.
    Put,
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let items = parse_pem(pem).flatten();
    items.filter_map(|item| if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None }).collect()
}

fn no_pem(message: &str) -> Error {
    Error::new("mk::http::certificate", message).hint("it must be PEM: -----BEGIN CERTIFICATE-----").exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_no_open_line() {
        for good in ["https://a.de/csw?x=y", "http://127.0.0.1:8000/csw", "http://localhost/", "http://[::1]:80/"] {
            check_address(good).unwrap();
        }
        for bad in [
            "http://a.de/",
            "https://user:pw@a.de/",
            "http://127.0.0.1.a.de/",
            "http://localhost.de",
            "ftp://a.de",
            "a.de",
            "https://",
            "https://a b/",
            "http://127.0.0.1@a.de/",
            "https://a.de/#x",
        ] {
            assert_eq!(check_address(bad).unwrap_err().code(), "mk::http::address", "{bad}");
        }
    }

    #[test]
    fn a_server_asks_for_patience_in_seconds_or_until_a_date() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let wait = |header: &str| wait_until(header, now).map(|wait| wait.as_secs());
        assert_eq!(wait(" 120"), Some(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "a date that is over");
        for none in ["", "soon", "-1", "1994-11-06"] {
            assert_eq!(wait(none), None, "{none}");
        }
    }

    #[test]
    fn words_of_a_server_are_shortened_and_cleared_of_secrets() {
        let client = Client {
            agent: ureq::Agent::new_with_defaults(),
            authorization: None,
            secrets: vec!["KANARI-pw".to_owned()],
            most_bytes: 10,
        };
        assert_eq!(client.redact("no\n KANARI-pw\u{1b}[31m for you [SQL: INSERT secret]"), "no ***[31m for you");
        assert_eq!(client.redact(&"x".repeat(5_000)).chars().count(), 201);
    }
}
