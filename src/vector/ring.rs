//! Curves joined end to end: rings and composite curves from their members.

use super::arc::Point;

/// Why curves do not join.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gap {
    /// There are no points at all, or fewer than a ring needs.
    TooShort,
    /// The curve that should go on from this point is elsewhere.
    NotConnected(Point),
    /// The ring does not come back to this point, where it began.
    NotClosed(Point),
}

/// Joins curves in their order; one that runs the wrong way round (as a boundary shared with a neighbour does) is turned. Ends
/// that are at most `tolerance` apart count as one point.
///
/// # Errors
/// When a curve begins and ends elsewhere.
pub fn join(curves: Vec<Vec<Point>>, tolerance: f64) -> Result<Vec<Point>, Gap> {
    let mut curves = curves.into_iter().filter(|curve| !curve.is_empty()).peekable();
    let mut line = curves.next().ok_or(Gap::TooShort)?;
    let same = |a: Point, b: Point| (a[0] - b[0]).abs() <= tolerance && (a[1] - b[1]).abs() <= tolerance;
    // Only the second curve can tell which way the first runs.
    if let Some(next) = curves.peek() {
        let (first, last) = (next[0], next[next.len() - 1]);
        let end = line[line.len() - 1];
        if !same(end, first) && !same(end, last) && (same(line[0], first) || same(line[0], last)) {
            line.reverse();
        }
    }
    for mut curve in curves {
        let end = line[line.len() - 1];
        if !same(end, curve[0]) {
            if !same(end, curve[curve.len() - 1]) {
                return Err(Gap::NotConnected(curve[0]));
            }
            curve.reverse();
        }
        line.extend(curve.into_iter().skip(1));
    }
    Ok(line)
}

/// A joined line as a ring: closed exactly, with at least four points.
///
/// # Errors
/// When its ends are further apart than `tolerance`, or it has too few points.
pub fn close(mut line: Vec<Point>, tolerance: f64) -> Result<Vec<Point>, Gap> {
    let Some(&first) = line.first() else { return Err(Gap::TooShort) };
    let Some(last) = line.last_mut() else { return Err(Gap::TooShort) };
    if (first[0] - last[0]).abs() > tolerance || (first[1] - last[1]).abs() > tolerance {
        return Err(Gap::NotClosed(first));
    }
    *last = first;
    line.dedup();
    if line.len() < 4 { Err(Gap::TooShort) } else { Ok(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A ring cut into pieces, some of them turned, joins to the ring again.
        #[test]
        fn pieces_join_to_the_ring_they_were_cut_from(
            corners in 4_usize..20, cuts in prop::collection::vec(1_usize..4, 6..20), turned in prop::collection::vec(any::<bool>(), 20),
        ) {
            let mut ring: Vec<Point> = (0..corners).map(|k| [(k as f64).cos() * 9.0, (k as f64).sin() * 7.0 + k as f64]).collect();
            ring.push(ring[0]);
            let (mut at, mut pieces) = (0, Vec::new());
            for (cut, turn) in cuts.iter().cycle().zip(turned.iter().cycle()) {
                let next = (at + cut).min(ring.len() - 1);
                let mut piece = ring[at..=next].to_vec();
                // Two pieces that share both ends cannot tell their direction: leave the first of all.
                if *turn && at > 0 { piece.reverse(); }
                pieces.push(piece);
                at = next;
                if at == ring.len() - 1 { break; }
            }
            prop_assert_eq!(close(join(pieces, 1e-3).unwrap(), 1e-3).unwrap(), ring);
        }
    }

    #[test]
    fn gaps_say_where_they_are() {
        assert_eq!(
            join(vec![vec![[0.0, 0.0], [1.0, 0.0]], vec![[2.0, 0.0], [3.0, 0.0]]], 1e-3),
            Err(Gap::NotConnected([2.0, 0.0]))
        );
        assert_eq!(close(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], 1e-3), Err(Gap::NotClosed([0.0, 0.0])));
        assert_eq!(close(vec![[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], 1e-3), Err(Gap::TooShort));
        assert_eq!(join(Vec::new(), 1e-3), Err(Gap::TooShort));
        let first_turned = join(vec![vec![[1.0, 0.0], [0.0, 0.0]], vec![[1.0, 0.0], [2.0, 0.0]]], 1e-3).unwrap();
        assert_eq!(first_turned, [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]);
    }
}
