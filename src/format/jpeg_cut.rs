//! Parts of a JPEG file as files of their own, without decoding: the coefficients are read once and written again part by part.
//!
//! The `turbojpeg` crate makes one part per reading; a panorama has 8 to 32. This calls the same function of the library for all at once.
#![expect(unsafe_code, reason = "libjpeg-turbo's C interface; each call says why it holds")]

use crate::error::{Error, Result};
use std::ffi::CStr;
use std::os::raw::{c_int, c_uchar};
use std::ptr;
use turbojpeg::raw;

/// Left, upper edge, width, height in pixels.
pub type Part = [u32; 4];

/// The library's object for transformations.
struct Handle(raw::tjhandle);

impl Handle {
    fn new() -> Result<Self> {
        // SAFETY: makes an object or gives null.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_TRANSFORM as c_int) };
        if handle.is_null() {
            return Err(Error::new("mk::jpeg::cut", "libjpeg-turbo cannot be prepared"));
        }
        // SAFETY: a valid object; a progressive stream may ask for the same pixels over and over.
        unsafe { raw::tj3Set(handle, raw::TJPARAM_TJPARAM_SCANLIMIT as c_int, 64) };
        Ok(Self(handle))
    }
    fn error(&self) -> Error {
        // SAFETY: a valid object, whose text lives until the next call and ends with a zero.
        let text = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.0)) }.to_string_lossy().into_owned();
        Error::new("mk::jpeg::cut", "a JPEG picture cannot be cut into parts").because(text)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a valid object that nobody uses after.
        unsafe { raw::tj3Destroy(self.0) };
    }
}

/// Buffers that the library fills and that are given back to it.
struct Buffers(Vec<*mut c_uchar>);

impl Drop for Buffers {
    fn drop(&mut self) {
        for buffer in &self.0 {
            // SAFETY: null, or memory that the library allocated and nobody else gives back.
            unsafe { raw::tj3Free(buffer.cast()) };
        }
    }
}

/// Cuts the parts out, with the same coefficients and no other segments. Left and upper edges are multiples of the picture's block
/// (see [`super::jpeg_segments::Head::block`]).
///
/// # Errors
/// When the file is broken, or a part is not within it or not at a block.
pub fn cut(jpeg: &[u8], parts: &[Part]) -> Result<Vec<Vec<u8>>> {
    let wrong = || Error::new("mk::jpeg::cut", "a part is not within the picture");
    let count = c_int::try_from(parts.len()).map_err(|_| wrong())?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let transform = |part: &Part| -> Result<raw::tjtransform> {
        let [x, y, w, h] = part.map(|value| c_int::try_from(value).unwrap_or(-1));
        // No width or height would mean all that is left.
        if x < 0 || y < 0 || w <= 0 || h <= 0 {
            return Err(wrong());
        }
        Ok(raw::tjtransform {
            r: raw::tjregion { x, y, w, h },
            op: raw::TJXOP_TJXOP_NONE as c_int,
            options: (raw::TJXOPT_CROP | raw::TJXOPT_COPYNONE) as c_int,
            data: ptr::null_mut(),
            customFilter: None,
        })
    };
    let transforms = parts.iter().map(transform).collect::<Result<Vec<_>>>()?;
    let handle = Handle::new()?;
    let mut buffers = Buffers(vec![ptr::null_mut(); parts.len()]);
    let mut sizes: Vec<raw::size_t> = vec![0; parts.len()];
    // SAFETY: a valid object; the stream with its length; as many buffers, sizes and transformations as said. Null buffers are
    // allocated by the library (no parameter forbids it) and given back by `Buffers`.
    let done = unsafe {
        raw::tj3Transform(
            handle.0,
            jpeg.as_ptr(),
            jpeg.len() as raw::size_t,
            count,
            buffers.0.as_mut_ptr(),
            sizes.as_mut_ptr(),
            transforms.as_ptr(),
        )
    };
    if done != 0 {
        return Err(handle.error());
    }
    let part = |(buffer, size): (&*mut c_uchar, &raw::size_t)| {
        if buffer.is_null() {
            return Err(handle.error());
        }
        // SAFETY: the library wrote that many bytes there.
        Ok(unsafe { std::slice::from_raw_parts(*buffer, *size as usize) }.to_vec())
    };
    buffers.0.iter().zip(&sizes).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::super::jpeg::{Decoder, Encoder};
    use super::super::jpeg_segments::head;
    use super::*;
    use crate::raster::Rgbx;

    fn jpeg() -> Vec<u8> {
        let mut picture = Rgbx::empty(128, 64);
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&[(index / 128 * 4) as u8, (index % 128 * 2) as u8, (index % 7 * 30) as u8, 255]);
        }
        Encoder::new(90).unwrap().encode(&picture).unwrap()
    }

    /// Away from the edges, where colours of the neighbour are missing, a part decodes to the pixels of the whole.
    #[test]
    fn parts_are_the_pixels_of_the_whole() {
        let jpeg = jpeg();
        let parts = [[0, 0, 64, 32], [64, 0, 64, 32], [0, 32, 64, 32], [64, 32, 64, 32]];
        let files = cut(&jpeg, &parts).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let whole = decoder.decode(&jpeg, 128, 64).unwrap();
        for (file, [x, y, w, h]) in files.iter().zip(parts.map(|part| part.map(|value| value as usize))) {
            assert_eq!(head(&file[..]).unwrap().width, 64);
            let part = decoder.decode(file, w, h).unwrap();
            for row in 4..h - 4 {
                assert_eq!(part.row(row)[16..(w - 4) * 4], whole.row(y + row)[x * 4 + 16..(x + w - 4) * 4]);
            }
        }
    }

    #[test]
    fn what_cannot_be_cut_is_an_error() {
        let jpeg = jpeg();
        assert!(cut(&jpeg, &[]).unwrap().is_empty());
        for part in [[8, 0, 16, 16], [0, 0, 0, 16], [4096, 0, 16, 16], [u32::MAX, 0, 16, 16]] {
            assert!(cut(&jpeg, &[[0, 0, 16, 16], part]).is_err(), "{part:?}");
        }
        assert!(cut(&jpeg[..jpeg.len() / 2], &[[0, 0, 16, 16], [16, 0, 16, 16]]).is_err());
        assert!(cut(b"no", &[[0, 0, 16, 16]]).is_err());
    }
}
