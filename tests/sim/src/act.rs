//! Actions: how they begin, what they do, how they end.
//!
//! Whether a request may begin one is decided in `create`, `update` and `snapshots`.

use jiff::Timestamp;

use crate::clock::later;
use crate::handle::{Ending, Twist};
use crate::operation::Operation;
use crate::record::{ActionRecord, ActionState, InstanceRecord, SnapshotRecord};
use crate::world::World;

/// What an action does when it ends well.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Create(Box<InstanceRecord>),
    Delete,
    Stop,
    Start,
    Reset,
    Resize {
        cpu: u32,
        ram: u32,
    },
    Monitoring {
        state: Option<bool>,
        alerting: Option<bool>,
    },
    Patching {
        excluded: bool,
        reason: Option<String>,
        group: Option<u8>,
        by: String,
    },
    Replication {
        state: bool,
        reason: Option<String>,
    },
    Backup {
        state: bool,
    },
    TakeSnapshot {
        description: Option<String>,
        change_reference: Option<String>,
        by: String,
    },
    RemoveSnapshot(String),
    Recover(String),
    /// Somebody else's process that we know nothing about, or one made ineffective.
    Nothing,
}

/// The hidden part of a running action.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) work: Work,
    /// The message of the error in which it will end.
    pub(crate) fails: Option<String>,
}

/// What a new action is about.
pub(crate) struct About {
    pub(crate) instance: i64,
    pub(crate) name: String,
    pub(crate) service_id: i64,
    pub(crate) family: String,
}

impl World {
    /// Begins an action and returns its id.
    pub(crate) fn begin(
        &mut self,
        at: Timestamp,
        (process, by): (&str, &str),
        about: About,
        work: Work,
        twist: &Twist,
    ) -> i64 {
        let id = self.take_action_id();
        let endless = twist.ending == Ending::Never;
        if let Some(end) = self.end_of(at, process).filter(|_| !endless) {
            self.due.insert((end, id));
        }
        let fails = match &twist.ending {
            Ending::Fails(message) => Some(message.clone()),
            Ending::Normal | Ending::Never | Ending::Vanishes => None,
        };
        self.jobs.insert(id, Job { work, fails });
        self.actions.insert(
            id,
            ActionRecord {
                id,
                process: process.to_owned(),
                state: ActionState::Running,
                instance: about.instance,
                resource_name: about.name,
                service_id: about.service_id,
                family: about.family,
                submitted_at: at,
                submitted_by: by.to_owned(),
                completed_at: None,
                visible: twist.ending != Ending::Vanishes,
                endless,
            },
        );
        id
    }

    /// The running actions on an instance.
    pub(crate) fn running_on(&self, instance: i64) -> impl Iterator<Item = &ActionRecord> {
        self.jobs
            .keys()
            .filter_map(|id| self.actions.get(id))
            .filter(move |action| action.instance == instance)
    }

    /// The oldest running action that a step may end.
    pub(crate) fn oldest_running(&self) -> Option<i64> {
        self.jobs.keys().copied().find(|id| self.actions.get(id).is_some_and(|action| !action.endless))
    }

    /// Ends a running action: as planned, or with the error given.
    pub(crate) fn finish(&mut self, at: Timestamp, id: i64, error: Option<String>) {
        self.due.retain(|(_, action)| *action != id);
        let Some(job) = self.jobs.remove(&id) else { return };
        let Some(action) = self.actions.get_mut(&id) else { return };
        let error = error.or(job.fails);
        action.completed_at = Some(at);
        action.state = match &error {
            Some(message) => ActionState::Failed(message.clone()),
            None => ActionState::Succeeded,
        };
        let (instance, process) = (action.instance, action.process.clone());
        self.expire_snapshots(at);
        if error.is_some() {
            self.undo(at, instance, job.work);
        } else if !self.is_ineffective(&process) {
            self.carry_out(at, instance, id, job.work);
        }
    }

    fn is_ineffective(&self, process: &str) -> bool {
        self.config.quirks.ineffective.iter().any(|operation| operation.process() == Some(process))
    }

    /// What a failed action leaves: only a create leaves anything.
    fn undo(&mut self, at: Timestamp, id: i64, work: Work) {
        let Work::Create(mut instance) = work else { return };
        match self.config.quirks.failed_create_leaves.clone() {
            Some(status) => {
                instance.status = status;
                self.insert(at, *instance);
            }
            None => self.change(at, id, |instance| instance.live = false),
        }
    }

    fn carry_out(&mut self, at: Timestamp, id: i64, action: i64, work: Work) {
        match work {
            Work::Create(mut instance) => {
                instance.status = "ACTIVE".to_owned();
                instance.created_by_action = Some(action);
                self.created += 1;
                self.insert(at, *instance);
            }
            Work::Delete => self.change(at, id, |instance| instance.live = false),
            Work::Stop => self.change(at, id, |instance| {
                instance.status = "INACTIVE".to_owned();
                instance.power_changes += 1;
            }),
            Work::Start => self.change(at, id, |instance| {
                instance.status = "ACTIVE".to_owned();
                instance.power_changes += 1;
            }),
            Work::Reset => self.change(at, id, |instance| instance.resets += 1),
            Work::Resize { cpu, ram } => self.change(at, id, |instance| {
                instance.cpu = cpu;
                instance.ram = ram;
            }),
            Work::Monitoring { state, alerting } => self.change(at, id, |instance| {
                instance.monitoring = state.unwrap_or(instance.monitoring);
                instance.alerting = alerting.unwrap_or(instance.alerting);
            }),
            Work::Patching { excluded, reason, group, by } => self.change(at, id, |instance| {
                instance.patch_excluded = excluded;
                instance.patch_excluded_by = excluded.then_some(by);
                instance.patch_exclusion_reason = reason.filter(|_| excluded);
                instance.patch_group = group;
            }),
            Work::Replication { state, reason } => self.change(at, id, |instance| {
                instance.replication = state;
                instance.no_replication_reason = reason.filter(|_| !state);
            }),
            Work::Backup { state } => self.change(at, id, |instance| instance.backup = state),
            Work::TakeSnapshot { description, change_reference, by } => {
                self.add_snapshot(at, id, description, change_reference, by);
            }
            Work::RemoveSnapshot(snapshot) => {
                self.change(at, id, |instance| instance.snapshots.retain(|is| is.id != snapshot));
            }
            Work::Recover(snapshot) => self.change(at, id, |instance| {
                instance.recoveries += 1;
                if let Some(is) = instance.snapshots.iter_mut().find(|is| is.id == snapshot) {
                    is.recovered_at = Some(at);
                }
            }),
            Work::Nothing => {}
        }
    }

    /// Puts a snapshot on an instance and returns its id.
    pub(crate) fn add_snapshot(
        &mut self,
        at: Timestamp,
        id: i64,
        description: Option<String>,
        change_reference: Option<String>,
        by: String,
    ) -> String {
        let name = format!("{id}-snap-{}", self.next_snapshot);
        self.next_snapshot += 1;
        let expires_at = later(at, self.config.snapshot_lifetime);
        let snapshot_id = name.clone();
        self.change(at, id, |instance| {
            instance.snapshots.push(SnapshotRecord {
                id: snapshot_id,
                description,
                change_reference,
                created_at: at,
                created_by: by,
                expires_at,
                recovered_at: None,
                size_gb: instance.storage_gb / 2,
            });
        });
        name
    }

    /// What a process begun by somebody else does, as far as its name tells.
    pub(crate) fn foreign_work(&self, instance: &InstanceRecord, process: &str, by: &str) -> Work {
        let known = |operation: Operation| operation.process() == Some(process);
        let snapshot = instance.snapshots.first().map(|snapshot| snapshot.id.clone());
        if known(Operation::Stop) {
            Work::Stop
        } else if known(Operation::Start) {
            Work::Start
        } else if known(Operation::Reset) {
            Work::Reset
        } else if known(Operation::Delete) {
            Work::Delete
        } else if known(Operation::SnapshotCreate) {
            Work::TakeSnapshot { description: None, change_reference: None, by: by.to_owned() }
        } else if known(Operation::SnapshotDelete) {
            snapshot.map_or(Work::Nothing, Work::RemoveSnapshot)
        } else if known(Operation::SnapshotRecover) {
            snapshot.map_or(Work::Nothing, Work::Recover)
        } else {
            Work::Nothing
        }
    }
}
