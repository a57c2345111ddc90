//! The tiles or strips of a TIFF file as they are stored, and how lossless ones are unpacked.

use super::header::refused;
use crate::error::{Error, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tiff::tags::Tag;

/// The parser of directories.
pub type TiffDecoder = tiff::decoder::Decoder<std::io::BufReader<File>>;

/// Largest tile or strip as stored, in bytes.
const MAX_PIECE_BYTES: u64 = 64 << 20;

// TIFF 6.0, sections 8, 10, 13; Adobe's supplement for Deflate; libtiff's registration of Zstandard.
const NONE: u16 = 1;
const LZW: u16 = 5;
const DEFLATE: u16 = 8;
const OLD_DEFLATE: u16 = 32_946;
const ZSTD: u16 = 50_000;

/// Pieces as they are stored.
pub struct Stored {
    file: File,
    offsets: Vec<u64>,
    counts: Vec<u64>,
    bytes: Vec<u8>,
}

impl Stored {
    /// Finds the `number` pieces of the picture that the parser is at.
    ///
    /// # Errors
    /// When the file does not list so many.
    pub fn open(path: &Path, tiff: &mut TiffDecoder, number: usize) -> Result<Self> {
        let list = |tiff: &mut TiffDecoder, tag| {
            let list: Option<Vec<u64>> = tiff.find_tag_unsigned_vec(tag).map_err(broken)?;
            Ok::<_, Error>(list.filter(|list| list.len() == number))
        };
        let tags = match tiff.get_chunk_type() {
            tiff::decoder::ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
            tiff::decoder::ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        };
        let (Some(offsets), Some(counts)) = (list(tiff, tags.0)?, list(tiff, tags.1)?) else {
            return Err(refused("the TIFF file does not list all its tiles"));
        };
        let file = File::open(path).map_err(|error| refused("cannot read the file").because(error))?;
        Ok(Self { file, offsets, counts, bytes: Vec::new() })
    }

    /// The bytes of a piece; none for one that a sparse file leaves out.
    ///
    /// # Errors
    /// When the file does not have them.
    pub fn read(&mut self, index: usize) -> Result<&[u8]> {
        let (Some(&offset), Some(&count)) = (self.offsets.get(index), self.counts.get(index)) else {
            return Err(refused("there is no such tile"));
        };
        if count > MAX_PIECE_BYTES {
            return Err(refused("a tile of the TIFF file is larger than is read"));
        }
        self.bytes.resize(count as usize, 0);
        self.file.read_exact_at(&mut self.bytes, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => refused("the file ends before its last tile: it is incomplete"),
            _ => refused("cannot read the file").because(error),
        })?;
        Ok(&self.bytes)
    }
}

/// A lossless compression.
pub enum Packing {
    /// Bytes as they are.
    None,
    /// LZW, the highest bit first.
    Lzw(weezl::decode::Decoder),
    /// Deflate with the header of zlib.
    Deflate(flate2::Decompress),
    /// Zstandard.
    Zstd(zstd::bulk::Decompressor<'static>),
}

impl Packing {
    /// The compression of that number; `None` for one that is not unpacked here.
    pub fn of(compression: u16) -> Option<Self> {
        Some(match compression {
            NONE => Self::None,
            LZW => Self::Lzw(weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)),
            DEFLATE | OLD_DEFLATE => Self::Deflate(flate2::Decompress::new(true)),
            ZSTD => Self::Zstd(zstd::bulk::Decompressor::new().ok()?),
            _ => return None,
        })
    }

    /// Unpacks a piece to as many bytes as `out` has. What a piece has beyond that is padding.
    ///
    /// # Errors
    /// When it is broken, or holds less.
    pub fn unpack(&mut self, packed: &[u8], out: &mut [u8]) -> Result<()> {
        let damaged = || refused("a tile of the TIFF file is damaged");
        let short = || refused("a tile of the TIFF file holds less than it should");
        match self {
            Self::None => out.copy_from_slice(packed.get(..out.len()).ok_or_else(short)?),
            Self::Lzw(decoder) => {
                decoder.reset();
                let (mut read, mut written) = (0, 0);
                while written < out.len() {
                    let step = decoder.decode_bytes(&packed[read..], &mut out[written..]);
                    read += step.consumed_in;
                    written += step.consumed_out;
                    let status = step.status.map_err(|error| damaged().because(error))?;
                    let ended = matches!(status, weezl::LzwStatus::Done) || step.consumed_in + step.consumed_out == 0;
                    if written < out.len() && ended {
                        return Err(short());
                    }
                }
            }
            Self::Deflate(decoder) => {
                decoder.reset(true);
                let finish = flate2::FlushDecompress::Finish;
                decoder.decompress(packed, out, finish).map_err(|error| damaged().because(error))?;
                if decoder.total_out() != out.len() as u64 {
                    return Err(short());
                }
            }
            Self::Zstd(decoder) => {
                if decoder.decompress_to_buffer(packed, out).map_err(|error| damaged().because(error))? != out.len() {
                    return Err(short());
                }
            }
        }
        Ok(())
    }
}

/// Undoes horizontal differencing (TIFF 6.0, section 14) in rows of 8 bit samples.
pub fn undo_differences(bytes: &mut [u8], row_bytes: usize, samples: usize) {
    for row in bytes.chunks_exact_mut(row_bytes) {
        for at in samples..row.len() {
            row[at] = row[at].wrapping_add(row[at - samples]);
        }
    }
}

/// Undoes horizontal differencing in rows of 16 bit samples, in the byte order of this machine.
pub fn undo_differences_16(values: &mut [u16], row_values: usize, samples: usize) {
    for row in values.chunks_exact_mut(row_values) {
        for at in samples..row.len() {
            row[at] = row[at].wrapping_add(row[at - samples]);
        }
    }
}

/// The error of a file whose directory cannot be read.
pub fn broken(error: tiff::TiffError) -> Error {
    refused("the TIFF file is broken").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(compression: u16, bytes: &[u8]) -> Vec<u8> {
        match compression {
            LZW => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap(),
            DEFLATE => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            ZSTD => zstd::bulk::compress(bytes, 3).unwrap(),
            _ => bytes.to_vec(),
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_packed_comes_out_and_damage_is_no_panic(
            bytes in proptest::collection::vec(0_u8..7, 1..4000), at in 0_usize..4000, value in 0_u8.., cut in 0_usize..4000,
        ) {
            for compression in [NONE, LZW, DEFLATE, ZSTD] {
                let mut packing = Packing::of(compression).unwrap();
                let mut packed = packed(compression, &bytes);
                let mut out = vec![0; bytes.len()];
                for _ in 0..2 {
                    packing.unpack(&packed, &mut out).unwrap();
                    proptest::prop_assert_eq!(&out, &bytes);
                }
                let longer = &mut vec![0; bytes.len() + 1];
                proptest::prop_assert!(packing.unpack(&packed, longer).is_err());
                let at = at % packed.len();
                packed[at] = value;
                packed.truncate(cut.max(1));
                let _ = packing.unpack(&packed, &mut out);
            }
        }

        #[test]
        fn differences_are_undone(values in proptest::collection::vec(0_u16.., 24..=24), samples in 1_usize..4) {
            let width = 12;
            let mut differences = values.clone();
            for row in differences.chunks_exact_mut(width) {
                for at in (samples..width).rev() {
                    row[at] = row[at].wrapping_sub(row[at - samples]);
                }
            }
            let mut bytes: Vec<u8> = differences.iter().map(|value| *value as u8).collect();
            undo_differences(&mut bytes, width, samples);
            proptest::prop_assert!(bytes.iter().zip(&values).all(|(a, b)| *a == *b as u8));
            undo_differences_16(&mut differences, width, samples);
            proptest::prop_assert_eq!(differences, values);
        }
    }
}
