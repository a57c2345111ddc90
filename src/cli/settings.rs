//! How much of the machine a command may use, and how it is stopped.

use super::measure;
use crate::error::{Error, Exit, Result};
use crate::io::machine;
use crate::run::{ENGINES, Engine, Options};
use clap::builder::PossibleValuesParser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Options of commands that work.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Units at a time; defaults to the processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Memory that units may use together, as 6G; defaults to 70 % of what is free.
    #[arg(long, value_name = "SIZE", value_parser = measure::memory_mb)]
    memory: Option<u64>,
    /// Who executes the units.
    #[arg(long, default_value = "local", value_parser = PossibleValuesParser::new(ENGINES.iter().map(|engine| engine.name())))]
    engine: String,
}

impl Settings {
    /// The settings as the library takes them. Nothing is listened for yet: see [`stop_on_signals`].
    ///
    /// # Errors
    /// When there is no such engine.
    pub fn options(&self, command: &str) -> Result<Options> {
        let jobs = self.jobs.map_or_else(processors, usize::from);
        let engine: &'static dyn Engine = *ENGINES
            .iter()
            .find(|engine| engine.name() == self.engine)
            .ok_or_else(|| Error::new("mk::cli::engine", format!("there is no engine '{}'", self.engine)).exit(Exit::Usage))?;
        Ok(Options { memory_mb: self.memory.unwrap_or_else(memory_mb), ..options(command, jobs, engine) })
    }
}

/// Options of a command that only looks.
pub fn looking(command: &str) -> Options {
    options(command, processors(), ENGINES[0])
}

fn options(command: &str, jobs: usize, engine: &'static dyn Engine) -> Options {
    Options {
        plan: None,
        only: None,
        retry: false,
        jobs,
        memory_mb: memory_mb(),
        engine,
        artefact: None,
        cancel: Arc::new(AtomicBool::new(false)),
        command: command.to_owned(),
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn memory_mb() -> u64 {
    (machine::available_memory_mb() * 7 / 10).max(256)
}

/// Uses no more than `jobs` threads for what is parallel within a unit. Where there is one for each processor that we may use, each stays
/// on its own: the system leaves two on one for milliseconds while the other idles, and who is slowed down by another program's work
/// gets less of ours.
pub fn limit_threads(jobs: usize) {
    let processors = machine::processors();
    let stay = move |index: usize| {
        if let Some(processor) = processors.get(index).filter(|_| processors.len() == jobs) {
            machine::stay_on(*processor);
        }
    };
    // A pool that is there already has its threads.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).start_handler(stay).build_global();
}

/// Lets the first signal stop the run after the units under way, and the second at once.
///
/// # Errors
/// When the system refuses to deliver signals.
pub fn stop_on_signals(cancel: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(Exit::Cancelled as u8), cancel.clone())
            .and_then(|_| signal_hook::flag::register(signal, cancel.clone()))
            .map_err(|error| Error::new("mk::cli::signal", "cannot listen for signals").because(error))?;
    }
    Ok(())
}

/// The path of a pipeline, the argument of most commands.
#[derive(Debug, Clone, clap::Args)]
pub struct PipelineArg {
    /// The pipeline file.
    #[arg(value_name = "PIPELINE")]
    pub pipeline: PathBuf,
}

impl PipelineArg {
    /// Reads and checks it.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn load(&self) -> Result<crate::pipeline::Pipeline> {
        crate::pipeline::Pipeline::load(&self.pipeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Each test is a process of its own, with a pool of its own.
    #[test]
    fn with_a_thread_for_each_processor_each_stays_on_its_own() {
        let allowed = machine::processors();
        limit_threads(allowed.len());
        let own = rayon::broadcast(|_| machine::processors());
        assert!(own.iter().all(|processors| processors.len() == 1), "{own:?}");
        assert_eq!(own.concat().into_iter().collect::<BTreeSet<_>>(), allowed.iter().copied().collect());
        assert_eq!(machine::processors(), allowed, "others go wherever there is room");
    }
}
