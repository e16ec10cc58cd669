//! What the simulator refuses: 400 and 422 with the API's error object, everything else empty, and nothing
//! of it with an effect.

use std::collections::BTreeSet;

use itcare_sim::{Accounts, Config, NameTaken, Profile, Sim};
use serde_json::{Value, json};

use crate::cloud::{Caller, Raw, send, vm};
use crate::fixture;
use crate::shape::shape;

const INSTANCES: &str = "/compute/instances";
const INSTANCE: &str = "/compute/instances/5220149";
const SNAPSHOTS: &str = "/compute/instances/5220149/snapshots";

async fn caller() -> Caller {
    let sim = Sim::new(Config::explicit());
    sim.seed(vm());
    Caller::new(sim).await
}

/// 400 or 422 with all four fields of the error object, about this field.
fn assert_object(raw: &Raw, status: u16, about: &str) {
    assert_eq!(raw.status, status, "{about}: {raw:?}");
    let object = raw.json();
    assert_eq!(shape(&object), shape(&fixture::json("reply-error.json")), "{about}: {object}");
    let word = if status == 400 { "BAD_REQUEST" } else { "UNPROCESSABLE_ENTITY" };
    assert_eq!((&object["status"], &object["errorDesc"]), (&word.into(), &about.into()), "{object}");
    assert!(
        object["errorMessage"].as_str().is_some_and(|message| message.contains(about) || about == "status")
    );
}

fn assert_empty(raw: &Raw, status: u16) {
    assert_eq!((raw.status, raw.body.len()), (status, 0), "{raw:?}");
}

/// A payload with one field changed; null takes it out.
fn changed(payload: &str, pointer: &str, value: Value) -> String {
    let mut body = fixture::json(payload);
    let (parent, field) = pointer.rsplit_once('/').expect("it is a pointer");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("it is an object");
    if value.is_null() {
        parent.remove(field);
    } else {
        parent.insert(field.to_owned(), value);
    }
    body.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_creation_with_a_bad_field_gets_the_error_object() {
    let caller = caller().await;
    let rows = [
        ("name", Value::Null),
        ("name", json!("")),
        ("name", json!("not a name")),
        ("name", json!("A".repeat(64))),
        ("name", json!(7)),
        ("region", Value::Null),
        ("region", json!("XX")),
        ("platform", Value::Null),
        ("platform", json!("plan9")),
        ("resourceId", Value::Null),
        ("resourceId", json!("huge")),
        ("resourceId", json!("0cpu2gb")),
        ("serviceId", Value::Null),
        ("serviceId", json!("13")),
        ("serviceId", json!(99)),
        ("area", json!("XX-STD")),
        ("availabilityZone", json!("XX-A")),
        ("regulation", json!("NONE")),
        ("backupEnabled", json!("yes")),
        ("monitoringEnabled", json!(1)),
        ("networkId", json!("1125")),
    ];
    for (field, value) in rows {
        let body = changed("request-create-minimal.json", &format!("/{field}"), value.clone());
        assert_object(&caller.change_with("POST", INSTANCES, body).await, 400, field);
    }
    let reasons = [
        ("backupEnabled", "noBackupProdReason"),
        ("monitoringEnabled", "noMonitoringProdReason"),
        ("replicationEnabled", "noReplicationProdReason"),
    ];
    for (switch, reason) in reasons {
        let body = changed("request-create-minimal.json", &format!("/{switch}"), json!(false));
        assert_object(&caller.change_with("POST", INSTANCES, body).await, 422, reason);
    }
    assert_eq!(caller.sim.actions(), []);
}

/// A simulator that overlooks a wrong type lets a wrong client pass.
#[tokio::test(start_paused = true)]
async fn every_field_of_a_creation_has_the_pages_type_or_is_refused() {
    let caller = caller().await;
    let full = fixture::json("request-create-full.json");
    let mut overlooked = Vec::new();
    for (field, value) in full.as_object().expect("it is an object") {
        let other = if value.is_string() { json!(7) } else { json!("seven") };
        let mut body = full.clone();
        body["name"] = "PEB4MYAPP99".into();
        body[field] = other;
        let raw = caller.change_with("POST", INSTANCES, body.to_string()).await;
        if raw.status == 202 {
            overlooked.push(field.as_str());
            caller.sim.drain();
            caller.sim.instances().iter().filter(|instance| instance.id != 5_220_149).for_each(|instance| {
                caller.sim.edit(instance.id, |instance| instance.live = false);
            });
        } else {
            assert_object(&raw, 400, field);
        }
    }
    assert_eq!(overlooked, Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_refused_as_was_chosen() {
    let body = changed("request-create-minimal.json", "/name", json!("peb4myapp01"));
    for (taken, status) in
        [(NameTaken::Conflict, 409), (NameTaken::BadRequest, 400), (NameTaken::Unprocessable, 422)]
    {
        let caller = caller().await;
        caller.sim.quirks(|quirks| quirks.name_taken = taken);
        let raw = caller.change_with("POST", INSTANCES, body.clone()).await;
        if status == 409 {
            assert_empty(&raw, 409)
        } else {
            assert_object(&raw, status, "name")
        }
        assert_eq!(caller.sim.actions(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_with_a_bad_option_gets_the_error_object() {
    let caller = caller().await;
    let rows = [
        (json!({"operation": "explode"}), "operation"),
        (json!({}), "operation"),
        (json!({"operation": 7}), "operation"),
        (json!({"operation": "stop", "options": {"changeReference": "RFC_1234567"}}), "changeReference"),
        (json!({"operation": "stop", "options": {"changeReference": 7}}), "changeReference"),
        (json!({"operation": "reset", "options": {"comment": 7}}), "comment"),
        (json!({"operation": "resize"}), "sizing"),
        (json!({"operation": "resize", "options": {"sizing": "huge"}}), "sizing"),
        (json!({"operation": "resize", "options": {"resourceId": "2cpu4gb"}}), "sizing"),
        (json!({"operation": "update_monitoring", "options": {}}), "state"),
        (json!({"operation": "update_monitoring", "options": {"state": "on"}}), "state"),
        (json!({"operation": "update_patch_party", "options": {}}), "patchParty"),
        (json!({"operation": "update_patch_party", "options": {"patchParty": {}}}), "excluded"),
        (
            json!({"operation": "update_patch_party", "options": {"patchParty": {"excluded": true}}}),
            "exclusionReason",
        ),
        (
            json!({"operation": "update_patch_party", "options": {"patchParty": {"excluded": false, "patchGroup": 4}}}),
            "patchGroup",
        ),
        (json!({"operation": "update_storage_replication", "options": {}}), "state"),
        (json!({"operation": "update_backup", "options": {"state": 1}}), "state"),
    ];
    for (body, about) in rows {
        assert_object(&caller.change_with("PATCH", INSTANCE, body.to_string()).await, 400, about);
    }
    assert_object(&caller.change_with("PATCH", INSTANCE, "not JSON").await, 400, "operation");
    for payload in
        ["request-replication-off.json", "request-backup-off-bare.json", "request-monitoring-off.json"]
    {
        let raw = caller.change_with("PATCH", INSTANCE, fixture::bytes(payload)).await;
        assert_object(&raw, 422, "deactivationReason");
    }
    assert_eq!(caller.sim.actions(), []);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_does_not_allow_it_gets_the_error_object() {
    let caller = caller().await;
    let rows = [
        ("ACTIVE", vec!["request-start.json"]),
        ("INACTIVE", vec!["request-stop.json", "request-reset.json"]),
        (
            "MIGRATING",
            vec!["request-start.json", "request-stop.json", "request-reset.json", "request-resize.json"],
        ),
    ];
    for (state, payloads) in rows {
        caller.sim.edit(5_220_149, |instance| instance.status = state.to_owned());
        for payload in payloads {
            assert_object(
                &caller.change_with("PATCH", INSTANCE, fixture::bytes(payload)).await,
                400,
                "status",
            );
        }
        if state != "INACTIVE" {
            assert_object(&caller.change("DELETE", INSTANCE).await, 400, "status");
        }
    }
    assert_eq!(caller.sim.actions(), []);
}

#[tokio::test(start_paused = true)]
async fn limits_of_text_are_kept() {
    let caller = caller().await;
    let body = json!({"description": "é".repeat(100), "changeReference": "é".repeat(10)}).to_string();
    assert_eq!(caller.change_with("POST", SNAPSHOTS, body).await.status, 202);
    caller.sim.drain();
    let body = json!({"description": "é".repeat(101)}).to_string();
    assert_object(&caller.change_with("POST", SNAPSHOTS, body).await, 400, "description");
    let body = json!({"changeReference": "é".repeat(11)}).to_string();
    assert_object(&caller.change_with("POST", SNAPSHOTS, body.clone()).await, 400, "changeReference");
    caller.sim.edit(5_220_149, |instance| instance.status = "INACTIVE".to_owned());
    assert_object(&caller.change_with("DELETE", INSTANCE, body).await, 400, "changeReference");
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_or_id_gets_the_error_object() {
    let caller = caller().await;
    let rows = [
        ("/compute/instances?services=many", "services"),
        ("/compute/instances?monitoringStatus=maybe", "monitoringStatus"),
        ("/compute/instances?includedInPatchParty=1", "includedInPatchParty"),
        ("/compute/instances?clouds=mine", "clouds"),
        ("/compute/instances?page=-1", "page"),
        ("/compute/instances?size=all", "size"),
        ("/compute/instances?sort=colour", "sort"),
        ("/compute/instances?sort=id,sideways", "sort"),
        ("/actions?resourceId=PEB4MYAPP01", "resourceId"),
        ("/actions?serviceId=mine", "serviceId"),
        ("/compute/instances/PEB4MYAPP01", "id"),
        ("/actions/last", "id"),
    ];
    for (path, about) in rows {
        assert_object(&caller.get(path).await, 400, about);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_or_busy_or_not_allowed_is_refused_without_words() {
    let caller = caller().await;
    for path in [
        "/compute/instances/7",
        "/compute/instances/7/storage",
        "/compute/instances/7/networks",
        "/compute/instances/7/snapshots",
        "/actions/7",
        "/nothing",
    ] {
        assert_empty(&caller.get(path).await, 404);
    }
    assert_empty(&caller.change("PATCH", SNAPSHOTS).await, 404);
    assert_empty(&caller.change("DELETE", &format!("{SNAPSHOTS}/5220149-snap-9")).await, 404);
    assert_empty(&caller.change("PUT", INSTANCE).await, 405);
    caller.sim.seed_snapshot(5_220_149, "before", "somebody");
    assert_empty(&caller.change_with("POST", SNAPSHOTS, "{}").await, 409);
    caller.sim.start_foreign_action(5_220_149, "vm_backup", "jdoe");
    assert_empty(&caller.change_with("PATCH", INSTANCE, fixture::bytes("request-stop.json")).await, 409);
    assert_empty(&caller.change("PATCH", SNAPSHOTS).await, 409);
    assert_eq!(caller.sim.actions().len(), 1);
    assert_empty(&send(&caller.sim, "Bearer wrong", "GET", "/itcare/actions", None).await, 401);
    assert_empty(&send(&caller.sim, "", "GET", "/itcare/actions", None).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_profile_allows_what_the_privilege_matrix_says() {
    let profile = |caller: &Caller, profile| {
        caller.sim.accounts(|accounts: &mut Accounts| accounts.list[0].profile = profile);
    };
    let caller = caller().await;
    caller.sim.seed_snapshot(5_220_149, "before", "somebody");
    profile(&caller, Profile::Operator);
    let create = || fixture::bytes("request-create-minimal.json");
    assert_empty(&caller.change_with("POST", INSTANCES, create()).await, 403);
    assert_empty(&caller.change("DELETE", INSTANCE).await, 403);
    assert_empty(&caller.change("PATCH", SNAPSHOTS).await, 403);
    assert_eq!(caller.change_with("PATCH", INSTANCE, fixture::bytes("request-stop.json")).await.status, 202);
    caller.sim.drain();
    profile(&caller, Profile::Standard);
    assert_empty(&caller.change_with("PATCH", INSTANCE, fixture::bytes("request-start.json")).await, 403);
    assert_eq!(caller.get(INSTANCE).await.status, 200);
    profile(&caller, Profile::Power);
    caller.sim.accounts(|accounts| accounts.list[0].services = Some(BTreeSet::from([14])));
    assert_empty(&caller.get(INSTANCE).await, 404);
    assert_empty(&caller.change_with("POST", INSTANCES, create()).await, 403);
    caller.sim.quirks(|quirks| quirks.invisible_is_forbidden = true);
    assert_empty(&caller.get(INSTANCE).await, 403);
}

#[tokio::test(start_paused = true)]
async fn bad_credentials_get_the_error_of_a_token_server() {
    let sim = Sim::new(Config::explicit());
    let path = "/auth/realms/cloud/protocol/openid-connect/token";
    let form = || Some(("application/x-www-form-urlencoded", fixture::bytes("request-token.txt")));
    for authorization in ["", "Basic bm9ib2R5OnNlY3JldA==", "Basic %", "Bearer secret"] {
        let raw = send(&sim, authorization, "POST", path, form()).await;
        assert_eq!((raw.status, raw.json()), (401, fixture::json("odd-token-refused.json")));
    }
}
