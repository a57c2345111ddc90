//! Surfaces as seen from above: a colour for each pixel of the shared grid, without memory of where the tile begins.

use super::canvas::Colour;
use crate::demo::random::{lattice, smooth};

/// A colour, varied by light and shifted by warmth; values are kept within what a camera shows.
#[inline]
pub fn vary(base: [f32; 4], light: f32) -> Colour {
    base.map(|value| (value * light).clamp(4.0, 250.0) as u8)
}

#[inline]
fn blend(a: [f32; 4], b: [f32; 4], share: f32) -> [f32; 4] {
    std::array::from_fn(|k| a[k] + (b[k] - a[k]) * share)
}

/// What the ground is covered with.
#[derive(Debug, Clone, Copy)]
pub enum Cover {
    /// Mown grass; a number from 0 to 255 tells one garden from the next.
    Lawn(u8),
    /// Rough grass with flowers.
    Meadow,
    /// Beds, soil and plants.
    Bed,
    /// Asphalt of a street.
    Asphalt,
    /// Asphalt of a yard, older.
    Yard,
    /// Slabs of a footway.
    Pavement,
    /// Red or grey setts.
    Setts(u8),
    /// Sand and gravel.
    Sand,
    /// Forest floor.
    Litter,
    /// A pond.
    Water,
    /// A field: crop, and the direction of its rows as a unit vector.
    Crop(Crop, [f32; 2]),
    /// Red track of a sports ground.
    Track,
    /// A swimming pool.
    Pool,
    /// One colour with a little grain.
    Plain([u8; 4]),
}

/// What grows on a field in May.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// Winter wheat, dark green.
    Wheat,
    /// Rape in bloom.
    Rape,
    /// Barley, yellow green.
    Barley,
    /// Maize just sown: soil.
    Soil,
}

/// Colour of a cover at a pixel.
#[inline]
pub fn at(cover: Cover, x: i32, y: i32) -> Colour {
    let grain = lattice(x, y, 11);
    let (fx, fy) = (x as f32, y as f32);
    match cover {
        Cover::Lawn(tint) => {
            let t = f32::from(tint) / 255.0;
            let patch = smooth(fx * 0.03, fy * 0.03, 21);
            let tuft = smooth(fx * 0.21, fy * 0.21, 22);
            let base = blend([104.0, 128.0, 70.0, 176.0], [132.0, 142.0, 84.0, 158.0], t * 0.6 + patch * 0.4);
            vary(base, 0.80 + 0.18 * tuft + 0.12 * grain + 0.06 * patch)
        }
        Cover::Meadow => {
            let patch = smooth(fx * 0.012, fy * 0.012, 31);
            let tuft = smooth(fx * 0.16, fy * 0.16, 32);
            let base = blend([98.0, 124.0, 64.0, 184.0], [150.0, 152.0, 88.0, 160.0], patch);
            vary(base, 0.78 + 0.24 * tuft + 0.12 * grain)
        }
        Cover::Bed => {
            let plant = smooth(fx * 0.35, fy * 0.35, 41);
            let base = if plant > 0.5 { [84.0, 112.0, 62.0, 168.0] } else { [112.0, 92.0, 72.0, 104.0] };
            vary(base, 0.82 + 0.3 * grain)
        }
        Cover::Asphalt => {
            let wear = smooth(fx * 0.05, fy * 0.05, 51);
            vary([118.0, 118.0, 120.0, 96.0], 0.90 + 0.14 * wear + 0.07 * grain)
        }
        Cover::Yard => {
            let wear = smooth(fx * 0.035, fy * 0.035, 52);
            vary([132.0, 130.0, 127.0, 108.0], 0.86 + 0.20 * wear + 0.08 * grain)
        }
        Cover::Pavement => {
            let joint = if x.rem_euclid(3) == 0 || y.rem_euclid(3) == 0 { 0.95 } else { 1.0 };
            vary([172.0, 166.0, 158.0, 146.0], joint * (0.90 + 0.14 * grain))
        }
        Cover::Setts(tint) => {
            let red = [158.0, 126.0, 112.0, 132.0];
            let grey = [158.0, 154.0, 148.0, 134.0];
            let joint = if (x + (y & 1)).rem_euclid(2) == 0 { 0.96 } else { 1.0 };
            let wear = smooth(fx * 0.07, fy * 0.07, 53);
            vary(blend(grey, red, f32::from(tint) / 255.0), joint * (0.86 + 0.12 * wear + 0.12 * grain))
        }
        Cover::Sand => {
            let wear = smooth(fx * 0.06, fy * 0.06, 61);
            vary([206.0, 188.0, 150.0, 170.0], 0.88 + 0.14 * wear + 0.07 * grain)
        }
        Cover::Litter => {
            let patch = smooth(fx * 0.09, fy * 0.09, 71);
            vary([74.0, 80.0, 52.0, 130.0], 0.75 + 0.3 * patch + 0.2 * grain)
        }
        Cover::Water => {
            let ripple = smooth(fx * 0.10 + fy * 0.03, fy * 0.28, 81);
            let deep = smooth(fx * 0.012, fy * 0.012, 82);
            vary([46.0, 66.0, 68.0, 14.0], 0.86 + 0.16 * ripple + 0.16 * deep + 0.03 * grain)
        }
        Cover::Crop(crop, [u, v]) => crop_at(crop, fx, fy, u, v, grain),
        Cover::Track => vary([168.0, 84.0, 66.0, 140.0], 0.92 + 0.12 * grain),
        Cover::Pool => {
            let ripple = smooth(fx * 0.5, fy * 0.5, 91);
            vary([92.0, 184.0, 204.0, 20.0], 0.90 + 0.16 * ripple)
        }
        Cover::Plain(colour) => vary(colour.map(f32::from), 0.96 + 0.08 * grain),
    }
}

#[inline]
fn crop_at(crop: Crop, x: f32, y: f32, u: f32, v: f32, grain: f32) -> Colour {
    // Across and along the rows, in pixels.
    let (across, along) = (x * v - y * u, x * u + y * v);
    let patch = smooth(x * 0.006, y * 0.006, 101);
    let streak = smooth(across * 0.4, along * 0.03, 102);
    // Tramlines: two wheel tracks every 21 m.
    let lane = across.rem_euclid(105.0);
    let tram = (lane < 2.2) || (9.0..11.2).contains(&lane);
    let (base, soil): ([f32; 4], [f32; 4]) = match crop {
        Crop::Wheat => ([84.0, 120.0, 62.0, 200.0], [126.0, 122.0, 84.0, 140.0]),
        Crop::Rape => ([206.0, 194.0, 54.0, 206.0], [118.0, 132.0, 64.0, 160.0]),
        Crop::Barley => ([140.0, 150.0, 80.0, 190.0], [150.0, 136.0, 98.0, 140.0]),
        Crop::Soil => ([152.0, 126.0, 98.0, 112.0], [136.0, 112.0, 88.0, 100.0]),
    };
    let base = if tram { blend(base, soil, 0.7) } else { base };
    vary(base, 0.82 + 0.16 * patch + 0.14 * streak + 0.08 * grain)
}
