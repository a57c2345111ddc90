//! A small HTTP/1.1 server: one request on a connection, a bounded number of connections, short patience, small requests. It stands
//! behind a web server that does the encryption.

use crate::error::{Error, Exit, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const MOST_HEAD: usize = 32 << 10;
const MOST_BODY: usize = 1 << 20;
const MOST_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between looks for a new connection: while some come, and while none do. A browser that shows a page opens many, one after the other.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// Looks without a connection before the longer time applies.
const BUSY_LOOKS: u32 = 200;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path, decoded, without the query.
    pub path: String,
    /// Parameters of the query, decoded; names in lower case.
    pub query: Vec<(String, String)>,
    /// Address of the server as the client sees it, as `https://geo.example.de/katalog`.
    pub own: String,
    /// Headers; names in lower case. Those that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
    /// A parameter, by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What an answer brings.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of a file, from where it stands; it is sent piece by piece.
    File(File, u64),
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// Further headers. Without a `Cache-Control` among them, clients ask again before they use what they kept.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Body,
}

impl Response {
    /// With a body.
    pub fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Body::Bytes(body) }
    }
    /// Without a body.
    pub fn empty(status: u16) -> Self {
        Self::new(status, "text/plain", Vec::new())
    }
    /// A text.
    pub fn text(status: u16, content_type: &'static str, text: String) -> Self {
        Self::new(status, content_type, text.into_bytes())
    }
    /// With a header more; line breaks do not get into it.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into().replace(['\r', '\n'], " ")));
        self
    }

    /// Status line and headers.
    fn head(&self) -> String {
        let reason = match self.status {
            200 => "OK",
            201 => "Created",
            204 => "No Content",
            206 => "Partial Content",
            303 => "See Other",
            304 => "Not Modified",
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            409 => "Conflict",
            410 => "Gone",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            416 => "Range Not Satisfiable",
            422 => "Unprocessable Content",
            428 => "Precondition Required",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let length = match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(_, length) => *length,
        };
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\
             Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\
             Access-Control-Allow-Headers: Content-Type, Content-Crs, If-Match, If-None-Match, Authorization\r\n\
             Access-Control-Expose-Headers: Content-Crs, ETag, Location\r\nX-Content-Type-Options: nosniff\r\n",
            self.status, self.content_type,
        );
        if !self.headers.iter().any(|(name, _)| *name == "Cache-Control") {
            head.push_str("Cache-Control: no-cache\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head
    }
}

/// The server.
pub struct Server {
    listener: TcpListener,
    /// Address under which clients see it; else what they ask for.
    public: Option<String>,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When it is in use or not ours.
    pub fn bind(listen: &str, public: Option<String>) -> Result<Self> {
        let listener = TcpListener::bind(listen).map_err(|error| {
            Error::new("mk::serve::listen", format!("cannot listen on {listen}")).because(error).exit(Exit::Usage)
        })?;
        Ok(Self { listener, public: public.map(|url| url.trim_end_matches('/').to_owned()) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> Result<String> {
        let address =
            self.listener.local_addr().map_err(|error| Error::new("mk::serve::listen", "cannot listen").because(error))?;
        Ok(address.to_string())
    }

    /// Answers until told to stop.
    ///
    /// # Errors
    /// When connections can no longer be taken.
    pub fn run(&self, cancel: &AtomicBool, respond: impl Fn(&Request) -> Response + Send + Sync) -> Result<()> {
        let failed = |error| Error::new("mk::serve::listen", "cannot take connections").because(error);
        self.listener.set_nonblocking(true).map_err(failed)?;
        let open = Arc::new(AtomicUsize::new(0));
        let respond = &respond;
        let mut idle = BUSY_LOOKS;
        std::thread::scope(|scope| {
            while !cancel.load(Ordering::Relaxed) {
                match self.listener.accept() {
                    Ok((stream, _)) if open.load(Ordering::Relaxed) < MOST_CONNECTIONS => {
                        idle = 0;
                        open.fetch_add(1, Ordering::Relaxed);
                        let open = Arc::clone(&open);
                        scope.spawn(move || {
                            self.serve(stream, respond);
                            open.fetch_sub(1, Ordering::Relaxed);
                        });
                    }
                    // Too many: the connection is closed, and the client tries again.
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        idle = idle.saturating_add(1);
                        std::thread::sleep(if idle < BUSY_LOOKS { LOOK.0 } else { LOOK.1 });
                    }
                    Err(error) => tracing::debug!("a connection was lost: {error}"),
                }
            }
        });
        Ok(())
    }

    fn serve(&self, mut stream: TcpStream, respond: &(impl Fn(&Request) -> Response + Send + Sync)) {
        let ready = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        if ready.and_then(|()| stream.set_write_timeout(Some(PATIENCE))).is_err() {
            return;
        }
        let (response, head_only) = match self.read(&mut stream) {
            Ok(request) => (respond(&request), request.method == "HEAD"),
            Err(status) => (Response::empty(status), false),
        };
        let _ = stream.write_all(response.head().as_bytes());
        if !head_only {
            let _ = match response.body {
                Body::Bytes(bytes) => stream.write_all(&bytes),
                Body::File(file, length) => std::io::copy(&mut file.take(length), &mut stream).map(|_| ()),
            };
        }
        let _ = stream.flush();
    }

    /// Reads a request, or gives the status that refuses it.
    fn read(&self, stream: &mut TcpStream) -> Result<Request, u16> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 8192];
        let began = std::time::Instant::now();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&bytes) {
                Ok(httparse::Status::Complete(end)) => {
                    let header = |name: &str| {
                        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                        found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
                    };
                    let length = match header("content-length") {
                        Some(text) => text.parse::<usize>().map_err(|_| 400u16)?,
                        None if header("transfer-encoding").is_some() => return Err(411),
                        None => 0,
                    };
                    if length > MOST_BODY {
                        return Err(413);
                    }
                    let own = self.public.clone().unwrap_or_else(|| own_address(header("host")));
                    let (method, target) =
                        (parsed.method.unwrap_or_default().to_owned(), parsed.path.unwrap_or_default().to_owned());
                    let headers = parsed.headers.iter().filter_map(|header| {
                        Some((header.name.to_lowercase(), std::str::from_utf8(header.value).ok()?.trim().to_owned()))
                    });
                    let headers = headers.collect();
                    let mut body = bytes.split_off(end);
                    while body.len() < length {
                        let read = stream.read(&mut buffer).map_err(|_| 400u16)?;
                        if read == 0 || began.elapsed() > PATIENCE {
                            return Err(400);
                        }
                        body.extend_from_slice(&buffer[..read]);
                    }
                    body.truncate(length);
                    return Ok(Request { headers, body, ..request(method, &target, own) });
                }
                Ok(httparse::Status::Partial) if bytes.len() < MOST_HEAD && began.elapsed() < PATIENCE => {
                    let read = stream.read(&mut buffer).map_err(|_| 400u16)?;
                    if read == 0 {
                        return Err(400);
                    }
                    bytes.extend_from_slice(&buffer[..read]);
                }
                Ok(httparse::Status::Partial) | Err(_) => return Err(400),
            }
        }
    }
}

/// The address that a client used, as far as it is one.
fn own_address(host: Option<&str>) -> String {
    let plain = |host: &&str| {
        !host.is_empty() && host.len() < 256 && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
    };
    format!("http://{}", host.filter(plain).unwrap_or("localhost"))
}

/// A request from its target.
pub fn request(method: String, target: &str, own: String) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (decoded(name, true).to_lowercase(), decoded(value, true))).collect();
    Request { method, path: decoded(path, false), query, own, ..Request::default() }
}

fn decoded(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|code| u8::from_str_radix(code, 16).ok());
        match (byte, code) {
            (_, Some(code)) => {
                out.push(code);
                at += 2;
            }
            (b'+', None) if plus => out.push(b' '),
            (byte, None) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded_and_hosts_are_plain() {
        let read = request("GET".to_owned(), "/a%20b?Q=x+y%26z&%zz&n=%C3%BC", String::new());
        assert_eq!(
            (read.path.as_str(), read.get("q"), read.get("n"), read.get("%zz")),
            ("/a b", Some("x y&z"), Some("ü"), Some(""))
        );
        assert_eq!(own_address(Some("a.de:80")), "http://a.de:80");
        for bad in [None, Some(""), Some("a.de/<script>"), Some("a\"b")] {
            assert_eq!(own_address(bad), "http://localhost");
        }
    }
}
