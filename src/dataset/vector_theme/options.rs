//! The options of the kind in the pipeline file.

use super::style::StyleOption;
use crate::crs::Crs;
use crate::dataset::features::{CsvOption, DayOption, DecimalOption, FieldOption, GeometryOption, Reading};
use crate::dataset::remote::{EndpointOption, PostgisOption, Tables};
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::DatasetConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The options of the kind in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// A server that has the theme, instead of files or beside them. Needs `fields`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointOption>,
    /// Tables of a database with PostGIS, instead of files or beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgis: Option<PostgisOption>,
    /// The layer that is read where a file has several; defaults to its only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The fields that are published, in their order. Without it a public dataset has no fields, an internal one all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldOption>,
    /// Name of the published field that tells features apart from night to night. Defaults to their content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What all features are: `point`, `line` or `polygon`; others are rejected. Defaults to any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geometry: Option<GeometryOption>,
    /// CRS of files that do not say theirs, as `EPSG:25832`. A file that says another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_crs: Option<Crs>,
    /// Encoding of CSV and Shape files, as `windows-1252` or `ISO-8859-1`. Defaults to what the file says, else UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Character between whole number and fraction where numbers are text: `.` or `,`. Defaults to `.`.
    #[serde(default)]
    pub decimal: DecimalOption,
    /// How CSV files are read.
    #[serde(default)]
    pub csv: CsvOption,
    /// The day that the data hold for, as `2026-03-01`; for records and files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DayOption>,
    /// Lowest and highest zoom of the vector tiles, 0 to 18. Defaults to [8, 15]; maps draw the highest larger.
    #[serde(default = "default_zoom")]
    pub zoom: [u8; 2],
    /// How maps draw it. Defaults to one plain colour.
    #[serde(default)]
    pub style: StyleOption,
}

impl Options {
    /// The tables of the database, with the columns that are asked for.
    pub fn tables(&self) -> Option<Tables<'_>> {
        let names: BTreeSet<String> = self.fields.iter().map(|field| field.source().to_lowercase()).collect();
        self.postgis.as_ref().map(|option| Tables { option, columns: (!names.is_empty()).then_some(names) })
    }
    /// How the files are read.
    pub fn reading(&self) -> Reading<'_> {
        Reading {
            layer: self.layer.as_deref(),
            source_crs: self.source_crs,
            encoding: self.encoding.as_deref(),
            decimal: self.decimal,
            csv: &self.csv,
            places_optional: false,
        }
    }
}

fn default_zoom() -> [u8; 2] {
    [8, 15]
}

/// Columns that the files have beside the fields.
pub const TAKEN: [&str; 5] = ["fid", "geometry", "bbox", "digest", "geom"];

/// Reads and checks the options; no I/O.
///
/// # Errors
/// When they do not fit each other.
pub fn read(config: &DatasetConfig) -> Result<Options> {
    let options: Options = crate::dataset::read_options(config)?;
    let wrong = |key: &str, message: String, hint: &str| {
        let place = Place::default().object(key);
        Err(Error::new("mk::config::option", message).at(place).hint(hint).exit(Exit::Usage))
    };
    if let Some(endpoint) = &options.endpoint {
        endpoint.check()?;
        if options.fields.is_empty() {
            // Each page alone would tell other fields.
            return wrong("endpoint", "an endpoint needs `fields`: its pages differ in what they show".to_owned(), "list them");
        }
    }
    if let Some(postgis) = &options.postgis {
        postgis.check()?;
    }
    let mut names = BTreeSet::new();
    for (index, field) in options.fields.iter().enumerate() {
        let key = format!("fields[{index}].name");
        let plain = field.name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        if field.name.is_empty() || field.name.len() > 60 || !plain {
            return wrong(&key, "the name of a field has letters, digits and underscores, at most 60".to_owned(), "rename it");
        }
        if TAKEN.contains(&field.name.to_lowercase().as_str()) {
            return wrong(&key, format!("the name `{}` is taken by a column of the files", field.name), "rename it");
        }
        // GeoPackage tells names apart by their letters, not by their case.
        if !names.insert(field.name.to_lowercase()) {
            return wrong(&key, format!("two fields are named `{}`", field.name), "rename one of them");
        }
    }
    if let Some(key) = &options.key
        && !options.fields.iter().any(|field| field.name == *key)
    {
        return wrong("key", format!("`key` names no field that is published: `{key}`"), "add it to `fields`");
    }
    if let Some(name) = &options.encoding
        && encoding_rs::Encoding::for_label(name.as_bytes()).is_none()
    {
        return wrong("encoding", format!("there is no encoding `{name}`"), "\"windows-1252\" is that of most German files");
    }
    if options.csv.separator.is_some_and(|separator| !separator.is_ascii() || separator == '"') {
        return wrong("csv.separator", "the separator is to be one ASCII character".to_owned(), "\";\" is usual");
    }
    if options.csv.x.is_some() != options.csv.y.is_some() || (options.csv.x.is_some() && options.csv.wkt.is_some()) {
        return wrong(
            "csv",
            "the geometry of a CSV file is in `x` and `y`, or in `wkt`".to_owned(),
            "csv = { x = \"ost\", y = \"nord\" }",
        );
    }
    let [low, high] = options.zoom;
    if low > high || high > 18 {
        return wrong("zoom", "`zoom` is to be two numbers from 0 to 18, the lower first".to_owned(), "zoom = [8, 15] is usual");
    }
    options.style.check(&options.fields)?;
    Ok(options)
}

/// Name of the table and of the layer of the tiles: the dataset's, as names of tables go.
pub fn table_name(config: &DatasetConfig) -> String {
    config.id.replace('-', "_")
}
