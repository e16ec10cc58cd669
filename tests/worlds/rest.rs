//! When a world is at rest, and that it then stays so.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_lab::memory::Recorded;
use tokio::time::{Instant, sleep};

use crate::check::tell;
use crate::life::{INSTANCES, Moment, SNAPSHOTS, moment};
use crate::story::Story;
use crate::support::{Seen, World};

/// Nothing comes due any more after so long without a change, but for the end of a snapshot: it is longer than a
/// detail is good for.
const QUIET: Duration = Duration::from_secs(8 * 3600);

/// How long what has come to rest must stay untouched.
pub const AUDIT: Duration = Duration::from_secs(24 * 3600);

/// In a world without troubles everything is done by then: both snapshot objects of an instance may wait for the one
/// that fills the slot, each for three days.
const PATIENCE: Duration = Duration::from_secs(12 * 24 * 3600);

/// What must not move at rest: each object's version, and how many changes were asked for and Events told.
#[derive(Debug, Clone, PartialEq)]
pub struct Still(BTreeMap<String, String>);

/// How many changes were asked for, without counting the same ones twice.
#[derive(Default)]
pub struct Calls {
    seen: u64,
    count: usize,
}

impl Calls {
    fn now(&mut self, world: &World) -> usize {
        let new = world.sim.journal_after(self.seen);
        self.seen = new.last().map_or(self.seen, |entry| entry.seq);
        self.count += new.iter().filter(|entry| entry.operation.is_mutating()).count();
        self.count
    }
}

impl Still {
    pub fn of(world: &World, calls: &mut Calls) -> Self {
        let objects = [INSTANCES, SNAPSHOTS].into_iter().flat_map(|kind| world.api.versions(kind));
        let events = ("events".to_owned(), world.api.versions("events").len().to_string());
        let calls = ("changing calls".to_owned(), calls.now(world).to_string());
        Self(objects.chain([events, calls]).collect())
    }

    /// Panics with all about what has moved.
    #[track_caller]
    pub fn has_stayed(&self, world: &World, calls: &mut Calls, story: &Story) {
        let now = Self::of(world, calls);
        let moved =
            now.0.iter().filter(|(what, how)| self.0.get(*what) != Some(how)).map(|(what, _)| what.clone());
        let moved: Vec<String> = moved.collect();
        let about: Vec<String> = moved.iter().map(|name| tell(world, story, name)).collect();
        assert!(moved.is_empty(), "changed at rest: {moved:?}\n{}", about.join("\n"));
    }
}

/// Lets time pass until nothing changes any more.
pub async fn comes(world: &World, calls: &mut Calls, story: &Story) -> Still {
    let begun = Instant::now();
    let (mut last, mut since) = (Still::of(world, calls), begun);
    while since.elapsed() < QUIET || !world.sim.running().is_empty() {
        sleep(Duration::from_secs(600)).await;
        if begun.elapsed() > PATIENCE {
            last.has_stayed(world, calls, story);
        }
        let now = Still::of(world, calls);
        // An end that is still to come, or has come since the last look, may change something yet.
        if now != last || expires_some_time(world) {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

/// Whether a snapshot is there, or missing before its time, whose end will change something.
fn expires_some_time(world: &World) -> bool {
    let mut objects = world.api.list(SNAPSHOTS).into_iter().map(Seen);
    let waits = |seen: Seen| seen.has("Available", "True") || seen.is_stalled("SnapshotMissing");
    objects.any(waits) || world.sim.instances().iter().any(|vm| vm.live && !vm.snapshots.is_empty())
}

/// How often an object may come back to a reason without anybody's doing: each is one try of something that failed
/// in the time of troubles.
const RETURNS: usize = 4;

/// Panics if an object went to and fro after the troubles had ended.
#[track_caller]
pub fn no_flapping(world: &World, writes: &[Recorded], story: &Story, healed: Moment) {
    let mut last: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut entered: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for write in writes {
        if write.subresource != "status" || !write.apply || write.code != Some(200) {
            continue;
        }
        let ready = write.body["status"]["conditions"].as_array().into_iter().flatten();
        let Some(ready) = ready.into_iter().find(|condition| condition["type"] == "Ready") else { continue };
        let word = format!("{} {}", ready["status"], ready["reason"]);
        let object = (write.resource.clone(), write.name.clone());
        if last.insert(object.clone(), word.clone()).as_ref() == Some(&word) || moment(write.at) < healed {
            continue;
        }
        let count = entered.entry((object.0, object.1, word)).or_default();
        *count += 1;
        assert!(*count <= RETURNS, "{} flaps\n{}", write.name, tell(world, story, &write.name));
    }
}
