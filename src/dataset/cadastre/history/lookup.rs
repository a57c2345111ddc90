//! One parcel out of millions: the table of versions is sorted by Kennzeichen, so few row groups are looked into.

use super::parcels::{Version, versions};
use crate::error::{Error, Place, Result};
use arrow::array::{Array, AsArray, BooleanArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

/// Parcels that are followed back and forth, at most.
const MAX_RELATED: usize = 1000;

/// The versions of all parcels whose Kennzeichen begins so, in the order of the table.
///
/// # Errors
/// When the file cannot be read or is another table.
pub fn versions_of(path: &Path, begin: &str) -> Result<Vec<Version>> {
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::new("mk::cadastre::history", "the table of parcels' versions cannot be read")
            .at(Place::file(path.display().to_string()))
            .because(cause)
    };
    let file = File::open(path).map_err(|error| failed(error.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(error.into()))?;
    let groups: Vec<usize> = builder
        .metadata()
        .row_groups()
        .iter()
        .enumerate()
        .filter(|(_, group)| may_hold(group, begin.as_bytes()))
        .map(|(index, _)| index)
        .collect();
    let key = ProjectionMask::roots(builder.parquet_schema(), [0]);
    let wanted = begin.to_owned();
    let matches = ArrowPredicateFn::new(key, move |batch| {
        let keys = batch.column(0).as_string_opt::<i32>();
        Ok(keys.map_or_else(
            || BooleanArray::from(vec![false; batch.num_rows()]),
            |keys| (0..keys.len()).map(|row| Some(keys.value(row).starts_with(&wanted))).collect(),
        ))
    });
    let filter = RowFilter::new(vec![Box::new(matches)]);
    let reader = builder.with_row_groups(groups).with_row_filter(filter).build().map_err(|error| failed(error.into()))?;
    let mut found = Vec::new();
    for batch in reader {
        found.append(&mut versions(&batch.map_err(|error| failed(error.into()))?)?);
    }
    Ok(found)
}

/// By the least and greatest key of the row group.
fn may_hold(group: &RowGroupMetaData, begin: &[u8]) -> bool {
    match group.columns().first().and_then(|column| column.statistics()) {
        Some(Statistics::ByteArray(keys)) => match (keys.min_opt(), keys.max_opt()) {
            (Some(least), Some(greatest)) => {
                let least = least.data();
                greatest.data() >= begin && &least[..least.len().min(begin.len())] <= begin
            }
            _ => true,
        },
        _ => true,
    }
}

/// A parcel with all that it came of and all that came of it.
#[derive(Debug, Default)]
pub struct Related {
    /// Versions by Kennzeichen.
    pub parcels: BTreeMap<String, Vec<Version>>,
    /// True when there were more than could be followed.
    pub cut: bool,
}

/// Follows a parcel's predecessors back and its successors on.
///
/// # Errors
/// When the file cannot be read or is another table.
pub fn related(path: &Path, key: &str) -> Result<Related> {
    let mut related = Related::default();
    for forward in [false, true] {
        let mut next: BTreeSet<String> = BTreeSet::from([key.to_owned()]);
        let mut seen: BTreeSet<String> = BTreeSet::new();
        while let Some(key) = next.pop_first() {
            if related.parcels.len() >= MAX_RELATED {
                related.cut = true;
                break;
            }
            if !seen.insert(key.clone()) {
                continue;
            }
            let versions = match related.parcels.get(&key) {
                Some(versions) => versions.clone(),
                None => versions_of(path, &key)?,
            };
            for version in &versions {
                next.extend(if forward { version.successors.clone() } else { version.predecessors.clone() });
            }
            related.parcels.insert(key, versions);
        }
    }
    Ok(related)
}

#[cfg(test)]
mod tests {
    use super::super::PARCEL;
    use super::super::parcels::write;
    use super::*;

    #[test]
    fn a_parcel_is_found_with_its_kin_without_reading_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flurstueck_hist.parquet");
        let key = |number: usize| format!("0199{:02}002{:05}______", number / 10_000, number % 10_000);
        let version = |number: usize| Version {
            key: key(number),
            class: PARCEL.into(),
            oid: format!("DESH{number:012}"),
            begins: "2020-01-01T00:00:00Z".into(),
            area_m2: Some(number as f64),
            predecessors: if number == 33_334 { vec![key(33_333), key(5)] } else { Vec::new() },
            successors: if number == 5 { vec![key(33_334)] } else { Vec::new() },
            ..Version::default()
        };
        write(&path, (0..50_000).map(version), None);
        assert_eq!(versions_of(&path, &key(33_334)).unwrap(), [version(33_334)]);
        assert_eq!(versions_of(&path, &key(0)).unwrap(), [version(0)]);
        assert!(versions_of(&path, &key(50_000)).unwrap().is_empty());
        assert_eq!(versions_of(&path, "019903002").unwrap().len(), 10_000, "a Flur");
        let kin = related(&path, &key(33_334)).unwrap();
        assert_eq!(kin.parcels.keys().cloned().collect::<Vec<_>>(), [key(5), key(33_333), key(33_334)]);
        assert!(!kin.cut);
        let file = File::open(&path).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let groups = builder.metadata().row_groups();
        assert_eq!(groups.iter().filter(|group| may_hold(group, key(33_334).as_bytes())).count(), 1, "of {}", groups.len());
        assert_eq!(versions_of(Path::new("none"), "x").unwrap_err().code(), "mk::cadastre::history");
    }

    /// Writes a workspace whose release has five million versions into the folder that `MESSKETTE_BENCH_DIR` names, and tells how long
    /// a parcel is looked for. `scripts/parcel-lookup` then asks the program.
    #[test]
    #[ignore = "writes half a gigabyte; scripts/parcel-lookup runs it"]
    fn five_million_versions() {
        let Some(folder) = std::env::var_os("MESSKETTE_BENCH_DIR").map(std::path::PathBuf::from) else { return };
        let id = crate::release::identifier(1, crate::io::Digest::of(b""));
        let release = crate::release::folder(&folder.join("work"), &id).join("internal/alkis");
        std::fs::create_dir_all(&release).unwrap();
        let path = release.join(super::super::TABLE);
        let pipeline = "[pipeline]\nname = \"bench\"\nworkspace = \"work\"\n\n[[dataset]]\nid = \"alkis\"\nkind = \"cadastre\"\n\
                        source = [\"none.xml\"]\nhistory = true\naudience = \"internal\"\n";
        std::fs::write(folder.join("pipeline.toml"), pipeline).unwrap();
        let key = |number: u32| format!("01{:04}{:03}{:05}______", 1 + number / 250_000, 1 + number / 1000 % 250, number % 1000);
        // Two and a half million parcels with two versions each, and an outline of twelve corners.
        let version = |number: u32| {
            let (parcel, second) = (number / 2, number % 2 == 1);
            let (x, y) = (f64::from(parcel % 5000) * 20.0 + 500_000.0, f64::from(parcel / 5000) * 20.0 + 5_900_000.0);
            let corner = |k: u32| geo::Coord {
                x: x + 9.0 * (f64::from(k) * std::f64::consts::FRAC_PI_6).cos(),
                y: y + 9.0 * (f64::from(k) * std::f64::consts::FRAC_PI_6).sin(),
            };
            let ring = geo::LineString::new((0..=12).map(|k| corner(k % 12)).collect());
            let outline = geo::Geometry::Polygon(geo::Polygon::new(ring, Vec::new()));
            Version {
                key: key(parcel),
                class: PARCEL.into(),
                oid: format!("DESH{parcel:012}"),
                begins: if second { "2019-06-01T09:30:00Z".into() } else { format!("20{:02}-02-03T10:11:12Z", parcel % 19) },
                ends: (!second).then(|| "2019-06-01T09:30:00Z".to_owned()),
                reasons: vec![if second { "010203".into() } else { "000000".into() }],
                area_m2: Some(f64::from(200 + number % 977)),
                geometry: Some(crate::format::wkb::encode(&outline)),
                ..Version::default()
            }
        };
        write(&path, (0..5_000_000).map(version), Some(crate::crs::Crs::UTM32));
        crate::release::switch(&folder.join("work"), &id).unwrap();
        let clock = std::time::Instant::now();
        let found = versions_of(&path, &key(1_234_567)).unwrap();
        println!("{} versions found in {:.1} ms", found.len(), clock.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(found, [version(2_469_134), version(2_469_135)]);
    }
}
