//! The operator as a process among others: credentials, throttling, leaders, restarts, lost API servers.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_lab::memory::{Fault as ApiFault, Verb};
use itcare_sim::{Fault, FaultKind, Match, Operation, Rate, Wait};
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_told_and_heal_without_a_restart() {
    let world = World::new();
    *world.setup.secret.lock().expect("free") = Ok("wrong".to_owned());
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "stalled", |seen| seen.is_stalled("CredentialsRejected")).await;
    assert!(world.instance("web").message().contains("--itcare-client-id"), "{:?}", world.instance("web"));
    assert!(!world.instance("web").message().contains("wrong"));
    assert!(
        operator.health.readiness().1.contains("itcare-credentials"),
        "{:?}",
        operator.health.readiness()
    );
    world.pass(Duration::from_secs(3600)).await;
    let logins = world.count(Operation::Token);
    assert!(logins < 600, "{logins} logins in an hour");
    *world.setup.secret.lock().expect("free") = Ok("secret".to_owned());
    world.until_reason("web", "Running").await;
    assert!(!operator.health.readiness().1.contains("itcare-credentials"));
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn missing_credentials_are_told_after_a_grace_time() {
    let world = World::new();
    *world.setup.secret.lock().expect("free") = Err("the client secret file /x cannot be read".to_owned());
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "CredentialsNotFound").await;
    assert!(world.instance("web").has("Reconciling", "True"));
    world.until("web", "stalled", |seen| seen.is_stalled("CredentialsNotFound")).await;
    assert!(world.instance("web").message().contains("secret file"));
    *world.setup.secret.lock().expect("free") = Ok("secret".to_owned());
    world.until_reason("web", "Running").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn rotated_credentials_and_expired_tokens_cost_no_change_twice() {
    let world = World::new();
    let _operator = world.start();
    for number in 0..20 {
        world.apply(manifest::instance(&format!("web{number}")));
        if number % 5 == 0 {
            world.sim.inject(Fault::once(Match::any(), FaultKind::ExpireTokens));
        }
    }
    for number in 0..20 {
        world.until_reason(&format!("web{number}"), "Running").await;
    }
    assert_eq!(world.sim.report().created, 20);
    assert!(world.sim.report().duplicates.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_account_pauses_as_a_whole() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.sim.clear_journal();
    world.sim.inject(Fault::once(
        Match::any(),
        FaultKind::RetryAfter { code: 429, wait: Wait::Seconds(300), effect: false },
    ));
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until_reason("web", "Throttled").await;
    world.apply(manifest::instance("db"));
    world.until_reason("db", "Running").await;
    let journal = world.sim.journal();
    let first = journal.iter().position(|entry| entry.status() == Some(429)).expect("one was refused");
    let pause = journal[first + 1].at.duration_since(journal[first].at).as_secs();
    assert!(pause >= 300, "the next call came after {pause} s");
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_our_rate_is_kept_with_few_refusals() {
    let world = World::new();
    world.sim.quirks(|quirks| quirks.rate = Some(Rate { per_second: 5.0, burst: 10.0 }));
    let _operator = world.start();
    for number in 0..50 {
        world.apply(manifest::instance(&format!("web{number}")));
    }
    for number in 0..50 {
        world.until_reason(&format!("web{number}"), "Running").await;
    }
    assert_eq!(world.sim.report().created, 50);
    let refused = world.sim.journal().iter().filter(|entry| entry.status() == Some(429)).count();
    let all = world.sim.journal().len();
    assert!(refused * 5 < all, "{refused} of {all} calls were refused");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_works_and_the_other_takes_over() {
    for lax in [false, true] {
        let mut world = if lax { World::lax() } else { World::new() };
        world.setup.elect = true;
        let first = world.start();
        world.pass(Duration::from_secs(1)).await;
        let second = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        assert!(first.gate.is_open() && !second.gate.is_open());
        // Killed with a creation in flight: the other one takes over after the lease, and looks first.
        world.apply(manifest::instance("db"));
        while world.instance("db").ledger().get("intent").is_none() {
            world.pass(Duration::from_millis(1)).await;
        }
        first.kill();
        world.until_reason("db", "Running").await;
        assert!(second.gate.is_open());
        world.quiet().await;
        assert_eq!(world.sim.report().created, 2, "{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn sigterm_hands_the_lease_over_at_once() {
    let mut world = World::new();
    world.setup.elect = true;
    let first = world.start();
    world.pass(Duration::from_secs(1)).await;
    let second = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    first.terminate().await;
    world.pass(Duration::from_secs(4)).await;
    assert!(second.gate.is_open());
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn sigterm_ends_the_process_also_in_a_pause() {
    let world = World::new();
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.sim.inject(Fault::once(
        Match::any(),
        FaultKind::RetryAfter { code: 429, wait: Wait::Seconds(3000), effect: false },
    ));
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until_reason("web", "Throttled").await;
    world.patch("web", json!({"size": "8cpu16gb"}));
    world.pass(Duration::from_secs(5)).await;
    let begun = tokio::time::Instant::now();
    operator.terminate().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_nothing_and_writes_nothing() {
    let world = World::new();
    let operator = world.start();
    for number in 0..5 {
        world.apply(manifest::with(&format!("web{number}"), json!({"backup": {"enabled": true}})));
    }
    for number in 0..5 {
        world.until_reason(&format!("web{number}"), "Running").await;
    }
    world.quiet().await;
    let revision = world.api.revision();
    let changes = world.changes().len();
    operator.terminate().await;
    let _operator = world.start();
    world.pass(Duration::from_secs(7 * 3600)).await;
    assert_eq!(
        world.changes().len(),
        changes,
        "calls after a restart, of a world at rest:\n{}",
        world.tail()
    );
    assert_eq!(world.api.revision(), revision, "{:?}", world.api.writes().last());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn writes_that_the_api_server_loses_or_refuses_lose_nothing() {
    let faults = || {
        [
            ("refused", ApiFault::refuse(500)),
            ("conflict", ApiFault::refuse(409)),
            ("throttled", ApiFault::refuse(429)),
            ("reply lost", ApiFault::lose_reply()),
            ("no connection", ApiFault::no_connection()),
        ]
    };
    for occurrence in 0..6 {
        for (name, fault) in faults() {
            let world = World::lax();
            world.api.inject(fault.verb(Verb::Patch).after(occurrence));
            let _operator = world.start();
            world.apply(manifest::with("web", json!({"powerState": "Stopped"})));
            world.until_reason("web", "Stopped").await;
            world.delete("web");
            world.until_gone("itcareinstances", "web").await;
            world.quiet().await;
            assert_eq!(world.sim.report().created, 1, "{name} of write {occurrence}:\n{}", world.tail());
            assert!(world.sim.report().leftovers.is_empty(), "{name} of write {occurrence}");
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_lags_makes_no_second_vm() {
    for moment in (0..3000).step_by(100) {
        let world = World::lax();
        let operator = world.start();
        world.apply(manifest::instance("web"));
        world.pass(Duration::from_millis(moment)).await;
        world.api.hold_watches(true);
        world.pass(Duration::from_secs(60)).await;
        operator.kill();
        let _operator = world.start();
        world.pass(Duration::from_secs(60)).await;
        world.api.hold_watches(false);
        world.until_reason("web", "Running").await;
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1, "held after {moment} ms:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_object_says_so_and_stops_nobody_else() {
    let world = World::new();
    let _operator = world.start();
    let mut broken = manifest::instance("broken");
    broken["spec"]["serviceId"] = json!("thirteen");
    world.apply(broken);
    world.apply(manifest::instance("web"));
    world.until("broken", "invalid", |seen| seen.is_stalled("InvalidSpec")).await;
    assert!(world.instance("broken").message().contains("thirteen"), "{:?}", world.instance("broken"));
    world.until_reason("web", "Running").await;
    world.patch("broken", json!({"serviceId": 13}));
    world.until_reason("broken", "Running").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_itcare_is_told_and_everything_goes_on_after() {
    let world = World::new();
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    operator.transport.set_unreachable(true);
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "ProgressingWithRetry").await;
    assert!(world.instance("web").message().contains("cannot be reached"), "{:?}", world.instance("web"));
    world.pass(Duration::from_secs(3600)).await;
    operator.transport.set_unreachable(false);
    world.until_reason("web", "Stopped").await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn ledgers_from_elsewhere_make_no_call_until_a_person_says_so() {
    let world = World::new();
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let id = world.instance("web").id();
    let saved = world.instance("web");
    operator.terminate().await;
    // Restored into another cluster: a new uid, the annotation kept, the status lost.
    world.api.erase("itcareinstances", "shop", "web");
    let mut restored = manifest::instance("web");
    restored["metadata"]["annotations"] = saved.0["metadata"]["annotations"].clone();
    let mut setup = world.setup.clone();
    setup.cluster = "cluster-two".to_owned();
    let operator = world.start_with(&setup);
    world.sim.clear_journal();
    world.apply(restored);
    world.until("web", "foreign", |seen| seen.is_stalled("ForeignLedger")).await;
    assert!(world.instance("web").message().contains("--previous-cluster-id"));
    world.quiet().await;
    assert_eq!(world.changes().len(), 0);
    operator.terminate().await;
    setup.previous_clusters = vec!["cluster-one".to_owned()];
    let _operator = world.start_with(&setup);
    world.until_reason("web", "Running").await;
    assert_eq!(world.instance("web").id(), id);
    assert_eq!(world.instance("web").ledger()["cluster"], "cluster-two");
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_copy_in_another_namespace_does_not_take_the_vm() {
    let world = World::lax();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let mut copy = world.instance("web").0;
    copy["metadata"] =
        json!({"name": "web", "namespace": "other", "annotations": copy["metadata"]["annotations"]});
    world.api.create(copy).expect("it is accepted");
    world
        .wait("the copy is in conflict", || {
            let seen = world.api.get("itcareinstances", "other", "web").map(crate::support::Seen);
            let held = seen
                .as_ref()
                .is_some_and(|seen| seen.is_stalled("Conflict") && seen.ledger()["instance"].is_null());
            if held { Ok(()) } else { Err(seen) }
        })
        .await;
    let told = world.api.list("events").into_iter().find(|event| {
        event["regarding"]["namespace"] == "other" && event["note"].to_string().contains("shop/web")
    });
    let told = told.unwrap_or_else(|| panic!("no Event: {:#?}", world.api.list("events")));
    assert_eq!(told["type"], "Warning", "{told}");
    world.quiet().await;
    world.api.delete("itcareinstances", "other", "web").expect("it is there");
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_replace_that_wipes_annotation_and_finalizer_loses_nothing() {
    let world = World::lax();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world
        .api
        .edit("itcareinstances", "shop", "web", |object| {
            object["metadata"]["annotations"] = json!({});
            object["metadata"]["finalizers"] = json!([]);
        })
        .expect("it is there");
    world.until("web", "tracked again", |seen| seen.has_finalizer() && seen.ledger()["instance"] == id).await;
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_ledger_makes_no_call_and_retain_lets_go() {
    for text in ["{\"v\":2}", "not json", "{}", "[]"] {
        let world = World::new();
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.quiet().await;
        let break_it = |object: &mut serde_json::Value| {
            object["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"] = json!(text);
        };
        world.api.edit("itcareinstances", "shop", "web", break_it).expect("it is there");
        world.until("web", "unreadable", |seen| seen.is_stalled("LedgerUnreadable")).await;
        world.delete("web");
        world.pass(Duration::from_secs(1800)).await;
        assert_eq!(world.change_words(), [Operation::Create], "{text}");
        world.patch("web", json!({"deletionPolicy": "Retain"}));
        world.until_gone("itcareinstances", "web").await;
        assert_eq!(world.change_words(), [Operation::Create], "{text}");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_profile_says_which_right_is_missing() {
    let world = World::new();
    world.sim.accounts(|accounts| accounts.list[0].profile = itcare_sim::Profile::Operator);
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "denied", |seen| seen.is_stalled("PermissionDenied")).await;
    assert!(world.instance("web").message().contains("POW"));
    let sent = world.count(Operation::Create);
    world.pass(Duration::from_secs(3600)).await;
    assert!(
        world.count(Operation::Create) - sent <= 61,
        "{} tries in an hour",
        world.count(Operation::Create) - sent
    );
    world.sim.accounts(|accounts| accounts.list[0].profile = itcare_sim::Profile::Power);
    world.until_reason("web", "Running").await;
    assert_eq!(world.sim.report().created, 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn replies_in_html_are_no_reason_to_do_anything() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.sim.inject(Fault::always(
        Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() },
        FaultKind::Html { code: 200, effect: false },
    ));
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "ProgressingWithRetry").await;
    world.pass(Duration::from_secs(1800)).await;
    assert_eq!(world.sim.instance(id).expect("it is there").status, "ACTIVE");
    world.sim.clear_faults();
    world.until_reason("web", "Stopped").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_forbidden_hides_no_other_service() {
    let world = World::new();
    world.sim.quirks(|quirks| quirks.invisible_is_forbidden = true);
    world.sim.accounts(|accounts| accounts.list[0].services = Some([13].into_iter().collect()));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.apply(manifest::with("db", json!({"serviceId": 14})));
    world.until_reason("web", "Running").await;
    world.until("db", "denied", |seen| seen.is_stalled("PermissionDenied")).await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.pass(Duration::from_secs(90)).await;
    assert_eq!(world.sim.instance(id).expect("it is there").status, "ACTIVE", "drift is still seen");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_hundred_creations_cost_about_two_calls_each() {
    let world = World::with(itcare_sim::Config::auto(Duration::from_secs(60)));
    let _operator = world.start();
    for number in 0..100 {
        world.apply(manifest::instance(&format!("web{number}")));
    }
    for number in 0..100 {
        world.until_reason(&format!("web{number}"), "Running").await;
    }
    let calls: BTreeMap<_, _> = world.sim.report().calls;
    let all: u64 = calls.values().sum();
    assert!(all <= 260, "{all} calls: {calls:?}");
    assert_eq!(calls[&Operation::Create], 100);
    assert_eq!(calls[&Operation::Detail], 100);
    world.audit();
}
