//! `messkette convert`: one kind, ad hoc: the same night in a temporary workspace.

use super::options::{self, wrong};
use super::progress::Reporter;
use super::run::{say_exit, say_summary};
use super::settings::{Settings, limit_threads, stop_on_signals};
use super::ui::{Ui, count, print};
use crate::dataset::KINDS;
use crate::error::{Error, Exit, Place, Result};
use crate::io::atomic;
use crate::pipeline::{Audience, Pipeline};
use crate::release;
use clap::builder::PossibleValuesParser;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Make the artefacts of one kind from files, without a pipeline.
///
/// The keys of --set are the options of the kind, those of its tile target (zoom=13-19, format=jpeg, quality=75 ...),
/// audience=internal (the result is public otherwise) and only=NAME for a single artefact (pmtiles, gpkg, parquet ...).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind of dataset.
    #[arg(value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
    kind: String,
    /// Files, folders or patterns.
    #[arg(required = true)]
    input: Vec<String>,
    /// Folder for the results.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// An option of the kind; can be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    settings: Settings,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let mut options = args.settings.options("convert")?;
    let (text, only) = pipeline_text(args, &args.output.join(".messkette"))?;
    parse(&text)?;
    options.artefact.clone_from(&only);
    limit_threads(options.jobs);
    stop_on_signals(&options.cancel)?;

    atomic::create_dir_all(&args.output)?;
    // In the folder of the results: the same file system, so that results move instead of being copied.
    let temporary = tempfile::Builder::new().prefix(".messkette-").tempdir_in(&args.output).map_err(|error| {
        Error::new("mk::convert::temporary", "cannot make the temporary workspace")
            .at(Place::file(args.output.display().to_string()))
            .because(error)
    })?;
    let workspace = std::path::absolute(temporary.path()).unwrap_or_else(|_| temporary.path().to_owned());
    let pipeline = parse(&pipeline_text(args, &workspace)?.0)?;

    // Each result is brought to disk once, at the end.
    atomic::let_pass();
    let mut finished = crate::night(&pipeline, &options, &Reporter::new(ui))?;
    let moved = match release::current(&workspace)? {
        Some(id) => move_results(&pipeline, &release::folder(&workspace, &id), &args.output)?,
        None => Moved::default(),
    };
    // Both take the system a while; what is left of the workspace goes with its folder.
    let keep = || atomic::wait_for_the_rest().and_then(|()| moved.paths.par_iter().try_for_each(|path| atomic::keep(path)));
    rayon::join(keep, || atomic::remove_files_below(&workspace)).0?;
    let files = moved.files;
    // The release was a means: its folder is gone.
    finished.summary.release = None;
    if ui.json {
        print(finished.summary.line())?;
    }
    if files == 0 && finished.exit == Exit::Ok {
        let what = only.map_or_else(String::new, |only| format!(": {} makes no '{only}'", args.kind));
        return Err(Error::new("mk::convert::nothing", format!("nothing was made{what}")).exit(Exit::Usage));
    }
    ui.say(format!("result   {} in {}", count(files, "file"), args.output.display()))?;
    say_summary(&finished.summary, ui)?;
    say_exit(&finished);
    Ok(finished.exit)
}

/// The pipeline file that says what the arguments say.
fn pipeline_text(args: &Args, workspace: &Path) -> Result<(String, Option<String>)> {
    let mut dataset = Table::new();
    dataset.insert("id".to_owned(), Value::from(args.kind.replace('_', "-")));
    dataset.insert("kind".to_owned(), Value::from(args.kind.as_str()));
    let sources: Vec<String> = args.input.iter().map(|input| pattern(input)).collect::<Result<_>>()?;
    dataset.insert("source".to_owned(), Value::from(sources));
    dataset.insert("audience".to_owned(), Value::from("public"));
    let only = options::apply(&args.kind, &args.set, &mut dataset)?;
    let mut head = Table::new();
    head.insert("name".to_owned(), Value::from("convert"));
    head.insert("workspace".to_owned(), Value::from(workspace.display().to_string()));
    let mut file = Table::new();
    file.insert("pipeline".to_owned(), Value::Table(head));
    file.insert("dataset".to_owned(), Value::Array(vec![Value::Table(dataset)]));
    Ok((file.to_string(), only))
}

/// A path that exists is meant as it stands, whatever characters it has.
fn pattern(input: &str) -> Result<String> {
    let there = Path::new(input).exists();
    if !there && !input.contains(['*', '?', '[', '{']) {
        return Err(Error::new("mk::convert::input", "there is no such file or folder").at(Place::file(input)).exit(Exit::Usage));
    }
    Ok(if there { globset::escape(input) } else { input.to_owned() })
}

/// Checks the pipeline; its text is ours, so that messages speak of `--set` instead of lines.
fn parse(text: &str) -> Result<Pipeline> {
    let plain = |error: &Error| {
        let plain = Error::new(error.code(), error.full_message()).exit(Exit::Usage);
        match error.hint_text() {
            Some(hint) => plain.hint(hint),
            None => plain,
        }
    };
    // The file does not exist; its folder is the current one, which inputs and options are relative to.
    Pipeline::parse(text, "convert.toml").map_err(|error| match error.related() {
        [] => plain(&error),
        related => wrong("the arguments do not fit".to_owned()).with_related(related.iter().map(plain).collect()),
    })
}

/// What was moved into the folder of the results, and is to be brought to disk.
#[derive(Default)]
struct Moved {
    /// The number of files.
    files: u64,
    /// These, and the folders.
    paths: Vec<PathBuf>,
}

/// Moves what was made into the folder of the results.
fn move_results(pipeline: &Pipeline, release: &Path, output: &Path) -> Result<Moved> {
    let mut moved = Moved::default();
    for dataset in &pipeline.datasets {
        let audience = if dataset.audience == Audience::Public { "public" } else { "internal" };
        let folder = release.join(audience).join(&dataset.id);
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            for file in walkdir::WalkDir::new(entry.path()).into_iter().flatten() {
                writable(file.path(), file.file_type().is_dir())?;
                moved.files += u64::from(file.file_type().is_file());
            }
            let target = output.join(entry.file_name());
            if target.is_dir() {
                atomic::remove_tree(&target)?;
            }
            writable(&folder, true)?;
            atomic::rename(&entry.path(), &target)?;
            moved.paths.extend(walkdir::WalkDir::new(&target).into_iter().flatten().map(walkdir::DirEntry::into_path));
        }
    }
    moved.paths.push(output.to_owned());
    Ok(moved)
}

/// What a release seals, its new owner may change.
fn writable(path: &Path, folder: bool) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if folder { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(|error| {
        Error::new("mk::convert::move", "cannot hand over the result").at(Place::file(path.display().to_string())).because(error)
    })
}
