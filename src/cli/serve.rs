//! `messkette serve`: the released records, data and street surveys, for those who come for them.

use super::settings::{PipelineArg, stop_on_signals};
use super::ui::Ui;
use crate::error::{Exit, Result};
use crate::pipeline::Audience;
use crate::serve::{Apis, Server};
use clap::ValueEnum;
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
    let apis = Apis::new(&pipeline, audience);
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
