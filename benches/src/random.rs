//! Reproducible randomness.

use std::fmt::Write as _;

/// SplitMix64: small, fast, the same everywhere (Steele, Lea, Flood: "Fast splittable pseudorandom
/// number generators", 2014).
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A sequence that depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit.max(1)
    }

    /// A number below `limit`; small ones come far more often, as with real principals and resources.
    pub fn skewed(&mut self, limit: u64) -> u64 {
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        ((unit * unit * unit) * limit as f64) as u64
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.below(items.len() as u64) as usize;
        #[expect(
            clippy::indexing_slicing,
            reason = "below() keeps to the length; an empty list is a mistake here"
        )]
        &items[at]
    }

    /// A UUID.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }

    /// `length` capital letters and digits.
    pub fn capitals(&mut self, length: usize) -> String {
        (0..length).map(|_| *self.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") as char).collect()
    }

    /// `length` hexadecimal digits.
    pub fn hex(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            // Writing to a String cannot fail.
            let _written = write!(text, "{:016x}", self.bits());
        }
        text.truncate(length);
        text
    }

    /// An address of the documentation ranges (RFC 5737); few make most calls.
    pub fn address(&mut self) -> String {
        let network = *self.pick(&["192.0.2", "198.51.100", "203.0.113"]);
        format!("{network}.{}", self.skewed(254) + 1)
    }
}
