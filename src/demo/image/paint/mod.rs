//! The order of painting: ground, shadows, what stands low, roofs, crowns. Lots and streets have files of their own.

mod lots;
mod streets;

use crate::demo::image::canvas::{Canvas, Spot, spot, spot_xy};
use crate::demo::image::green::Tree;
use crate::demo::image::texture::{Cover, Crop};
use crate::demo::image::{green, roofs, texture};
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
            let reach = building.shape.outline.area_m2().sqrt() / 2.0 / crate::demo::image::canvas::PIXEL;
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
        let (de, dn) =
            ((at[0] - origin[0]) * crate::demo::image::canvas::PIXEL, (origin[1] - at[1]) * crate::demo::image::canvas::PIXEL);
        [de * frame.u[0] + dn * frame.u[1], de * frame.v[0] + dn * frame.v[1]]
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
