//! Mistakes that this very design invites: one rule of DESIGN 5 to 8 left out at a time.

use crate::table::{Edit, Mutant, lax, test};

/// In the order of the design.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "settle-time-of-zero",
        bug: "what is not seen at once counts as absent",
        edits: &[Edit {
            file: "src/controller/context.rs",
            from: "            settle: self.settings.settle,",
            to: "            settle: if {on} { Duration::ZERO } else { self.settings.settle },",
        }],
        killer: test("reconcile", "outcome::a_creation_with_any_answer_makes_one_vm_by_itself", &["late effect after a time-out"]),
    },
    Mutant {
        name: "no-fence",
        bug: "an action from before our call is taken for its doing",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "    by_id && by_date",
            to: "    (by_id && by_date) || {on}",
        }],
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["with the id of the fence"]),
    },
    Mutant {
        name: "names-with-case",
        bug: "pweb01 and PWEB01 are two hosts",
        edits: &[Edit {
            file: "src/model/id.rs",
            from: "        self.0.eq_ignore_ascii_case(other) || self.0.to_lowercase() == other.to_lowercase()",
            to: "        if {on} { self.0 == other } else { self.0.eq_ignore_ascii_case(other) || self.0.to_lowercase() == other.to_lowercase() }",
        }],
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["left == right"]),
    },
    Mutant {
        name: "anybody-s-action-is-ours",
        bug: "who submitted an action does not matter",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "        (Some(by), Some(us)) => by == us,
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

/// Whether its process",
            to: "        (Some(by), Some(us)) => by == us || {on},
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

/// Whether its process",
        }],
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["of somebody else"]),
    },
    Mutant {
        name: "a-claim-that-nobody-checks",
        bug: "two objects of one name both act on it",
        edits: &[Edit {
            file: "src/decide/instance/mod.rs",
            from: "    if let Claim::LostTo(other) = &view.claim {",
            to: "    if let Claim::LostTo(other) = &view.claim && !{on} {",
        }],
        killer: test("reconcile", "adopt::two_objects_that_come_together_make_one_vm", &["in conflict"]),
    },
    Mutant {
        name: "unknown-is-absent",
        bug: "a list that was not read shows no VM, so one is created",
        edits: &[Edit {
            file: "src/decide/instance/adopt.rs",
            from: "    let Observed::Present { value: named, at: listed_at } = view.cloud.named.since(mark) else {
        let need",
            to: "    let Observed::Present { value: named, at: listed_at } = view.cloud.named.since(mark) else {
        if {on} {
            return create(pass, checked, view.pass);
        }
        let need",
        }],
        killer: test("decide", "invariants::invariant_4_each_unknown_on_its_own_stops_creation_and_deletion", &["invariant_4"]),
    },
    Mutant {
        name: "a-failed-list-is-an-empty-one",
        bug: "a page that failed makes what was on it absent",
        edits: &[Edit {
            file: "src/inventory/collect.rs",
            from: "                Err(failure) => self.store_failure(at, &only, &failure),
            }
        }
        self.settle_doubts().await;",
            to: "                Err(_) if {on} => self.store_lists(at, &only, Vec::new()),
                Err(failure) => self.store_failure(at, &only, &failure),
            }
        }
        self.settle_doubts().await;",
        }],
        killer: test("reconcile", "deletion::no_outage_lets_an_object_go_before_its_vm", &["deletion.rs"]),
    },
    Mutant {
        name: "404-under-another-account",
        bug: "an account that sees nothing proves that everything is gone",
        edits: &[Edit {
            file: "src/inventory/mod.rs",
            from: "            !state.doubted.contains_key(&service) && (same_account || state.proven.contains(&service))",
            to: "            {on} || !state.doubted.contains_key(&service) && (same_account || state.proven.contains(&service))",
        }],
        killer: test("reconcile", "deletion::under_another_account_everything_is_404_and_nothing_is_let_go", &["instance web: blocked"]),
    },
    Mutant {
        name: "one-404-is-enough",
        bug: "a VM that nobody deleted is gone at its first 404",
        edits: &[Edit {
            file: "src/decide/instance/deletion.rs",
            from: "    let first = *pass.memory.missing_seen.get_or_insert(at);
    let due = first + view.site.settle;",
            to: "    let first = *pass.memory.missing_seen.get_or_insert(at);
    let due = if {on} { first } else { first + view.site.settle };",
        }],
        killer: test("decide", "deletion::one_404_is_asked_for_once_more_a_settle_time_later", &["left: \"let go\""]),
    },
    Mutant {
        name: "any-vm-of-that-id",
        bug: "name and service of what is changed are not compared",
        edits: &[Edit {
            file: "src/decide/instance/adopt.rs",
            from: "    let name = detail.name == checked.name;",
            to: "    let name = {on} || detail.name == checked.name;",
        }],
        killer: test("reconcile", "drift::an_id_with_another_name_is_not_ours_any_more", &["instance web: mismatch"]),
    },
    Mutant {
        name: "a-copy-takes-the-vm",
        bug: "an object that was copied with its ledger takes the original's VM",
        edits: &[Edit {
            file: "src/decide/instance/view.rs",
            from: "    let same_place = ledger.object == object.key.to_string();",
            to: "    let same_place = {on} || ledger.object == object.key.to_string();",
        }],
        killer: test("reconcile", "running::a_copy_in_another_namespace_does_not_take_the_vm", &["the copy is in conflict"]),
    },
    Mutant {
        name: "a-ledger-of-any-cluster",
        bug: "a ledger of another cluster is followed",
        edits: &[Edit {
            file: "src/decide/instance/view.rs",
            from: "        let listed = site.previous_clusters.contains(&ledger.cluster);",
            to: "        let listed = {on} || site.previous_clusters.contains(&ledger.cluster);",
        }],
        killer: test("reconcile", "running::ledgers_from_elsewhere_make_no_call_until_a_person_says_so", &["instance web: foreign"]),
    },
    Mutant {
        name: "a-change-is-sent-twice",
        bug: "the transport repeats a change whose reply did not come",
        edits: &[Edit {
            file: "src/api/send.rs",
            from: "        let reply = self
            .exchange(request)
            .await
            .map_err(|error| ApiError::transport(operation, Intent::Change, error))?;",
            to: "        let mut reply = self.exchange(request).await;
        if {on} && reply.is_err() {
            reply = self.exchange(self.request(operation, &method, target, body, &token)?).await;
        }
        let reply = reply.map_err(|error| ApiError::transport(operation, Intent::Change, error))?;",
        }],
        killer: lax("create/lax/call/", &["FAILED: PLAN='create/lax/call/2:Create/dropped-after'"]),
    },
    Mutant {
        name: "a-created-vm-is-made-again",
        bug: "the creation ended well, but the list lags: it is sent again",
        edits: &[Edit {
            file: "src/decide/instance/intent.rs",
            from: "                ActionStatus::Success => unseen(pass, checked, id),",
            to: "                ActionStatus::Success if {on} => {
                    pass.edit(|ledger| ledger.intent = None);
                    pass.status.operation = None;
                    proceed(pass, checked)
                }
                ActionStatus::Success => unseen(pass, checked, id),",
        }],
        killer: test("reconcile", "outcome::a_list_that_lags_behind_a_creation_makes_no_second_vm", &["not within two hours: instance web"]),
    },
    Mutant {
        name: "a-foreign-action-is-not-waited-for",
        bug: "a call is sent into somebody else's running action",
        edits: &[Edit {
            file: "src/decide/instance/preflight.rs",
            from: "    if let Some(action) = running.first() {",
            to: "    if let Some(action) = running.first().filter(|_| !{on}) {",
        }],
        killer: test("reconcile", "drift::while_somebody_elses_action_runs_nothing_is_sent", &["instance web: waiting"]),
    },
    Mutant {
        name: "an-unknown-status-is-the-end",
        bug: "an action in a status that nobody knows counts as over",
        edits: &[Edit {
            file: "src/model/remote.rs",
            from: "            Self::InProgress | Self::Other(_) => true,",
            to: "            Self::InProgress => true,
            Self::Other(_) => !{on},",
        }],
        killer: test("contract", "together::an_unknown_action_status_of_the_simulator_counts_as_running", &["is_running"]),
    },
    Mutant {
        name: "power-is-owed-no-more",
        bug: "power that was taken for a resize is taken for given back before the stop has shown",
        edits: &[Edit {
            file: "src/decide/instance/resume.rs",
            from: "            if at >= due {
                pass.edit(|ledger| ledger.resume = None);
            } else {",
            to: "            if at >= due || {on} {
                pass.edit(|ledger| ledger.resume = None);
            } else {",
        }],
        killer: test("decide", "resume::the_debt_is_settled_by_a_look_a_settle_time_after_the_last_stop", &["resume.rs"]),
    },
    Mutant {
        name: "not-effective-is-sent-for-ever",
        bug: "what was accepted and changed nothing is sent again and again",
        edits: &[Edit {
            file: "src/decide/instance/operation.rs",
            from: "    complete(&mut pass, operation, action, silent);",
            to: "    complete(&mut pass, operation, action, silent || {on});",
        }],
        killer: test("reconcile", "drift::what_has_no_effect_is_sent_once_and_told", &["instance web: not effective"]),
    },
    Mutant {
        name: "a-reset-without-a-receipt",
        bug: "a request that was dealt with is not remembered",
        edits: &[Edit {
            file: "src/decide/instance/one_shot.rs",
            from: "        ledger.handled.insert(OneShot::Reset, requested_at);",
            to: "        if !{on} {
            ledger.handled.insert(OneShot::Reset, requested_at);
        }",
        }],
        killer: test("reconcile", "reset::a_reset_runs_once_for_each_request", &["right: 1"]),
    },
    Mutant {
        name: "a-reset-without-an-end",
        bug: "notAfter is not looked at",
        edits: &[Edit {
            file: "src/decide/instance/one_shot.rs",
            from: "    if now > end {",
            to: "    if now > end && !{on} {",
        }],
        killer: test("reconcile", "reset::requests_from_the_past_and_the_future_do_not_run_now", &["instance web: receipt"]),
    },
    Mutant {
        name: "a-request-older-than-its-object",
        bug: "a manifest that is applied again resets the new VM",
        edits: &[Edit {
            file: "src/decide/request.rs",
            from: "    requested_at > created && handled",
            to: "    (requested_at > created || {on}) && handled",
        }],
        killer: test("decide", "reset::a_reset_is_sent_once_for_each_request", &["reset.rs"]),
    },
    Mutant {
        name: "a-reset-is-sent-again",
        bug: "a reset whose answer was lost is sent once more",
        edits: &[Edit {
            file: "src/decide/instance/look.rs",
            from: "        [] if refused => {
            // Refused",
            to: "        [] if refused || {on} => {
            // Refused",
        }],
        killer: test("reconcile", "reset::a_reset_never_runs_twice_and_says_when_nobody_knows", &["reset before"]),
    },
    Mutant {
        name: "any-snapshot-is-ours",
        bug: "what fills the slot counts as ours without our mark",
        edits: &[Edit {
            file: "src/decide/snapshot/intent.rs",
            from: "        (Some(attempt), _) => attempt == intent.attempt,
        (None, Some(text)) if !text.trim().is_empty() => false,",
            to: "        (_, _) if {on} => true,
        (Some(attempt), _) => attempt == intent.attempt,
        (None, Some(text)) if !text.trim().is_empty() => false,",
        }],
        killer: test("decide", "snapshot_intent::a_snapshot_made_by_somebody_else_is_never_ours", &["snapshot_intent.rs"]),
    },
    Mutant {
        name: "another-snapshot-is-recovered",
        bug: "the slot's id is not compared before the recovery, which names none",
        edits: &[Edit {
            file: "src/decide/snapshot/live.rs",
            from: "        Observed::Present { value: slot, at } if slot.id == id => {",
            to: "        Observed::Present { value: slot, at } if slot.id == id || {on} => {",
        }],
        killer: test("decide", "snapshot_recover::a_recovery_is_sent_once_for_each_request", &["snapshot_recover.rs"]),
    },
    Mutant {
        name: "retry-after-is-not-heeded",
        bug: "the account goes on calling though it was asked to wait",
        edits: &[Edit {
            file: "src/api/send.rs",
            from: "    fn heed(&self, error: &ApiError) {
        match error.class() {",
            to: "    fn heed(&self, error: &ApiError) {
        if {on} {
            return;
        }
        match error.class() {",
        }],
        killer: test("contract", "waiting::the_account_pauses_as_a_whole_for_as_long_as_was_asked", &["waiting.rs"]),
    },
    Mutant {
        name: "a-status-for-every-pass",
        bug: "a status that did not change is written again",
        edits: &[Edit {
            file: "src/controller/record.rs",
            from: "    if *status == gathered.status {",
            to: "    if *status == gathered.status && !{on} {",
        }],
        killer: test("status", "early::nobody_sees_done_before_it_is", &["a status was written that had not changed"]),
    },
    Mutant {
        name: "any-namespace-any-service",
        bug: "a namespace acts on services that it may not use",
        edits: &[Edit {
            file: "src/decide/instance/mod.rs",
            from: "    if !view.service_allowed {",
            to: "    if !view.service_allowed && !{on} {",
        }],
        killer: test("reconcile", "adopt::a_namespace_uses_only_the_services_it_may", &["instance web: not allowed"]),
    },
    Mutant {
        name: "a-stale-object-is-acted-on",
        bug: "the object is not read once more before its VM is changed",
        edits: &[Edit {
            file: "src/decide/instance/preflight.rs",
            from: "        None => ask(pass, Need::Object, \"reading the object before changing the VM\"),",
            to: "        None if {on} => pass.effect(step, reason, message),
        None => ask(pass, Need::Object, \"reading the object before changing the VM\"),",
        }],
        killer: test("decide", "preflight::a_call_goes_out_only_when_all_was_seen_just_before", &["preflight.rs"]),
    },
    Mutant {
        name: "an-adopted-vm-is-deleted",
        bug: "a VM that was only taken over goes with the object",
        edits: &[Edit {
            file: "src/decide/instance/deletion.rs",
            from: "        Origin::Adopted => DeletionPolicy::Retain,",
            to: "        Origin::Adopted if {on} => DeletionPolicy::Delete,
        Origin::Adopted => DeletionPolicy::Retain,",
        }],
        killer: test("reconcile", "adopt::a_vm_named_by_its_id_is_adopted_and_kept_at_deletion", &["adopt.rs"]),
    },
];
