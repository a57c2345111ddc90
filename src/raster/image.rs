//! The picture that all kernels work on.

/// Pixels after which it is told that not all are valid.
const LOOK: usize = 256;

/// How much of a picture is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Nothing.
    Empty,
    /// Some.
    Part,
    /// All.
    Full,
}

/// A picture of red, green, blue and validity, rows from the top.
///
/// Invalid pixels are four zero bytes: two pictures that show the same are the same bytes.
#[derive(Debug, Default)]
pub struct Rgbx {
    width: usize,
    height: usize,
    /// The bytes of the pixels, and behind them those of a larger picture that this one was before.
    memory: Vec<u8>,
}

impl Clone for Rgbx {
    fn clone(&self) -> Self {
        Self { width: self.width, height: self.height, memory: self.pixels().to_vec() }
    }
}

impl PartialEq for Rgbx {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.height, self.pixels()) == (other.width, other.height, other.pixels())
    }
}

impl Eq for Rgbx {}

impl Rgbx {
    /// A picture without a valid pixel.
    pub fn empty(width: usize, height: usize) -> Self {
        Self { width, height, memory: vec![0; width * height * 4] }
    }
    /// Makes this a picture without a valid pixel, in the memory that it has: new memory costs more to get than to clear.
    pub fn reset(&mut self, width: usize, height: usize) {
        if !self.resize(width, height) {
            self.pixels_mut().fill(0);
        }
    }
    /// Makes this a picture of that size whose pixels are what was in its memory before: all of them are to be written. True when
    /// the memory is new, and so without a valid pixel.
    pub fn resize(&mut self, width: usize, height: usize) -> bool {
        (self.width, self.height) = (width, height);
        let bytes = width * height * 4;
        let new = bytes > self.memory.len();
        if new {
            self.memory = vec![0; bytes];
        }
        new
    }
    /// Where it has no memory for a picture of that size, gets it for a larger one, which has no valid pixel.
    pub fn reserve(&mut self, [width, height]: [usize; 2], larger: [usize; 2]) {
        if width * height * 4 > self.memory.len() {
            *self = Self::empty(larger[0].max(width), larger[1].max(height));
        }
    }
    /// Makes the pixels of a part invalid.
    pub fn clear(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2]) {
        (y..y + height).for_each(|row| self.row_mut(row)[x * 4..(x + width) * 4].fill(0));
    }
    /// Makes this a copy of a part that lies within another picture.
    pub fn become_part(&mut self, other: &Self, [x, y]: [usize; 2], [width, height]: [usize; 2]) {
        self.resize(width, height);
        self.put_part([0, 0], other, [x, y], [width, height]);
    }
    /// A picture from its bytes; `None` when their number does not fit.
    pub fn from_pixels(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        (pixels.len() == width.checked_mul(height)?.checked_mul(4)?).then_some(Self { width, height, memory: pixels })
    }
    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }
    /// Bytes of its memory: those of the largest picture that it ever was.
    pub fn held(&self) -> usize {
        self.memory.len()
    }
    /// All bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.memory[..self.width * self.height * 4]
    }
    /// All bytes, to write to.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.width * self.height * 4]
    }
    /// The bytes of a row.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels()[y * self.width * 4..(y + 1) * self.width * 4]
    }
    /// The bytes of a row, to write to.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.memory[y * self.width * 4..(y + 1) * self.width * 4]
    }
    /// The four bytes of a pixel.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        let at = (y * self.width + x) * 4;
        self.pixels()[at..].first_chunk().copied().unwrap_or_default()
    }
    /// How much of a part that lies within the picture is valid.
    pub fn coverage(&self, x: usize, y: usize, width: usize, height: usize) -> Coverage {
        let (mut all, mut any) = (u32::MAX, 0);
        for row in y..y + height {
            // Whole words without a branch, of which the compiler takes several at once; a part that has both is told after a row.
            for pixel in self.row(row)[x * 4..(x + width) * 4].as_chunks::<4>().0 {
                all &= u32::from_le_bytes(*pixel);
                any |= u32::from_le_bytes(*pixel);
            }
            if all >> 24 == 0 && any >> 24 != 0 {
                return Coverage::Part;
            }
        }
        match (all >> 24 != 0, any >> 24 != 0) {
            (true, _) => Coverage::Full,
            (false, true) => Coverage::Part,
            (false, false) => Coverage::Empty,
        }
    }
    /// Copies a part of another picture to `x`, `y`, but only where this one has no valid pixel yet.
    pub fn put_under(&mut self, [x, y]: [usize; 2], other: &Self, [from_x, from_y]: [usize; 2], [width, height]: [usize; 2]) {
        for row in 0..height {
            let source = &other.row(from_y + row)[from_x * 4..(from_x + width) * 4];
            let target = &mut self.row_mut(y + row)[x * 4..(x + width) * 4];
            if target.chunks_exact(4).fold(0, |any, pixel| any | pixel[3]) == 0 {
                target.copy_from_slice(source);
            } else {
                for (target, source) in target.chunks_exact_mut(4).zip(source.chunks_exact(4)) {
                    if target[3] == 0 {
                        target.copy_from_slice(source);
                    }
                }
            }
        }
    }
    /// True when every pixel is valid. Told at the first row that has one that is not.
    pub fn is_full(&self) -> bool {
        self.part_is_full(0, 0, self.width, self.height)
    }
    /// True when every pixel of a part that lies within the picture is valid.
    pub fn part_is_full(&self, x: usize, y: usize, width: usize, height: usize) -> bool {
        let rows = LOOK.div_ceil(width.max(1));
        (y..y + height).step_by(rows).all(|row| self.coverage(x, row, width, rows.min(y + height - row)) == Coverage::Full)
    }
    /// True when no pixel is valid. Told at the first row that has one.
    pub fn is_empty(&self) -> bool {
        (0..self.height).all(|row| self.coverage(0, row, self.width, 1) == Coverage::Empty)
    }
    /// A copy of a part that lies within the picture.
    pub fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let mut pixels = Vec::with_capacity(width * height * 4);
        (y..y + height).for_each(|row| pixels.extend_from_slice(&self.row(row)[x * 4..(x + width) * 4]));
        Self { width, height, memory: pixels }
    }
    /// Copies a part of another picture to `x`, `y`.
    pub fn put_part(&mut self, [x, y]: [usize; 2], other: &Self, [from_x, from_y]: [usize; 2], [width, height]: [usize; 2]) {
        for row in 0..height {
            let source = &other.row(from_y + row)[from_x * 4..(from_x + width) * 4];
            self.row_mut(y + row)[x * 4..(x + width) * 4].copy_from_slice(source);
        }
    }
    /// Copies a picture into this one, with its upper left corner at `x`, `y`; it has to fit.
    pub fn put(&mut self, x: usize, y: usize, part: &Self) {
        self.put_part([x, y], part, [0, 0], [part.width, part.height]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_larger_picture_left_behind_is_never_seen() {
        let mut picture = Rgbx::empty(3, 4);
        picture.pixels_mut().fill(9);
        picture.reset(2, 2);
        assert_eq!((picture.pixels().len(), picture.is_empty()), (16, true));
        assert_eq!(picture, Rgbx::empty(2, 2));
        assert_eq!(picture.clone().memory.len(), 16);
        assert!(!picture.resize(3, 4), "its memory is to do again");
        assert_eq!(picture.row(3), [9; 12]);
        assert!(picture.resize(4, 4) && picture.is_empty(), "new memory has no valid pixel");
    }

    #[test]
    fn what_is_put_under_shows_only_through_the_holes() {
        let mut picture = Rgbx::empty(4, 2);
        picture.row_mut(0)[4..8].copy_from_slice(&[1, 1, 1, 255]);
        let mut other = Rgbx::empty(3, 2);
        other.pixels_mut().fill(255);
        picture.put_under([1, 0], &other, [1, 0], [2, 2]);
        let valid: Vec<u8> = picture.pixels().chunks(4).map(|pixel| pixel[0]).collect();
        assert_eq!(valid, [0, 1, 255, 0, 0, 255, 255, 0]);
        assert_eq!(picture.coverage(1, 0, 2, 2), Coverage::Full);
        assert_eq!(picture.coverage(0, 0, 1, 2), Coverage::Empty);
        assert_eq!(picture.coverage(0, 0, 2, 1), Coverage::Part);
    }
}
