//! Objects that users may write, and how the types of the code read them.

use itcare_operator::crd::{ITCareInstanceSpec, ITCareSnapshotSpec};
use serde_json::{Value, json};

use crate::manifests::{
    full_instance, full_snapshot, instance, letters, minimal_instance, patch, put, snapshot,
};
use crate::schema::walk;
use crate::server::{Keep, Project, schema};

/// Valid objects, each with what it is.
fn accepted() -> Vec<(&'static str, Value)> {
    let with = |field: &str, value: Value| {
        let mut object = full_instance("web");
        put(&mut object, field, Some(value));
        object
    };
    let identity = |more: Value| {
        let mut spec = json!({"name": "PWEB01", "serviceId": 13});
        spec.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        instance("web", &spec)
    };
    vec![
        ("every field of an instance", full_instance("web")),
        ("the least of an instance", minimal_instance("web")),
        ("an id only", identity(json!({"instanceId": 4711}))),
        ("an observed id", identity(json!({"instanceId": 4711, "managementPolicy": "Observe"}))),
        ("an id with a size", identity(json!({"instanceId": 4711, "size": "2cpu4gb"}))),
        ("empty lists", with("spec.volumes", json!([]))),
        ("a name of one letter", with("spec.name", json!("a"))),
        ("the longest name", with("spec.name", letters(63))),
        ("a name with dashes and digits", with("spec.name", json!("1-web--01"))),
        ("the largest service", with("spec.serviceId", json!(i64::MAX))),
        ("the smallest size", with("spec.size", json!("1cpu1gb"))),
        ("the largest size", with("spec.size", json!("9999cpu99999gb"))),
        ("the largest disk", with("spec.volumes", json!([{"id": "data", "sizeGb": 65536, "order": 255}]))),
        ("an empty property", with("spec.properties", json!([{"key": "k", "value": ""}]))),
        ("the longest reference", with("spec.changeReference", letters(10))),
        ("a reference in other letters", with("spec.changeReference", json!("ÄÖÜäöüßéèà"))),
        ("a patched VM without a reason", with("spec.patching", json!({"excluded": false}))),
        ("the last patch group", with("spec.patching", json!({"excluded": false, "group": 3}))),
        ("a reset without an end", with("spec.reset", json!({"requestedAt": "2026-01-02T03:04:05Z"}))),
        (
            "a reset in another zone and with fractions",
            with(
                "spec.reset",
                json!({"requestedAt": "2026-01-02T03:04:05.5+02:00", "notAfter": "2026-01-02T01:04:06Z"}),
            ),
        ),
        ("every field of a snapshot", full_snapshot("first")),
        ("the least of a snapshot", snapshot("first", &json!({"instanceRef": {"name": "web"}}))),
        (
            "the longest description",
            snapshot("first", &json!({"instanceRef": {"name": "web"}, "description": letters(80)})),
        ),
        ("a short wait", snapshot("first", &json!({"instanceRef": {"name": "web"}, "slotTimeout": "500ms"}))),
    ]
}

#[tokio::test]
async fn what_users_may_write_is_accepted_and_read_by_the_code() {
    let project = Project::fresh("accepted").await;
    for (what, object) in accepted() {
        let stored = match project.create(&object, Keep::DryRun).await {
            Ok(stored) => stored,
            Err(refusal) => panic!("{what}: {}", refusal.message),
        };
        let spec = stored["spec"].clone();
        let read = if object["kind"] == "ITCareInstance" {
            serde_json::from_value::<ITCareInstanceSpec>(spec).map(drop)
        } else {
            serde_json::from_value::<ITCareSnapshotSpec>(spec).map(drop)
        };
        assert!(read.is_ok(), "{what}: {read:?}");
    }
}

#[tokio::test]
async fn what_is_left_out_gets_its_documented_default_and_nothing_more() {
    let project = Project::fresh("defaults").await;
    let object = minimal_instance("web");
    let stored = project.create(&object, Keep::DryRun).await.expect("it is valid");
    let mut expected = object["spec"].clone();
    for (field, value) in [
        ("resizePolicy", json!("InPlace")),
        ("adoptionPolicy", json!("Never")),
        ("managementPolicy", json!("Manage")),
        ("driftPolicy", json!("Correct")),
        ("suspend", json!(false)),
    ] {
        expected[field] = value;
    }
    assert_eq!(stored["spec"], expected);

    let object = snapshot("first", &json!({"instanceRef": {"name": "web"}}));
    let stored = project.create(&object, Keep::DryRun).await.expect("it is valid");
    let expected = json!({
        "instanceRef": {"name": "web"},
        "deletionPolicy": "Delete",
        "onSlotTaken": "Wait",
        "slotTimeout": "1h",
        "onMissingInstance": "Wait",
        "suspend": false,
    });
    assert_eq!(stored["spec"], expected);
}

#[tokio::test]
async fn before_the_vm_exists_a_wrong_detail_can_be_corrected() {
    let project = Project::fresh("correct").await;
    let object = minimal_instance("web");
    project.create(&object, Keep::Yes).await.expect("it is valid");
    for field in ["spec.region", "spec.platform", "spec.area", "spec.storagePool"] {
        let answer = project.change(&object, &patch(field, json!("other")), Keep::Yes).await;
        assert!(answer.is_ok(), "{field}: {answer:?}");
    }
}

/// The tables change the full objects, so these must hold every field of the schema.
#[test]
fn the_full_objects_hold_every_field_and_the_code_loses_none() {
    for object in [full_instance("web"), full_snapshot("first")] {
        let kind = object["kind"].as_str().expect("it has a kind");
        walk(&schema(kind)["properties"]["spec"], "spec", &mut |path, _| {
            let pointer = format!("/{}", path.replace("[]", "/0").replace('.', "/"));
            assert!(object.pointer(&pointer).is_some(), "{kind} {path} is not set");
        });
    }
    let spec = full_instance("web")["spec"].clone();
    let read: ITCareInstanceSpec = serde_json::from_value(spec.clone()).expect("the code knows each field");
    assert_eq!(serde_json::to_value(read).expect("it can be written"), spec);
    let spec = full_snapshot("first")["spec"].clone();
    let read: ITCareSnapshotSpec = serde_json::from_value(spec.clone()).expect("the code knows each field");
    assert_eq!(serde_json::to_value(read).expect("it can be written"), spec);
}
