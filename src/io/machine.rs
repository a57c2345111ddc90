//! What this machine and this process have and use.

use crate::error::{Error, Place, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
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

/// The processors that this thread may use, by their numbers; none where the system does not say.
pub fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect()
}

/// Keeps this thread, and those that it begins, on one processor. A wish: where the system does not grant it, all goes on elsewhere.
pub fn stay_on(processor: usize) {
    let mut own = CpuSet::new();
    own.set(processor);
    let _ = sched_setaffinity(None, &own);
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

/// Memory of the machine, in MiB.
pub fn total_memory_mb() -> u64 {
    (status_kib("/proc/meminfo", "MemTotal:") / 1024.0) as u64
}

/// Operating system, as `Debian GNU/Linux 12 (bookworm)`.
pub fn system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// Versions that have a say in the results, by name.
pub fn software() -> std::collections::BTreeMap<String, String> {
    [
        ("messkette", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("GDAL", Some(gdal::version::version_info("RELEASE_NAME"))),
        ("PROJ", Some(crate::crs::proj_version().to_owned())),
        ("SQLite", Some(rusqlite::version().to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, version)| Some((name.to_owned(), version?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_process_are_known() {
        assert!(free_disk(Path::new("/")).unwrap() > 0);
        assert_eq!(free_disk(Path::new("/no/such/folder")).unwrap_err().code(), "mk::io::disk");
        assert!(available_memory_mb() > 0 && available_memory_mb() <= total_memory_mb());
        let before = peak_rss_mb();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(peak_rss_mb() >= before && peak_rss_mb() >= 64.0, "{} {}", block.len(), peak_rss_mb());
        let started = cpu_seconds();
        let mut sum = 0_u64;
        while cpu_seconds() < started + 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let software = software();
        assert!(["messkette", "GDAL", "PROJ", "SQLite"].iter().all(|name| software[*name].contains('.')), "{software:?}");
    }
}
