//! The last stage: each image as a Cloud Optimized GeoTIFF in its own CRS.
//!
//! A unit is an image. It depends on nothing but the image's file, its header and the form of the output.

use super::COG;
use super::header::Header;
use super::inspect::{self, Inspected};
use super::mosaic::{self, Member, Reader};
use crate::crs::is_geographic;
use crate::dataset::{AssembleContext, Outcome, PlanContext, UnitContext};
use crate::error::Result;
use crate::format::cog::{Picture, TILE, Writer};
use crate::format::stac;
use crate::io::atomic;
use crate::plan::UnitSpec;
use crate::raster::Rgbx;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Folder of the files.
pub const FOLDER: &str = "cog";
/// Quality of the JPEG.
const QUALITY: u8 = 80;
/// Name of the file in a unit's pack.
const ENTRY: &str = "cog.tif";

#[derive(Serialize, Deserialize)]
struct Params {
    header: Header,
    quality: u8,
}

pub fn units(context: &PlanContext<'_>) -> Result<Vec<UnitSpec>> {
    let images = inspect::images(&context.earlier[0])?;
    let units = images.iter().map(|inspected| {
        let header = inspected.image.header.clone();
        let pixels = u64::from(header.width) * u64::from(header.height);
        // Two rows of tiles of each level, the decoded tiles of the source, and the file, which is packed whole.
        let memory_mb = 96 + 3 * header.piece_mb + (u64::from(header.width) * TILE as u64 * 12 + pixels / 2) / (1 << 20);
        Ok(UnitSpec {
            key: inspected.result.key.clone(),
            inputs: inspected.result.inputs.first().cloned().into_iter().collect(),
            params: super::to_json(&Params { header, quality: QUALITY })?,
            bbox: inspected.result.outcome.bbox,
            memory_mb,
            cost: pixels / 100_000 + 1,
        })
    });
    units.collect()
}

pub fn execute(unit: &UnitSpec, context: &mut UnitContext<'_>) -> Result<Outcome> {
    let Params { header, quality } = super::from_json(&unit.params)?;
    let source = super::source(unit, 0)?;
    let path = source.local(context.scratch)?;
    let (width, height) = (header.width as usize, header.height as usize);
    let layers = mosaic::layers(&[&header]);
    let picture =
        Picture { width, height, crs: header.crs, geographic: is_geographic(header.crs)?, transform: header.transform, quality };
    let mut reader = Reader::new(vec![Member { header, source, path }], super::header::Bands::default());
    let mut writer = Writer::new(picture, &context.scratch.join("tiles"))?;
    let mut rows = Rgbx::empty(0, 0);
    for top in (0..height).step_by(TILE) {
        context.check()?;
        reader.window_into(&layers[0], ([0, top as i64], [width, TILE.min(height - top)]), None, &mut rows)?;
        writer.add(&rows)?;
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    writer.finish(&mut bytes)?;
    context.pack.add(ENTRY, bytes.get_ref())?;
    Ok(Outcome { bbox: unit.bbox, ..Outcome::default() })
}

/// Writes the files into their folder; gives the indices of the images that have one.
pub fn write(folder: &Path, context: &AssembleContext<'_>, images: &[Inspected<'_>], names: &[String]) -> Result<Vec<bool>> {
    let mut made = vec![false; images.len()];
    for (index, inspected) in images.iter().enumerate() {
        let Some(result) = context.results[COG].iter().find(|result| result.key == inspected.result.key) else { continue };
        atomic::create_dir_all(folder)?;
        atomic::write_unseen(&folder.join(format!("{}.tif", names[index])), &result.pack()?.read(ENTRY)?)?;
        made[index] = true;
    }
    Ok(made)
}

/// The file of an image, as an asset of its STAC item; `up` leads to the dataset's folder.
pub fn asset(up: &str, name: &str) -> stac::Asset {
    stac::Asset {
        key: "cog".to_owned(),
        href: format!("{up}{FOLDER}/{name}.tif"),
        media_type: "image/tiff; application=geotiff; profile=cloud-optimized".to_owned(),
        title: "Orthophoto als Cloud Optimized GeoTIFF".to_owned(),
        roles: vec!["data".to_owned()],
    }
}
