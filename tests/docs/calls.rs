//! Every call to ITCare that the operator can make, held against the client's source and the list of changes.

use std::collections::BTreeSet;

use itcare_operator::model::OperationKind;

use crate::markdown::root;

/// One call.
struct Call {
    /// Its name in errors and metrics.
    name: &'static str,
    /// Method and path.
    request: &'static str,
    /// When it is made.
    when: &'static str,
}

const READS: &[Call] = &[
    Call {
        name: "token",
        request: "`POST` on the token endpoint",
        when: "when the leader begins; when nine tenths of the token's life have passed; after a 401",
    },
    Call {
        name: "listInstances",
        request: "`GET /compute/instances`",
        when: "page by page, every `--observe-interval` for all services in use together; by `names=` before a creation and while an outcome is looked for",
    },
    Call {
        name: "listActions",
        request: "`GET /actions`",
        when: "with `statuses=IN_PROGRESS` every `--action-interval` while anything runs, once for all, and before each change; by `resourceName=` before a reset or recovery and while an outcome is looked for",
    },
    Call {
        name: "getAction",
        request: "`GET /actions/{id}`",
        when: "when an action of ours has left the running ones and its effect does not show its end",
    },
    Call {
        name: "getInstance",
        request: "`GET /compute/instances/{id}`",
        when: "every `--detail-interval`, when the list shows a change, before each change, and to prove that a VM is gone",
    },
    Call {
        name: "getStorage",
        request: "`GET /compute/instances/{id}/storage`",
        when: "for the file systems in the status, when the detail has none",
    },
    Call {
        name: "getNetworks",
        request: "`GET /compute/instances/{id}/networks`",
        when: "for the network in the status, when the detail has none",
    },
    Call {
        name: "getSnapshot",
        request: "`GET /compute/instances/{id}/snapshots`",
        when: "with each detail, before and after a snapshot's call, and when the snapshot expires",
    },
];

/// The call of a change. No default: a new kind does not compile without its row.
fn change(kind: OperationKind) -> Call {
    let call = |name, request, when| Call { name, request, when };
    match kind {
        OperationKind::Create => call(
            "createInstance",
            "`POST /compute/instances`",
            "once, when no VM of that name is there and none may have been made by an earlier attempt",
        ),
        OperationKind::Delete => call(
            "deleteInstance",
            "`DELETE /compute/instances/{id}`",
            "when the object is deleted, `deletionPolicy` says so, and the VM is stopped",
        ),
        OperationKind::Start => call(
            "start",
            "`PATCH /compute/instances/{id}`, `start`",
            "`powerState: Running` on a stopped VM; after a resize that stopped it",
        ),
        OperationKind::Stop => call(
            "stop",
            "`PATCH /compute/instances/{id}`, `stop`",
            "`powerState: Stopped` on a running VM; before a resize with `resizePolicy: StopStart`; before a deletion",
        ),
        OperationKind::Reset => {
            call("reset", "`PATCH /compute/instances/{id}`, `reset`", "once for each new `reset.requestedAt`")
        }
        OperationKind::Resize => {
            call("resize", "`PATCH /compute/instances/{id}`, `resize`", "`size` differs")
        }
        OperationKind::UpdateMonitoring => call(
            "updateMonitoring",
            "`PATCH /compute/instances/{id}`, `update_monitoring`",
            "`monitoring` differs",
        ),
        OperationKind::UpdatePatching => call(
            "updatePatchParty",
            "`PATCH /compute/instances/{id}`, `update_patch_party`",
            "`patching` differs",
        ),
        OperationKind::UpdateReplication => call(
            "updateStorageReplication",
            "`PATCH /compute/instances/{id}`, `update_storage_replication`",
            "`replication` differs",
        ),
        OperationKind::UpdateBackup => call(
            "updateBackup",
            "`PATCH /compute/instances/{id}`, `update_backup`",
            "`backup.enabled` differs",
        ),
        OperationKind::TakeSnapshot => call(
            "createSnapshot",
            "`POST /compute/instances/{id}/snapshots`",
            "once for each snapshot object, when the slot is free",
        ),
        OperationKind::Recover => call(
            "recoverSnapshot",
            "`PATCH /compute/instances/{id}/snapshots`",
            "once for each new `recover.requestedAt`, while the slot holds the recorded snapshot",
        ),
        OperationKind::RemoveSnapshot => call(
            "deleteSnapshot",
            "`DELETE /compute/instances/{id}/snapshots/{snapshotId}`",
            "when the object is deleted before the snapshot expired, and `deletionPolicy` is `Delete`",
        ),
    }
}

/// The reference of calls.
pub fn page() -> String {
    let mut text = String::from(
        "<!-- Generated from the operations: UPDATE_DOCS=1 cargo test --test docs generated -->\n\
         # Calls to ITCare\n\n\
         These are all. `managementPolicy: Observe` allows reads alone; `suspend` allows none, but for finding out what an \
         earlier call did; a replica that does not lead makes none. Just before a change the running actions and the \
         VM's detail are read, and nobody else's action runs on the VM.\n\n\
         ## Reads\n\nSent again after a failure, and after a 401 with a new token.\n\n\
         | Name | Request | When |\n| --- | --- | --- |\n",
    );
    for Call { name, request, when } in READS {
        text.push_str(&format!("| `{name}` | {request} | {when} |\n"));
    }
    text.push_str(
        "\n## Changes\n\nNone is sent again by the client. What must not run twice is recorded on the object before it is \
         sent; if no clear answer comes, the operator looks for what it did. The others are decided anew from what is \
         seen afterwards.\n\n\
         | Name | Kind | Request | When | Must not run twice |\n| --- | --- | --- | --- | --- |\n",
    );
    for kind in OperationKind::ALL {
        let Call { name, request, when } = change(kind);
        let twice = if kind.must_not_run_twice() { "recorded first" } else { "" };
        text.push_str(&format!("| `{name}` | `{kind}` | {request} | {when} | {twice} |\n"));
    }
    text.push_str(
        "\nAll calls share one budget (`--itcare-rate`, `--itcare-burst`, at most eight at once), in which a user's \
         change goes first, namespaces take turns, and background reading comes last, with a share of its own. A 429, or a Retry-After, pauses the account as a whole. How many calls \
         are made is counted in `itcare_operator_api_requests_total`: [metrics](metrics.md).\n",
    );
    text
}

/// The names that the client's source gives to its calls.
fn in_source() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("src/api")).expect("the client is there") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("source is text");
        for begin in [
            ".read(",
            ".read_on(permit, ",
            "self.change(",
            "self.operate(",
            "const OPERATION: &str =",
            "let operation = (",
        ] {
            for (at, _) in text.match_indices(begin) {
                let rest = text[at + begin.len()..].trim_start().trim_start_matches("id,").trim_start();
                let rest = rest.trim_start_matches('(').trim_start();
                if let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                    names.insert(name.to_owned());
                }
            }
        }
    }
    names
}

#[test]
fn no_call_of_the_client_is_missing_and_none_is_invented() {
    let told: BTreeSet<String> = READS
        .iter()
        .map(|call| call.name)
        .chain(OperationKind::ALL.into_iter().map(|kind| change(kind).name))
        .map(str::to_owned)
        .collect();
    assert_eq!(told, in_source());
    assert_eq!(told.len(), READS.len() + OperationKind::ALL.len(), "two rows for one call");
}

/// The names, for whoever sees calls on the running operator.
pub fn names() -> BTreeSet<&'static str> {
    READS
        .iter()
        .map(|call| call.name)
        .chain(OperationKind::ALL.into_iter().map(|kind| change(kind).name))
        .collect()
}
