//! Metrics of a night as a text file for the Prometheus node exporter.

use super::{Light, ReportData};
use std::fmt::Write;

/// The text file. One time series for each dataset where that says more; the run's own without `dataset`.
pub fn prometheus(data: &ReportData) -> String {
    let mut file = File { out: String::new() };
    let pipeline = data.run.pipeline.as_str();
    let run = [("pipeline", pipeline)];
    let each = |get: &dyn Fn(&super::DatasetReport) -> Option<f64>| -> Vec<(Vec<(&str, &str)>, f64)> {
        let value = |dataset: &'_ super::DatasetReport| get(dataset);
        data.datasets
            .iter()
            .filter_map(|dataset| Some((vec![("pipeline", pipeline), ("dataset", dataset.id.as_str())], value(dataset)?)))
            .collect()
    };
    file.metric(
        "messkette_state",
        "Traffic light of the last run: 0 green, 1 yellow, 2 red.",
        &[(run.to_vec(), light(data.light()))],
    );
    file.metric(
        "messkette_dataset_state",
        "Traffic light of the dataset in the last run.",
        &each(&|dataset| Some(light(dataset.light()))),
    );
    file.metric("messkette_exit_code", "Exit code of the last run.", &[(run.to_vec(), f64::from(data.run.exit))]);
    file.metric(
        "messkette_last_run_timestamp_seconds",
        "When the last run ended.",
        &[(run.to_vec(), data.run.ended.as_second() as f64)],
    );
    file.metric(
        "messkette_last_success_timestamp_seconds",
        "When the dataset was last released without loss.",
        &each(&|dataset| dataset.last_success.map(|at| at.as_second() as f64)),
    );
    file.metric("messkette_run_duration_seconds", "Wall-clock time of the last run.", &[(run.to_vec(), data.usage.wall_s)]);
    file.metric(
        "messkette_dataset_duration_seconds",
        "Wall-clock time of the dataset in the last run.",
        &each(&|d| Some(d.usage.wall_s)),
    );
    let mut units = Vec::new();
    for dataset in &data.datasets {
        let u = &dataset.units;
        for (action, outcome, n) in [
            ("run", "done", u.done),
            ("run", "quarantined", u.quarantined),
            ("reuse", "reused", u.reused),
            ("reuse", "stale", u.stale),
        ] {
            let labels = vec![("pipeline", pipeline), ("dataset", dataset.id.as_str()), ("action", action), ("outcome", outcome)];
            units.push((labels, n as f64));
        }
    }
    file.metric("messkette_units_total", "Units of the last run by what was done and what came of it.", &units);
    file.metric(
        "messkette_features_total",
        "Objects published by the last run.",
        &each(&|d| Some(d.counts.total().output as f64)),
    );
    file.metric(
        "messkette_features_rejected_total",
        "Objects that the last run rejected.",
        &each(&|d| Some(d.counts.total().rejected as f64)),
    );
    file.metric("messkette_sources", "Sources of the last run.", &each(&|d| Some(d.sources.count as f64)));
    file.metric(
        "messkette_bytes_read_total",
        "Bytes of sources that the last run read.",
        &[(run.to_vec(), data.usage.bytes_in as f64)],
    );
    file.metric(
        "messkette_bytes_written_total",
        "Bytes that the last run wrote.",
        &[(run.to_vec(), data.usage.bytes_out as f64)],
    );
    file.metric(
        "messkette_peak_rss_bytes",
        "Highest resident memory of the last run.",
        &[(run.to_vec(), (data.usage.peak_rss_mb * 1_048_576.0).round())],
    );
    file.out
}

fn light(light: Light) -> f64 {
    match light {
        Light::Green => 0.0,
        Light::Yellow => 1.0,
        Light::Red => 2.0,
    }
}

struct File {
    out: String,
}

impl File {
    /// A gauge: every value is that of the last run, none counts up for ever.
    fn metric(&mut self, name: &str, help: &str, values: &[(Vec<(&str, &str)>, f64)]) {
        if values.is_empty() {
            return;
        }
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escape(text))).collect();
            let _ = writeln!(self.out, "{name}{{{}}} {value}", labels.join(","));
        }
    }
}

/// Label values as the exposition format wants them.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
