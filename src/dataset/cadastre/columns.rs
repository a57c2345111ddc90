//! Columns of rows as Arrow IPC files, which the results of units hold as entries: read where they lie, without a copy.

use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::root_as_footer;
use arrow::ipc::writer::FileWriter;
use std::sync::Arc;

/// The batches as a file ("Columnar Format", "IPC File Format").
///
/// # Errors
/// When one has other columns.
pub fn to_ipc(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let size: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
    let mut writer = FileWriter::try_new(Vec::with_capacity(size + 4096), schema).map_err(broken)?;
    batches.iter().try_for_each(|batch| writer.write(batch).map_err(broken))?;
    writer.into_inner().map_err(broken)
}

/// The batches of a file, which lie in its bytes: a reader of streams would copy them.
///
/// # Errors
/// When it is none, or has other columns.
pub fn from_ipc(file: &Buffer, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let short = || broken("the file ends early");
    let trailer: [u8; 10] = *file.last_chunk().ok_or_else(short)?;
    let end = file.len() - trailer.len();
    let length = read_footer_length(trailer).map_err(broken)?;
    let footer = file.get(end.checked_sub(length).ok_or_else(short)?..end).ok_or_else(short)?;
    let footer = root_as_footer(footer).map_err(|error| broken(error.to_string()))?;
    let columns = footer.schema().map(fb_to_schema).ok_or_else(|| broken("the file names no columns"))?;
    if columns.fields() != schema.fields() {
        return Err(broken("other columns than expected"));
    }
    let decoder = FileDecoder::new(Arc::new(columns), footer.version());
    let mut batches = Vec::new();
    for block in footer.recordBatches().into_iter().flatten() {
        let (begin, head) =
            (usize::try_from(block.offset()).map_err(broken)?, usize::try_from(block.metaDataLength()).map_err(broken)?);
        let size = head.checked_add(usize::try_from(block.bodyLength()).map_err(broken)?).ok_or_else(short)?;
        begin.checked_add(size).filter(|end| head >= 8 && *end <= file.len()).ok_or_else(short)?;
        batches.extend(decoder.read_record_batch(block, &file.slice_with_length(begin, size)).map_err(broken)?);
    }
    Ok(batches)
}

/// The error of rows that are not as expected.
pub fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("mk::cadastre::rows", "the result of a unit is not as expected").because(cause)
}
