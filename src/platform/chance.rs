//! The only source of chance: attempt tokens, identities, jitter. Seeded in tests.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// Draws random bytes.
#[derive(Clone)]
pub struct Chance(Source);

#[derive(Clone)]
enum Source {
    System(Arc<SystemRandom>),
    Seeded(Arc<Mutex<u64>>),
}

impl Chance {
    /// The system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(Arc::new(SystemRandom::new())))
    }

    /// A repeatable sequence (splitmix64): for tests only, it is no secret.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// Eight random bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 8] {
        let mut bytes = [0; 8];
        match &self.0 {
            // A system without randomness repeats an attempt token at worst; the fence still tells attempts apart.
            Source::System(random) => {
                let _ = random.fill(&mut bytes);
            }
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut mixed = *state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                bytes = (mixed ^ (mixed >> 31)).to_be_bytes();
            }
        }
        bytes
    }

    /// `span`, a little longer: up to a fifth, and two seconds at most. It keeps a thousand objects from waking
    /// in the same instant; more would make what is due at a certain time late.
    #[must_use]
    pub fn jitter(&self, span: Duration) -> Duration {
        let bytes = self.bytes();
        let part = u32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        span + (span / 5).min(Duration::from_secs(2)) * part / u32::from(u16::MAX)
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System(_) => "Chance(system)",
            Source::Seeded(_) => "Chance(seeded)",
        })
    }
}
