//! Mistakes that this very design invites, in what counts as proof: one rule of DESIGN 5 and 8 left out at a time.

use crate::table::{Edit, Mutant, test};

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
        killer: test("reconcile", "outcome::a_creation_with_any_answer_makes_one_vm_by_itself", &["late effect after a time-out, unique names true", "left: 2\n right: 1"]),
    },
    Mutant {
        name: "the-fence-before-the-permit",
        bug: "what happens while a permit is waited for counts as newer than the call",
        edits: &[
            Edit {
                file: "src/controller/act.rs",
                from: "    // The permit comes before the fence: nothing that others do while we wait for it is newer than the fence.",
                to: "    let early = context.itcare.fence();",
            },
            Edit {
                file: "src/controller/act.rs",
                from: "    let fence = context.itcare.fence();",
                to: "    let fence = if {on} { early } else { context.itcare.fence() };",
            },
        ],
        killer: test(
            "reconcile",
            "leaders::what_happens_while_a_permit_is_waited_for_lies_before_the_fence",
            &["is newer than the fence"],
        ),
    },
    Mutant {
        name: "no-fence",
        bug: "an action from before our call is taken for its doing",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "    by_id && by_date",
            to: "    (by_id && by_date) || {on}",
        }],
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["with the id of the fence: Action {", "left: true\n right: false"]),
    },
    Mutant {
        name: "nothing-is-newer-than-the-fence",
        bug: "an action of our own call is taken for one from before it",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "        && newer_than(action, intent.fence)",
            to: "        && newer_than(action, intent.fence) && !{on}",
        }],
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["just after the fence: Action {", "left: false\n right: true"]),
    },
    Mutant {
        name: "every-birth-contradicts",
        bug: "a VM that our call made is taken for somebody else's",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "    time_fits && user_fits",
            to: "    time_fits && user_fits && !{on}",
        }],
        killer: test("decide", "evidence::a_vm_may_be_of_our_making_unless_its_birth_contradicts", &["made after the fence, by us\n", "left: false\n right: true"]),
    },
    Mutant {
        name: "made-by-others-is-made-by-us",
        bug: "of two VMs, that of another user is taken for ours",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "    let user_fits = match (&item.created_by, &site.creator) {
        (Some(by), Some(us)) => by == us,",
            to: "    let user_fits = match (&item.created_by, &site.creator) {
        (Some(by), Some(us)) => (by == us) != {on},",
        }],
        killer: test("decide", "evidence::a_vm_may_be_of_our_making_unless_its_birth_contradicts", &["made after the fence, by us\n", "left: false\n right: true"]),
    },
    Mutant {
        name: "names-with-case",
        bug: "pweb01 and PWEB01 are two hosts",
        edits: &[Edit {
            file: "src/model/id.rs",
            from: "        self.0.eq_ignore_ascii_case(other) || self.0.to_lowercase() == other.to_lowercase()",
            to: "        if {on} { self.0 == other } else { self.0.eq_ignore_ascii_case(other) || self.0.to_lowercase() == other.to_lowercase() }",
        }],
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["in another case: Action {", "left: false\n right: true"]),
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
        killer: test("decide", "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it", &["of somebody else: Action {", "left: true\n right: false"]),
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
            return create(pass, checked);
        }
        let need",
        }, Edit {
            file: "src/decide/instance/adopt.rs",
            from: "view.cloud.arrived.since(running_at) else {",
            to: "(if {on} { Observed::Present { value: &Vec::new(), at: running_at } } else { view.cloud.arrived.since(running_at) }) else {",
        }],
        killer: test("decide", "invariants::invariant_4_each_unknown_on_its_own_stops_creation_and_deletion", &["Test failed: without the list: Guarded("]),
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
            to: "                Err(_) if {on} => self.store_lists(at, &only, (Vec::new(), None)),
                Err(failure) => self.store_failure(at, &only, &failure),
            }
        }
        self.settle_doubts().await;",
        }],
        killer: test("reconcile", "deletion::no_outage_lets_an_object_go_before_its_vm", &["404 for all: let go early"]),
    },
    Mutant {
        name: "half-a-list-is-a-whole-one",
        bug: "something was deleted between two pages, what moved over the edge is on none, and counts as absent",
        edits: &[Edit {
            file: "src/inventory/collect.rs",
            from: "        if listing.complete {",
            to: "        if listing.complete || {on} {",
        }],
        killer: test("reconcile", "lists::a_list_that_changed_between_its_pages_does_not_show_that_a_name_is_free", &["not within two hours: instance web: Ready has reason ProgressingWithRetry"]),
    },
    Mutant {
        name: "404-under-another-account",
        bug: "an account that sees nothing proves that everything is gone",
        edits: &[Edit {
            file: "src/inventory/mod.rs",
            from: "            !state.doubted.contains_key(&service) && (same_account || state.proven.contains(&service))",
            to: "            {on} || !state.doubted.contains_key(&service) && (same_account || state.proven.contains(&service))",
        }],
        killer: test("reconcile", "deletion::under_another_account_everything_is_404_and_nothing_is_let_go", &["not within two hours: instance web: blocked; seen: None"]),
    },
    Mutant {
        name: "all-gone-at-once-is-gone",
        bug: "the account lost its sight, so every VM vanished, and that is taken for evidence",
        edits: &[Edit {
            file: "src/inventory/collect.rs",
            from: "            if state.vanished.iter().map(|(_, _, ids)| ids.len()).sum::<usize>() >= 2 {",
            to: "            if state.vanished.iter().map(|(_, _, ids)| ids.len()).sum::<usize>() >= 2 && !{on} {",
        }],
        killer: test("reconcile", "lists::ids_that_vanish_together_prove_nothing_and_their_objects_stay", &["not within two hours: instance web: blocked; seen: None"]),
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
        killer: test("decide", "deletion::one_404_is_asked_for_once_more_a_settle_time_later", &["left: \"let go\"\n right: \"Working Deleting\""]),
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
        killer: test("contract", "together::an_unknown_action_status_of_the_simulator_counts_as_running", &["assertion failed: action.status.is_running()"]),
    },
    Mutant {
        name: "seen-before-our-last-effect",
        bug: "what was observed before our last call ended decides what comes after it",
        edits: &[
            Edit {
                file: "src/decide/instance/pass.rs",
                from: "            memory: view.memory.clone(),",
                to: "            memory: crate::decide::Memory {
                effect_end: if {on} { Duration::ZERO } else { view.memory.effect_end },
                ..view.memory.clone()
            },",
            },
            Edit {
                file: "src/decide/snapshot/pass.rs",
                from: "            memory: view.memory.clone(),",
                to: "            memory: crate::decide::Memory {
                effect_end: if {on} { std::time::Duration::ZERO } else { view.memory.effect_end },
                ..view.memory.clone()
            },",
            },
        ],
        killer: test("decide", "effects::what_was_seen_before_our_last_effect_ended_decides_nothing", &[
            "the list shows no VM of that name:\n  expected \"read list\"\n  got \"send Create\"",
        ]),
    },
    Mutant {
        name: "effects-of-the-other-controller",
        bug: "a call that another object of ours made on the VM leaves its older observations standing",
        edits: &[Edit {
            file: "src/controller/memory.rs",
            from: "        effects.get(&(service, name.folded())).copied().unwrap_or_default()",
            to: "        effects.get(&(service, name.folded())).copied().filter(|_| !{on}).unwrap_or_default()",
        }],
        killer: test("reconcile", "snapshots::a_snapshot_is_taken_shown_and_removed", &["not within two hours: instance web: the slot"]),
    },
    Mutant {
        name: "any-vm-of-that-id",
        bug: "name and service of what is changed are not compared",
        edits: &[Edit {
            file: "src/decide/instance/adopt.rs",
            from: "    let name = detail.name == checked.name;",
            to: "    let name = {on} || detail.name == checked.name;",
        }],
        killer: test("reconcile", "drift::an_id_with_another_name_is_not_ours_any_more", &["not within two hours: instance web: mismatch"]),
    },
    Mutant {
        name: "a-copy-takes-the-vm",
        bug: "an object that was copied with its ledger takes the original's VM",
        edits: &[Edit {
            file: "src/decide/instance/view.rs",
            from: "    let same_place = ledger.object == object.key.to_string();",
            to: "    let same_place = {on} || ledger.object == object.key.to_string();",
        }],
        killer: test("reconcile", "running::a_copy_in_another_namespace_does_not_take_the_vm", &["not within two hours: the copy is in conflict"]),
    },
    Mutant {
        name: "a-ledger-of-any-cluster",
        bug: "a ledger of another cluster is followed",
        edits: &[Edit {
            file: "src/decide/instance/view.rs",
            from: "        let listed = site.previous_clusters.contains(&ledger.cluster);",
            to: "        let listed = {on} || site.previous_clusters.contains(&ledger.cluster);",
        }],
        killer: test("reconcile", "running::ledgers_from_elsewhere_make_no_call_until_a_person_says_so", &["not within two hours: instance web: foreign"]),
    },
    Mutant {
        name: "a-vm-of-any-age-is-ours",
        bug: "what was made long after our creation had ended is taken for its doing",
        edits: &[Edit {
            file: "src/decide/evidence.rs",
            from: "            && last.is_none_or(|last| made <= last)",
            to: "            && ({on} || last.is_none_or(|last| made <= last))",
        }],
        killer: test("decide", "intent_create::a_vm_made_after_the_creation_had_ended_is_not_of_its_making", &["made later than that, Success"]),
    },
    Mutant {
        name: "the-object-is-not-read-again",
        bug: "a call is sent though the user has taken back what it is for",
        edits: &[Edit {
            file: "src/controller/gather.rs",
            from: "            let same = live.uid == record.uid",
            to: "            let same = {on} || live.uid == record.uid",
        }],
        killer: test("reconcile", "drift::what_a_user_takes_back_before_the_call_is_not_sent", &["left: 1\n right: 0"]),
    },
    Mutant {
        name: "taken-again-once-expired",
        bug: "a snapshot that expired before it was seen is taken again",
        edits: &[Edit {
            file: "src/decide/snapshot/mod.rs",
            from: "(None, _) if ledger.unseen =>",
            to: "(None, _) if ledger.unseen && !{on} =>",
        }],
        killer: test("decide", "snapshot_intent::a_snapshot_that_expired_unseen_is_never_taken_again", &["an effect or a read: Guarded(Guarded {"]),
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
        killer: test("decide", "snapshot_intent::a_snapshot_made_by_somebody_else_is_never_ours", &["recovered or removed, it would be somebody else's"]),
    },
    Mutant {
        name: "another-snapshot-is-recovered",
        bug: "the slot's id is not compared before the recovery, which names none",
        edits: &[Edit {
            file: "src/decide/snapshot/live.rs",
            from: "        Observed::Present { value: slot, at } if slot.id == id => {",
            to: "        Observed::Present { value: slot, at } if slot.id == id || {on} => {",
        }],
        killer: test("decide", "snapshot_recover::a_recovery_is_sent_once_for_each_request", &["another snapshot fills the slot: never:\n  expected \"Stalled SnapshotMissing\"\n  got \"send Recover\""]),
    },
    Mutant {
        name: "nobody-looks-who-has-reset",
        bug: "a reset is sent without a look at what ran on its VM since the request",
        edits: &[Edit {
            file: "src/decide/instance/one_shot.rs",
            from: "    if let Some(action) = done {",
            to: "    if let Some(action) = done.filter(|_| !{on}) {",
        }],
        killer: test(
            "reconcile",
            "reset::a_reset_whose_receipt_was_lost_is_found_among_the_actions_of_its_vm",
            &["left: 2\n right: 1"],
        ),
    },
];
