//! Streets: carriageways, marks, trees along them.

use super::Brush;
use crate::demo::image::canvas::{Spot, spot_xy};
use crate::demo::image::green::Tree;
use crate::demo::image::texture;
use crate::demo::image::texture::Cover;
use crate::demo::random::Random;
use crate::demo::town::layout::{Rect, Use};
use crate::demo::town::{Parcel, Town};

impl Brush<'_> {
    /// The carriageway: the strip without its footways, run on into the streets at its ends.
    pub(super) fn carriageway(&mut self) {
        let strip = Strip::of(self.parcel);
        let ring = strip.ring(self.town, strip.half - strip.footway, strip.footway + 1.5);
        self.canvas.fill(&[&ring], |x, y| texture::at(Cover::Asphalt, x, y));
    }
    pub(super) fn marks(&mut self) {
        let strip = Strip::of(self.parcel);
        let mut random = self.random(14);
        let kerb = strip.half - strip.footway;
        let white = Cover::Plain([222, 222, 216, 186]);
        if strip.half > 5.0 {
            // Centre line: 3 m of paint, 6 m of gap; solid lines along the kerbs of main roads.
            let mut t = 4.0;
            while t < strip.length - 7.0 {
                let quad = strip.quad(self.town, [t, -0.1], [t + 3.0, 0.1]);
                self.canvas.fill(&[&quad], |x, y| texture::at(white, x, y));
                t += 9.0;
            }
        }
        if self.parcel.kind == Use::MainRoad {
            let mut t = 0.0;
            while t < strip.length - 16.0 {
                for side in [-1.0, 1.0] {
                    let at = side * (kerb - 0.5);
                    let quad = strip.quad(self.town, [t, at - 0.1], [(t + 10.0).min(strip.length), at + 0.1]);
                    self.canvas.fill(&[&quad], |x, y| texture::at(white, x, y));
                }
                t += 10.0;
            }
            // A zebra crossing.
            let zebra = strip.length * 0.5;
            let mut v = -kerb + 0.8;
            while v < kerb - 0.5 {
                let quad = strip.quad(self.town, [zebra, v], [zebra + 4.0, v + 0.5]);
                self.canvas.fill(&[&quad], |x, y| texture::at(white, x, y));
                v += 1.0;
            }
            self.verge(&strip, &mut random);
        } else {
            let mut t = 6.0;
            while t < strip.length - 6.0 {
                for side in [-1.0, 1.0] {
                    if random.chance(0.16) {
                        let (a, b) =
                            (strip.at(self.town, t, side * (kerb - 1.0)), strip.at(self.town, t + 1.0, side * (kerb - 1.0)));
                        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
                        let length = (dx * dx + dy * dy).sqrt();
                        self.scene.cars.push((
                            a,
                            [dx / length * side, dy / length * side],
                            random.between(3.9, 4.9),
                            random.next(),
                        ));
                    }
                }
                t += 6.0;
            }
        }
        // Manholes.
        let mut t = 12.0;
        while t < strip.length - 8.0 {
            let at = strip.at(self.town, t, random.between(-0.8, 0.8));
            self.canvas.around(at, 2.0, |pixel, x, y| {
                let (dx, dy) = (f64::from(x) + 0.5 - at[0], f64::from(y) + 0.5 - at[1]);
                if dx * dx + dy * dy < 3.6 {
                    *pixel = [72, 70, 70, 60];
                }
            });
            t += 45.0;
        }
    }
    /// Trees along a main road, in the footway.
    fn verge(&mut self, strip: &Strip, random: &mut Random) {
        let mut t = 14.0;
        while t < strip.length - 24.0 {
            for side in [-1.0, 1.0] {
                if random.chance(0.8) {
                    let at = strip.at(self.town, t, side * (strip.half - 1.0));
                    self.scene.trees.push(Tree::new(at, random.between(2.0, 3.0), random));
                }
            }
            t += 12.0;
        }
    }
}

/// A street's strip on the plan: along its longer side, across it.
struct Strip {
    rect: Rect,
    along_x: bool,
    length: f64,
    half: f64,
    footway: f64,
}

impl Strip {
    fn of(parcel: &Parcel) -> Self {
        let rect = parcel.rect;
        let (width, height) = ((rect.x1 - rect.x0) as f64 / 1000.0, (rect.y1 - rect.y0) as f64 / 1000.0);
        let along_x = width > height;
        let (length, broad) = if along_x { (width, height) } else { (height, width) };
        Self { rect, along_x, length, half: broad / 2.0, footway: if parcel.kind == Use::MainRoad { 3.0 } else { 1.9 } }
    }
    fn at(&self, town: &Town, t: f64, v: f64) -> Spot {
        let (x, y) = if self.along_x {
            (self.rect.x0 as f64 / 1000.0 + t, (self.rect.y0 + self.rect.y1) as f64 / 2000.0 + v)
        } else {
            ((self.rect.x0 + self.rect.x1) as f64 / 2000.0 + v, self.rect.y0 as f64 / 1000.0 + t)
        };
        spot_xy(town.ground.place_xy(x, y))
    }
    fn quad(&self, town: &Town, [t0, v0]: [f64; 2], [t1, v1]: [f64; 2]) -> [Spot; 4] {
        [self.at(town, t0, v0), self.at(town, t1, v0), self.at(town, t1, v1), self.at(town, t0, v1)]
    }
    /// The strip of half that width, longer at both ends by `beyond`.
    fn ring(&self, town: &Town, half: f64, beyond: f64) -> Vec<Spot> {
        let steps = (self.length / 8.0).ceil() as u32;
        let t = |k: u32| -beyond + (self.length + 2.0 * beyond) * f64::from(k) / f64::from(steps);
        let mut ring: Vec<Spot> = (0..=steps).map(|k| self.at(town, t(k), -half)).collect();
        ring.extend((0..=steps).rev().map(|k| self.at(town, t(k), half)));
        ring
    }
}
