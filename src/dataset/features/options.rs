//! How files of features are read, as pipeline files say it: what the options of several kinds have in common.

use crate::crs::Crs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How files are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'o> {
    /// The layer, where a file has several.
    pub layer: Option<&'o str>,
    /// CRS of files that do not say theirs.
    pub source_crs: Option<Crs>,
    /// Encoding of CSV and Shape files.
    pub encoding: Option<&'o str>,
    /// The decimal separator of numbers that are text.
    pub decimal: DecimalOption,
    /// How CSV files are read.
    pub csv: &'o CsvOption,
    /// True when files may have no geometries at all.
    pub places_optional: bool,
}

/// A field that is taken from files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldOption {
    /// Name: letters, digits and underscores.
    pub name: String,
    /// Name of the field in the files. Defaults to `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Type: `text`, `integer`, `number`, `boolean` or `date`. Defaults to `text`.
    #[serde(default, rename = "type")]
    pub field_type: FieldType,
    /// Unit of the values, as `ha`; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// True when every feature must have a value. Defaults to false.
    #[serde(default)]
    pub required: bool,
    /// German title. Defaults to the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl FieldOption {
    /// Name of the field in the files.
    pub fn source(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }
    /// Title and unit for people.
    pub fn label(&self) -> String {
        let title = self.title.as_deref().unwrap_or(&self.name);
        self.unit.as_ref().map_or_else(|| title.to_owned(), |unit| format!("{title} ({unit})"))
    }
}

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A day.
    Date,
}

/// What a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeometryOption {
    /// Points.
    Point,
    /// Lines.
    Line,
    /// Areas.
    Polygon,
}

/// The decimal separator of numbers that are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum DecimalOption {
    /// `3.5`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `3,5`; points between thousands are left out.
    #[serde(rename = ",")]
    Comma,
}

/// How CSV files are read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvOption {
    /// Character between the columns: `;`, `,`, tabulator or `|`. Defaults to the one that the first line has most often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Column with the easting or longitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Column with the northing or latitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Column with the geometry as well-known text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wkt: Option<String>,
}

/// A day, `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct DayOption(#[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))] String);

impl DayOption {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl TryFrom<String> for DayOption {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse::<jiff::civil::Date>().map_err(|error| format!("not a day: {error}"))?;
        Ok(Self(text))
    }
}
impl From<DayOption> for String {
    fn from(day: DayOption) -> Self {
        day.0
    }
}
