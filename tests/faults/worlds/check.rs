//! What must hold in every world once it is at rest, whatever happened before.

use std::collections::BTreeMap;

use itcare_sim::{ActionRecord, ActionState};

use super::Tally;
use super::script::{Story, Wishes};
use crate::support::{Seen, World};

/// Who we are in the cloud's records.
const US: &str = "demo-sa-operator";

/// Panics with the story of the object concerned.
pub fn all(world: &World, story: &Story, tally: &Tally) {
    world.audit();
    for (what, count) in &story.counts {
        tally.add(*what, *count);
    }
    let none = Wishes::default();
    let mut owners: BTreeMap<i64, String> = BTreeMap::new();
    for object in world.api.list("itcareinstances") {
        let seen = Seen(object);
        let name = seen.0["metadata"]["name"].as_str().expect("an object has a name").to_owned();
        let wishes = story.wishes.get(&name).unwrap_or(&none);
        if let Some(id) = seen.ledger()["instance"].as_i64() {
            owners.insert(id, name.clone());
        }
        let reason = at_rest(world, story, &seen, &name, wishes);
        tally.add(format!("ended {reason}"), 1);
    }
    for object in world.api.list("itcaresnapshots") {
        let seen = Seen(object);
        let ended = seen.is_ready() || seen.has("Stalled", "True");
        assert!(ended, "a snapshot that comes to no end: {seen:#?}");
    }
    let actions = world.sim.actions();
    for vm in world.sim.instances() {
        let name = vm.name.trim_start_matches('P').to_lowercase();
        let tell = || tell(world, story, &name);
        let wishes = story.wishes.get(&name).unwrap_or(&none);
        if vm.live && vm.created_by == US {
            assert!(owners.contains_key(&vm.id), "VM {} has no object\n{}", vm.id, tell());
        }
        let ours = |process: &str| {
            let of = |action: &&ActionRecord| {
                action.instance == vm.id
                    && action.process == process
                    && action.submitted_by == US
                    && action.state == ActionState::Succeeded
            };
            actions.iter().filter(of).count()
        };
        assert!(ours("vm_delete") <= wishes.deletions.min(1), "a deletion nobody asked for\n{}", tell());
        assert!(ours("vm_reset") <= wishes.resets, "more resets than requests\n{}", tell());
        assert!(ours("snapshot_recover") <= wishes.recoveries, "more recoveries than requests\n{}", tell());
    }
    for (name, wishes) in &story.wishes {
        let host = format!("P{}", name.to_uppercase());
        let made = world.sim.instances().into_iter().filter(|vm| vm.name == host && vm.created_by == US);
        let made: Vec<_> = made.collect();
        let live = made.iter().filter(|vm| vm.live).count();
        assert!(live <= 1, "{live} live VMs of ours\n{}", tell(world, story, name));
        assert!(
            made.len() <= wishes.lives,
            "{} VMs for {} objects\n{}",
            made.len(),
            wishes.lives,
            tell(world, story, name)
        );
    }
}

/// An object is as wished, or says why a person must act. Returns the word of its end.
fn at_rest(world: &World, story: &Story, seen: &Seen, name: &str, wishes: &Wishes) -> String {
    let tell = || tell(world, story, name);
    if seen.has("Stalled", "True") {
        let reason = seen.reason_of("Stalled").to_owned();
        let meddled = ["NameTaken", "InstanceMissing", "Ambiguous", "IdentityMismatch"];
        let possible = ["Rejected", "ActionFailed", "CreateFailed", "PowerOffRequired"];
        assert!(
            possible.contains(&reason.as_str()) || meddled.contains(&reason.as_str()) && wishes.meddled,
            "Stalled, {reason}\n{}",
            tell()
        );
        return reason;
    }
    assert!(seen.is_ready(), "neither Ready nor Stalled\n{}", tell());
    let vm = world.sim.instance(seen.id()).unwrap_or_else(|| panic!("Ready without a VM\n{}", tell()));
    assert!(vm.live, "Ready with a VM that is gone\n{}", tell());
    let spec = &seen.0["spec"];
    if spec["driftPolicy"] == "Correct" && seen.condition("Drifted").is_none() {
        let size = format!("{}cpu{}gb", vm.cpu, vm.ram);
        assert_eq!(spec["size"], size, "another size than wished\n{}", tell());
        for (field, is) in [("backup", vm.backup), ("replication", vm.replication)] {
            if let Some(wish) = spec[field]["enabled"].as_bool() {
                assert_eq!(wish, is, "{field}\n{}", tell());
            }
        }
        match spec["powerState"].as_str() {
            Some("Running") => assert_eq!(vm.status, "ACTIVE", "{}", tell()),
            Some("Stopped") => assert_eq!(vm.status, "INACTIVE", "{}", tell()),
            _ => {}
        }
    }
    "Ready".to_owned()
}

/// Everything about one name.
fn tell(world: &World, story: &Story, name: &str) -> String {
    let upper = name.to_uppercase();
    let object = world.api.get("itcareinstances", "shop", name).map(Seen);
    let vms = world.sim.instances().into_iter().filter(|vm| vm.name == format!("P{upper}"));
    let vms: Vec<_> = vms.map(|vm| (vm.id, vm.live, vm.status, vm.created_by, vm.cpu, vm.ram)).collect();
    let ids: Vec<i64> = vms.iter().map(|vm| vm.0).collect();
    let actions = world.sim.actions().into_iter().filter(|action| ids.contains(&action.instance));
    let actions: Vec<_> = actions
        .map(|action| {
            format!(
                "{} {} {} {:?} by {}",
                action.submitted_at, action.id, action.process, action.state, action.submitted_by
            )
        })
        .collect();
    let log: Vec<_> = story.log.iter().filter(|line| !line.contains(" vm") || line.contains(name)).collect();
    format!("{object:#?}\nVMs: {vms:?}\nactions: {actions:#?}\nstory: {log:#?}\n{}", world.tail())
}
