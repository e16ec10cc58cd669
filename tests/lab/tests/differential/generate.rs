//! Sequences of requests, drawn from a seed: what the operator sends, and what users and other tools do to
//! the same objects.
//!
//! Every body is valid for our definitions, since the double validates nothing: it takes spec changes that a
//! CEL rule refuses, unknown fields and wrong types. `tests/crds` holds those rules against the real server,
//! and the operator checks again what it relies on. So that two managers never leave half of a field group,
//! each group is always drawn with the same fields. For the same reason nothing here asks for a deletion in
//! the foreground or for orphans: both are finalizers for a garbage collector that neither server has.

use serde_json::{Value, json};

/// The kinds that the operator reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Instance,
    Snapshot,
    Lease,
    Event,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Instance, Self::Snapshot, Self::Lease, Self::Event];
}

/// The resourceVersion that goes with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Absent,
    Latest,
    Stale,
}

/// The uid that goes with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uid {
    Absent,
    Its,
    Another,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub kind: Kind,
    pub name: &'static str,
    pub status: bool,
    pub version: Version,
    pub uid: Uid,
    pub act: Act,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Create(Value),
    Get,
    List {
        limit: Option<u64>,
        /// Goes on with the last list that was not complete.
        next: bool,
        label: bool,
    },
    Merge(Value),
    Apply {
        manager: &'static str,
        force: bool,
        body: Value,
    },
    /// The object as it is read just before, with this merged into it.
    Put(Value),
    Delete,
    DeleteAll,
}

/// A small generator of numbers (splitmix64): the same seed, the same sequence, on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a length");
        usize::try_from(self.next() % limit).expect("below a length")
    }

    /// One time in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// Some of them, in a random order.
    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let mut rest = all.to_vec();
        let mut chosen = Vec::new();
        for _ in 0..self.below(all.len() + 1) {
            let index = self.below(rest.len());
            chosen.push(rest.swap_remove(index));
        }
        chosen
    }
}

/// A sequence of so many requests.
pub fn sequence(seed: u64, length: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..length).map(|_| step(&mut dice)).collect()
}

fn step(dice: &mut Dice) -> Step {
    let kind = dice.of(&[
        Kind::Instance,
        Kind::Instance,
        Kind::Instance,
        Kind::Instance,
        Kind::Snapshot,
        Kind::Snapshot,
        Kind::Lease,
        Kind::Event,
    ]);
    let mut step = Step {
        kind,
        name: dice.of(&["a", "b"]),
        status: false,
        version: dice.of(&[
            Version::Absent,
            Version::Absent,
            Version::Latest,
            Version::Latest,
            Version::Stale,
        ]),
        uid: dice.of(&[Uid::Absent, Uid::Absent, Uid::Absent, Uid::Its, Uid::Another]),
        act: Act::Get,
    };
    step.act = match kind {
        Kind::Instance | Kind::Snapshot => custom(dice, &mut step),
        Kind::Lease => lease(dice),
        Kind::Event => event(dice),
    };
    step
}

fn custom(dice: &mut Dice, step: &mut Step) -> Act {
    let kind = step.kind;
    match dice.below(40) {
        0..=5 => Act::Create(body(dice, kind)),
        6 => Act::Get,
        7..=8 => list(dice),
        9..=14 => Act::Merge(json!({"metadata": metadata(dice)})),
        15..=18 => Act::Merge(json!({"spec": spec_patch(dice, kind)})),
        19 => {
            // As one, by someone who may write both.
            let (metadata, spec) = (metadata(dice), spec_patch(dice, kind));
            Act::Merge(json!({"metadata": metadata, "spec": spec, "status": {"conditions": []}}))
        }
        20..=27 => {
            step.status = true;
            // A manager of a status sends nothing else.
            let body = json!({"status": status(dice, kind)});
            let manager = dice.of(&["itcare-operator", "itcare-operator", "itcare-operator", "other"]);
            Act::Apply { manager, force: !dice.once_in(5), body }
        }
        28 => {
            step.status = true;
            let patch = dice.of(&[json!(null), json!({"operation": null}), json!({"conditions": []})]);
            Act::Merge(json!({"status": patch}))
        }
        29..=31 => {
            let manager = dice.of(&["kubectl", "kubectl", "argocd-controller"]);
            Act::Apply { manager, force: !dice.once_in(4), body: body(dice, kind) }
        }
        32..=34 => Act::Put(replacement(dice, kind)),
        35 => {
            step.status = true;
            Act::Put(json!({"status": status(dice, kind), "spec": spec_patch(dice, kind)}))
        }
        36..=38 => Act::Delete,
        _ => Act::DeleteAll,
    }
}

fn list(dice: &mut Dice) -> Act {
    Act::List { limit: dice.of(&[None, Some(1), Some(2)]), next: dice.once_in(2), label: dice.once_in(4) }
}

/// A whole object, as it is created or applied: the identity is always the same, the rest is drawn.
fn body(dice: &mut Dice, kind: Kind) -> Value {
    let mut spec = match kind {
        Kind::Instance => {
            json!({
                "name": "PWEB", "serviceId": 13, "region": "EB", "platform": "deb12", "size": "2cpu4gb",
                "monitoring": {"enabled": true, "alerting": false},
                "volumes": [{"id": "data", "sizeGb": 10}, {"id": "log", "sizeGb": 5}],
            })
        }
        _ => json!({"instanceRef": {"name": "web"}}),
    };
    merge(&mut spec, spec_patch(dice, kind));
    let mut body = json!({"spec": without_nulls(spec)});
    if !dice.once_in(3) {
        // Manifests have no empty maps and lists; whose they would be is not worth a rule.
        let mut metadata = without_nulls(metadata(dice));
        metadata
            .as_object_mut()
            .expect("a map")
            .retain(|_, value| *value != json!({}) && *value != json!([]));
        body["metadata"] = metadata;
    }
    body
}

fn spec_patch(dice: &mut Dice, kind: Kind) -> Value {
    let choices = match kind {
        Kind::Instance => vec![
            json!({"size": "4cpu8gb"}),
            json!({"size": "2cpu4gb"}),
            json!({"powerState": "Running"}),
            json!({"powerState": "Stopped"}),
            json!({"powerState": null}),
            json!({"monitoring": {"enabled": true, "alerting": true}}),
            json!({"monitoring": {"enabled": false, "alerting": false}}),
            json!({"patching": {"excluded": false, "group": 2}}),
            json!({"resizePolicy": "StopStart"}),
            json!({"resizePolicy": null}),
            json!({"driftPolicy": "Report", "suspend": true}),
            json!({"suspend": null}),
            json!({"deletionPolicy": "Retain"}),
            json!({"reset": {"requestedAt": "2026-01-02T00:00:00Z", "comment": "hangs"}}),
        ],
        _ => vec![
            json!({"deletionPolicy": "Retain"}),
            json!({"deletionPolicy": null}),
            json!({"onSlotTaken": "Fail"}),
            json!({"onSlotTaken": null}),
            json!({"slotTimeout": "5m"}),
            json!({"suspend": true}),
            json!({"recover": {"requestedAt": "2026-01-02T00:00:00Z"}}),
            json!({"recover": null}),
        ],
    };
    let mut patch = json!({});
    for choice in dice.some(&choices).into_iter().take(3) {
        merge(&mut patch, choice);
    }
    patch
}

/// What the operator and users write into metadata.
fn metadata(dice: &mut Dice) -> Value {
    const OURS: &str = "itcare.cegedim.cloud/finalizer";
    const OTHER: &str = "example.org/other";
    let choices = [
        json!({"finalizers": [OURS], "annotations": {"itcare.cegedim.cloud/ledger": "{\"v\":1,\"seq\":1}"}}),
        json!({"annotations": {"itcare.cegedim.cloud/ledger": "{\"v\":1,\"seq\":2}"}}),
        json!({"annotations": {"itcare.cegedim.cloud/ledger": null}}),
        json!({"annotations": {"itcare.cegedim.cloud/reconcile-requested-at": "now"}}),
        json!({"annotations": null}),
        json!({"labels": {"app": "web"}}),
        json!({"labels": {"app": null}}),
        json!({"finalizers": [OURS, OTHER]}),
        json!({"finalizers": [OTHER, OURS]}),
        json!({"finalizers": [OTHER]}),
        json!({"finalizers": []}),
        json!({"finalizers": null}),
        json!({"generation": 99, "deletionTimestamp": null, "creationTimestamp": null}),
    ];
    let mut patch = json!({});
    for choice in dice.some(&choices).into_iter().take(2) {
        merge(&mut patch, choice);
    }
    patch
}

/// What a PUT changes: `kubectl replace` drops what the manifest does not have.
fn replacement(dice: &mut Dice, kind: Kind) -> Value {
    let metadata = dice.of(&[
        json!({"annotations": null, "finalizers": null, "labels": null}),
        json!({"annotations": null, "finalizers": null, "managedFields": null}),
        json!({"annotations": {"kept": "1"}}),
        json!({"finalizers": ["example.org/other"]}),
        json!({}),
    ]);
    let mut body = json!({"metadata": metadata, "spec": spec_patch(dice, kind)});
    if dice.once_in(3) {
        body["status"] = dice.of(&[json!(null), json!({"state": "IGNORED"})]);
    }
    body
}

fn status(dice: &mut Dice, kind: Kind) -> Value {
    let condition = |name: &str, status: &str| {
        json!({
            "type": name, "status": status, "reason": "Test", "message": "m", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let mut conditions = dice.some(&["Ready", "Reconciling", "Stalled", "Drifted"]);
    // A merge of lists that name the same items in another order is not settled by any rule that we rely on:
    // the operator writes them in one order.
    conditions.sort_unstable();
    let statuses = ["True", "False", "Unknown"];
    let conditions: Vec<_> = conditions.into_iter().map(|name| condition(name, dice.of(&statuses))).collect();
    let id = if kind == Kind::Instance { json!(7) } else { json!("7") };
    let mut choices = vec![
        json!({"observedGeneration": 1}),
        json!({"observedGeneration": 2}),
        json!({"conditions": conditions}),
        json!({"id": id}),
        json!({"operation": {"kind": "Stop", "actionId": 1, "submittedAt": "2026-01-01T00:00:00Z"}}),
        json!({"operation": {"kind": "Start", "actionId": 2, "submittedAt": "2026-01-01T00:00:00Z"}}),
        json!({"ledger": "{\"v\":1,\"seq\":1}"}),
        json!({"handledRequests": {"reset": {
            "requestedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z", "result": "Succeeded",
            "earlierActionIds": [1, 2],
        }}}),
    ];
    if kind == Kind::Instance {
        let drift = |field: &str| json!({"field": field, "desired": "a", "observed": "b", "since": "2026-01-01T00:00:00Z"});
        choices.extend([
            json!({"drift": [drift("size")]}),
            json!({"drift": [drift("powerState"), drift("size")]}),
            json!({"fileSystems": [{"mountPoint": "/", "sizeGb": 10}, {"mountPoint": "/var", "type": "xfs"}]}),
            json!({"network": {"id": 3, "dns": ["10.0.0.1", "10.0.0.2"]}, "powerState": "Running"}),
            json!({"network": {"id": 3, "dns": ["10.0.0.2"]}, "powerState": "Stopped"}),
        ]);
    }
    // The operator never applies an empty status, nor an empty list or map in it.
    let mut status = json!({"observedGeneration": 1});
    for choice in dice.some(&choices).into_iter().take(6) {
        merge(&mut status, choice);
    }
    status
}

/// As the operator's lease is written: created, then put, each time with the version last seen.
fn lease(dice: &mut Dice) -> Act {
    let spec = json!({
        "holderIdentity": dice.of(&["one", "two", ""]), "leaseDurationSeconds": 15, "leaseTransitions": dice.below(3),
        "renewTime": "2026-01-02T03:04:05.000000Z",
    });
    match dice.below(6) {
        0..=1 => Act::Create(json!({"spec": spec})),
        2..=4 => Act::Put(json!({"spec": spec})),
        _ => Act::Delete,
    }
}

/// As events are recorded: created, then a merge patch with a series.
fn event(dice: &mut Dice) -> Act {
    let time = "2026-01-02T03:04:05.000000Z";
    let mut event = json!({
        "action": "Act", "reason": dice.of(&["Created", "Failed"]), "note": "words", "type": "Normal",
        "eventTime": time, "reportingController": "itcare", "reportingInstance": "one",
        "regarding": {"kind": "ITCareInstance", "name": "a", "uid": "1"},
    });
    match dice.below(4) {
        0..=1 => Act::Create(event),
        2 => {
            event["series"] = json!({"count": 2 + dice.below(3), "lastObservedTime": time});
            event["reason"] = json!("Created");
            Act::Merge(json!({"series": event["series"]}))
        }
        _ => Act::Get,
    }
}

/// `null` stays, unlike in a merge patch: it says that a field is to go.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}
