//! Changes from the field into the tables.
//!
//! They are applied in the order of their files' times and identifiers, whatever the files are named and whenever they come. A
//! value is changed when it is still what the field saw; it is left when it is already what the field wants; otherwise the change is
//! listed as a conflict, with all three values. So each value of each change is applied, there already, or listed.

use super::changes::{Change, Method};
use super::model::{GEOMETRY, Row, Tables, VERSION, row, table};
use crate::dataset::features::{DecimalOption, FieldOption, FieldType, Value as Read1, convert};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What became of the changes.
#[derive(Debug, Default)]
pub struct Merged {
    /// A row of the table of conflicts for each value that could not be changed, under the change and the field.
    pub conflicts: Vec<(String, Row)>,
    /// Values that were changed, objects that came or went.
    pub applied: u64,
    /// Values and objects that were already as the field wants them.
    pub known: u64,
}

/// Types of the columns that the field may change, by table.
pub type Editable = BTreeMap<&'static str, BTreeMap<String, FieldType>>;

/// Names among the attributes that tell objects apart and are never changed.
const IDENTIFIERS: [&str; 3] = ["fid", "uuid", VERSION];

/// Applies the changes to the tables; their order does not matter.
pub fn merge(tables: &mut Tables, editable: &Editable, mut changes: Vec<Change>) -> Merged {
    let order = |change: &Change| (change.time.clone(), change.file.clone(), change.position, change.id.clone());
    changes.sort_by_cached_key(order);
    // A file that came twice is one.
    changes.dedup_by(|b, a| a == b);
    let mut merged = Merged::default();
    for change in &changes {
        apply(tables, editable, change, &mut merged);
    }
    merged
}

/// The table that a layer of the field shows: `mangel` or `mangel_4f3a...`, as QGIS numbers its layers.
fn table_of(editable: &Editable, layer: &str) -> Option<&'static str> {
    editable.keys().copied().find(|name| layer.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
}

fn uuid_of(change: &Change) -> Option<Uuid> {
    let said = [&change.old, &change.new].into_iter().filter_map(|side| side.get("uuid").and_then(Value::as_str));
    said.chain(change.keys.iter().map(String::as_str)).find_map(|text| Uuid::try_parse(text.trim_matches(['{', '}'])).ok())
}

struct Conflicts<'c> {
    change: &'c Change,
    merged: &'c mut Merged,
    table: &'c str,
    object: String,
}

impl Conflicts<'_> {
    fn add(&mut self, field: &str, now: Option<&Value>, reason: &str) {
        let Change { old, new, .. } = self.change;
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(Value::from(text.as_str())),
            Some(other) => Some(Value::from(other.to_string())),
        };
        let method = match self.change.method {
            Method::Create => "create",
            Method::Patch => "patch",
            Method::Delete => "delete",
        };
        let listed = row([
            ("aenderung", Some(self.change.id.as_str().into())),
            ("datei", Some(self.change.file.as_str().into())),
            ("geraet_client", text(Some(&self.change.client.as_str().into())).filter(|_| !self.change.client.is_empty())),
            ("tabelle", Some(self.table.into())),
            ("objekt", Some(self.object.as_str().into()).filter(|_| !self.object.is_empty())),
            ("art", Some(method.into())),
            ("feld", Some(field.into()).filter(|_| !field.is_empty())),
            ("alt", text(old.get(field))),
            ("neu", text(new.get(field))),
            ("jetzt", text(now)),
            ("grund", Some(reason.into())),
        ]);
        // Two changes of one identifier in different files are two.
        let name = format!("{}/{}/{}/{field}", self.change.file, self.change.position, self.change.id);
        self.merged.conflicts.push((name, listed));
    }
    /// Lists every value of the change, so that none is lost.
    fn all(&mut self, reason: &str) {
        let names: Vec<&String> = self.change.new.keys().filter(|name| !IDENTIFIERS.contains(&name.as_str())).collect();
        if names.is_empty() {
            self.add("", None, reason);
        }
        for name in names {
            self.add(name, None, reason);
        }
    }
}

fn apply(tables: &mut Tables, editable: &Editable, change: &Change, merged: &mut Merged) {
    let name = table_of(editable, &change.layer);
    let uuid = uuid_of(change);
    let mut conflicts = Conflicts {
        change,
        merged,
        table: name.unwrap_or(&change.layer),
        object: uuid.map(|uuid| uuid.to_string()).or_else(|| change.keys.first().cloned()).unwrap_or_default(),
    };
    let Some((name, columns)) = name.and_then(|name| Some((name, editable.get(name)?))) else {
        return conflicts.all("keine Tabelle, die das Feld ändern darf");
    };
    let Some(uuid) = uuid else { return conflicts.all("das Objekt hat keine UUID") };
    let shape = table(name).is_some_and(|table| table.shape);
    let rows = tables.entry(name).or_default();
    match change.method {
        Method::Create if !rows.contains_key(&uuid) => {
            let mut created = Row::new();
            for (field, value) in wanted(change) {
                match typed(columns, shape, field, value) {
                    Ok(Some(value)) => drop(created.insert(field.clone(), value)),
                    Ok(None) => {}
                    Err(reason) => conflicts.add(field, None, reason),
                }
            }
            rows.insert(uuid, created);
            merged.applied += 1;
        }
        // Somebody took it over already; what differs is for a person to decide.
        Method::Create => {
            let Some(there) = rows.get(&uuid) else { return };
            let mut differs = false;
            for (field, value) in wanted(change) {
                match typed(columns, shape, field, value) {
                    Ok(value) if same(field, value.as_ref(), there.get(field)) => {}
                    Ok(_) => {
                        differs = true;
                        conflicts.add(field, there.get(field), "das Objekt gibt es schon, mit anderem Wert");
                    }
                    Err(reason) => {
                        differs = true;
                        conflicts.add(field, there.get(field), reason);
                    }
                }
            }
            if !differs {
                merged.known += 1;
            }
        }
        Method::Patch => {
            let Some(there) = rows.get_mut(&uuid) else { return conflicts.all("das Objekt gibt es nicht (mehr)") };
            for (field, value) in wanted(change) {
                let seen = change.old.get(field).unwrap_or(&Value::Null);
                let now = there.get(field).cloned();
                match (typed(columns, shape, field, value), typed(columns, shape, field, seen)) {
                    (Ok(new), _) if same(field, new.as_ref(), now.as_ref()) => conflicts.merged.known += 1,
                    (Ok(new), Ok(old)) if same(field, old.as_ref(), now.as_ref()) => {
                        match new {
                            Some(new) => drop(there.insert(field.clone(), new)),
                            None => drop(there.remove(field)),
                        }
                        conflicts.merged.applied += 1;
                    }
                    (Ok(_), _) => conflicts.add(field, now.as_ref(), "inzwischen von anderer Seite geändert"),
                    (Err(reason), _) => conflicts.add(field, now.as_ref(), reason),
                }
            }
        }
        Method::Delete => {
            let Some(there) = rows.get(&uuid) else {
                conflicts.merged.known += 1;
                return;
            };
            let seen = change.old.iter().filter(|(field, _)| !IDENTIFIERS.contains(&field.as_str()));
            let moved: Vec<&String> = seen
                .filter(|(field, value)| {
                    let old = typed(columns, shape, field, value);
                    old.is_ok_and(|old| !same(field, old.as_ref(), there.get(*field)))
                })
                .map(|(field, _)| field)
                .collect();
            if moved.is_empty() {
                rows.remove(&uuid);
                conflicts.merged.applied += 1;
            } else {
                let now: Vec<Option<Value>> = moved.iter().map(|field| there.get(*field).cloned()).collect();
                for (field, now) in moved.into_iter().zip(now) {
                    conflicts.add(field, now.as_ref(), "soll gelöscht werden, wurde aber inzwischen geändert");
                }
            }
        }
    }
}

/// The values of a change that it wants.
fn wanted(change: &Change) -> impl Iterator<Item = (&String, &Value)> {
    change.new.iter().filter(|(field, _)| !IDENTIFIERS.contains(&field.as_str()))
}

/// A value of the field as its column has it.
fn typed(columns: &BTreeMap<String, FieldType>, shape: bool, field: &str, value: &Value) -> Result<Option<Value>, &'static str> {
    if field == GEOMETRY {
        return match value {
            Value::Null => Ok(None),
            // A table without a place gets none, which loses nothing.
            _ if !shape => Ok(None),
            value => Ok(Some(value.clone())),
        };
    }
    let Some(field_type) = columns.get(field) else { return Err("das Feld gibt es nicht, oder es wird berechnet") };
    let read = match value {
        Value::Null => Read1::Null,
        Value::Bool(truth) => Read1::Truth(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Read1::Whole(whole),
            None => Read1::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Read1::Text(text.clone()),
        other => Read1::Text(other.to_string()),
    };
    let option =
        FieldOption { name: String::new(), from: None, field_type: *field_type, unit: None, required: false, title: None };
    let value = convert(read, &option, DecimalOption::Point).map_err(|_| "der Wert ist nicht vom Typ des Feldes")?;
    Ok(super::read::json(value, 1.0))
}

/// Metres, or degrees, within which two places are one: what the field's text rounds.
const SAME_PLACE: f64 = 1e-3;

fn same(field: &str, a: Option<&Value>, b: Option<&Value>) -> bool {
    if a == b {
        return true;
    }
    let (Some(Value::String(a)), Some(Value::String(b)), GEOMETRY) = (a, b, field) else { return false };
    let (Some(a), Some(b)) = (numbers(a), numbers(b)) else { return false };
    let degrees = a.1.iter().chain(&b.1).all(|value| value.abs() <= 360.0);
    let tolerance = if degrees { SAME_PLACE * 1e-5 } else { SAME_PLACE };
    a.0 == b.0 && a.1.len() == b.1.len() && a.1.iter().zip(&b.1).all(|(a, b)| (a - b).abs() <= tolerance)
}

/// The name of a geometry with its brackets, and its coordinates.
fn numbers(text: &str) -> Option<(String, Vec<f64>)> {
    let (mut frame, mut values) = (String::new(), Vec::new());
    for part in text.split_inclusive([' ', ',', '(', ')']) {
        let end = part.chars().next_back().filter(|letter| [' ', ',', '(', ')'].contains(letter));
        let word = end.map_or(part, |end| part.strip_suffix(end).unwrap_or(part));
        match word.parse::<f64>() {
            Ok(value) => values.push(value),
            Err(_) => frame.push_str(word),
        }
        frame.extend(end);
    }
    values.iter().all(|value| value.is_finite()).then_some((frame, values))
}

#[cfg(test)]
mod tests {
    use super::super::changes::changes_of;
    use super::super::model::{DEFECT, DEVICE};
    use super::*;
    use crate::dataset::Area;
    use crate::demo::random::Random;
    use serde_json::json;

    const EDITS: usize = 1000;
    const DEVICES: usize = 3;

    fn columns() -> Editable {
        let of = |columns: &[(&str, FieldType)]| columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Editable::from([
            (DEFECT, of(&[("beschreibung", FieldType::Text), ("behoben_am", FieldType::Date)])),
            (DEVICE, of(&[("baujahr", FieldType::Integer), ("fallhoehe_cm", FieldType::Number)])),
        ])
    }

    /// A value of a column, or none.
    fn value(random: &mut Random, field: &str) -> Value {
        if random.chance(0.15) {
            return Value::Null;
        }
        match field {
            "behoben_am" => format!("2026-0{}-1{}", 1 + random.below(9), random.below(10)).into(),
            "baujahr" => (2000 + random.below(5)).into(),
            "fallhoehe_cm" => (random.below(5) as f64 * 30.0).into(),
            _ => ["lose", "fest", "morsch"][random.below(3)].into(),
        }
    }

    fn set(row: &mut Row, field: &str, value: &Value) {
        match value {
            Value::Null => drop(row.remove(field)),
            value => drop(row.insert(field.to_owned(), value.clone())),
        }
    }

    /// The files that three devices send: each edits the copy that it took along.
    fn files(random: &mut Random, base: &Tables) -> Vec<String> {
        let mut files = Vec::new();
        for device in 0..DEVICES {
            let (mut own, mut deltas) = (base.clone(), Vec::new());
            for edit in 0..EDITS / DEVICES + usize::from(device < EDITS % DEVICES) {
                let table = if random.chance(0.6) { DEFECT } else { DEVICE };
                let names: Vec<String> = columns()[table].keys().cloned().collect();
                let rows = own.get_mut(table).unwrap();
                let there: Vec<Uuid> = rows.keys().copied().collect();
                let id = Uuid::from_u128((device * EDITS + edit) as u128 + (1 << 100));
                let attributes = |pairs: &[(String, Value)]| json!({ "attributes": pairs.iter().cloned().collect::<Row>() });
                let (method, uuid, old, new) = if random.chance(0.08) || there.is_empty() {
                    // Two devices may make the same object, as after a copied form.
                    let uuid = Uuid::from_u128(1000 + random.below(400) as u128);
                    if rows.contains_key(&uuid) {
                        continue;
                    }
                    let pairs: Vec<(String, Value)> = names.iter().map(|name| (name.clone(), value(random, name))).collect();
                    let mut row = Row::new();
                    for (name, value) in &pairs {
                        set(&mut row, name, value);
                    }
                    rows.insert(uuid, row);
                    ("create", uuid, Value::Null, attributes(&pairs))
                } else if random.chance(0.06) {
                    let uuid = random.pick(&there);
                    let row = rows.remove(&uuid).unwrap();
                    let seen: Vec<(String, Value)> =
                        names.iter().map(|name| (name.clone(), row.get(name).cloned().unwrap_or_default())).collect();
                    ("delete", uuid, attributes(&seen), Value::Null)
                } else {
                    let uuid = random.pick(&there);
                    let row = rows.get_mut(&uuid).unwrap();
                    let changed: Vec<&String> = names.iter().filter(|_| random.chance(0.6)).collect();
                    let mut pair = |name: &&String| {
                        let (old, new) = (row.get(*name).cloned().unwrap_or_default(), value(random, name));
                        set(row, name, &new);
                        (((*name).clone(), old), ((*name).clone(), new))
                    };
                    let (old, new): (Vec<_>, Vec<_>) = changed.iter().map(&mut pair).unzip();
                    ("patch", uuid, attributes(&old), attributes(&new))
                };
                deltas.push(json!({ "uuid": id, "clientId": format!("tablet-{device}"), "localLayerId": format!("{table}_77"),
                    "sourcePk": uuid, "method": method, "old": old, "new": new }));
            }
            for (part, chunk) in deltas.chunks(40).enumerate() {
                let hour = 6 + part;
                files.push(
                    json!({ "id": format!("file-{device}-{part:02}"), "created_at": format!("2026-05-27T{hour:02}:0{device}:00Z"), "deltas": chunk })
                        .to_string(),
                );
            }
        }
        files
    }

    fn merged(base: &Tables, files: &[String]) -> (Tables, Merged, Vec<Change>) {
        let mut changes = Vec::new();
        for file in files {
            let (more, errors) = changes_of(file.as_bytes(), &Area::default()).unwrap();
            assert!(errors.is_empty());
            changes.extend(more);
        }
        let mut tables = base.clone();
        let merged = merge(&mut tables, &columns(), changes.clone());
        changes.sort_by(|a, b| (&a.time, &a.file, a.position).cmp(&(&b.time, &b.file, b.position)));
        (tables, merged, changes)
    }

    #[test]
    fn a_thousand_edits_of_three_devices_lose_nothing() {
        for seed in 0..8 {
            let mut random = Random::of(seed, &[7]);
            let mut base = Tables::new();
            for (table, columns) in columns() {
                let rows = (0..30).map(|index| {
                    let mut row = Row::new();
                    for name in columns.keys() {
                        set(&mut row, name, &value(&mut random, name));
                    }
                    (Uuid::from_u128(index + 1), row)
                });
                let rows = rows.collect();
                base.insert(table, rows);
            }
            let mut files = files(&mut random, &base);
            let (tables, report, changes) = merged(&base, &files);
            assert!(changes.len() > EDITS * 9 / 10 && report.conflicts.len() > 50 && report.applied > 300, "{seed}: {report:?}");

            // Files that come in another order, one of them twice, make no difference.
            for index in (1..files.len()).rev() {
                files.swap(index, random.below(index + 1));
            }
            files.push(files[0].clone());
            let (other, again, _) = merged(&base, &files);
            assert_eq!((&other, &again.conflicts), (&tables, &report.conflicts));

            // What is listed, by change and field.
            let mut listed: BTreeMap<(String, String), &Row> = BTreeMap::new();
            for (_, row) in &report.conflicts {
                let of = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                assert!(listed.insert((of("aenderung"), of("feld")), row).is_none(), "listed once");
            }
            // Whatever is not listed took place, in the stated order, and saw what was there.
            let mut replay = base.clone();
            for change in &changes {
                let table = if change.layer.starts_with(DEFECT) { DEFECT } else { DEVICE };
                let rows = replay.get_mut(table).unwrap();
                let uuid: Uuid = change.keys[0].parse().unwrap();
                let is_listed = |field: &str| listed.contains_key(&(change.id.clone(), field.to_owned()));
                if change.method == Method::Delete {
                    if !change.old.keys().any(|field| is_listed(field)) {
                        rows.remove(&uuid);
                    }
                    continue;
                }
                if change.method == Method::Create && !rows.contains_key(&uuid) {
                    assert!(!change.new.keys().any(|field| is_listed(field)));
                    rows.insert(uuid, Row::new());
                }
                for (field, wanted) in &change.new {
                    if is_listed(field) {
                        let row = listed[&(change.id.clone(), field.clone())];
                        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        assert_eq!(
                            row.get("neu").map(&text),
                            (!wanted.is_null()).then(|| text(wanted)),
                            "the wanted value is listed"
                        );
                        continue;
                    }
                    let row = rows.get_mut(&uuid).expect("a change of nothing is listed");
                    let now = row.get(field).cloned().unwrap_or_default();
                    let seen = change.old.get(field).cloned().unwrap_or_default();
                    assert!(
                        now == seen || now == *wanted || change.method == Method::Create,
                        "it overwrote what it had not seen"
                    );
                    set(row, field, wanted);
                }
            }
            assert_eq!(replay, tables);
        }
    }

    #[test]
    fn geometries_are_the_same_when_only_their_text_is_rounded() {
        let same = |a: &str, b: &str| super::same(GEOMETRY, Some(&a.into()), Some(&b.into()));
        assert!(same("POINT (565010.5 5948010.25)", "POINT (565010.5004 5948010.25)"));
        assert!(!same("POINT (565010.5 5948010.25)", "POINT (565010.6 5948010.25)"));
        assert!(!same("POINT (1 2)", "MULTIPOINT ((1 2))"));
        assert!(!same("POINT (9.99 53.7)", "POINT (9.9901 53.7)"));
    }
}
