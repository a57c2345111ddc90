//! Pictures of map tiles: JPEG, WebP, PNG.
//!
//! JPEG has no transparency: what is not valid is filled. WebP and PNG show it as transparent; a picture that is valid everywhere has
//! no alpha channel.

use super::jpeg;
use crate::error::{Error, Result};
use crate::raster::{self, Coverage, Rgbx};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::Cursor;

/// How a picture is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// JPEG of a quality from 1 to 100; what is not valid has a colour of its own.
    Jpeg {
        /// Quality.
        quality: u8,
        /// Red, green, blue of what is not valid.
        background: [u8; 3],
    },
    /// WebP with loss, of a quality from 1 to 100; what is not valid is transparent.
    Webp {
        /// Quality.
        quality: u8,
    },
    /// PNG; what is not valid is transparent.
    Png,
}

/// Effort of the WebP encoder, from 0 (fastest) to 6. At 2 the files are about 7 % larger than at 4, the library's default, and at the
/// same distance from the original; it needs half the time.
const WEBP_METHOD: i32 = 2;

impl Codec {
    /// Extension of file names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg { .. } => "jpg",
            Self::Webp { .. } => "webp",
            Self::Png => "png",
        }
    }
    /// IANA media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg { .. } => "image/jpeg",
            Self::Webp { .. } => "image/webp",
            Self::Png => "image/png",
        }
    }
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg { .. } => "JPEG",
            Self::Webp { .. } => "WebP",
            Self::Png => "PNG",
        }
    }
}

/// Encodes pictures of one codec.
pub struct Encoder {
    codec: Codec,
    jpeg: Option<jpeg::Encoder>,
    /// Room for a picture that is filled before it is encoded.
    filled: Rgbx,
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// When a library refuses.
    pub fn new(codec: Codec) -> Result<Self> {
        let jpeg = match codec {
            Codec::Jpeg { quality, .. } => Some(jpeg::Encoder::new(quality)?),
            _ => None,
        };
        Ok(Self { codec, jpeg, filled: Rgbx::empty(0, 0) })
    }

    /// Encodes a part that lies within the picture; `None` when no pixel of it is valid.
    ///
    /// # Errors
    /// When a library refuses.
    pub fn encode_part(&mut self, picture: &Rgbx, at: [usize; 2], size: [usize; 2]) -> Result<Option<Vec<u8>>> {
        let coverage = picture.coverage(at[0], at[1], size[0], size[1]);
        Ok(self.encode_covered(picture, at, size, coverage)?.map(Cow::into_owned))
    }

    /// As [`Encoder::encode_part`], of a part whose coverage is known. Where it can be, the bytes are lent, not given: the next are
    /// written in their place.
    ///
    /// # Errors
    /// When a library refuses.
    pub fn encode_covered(
        &mut self,
        picture: &Rgbx,
        [x, y]: [usize; 2],
        size: [usize; 2],
        coverage: Coverage,
    ) -> Result<Option<Cow<'_, [u8]>>> {
        if coverage == Coverage::Empty {
            return Ok(None);
        }
        Ok(Some(match (self.codec, &mut self.jpeg) {
            (Codec::Jpeg { background, .. }, Some(encoder)) => {
                let (shown, at) = if coverage == Coverage::Full {
                    (picture, [x, y])
                } else {
                    self.filled.become_part(picture, [x, y], size);
                    raster::fill_invalid(&mut self.filled, background);
                    (&self.filled, [0, 0])
                };
                Cow::Borrowed(encoder.encode_lent(shown, at, size)?)
            }
            (Codec::Webp { quality }, _) => Cow::Owned(webp(&packed(picture, [x, y], size, coverage), size, coverage, quality)?),
            _ => Cow::Owned(png(&packed(picture, [x, y], size, coverage), size, coverage)?),
        }))
    }
}

/// Three bytes for each pixel where all are valid, else four.
fn packed(picture: &Rgbx, [x, y]: [usize; 2], [width, height]: [usize; 2], coverage: Coverage) -> Vec<u8> {
    let channels = if coverage == Coverage::Full { 3 } else { 4 };
    let mut bytes = Vec::with_capacity(width * height * channels);
    for row in y..y + height {
        let row = &picture.row(row)[x * 4..(x + width) * 4];
        if channels == 4 {
            bytes.extend_from_slice(row);
        } else {
            bytes.extend(row.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        }
    }
    bytes
}

fn webp(bytes: &[u8], [width, height]: [usize; 2], coverage: Coverage, quality: u8) -> Result<Vec<u8>> {
    let failed = || Error::new("mk::picture::webp", "cannot encode a picture as WebP");
    let mut config = webp::WebPConfig::new().map_err(|()| failed())?;
    config.quality = f32::from(quality);
    config.method = WEBP_METHOD;
    // Colours under transparent pixels are made smooth, so that they cost nothing; the alpha channel itself is without loss.
    config.exact = 0;
    let layout = if coverage == Coverage::Full { webp::PixelLayout::Rgb } else { webp::PixelLayout::Rgba };
    let encoder = webp::Encoder::new(bytes, layout, width as u32, height as u32);
    let memory = encoder.encode_advanced(&config).map_err(|error| failed().because(format!("{error:?}")))?;
    Ok(memory.to_vec())
}

fn png(bytes: &[u8], [width, height]: [usize; 2], coverage: Coverage) -> Result<Vec<u8>> {
    let failed = |error: png::EncodingError| Error::new("mk::picture::png", "cannot encode a picture as PNG").because(error);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(if coverage == Coverage::Full { png::ColorType::Rgb } else { png::ColorType::Rgba });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(bytes).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// Decodes a square picture of a known side, told from its first bytes.
///
/// # Errors
/// When it is broken, of another size, or in none of the formats.
pub fn decode(bytes: &[u8], side: usize) -> Result<Rgbx> {
    let [b'R', b'I', b'F', b'F', ..] = bytes else { return decode_sized(bytes, [side, side]) };
    let features = webp::BitstreamFeatures::new(bytes).ok_or_else(|| broken("a WebP picture is broken"))?;
    if (features.width() as usize, features.height() as usize) != (side, side) {
        return Err(broken("a WebP picture has another size than it should"));
    }
    let image = webp::Decoder::new(bytes).decode().ok_or_else(|| broken("a WebP picture is broken"))?;
    Ok(unpacked(&image, if image.is_alpha() { 4 } else { 3 }, [side, side]))
}

/// Width and height of a JPEG or PNG picture, by its header: what it says may be anything.
///
/// # Errors
/// When it is broken, of four inks, or in none of the formats.
pub fn size(bytes: &[u8]) -> Result<[usize; 2]> {
    match bytes {
        [0xff, 0xd8, ..] => jpeg::Decoder::new()?.size(bytes),
        [0x89, b'P', b'N', b'G', ..] => {
            let reader = png::Decoder::new(Cursor::new(bytes)).read_info().map_err(broken_png)?;
            Ok([reader.info().width as usize, reader.info().height as usize])
        }
        _ => Err(broken("a picture is neither JPEG nor PNG")),
    }
}

/// Decodes a JPEG or PNG picture of a known size. What is transparent by half is not valid.
///
/// # Errors
/// When it is broken, of another size, or in none of the formats.
pub fn decode_sized(bytes: &[u8], size: [usize; 2]) -> Result<Rgbx> {
    if let [0xff, 0xd8, ..] = bytes {
        return jpeg::Decoder::new()?.decode(bytes, size[0], size[1]);
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes and few bits to eight, sixteen bits to eight.
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(broken_png)?;
    if [reader.info().width as usize, reader.info().height as usize] != size {
        return Err(broken("a PNG picture has another size than it should"));
    }
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let frame = reader.next_frame(&mut pixels).map_err(broken_png)?;
    Ok(unpacked(&pixels, frame.color_type.samples(), size))
}

fn broken(what: &str) -> Error {
    Error::new("mk::picture::decode", what.to_owned())
}

fn broken_png(error: png::DecodingError) -> Error {
    broken("a PNG picture is broken").because(error)
}

/// Pixels of one to four channels.
fn unpacked(pixels: &[u8], channels: usize, [width, height]: [usize; 2]) -> Rgbx {
    let mut picture = Rgbx::empty(width, height);
    for (target, pixel) in picture.pixels_mut().as_chunks_mut::<4>().0.iter_mut().zip(pixels.chunks_exact(channels)) {
        match pixel {
            [red, green, blue] | [red, green, blue, 128..=255] => *target = [*red, *green, *blue, 255],
            [grey] | [grey, 128..=255] => *target = [*grey, *grey, *grey, 255],
            _ => {}
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 3] = [Codec::Jpeg { quality: 90, background: [255; 3] }, Codec::Webp { quality: 90 }, Codec::Png];

    /// Smooth colours, with a hole in the upper left quarter.
    fn picture(hole: bool) -> Rgbx {
        let mut picture = Rgbx::empty(64, 64);
        for y in 0..64 {
            for x in 0..64 {
                if !hole || x >= 32 || y >= 32 {
                    picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[(x * 3) as u8, (y * 3) as u8, 120, 255]);
                }
            }
        }
        picture
    }

    #[test]
    fn pictures_survive_and_holes_are_transparent_or_paper() {
        for codec in CODECS {
            for hole in [false, true] {
                let source = picture(hole);
                let mut encoder = Encoder::new(codec).unwrap();
                let bytes = encoder.encode_part(&source, [0, 0], [64; 2]).unwrap().unwrap();
                let back = decode(&bytes, 64).unwrap();
                let mut worst = 0;
                for y in 0..64 {
                    for x in 0..64 {
                        let (a, b) = (source.pixel(x, y), back.pixel(x, y));
                        if a[3] == 0 {
                            let paper = matches!(codec, Codec::Jpeg { .. });
                            assert_eq!(b[3], if paper { 255 } else { 0 }, "{codec:?}");
                            // Colour has half the resolution: it may run a little beyond the border.
                            assert!(!paper || x >= 28 || y >= 28 || b[0] > 250, "{x} {y} {b:?}");
                        } else {
                            assert_eq!(b[3], 255);
                            worst = worst.max((0..3).map(|channel| a[channel].abs_diff(b[channel])).max().unwrap());
                        }
                    }
                }
                assert!(worst <= if codec == Codec::Png { 0 } else { 40 }, "{codec:?}: {worst}");
                assert_eq!(encoder.encode_part(&source, [0, 0], [64; 2]).unwrap().unwrap(), bytes, "the same bytes each time");
                let empty = hole.then(|| encoder.encode_part(&source, [0, 0], [32; 2]).unwrap());
                assert_eq!(empty.flatten(), None);
                assert!(decode(&bytes, 32).is_err() && decode(&bytes[..bytes.len() / 3], 64).is_err());
            }
        }
    }

    #[test]
    fn delivered_pictures_of_all_kinds_are_read() {
        let png = |colour, depth, palette: Option<&[u8]>, bytes: &[u8]| {
            let mut out = Vec::new();
            let mut encoder = png::Encoder::new(&mut out, 2, 1);
            encoder.set_color(colour);
            encoder.set_depth(depth);
            if let Some(palette) = palette {
                encoder.set_palette(palette);
            }
            encoder.write_header().unwrap().write_image_data(bytes).unwrap();
            out
        };
        use png::{BitDepth, ColorType};
        for (bytes, wanted) in [
            (png(ColorType::Grayscale, BitDepth::One, None, &[0b1000_0000]), [255, 255, 255, 255, 0, 0, 0, 255]),
            (png(ColorType::GrayscaleAlpha, BitDepth::Eight, None, &[7, 255, 9, 100]), [7, 7, 7, 255, 0, 0, 0, 0]),
            (png(ColorType::Indexed, BitDepth::Eight, Some(&[1, 2, 3, 4, 5, 6]), &[1, 0]), [4, 5, 6, 255, 1, 2, 3, 255]),
            (png(ColorType::Rgb, BitDepth::Sixteen, None, &[9, 0, 8, 0, 7, 0, 6, 0, 5, 0, 4, 0]), [9, 8, 7, 255, 6, 5, 4, 255]),
        ] {
            assert_eq!(size(&bytes).unwrap(), [2, 1]);
            assert_eq!(decode_sized(&bytes, [2, 1]).unwrap().pixels(), wanted);
            assert!(decode_sized(&bytes, [1, 2]).is_err());
        }
        assert_eq!(size(b"GIF89a").unwrap_err().code(), "mk::picture::decode");
        let jpeg = jpeg::Encoder::new(90).unwrap().encode(&Rgbx::empty(30, 20)).unwrap();
        assert_eq!(size(&jpeg).unwrap(), [30, 20]);
        assert_eq!(decode_sized(&jpeg, [30, 20]).unwrap().width(), 30);
    }

    proptest::proptest! {
        #[test]
        fn broken_bytes_are_no_panic(codec in 0_usize..3, at in 0_usize..4000, value in 0_u8..) {
            let mut bytes = Encoder::new(CODECS[codec]).unwrap().encode_part(&picture(true), [0, 0], [64; 2]).unwrap().unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = decode(&bytes, 64);
            let _ = size(&bytes);
        }
    }
}
