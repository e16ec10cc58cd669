//! How a world must look after damage: what may never be, whatever was damaged, and the end of each kind.

use std::time::Duration;

use serde_json::{Value, json};

use super::damage::Ends;
use super::matrix::{Cell, Mode};
use super::scene::{INSTANCE, SNAPSHOT, Scene};
use crate::oracle::End;
use crate::support::{Seen, World};
use crate::workload::Workload;

/// An hour at rest costs a sweep a minute, and as often a look of several reads at what a person must mend.
const CALLS_AN_HOUR: usize = 720;

/// In that hour a wait may run out, and be told.
const WRITES_AN_HOUR: usize = 2;

/// No hot loop: an hour passes with next to no calls and no writes.
pub async fn rests(world: &World) {
    let before = (world.sim.journal().len(), world.api.revision());
    world.pass(Duration::from_secs(3600)).await;
    let calls = world.sim.journal().len() - before.0;
    let writes = world.api.revision() - before.1;
    assert!(calls <= CALLS_AN_HOUR, "{calls} calls in an hour at rest:\n{}", world.tail());
    assert!(writes <= WRITES_AN_HOUR as u64, "{writes} writes in an hour at rest:\n{}", world.tail());
}

/// Judges the end of the damage.
pub fn end(cell: &Cell, workload: &Workload, scene: &Scene<'_>, good: &End, mark: usize) {
    let world = scene.world;
    no_harm(cell, workload, scene, good);
    let (end, copy) = without_copy(cell, scene);
    if let Some(copy) = copy {
        owns_nothing(cell, workload, &copy, scene);
    }
    if same(cell, workload, &end, good) || leaves(cell, workload, scene, &end) {
        return;
    }
    let tail = || scene.tail();
    if cell.target == SNAPSHOT
        && ["attempt-changed", "fence-removed", "instance-changed"].contains(&cell.damage.name)
    {
        // Its mark or its VM was forged: it is not found any more, and that is told; nothing is taken again.
        let seen = scene.seen().expect("nothing deletes it");
        assert!(seen.message().len() > 20, "{}", tail());
        return;
    }
    match cell.damage.ends {
        Ends::Well | Ends::Safely => assert_eq!(end, *good, "{}", tail()),
        Ends::Disowned => disowned(scene),
        Ends::Held(reason) => {
            let allowed = usize::from(cell.mode == Mode::Live);
            let made = world.changes().len() - mark;
            // A snapshot needs its own ledger alone.
            let own = cell.target == SNAPSHOT || !is_of_snapshot(workload);
            assert!(!own || made <= allowed, "{made} calls for what is not known to be ours:\n{}", tail());
            if let Some(seen) = scene.seen() {
                // Where the spec names an id, it is the two that disagree.
                let disagree = reason == "IdentityMismatch" && seen.is_stalled("Ambiguous");
                assert!(seen.is_stalled(reason) || disagree, "{}", tail());
            }
        }
        Ends::OtherAccount => {
            assert!(scene.seen().is_none_or(|seen| seen.is_stalled("DeletionBlocked")), "{}", tail());
        }
    }
}

/// Whether it ended as the good run, but for what the damage took away for good.
fn same(cell: &Cell, workload: &Workload, end: &End, good: &End) -> bool {
    // A one-shot is given up rather than run twice, by a crash as by a loss.
    let gives_up = workload.is_one_shot() && (cell.mode == Mode::Down || cell.damage.ends != Ends::Well);
    let origin = cell.damage.name.starts_with("origin");
    // Nobody knows any more that power is owed.
    let power = cell.damage.name == "resume-removed";
    let ease = |end: &End| {
        let mut end = if gives_up { end.clone().without_receipts() } else { end.clone() };
        if origin {
            end.objects.iter_mut().for_each(|object| object["origin"] = Value::Null);
        }
        if power {
            end.vms.iter_mut().for_each(|vm| vm["status"] = Value::Null);
            end.effects.remove("vm_start");
            end.objects.iter_mut().for_each(|object| object["conditions"] = Value::Null);
        }
        end
    };
    ease(end) == ease(good)
}

fn is_of_snapshot(workload: &Workload) -> bool {
    ["snapshot", "recover", "delete-snapshot"].contains(&workload.name)
}

/// Whether the damaged object was being deleted, and ends as such an object may.
fn leaves(cell: &Cell, workload: &Workload, scene: &Scene<'_>, end: &End) -> bool {
    let deletes = match cell.target {
        SNAPSHOT => workload.name == "delete-snapshot",
        _ => workload.name.starts_with("delete") && workload.name != "delete-snapshot",
    };
    if !deletes {
        return false;
    }
    let Some(seen) = scene.seen() else {
        // Deleted before anything was made; or kept, because nothing says that it may be deleted; or orphaned by
        // the hand that took the finalizer.
        let unmade =
            workload.name == "delete-during-create" && !end.vms.iter().any(|vm| vm["name"] == "PWEB");
        let disowned = cell.damage.ends == Ends::Disowned || cell.damage.name.starts_with("origin");
        let by_hand = ["finalizer-dropped", "replaced"].contains(&cell.damage.name);
        let copied = ["copied", "twin"].contains(&cell.damage.name);
        return unmade || disowned || by_hand || copied;
    };
    // A restored object is not being deleted any more: its VM goes on, or is missed.
    let restored = cell.damage.name.starts_with("restored");
    let missed = ["InstanceMissing", "NameTaken", "SnapshotMissing"];
    restored && (seen.is_ready() || missed.iter().any(|reason| seen.is_stalled(reason)))
}

/// What may never be.
pub fn no_harm(cell: &Cell, workload: &Workload, scene: &Scene<'_>, good: &End) {
    let world = scene.world;
    world.audit();
    let end = End::of(world);
    let tail = || scene.tail();
    assert!(world.sim.report().duplicates.is_empty(), "two VMs of one name:\n{}", tail());
    // A manifest that is applied anew after its VM was deleted asks for a new one.
    let anew = workload.name.starts_with("delete")
        && cell.target == INSTANCE
        && ["restored-bare", "copied", "twin"].contains(&cell.damage.name);
    // One that comes back and is not being deleted any more gets its power back.
    let revived = workload.name.starts_with("delete") && cell.damage.name.starts_with("restored");
    for (process, count) in &end.effects {
        let wanted = good.effects.get(process).copied().unwrap_or_default();
        let more = ["vm_create", "vm_stop"].contains(&process.as_str()) && anew;
        let more = more || process == "vm_start" && revived;
        let more = more || process == "vm_create_snapshot" && revived && cell.target == SNAPSHOT;
        let wanted = wanted + usize::from(more);
        assert!(*count <= wanted, "{process} ran {count} times, {wanted} wanted:\n{}", tail());
    }
    for id in [scene.bystander, scene.stranger] {
        let other = world.sim.instance(id).expect("it is there");
        assert!(other.live && other.status == "ACTIVE", "somebody else's VM was changed:\n{}", tail());
    }
    let bank = world.sim.instance(scene.bystander).expect("it is there");
    assert!(bank.snapshots.iter().any(|one| one.id == scene.bystander_snapshot), "{}", tail());
    assert!(world.instance("bank").is_ready(), "the bystander:\n{:#?}\n{}", world.instance("bank"), tail());
    assert!(world.snapshot("vault").is_ready(), "the bystander:\n{:#?}\n{}", world.snapshot("vault"), tail());
    for kind in [INSTANCE, SNAPSHOT] {
        for object in world.api.list(kind.resource) {
            says_the_cure(&Seen(object));
        }
    }
}

/// A person who reads the message knows what is wrong and what helps.
pub fn says_the_cure(seen: &Seen) {
    if !seen.has("Stalled", "True") {
        return;
    }
    let text = seen.message();
    let what = ["spec.", "annotation", "VM ", "ledger", "snapshot ", "slot", "account"];
    let cure =
        ["set ", "restore", "correct", "delete ", "remove", "start the operator", "run the", "wait until"];
    assert!(what.iter().any(|word| text.contains(word)), "says not what: {text}");
    assert!(cure.iter().any(|word| text.contains(word)), "says no cure: {text}");
}

/// The end without the copy that the damage made.
pub fn without_copy(cell: &Cell, scene: &Scene<'_>) -> (End, Option<Seen>) {
    let mut end = End::of(scene.world);
    let copy = scene.world.api.get(cell.target.resource, "other", cell.target.name).map(Seen);
    if copy.is_some() {
        // Namespaces are in order, and instances come first.
        let index = if cell.target == INSTANCE { 0 } else { scene.world.api.list(INSTANCE.resource).len() };
        end.objects.remove(index);
    }
    (end, copy)
}

/// A copy in another namespace never takes the VM, as long as the first one is there.
fn owns_nothing(cell: &Cell, workload: &Workload, copy: &Seen, scene: &Scene<'_>) {
    if scene.seen().is_none() && workload.name.starts_with("delete") {
        return;
    }
    assert_eq!(copy.ledger()["instance"], Value::Null, "{copy:#?}");
    let waits = copy.is_stalled("Conflict") || copy.is_stalled("NameTaken");
    let waits = waits || cell.target == SNAPSHOT && copy.reason() == "WaitingForInstance";
    assert!(waits, "{copy:#?}");
}

/// Nothing says any more that the VM is ours: it stays, and a person is told which one it is and how to adopt it.
fn disowned(scene: &Scene<'_>) {
    let Some(seen) = scene.seen() else { return };
    let tail = || format!("{seen:#?}\n{}", scene.world.tail());
    let own = scene.own();
    if scene.target == SNAPSHOT {
        assert!(seen.is_stalled("SlotTaken"), "{}", tail());
        return;
    }
    let own = own.unwrap_or_else(|| panic!("there is no VM:\n{}", tail()));
    assert!(seen.is_stalled("NameTaken"), "{}", tail());
    for words in [own.id.to_string().as_str(), "spec.instanceId"] {
        assert!(seen.message().contains(words), "{words}: {}", tail());
    }
    assert_eq!(seen.status()["operation"], json!(null), "{}", tail());
}
