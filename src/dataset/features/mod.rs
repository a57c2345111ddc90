//! Files of features, as several kinds read them: vector formats through OGR, CSV, their fields and values, the soundness of geometries.

pub mod check;
pub mod csv_file;
mod feature;
mod ogr;
mod options;
mod parquet_file;
pub mod source;

pub use feature::{Column, Raw, Value, convert, date_text, number};
pub use options::{CsvOption, DayOption, DecimalOption, FieldOption, FieldType, GeometryOption, Reading};
