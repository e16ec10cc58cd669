//! Creation details are locked once a VM exists or its creation runs, and free before.

use itcare_operator::crd::rules::LOCKED;
use serde_json::{Value, json};

use crate::manifests::{full_instance, instance, patch};
use crate::server::{Keep, Project};

/// The instance's states, as the operator reports them, and whether they lock.
fn states() -> [(&'static str, Value, bool); 5] {
    let operation = |kind: &str| json!({"operation": {"kind": kind, "submittedAt": "2026-01-02T03:04:05Z"}});
    [
        ("never-seen", json!({}), false),
        ("looked-at", json!({"observedGeneration": 1, "state": "nothing yet"}), false),
        ("other-operation", operation("UpdateBackup"), false),
        ("being-created", operation("Create"), true),
        ("existing", json!({"id": 4711}), true),
    ]
}

/// Another valid value of a locked field.
fn other_value(field: &str) -> Value {
    match field {
        "spec.region" => json!("ET"),
        "spec.platform" => json!("deb11"),
        "spec.area" => json!("EB-HDS"),
        "spec.availabilityZone" => json!("EB-B"),
        "spec.regulation" => json!("HDS"),
        "spec.networkId" | "spec.cloudId" => json!(7),
        "spec.authenticationDomainId" | "spec.productCode" | "spec.storagePool" => json!("other"),
        "spec.specificRequest" => json!("none"),
        "spec.volumes" => json!([{"id": "data", "sizeGb": 20}]),
        "spec.properties" => json!([{"key": "colour", "value": "red"}]),
        "spec.monitoring.onCall" => json!(true),
        "spec.monitoring.disabledReason" => json!("loud"),
        "spec.backup.offSite" => json!(false),
        "spec.backup.serverPolicyId" | "spec.backup.databasePolicyId" => json!("weekly"),
        other => panic!("give the locked field {other} another value here"),
    }
}

fn locked_fields() -> impl Iterator<Item = String> {
    LOCKED.iter().map(|(parent, field)| match parent {
        None => format!("spec.{field}"),
        Some(parent) => format!("spec.{parent}.{field}"),
    })
}

/// The same instance with no locked field.
fn sparse_instance(name: &str) -> Value {
    let spec = json!({
        "name": "PWEB01",
        "serviceId": 13,
        "instanceId": 4711,
        "monitoring": {"enabled": true},
        "backup": {"enabled": true},
    });
    instance(name, &spec)
}

async fn in_state(project: &Project, object: &Value, status: &Value) {
    project.create(object, Keep::Yes).await.expect("it is valid");
    project.report(object, status, Keep::Yes).await.expect("the operator may report");
}

/// What the server answers to each change of a locked field, by object, state and kind of change.
#[tokio::test]
async fn locked_fields_change_before_and_not_after() {
    let project = Project::fresh("locked").await;
    let (mut failures, mut refused, mut accepted) = (Vec::new(), 0, 0);
    for (state, status, locks) in states() {
        let (full, sparse) =
            (full_instance(&format!("full-{state}")), sparse_instance(&format!("sparse-{state}")));
        in_state(&project, &full, &status).await;
        in_state(&project, &sparse, &status).await;
        for field in locked_fields() {
            // A field of a group may be left out with its group, which is then left alone; to give it
            // another value needs another object.
            let of_a_group = field.matches('.').count() > 1;
            for (change, object, value, is_locked) in [
                ("changed", &full, other_value(&field), locks),
                ("removed", &full, Value::Null, locks && !of_a_group),
                ("added", &sparse, other_value(&field), locks),
            ] {
                let answer = project.change(object, &patch(&field, value), Keep::DryRun).await;
                let at = match field.rsplit_once('.') {
                    Some((parent, _)) if of_a_group => parent.to_owned(),
                    _ => field.clone(),
                };
                match (answer, is_locked) {
                    (Ok(_), false) => accepted += 1,
                    (Err(refusal), true)
                        if refusal.fields == [at]
                            && refusal.message.contains(&format!("{field} is locked once")) =>
                    {
                        refused += 1;
                    }
                    (answer, _) => failures.push(format!("{state}: {field} {change}: {answer:?}")),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let (groups, all) = (LOCKED.iter().filter(|(parent, _)| parent.is_some()).count(), LOCKED.len());
    assert_eq!(refused, 2 * (3 * all - groups));
    assert_eq!(accepted, 3 * 3 * all + 2 * groups);
}

#[tokio::test]
async fn what_is_not_locked_still_changes_afterwards() {
    let project = Project::fresh("locked").await;
    let object = full_instance("web");
    in_state(&project, &object, &json!({"id": 4711})).await;
    for (field, value) in [
        ("spec.size", json!("4cpu8gb")),
        ("spec.size", Value::Null),
        ("spec.resizePolicy", json!("InPlace")),
        ("spec.powerState", json!("Stopped")),
        ("spec.powerState", Value::Null),
        ("spec.monitoring", Value::Null),
        ("spec.monitoring.enabled", json!(true)),
        ("spec.monitoring.alerting", json!(true)),
        ("spec.patching", Value::Null),
        ("spec.patching.group", json!(3)),
        ("spec.replication.enabled", json!(true)),
        ("spec.replication.disabledReason", json!("other")),
        ("spec.backup", Value::Null),
        ("spec.backup.enabled", json!(true)),
        ("spec.backup.disabledReason", json!("other")),
        ("spec.changeReference", json!("CHG0043")),
        ("spec.reset.requestedAt", json!("2026-01-02T03:30:00Z")),
        ("spec.reset", Value::Null),
        ("spec.adoptionPolicy", json!("Never")),
        ("spec.managementPolicy", json!("Observe")),
        ("spec.driftPolicy", json!("Correct")),
        ("spec.deletionPolicy", Value::Null),
        ("spec.suspend", json!(false)),
    ] {
        let answer = project.change(&object, &patch(field, value), Keep::DryRun).await;
        assert!(answer.is_ok(), "{field}: {answer:?}");
    }
}

#[tokio::test]
async fn the_order_of_a_keyed_list_is_no_change() {
    let project = Project::fresh("locked").await;
    let (data, logs) = (json!({"id": "data", "sizeGb": 10}), json!({"id": "logs", "sizeGb": 20}));
    let mut object = full_instance("web");
    object["spec"]["volumes"] = json!([data, logs]);
    in_state(&project, &object, &json!({"id": 4711})).await;
    let turned = patch("spec.volumes", json!([logs, data]));
    project.change(&object, &turned, Keep::DryRun).await.expect("the same disks");
    let fewer = patch("spec.volumes", json!([data]));
    project.change(&object, &fewer, Keep::DryRun).await.expect_err("a disk is gone");
}

#[tokio::test]
async fn a_group_that_was_left_out_does_not_come_back_with_other_creation_details() {
    let project = Project::fresh("locked").await;
    let object = full_instance("web");
    in_state(&project, &object, &json!({"id": 4711})).await;
    project.change(&object, &patch("spec.backup", Value::Null), Keep::Yes).await.expect("it is left alone");
    let plain = patch("spec.backup", json!({"enabled": true}));
    project.change(&object, &plain, Keep::DryRun).await.expect("it is managed again");
    let details = patch("spec.backup", json!({"enabled": true, "serverPolicyId": "weekly"}));
    let refusal = project.change(&object, &details, Keep::DryRun).await.expect_err("the VM has its policy");
    assert_eq!(refusal.fields, ["spec.backup"], "{}", refusal.message);
}

#[tokio::test]
async fn the_operator_reports_freely_and_a_wiped_status_unlocks() {
    let project = Project::fresh("locked").await;
    let object = full_instance("web");
    in_state(&project, &object, &json!({"id": 4711})).await;
    let change = patch("spec.platform", json!("rhel9"));
    project.change(&object, &change, Keep::DryRun).await.expect_err("it is locked");
    project
        .replace_status(&object, &json!({"id": 4712, "state": "ACTIVE"}))
        .await
        .expect("a status may change");
    project.change(&object, &change, Keep::DryRun).await.expect_err("it is still locked");
    project.replace_status(&object, &json!({})).await.expect("a status may be lost");
    project.change(&object, &change, Keep::DryRun).await.expect("then only the core protects it");
}
