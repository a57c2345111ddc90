//! A picture looked at without decoding: its size, and what Exif (CIPA DC-008) and XMP (GPano) say of it.

use super::model::{Look, Tags};
use super::moment;
use crate::error::Result;
use crate::format::jpeg_segments::{Head, head};
use crate::io::{Limits, Source};
use exif::{Exif, In, Tag, Value};
use jiff::tz::TimeZone;
use quick_xml::events::Event;
use std::collections::BTreeMap;

/// Smallest and largest width of a panorama in pixels.
const WIDTHS: std::ops::RangeInclusive<u32> = 64..=32_768;
/// Longest XMP packet that is read.
const MAX_XMP: usize = 1 << 20;

/// Looks at a picture. What is wrong with it is told in the result, for nobody knows yet whether a row wants it.
///
/// # Errors
/// When the file cannot be opened.
pub fn look(source: &Source, zone: &TimeZone) -> Result<Look> {
    let mut look = Look { name: source.name.clone(), digest: source.digest, size: [0, 0], tags: Tags::default(), fault: None };
    match head(source.reader(Limits { max_bytes: 1 << 30, ..Limits::default() })?) {
        Ok(head) => {
            look.size = [head.width, head.height];
            look.fault = fault(&head);
            look.tags = tags(&head, zone);
        }
        Err(error) => look.fault = Some(error.full_message()),
    }
    Ok(look)
}

fn fault(head: &Head) -> Option<String> {
    let (width, height) = (head.width, head.height);
    if head.channels > 3 {
        return Some("the picture is made of inks (CMYK)".to_owned());
    }
    // All around and from below to above: twice as wide as high.
    if !WIDTHS.contains(&width) || width.abs_diff(height * 2) * 50 > width {
        return Some(format!("with {width} × {height} pixels it is no panorama of 360° by 180°"));
    }
    None
}

fn tags(head: &Head, zone: &TimeZone) -> Tags {
    let mut tags = Tags::default();
    if let Some(exif) = head.exif.clone().and_then(|bytes| exif::Reader::new().read_raw(bytes).ok()) {
        of_exif(&exif, zone, &mut tags);
    }
    if let Some(packet) = &head.xmp {
        let values = xmp(packet);
        let number =
            |name: &str| values.get(name).and_then(|text| text.trim().parse::<f64>().ok()).filter(|value| value.is_finite());
        // GPano knows true north, and its pose is made for this.
        if let Some(heading) = number("PoseHeadingDegrees") {
            (tags.heading, tags.magnetic) = (Some(heading), false);
        }
        tags.pitch = number("PosePitchDegrees").or(tags.pitch);
        tags.roll = number("PoseRollDegrees").or(tags.roll);
    }
    tags
}

fn of_exif(exif: &Exif, zone: &TimeZone, tags: &mut Tags) {
    let field = |tag: Tag| exif.get_field(tag, In::PRIMARY).map(|field| &field.value);
    let number = |tag: Tag| match field(tag)? {
        Value::Rational(values) => values.first().map(exif::Rational::to_f64).filter(|value| value.is_finite()),
        Value::SRational(values) => values.first().map(exif::SRational::to_f64).filter(|value| value.is_finite()),
        _ => None,
    };
    let text = |tag: Tag| match field(tag)? {
        Value::Ascii(lines) => {
            let text = String::from_utf8_lossy(lines.first()?).trim_matches(['\0', ' ']).to_owned();
            (!text.is_empty() && text.len() <= 200).then_some(text)
        }
        _ => None,
    };
    let degrees = |tag: Tag, sign: Tag, negative: &str| {
        let Value::Rational(parts) = field(tag)? else { return None };
        let [degrees, rest @ ..] = &parts[..] else { return None };
        let part = |index: usize| rest.get(index).map_or(0.0, exif::Rational::to_f64);
        let value = degrees.to_f64() + part(0) / 60.0 + part(1) / 3600.0;
        let sign = if text(sign).is_some_and(|sign| sign == negative) { -1.0 } else { 1.0 };
        Some(value * sign).filter(|value| value.is_finite())
    };
    let (longitude, latitude) =
        (degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, "W"), degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, "S"));
    tags.at = longitude.zip(latitude).map(|(longitude, latitude)| [longitude, latitude]);
    let below = matches!(field(Tag::GPSAltitudeRef), Some(Value::Byte(bytes)) if bytes.first() == Some(&1));
    tags.z = number(Tag::GPSAltitude).map(|height| if below { -height } else { height });
    tags.heading = number(Tag::GPSImgDirection);
    tags.magnetic = text(Tag::GPSImgDirectionRef).is_some_and(|north| north == "M");
    tags.manufacturer = text(Tag::Make);
    tags.model = text(Tag::Model);
    tags.focal_mm = number(Tag::FocalLength).filter(|focal| *focal > 0.0);
    let taken = text(Tag::DateTimeOriginal).or_else(|| text(Tag::DateTime));
    tags.time = taken.and_then(|taken| {
        let part = text(Tag::SubSecTimeOriginal).filter(|part| part.chars().all(|digit| digit.is_ascii_digit()));
        let taken = part.map_or_else(|| taken.clone(), |part| format!("{taken}.{part}"));
        // The picture may say its distance to UTC itself.
        let own = text(Tag::OffsetTimeOriginal).and_then(|offset| super::moment::Zone::try_from(offset).ok());
        moment::parse(&taken, &own.map_or_else(|| zone.clone(), |own| own.zone()))
    });
}

/// The simple properties of an XMP packet, by their local names: attributes of descriptions, or elements with a text.
fn xmp(packet: &[u8]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    if packet.len() > MAX_XMP {
        return values;
    }
    let mut reader = quick_xml::Reader::from_reader(packet);
    let mut name = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                element.local_name().as_ref().clone_into(&mut name);
                for attribute in element.attributes().flatten() {
                    let key = attribute.key.local_name().as_ref().to_owned();
                    values.entry(key).or_insert_with(|| attribute.value.to_string());
                }
            }
            Ok(Event::Text(text)) => {
                if !text.trim().is_empty() {
                    values.entry(name.clone()).or_insert_with(|| text.trim().to_owned());
                }
            }
            Ok(Event::Eof | Event::DocType(_)) | Err(_) => return values,
            Ok(_) => {}
        }
    }
}
