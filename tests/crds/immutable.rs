//! Fields that never change, and the id that a managed instance may name.

use serde_json::{Value, json};

use crate::manifests::{full_instance, full_snapshot, instance, minimal_instance, patch, snapshot};
use crate::schema::{KINDS, walk};
use crate::server::{Keep, Project, Refusal, schema};

#[track_caller]
fn assert_names(answer: Result<Value, Refusal>, field: &str, words: &str) {
    let Err(refusal) = answer else { panic!("a change of {field} is accepted") };
    assert_eq!(refusal.fields, [field], "{}", refusal.message);
    assert!(refusal.message.contains(words), "{}", refusal.message);
}

#[tokio::test]
async fn what_identifies_an_object_never_changes() {
    let project = Project::fresh("identity").await;
    let (web, first) = (minimal_instance("web"), full_snapshot("first"));
    let bare = snapshot("bare", &json!({"instanceRef": {"name": "web"}}));
    for object in [&web, &first, &bare] {
        project.create(object, Keep::Yes).await.expect("it is valid");
    }
    for (object, field, value) in [
        (&web, "spec.name", json!("PWEB02")),
        (&web, "spec.name", json!("pweb01")),
        (&web, "spec.serviceId", json!(14)),
        (&first, "spec.instanceRef", json!({"name": "other"})),
        (&first, "spec.description", json!("after the upgrade")),
        (&first, "spec.description", json!(null)),
        (&bare, "spec.description", json!("added later")),
        (&bare, "spec.description", json!("")),
        (&first, "spec.changeReference", json!("CHG0043")),
        (&first, "spec.changeReference", json!(null)),
        (&bare, "spec.changeReference", json!("CHG0043")),
    ] {
        let answer = project.change(object, &patch(field, value), Keep::DryRun).await;
        assert_names(answer, field, "is immutable; make a new");
    }
}

#[tokio::test]
async fn everything_else_of_a_snapshot_may_change() {
    let project = Project::fresh("mutable").await;
    let first = full_snapshot("first");
    project.create(&first, Keep::Yes).await.expect("it is valid");
    for (field, value) in [
        ("spec.deletionPolicy", json!("Delete")),
        ("spec.recover", json!(null)),
        ("spec.recover", json!({"requestedAt": "2026-02-02T03:04:05Z", "notAfter": null})),
        ("spec.onSlotTaken", json!("Wait")),
        ("spec.slotTimeout", json!("2h")),
        ("spec.onMissingInstance", json!("Wait")),
        ("spec.suspend", json!(false)),
    ] {
        let answer = project.change(&first, &patch(field, value), Keep::DryRun).await;
        assert!(answer.is_ok(), "{field}: {answer:?}");
    }
}

/// Whether an instance of this spec and status may be given that id.
async fn may_name(spec: &Value, status: &Value, id: Value) -> Result<Value, Refusal> {
    let project = Project::fresh("id").await;
    let object = instance("web", spec);
    project.create(&object, Keep::Yes).await.expect("it is valid");
    project.report(&object, status, Keep::Yes).await.expect("a status is not bound by it");
    project.change(&object, &patch("spec.instanceId", id), Keep::Yes).await
}

#[tokio::test]
async fn a_managed_instance_may_only_be_given_its_own_id() {
    let made = minimal_instance("web")["spec"].clone();
    let adopted = json!({"name": "PWEB01", "serviceId": 13, "instanceId": 4711});
    let mut both = made.clone();
    both["instanceId"] = json!(4711);
    let mut observed = adopted.clone();
    observed["managementPolicy"] = json!("Observe");
    let managed = json!({"id": 4711});

    for (spec, status, id) in [
        (&made, json!({}), json!(4712)),
        (&adopted, json!({}), json!(4712)),
        (&made, managed.clone(), json!(4711)),
        (&both, managed.clone(), json!(null)),
        (&observed, managed.clone(), json!(4712)),
        // Named before the operator found another one: it stays until somebody mends it.
        (&adopted, json!({"id": 4712}), json!(4711)),
        (&adopted, json!({"id": 4712}), json!(4712)),
    ] {
        let answer = may_name(spec, &status, id.clone()).await;
        assert!(answer.is_ok(), "{spec} with {status} to {id}: {answer:?}");
    }
    for (spec, status, id) in [
        (&made, &managed, json!(4712)),
        (&adopted, &managed, json!(4712)),
        (&both, &managed, json!(4712)),
        (&adopted, &json!({"id": 4712}), json!(4713)),
    ] {
        let answer = may_name(spec, status, id).await;
        assert_names(answer, "spec.instanceId", "only be set to its own id, status.id");
    }
    let answer = may_name(&adopted, &managed, json!(null)).await;
    let refusal = answer.expect_err("without it the rest would have to be there");
    assert_eq!(refusal.fields, ["spec.region", "spec.platform", "spec.size"], "{}", refusal.message);
}

#[tokio::test]
async fn switching_to_manage_does_not_open_the_id() {
    let project = Project::fresh("id").await;
    let mut object = full_instance("web");
    object["spec"]["managementPolicy"] = json!("Observe");
    project.create(&object, Keep::Yes).await.expect("it is valid");
    project.report(&object, &json!({"id": 4711}), Keep::Yes).await.expect("it is valid");
    let manage = json!({"spec": {"managementPolicy": "Manage"}});
    project.change(&object, &manage, Keep::Yes).await.expect("it may be managed from now on");
    let answer = project.change(&object, &patch("spec.instanceId", json!(4712)), Keep::DryRun).await;
    assert_names(answer, "spec.instanceId", "only be set to its own id, status.id");
}

/// Each rule on a change is met above or in `locked`: a new one must be added to this list.
#[test]
fn the_rules_on_changes_are_known() {
    let mut found = Vec::new();
    for kind in KINDS {
        walk(&schema(kind), "", &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let message = rule["message"].as_str().expect("each rule says what is wrong");
                assert!(rule.get("messageExpression").is_none(), "{message}: its cost cannot be bounded");
                let is_on_changes = rule["rule"].as_str().is_some_and(|text| text.contains("oldSelf"));
                if is_on_changes && !message.contains("is locked once") {
                    found.push(format!("{kind} {path}{}", rule["fieldPath"].as_str().unwrap_or_default()));
                }
            }
        });
    }
    found.sort();
    assert_eq!(
        found,
        [
            "ITCareInstance .spec.instanceId",
            "ITCareInstance spec.name",
            "ITCareInstance spec.serviceId",
            "ITCareSnapshot spec.changeReference",
            "ITCareSnapshot spec.description",
            "ITCareSnapshot spec.instanceRef",
        ]
    );
}
