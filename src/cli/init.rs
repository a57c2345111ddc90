//! `messkette init`: a pipeline to start from.

use super::ui::{Ui, print_json};
use crate::error::{Error, Exit, Place, Result};
use crate::io::atomic;
use serde_json::json;
use std::path::PathBuf;

/// Write a commented pipeline to start from.
///
/// Makes DIR/pipeline.toml and DIR/in, the folder for deliveries. Nothing that is there is changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, new or existing.
    dir: PathBuf,
}

/// The pipeline to start from.
const TEMPLATE: &str = include_str!("init.toml");

pub fn run(args: &Args, ui: &Ui) -> Result<Exit> {
    let file = args.dir.join("pipeline.toml");
    if file.exists() {
        return Err(Error::new("mk::init::exists", "there is a pipeline already")
            .at(Place::file(file.display().to_string()))
            .hint("choose another folder")
            .exit(Exit::Usage));
    }
    atomic::create_dir_all(&args.dir.join("in"))?;
    atomic::write_atomic(&file, TEMPLATE.as_bytes())?;
    let file = file.display().to_string();
    if ui.json {
        print_json(&json!({ "pipeline": file }))?;
    }
    ui.say(format!("wrote {file}"))?;
    ui.say(format!("next: edit it, then `messkette check {file}` and `messkette run {file}`"))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;

    #[test]
    fn the_template_is_right() {
        Pipeline::parse(TEMPLATE, "pipeline.toml").unwrap_or_else(|error| panic!("{error:?} {:?}", error.related()));
    }

    #[test]
    fn so_is_everything_in_it_that_is_commented_out() {
        let key = regex::Regex::new(r"(?m)^# (\[|[a-z_.]+ = )").unwrap();
        let text = key.replace_all(TEMPLATE, "$1");
        assert_ne!(text, TEMPLATE);
        Pipeline::parse(&text, "pipeline.toml").unwrap_or_else(|error| {
            panic!("{}", super::super::diagnostic::render(&error, super::super::diagnostic::Style::default()))
        });
    }
}
