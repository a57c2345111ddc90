//! The command line: one file per command, each with its arguments and a function that calls the library.
//!
//! Data goes to standard output, everything else to standard error; the exit code tells what became of it ([`crate::Exit`]).

pub(crate) mod catalogue;
mod check;
mod convert;
mod demo;
pub mod diagnostic;
mod docs;
mod doctor;
mod exit;
mod explain;
mod gc;
mod generate;
mod init;
mod logging;
mod measure;
mod options;
mod parcel;
mod plan;
mod progress;
mod report;
mod rollback;
mod run;
mod serve;
mod settings;
mod status;
mod ui;
mod verify;

use crate::error::{Exit, Result};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;
use ui::{Global, Ui};

/// Nightly batch pipeline for municipal geodata: orthophotos, cadastre and city models in; tiles, tables, records and a report
/// out.
#[derive(Debug, Parser)]
#[command(name = "messkette", version, max_term_width = 100, arg_required_else_help = true, after_help = exit::help())]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Plan(plan::Args),
    Run(run::Args),
    Status(status::Args),
    Verify(verify::Args),
    Catalogue(catalogue::Args),
    Serve(serve::Args),
    Rollback(rollback::Args),
    Explain(explain::Args),
    Parcel(parcel::Args),
    Report(report::Args),
    Gc(gc::Args),
    Convert(convert::Args),
    Demo(demo::Args),
    Doctor(doctor::Args),
    Generate(generate::Args),
}

impl Command {
    fn run(&self, ui: &Ui) -> Result<Exit> {
        match self {
            Self::Init(args) => init::run(args, ui),
            Self::Check(args) => check::run(args, ui),
            Self::Plan(args) => plan::run(args, ui),
            Self::Run(args) => run::run(args, ui),
            Self::Status(args) => status::run(args, ui),
            Self::Verify(args) => verify::run(args, ui),
            Self::Catalogue(args) => catalogue::run(args, ui),
            Self::Serve(args) => serve::run(args, ui),
            Self::Rollback(args) => rollback::run(args, ui),
            Self::Explain(args) => explain::run(args, ui),
            Self::Parcel(args) => parcel::run(args, ui),
            Self::Report(args) => report::run(args, ui),
            Self::Gc(args) => gc::run(args, ui),
            Self::Convert(args) => convert::run(args, ui),
            Self::Demo(args) => demo::run(args, ui),
            Self::Doctor(args) => doctor::run(args, ui),
            Self::Generate(args) => generate::run(args, ui),
        }
    }
}

/// Reads the arguments of the process, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(&cli.global);
    logging::start(&ui);
    let exit = cli.command.run(&ui).unwrap_or_else(|error| {
        ui.error(&error);
        error.exit_code()
    });
    ExitCode::from(exit as u8)
}

/// The whole command line, for help, completions and manual pages.
fn command() -> clap::Command {
    Cli::command()
}
