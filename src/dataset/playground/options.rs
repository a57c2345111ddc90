//! The options of the kind in the pipeline file.

use super::model::{self, Column, DEVICE, INSPECTION, SITE, Table};
use crate::crs::Crs;
use crate::dataset::features::{CsvOption, DayOption, DecimalOption, FieldOption, FieldType, Reading};
use crate::dataset::remote::{PostgisOption, Tables};
use crate::error::{Error, Exit, Place, Result};
use crate::pipeline::DatasetConfig;
use globset::{Glob, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The options of the kind in the pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Tables of a database with PostGIS, instead of files or beside them; named by the same patterns as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgis: Option<PostgisOption>,
    /// Files with sites. Defaults to all files that are of no other table.
    #[serde(default)]
    pub sites: TableOption,
    /// Files with equipment. Defaults to files named `*gerae*` or `*gerä*`.
    #[serde(default)]
    pub devices: TableOption,
    /// Files with inspections. Defaults to files named `*pruef*`, `*prüf*`, `*kontroll*` or `*inspektion*`.
    #[serde(default)]
    pub inspections: TableOption,
    /// Names of files with changes from the field, as QField writes them. Defaults to `*delta*.json`.
    #[serde(default = "default_changes")]
    pub changes: Vec<String>,
    /// Names of files with photos. Defaults to `*.jpg`, `*.jpeg`, `*.png`, `*.webp` and `*.heic`.
    #[serde(default = "default_photos")]
    pub photos: Vec<String>,
    /// The day that traffic lights and the list of what is due hold for, as `2026-03-01`. Defaults to the day of the night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<DayOption>,
    /// Intervals of inspections where a device has none of its own.
    #[serde(default)]
    pub intervals: IntervalsOption,
    /// Days before the due date from which a light is yellow; never more than a quarter of the interval. Defaults to 14.
    #[serde(default = "default_warn")]
    pub warn_days: u16,
    /// Distance in metres within which a site or device with a new key may be one whose key is gone. Defaults to 10.
    #[serde(default = "default_distance")]
    pub match_distance_m: f64,
    /// Distance in metres within which an address of the cadastre in `uses` is that of a site. Defaults to 100.
    #[serde(default = "default_address_distance")]
    pub address_distance_m: f64,
    /// A dataset in `uses` with districts: areas of the kind `vector_theme`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<DistrictOption>,
    /// Megabytes of orthophotos that the package for QField takes along; 0 for none. Defaults to 200.
    #[serde(default = "default_pictures")]
    pub offline_mb: u16,
}

fn default_changes() -> Vec<String> {
    vec!["*delta*.json".to_owned()]
}
fn default_photos() -> Vec<String> {
    ["*.jpg", "*.jpeg", "*.png", "*.webp", "*.heic"].map(str::to_owned).into()
}
fn default_warn() -> u16 {
    14
}
fn default_address_distance() -> f64 {
    100.0
}
fn default_pictures() -> u16 {
    200
}
fn default_distance() -> f64 {
    10.0
}

/// Where districts are found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistrictOption {
    /// The dataset, one of those in `uses`.
    pub dataset: String,
    /// Name of its field with the name of the district.
    pub field: String,
}

/// Files of a table and how they are read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableOption {
    /// Patterns of file names, in any case of letters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The layer that is read where a file has several; defaults to its only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Columns of the table whose fields have other names or units in the files, and own fields to keep beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldOption>,
    /// CRS of files that do not say theirs, as `EPSG:25832`. A file that says another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_crs: Option<Crs>,
    /// Encoding of CSV and Shape files, as `windows-1252`. Defaults to what the file says, else UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Character between whole number and fraction where numbers are text: `.` or `,`. Defaults to `.`.
    #[serde(default)]
    pub decimal: DecimalOption,
    /// How CSV files are read.
    #[serde(default)]
    pub csv: CsvOption,
}

/// Intervals between inspections (DIN EN 1176-7).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalsOption {
    /// Days between visual routine inspections. Defaults to 7.
    #[serde(default = "default_visual")]
    pub visual_days: u16,
    /// Months between operational inspections. Defaults to 3.
    #[serde(default = "default_operational")]
    pub operational_months: u16,
    /// Months between main inspections, at most 12. Defaults to 12.
    #[serde(default = "default_main")]
    pub main_months: u16,
}

fn default_visual() -> u16 {
    7
}
fn default_operational() -> u16 {
    3
}
fn default_main() -> u16 {
    12
}

impl Default for IntervalsOption {
    fn default() -> Self {
        Self { visual_days: default_visual(), operational_months: default_operational(), main_months: default_main() }
    }
}

/// Factors from units to the smallest of their kind.
const UNITS: [(&str, &str, f64); 8] = [
    ("mm", "length", 1.0),
    ("cm", "length", 10.0),
    ("m", "length", 1000.0),
    ("m²", "area", 1.0),
    ("m2", "area", 1.0),
    ("a", "area", 100.0),
    ("ha", "area", 10_000.0),
    ("km²", "area", 1_000_000.0),
];

/// The factor from one unit to another of its kind.
fn factor(from: &str, to: &str) -> Option<f64> {
    let unit = |name: &str| UNITS.iter().find(|(known, ..)| *known == name);
    let ((_, kind, from), (_, other, to)) = (unit(from)?, unit(to)?);
    (kind == other).then(|| from / to)
}

/// A field that is read from a file.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name, type and whether it must be there; the name in the files is `from` where the pipeline says it.
    pub field: FieldOption,
    /// Names that it may have in files.
    pub names: Vec<String>,
    /// What a number is multiplied with.
    pub factor: f64,
}

impl TableOption {
    /// How the files are read. Sites are places; what belongs to one need have none of its own.
    pub fn reading(&self, table: &Table) -> Reading<'_> {
        Reading {
            layer: self.layer.as_deref(),
            source_crs: self.source_crs,
            encoding: self.encoding.as_deref(),
            decimal: self.decimal,
            csv: &self.csv,
            places_optional: table.name != SITE,
        }
    }

    /// The fields of a table in the order in which they are read: its own columns, then those of the pipeline alone.
    pub fn wanted(&self, table: &Table) -> Vec<Wanted> {
        let own = |column: &Column| {
            let names = column.names?;
            let said = self.fields.iter().find(|field| field.name == column.name);
            let from = said.and_then(|field| field.from.clone());
            let names = match &from {
                Some(name) => vec![name.clone()],
                None => std::iter::once(column.name).chain(names.iter().copied()).map(str::to_owned).collect(),
            };
            let unit = said.and_then(|field| field.unit.as_deref());
            let factor = unit.and_then(|from| factor(from, column.unit?)).unwrap_or(1.0);
            let required = said.is_some_and(|field| field.required);
            let (name, title) = (column.name.to_owned(), Some(column.title.to_owned()));
            let field = FieldOption { name, from, field_type: column.field_type, unit: None, required, title };
            Some(Wanted { field, names, factor })
        };
        let plain = |name: &str| FieldOption {
            name: name.to_owned(),
            from: None,
            field_type: FieldType::Text,
            unit: None,
            required: false,
            title: None,
        };
        // An identity that the office gives itself is kept.
        let mut wanted = vec![Wanted { field: plain("uuid"), names: vec!["uuid".to_owned(), "guid".to_owned()], factor: 1.0 }];
        wanted.extend(table.columns.iter().filter_map(own));
        let more = self.fields.iter().filter(|field| !table.columns.iter().any(|column| column.name == field.name));
        wanted.extend(more.map(|field| Wanted { field: field.clone(), names: vec![field.source().to_owned()], factor: 1.0 }));
        wanted
    }
}

impl Options {
    /// The tables of the database, with the columns that are asked for.
    pub fn tables(&self) -> Option<Tables<'_>> {
        let wanted = |name: &&str| model::table(name).zip(self.of(name)).map(|(table, option)| option.wanted(table));
        let tables = [SITE, DEVICE, INSPECTION];
        let fields = tables.iter().filter_map(wanted).flatten();
        let columns = fields.flat_map(|wanted| wanted.names).map(|name| name.to_lowercase()).collect();
        self.postgis.as_ref().map(|option| Tables { option, columns: Some(columns) })
    }
    /// The option of a table that is read from files.
    pub fn of(&self, table: &str) -> Option<&TableOption> {
        match table {
            SITE => Some(&self.sites),
            DEVICE => Some(&self.devices),
            INSPECTION => Some(&self.inspections),
            _ => None,
        }
    }
    /// Fields of the pipeline alone that a table has beside its columns.
    pub fn more(&self, table: &Table) -> Vec<FieldOption> {
        let Some(option) = self.of(table.name) else { return Vec::new() };
        option.fields.iter().filter(|field| !table.columns.iter().any(|column| column.name == field.name)).cloned().collect()
    }
    /// Who decides which table a file is of: changes first, sites last.
    ///
    /// # Errors
    /// When a pattern is none.
    pub fn sorter(&self) -> Result<Sorter> {
        let or = |files: &[String], default: &[&str]| -> Result<GlobSet> {
            let default: Vec<String> = default.iter().map(|name| (*name).to_owned()).collect();
            set(if files.is_empty() { &default } else { files })
        };
        Ok(Sorter {
            changes: set(&self.changes)?,
            photos: set(&self.photos)?,
            inspections: or(&self.inspections.files, &["*pruef*", "*prüf*", "*kontroll*", "*inspektion*"])?,
            devices: or(&self.devices.files, &["*gerae*", "*gerä*"])?,
            sites: or(&self.sites.files, &["*"])?,
        })
    }
}

/// Tells which table a file is of.
pub struct Sorter {
    changes: GlobSet,
    photos: GlobSet,
    inspections: GlobSet,
    devices: GlobSet,
    sites: GlobSet,
}

/// What a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Rows of a table.
    Rows(&'static str),
    /// Changes from the field.
    Changes,
    /// A photo.
    Photo,
}

impl Sorter {
    /// What a file of that name has; `None` where no pattern of the pipeline fits.
    pub fn content(&self, file: &str) -> Option<Content> {
        let all = [
            (&self.photos, Content::Photo),
            (&self.changes, Content::Changes),
            (&self.inspections, Content::Rows(INSPECTION)),
            (&self.devices, Content::Rows(DEVICE)),
            (&self.sites, Content::Rows(SITE)),
        ];
        let file = file.to_lowercase();
        all.into_iter().find(|(set, _)| set.is_match(&file)).map(|(_, content)| content)
    }
}

fn set(patterns: &[String]) -> Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    let wrong = |pattern: &str, error: globset::Error| {
        Error::new("mk::config::option", format!("'{pattern}' is no pattern of file names")).because(error).exit(Exit::Usage)
    };
    for pattern in patterns {
        // Lower case as the names are: the crate's own way knows no umlauts.
        builder.add(Glob::new(&pattern.to_lowercase()).map_err(|error| wrong(pattern, error))?);
    }
    builder.build().map_err(|error| wrong(&patterns.join(", "), error))
}

/// Reads and checks the options; no I/O.
///
/// # Errors
/// When they do not fit each other.
pub fn read(config: &DatasetConfig) -> Result<Options> {
    let options: Options = crate::dataset::read_options(config)?;
    options.sorter()?;
    if let Some(postgis) = &options.postgis {
        postgis.check()?;
    }
    for (key, table, option) in [
        ("sites", SITE, &options.sites),
        ("devices", DEVICE, &options.devices),
        ("inspections", INSPECTION, &options.inspections),
    ] {
        if let Some(table) = model::table(table) {
            check_table(key, table, option)?;
        }
    }
    if !(1..=12).contains(&options.intervals.main_months) {
        return wrong(
            "intervals.main_months",
            "a main inspection is due once in twelve months at least (DIN EN 1176-7)".to_owned(),
            "main_months = 12",
        );
    }
    if options.intervals.visual_days == 0 || options.intervals.operational_months == 0 {
        return wrong("intervals", "an interval is longer than nothing".to_owned(), "visual_days = 7, operational_months = 3");
    }
    if !(0.0..=1000.0).contains(&options.match_distance_m) {
        return wrong("match_distance_m", "`match_distance_m` is to be from 0 to 1000".to_owned(), "10 is usual");
    }
    if !(0.0..=10_000.0).contains(&options.address_distance_m) {
        return wrong("address_distance_m", "`address_distance_m` is to be from 0 to 10000".to_owned(), "100 is usual");
    }
    if let Some(district) = options.district.as_ref().filter(|district| !config.uses.contains(&district.dataset)) {
        let message = format!("`{}` is not among the datasets that this one uses", district.dataset);
        return wrong("district.dataset", message, "name it in `uses` too");
    }
    Ok(options)
}

fn wrong<T>(key: &str, message: String, hint: &str) -> Result<T> {
    Err(Error::new("mk::config::option", message).at(Place::default().object(key)).hint(hint).exit(Exit::Usage))
}

fn check_table(key: &str, table: &Table, option: &TableOption) -> Result<()> {
    let mut names = BTreeSet::new();
    for (index, field) in option.fields.iter().enumerate() {
        let at = |part: &str| format!("{key}.fields[{index}].{part}");
        let plain = field.name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if field.name.is_empty() || field.name.len() > 60 || !plain {
            return wrong(
                &at("name"),
                "the name of a field has letters without umlauts, digits and underscores".to_owned(),
                "rename it",
            );
        }
        let lower = field.name.to_lowercase();
        if ["fid", "uuid", model::GEOMETRY, model::VERSION].contains(&lower.as_str()) {
            return wrong(&at("name"), format!("the name `{}` is taken by a column of the tables", field.name), "rename it");
        }
        if !names.insert(lower.clone()) {
            return wrong(&at("name"), format!("two fields are named `{}`", field.name), "rename one of them");
        }
        let Some(column) = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&lower)) else { continue };
        if column.name != field.name || column.names.is_none() {
            return wrong(&at("name"), format!("the column `{}` is made by the program", column.name), "choose another name");
        }
        if field.field_type != FieldType::Text && field.field_type != column.field_type {
            let known = serde_json::to_value(column.field_type).unwrap_or_default();
            return wrong(&at("type"), format!("`{}` is of the type {known}", field.name), "leave out `type`");
        }
        if let Some(unit) = &field.unit
            && column.unit.and_then(|known| factor(unit, known)).is_none()
        {
            let known = column.unit.unwrap_or("no unit");
            return wrong(
                &at("unit"),
                format!("`{}` is in {known}, which {unit} cannot become", field.name),
                "mm, cm, m; m², a, ha",
            );
        }
    }
    if let Some(name) = &option.encoding
        && encoding_rs::Encoding::for_label(name.as_bytes()).is_none()
    {
        return wrong(
            &format!("{key}.encoding"),
            format!("there is no encoding `{name}`"),
            "\"windows-1252\" is that of most files",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_those_of_the_columns() {
        assert_eq!(factor("m", "cm"), Some(100.0));
        assert_eq!(factor("ha", "m²"), Some(10_000.0));
        assert_eq!(factor("m", "m²"), None);
    }

    fn opened(options: &serde_json::Value) -> Result<Options> {
        let mut config = serde_json::json!({ "id": "test", "kind": "playground", "source": [] });
        for (key, value) in options.as_object().unwrap() {
            config[key] = value.clone();
        }
        read(&serde_json::from_value(config).unwrap())
    }

    #[test]
    fn files_are_told_by_their_names() {
        let sorter = opened(&serde_json::json!({})).unwrap().sorter().unwrap();
        assert_eq!(sorter.content("Spielgeraete.csv"), Some(Content::Rows(DEVICE)));
        assert_eq!(sorter.content("PRÜFUNGEN_2025.csv"), Some(Content::Rows(INSPECTION)));
        assert_eq!(sorter.content("deltafile_1.json"), Some(Content::Changes));
        assert_eq!(sorter.content("inventar.gpkg"), Some(Content::Rows(SITE)));
        assert_eq!(sorter.content("Spielgeraet_7.JPG"), Some(Content::Photo));
        let sorter = opened(&serde_json::json!({ "sites": { "files": ["*platz*"] } })).unwrap().sorter().unwrap();
        assert_eq!(sorter.content("inventar.gpkg"), None);
    }

    #[test]
    fn options_that_do_not_fit_are_told_with_their_place() {
        let told = |options: serde_json::Value| {
            let error = opened(&options).unwrap_err();
            format!("{}: {}", error.place(), error.message())
        };
        let field = |field: serde_json::Value| serde_json::json!({ "devices": { "fields": [field] } });
        insta::assert_snapshot!(told(serde_json::json!({ "intervals": { "main_months": 13 } })), @"intervals.main_months: a main inspection is due once in twelve months at least (DIN EN 1176-7)");
        insta::assert_snapshot!(told(field(serde_json::json!({ "name": "fallhoehe_cm", "unit": "kg" }))), @"devices.fields[0].unit: `fallhoehe_cm` is in cm, which kg cannot become");
        insta::assert_snapshot!(told(field(serde_json::json!({ "name": "geraetetyp" }))), @"devices.fields[0].name: the column `geraetetyp` is made by the program");
        insta::assert_snapshot!(told(field(serde_json::json!({ "name": "baujahr", "type": "date" }))), @r#"devices.fields[0].type: `baujahr` is of the type "integer""#);
        let district = serde_json::json!({ "district": { "dataset": "stadtteile", "field": "name" } });
        insta::assert_snapshot!(told(district), @"district.dataset: `stadtteile` is not among the datasets that this one uses");
        insta::assert_snapshot!(told(field(serde_json::json!({ "name": "uuid" }))), @"devices.fields[0].name: the name `uuid` is taken by a column of the tables");
    }
}
