//! ITCare as the model has it: what calls and time do to VMs, the slot and actions, and what reads show of it.
//!
//! Without unique names, unless a scenario asks for them: what prevents a second VM is the operator.

use itcare_operator::decide::Look;
use itcare_operator::model::{
    Action, ActionId, ActionStatus, Detail, HostName, InstanceId, InstanceState, Listed, OperationKind,
    ServiceId, Size, Slot, SnapshotId, remote,
};

use crate::state::{ACTIONS, Act, Call, Cloud, Power, Stage, Vm};
use crate::time::{self, NOW};

pub const NAME: &str = "PWEB01";
pub const SERVICE: ServiceId = ServiceId::new(13);
pub const US: &str = "cgdm-sa-operator";
/// The sizes of specs and VMs, by index.
pub const SIZES: [&str; 2] = ["2cpu4gb", "4cpu8gb"];

/// The id of a VM by its index.
pub fn vm_id(index: usize) -> InstanceId {
    InstanceId::new(100 + index as i64)
}

/// The VM that an id is of.
pub fn vm_index(id: InstanceId) -> usize {
    usize::try_from(id.get() - 100).expect("a VM of the model")
}

pub fn action_id(index: usize) -> ActionId {
    ActionId::new(1 + index as i64)
}

/// The index of a size.
pub fn size_index(size: Size) -> u8 {
    let text = size.to_string();
    SIZES.iter().position(|known| *known == text).expect("a size of the model") as u8
}

impl Cloud {
    /// The VM of the snapshot scenarios, and the one before adoption.
    pub fn with_vm(foreign: bool) -> Self {
        let mut cloud = Self::default();
        cloud.vms[0] = Vm { power: Power::Active, size: 0, foreign };
        cloud.shown_vms = cloud.vms;
        cloud
    }

    pub fn live(&self) -> impl Iterator<Item = (usize, Vm)> + '_ {
        self.vms.iter().copied().enumerate().filter(|(_, vm)| vm.is_live())
    }

    /// The actions there are.
    pub fn actions(&self) -> impl Iterator<Item = (usize, Call, Act)> + '_ {
        self.acts.iter().enumerate().filter_map(|(index, act)| Some((index, act.call?, *act)))
    }

    pub fn is_behind(&self) -> (bool, bool) {
        let vms = self.vms != self.shown_vms || self.slot != self.shown_slot;
        (vms, self.acts.iter().any(|act| act.shown != act.stage))
    }

    /// Whether an action of that kind was started, however it ended.
    pub fn count(&self, kind: OperationKind) -> usize {
        self.actions().filter(|(_, call, _)| call.kind == kind).count()
    }

    /// A call arrives: its action, or a refusal.
    pub fn arrive(&mut self, call: Call, unique: bool) -> Result<u8, u16> {
        let busy = self.actions().any(|(_, other, act)| act.stage == Stage::Running && other.vm == call.vm);
        let power = self.vms.get(usize::from(call.vm)).map_or(Power::None, |vm| vm.power);
        match call.kind {
            OperationKind::Create => {
                let making = self.actions().any(|(_, other, act)| {
                    other.kind == OperationKind::Create && act.stage == Stage::Running
                });
                if unique && (making || self.live().next().is_some()) {
                    return Err(409);
                }
            }
            _ if power == Power::None || power == Power::Gone => return Err(404),
            _ if busy => return Err(409),
            OperationKind::Start if power != Power::Inactive => return Err(400),
            OperationKind::Stop | OperationKind::Reset if power != Power::Active => return Err(400),
            OperationKind::Delete if power == Power::Active => return Err(400),
            OperationKind::TakeSnapshot if self.slot != 0 => return Err(409),
            OperationKind::Recover | OperationKind::RemoveSnapshot if self.slot == 0 => return Err(404),
            _ => {}
        }
        let index = self.acts.iter().position(|act| act.call.is_none()).expect("room for an action");
        self.acts[index] = Act { call: Some(call), stage: Stage::Running, shown: Stage::None, age: 0 };
        Ok(index as u8)
    }

    /// A running action ends.
    pub fn end(&mut self, index: usize, well: bool, leaves: bool) {
        let call = self.acts[index].call.expect("an action");
        self.acts[index].stage = if well { Stage::Succeeded } else { Stage::Failed };
        if call.attempt == 0 {
            // Only what an intent may have come to is ever asked for its age.
            self.acts[index].age = time::OLD;
        }
        let vm = usize::from(call.vm);
        match call.kind {
            OperationKind::Create if well || leaves => {
                let free = self.vms.iter().position(|vm| vm.power == Power::None).expect("room for a VM");
                let power = if well { Power::Active } else { Power::Broken };
                self.vms[free] = Vm { power, size: call.size, foreign: false };
            }
            _ if !well => {}
            OperationKind::Start => self.vms[vm].power = Power::Active,
            OperationKind::Stop => self.vms[vm].power = Power::Inactive,
            OperationKind::Resize => self.vms[vm].size = call.size,
            OperationKind::Delete => self.vms[vm].power = Power::Gone,
            OperationKind::TakeSnapshot => self.slot = call.attempt,
            OperationKind::RemoveSnapshot => self.slot = 0,
            OperationKind::Create
            | OperationKind::Reset
            | OperationKind::Recover
            | OperationKind::UpdateMonitoring
            | OperationKind::UpdatePatching
            | OperationKind::UpdateReplication
            | OperationKind::UpdateBackup => {}
        }
        self.settle_lag();
    }

    /// A lag that is over is no lag.
    fn settle_lag(&mut self) {
        let (vms, acts) = self.is_behind();
        self.vm_lag *= u8::from(vms);
        self.act_lag *= u8::from(acts);
    }

    pub fn show_vms(&mut self) {
        (self.shown_vms, self.shown_slot, self.vm_lag) = (self.vms, self.slot, 0);
    }

    pub fn show_actions(&mut self) {
        self.acts.iter_mut().for_each(|act| act.shown = act.stage);
        self.act_lag = 0;
    }

    /// A tick later, if nothing must happen before: lists are behind for a tick at most, actions run for one.
    pub fn later(mut self) -> Option<Self> {
        let (vms, acts) = self.is_behind();
        let overdue = self.actions().any(|(_, _, act)| act.stage == Stage::Running && act.age > 0);
        if overdue || vms && self.vm_lag > 0 || acts && self.act_lag > 0 {
            return None;
        }
        self.vm_lag = u8::from(vms);
        self.act_lag = u8::from(acts);
        for act in self.acts.iter_mut().filter(|act| act.call.is_some()) {
            act.age = (act.age + 1).min(time::OLD);
        }
        Some(self)
    }

    // Reads.

    pub fn detail(&self, index: usize) -> Option<Detail> {
        let vm = self.shown_vms[index];
        vm.is_live().then(|| detail(index, vm))
    }

    pub fn listed(&self) -> Vec<Listed> {
        (0..self.shown_vms.len()).filter_map(|index| Some(self.detail(index)?.listed())).collect()
    }

    fn listed_actions(&self) -> impl Iterator<Item = (usize, Action)> + '_ {
        self.actions()
            .filter(|(_, _, act)| act.shown != Stage::None)
            .map(|(index, _, act)| (index, action(index, act, act.shown)))
    }

    pub fn running(&self) -> Vec<Action> {
        self.listed_actions().map(|(_, action)| action).filter(|action| action.status.is_running()).collect()
    }

    /// The newest that a list of running actions shows, by number plus one.
    pub fn newest_running(&self) -> u8 {
        let running = self.listed_actions().filter(|(_, action)| action.status.is_running());
        running.map(|(index, _)| index as u8 + 1).max().unwrap_or(0)
    }

    pub fn look(&self) -> Look {
        let actions = self.listed_actions().map(|(_, action)| action).collect();
        Look { actions, instances: self.listed(), at: NOW }
    }

    /// An action read by its id does not lag.
    pub fn action(&self, id: ActionId) -> Option<Action> {
        let index = usize::try_from(id.get() - 1).ok().filter(|index| *index < ACTIONS)?;
        let act = self.acts[index];
        act.call.map(|_| action(index, act, act.stage))
    }

    pub fn shown_slot(&self) -> Option<Slot> {
        (self.shown_slot != 0).then(|| slot(self.shown_slot))
    }
}

fn action(index: usize, act: Act, shown: Stage) -> Action {
    let status = match shown {
        Stage::None | Stage::Running => ActionStatus::InProgress,
        Stage::Succeeded => ActionStatus::Success,
        Stage::Failed => ActionStatus::Error,
    };
    Action {
        id: action_id(index),
        message: (status == ActionStatus::Error).then(|| "no more addresses".to_owned()),
        status,
        // Nobody knows the word for its kind, so any action may be any call's.
        process: None,
        resource_name: Some(NAME.to_owned()),
        submitted_at: Some(time::ago(act.age)),
        submitted_by: Some(US.to_owned()),
        completed_at: None,
    }
}

fn detail(index: usize, vm: Vm) -> Detail {
    let state = match vm.power {
        Power::Active => InstanceState::Active,
        Power::Inactive => InstanceState::Inactive,
        Power::Broken | Power::None => InstanceState::Other("FAILED".to_owned()),
        Power::Gone => InstanceState::Removed,
    };
    Detail {
        id: vm_id(index),
        name: HostName::new(NAME),
        service: Some(SERVICE),
        state,
        size: SIZES[usize::from(vm.size)].parse().ok(),
        storage_gb: None,
        file_systems: Some(Vec::new()),
        ip_address: None,
        network: Some(remote::Network::default()),
        region: None,
        area: None,
        availability_zone: None,
        os: None,
        environment: None,
        service_name: None,
        monitoring: remote::Monitoring { enabled: Some(false), alerting: Some(false), on_call: None },
        patching: None,
        replication: None,
        backup: None,
        slot: None,
        creation_time: None,
        creation_user: Some(if vm.foreign { "alice" } else { US }.to_owned()),
    }
}

/// The snapshot of an attempt.
fn slot(attempt: u8) -> Slot {
    let mark = crate::shell::attempt_id(attempt);
    Slot {
        id: SnapshotId::new(format!("100-snap-{attempt}")),
        description: Some(format!("nightly [{mark}]")),
        created_at: Some(time::ago(time::OLD)),
        created_by: Some(US.to_owned()),
        expires_at: time::wall().checked_add(std::time::Duration::from_secs(259_200)).ok(),
        recovered_at: None,
        size_gb: None,
    }
}
