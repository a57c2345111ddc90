//! The order of painting: ground, shadows, what stands low, roofs, crowns; and what a lot of each kind looks like.

use super::canvas::{Canvas, Spot, spot, spot_xy};
use super::green::{self, Tree};
use super::roofs;
use super::texture::{self, Cover, Crop};
use crate::demo::random::{Random, mix};
use crate::demo::town::house::Frame;
use crate::demo::town::layout::{Rect, Side, Use};
use crate::demo::town::{Building, Parcel, Quarter, Town};

/// What stands on the ground, collected while the ground is painted.
#[derive(Default)]
struct Scene {
    trees: Vec<Tree>,
    hedges: Vec<(Spot, Spot, f64, u32)>,
    cars: Vec<(Spot, Spot, f64, u64)>,
}

/// Paints what of these quarters the canvas sees.
pub fn paint(canvas: &mut Canvas, town: &Town, quarters: &[&Quarter]) {
    country(canvas, town.seed);
    let mut scene = Scene::default();
    // Footways of all streets first, so that carriageways join.
    for pass in [Pass::Ground, Pass::Footways, Pass::Carriageways, Pass::Marks] {
        for quarter in quarters {
            for parcel in &quarter.parcels {
                let outline: Vec<Spot> = parcel.outline.linear().iter().map(|p| spot(*p)).collect();
                if !canvas.sees(&outline, 60.0) {
                    continue;
                }
                let mut brush = Brush { canvas, town, quarter, parcel, scene: &mut scene };
                match (pass, parcel.kind) {
                    (Pass::Ground, Use::Street | Use::MainRoad) => {}
                    (Pass::Ground, _) => brush.lot(&outline),
                    (Pass::Footways, Use::Street | Use::MainRoad) => {
                        brush.canvas.fill(&[&outline], |x, y| texture::at(Cover::Pavement, x, y));
                    }
                    (Pass::Carriageways, Use::Street | Use::MainRoad) => brush.carriageway(),
                    (Pass::Marks, Use::Street | Use::MainRoad) => brush.marks(),
                    _ => {}
                }
            }
        }
    }
    let buildings: Vec<&Building> = quarters.iter().flat_map(|quarter| &quarter.buildings).collect();
    for building in &buildings {
        roofs::shadow(canvas, building);
    }
    for tree in &scene.trees {
        tree.shadow(canvas);
    }
    for (a, b, width, _) in &scene.hedges {
        green::hedge_shadow(canvas, *a, *b, *width);
    }
    canvas.cast();
    for (at, direction, length, seed) in &scene.cars {
        green::car(canvas, *at, *direction, *length, &mut Random::of(*seed, &[1]));
    }
    for (a, b, width, seed) in &scene.hedges {
        green::hedge(canvas, *a, *b, *width, *seed);
    }
    for building in &buildings {
        roofs::draw(canvas, building, town.seed);
    }
    for tree in &scene.trees {
        tree.draw(canvas);
    }
}

#[derive(Clone, Copy)]
enum Pass {
    Ground,
    Footways,
    Carriageways,
    Marks,
}

/// Open country around the town: fields in a patchwork.
fn country(canvas: &mut Canvas, seed: u64) {
    let (x0, y0) = (f64::from(canvas.x0), f64::from(canvas.y0));
    let all = [
        [x0, y0],
        [x0 + canvas.width as f64, y0],
        [x0 + canvas.width as f64, y0 + canvas.height as f64],
        [x0, y0 + canvas.height as f64],
    ];
    canvas.fill(&[&all], |x, y| {
        let roll = mix(seed ^ mix(((x.div_euclid(1300) as u64) << 32) ^ u64::from(y.div_euclid(1100) as u32)));
        let crop = [Crop::Wheat, Crop::Barley, Crop::Wheat, Crop::Soil][(roll % 4) as usize];
        texture::at(Cover::Crop(crop, if roll & 16 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }), x, y)
    });
}

struct Brush<'a> {
    canvas: &'a mut Canvas,
    town: &'a Town,
    quarter: &'a Quarter,
    parcel: &'a Parcel,
    scene: &'a mut Scene,
}

impl Brush<'_> {
    fn random(&self, purpose: u64) -> Random {
        Random::of(self.town.seed, &[0x0070_6169_6e74, purpose, self.parcel.oid.0])
    }
    fn buildings(&self) -> impl Iterator<Item = &Building> {
        let oid = self.parcel.oid;
        self.quarter.buildings.iter().filter(move |building| building.parcel == oid)
    }
    /// Fills a box on the plan of the lot: metres along the front and into the lot.
    fn box_(&mut self, frame: &Frame<'_>, [u0, v0, u1, v1]: [f64; 4], cover: Cover) {
        let quad = [frame.plan(u0, v0), frame.plan(u1, v0), frame.plan(u1, v1), frame.plan(u0, v1)].map(spot_xy);
        self.canvas.fill(&[&quad], |x, y| texture::at(cover, x, y));
    }
    fn lot(&mut self, outline: &[Spot]) {
        let holes: Vec<Vec<Spot>> =
            self.parcel.holes.iter().map(|hole| hole.linear().iter().map(|p| spot(*p)).collect()).collect();
        let mut random = self.random(0);
        let tint = random.below(256) as u8;
        let angle = direction(self.town, self.parcel.rect);
        let cover = match self.parcel.kind {
            Use::House | Use::Row | Use::Apartments | Use::Church | Use::Park | Use::Playground => Cover::Lawn(tint),
            Use::Court => Cover::Setts(60),
            Use::Centre => Cover::Setts(tint / 2),
            Use::TownHall => Cover::Setts(120),
            Use::School | Use::Commerce => Cover::Yard,
            Use::Pond => Cover::Water,
            Use::Field => {
                let crops = [Crop::Rape, Crop::Wheat, Crop::Barley, Crop::Wheat, Crop::Soil, Crop::Rape];
                Cover::Crop(crops[(self.parcel.oid.0 as usize + tint as usize) % crops.len()], angle)
            }
            Use::Meadow => Cover::Meadow,
            Use::Wood => Cover::Litter,
            Use::Street | Use::MainRoad => Cover::Asphalt,
        };
        let mut rings: Vec<&[Spot]> = vec![outline];
        rings.extend(holes.iter().map(Vec::as_slice));
        self.canvas.fill(&rings, |x, y| texture::at(cover, x, y));
        match self.parcel.kind {
            Use::House => self.garden(),
            Use::Row => self.row_garden(),
            Use::Court => self.court(),
            Use::Apartments => self.apartments(),
            Use::Centre => self.centre(),
            Use::TownHall => self.plaza(),
            Use::Church => self.churchyard(),
            Use::School => self.school(),
            Use::Commerce => self.yard(),
            Use::Park => self.park(),
            Use::Pond => self.pond(outline),
            Use::Playground => self.playground(),
            Use::Wood => self.wood(),
            Use::Field | Use::Meadow => self.hedgerow(),
            Use::Street | Use::MainRoad => {}
        }
    }
    fn tree(&mut self, at: [f64; 2], size: f64, random: &mut Random) {
        let at = spot_xy(at);
        // Crowns keep off the roofs' middles.
        for building in self.buildings() {
            let centre = spot(building.shape.outline.centre());
            let (dx, dy) = (centre[0] - at[0], centre[1] - at[1]);
            let reach = building.shape.outline.area_m2().sqrt() / 2.0 / super::canvas::PIXEL;
            if (dx * dx + dy * dy).sqrt() < reach * 1.05 + size * 2.5 {
                return;
            }
        }
        self.scene.trees.push(Tree::new(at, size, random));
    }
    /// Hedges along the sides and the back, bent as the borders are.
    fn hedges(&mut self, frame: &Frame<'_>, random: &mut Random, share: f64, width: f64) {
        let half = self.plan_width() / 2.0 - 0.5;
        let depth = self.plan_depth();
        let mut line = |from: [f64; 2], to: [f64; 2], random: &mut Random| {
            if random.chance(share) {
                let (a, b) = (spot_xy(frame.plan(from[0], from[1])), spot_xy(frame.plan(to[0], to[1])));
                self.scene.hedges.push((a, b, width, random.next() as u32));
            }
        };
        line([-half, 2.5], [-half, depth - 0.6], random);
        line([half, 2.5], [half, depth - 0.6], random);
        line([-half, depth - 0.6], [half, depth - 0.6], random);
        if random.chance(0.5) {
            let gate = random.between(-half * 0.3, half * 0.3);
            line([-half, 0.6], [gate - 1.6, 0.6], random);
            line([gate + 1.6, 0.6], [half * 0.4, 0.6], random);
        }
    }
    fn plan_width(&self) -> f64 {
        let r = self.parcel.rect;
        let side = if matches!(self.parcel.front, Side::South | Side::North) { r.x1 - r.x0 } else { r.y1 - r.y0 };
        side as f64 / 1000.0
    }
    fn plan_depth(&self) -> f64 {
        let r = self.parcel.rect;
        let side = if matches!(self.parcel.front, Side::South | Side::North) { r.y1 - r.y0 } else { r.x1 - r.x0 };
        side as f64 / 1000.0
    }
    /// From a point on the ground back to metres along the front and into the lot, near enough for paths.
    fn local(frame: &Frame<'_>, at: Spot) -> [f64; 2] {
        let origin = spot_xy(frame.plan(0.0, 0.0));
        let (de, dn) = ((at[0] - origin[0]) * super::canvas::PIXEL, (origin[1] - at[1]) * super::canvas::PIXEL);
        [de * frame.u[0] + dn * frame.u[1], de * frame.v[0] + dn * frame.v[1]]
    }
    fn garden(&mut self) {
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
        let r = radius / super::canvas::PIXEL;
        self.canvas.around(at, r, |pixel, x, y| {
            let (dx, dy) = (f64::from(x) + 0.5 - at[0], f64::from(y) + 0.5 - at[1]);
            let d = (dx * dx + dy * dy).sqrt();
            if d < r {
                *pixel = if d > r * 0.8 { rim } else { inner };
            }
        });
    }
    fn row_garden(&mut self) {
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
    fn court(&mut self) {
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
    fn apartments(&mut self) {
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
    fn centre(&mut self) {
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
    fn plaza(&mut self) {
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
    fn churchyard(&mut self) {
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
    fn school(&mut self) {
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
    fn yard(&mut self) {
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
    fn park(&mut self) {
        let town = self.town;
        let frame = Frame::new(&town.ground, self.parcel.rect, self.parcel.front);
        let mut random = self.random(10);
        let (half, depth) = (self.plan_width() / 2.0, self.plan_depth());
        let Some(pond) = self.parcel.holes.first() else { return };
        let middle = spot(pond.centre());
        let radius = (pond.area_m2() / std::f64::consts::PI).sqrt() / super::canvas::PIXEL;
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
    fn pond(&mut self, outline: &[Spot]) {
        // A darker rim where reed stands.
        for (k, a) in outline.iter().enumerate() {
            roofs::stroke(self.canvas, *a, outline[(k + 1) % outline.len()], 4.0, 0.72);
        }
    }
    fn playground(&mut self) {
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
            let (rx, ry) = (w / super::canvas::PIXEL, h / super::canvas::PIXEL);
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
    fn wood(&mut self) {
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
    fn hedgerow(&mut self) {
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
    /// The carriageway: the strip without its footways, run on into the streets at its ends.
    fn carriageway(&mut self) {
        let strip = Strip::of(self.parcel);
        let ring = strip.ring(self.town, strip.half - strip.footway, strip.footway + 1.5);
        self.canvas.fill(&[&ring], |x, y| texture::at(Cover::Asphalt, x, y));
    }
    fn marks(&mut self) {
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

/// Direction of the longer side of a rectangle on the ground, in pixels.
fn direction(town: &Town, rect: Rect) -> [f32; 2] {
    let (x, y) = ((rect.x0 + rect.x1) as f64 / 2000.0, (rect.y0 + rect.y1) as f64 / 2000.0);
    let step = if rect.x1 - rect.x0 > rect.y1 - rect.y0 { [5.0, 0.0] } else { [0.0, 5.0] };
    let (a, b) = (town.ground.place_xy(x, y), town.ground.place_xy(x + step[0], y + step[1]));
    let (dx, dy) = (b[0] - a[0], a[1] - b[1]);
    let length = (dx * dx + dy * dy).sqrt();
    [(dx / length) as f32, (dy / length) as f32]
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
