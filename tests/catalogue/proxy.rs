//! A proxy before the server that misbehaves once, as told, and remembers every request.

use crate::http::{Request, answer, call};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong. Where there is a choice, `true` lets the server carry the request out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No answer within the client's patience.
    Timeout(bool),
    /// The connection ends without an answer.
    Reset(bool),
    /// The answer ends in the middle.
    Truncated,
    /// The length says half of what comes.
    WrongLength,
    /// The right answer under a wrong type.
    WrongType,
    /// A page of HTML with status 200.
    Html200(bool),
    Unauthorized,
    /// With Retry-After.
    TooMany,
    /// With a page of HTML.
    Server(bool),
    Unavailable,
    /// Half of the operations are carried out, then status 500 with a page of HTML: what a worker that is killed leaves.
    HalfThen500,
}

pub const FAULTS: [Fault; 14] = [
    Fault::Timeout(false),
    Fault::Timeout(true),
    Fault::Reset(false),
    Fault::Reset(true),
    Fault::Truncated,
    Fault::WrongLength,
    Fault::WrongType,
    Fault::Html200(false),
    Fault::Html200(true),
    Fault::Unauthorized,
    Fault::TooMany,
    Fault::Server(false),
    Fault::Server(true),
    Fault::Unavailable,
];

/// Which request it strikes, and how often.
type Armed = Option<(&'static str, Fault, u32)>;

pub struct Proxy {
    pub port: u16,
    armed: Arc<Mutex<Armed>>,
    log: Arc<Mutex<Vec<Request>>>,
}

const HTML: &[u8] = b"<!DOCTYPE html><html><body><h1>Internal Server Error</h1></body></html>";

impl Proxy {
    pub fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (armed, log) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let (shared, requests) = (Arc::clone(&armed), Arc::clone(&log));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, requests) = (Arc::clone(&shared), Arc::clone(&requests));
                std::thread::spawn(move || {
                    let Some(request) = Request::read(&stream) else { return };
                    requests.lock().unwrap().push(request.clone());
                    let fault = strike(&mut shared.lock().unwrap(), &request);
                    serve(&stream, upstream, &request, fault);
                });
            }
        });
        Self { port, armed, log }
    }

    /// Lets the next `times` requests that hold this text go wrong.
    pub fn arm(&self, text: &'static str, fault: Fault, times: u32) {
        *self.armed.lock().unwrap() = Some((text, fault, times));
    }
    /// True when it struck, and nothing is left to go wrong.
    pub fn struck(&self) -> bool {
        self.armed.lock().unwrap().take().is_none()
    }
    /// The requests since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/csw", self.port)
    }
}

fn strike(armed: &mut Armed, request: &Request) -> Option<Fault> {
    let (text, fault, times) = armed.as_mut()?;
    if !request.line.contains(*text) && !request.text().contains(*text) {
        return None;
    }
    let fault = *fault;
    *times -= 1;
    if *times == 0 {
        *armed = None;
    }
    Some(fault)
}

fn serve(stream: &TcpStream, upstream: u16, request: &Request, fault: Option<Fault>) {
    let forward = || call(upstream, request, &request.body);
    let xml = ("Content-Type", "application/xml");
    match fault {
        None => {
            let (status, body) = forward();
            answer(stream, &format!("{status} OK"), &[xml], &body);
        }
        Some(Fault::Timeout(carried_out)) => {
            if carried_out {
                forward();
            }
            std::thread::sleep(Duration::from_millis(2_500));
        }
        Some(Fault::Reset(carried_out)) => {
            if carried_out {
                forward();
            }
            let _ = stream.shutdown(Shutdown::Both);
        }
        Some(Fault::Truncated) => {
            let (_, body) = forward();
            answer(stream, "200 OK", &[xml, ("Content-Length", &body.len().to_string())], &body[..body.len() / 2]);
        }
        Some(Fault::WrongLength) => {
            let (_, body) = forward();
            answer(stream, "200 OK", &[xml, ("Content-Length", &(body.len() / 2).to_string())], &body);
        }
        Some(Fault::WrongType) => {
            let (_, body) = forward();
            answer(stream, "200 OK", &[("Content-Type", "image/png")], &body);
        }
        Some(Fault::Html200(carried_out)) => {
            if carried_out {
                forward();
            }
            answer(stream, "200 OK", &[("Content-Type", "text/html")], HTML);
        }
        // What a careless server says of a request: all of it.
        Some(Fault::Unauthorized) => {
            answer(stream, "401 Unauthorized", &[("Content-Type", "text/plain")], request.headers.join("\n").as_bytes());
        }
        Some(Fault::TooMany) => answer(stream, "429 Too Many Requests", &[("Retry-After", "0")], HTML),
        Some(Fault::Server(carried_out)) => {
            if carried_out {
                forward();
            }
            answer(stream, "500 Internal Server Error", &[("Content-Type", "text/html")], HTML);
        }
        Some(Fault::Unavailable) => answer(stream, "503 Service Unavailable", &[("Content-Type", "text/html")], HTML),
        Some(Fault::HalfThen500) => {
            let text = request.text();
            let parts: Vec<&str> = text.split_inclusive("</csw:Insert>").collect();
            let half = format!("{}</csw:Transaction>", parts[..(parts.len() - 1) / 2].concat());
            call(upstream, request, half.as_bytes());
            answer(stream, "500 Internal Server Error", &[("Content-Type", "text/html")], HTML);
        }
    }
}
