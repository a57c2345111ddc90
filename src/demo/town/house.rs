//! What stands on a lot: buildings with footprints, parts, roofs and heights.

use super::layout::{Rect, Side, Use};
use super::roof::{Part, Roof};
use crate::demo::ground::Ground;
use crate::demo::plane::{Point, Ring};
use crate::demo::random::Random;

/// The shape of a building, before it has an identity.
#[derive(Debug, Clone)]
pub struct Shape {
    /// `gebaeudefunktion` (AX_Gebaeude).
    pub function: u32,
    /// Outline of all parts together.
    pub outline: Ring,
    /// Courtyards.
    pub holes: Vec<Ring>,
    /// The parts; together they cover the outline.
    pub parts: Vec<Part>,
    /// Storeys above the ground; 0 where they are not recorded.
    pub storeys: u32,
    /// Name, if the building has one.
    pub name: Option<&'static str>,
    /// True for the building that bears the lot's house number.
    pub main: bool,
}

/// The frame of a lot: origin at the middle of its front, `u` along the front, `v` into the lot, in metres.
pub struct Frame<'a> {
    ground: &'a Ground,
    rect: Rect,
    front: Side,
    /// Direction along the front, a unit vector on the ground.
    pub u: [f64; 2],
    /// Direction into the lot, a unit vector on the ground.
    pub v: [f64; 2],
    /// Width that can safely be built upon, in metres.
    pub width: f64,
    /// Depth that can safely be built upon, in metres.
    pub depth: f64,
}

impl<'a> Frame<'a> {
    /// The frame of a lot on the plan.
    pub fn new(ground: &'a Ground, rect: Rect, front: Side) -> Self {
        let (dx, dy) = ((rect.x1 - rect.x0) as f64 / 1000.0, (rect.y1 - rect.y0) as f64 / 1000.0);
        let (wide, deep) = if matches!(front, Side::South | Side::North) { (dx, dy) } else { (dy, dx) };
        let mut frame = Self { ground, rect, front, u: [1.0, 0.0], v: [0.0, 1.0], width: wide, depth: deep };
        let near = deep * 0.3;
        let (a, b) = (frame.plan(-1.0, near), frame.plan(1.0, near));
        let length = ((b[0] - a[0]).powi(2) + (b[1] - a[1]).powi(2)).sqrt();
        frame.u = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
        let (c, d) = (frame.plan(0.0, near), frame.plan(0.0, near + 1.0));
        let inward = [d[0] - c[0], d[1] - c[1]];
        let left = [-frame.u[1], frame.u[0]];
        let same = left[0] * inward[0] + left[1] * inward[1] > 0.0;
        frame.v = if same { left } else { [frame.u[1], -frame.u[0]] };
        frame.width = wide * length / 2.0;
        frame.depth = deep * (inward[0] * frame.v[0] + inward[1] * frame.v[1]);
        frame
    }
    /// A place on the ground by metres on the plan: `u` from the middle of the front, `v` into the lot.
    pub fn plan(&self, u: f64, v: f64) -> [f64; 2] {
        let r = self.rect;
        let (x0, y0, x1, y1) = (r.x0 as f64 / 1000.0, r.y0 as f64 / 1000.0, r.x1 as f64 / 1000.0, r.y1 as f64 / 1000.0);
        let (x, y) = match self.front {
            Side::South => (f64::midpoint(x0, x1) + u, y0 + v),
            Side::North => (f64::midpoint(x0, x1) - u, y1 - v),
            Side::West => (x0 + v, f64::midpoint(y0, y1) - u),
            Side::East => (x1 - v, f64::midpoint(y0, y1) + u),
        };
        self.ground.place_xy(x, y)
    }
    /// Corners of a right-angled box around `middle` (on the plan), with extents from there along `u` and `v`.
    fn corners(&self, middle: [f64; 2], [u0, v0, u1, v1]: [f64; 4]) -> [Point; 4] {
        let [e, n] = self.plan(middle[0], middle[1]);
        let at = |u: f64, v: f64| Point::metres(e + self.u[0] * u + self.v[0] * v, n + self.u[1] * u + self.v[1] * v);
        [at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)]
    }
    fn single(&self, function: u32, middle: [f64; 2], size: [f64; 2], roof: Roof, eaves: f64, rise: f64) -> Shape {
        let (w, d) = (size[0] / 2.0, size[1] / 2.0);
        let corners = self.corners(middle, [-w, -d, w, d]);
        Shape {
            function,
            outline: Ring::straight(corners.to_vec()),
            holes: Vec::new(),
            parts: vec![Part::new(corners, roof, eaves, rise)],
            storeys: 0,
            name: None,
            main: false,
        }
    }
    /// A box with a wing at its back: an L or a T.
    fn winged(&self, function: u32, middle: [f64; 2], size: [f64; 2], wing: [f64; 3], parts: [(Roof, f64, f64); 2]) -> Shape {
        let (w, d) = (size[0] / 2.0, size[1] / 2.0);
        let [from, to, deep] = wing;
        let body = self.corners(middle, [-w, -d, w, d]);
        let [_, _, far, near] = self.corners(middle, [from, d, to, d + deep]);
        // The wing's foot lies exactly on the body's back wall.
        let back = |u: f64| body[3].toward(body[2], (u + w) / (2.0 * w));
        let (foot0, foot1) = (back(from), back(to));
        let mut outline = vec![body[0], body[1], body[2]];
        if foot1 != body[2] {
            outline.push(foot1);
        }
        outline.extend([far, near]);
        if foot0 != body[3] {
            outline.push(foot0);
        }
        outline.push(body[3]);
        let [(roof0, eaves0, rise0), (roof1, eaves1, rise1)] = parts;
        let first = Part::new(body, roof0, eaves0, rise0);
        let mut second = Part::new([foot0, foot1, far, near], roof1, eaves1, rise1);
        second.leaning = (0..4).find(|side| {
            let ends = [second.corners[*side], second.corners[(*side + 1) % 4]];
            ends.contains(&foot0) && ends.contains(&foot1)
        });
        Shape {
            function,
            outline: Ring::straight(outline),
            holes: Vec::new(),
            parts: vec![first, second],
            storeys: 0,
            name: None,
            main: false,
        }
    }
}

/// The buildings of a lot. `version` counts what was built anew there.
pub fn build(ground: &Ground, seed: u64, key: u64, version: u32, kind: Use, rect: Rect, front: Side) -> Vec<Shape> {
    let mut random = Random::of(seed, &[0x0068_6f75_7365_0000, key, u64::from(version)]);
    let frame = Frame::new(ground, rect, front);
    match kind {
        Use::House => house(&frame, &mut random, version),
        Use::Row => row(&frame, seed, rect, front),
        Use::Court => court(&frame),
        Use::Apartments => apartments(&frame, &mut random),
        Use::Centre => centre(&frame, &mut random),
        Use::TownHall => town_hall(&frame),
        Use::Church => church(&frame),
        Use::School => school(&frame),
        Use::Commerce => commerce(&frame, &mut random),
        Use::Park => kiosk(&frame),
        Use::Field | Use::Meadow => barn(&frame, &mut random),
        Use::Pond | Use::Playground | Use::Wood | Use::Street | Use::MainRoad => Vec::new(),
    }
}

fn house(frame: &Frame<'_>, random: &mut Random, version: u32) -> Vec<Shape> {
    let mut out = Vec::new();
    let side = if random.chance(0.5) { 1.0 } else { -1.0 };
    let setback = random.between(4.5, 7.0);
    let (mut wide, mut deep) = (random.between(8.5, 12.0), random.between(8.0, 10.5));
    let storeys = if random.chance(0.4) { 2 } else { 1 };
    let mut roof = match random.unit() {
        r if r < 0.56 => Roof::Saddle,
        r if r < 0.80 => Roof::Hip,
        r if r < 0.90 => Roof::Flat,
        r if r < 0.95 => Roof::Pent,
        _ => Roof::Pyramid,
    };
    if version > 0 {
        // What replaces a house is larger and has a flat roof: easy to see from above.
        (wide, deep, roof) = (14.5, 12.5, Roof::Flat);
    }
    wide = wide.min(frame.width - 6.4);
    deep = deep.min(frame.depth - setback - 4.0);
    if wide < 6.0 || deep < 6.0 {
        return out;
    }
    let garage = frame.width - wide > 8.2 && version == 0;
    let shift = if garage { -side * ((frame.width - wide) / 2.0 - 3.0).min(2.0) } else { 0.0 };
    let eaves = f64::from(storeys) * 2.8 + random.between(0.3, 0.9);
    let steep = if storeys == 1 { random.between(0.75, 1.0) } else { random.between(0.45, 0.7) };
    let rise = match roof {
        Roof::Pent => deep * 0.18,
        _ => deep / 2.0 * steep,
    };
    let middle = [shift, setback + deep / 2.0];
    let room = frame.depth - setback - deep;
    let mut main = if random.chance(0.3) && room > 9.0 && roof != Roof::Pyramid {
        let from = -wide / 2.0 + random.between(0.0, wide / 3.0);
        let wing = [from, from + random.between(3.5, wide / 2.0), random.between(2.6, 4.0)];
        let low = eaves.min(2.9);
        let roofs = [(roof, eaves, rise), (Roof::Flat, low, 0.0)];
        frame.winged(1010, middle, [wide, deep], wing, roofs)
    } else if random.chance(0.25) && roof == Roof::Saddle && deep >= 9.0 {
        // Gable to the street: the ridge runs into the lot.
        let mut shape = frame.single(1010, middle, [wide, deep], roof, eaves, wide / 2.0 * steep);
        let [a, b, c, d] = shape.parts[0].corners;
        let rise = shape.parts[0].rise;
        let eaves = shape.parts[0].eaves;
        shape.parts = vec![Part { corners: [b, c, d, a], roof, eaves, rise, leaning: None }];
        shape
    } else {
        frame.single(1010, middle, [wide, deep], roof, eaves, rise)
    };
    main.storeys = storeys;
    main.main = true;
    out.push(main);
    if garage {
        let at = [side * (frame.width / 2.0 - 2.5), setback + random.between(2.5, 5.5)];
        out.push(frame.single(2463, at, [3.1, 6.2], Roof::Flat, 2.6, 0.0));
    }
    if random.chance(0.55) && room > 8.5 {
        let at = [-side * (frame.width / 2.0 - 3.2), frame.depth - 4.0];
        let (roof, rise) = if random.chance(0.5) { (Roof::Pent, 0.5) } else { (Roof::Flat, 0.0) };
        out.push(frame.single(2723, at, [random.between(2.4, 3.6), 2.2], roof, 2.1, rise));
    }
    out
}

fn row(frame: &Frame<'_>, seed: u64, rect: Rect, front: Side) -> Vec<Shape> {
    // All houses of a row agree: what they share follows from the line of their front.
    let line = match front {
        Side::South => rect.y0,
        Side::North => rect.y1,
        Side::West => rect.x0,
        Side::East => rect.x1,
    };
    let mut random = Random::of(seed, &[0x0072_6f77_0000, line as u64, front as u64]);
    let (setback, deep) = (random.between(3.5, 5.0), random.between(9.0, 10.5));
    let (eaves, rise) = (random.between(5.6, 6.2), random.between(3.0, 3.8));
    let half = {
        let (dx, dy) = (rect.x1 - rect.x0, rect.y1 - rect.y0);
        (if matches!(front, Side::South | Side::North) { dx } else { dy }) as f64 / 2000.0
    };
    let at = |u: f64, v: f64| {
        let [e, n] = frame.plan(u, v);
        Point::metres(e, n)
    };
    let corners = [at(-half, setback), at(half, setback), at(half, setback + deep), at(-half, setback + deep)];
    vec![Shape {
        function: 1010,
        outline: Ring::straight(corners.to_vec()),
        holes: Vec::new(),
        parts: vec![Part::new(corners, Roof::Saddle, eaves, rise)],
        storeys: 2,
        name: None,
        main: true,
    }]
}

fn court(frame: &Frame<'_>) -> Vec<Shape> {
    let wide = frame.width - 2.6;
    if wide < 5.8 {
        return Vec::new();
    }
    vec![frame.single(2463, [0.0, frame.depth - 5.5], [wide, 6.0], Roof::Flat, 2.6, 0.0)]
}

fn apartments(frame: &Frame<'_>, random: &mut Random) -> Vec<Shape> {
    let mut out = Vec::new();
    let storeys = 3 + random.below(4) as u32;
    let flat = random.chance(0.6);
    let wide = (frame.width - 16.0).min(46.0);
    if wide < 16.0 {
        return out;
    }
    for (k, at) in [14.0, frame.depth - 18.0].into_iter().enumerate() {
        let (roof, rise) = if flat { (Roof::Flat, 0.0) } else { (Roof::Hip, 3.6) };
        let middle = [if k == 0 { -3.0 } else { 3.0 }, at];
        let mut shape = frame.single(1010, middle, [wide, 12.4], roof, f64::from(storeys) * 2.85 + 0.8, rise);
        shape.storeys = storeys;
        shape.main = k == 0;
        out.push(shape);
    }
    out
}

fn centre(frame: &Frame<'_>, random: &mut Random) -> Vec<Shape> {
    let storeys = 2 + random.below(3) as u32;
    let (wide, deep) = (frame.width - random.between(4.6, 6.2), random.between(12.0, 14.0));
    if frame.depth < deep + 14.0 {
        return Vec::new();
    }
    let eaves = f64::from(storeys) * 3.1 + 0.8;
    let roofs = match random.below(3) {
        0 => [(Roof::Flat, eaves, 0.0), (Roof::Flat, 4.2, 0.0)],
        1 => [(Roof::Saddle, eaves, 4.6), (Roof::Flat, 4.2, 0.0)],
        _ => [(Roof::Hip, eaves, 4.2), (Roof::Flat, 4.2, 0.0)],
    };
    let from = if random.chance(0.5) { -wide / 2.0 } else { wide / 2.0 - wide * 0.55 };
    let back = (frame.depth - 2.0 - deep - 5.0).min(14.0);
    let mut shape = frame.winged(2010, [0.0, 2.4 + deep / 2.0], [wide, deep], [from, from + wide * 0.55, back], roofs);
    shape.storeys = storeys;
    shape.main = true;
    vec![shape]
}

/// A ring of four wings around a courtyard.
fn town_hall(frame: &Frame<'_>) -> Vec<Shape> {
    let (wide, deep) = ((frame.width - 20.0).min(52.0), (frame.depth - 26.0).min(44.0));
    let thick = 11.0;
    if wide < 34.0 || deep < 32.0 {
        return Vec::new();
    }
    let middle = [0.0, frame.depth / 2.0];
    let (w, d) = (wide / 2.0, deep / 2.0);
    let outer = frame.corners(middle, [-w, -d, w, d]);
    let inner = frame.corners(middle, [-w + thick, -d + thick, w - thick, d - thick]);
    let parts = (0..4)
        .map(|k| {
            let next = (k + 1) % 4;
            let mut part =
                Part::new([outer[k], outer[next], inner[next], inner[k]], Roof::Flat, if k == 0 { 14.6 } else { 11.2 }, 0.0);
            // Both cut sides lean on a neighbour; one of them is enough to be told.
            part.leaning = Some(1);
            part
        })
        .collect();
    vec![Shape {
        function: 3013,
        outline: Ring::straight(outer.to_vec()),
        holes: vec![Ring::straight(inner.to_vec())],
        parts,
        storeys: 3,
        name: Some("Rathaus"),
        main: true,
    }]
}

fn church(frame: &Frame<'_>) -> Vec<Shape> {
    let deep = (frame.depth - 34.0).min(32.0);
    if deep < 16.0 || frame.width < 26.0 {
        return Vec::new();
    }
    // The nave lies along the lot's front so that the tower can lean on its back.
    let middle = [2.0, 20.0];
    let (long, broad) = (deep.max(28.0).min(frame.width - 12.0), 14.0);
    let roofs = [(Roof::Saddle, 9.5, 8.2), (Roof::Pyramid, 26.0, 16.0)];
    let mut shape = frame.winged(3041, middle, [long, broad], [-long / 2.0, -long / 2.0 + 7.0, 7.0], roofs);
    shape.name = Some("St.-Johannis-Kirche");
    shape.main = true;
    let mut parish = frame.single(1010, [-4.0, frame.depth - 14.0], [16.0, 11.0], Roof::Hip, 5.8, 4.0);
    parish.storeys = 2;
    vec![shape, parish]
}

fn school(frame: &Frame<'_>) -> Vec<Shape> {
    let wide = (frame.width - 40.0).min(84.0);
    if wide < 40.0 || frame.depth < 80.0 {
        return Vec::new();
    }
    let roofs = [(Roof::Flat, 10.4, 0.0), (Roof::Flat, 7.2, 0.0)];
    let mut body = frame.winged(3021, [-12.0, 22.0], [wide, 16.0], [-wide / 2.0, -wide / 2.0 + 18.0, 30.0], roofs);
    body.storeys = 3;
    body.name = Some("Schule am Park");
    body.main = true;
    let mut gym = frame.single(3211, [frame.width / 2.0 - 24.0, 46.0], [27.0, 36.0], Roof::Saddle, 7.4, 2.0);
    gym.storeys = 1;
    vec![body, gym]
}

fn commerce(frame: &Frame<'_>, random: &mut Random) -> Vec<Shape> {
    let (wide, deep) = (frame.width * random.between(0.5, 0.68), (frame.depth - 40.0) * random.between(0.75, 1.0));
    if wide < 20.0 || deep < 18.0 {
        return Vec::new();
    }
    let eaves = random.between(6.5, 9.5);
    let (roof, rise) = match random.below(3) {
        0 => (Roof::Saddle, 2.4),
        1 => (Roof::Pent, 1.8),
        _ => (Roof::Flat, 0.0),
    };
    let mut hall = frame.single(2111, [frame.width * 0.1, frame.depth - deep / 2.0 - 8.0], [wide, deep], roof, eaves, rise);
    hall.main = true;
    let mut office = frame.single(2020, [-frame.width / 2.0 + 13.0, 14.0], [16.0, 11.0], Roof::Flat, 9.4, 0.0);
    office.storeys = 3;
    vec![hall, office]
}

fn kiosk(frame: &Frame<'_>) -> Vec<Shape> {
    vec![frame.single(2081, [-frame.width / 2.0 + 24.0, 12.0], [6.0, 6.0], Roof::Pyramid, 2.8, 1.9)]
}

fn barn(frame: &Frame<'_>, random: &mut Random) -> Vec<Shape> {
    if frame.depth < 45.0 || frame.width < 60.0 || !random.chance(0.35) {
        return Vec::new();
    }
    let at = [random.between(-frame.width / 2.0 + 30.0, frame.width / 2.0 - 30.0), random.between(14.0, 20.0)];
    vec![frame.single(2721, at, [random.between(18.0, 30.0), random.between(10.0, 14.0)], Roof::Saddle, 4.6, 4.4)]
}
