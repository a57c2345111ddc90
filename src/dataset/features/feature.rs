//! A feature as a reader gives it, and its values as fields want them.

use super::options::{DecimalOption, FieldOption, FieldType};

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// True or false.
    Truth(bool),
    /// Days since 1970-01-01.
    Day(i32),
}

/// A feature as it was read.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Its number in the file, from 1, or its identifier there.
    pub number: u64,
    /// Line in the file, where it has such.
    pub line: Option<u64>,
    /// Geometry as WKB, or why there is none.
    pub geometry: Result<Vec<u8>, &'static str>,
    /// The values that were asked for, in the order in which they were.
    pub values: Vec<Value>,
}

/// A field of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type.
    pub field_type: FieldType,
}

/// A value as its field wants it; an empty text is none.
///
/// # Errors
/// With the reason, when it is none of that type, or is missing where one is required.
pub fn convert(value: Value, field: &FieldOption, decimal: DecimalOption) -> Result<Value, String> {
    let value = match value {
        Value::Text(text) if text.trim().is_empty() => Value::Null,
        Value::Real(real) if !real.is_finite() => Value::Null,
        other => other,
    };
    if value == Value::Null {
        return if field.required { Err(format!("the required field '{}' is empty", field.name)) } else { Ok(Value::Null) };
    }
    let wrong = |what: &str| Err(format!("the value of '{}' is {what}", field.name));
    match (field.field_type, value) {
        (FieldType::Text, value) => Ok(Value::Text(text_of(value))),
        (FieldType::Integer, Value::Whole(whole)) => Ok(Value::Whole(whole)),
        (FieldType::Integer, Value::Truth(truth)) => Ok(Value::Whole(truth.into())),
        (FieldType::Integer, Value::Real(real)) if real.fract() == 0.0 && real.abs() < 9e15 => Ok(Value::Whole(real as i64)),
        (FieldType::Integer, Value::Text(text)) => {
            let plain = if decimal == DecimalOption::Comma { text.trim().replace('.', "") } else { text.trim().to_owned() };
            plain.parse().map_or_else(|_| wrong("no whole number"), |whole| Ok(Value::Whole(whole)))
        }
        (FieldType::Integer, _) => wrong("no whole number"),
        (FieldType::Number, Value::Real(real)) => Ok(Value::Real(real)),
        (FieldType::Number, Value::Whole(whole)) => Ok(Value::Real(whole as f64)),
        (FieldType::Number, Value::Text(text)) => {
            number(&text, decimal).map_or_else(|| wrong("no number"), |real| Ok(Value::Real(real)))
        }
        (FieldType::Number, _) => wrong("no number"),
        (FieldType::Boolean, Value::Truth(truth)) => Ok(Value::Truth(truth)),
        (FieldType::Boolean, Value::Whole(whole @ (0 | 1))) => Ok(Value::Truth(whole == 1)),
        (FieldType::Boolean, Value::Text(text)) => match text.trim().to_lowercase().as_str() {
            "true" | "t" | "1" | "ja" | "j" | "wahr" | "yes" | "y" => Ok(Value::Truth(true)),
            "false" | "f" | "0" | "nein" | "n" | "falsch" | "no" => Ok(Value::Truth(false)),
            _ => wrong("neither true nor false"),
        },
        (FieldType::Boolean, _) => wrong("neither true nor false"),
        (FieldType::Date, Value::Day(day)) => Ok(Value::Day(day)),
        (FieldType::Date, Value::Text(text)) => day(text.trim()).map_or_else(|| wrong("no day"), |day| Ok(Value::Day(day))),
        (FieldType::Date, _) => wrong("no day"),
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::Whole(whole) => whole.to_string(),
        Value::Real(real) => real.to_string(),
        Value::Truth(truth) => truth.to_string(),
        Value::Day(days) => date_text(days),
        Value::Null => String::new(),
    }
}

/// A day as `YYYY-MM-DD`.
pub fn date_text(days: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch
        .checked_add(jiff::Span::new().days(i64::from(days).clamp(-4_000_000, 4_000_000)))
        .map_or_else(|_| String::new(), |day| day.to_string())
}

/// A number with the decimal separator of the pipeline; never one with both meanings.
pub fn number(text: &str, decimal: DecimalOption) -> Option<f64> {
    let text = text.trim();
    let plain = match decimal {
        DecimalOption::Point => text.to_owned(),
        DecimalOption::Comma => text.replace('.', "").replace(',', "."),
    };
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Days since 1970 of `2026-03-01`, `2026/03/01` or `01.03.2026`, with or without a time behind it.
pub fn day(text: &str) -> Option<i32> {
    let date = text.split([' ', 'T']).next()?;
    let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
    let [a, b, c] = parts[..] else { return None };
    let (year, month, day) = if date.contains('.') { (c, b, a) } else { (a, b, c) };
    if year.len() != 4 {
        return None;
    }
    let date = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(jiff::civil::date(1970, 1, 1).until(date).ok()?.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(field_type: FieldType) -> FieldOption {
        FieldOption { name: "a".into(), from: None, field_type, unit: None, required: false, title: None }
    }

    #[test]
    fn values_become_what_their_field_wants_or_say_why_not() {
        let text = |text: &str| Value::Text(text.to_owned());
        let comma = |value: Value, field_type| convert(value, &field(field_type), DecimalOption::Comma);
        let point = |value: Value, field_type| convert(value, &field(field_type), DecimalOption::Point);
        assert_eq!(comma(text("1.234,5"), FieldType::Number), Ok(Value::Real(1234.5)));
        assert_eq!(point(text(" 3.5 "), FieldType::Number), Ok(Value::Real(3.5)));
        assert_eq!(point(text("3,5"), FieldType::Number), Err("the value of 'a' is no number".to_owned()));
        assert_eq!(point(text("NaN"), FieldType::Number), Err("the value of 'a' is no number".to_owned()));
        assert_eq!(point(Value::Real(f64::NAN), FieldType::Number), Ok(Value::Null));
        assert_eq!(point(Value::Real(3.0), FieldType::Integer), Ok(Value::Whole(3)));
        assert!(point(Value::Real(3.5), FieldType::Integer).is_err());
        assert_eq!(point(Value::Whole(7), FieldType::Text), Ok(text("7")));
        assert_eq!(point(text("Ja"), FieldType::Boolean), Ok(Value::Truth(true)));
        for days in ["2026-03-01", "2026/03/01", "01.03.2026", "2026-03-01T10:00:00Z", "2026/03/01 10:00:00"] {
            assert_eq!(point(text(days), FieldType::Date), Ok(Value::Day(20_513)), "{days}");
        }
        assert!(point(text("03.26"), FieldType::Date).is_err() && point(text("30.02.2026"), FieldType::Date).is_err());
        assert_eq!(date_text(20_513), "2026-03-01");
        assert_eq!(point(text("  "), FieldType::Text), Ok(Value::Null));
        let required = FieldOption { required: true, ..field(FieldType::Text) };
        assert!(convert(text(""), &required, DecimalOption::Point).is_err());
    }
}
