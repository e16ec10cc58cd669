//! The client against the simulator: under each quirk it reads the same cloud, and each broken call proves
//! what its class says.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use itcare_operator::api::{ActionFilter, InstanceFilter, Listing, Priority};
use itcare_operator::model::remote::{Network, Storage};
use itcare_operator::model::{Action, ActionId, ActionStatus, Detail, FailureClass, InstanceId, Slot, time};
use itcare_sim::{
    Answer, Config, Dates, Fault, FaultKind, Match, NameTaken, NoSnapshot, Numbers, Operation, Quirks,
    SeedInstance, Sim, Wait,
};
use jiff::Timestamp;

use crate::calls::{Change, Read, VM};
use crate::cloud::{Cloud, vm};
use crate::reads::slot;

const OTHER: InstanceId = InstanceId::new(5_220_150);
const PRIORITY: Priority = Priority::User;

/// Everything that the client can see of one cloud.
#[derive(Debug, PartialEq)]
struct Seen {
    listing: Listing,
    detail: Detail,
    created_at: Option<Timestamp>,
    storage: Storage,
    network: Network,
    taken: Option<Slot>,
    empty: Option<Slot>,
    actions: Vec<Action>,
    action: Action,
}

/// A cloud with a bit of everything, made before any time passes.
fn cloud(change: impl FnOnce(&mut Quirks)) -> Cloud {
    let sim = Sim::new(Config::explicit());
    let seed = SeedInstance { monitoring: true, patch_excluded: true, patch_group: Some(3), ..vm() };
    let id = sim.seed(seed);
    let other = sim.seed(SeedInstance::new("PEB4MYAPP02", 14).stopped());
    sim.edit(id, |instance| instance.patch_exclusion_reason = Some("by hand".to_owned()));
    sim.seed_snapshot(id, "before the upgrade [7f3c91a2b4d5e6f7]", "somebody");
    sim.start_foreign_action(id, "vm_backup", "jdoe");
    sim.start_foreign_action(other, "vm_backup", "jdoe");
    sim.complete(1334, itcare_sim::Outcome::Error("no space left".to_owned()));
    sim.quirks(change);
    Cloud::of(sim)
}

async fn seen(cloud: &Cloud) -> Seen {
    let client = &cloud.client;
    let mut detail = client.detail(VM, client.permit(PRIORITY).await).await.expect("it is understood");
    Seen {
        listing: client.list_all(&InstanceFilter::default(), PRIORITY).await.expect("it is understood"),
        // Kept as the API wrote it; compared as what it means.
        created_at: detail.creation_time.take().as_deref().and_then(time::parse_lenient),
        storage: client.storage(VM, client.permit(PRIORITY).await).await.expect("it is understood"),
        network: client.network(VM, client.permit(PRIORITY).await).await.expect("it is understood"),
        taken: client.snapshot(VM, client.permit(PRIORITY).await).await.expect("it is understood"),
        empty: client.snapshot(OTHER, client.permit(PRIORITY).await).await.expect("it is understood"),
        actions: client
            .actions(&ActionFilter::default(), client.permit(PRIORITY).await)
            .await
            .expect("it is understood"),
        action: client
            .action(ActionId::new(1334), client.permit(PRIORITY).await)
            .await
            .expect("it is understood"),
        detail,
    }
}

#[tokio::test(start_paused = true)]
async fn without_quirks_the_client_sees_what_is_there() {
    let cloud = cloud(|_| {});
    let seen = seen(&cloud).await;
    let record = cloud.sim.instance(VM.get()).expect("it is there");
    assert!(seen.listing.complete);
    assert_eq!(seen.listing.items.len(), 2);
    assert_eq!(
        seen.listing.items[0],
        Detail { creation_time: Some(record.created_at.to_string()), ..seen.detail.clone() }.listed()
    );
    assert_eq!((seen.detail.id, seen.detail.name.as_str()), (VM, "PEB4MYAPP01"));
    assert_eq!(seen.detail.size.map(|size| size.to_string()).as_deref(), Some("2cpu4gb"));
    assert_eq!(seen.created_at, Some(record.created_at));
    assert_eq!(seen.detail.network.as_ref(), Some(&seen.network));
    assert_eq!(seen.detail.file_systems.as_ref(), Some(&seen.storage.file_systems));
    assert_eq!(seen.detail.slot, seen.taken);
    let snapshot = &record.snapshots[0];
    let taken = seen.taken.expect("there is one");
    assert_eq!((taken.id.as_str(), taken.expires_at), (snapshot.id.as_str(), Some(snapshot.expires_at)));
    assert_eq!(taken.attempt(), slot().attempt());
    assert_eq!(seen.empty, None);
    assert_eq!(seen.actions.len(), 2);
    assert_eq!(
        (&seen.actions[0].status, &seen.actions[1].status),
        (&ActionStatus::InProgress, &ActionStatus::Error)
    );
    assert_eq!(seen.actions[1], seen.action);
    assert_eq!(seen.action.message.as_deref(), Some("no space left"));
}

type Switch = (&'static str, fn(&mut Quirks));

/// Every quirk that changes how things are written, or what happens in cases that are not these.
const SAME: [Switch; 30] = [
    ("names need not be unique", |quirks| quirks.unique_names = false),
    ("a taken name is a bad request", |quirks| quirks.name_taken = NameTaken::BadRequest),
    ("a taken name is unprocessable", |quirks| quirks.name_taken = NameTaken::Unprocessable),
    ("several snapshots", |quirks| quirks.single_slot = false),
    ("several actions", |quirks| quirks.one_action_per_instance = false),
    ("a resize needs a stop", |quirks| quirks.resize_needs_stop = true),
    ("monitoring needs no reason", |quirks| quirks.monitoring_needs_reason = false),
    ("visible while creating", |quirks| quirks.visible_while_creating = true),
    ("failed creates leave something", |quirks| quirks.failed_create_leaves = Some("ERROR".to_owned())),
    ("removed instances stay", |quirks| quirks.removed_leftovers = true),
    ("transitional states", |quirks| quirks.transitional_states = true),
    ("rich list items", |quirks| quirks.poor_list_items = false),
    ("extra fields", |quirks| quirks.extra_fields = true),
    ("quoted numbers", |quirks| quirks.numbers = Numbers::Quoted),
    ("fractional numbers", |quirks| quirks.numbers = Numbers::Fractional),
    ("patch group as a number", |quirks| quirks.patch_group_as_number = true),
    ("offset without colon", |quirks| quirks.dates = Dates::OffsetWithoutColon),
    ("offset with colon", |quirks| quirks.dates = Dates::OffsetWithColon),
    ("action ids as text", |quirks| quirks.action_id_as_string = true),
    ("accepted with 200", |quirks| quirks.accepted_status = 200),
    ("accepted without a body", |quirks| quirks.empty_action_body = true),
    ("no snapshot: empty body", |quirks| quirks.no_snapshot = NoSnapshot::EmptyBody),
    ("no snapshot: {}", |quirks| quirks.no_snapshot = NoSnapshot::EmptyObject),
    ("no snapshot: null", |quirks| quirks.no_snapshot = NoSnapshot::Null),
    ("no snapshot: []", |quirks| quirks.no_snapshot = NoSnapshot::EmptyList),
    ("no snapshot: 404", |quirks| quirks.no_snapshot = NoSnapshot::NotFound),
    ("snapshot as a list", |quirks| quirks.snapshot_as_list = true),
    ("names match prefixes", |quirks| quirks.names_match_prefix = true),
    ("invisible is forbidden", |quirks| quirks.invisible_is_forbidden = true),
    ("a refresh token", |quirks| quirks.refresh_token = true),
];

#[tokio::test(start_paused = true)]
async fn under_each_quirk_the_client_sees_the_same_cloud() {
    let plain = seen(&cloud(|_| {})).await;
    for (name, switch) in SAME {
        assert_eq!(seen(&cloud(switch)).await, plain, "{name}");
    }
    let retention = cloud(|quirks| quirks.action_retention = Some(Duration::from_secs(3600)));
    assert_eq!(seen(&retention).await, plain, "nothing is that old");
    let ineffective = cloud(|quirks| quirks.ineffective = BTreeSet::from([Operation::Stop]));
    assert_eq!(seen(&ineffective).await, plain);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_the_only_difference() {
    let plain = seen(&cloud(|_| {})).await;
    let detail = || plain.detail.clone();
    let shown = seen(&cloud(|quirks| quirks.omit_storage = true)).await;
    assert_eq!(shown.detail, Detail { storage_gb: None, file_systems: None, ..detail() });
    assert_eq!(Seen { detail: detail(), ..shown }, plain);
    let shown = seen(&cloud(|quirks| quirks.omit_network = true)).await;
    assert_eq!(shown.detail, Detail { network: None, ip_address: None, ..detail() });
    assert_eq!(Seen { detail: detail(), ..shown }, plain);
}

/// A new quirk does not compile until somebody has said here what it means to the client.
#[test]
fn every_quirk_is_tried() {
    let Quirks {
        // The same cloud, above.
        unique_names: _,
        name_taken: _,
        single_slot: _,
        one_action_per_instance: _,
        resize_needs_stop: _,
        monitoring_needs_reason: _,
        visible_while_creating: _,
        failed_create_leaves: _,
        removed_leftovers: _,
        transitional_states: _,
        poor_list_items: _,
        extra_fields: _,
        numbers: _,
        patch_group_as_number: _,
        dates: _,
        action_id_as_string: _,
        accepted_status: _,
        empty_action_body: _,
        no_snapshot: _,
        snapshot_as_list: _,
        names_match_prefix: _,
        action_retention: _,
        ineffective: _,
        invisible_is_forbidden: _,
        refresh_token: _,
        // Less of it, above.
        omit_storage: _,
        omit_network: _,
        // Another behaviour: `unlike`.
        rate: _,
    } = Quirks::default();
}

fn one(operation: Operation, kind: FaultKind) -> Fault {
    Fault::once(Match::operation(operation), kind)
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_token_expired_is_in_the_journal_once() {
    let cloud = cloud(|quirks| quirks.one_action_per_instance = false);
    cloud.client.log_in().await.expect("the credentials are good");
    cloud.sim.inject(one(Operation::Stop, FaultKind::ExpireTokens));
    let error = Change::Stop.call(&cloud.client).await.expect_err("its token is refused");
    assert_eq!(error.class(), FailureClass::Unauthenticated);
    let entries = cloud.entries(Operation::Stop);
    assert_eq!((entries.len(), entries[0].effect, entries[0].status()), (1, false, Some(401)));
    Change::Stop.call(&cloud.client).await.map(drop).expect("the next attempt has a new token");
    assert_eq!((cloud.count(Operation::Stop), cloud.count(Operation::Token)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn reads_whose_token_expired_are_sent_again_with_one_new_token() {
    let cloud = cloud(|_| {});
    Read::Detail.call(&cloud.client).await.expect("it is understood");
    cloud.sim.inject(one(Operation::Detail, FaultKind::ExpireTokens));
    let reads = join_all((0..20).map(|_| Read::Detail.call(&cloud.client))).await;
    assert!(reads.iter().all(Result::is_ok), "{reads:?}");
    assert_eq!(cloud.count(Operation::Token), 2);
    let refused = cloud.entries(Operation::Detail).iter().filter(|entry| entry.status() == Some(401)).count();
    assert!((1..=20).contains(&refused), "{refused}");
    assert_eq!(cloud.count(Operation::Detail), 21 + refused);
}

#[tokio::test(start_paused = true)]
async fn a_broken_change_is_ambiguous_whether_it_had_its_effect_or_not_and_never_sent_again() {
    let rows = [
        (FaultKind::DropBefore, false),
        (FaultKind::DropAfter, true),
        (FaultKind::Truncate, true),
        (FaultKind::HangForever { effect: false }, false),
        (FaultKind::HangForever { effect: true }, true),
        (FaultKind::Html { code: 502, effect: true }, true),
        (FaultKind::Html { code: 200, effect: false }, false),
        (FaultKind::WrongTypes, true),
        (FaultKind::status(500, true), true),
    ];
    for (kind, effect) in rows {
        let cloud = Cloud::new();
        cloud.sim.inject(one(Operation::Create, kind.clone()));
        let error = Change::Create.call(&cloud.client).await.expect_err("nobody knows");
        assert_eq!(error.class(), FailureClass::Ambiguous(None), "{kind:?}");
        tokio::time::sleep(Duration::from_secs(600)).await;
        let entries = cloud.entries(Operation::Create);
        assert_eq!((entries.len(), entries[0].effect), (1, effect), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_connect_is_not_in_the_journal() {
    let cloud = cloud(|_| {});
    cloud.client.log_in().await.expect("the credentials are good");
    cloud.transport.set_unreachable(true);
    let error = Change::Create.call(&cloud.client).await.expect_err("nobody is there");
    assert_eq!(error.class(), FailureClass::Transient);
    assert!(error.class().not_executed());
    assert_eq!(cloud.count(Operation::Create), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_action_status_of_the_simulator_counts_as_running() {
    let cloud = cloud(|_| {});
    cloud.sim.inject(one(Operation::ActionGet, FaultKind::UnknownStatus));
    let action = cloud
        .client
        .action(ActionId::new(1334), cloud.client.permit(PRIORITY).await)
        .await
        .expect("it is understood");
    assert!(action.status.is_running());
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_the_simulator_is_understood_in_both_forms() {
    for wait in [Wait::Seconds(40), Wait::Date(Duration::from_secs(40))] {
        let cloud = cloud(|_| {});
        cloud.sim.inject(one(Operation::Detail, FaultKind::RetryAfter { code: 429, wait, effect: false }));
        let error = Read::Detail.call(&cloud.client).await.expect_err("it is to wait");
        let FailureClass::Throttled(Some(after)) = error.class() else { panic!("{error:?}") };
        assert!(after.abs_diff(Duration::from_secs(40)) <= Duration::from_secs(1), "{wait:?}: {after:?}");
        Read::Detail.call(&cloud.client).await.expect("it waited");
        let at: Vec<Timestamp> = cloud.entries(Operation::Detail).iter().map(|entry| entry.at).collect();
        assert!(at[1].duration_since(at[0]).as_secs() >= 39, "{at:?}");
        assert_eq!(cloud.entries(Operation::Detail)[0].answer, Answer::Status(429));
    }
}
