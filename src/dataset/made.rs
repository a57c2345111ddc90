//! What units made, as far as it can be counted: progress and report turn it into rates.

use super::Outcome;
use serde::Serialize;

/// Counts of units; a unit gives them as members of its summary under the same names, with `taken_over` for the tiles among its own that
/// the night before made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Map tiles, without those that were taken over from the night before.
    pub tiles: u64,
    /// Pixels of those tiles, where they are pictures.
    pub pixels: u64,
    /// Parts of sources that were decoded.
    pub decoded: u64,
    /// Parts of sources that were decoded before and were still at hand.
    pub cached: u64,
}

impl Made {
    /// What a unit made.
    pub fn of(outcome: &Outcome) -> Self {
        let number = |name: &str| outcome.summary.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let tiles = number("tiles").saturating_sub(number("taken_over"));
        Self { tiles, pixels: number("pixels"), decoded: number("decoded"), cached: number("cached") }
    }
    /// Adds what another made.
    pub fn add(&mut self, other: Self) {
        self.tiles = self.tiles.saturating_add(other.tiles);
        self.pixels = self.pixels.saturating_add(other.pixels);
        self.decoded = self.decoded.saturating_add(other.decoded);
        self.cached = self.cached.saturating_add(other.cached);
    }
    /// How many of a hundred accesses to parts of sources found them at hand; `None` when there were none.
    pub fn hits_percent(self) -> Option<u64> {
        let accesses = self.decoded.saturating_add(self.cached);
        self.cached.saturating_mul(100).checked_div(accesses)
    }
}
