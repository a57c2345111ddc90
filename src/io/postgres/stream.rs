//! The line to a server: a socket of this machine, or TCP, with TLS unless the server is on this machine.

use super::{Settings, Tls, unreachable};
use crate::error::{Error, Exit, Place, Result};
use postgres_protocol::message::frontend;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// Seconds until a server must have answered the call.
const CONNECT: Duration = Duration::from_secs(20);

/// What messages go through.
pub enum Stream {
    Socket(UnixStream),
    Open(TcpStream),
    Sealed(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Calls the server, and agrees on TLS where that is wanted.
    ///
    /// # Errors
    /// When it does not answer, or is not who it should be.
    pub fn open(settings: &Settings) -> Result<Self> {
        if settings.host.starts_with('/') {
            let path = std::path::Path::new(&settings.host).join(format!(".s.PGSQL.{}", settings.port));
            let socket = UnixStream::connect(&path).map_err(|error| {
                unreachable("cannot open the socket of the database").at(Place::file(path.display().to_string())).because(error)
            })?;
            let limits = socket.set_read_timeout(Some(settings.timeout)).and(socket.set_write_timeout(Some(settings.timeout)));
            limits.map_err(|error| unreachable("cannot set a time limit").because(error))?;
            return Ok(Self::Socket(socket));
        }
        let failed = |error: io::Error| unreachable(format!("cannot reach the database on {}", settings.host)).because(error);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (settings.host.as_str(), settings.port).to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(tcp) => {
                    let limits = tcp.set_read_timeout(Some(settings.timeout)).and(tcp.set_write_timeout(Some(settings.timeout)));
                    limits.and(tcp.set_nodelay(true)).map_err(failed)?;
                    return match &settings.tls {
                        None => Ok(Self::Open(tcp)),
                        Some(tls) => seal(tcp, &settings.host, tls),
                    };
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// True where nobody on the way can read.
    pub fn is_private(&self) -> bool {
        !matches!(self, Self::Open(_))
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.read(bytes),
            Self::Open(stream) => stream.read(bytes),
            Self::Sealed(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.write(bytes),
            Self::Open(stream) => stream.write(bytes),
            Self::Sealed(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(stream) => stream.flush(),
            Self::Open(stream) => stream.flush(),
            Self::Sealed(stream) => stream.flush(),
        }
    }
}

/// Asks for TLS as the protocol has it (`SSLRequest`); certificate and name of the server are checked.
fn seal(mut tcp: TcpStream, host: &str, tls: &Tls) -> Result<Stream> {
    let failed = |what: &str| Error::new("mk::postgres::tls", what.to_owned()).exit(Exit::Unavailable);
    let config = config(tls)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failed("the host is no name that a certificate can hold"))?;
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    let mut answer = [0];
    tcp.write_all(&request)
        .and_then(|()| tcp.read_exact(&mut answer))
        .map_err(|error| failed("the database did not answer the call for TLS").because(error))?;
    if answer != *b"S" {
        return Err(
            failed("the database offers no TLS").hint("set ssl = on in its postgresql.conf: nothing goes over an open line")
        );
    }
    let client = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| failed("cannot begin TLS with the database").because(error))?;
    let mut stream = StreamOwned::new(client, tcp);
    // The handshake happens here, so that its faults are told as such.
    stream.conn.complete_io(&mut stream.sock).map_err(|error| {
        failed("TLS with the database failed")
            .hint("the certificate must be for this host name, by an authority of ca_file or a public one")
            .because(error)
    })?;
    Ok(Stream::Sealed(Box::new(stream)))
}

fn config(tls: &Tls) -> Result<ClientConfig> {
    let wrong = |what: &str| {
        Error::new("mk::postgres::certificate", what.to_owned())
            .hint("it must be PEM: -----BEGIN CERTIFICATE-----")
            .exit(Exit::Usage)
    };
    let chain = |pem: &[u8]| CertificateDer::pem_slice_iter(pem).flatten().map(CertificateDer::into_owned).collect::<Vec<_>>();
    let mut roots = RootCertStore::empty();
    match &tls.authorities {
        Some(pem) => {
            for certificate in chain(pem) {
                roots.add(certificate).map_err(|_| wrong("the file of authorities holds a certificate that is none"))?;
            }
            if roots.is_empty() {
                return Err(wrong("the file of authorities holds no certificate"));
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("no version of TLS is at hand").because(error))?
        .with_root_certificates(roots);
    let Some(pair) = &tls.certificate else { return Ok(config.with_no_client_auth()) };
    let pem = pair.expose().as_bytes();
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong("the client certificate has no private key"))?;
    config.with_client_auth_cert(chain(pem), key).map_err(|_| wrong("the client certificate does not fit its private key"))
}
