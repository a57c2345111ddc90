//! Walks the tree along the schema: unknown and missing keys, types, values. As much of JSON Schema as our types give rise to.

use super::finding::{Finding, did_you_mean, listed, nearest};
use super::tree::{Entry, Item, Node};
use serde_json::Value;

/// Finds everything in `node` that does not fit `schema`, a schema with its definitions.
///
/// `text` is what messages quote: the file with its secrets masked.
pub(super) fn walk(node: &Node, schema: &Value, text: &str) -> Walked {
    let mut walker = Walker { root: schema, text, out: Walked::default() };
    walker.check(node, schema, "", None);
    walker.out
}

/// What a walk finds.
#[derive(Default)]
pub(super) struct Walked {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Places where a secret stands in the text that should only be named there.
    pub secrets: Vec<std::ops::Range<usize>>,
}

struct Walker<'a> {
    root: &'a Value,
    text: &'a str,
    out: Walked,
}

impl<'a> Walker<'a> {
    fn say(&mut self, finding: Finding) {
        self.out.findings.push(finding);
    }

    /// The text of a value as it stands in the file.
    fn quote(&self, node: &Node) -> &'a str {
        self.text.get(node.span.clone()).unwrap_or_default()
    }

    /// Follows references; a cycle ends at its first repetition.
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..32 {
            let Some(target) = schema.get("$ref").and_then(Value::as_str) else { break };
            let Some(found) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else { break };
            schema = found;
        }
        schema
    }

    /// `header` underlines what a table is missing: its key or its header.
    fn check(&mut self, node: &Node, schema: &'a Value, path: &str, header: Option<&Entry>) {
        if schema.get("$ref").is_some() {
            let target = self.resolve(schema);
            if target.get("$ref").is_none() {
                self.check(node, target, path, header);
            }
            return;
        }
        if schema.get("x-secret").is_some() && !matches!(node.item, Item::Table(_)) {
            self.out.secrets.push(node.span.clone());
            self.say(
                Finding::new("mk::config::secret", &node.span, format!("{} must not stand in the file", name_of(path)))
                    .hint("name where it is: { env = \"NAME\" }, { file = \"path\" } or { credential = \"name\" }"),
            );
            return;
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(key).and_then(Value::as_array) {
                self.choose(node, branches, path, header);
                return;
            }
        }
        if let Item::Unreadable(what) = node.item {
            self.say(Finding::new("mk::config::value", &node.span, format!("{} is {what}", name_of(path))));
            return;
        }
        if let Some(allowed) = allowed(schema) {
            self.one_of(node, &allowed, path);
            return;
        }
        if *schema == Value::Bool(false) {
            self.say(Finding::new("mk::config::value", &node.span, format!("{} is not possible here", name_of(path))));
            return;
        }
        if !fits(node, schema) {
            self.wrong_type(node, &[schema], path);
            return;
        }
        match &node.item {
            Item::Table(entries) => self.table(node, entries, schema, path, header),
            Item::Array(values) => self.array(node, values, schema, path),
            Item::String(text) | Item::Date(text) => self.string(node, text, schema, path),
            Item::Integer(_) | Item::Float(_) => self.number(node, schema, path),
            Item::Bool(_) | Item::Unreadable(_) => {}
        }
    }

    fn table(&mut self, node: &Node, entries: &[Entry], schema: &'a Value, path: &str, header: Option<&Entry>) {
        let known: Vec<(&str, &'a Value)> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        let rest = schema.get("additionalProperties");
        for entry in entries {
            let inner = join(path, &entry.key);
            if let Some((_, schema)) = known.iter().find(|(key, _)| *key == entry.key) {
                self.check(&entry.node, schema, &inner, Some(entry));
            } else {
                match rest {
                    Some(Value::Bool(false)) => self.unknown_key(entry, entries, &known, path),
                    Some(schema @ Value::Object(_)) => self.check(&entry.node, schema, &inner, Some(entry)),
                    _ => {}
                }
            }
        }
        let place = header.map_or(&node.span, |entry| if node.span.is_empty() { &entry.key_span } else { &node.span });
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if entries.iter().all(|entry| entry.key != key) {
                let about = known.iter().find(|(name, _)| *name == key).and_then(|(_, schema)| self.about(schema));
                let what = if path.is_empty() { "table" } else { "key" };
                let message = format!("{} has no {what} `{key}`", table_name(path));
                let hint = about.map(|about| format!("`{key}`: {about}"));
                self.say(Finding::new("mk::config::missing_key", place, message).maybe_hint(hint));
            }
        }
    }

    /// First sentence of a description.
    fn about(&self, schema: &'a Value) -> Option<&'a str> {
        let text = schema.get("description").or_else(|| self.resolve(schema).get("description"))?.as_str()?;
        Some(text.split("\n\n").next().unwrap_or(text).split(". ").next().unwrap_or(text).trim_end_matches('.'))
    }

    fn unknown_key(&mut self, entry: &Entry, siblings: &[Entry], known: &[(&str, &'a Value)], path: &str) {
        let free: Vec<&str> =
            known.iter().map(|(key, _)| *key).filter(|key| siblings.iter().all(|other| other.key != *key)).collect();
        let inside = known.iter().find(|(_, schema)| {
            self.resolve(schema).get("properties").is_some_and(|properties| properties.get(&entry.key).is_some())
        });
        let hint = if let Some(nearest) = nearest(&entry.key, free.iter().copied()) {
            Some(format!("did you mean `{nearest}`?"))
        } else if let Some((outer, _)) = inside {
            Some(format!("`{}` belongs in `{outer}`: {outer} = {{ {} = ... }}", entry.key, entry.key))
        } else if let Some(kind) = self.kind_with(&entry.key, path) {
            Some(format!("`{}` is a key of the kind `{kind}`", entry.key))
        } else {
            (!free.is_empty()).then(|| format!("known keys: {}", listed(&free)))
        };
        self.say(
            Finding::new(
                "mk::config::unknown_key",
                &entry.key_span,
                format!("{} has no such key: `{}`", table_name(path), entry.key),
            )
            .maybe_hint(hint),
        );
    }

    /// The kind that has the key, for keys in a table of another kind.
    fn kind_with(&self, key: &str, path: &str) -> Option<&'a str> {
        let (list, _) = path.split_once('[').filter(|(_, rest)| rest.ends_with(']'))?;
        let branches = self.root.pointer(&format!("/properties/{list}/items/oneOf"))?.as_array()?;
        branches.iter().find(|branch| branch.pointer("/properties").is_some_and(|all| all.get(key).is_some()))?["title"].as_str()
    }

    fn array(&mut self, node: &Node, values: &[Node], schema: &'a Value, path: &str) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        let (low, high) = (bound("minItems"), bound("maxItems"));
        let count = values.len() as u64;
        if low.is_some_and(|low| count < low) || high.is_some_and(|high| count > high) {
            let wanted = match (low, high) {
                (Some(low), Some(high)) if low == high => format!("{low}"),
                (Some(low), Some(high)) => format!("{low} to {high}"),
                (Some(low), None) => format!("at least {low}"),
                (None, Some(high)) => format!("at most {high}"),
                (None, None) => String::new(),
            };
            self.say(Finding::new(
                "mk::config::value",
                &node.span,
                format!(
                    "{} must have {wanted} {}, not {count}",
                    name_of(path),
                    if wanted == "1" || wanted == "at least 1" { "value" } else { "values" }
                ),
            ));
        }
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let rest = schema.get("items");
        for (index, value) in values.iter().enumerate() {
            if let Some(schema) = first.get(index).or(rest) {
                self.check(value, schema, &format!("{path}[{index}]"), None);
            }
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let texts: Vec<Value> = values.iter().map(Node::json).collect();
            for (index, value) in values.iter().enumerate() {
                if texts[..index].contains(&texts[index]) {
                    self.say(Finding::new("mk::config::value", &value.span, format!("{} names this twice", name_of(path))));
                }
            }
        }
    }

    fn string(&mut self, node: &Node, text: &str, schema: &'a Value, path: &str) {
        let length = text.chars().count() as u64;
        if schema.get("minLength").and_then(Value::as_u64).is_some_and(|least| length < least) {
            self.say(Finding::new("mk::config::value", &node.span, format!("{} is too short", name_of(path))));
        }
        if schema.get("maxLength").and_then(Value::as_u64).is_some_and(|most| length > most) {
            self.say(Finding::new("mk::config::value", &node.span, format!("{} is too long", name_of(path))));
        }
        let example = schema.get("examples").and_then(|examples| examples.get(0));
        let hint = example.map(|example| format!("write it like {example}"));
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && let Ok(regex) = regex::Regex::new(pattern)
            && !regex.is_match(text)
        {
            let message = format!("{} cannot be {}", name_of(path), self.quote(node));
            let hint = hint.clone().or_else(|| Some(format!("it must match {pattern}")));
            self.say(Finding::new("mk::config::value", &node.span, message).maybe_hint(hint));
        }
        if schema.get("format").and_then(Value::as_str) == Some("date") && text.parse::<jiff::civil::Date>().is_err() {
            let message = format!("{} is no date: {}", name_of(path), self.quote(node));
            self.say(Finding::new("mk::config::value", &node.span, message).hint("write it like 2023-05-14"));
        }
    }

    fn number(&mut self, node: &Node, schema: &'a Value, path: &str) {
        let Some(number) = node.number() else { return };
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let wanted = if let Some(low) = bound("minimum").filter(|low| number < *low) {
            format!("at least {low}")
        } else if let Some(high) = bound("maximum").filter(|high| number > *high) {
            format!("at most {high}")
        } else if let Some(low) = bound("exclusiveMinimum").filter(|low| number <= *low) {
            format!("more than {low}")
        } else if let Some(high) = bound("exclusiveMaximum").filter(|high| number >= *high) {
            format!("less than {high}")
        } else {
            return;
        };
        let message = format!("{} must be {wanted}, not {}", name_of(path), self.quote(node));
        self.say(Finding::new("mk::config::value", &node.span, message));
    }

    fn one_of(&mut self, node: &Node, allowed: &[&'a Value], path: &str) {
        let json = node.json();
        if allowed.contains(&&json) {
            return;
        }
        let names: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
        let (code, hint) = match node.text() {
            Some(text) if !names.is_empty() => ("mk::config::value", did_you_mean(text, "possible", names.iter().copied())),
            _ if !names.is_empty() => ("mk::config::type", Some(format!("possible: {}", listed(&names)))),
            _ => ("mk::config::value", None),
        };
        let message = format!("{} cannot be {}", name_of(path), self.quote(node));
        self.say(Finding::new(code, &node.span, message).maybe_hint(hint));
    }

    /// Finds the branch that was meant and checks it alone, so that messages speak of one thing.
    fn choose(&mut self, node: &Node, branches: &'a [Value], path: &str, header: Option<&Entry>) {
        let branches: Vec<&'a Value> = branches.iter().map(|branch| self.resolve(branch)).collect();
        if let Some(all) = branches.iter().map(|branch| allowed(branch)).collect::<Option<Vec<_>>>() {
            self.one_of(node, &all.concat(), path);
            return;
        }
        let possible: Vec<&'a Value> = branches.iter().copied().filter(|branch| may_be(node, branch)).collect();
        match possible.as_slice() {
            [] => self.wrong_type(node, &branches, path),
            [only] => self.check(node, only, path, header),
            several => {
                if let Some(tag) = tag_of(several) {
                    self.tagged(node, several, tag, path, header);
                } else if let Some(names) = single_keys(several) {
                    self.keyed(node, several, &names, path, header);
                } else {
                    self.fewest(node, several, path, header);
                }
            }
        }
    }

    /// Tables that a key decides.
    fn tagged(&mut self, node: &Node, branches: &[&'a Value], tag: &str, path: &str, header: Option<&Entry>) {
        let value_of = |branch: &'a Value| branch.get("properties")?.get(tag)?.get("const")?.as_str();
        let names: Vec<&str> = branches.iter().filter_map(|branch| value_of(branch)).collect();
        let given = node.get(tag);
        if let Some(branch) =
            given.and_then(Node::text).and_then(|name| branches.iter().find(|branch| value_of(branch) == Some(name)))
        {
            self.check(node, branch, path, header);
            return;
        }
        match given {
            None => self.say(
                Finding::new("mk::config::missing_key", &node.span, format!("{} has no key `{tag}`", table_name(path)))
                    .hint(format!("possible: {}", listed(&names))),
            ),
            Some(value) => {
                let hint = value.text().and_then(|text| did_you_mean(text, "possible", names.iter().copied()));
                let message = format!("there is no {tag} {}", self.quote(value));
                self.say(Finding::new("mk::config::unknown_kind", &value.span, message).maybe_hint(hint));
            }
        }
        // What all branches share can be checked all the same.
        let Some(first) = branches.first().and_then(|branch| branch.get("properties")).and_then(Value::as_object) else { return };
        let shared = |key: &str, schema: &Value| {
            branches.iter().all(|branch| branch.pointer("/properties").and_then(|all| all.get(key)) == Some(schema))
        };
        for (key, schema) in first.iter().filter(|(key, schema)| *key != tag && shared(key, schema)) {
            if let Some(entry) = node.entries().iter().find(|entry| entry.key == *key) {
                self.check(&entry.node, schema, &join(path, key), Some(entry));
            }
        }
        let required: Vec<&str> =
            branches[0].get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for key in required.into_iter().filter(|key| *key != tag && first.get(*key).is_some_and(|schema| shared(key, schema))) {
            if node.get(key).is_none() {
                let message = format!("{} has no key `{key}`", table_name(path));
                self.say(Finding::new("mk::config::missing_key", &node.span, message));
            }
        }
    }

    /// Tables of one key each, as `{ env = ".." }` or `{ file = ".." }`.
    fn keyed(&mut self, node: &Node, branches: &[&'a Value], names: &[&str], path: &str, header: Option<&Entry>) {
        if let [entry] = node.entries()
            && let Some(index) = names.iter().position(|name| *name == entry.key)
        {
            self.check(node, branches[index], path, header);
            return;
        }
        let unknown = node.entries().iter().find(|entry| !names.contains(&entry.key.as_str()));
        let hint =
            unknown.and_then(|entry| nearest(&entry.key, names.iter().copied())).map(|name| format!("did you mean `{name}`?"));
        let span = unknown.map_or(&node.span, |entry| &entry.key_span);
        let message = format!("{} must have exactly one of {}", name_of(path), listed(names));
        self.say(Finding::new("mk::config::value", span, message).maybe_hint(hint));
    }

    /// The branch with the fewest findings.
    fn fewest(&mut self, node: &Node, branches: &[&'a Value], path: &str, header: Option<&Entry>) {
        let mut best: Option<Walked> = None;
        for branch in branches {
            let mut trial = Walker { root: self.root, text: self.text, out: Walked::default() };
            trial.check(node, branch, path, header);
            if best.as_ref().is_none_or(|best| trial.out.findings.len() < best.findings.len()) {
                best = Some(trial.out);
            }
        }
        if let Some(best) = best {
            self.out.findings.extend(best.findings);
            self.out.secrets.extend(best.secrets);
        }
    }

    fn wrong_type(&mut self, node: &Node, schemas: &[&'a Value], path: &str) {
        let mut wanted: Vec<&str> = Vec::new();
        for name in schemas.iter().flat_map(|schema| types(schema)) {
            let name = type_words(name);
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
        let quoted = self.quote(node);
        let hint = match (&node.item, wanted.as_slice()) {
            (Item::Table(_), ["a list"]) if !path.contains(['.', '[']) => Some(format!("write [[{path}]]")),
            (Item::Table(_) | Item::Array(_), _) => None,
            (_, ["a list"]) => Some(format!("write [{quoted}]")),
            (Item::String(text), ["an integer"]) if text.parse::<i64>().is_ok() => Some(format!("write {text}, without quotes")),
            (Item::String(text), ["a number"]) if text.parse::<f64>().is_ok() => Some(format!("write {text}, without quotes")),
            (Item::String(text), ["true or false"]) if text == "true" || text == "false" => {
                Some(format!("write {text}, without quotes"))
            }
            (Item::Integer(_) | Item::Float(_) | Item::Bool(_), ["a string"]) => Some(format!("write \"{quoted}\"")),
            _ => None,
        };
        let message = format!("{} must be {}, not {}", name_of(path), wanted.join(" or "), item_words(&node.item));
        self.say(Finding::new("mk::config::type", &node.span, message).maybe_hint(hint));
    }
}

/// The values that a schema allows by name.
fn allowed(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only]);
    }
    schema.get("enum").and_then(Value::as_array).map(|values| values.iter().collect())
}

/// The key that is another constant in each branch.
fn tag_of<'a>(branches: &[&'a Value]) -> Option<&'a str> {
    let first = branches.first()?.get("properties")?.as_object()?;
    first.keys().map(String::as_str).find(|key| {
        branches.iter().all(|branch| {
            branch.get("properties").and_then(|all| all.get(key)).is_some_and(|schema| schema.get("const").is_some())
        })
    })
}

/// The names of the only keys of the branches, if all have just one.
fn single_keys<'a>(branches: &[&'a Value]) -> Option<Vec<&'a str>> {
    branches
        .iter()
        .map(|branch| {
            let properties = branch.get("properties")?.as_object()?;
            (properties.len() == 1).then(|| properties.keys().next().map(String::as_str)).flatten()
        })
        .collect()
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ if schema.get("const").or_else(|| schema.get("enum")).is_some() => vec!["string"],
        _ => Vec::new(),
    }
}

/// True when the type fits; a whole number is a number, a date is a string.
fn fits(node: &Node, schema: &Value) -> bool {
    let types = types(schema);
    let given: &[&str] = match node.item {
        Item::String(_) | Item::Date(_) => &["string"],
        Item::Integer(_) | Item::Unreadable(_) => &["integer", "number"],
        Item::Float(_) => &["number"],
        Item::Bool(_) => &["boolean"],
        Item::Array(_) => &["array"],
        Item::Table(_) => &["object"],
    };
    types.is_empty() || types.iter().any(|name| given.contains(name))
}

/// True when a branch is worth a look: nested choices are.
fn may_be(node: &Node, branch: &Value) -> bool {
    fits(node, branch)
}

fn type_words(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

fn item_words(item: &Item) -> &'static str {
    match item {
        Item::String(_) => "a string",
        Item::Integer(_) => "an integer",
        Item::Float(_) => "a number",
        Item::Bool(_) => "true or false",
        Item::Date(_) => "a date or time",
        Item::Array(_) => "a list",
        Item::Table(_) => "a table",
        Item::Unreadable(what) => what,
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A key for messages: what the underlined place does not show by itself.
fn name_of(path: &str) -> String {
    let key = path.strip_prefix("pipeline.").unwrap_or(path);
    let key = match key.split_once("].") {
        Some((list, rest)) if !list.contains('.') => rest,
        _ => key,
    };
    format!("`{key}`")
}

/// A table for messages.
fn table_name(path: &str) -> String {
    match path.split_once('[') {
        _ if path.is_empty() => "the file".to_owned(),
        None => format!("[{path}]"),
        Some((list, rest)) => match rest.split_once("].") {
            None => format!("[[{list}]]"),
            Some((_, key)) => format!("`{key}`"),
        },
    }
}
