//! The client against the simulator where a quirk is another behaviour and not another writing: what the
//! client makes of each.

use std::collections::BTreeSet;
use std::time::Duration;

use itcare_operator::api::{
    Accepted, ActionFilter, ApiError, Client, CreateInstance, InstanceFilter, Permit, Priority,
};
use itcare_operator::model::{ActionId, ActionStatus, FailureClass, InstanceState, Listed, Size};
use itcare_sim::{Config, NameTaken, Operation, Outcome, Quirks, Rate, SeedInstance, Sim};

use crate::calls::{Change, Read, VM, smallest_creation};
use crate::cloud::{Cloud, vm};
use crate::fake::Always;

const PRIORITY: Priority = Priority::User;

fn with(seed: SeedInstance, change: impl FnOnce(&mut Quirks)) -> Cloud {
    let sim = Sim::new(Config::explicit());
    sim.seed(seed);
    sim.quirks(change);
    Cloud::of(sim)
}

/// Class and HTTP status of a change that is refused.
async fn refused(cloud: &Cloud, change: Change) -> (FailureClass, Option<u16>) {
    let error = change.call(&cloud.client).await.expect_err("it is refused");
    (error.class(), error.status())
}

/// Sends one change on a permit of its own.
async fn call(
    cloud: &Cloud,
    change: impl AsyncFnOnce(&Client, Permit) -> Result<Accepted, ApiError>,
) -> Result<ActionId, ApiError> {
    let permit = cloud.client.permit(PRIORITY).await;
    change(&cloud.client, permit).await.map(|accepted| accepted.action.id)
}

async fn listed(cloud: &Cloud, names: &[&str]) -> Vec<Listed> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let filter = InstanceFilter { names, ..InstanceFilter::default() };
    cloud.client.list_all(&filter, PRIORITY).await.expect("it is understood").items
}

async fn status(cloud: &Cloud, id: ActionId) -> ActionStatus {
    cloud.client.action(id, cloud.client.permit(PRIORITY).await).await.expect("it is understood").status
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_rejected_in_each_of_its_ways() {
    for (taken, code) in
        [(NameTaken::Conflict, 409), (NameTaken::BadRequest, 400), (NameTaken::Unprocessable, 422)]
    {
        let cloud = with(SeedInstance::new("pinstance01", 13), |quirks| quirks.name_taken = taken);
        assert_eq!(refused(&cloud, Change::Create).await, (FailureClass::Rejected, Some(code)));
    }
    let cloud = with(SeedInstance::new("pinstance01", 13), |quirks| quirks.unique_names = false);
    Change::Create.call(&cloud.client).await.map(drop).expect("it is accepted");
    cloud.sim.drain();
    assert_eq!(listed(&cloud, &["PINSTANCE01"]).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_taken_slot_is_a_conflict_or_takes_one_more() {
    let cloud = with(vm(), |_| {});
    let first = cloud.sim.seed_snapshot(VM.get(), "first", "somebody");
    assert_eq!(refused(&cloud, Change::TakeSnapshot).await, (FailureClass::Rejected, Some(409)));
    cloud.sim.quirks(|quirks| quirks.single_slot = false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    Change::TakeSnapshot.call(&cloud.client).await.map(drop).expect("it is accepted");
    cloud.sim.drain();
    for as_list in [false, true] {
        cloud.sim.quirks(|quirks| quirks.snapshot_as_list = as_list);
        let slot = cloud
            .client
            .snapshot(VM, cloud.client.permit(PRIORITY).await)
            .await
            .expect("it is understood")
            .expect("there are two");
        assert_ne!(slot.id.as_str(), first, "the newest counts, as a list: {as_list}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_action_is_a_conflict_or_runs_beside_the_first() {
    let cloud = with(vm(), |_| {});
    cloud.sim.start_foreign_action(VM.get(), "vm_backup", "jdoe");
    assert_eq!(refused(&cloud, Change::Stop).await, (FailureClass::Rejected, Some(409)));
    cloud.sim.quirks(|quirks| quirks.one_action_per_instance = false);
    Change::Stop.call(&cloud.client).await.map(drop).expect("it is accepted");
    let filter = ActionFilter { statuses: vec![ActionStatus::InProgress], ..ActionFilter::default() };
    assert_eq!(
        cloud
            .client
            .actions(&filter, cloud.client.permit(PRIORITY).await)
            .await
            .expect("it is understood")
            .len(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_resize_of_a_running_instance_is_rejected_where_it_needs_a_stop() {
    let cloud = with(vm(), |quirks| quirks.resize_needs_stop = true);
    assert_eq!(refused(&cloud, Change::Resize).await, (FailureClass::Rejected, Some(400)));
    let cloud = with(vm().stopped(), |quirks| quirks.resize_needs_stop = true);
    let size = Size { cpu: 8, memory_gb: 16 };
    let id = call(&cloud, async |client, permit| client.resize(VM, size, None, permit, &Always).await).await;
    cloud.sim.drain();
    assert_eq!(status(&cloud, id.expect("it is accepted")).await, ActionStatus::Success);
    assert_eq!(
        cloud.client.detail(VM, cloud.client.permit(PRIORITY).await).await.expect("it is understood").size,
        Some(size)
    );
}

#[tokio::test(start_paused = true)]
async fn monitoring_off_in_production_is_rejected_where_it_needs_a_reason() {
    let off = async |cloud: &Cloud| {
        call(cloud, async |client, permit| client.update_monitoring(VM, false, None, permit, &Always).await)
            .await
    };
    let cloud = with(SeedInstance { monitoring: true, ..vm() }, |_| {});
    let error = off(&cloud).await.expect_err("the page knows no reason for it");
    assert_eq!((error.class(), error.status()), (FailureClass::Rejected, Some(422)));
    assert!(error.to_string().contains("a reason is mandatory in production"), "{error}");
    cloud.sim.quirks(|quirks| quirks.monitoring_needs_reason = false);
    off(&cloud).await.map(drop).expect("it is accepted");
    cloud.sim.drain();
    let detail =
        cloud.client.detail(VM, cloud.client.permit(PRIORITY).await).await.expect("it is understood");
    assert_eq!(detail.monitoring.enabled, Some(false));
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_listed_in_an_unknown_state_while_it_is_created() {
    for visible in [true, false] {
        let cloud = with(vm(), |quirks| quirks.visible_while_creating = visible);
        Change::Create.call(&cloud.client).await.map(drop).expect("it is accepted");
        let states: Vec<InstanceState> =
            listed(&cloud, &["PINSTANCE01"]).await.into_iter().map(|item| item.state).collect();
        let expected = if visible { vec![InstanceState::Other("CREATING".to_owned())] } else { vec![] };
        assert_eq!(states, expected);
        cloud.sim.drain();
        assert_eq!(listed(&cloud, &["PINSTANCE01"]).await[0].state, InstanceState::Active);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_leaves_nothing_or_something_in_a_state_of_its_own() {
    for leaves in [None, Some("ERROR".to_owned())] {
        let cloud = with(vm(), |quirks| quirks.failed_create_leaves = leaves.clone());
        let id = Change::Create.call(&cloud.client).await.expect("it is accepted").action.id;
        cloud.sim.complete(id.get(), Outcome::Error("no capacity left".to_owned()));
        assert_eq!(status(&cloud, id).await, ActionStatus::Error);
        let states: Vec<InstanceState> =
            listed(&cloud, &["PINSTANCE01"]).await.into_iter().map(|item| item.state).collect();
        assert_eq!(states, leaves.into_iter().map(InstanceState::Other).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_instance_is_missing_or_removed() {
    for stays in [true, false] {
        let cloud = with(vm().stopped(), |quirks| quirks.removed_leftovers = stays);
        Change::Delete.call(&cloud.client).await.map(drop).expect("it is accepted");
        cloud.sim.drain();
        match cloud.client.detail(VM, cloud.client.permit(PRIORITY).await).await {
            Ok(detail) => assert_eq!((detail.state, stays), (InstanceState::Removed, true)),
            Err(error) => assert_eq!((error.class(), stays), (FailureClass::Missing, false)),
        }
        let live: Vec<bool> = listed(&cloud, &[]).await.iter().map(Listed::is_live).collect();
        assert_eq!(live, if stays { vec![false] } else { vec![] });
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_in_transit_is_neither_running_nor_stopped() {
    let rows = [
        (vm(), Change::Stop, "STOPPING"),
        (vm(), Change::Reset, "RESETTING"),
        (vm(), Change::Resize, "RESIZING"),
        (vm().stopped(), Change::Start, "STARTING"),
        (vm().stopped(), Change::Delete, "DELETING"),
    ];
    for (seed, change, word) in rows {
        let cloud = with(seed, |quirks| quirks.transitional_states = true);
        change.call(&cloud.client).await.map(drop).expect("it is accepted");
        let state = InstanceState::Other(word.to_owned());
        assert_eq!(state.power(), None);
        assert_eq!(
            cloud
                .client
                .detail(VM, cloud.client.permit(PRIORITY).await)
                .await
                .expect("it is understood")
                .state,
            state
        );
        assert_eq!(listed(&cloud, &[]).await[0].state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_without_a_body_is_ambiguous_and_its_action_is_found() {
    let cloud = with(vm(), |quirks| quirks.empty_action_body = true);
    assert_eq!(refused(&cloud, Change::Create).await, (FailureClass::Ambiguous(None), Some(202)));
    let filter = ActionFilter { resource_name: Some("pinstance01".to_owned()), ..ActionFilter::default() };
    let actions =
        cloud.client.actions(&filter, cloud.client.permit(PRIORITY).await).await.expect("it is understood");
    assert_eq!((actions.len(), actions[0].process.as_deref()), (1, Some("vm_create")));
    assert_eq!(cloud.count(Operation::Create), 1);
}

#[tokio::test(start_paused = true)]
async fn names_that_match_as_prefixes_find_more_than_was_asked_for() {
    let cloud = with(vm(), |quirks| quirks.names_match_prefix = true);
    cloud.sim.seed(SeedInstance::new("PEB4MYAPP012", 13));
    let found = listed(&cloud, &["peb4myapp01"]).await;
    assert_eq!(found.len(), 2);
    assert_eq!(found.iter().filter(|item| item.name.matches("peb4myapp01")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_action_is_missing() {
    let cloud = with(vm(), |quirks| quirks.action_retention = Some(Duration::from_secs(60)));
    let id = Change::Stop.call(&cloud.client).await.expect("it is accepted").action.id;
    cloud.sim.drain();
    assert_eq!(status(&cloud, id).await, ActionStatus::Success);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let error =
        cloud.client.action(id, cloud.client.permit(PRIORITY).await).await.expect_err("it is forgotten");
    assert_eq!(error.class(), FailureClass::Missing);
    assert_eq!(
        cloud
            .client
            .actions(&ActionFilter::default(), cloud.client.permit(PRIORITY).await)
            .await
            .expect("it is understood"),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn an_ineffective_change_ends_well_and_changes_nothing() {
    let cloud = with(vm(), |quirks| quirks.ineffective = BTreeSet::from([Operation::Stop]));
    let id = Change::Stop.call(&cloud.client).await.expect("it is accepted").action.id;
    cloud.sim.drain();
    assert_eq!(status(&cloud, id).await, ActionStatus::Success);
    assert_eq!(
        cloud.client.detail(VM, cloud.client.permit(PRIORITY).await).await.expect("it is understood").state,
        InstanceState::Active
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_account_may_not_see_is_missing_or_forbidden() {
    for forbidden in [false, true] {
        let cloud = with(vm(), |quirks| quirks.invisible_is_forbidden = forbidden);
        cloud.sim.accounts(|accounts| accounts.list[0].services = Some(BTreeSet::from([14])));
        let error = Read::Detail.call(&cloud.client).await.expect_err("it is out of sight");
        let class = if forbidden { FailureClass::Forbidden } else { FailureClass::Missing };
        assert_eq!(error.class(), class);
        let change = if forbidden { FailureClass::Forbidden } else { FailureClass::Rejected };
        assert_eq!(refused(&cloud, Change::Stop).await.0, change);
        assert_eq!(listed(&cloud, &[]).await, []);
        let elsewhere = CreateInstance { service_id: 14, ..smallest_creation() };
        call(&cloud, async |client, permit| client.create(&elsewhere, permit, &Always).await)
            .await
            .map(drop)
            .expect("that service is in sight");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_kept_by_waiting_as_long_as_the_server_says() {
    let cloud = with(vm(), |quirks| quirks.rate = Some(Rate { per_second: 0.1, burst: 2.0 }));
    let mut classes = Vec::new();
    for _ in 0..6 {
        let read = Read::Detail.call(&cloud.client).await;
        classes.push(read.err().map(|error| error.class().as_str()));
    }
    assert_eq!(classes, [None, None, Some("Throttled"), None, Some("Throttled"), None]);
    assert_eq!(cloud.count(Operation::Detail), 6, "no call is wasted while the account is to wait");
}
