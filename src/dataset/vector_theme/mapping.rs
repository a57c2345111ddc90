//! Which fields of a file are published.

use super::options::TAKEN;
use crate::dataset::features::{Column, FieldOption};
use crate::error::{Error, Result};

/// The fields that are taken of a file.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The published fields.
    pub fields: Vec<FieldOption>,
    /// For each of them the index of the file's field; `None` where the file has none.
    pub sources: Vec<Option<usize>>,
    /// The file's fields, where no list says which of them are published and none is.
    pub left_out: Vec<String>,
}

impl Mapping {
    /// The fields of the list; without a list none for the public, all for the office.
    ///
    /// # Errors
    /// When a required field is not in the file.
    pub fn new(columns: &[Column], hidden: &[usize], wanted: &[FieldOption], all: bool) -> Result<Self> {
        let plain = || columns.iter().enumerate().filter(|(index, _)| !hidden.contains(index)).map(|(_, column)| column);
        let fields: Vec<FieldOption> = if wanted.is_empty() && all { all_of(plain()) } else { wanted.to_vec() };
        let mut sources = Vec::with_capacity(fields.len());
        for field in &fields {
            let exact = columns.iter().position(|column| column.name == field.source());
            // Shape files cut and capitalise names as they like.
            let source = exact.or_else(|| columns.iter().position(|column| column.name.eq_ignore_ascii_case(field.source())));
            if source.is_none() && field.required {
                let known: Vec<&str> = columns.iter().take(20).map(|column| column.name.as_str()).collect();
                let message = format!("the file has no field '{}', which `{}` needs", field.source(), field.name);
                return Err(Error::new("mk::vector_theme::field", message).hint(format!("its fields are {}", known.join(", "))));
            }
            sources.push(source);
        }
        // Who writes a list knows what it leaves out.
        let left_out = if fields.is_empty() { plain().map(|column| column.name.clone()).collect() } else { Vec::new() };
        Ok(Self { fields, sources, left_out })
    }
}

/// All fields of a file under names that tables may have.
fn all_of<'c>(columns: impl Iterator<Item = &'c Column>) -> Vec<FieldOption> {
    let mut names: Vec<String> = TAKEN.iter().map(|name| (*name).to_owned()).collect();
    let field = |column: &Column| {
        let mut name: String =
            column.name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).take(50).collect();
        while name.is_empty() || names.contains(&name.to_lowercase()) {
            name.push('_');
        }
        names.push(name.to_lowercase());
        FieldOption {
            title: (name != column.name).then(|| column.name.clone()),
            name,
            from: Some(column.name.clone()),
            field_type: column.field_type,
            unit: None,
            required: false,
        }
    };
    columns.map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::features::FieldType;

    #[test]
    fn only_fields_on_the_list_are_taken_and_the_public_gets_none_without_one() {
        let columns: Vec<Column> = ["OBJECTID", "Name", "geometry", "Straße 1"]
            .map(|name| Column { name: name.into(), field_type: FieldType::Text })
            .into();
        let wanted = FieldOption {
            name: "name".into(),
            from: Some("NAME".into()),
            field_type: FieldType::Text,
            unit: None,
            required: false,
            title: None,
        };
        let mapping = Mapping::new(&columns, &[], std::slice::from_ref(&wanted), false).unwrap();
        assert_eq!((mapping.sources, mapping.left_out.len()), (vec![Some(1)], 0));
        let none = Mapping::new(&columns, &[2], &[], false).unwrap();
        assert_eq!((none.fields.len(), none.left_out.len()), (0, 3));
        let all = Mapping::new(&columns, &[], &[], true).unwrap();
        let names: Vec<&str> = all.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["OBJECTID", "Name", "geometry_", "Straße_1"]);
        let missing = FieldOption { from: Some("FEHLT".into()), required: true, ..wanted };
        insta::assert_snapshot!(Mapping::new(&columns, &[], &[missing], false).unwrap_err(), @"the file has no field 'FEHLT', which `name` needs");
    }
}
