//! Buildings from above: roof planes in the light of the sun, what is on them, and their shadows.

use super::canvas::{Canvas, Spot, spot};
use super::texture::vary;
use crate::demo::plane::Point;
use crate::demo::random::{Random, lattice, smooth};
use crate::demo::town::Building;
use crate::demo::town::roof::{Part, Roof};

/// Where shadows fall, in metres on the ground for each metre of height: late morning in May, a low spring sun.
pub const SHADOW: [f64; 2] = [-0.36, 0.82];

/// The direction to the sun: east, north, up.
const SUN: [f64; 3] = [0.27, -0.61, 0.745];

/// Roof colours: red, brown, anthracite tiles; then grey and dark flat roofs.
const TILES: [[f32; 4]; 6] = [
    [176.0, 92.0, 70.0, 120.0],
    [158.0, 80.0, 62.0, 112.0],
    [138.0, 84.0, 68.0, 108.0],
    [104.0, 84.0, 76.0, 96.0],
    [86.0, 86.0, 92.0, 88.0],
    [72.0, 74.0, 80.0, 80.0],
];
const FLATS: [[f32; 4]; 4] =
    [[150.0, 148.0, 144.0, 128.0], [178.0, 176.0, 170.0, 150.0], [108.0, 108.0, 110.0, 96.0], [124.0, 132.0, 96.0, 150.0]];

/// Darkens the ground where the building keeps the sun off.
pub fn shadow(canvas: &mut Canvas, building: &Building) {
    for part in &building.shape.parts {
        let mut hull: Vec<Spot> = part.corners.iter().map(|p| spot(*p)).collect();
        let moved = |p: Point, height: i64| {
            let h = height as f64;
            let (e, n) = ((SHADOW[0] * h).round() as i64, (SHADOW[1] * h).round() as i64);
            spot(Point { e: p.e + e, n: p.n + n })
        };
        for plane in part.roof_planes() {
            hull.extend(plane.into_iter().map(|(p, height)| moved(p, height)));
        }
        let hull = convex(hull);
        if canvas.sees(&hull, 0.0) {
            canvas.shade(&[&hull], 112);
        }
    }
}

/// Draws the roofs.
pub fn draw(canvas: &mut Canvas, building: &Building, seed: u64) {
    let outline: Vec<Spot> = building.shape.outline.points.iter().map(|p| spot(*p)).collect();
    if !canvas.sees(&outline, 2.0) {
        return;
    }
    let mut random = Random::of(seed, &[0x0072_6f6f_6600, building.oid.0]);
    // Houses of a row have one roof between them.
    let tile = if building.shape.name.is_some() { 4 } else { random.below(TILES.len()) };
    let flat = random.below(FLATS.len());
    let mut parts: Vec<&Part> = building.shape.parts.iter().collect();
    parts.sort_by_key(|part| part.top());
    for part in parts {
        let base = match part.roof {
            Roof::Flat if building.shape.function == 2463 => FLATS[2 * (flat % 2)],
            Roof::Flat => FLATS[flat],
            Roof::Pent if building.shape.function == 2111 => FLATS[flat],
            _ => TILES[tile],
        };
        for (k, plane) in part.roof_planes().iter().enumerate() {
            draw_plane(canvas, plane, base, building.oid.0 as u32 ^ (k as u32) << 8, part.roof == Roof::Flat);
        }
        match part.roof {
            Roof::Flat => flat_details(canvas, part, &mut random, building.shape.function),
            Roof::Pent => {}
            _ => pitched_details(canvas, part, &mut random, building.shape.function),
        }
    }
}

fn draw_plane(canvas: &mut Canvas, plane: &[(Point, i64)], base: [f32; 4], seed: u32, flat: bool) {
    let spots: Vec<Spot> = plane.iter().map(|(p, _)| spot(*p)).collect();
    let at = |k: usize| [plane[k].0.e as f64, plane[k].0.n as f64, plane[k].1 as f64];
    let (a, b, c) = (at(0), at(1), at(plane.len() - 1));
    let (u, v): ([f64; 3], [f64; 3]) = (std::array::from_fn(|k| b[k] - a[k]), std::array::from_fn(|k| c[k] - a[k]));
    let normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    let length = (normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]).sqrt().max(1e-9);
    let sun = (normal[0] * SUN[0] + normal[1] * SUN[1] + normal[2] * SUN[2]) / length;
    let light = 0.52 + 0.62 * sun.max(0.0) as f32;
    // Rows of tiles run along the eaves, the first side of the plane.
    let eaves = (u[0] * u[0] + u[1] * u[1]).sqrt().max(1e-9);
    let (dx, dy) = ((u[0] / eaves) as f32, (-u[1] / eaves) as f32);
    canvas.fill(&[&spots], |x, y| {
        let (fx, fy) = (x as f32, y as f32);
        let grain = lattice(x, y, seed);
        if flat {
            let stain = smooth(fx * 0.06, fy * 0.06, seed);
            return vary(base, light * (0.88 + 0.12 * stain + 0.05 * grain));
        }
        let (along, up) = (fx * dx + fy * dy, fx * dy - fy * dx);
        let course = smooth(along * 0.12, up * 0.9, seed);
        vary(base, light * (0.88 + 0.13 * course + 0.06 * grain))
    });
    // A plane ends in an edge that the light catches.
    edge(canvas, &spots, if flat { 1.10 } else { 0.86 });
}

/// A line of a pixel's width along a ring, lighter or darker than what is there.
fn edge(canvas: &mut Canvas, ring: &[Spot], factor: f32) {
    for (k, a) in ring.iter().enumerate() {
        let b = ring[(k + 1) % ring.len()];
        stroke(canvas, *a, b, 1.0, factor);
    }
}

/// Lightens or darkens a line.
pub fn stroke(canvas: &mut Canvas, a: Spot, b: Spot, width: f64, factor: f32) {
    let quad = bar(a, b, width);
    let mut pixels = std::mem::take(&mut canvas.pixels);
    canvas.cover(&[&quad], |index, _, _| pixels[index] = vary(pixels[index].map(f32::from), factor));
    canvas.pixels = pixels;
}

/// The rectangle along a line.
pub fn bar(a: Spot, b: Spot, width: f64) -> [Spot; 4] {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = (dx * dx + dy * dy).sqrt().max(1e-9);
    let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    [[a[0] + nx, a[1] + ny], [b[0] + nx, b[1] + ny], [b[0] - nx, b[1] - ny], [a[0] - nx, a[1] - ny]]
}

/// A place on a roof: shares of the way along the first side and across.
fn on(part: &Part, along: f64, across: f64) -> Spot {
    let [a, b, c, d] = part.corners.map(spot);
    let (near, far) = (mid(a, b, along), mid(d, c, along));
    mid(near, far, across)
}

fn mid(a: Spot, b: Spot, share: f64) -> Spot {
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]
}

fn patch(part: &Part, along: [f64; 2], across: [f64; 2]) -> [Spot; 4] {
    [on(part, along[0], across[0]), on(part, along[1], across[0]), on(part, along[1], across[1]), on(part, along[0], across[1])]
}

fn flat_details(canvas: &mut Canvas, part: &Part, random: &mut Random, function: u32) {
    let [a, b, _, d] = part.corners;
    let (long, broad) = (a.distance(b), a.distance(d));
    if long < 9.0 || broad < 7.0 || function == 2463 {
        return;
    }
    let units = (long * broad / 160.0).ceil().min(14.0) as usize;
    for _ in 0..units {
        let (s, t) = (random.between(0.08, 0.86), random.between(0.12, 0.78));
        let (w, h) = (random.between(1.0, 2.6) / long, random.between(1.0, 2.2) / broad);
        let box_ = patch(part, [s, s + w], [t, t + h]);
        let shade = box_.map(|p| [p[0] - 1.8, p[1] - 4.0]);
        canvas.fill(&[&convex([box_, shade].concat())], |x, y| vary([70.0, 72.0, 78.0, 60.0], 0.9 + 0.2 * lattice(x, y, 5)));
        let tone = random.between(150.0, 215.0) as f32;
        canvas.fill(&[&box_], |x, y| vary([tone, tone, tone - 4.0, tone - 20.0], 0.94 + 0.1 * lattice(x, y, 6)));
    }
    if random.chance(0.35) {
        // Rows of solar panels, tilted to the south.
        let rows = ((broad - 3.0) / 2.6).floor() as usize;
        for row in 0..rows.min(12) {
            let t = (1.6 + row as f64 * 2.6) / broad;
            let from = random.between(0.06, 0.12);
            panels(canvas, &patch(part, [from, 0.90], [t, t + 1.4 / broad]));
        }
    }
}

fn panels(canvas: &mut Canvas, quad: &[Spot; 4]) {
    canvas.fill(&[quad], |x, y| {
        let frame = x.rem_euclid(5) == 0 || y.rem_euclid(8) == 0;
        vary(if frame { [92.0, 98.0, 116.0, 84.0] } else { [34.0, 42.0, 70.0, 40.0] }, 0.94 + 0.1 * lattice(x, y, 7))
    });
}

fn pitched_details(canvas: &mut Canvas, part: &Part, random: &mut Random, function: u32) {
    if let Some([from, to]) = part.ridge()
        && from != to
    {
        stroke(canvas, spot(from), spot(to), 1.4, 1.16);
    }
    let [a, b, _, d] = part.corners;
    let (long, broad) = (a.distance(b), a.distance(d));
    if function != 1010 || long < 6.0 || broad < 6.0 {
        return;
    }
    let east = [(b.e - a.e) as f64, (b.n - a.n) as f64];
    // The near side of the ridge faces right of the first side: south if that runs east.
    let near_south = east[0] > 0.0;
    if random.chance(0.3) {
        let (s, t) = (random.between(0.15, 0.35), if near_south { 0.10 } else { 0.62 });
        panels(canvas, &patch(part, [s, s + random.between(0.3, 0.5)], [t, t + 0.26]));
    } else {
        for _ in 0..random.below(4) {
            let (s, t) = (random.between(0.15, 0.8), if random.chance(0.5) { 0.2 } else { 0.68 });
            let window = patch(part, [s, s + 0.9 / long], [t, t + 1.2 / broad]);
            canvas.fill(&[&window], |x, y| vary([72.0, 82.0, 96.0, 50.0], 0.9 + 0.3 * lattice(x, y, 8)));
        }
    }
    let (s, t) = (random.between(0.3, 0.7), 0.5 + random.between(0.04, 0.12));
    let (w, h) = (0.7 / long, 0.7 / broad);
    let chimney = patch(part, [s, s + w], [t, t + h]);
    let shade = chimney.map(|p| [p[0] - 2.4, p[1] - 5.6]);
    canvas.fill(&[&convex([chimney, shade].concat())], |_, _| [62, 48, 46, 50]);
    canvas.fill(&[&chimney], |_, _| [168, 120, 104, 120]);
}

/// The convex hull, by Andrew's monotone chain.
pub fn convex(mut points: Vec<Spot>) -> Vec<Spot> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let cross = |o: Spot, a: Spot, b: Spot| (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
    let mut hull: Vec<Spot> = Vec::with_capacity(points.len() + 1);
    for pass in 0..2 {
        let start = hull.len();
        for point in &points {
            while hull.len() >= start + 2 && cross(hull[hull.len() - 2], hull[hull.len() - 1], *point) <= 0.0 {
                hull.pop();
            }
            hull.push(*point);
        }
        hull.pop();
        if pass == 0 {
            points.reverse();
        }
    }
    hull
}
