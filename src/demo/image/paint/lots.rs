//! What a lot of each kind looks like.

use super::Brush;
use crate::demo::image::canvas::{Spot, spot, spot_xy};
use crate::demo::image::texture::Cover;
use crate::demo::image::{roofs, texture};
use crate::demo::random::Random;
use crate::demo::town::house::Frame;

impl Brush<'_> {
    pub(super) fn garden(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(1);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        let mut back = depth * 0.5;
        let setts = random.below(256) as u8;
        let places: Vec<(u32, [f64; 2], f64)> = self
            .buildings()
            .map(|b| (b.shape.function, spot(b.shape.outline.centre()), b.shape.outline.area_m2()))
            .map(|(function, at, area)| (function, Self::local(&frame, at), area))
            .collect();
        for (function, [u, v], area) in places {
            let reach = area.sqrt() / 2.0;
            match function {
                1010 => {
                    // Path to the door, terrace at the back.
                    self.box_(&frame, [u - 0.8, 0.0, u + 0.8, v], Cover::Pavement);
                    back = v + reach;
                    let w = random.between(2.2, 3.6);
                    let terrace = [u - w, v, u + w, (v + reach + random.between(2.6, 4.0)).min(depth - 2.0)];
                    self.box_(&frame, terrace, if setts < 128 { Cover::Pavement } else { Cover::Setts(setts) });
                }
                2463 => {
                    self.box_(&frame, [u - 1.6, 0.0, u + 1.6, v], Cover::Setts(setts));
                    if random.chance(0.5) && v > 6.5 {
                        let at = spot_xy(frame.plan(u, (v - 3.1) / 2.0));
                        let toward = [frame.v[0], -frame.v[1]];
                        self.scene.cars.push((at, toward, random.between(4.0, 4.8), random.next()));
                    }
                }
                _ => {}
            }
        }
        let room = depth - back;
        if room > 7.0 {
            if random.chance(0.45) {
                let u = random.between(-half + 1.5, half - 6.0);
                self.box_(&frame, [u, depth - random.between(3.6, 5.6), u + random.between(3.0, 5.0), depth - 1.4], Cover::Bed);
            }
            let (u, v) = (random.between(-half + 5.0, half - 5.0), back + room * random.between(0.5, 0.7));
            match random.unit() {
                r if r < 0.10 => {
                    self.box_(&frame, [u - 2.4, v - 4.0, u + 2.4, v + 4.0], Cover::Pavement);
                    self.box_(&frame, [u - 1.6, v - 3.2, u + 1.6, v + 3.2], Cover::Pool);
                }
                r if r < 0.24 => self.disc(&frame, [u, v], 1.9, [38, 60, 120, 60], [30, 30, 34, 30]),
                _ => {}
            }
        }
        self.hedges(&frame, &mut random, 0.72, 5.0);
        for _ in 0..=random.below(4) {
            let u = random.between(-half + 2.5, half - 2.5);
            let v =
                if random.chance(0.75) { random.between(back + 3.0, depth.max(back + 4.0)) } else { random.between(1.5, 4.0) };
            let size = random.between(1.2, 3.6);
            let at = frame.plan(u, v.min(depth - 1.0));
            self.tree(at, size, &mut random);
        }
        for _ in 0..random.below(6) {
            let (u, v) = (random.between(-half + 1.2, half - 1.2), random.between(0.8, depth - 1.0));
            let at = frame.plan(u, v);
            let size = random.between(0.5, 1.0);
            self.tree(at, size, &mut random);
        }
    }
    /// A round thing with a rim.
    fn disc(&mut self, frame: &Frame<'_>, [u, v]: [f64; 2], radius: f64, rim: [u8; 4], inner: [u8; 4]) {
        let at = spot_xy(frame.plan(u, v));
        let r = radius / crate::demo::image::canvas::PIXEL;
        self.canvas.around(at, r, |pixel, x, y| {
            let (dx, dy) = (f64::from(x) + 0.5 - at[0], f64::from(y) + 0.5 - at[1]);
            let d = (dx * dx + dy * dy).sqrt();
            if d < r {
                *pixel = if d > r * 0.8 { rim } else { inner };
            }
        });
    }
    pub(super) fn row_garden(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(2);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        self.box_(&frame, [-1.0, 0.0, 0.6, 6.0], Cover::Pavement);
        self.box_(&frame, [-half + 0.5, 13.0, half - 0.5, 17.2], Cover::Setts(random.below(256) as u8));
        if random.chance(0.5) {
            self.box_(&frame, [-half + 0.4, depth - 3.5, half - 0.4, depth - 1.2], Cover::Bed);
        }
        self.hedges(&frame, &mut random, 0.6, 3.6);
        if random.chance(0.6) {
            let at = frame.plan(random.between(-half + 1.5, half - 1.5), depth - random.between(2.0, 6.0));
            let size = random.between(0.9, 2.0);
            self.tree(at, size, &mut random);
        }
    }
    pub(super) fn court(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(3);
        let half = self.plan_width() / 2.0;
        for k in 0..3 {
            if random.chance(0.6) {
                let at = spot_xy(frame.plan(-half + 2.0 + f64::from(k) * 3.0, 8.0));
                self.scene.cars.push((at, [frame.v[0], -frame.v[1]], 4.4, random.next()));
            }
        }
    }
    /// Stalls side by side with their cars, from `u0` to `u1`, `v` being the middle of the stalls.
    fn stalls(&mut self, frame: &Frame<'_>, u0: f64, u1: f64, v: f64, share: f64, random: &mut Random) {
        let count = ((u1 - u0) / 2.6).floor().max(0.0) as u32;
        for k in 0..=count {
            let u = u0 + f64::from(k) * 2.6;
            self.box_(frame, [u - 0.08, v - 2.5, u + 0.08, v + 2.5], Cover::Plain([214, 214, 208, 180]));
            if k < count && random.chance(share) {
                let at = spot_xy(frame.plan(u + 1.3, v + random.between(-0.3, 0.3)));
                let turn = if random.chance(0.5) { 1.0 } else { -1.0 };
                self.scene.cars.push((at, [frame.v[0] * turn, -frame.v[1] * turn], random.between(3.9, 4.9), random.next()));
            }
        }
    }
    pub(super) fn apartments(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(4);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        let middle = depth / 2.0 - 2.0;
        self.box_(&frame, [-half + 6.0, middle - 8.0, half - 4.0, middle + 8.0], Cover::Yard);
        self.box_(&frame, [half - 8.0, 0.0, half - 4.0, middle], Cover::Yard);
        self.stalls(&frame, -half + 8.0, half - 10.0, middle - 5.4, 0.6, &mut random);
        self.stalls(&frame, -half + 8.0, half - 10.0, middle + 5.4, 0.6, &mut random);
        self.box_(&frame, [-3.8, 0.0, -2.2, 10.0], Cover::Pavement);
        for _ in 0..14 {
            let u = random.between(-half + 2.0, half - 2.0);
            let v = if random.chance(0.5) { random.between(1.5, 6.0) } else { random.between(depth - 9.0, depth - 2.0) };
            let at = frame.plan(u, v);
            let size = random.between(1.6, 3.8);
            self.tree(at, size, &mut random);
        }
    }
    pub(super) fn centre(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(5);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        if depth > 28.0 {
            self.stalls(&frame, -half + 1.0, half - 1.0, depth - 3.2, 0.65, &mut random);
        }
        if random.chance(0.6) {
            let at = frame.plan(random.between(-half + 3.0, half - 3.0), depth - 8.0);
            self.tree(at, 2.4, &mut random);
        }
    }
    pub(super) fn plaza(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(6);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        let mut u = -half + 5.0;
        while u < half - 4.0 {
            for v in [4.0, depth - 4.0] {
                let at = frame.plan(u, v);
                self.tree(at, 2.3, &mut random);
            }
            u += 8.0;
        }
        let courts: Vec<Spot> = self.buildings().filter_map(|b| b.shape.holes.first().map(|hole| spot(hole.centre()))).collect();
        for at in courts {
            let [u, v] = Self::local(&frame, at);
            self.disc(&frame, [u, v], 2.5, [190, 186, 178, 160], [70, 120, 140, 16]);
        }
    }
    pub(super) fn churchyard(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(7);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        self.box_(&frame, [-1.4, 0.0, 1.4, 16.0], Cover::Setts(40));
        self.box_(&frame, [-half + 4.0, 34.0, half - 4.0, 36.0], Cover::Sand);
        for _ in 0..16 {
            let (u, v) = (random.between(-half + 3.0, half - 3.0), random.between(3.0, depth - 3.0));
            let at = frame.plan(u, v);
            let size = random.between(2.6, 4.8);
            self.tree(at, size, &mut random);
        }
    }
    pub(super) fn school(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(8);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        // A sports ground at the back: track, pitch, white lines.
        let (v0, v1) = (depth - 48.0, depth - 4.0);
        let (u0, u1) = (-half + 8.0, half - 42.0);
        self.box_(&frame, [-half + 2.0, v0 - 8.0, half - 2.0, depth], Cover::Lawn(90));
        self.box_(&frame, [u0, v0, u1, v1], Cover::Track);
        self.box_(&frame, [u0 + 6.0, v0 + 6.0, u1 - 6.0, v1 - 6.0], Cover::Lawn(20));
        let white = Cover::Plain([232, 232, 226, 200]);
        let middle = f64::midpoint(u0, u1);
        for line in [
            [u0 + 8.0, v0 + 8.0, u1 - 8.0, v0 + 8.25],
            [u0 + 8.0, v1 - 8.25, u1 - 8.0, v1 - 8.0],
            [u0 + 8.0, v0 + 8.0, u0 + 8.25, v1 - 8.0],
            [u1 - 8.25, v0 + 8.0, u1 - 8.0, v1 - 8.0],
            [middle - 0.12, v0 + 8.0, middle + 0.12, v1 - 8.0],
        ] {
            self.box_(&frame, line, white);
        }
        for _ in 0..26 {
            let u = random.between(-half + 2.0, half - 2.0);
            let v = if random.chance(0.5) { random.between(2.0, 8.0) } else { random.between(v0 - 8.0, v0 - 3.0) };
            let at = frame.plan(u, v);
            let size = random.between(1.8, 3.8);
            self.tree(at, size, &mut random);
        }
        self.stalls(&frame, half - 40.0, half - 6.0, 6.0, 0.6, &mut random);
    }
    pub(super) fn yard(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(9);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        self.box_(&frame, [-half + 0.5, 0.5, half - 0.5, 3.0], Cover::Lawn(140));
        self.box_(&frame, [-half + 22.0, 0.0, -half + 32.0, 6.0], Cover::Asphalt);
        self.stalls(&frame, -half + 34.0, half - 4.0, 8.0, 0.7, &mut random);
        self.stalls(&frame, -half + 34.0, half - 4.0, 19.0, 0.55, &mut random);
        for k in 0..4 {
            if random.chance(0.7) {
                let at = spot_xy(frame.plan(-half + 5.0, 30.0 + f64::from(k) * 6.0));
                self.scene.cars.push((at, [frame.u[0], -frame.u[1]], random.between(8.0, 14.0), random.next()));
            }
        }
        let mut u = -half + 4.0;
        while u < half {
            let at = frame.plan(u, 1.8);
            let size = random.between(1.2, 2.2);
            self.tree(at, size, &mut random);
            u += 9.0;
        }
        for _ in 0..10 {
            let at = frame.plan(random.between(-half + 2.0, half - 2.0), depth - 2.5);
            let size = random.between(1.6, 3.2);
            self.tree(at, size, &mut random);
        }
    }
    pub(super) fn park(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(10);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        let Some(pond) = self.parcel.holes.first() else { return };
        let middle = spot(pond.centre());
        let radius = (pond.area_m2() / std::f64::consts::PI).sqrt() / crate::demo::image::canvas::PIXEL;
        // A path around the pond, and paths to the corners.
        self.canvas.around(middle, radius + 60.0, |pixel, x, y| {
            let (dx, dy) = (f64::from(x) - middle[0], f64::from(y) - middle[1]);
            let d = (dx * dx + dy * dy).sqrt() - radius;
            if (26.0..40.0).contains(&d) {
                *pixel = texture::at(Cover::Sand, x, y);
            } else if (0.0..5.0).contains(&d) {
                *pixel = texture::at(Cover::Bed, x, y);
            }
        });
        let corners = [[-half, 1.0], [half, 1.0], [half, depth - 1.0], [-half, depth - 1.0]];
        for corner in corners {
            let from = spot_xy(frame.plan(corner[0], corner[1]));
            let (dx, dy) = (middle[0] - from[0], middle[1] - from[1]);
            let length = (dx * dx + dy * dy).sqrt();
            let share = 1.0 - (radius + 33.0) / length;
            let to = [from[0] + dx * share, from[1] + dy * share];
            self.canvas.fill(&[&roofs::bar(from, to, 13.0)], |x, y| texture::at(Cover::Sand, x, y));
        }
        let area = half * depth / 100.0;
        for _ in 0..(area * 1.6) as usize {
            let (u, v) = (random.between(-half + 3.0, half - 3.0), random.between(3.0, depth - 3.0));
            let at = frame.plan(u, v);
            let s = spot_xy(at);
            let (dx, dy) = (s[0] - middle[0], s[1] - middle[1]);
            if (dx * dx + dy * dy).sqrt() > radius + 58.0 {
                let size = random.between(2.2, 5.2);
                self.tree(at, size, &mut random);
            }
        }
    }
    pub(super) fn pond(&mut self, outline: &[Spot]) {
        // A darker rim where reed stands.
        for (k, a) in outline.iter().enumerate() {
            roofs::stroke(self.canvas, *a, outline[(k + 1) % outline.len()], 4.0, 0.72);
        }
    }
    pub(super) fn playground(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(11);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        self.box_(&frame, [-1.0, 0.0, 1.0, depth * 0.5], Cover::Sand);
        let mut v = depth * 0.28;
        while v < depth - 10.0 {
            let (w, h) = (random.between(5.0, half - 3.0), random.between(4.0, 6.0));
            let u = random.between(-half + w + 2.0, half - w - 2.0);
            let at = spot_xy(frame.plan(u, v));
            let (rx, ry) = (w / crate::demo::image::canvas::PIXEL, h / crate::demo::image::canvas::PIXEL);
            let long = [frame.u[0], -frame.u[1]];
            self.canvas.around(at, rx.max(ry), |pixel, x, y| {
                let (dx, dy) = (f64::from(x) - at[0], f64::from(y) - at[1]);
                let (a, b) = ((dx * long[0] + dy * long[1]) / rx, (dx * long[1] - dy * long[0]) / ry);
                if a * a + b * b < 1.0 {
                    *pixel = texture::at(Cover::Sand, x, y);
                }
            });
            // Swing, slide, climbing frame: bright and small.
            let paint = random.pick(&[[204, 60, 48, 150], [236, 182, 48, 170], [56, 110, 190, 110], [70, 150, 84, 140]]);
            let angle = random.chance(0.5);
            let (a, b) = if angle { (3.2, 0.5) } else { (0.6, 2.4) };
            self.box_(&frame, [u - a + 0.3, v - b - 0.6, u + a + 0.3, v + b - 0.6], Cover::Plain([130, 118, 96, 110]));
            self.box_(&frame, [u - a, v - b, u + a, v + b], Cover::Plain(paint));
            v += 16.0;
        }
        self.hedges(&frame, &mut random, 1.0, 7.0);
        for _ in 0..12 {
            let side = if random.chance(0.5) { 1.0 } else { -1.0 };
            let at = frame.plan(side * (half - random.between(2.0, 4.0)), random.between(3.0, depth - 2.0));
            let size = random.between(2.0, 3.8);
            self.tree(at, size, &mut random);
        }
    }
    pub(super) fn wood(&mut self) {
        let mut random = self.random(12);
        let rect = self.parcel.rect;
        let step = 5.6;
        let (x0, y0) = (rect.x0 as f64 / 1000.0, rect.y0 as f64 / 1000.0);
        let (columns, rows) =
            (((rect.x1 - rect.x0) as f64 / 1000.0 / step) as u32, ((rect.y1 - rect.y0) as f64 / 1000.0 / step) as u32);
        for row in 0..rows {
            for column in 0..columns {
                let x = x0 + (f64::from(column) + random.between(0.1, 0.9)) * step;
                let y = y0 + (f64::from(row) + random.between(0.1, 0.9)) * step;
                let at = self.town.ground.place_xy(x, y);
                let size = random.between(2.4, 4.6);
                self.tree(at, size, &mut random);
            }
        }
    }
    /// Fields have hedge banks with trees along their borders, as they do between the seas.
    pub(super) fn hedgerow(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(13);
        let (half, depth) = (self.plan_width() / 2.0 - 1.5, self.plan_depth());
        let sides: [([f64; 2], [f64; 2]); 4] = [
            ([-half, 1.5], [-half, depth - 1.5]),
            ([half, 1.5], [half, depth - 1.5]),
            ([-half, depth - 1.5], [half, depth - 1.5]),
            ([-half, 1.5], [half, 1.5]),
        ];
        for (from, to) in sides {
            if random.chance(0.3) {
                continue;
            }
            let length = ((to[0] - from[0]).powi(2) + (to[1] - from[1]).powi(2)).sqrt();
            let mut t = random.between(0.0, 4.0);
            while t < length {
                let s = t / length;
                let at = frame.plan(from[0] + (to[0] - from[0]) * s, from[1] + (to[1] - from[1]) * s);
                let size = random.between(0.9, 2.8);
                self.tree(at, size, &mut random);
                t += random.between(1.4, 4.6);
            }
        }
    }
}
