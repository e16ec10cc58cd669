//! What must hold once all is quiet, whatever was killed, frozen or cut off on the way.
//!
//! The cloud's own books are the judge: its VMs, removed ones included, and its journal. The operator's log is
//! read for what it must not say only.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_lab::eventually::eventually;
use itcare_sim::{InstanceRecord, Operation};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cloud::{Call, SECRET};
use crate::fleet::{Fleet, requested};
use crate::moment::Tally;
use crate::shop::{BLINK, SNAPSHOT, Shop, VM, is_ready};
use crate::wishes::{Machine, Snapshot};

/// Several settle times, and a busy machine.
const QUIET_WITHIN: Duration = Duration::from_secs(120);

/// Longer than the settle time and than a sweep: whatever comes by itself has come.
const REST: Duration = Duration::from_secs(4);

/// Waits until every wish is met.
pub async fn converged(shop: &Shop, fleet: &Fleet) {
    eventually(QUIET_WITHIN, format!("all is as wished after {:#?}", fleet.story), || async {
        let mut unmet = unmet(shop, fleet).await;
        if unmet.is_empty() {
            return Ok(());
        }
        unmet.push(tail(&shop.cloud.calls().await));
        Err(unmet)
    })
    .await;
}

/// Judges a converged world: nothing twice, nothing lost, and rest.
pub async fn judge(shop: &Shop, fleet: &Fleet, tally: &mut Tally) {
    rests(shop).await;
    let (vms, calls) = (shop.cloud.instances().await, shop.cloud.calls().await);
    let told = |what: &str| format!("{what} after {:#?}\n{}", fleet.story, tail(&calls));
    for machine in &fleet.machines {
        let made: Vec<&InstanceRecord> = vms.iter().filter(|vm| vm.name == machine.host).collect();
        assert!(made.len() <= 1, "{}", told(&format!("{} VMs for {}", made.len(), machine.object)));
        let Some(vm) = made.first() else { continue };
        let of = |operation: Operation| {
            calls.iter().filter(move |call| call.instance == Some(vm.id) && call.operation == operation)
        };
        let removals = of(Operation::Delete).filter(|call| call.effect).count();
        assert_eq!(removals, usize::from(machine.deleted), "{}", told(&format!("removals of {}", vm.name)));
        once_each(&machine.resets, of(Operation::Reset), &|| told(&format!("resets of {}", vm.name)));
        let requests: Vec<jiff::Timestamp> =
            machine.snapshots.iter().flat_map(|snapshot| snapshot.recoveries.iter().copied()).collect();
        once_each(&requests, of(Operation::SnapshotRecover), &|| told(&format!("recoveries of {}", vm.name)));
        let taken = of(Operation::SnapshotCreate).filter(|call| call.effect).count();
        assert!(taken <= machine.snapshots.len(), "{}", told(&format!("{taken} snapshots of {}", vm.name)));
        tally.resets += vm.resets as usize;
        tally.recoveries += vm.recoveries as usize;
    }
    for vm in vms.iter().filter(|vm| vm.live) {
        let owners = fleet.machines.iter().filter(|machine| !machine.deleted && machine.host == vm.name);
        assert_eq!(owners.count(), 1, "{}", told(&format!("{} is nobody's", vm.name)));
    }
    // Sent, refused for being there already: the cloud prevented what we should have.
    for call in &calls {
        let makes = [Operation::Create, Operation::SnapshotCreate].contains(&call.operation);
        assert!(
            !makes || call.effect || call.fault.is_some(),
            "{}",
            told(&format!("call {} was sent for nothing", call.seq))
        );
    }
    secrets_are_kept(shop);
    tally.vms += vms.len();
    tally.calls += calls.len();
    tally.changes += calls.iter().filter(|call| call.operation.is_mutating()).count();
    tally.objects += fleet.machines.iter().map(|machine| 1 + machine.snapshots.len()).sum::<usize>();
}

/// Nothing is changed and nothing is written any more, in the cloud or in the cluster.
pub async fn rests(shop: &Shop) {
    // A change of one object shows on another a moment later, as a snapshot does on its instance.
    sleep(REST / 4).await;
    let last = shop.cloud.calls().await.last().map_or(0, |call| call.seq);
    shop.new_writes();
    let begun = Instant::now();
    while begun.elapsed() < REST {
        sleep(BLINK * 25).await;
        let calls = shop.cloud.calls_after(last).await;
        let changes: Vec<&Call> = calls.iter().filter(|call| call.operation.is_mutating()).collect();
        assert!(changes.is_empty(), "a change at rest: {changes:#?}");
        assert_eq!(shop.new_writes(), 0, "a write at rest\n{}", shop.logs());
    }
}

/// No secret is in any log, and nothing panicked.
pub fn secrets_are_kept(shop: &Shop) {
    let logs = shop.logs();
    assert!(logs.contains("leading") || logs.contains("starting"), "nothing was logged");
    for word in [SECRET, "sim-token", itcare_lab::controlplane::ADMIN, "panicked"] {
        let line = logs.lines().find(|line| line.contains(word));
        assert!(line.is_none(), "{word} in the log: {line:?}");
    }
}

/// Each request was sent at most once: a call belongs to the newest request before it.
fn once_each<'a>(
    requests: &[jiff::Timestamp],
    calls: impl Iterator<Item = &'a Call>,
    told: &dyn Fn() -> String,
) {
    let mut sent: BTreeMap<usize, usize> = BTreeMap::new();
    for call in calls {
        let newest = requests.iter().filter(|at| **at <= call.at).count();
        assert!(newest > 0, "unasked: {}", told());
        *sent.entry(newest).or_default() += 1;
    }
    assert!(sent.values().all(|count| *count == 1), "{sent:?}: {}", told());
}

/// What is not yet as wished.
async fn unmet(shop: &Shop, fleet: &Fleet) -> Vec<String> {
    let (Ok(instances), Ok(snapshots)) = (shop.list(VM).await, shop.list(SNAPSHOT).await) else {
        return vec!["the API server does not answer".to_owned()];
    };
    let vms = shop.cloud.instances().await;
    let mut unmet = Vec::new();
    if shop.cloud.is_busy().await {
        unmet.push("an action runs".to_owned());
    }
    for machine in &fleet.machines {
        let vm = vms.iter().rfind(|vm| vm.name == machine.host);
        let found = instances.iter().find(|object| object["metadata"]["name"] == machine.object.as_str());
        unmet.extend(unmet_of(machine, vm, found));
        for snapshot in &machine.snapshots {
            let found =
                snapshots.iter().find(|object| object["metadata"]["name"] == snapshot.object.as_str());
            unmet.extend(unmet_of_snapshot(snapshot, found));
        }
    }
    unmet
}

fn unmet_of(machine: &Machine, vm: Option<&InstanceRecord>, object: Option<&Value>) -> Vec<String> {
    let mut unmet = Vec::new();
    let mut expect = |met: bool, what: &str| {
        if !met {
            unmet.push(format!("{}: {what}: {}", machine.object, summary(object)));
        }
    };
    if machine.deleted {
        expect(object.is_none(), "still there");
        expect(vm.is_none_or(|vm| !vm.live), "its VM lives");
        return unmet;
    }
    let (Some(object), Some(vm)) = (object, vm) else {
        expect(false, "no object, or no VM");
        return unmet;
    };
    expect(is_ready(object), "not ready");
    expect(object["status"]["id"] == vm.id, "another id");
    expect(is_idle(object), "something is under way");
    expect(vm.live && vm.status == machine.state(), &format!("its VM is {}", vm.status));
    expect((vm.cpu, vm.ram) == machine.sizing(), &format!("its VM has {}cpu{}gb", vm.cpu, vm.ram));
    expect(machine.monitoring.is_none_or(|wish| vm.monitoring == wish && vm.alerting == wish), "monitoring");
    expect(machine.group.is_none_or(|wish| vm.patch_group == Some(wish)), "patch group");
    expect(receipts_agree("reset", machine.resets.last(), object), "reset without receipt");
    let slot = machine.snapshots.iter().filter(|snapshot| !snapshot.deleted).count();
    expect(vm.snapshots.len() == slot, &format!("{} snapshots in its slot", vm.snapshots.len()));
    unmet
}

fn unmet_of_snapshot(snapshot: &Snapshot, object: Option<&Value>) -> Option<String> {
    let met = match object {
        None => snapshot.deleted,
        Some(object) => {
            !snapshot.deleted
                && is_ready(object)
                && is_idle(object)
                && receipts_agree("recover", snapshot.recoveries.last(), object)
        }
    };
    (!met).then(|| format!("{}: {}", snapshot.object, summary(object)))
}

fn receipts_agree(word: &str, last: Option<&jiff::Timestamp>, object: &Value) -> bool {
    last.is_none_or(|last| requested(&object["status"]["handledRequests"][word]) == Some(*last))
}

/// Neither an operation nor an intent stands.
fn is_idle(object: &Value) -> bool {
    let ledger = object["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"].as_str();
    let ledger: Value = ledger.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    ledger["intent"].is_null() && ledger["resume"].is_null() && object["status"]["operation"].is_null()
}

fn summary(object: Option<&Value>) -> String {
    let Some(object) = object else { return "no object".to_owned() };
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let words = conditions.iter().map(|condition| {
        format!(
            "{}={} {} {}",
            condition["type"], condition["status"], condition["reason"], condition["message"]
        )
    });
    format!(
        "generation {}/{}, {}, ledger {}",
        object["metadata"]["generation"],
        object["status"]["observedGeneration"],
        words.collect::<Vec<_>>().join("; "),
        object["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"]
    )
}

/// The last changes, for a story that fails.
fn tail(calls: &[Call]) -> String {
    let changes: Vec<String> = calls
        .iter()
        .filter(|call| call.operation.is_mutating())
        .map(|call| {
            format!(
                "{} {} {:?} of {:?}, effect {}, fault {:?}, {}",
                call.seq, call.at, call.operation, call.instance, call.effect, call.fault, call.body
            )
        })
        .collect();
    changes.join("\n")
}
