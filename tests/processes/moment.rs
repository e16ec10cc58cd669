//! When a kill comes: after a random time, with a chosen call held by the cloud, or right after a chosen write.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::shop::{BLINK, Shop};

/// A moment that has not come by now will not: there is nothing left to do.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long after its sender's death a late call takes effect: well within the settle time.
const LATE: Duration = Duration::from_millis(1500);

/// The calls that may come late. A plain one that takes effect after the death of its sender is nobody's: as long
/// as its workflow's name is unknown to the new process, a look for one of these may take it for what it looks for
/// and ask a person (the design, section 5.2), and what it changed is seen with the next detail only (section 8).
const GUARDED: [Operation; 4] =
    [Operation::Create, Operation::Reset, Operation::SnapshotCreate, Operation::SnapshotRecover];

/// What the cloud does with the call that it holds. The caller never gets an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// None: as if it had been lost on its way.
    Never,
    /// At once: only the answer is lost.
    Now,
    /// When its sender is already dead. Only calls that must not run twice.
    Late,
}

/// When a kill comes.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    After(Duration),
    /// With the call after so many others held; only calls that change something, or any.
    Held {
        after: u32,
        changes: bool,
        effect: Effect,
    },
    /// Once so many writes of the operator were answered.
    Written(usize),
}

impl Moment {
    /// Calls that change something most of all: these are what must not run twice.
    pub fn draw(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 | 1 => Self::After(Duration::from_millis(dice.below(3000))),
            2 | 3 => Self::Written(1 + dice.below(6) as usize),
            4 => Self::Held { after: dice.below(10) as u32, changes: false, effect: Effect::Now },
            _ => Self::Held {
                after: dice.below(2) as u32,
                changes: true,
                effect: dice.pick(&[Effect::Never, Effect::Now, Effect::Late]),
            },
        }
    }

    /// Its kind, for the count.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::After(_) => "random",
            Self::Held { changes: false, .. } => "any call held",
            Self::Held { effect: Effect::Never, .. } => "change held, lost",
            Self::Held { effect: Effect::Now, .. } => "change held, done",
            Self::Held { effect: Effect::Late, .. } => "change held, late",
            Self::Written(_) => "written",
        }
    }

    /// Gets ready for it; returns the number of the last call so far.
    pub async fn arm(&self, shop: &Shop, last: u64) -> u64 {
        shop.new_writes();
        let Self::Held { after, changes, effect } = self else { return last };
        let matches = if *changes { Match::mutating() } else { Match::any() };
        let faults = match effect {
            Effect::Never => {
                vec![Fault::once(matches, FaultKind::HangForever { effect: false }).after(*after)]
            }
            Effect::Now => vec![Fault::once(matches, FaultKind::HangForever { effect: true }).after(*after)],
            Effect::Late => {
                let late = FaultKind::DelayedEffect { after: LATE, hang: true };
                let once = |operation| Fault::once(Match::operation(operation), late.clone());
                GUARDED.into_iter().map(once).collect()
            }
        };
        for fault in &faults {
            shop.cloud.inject(fault).await;
        }
        shop.cloud.calls_after(last).await.last().map_or(last, |call| call.seq)
    }

    /// Waits for it, and tells whether it came.
    pub async fn come(&self, shop: &Shop, last: u64) -> bool {
        let begun = Instant::now();
        let mut written = 0;
        loop {
            let come = match self {
                Self::After(span) => begun.elapsed() >= *span,
                Self::Held { .. } => {
                    shop.cloud.calls_after(last).await.iter().any(|call| call.fault.is_some())
                }
                Self::Written(wanted) => {
                    written += shop.new_writes();
                    written >= *wanted
                }
            };
            if come || begun.elapsed() >= PATIENCE {
                return come;
            }
            sleep(BLINK).await;
        }
    }
}

/// What was run.
#[derive(Debug, Default)]
pub struct Tally {
    pub kills: usize,
    /// Per kind of moment: how often it was meant, and how often it came.
    pub moments: BTreeMap<&'static str, (usize, usize)>,
    pub vms: usize,
    pub calls: usize,
    pub changes: usize,
    pub resets: usize,
    pub recoveries: usize,
    pub objects: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.vms += other.vms;
        self.calls += other.calls;
        self.changes += other.changes;
        self.resets += other.resets;
        self.recoveries += other.recoveries;
        self.objects += other.objects;
        for (kind, (meant, came)) in &other.moments {
            self.note(kind, *meant, *came);
        }
    }

    pub fn note(&mut self, kind: &'static str, meant: usize, came: usize) {
        let entry = self.moments.entry(kind).or_default();
        entry.0 += meant;
        entry.1 += came;
    }
}
