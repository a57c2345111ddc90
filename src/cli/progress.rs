//! What a night tells while it runs: bars on a terminal, calm lines elsewhere, one JSON object for each event on request.

use super::logging;
use super::measure;
use super::ui::{LogFormat, Ui, count};
use crate::dataset::Made;
use crate::error::Place;
use crate::plan::Reason;
use crate::run::{Event, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first calm line of a stage comes after this long, the next after twice as long, and so on.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// The longest silence.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// Tells a night to people or programs.
pub struct Reporter {
    mode: Mode,
    stages: Mutex<BTreeMap<(String, String), Stage>>,
}

enum Mode {
    Bars(MultiProgress),
    Lines,
    Json { quiet: bool },
}

/// A stage under way.
struct Stage {
    total: u64,
    done: u64,
    quarantined: u64,
    rejected: u64,
    made: Made,
    began: Instant,
    spoke: Instant,
    silence: Duration,
    bar: Option<ProgressBar>,
}

impl Reporter {
    /// As the user wants it and standard error can show it.
    pub fn new(ui: &Ui) -> Self {
        let mode = if ui.log_format == LogFormat::Json {
            Mode::Json { quiet: ui.quiet }
        } else if ui.terminal && !ui.quiet {
            let bars = MultiProgress::new();
            logging::above(&bars);
            Mode::Bars(bars)
        } else {
            Mode::Lines
        };
        Self { mode, stages: Mutex::default() }
    }

    fn stages(&self) -> MutexGuard<'_, BTreeMap<(String, String), Stage>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn planned(&self, dataset: &str, stage: &str, reasons: &BTreeMap<Reason, u64>, reused: u64) {
        let total: u64 = reasons.iter().filter(|(reason, _)| **reason != Reason::Removed).map(|(_, number)| number).sum();
        let why: Vec<String> = reasons.iter().map(|(reason, number)| format!("{number} {}", reason.words())).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
        tracing::info!("{dataset}: {stage}: {} to do{why}, {reused} reused", count(total, "unit"));
        if total == 0 {
            return;
        }
        let bar = match &self.mode {
            Mode::Bars(bars) => {
                let bar = bars.add(ProgressBar::new(total));
                if let Ok(style) =
                    ProgressStyle::with_template("  {prefix:.cyan} {wide_bar:.cyan/dim} {pos}/{len} {msg} {eta:>4}")
                {
                    bar.set_style(style.progress_chars("━╸─"));
                }
                bar.set_prefix(format!("{dataset} {stage}"));
                bar.enable_steady_tick(Duration::from_millis(200));
                Some(bar)
            }
            _ => None,
        };
        let now = Instant::now();
        let state = Stage {
            total,
            done: 0,
            quarantined: 0,
            rejected: 0,
            made: Made::default(),
            began: now,
            spoke: now,
            silence: FIRST_LINE,
            bar,
        };
        self.stages().insert((dataset.to_owned(), stage.to_owned()), state);
    }

    /// A unit ended with what it made; `quarantined` and `rejected` count what it lost.
    fn ended(&self, dataset: &str, stage: &str, made: Made, quarantined: u64, rejected: u64) {
        let key = (dataset.to_owned(), stage.to_owned());
        let mut stages = self.stages();
        let Some(state) = stages.get_mut(&key) else { return };
        state.done += 1;
        state.quarantined += quarantined;
        state.rejected += rejected;
        state.made.add(made);
        let now = Instant::now();
        let lost = format!("{}{}", measure::rates(state.made, now.duration_since(state.began).as_secs_f64()), state.lost());
        if let Some(bar) = &state.bar {
            bar.set_message(lost.trim_start_matches(", ").to_owned());
            bar.inc(1);
        }
        if state.done >= state.total {
            if let Some(bar) = &state.bar {
                bar.finish_and_clear();
            }
            let took = measure::time(now.duration_since(state.began).as_secs_f64());
            tracing::info!("{dataset}: {stage}: {} done in {took}{lost}", count(state.total, "unit"));
            stages.remove(&key);
        } else if state.bar.is_none() && now.duration_since(state.spoke) >= state.silence {
            state.spoke = now;
            state.silence = (state.silence * 2).min(LONGEST_SILENCE);
            let percent = state.done * 100 / state.total.max(1);
            tracing::info!("{dataset}: {stage}: {} of {} units, {percent} %{lost}", state.done, state.total);
        }
    }

    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Started { run, jobs, memory_mb } => {
                tracing::info!("run {run}: {}, {}", count(*jobs as u64, "thread"), measure::bytes(memory_mb * 1024 * 1024));
            }
            Event::Discovered { dataset, sources, waiting, missing, refused } => {
                tracing::info!("{dataset}: {}", count(*sources as u64, "source"));
                if !waiting.is_empty() {
                    tracing::warn!("{dataset}: still being written, for the next night: {}", some(waiting));
                }
                if !missing.is_empty() {
                    tracing::warn!("{dataset}: missing in the delivery: {}", some(missing));
                }
                for rejection in *refused {
                    tracing::warn!("{dataset}: refused {}: {}", rejection.place, rejection.reason);
                }
            }
            Event::Planned { dataset, stage, reasons, reused, .. } => self.planned(dataset, stage, reasons, *reused),
            Event::UnitDone { dataset, stage, key, wall_s, outcome, .. } => {
                let all = &outcome.rejections;
                // A file that was not taken is no object.
                let files = all.iter().filter(|rejection| rejection.is_of_file()).count() as u64;
                let objects = all.len() as u64 - files;
                if let Some(first) = all.first() {
                    let the_first = if all.len() > 1 { ", the first" } else { "" };
                    let (lost, reason, place) = (losses(0, objects, files), &first.reason, place(&first.place));
                    tracing::warn!("{dataset}: {stage}: {key}: {lost}{the_first}: {reason}{place}");
                }
                tracing::debug!("{dataset}: {stage}: {key} done in {}", measure::time(*wall_s));
                self.ended(dataset, stage, Made::of(outcome), 0, objects);
            }
            Event::UnitQuarantined { dataset, stage, key, error, .. } => {
                tracing::warn!("{dataset}: {stage}: {key} is quarantined: {}{}", error.full_message(), place(error.place()));
                self.ended(dataset, stage, Made::default(), 1, 0);
            }
            Event::DatasetFailed { dataset, error } => {
                let hint = error.hint_text().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
                tracing::error!("{dataset}: {}{}{hint}", error.full_message(), place(error.place()));
            }
            Event::Assembled { dataset, files, bytes, reused } => {
                let how = if *reused { "unchanged" } else { "made" };
                let size = measure::bytes(*bytes);
                tracing::info!("{dataset}: artefacts {how}: {}, {size}", count(*files as u64, "file"));
            }
            Event::Released { id, new: true } => tracing::info!("release {id} is current"),
            Event::Released { id, new: false } => tracing::info!("release {id} stays current: nothing changed"),
            Event::Note(text) => tracing::info!("{text}"),
        }
    }
}

impl Stage {
    fn lost(&self) -> String {
        let mut text = String::new();
        if self.quarantined > 0 {
            text.push_str(&format!(", {} quarantined", self.quarantined));
        }
        if self.rejected > 0 {
            text.push_str(&format!(", {} rejected", count(self.rejected, "object")));
        }
        text
    }
}

impl Progress for Reporter {
    fn event(&self, event: &Event<'_>) {
        match self.mode {
            Mode::Json { quiet } => {
                let (level, fields) = as_json(event);
                if !quiet || level != "INFO" {
                    logging::write_json(level, fields);
                }
            }
            _ => self.tell(event),
        }
    }
}

/// An event for programs: names of events and fields are a contract with those that read the log.
fn as_json(event: &Event<'_>) -> (&'static str, Value) {
    match event {
        Event::Started { run, jobs, memory_mb } => {
            ("INFO", json!({ "event": "started", "run": run, "jobs": jobs, "memory_mb": memory_mb }))
        }
        Event::Discovered { dataset, sources, waiting, missing, refused } => {
            let lost = !(waiting.is_empty() && missing.is_empty() && refused.is_empty());
            let fields = json!({
                "event": "discovered", "dataset": dataset, "sources": sources, "waiting": waiting, "missing": missing,
                "refused": refused,
            });
            (if lost { "WARN" } else { "INFO" }, fields)
        }
        Event::Planned { dataset, stage, reasons, reused, cost } => {
            let fields = json!({
                "event": "planned", "dataset": dataset, "stage": stage, "reasons": reasons, "reused": reused, "cost": cost,
            });
            ("INFO", fields)
        }
        Event::UnitDone { dataset, stage, key, cost, wall_s, outcome } => {
            let rejected = outcome.rejections.len();
            let mut fields = json!({
                "event": "unit_done", "dataset": dataset, "stage": stage, "key": key, "cost": cost, "wall_s": wall_s,
                "objects": outcome.counts.total(), "rejections": rejected,
            });
            let made = Made::of(outcome);
            if made != Made::default() {
                fields["made"] = json!(made);
            }
            (if rejected > 0 { "WARN" } else { "INFO" }, fields)
        }
        Event::UnitQuarantined { dataset, stage, key, cost, error } => {
            let error = super::diagnostic::to_json(error);
            let fields = json!({
                "event": "unit_quarantined", "dataset": dataset, "stage": stage, "key": key, "cost": cost, "error": error,
            });
            ("WARN", fields)
        }
        Event::DatasetFailed { dataset, error } => {
            let error = super::diagnostic::to_json(error);
            ("ERROR", json!({ "event": "dataset_failed", "dataset": dataset, "error": error }))
        }
        Event::Assembled { dataset, files, bytes, reused } => {
            let fields = json!({ "event": "assembled", "dataset": dataset, "files": files, "bytes": bytes, "reused": reused });
            ("INFO", fields)
        }
        Event::Released { id, new } => ("INFO", json!({ "event": "released", "release": id, "new": new })),
        Event::Note(text) => ("INFO", json!({ "event": "note", "message": text })),
    }
}

/// What was lost, as far as something was: `1 unit quarantined, 3 objects rejected, 1 file not taken`.
pub fn losses(units: u64, objects: u64, files: u64) -> String {
    let kinds = [(units, "unit", "quarantined"), (objects, "object", "rejected"), (files, "file", "not taken")];
    let lost = kinds.into_iter().filter(|(number, ..)| *number > 0);
    lost.map(|(number, what, how)| format!("{} {how}", count(number, what))).collect::<Vec<_>>().join(", ")
}

/// Where something is, after what it is.
pub fn place(place: &Place) -> String {
    let place = place.to_string();
    if place.is_empty() { place } else { format!(" ({place})") }
}

/// The first few of many names.
fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(5)].join(", ");
    if names.len() > 5 { format!("{shown} and {} more", names.len() - 5) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Outcome;
    use crate::error::{Error, Rejection};
    use std::io::Write;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a short night says.
    fn night(tell: &dyn Fn(Event<'_>)) {
        let waiting = ["in/b.tif".to_owned()];
        tell(Event::Started { run: 7, jobs: 2, memory_mb: 2048 });
        tell(Event::Discovered { dataset: "dop", sources: 3, waiting: &waiting, missing: &[], refused: &[] });
        let reasons = [(Reason::New, 2), (Reason::Removed, 1)].into();
        tell(Event::Planned { dataset: "dop", stage: "read", reasons: &reasons, reused: 1, cost: 20 });
        let mut outcome = Outcome::default();
        outcome.counts.kept("image");
        outcome.rejections.push(Rejection::of("image", &Error::new("mk::test::small", "too small")));
        tell(Event::UnitDone { dataset: "dop", stage: "read", key: "a.tif", cost: 10, wall_s: 0.25, outcome: &outcome });
        let error = Error::new("mk::test::broken", "broken").at(Place::file("in/c.tif").byte(17));
        tell(Event::UnitQuarantined { dataset: "dop", stage: "read", key: "c.tif", cost: 10, error: &error });
        tell(Event::Assembled { dataset: "dop", files: 4, bytes: 2048, reused: false });
        tell(Event::Released { id: "r0001-abc", new: true });
    }

    #[test]
    fn programs_read_one_object_for_each_event() {
        let lines = Mutex::new(String::new());
        night(&|event| {
            let (level, fields) = as_json(&event);
            lines.lock().unwrap().push_str(&format!("{level} {fields}\n"));
        });
        insta::assert_snapshot!(lines.into_inner().unwrap(), @r#"
        INFO {"event":"started","run":7,"jobs":2,"memory_mb":2048}
        WARN {"event":"discovered","dataset":"dop","sources":3,"waiting":["in/b.tif"],"missing":[],"refused":[]}
        INFO {"event":"planned","dataset":"dop","stage":"read","reasons":{"new":2,"removed":1},"reused":1,"cost":20}
        WARN {"event":"unit_done","dataset":"dop","stage":"read","key":"a.tif","cost":10,"wall_s":0.25,"objects":{"in":1,"out":1,"rejected":0,"dropped_private":0},"rejections":1}
        WARN {"event":"unit_quarantined","dataset":"dop","stage":"read","key":"c.tif","cost":10,"error":{"code":"mk::test::broken","message":"broken","file":"in/c.tif","byte":17,"exit":1}}
        INFO {"event":"assembled","dataset":"dop","files":4,"bytes":2048,"reused":false}
        INFO {"event":"released","release":"r0001-abc","new":true}
        "#);
    }

    #[test]
    fn people_read_calm_lines() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_target(false).without_time().with_ansi(false);
        tracing::subscriber::with_default(log.compact().finish(), || {
            let reporter = Reporter { mode: Mode::Lines, stages: Mutex::default() };
            night(&|event| reporter.event(&event));
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let took = regex::Regex::new(r"done in [0-9.]+ s, ").unwrap();
        insta::assert_snapshot!(took.replace_all(&text, "done in [time], "), @r#"
        INFO run 7: 2 threads, 2.0 GiB
        INFO dop: 3 sources
        WARN dop: still being written, for the next night: in/b.tif
        INFO dop: read: 2 units to do (2 new, 1 removed), 1 reused
        WARN dop: read: a.tif: 1 object rejected: too small
        WARN dop: read: c.tif is quarantined: broken (in/c.tif, byte 17)
        INFO dop: read: 2 units done in [time], 1 quarantined, 1 object rejected
        INFO dop: artefacts made: 4 files, 2.0 KiB
        INFO release r0001-abc is current
        "#);
    }
}
