//! JPEG through libjpeg-turbo: tiles out, tiles of TIFF files in.

use crate::error::{Error, Result};
use crate::raster::Rgbx;
use turbojpeg::{Colorspace, Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

/// Encodes pictures, baseline, with colour at half the resolution (4:2:0).
pub struct Encoder {
    library: Compressor,
    /// Room for the largest picture so far: the library would else allocate as much, and the system clear it, for each.
    room: Vec<u8>,
}

impl Encoder {
    /// An encoder of that quality, 1 to 100.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn new(quality: u8) -> Result<Self> {
        let mut compressor = Compressor::new().map_err(encode)?;
        compressor.set_quality(i32::from(quality.clamp(1, 100))).map_err(encode)?;
        compressor.set_subsamp(Subsamp::Sub2x2).map_err(encode)?;
        Ok(Self { library: compressor, room: Vec::new() })
    }
    /// Encodes the colours; validity is not looked at.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn encode(&mut self, picture: &Rgbx) -> Result<Vec<u8>> {
        self.encode_part(picture, [0, 0], [picture.width(), picture.height()])
    }
    /// Encodes a part that lies within the picture.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn encode_part(&mut self, picture: &Rgbx, at: [usize; 2], size: [usize; 2]) -> Result<Vec<u8>> {
        self.encode_lent(picture, at, size).map(<[u8]>::to_vec)
    }
    /// As [`Encoder::encode_part`], to bytes that stay with the encoder.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn encode_lent(&mut self, picture: &Rgbx, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Result<&[u8]> {
        let pitch = picture.width() * 4;
        let pixels = &picture.pixels()[y * pitch + x * 4..];
        let image = Image { pixels, width, pitch, height, format: PixelFormat::RGBX };
        let most = self.library.buf_len(width, height).map_err(encode)?;
        if self.room.len() < most {
            self.room.resize(most, 0);
        }
        let length = self.library.compress_to_slice(image, &mut self.room).map_err(encode)?;
        Ok(&self.room[..length])
    }
}

/// What the numbers of a JPEG stream in a TIFF tile mean. The stream does not say; the TIFF's photometric interpretation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// One channel.
    Grey,
    /// Three channels, luminance and two colour differences.
    YCbCr,
    /// Three or four channels as they are. Of four, the fourth comes out in the place of validity.
    Plain,
}

/// Decodes pictures.
pub struct Decoder {
    library: Decompressor,
    stream: Vec<u8>,
}

impl Decoder {
    /// A decoder.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn new() -> Result<Self> {
        Ok(Self { library: library()?, stream: Vec::new() })
    }

    /// Does what may fail. Of a broken stream something stays in the library, which would make it refuse the next.
    fn alone<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let done = work(self);
        if done.is_err() {
            self.library = library()?;
        }
        done
    }

    /// Width and height of a JPEG file of one or three channels.
    ///
    /// # Errors
    /// When it is broken, or of four channels: inks, whose colours depend on the press.
    pub fn size(&mut self, jpeg: &[u8]) -> Result<[usize; 2]> {
        let header = self.alone(|own| own.library.read_header(jpeg).map_err(decode))?;
        if matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK) {
            return Err(Error::new("mk::jpeg::decode", "a JPEG picture is made of inks (CMYK)"));
        }
        Ok([header.width, header.height])
    }

    /// Decodes a whole JPEG file.
    ///
    /// # Errors
    /// When it is broken, or not of the expected size.
    pub fn decode(&mut self, jpeg: &[u8], width: usize, height: usize) -> Result<Rgbx> {
        self.stream.clear();
        self.stream.extend_from_slice(jpeg);
        let mut picture = Rgbx::empty(width, height);
        self.decode_stream([width, height], picture.pixels_mut(), width * 4)?;
        Ok(picture)
    }

    /// Decodes a whole JPEG file at a whole, a half, a quarter or an eighth of its size: at the smallest that is at least `width`
    /// pixels wide. What is left out are high frequencies, so that nothing needs to be averaged.
    ///
    /// # Errors
    /// When it is broken, or made of inks.
    pub fn decode_at_least(&mut self, jpeg: &[u8], width: usize) -> Result<Rgbx> {
        let whole = self.size(jpeg)?;
        let factors = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF];
        let factor = factors.into_iter().find(|factor| factor.scale(whole[0]) >= width).unwrap_or(ScalingFactor::ONE);
        self.library.set_scaling_factor(factor).map_err(decode)?;
        let [width, height] = whole.map(|side| factor.scale(side));
        let mut picture = Rgbx::empty(width, height);
        let image = Image { pixels: picture.pixels_mut(), width, pitch: width * 4, height, format: PixelFormat::RGBA };
        self.alone(|own| own.library.decompress(jpeg, image).map_err(decode))?;
        self.library.set_scaling_factor(ScalingFactor::ONE).map_err(decode)?;
        Ok(picture)
    }

    /// Decodes a TIFF tile to `out`, whose rows begin `pitch` bytes apart: `tables` are the file's `JPEGTables` (empty when there
    /// are none), `tile` is the abbreviated stream (TIFF Technical Note 2).
    ///
    /// # Errors
    /// When the stream is broken, or not of the expected size.
    pub fn decode_tile_into(
        &mut self,
        tables: &[u8],
        tile: &[u8],
        colours: Colours,
        size: [usize; 2],
        out: &mut [u8],
        pitch: usize,
    ) -> Result<()> {
        let stream = &mut self.stream;
        stream.clear();
        // An Adobe marker (ITU-T T.872, 6.5.3) right after the start says which colours follow; without it the library guesses
        // from the names of the channels.
        let transform = u8::from(colours == Colours::YCbCr);
        stream.extend_from_slice(&[0xff, 0xd8]);
        if colours != Colours::Grey {
            stream.extend_from_slice(&[0xff, 0xee, 0, 14]);
            stream.extend_from_slice(b"Adobe");
            stream.extend_from_slice(&[0, 100, 0, 0, 0, 0, transform]);
        }
        if let [0xff, 0xd8, inner @ .., 0xff, 0xd9] = tables {
            stream.extend_from_slice(inner);
        }
        let [0xff, 0xd8, rest @ ..] = tile else {
            return Err(Error::new("mk::jpeg::decode", "a tile does not begin as a JPEG stream does"));
        };
        stream.extend_from_slice(rest);
        self.decode_stream(size, out, pitch)
    }

    fn decode_stream(&mut self, size: [usize; 2], out: &mut [u8], pitch: usize) -> Result<()> {
        self.alone(|own| own.decode_own(size, out, pitch))
    }

    fn decode_own(&mut self, [width, height]: [usize; 2], out: &mut [u8], pitch: usize) -> Result<()> {
        let header = self.library.read_header(&self.stream).map_err(decode)?;
        if (header.width, header.height) != (width, height) {
            return Err(Error::new(
                "mk::jpeg::decode",
                format!("a JPEG stream shows {} × {} pixels where {width} × {height} are expected", header.width, header.height),
            ));
        }
        let four = header.colorspace == Colorspace::CMYK;
        let image = Image {
            pixels: out,
            width,
            pitch,
            height,
            // Four channels come out as they are when they are taken for inks.
            format: if four { PixelFormat::CMYK } else { PixelFormat::RGBA },
        };
        self.library.decompress(&self.stream, image).map_err(decode)
    }
}

fn library() -> Result<Decompressor> {
    let mut library = Decompressor::new().map_err(decode)?;
    // A progressive stream may ask for the same pixels over and over.
    library.set_scan_limit(64).map_err(decode)?;
    Ok(library)
}

fn encode(error: turbojpeg::Error) -> Error {
    Error::new("mk::jpeg::encode", "cannot encode a picture as JPEG").because(error)
}

fn decode(error: turbojpeg::Error) -> Error {
    Error::new("mk::jpeg::decode", "a JPEG stream is broken").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_survives_and_a_wrong_size_is_said() {
        let mut picture = Rgbx::empty(64, 32);
        for (index, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&[(index / 64 * 4) as u8, 100, 200, 255]);
        }
        let bytes = Encoder::new(95).unwrap().encode(&picture).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let back = decoder.decode(&bytes, 64, 32).unwrap();
        let worst = picture.pixels().iter().zip(back.pixels()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst < 12, "{worst}");
        assert!(back.is_full());
        insta::assert_snapshot!(decoder.decode(&bytes, 64, 64).unwrap_err(), @"a JPEG stream shows 64 × 32 pixels where 64 × 64 are expected");
        assert!(decoder.decode(&bytes[..40], 64, 32).is_err());
        // A Huffman table that is none, which the library would keep for the next picture.
        let mut broken = bytes.clone();
        let table = memchr::memmem::find(&broken, &[0xff, 0xc4]).unwrap() + 5;
        broken[table..table + 16].fill(0xff);
        assert!(decoder.decode(&broken, 64, 32).is_err() && decoder.decode_at_least(&broken, 20).is_err());
        assert!(decoder.decode(&bytes, 64, 32).is_ok());
        let half = decoder.decode_at_least(&bytes, 20).unwrap();
        assert_eq!([half.width(), half.height()], [32, 16]);
        assert!(half.pixel(5, 8).iter().zip(picture.pixel(10, 16)).all(|(a, b)| a.abs_diff(b) < 12));
        assert_eq!(decoder.decode_at_least(&bytes, 33).unwrap().width(), 64);
        let mut out = [0; 64 * 32 * 4];
        assert!(decoder.decode_tile_into(&[], b"nothing", Colours::YCbCr, [64, 32], &mut out, 64 * 4).is_err());
    }

    proptest::proptest! {
        #[test]
        fn broken_bytes_are_no_panic(at in 0_usize..600, value in 0_u8.., tables in proptest::collection::vec(0_u8.., 0..60)) {
            let mut bytes = Encoder::new(80).unwrap().encode(&Rgbx::empty(32, 32)).unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = Decoder::new().unwrap().decode(&bytes, 32, 32);
            let mut out = [0; 32 * 32 * 4];
            let _ = Decoder::new().unwrap().decode_tile_into(&tables, &bytes, Colours::YCbCr, [32, 32], &mut out, 32 * 4);
        }
    }
}
