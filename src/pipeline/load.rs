//! Reads the pipeline file, and says everything that is wrong with it at once.

use super::finding::{Finding, into_error, mask, masked};
use super::model::{Audience, DatasetConfig, Pipeline, PipelineConfig, PublishConfig};
use super::tree::Node;
use super::{check, schema, walk};
use crate::error::{Error, Exit, Place, Result};
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest pipeline file.
const LIMIT: u64 = 1024 * 1024;

/// Most syntax errors shown: behind the first few they are echoes.
const SYNTAX_SHOWN: usize = 8;

impl Pipeline {
    /// Reads and checks a pipeline file; opens nothing else.
    ///
    /// # Errors
    /// When it cannot be read, or with everything that is wrong in it, each with line, column and text, as [`Exit::Usage`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&read(path)?, path)
    }

    /// Checks the text of a pipeline file that lies at `path`.
    ///
    /// # Errors
    /// As [`Pipeline::load`].
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let (document, errors) = toml::de::DeTable::parse_recoverable(text);
        let root = Node::root(&document);
        if !errors.is_empty() {
            let findings = errors.into_iter().take(SYNTAX_SHOWN).map(|error| {
                let span = error.span().unwrap_or(0..0);
                Finding::new("mk::config::syntax", &span, format!("not TOML: {}", first_line(error.message())))
            });
            return Err(into_error(&name, &masked(text, &root, false), findings.collect()));
        }
        let shown = masked(text, &root, true);
        let checked = Checked::of(&root, &shown);
        match checked.outcome {
            Ok((config, datasets, publish)) => {
                let file = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
                Ok(Self { config, datasets, publish, file })
            }
            Err(findings) => Err(into_error(&name, &mask(&shown, &checked.secrets), findings)),
        }
    }

    /// What is right and may still not be meant: what a public dataset takes from an internal one is published with it.
    pub fn warnings(&self) -> Vec<String> {
        let internal =
            |name: &&String| self.datasets.iter().any(|other| other.id == **name && other.audience == Audience::Internal);
        let public = self.datasets.iter().filter(|dataset| dataset.audience == Audience::Public);
        let taken = public.flat_map(|dataset| dataset.uses.iter().filter(internal).map(|name| (dataset.id.as_str(), name)));
        let warning = |(id, name): (&str, &String)| {
            format!("`{id}` is public: what it takes from `{name}`, which is internal, is published with it")
        };
        taken.map(warning).collect()
    }
}

type Tables = (PipelineConfig, Vec<DatasetConfig>, Vec<PublishConfig>);

struct Checked {
    outcome: Result<Tables, Vec<Finding>>,
    secrets: Vec<std::ops::Range<usize>>,
}

impl Checked {
    fn of(root: &Node, text: &str) -> Self {
        let walked = walk::walk(root, schema::schema(), text);
        let mut findings = walked.findings;
        let none = Node { span: 0..0, item: super::tree::Item::Table(Vec::new()) };
        let head = root.get("pipeline").unwrap_or(&none);
        let tables = root.get("dataset").map_or(&[][..], Node::values);
        let workspace = head.get("workspace").and_then(Node::text).map_or_else(super::model::default_workspace, PathBuf::from);
        check::pipeline(head, &mut findings);
        let order = check::datasets(tables, &workspace, &mut findings);
        check::publishers(root.get("publish").map_or(&[][..], Node::values), &mut findings);
        check::series(head.get("series"), tables, &mut findings);

        // Types are read table by table, so that one that is wrong does not hide another.
        let sound = |node: &Node, within: &std::ops::Range<usize>| {
            !walked_in(&findings, node) && !findings.iter().any(|finding| within.contains(&finding.span.start))
        };
        let given = root.get("pipeline").is_some();
        let config = (given && sound(head, &head.span)).then(|| read_table::<PipelineConfig>(head));
        let datasets: Vec<_> =
            tables.iter().map(|table| sound(table, &table.span).then(|| read_table::<DatasetConfig>(table))).collect();
        let publish: Vec<_> = root
            .get("publish")
            .map_or(&[][..], Node::values)
            .iter()
            .map(|table| sound(table, &table.span).then(|| read_table::<PublishConfig>(table)))
            .collect();
        let config = keep(config, &mut findings);
        let datasets: Vec<_> = datasets.into_iter().map(|table| keep(table, &mut findings)).collect();
        let publish: Vec<_> = publish.into_iter().map(|table| keep(table, &mut findings)).collect();
        for (table, config) in tables.iter().zip(&datasets) {
            if let Some(config) = config {
                check::kind(table, config, &mut findings);
            }
        }
        for (table, config) in root.get("publish").map_or(&[][..], Node::values).iter().zip(&publish) {
            if let Some(config) = config {
                check::publisher(table, config, &mut findings);
            }
        }
        let mut datasets = datasets;
        let ordered: Option<Vec<_>> = order.iter().map(|index| datasets[*index].take()).collect();
        let publish: Option<Vec<_>> = publish.into_iter().collect();
        let outcome = match (config, ordered, publish) {
            (Some(config), Some(datasets), Some(publish)) if findings.is_empty() => Ok((config, datasets, publish)),
            _ => Err(findings),
        };
        Self { outcome, secrets: walked.secrets }
    }
}

/// True when something was found in the values of a table.
fn walked_in(findings: &[Finding], node: &Node) -> bool {
    node.entries().iter().any(|entry| {
        let inside = |span: &std::ops::Range<usize>| findings.iter().any(|finding| span.contains(&finding.span.start));
        inside(&entry.key_span)
            || inside(&entry.node.span)
            || walked_in(findings, &entry.node)
            || entry.node.values().iter().any(|value| walked_in(findings, value))
    })
}

fn read_table<T: DeserializeOwned>(node: &Node) -> Result<T, Finding> {
    serde_json::from_value(node.json())
        .map_err(|error| Finding::new("mk::config::value", &node.span, first_line(&error.to_string())))
}

fn keep<T>(table: Option<Result<T, Finding>>, findings: &mut Vec<Finding>) -> Option<T> {
    match table? {
        Ok(table) => Some(table),
        Err(finding) => {
            findings.push(finding);
            None
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path) -> Result<String> {
    let fail = |message: &str| {
        Error::new("mk::config::unreadable", message).at(Place::file(path.display().to_string())).exit(Exit::Usage)
    };
    let file = std::fs::File::open(path).map_err(|error| {
        fail("cannot read the pipeline file").because(error).hint("`messkette init DIR` writes one to start from")
    })?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| fail("cannot read the pipeline file").because(error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(fail("the pipeline file is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', good).count() as u64 + 1;
        Error::new("mk::config::encoding", "the pipeline file is not UTF-8")
            .at(Place::file(path.display().to_string()).line(line).byte(good.len() as u64))
            .hint("save it as UTF-8")
            .exit(Exit::Usage)
    })
}
