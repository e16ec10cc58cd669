//! ITCare as the model has it: VMs with a history, actions that take their time, and reads that lag behind.
//! It does not enforce unique names: a second creation is a violation, and told.

use std::time::Duration;

use itcare_operator::crd::instance::ITCareInstanceSpec;
use itcare_operator::decide::Look;
use itcare_operator::decide::decision::{CallAction, GuardedCall};
use itcare_operator::model::{Action, ActionId, ActionStatus, Detail, InstanceId, InstanceState, Listed};
use jiff::Timestamp;

use crate::fixture::{NAME, US, detail, seconds};

/// How long an action takes.
const DURATION: Duration = Duration::from_secs(40);

/// A VM and what it was since when; `None` is gone.
#[derive(Debug, Clone)]
pub struct Vm {
    pub id: InstanceId,
    history: Vec<(Duration, Option<Detail>)>,
}

impl Vm {
    fn at(&self, now: Duration) -> Option<&Detail> {
        self.history.iter().rev().find(|(since, _)| *since <= now).and_then(|(_, detail)| detail.as_ref())
    }

    /// As it is now, whatever reads show.
    pub fn really(&self) -> Option<&Detail> {
        self.history.last().and_then(|(_, detail)| detail.as_ref())
    }
}

/// What an action does to its VM when it ends well.
#[derive(Debug, Clone)]
enum Effect {
    Create(Box<ITCareInstanceSpec>),
    State(InstanceState),
    Change(CallAction),
    Delete,
    Nothing,
}

/// An action at work.
#[derive(Debug, Clone)]
struct Work {
    action: Action,
    starts: Duration,
    ends: Duration,
    effect: Effect,
    /// It will fail; a creation may leave a broken VM.
    fails: Option<bool>,
    over: bool,
}

/// The cloud.
#[derive(Debug)]
pub struct Cloud {
    pub vms: Vec<Vm>,
    works: Vec<Work>,
    lag: Duration,
    next: i64,
    /// Calls that changed or tried to change something.
    pub calls: u32,
    /// Promises that were broken.
    pub violations: Vec<String>,
    /// Resets that ran.
    pub resets: u32,
    /// Creations that failed and left a VM.
    pub left_broken: bool,
}

/// What becomes of a call in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs, after this delay.
    Runs { after: Duration },
    /// It runs and fails; a creation may leave a broken VM.
    Fails { leaves: bool },
    /// It never arrives.
    Lost,
}

impl Cloud {
    pub fn new(lag: Duration) -> Self {
        Self {
            vms: Vec::new(),
            works: Vec::new(),
            lag,
            next: 5_220_000,
            calls: 0,
            violations: Vec::new(),
            resets: 0,
            left_broken: false,
        }
    }

    fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    /// The live VM, as it really is.
    pub fn vm(&self) -> Option<&Detail> {
        self.vms.iter().find_map(Vm::really)
    }

    /// Whether an action runs, or reads still lag behind one.
    pub fn is_busy(&self, now: Duration) -> bool {
        self.works.iter().any(|work| now < work.ends + self.lag)
    }

    /// Ends what has come to its end.
    pub fn advance(&mut self, now: Duration) {
        for index in 0..self.works.len() {
            let work = self.works[index].clone();
            if work.over || work.ends > now {
                continue;
            }
            self.works[index].over = true;
            self.works[index].action.completed_at = work.action.submitted_at;
            if let Some(leaves) = work.fails {
                self.works[index].action.status = ActionStatus::Error;
                self.works[index].action.message = Some("no more addresses".to_owned());
                if let (Effect::Create(spec), true) = (&work.effect, leaves) {
                    self.left_broken = true;
                    self.make(spec, work.ends, InstanceState::Other("FAILED".to_owned()));
                }
                continue;
            }
            self.works[index].action.status = ActionStatus::Success;
            match work.effect {
                Effect::Create(spec) => self.make(&spec, work.ends, InstanceState::Active),
                Effect::State(state) => self.change(work.ends, |detail| detail.state = state.clone()),
                Effect::Change(change) => self.change(work.ends, |detail| apply(&change, detail)),
                Effect::Delete => self.remove(work.ends),
                Effect::Nothing => {}
            }
        }
    }

    fn make(&mut self, spec: &ITCareInstanceSpec, at: Duration, state: InstanceState) {
        if self.vm().is_some() {
            self.violations.push(format!("a second VM at {at:?}"));
        }
        let id = InstanceId::new(self.number());
        let mut made = Detail { id, state, creation_time: None, ..detail() };
        made.size = spec.size.as_deref().and_then(|size| size.parse().ok());
        made.backup = spec.backup.as_ref().map_or(Some(false), |wish| Some(wish.enabled));
        made.replication = spec.replication.as_ref().map_or(Some(false), |wish| Some(wish.enabled));
        made.monitoring.enabled = spec.monitoring.as_ref().map_or(Some(false), |wish| Some(wish.enabled));
        self.vms.push(Vm { id, history: vec![(at, Some(made))] });
    }

    /// Somebody changes the live VM.
    pub fn change(&mut self, at: Duration, adjust: impl FnOnce(&mut Detail)) {
        let live = self.vms.iter_mut().find(|vm| vm.really().is_some());
        if let Some((vm, mut shown)) = live.and_then(|vm| vm.really().cloned().map(|shown| (vm, shown))) {
            adjust(&mut shown);
            vm.history.push((at, Some(shown)));
        }
    }

    pub fn remove(&mut self, at: Duration) {
        if let Some(vm) = self.vms.iter_mut().find(|vm| vm.really().is_some()) {
            vm.history.push((at, None));
        }
    }

    /// Somebody's action of ten minutes.
    pub fn occupy(&mut self, now: Duration, wall: Timestamp) {
        let mut action = self.action(wall);
        action.submitted_by = Some("alice".to_owned());
        let ends = now + seconds(600);
        self.works.push(Work {
            action,
            starts: now,
            ends,
            effect: Effect::Nothing,
            fails: None,
            over: false,
        });
    }

    fn action(&mut self, wall: Timestamp) -> Action {
        Action {
            id: ActionId::new(self.number()),
            status: ActionStatus::InProgress,
            process: None,
            resource_name: Some(NAME.to_owned()),
            message: None,
            submitted_at: Some(wall),
            submitted_by: Some(US.to_owned()),
            completed_at: None,
        }
    }

    // Reads.

    pub fn listed(&self, now: Duration) -> Vec<Listed> {
        let then = now.saturating_sub(self.lag);
        self.vms.iter().filter_map(|vm| vm.at(then)).map(Detail::listed).collect()
    }

    pub fn detail(&self, id: InstanceId, now: Duration) -> Option<Detail> {
        let vm = self.vms.iter().find(|vm| vm.id == id)?;
        vm.at(now.saturating_sub(self.lag)).cloned()
    }

    pub fn running(&self, now: Duration) -> Vec<Action> {
        let shown = |work: &&Work| work.starts + self.lag <= now && now < work.ends + self.lag;
        self.works
            .iter()
            .filter(shown)
            .map(|work| Action { status: ActionStatus::InProgress, ..work.action.clone() })
            .collect()
    }

    pub fn read(&self, id: ActionId, now: Duration) -> Option<Action> {
        self.works
            .iter()
            .find(|work| work.action.id == id && work.starts <= now)
            .map(|work| work.action.clone())
    }

    pub fn look(&self, now: Duration, at: Duration) -> Look {
        let shown = |work: &&Work| work.starts + self.lag <= now;
        Look {
            actions: self.works.iter().filter(shown).map(|work| work.action.clone()).collect(),
            instances: self.listed(now),
            at,
        }
    }

    // Writes. `Err` is a refusal in the words of the API's page.

    pub fn create(
        &mut self,
        spec: &ITCareInstanceSpec,
        now: Duration,
        wall: Timestamp,
        fate: Fate,
    ) -> Option<Action> {
        let twin = self.works.iter().any(|work| !work.over && matches!(work.effect, Effect::Create(_)));
        if twin && fate != Fate::Lost {
            self.violations.push(format!("a second creation at {now:?} while one runs"));
        }
        self.start(Effect::Create(Box::new(spec.clone())), now, wall, fate)
    }

    pub fn guarded(
        &mut self,
        call: &GuardedCall,
        now: Duration,
        wall: Timestamp,
        fate: Fate,
    ) -> Result<Option<Action>, u16> {
        self.calls += 1;
        match call {
            GuardedCall::Create(request) => Ok(self.create(&request.spec, now, wall, fate)),
            GuardedCall::Reset { id, .. } => {
                self.admits(*id, now, Some(InstanceState::Active))?;
                if fate != Fate::Lost {
                    self.resets += 1;
                }
                Ok(self.start(Effect::Nothing, now, wall, fate))
            }
            other => panic!("no call of an instance: {other:?}"),
        }
    }

    pub fn call(
        &mut self,
        id: InstanceId,
        action: &CallAction,
        now: Duration,
        wall: Timestamp,
        fate: Fate,
    ) -> Result<Option<Action>, u16> {
        self.calls += 1;
        let (state, effect) = match action {
            CallAction::Start => (Some(InstanceState::Inactive), Effect::State(InstanceState::Active)),
            CallAction::Stop => (Some(InstanceState::Active), Effect::State(InstanceState::Inactive)),
            CallAction::Delete => {
                let broken = self.vm().is_some_and(|vm| vm.state.power().is_none());
                ((!broken).then_some(InstanceState::Inactive), Effect::Delete)
            }
            other => (None, Effect::Change(other.clone())),
        };
        self.admits(id, now, state)?;
        Ok(self.start(effect, now, wall, fate))
    }

    fn admits(&self, id: InstanceId, now: Duration, state: Option<InstanceState>) -> Result<(), u16> {
        let live = self.vms.iter().find(|vm| vm.id == id).and_then(Vm::really).ok_or(404_u16)?;
        if self.works.iter().any(|work| work.starts <= now && !work.over) {
            return Err(409);
        }
        if state.is_some_and(|state| state != live.state) { Err(400) } else { Ok(()) }
    }

    fn start(&mut self, effect: Effect, now: Duration, wall: Timestamp, fate: Fate) -> Option<Action> {
        let (after, fails) = match fate {
            Fate::Runs { after } => (after, None),
            Fate::Fails { leaves } => (Duration::ZERO, Some(leaves)),
            Fate::Lost => return None,
        };
        let action = self.action(wall.checked_add(after).expect("a time"));
        let starts = now + after;
        self.works.push(Work {
            action: action.clone(),
            starts,
            ends: starts + DURATION,
            effect,
            fails,
            over: false,
        });
        Some(action)
    }
}

fn apply(change: &CallAction, detail: &mut Detail) {
    match change {
        CallAction::Resize(size) => detail.size = Some(*size),
        CallAction::UpdateMonitoring { enabled, alerting } => {
            detail.monitoring.enabled = Some(*enabled);
            detail.monitoring.alerting = alerting.or(detail.monitoring.alerting);
        }
        CallAction::UpdatePatching { excluded, group, .. } => {
            let patching = detail.patching.get_or_insert_default();
            patching.excluded = Some(*excluded);
            patching.group = group.or(patching.group);
        }
        CallAction::UpdateReplication { enabled, .. } => detail.replication = Some(*enabled),
        CallAction::UpdateBackup { enabled, .. } => detail.backup = Some(*enabled),
        CallAction::Start | CallAction::Stop | CallAction::Delete | CallAction::RemoveSnapshot(_) => {}
    }
}
