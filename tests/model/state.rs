//! A state of the modelled world: small, copied, compared whole.
//!
//! The clock stands still and the past moves away: now is always the same moment, and [`super::time`] makes
//! everything that was seen or written older by one *tick* when time passes. What is older than any wait that a
//! decision knows counts as of that age, so that time adds no end of states. Statuses, ledgers, memories and
//! decisions are the product's own; a state holds their numbers in the tables of [`super::tables`].
//!
//! Not here: what may happen.

use itcare_operator::model::OperationKind;

/// VMs that a scenario may come to.
pub const VMS: usize = 3;
/// Actions that a scenario may come to.
pub const ACTIONS: usize = 8;

/// What a VM is, as the model distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Power {
    #[default]
    None,
    Active,
    Inactive,
    /// What a failed creation left.
    Broken,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vm {
    pub power: Power,
    /// An index into the sizes of the scenario.
    pub size: u8,
    /// Somebody else made it.
    pub foreign: bool,
}

impl Vm {
    pub fn is_live(self) -> bool {
        match self.power {
            Power::Active | Power::Inactive | Power::Broken => true,
            Power::None | Power::Gone => false,
        }
    }
}

/// How an action stands; also how much of that the lists show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Stage {
    #[default]
    None,
    Running,
    Succeeded,
    Failed,
}

/// A call on its way, and what an action came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    pub kind: OperationKind,
    pub vm: u8,
    pub size: u8,
    /// The attempt that it carries, zero for calls without an intent.
    pub attempt: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Act {
    pub call: Option<Call>,
    pub stage: Stage,
    pub shown: Stage,
    /// Ticks since it was submitted, at most [`super::time::OLD`].
    pub age: u8,
}

/// ITCare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Cloud {
    pub vms: [Vm; VMS],
    /// The attempt whose snapshot fills the slot; zero: it is free.
    pub slot: u8,
    pub acts: [Act; ACTIONS],
    /// What reads of VMs and slot show, and for how many ticks it has been behind.
    pub shown_vms: [Vm; VMS],
    pub shown_slot: u8,
    pub vm_lag: u8,
    pub act_lag: u8,
}

/// A version of the object; the numbers are of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Object {
    /// How many of the scenario's edits it has seen: its generation less one.
    pub stage: u8,
    /// The annotation.
    pub ledger: u16,
    /// The copy in the status.
    pub copy: u16,
    pub status: u16,
    pub finalizer: bool,
    pub gone: bool,
}

/// What is about to be remembered and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Conclusion {
    pub status: u16,
    pub copy: u16,
    pub memory: u16,
}

/// What a caller heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The number of the action.
    Accepted(u8),
    NotExecuted,
    Refused(u16),
    Unclear,
}

/// How far a replica is in a pass: a crash may fall between any two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    #[default]
    Idle,
    /// Everything was read, and this was decided.
    Decided(u32),
    /// The intent is written, the call is not sent.
    Intent(u32, u16),
    /// The call is on its way.
    Sent(u32, u16),
    /// It was certainly not executed: the intent is to be taken back.
    Clearing(u32, u16),
    /// The status is to be written.
    Writing(Conclusion),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Replica {
    /// The object as its watch and its own writes show it.
    pub view: Object,
    pub memory: u16,
    /// The newest action it has heard of, by number plus one.
    pub newest: u8,
    /// It has looked since time last passed: a leader looks more often than that.
    pub looked: bool,
    pub phase: Phase,
}

/// A call that nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stray {
    pub call: Call,
    pub age: u8,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    pub crashes: u8,
    /// The lease expires and the other replica takes over.
    pub expiries: u8,
    /// Replies lost, calls lost, late, refused, doubled; reads and writes that fail.
    pub faults: u8,
    /// Actions that end badly.
    pub failures: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct State {
    pub cloud: Cloud,
    pub object: Object,
    pub replicas: [Replica; 2],
    /// Which of them holds the lease.
    pub leader: u8,
    pub strays: [Option<Stray>; 3],
    /// Ticks since the one-shot request of the spec, at most [`super::time::OLD`].
    pub requested: u8,
    /// Intents written.
    pub attempts: u8,
    /// The attempts that were sent, as bits.
    pub sent: u8,
    pub budget: Budget,
    /// For the goals: a crash fell after an effect; a second replica sent after an expiry.
    pub marks: u8,
}

/// A crash lost the reply of a call that had an effect.
pub const CRASHED_AFTER_EFFECT: u8 = 1;
/// The second replica sent a call.
pub const SECOND_SENT: u8 = 2;
/// A status was written by a replica that does not lead any more.
pub const STALE_STATUS: u8 = 4;
/// A write lost against another writer.
pub const LOST_RACE: u8 = 8;
/// A call had its effect after its caller gave up on it.
pub const LATE_EFFECT: u8 = 16;
/// Something was decided on lists that were behind.
pub const DECIDED_BEHIND: u8 = 32;

impl Replica {
    /// A process that has just started, and has read the objects.
    pub fn default_of(view: Object) -> Self {
        Self { view, ..Self::default() }
    }
}
