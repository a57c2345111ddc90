//! The square cells that buildings are grouped in, and the tiles that cells make: stable from night to night.

/// Edge of a cell in metres. 65,535 steps of 1/128 m are 512 m: a cell and what overhangs.
pub const SIZE_M: f64 = 500.0;
/// Step of the quantised positions in metres: 7.8 mm, so that a point is off by 3.9 mm at most.
pub const STEP_M: f64 = 1.0 / 128.0;

/// A cell by column and row from the origin of the CRS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(pub [i64; 2]);

impl Cell {
    /// The cell that a place lies in.
    pub fn of(place: [f64; 2]) -> Self {
        Self(place.map(|value| (value / SIZE_M).floor() as i64))
    }
    /// Easting and northing of the lower left corner, as in the file names of deliveries.
    pub fn name(self) -> String {
        let [east, north] = self.0.map(|number| number.saturating_mul(SIZE_M as i64));
        format!("{east}_{north}")
    }
    /// The cell of a name.
    pub fn parse(name: &str) -> Option<Self> {
        let (east, north) = name.split_once('_')?;
        let number = |text: &str| text.parse::<i64>().ok().filter(|value| value % SIZE_M as i64 == 0).map(|v| v / SIZE_M as i64);
        Some(Self([number(east)?, number(north)?]))
    }
}

/// What a tile covers: a cell, or four of them that make a square kilometre.
///
/// A tile costs some kilobytes however little it shows; where few buildings stand, one for each square kilometre (as the states
/// deliver) is a third smaller in all. What a square kilometre becomes depends on its own buildings only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The lower left cell.
    pub corner: Cell,
    /// Cells along an edge: 1 or 2.
    pub cells: i64,
}

impl Block {
    /// The square kilometre around a cell.
    pub fn kilometre(cell: Cell) -> Self {
        Self { corner: Cell(cell.0.map(|number| number.div_euclid(2) * 2)), cells: 2 }
    }
    /// A cell alone.
    pub fn single(cell: Cell) -> Self {
        Self { corner: cell, cells: 1 }
    }
    /// True when the cell lies in it.
    pub fn covers(self, cell: Cell) -> bool {
        (0..2).all(|axis| (0..self.cells).contains(&(cell.0[axis] - self.corner.0[axis])))
    }
    /// Easting and northing of the middle.
    pub fn centre(self) -> [f64; 2] {
        self.corner.0.map(|number| (number as f64 + self.cells as f64 / 2.0) * SIZE_M)
    }
    /// Length of an edge in metres.
    pub fn side_m(self) -> f64 {
        self.cells as f64 * SIZE_M
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_also_west_of_zero() {
        for place in [[404_863.3, 5_746_935.0], [-1.0, -500.0], [0.0, 0.0]] {
            let cell = Cell::of(place);
            assert_eq!(Cell::parse(&cell.name()), Some(cell));
            for block in [Block::single(cell), Block::kilometre(cell)] {
                let centre = block.centre();
                assert!((0..2).all(|axis| (place[axis] - centre[axis]).abs() <= block.side_m() / 2.0));
                assert!(block.covers(cell));
            }
            assert!(!Block::single(cell).covers(Cell(cell.0.map(|number| number + 1))));
        }
        assert_eq!(Cell::of([404_863.3, 5_746_935.0]).name(), "404500_5746500");
        assert_eq!(Cell::parse("404501_5746500"), None);
    }
}
