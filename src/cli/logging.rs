//! The log on standard error.

use super::ui::{LogFormat, Ui};
use indicatif::MultiProgress;
use std::io::Write;
use std::sync::OnceLock;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};

/// The bars that are being drawn: log lines go above them.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Lets log lines go above these bars from now on.
pub fn above(bars: &MultiProgress) {
    let _ = BARS.set(bars.clone());
}

/// Starts the log. `MESSKETTE_LOG` takes a filter as `warn,messkette::run=debug`.
pub fn start(ui: &Ui) {
    let level = match (ui.quiet, ui.verbose) {
        (true, _) => "error,messkette=warn",
        (_, 0) => "warn,messkette=info",
        (_, 1) => "warn,messkette=debug",
        _ => "debug,messkette=trace",
    };
    let filter = std::env::var("MESSKETTE_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let builder = fmt().with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(level))).with_writer(Above).with_target(false);
    let started = match ui.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(ui.style.color).without_time().compact().try_init(),
    };
    // A log that is there already, as in a test, serves as well.
    drop(started);
}

/// Writes one event as a line of JSON, in the shape of the other lines: time, level, fields.
pub fn write_json(level: &str, fields: serde_json::Value) {
    let mut line = serde_json::Map::new();
    line.insert("timestamp".to_owned(), jiff::Timestamp::now().to_string().into());
    line.insert("level".to_owned(), level.into());
    if let serde_json::Value::Object(fields) = fields {
        line.extend(fields);
    }
    let _ = writeln!(std::io::stderr().lock(), "{}", serde_json::Value::Object(line));
}

/// Writes to standard error, above the bars.
struct Above;

impl<'a> MakeWriter<'a> for Above {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// One event's text, written when it is whole.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let write = || {
            let _ = std::io::stderr().lock().write_all(&self.0);
        };
        match BARS.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}
