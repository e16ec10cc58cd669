//! A user with a seed: creates, changes, resets, snapshots, recovers and deletes a few VMs, one step after another.
//!
//! A one-shot is asked for again only once the one before has its receipt, so that each effect belongs to one
//! request. Names are never used twice, so that VMs can be counted by name.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::shop::{SNAPSHOT, Shop, VM};
use crate::wishes::{Machine, Snapshot};

/// VMs at a time.
const MOST: usize = 4;

const SIZES: [&str; 3] = ["2cpu4gb", "4cpu8gb", "1cpu2gb"];

/// The user, and everything that was asked for.
pub struct Fleet {
    pub machines: Vec<Machine>,
    /// What was done, in words.
    pub story: Vec<String>,
    /// Every resize needs a stop, so that stops which we owe a start are common.
    stop_start: bool,
    made: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Resize,
    Power,
    Monitoring,
    Patching,
    Reset,
    TakeSnapshot,
    Recover,
    RemoveSnapshot,
    Delete,
}

const STEPS: [Step; 14] = [
    Step::Create,
    Step::Create,
    Step::Resize,
    Step::Resize,
    Step::Power,
    Step::Power,
    Step::Monitoring,
    Step::Patching,
    Step::Reset,
    Step::TakeSnapshot,
    Step::TakeSnapshot,
    Step::Recover,
    Step::RemoveSnapshot,
    Step::Delete,
];

impl Fleet {
    pub fn new(stop_start: bool) -> Self {
        Self { machines: Vec::new(), story: Vec::new(), stop_start, made: 0 }
    }

    /// Two VMs and a snapshot: what one-shots need.
    pub async fn begin(&mut self, shop: &Shop, dice: &mut Dice) {
        for power in [None, Some("Running")] {
            let words = self.create(shop, dice, &[power]).await;
            self.story.push(words);
        }
        if let Some(words) = self.change(shop, dice, 0, Step::TakeSnapshot).await {
            self.story.push(words);
        }
    }

    /// Does one thing that can be done.
    pub async fn step(&mut self, shop: &Shop, dice: &mut Dice) {
        loop {
            let live: Vec<usize> =
                (0..self.machines.len()).filter(|index| !self.machines[*index].deleted).collect();
            // One-shots seldom can be asked for, so they are tried often.
            let step = match live.is_empty() {
                true => Step::Create,
                false if dice.one_in(2) => dice.pick(&[Step::Reset, Step::Recover]),
                false => dice.pick(&STEPS),
            };
            let done = match step {
                Step::Create if live.len() < MOST => {
                    let powers = [None, Some("Running"), Some("Running"), Some("Stopped")];
                    Some(self.create(shop, dice, &powers).await)
                }
                Step::Create => None,
                Step::Resize
                | Step::Power
                | Step::Monitoring
                | Step::Patching
                | Step::Reset
                | Step::TakeSnapshot
                | Step::Recover
                | Step::RemoveSnapshot
                | Step::Delete => {
                    let index = dice.pick(&live);
                    self.change(shop, dice, index, step).await
                }
            };
            if let Some(words) = done {
                self.story.push(words);
                return;
            }
        }
    }

    async fn create(&mut self, shop: &Shop, dice: &mut Dice, powers: &[Option<&'static str>]) -> String {
        self.made += 1;
        let machine = Machine {
            object: format!("web{}", self.made),
            host: format!("DWEB{:03}", self.made),
            stop_start: self.stop_start,
            size: dice.pick(&SIZES),
            power: dice.pick(powers),
            monitoring: None,
            group: None,
            resets: Vec::new(),
            snapshots: Vec::new(),
            deleted: false,
        };
        shop.apply(VM, &machine.object, machine.spec()).await;
        let words = format!("create {} {} {:?}", machine.object, machine.size, machine.power);
        self.machines.push(machine);
        words
    }

    /// `None` when that cannot be done now.
    async fn change(&mut self, shop: &Shop, dice: &mut Dice, index: usize, step: Step) -> Option<String> {
        let number = self.made;
        let machine = &mut self.machines[index];
        let name = machine.object.clone();
        let spec = match step {
            Step::Create => return None,
            Step::Resize => {
                machine.size = dice.pick(&SIZES);
                json!({"size": machine.size})
            }
            Step::Power => {
                // A reset waits for a running VM, and is not to wait for ever.
                if machine.power.is_none() || !handled(shop, VM, &name, "reset", machine.resets.last()).await
                {
                    return None;
                }
                machine.power = Some(if machine.power == Some("Running") { "Stopped" } else { "Running" });
                json!({"powerState": machine.power})
            }
            Step::Monitoring => {
                let wish = !machine.monitoring.unwrap_or_default();
                machine.monitoring = Some(wish);
                json!({"monitoring": {"enabled": wish, "alerting": wish}})
            }
            Step::Patching => {
                let group = 1 + dice.below(3) as u8;
                machine.group = Some(group);
                json!({"patching": {"excluded": false, "group": group}})
            }
            Step::Reset => {
                let free = machine.power != Some("Stopped")
                    && handled(shop, VM, &name, "reset", machine.resets.last()).await;
                if !free || !is_made(shop, &name).await {
                    return None;
                }
                let at = now();
                machine.resets.push(at);
                json!({"reset": {"requestedAt": at}})
            }
            Step::TakeSnapshot => {
                if machine.snapshot().is_some() {
                    return None;
                }
                let object = format!("{name}-{}-{number}", machine.snapshots.len());
                shop.apply(SNAPSHOT, &object, json!({"instanceRef": {"name": name}})).await;
                let words = format!("snapshot {object}");
                machine.snapshots.push(Snapshot { object, recoveries: Vec::new(), deleted: false });
                return Some(words);
            }
            Step::Recover => {
                let snapshot = machine.snapshot()?;
                let seen = shop.get(SNAPSHOT, &snapshot.object).await?;
                let available = itcare_lab::kstatus::kubectl_wait(&seen, "Available", "True");
                if !available
                    || !handled(shop, SNAPSHOT, &snapshot.object, "recover", snapshot.recoveries.last()).await
                {
                    return None;
                }
                let at = now();
                snapshot.recoveries.push(at);
                shop.patch(SNAPSHOT, &snapshot.object, json!({"recover": {"requestedAt": at}})).await;
                return Some(format!("recover {}", snapshot.object));
            }
            Step::RemoveSnapshot => {
                let snapshot = machine.snapshot()?;
                snapshot.deleted = true;
                shop.delete(SNAPSHOT, &snapshot.object).await;
                return Some(format!("remove {}", snapshot.object));
            }
            Step::Delete => {
                if !dice.one_in(2) {
                    return None;
                }
                let first = dice.one_in(2);
                if first {
                    shop.delete(VM, &name).await;
                }
                if let Some(snapshot) = machine.snapshot() {
                    snapshot.deleted = true;
                    shop.delete(SNAPSHOT, &snapshot.object).await;
                }
                if !first {
                    shop.delete(VM, &name).await;
                }
                machine.deleted = true;
                return Some(format!("delete {name}"));
            }
        };
        let words = format!("{name}: {spec}");
        shop.patch(VM, &name, spec).await;
        Some(words)
    }

    /// Deletes whatever is left, snapshots now before and now after their instances.
    pub async fn delete_all(&mut self, shop: &Shop, dice: &mut Dice) {
        for machine in self.machines.iter_mut().filter(|machine| !machine.deleted) {
            let mut objects = vec![(VM, machine.object.clone())];
            if let Some(snapshot) = machine.snapshot() {
                snapshot.deleted = true;
                objects.insert(dice.below(2) as usize, (SNAPSHOT, snapshot.object.clone()));
            }
            machine.deleted = true;
            for (kind, name) in objects {
                shop.delete(kind, &name).await;
            }
        }
        self.story.push("delete all".to_owned());
    }
}

/// Whether the last request, if there is one, has its receipt.
async fn handled(shop: &Shop, kind: &str, name: &str, word: &str, last: Option<&jiff::Timestamp>) -> bool {
    let Some(last) = last else { return true };
    let seen = shop.get(kind, name).await.unwrap_or_default();
    requested(&seen["status"]["handledRequests"][word]) == Some(*last)
}

/// Whether its VM exists, so that what was asked for begins at once.
async fn is_made(shop: &Shop, name: &str) -> bool {
    shop.get(VM, name).await.is_some_and(|seen| seen["status"]["id"].is_i64())
}

/// The request that a receipt is for.
pub fn requested(receipt: &Value) -> Option<jiff::Timestamp> {
    receipt["requestedAt"].as_str()?.parse().ok()
}

/// The real time.
pub fn now() -> jiff::Timestamp {
    itcare_operator::platform::Clock::system().now().wall
}
