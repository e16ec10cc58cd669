//! Chance as a list of bytes: a generator that draws from it shrinks with the list, towards the first
//! choice of every question, since a list that is used up answers zero.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Draws choices from bytes.
#[derive(Clone)]
pub struct Dice {
    bytes: Vec<u8>,
    at: usize,
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dice::new(vec!{:?})", self.bytes)
    }
}

impl Dice {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// How many choices were drawn from the bytes.
    pub fn drawn(&self) -> usize {
        self.at.min(self.bytes.len())
    }

    /// Whether nothing is left: from here on every answer is the first choice.
    pub fn is_used_up(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// True once in `n` times; the simplest answer is no.
    pub fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == n - 1
    }

    /// One of these; the first is the simplest.
    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()].clone()
    }

    /// `None` is the simplest.
    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(2).then(|| make(self))
    }
}

/// Bytes for this many choices at most.
pub fn dice(choices: usize) -> impl Strategy<Value = Dice> {
    proptest::collection::vec(any::<u8>(), 0..=choices).prop_map(Dice::new)
}

/// Moderate, and the same cases in every run, so that a red run is red again; `PROPTEST_CASES` and
/// `PROPTEST_RNG_SEED` ask for more and for others.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let untouched = asked.cases == 256;
    let rng_seed = if asked.rng_seed == RngSeed::Random { RngSeed::Fixed(0x1_7ca5e) } else { asked.rng_seed };
    ProptestConfig {
        cases: if untouched { cases } else { asked.cases },
        rng_seed,
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..asked
    }
}

/// Bytes without order, the same in every run: for tests that count what a generator reaches.
pub struct Scatter(u64);

impl Scatter {
    pub fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub fn dice(&mut self, choices: usize) -> Dice {
        let bytes = (0..choices).map(|_| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()[4]
        });
        Dice::new(bytes.collect())
    }
}
