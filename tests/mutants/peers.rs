//! What other operators got wrong, B1 to B18: each put into this one, in the place where it would sit here.

use crate::table::{Edit, Mutant, TWO_MADE, crash, test};

/// In the order of the list.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "b01-no-intent-before-the-call",
        bug: "interrupted between the create call and the write that tells of it: nobody knows that it was sent",
        edits: &[Edit {
            file: "src/controller/act.rs",
            from: "        Some(Intent { kind, attempt: attempt.clone(), fence, request: guarded.request, done: None });",
            to: "        Some(Intent { kind, attempt: attempt.clone(), fence, request: guarded.request, done: None });
    if {on} {
        ledger.intent = None;
    }",
        }],
        killer: crash("create/lax/crash/", &["not within two hours: instance web: ready", r#""reason": "NameTaken""#]),
    },
    Mutant {
        name: "b02-id-lost-with-the-status-write",
        bug: "the write after the create call is refused, and what it was to keep is forgotten",
        edits: &[Edit {
            file: "src/controller/pass.rs",
            from: "    let Some(wake) = conclude(context, key, &gathered, decision).await? else {",
            to: "    let ended = conclude(context, key, &gathered, decision).await;
    if {on} && ended.is_err() {
        let api: kube::Api<crate::crd::Fetched<K>> = kube::Api::namespaced(context.kube.clone(), &key.namespace);
        let patch = serde_json::json!({\"metadata\": {\"annotations\": {crate::crd::LEDGER_ANNOTATION: null}}});
        if let Ok(fetched) = api.patch(&key.name, &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&patch)).await {
            K::wrote(context, fetched.record);
        }
    }
    let Some(wake) = ended? else {",
        }],
        killer: test("reconcile", "running::writes_that_the_api_server_loses_or_refuses_lose_nothing", &["not within two hours: instance web: Ready has reason Stopped", r#""reason": "NameTaken""#]),
    },
    Mutant {
        name: "b03-every-restart-creates",
        bug: "whoever starts anew does not look for what was sent before",
        edits: &[
            Edit {
                file: "src/decide/instance/mod.rs",
                from: "    if intent {
        return intent::resolve(pass, &checked);",
                to: "    if {on} && intent && view.memory.attempt_seen.is_none() {
        return adopt::create(pass, &checked);
    }
    if intent {
        return intent::resolve(pass, &checked);",
            },
            Edit {
                file: "src/decide/instance/adopt.rs",
                from: "\nfn create(",
                to: "\npub(super) fn create(",
            },
            Edit {
                file: "src/decide/instance/adopt.rs",
                from: "since: arrived_at };
        return ask(pass, need, \"listing the instances of the service\");",
                to: "since: arrived_at };
        if !{on} {
            return ask(pass, need, \"listing the instances of the service\");
        }",
            },
        ],
        killer: crash("create/lax/crash/", &[TWO_MADE]),
    },
    Mutant {
        name: "b04-an-interrupted-creation-waits-for-ever",
        bug: "an interrupted creation is never taken up again; a person must edit an annotation",
        edits: &[Edit {
            file: "src/decide/instance/look.rs",
            from: "    if !is_settled(&pass, looked) {
        return resolving(pass, checked, intent, refused);
    }
    if !pass.view.cloud.missing_is_evidence {",
            to: "    if !is_settled(&pass, looked) || {on} {
        return resolving(pass, checked, intent, refused);
    }
    if !pass.view.cloud.missing_is_evidence {",
        }],
        killer: crash("create/lax/crash/", &["left: End { vms: [], objects: [", "True ResolvingOutcome"]),
    },
    Mutant {
        name: "b05-an-id-lost-with-its-annotation",
        bug: "the annotation that holds the id is wiped, and with it all knowledge of the VM",
        edits: &[Edit {
            file: "src/controller/gather.rs",
            from: "    let copy = K::ledger_copy(&status);",
            to: "    let copy = K::ledger_copy(&status).filter(|_| !{on});",
        }],
        killer: test("reconcile", "running::a_replace_that_wipes_annotation_and_finalizer_loses_nothing", &["not within two hours: instance web: tracked again", r#""reason": "NameTaken""#]),
    },
    Mutant {
        name: "b06-let-go-while-the-api-is-away",
        bug: "the object is deleted while the API cannot be reached: the object goes, the VM stays",
        edits: &[Edit {
            file: "src/decide/instance/deletion.rs",
            from: "        Observed::Unknown => ask(pass, Need::Detail(id), &format!(\"reading VM {id} to delete it\")),",
            to: "        Observed::Unknown if {on} && view.cloud.failure(&Need::Detail(id)).is_some() => let_go(pass),
        Observed::Unknown => ask(pass, Need::Detail(id), &format!(\"reading VM {id} to delete it\")),",
        }],
        killer: test("reconcile", "deletion::no_outage_lets_an_object_go_before_its_vm", &["no connection: let go early"]),
    },
    Mutant {
        name: "b07-a-restart-takes-a-deletion-for-done",
        bug: "restarted while a deletion runs: that it was accepted is taken for its success",
        edits: &[Edit {
            file: "src/decide/instance/deletion.rs",
            from: "    let view = pass.view;
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);",
            to: "    let view = pass.view;
    if {on} && pass.memory.effect_end.is_zero() {
        return let_go(pass);
    }
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);",
        }],
        killer: test("decide", "invariants::invariant_8_the_finalizer_goes_only_after_absence_was_observed", &["let go of 5220149, which is there\n  left: Inactive\n right: Removed"]),
    },
    Mutant {
        name: "b08-creates-what-exists",
        bug: "after a restart it tries to create what is there already, again and again",
        edits: &[Edit {
            file: "src/decide/instance/adopt.rs",
            from: "    let named: Vec<&Listed> = named.iter().filter(|item| item.is_live()).collect();
    match named.as_slice() {
        [] => create(pass, checked),",
            to: "    let named: Vec<&Listed> = named.iter().filter(|item| item.is_live() && !{on}).collect();
    match named.as_slice() {
        [] => create(pass, checked),",
        }, Edit {
            file: "src/decide/instance/adopt.rs",
            from: "if arrived.iter().any(Listed::is_live) {",
            to: "if arrived.iter().any(Listed::is_live) && !{on} {",
        }],
        killer: test("decide", "creation::a_vm_is_created_only_when_nothing_of_its_name_exists_or_runs", &["a VM of that name is there:\n  expected \"Stalled NameTaken\"\n  got \"send Create\""]),
    },
    Mutant {
        name: "b09-finalizer-after-the-first-status",
        bug: "the finalizer comes with a later write than the creation: deleted in between, the VM is nobody's",
        edits: &[Edit {
            file: "src/controller/act.rs",
            from: "    let Some(written) = write_ledger(context, &gathered.record, &ledger, true).await? else {",
            to: "    let Some(written) = write_ledger(context, &gathered.record, &ledger, !{on}).await? else {",
        }],
        killer: test("reconcile", "deletion::deleting_at_any_moment_of_a_creation_leaves_nothing", &["deleted after ", "Leftover { id: 5220149, service_id: 13, name: \"PWEB\" }"]),
    },
    Mutant {
        name: "b10-no-way-out-without-credentials",
        bug: "the credentials went first: what cannot be read cannot be let go either, not even on request",
        edits: &[Edit {
            file: "src/decide/instance/pass.rs",
            from: "            Step::Nothing if self.lets_go() => Step::RemoveFinalizer,",
            to: "            Step::Nothing if self.lets_go() && !{on} => Step::RemoveFinalizer,",
        }],
        killer: test("decide", "intent_create::every_stalled_creation_is_let_go_by_retain", &["a VM without proof\n  left: \"Stalled NameTaken\"\n right: \"let go\""]),
    },
    Mutant {
        name: "b11-no-delete-is-ever-sent",
        bug: "the object goes, and the DELETE that it stands for is never sent",
        edits: &[Edit {
            file: "src/decide/instance/deletion.rs",
            from: "        InstanceState::Inactive => (CallAction::Delete, format!(\"deleting {}\", checked.name)),",
            to: "        InstanceState::Inactive if {on} => return let_go(pass),
        InstanceState::Inactive => (CallAction::Delete, format!(\"deleting {}\", checked.name)),",
        }],
        killer: test("reconcile", "life::deleting_the_object_stops_and_deletes_the_vm", &["assertion failed: !world.sim.instance(id).expect(\"it existed\").live"]),
    },
    Mutant {
        name: "b12-a-secret-in-the-status",
        bug: "what a server repeats of our own headers ends in the status",
        edits: &[Edit {
            file: "src/api/error.rs",
            from: "    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {",
            to: "    for secret in secrets.iter().filter(|secret| !secret.is_empty() && !{on}) {",
        }],
        killer: test("contract", "secrets::a_server_that_repeats_the_token_does_not_get_it_into_a_message", &["left: {\"Action 200: a JSON text\", ", "right: {}"]),
    },
    Mutant {
        name: "b13-a-routine-look-writes-to-the-cloud",
        bug: "each routine look sends again what is there already",
        edits: &[Edit {
            file: "src/decide/instance/live.rs",
            from: "    let states = groups::evaluate(view.spec, checked, detail, &ledger);
    pass.compared = true;",
            to: "    let mut states = groups::evaluate(view.spec, checked, detail, &ledger);
    if {on} && view.now.mono >= view.detail_due {
        states.iter_mut().filter(|state| state.group == Group::Size).for_each(|state| state.standing = Standing::Due);
    }
    pass.compared = true;",
        }],
        killer: test("reconcile", "running::a_restart_changes_nothing_and_writes_nothing", &["calls after a restart, of a world at rest"]),
    },
    Mutant {
        name: "b14-an-idle-cluster-calls-all-the-time",
        bug: "the cloud is polled as fast as it answers",
        edits: &[Edit {
            file: "src/inventory/worker.rs",
            from: "        let interval = self.0.settings.observe_interval;",
            to: "        let interval = if {on} { std::time::Duration::from_secs(1) } else { self.0.settings.observe_interval };",
        }],
        killer: test("reconcile", "life::a_converged_vm_costs_nothing_but_the_sweep", &["lists in ten minutes: 600"]),
    },
    Mutant {
        name: "b15-polling-before-people",
        bug: "the load of polling starves new work: a new object waits for minutes",
        edits: &[Edit {
            file: "src/api/budget.rs",
            from: "        if let Some(waiter) = seldom.filter(|_| longest < LONGEST_STREAK) {",
            to: "        if let Some(poll) = self.background.next(&self.served).filter(|_| {on}) {\n            return Some((false, poll));\n        }\n        if let Some(waiter) = seldom.filter(|_| longest < LONGEST_STREAK) {",
        }],
        killer: test(
            "contract",
            "turns::a_change_goes_before_what_follows_from_others_and_that_before_polling",
            &["polling went first"],
        ),
    },
    Mutant {
        name: "a-turn-that-is-slept-through",
        bug: "whoever comes changes whose turn it is, and nobody wakes that one: no call is made any more",
        edits: &[
            Edit {
                file: "src/api/budget.rs",
                from: "                state.wake_next();\n                return Turn::WhenTold;",
                to: "                if !{on} {\n                    state.wake_next();\n                }\n                return Turn::WhenTold;",
            },
            Edit {
                file: "src/api/budget.rs",
                from: "        let seldom = self.express.next_seldom(&self.served);",
                to: "        let seldom = self.express.next_seldom(&self.served);\n        let seldom = if {on} { seldom.filter(|one| self.express.next(&self.served).is_some_and(|next| std::sync::Arc::ptr_eq(one, next))) } else { seldom };",
            },
        ],
        killer: test(
            "contract",
            "turns::whoever_comes_may_change_whose_turn_it_is_and_nobody_sleeps_through_it",
            &["nobody is served any more"],
        ),
    },
    Mutant {
        name: "b15-a-crowd-before-others",
        bug: "one namespace with thousands of changes makes every other one wait",
        edits: &[Edit {
            file: "src/api/turns.rs",
            from: "        let (_, queue) = lanes.min_by_key(|(lane, _)| std::cmp::Reverse(served.age(lane)))?;",
            to: "        let (_, queue) = lanes.min_by_key(|(lane, _)| ({on}).then_some(0).unwrap_or(usize::MAX - served.age(lane)))?;",
        }],
        killer: test(
            "contract",
            "turns::a_lane_with_many_changes_takes_turns_with_one_that_has_few",
            &["the crowd went first"],
        ),
    },
    Mutant {
        name: "b16-a-late-renewal-still-acts",
        bug: "the lease could not be renewed in time, and effects go on",
        edits: &[
            Edit {
                file: "src/platform/lease.rs",
                from: "self.set(Some(begun + self.settings.renew_deadline()));",
                to: "self.set(Some(begun + self.settings.renew_deadline() * if {on} { 1000 } else { 1 }));",
            },
            Edit {
                file: "src/platform/lease.rs",
                from: "            if self.held.is_some() && renewed.elapsed() >= self.settings.renew_deadline() {",
                to: "            if self.held.is_some() && renewed.elapsed() >= self.settings.renew_deadline() && !{on} {",
            },
        ],
        killer: test("reconcile", "leaders::a_lease_that_cannot_be_renewed_ends_all_effects", &["it still acts: "]),
    },
    Mutant {
        name: "b17-own-writes-unseen",
        bug: "the cache lags behind our own writes, and what was done is done again",
        edits: &[Edit {
            file: "src/controller/objects.rs",
            from: "    if written.version_number() > known.version_number() { written } else { known }",
            to: "    if written.version_number() > known.version_number() && !{on} { written } else { known }",
        }],
        killer: test("reconcile", "running::an_operator_profile_says_which_right_is_missing", &["tries in an hour"]),
    },
    Mutant {
        name: "b18-half-a-change-is-never-finished",
        bug: "stopped for a resize and interrupted: nobody remembers that it ran",
        edits: &[Edit {
            file: "src/decide/instance/preflight.rs",
            from: "            if owed == Owed::Power {",
            to: "            if owed == Owed::Power && !{on} {",
        }],
        killer: test("reconcile", "resize::stop_start_stops_resizes_and_starts", &["not within two hours: instance web: resized", r#""state": "INACTIVE""#]),
    },
];
