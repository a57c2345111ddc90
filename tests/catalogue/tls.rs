//! Certificates of an office's own authority, of the client, and a proxy: what a municipal network asks for.

use messkette::Exit;
use messkette::catalogue::{Client, CswOptions};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(folder: &Path, arguments: &str) -> bool {
    let command = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null()).output();
    command.is_ok_and(|output| output.status.success())
}

/// An authority, and certificates of it for a server on this machine and for a client.
pub fn certificates(folder: &Path) -> bool {
    let authority =
        |name: &str| openssl(folder, &format!("req -x509 {CURVE} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"));
    let done = authority("ca")
        && authority("other")
        && certificate(folder, "server", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth")
        && certificate(folder, "client", "extendedKeyUsage=clientAuth");
    if done {
        let pair = ["client.pem", "client.key"].map(|name| std::fs::read(folder.join(name)).unwrap()).concat();
        std::fs::write(folder.join("pair.pem"), pair).unwrap();
    }
    done
}

const CURVE: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// A certificate of the authority in the folder, with these extensions.
pub fn certificate(folder: &Path, name: &str, extensions: &str) -> bool {
    std::fs::write(folder.join(format!("{name}.ext")), format!("{extensions}\n")).unwrap();
    let sign = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2";
    openssl(folder, &format!("req {CURVE} -subj /CN={name} -keyout {name}.key -out {name}.csr"))
        && openssl(folder, &format!("x509 -req -in {name}.csr {sign} -extfile {name}.ext -out {name}.pem"))
}

fn start() -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    if !certificates(folder.path()) {
        assert!(std::env::var_os("MESSKETTE_REQUIRE_ORACLES").is_none_or(|value| value != "1"), "openssl is missing");
        println!("skipped: openssl is missing; scripts/setup --tests installs it");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/tls_server.py");
    let mut child = Command::new("python3")
        .arg(script)
        .args(["server.pem", "server.key", "ca.pem"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Some(Server { child, port: line.trim().parse().unwrap(), folder })
}

fn probe(server: &Server, options: &Value) -> messkette::Result<()> {
    let mut all = json!({ "endpoint": format!("https://127.0.0.1:{}/csw", server.port), "attempts": 1, "timeout_s": 20 });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let options: CswOptions = serde_json::from_value(all).unwrap();
    Client::new(&options, server.folder.path())?.probe(true)
}

/// A proxy that joins lines (CONNECT), and remembers what it was asked.
fn tunnel() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            log.lock().unwrap().push(head);
            let Ok(mut server) = TcpStream::connect(target) else { continue };
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back, &mut forth));
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
        }
    });
    (port, asked)
}

#[test]
fn only_who_has_the_right_certificates_is_spoken_to() {
    let Some(server) = start() else { return };
    let pair = json!({ "file": "pair.pem" });
    probe(&server, &json!({ "ca_file": "ca.pem", "client_certificate": pair })).unwrap();
    // Neither a server of an unknown authority is spoken to, nor a client without a certificate.
    for options in [
        json!({ "client_certificate": pair }),
        json!({ "ca_file": "other.pem", "client_certificate": pair }),
        json!({ "ca_file": "ca.pem" }),
    ] {
        let error = probe(&server, &options).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("mk::catalogue::unavailable", Exit::Unavailable), "{options}");
    }
    for (options, code) in [
        (json!({ "ca_file": "missing.pem" }), "mk::http::ca_file"),
        (json!({ "ca_file": "ca.key" }), "mk::http::certificate"),
        (json!({ "ca_file": "ca.pem", "client_certificate": { "file": "client.pem" } }), "mk::http::certificate"),
        (json!({ "proxy": "nowhere at all" }), "mk::http::proxy"),
    ] {
        let error = probe(&server, &options).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (code, Exit::Usage), "{options}");
    }
}

#[test]
fn a_proxy_joins_the_lines_and_hears_no_password() {
    let Some(server) = start() else { return };
    let (port, asked) = tunnel();
    std::fs::write(server.folder.path().join("login"), "amt:KANARI-geheim").unwrap();
    let options = json!({
        "ca_file": "ca.pem", "client_certificate": { "file": "pair.pem" }, "credentials": { "file": "login" },
        "proxy": format!("http://127.0.0.1:{port}"),
    });
    probe(&server, &options).unwrap();
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with(&format!("CONNECT 127.0.0.1:{}", server.port)), "{asked:?}");
    assert!(!asked[0].to_lowercase().contains("authorization"), "{asked:?}");
}

/// A password goes to the address that was configured and to no other.
#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = elsewhere.local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = crate::http::Request::read(&stream);
            crate::http::answer(&stream, "302 Found", &[("Location", &format!("http://{target}/csw"))], b"");
        }
    });
    let options = json!({ "endpoint": format!("http://127.0.0.1:{port}/csw"), "attempts": 1 });
    let options: CswOptions = serde_json::from_value(options).unwrap();
    let error = Client::new(&options, Path::new(".")).unwrap().probe(true).unwrap_err();
    assert!(error.message().contains("not followed"), "{}", error.message());
    assert!(elsewhere.accept().is_err(), "it went there");
}
