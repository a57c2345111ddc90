//! What the pipeline file says for records: is it text, are its codes known.

use super::hvd::{CATEGORIES, category};
use super::licence::{LICENCES, licence};
use super::theme::{THEMES, theme};
use crate::error::{Error, Exit, Place};
use crate::markup::is_text;
use crate::pipeline::{DatasetConfig, PipelineConfig};

/// What is wrong with the texts for records in the pipeline file; no I/O. `check` shows it. The object of each error's place is the
/// key it speaks of, as `metadata.licence`.
pub fn check_config(dataset: &DatasetConfig) -> Vec<Error> {
    let metadata = &dataset.metadata;
    let mut errors = Vec::new();
    let texts = [("title", &metadata.title), ("abstract", &metadata.abstract_text), ("attribution", &metadata.attribution)];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
    for (key, text) in texts.chain(metadata.keywords.iter().map(|keyword| ("keywords", keyword))) {
        errors.extend(control_character(text).map(|error| error.at(Place::default().object(format!("metadata.{key}")))));
    }
    if let Some(code) = metadata.licence.as_deref().filter(|code| licence(code).is_none()) {
        errors.push(unknown("licence", code, LICENCES.iter().map(|licence| licence.code)));
    }
    if let Some(code) = metadata.theme.as_deref().filter(|code| theme(code).is_none()) {
        errors.push(unknown("theme", code, THEMES.iter().map(|theme| theme.code)));
    }
    if let Some(code) = metadata.hvd.as_deref().filter(|code| category(code).is_none()) {
        errors.push(unknown("hvd", code, CATEGORIES.iter().map(|category| category.code)));
    }
    let licence = metadata.licence.as_deref().and_then(licence);
    if licence.is_some_and(|licence| licence.attribution) && metadata.attribution.is_none() {
        errors.push(
            Error::new("mk::metadata::attribution", format!("the licence of dataset '{}' asks for an attribution", dataset.id))
                .at(Place::default().object("metadata.licence"))
                .hint("add `attribution = \"© ...\"` beside `licence`")
                .exit(Exit::Usage),
        );
    }
    errors
}

/// What is wrong with the contact in the pipeline file.
pub(super) fn check_contact(pipeline: &PipelineConfig) -> Vec<Error> {
    let contact = pipeline.contact.iter().flat_map(|contact| {
        [Some(&contact.organisation), Some(&contact.email), contact.url.as_ref(), contact.namespace.as_ref()]
            .into_iter()
            .flatten()
    });
    contact.filter_map(|text| control_character(text)).map(|error| error.at(Place::default().object("contact"))).collect()
}

fn control_character(text: &str) -> Option<Error> {
    let bad = text.chars().find(|c| !is_text(*c))?;
    Some(
        Error::new("mk::metadata::text", format!("a text for records has the control character U+{:04X}", bad as u32))
            .hint("take it out: XML has no way to write it")
            .exit(Exit::Usage),
    )
}

fn unknown(key: &str, code: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let best = known.map(|other| (strsim::damerau_levenshtein(code, other), other)).min();
    let error = Error::new("mk::metadata::code", format!("unknown {key} '{code}'"))
        .at(Place::default().object(format!("metadata.{key}")))
        .exit(Exit::Usage);
    match best {
        Some((_, other)) => error.hint(format!("did you mean '{other}'?")),
        None => error,
    }
}
