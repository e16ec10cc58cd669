//! Where a plan strikes: at the n-th call or write, before or after it took effect; and how to wait for it.

use std::time::Duration;

use itcare_lab::memory;
use itcare_sim::{Fault, FaultKind, Match};
use tokio::time::{Instant, sleep};

use crate::support::World;

/// A request, counted from the user's act.
#[derive(Debug, Clone, Copy)]
pub enum Boundary {
    /// To the API server, meant to change something.
    Write(u32),
    /// To ITCare.
    Call(u32),
}

/// Dies while the request is on its way, or once it took effect and its reply has not come.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Before,
    After,
}

/// A fault that waits for its request, by the id that either side gave it.
#[derive(Debug, Clone, Copy)]
pub enum Armed {
    Call(u64),
    Write(u64),
}

/// Holds the request back for ever: the moment for the process to die.
pub fn hang(world: &World, boundary: Boundary, side: Side) -> Armed {
    match boundary {
        Boundary::Write(index) => {
            let fault = match side {
                Side::Before => memory::Fault::hang(),
                Side::After => memory::Fault::hang_after_effect(),
            };
            Armed::Write(world.api.inject(fault.writes().after(index)))
        }
        Boundary::Call(index) => {
            let kind = FaultKind::HangForever { effect: matches!(side, Side::After) };
            Armed::Call(world.sim.inject(Fault::once(Match::any(), kind).after(index)))
        }
    }
}

impl Armed {
    pub fn has_hit(self, world: &World) -> bool {
        match self {
            Self::Call(id) => world.sim.is_spent(id),
            Self::Write(id) => world.api.is_spent(id),
        }
    }

    /// Returns soon after it has hit: sooner than any reply that is only held up.
    pub async fn hits(self, world: &World) {
        let begun = Instant::now();
        while !self.has_hit(world) {
            assert!(begun.elapsed() < Duration::from_secs(3600), "the boundary is never reached");
            sleep(Duration::from_millis(50)).await;
        }
    }
}
