//! Numbers and pixels that a unit keeps in its pack for the next stage.

use super::BLOCK_PX;
use crate::error::{Error, Result};
use crate::raster::Rgbx;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use std::io::{Read, Write};

/// Numbers and pictures as one packed entry.
pub(super) struct Blob(ZlibEncoder<Vec<u8>>);

impl Blob {
    pub(super) fn new() -> Self {
        Self(ZlibEncoder::new(Vec::new(), Compression::fast()))
    }
    pub(super) fn numbers(&mut self, numbers: &[i64]) -> Result<()> {
        numbers.iter().try_for_each(|number| self.0.write_all(&number.to_le_bytes())).map_err(unpacked)
    }
    pub(super) fn picture(&mut self, picture: &Rgbx) -> Result<()> {
        self.numbers(&[picture.width() as i64, picture.height() as i64])?;
        self.0.write_all(picture.pixels()).map_err(unpacked)
    }
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.0.finish().map_err(unpacked)
    }
}

/// Reads such an entry.
pub(super) struct Reading<'a> {
    stream: std::io::BufReader<ZlibDecoder<&'a [u8]>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { stream: std::io::BufReader::new(ZlibDecoder::new(bytes)) }
    }
    pub(super) fn is_done(&mut self) -> Result<bool> {
        use std::io::BufRead;
        self.stream.fill_buf().map(<[u8]>::is_empty).map_err(unpacked)
    }
    pub(super) fn numbers<const N: usize>(&mut self) -> Result<[i64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            let mut eight = [0; 8];
            self.stream.read_exact(&mut eight).map_err(unpacked)?;
            *number = i64::from_le_bytes(eight);
        }
        Ok(numbers)
    }
    pub(super) fn picture(&mut self) -> Result<Rgbx> {
        let [width, height] = self.numbers()?;
        let limit = i64::from(BLOCK_PX * 2);
        if !(1..=limit).contains(&width) || !(1..=limit).contains(&height) {
            return Err(broken("a kept picture has another size than it should"));
        }
        let mut picture = Rgbx::empty(width as usize, height as usize);
        self.stream.read_exact(picture.pixels_mut()).map_err(unpacked)?;
        Ok(picture)
    }
}

pub(super) fn broken(what: &str) -> Error {
    Error::new("mk::orthophoto::ladder", what.to_owned())
}

fn unpacked(error: std::io::Error) -> Error {
    broken("kept pixels cannot be packed or unpacked").because(error)
}
