//! Mistakes that this very design invites, in what is sent and what is remembered: one rule of DESIGN 5 to 9 left
//! out at a time.

use crate::table::{Edit, Mutant, TWO_MADE, lax, test};

/// In the order of the design.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a-claim-that-nobody-checks",
        bug: "two objects of one name both act on it",
        edits: &[Edit {
            file: "src/decide/instance/mod.rs",
            from: "    if let Claim::LostTo(other) = &view.claim {",
            to: "    if let Claim::LostTo(other) = &view.claim && !{on} {",
        }],
        killer: test(
            "decide",
            "claims::an_object_without_the_claim_makes_no_call",
            &["a change is not sent:\n  expected \"Stalled Conflict\"\n  got \"send Stop\""],
        ),
    },
    Mutant {
        name: "an-intent-over-an-intent",
        bug: "the record of a call is written over whatever is there, so two processes both send",
        edits: &[Edit {
            file: "src/controller/act.rs",
            from: "    if finalizer && !record.has_finalizer {",
            to: "    if {on} && ledger.intent.is_some() {
        metadata[\"resourceVersion\"].take();
    }
    if finalizer && !record.has_finalizer {",
        }],
        killer: test(
            "reconcile",
            "leaders::of_two_processes_that_both_think_they_lead_one_creates",
            &["VMs 5220149 and 5220150 are all named PWEB and may come of this creation"],
        ),
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
        killer: lax(":Create/dropped-after", &[TWO_MADE]),
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
        killer: test(
            "reconcile",
            "outcome::a_list_that_lags_behind_a_creation_makes_no_second_vm",
            &["not within two hours: instance web: Ready has reason Running", r#""reason": "NameTaken""#],
        ),
    },
    Mutant {
        name: "a-foreign-action-is-not-waited-for",
        bug: "a call is sent into somebody else's running action",
        edits: &[Edit {
            file: "src/decide/instance/preflight.rs",
            from: "    if let Some(action) = running.first() {",
            to: "    if let Some(action) = running.first().filter(|_| !{on}) {",
        }],
        killer: test(
            "reconcile",
            "drift::while_somebody_elses_action_runs_nothing_is_sent",
            &["not within two hours: instance web: waiting"],
        ),
    },
    Mutant {
        name: "power-is-owed-no-more",
        bug: "power that was taken for a resize is taken for given back before the stop has shown",
        edits: &[Edit {
            file: "src/decide/instance/resume.rs",
            from: "    let due = *pass.memory.resume_seen.get_or_insert(view.now.mono) + view.site.settle;",
            to: "    let due = *pass.memory.resume_seen.get_or_insert(view.now.mono) + if {on} { Duration::ZERO } else { view.site.settle };",
        }],
        killer: test(
            "decide",
            "resume::the_debt_is_settled_by_a_look_a_settle_time_after_the_last_stop",
            &["the stop may still come into effect"],
        ),
    },
    Mutant {
        name: "not-effective-is-sent-for-ever",
        bug: "what was accepted and changed nothing is sent again and again",
        edits: &[Edit {
            file: "src/decide/instance/operation.rs",
            from: "    complete(&mut pass, operation, action, silent);",
            to: "    complete(&mut pass, operation, action, silent || {on});",
        }],
        killer: test(
            "reconcile",
            "drift::what_has_no_effect_is_sent_once_and_told",
            &["not within two hours: instance web: not effective"],
        ),
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
        killer: test(
            "decide",
            "intent_reset::every_end_leaves_a_receipt_in_ledger_and_status_together",
            &["left: (None, None)\n right: (None, Some("],
        ),
    },
    Mutant {
        name: "a-reset-without-an-end",
        bug: "notAfter is not looked at",
        edits: &[Edit {
            file: "src/decide/instance/one_shot.rs",
            from: "    if now > end {",
            to: "    if now > end && !{on} {",
        }],
        killer: test(
            "reconcile",
            "reset::requests_from_the_past_and_the_future_do_not_run_now",
            &["not within two hours: instance web: receipt"],
        ),
    },
    Mutant {
        name: "a-request-older-than-its-object",
        bug: "a manifest that is applied again resets the new VM",
        edits: &[Edit {
            file: "src/decide/request.rs",
            from: "    requested_at > created && handled",
            to: "    (requested_at > created || {on}) && handled",
        }],
        killer: test(
            "decide",
            "reset::a_reset_is_sent_once_for_each_request",
            &[
                "asked for before the object was made: a manifest that is applied again:\n  expected \"Ready Running\"\n  got \"send Reset\"",
            ],
        ),
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
        killer: test(
            "reconcile",
            "reset::a_reset_never_runs_twice_and_says_when_nobody_knows",
            &["reset before:", "left: 2\n right: 1"],
        ),
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
        killer: test(
            "contract",
            "waiting::the_account_pauses_as_a_whole_for_as_long_as_was_asked",
            &["429 false: 0ns"],
        ),
    },
    Mutant {
        name: "a-status-for-every-pass",
        bug: "a status that did not change is written again",
        edits: &[Edit {
            file: "src/controller/record.rs",
            from: "    if *status == gathered.status {",
            to: "    if *status == gathered.status && !{on} {",
        }],
        killer: test(
            "status",
            "early::nobody_sees_done_before_it_is",
            &["a status was written that had not changed"],
        ),
    },
    Mutant {
        name: "the-time-of-the-pass",
        bug: "what follows from a call is dated by the begin of the pass, not by the end of the call",
        edits: &[Edit {
            file: "src/decide/instance/outcome.rs",
            from: "    let view = View { now, ..view.clone() };",
            to: "    let view = View { now: if {on} { view.now } else { now }, ..view.clone() };",
        }],
        killer: test(
            "decide",
            "outcome::what_follows_from_a_call_is_dated_by_its_end",
            &[
                "when the object ceased to be Ready\n  left: 2026-01-02T03:04:05Z\n right: 2026-01-02T03:04:30Z",
            ],
        ),
    },
    Mutant {
        name: "the-time-of-the-pass-of-a-snapshot",
        bug: "the same of a snapshot's calls",
        edits: &[Edit {
            file: "src/decide/snapshot/outcome.rs",
            from: "    let view = SnapshotView { now, ..view.clone() };",
            to: "    let view = SnapshotView { now: if {on} { view.now } else { now }, ..view.clone() };",
        }],
        killer: test(
            "decide",
            "snapshot_removal::what_follows_from_a_call_is_dated_by_its_end",
            &[
                "when the object ceased to be Ready\n  left: 2026-01-02T03:04:05Z\n right: 2026-01-02T03:04:30Z",
            ],
        ),
    },
    Mutant {
        name: "busy-is-no",
        bug: "a removal that meets somebody else's action is taken for refused",
        edits: &[Edit {
            file: "src/decide/snapshot/outcome.rs",
            from: "                let transient = Failure { class: FailureClass::Transient, ..failure.clone() };",
            to: "                let class = if {on} { failure.class } else { FailureClass::Transient };
                let transient = Failure { class, ..failure.clone() };",
        }],
        killer: test(
            "decide",
            "snapshot_removal::a_conflict_counts_as_busy_for_a_while",
            &["409 number 1\n  left: \"Stalled Rejected\"\n right: \"Working ProgressingWithRetry\""],
        ),
    },
    Mutant {
        name: "any-namespace-any-service",
        bug: "a namespace acts on services that it may not use",
        edits: &[Edit {
            file: "src/decide/instance/mod.rs",
            from: "    if !view.service_allowed {",
            to: "    if !view.service_allowed && !{on} {",
        }],
        killer: test(
            "reconcile",
            "adopt::a_namespace_uses_only_the_services_it_may",
            &["not within two hours: instance web: not allowed"],
        ),
    },
    Mutant {
        name: "an-end-that-does-not-follow",
        bug: "the last pages are taken for all that is new, though what stood there before has moved",
        edits: &[Edit {
            file: "src/api/listing.rs",
            from: "        let follows = listing.items.first().is_some_and(|item| item.id <= end.newest);",
            to: "        let follows = {on} || listing.items.first().is_some_and(|item| item.id <= end.newest);",
        }],
        killer: test(
            "contract",
            "pages::an_end_that_does_not_follow_upon_the_list_tells_nothing",
            &["something new may stand on the page before"],
        ),
    },
    Mutant {
        name: "retries-count-against-their-user",
        bug: "objects that fail again and again use up what is kept for the changes of their own namespace",
        edits: &[Edit {
            file: "src/api/turns.rs",
            from: "|(other, change)| *change && other == lane",
            to: "|(other, change)| (*change || {on}) && other == lane",
        }],
        killer: test(
            "contract",
            "turns::a_change_does_not_wait_for_what_its_own_lane_uses_up_by_itself",
            &["a change waited 1s"],
        ),
    },
    Mutant {
        name: "ids-are-trusted-to-grow",
        bug: "where new VMs do not come last, the last pages are still taken for all that is new",
        edits: &[Edit {
            file: "src/inventory/collect.rs",
            from: "|(before, changed)| is_unordered(changed, before)",
            to: "|(before, changed)| !{on} && is_unordered(changed, before)",
        }],
        killer: test(
            "reconcile",
            "arrivals::where_ids_do_not_grow_the_whole_list_is_read",
            &["not within two hours: instance db: Ready has reason NameTaken"],
        ),
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
        killer: test(
            "decide",
            "preflight::a_call_goes_out_only_when_all_was_seen_just_before",
            &["the object was not read live:\n  expected \"read object\"\n  got \"send Stop\""],
        ),
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
        killer: test(
            "reconcile",
            "adopt::a_vm_named_by_its_id_is_adopted_and_kept_at_deletion",
            &["a VM that was taken over was changed at deletion\n  left: 2\n right: 0"],
        ),
    },
    Mutant {
        name: "a-record-is-no-better-than-age",
        bug: "of two objects for one VM the older one has it, whoever records it",
        edits: &[Edit {
            file: "src/controller/registry/state.rs",
            from: "    (entry.recorded.is_none(), !",
            to: "    ({on} || entry.recorded.is_none(), !",
        }],
        killer: test(
            "reconcile",
            "claims::the_object_that_records_a_vm_keeps_it_against_an_older_one",
            &["\"message\": \"shop/older already manages PWEB in service 13"],
        ),
    },
    Mutant {
        name: "an-intent-is-no-better-than-age",
        bug: "an older object gets the name while the call of a younger one may be in flight",
        edits: &[Edit {
            file: "src/controller/registry/state.rs",
            from: "!entry.intent, entry.created",
            to: "{on} || !entry.intent, entry.created",
        }],
        killer: test(
            "reconcile",
            "claims::the_object_whose_call_may_be_in_flight_keeps_the_name_against_an_older_one",
            &[
                "not within two hours: instance older: without the claim",
                "\"message\": \"PWEB (5220150) runs\"",
            ],
        ),
    },
    Mutant {
        name: "half-an-index-is-a-whole-one",
        bug: "instances are decided before the snapshots were listed",
        edits: &[Edit {
            file: "src/controller/run.rs",
            from: "        snapshots.cancelled().await;",
            to: "        if !{on} { snapshots.cancelled().await; }",
        }],
        killer: test(
            "reconcile",
            "claims::nothing_is_decided_before_both_kinds_were_listed_to_their_ends",
            &["without itcaresnapshots"],
        ),
    },
];
