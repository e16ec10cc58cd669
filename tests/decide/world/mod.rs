//! A modelled world in which the decision lives: a cloud with one name, an API server with one object, and
//! a shell that reads, acts, writes and crashes as ours does. Deterministic: all chance is a list of
//! bytes, and faults stop when it is used up.
//!
//! Not here: what is asserted (`convergence`, `stability`), the real shell (`reconcile`).

pub mod cloud;
pub mod shell;
pub mod slot;
pub mod snapshot;

use std::time::Duration;

use itcare_operator::crd::instance::{DeletionPolicy, ITCareInstanceSpec, ResetRequest};
use itcare_operator::crd::{InstanceStatus, condition};
use itcare_operator::decide::Wake;
use itcare_operator::model::{InstanceState, PowerState};
use jiff::Timestamp;

use crate::dice::Dice;
use crate::fixture::{seconds, wall};
use cloud::Cloud;
use shell::Process;

/// The object as the API server keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub spec: ITCareInstanceSpec,
    pub status: InstanceStatus,
    pub generation: i64,
    pub annotation: Option<String>,
    pub finalizer: bool,
    pub deleting: bool,
    /// Deleted, and nothing keeps it any more.
    pub gone: bool,
    /// How often anything of it was written by us.
    pub writes: u32,
}

/// What people and other programs do.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Edit(Box<ITCareInstanceSpec>),
    Delete,
    /// `kubectl replace`: annotations and finalizer are wiped; not while a call is in flight, which no
    /// protocol can close (DESIGN 5.2), nor during a deletion, which it would end by force.
    Replace,
    /// A restore from a backup: the status is gone.
    DropStatus,
    /// Somebody stops or starts the VM in the web interface.
    Power(PowerState),
    /// Somebody switches backup and resizes in the web interface: only a detail shows it.
    Meddle,
    /// Somebody removes the VM.
    Remove,
    /// Somebody's long action runs on the VM.
    Occupy,
    /// The operator is restarted.
    Restart,
}

/// The whole of it.
pub struct World {
    pub now: Duration,
    pub cloud: Cloud,
    pub object: Stored,
    pub process: Process,
    pub faults: Dice,
    pub events: Vec<(Duration, Event)>,
    /// What happened, for a person who reads a red run.
    pub journal: Vec<String>,
    pub passes: u32,
}

/// Longer than any wait that a decision may ask for at rest, so that a quiet world has had its routine look.
pub const QUIET: Duration = seconds_const(8 * 3600);

/// So many passes are enough for any fault plan: each fault costs a few, each settle time some more.
const PASSES: u32 = 4000;

const fn seconds_const(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl World {
    pub fn new(spec: ITCareInstanceSpec, faults: Dice, lag: Duration) -> Self {
        Self {
            now: seconds(10),
            cloud: Cloud::new(lag),
            object: Stored {
                spec,
                status: InstanceStatus { observed_generation: Some(-1), ..InstanceStatus::default() },
                generation: 1,
                annotation: None,
                finalizer: false,
                deleting: false,
                gone: false,
                writes: 0,
            },
            process: Process::default(),
            faults,
            events: Vec::new(),
            journal: Vec::new(),
            passes: 0,
        }
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        wall_after(self.now)
    }

    pub fn tell(&mut self, line: impl Into<String>) {
        self.journal.push(format!("{:>9.1} {}", self.now.as_secs_f64(), line.into()));
    }

    /// Lives until nothing has happened for [`QUIET`].
    pub fn live(&mut self) {
        let mut quiet_since = self.now;
        let mut seen = (self.object.clone(), self.cloud.calls, self.faults.drawn());
        while !self.object.gone && self.now < quiet_since + QUIET {
            assert!(self.passes < PASSES, "no end in sight:\n{}", self.story());
            let wake = self.pass();
            if self.object.deleting && !self.object.finalizer {
                self.object.gone = true;
            }
            let now = (self.object.clone(), self.cloud.calls, self.faults.drawn());
            if now != seen || !self.events.is_empty() || self.cloud.is_busy(self.now) {
                (seen, quiet_since) = (now, self.now);
            }
            self.sleep(wake);
        }
    }

    /// Time passes until the decision wants to look again, somebody does something, or the list changes.
    fn sleep(&mut self, wake: Wake) {
        let until = match wake {
            Wake::OnChange => self.now + seconds(86_400),
            Wake::After(wait) => self.now + wait.max(Duration::from_millis(10)),
        };
        loop {
            let event = self.events.iter().map(|(at, _)| *at).min();
            let poll = self.process.next_poll(self.now);
            let next = event.into_iter().chain([until, poll]).min().unwrap_or(until).max(self.now);
            self.now = next;
            self.cloud.advance(self.now);
            let mut woken = next >= until;
            if let Some(index) = self.events.iter().position(|(at, _)| *at <= self.now) {
                let (_, event) = self.events.remove(index);
                woken |= self.happen(event);
            }
            if poll <= self.now {
                woken |= self.poll();
            }
            if woken {
                return;
            }
        }
    }

    /// Whether the watch tells us of it.
    fn happen(&mut self, event: Event) -> bool {
        self.tell(format!("event {}", name(&event)));
        match event {
            Event::Edit(spec) => {
                self.object.spec = *spec;
                self.object.generation += 1;
            }
            Event::Delete => {
                self.object.deleting = true;
                self.object.generation += 1;
            }
            Event::Replace => {
                let intent = self.ledger().is_some_and(|ledger| ledger.intent.is_some());
                if !intent && !self.object.deleting {
                    self.object.annotation = None;
                    self.object.finalizer = false;
                }
            }
            Event::DropStatus => self.object.status = InstanceStatus::default(),
            Event::Power(power) => {
                let state = match power {
                    PowerState::Running => InstanceState::Active,
                    PowerState::Stopped => InstanceState::Inactive,
                };
                self.cloud.change(self.now, |detail| detail.state = state.clone());
                return false;
            }
            Event::Meddle => {
                self.cloud.change(self.now, |detail| {
                    detail.backup = detail.backup.map(|on| !on);
                    detail.size = "16cpu64gb".parse().ok();
                });
                return false;
            }
            Event::Remove => {
                self.cloud.remove(self.now);
                return false;
            }
            Event::Occupy => {
                self.cloud.occupy(self.now, self.wall());
                return false;
            }
            Event::Restart => self.restart(),
        }
        true
    }

    pub fn story(&self) -> String {
        format!("{}\nspec {:?}\nstatus {:#?}", tale(&self.journal), self.object.spec, self.object.status)
    }

    pub fn stands(&self) -> String {
        crate::table::stands(&self.object.status.conditions)
    }

    pub fn is_true(&self, type_: itcare_operator::crd::ConditionType) -> bool {
        condition::is_true(&self.object.status.conditions, type_)
    }
}

/// The beginning and the end of a journal.
fn tale(journal: &[String]) -> String {
    let cut = journal.len().saturating_sub(60).max(60).min(journal.len());
    let (head, tail) = (&journal[..journal.len().min(60)], &journal[cut..]);
    format!("{}\n...\n{}", head.join("\n"), tail.join("\n"))
}

fn name(event: &Event) -> String {
    match event {
        Event::Edit(spec) => format!("edit {spec:?}"),
        other => format!("{other:?}"),
    }
}

fn wall_after(span: Duration) -> Timestamp {
    wall().checked_add(span).expect("a time")
}

/// A spec that the schema admits: any groups, any policies.
pub fn any_spec(dice: &mut Dice) -> ITCareInstanceSpec {
    let mut spec = crate::fixture::spec();
    wish(&mut spec, dice);
    spec.deletion_policy = dice.pick(&[None, Some(DeletionPolicy::Delete), Some(DeletionPolicy::Retain)]);
    spec
}

/// Other wishes for the same VM.
pub fn wish(spec: &mut ITCareInstanceSpec, dice: &mut Dice) {
    let group = |dice: &mut Dice, values: &[serde_json::Value]| dice.maybe(|dice| dice.pick(values));
    let switches = [serde_json::json!({"enabled": true}), serde_json::json!({"enabled": false})];
    let parties = [
        serde_json::json!({"excluded": false, "group": 2}),
        serde_json::json!({"excluded": true, "exclusionReason": "migration"}),
        serde_json::json!({"excluded": false}),
    ];
    spec.size = Some(dice.pick(&["2cpu4gb", "4cpu8gb", "8cpu8gb"]).to_owned());
    spec.power_state = dice.pick(&[None, Some(PowerState::Running), Some(PowerState::Stopped)]);
    spec.resize_policy =
        serde_json::from_value(dice.pick(&["InPlace", "StopStart"]).into()).expect("a policy");
    spec.drift_policy = serde_json::from_value(dice.pick(&["Correct", "Report"]).into()).expect("a policy");
    spec.monitoring = group(dice, &switches).and_then(|value| serde_json::from_value(value).ok());
    spec.replication = group(dice, &switches).and_then(|value| serde_json::from_value(value).ok());
    spec.backup = group(dice, &switches).and_then(|value| serde_json::from_value(value).ok());
    spec.patching = group(dice, &parties).and_then(|value| serde_json::from_value(value).ok());
}

/// What may happen in the first two hours.
pub fn any_events(spec: &ITCareInstanceSpec, dice: &mut Dice) -> Vec<(Duration, Event)> {
    let mut spec = spec.clone();
    let mut events = Vec::new();
    let mut at = Duration::ZERO;
    for _ in 0..dice.byte() % 5 {
        at += seconds(20) * u32::from(dice.byte());
        let event = match dice.byte() % 13 {
            0..=2 => {
                wish(&mut spec, dice);
                Event::Edit(Box::new(spec.clone()))
            }
            3 | 4 => {
                let requested_at = wall_after(at);
                spec.reset = Some(ResetRequest { requested_at, comment: None, not_after: None });
                Event::Edit(Box::new(spec.clone()))
            }
            5 => Event::Delete,
            6 => Event::Replace,
            7 => Event::DropStatus,
            8 => Event::Power(dice.pick(&[PowerState::Stopped, PowerState::Running])),
            9 => Event::Remove,
            10 => Event::Occupy,
            11 => Event::Meddle,
            _ => Event::Restart,
        };
        events.push((at, event));
    }
    events
}
