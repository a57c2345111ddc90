//! What the areas of a cell are to others: said once, when the cell is folded, so that a night needs the rows of only those that
//! it has to cut.

use super::{Part, Shape, apportion, quality};
use crate::crs::{Bbox, Crs};
use crate::dataset::cadastre::row::Row;
use crate::dataset::cadastre::said::{Rest, broken, put_text};
use crate::dataset::cadastre::tiles::Blocks;
use crate::error::{Rejection, Result};
use crate::io::Digest;

/// A parcel or an area of land use, without its geometry and its properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    pub part: Part,
    pub class: String,
    pub oid: String,
    pub beginnt: String,
    pub bbox: Bbox,
    /// Of everything that tells it apart from others; see [`digest`].
    pub digest: Digest,
    /// Of its geometry alone.
    pub shape: Digest,
    /// The block that it begins in: what is said of it is said there.
    pub block: (u32, u32),
    /// Index of its cell among those that a unit looks at.
    pub cell: usize,
}

/// What is said of a cell.
#[derive(Debug, Default, PartialEq)]
pub struct Lots {
    /// Parcels and land use, in the order of their rows; land use that lies on top of another is not among them.
    pub marks: Vec<Mark>,
    /// What is not as it should be with single areas, each with the block that it is said in.
    pub findings: Vec<((u32, u32), Rejection)>,
}

/// Of everything that tells an area apart from others.
pub fn digest(row: &Row, geometry: &[u8]) -> Digest {
    let texts: [&str; 5] = [&row.class, &row.oid, &row.beginnt, &row.delivery, &row.attributes];
    Digest::of_parts(texts.into_iter().map(str::as_bytes).chain([&row.byte.to_le_bytes()[..], geometry]))
}

impl Lots {
    /// Of rows that hold; where `quality` gives their CRS, they are looked at too.
    ///
    /// # Errors
    /// When a geometry is none, or cannot be transformed.
    pub fn of<'r>(rows: impl Iterator<Item = &'r Row>, blocks: &Blocks, quality: Option<Crs>) -> Result<Self> {
        let mut shapes = Vec::new();
        for row in rows {
            let Some(part) = super::part_of(&row.class).filter(|part| quality.is_some() || *part != Part::Building) else {
                continue;
            };
            shapes.extend(Shape::of(row)?.map(|shape| (part, row, shape)));
        }
        let anchors = blocks.at(shapes.iter().map(|(.., shape)| shape.bbox.min).collect())?;
        let mut lots = Self::default();
        for ((part, row, shape), block) in shapes.into_iter().zip(anchors) {
            if let Some(crs) = quality {
                let of_parcel = || [quality::area(row, &shape, crs), quality::key(row, &shape)].into_iter().flatten();
                let found = (part == Part::Parcel).then(of_parcel).into_iter().flatten();
                lots.findings.extend(quality::ring(row, &shape.area).into_iter().chain(found).map(|finding| (block, finding)));
            }
            // What lies on top of another use is no share of the ground (GeoInfoDok 7, istWeitereNutzung).
            if part == Part::Building || part == Part::Use && apportion::is_further_use(row) {
                continue;
            }
            let geometry = row.geometry.as_deref().unwrap_or_default();
            lots.marks.push(Mark {
                part,
                class: row.class.as_ref().to_owned(),
                oid: row.oid.clone(),
                beginnt: row.beginnt.clone(),
                bbox: shape.bbox,
                digest: digest(row, geometry),
                shape: Digest::of(geometry),
                block,
                cell: 0,
            });
        }
        Ok(lots)
    }

    /// As an entry of the state; nothing where there is nothing to say.
    ///
    /// # Errors
    /// When the findings cannot be written.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        if self == Self::default() {
            return Ok(Vec::new());
        }
        let mut bytes = (self.marks.len() as u32).to_le_bytes().to_vec();
        for Mark { part, class, oid, beginnt, bbox, digest, shape, block, .. } in &self.marks {
            bytes.push(u8::from(*part == Part::Use));
            for text in [class, oid, beginnt] {
                put_text(&mut bytes, text);
            }
            for value in bbox.min.iter().chain(&bbox.max) {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            bytes.extend_from_slice(digest.as_bytes());
            bytes.extend_from_slice(shape.as_bytes());
            bytes.extend_from_slice(&block.0.to_le_bytes());
            bytes.extend_from_slice(&block.1.to_le_bytes());
        }
        if !self.findings.is_empty() {
            serde_json::to_writer(&mut bytes, &self.findings).map_err(|error| broken().because(error))?;
        }
        Ok(bytes)
    }

    /// Out of the entry.
    ///
    /// # Errors
    /// When the bytes are none of [`Self::into_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = Rest(bytes);
        let mut marks = Vec::new();
        rest.each(|rest| {
            let part = if rest.array::<1>()? == [0] { Part::Parcel } else { Part::Use };
            let (class, oid, beginnt) = (rest.text()?, rest.text()?, rest.text()?);
            let bbox = Bbox::new([rest.real()?, rest.real()?], [rest.real()?, rest.real()?]);
            let (digest, shape) = (Digest::from_bytes(rest.array()?), Digest::from_bytes(rest.array()?));
            let block = (rest.count()?, rest.count()?);
            marks.push(Mark { part, class, oid, beginnt, bbox, digest, shape, block, cell: 0 });
            Ok(())
        })?;
        let findings = if rest.0.is_empty() {
            Vec::new()
        } else {
            serde_json::from_slice(rest.0).map_err(|error| broken().because(error))?
        };
        Ok(Self { marks, findings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_said_comes_back(count in 0_usize..5, findings in 0_usize..3, text in "[A-Z_a-zäöü]{0,20}", cut in 0_usize..90) {
            let mark = |index: usize| Mark {
                part: if index.is_multiple_of(2) { Part::Parcel } else { Part::Use },
                class: text.clone(),
                oid: format!("{index}"),
                beginnt: "2024-01-01T00:00:00Z".into(),
                bbox: Bbox::new([index as f64, 0.25], [7.5, 8.0]),
                digest: Digest::of(text.as_bytes()),
                shape: Digest::of(&[index as u8]),
                block: (4323, 2641 + index as u32),
                cell: 0,
            };
            let finding = |index: usize| {
                let place = Place::default().object(&text).at([0.5, index as f64]);
                ((1, index as u32), Rejection { object_type: text.clone(), code: "c".into(), reason: "r".into(), place })
            };
            let lots = || Lots { marks: (0..count).map(mark).collect(), findings: (0..findings).map(finding).collect() };
            let bytes = lots().into_bytes().unwrap();
            prop_assert_eq!(bytes.is_empty(), count + findings == 0);
            if !bytes.is_empty() {
                prop_assert_eq!(Lots::from_bytes(&bytes).unwrap(), lots());
                // Nothing that is cut off is taken for whole but where the findings begin.
                let _ = Lots::from_bytes(&bytes[..cut.min(bytes.len() - 1)]);
                prop_assert!(Lots::from_bytes(&bytes[..3]).is_err());
            }
        }
    }
}
