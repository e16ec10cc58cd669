//! What the client sends: method, path, headers and body of every change, against the page's payloads.

use http::Method;
use itcare_operator::api::{
    Accepted, ApiError, Client, CreateInstance, PatchParty, Permit, Priority, Volume,
};
use itcare_operator::model::Size;
use serde_json::Value;

use crate::calls::{Change, VM, smallest_creation, snapshot_id};
use crate::fake::{Always, Answer, Seen, bench};
use crate::fixture;

const JSON: &str = "application/json";
const VENDOR_JSON: &str = "application/vnd.cegedim-it.v1+json";
const INSTANCES: &str = "/itcare/compute/instances";
const INSTANCE: &str = "/itcare/compute/instances/5220149";
const SNAPSHOTS: &str = "/itcare/compute/instances/5220149/snapshots";
const SIZE: Size = Size { cpu: 2, memory_gb: 4 };

/// The one request of one accepted change.
async fn sent(call: impl AsyncFnOnce(&Client, Permit) -> Result<Accepted, ApiError>) -> Seen {
    let (client, fake) = bench([Answer::accepted("reply-action.json")]);
    let permit = client.permit(Priority::User).await;
    let accepted = call(&client, permit).await.expect("it is accepted");
    assert_eq!(accepted.action.id.get(), 1333);
    fake.only()
}

fn assert_request(seen: &Seen, method: Method, path: &str, body: Option<(&str, &str)>) {
    assert_eq!((&seen.method, seen.path.as_str()), (&method, path));
    assert_eq!(seen.raw_query, None);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {}", fixture::token()).as_str()));
    match body {
        Some((kind, payload)) => {
            assert_eq!(seen.header("content-type"), Some(kind));
            let sent: Value = serde_json::from_slice(&seen.body).expect("the body is JSON");
            assert_eq!(sent, fixture::json(payload), "{payload}");
        }
        None => {
            assert_eq!(seen.header("content-type"), None);
            assert_eq!(seen.body.len(), 0, "{:?}", seen.body);
        }
    }
}

fn assert_patch(seen: &Seen, payload: &str) {
    assert_request(seen, Method::PATCH, INSTANCE, Some((JSON, payload)));
}

/// What a caller can choose of the page's full creation; the rest only repeats the platform's description.
fn without_description(mut body: Value) -> Value {
    for (list, kept) in
        [("properties", &["key", "value"][..]), ("volumes", &["id", "sizeGb", "order", "exclFromSnap"])]
    {
        for item in body[list].as_array_mut().expect("it is a list") {
            item.as_object_mut().expect("it is an object").retain(|field, _| kept.contains(&field.as_str()));
        }
    }
    body
}

#[tokio::test(start_paused = true)]
async fn the_smallest_creation_is_the_pages_example() {
    let seen = sent(async |client, permit| client.create(&smallest_creation(), permit, &Always).await).await;
    assert_request(&seen, Method::POST, INSTANCES, Some((VENDOR_JSON, "request-create-minimal.json")));
}

#[tokio::test(start_paused = true)]
async fn the_fullest_creation_has_every_field_that_a_caller_can_choose() {
    let text = |text: &str| Some(text.to_owned());
    let request = CreateInstance {
        name: "PEB4MYAPP01".to_owned(),
        service_id: 13,
        region: "EB".to_owned(),
        platform: "deb12".to_owned(),
        resource_id: "2cpu4gb".to_owned(),
        area: text("EB-STD"),
        availability_zone: text("EB-B"),
        network_id: Some(1126),
        cloud_id: Some(42),
        regulation: text("STANDARD"),
        authentication_domain_id: text("CGDM-EMEA"),
        product_code: text("rmq11"),
        storage_pool: text("EB-POOL-1"),
        specific_request: text("Could you please install .NET framework 4.5 on instance ? Thanks."),
        monitoring_enabled: Some(true),
        monitoring_alerting: Some(true),
        on_call_supervision: Some(true),
        no_monitoring_prod_reason: text("none"),
        backup_enabled: Some(true),
        backup_off_site_enabled: Some(true),
        server_backup_policy_id: text("VM_DAILY_30"),
        db_backup_policy_id: text("DB_DAILY_30"),
        no_backup_prod_reason: text("none"),
        replication_enabled: Some(false),
        no_replication_prod_reason: text("rebuilt from Git"),
        properties: vec![("keyboard".to_owned(), "us".to_owned())],
        volumes: vec![Volume {
            id: "data".to_owned(),
            size_gb: 40,
            order: Some(1),
            exclude_from_snapshots: Some(true),
        }],
    };
    let seen = sent(async |client, permit| client.create(&request, permit, &Always).await).await;
    let body: Value = serde_json::from_slice(&seen.body).expect("the body is JSON");
    assert_eq!(body, without_description(fixture::json("request-create-full.json")));
    assert_eq!(seen.header("content-type"), Some(VENDOR_JSON));
}

#[tokio::test(start_paused = true)]
async fn volumes_write_their_flags_as_numbers_and_leave_out_what_is_not_set() {
    let volume = |id: &str, size_gb, order, exclude_from_snapshots| Volume {
        id: id.to_owned(),
        size_gb,
        order,
        exclude_from_snapshots,
    };
    let request = CreateInstance {
        volumes: vec![
            volume("data", 40, None, Some(false)),
            volume("scratch", 10, Some(2), Some(true)),
            volume("logs", 20, None, None),
        ],
        ..smallest_creation()
    };
    let seen = sent(async |client, permit| client.create(&request, permit, &Always).await).await;
    assert_request(&seen, Method::POST, INSTANCES, Some((VENDOR_JSON, "request-create-volumes.json")));
}

#[tokio::test(start_paused = true)]
async fn a_delete_has_a_body_only_when_there_is_a_change_reference() {
    let seen = sent(async |client, permit| client.delete(VM, None, permit, &Always).await).await;
    assert_request(&seen, Method::DELETE, INSTANCE, None);
    let seen = sent(async |client, permit| client.delete(VM, Some("RFC_123"), permit, &Always).await).await;
    assert_request(&seen, Method::DELETE, INSTANCE, Some((JSON, "request-delete.json")));
}

#[tokio::test(start_paused = true)]
async fn stop_and_start_have_options_only_when_there_is_a_change_reference() {
    let seen = sent(async |client, permit| client.stop(VM, None, permit, &Always).await).await;
    assert_patch(&seen, "request-stop.json");
    let seen = sent(async |client, permit| client.stop(VM, Some("RFC_123"), permit, &Always).await).await;
    assert_patch(&seen, "request-stop-reference.json");
    let seen = sent(async |client, permit| client.start(VM, None, permit, &Always).await).await;
    assert_patch(&seen, "request-start.json");
    let seen = sent(async |client, permit| client.start(VM, Some("RFC_123"), permit, &Always).await).await;
    assert_patch(&seen, "request-start-reference.json");
}

#[tokio::test(start_paused = true)]
async fn a_reset_has_options_only_when_there_is_a_comment() {
    let seen = sent(async |client, permit| client.reset(VM, None, permit, &Always).await).await;
    assert_patch(&seen, "request-reset.json");
    let comment = Some("Reset instance because OS is freezed");
    let seen = sent(async |client, permit| client.reset(VM, comment, permit, &Always).await).await;
    assert_patch(&seen, "request-reset-comment.json");
}

#[tokio::test(start_paused = true)]
async fn a_resize_names_the_size_as_sizing() {
    let seen = sent(async |client, permit| client.resize(VM, SIZE, None, permit, &Always).await).await;
    assert_patch(&seen, "request-resize-bare.json");
    let seen =
        sent(async |client, permit| client.resize(VM, SIZE, Some("RFC_123"), permit, &Always).await).await;
    assert_patch(&seen, "request-resize-reference.json");
    let seen = sent(async |client, permit| client.resize(VM, SIZE, Some(""), permit, &Always).await).await;
    assert_patch(&seen, "request-resize.json");
}

#[tokio::test(start_paused = true)]
async fn a_monitoring_update_leaves_alerting_out_when_it_is_not_given() {
    let seen =
        sent(async |client, permit| client.update_monitoring(VM, true, Some(false), permit, &Always).await)
            .await;
    assert_patch(&seen, "request-monitoring.json");
    let seen =
        sent(async |client, permit| client.update_monitoring(VM, false, None, permit, &Always).await).await;
    assert_patch(&seen, "request-monitoring-off.json");
}

#[tokio::test(start_paused = true)]
async fn a_patching_update_says_why_it_excludes_or_which_group_it_prefers() {
    let reason = "I want to handle this App. by myself".to_owned();
    let wishes = [
        (PatchParty::Excluded { reason }, "request-patching-excluded.json"),
        (PatchParty::Included { group: Some(3) }, "request-patching-group.json"),
        (PatchParty::Included { group: None }, "request-patching-no-preference.json"),
    ];
    for (wish, payload) in wishes {
        let seen =
            sent(async |client, permit| client.update_patch_party(VM, &wish, permit, &Always).await).await;
        assert_patch(&seen, payload);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replication_update_gives_its_reason_as_deactivation_reason() {
    let wishes = [
        (true, None, "request-replication-on.json"),
        (false, None, "request-replication-off.json"),
        (false, Some("I want it ..."), "request-replication-off-reason.json"),
        // The page's own example of a deactivation says `true`; the client can say even that.
        (true, Some("I want it ..."), "request-replication-reason-as-printed.json"),
    ];
    for (state, reason, payload) in wishes {
        let call = async |client: &Client, permit: Permit| {
            client.update_storage_replication(VM, state, reason, permit, &Always).await
        };
        assert_patch(&sent(call).await, payload);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_update_gives_its_reason_as_deactivation_reason() {
    let wishes = [
        (true, None, "request-backup-on.json"),
        (false, Some("Because.."), "request-backup-off.json"),
        (false, None, "request-backup-off-bare.json"),
    ];
    for (state, reason, payload) in wishes {
        let call = async |client: &Client, permit: Permit| {
            client.update_backup(VM, state, reason, permit, &Always).await
        };
        assert_patch(&sent(call).await, payload);
    }
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_calls_are_a_post_a_bare_patch_and_a_delete_by_id() {
    let description = Some("before the upgrade [7f3c91a2b4d5e6f7]");
    let call = async |client: &Client, permit: Permit| {
        client.take_snapshot(VM, description, Some("RFC_123"), permit, &Always).await
    };
    assert_request(&sent(call).await, Method::POST, SNAPSHOTS, Some((JSON, "request-snapshot.json")));
    let seen = sent(async |client, permit| client.take_snapshot(VM, None, None, permit, &Always).await).await;
    assert_request(&seen, Method::POST, SNAPSHOTS, Some((JSON, "request-snapshot-bare.json")));
    let seen = sent(async |client, permit| client.recover_snapshot(VM, permit, &Always).await).await;
    assert_request(&seen, Method::PATCH, SNAPSHOTS, None);
    let seen =
        sent(async |client, permit| client.remove_snapshot(VM, &snapshot_id(), permit, &Always).await).await;
    let path = "/itcare/compute/instances/5220149/snapshots/5220149-snap-42";
    assert_request(&seen, Method::DELETE, path, None);
}

#[tokio::test(start_paused = true)]
async fn every_call_takes_the_vendor_type_and_any_other() {
    for change in Change::ALL {
        let seen = sent(async |client, permit| {
            drop(permit);
            change.call(client).await
        })
        .await;
        let accept = seen.header("accept").expect("it says what it takes");
        assert!(accept.contains(VENDOR_JSON) && accept.contains("*/*"), "{change:?}: {accept}");
    }
}
