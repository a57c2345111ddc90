//! Orthophotos: the model as an aerial camera sees it, every building upright (a true orthophoto).

pub mod canvas;
pub mod green;
pub mod paint;
pub mod roofs;
pub mod texture;
pub mod tiff;

use super::plane::Point;
use super::random::Random;
use super::town::layout::Use;
use super::town::{Quarter, Town};
use canvas::{Canvas, Colour, PIXEL, spot};

/// Tiles reach beyond their nominal border by so many metres on every side.
pub const MARGIN_M: f64 = 10.0;

/// One point that can be measured in picture and model: a target of four squares of 1.6 m, light and dark in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Number in the town.
    pub serial: u32,
    /// Its middle, on a corner of four pixels.
    pub at: Point,
}

/// The light squares (north-west and south-east).
pub const LIGHT: Colour = [236, 236, 232, 204];
/// The dark squares (north-east and south-west).
pub const DARK: Colour = [26, 26, 30, 22];

/// The targets of a quarter: in the middle of three of its streets.
pub fn targets(town: &Town, quarter: &Quarter) -> Vec<Target> {
    let streets: Vec<_> = quarter.parcels.iter().filter(|parcel| parcel.kind == Use::Street).collect();
    let mut random = Random::of(town.seed, &[0x7461_7267_6574, u64::from(quarter.key())]);
    (0..3_u32)
        .filter_map(|k| {
            let street = streets.get((k as usize * streets.len()) / 3 + random.below((streets.len() / 3).max(1)))?;
            let r = street.rect;
            let share = random.between(0.25, 0.75);
            let long = r.x1 - r.x0 > r.y1 - r.y0;
            let (x, y) = if long {
                (r.x0 as f64 + (r.x1 - r.x0) as f64 * share, (r.y0 + r.y1) as f64 / 2.0)
            } else {
                ((r.x0 + r.x1) as f64 / 2.0, r.y0 as f64 + (r.y1 - r.y0) as f64 * share)
            };
            let at = town.ground.place(x / 1000.0, y / 1000.0);
            // 200 mm is a pixel; the origin lies on the grid.
            let snap = |v: i64| (v as f64 / 200.0).round() as i64 * 200;
            Some(Target { serial: quarter.key() * 4 + k, at: Point { e: snap(at.e), n: snap(at.n) } })
        })
        .collect()
}

/// The picture of a box in metres (EPSG:25832: west, south, east, north) with the margin around it.
pub fn picture(town: &Town, [west, south, east, north]: [f64; 4]) -> Canvas {
    let [x0, y0] = canvas::spot_xy([west - MARGIN_M, north + MARGIN_M]);
    let pixels = |metres: f64| ((metres + 2.0 * MARGIN_M) / PIXEL).round() as usize;
    let mut canvas = Canvas::new(x0.round() as i32, y0.round() as i32, pixels(east - west), pixels(north - south));
    let side = super::town::layout::QUARTER as f64 / 1000.0;
    let near = |quarter: &&Quarter| {
        let [e, n] = quarter.corner();
        let reach = 110.0;
        e < east + reach && e + side > west - reach && n < north + reach && n + side > south - reach
    };
    let quarters: Vec<&Quarter> = town.quarters.iter().filter(near).collect();
    paint::paint(&mut canvas, town, &quarters);
    for quarter in &quarters {
        for target in targets(town, quarter) {
            draw_target(&mut canvas, target);
        }
    }
    canvas.soften();
    canvas
}

fn draw_target(canvas: &mut Canvas, target: Target) {
    let [x, y] = spot(target.at);
    let (x, y) = (x.round() as i32, y.round() as i32);
    canvas.around([f64::from(x), f64::from(y)], 12.0, |pixel, column, row| {
        let (dx, dy) = (column - x, row - y);
        if (-8..8).contains(&dx) && (-8..8).contains(&dy) {
            *pixel = if (dx < 0) == (dy < 0) { LIGHT } else { DARK };
        }
    });
}
