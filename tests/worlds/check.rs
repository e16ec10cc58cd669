//! What must hold of a world at rest: each object is as its users wish, or says truly why a person must act.

use std::collections::BTreeMap;

use itcare_sim::{ActionRecord, ActionState, InstanceRecord, Operation};
use serde_json::Value;

use crate::life::{INSTANCES, SNAPSHOTS};
use crate::past::{Past, US};
use crate::story::Story;
use crate::support::{Seen, World};
use crate::users::host;

/// Panics with all about the object concerned.
#[track_caller]
pub fn all(world: &World, story: &Story, past: &Past<'_>) {
    let mut owners: BTreeMap<i64, String> = BTreeMap::new();
    for object in world.api.list(INSTANCES).into_iter().map(Seen) {
        let name = object.0["metadata"]["name"].as_str().expect("an object has a name").to_owned();
        if let Some(id) = object.ledger()["instance"].as_i64() {
            owners.insert(id, name.clone());
        }
        // It names the action that made its VM, which somebody renamed before it was seen: a person must say which
        // one it is.
        let done = object.ledger()["intent"]["done"].as_i64();
        if done.is_some() && object.is_stalled("InstanceMissing") {
            let made = past.vms.values().filter(|vm| vm.created_by_action == done);
            owners.extend(made.map(|vm| (vm.id, name.clone())));
        }
        instance(world, story, past, &object, &name);
    }
    for object in world.api.list(SNAPSHOTS).into_iter().map(Seen) {
        snapshot(world, story, &object);
    }
    no_orphans(world, story, past, &owners);
    stopped_by_us_runs_again(world, story, past, &owners);
}

/// One instance object at its end.
#[track_caller]
fn instance(world: &World, story: &Story, past: &Past<'_>, seen: &Seen, name: &str) {
    let tell = || tell(world, story, name);
    let life = story.lives.at(INSTANCES, name, jiff::SignedDuration::MAX).expect("every object has a life");
    if past.is_excused(life) {
        return;
    }
    let spec = &seen.0["spec"];
    let recorded = seen.ledger()["instance"].as_i64().and_then(|id| past.vms.get(&id));
    if seen.has("Stalled", "True") {
        let reason = seen.reason_of("Stalled");
        let others = past.vms.values().filter(|vm| vm.live && vm.name.eq_ignore_ascii_case(&host(name)));
        let others = others.filter(|vm| Some(vm.id) != recorded.map(|vm| vm.id)).count();
        let truly = match reason {
            "NameTaken" => others > 0,
            "Ambiguous" => others + usize::from(recorded.is_some_and(|vm| vm.live)) > 1,
            "InstanceMissing" => recorded.is_none_or(|vm| !vm.live),
            "IdentityMismatch" => recorded.is_some_and(|vm| !vm.name.eq_ignore_ascii_case(&host(name))),
            "PowerOffRequired" => {
                spec["resizePolicy"] == "InPlace" && recorded.is_some_and(|vm| vm.status == "ACTIVE")
            }
            // A size that was refused is not worth another stop by itself: a person corrects it.
            "Rejected" => {
                spec["resizePolicy"] == "StopStart" && seen.ledger()["held"]["size"]["why"] == "Refused"
            }
            // Nor is one that failed again and again.
            "ActionFailed" => {
                spec["resizePolicy"] == "StopStart"
                    && seen.ledger()["held"]["size"]["why"] == "Failed"
                    && failed_resizes(world, recorded) >= 3
            }
            "DeletionBlocked" => recorded.is_some_and(|vm| !vm.live),
            _ => false,
        };
        assert!(truly, "Stalled, {reason}, and it is not so\n{}", tell());
        return;
    }
    assert!(seen.0["metadata"]["deletionTimestamp"].is_null(), "a deletion that comes to no end\n{}", tell());
    assert!(seen.is_ready(), "neither Ready nor Stalled\n{}", tell());
    let vm = past.vms.get(&seen.id()).unwrap_or_else(|| panic!("Ready without a VM\n{}", tell()));
    assert!(vm.live, "Ready with a VM that is gone\n{}", tell());
    if spec["managementPolicy"] != "Observe"
        && spec["driftPolicy"] == "Correct"
        && seen.condition("Drifted").is_none()
    {
        as_wished(spec, vm, &tell);
    }
}

/// How many resizes of that VM have failed.
fn failed_resizes(world: &World, vm: Option<&InstanceRecord>) -> usize {
    let failed = |action: &ActionRecord| {
        action.process == "vm_resize" && matches!(action.state, ActionState::Failed(_))
    };
    let of = |action: &&ActionRecord| vm.is_some_and(|vm| vm.id == action.instance) && failed(action);
    world.sim.actions().iter().filter(of).count()
}

/// What is managed is as the spec says.
#[track_caller]
fn as_wished(spec: &Value, vm: &InstanceRecord, tell: &dyn Fn() -> String) {
    let size = format!("{}cpu{}gb", vm.cpu, vm.ram);
    assert_eq!(spec["size"], size, "another size than wished\n{}", tell());
    for (field, is) in [("backup", vm.backup), ("replication", vm.replication), ("monitoring", vm.monitoring)]
    {
        if let Some(wish) = spec[field]["enabled"].as_bool() {
            assert_eq!(wish, is, "{field}\n{}", tell());
        }
    }
    if let Some(group) = spec["patching"]["group"].as_u64() {
        assert_eq!(vm.patch_group.map(u64::from), Some(group), "the patch group\n{}", tell());
    }
    match spec["powerState"].as_str() {
        Some("Running") => assert_eq!(vm.status, "ACTIVE", "{}", tell()),
        Some("Stopped") => assert_eq!(vm.status, "INACTIVE", "{}", tell()),
        _ => {}
    }
}

/// One snapshot object at its end.
#[track_caller]
fn snapshot(world: &World, story: &Story, seen: &Seen) {
    let of = seen.0["spec"]["instanceRef"]["name"].as_str().unwrap_or_default();
    // It waits for as long as its instance waits for a person, or is not there.
    let instance = world.api.get(INSTANCES, "shop", of).map(Seen);
    let waits = seen.reason() == "WaitingForInstance"
        && instance.is_none_or(|instance| {
            instance.has("Stalled", "True") || instance.0["spec"]["managementPolicy"] == "Observe"
        });
    // What is missing expires in the end.
    let reasons = ["SlotTaken", "InstanceMissing"];
    let stalled = seen.has("Stalled", "True") && reasons.contains(&seen.reason_of("Stalled"));
    assert!(
        seen.is_ready() || stalled || waits,
        "a snapshot that comes to no end: {seen:#?}\n{}",
        tell(world, story, of)
    );
}

/// No VM of our making without an object, unless an object let go of it.
#[track_caller]
fn no_orphans(world: &World, story: &Story, past: &Past<'_>, owners: &BTreeMap<i64, String>) {
    for vm in past.vms.values().filter(|vm| vm.live && vm.created_by == US && !owners.contains_key(&vm.id)) {
        // It may have been renamed since.
        let name = vm.name.trim_end_matches("-OLD").trim_start_matches('P').to_lowercase();
        let mut lives = story.lives.0.iter().enumerate();
        let kept = lives.any(|(index, life)| {
            let lets_go = || life.gone.is_some() && past.lets_go(index, life.last());
            life.kind == INSTANCES && life.name == name && (past.is_excused(index) || lets_go())
        });
        assert!(kept, "VM {} has no object\n{}", vm.id, tell(world, story, &name));
    }
}

/// A VM whose power is left alone, and that we stopped last, has its power back.
#[track_caller]
fn stopped_by_us_runs_again(world: &World, story: &Story, past: &Past<'_>, owners: &BTreeMap<i64, String>) {
    let actions = world.sim.actions();
    for (id, name) in owners {
        let Some(vm) = past.vms.get(id).filter(|vm| vm.live && vm.status == "INACTIVE") else { continue };
        let spec = &world.instance(name).0["spec"];
        let power = ["vm_stop", "vm_start"];
        let last = actions.iter().rfind(|action| {
            action.instance == vm.id
                && power.contains(&action.process.as_str())
                && action.state == ActionState::Succeeded
        });
        let by_us = last.is_some_and(|action| action.process == "vm_stop" && action.submitted_by == US);
        // What was stopped because it was to be stopped stays so when its power is left alone afterwards.
        let asked = story.lives.0.iter().filter(|life| life.kind == INSTANCES && life.name == *name);
        let asked = asked.flat_map(|life| &life.wishes).any(|wish| wish.spec["powerState"] == "Stopped");
        assert!(
            !by_us || asked || spec["powerState"] == "Stopped",
            "stopped to resize, and never started again\n{}",
            tell(world, story, name)
        );
    }
}

/// Everything about the object of that name, and its VM, for whoever must understand a failure.
pub fn tell(world: &World, story: &Story, name: &str) -> String {
    let name = name.trim_end_matches("-before").trim_end_matches("-other");
    let host = host(name);
    let object = world.api.get(INSTANCES, "shop", name).map(Seen);
    let snapshots = ["before", "other"]
        .map(|which| world.api.get(SNAPSHOTS, "shop", &format!("{name}-{which}")).map(Seen));
    let vms = world.sim.instances().into_iter().filter(|vm| vm.name.starts_with(&host));
    let vms: Vec<InstanceRecord> =
        vms.filter(|vm| vm.name.len() == host.len() || vm.name.ends_with("-OLD")).collect();
    let ids: Vec<i64> = vms.iter().map(|vm| vm.id).collect();
    let of = |entry: &itcare_sim::Entry| {
        entry.instance.is_some_and(|id| ids.contains(&id)) || entry.body["name"].as_str() == Some(&host)
    };
    let calls =
        world.sim.journal().into_iter().filter(|entry| of(entry) && entry.operation != Operation::Detail);
    let calls = calls.map(|entry| {
        format!(
            "{} {:?} {} → {:?} action {:?} fault {:?}",
            entry.at, entry.operation, entry.body, entry.answer, entry.action, entry.fault
        )
    });
    let actions = world
        .sim
        .actions()
        .into_iter()
        .filter(|action| ids.contains(&action.instance) || action.resource_name == host);
    let actions = actions.map(|action| format!("{action:?}"));
    let word = |line: &&String| {
        line.split([' ', ':', '-']).any(|word| word == name || word == host)
            || !line.contains(" vm") && !line.contains(" PVM")
    };
    let writes = world
        .api
        .writes()
        .into_iter()
        .filter(|write| write.name == name || write.name.starts_with(&format!("{name}-")));
    let writes = writes.map(|write| {
        format!("{} {:?} {} {} → {:?}", write.at, write.verb, write.subresource, write.body, write.code)
    });
    let all = |lines: Vec<String>| lines.join("\n  ");
    format!(
        "{object:#?}\n{snapshots:#?}\nVMs: {vms:#?}\nactions:\n  {}\ncalls:\n  {}\nwrites:\n  {}\nstory:\n  {}",
        all(actions.collect()),
        all(calls.collect()),
        all(writes.collect()),
        all(story.log.iter().filter(word).cloned().collect()),
    )
}
