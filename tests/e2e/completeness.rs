//! What belongs to a kind or a publisher beside its code: nobody adds one and forgets the rest.

use super::town::Run;
use messkette::dataset::KINDS;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}

/// The names of all options of a schema, those of tables within it too.
fn option_names(schema: &Value, definitions: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        for (name, property) in properties {
                            found.push(name.clone());
                            option_names(property, definitions, found);
                        }
                    }
                    ("$ref", Value::String(reference)) => {
                        let name = reference.rsplit('/').next().unwrap_or_default();
                        option_names(&definitions[name], definitions, found);
                    }
                    ("$defs", _) => {}
                    _ => option_names(value, definitions, found),
                }
            }
        }
        Value::Array(members) => members.iter().for_each(|member| option_names(member, definitions, found)),
        _ => {}
    }
}

/// What the page of a kind or publisher does not tell of its options.
fn undocumented(page: &str, schema: &schemars::Schema) -> Vec<String> {
    let text = match read(page) {
        Ok(text) => text,
        Err(error) => return vec![error],
    };
    let schema = schema.as_value();
    let mut names = Vec::new();
    option_names(schema, &schema["$defs"], &mut names);
    names.sort();
    names.dedup();
    // A key of a table within the options stands behind its table: `tiles.zoom`.
    let unnamed = names.into_iter().filter(|name| !text.contains(&format!("`{name}`")) && !text.contains(&format!(".{name}`")));
    unnamed.map(|name| format!("{page}: the option `{name}` is not described")).collect()
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn each_kind_has_docs_an_example_a_fixture_a_bench_and_a_broken_input() {
    let mut missing = Vec::new();
    for kind in KINDS {
        let name = kind.name;
        missing.extend(undocumented(&format!("docs/kinds/{name}.md"), &(kind.options)()));

        let example = root().join(format!("pipelines/{name}.toml"));
        let check = Run::of(&["check".as_ref(), example.as_os_str()]);
        if check.code != 0 {
            missing.push(format!("pipelines/{name}.toml does not pass check: {}", check.stderr));
        }
        if !std::fs::read_to_string(&example).unwrap_or_default().contains(&format!("kind = \"{name}\"")) {
            missing.push(format!("pipelines/{name}.toml has no dataset of the kind"));
        }

        let fixtures = entries(&root().join("fixtures").join(name));
        if !fixtures.iter().any(|file| !file.starts_with("broken")) {
            missing.push(format!("fixtures/{name}/ has no good input"));
        }
        if !fixtures.iter().any(|file| file.starts_with("broken")) {
            missing.push(format!("fixtures/{name}/ has no broken* input"));
        }

        let bench = format!("benches/{name}.rs");
        if !root().join(&bench).exists() {
            missing.push(format!("{bench} is missing"));
        }
        if !read("Cargo.toml").unwrap().contains(&format!("name = \"{name}\"")) {
            missing.push(format!("{bench} is not listed in Cargo.toml"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn each_publisher_is_documented() {
    let mut missing = Vec::new();
    for publisher in messkette::publish::PUBLISHERS {
        missing.extend(undocumented("docs/publish.md", &(publisher.options)()));
        if !read("docs/publish.md").unwrap().contains(&format!("`{}`", publisher.name)) {
            missing.push(format!("docs/publish.md: the publisher `{}` is not described", publisher.name));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn each_broken_fixture_is_refused_with_its_name_and_a_reason() {
    for kind in KINDS {
        let folder = root().join("fixtures").join(kind.name);
        for name in entries(&folder).into_iter().filter(|name| name.starts_with("broken")) {
            let out = tempfile::tempdir().unwrap();
            let input = folder.join(&name);
            let run =
                Run::of(&["convert".as_ref(), kind.name.as_ref(), input.as_os_str(), "-o".as_ref(), out.path().as_os_str()]);
            assert!([1, 3].contains(&run.code), "{}: exit {}\n{}", input.display(), run.code, run.stderr);
            assert!(run.stderr.contains(&name), "{} is not named:\n{}", input.display(), run.stderr);
            assert!(!run.stderr.contains("panicked"), "{}:\n{}", input.display(), run.stderr);
        }
    }
}

#[test]
fn the_example_pipelines_pass_the_check() {
    for name in entries(&root().join("pipelines")) {
        Run::of(&["check".as_ref(), root().join("pipelines").join(name).as_os_str()]).expect(0);
    }
}

#[test]
fn links_in_the_documentation_lead_somewhere() {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| root().join(page)).into();
    let below = walkdir::WalkDir::new(root().join("docs")).into_iter().map(|entry| entry.unwrap().into_path());
    pages.extend(below.filter(|path| path.extension().is_some_and(|end| end == "md")));
    let mut broken = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let outside = link.contains("://") || link.starts_with("mailto:") || link.is_empty();
            if !outside && !page.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}
