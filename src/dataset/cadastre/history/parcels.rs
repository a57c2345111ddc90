//! Versions of parcels as a table, `flurstueck_hist`: sorted by Flurstückskennzeichen, so that the versions of one lie together.

use super::lineage::Edge;
use crate::crs::Crs;
use crate::dataset::cadastre::attributes::Attributes;
use crate::dataset::cadastre::nas::PARCEL;
use crate::dataset::cadastre::row::Row;
use crate::error::{Error, Result};
use crate::format::geoparquet;
use crate::io::Digest;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Rows that are made to columns at once.
const BATCH: usize = 16_384;
/// Separates the entries of a list.
const BETWEEN: char = ';';

/// A version of a parcel: of the parcel itself, or what a historical object says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Version {
    /// Flurstückskennzeichen, 20 characters.
    pub key: String,
    /// Class of the object that says so.
    pub class: String,
    /// Identifier of that object.
    pub oid: String,
    /// When it began to hold; empty where a historical object does not say.
    pub begins: String,
    /// When it ceased to hold.
    pub ends: Option<String>,
    /// Day on which the parcel came to be (zeitpunktDerEntstehung).
    pub arisen: Option<String>,
    /// Reasons (AA_Anlassart).
    pub reasons: Vec<String>,
    /// Official area in square metres.
    pub area_m2: Option<f64>,
    /// True where only the difference between two key dates was delivered: begin and end are right, what held in between is unknown.
    pub key_date: bool,
    /// Kennzeichen of the parcels that it came of.
    pub predecessors: Vec<String>,
    /// Kennzeichen of the parcels that came of it.
    pub successors: Vec<String>,
    /// WKB in the CRS of the tables.
    pub geometry: Option<Vec<u8>>,
}

impl Version {
    /// From a row of the store; `None` for what is no parcel, or names none.
    pub fn of(row: Row, key_dates: &BTreeSet<String>) -> Option<Self> {
        let fields = Attributes::of(&row.attributes);
        let text = |name: &str| texts(&fields, name).into_iter().next();
        let key = text("flurstueckskennzeichen").filter(|key| !key.is_empty())?;
        let day = |name: &str| text(name).map(|day| if day.len() == 10 { format!("{day}T00:00:00Z") } else { day });
        let (mut begins, mut ends) = (row.beginnt, row.endet);
        if *row.class != *PARCEL {
            // A historical object of today tells of a parcel of the past; one that has ended itself tells nothing more.
            if ends.is_some() {
                return None;
            }
            ends = Some(day("zeitpunktDerHistorisierung").unwrap_or(begins));
            begins =
                day("zeitpunktDerEntstehung").or_else(|| day("zeitpunktDerEntstehungDesBezugsflurstuecks")).unwrap_or_default();
        }
        Some(Self {
            arisen: text("zeitpunktDerEntstehung"),
            reasons: texts(&fields, "anlass"),
            area_m2: text("amtlicheFlaeche").and_then(|area| area.parse().ok()).filter(|area: &f64| area.is_finite()),
            key_date: key_dates.contains(&*row.delivery),
            key,
            class: row.class.as_ref().to_owned(),
            oid: row.oid,
            begins,
            ends,
            predecessors: Vec::new(),
            successors: Vec::new(),
            geometry: row.geometry,
        })
    }

    /// True for the version that holds at a moment; without one, at present.
    pub fn holds(&self, moment: Option<&str>) -> bool {
        match moment {
            None => self.ends.is_none(),
            Some(moment) => self.begins.as_str() <= moment && self.ends.as_deref().is_none_or(|end| end > moment),
        }
    }

    /// Number as people read it, `12/3`.
    pub fn number(&self) -> String {
        let part = |from: usize, to: usize| self.key.get(from..to).unwrap_or_default().trim_matches('_').trim_start_matches('0');
        let (numerator, denominator) = (part(9, 14), part(14, 18));
        if denominator.is_empty() { numerator.to_owned() } else { format!("{numerator}/{denominator}") }
    }
}

/// Of everything that is said of versions.
pub fn digest(versions: &[Version]) -> Digest {
    let mut bytes = Vec::new();
    let mut put = |part: &[u8]| {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    };
    for version in versions {
        let Version { key, class, oid, begins, ends, arisen, reasons, area_m2, key_date, predecessors, successors, geometry } =
            version;
        for text in [key, class, oid, begins] {
            put(text.as_bytes());
        }
        for text in [ends, arisen] {
            put(&[u8::from(text.is_some())]);
            put(text.as_deref().unwrap_or_default().as_bytes());
        }
        for list in [reasons, predecessors, successors] {
            put(&(list.len() as u64).to_le_bytes());
            for text in list {
                put(text.as_bytes());
            }
        }
        put(&area_m2.unwrap_or(f64::NAN).to_le_bytes());
        put(&[u8::from(*key_date), u8::from(geometry.is_some())]);
        put(geometry.as_deref().unwrap_or_default());
    }
    Digest::of(&bytes)
}

/// A property that may be given several times, or not at all.
pub fn texts(fields: &Attributes<'_>, name: &str) -> Vec<String> {
    fields.list(name).into_iter().map(Cow::into_owned).collect()
}

/// Which parcels came of which, by Kennzeichen, with the day.
#[derive(Debug, Default)]
pub struct Kin<'e> {
    before: Relatives<'e>,
    after: Relatives<'e>,
}

type Relatives<'e> = BTreeMap<&'e str, BTreeSet<(&'e str, Option<&'e str>)>>;

/// One of the parcels that had a Kennzeichen one after the other: the days of its begin and its end.
#[derive(Debug, PartialEq)]
struct Life {
    oid: String,
    begins: String,
    ends: Option<String>,
}

/// The lives of the versions of one Kennzeichen, by their begin.
fn lives(versions: &[Version]) -> Vec<Life> {
    let day = |moment: &str| moment.get(..10).unwrap_or(moment).to_owned();
    let (own, told): (Vec<&Version>, Vec<&Version>) = versions.iter().partition(|version| version.class == PARCEL);
    let mut lives: Vec<Life> = Vec::new();
    for version in own {
        let ends = version.ends.as_deref().map(day);
        match lives.iter_mut().find(|life| life.oid == version.oid) {
            Some(life) => life.ends = ends,
            None => lives.push(Life { oid: version.oid.clone(), begins: day(&version.begins), ends }),
        }
    }
    // A historical object that ended before any of these began tells of another parcel.
    for version in told {
        let ends = version.ends.as_deref().map(day);
        if ends.is_some() && lives.iter().all(|life| Some(&life.begins) > ends.as_ref()) {
            lives.insert(0, Life { oid: version.oid.clone(), begins: day(&version.begins), ends });
        }
    }
    lives
}

/// Which of some lives an edge of a day tells of: the one that it ends, or begins; else the last that had begun.
fn life_at(lives: &[Life], day: &str, is_it: impl Fn(&Life) -> bool) -> usize {
    let begun = lives.iter().rposition(|life| life.begins.as_str() <= day);
    lives.iter().position(is_it).or(begun).unwrap_or(0)
}

impl<'e> Kin<'e> {
    /// As the lineage says.
    pub fn of(edges: &'e [Edge]) -> Self {
        let mut kin = Self::default();
        for edge in edges {
            kin.after.entry(&edge.from).or_default().insert((&edge.to, edge.date.as_deref()));
            kin.before.entry(&edge.to).or_default().insert((&edge.from, edge.date.as_deref()));
        }
        kin
    }

    /// Puts versions in the order of the table, and tells each what it came of and what came of it.
    pub fn arrange(&self, versions: &mut [Version]) {
        versions.sort_by(|a, b| (&a.key, &a.begins, &a.class, &a.oid).cmp(&(&b.key, &b.begins, &b.class, &b.oid)));
        let list = |of: &Relatives<'_>, key: &str, tells: &dyn Fn(&str) -> bool| -> Vec<String> {
            let all = of.get(key).into_iter().flatten().filter(|(_, day)| day.is_none_or(tells));
            all.map(|(key, _)| (*key).to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
        };
        for of_key in versions.chunk_by_mut(|a, b| a.key == b.key) {
            let lives = lives(of_key);
            let begun = |day: &str| life_at(&lives, day, |life| life.begins == day);
            let ended = |day: &str| life_at(&lives, day, |life| life.ends.as_deref() == Some(day));
            for version in of_key {
                // What a historical object tells of has ended, on the day that it says.
                let own = lives.iter().position(|life| life.oid == version.oid);
                let own = own.unwrap_or_else(|| version.ends.as_deref().map_or(0, |end| ended(end.get(..10).unwrap_or(end))));
                version.predecessors = list(&self.before, &version.key, &|day| begun(day) == own);
                version.successors = list(&self.after, &version.key, &|day| ended(day) == own);
            }
        }
    }
}

fn schema() -> SchemaRef {
    let text = |name: &str, missing| Field::new(name, DataType::Utf8, missing);
    Arc::new(Schema::new(vec![
        text("flstkennz", false),
        text("objektart", false),
        text("oid", false),
        text("beginnt", false),
        text("endet", true),
        text("entstanden", true),
        text("anlass", true),
        Field::new("flaeche", DataType::Float64, true),
        Field::new("stichtagsbezogen", DataType::Boolean, false),
        text("vorgaenger", true),
        text("nachfolger", true),
        Field::new("geometry", DataType::Binary, true),
    ]))
}

/// Writes the table; versions come in its order.
pub struct Writer {
    table: geoparquet::Writer<BufWriter<File>>,
    waiting: Vec<Version>,
}

impl Writer {
    /// Begins the file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path, crs: Option<Crs>) -> Result<Self> {
        let file = File::create(path).map_err(failed)?;
        let options = geoparquet::Options::new("geometry", crs);
        Ok(Self { table: geoparquet::Writer::new(BufWriter::new(file), &schema(), &options)?, waiting: Vec::new() })
    }

    /// Adds versions.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, versions: impl IntoIterator<Item = Version>) -> Result<()> {
        for version in versions {
            self.waiting.push(version);
            if self.waiting.len() >= BATCH {
                self.table.write(&batch(&std::mem::take(&mut self.waiting))?)?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.table.write(&batch(&self.waiting)?)?;
        }
        self.table.finish()?.flush().map_err(failed)
    }
}

/// The table of all versions at once.
#[cfg(test)]
pub fn write(path: &Path, versions: impl IntoIterator<Item = Version>, crs: Option<Crs>) {
    let mut writer = Writer::create(path, crs).unwrap();
    writer.write(versions).unwrap();
    writer.finish().unwrap();
}

fn batch(versions: &[Version]) -> Result<RecordBatch> {
    let text = |value: fn(&Version) -> &str| -> ArrayRef {
        Arc::new(versions.iter().map(|it| Some(value(it))).collect::<StringArray>())
    };
    let maybe =
        |value: fn(&Version) -> Option<&str>| -> ArrayRef { Arc::new(versions.iter().map(value).collect::<StringArray>()) };
    let list = |value: fn(&Version) -> &[String]| -> ArrayRef {
        let joined = versions.iter().map(|it| Some(value(it)).filter(|all| !all.is_empty()).map(|all| all.join(";")));
        Arc::new(joined.collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        text(|it| &it.key),
        text(|it| &it.class),
        text(|it| &it.oid),
        text(|it| &it.begins),
        maybe(|it| it.ends.as_deref()),
        maybe(|it| it.arisen.as_deref()),
        list(|it| &it.reasons),
        Arc::new(versions.iter().map(|it| it.area_m2).collect::<Float64Array>()),
        Arc::new(versions.iter().map(|it| Some(it.key_date)).collect::<BooleanArray>()),
        list(|it| &it.predecessors),
        list(|it| &it.successors),
        Arc::new(versions.iter().map(|it| it.geometry.as_deref()).collect::<BinaryArray>()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(failed)
}

/// The versions that a batch of the table holds.
///
/// # Errors
/// When the columns are others.
pub fn versions(batch: &RecordBatch) -> Result<Vec<Version>> {
    let wanted = schema();
    let found = batch.schema();
    let same = wanted.fields().iter().zip(found.fields()).all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
    if !same || batch.num_columns() < wanted.fields().len() {
        return Err(failed("the table has other columns than expected"));
    }
    let text = |column: usize, row: usize| {
        let column = batch.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let list = |column: usize, row: usize| {
        text(column, row).map(|all| all.split(BETWEEN).map(str::to_owned).collect()).unwrap_or_default()
    };
    let some = (0..batch.num_rows()).map(|row| Version {
        key: text(0, row).unwrap_or_default(),
        class: text(1, row).unwrap_or_default(),
        oid: text(2, row).unwrap_or_default(),
        begins: text(3, row).unwrap_or_default(),
        ends: text(4, row),
        arisen: text(5, row),
        reasons: list(6, row),
        area_m2: batch.column(7).is_valid(row).then(|| batch.column(7).as_primitive::<Float64Type>().value(row)),
        key_date: batch.column(8).as_boolean().value(row),
        predecessors: list(9, row),
        successors: list(10, row),
        geometry: batch.column(11).is_valid(row).then(|| batch.column(11).as_binary::<i32>().value(row).to_vec()),
    });
    Ok(some.collect())
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::cadastre::history", "the table of parcels' versions cannot be used").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(class: &str, oid: &str, begins: &str, ends: Option<&str>) -> Version {
        let moment = |day: &str| format!("{day}T10:00:00Z");
        Version {
            key: "1".into(),
            class: class.into(),
            oid: oid.into(),
            begins: moment(begins),
            ends: ends.map(moment),
            ..Version::default()
        }
    }

    fn edge(from: &str, to: &str, day: &str) -> Edge {
        Edge { from: from.into(), to: to.into(), source: "x".into(), date: Some(day.into()) }
    }

    /// Identifier, predecessors and successors of each version.
    fn told(edges: &[Edge], mut versions: Vec<Version>) -> Vec<String> {
        Kin::of(edges).arrange(&mut versions);
        let list = |version: &Version| (version.predecessors.join("+"), version.successors.join("+"));
        let line = |version: &Version| {
            let (before, after) = list(version);
            format!("{before}>{}>{after}", version.oid)
        };
        versions.iter().map(line).collect()
    }

    #[test]
    fn a_number_that_is_used_again_inherits_nothing() {
        let edges = [
            edge("7", "1", "2000-01-01"),
            edge("1", "101", "2026-03-02"),
            edge("9", "1", "2026-03-04"),
            edge("1", "2", "2027-01-01"),
        ];
        let old =
            [version(PARCEL, "A", "2000-01-01", Some("2010-01-01")), version(PARCEL, "A", "2010-01-01", Some("2026-03-02"))];
        let new = version(PARCEL, "B", "2026-03-04", Some("2027-01-01"));
        let both = old.iter().cloned().chain([new.clone()]).collect();
        assert_eq!(told(&edges, both), ["7>A>101", "7>A>101", "9>B>2"]);
        // What is known of the first by a historical object alone is not the second's.
        let historical = version("AX_HistorischesFlurstueck", "H", "2000-01-01", Some("2026-03-02"));
        assert_eq!(told(&edges, vec![historical.clone(), new]), ["7>H>101", "9>B>2"]);
        // A historical object beside its parcel, which a portion deleted later, tells of the same.
        let beside = vec![historical, version(PARCEL, "A", "2010-01-01", Some("2026-03-03"))];
        assert_eq!(told(&edges[..2], beside), ["7>H>101", "7>A>101"]);
    }
}
