//! Trees, hedges and cars.

use super::canvas::{Canvas, Spot};
use super::roofs::{SHADOW, bar};
use super::texture::vary;
use crate::demo::random::{Random, lattice, smooth};

/// A tree.
#[derive(Debug, Clone, Copy)]
pub struct Tree {
    /// The middle of its crown.
    pub at: Spot,
    /// Radius of the crown in pixels.
    pub radius: f64,
    /// Which one: sets colour and outline.
    pub kind: u32,
}

/// Colours of crowns: lime, beech, birch, copper beech, cherry in bloom, pine.
const CROWNS: [[f32; 4]; 7] = [
    [82.0, 112.0, 52.0, 206.0],
    [70.0, 102.0, 48.0, 200.0],
    [104.0, 130.0, 66.0, 196.0],
    [92.0, 120.0, 56.0, 210.0],
    [106.0, 66.0, 58.0, 168.0],
    [208.0, 184.0, 184.0, 190.0],
    [50.0, 78.0, 52.0, 170.0],
];

impl Tree {
    /// A tree at a spot; `size` is the radius in metres.
    pub fn new(at: Spot, size: f64, random: &mut Random) -> Self {
        Self { at, radius: size / super::canvas::PIXEL, kind: random.next() as u32 }
    }
    /// Its shadow on the ground: the crown, moved by its height.
    pub fn shadow(&self, canvas: &mut Canvas) {
        let height = self.radius * 1.5;
        let at = [self.at[0] + SHADOW[0] * height, self.at[1] - SHADOW[1] * height];
        if canvas.sees(&[at], self.radius) {
            canvas.shade_disc(at, self.radius * 0.98, 118);
        }
        let foot = [self.at[0] + SHADOW[0] * height * 0.5, self.at[1] - SHADOW[1] * height * 0.5];
        if canvas.sees(&[foot], self.radius) {
            canvas.shade_disc(foot, self.radius * 0.8, 118);
        }
    }
    /// Its crown.
    pub fn draw(&self, canvas: &mut Canvas) {
        if !canvas.sees(&[self.at], self.radius * 1.3) {
            return;
        }
        let roll = self.kind % 64;
        let kind = match roll {
            0..=17 => 0,
            18..=33 => 1,
            34..=43 => 2,
            44..=53 => 3,
            54..=56 => 4,
            57..=59 => 5,
            _ => 6,
        };
        let base = CROWNS[kind];
        let seed = self.kind;
        let tone = 0.92 + f32::from((seed >> 8) as u8) / 255.0 * 0.16;
        let (at, radius) = (self.at, self.radius);
        canvas.around(at, radius * 1.2, |pixel, x, y| {
            let (dx, dy) = ((f64::from(x) + 0.5 - at[0]) as f32, (f64::from(y) + 0.5 - at[1]) as f32);
            let r = radius as f32;
            let clump = smooth(x as f32 * 0.16, y as f32 * 0.16, seed);
            let reach = r * (0.78 + 0.40 * clump);
            let d2 = (dx * dx + dy * dy) / (reach * reach);
            if d2 >= 1.0 {
                return;
            }
            let z = (1.0 - d2).sqrt();
            // Rows count southwards, so the sun stands towards greater rows.
            let sun = (dx / reach * 0.30 + dy / reach * 0.62 + z * 0.72).max(0.0);
            let leaf = lattice(x, y, seed ^ 0x4d);
            let light = tone * (0.44 + 0.50 * sun + 0.30 * (clump - 0.5) + 0.20 * (leaf - 0.5));
            let crown = vary(base, light);
            // The rim lets some of the ground through.
            let cover = (z * 2.6).min(1.0);
            for k in 0..4 {
                pixel[k] = (f32::from(crown[k]) * cover + f32::from(pixel[k]) * (1.0 - cover)) as u8;
            }
        });
    }
}

/// A hedge between two spots, about `width` pixels wide, with its shadow.
pub fn hedge_shadow(canvas: &mut Canvas, a: Spot, b: Spot, width: f64) {
    let shift = |s: Spot| [s[0] + SHADOW[0] * 7.0, s[1] - SHADOW[1] * 7.0];
    let quad = bar(shift(a), shift(b), width);
    if canvas.sees(&quad, 0.0) {
        canvas.shade(&[&quad], 130);
    }
}

/// Draws a hedge.
pub fn hedge(canvas: &mut Canvas, a: Spot, b: Spot, width: f64, seed: u32) {
    let quad = bar(a, b, width * 1.3);
    if !canvas.sees(&quad, 0.0) {
        return;
    }
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = (dx * dx + dy * dy).sqrt().max(1e-9);
    let mut pixels = std::mem::take(&mut canvas.pixels);
    canvas.cover(&[&quad], |index, x, y| {
        let across = ((f64::from(x) + 0.5 - a[0]) * dy - (f64::from(y) + 0.5 - a[1]) * dx) / length;
        let clump = smooth(x as f32 * 0.22, y as f32 * 0.22, seed);
        if across.abs() > width * (0.36 + 0.28 * f64::from(clump)) {
            return;
        }
        let light = 0.72 + 0.34 * clump + 0.18 * (lattice(x, y, seed) - 0.5);
        pixels[index] = vary([70.0, 98.0, 50.0, 196.0], light);
    });
    canvas.pixels = pixels;
}

/// A car: where, direction as a unit vector in pixels, length in metres.
pub fn car(canvas: &mut Canvas, at: Spot, [dx, dy]: Spot, length: f64, random: &mut Random) {
    const PAINT: [[u8; 4]; 9] = [
        [226, 228, 230, 200],
        [196, 198, 202, 170],
        [150, 152, 156, 130],
        [58, 60, 66, 50],
        [34, 36, 42, 34],
        [168, 40, 38, 120],
        [44, 74, 130, 90],
        [66, 92, 82, 90],
        [202, 190, 160, 160],
    ];
    let half = length / super::canvas::PIXEL / 2.0;
    let (front, back) = ([at[0] + dx * half, at[1] + dy * half], [at[0] - dx * half, at[1] - dy * half]);
    if !canvas.sees(&[front, back], 10.0) {
        let _ = random.next();
        return;
    }
    let shadow = bar([front[0] - 2.0, front[1] - 4.0], [back[0] - 2.0, back[1] - 4.0], 9.0);
    let mut pixels = std::mem::take(&mut canvas.pixels);
    canvas.cover(&[&shadow], |index, _, _| pixels[index] = pixels[index].map(|v| (u16::from(v) * 5 / 10) as u8));
    canvas.pixels = pixels;
    let paint = random.pick(&PAINT);
    canvas.fill(&[&bar(front, back, if length > 6.0 { 12.0 } else { 9.0 })], |_, _| paint);
    if length < 6.0 {
        let along = |t: f64| [at[0] + dx * half * t, at[1] + dy * half * t];
        canvas.fill(&[&bar(along(0.46), along(0.18), 7.4)], |_, _| [40, 46, 54, 36]);
        canvas.fill(&[&bar(along(-0.5), along(-0.72), 7.0)], |_, _| [46, 52, 60, 40]);
    }
}
