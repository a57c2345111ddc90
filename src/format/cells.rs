//! The values of an Arrow column by row. What type a column is of is asked once for all its rows.

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type};

/// A column of a type that the formats of vector data have a counterpart for.
#[derive(Debug, Clone, Copy)]
pub enum Cells<'c> {
    /// Text in UTF-8.
    Text(&'c StringArray),
    /// Whole numbers of 64 bits.
    Long(&'c Int64Array),
    /// Whole numbers of 32 bits.
    Int(&'c Int32Array),
    /// Numbers of 64 bits (IEEE 754).
    Real(&'c Float64Array),
    /// True or false.
    Truth(&'c BooleanArray),
    /// Days, without a time.
    Day(&'c Date32Array),
    /// Bytes, such as WKB.
    Bytes(&'c BinaryArray),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'c> {
    /// Text.
    Text(&'c str),
    /// A whole number of 64 bits.
    Long(i64),
    /// A whole number of 32 bits.
    Int(i32),
    /// A number.
    Real(f64),
    /// True or false.
    Truth(bool),
    /// A day as ISO 8601 writes it: `2012-03-01`.
    Day(String),
    /// Bytes.
    Bytes(&'c [u8]),
}

impl<'c> Cells<'c> {
    /// `None` for a column of another type.
    pub fn of(column: &'c ArrayRef) -> Option<Self> {
        Some(match column.data_type() {
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Int64 => Self::Long(column.as_primitive::<Int64Type>()),
            DataType::Int32 => Self::Int(column.as_primitive::<Int32Type>()),
            DataType::Float64 => Self::Real(column.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Truth(column.as_boolean()),
            DataType::Date32 => Self::Day(column.as_primitive::<Date32Type>()),
            DataType::Binary => Self::Bytes(column.as_binary()),
            _ => return None,
        })
    }

    /// The value in a row; `None` where it is missing, or is a day that no calendar has.
    pub fn at(self, row: usize) -> Option<Cell<'c>> {
        fn value<A: ArrayAccessor + Copy>(column: A, row: usize) -> Option<A::Item> {
            column.is_valid(row).then(|| column.value(row))
        }
        match self {
            Self::Text(column) => value(column, row).map(Cell::Text),
            Self::Long(column) => value(column, row).map(Cell::Long),
            Self::Int(column) => value(column, row).map(Cell::Int),
            Self::Real(column) => value(column, row).map(Cell::Real),
            Self::Truth(column) => value(column, row).map(Cell::Truth),
            Self::Day(column) if column.is_valid(row) => column.value_as_date(row).map(|day| Cell::Day(day.to_string())),
            Self::Day(_) => None,
            Self::Bytes(column) => value(column, row).map(Cell::Bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Float32Array;
    use std::sync::Arc;

    #[test]
    fn values_come_as_they_are_and_what_is_missing_is_none() {
        let days = Date32Array::from(vec![Some(15_400), None, Some(i32::MAX)]);
        let columns: [(ArrayRef, Cell<'_>); 7] = [
            (Arc::new(StringArray::from(vec![Some("Weg"), None])), Cell::Text("Weg")),
            (Arc::new(Int64Array::from(vec![Some(i64::MIN), None])), Cell::Long(i64::MIN)),
            (Arc::new(Int32Array::from(vec![Some(-7), None])), Cell::Int(-7)),
            (Arc::new(Float64Array::from(vec![Some(0.5), None])), Cell::Real(0.5)),
            (Arc::new(BooleanArray::from(vec![Some(true), None])), Cell::Truth(true)),
            (Arc::new(BinaryArray::from_iter([Some(&[1, 2][..]), None])), Cell::Bytes(&[1, 2])),
            (Arc::new(days.clone()), Cell::Day("2012-03-01".to_owned())),
        ];
        for (column, first) in &columns {
            let column = Cells::of(column).unwrap();
            assert_eq!((column.at(0), column.at(1)), (Some(first.clone()), None));
        }
        assert_eq!(Cells::Day(&days).at(2), None);
        let other: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
        assert!(Cells::of(&other).is_none());
    }
}
