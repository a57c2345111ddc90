//! Parts of many pictures in one: which parts are needed, how small they must be, where they lie.
//!
//! Parts of one picture that touch become one patch; so do parts that repeat it, for each of them is a part of the largest. A patch has a gutter of the pixels around it, so that what is drawn between
//! pixels does not mix with its neighbours. Pictures are halved until all patches fit.

use super::{Rgbx, halve};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Pixels of its picture around a patch.
const GUTTER: u32 = 2;
/// Side of the blocks in which it is told what touches.
const BLOCK: u32 = 16;
/// Longest side of a patch that reaches beyond its picture, and so repeats it.
const MAX_UNROLLED: i64 = 2_048;
/// Most times that a picture is halved: the largest one is then a pixel.
const MAX_LEVEL: u32 = 16;
/// What reaches beyond a pixel by less than this part of it does not need the next one.
const SLACK: f64 = 0.05;

/// What is outside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Wrap {
    /// The picture again.
    #[default]
    Repeat = 0,
    /// The picture mirrored.
    Mirror = 1,
    /// The pixels at its edge.
    Clamp = 2,
}

impl Wrap {
    /// The mode of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Repeat, Self::Mirror, Self::Clamp].get(usize::from(number)).copied()
    }
    /// How many whole pictures a place can be moved by and show the same.
    fn turns(self, place: f64) -> f64 {
        match self {
            Self::Repeat => (place + 1e-6).floor(),
            Self::Mirror => (place * 0.5 + 1e-6).floor() * 2.0,
            Self::Clamp => 0.0,
        }
    }
    /// The column or row of a picture of `count` at a place that may lie outside.
    fn inside(self, at: i64, count: usize) -> usize {
        let count = count.max(1) as i64;
        let at = match self {
            Self::Repeat => at.rem_euclid(count),
            Self::Mirror => {
                let at = at.rem_euclid(2 * count);
                at.min(2 * count - 1 - at)
            }
            Self::Clamp => at.clamp(0, count - 1),
        };
        at as usize
    }
}

/// A part of a picture that is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Number of the picture.
    pub picture: usize,
    /// What is outside it.
    pub wrap: Wrap,
    /// Smallest and largest place, from the left and from above, 1 = width and height.
    pub min: [f64; 2],
    /// As `min`.
    pub max: [f64; 2],
}

/// A patch of the atlas: pixels of a halved picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patch {
    picture: usize,
    /// How often the picture is halved.
    level: u32,
    wrap: Wrap,
    /// Left upper pixel, in the halved picture.
    from: [i64; 2],
    size: [u32; 2],
    /// Where that pixel lies in the atlas.
    at: [u32; 2],
}

/// Where the patches lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Atlas {
    /// Width and height.
    pub size: [u32; 2],
    patches: Vec<Patch>,
    /// For each part its patch; `None` for one that cannot be shown.
    of: Vec<Option<usize>>,
    /// For each part by how many pictures its places are moved.
    moved: Vec<[f64; 2]>,
    sizes: Vec<[u32; 2]>,
}

/// Width and height of a picture that was halved some times; not below one pixel.
fn halved([width, height]: [u32; 2], level: u32) -> [u32; 2] {
    let most = width.min(height).max(1).ilog2().min(level);
    [width >> most, height >> most]
}

impl Atlas {
    /// Lays out the parts of pictures of these widths and heights in an atlas of at most `side` in each direction; `None` when there
    /// is nothing to show, or too much.
    pub fn layout(parts: &[Part], sizes: &[[u32; 2]], side: u32) -> Option<Self> {
        let moved: Vec<[f64; 2]> = parts.iter().map(|part| part.min.map(|place| part.wrap.turns(place))).collect();
        let parts: Vec<Part> = parts
            .iter()
            .zip(&moved)
            .map(|(part, moved)| {
                let [min, max] = [part.min, part.max].map(|place| [place[0] - moved[0], place[1] - moved[1]]);
                Part { min, max, ..*part }
            })
            .collect();
        (0..MAX_LEVEL).find_map(|level| {
            let (mut patches, of) = patches(&parts, sizes, level);
            let around: Vec<[u32; 2]> = patches.iter().map(|patch| patch.size.map(|length| length + 2 * GUTTER)).collect();
            let (size, places) = shelves(&around, side)?;
            for (patch, place) in patches.iter_mut().zip(places) {
                patch.at = place.map(|at| at + GUTTER);
            }
            Some(Self { size, patches, of, moved: moved.clone(), sizes: sizes.to_vec() })
        })
    }

    /// Where a place of a part lies in the atlas, from the left and from above, 65,535 = its width and height; `None` for a part
    /// that is not shown.
    pub fn place(&self, part: usize, place: [f64; 2]) -> Option<[u16; 2]> {
        let patch = &self.patches[self.of[part]?];
        let size = halved(self.sizes[patch.picture], patch.level);
        Some(std::array::from_fn(|axis| {
            let inside = (place[axis] - self.moved[part][axis]) * f64::from(size[axis]) - patch.from[axis] as f64;
            ((f64::from(patch.at[axis]) + inside) / f64::from(self.size[axis]) * 65_535.0).round().clamp(0.0, 65_535.0) as u16
        }))
    }

    /// Copies all patches of a picture into the atlas. True when pixels of it are not valid.
    pub fn paint(&self, picture: usize, source: &Rgbx, atlas: &mut Rgbx) -> bool {
        let mut patches: Vec<&Patch> = self.patches.iter().filter(|patch| patch.picture == picture).collect();
        patches.sort_by_key(|patch| patch.level);
        let (mut small, mut level, mut holes) = (Cow::Borrowed(source), 0, false);
        for patch in patches {
            while level < patch.level && small.width().min(small.height()) > 1 {
                small = Cow::Owned(halve(&small));
                level += 1;
            }
            let gutter = i64::from(GUTTER);
            let columns: Vec<usize> = (-gutter..i64::from(patch.size[0]) + gutter)
                .map(|x| patch.wrap.inside(patch.from[0] + x, small.width()))
                .collect();
            for y in -gutter..i64::from(patch.size[1]) + gutter {
                let row = patch.wrap.inside(patch.from[1] + y, small.height());
                let left = (patch.at[0] - GUTTER) as usize * 4;
                let out = &mut atlas.row_mut((i64::from(patch.at[1]) + y) as usize)[left..left + columns.len() * 4];
                for (out, &column) in out.as_chunks_mut::<4>().0.iter_mut().zip(&columns) {
                    *out = small.pixel(column, row);
                    holes |= out[3] == 0;
                }
            }
        }
        holes
    }
}

/// The number of a part that reaches beyond its picture, and its pixels.
type Reaching = (usize, [i64; 4]);

/// The patches of all parts when pictures are halved `level` times, and the patch of each part.
fn patches(parts: &[Part], sizes: &[[u32; 2]], level: u32) -> (Vec<Patch>, Vec<Option<usize>>) {
    let mut patches = Vec::new();
    let mut of = vec![None; parts.len()];
    let mut within: Vec<Vec<(usize, [u32; 4])>> = vec![Vec::new(); sizes.len()];
    let mut beyond: BTreeMap<(usize, Wrap, u32), Vec<Reaching>> = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        for level in level..MAX_LEVEL {
            let size = halved(sizes[part.picture], level);
            let [left, top, right, bottom] = pixels(part, size);
            if left >= 0 && top >= 0 && right <= i64::from(size[0]) && bottom <= i64::from(size[1]) {
                within[part.picture].push((number, [left, top, right, bottom].map(|value| value as u32)));
                break;
            }
            if (right - left).max(bottom - top) <= MAX_UNROLLED {
                beyond.entry((part.picture, part.wrap, level)).or_default().push((number, [left, top, right, bottom]));
                break;
            }
        }
    }
    for ((picture, wrap, level), parts) in beyond {
        let union = |a: [i64; 4], b: [i64; 4]| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])];
        let area = |area: [i64; 4]| (area[2] - area[0]) * (area[3] - area[1]);
        let mut areas: Vec<[i64; 4]> = parts.iter().map(|(_, area)| *area).collect();
        areas.sort_unstable();
        areas.dedup();
        let whole = areas.iter().copied().reduce(union).unwrap_or_default();
        let fits = (whole[2] - whole[0]).max(whole[3] - whole[1]) <= MAX_UNROLLED;
        if fits && area(whole) <= areas.iter().copied().map(area).sum() {
            areas = vec![whole];
        }
        for (number, area) in parts {
            // One area for all, or each its own.
            of[number] = Some(patches.len() + areas.binary_search(&area).unwrap_or(0));
        }
        patches.extend(areas.into_iter().map(|[left, top, right, bottom]| {
            let (from, size) = ([left, top], [(right - left) as u32, (bottom - top) as u32]);
            Patch { picture, level, wrap, from, size, at: [0; 2] }
        }));
    }
    for (picture, parts) in within.into_iter().enumerate().filter(|(_, parts)| !parts.is_empty()) {
        let boxes: Vec<[u32; 4]> = parts.iter().map(|(_, area)| *area).collect();
        let (joined, numbers) = joined(&boxes, halved(sizes[picture], level));
        for ((part, _), number) in parts.iter().zip(numbers) {
            of[*part] = Some(patches.len() + number);
        }
        patches.extend(joined.into_iter().map(|[left, top, right, bottom]| Patch {
            picture,
            level,
            wrap: Wrap::Clamp,
            from: [left.into(), top.into()],
            size: [right - left, bottom - top],
            at: [0; 2],
        }));
    }
    (patches, of)
}

/// The pixels that a part touches, at least one: left, top, right, bottom.
fn pixels(part: &Part, size: [u32; 2]) -> [i64; 4] {
    let at = |axis: usize| {
        let (low, high) = (part.min[axis] * f64::from(size[axis]), part.max[axis] * f64::from(size[axis]));
        let low = (low + SLACK).floor() as i64;
        // A point or line at the right edge shows the last pixel.
        let low = if low == i64::from(size[axis]) && part.min[axis] <= 1.0 { low - 1 } else { low };
        (low, ((high - SLACK).ceil() as i64).max(low + 1))
    };
    let ((left, right), (top, bottom)) = (at(0), at(1));
    [left, top, right, bottom]
}

/// Areas of a picture that touch, in blocks, become one: the areas, and for each box the number of the one that holds it.
fn joined(boxes: &[[u32; 4]], size: [u32; 2]) -> (Vec<[u32; 4]>, Vec<usize>) {
    let [columns, rows] = size.map(|length| length.div_ceil(BLOCK) as usize);
    let blocks = |[left, top, right, bottom]: [u32; 4]| {
        [left / BLOCK, top / BLOCK, (right - 1) / BLOCK, (bottom - 1) / BLOCK].map(|value| value as usize)
    };
    let mut areas: Vec<[usize; 4]> = boxes.iter().map(|area| blocks(*area)).collect();
    let mut label = Vec::new();
    // Areas that became rectangles may touch again. What is not settled soon becomes one.
    for round in 0.. {
        let found = connected(&areas, columns, rows, &mut label);
        let settled = found.len() == areas.len();
        areas = found;
        if settled {
            break;
        }
        if round == 8 {
            areas = vec![[0, 0, columns - 1, rows - 1]];
        }
    }
    let mut out = vec![[u32::MAX, u32::MAX, 0, 0]; areas.len()];
    let mut of = Vec::with_capacity(boxes.len());
    for area in boxes {
        let [left, top, ..] = blocks(*area);
        let number = label[top * columns + left] as usize - 1;
        let whole = &mut out[number];
        *whole = [whole[0].min(area[0]), whole[1].min(area[1]), whole[2].max(area[2]), whole[3].max(area[3])];
        of.push(number);
    }
    (out, of)
}

/// Bounds of what is connected among rectangles of blocks, and for each block the number of that, from 1; 0 without one.
fn connected(areas: &[[usize; 4]], columns: usize, rows: usize, label: &mut Vec<u32>) -> Vec<[usize; 4]> {
    // Each rectangle counts up where it begins and down behind its end: the sums tell which blocks lie in one, in linear time.
    let mut steps = vec![0_i32; (columns + 1) * (rows + 1)];
    for &[left, top, right, bottom] in areas {
        for (x, y, step) in [(left, top, 1), (right + 1, top, -1), (left, bottom + 1, -1), (right + 1, bottom + 1, 1)] {
            steps[y * (columns + 1) + x] += step;
        }
    }
    let mut above = vec![0_i32; columns + 1];
    let mut used = vec![false; columns * rows];
    for y in 0..rows {
        let mut sum = 0;
        for x in 0..columns {
            sum += steps[y * (columns + 1) + x];
            above[x] += sum;
            used[y * columns + x] = above[x] > 0;
        }
    }
    label.clear();
    label.resize(columns * rows, 0);
    let mut found = Vec::new();
    let mut open = Vec::new();
    for start in 0..used.len() {
        if !used[start] || label[start] > 0 {
            continue;
        }
        let number = found.len() as u32 + 1;
        let mut bounds = [usize::MAX, usize::MAX, 0, 0];
        label[start] = number;
        open.push(start);
        while let Some(at) = open.pop() {
            let (x, y) = (at % columns, at / columns);
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
            let mut visit = |at: usize| {
                if used[at] && label[at] == 0 {
                    label[at] = number;
                    open.push(at);
                }
            };
            if x > 0 {
                visit(at - 1);
            }
            if x + 1 < columns {
                visit(at + 1);
            }
            if y > 0 {
                visit(at - columns);
            }
            if y + 1 < rows {
                visit(at + columns);
            }
        }
        found.push(bounds);
    }
    found
}

/// Places for rectangles in rows of falling height, in the smallest picture that is about square; `None` when they need more than
/// `side`.
fn shelves(sizes: &[[u32; 2]], side: u32) -> Option<([u32; 2], Vec<[u32; 2]>)> {
    let widest = sizes.iter().map(|size| size[0]).max()?;
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&number| (std::cmp::Reverse(sizes[number][1]), std::cmp::Reverse(sizes[number][0]), number));
    let mut width = widest.max(16).checked_next_power_of_two()?;
    while width <= side {
        let mut places = vec![[0; 2]; sizes.len()];
        let (mut x, mut top, mut bottom) = (0_u32, 0_u32, 0_u32);
        for &number in &order {
            let [wide, high] = sizes[number];
            if x + wide > width {
                (x, top) = (0, bottom);
            }
            places[number] = [x, top];
            x += wide;
            bottom = bottom.max(top.saturating_add(high));
        }
        if bottom <= width || (width * 2 > side && bottom <= side) {
            return Some(([width, bottom], places));
        }
        width *= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each pixel says where it is.
    fn picture(width: usize, height: usize) -> Rgbx {
        let mut picture = Rgbx::empty(width, height);
        for y in 0..height {
            for x in 0..width {
                picture.row_mut(y)[x * 4..x * 4 + 4].copy_from_slice(&[x as u8, y as u8, 77, 255]);
            }
        }
        picture
    }

    fn part(picture: usize, wrap: Wrap, [left, top, right, bottom]: [f64; 4]) -> Part {
        Part { picture, wrap, min: [left, top], max: [right, bottom] }
    }

    /// The pixel at a place of the atlas.
    fn pixel(atlas: &Atlas, painted: &Rgbx, number: usize, place: [f64; 2]) -> [u8; 4] {
        let place = atlas.place(number, place).unwrap();
        let at: [usize; 2] =
            std::array::from_fn(|axis| (f64::from(place[axis]) / 65_535.0 * f64::from(atlas.size[axis])).floor() as usize);
        painted.pixel(at[0], at[1])
    }

    fn painted(atlas: &Atlas, pictures: &[Rgbx]) -> Rgbx {
        let mut out = Rgbx::empty(atlas.size[0] as usize, atlas.size[1] as usize);
        for (number, picture) in pictures.iter().enumerate() {
            assert!(!atlas.paint(number, picture, &mut out));
        }
        out
    }

    proptest! {
        #[test]
        fn every_pixel_of_a_part_is_found_at_its_place(
            parts in proptest::collection::vec((0..3_usize, 0..200_u32, 0..150_u32, 1..60_u32, 1..50_u32), 1..40),
        ) {
            let pictures = [picture(250, 200), picture(256, 256), picture(201, 199)];
            let sizes = [[250, 200], [256, 256], [201, 199]];
            let list: Vec<Part> = parts
                .iter()
                .map(|&(number, x, y, width, height)| {
                    let [w, h] = sizes[number].map(f64::from);
                    let (right, bottom) = (f64::from(x + width).min(w), f64::from(y + height).min(h));
                    part(number, Wrap::Repeat, [f64::from(x) / w, f64::from(y) / h, right / w, bottom / h])
                })
                .collect();
            let atlas = Atlas::layout(&list, &sizes, 4_096).unwrap();
            let painted = painted(&atlas, &pictures);
            for (number, part) in list.iter().enumerate() {
                let [w, h] = sizes[part.picture].map(f64::from);
                let (left, right) = ((part.min[0] * w).round() as u32, (part.max[0] * w).round() as u32);
                let (top, bottom) = ((part.min[1] * h).round() as u32, (part.max[1] * h).round() as u32);
                for (x, y) in [(left, top), (right - 1, top), (left, bottom - 1), (right - 1, bottom - 1)] {
                    let found = pixel(&atlas, &painted, number, [(f64::from(x) + 0.5) / w, (f64::from(y) + 0.5) / h]);
                    prop_assert_eq!(found, [x as u8, y as u8, 77, 255]);
                }
            }
        }

        #[test]
        fn shelves_hold_rectangles_that_do_not_overlap(sizes in proptest::collection::vec((1..90_u32, 1..90_u32), 1..60)) {
            let sizes: Vec<[u32; 2]> = sizes.into_iter().map(|(wide, high)| [wide, high]).collect();
            let (size, places) = shelves(&sizes, 4_096).unwrap();
            for (a, (at, [wide, high])) in places.iter().zip(&sizes).enumerate() {
                prop_assert!(at[0] + wide <= size[0] && at[1] + high <= size[1]);
                for (other, [width, height]) in places.iter().zip(&sizes).take(a) {
                    let apart = at[0] + wide <= other[0] || other[0] + width <= at[0];
                    prop_assert!(apart || at[1] + high <= other[1] || other[1] + height <= at[1]);
                }
            }
        }
    }

    #[test]
    fn parts_that_touch_are_one_patch_and_others_are_not() {
        let parts = [[0.0, 0.0, 0.2, 0.2], [0.1, 0.1, 0.3, 0.3], [0.7, 0.7, 0.9, 0.9]].map(|area| part(0, Wrap::Repeat, area));
        let atlas = Atlas::layout(&parts, &[[1_000, 1_000]], 4_096).unwrap();
        assert_eq!(atlas.patches.len(), 2);
        assert_eq!((atlas.of[0], atlas.patches[0].size), (atlas.of[1], [300, 300]));
        assert_eq!(atlas.patches[1].size, [200, 200]);
        assert!(atlas.size[0] <= 512 && atlas.size[1] <= 512, "{:?}", atlas.size);
    }

    #[test]
    fn what_does_not_fit_is_halved_and_keeps_its_places() {
        let source = picture(256, 256);
        let parts = [part(0, Wrap::Clamp, [0.0, 0.0, 1.0, 1.0])];
        let atlas = Atlas::layout(&parts, &[[256, 256]], 128).unwrap();
        assert_eq!(atlas.patches[0].level, 2);
        let painted = painted(&atlas, &[source]);
        let found = pixel(&atlas, &painted, 0, [(100.0 + 2.0) / 256.0, (48.0 + 2.0) / 256.0]);
        assert!(found[0].abs_diff(102) <= 1 && found[1].abs_diff(50) <= 1, "{found:?}");
        assert_eq!(Atlas::layout(&parts, &[[256, 256]], 4), None);
        assert_eq!(Atlas::layout(&[], &[], 4_096), None);
    }

    #[test]
    fn what_reaches_beyond_a_picture_repeats_mirrors_or_ends() {
        for (wrap, wanted) in [(Wrap::Repeat, [10, 20]), (Wrap::Mirror, [53, 20]), (Wrap::Clamp, [63, 20])] {
            let parts = [part(0, wrap, [0.0, 0.0, 2.0, 1.0])];
            let atlas = Atlas::layout(&parts, &[[64, 64]], 4_096).unwrap();
            let found = pixel(&atlas, &painted(&atlas, &[picture(64, 64)]), 0, [1.0 + 10.5 / 64.0, 20.5 / 64.0]);
            assert_eq!(found[..2], wanted, "{wrap:?}");
        }
        // Ten thousand repetitions are shown as the mean colour, and a hostile number of pixels is never drawn.
        let parts = [part(0, Wrap::Repeat, [-5e3, -5e3, 5e3, 5e3])];
        let atlas = Atlas::layout(&parts, &[[64, 64]], 4_096);
        assert!(atlas.is_none_or(|atlas| atlas.of[0].is_none()));
        let parts = [part(0, Wrap::Repeat, [0.0, 0.0, 400.0, 3.0])];
        let atlas = Atlas::layout(&parts, &[[64, 64]], 4_096).unwrap();
        assert_eq!(atlas.patches[0].size, [1_600, 12]);
        assert!(painted(&atlas, &[picture(64, 64)]).pixel(50, 8)[0].abs_diff(32) < 32);
    }

    #[test]
    fn parts_that_repeat_a_picture_share_the_largest_of_them() {
        let areas = [[0.0, 0.0, 9.0, 2.0], [-3.0, 0.0, 5.0, 1.0], [7.25, -4.0, 12.0, -2.5], [3.5, 5.25, 3.75, 5.5]];
        let parts = areas.map(|area| part(0, Wrap::Repeat, area));
        let atlas = Atlas::layout(&parts, &[[64, 32]], 4_096).unwrap();
        assert_eq!(atlas.patches.iter().map(|patch| patch.size).collect::<Vec<_>>(), [[576, 64], [16, 8]]);
        let painted = painted(&atlas, &[picture(64, 32)]);
        for (number, place) in [(0, [8.25, 1.5]), (1, [-1.75, 0.5]), (2, [11.25, -3.5]), (3, [3.6, 5.4])] {
            let place = place.map(|value: f64| value + 0.001);
            let want = [place[0].rem_euclid(1.0) * 64.0, place[1].rem_euclid(1.0) * 32.0].map(|value| value as u8);
            assert_eq!(pixel(&atlas, &painted, number, place)[..2], want, "{number}");
        }
    }

    #[test]
    fn the_edge_of_a_picture_is_a_part_of_it() {
        let parts = [part(0, Wrap::Repeat, [1.0, 0.0, 1.0, 1.0]), part(0, Wrap::Repeat, [0.5, 0.5, 0.5, 0.5])];
        let atlas = Atlas::layout(&parts, &[[40, 40]], 4_096).unwrap();
        assert!(atlas.patches.iter().all(|patch| patch.size[0] >= 1 && patch.wrap == Wrap::Clamp));
        let painted = painted(&atlas, &[picture(40, 40)]);
        assert_eq!(pixel(&atlas, &painted, 1, [20.5 / 40.0; 2]), [20, 20, 77, 255]);
    }
}
