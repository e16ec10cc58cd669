//! What happened in all worlds together, so that none of it can silently stop happening.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What must happen at least so often in two hundred worlds: about half of what happens.
const FLOORS: &[(&str, u64)] = &[
    ("VMs of our making", 2000),
    ("account: limited", 20),
    ("account: right lost", 20),
    ("account: secret changed", 10),
    ("bytes logged", 10000000),
    ("done: vm_antivirus_scan", 100),
    ("done: vm_create", 2000),
    ("done: vm_create_snapshot", 800),
    ("done: vm_delete", 400),
    ("done: vm_delete_snapshot", 10),
    ("done: vm_recover_snapshot", 20),
    ("done: vm_reset", 200),
    ("done: vm_resize", 400),
    ("done: vm_start", 400),
    ("done: vm_stop", 1000),
    ("done: vm_update_backup", 100),
    ("done: vm_update_monitoring", 100),
    ("done: vm_update_patch_party", 100),
    ("done: vm_update_storage_replication", 100),
    ("itcare: 401-expired", 30),
    ("itcare: 401-once", 20),
    ("itcare: 403-once", 20),
    ("itcare: 404-though-there", 30),
    ("itcare: 409-once", 30),
    ("itcare: 422-once", 30),
    ("itcare: 429-date", 20),
    ("itcare: 429-seconds", 40),
    ("itcare: 500-after", 10),
    ("itcare: 500-before", 20),
    ("itcare: 502-html-after", 30),
    ("itcare: 503-after", 40),
    ("itcare: 503-before", 20),
    ("itcare: 504-after", 20),
    ("itcare: action-fails", 60),
    ("itcare: action-never-ends", 40),
    ("itcare: action-vanishes", 70),
    ("itcare: dropped-after", 20),
    ("itcare: dropped-before", 20),
    ("itcare: empty-list", 60),
    ("itcare: hangs until death", 400),
    ("itcare: hangs-after", 20),
    ("itcare: hangs-before", 20),
    ("itcare: late-effect", 20),
    ("itcare: late-effect-dropped", 20),
    ("itcare: late-reply", 30),
    ("itcare: outage", 3000),
    ("itcare: overlapping-page", 60),
    ("itcare: replayed", 10),
    ("itcare: shifted-page", 40),
    ("itcare: slow", 10),
    ("itcare: slow before a call", 250),
    ("itcare: stale-list", 40),
    ("itcare: truncated", 40),
    ("itcare: unknown-status", 20),
    ("itcare: wrong-types", 10),
    ("kubernetes: 409", 70),
    ("kubernetes: 500", 70),
    ("kubernetes: 500 of a list", 60),
    ("kubernetes: 504 of a read", 60),
    ("kubernetes: all watches are too old", 70),
    ("kubernetes: all watches end", 70),
    ("kubernetes: late reply", 80),
    ("kubernetes: lists and watches lag behind", 80),
    ("kubernetes: lost reply", 70),
    ("kubernetes: no connection", 70),
    ("kubernetes: slow", 70),
    ("kubernetes: the caches stand still", 70),
    ("objects", 3000),
    ("objects gone", 700),
    ("objects made again", 400),
    ("outside: deleted", 70),
    ("outside: long action", 100),
    ("outside: made", 80),
    ("outside: power", 100),
    ("outside: removed", 60),
    ("outside: renamed", 60),
    ("outside: resized", 100),
    ("outside: snapshot", 70),
    ("outside: snapshot gone", 6),
    ("outside: switched", 100),
    ("replica: away for days", 12),
    ("replica: cut off", 100),
    ("replica: deposed", 100),
    ("replica: deposed in flight", 60),
    ("replica: ended", 100),
    ("replica: killed", 300),
    ("replica: killed in flight", 300),
    ("replica: reaches ITCare again", 5),
    ("replica: started", 100),
    ("snapshots that expired unseen", 20),
    ("user: adopt by id", 10),
    ("user: backup", 200),
    ("user: change reference", 70),
    ("user: changes their mind", 300),
    ("user: delete", 600),
    ("user: delete snapshot", 80),
    ("user: look", 200),
    ("user: make", 2000),
    ("user: manage", 100),
    ("user: monitoring", 200),
    ("user: patching", 200),
    ("user: power", 300),
    ("user: recover", 90),
    ("user: replication", 200),
    ("user: reset", 400),
    ("user: resize policy", 60),
    ("user: resume", 100),
    ("user: retain", 50),
    ("user: size", 400),
    ("user: snapshot", 900),
    ("user: suspend", 100),
    ("user: work", 500),
];

/// How often each kind of thing happened.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub fn add(&mut self, what: impl Into<String>, count: usize) {
        *self.0.entry(what.into()).or_default() += count as u64;
    }

    pub fn add_all(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    /// Panics if anything happens much more seldom than it does now.
    #[track_caller]
    pub fn has_teeth(&self, worlds: u64) {
        let seldom = FLOORS.iter().filter(|(what, floor)| self.of(what) < floor * worlds / 200);
        let seldom: Vec<String> =
            seldom.map(|(what, floor)| format!("{what}: {} of {floor}", self.of(what))).collect();
        assert!(seldom.is_empty(), "hardly ever: {seldom:#?}");
    }

    fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}
