//! `messkette serve`: the released records, data and street surveys, for those who come for them.

use super::settings::{PipelineArg, stop_on_signals};
use super::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::pipeline::{Audience, Revealed, Secret};
use crate::serve::{Apis, Server};
use clap::ValueEnum;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Answer CSW 2.0.2 (at /csw), OGC API Records, OGC API Features (at /features) and, for street surveys, STAC API (at /stac) from the
/// current release, for reading.
///
/// It speaks plain HTTP: put a web server with https before it where others reach it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineArg,
    /// Address and port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Whose records and data.
    #[arg(long, default_value = "public")]
    audience: Readers,
    /// Address under which others see this server; else that of each request.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Take edits of playgrounds (OGC API Features, Part 4) from those who send the token in the environment variable
    /// `MESSKETTE_EDIT_TOKEN`. Only with `--audience internal`, and only on this machine: a web server with https stands before it.
    #[arg(long)]
    edits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Readers {
    /// Everybody.
    Public,
    /// The office.
    Internal,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let pipeline = args.pipeline.load()?;
    let audience = match args.audience {
        Readers::Public => Audience::Public,
        Readers::Internal => Audience::Internal,
    };
    let mut apis = Apis::new(&pipeline, audience);
    if args.edits {
        apis = apis.with_edits(&pipeline, token(args, audience)?.expose())?;
    }
    let records = apis.records.holdings()?.entries.len();
    let collections = apis.features.count()?;
    let server = Server::bind(&args.listen, args.url.clone())?;
    let cancel = Arc::new(AtomicBool::new(false));
    stop_on_signals(&cancel)?;
    ui.say(format!(
        "http://{}: {records} records; CSW at /csw, OGC API Records at /, OGC API Features at /features ({collections} collections), \
         STAC API at /stac",
        server.address()?
    ))?;
    server.run(&cancel, |request| apis.respond(request))?;
    Ok(Exit::Ok)
}

/// The token for edits.
fn token(args: &Args, audience: Audience) -> Result<Revealed> {
    let refused = |message: &str, hint: &str| Error::new("mk::serve::edits", message).hint(hint).exit(Exit::Usage);
    if audience != Audience::Internal {
        return Err(refused("edits are for the office", "add --audience internal"));
    }
    let mut own = args.listen.to_socket_addrs().into_iter().flatten().peekable();
    if own.peek().is_none() || !own.all(|address| address.ip().is_loopback()) {
        return Err(refused(
            "edits are taken on this machine only: the token would cross the network unencrypted",
            "listen on 127.0.0.1, and put a web server with https before it",
        ));
    }
    Secret::Env("MESSKETTE_EDIT_TOKEN".to_owned()).reveal(std::path::Path::new("."))
}
