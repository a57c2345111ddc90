//! Attributes of a building: CityGML's own, generic ones, address, external reference.

use super::xml::{Step, Xml};
use crate::dataset::city_model::model::Value;
use crate::error::Result;
use std::collections::BTreeMap;
use std::io::Read;

/// Longest text of an attribute that is kept, in bytes.
const MAX_VALUE: usize = 4_000;
/// Most attributes of a building.
const MAX_ATTRIBUTES: usize = 500;

/// Attributes by name.
pub type Attributes = BTreeMap<String, Value>;

/// Adds a text; a second value of the same name joins the first.
pub fn add(attributes: &mut Attributes, name: &str, text: &str) {
    let text = shortened(text.trim());
    if text.is_empty() || name.is_empty() || attributes.len() >= MAX_ATTRIBUTES {
        return;
    }
    match attributes.get_mut(name) {
        Some(Value::Text(present)) if present.len() + text.len() <= MAX_VALUE => {
            if !present.split("; ").any(|part| part == text) {
                present.push_str("; ");
                present.push_str(text);
            }
        }
        Some(_) => {}
        None => {
            attributes.insert(shortened(name).to_owned(), Value::Text(text.to_owned()));
        }
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Adds a measure; what is no number stays a text.
pub fn add_number(attributes: &mut Attributes, name: &str, text: &str) {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => {
            attributes.entry(name.to_owned()).or_insert(Value::Number(value));
        }
        _ => add(attributes, name, text),
    }
}

/// Adds a whole number; what is none stays a text.
pub fn add_integer(attributes: &mut Attributes, name: &str, text: &str) {
    match text.trim().parse::<i64>() {
        Ok(value) => {
            attributes.entry(name.to_owned()).or_insert(Value::Integer(value));
        }
        Err(_) => add(attributes, name, text),
    }
}

/// Reads a generic attribute (`gen:stringAttribute` and its like, or CityGML 3.0's `gen:StringAttribute`), whose start the cursor
/// stands on. Sets of attributes are read flat.
///
/// # Errors
/// When the XML is broken.
pub fn generic<R: Read>(xml: &mut Xml<R>, attributes: &mut Attributes) -> Result<()> {
    let mut kind = xml.element().name.clone();
    let mut name = xml.element().name_attribute.clone().unwrap_or_default();
    let mut depth = 1_usize;
    while depth > 0 {
        match xml.next()? {
            Step::Eof => break,
            Step::Close => depth -= 1,
            Step::Open => {
                depth += 1;
                let element = xml.element();
                match element.name.as_str() {
                    "value" => {
                        let text = xml.leaf()?;
                        depth -= 1;
                        let kind = kind.to_ascii_lowercase();
                        if kind.starts_with("int") {
                            add_integer(attributes, &name, text);
                        } else if kind.starts_with("double") || kind.starts_with("measure") {
                            add_number(attributes, &name, text);
                        } else {
                            add(attributes, &name, text);
                        }
                    }
                    "name" => {
                        xml.leaf()?.clone_into(&mut name);
                        depth -= 1;
                    }
                    _ => {
                        kind.clone_from(&element.name);
                        if let Some(own) = &element.name_attribute {
                            name.clone_from(own);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Reads an external reference: the name or address of the object elsewhere, as the ALKIS identifier.
///
/// # Errors
/// When the XML is broken.
pub fn external_reference<R: Read>(xml: &mut Xml<R>, attributes: &mut Attributes) -> Result<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match xml.next()? {
            Step::Eof => break,
            Step::Close => depth -= 1,
            Step::Open => match xml.element().name.as_str() {
                "name" | "uri" | "targetResource" => add(attributes, "externalReference", xml.leaf()?),
                "informationSystem" => add(attributes, "informationSystem", xml.leaf()?),
                _ => depth += 1,
            },
        }
    }
    Ok(())
}

/// Reads an address (xAL 2.0 or 3.0) to one line, as German post writes it.
///
/// # Errors
/// When the XML is broken.
pub fn address<R: Read>(xml: &mut Xml<R>, attributes: &mut Attributes) -> Result<()> {
    let (mut street, mut number, mut code, mut town) = (String::new(), String::new(), String::new(), String::new());
    // In xAL 3.0 a name is a `NameElement`, and what it names is the element around.
    let mut path: Vec<String> = Vec::new();
    let mut depth = 1_usize;
    while depth > 0 {
        match xml.next()? {
            Step::Eof => break,
            Step::Close => {
                depth -= 1;
                path.pop();
            }
            Step::Open => {
                let name = xml.element().name.clone();
                let around = path.last().map_or("", String::as_str);
                let slot = match (name.as_str(), around) {
                    ("ThoroughfareName", _) | ("NameElement", "Thoroughfare") => &mut street,
                    ("ThoroughfareNumber", _) | ("Number", "Thoroughfare") => &mut number,
                    ("PostalCodeNumber", _) | ("Identifier", "PostCode") => &mut code,
                    ("LocalityName", _) | ("NameElement", "Locality") => &mut town,
                    _ => {
                        depth += 1;
                        path.push(name);
                        continue;
                    }
                };
                // xAL 3.0 nests a NameElement in an element of the same role; the first text counts.
                let text = xml.leaf()?;
                if slot.is_empty() {
                    text.clone_into(slot);
                }
            }
        }
    }
    add(attributes, "address", &address_line(&street, &number, &code, &town));
    Ok(())
}

/// Street and number, postal code and town, as far as they are known.
pub fn address_line(street: &str, number: &str, code: &str, town: &str) -> String {
    let join = |a: &str, b: &str, between: &str| [a, b].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(between);
    join(&join(street, number, " "), &join(code, town, " "), ", ")
}
