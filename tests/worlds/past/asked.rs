//! Nothing was changed that the spec of that moment did not ask for, and what is asked for once ran once.

use std::collections::{BTreeMap, BTreeSet};

use itcare_sim::{ActionState, Entry, Operation};
use jiff::SignedDuration;
use serde_json::Value;

use super::Past;
use crate::check::tell;
use crate::life::{Life, Moment, SNAPSHOTS, Wish};

/// The object is read again right before a call: between that and ITCare lie milliseconds, and the fetching of a token.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_millis(100);

impl Past<'_> {
    /// Every call was asked for by the spec at that moment.
    #[track_caller]
    pub(super) fn calls_were_asked_for(&self) {
        for call in &self.calls {
            let at = self.at(call);
            let host = match call.operation {
                Operation::Create => call.body["name"].as_str().map(str::to_owned),
                _ => call.instance.and_then(|id| self.vms.get(&id)).map(|vm| vm.name.clone()),
            };
            let host = host.unwrap_or_else(|| panic!("a call about no VM: {call:?}"));
            let index = self.of_host(&host, at);
            let index = index.unwrap_or_else(|| panic!("a call about a VM that no object had: {call:?}"));
            let life = &self.lives()[index];
            let asked = life.between(at - ON_ITS_WAY, at).any(|wish| self.asks(index, life, wish, call, at));
            assert!(
                asked,
                "nobody asked for {:?} at {} ({})\n{}",
                call.operation,
                call.at,
                call.body,
                tell(self.world, self.story, &life.name)
            );
        }
    }

    /// Whether that wish asks for that call.
    fn asks(&self, index: usize, life: &Life, wish: &Wish, call: &Entry, at: Moment) -> bool {
        let Wish { spec, deleting, .. } = wish;
        let suspended = spec["suspend"] == true;
        let manages = spec["managementPolicy"] != "Observe" && !suspended;
        let lives = manages && !deleting;
        let deletes = manages && *deleting && !self.lets_go(index, wish);
        let power = spec["powerState"].as_str();
        let has = |field: &str| !spec[field].is_null();
        match call.operation {
            Operation::Create => lives,
            Operation::Delete => deletes,
            Operation::Stop => {
                let resizes = spec["resizePolicy"] == "StopStart" && has("size");
                deletes || lives && (power == Some("Stopped") || resizes)
            }
            // Power that we took is owed, whatever else is wished.
            Operation::Start => {
                let owed = || {
                    self.calls.iter().any(|other| {
                        other.operation == Operation::Stop
                            && other.instance == call.instance
                            && other.seq < call.seq
                    })
                };
                !suspended && power != Some("Stopped") && (lives && power == Some("Running") || owed())
            }
            Operation::Reset => lives && has("reset"),
            Operation::Resize => lives && spec["size"] == call.body["options"]["sizing"],
            Operation::UpdateMonitoring => lives && has("monitoring"),
            Operation::UpdatePatchParty => lives && has("patching"),
            Operation::UpdateStorageReplication => lives && has("replication"),
            Operation::UpdateBackup => lives && has("backup"),
            Operation::SnapshotCreate => manages && self.snapshot_asks(life, at, |wish| !wish.deleting),
            Operation::SnapshotRecover => {
                manages
                    && self.snapshot_asks(life, at, |wish| !wish.deleting && !wish.spec["recover"].is_null())
            }
            Operation::SnapshotDelete => {
                self.snapshot_asks(life, at, |wish| wish.deleting && wish.spec["deletionPolicy"] != "Retain")
            }
            Operation::List
            | Operation::Detail
            | Operation::Storage
            | Operation::Networks
            | Operation::UnknownUpdate
            | Operation::SnapshotGet
            | Operation::ActionGet
            | Operation::ActionList
            | Operation::Health
            | Operation::Token
            | Operation::Unknown => false,
        }
    }

    /// Whether a snapshot object of that instance asks for something at that moment.
    fn snapshot_asks(&self, life: &Life, at: Moment, asks: impl Fn(&Wish) -> bool) -> bool {
        let of = self.lives().iter().filter(|other| other.kind == SNAPSHOTS && other.of == life.name);
        let there = of.filter(|other| other.gone.is_none_or(|gone| gone >= at));
        there.flat_map(|other| other.between(at - ON_ITS_WAY, at)).any(asks)
    }

    /// Each request of a reset or a recovery ran once at most.
    #[track_caller]
    pub(super) fn one_shots_ran_once(&self) {
        let mut ran: BTreeMap<(usize, String), Vec<i64>> = BTreeMap::new();
        let mut recovered: BTreeMap<String, usize> = BTreeMap::new();
        for call in &self.calls {
            let action = call.action.and_then(|id| self.actions.get(&id));
            let Some(action) = action.filter(|action| !matches!(action.state, ActionState::Failed(_))) else {
                continue;
            };
            let at = self.at(call);
            let Some(index) = self.of_host(&action.resource_name, at) else { continue };
            let life = &self.lives()[index];
            match call.operation {
                Operation::Reset => {
                    let request = life.between(at, at).last().expect("a life has a wish at any time");
                    ran.entry((index, request.spec["reset"].to_string())).or_default().push(action.id);
                }
                Operation::SnapshotRecover => *recovered.entry(life.name.clone()).or_default() += 1,
                _ => {}
            }
        }
        for ((index, request), actions) in ran {
            let name = &self.lives()[index].name;
            assert!(
                actions.len() <= 1,
                "{request} of {name} ran in {actions:?}\n{}",
                tell(self.world, self.story, name)
            );
        }
        for (name, count) in recovered {
            let of = self.lives().iter().filter(|life| life.kind == SNAPSHOTS && life.of == name);
            let wishes =
                of.flat_map(|life| life.wishes.iter().map(move |wish| (&life.uid, &wish.spec["recover"])));
            let requests: BTreeSet<(&String, String)> = wishes
                .filter(|(_, ask)| **ask != Value::Null)
                .map(|(uid, ask)| (uid, ask.to_string()))
                .collect();
            assert!(
                count <= requests.len(),
                "{count} recoveries of {name} for {} requests\n{}",
                requests.len(),
                tell(self.world, self.story, &name)
            );
        }
    }
}
