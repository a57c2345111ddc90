//! Where each pixel of a target lies in a source: exact on a coarse grid, bilinear between.
//!
//! An exact transformation costs about as much as reading ten pixels. On a grid of at most 256 pixels it costs nothing, and the
//! error is measured while the grid is built: it is refined until the interpolation is right to [`TOLERANCE`].

/// Largest error of the interpolated position that is accepted, in source pixels (GDAL accepts 0.125).
pub const TOLERANCE: f64 = 0.002;
/// Widest mesh, in target pixels.
const WIDEST: usize = 256;

/// Source positions at the corners of a mesh over the target.
#[derive(Debug, Clone)]
pub struct Grid {
    step: usize,
    columns: usize,
    points: Vec<[f64; 2]>,
}

/// A stretch of a target row on which the source position is linear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// First target column.
    pub start: usize,
    /// Number of target columns.
    pub count: usize,
    /// Target column of the mesh line to the left, at or before `start`.
    pub mesh: usize,
    /// Source position on that mesh line.
    pub at: [f64; 2],
    /// Change of the source position for one target pixel.
    pub step: [f64; 2],
}

impl Grid {
    /// Builds the grid of a target of `width` × `height` pixels. `exact` replaces target positions (pixel corners are whole
    /// numbers) by source positions; where the size is no multiple of the mesh, it is asked up to two cells beyond the target.
    ///
    /// # Errors
    /// Those of `exact`.
    pub fn build<E>(width: usize, height: usize, mut exact: impl FnMut(&mut [[f64; 2]]) -> Result<(), E>) -> Result<Self, E> {
        let longer = width.max(height).max(1);
        let mut step = WIDEST.min(longer.next_power_of_two()).max(2) / 2;
        loop {
            // The mesh in use is half as wide as the one that is tested: its own error is about a quarter of what is measured.
            let grid = Self::at_step(width, height, step, &mut exact)?;
            if step <= 2 || grid.error_at_twice_the_step() <= TOLERANCE {
                return Ok(grid);
            }
            step /= 2;
        }
    }

    fn at_step<E>(
        width: usize,
        height: usize,
        step: usize,
        exact: &mut impl FnMut(&mut [[f64; 2]]) -> Result<(), E>,
    ) -> Result<Self, E> {
        // An even number of cells, so that the mesh of twice the step fits too.
        let cells = |length: usize| length.div_ceil(step * 2).max(1) * 2;
        let (columns, rows) = (cells(width) + 1, cells(height) + 1);
        let mut points = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                points.push([(column * step) as f64, (row * step) as f64]);
            }
        }
        exact(&mut points)?;
        Ok(Self { step, columns, points })
    }

    /// Largest error at the points that a mesh of twice the step would leave out. They lie on the middles of its edges and of its
    /// cells: for a conformal map the middle of a cell alone would hide the error, as the two curvatures cancel there.
    fn error_at_twice_the_step(&self) -> f64 {
        let rows = self.points.len() / self.columns;
        let mut error = 0.0_f64;
        let between = |a: [f64; 2], b: [f64; 2]| [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])];
        for row in 0..rows {
            for column in 0..self.columns {
                let here = row * self.columns + column;
                let guess = match (column % 2, row % 2) {
                    (0, 0) => continue,
                    (1, 0) => between(self.points[here - 1], self.points[here + 1]),
                    (0, _) => between(self.points[here - self.columns], self.points[here + self.columns]),
                    _ => between(
                        between(self.points[here - self.columns - 1], self.points[here - self.columns + 1]),
                        between(self.points[here + self.columns - 1], self.points[here + self.columns + 1]),
                    ),
                };
                let exact = self.points[here];
                error = error.max((guess[0] - exact[0]).abs()).max((guess[1] - exact[1]).abs());
            }
        }
        error
    }

    /// Source position of a target position.
    pub fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let column = ((x / self.step as f64) as usize).min(self.columns - 2);
        let [left, step] = self.line(column, y);
        let offset = x - (column * self.step) as f64;
        [left[0] + step[0] * offset, left[1] + step[1] * offset]
    }

    /// The share of a cell that a pixel has; exact, as the mesh is a power of two wide.
    fn share(&self) -> f64 {
        1.0 / self.step as f64
    }

    /// On the line at height `y`, within a column of cells: the position at its left side, and the change for one target pixel.
    fn line(&self, column: usize, y: f64) -> [[f64; 2]; 2] {
        let rows = self.points.len() / self.columns;
        let place = y * self.share();
        let row = (place as usize).min(rows - 2);
        let fy = place - row as f64;
        let corner = row * self.columns + column;
        let side = |corner: usize| {
            let (upper, lower) = (self.points[corner], self.points[corner + self.columns]);
            [upper[0] + (lower[0] - upper[0]) * fy, upper[1] + (lower[1] - upper[1]) * fy]
        };
        let (left, right) = (side(corner), side(corner + 1));
        let share = self.share();
        [left, [(right[0] - left[0]) * share, (right[1] - left[1]) * share]]
    }

    /// The stretches of the target columns `columns` on the line at height `y`.
    pub fn spans(&self, columns: std::ops::Range<usize>, y: f64) -> impl Iterator<Item = Span> + '_ {
        let mut start = columns.start;
        std::iter::from_fn(move || {
            if start >= columns.end {
                return None;
            }
            let column = (start / self.step).min(self.columns - 2);
            let end = ((column + 1) * self.step).min(columns.end);
            let [at, step] = self.line(column, y);
            let span = Span { start, count: end - start, mesh: column * self.step, at, step };
            start = end;
            Some(span)
        })
    }

    /// The box `[min x, min y, max x, max y]` of source positions that a part of the target needs.
    pub fn bounds(&self, x: usize, y: usize, width: usize, height: usize) -> [f64; 4] {
        let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let mut grow = |x: usize, y: usize| {
            let [sx, sy] = self.at(x as f64, y as f64);
            bounds = [bounds[0].min(sx), bounds[1].min(sy), bounds[2].max(sx), bounds[3].max(sy)];
        };
        // Between mesh lines positions are bilinear, so that extremes lie on mesh points and on the part's own border.
        let stops = |from: usize, length: usize| {
            let inner = (from / self.step + 1..).map(|line| line * self.step).take_while(move |at| *at < from + length);
            std::iter::once(from).chain(inner).chain(std::iter::once(from + length)).collect::<Vec<_>>()
        };
        for row in stops(y, height) {
            for column in stops(x, width) {
                grow(column, row);
            }
        }
        bounds
    }

    /// Source pixels for one target pixel, along the longer side, in the middle of the target.
    pub fn shrink(&self) -> f64 {
        let rows = self.points.len() / self.columns;
        let here = (rows / 2).min(rows - 2) * self.columns + (self.columns / 2).min(self.columns - 2);
        let length = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]) / self.step as f64;
        let across = length(self.points[here], self.points[here + 1]);
        across.max(length(self.points[here], self.points[here + self.columns]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grid_of(width: usize, height: usize, f: impl Fn([f64; 2]) -> [f64; 2]) -> Grid {
        let exact = |points: &mut [[f64; 2]]| -> Result<(), ()> {
            for point in points.iter_mut() {
                *point = f(*point);
            }
            Ok(())
        };
        Grid::build(width, height, exact).unwrap()
    }

    /// A conformal map with curvature, as between UTM and Mercator: z → z + c·z².
    fn conformal(c: f64) -> impl Fn([f64; 2]) -> [f64; 2] {
        move |[x, y]| [x + c * (x * x - y * y), y + 2.0 * c * x * y]
    }

    #[test]
    fn positions_are_right_to_the_tolerance_also_where_the_curvatures_cancel() {
        for curvature in [1e-8, 1e-6, 1e-5] {
            let f = conformal(curvature);
            let grid = grid_of(2048, 2048, &f);
            let mut worst = 0.0_f64;
            for y in (0..2048).step_by(61) {
                for span in grid.spans(0..2048, f64::from(y) + 0.5) {
                    for i in (0..span.count).step_by(7) {
                        let offset = (span.start - span.mesh + i) as f64 + 0.5;
                        let exact = f([(span.start + i) as f64 + 0.5, f64::from(y) + 0.5]);
                        worst = worst.max((span.at[0] + span.step[0] * offset - exact[0]).abs());
                        worst = worst.max((span.at[1] + span.step[1] * offset - exact[1]).abs());
                    }
                }
            }
            assert!(worst < TOLERANCE, "{worst} at curvature {curvature}");
        }
    }

    proptest! {
        #[test]
        fn an_affine_map_is_exact_at_any_size(width in 1_usize..700, height in 1_usize..700, x in 0.0_f64..1.0, y in 0.0_f64..1.0,
                                              a in -3.0_f64..3.0, b in -3.0_f64..3.0) {
            let f = |[x, y]: [f64; 2]| [a * x + b * y + 5.0, b * x - a * y - 7.0];
            let grid = grid_of(width, height, f);
            let (x, y) = (x * width as f64, y * height as f64);
            let (got, exact) = (grid.at(x, y), f([x, y]));
            prop_assert!((got[0] - exact[0]).abs() < 1e-6 && (got[1] - exact[1]).abs() < 1e-6, "{got:?} {exact:?}");
            let [x0, y0, x1, y1] = grid.bounds(0, 0, width, height);
            prop_assert!(x0 <= exact[0] + 1e-6 && exact[0] <= x1 + 1e-6 && y0 <= exact[1] + 1e-6 && exact[1] <= y1 + 1e-6);
            let spans: Vec<_> = grid.spans(0..width, y).collect();
            prop_assert_eq!(spans.iter().map(|span| span.count).sum::<usize>(), width);
        }
    }
}
