//! What this machine and this process have and use.

use crate::error::{Error, Place, Result};
use std::path::Path;

/// Free bytes on the file system of a path, for an ordinary user.
///
/// # Errors
/// When the file system cannot be asked.
pub fn free_disk(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).map_err(|error| {
        Error::new("mk::io::disk", "cannot ask for free disk space").at(Place::file(path.display().to_string())).because(error)
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Peak memory of this process in MiB.
pub fn peak_rss_mb() -> f64 {
    status_kib("/proc/self/status", "VmHWM:") / 1024.0
}

/// Memory that can be used without swapping, in MiB.
pub fn available_memory_mb() -> u64 {
    (status_kib("/proc/meminfo", "MemAvailable:") / 1024.0) as u64
}

/// Processor time of this process, all threads, in seconds.
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

fn status_kib(path: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
