//! A small picture of where the survey has been.

use super::coverage::Coverage;
use super::drive::Drive;
use crate::crs::Bbox;
use crate::error::{Error, Result};
use crate::format::canvas::Frame;

/// Ground around the drives (metres), at least, and as a part of their extent.
const MARGIN_M: f64 = 100.0;
const MARGIN: f64 = 0.1;

const MISSING: [u8; 3] = [205, 200, 192];
const DRIVEN: [u8; 3] = [58, 140, 92];
const PICTURES: [u8; 3] = [11, 92, 134];

/// The picture as PNG: streets that were driven and that were not, where there is a network, and the pictures as dots.
///
/// # Errors
/// When no picture has a place.
pub fn png(drives: &[Drive<'_>], coverage: Option<&Coverage>) -> Result<Vec<u8>> {
    let places: Vec<Vec<[f64; 2]>> = drives.iter().flat_map(|drive| &drive.frames).map(|shown| vec![shown.frame.place]).collect();
    let whole = places.iter().flatten().fold(Bbox::EMPTY, |all, at| all.union(Bbox::new(*at, *at)));
    let margin = MARGIN_M.max(MARGIN * whole.width().max(whole.height()));
    let ground = Bbox::new(whole.min.map(|value| value - margin), whole.max.map(|value| value + margin));
    let frame = Frame::around(ground).ok_or_else(|| Error::new("mk::street_survey::place", "no picture has a place"))?;
    let mut canvas = frame.canvas();
    if let Some(coverage) = coverage {
        for (driven, colour) in [(false, MISSING), (true, DRIVEN)] {
            canvas.outline(&frame.place(&coverage.stretches(driven)), colour);
        }
    }
    canvas.dot(&frame.place(&places), PICTURES);
    canvas.png()
}
