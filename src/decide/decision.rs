//! What a decision is made of: the step, the status to write, when to look again, what to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::crd::Reason;
use crate::crd::instance::ITCareInstanceSpec;
use crate::crd::status::LastOperation;
use crate::model::{
    Action, ActionId, AttemptId, Failure, FailureClass, HostName, InstanceId, Ledger, OperationKind,
    OperationResult, ServiceId, Size, SnapshotId,
};

/// What follows from a view.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a decision that nobody carries out is a lost change"]
pub struct Decision<S> {
    /// At most one thing to do.
    pub step: Step,
    /// The status to write, complete.
    pub status: S,
    /// When to look again if nothing happens before.
    pub wake: Wake,
    /// What to tell as Events, beyond the transitions of conditions.
    pub notes: Vec<Note>,
    /// What to remember in this process; it only ever makes us wait longer.
    pub memory: Memory,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Only when the object or its part of the cloud changes.
    OnChange,
    /// After this time at the latest.
    After(Duration),
}

/// An Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// Why.
    pub reason: Reason,
    /// For a person.
    pub message: String,
}

/// At most one of these is carried out in a pass, besides reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing to do but to write the status if it changed.
    Nothing,
    /// A fact is missing: read it, then decide again.
    Observe(Need),
    /// Write the ledger, with our finalizer added if `finalizer`.
    SaveLedger {
        /// The ledger, `seq` already raised.
        ledger: Box<Ledger>,
        /// Whether our finalizer must be there.
        finalizer: bool,
    },
    /// Remove a ledger that was copied from another object.
    DropLedger,
    /// Let the object go.
    RemoveFinalizer,
    /// A call that must not run twice: intent first (DESIGN 5.2).
    Guarded(Guarded),
    /// Any other call that changes something (DESIGN 5.3).
    Call(Call),
}

/// A fact to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The object itself, from the API server: is it still the one that was decided upon?
    Object,
    /// The detail of an instance.
    Detail(InstanceId),
    /// File systems, where the detail leaves them out.
    Storage(InstanceId),
    /// Network, where the detail leaves it out.
    Network(InstanceId),
    /// The list of a service, requested at this time or later (shared by everybody).
    List {
        /// Which service.
        service: ServiceId,
        /// Not older than this.
        since: Duration,
    },
    /// Whatever arrived in a service, requested at this time or later (shared by everybody): the end of its list.
    Arrivals {
        /// Which service.
        service: ServiceId,
        /// Not older than this.
        since: Duration,
    },
    /// All running actions, requested at this time or later (shared by everybody).
    Running {
        /// Not older than this.
        since: Duration,
    },
    /// One action.
    Action(ActionId),
    /// The actions of that name in all statuses, then the instances of that name.
    Look(HostName),
    /// The snapshot slot of an instance.
    Slot(InstanceId),
}

/// A call that must not run twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Guarded {
    /// The ledger to which the intent is added.
    pub ledger: Box<Ledger>,
    /// The one-shot request that it serves.
    pub request: Option<Timestamp>,
    /// After this it is not sent any more.
    pub not_after: Option<Timestamp>,
    /// What to send.
    pub call: GuardedCall,
}

/// The four calls that must not run twice.
#[derive(Debug, Clone, PartialEq)]
pub enum GuardedCall {
    /// Create the instance.
    Create(Box<CreateRequest>),
    /// Hard reset.
    Reset {
        /// Which instance.
        id: InstanceId,
        /// Shown in ITCare's monitoring.
        comment: Option<String>,
    },
    /// Take a snapshot; the attempt's mark is added to the description when it is sent.
    TakeSnapshot {
        /// Of which instance.
        id: InstanceId,
        /// The user's description.
        description: Option<String>,
        /// The user's change reference.
        change_reference: Option<String>,
    },
    /// Put the instance back to its snapshot.
    Recover {
        /// Which instance.
        id: InstanceId,
    },
}

/// The creation, as the spec asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateRequest {
    /// The spec; every creation detail in it is sent.
    pub spec: ITCareInstanceSpec,
}

impl GuardedCall {
    /// The kind of the operation.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Create(_) => OperationKind::Create,
            Self::Reset { .. } => OperationKind::Reset,
            Self::TakeSnapshot { .. } => OperationKind::TakeSnapshot,
            Self::Recover { .. } => OperationKind::Recover,
        }
    }
}

/// The other calls that change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The instance.
    pub id: InstanceId,
    /// The user's change reference, sent where the call takes one.
    pub change_reference: Option<String>,
    /// What to do with it.
    pub action: CallAction,
}

/// What a [`Call`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAction {
    /// Power on.
    Start,
    /// Power off.
    Stop,
    /// Change CPUs and memory.
    Resize(Size),
    /// Switch monitoring.
    UpdateMonitoring {
        /// On or off.
        enabled: bool,
        /// Alerts become incidents.
        alerting: Option<bool>,
    },
    /// Change the patch party.
    UpdatePatching {
        /// Leave the VM out.
        excluded: bool,
        /// Why.
        reason: Option<String>,
        /// 1, 2 or 3.
        group: Option<i64>,
    },
    /// Switch replication.
    UpdateReplication {
        /// On or off.
        enabled: bool,
        /// Why off.
        reason: Option<String>,
    },
    /// Switch backup.
    UpdateBackup {
        /// On or off.
        enabled: bool,
        /// Why off.
        reason: Option<String>,
    },
    /// Delete the instance.
    Delete,
    /// Remove its snapshot.
    RemoveSnapshot(SnapshotId),
}

impl CallAction {
    /// The kind of the operation.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Start => OperationKind::Start,
            Self::Stop => OperationKind::Stop,
            Self::Resize(_) => OperationKind::Resize,
            Self::UpdateMonitoring { .. } => OperationKind::UpdateMonitoring,
            Self::UpdatePatching { .. } => OperationKind::UpdatePatching,
            Self::UpdateReplication { .. } => OperationKind::UpdateReplication,
            Self::UpdateBackup { .. } => OperationKind::UpdateBackup,
            Self::Delete => OperationKind::Delete,
            Self::RemoveSnapshot(_) => OperationKind::RemoveSnapshot,
        }
    }
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An action runs.
    Accepted(Action),
    /// Certainly nothing happened; a guarded call's intent is cleared again.
    NotExecuted(Failure),
    /// ITCare said no.
    Refused(Failure),
    /// It may have happened.
    Ambiguous(Failure),
}

/// What this process remembers about an object, only to wait longer: losing it costs one fresh read.
/// Times are on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The conditions say that the VM cannot be seen, nothing else: all was well when it was last seen.
    pub sightless: bool,
    /// When our last effect on the VM or its name ended. Anything observed before decides nothing.
    pub effect_end: Duration,
    /// Whether that effect may or may not have happened.
    pub ambiguous: bool,
    /// First sight of an operation whose answer was ambiguous, by the time that the status gives it.
    pub unclear_seen: Option<(Timestamp, Duration)>,
    /// First sight of the standing attempt, or the end of its call.
    pub attempt_seen: Option<(AttemptId, Duration)>,
    /// Last sight of a running action on that name.
    pub running_seen: Option<Duration>,
    /// When the running actions were first asked for and an action of ours was not among them: a look at its
    /// effect must be newer. It stays where it is while later reads of the same pass move on.
    pub over_seen: Option<(ActionId, Duration)>,
    /// First sight of the end of an action whose effect is not seen yet.
    pub success_seen: Option<(ActionId, Duration)>,
    /// First sight of the resume mark, or the end of our last stop.
    pub resume_seen: Option<Duration>,
    /// First 404 of the recorded id.
    pub missing_seen: Option<Duration>,
    /// When the slot was last read.
    pub slot_read: Option<Duration>,
    /// First sight of a slot that is taken.
    pub slot_seen: Option<Duration>,
    /// Per kind, the last operation that was refused or failed: the status has room for one, and two groups
    /// that are both refused must not lift each other's hold.
    pub trouble: BTreeMap<OperationKind, LastOperation>,
    /// The status of the last decision was not written: what it found must be found again.
    pub unsaid: bool,
    /// Failures in a row that were not executed.
    pub failures: u32,
    /// When the first of them was.
    pub failing_since: Option<Duration>,
    /// Whether these were of the kind that passes by itself.
    pub failing_passes: Option<bool>,
}

impl Memory {
    /// A read failed once more. For how long reads have been failing so: a refused credential after an hour of
    /// time-outs is a first one.
    pub fn failing(&mut self, class: FailureClass, now: Duration) -> Duration {
        let passes = class.passes();
        if self.failing_passes.replace(passes).is_some_and(|before| before != passes) {
            self.failing_since = None;
        }
        self.failures = self.failures.saturating_add(1);
        now.saturating_sub(*self.failing_since.get_or_insert(now))
    }

    /// A pass worked: the next failure is a first one.
    pub fn has_no_failure(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.failing_passes = None;
    }

    /// When the end of that action was first seen.
    pub fn first_end(&mut self, action: ActionId, now: Duration) -> Duration {
        match self.success_seen {
            Some((seen, first)) if seen == action => first,
            Some(_) | None => {
                self.success_seen = Some((action, now));
                now
            }
        }
    }

    /// The last operation of that kind, as far as status and memory know.
    #[must_use]
    pub fn last<'a>(
        &'a self,
        status: Option<&'a LastOperation>,
        kind: OperationKind,
    ) -> Option<&'a LastOperation> {
        status.filter(|last| last.kind == kind).or_else(|| self.trouble.get(&kind))
    }

    /// An operation ended.
    pub fn ended(&mut self, last: &LastOperation) {
        match last.result {
            OperationResult::Failed | OperationResult::Refused => {
                self.trouble.insert(last.kind, last.clone());
            }
            OperationResult::Succeeded | OperationResult::OutcomeUnknown | OperationResult::Expired => {
                self.trouble.remove(&last.kind);
                // A deletion that was refused before the VM was stopped may have been refused because it ran.
                if last.kind == OperationKind::Stop {
                    self.trouble.remove(&OperationKind::Delete);
                }
            }
        }
    }

    /// Whether the end of that action was seen, and its effect not yet.
    #[must_use]
    pub fn awaits_effect(&self, action: ActionId) -> bool {
        self.success_seen.is_some_and(|(seen, _)| seen == action)
    }

    /// When the settle time of an operation without a clear answer began: at the end of its call, or when this
    /// process first saw it. Never by the wall clock, which may be another one than that of the sender.
    pub fn unclear_since(&mut self, submitted_at: Timestamp, now: Duration) -> Duration {
        let first = match self.unclear_seen {
            Some((seen, first)) if seen == submitted_at => first,
            Some(_) | None => {
                self.unclear_seen = Some((submitted_at, now));
                now
            }
        };
        first.max(self.effect_end)
    }

    /// The running actions were asked for at `at`, and this one is among them or not. When it is not: the
    /// first time of that, since which its effect can be seen.
    pub fn is_over(&mut self, action: ActionId, running: bool, at: Duration) -> Option<Duration> {
        if running {
            self.over_seen = None;
            self.running_seen = Some(at);
            return None;
        }
        match self.over_seen {
            Some((seen, first)) if seen == action => Some(first),
            Some(_) | None => {
                self.over_seen = Some((action, at));
                Some(at)
            }
        }
    }
}
