//! Chance without surprise: everything random in the town is a pure function of the seed and of what it is for.
//!
//! No state is shared between objects, so a change of one parcel leaves all others as they were, and the number of threads
//! cannot matter. Only integer and exactly rounded floating point operations are used: the same town on every machine.

/// The finalizer of SplitMix64: a bijection that scatters.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A stream of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream that belongs to `parts` under `seed`.
    pub fn of(seed: u64, parts: &[u64]) -> Self {
        let state = parts.iter().fold(mix(seed), |state, part| mix(state ^ mix(*part)));
        Self { state }
    }
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }
    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// A number in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    /// A number below `count`; 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }
    /// True with probability `share`.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }
    /// One of `choices`, which is not empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Noise in `[0, 1)` at a lattice point.
#[inline]
pub fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x8DA6_B343) ^ (y as u32).wrapping_mul(0xD816_3841) ^ seed.wrapping_mul(0xCB1A_B31F);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    (h >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Smooth noise in `[0, 1)`: lattice values, interpolated.
#[inline]
pub fn smooth(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (u, v) = (x - fx, y - fy);
    let (u, v) = (u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v));
    let (ix, iy) = (fx as i32, fy as i32);
    let south = lattice(ix, iy, seed) * (1.0 - u) + lattice(ix + 1, iy, seed) * u;
    let north = lattice(ix, iy + 1, seed) * (1.0 - u) + lattice(ix + 1, iy + 1, seed) * u;
    south * (1.0 - v) + north * v
}

/// A smooth wave of period 1 and amplitude 1, made of parabolas: exact arithmetic, where a sine differs between libraries.
pub fn wave(turns: f64) -> f64 {
    let t = turns - turns.floor();
    if t < 0.5 { 16.0 * t * (0.5 - t) } else { -16.0 * (t - 0.5) * (1.0 - t) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_every_part_and_stay_in_their_range() {
        let first = Random::of(7, &[1, 2]).next();
        assert_eq!(first, Random::of(7, &[1, 2]).next());
        assert_ne!(first, Random::of(7, &[2, 1]).next());
        assert_ne!(first, Random::of(8, &[1, 2]).next());
        let mut random = Random::of(1, &[]);
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let value = random.between(2.0, 3.0);
            assert!((2.0..3.0).contains(&value));
            assert!(random.below(7) < 7);
            sum += value;
        }
        assert!((sum / 10_000.0 - 2.5).abs() < 0.02);
    }

    #[test]
    fn the_wave_is_continuous_and_has_period_one() {
        for k in 0..100 {
            let t = f64::from(k) / 100.0;
            assert!((wave(t) - wave(t + 3.0)).abs() < 1e-9);
            assert!((wave(t) - wave(t + 1e-6)).abs() < 1e-4);
        }
        assert_eq!(wave(0.25), 1.0);
        assert_eq!(wave(0.75), -1.0);
    }
}
