//! A panorama of the town: rays from the camera to walls, street and sky. The middle of the picture is the direction of the drive.

use super::random::lattice;
use super::town::Town;
use crate::error::Result;
use crate::format::jpeg::Encoder;
use crate::raster::Rgbx;
use std::f64::consts::{PI, TAU};

/// Buildings farther away than this are not seen (metres).
const SIGHT_M: f64 = 140.0;
/// Half the carriageway, and the outer edge of the pavement, from the middle of the street (metres).
const LANE_M: f64 = 3.4;
const PAVEMENT_M: f64 = 5.4;
/// Direction (degrees clockwise from grid north) and height of the sun, in radians how large it is.
const SUN: [f64; 2] = [180.0, 40.0];
const SUN_RADIUS: f64 = 0.06;

/// Where the camera stands.
pub struct View {
    /// Easting and northing.
    pub at: [f64; 2],
    /// Height (metres).
    pub height: f64,
    /// Degrees clockwise from grid north.
    pub heading: f64,
    /// Distance from the middle of the street to the right (metres).
    pub right_of_middle: f64,
}

/// A wall as the camera sees it.
struct Wall {
    ends: [[f64; 2]; 2],
    base: f64,
    top: f64,
    colour: [f64; 3],
}

type Colour = [f64; 3];

/// The picture as JPEG; its Exif says when it was taken, and, as cameras do, who drove.
///
/// # Errors
/// When it cannot be encoded.
pub fn jpeg(town: &Town, view: &View, width: usize, taken: &str, part: &str) -> Result<Vec<u8>> {
    let picture = draw(town, view, width);
    let jpeg = Encoder::new(88)?.encode(&picture)?;
    let exif = exif(
        &[(0x013b, "KANARI-Fahrer"), (0x010f, "Messkette"), (0x0110, "Demokamera")],
        &[(0x9003, taken), (0x9011, "+02:00"), (0x9291, part)],
    );
    let mut all = vec![0xff, 0xd8, 0xff, 0xe1];
    all.extend_from_slice(&((exif.len() + 8) as u16).to_be_bytes());
    all.extend_from_slice(b"Exif\0\0");
    all.extend_from_slice(&exif);
    all.extend_from_slice(&jpeg[2..]);
    Ok(all)
}

/// A TIFF structure with texts in its first directory and in that of Exif (CIPA DC-008, 4.6.2).
fn exif(first: &[(u16, &str)], own: &[(u16, &str)]) -> Vec<u8> {
    let mut texts = Vec::new();
    let directory_size = |count: usize| 2 + count * 12 + 4;
    let exif_at = 8 + directory_size(first.len() + 1);
    let texts_at = exif_at + directory_size(own.len());
    let mut directory = |entries: &[(u16, &str)], pointer: Option<u32>| {
        let mut bytes = ((entries.len() + usize::from(pointer.is_some())) as u16).to_le_bytes().to_vec();
        let mut sorted = entries.to_vec();
        sorted.sort_unstable();
        for (tag, text) in sorted {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&2_u16.to_le_bytes());
            bytes.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
            let mut value = text.as_bytes().to_vec();
            value.push(0);
            if value.len() <= 4 {
                value.resize(4, 0);
                bytes.extend_from_slice(&value);
            } else {
                bytes.extend_from_slice(&((texts_at + texts.len()) as u32).to_le_bytes());
                texts.extend_from_slice(&value);
            }
        }
        if let Some(pointer) = pointer {
            // Tag 34665: where the directory of Exif is.
            bytes.extend_from_slice(&0x8769_u16.to_le_bytes());
            bytes.extend_from_slice(&4_u16.to_le_bytes());
            bytes.extend_from_slice(&1_u32.to_le_bytes());
            bytes.extend_from_slice(&pointer.to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes
    };
    let (main, exif) = (directory(first, Some(exif_at as u32)), directory(own, None));
    [b"II*\0\x08\0\0\0".to_vec(), main, exif, texts].concat()
}

fn draw(town: &Town, view: &View, width: usize) -> Rgbx {
    let height = width / 2;
    let walls = walls(town, view.at);
    // Angles and slopes above the horizon, from top to bottom.
    let rows: Vec<[f64; 2]> =
        (0..height).map(|y| (0.5 - (y as f64 + 0.5) / height as f64) * PI).map(|up| [up, up.tan()]).collect();
    let mut picture = Rgbx::empty(width, height);
    for x in 0..width {
        let beside = ((x as f64 + 0.5) / width as f64 - 0.5) * TAU;
        let direction = view.heading.to_radians() + beside;
        let ray = [direction.sin(), direction.cos()];
        let mut hits: Vec<(f64, f64, &Wall)> =
            walls.iter().filter_map(|wall| hit(view.at, ray, wall).map(|(way, along)| (way, along, wall))).collect();
        hits.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (y, up) in rows.iter().enumerate() {
            let colour = seen(view, &hits, beside, direction, *up);
            // Grain, so that the picture is not smaller than those of a camera by far.
            let grain = f64::from(lattice(x as i32, y as i32, view.at[0] as u32)) * 10.0 - 5.0;
            let pixel = colour.map(|value| (value + grain).clamp(0.0, 255.0) as u8);
            picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[pixel[0], pixel[1], pixel[2], 255]);
        }
    }
    picture
}

/// The walls around a place.
fn walls(town: &Town, at: [f64; 2]) -> Vec<Wall> {
    let mut walls = Vec::new();
    for building in town.quarters.iter().flat_map(|quarter| &quarter.buildings) {
        let points: Vec<[f64; 2]> = building.shape.outline.linear().iter().map(|point| point.xy()).collect();
        let near = points.first().is_some_and(|first| (first[0] - at[0]).hypot(first[1] - at[1]) < SIGHT_M);
        if !near {
            continue;
        }
        let base = building.base as f64 / 1000.0;
        let kind = (building.oid.0 % 4) as usize;
        let colour = [[196.0, 120.0, 96.0], [222.0, 206.0, 170.0], [176.0, 182.0, 186.0], [236.0, 232.0, 222.0]][kind];
        for (index, from) in points.iter().enumerate() {
            let ends = [*from, points[(index + 1) % points.len()]];
            // Light from the south: walls that face it are brighter.
            let length = (ends[1][0] - ends[0][0]).hypot(ends[1][1] - ends[0][1]).max(0.01);
            let light = 0.8 + 0.2 * ((ends[1][0] - ends[0][0]) / length);
            let colour = colour.map(|value| value * light);
            walls.push(Wall { ends, base, top: base + building.height() as f64 / 1000.0, colour });
        }
    }
    walls
}

/// Distance along the ray to a wall, and metres along the wall to where it is hit.
fn hit(at: [f64; 2], ray: [f64; 2], wall: &Wall) -> Option<(f64, f64)> {
    let [a, b] = wall.ends;
    let (edge, to) = ([b[0] - a[0], b[1] - a[1]], [a[0] - at[0], a[1] - at[1]]);
    let cross = ray[0] * edge[1] - ray[1] * edge[0];
    if cross.abs() < 1e-9 {
        return None;
    }
    let way = (to[0] * edge[1] - to[1] * edge[0]) / cross;
    let part = (to[0] * ray[1] - to[1] * ray[0]) / cross;
    (way > 0.5 && (0.0..=1.0).contains(&part)).then(|| (way, part * edge[0].hypot(edge[1])))
}

/// The colour in a direction: radians beside the drive, clockwise from grid north, and above the horizon with its slope.
fn seen(view: &View, hits: &[(f64, f64, &Wall)], beside: f64, direction: f64, [up, slope]: [f64; 2]) -> Colour {
    let ground = if slope < 0.0 { 2.6 / -slope } else { f64::INFINITY };
    for (way, along, wall) in hits {
        let level = view.height + slope * way;
        if *way < ground && level <= wall.top {
            return facade(level - wall.base, *along, wall.colour, *way);
        }
    }
    if ground < 2000.0 {
        return street(view, ground, beside, direction);
    }
    let [azimuth, altitude] = SUN.map(f64::to_radians);
    let turn = (direction - azimuth + PI).rem_euclid(TAU) - PI;
    if (turn * up.cos()).hypot(up - altitude) < SUN_RADIUS {
        return [255.0, 250.0, 200.0];
    }
    let part = (up / (PI / 2.0)).clamp(0.0, 1.0);
    [190.0 - 110.0 * part, 214.0 - 80.0 * part, 238.0 - 30.0 * part]
}

fn facade(level: f64, along: f64, colour: Colour, way: f64) -> Colour {
    let (across, above) = (along.rem_euclid(2.6), level.rem_euclid(2.9));
    let window = (0.8..1.9).contains(&across) && (0.9..2.2).contains(&above) && level > 0.4;
    let haze = (way / SIGHT_M).min(1.0) * 0.35;
    let colour = if window { [70.0, 84.0, 100.0] } else { colour };
    [0, 1, 2].map(|band| colour[band] * (1.0 - haze) + [190.0, 206.0, 222.0][band] * haze)
}

fn street(view: &View, way: f64, beside: f64, direction: f64) -> Colour {
    let (forward, right) = (way * beside.cos(), way * beside.sin() + view.right_of_middle);
    // The camera sees the roof of its car.
    if way < 1.3 {
        return [60.0, 62.0, 70.0];
    }
    let [e, n] = [view.at[0] + way * direction.sin(), view.at[1] + way * direction.cos()];
    let noise = f64::from(lattice((e * 4.0).floor() as i32, (n * 4.0).floor() as i32, 77)) * 16.0;
    // Marks stay where they are while the car goes on.
    let travelled = view.at[0] * view.heading.to_radians().sin() + view.at[1] * view.heading.to_radians().cos() + forward;
    match right.abs() {
        off if off < 0.08 && travelled.rem_euclid(9.0) < 3.0 => [235.0; 3],
        off if off < LANE_M => [104.0 + noise; 3],
        off if off < LANE_M + 0.15 => [200.0; 3],
        off if off < PAVEMENT_M => [160.0 + noise, 156.0 + noise, 150.0 + noise],
        _ => [86.0 + noise, 134.0 + noise, 70.0 + noise],
    }
}
