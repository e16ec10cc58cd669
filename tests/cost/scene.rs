//! Worlds with many objects, and how their calls are counted. Shared with the bench.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_sim::{Config, Entry, Operation};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Seen, World};

/// A world whose actions take so long.
pub fn world(action: Duration) -> World {
    World::with(Config::auto(action))
}

/// An instance object in a namespace.
pub fn manifest(namespace: &str, name: &str, more: Value) -> Value {
    let mut manifest = crate::support::manifest::with(name, more);
    manifest["metadata"]["namespace"] = json!(namespace);
    manifest["spec"]["name"] = json!(format!("P{}{}", namespace.to_uppercase(), name.to_uppercase()));
    manifest
}

/// Applies so many objects at once.
pub fn apply(world: &World, count: usize) {
    for number in 0..count {
        world.apply(manifest("shop", &format!("vm{number:05}"), json!({})));
    }
}

/// How many objects are `Ready` at their newest generation.
pub fn ready(world: &World) -> usize {
    world.api.list("itcareinstances").into_iter().filter(|object| Seen(object.clone()).is_ready()).count()
}

/// Waits until so many are, and says how long that took.
pub async fn until_ready(world: &World, count: usize) -> Duration {
    let begun = tokio::time::Instant::now();
    loop {
        let now = ready(world);
        if now >= count {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(4 * 3600),
            "{now} of {count} are Ready\n{}",
            world.tail()
        );
        sleep(Duration::from_secs(1)).await;
    }
}

/// Everything but tokens, by what was asked for.
pub fn calls(journal: &[Entry]) -> BTreeMap<Operation, usize> {
    let mut all = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry.operation != Operation::Token) {
        *all.entry(entry.operation).or_default() += 1;
    }
    all
}

/// All of them, but for the details, which come due by themselves.
pub fn without_details(calls: &BTreeMap<Operation, usize>) -> usize {
    calls.iter().filter(|(operation, _)| **operation != Operation::Detail).map(|(_, count)| count).sum()
}

/// Writes to the API server; the Lease and Events are left out.
pub fn writes(world: &World) -> usize {
    let ours = |resource: &str| ["itcareinstances", "itcaresnapshots"].contains(&resource);
    world.api.writes().iter().filter(|write| ours(&write.resource)).count()
}

/// The most calls that came within any span of that length.
pub fn busiest(journal: &[Entry], span: Duration) -> usize {
    let times: Vec<_> = journal.iter().map(|entry| entry.at).collect();
    let mut begin = 0;
    let mut most = 0;
    for end in 0..times.len() {
        while times[end].duration_since(times[begin]).unsigned_abs() >= span {
            begin += 1;
        }
        most = most.max(end - begin + 1);
    }
    most
}
