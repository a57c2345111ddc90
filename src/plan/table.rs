//! The plan as an Arrow table: saved as Parquet for review, and applied later if the world has not moved.

use super::PlannedUnit;
use crate::error::{Error, Place, Result};
use crate::io::{Digest, atomic};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Name of the metadata entry that holds the pins.
const PINS: &str = "messkette:pins";

/// What a saved plan is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Digest of the pipeline file.
    pub pipeline: Digest,
    /// Release that was current.
    pub release: Option<String>,
    /// Source digests by dataset and name.
    pub sources: BTreeMap<String, BTreeMap<String, Digest>>,
}

/// The table of units: one row each; inputs and parameters as JSON.
///
/// # Errors
/// When the columns do not fit together.
pub fn batch(units: &[PlannedUnit]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&PlannedUnit) -> String| -> ArrayRef {
        Arc::new(units.iter().map(|unit| Some(of(unit))).collect::<StringArray>())
    };
    let edge = |of: &dyn Fn(crate::crs::Bbox) -> f64| -> ArrayRef {
        Arc::new(units.iter().map(|unit| unit.spec.bbox.map(of)).collect::<Float64Array>())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("dataset", text(&|unit| unit.dataset.clone())),
        ("stage", Arc::new(units.iter().map(|unit| Some(unit.stage as u32)).collect::<UInt32Array>())),
        ("stage_name", text(&|unit| unit.stage_name.clone())),
        ("key", text(&|unit| unit.spec.key.clone())),
        ("unit_id", text(&|unit| unit.identity.id.to_string())),
        ("code_version", Arc::new(units.iter().map(|unit| Some(unit.identity.version)).collect::<UInt32Array>())),
        ("reason", text(&|unit| unit.reason.words().to_owned())),
        ("detail", text(&|unit| unit.detail.clone())),
        ("inputs", text(&|unit| serde_json::to_string(&unit.spec.inputs).unwrap_or_default())),
        ("params", text(&|unit| unit.identity.params.clone())),
        ("params_digest", text(&|unit| Digest::of(unit.identity.params.as_bytes()).to_string())),
        ("memory_mb", Arc::new(units.iter().map(|unit| Some(unit.spec.memory_mb)).collect::<UInt64Array>())),
        ("cost", Arc::new(units.iter().map(|unit| Some(unit.spec.cost)).collect::<UInt64Array>())),
        ("xmin", edge(&|bbox| bbox.min[0])),
        ("ymin", edge(&|bbox| bbox.min[1])),
        ("xmax", edge(&|bbox| bbox.max[0])),
        ("ymax", edge(&|bbox| bbox.max[1])),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .map_err(|error| Error::new("mk::plan::table", "cannot make the plan's table").because(error))
}

impl SavedPlan {
    /// Saves units and pins as Parquet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, units: &[PlannedUnit], path: &Path) -> Result<()> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new("mk::plan::save", "cannot save the plan").at(Place::file(path.display().to_string())).because(error)
        };
        let batch = batch(units)?;
        let pins = serde_json::to_string(self).map_err(|error| failed(error.into()))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(|error| failed(error.into()))?))
            .set_key_value_metadata(Some(vec![KeyValue::new(PINS.to_owned(), pins)]))
            .build();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).map_err(|error| failed(error.into()))?;
        writer.write(&batch).and_then(|()| writer.close()).map_err(|error| failed(error.into()))?;
        atomic::write_atomic(path, &bytes)
    }

    /// Reads the pins of a saved plan.
    ///
    /// # Errors
    /// When the file cannot be read or is no plan.
    pub fn load(path: &Path) -> Result<Self> {
        let no_plan = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new("mk::plan::load", "this is no saved plan")
                .at(Place::file(path.display().to_string()))
                .because(cause)
                .hint("make one with: messkette plan PIPELINE -o PLAN")
        };
        let file = std::fs::File::open(path).map_err(|error| no_plan(error.into()))?;
        let reader = SerializedFileReader::new(file).map_err(|error| no_plan(error.into()))?;
        let pins = reader
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == PINS))
            .and_then(|pair| pair.value.clone())
            .ok_or_else(|| no_plan("its metadata has no pins".into()))?;
        serde_json::from_str(&pins).map_err(|error| no_plan(error.into()))
    }

    /// Refuses when the world has moved since the plan was made.
    ///
    /// # Errors
    /// With the first differences named.
    pub fn check(&self, now: &Self) -> Result<()> {
        let mut moved = Vec::new();
        if self.pipeline != now.pipeline {
            moved.push("the pipeline file changed".to_owned());
        }
        if self.release != now.release {
            moved.push(format!(
                "the current release is {}, it was {}",
                now.release.as_deref().unwrap_or("none"),
                self.release.as_deref().unwrap_or("none")
            ));
        }
        let names = |plan: &Self| -> BTreeMap<(String, String), Digest> {
            plan.sources
                .iter()
                .flat_map(|(dataset, files)| files.iter().map(|(name, digest)| ((dataset.clone(), name.clone()), *digest)))
                .collect()
        };
        let (then, now) = (names(self), names(now));
        for (key, digest) in &now {
            match then.get(key) {
                None => moved.push(format!("{} is new", key.1)),
                Some(old) if old != digest => moved.push(format!("{} changed", key.1)),
                Some(_) => {}
            }
        }
        moved.extend(then.keys().filter(|key| !now.contains_key(*key)).map(|key| format!("{} is gone", key.1)));
        if moved.is_empty() {
            return Ok(());
        }
        let more = moved.len().saturating_sub(5);
        moved.truncate(5);
        let mut text = moved.join("; ");
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
        Err(Error::new("mk::plan::moved", format!("the world has moved since the plan was made: {text}"))
            .hint("plan again, and review what changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_plan_comes_back_and_notices_when_the_world_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.parquet");
        let sources =
            [("dop".to_owned(), [("a.tif".to_owned(), Digest::of(b"1")), ("b.tif".to_owned(), Digest::of(b"2"))].into())].into();
        let plan = SavedPlan { pipeline: Digest::of(b"p"), release: None, sources };
        plan.save(&[], &path).unwrap();
        let loaded = SavedPlan::load(&path).unwrap();
        assert_eq!(loaded, plan);
        loaded.check(&plan).unwrap();
        let mut moved = plan.clone();
        let files = moved.sources.get_mut("dop").unwrap();
        files.insert("a.tif".to_owned(), Digest::of(b"3"));
        files.remove("b.tif");
        files.insert("c.tif".to_owned(), Digest::of(b"4"));
        let error = loaded.check(&moved).unwrap_err();
        assert_eq!(error.message(), "the world has moved since the plan was made: a.tif changed; c.tif is new; b.tif is gone");
        std::fs::write(&path, b"PAR1 nothing").unwrap();
        assert_eq!(SavedPlan::load(&path).unwrap_err().code(), "mk::plan::load");
    }
}
