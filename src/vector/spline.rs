//! Cubic splines to line strings, with a stated tolerance.
//!
//! ISO 19107 leaves the parameter of a `GM_CubicSpline` open; it is the length of the chords here, as is usual. The given directions
//! hold at the ends; an end without one is free (the second derivative is zero there).

use super::arc::Point;

/// More points than this between two given ones are never made.
const MAX_STEPS: f64 = 10_000.0;

/// The line through a spline's points that is nowhere further from it than `tolerance`; the points themselves stay as they are.
/// `None` for fewer than two points, or equal ones in succession.
pub fn line(points: &[Point], tangents: [Option<Point>; 2], tolerance: f64) -> Option<Vec<Point>> {
    if points.len() < 2 {
        return None;
    }
    let steps: Vec<f64> = points.windows(2).map(|pair| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1])).collect();
    if steps.iter().any(|step| !step.is_finite() || *step <= 0.0) {
        return None;
    }
    let unit = |vector: Point| -> Option<Point> {
        let length = vector[0].hypot(vector[1]);
        (length > 0.0 && length.is_finite()).then(|| [vector[0] / length, vector[1] / length])
    };
    let tangents = tangents.map(|tangent| tangent.and_then(unit));
    let bends: [Vec<f64>; 2] = [0, 1].map(|axis| {
        let values: Vec<f64> = points.iter().map(|point| point[axis] - points[0][axis]).collect();
        second_derivatives(&values, &steps, tangents.map(|tangent| tangent.map(|tangent| tangent[axis])))
    });
    let mut line = vec![points[0]];
    for (index, step) in steps.iter().enumerate() {
        let [begin, end] = [points[index], points[index + 1]];
        // A chord of parameter length h is at most h * h / 8 times the second derivative away, which is greatest at an end.
        let bend = |at: usize| bends[0][at].hypot(bends[1][at]);
        let count = (step * (bend(index).max(bend(index + 1)) / (8.0 * tolerance)).sqrt()).ceil().clamp(1.0, MAX_STEPS) as u32;
        for part in 1..count {
            let right = f64::from(part) / f64::from(count);
            let left = 1.0 - right;
            let square = step * step / 6.0;
            line.push([0, 1].map(|axis: usize| {
                let (m0, m1) = (bends[axis][index], bends[axis][index + 1]);
                left * begin[axis] + right * end[axis] + square * ((left.powi(3) - left) * m0 + (right.powi(3) - right) * m1)
            }));
        }
        line.push(end);
    }
    Some(line)
}

/// Second derivatives at the knots: a tridiagonal system (Thomas algorithm); `slopes` are the first derivatives at the ends.
fn second_derivatives(values: &[f64], steps: &[f64], slopes: [Option<f64>; 2]) -> Vec<f64> {
    let last = values.len() - 1;
    let slope = |span: usize| (values[span + 1] - values[span]) / steps[span];
    let (mut upper, mut right) = (vec![0.0; last + 1], vec![0.0; last + 1]);
    for knot in 0..=last {
        let (below, diagonal, above, target) = if knot == 0 {
            match slopes[0] {
                Some(given) => (0.0, 2.0 * steps[0], steps[0], 6.0 * (slope(0) - given)),
                None => (0.0, 1.0, 0.0, 0.0),
            }
        } else if knot == last {
            match slopes[1] {
                Some(given) => (steps[last - 1], 2.0 * steps[last - 1], 0.0, 6.0 * (given - slope(last - 1))),
                None => (0.0, 1.0, 0.0, 0.0),
            }
        } else {
            let (before, after) = (steps[knot - 1], steps[knot]);
            (before, 2.0 * (before + after), after, 6.0 * (slope(knot) - slope(knot - 1)))
        };
        let (carried, known) = if knot == 0 { (0.0, 0.0) } else { (upper[knot - 1], right[knot - 1]) };
        let pivot = diagonal - below * carried;
        upper[knot] = above / pivot;
        right[knot] = (target - below * known) / pivot;
    }
    for knot in (0..last).rev() {
        right[knot] -= upper[knot] * right[knot + 1];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a circle with its tangents: a clamped spline through them is near the circle (error of the fourth order).
    #[test]
    fn a_spline_through_a_circle_is_nearly_the_circle() {
        let radius = 50.0;
        let at = |angle: f64| [560_000.0 + radius * angle.cos(), 5_950_000.0 + radius * angle.sin()];
        let points: Vec<Point> = (0..=32).map(|k| at(f64::from(k) * std::f64::consts::TAU / 64.0)).collect();
        let line = line(&points, [Some([0.0, 3.0]), Some([0.0, -1.0])], 0.001).unwrap();
        assert!(points.iter().all(|point| line.contains(point)) && line.len() > 100);
        for pair in line.windows(2) {
            for point in [pair[0], [f64::midpoint(pair[0][0], pair[1][0]), f64::midpoint(pair[0][1], pair[1][1])]] {
                let off = (point[0] - 560_000.0).hypot(point[1] - 5_950_000.0) - radius;
                assert!(off.abs() < 0.003, "{off}");
            }
        }
    }

    /// A parabola over equal steps is its own spline when the ends are clamped to its slopes (in x the parameter is exact).
    #[test]
    fn ends_follow_their_directions_and_free_ends_do_not_bend() {
        let points = [[1000.0, 0.0], [1010.0, 10.0], [1020.0, 0.0]];
        let clamped = line(&points, [Some([0.0, 1.0]), Some([0.0, -1.0])], 1e-4).unwrap();
        let begin = [clamped[1][0] - clamped[0][0], clamped[1][1] - clamped[0][1]];
        assert!(begin[0].abs() < 0.05 * begin[1], "{begin:?}");
        let straight = line(&[[1000.0, 0.0], [1005.0, 5.0], [1010.0, 10.0]], [None, None], 1e-4).unwrap();
        assert_eq!(straight.len(), 3);
        assert_eq!(line(&[[1.0, 1.0]], [None, None], 1e-3), None);
        assert_eq!(line(&[[1.0, 1.0], [1.0, 1.0]], [None, None], 1e-3), None);
    }
}
