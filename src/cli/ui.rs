//! What all commands share: where output goes, how loud it is, how it looks.

use super::diagnostic::{self, Style};
use crate::error::{Error, Result};
use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print data as JSON.
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Say more; twice says everything.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// How the log on standard error is written.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub log_format: LogFormat,
}

/// Formats of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Standard output and standard error of a command.
#[derive(Debug)]
pub struct Ui {
    /// Data as JSON.
    pub json: bool,
    /// Only what went wrong.
    pub quiet: bool,
    /// 0, 1 or 2.
    pub verbose: u8,
    /// Format of the log.
    pub log_format: LogFormat,
    /// Standard error is a terminal that can redraw lines.
    pub terminal: bool,
    /// How errors are drawn.
    pub style: Style,
}

impl Ui {
    /// From the options and the environment.
    pub fn new(global: &Global) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
        let width = console_width().unwrap_or(120).clamp(40, 160);
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            log_format: global.log_format,
            terminal,
            style: Style { color: terminal && !set("NO_COLOR"), width },
        }
    }

    /// Prints a line for people, unless they want JSON or quiet.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn say(&self, line: impl AsRef<str>) -> Result<()> {
        if self.json || self.quiet { Ok(()) } else { print(line) }
    }

    /// True where the log, and errors in it, are for programs.
    pub fn machine(&self) -> bool {
        self.json || self.log_format == LogFormat::Json
    }

    /// Says what went wrong on standard error.
    pub fn error(&self, error: &Error) {
        let text = if self.machine() {
            let mut object = diagnostic::to_json(error);
            if let Some(object) = object.as_object_mut() {
                object.insert("level".to_owned(), "ERROR".into());
            }
            format!("{object}\n")
        } else {
            diagnostic::render(error, self.style)
        };
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Prints a line of data. A reader that has gone away is no error.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(line: impl AsRef<str>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut text = line.as_ref().to_owned();
    text.push('\n');
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new("mk::cli::output", "cannot write to standard output").because(error))
        }
        _ => Ok(()),
    }
}

/// Prints data as one line of JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_json(data: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(data).map_err(|error| Error::new("mk::cli::output", "cannot write JSON").because(error))?;
    print(text)
}

fn console_width() -> Option<usize> {
    let (rows_columns, terminal) = (rustix::termios::tcgetwinsize(std::io::stderr()), std::io::stderr().is_terminal());
    rows_columns.ok().filter(|size| terminal && size.ws_col > 0).map(|size| usize::from(size.ws_col))
}

/// Plural of an English noun.
pub fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}
