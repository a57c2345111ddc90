//! What a schema cannot say: names that must fit each other, order, geography, and the kinds' own rules. No file of the pipeline is
//! looked at.

use super::finding::{Finding, did_you_mean};
use super::model::{DatasetConfig, PublishConfig};
use super::tree::Node;
use crate::crs::Crs;
use crate::dataset;
use crate::error::Error;
use crate::publish;
use std::path::{Component, Path, PathBuf};

/// Folders beside the datasets' in a release.
pub(crate) const RESERVED: &[&str] = &["metadata", "portal", "atom"];

/// Beginnings of the names of records that belong to no dataset.
const RESERVED_PREFIXES: [&str; 2] = [crate::metadata::SERVICE_PREFIX, crate::metadata::SERIES_PREFIX];

/// Finds what is wrong in the `[pipeline]` table.
pub(super) fn pipeline(table: &Node, findings: &mut Vec<Finding>) {
    let value = |span, message: String| Finding::new("mk::config::value", span, message);
    if let Some(node) = table.get("crs")
        && let Some(text) = node.text()
    {
        match text.parse::<Crs>() {
            Err(error) => findings.push(value(&node.span, error.message().to_owned()).hint("write it like \"EPSG:25832\"")),
            Ok(crs) if !crs.is_known() => findings.push(
                value(&node.span, format!("no CRS with east and north is known as {crs}"))
                    .hint("EPSG:25832 is UTM in zone 32, EPSG:25833 in zone 33"),
            ),
            Ok(_) => {}
        }
    }
    if let Some(node) = table.get("extent") {
        extent(node, table.get("crs").and_then(Node::text), findings);
    }
    if let Some(node) = table.get("name")
        && node.text().is_some_and(|name| name.trim().is_empty() || name.chars().any(char::is_control))
    {
        findings.push(value(&node.span, "`name` must be a short name".to_owned()));
    }
    for node in table.get("canaries").map_or(&[][..], Node::values) {
        if node.text().is_some_and(|word| word.trim().is_empty()) {
            findings.push(
                value(&node.span, "an empty word in `canaries` is in everything".to_owned())
                    .hint("write a word that is in no real data, like \"KANARI\""),
            );
        }
    }
    if let Some(node) = table.get("base_url") {
        address(node, "base_url", findings);
    }
    if let Some(node) = table.get("contact").and_then(|contact| contact.get("email"))
        && node.text().is_some_and(|text| !text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()))
    {
        findings.push(value(&node.span, "`contact.email` is no e-mail address".to_owned()));
    }
    if let Some(node) = table.get("contact").and_then(|contact| contact.get("url")) {
        address(node, "contact.url", findings);
    }
}

fn address(node: &Node, key: &str, findings: &mut Vec<Finding>) {
    let Some(text) = node.text() else { return };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    if host.is_none_or(str::is_empty) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        findings.push(
            Finding::new("mk::config::value", &node.span, format!("`{key}` is no web address"))
                .hint("write it like \"https://geo.example.de/daten\""),
        );
    } else if host.is_some_and(|host| host.contains('@')) {
        findings.push(
            Finding::new("mk::config::secret", &node.span, format!("`{key}` must not hold a user or a password"))
                .hint("leave out what stands before the @"),
        );
    }
}

fn extent(node: &Node, crs: Option<&str>, findings: &mut Vec<Finding>) {
    let numbers: Vec<f64> = node.values().iter().filter_map(Node::number).collect();
    let [e0, n0, e1, n1] = numbers[..] else { return };
    let mut say = |message: &str, hint: &str| {
        findings.push(Finding::new("mk::config::extent", &node.span, message).hint(hint));
    };
    if e0 >= e1 || n0 >= n1 {
        say(
            "`extent` contains nothing: a minimum is not below its maximum",
            "write [min easting, min northing, max easting, max northing]",
        );
    } else if matches!(crs, Some("EPSG:25831" | "EPSG:25832" | "EPSG:25833")) && e0 > 1_000_000.0 && n1 < 1_000_000.0 {
        say("`extent` has northing before easting", &format!("write [{n0}, {e0}, {n1}, {e1}]"));
    }
}

/// Finds what is wrong in the `[[dataset]]` tables as a whole; gives the order in which each comes after those it uses.
pub(super) fn datasets(tables: &[Node], workspace: &Path, findings: &mut Vec<Finding>) -> Vec<usize> {
    let ids: Vec<Option<&str>> = tables.iter().map(|table| table.get("id").and_then(Node::text)).collect();
    for (index, table) in tables.iter().enumerate() {
        if let (Some(id), Some(node)) = (ids[index], table.get("id")) {
            identifier(id, node, findings);
            if ids[..index].contains(&Some(id)) {
                findings.push(
                    Finding::new("mk::config::duplicate_id", &node.span, format!("two datasets have the id `{id}`"))
                        .hint("the id names the folder in a release: give each dataset its own"),
                );
            }
        }
        for node in table.get("source").map_or(&[][..], Node::values) {
            if let Some(pattern) = node.text() {
                source(pattern, node, workspace, findings);
            }
        }
        if let Some(node) = table.get("expect").and_then(|expect| expect.get("by"))
            && node.text().is_some_and(|by| !is_time(by))
        {
            findings.push(
                Finding::new("mk::config::value", &node.span, "`expect.by` is no time of day").hint("write it like \"03:00\""),
            );
        }
    }
    uses(tables, &ids, findings)
}

fn identifier(id: &str, node: &Node, findings: &mut Vec<Finding>) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 64 || !id.chars().all(allowed) || id.starts_with('-') {
        let suggestion: String = id
            .to_lowercase()
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .take(64)
            .collect::<String>()
            .trim_matches('-')
            .into();
        let finding = Finding::new(
            "mk::config::id",
            &node.span,
            "an `id` has lower-case letters, digits and hyphens, at most 64, and does not begin with a hyphen",
        );
        findings.push(if suggestion.is_empty() { finding } else { finding.hint(format!("write \"{suggestion}\"")) });
    } else if RESERVED.contains(&id) {
        findings.push(
            Finding::new("mk::config::id", &node.span, format!("the id `{id}` is taken: a release has a folder of that name"))
                .hint(format!("write \"{id}-1\" or another name")),
        );
    } else if id == "index" {
        let message = "the id `index` is taken: metadata/index.html lists the records of all datasets";
        findings.push(Finding::new("mk::config::id", &node.span, message).hint("write \"index-1\" or another name"));
    } else if let Some(prefix) = RESERVED_PREFIXES.into_iter().find(|prefix| id.starts_with(prefix)) {
        let message = format!("the id `{id}` is taken: records of services and series begin with `{prefix}`");
        findings.push(Finding::new("mk::config::id", &node.span, message).hint("choose another beginning"));
    }
}

/// A dataset names a series that there is.
pub(super) fn series(known: Option<&Node>, tables: &[Node], findings: &mut Vec<Finding>) {
    for table in tables {
        let Some(node) = table.get("metadata").and_then(|metadata| metadata.get("series")) else { continue };
        let Some(name) = node.text() else { continue };
        if known.and_then(|series| series.get(name)).is_none() {
            findings.push(
                Finding::new("mk::config::series", &node.span, format!("there is no series `{name}`"))
                    .hint(format!("add [pipeline.series.{name}] with its `title`")),
            );
        }
    }
}

fn is_time(text: &str) -> bool {
    text.split_once(':').is_some_and(|(hour, minute)| {
        let number = |text: &str, limit: u8| {
            text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && text.parse().is_ok_and(|value: u8| value < limit)
        };
        number(hour, 24) && number(minute, 60)
    })
}

/// A pattern names files below its fixed leading folders, the root that links may not leave; never a GDAL data source.
fn source(pattern: &str, node: &Node, workspace: &Path, findings: &mut Vec<Finding>) {
    let mut say = |message: &str, hint: &str| {
        findings.push(Finding::new("mk::config::source", &node.span, message).hint(hint));
    };
    let fixed_part = fixed(pattern);
    let rest = &pattern[fixed_part.len()..];
    if pattern.trim().is_empty() || pattern.contains('\0') {
        say("a source must name a file, a folder or a pattern", "write it like \"in/dop/*.tif\"");
    } else if pattern.contains("://") || pattern.starts_with("/vsi") || pattern.starts_with('<') {
        say("a source must be a file, not an address or a GDAL name", "fetch it first, and name the file");
    } else if rest.split('/').any(|part| part == "..") {
        say("a source must not climb with `..` after a wildcard", "put `..` before the first wildcard");
    } else if let Err(error) = globset::GlobBuilder::new(pattern).literal_separator(true).build() {
        say(&format!("not a pattern: {}", error.kind()), "write it like \"in/**/*.xml.gz\"");
    } else if lies_in(fixed_part, workspace) && !lies_in(fixed_part, &workspace.join("edits")) {
        // What people changed through the server is a delivery.
        let hint = "results are no deliveries: use `uses` for another dataset's artefacts";
        say("a source must not lie in the workspace", hint);
    }
}

/// True when a path lies in a workspace, both as the pipeline file names them. Where the workspace is the folder of the file itself, only
/// what the program keeps there is: deliveries may lie beside it.
fn lies_in(path: &str, workspace: &Path) -> bool {
    const KEPT: [&str; 5] = ["store", "releases", "reports", "current", "scratch"];
    let (path, workspace) = (lexical(Path::new(path)), lexical(workspace));
    if workspace.as_os_str().is_empty() { KEPT.iter().any(|kept| path.starts_with(kept)) } else { path.starts_with(workspace) }
}

/// The leading folders of a pattern, up to its first wildcard.
fn fixed(pattern: &str) -> &str {
    let wild = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    let end = if wild == pattern.len() { wild } else { pattern[..wild].rfind('/').map_or(0, |slash| slash + 1) };
    &pattern[..end]
}

/// A path without `.` and `x/..`, by its text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// Names in `uses` exist and go round in no circle.
fn uses(tables: &[Node], ids: &[Option<&str>], findings: &mut Vec<Finding>) -> Vec<usize> {
    let mut needs: Vec<Vec<usize>> = Vec::with_capacity(tables.len());
    for (index, table) in tables.iter().enumerate() {
        let mut needed = Vec::new();
        for node in table.get("uses").map_or(&[][..], Node::values) {
            let Some(name) = node.text() else { continue };
            if let Some(other) = ids.iter().position(|id| *id == Some(name)) {
                needed.push(other);
            } else {
                let others = ids.iter().enumerate().filter(|(other, _)| *other != index).filter_map(|(_, id)| *id);
                findings.push(
                    Finding::new("mk::config::unknown_dataset", &node.span, format!("there is no dataset `{name}`"))
                        .maybe_hint(did_you_mean(name, "datasets", others)),
                );
            }
        }
        needs.push(needed);
    }
    // Kahn's order, always the first in the file that is ready.
    let mut order: Vec<usize> = Vec::with_capacity(tables.len());
    while let Some(next) =
        (0..tables.len()).find(|index| !order.contains(index) && needs[*index].iter().all(|other| order.contains(other)))
    {
        order.push(next);
    }
    if let Some(start) = (0..tables.len()).find(|index| !order.contains(index)) {
        let circle = circle(start, &needs, &order);
        let names: Vec<&str> = circle.iter().map(|index| ids[*index].unwrap_or("?")).collect();
        let span = tables[circle[0]].get("uses").map_or(&tables[circle[0]].span, |node| &node.span);
        let message = match names.as_slice() {
            [only] => format!("`{only}` uses itself"),
            _ => format!("datasets use each other in a circle: {} → {}", names.join(" → "), names[0]),
        };
        findings.push(Finding::new("mk::config::cycle", span, message).hint("take one of them out of `uses`"));
    }
    order
}

/// The circle that one reaches from `start`, whose needs cannot all be ordered.
fn circle(start: usize, needs: &[Vec<usize>], ordered: &[usize]) -> Vec<usize> {
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let Some(next) = needs[last].iter().copied().find(|other| !ordered.contains(other)) else { return path };
        if let Some(at) = path.iter().position(|index| *index == next) {
            return path.split_off(at);
        }
        path.push(next);
    }
}

/// The kind's own rules for a dataset that fits its schema. A kind names the key it speaks of as the object of the error's
/// place, as `tiles[0].zoom`.
pub(super) fn kind(table: &Node, config: &DatasetConfig, findings: &mut Vec<Finding>) {
    let Some(kind) = dataset::kind(&config.kind) else { return };
    if config.source.is_empty() && !dataset::REMOTE.iter().any(|key| config.options.contains_key(*key)) {
        let place = table.get("kind").map_or(&table.span, |node| &node.span);
        let options = (kind.options)().to_value();
        let servers = dataset::REMOTE.iter().filter(|key| options["properties"].get(key).is_some());
        let keys: Vec<&str> = std::iter::once("source").chain(servers.copied()).collect();
        let message = format!("`{}` has neither files nor a server: `{}`", config.id, keys.join("` or `"));
        findings.push(Finding::new("mk::config::source", place, message).hint("name files: source = [\"in/*.gpkg\"]"));
    }
    if let Err(error) = (kind.open)(config) {
        adopt(table, &error, findings);
    }
    for error in crate::metadata::check_config(config) {
        adopt(table, &error, findings);
    }
}

/// Publishers that write files of fixed names into a release come once.
pub(super) fn publishers(tables: &[Node], findings: &mut Vec<Finding>) {
    let kind = |table: &Node| table.get("kind").and_then(Node::text).and_then(publish::publisher).map(|publisher| publisher.name);
    for (index, table) in tables.iter().enumerate() {
        let Some(name) = kind(table).filter(|name| publish::publisher(name).is_some_and(|publisher| publisher.once)) else {
            continue;
        };
        if tables[..index].iter().any(|other| kind(other) == Some(name)) {
            let span = table.get("kind").map_or(&table.span, |node| &node.span);
            findings.push(
                Finding::new("mk::config::publisher", span, format!("there are two publishers of kind `{name}`"))
                    .hint("both would write the same files into the release: keep one of them"),
            );
        }
    }
}

/// The publisher's own rules, in the same way.
pub(super) fn publisher(table: &Node, config: &PublishConfig, findings: &mut Vec<Finding>) {
    let Some(publisher) = publish::publisher(&config.kind) else { return };
    if let Err(error) = (publisher.check)(config) {
        adopt(table, &error, findings);
    }
}

fn adopt(table: &Node, error: &Error, findings: &mut Vec<Finding>) {
    for error in std::iter::once(error).filter(|error| error.related().is_empty()).chain(error.related()) {
        let place = error.place().object.as_deref().and_then(|path| table.at_path(path)).or_else(|| table.get("kind"));
        findings.push(
            Finding::new(error.code(), place.map_or(&table.span, |node| &node.span), error.full_message())
                .maybe_hint(error.hint_text().map(str::to_owned)),
        );
    }
}
