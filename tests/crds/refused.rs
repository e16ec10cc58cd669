//! Every rule of both specs, broken once: the server refuses and names the field.
//!
//! A schema error hides the rules written in CEL, so each case breaks one thing only. The last tests
//! hold the tables against the schemas: a bound without a case fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::manifests::{full_instance, full_snapshot, letters, put};
use crate::schema::walk;
use crate::server::{Keep, Project, schema};

/// A change of a full object that one rule forbids: the rule, the field, its new value (or none).
type Case = (&'static str, &'static str, Option<Value>);

/// What the server says when that rule is broken.
fn words(rule: &str) -> &str {
    match rule {
        "required" => "Required value",
        "minLength" => "should be at least",
        "maxLength" => "Too long: may not be more than",
        "minimum" => "should be greater than or equal to",
        "maximum" => "should be less than or equal to",
        "pattern" => "should match",
        "enum" => "Unsupported value",
        "maxItems" => "must have at most",
        "keys" => "Duplicate value",
        "date-time" => "must be of type date-time",
        "needed unless instanceId" => "is required unless spec.instanceId is set",
        "needed when excluded" => "is required when excluded is true",
        "later" => "must be later than requestedAt",
        other => panic!("no words for {other}"),
    }
}

fn volumes(count: usize) -> Value {
    (0..count).map(|number| json!({"id": format!("disk{number}"), "sizeGb": 1})).collect()
}

fn properties(count: usize) -> Value {
    (0..count).map(|number| json!({"key": format!("key{number}"), "value": ""})).collect()
}

fn instance_cases() -> Vec<Case> {
    let same_disk = json!([{"id": "data", "sizeGb": 1}, {"id": "data", "sizeGb": 2}]);
    let same_key = json!([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]);
    let set = |rule, field, value: Value| (rule, field, Some(value));
    let gone = |rule, field| (rule, field, None);
    let mut cases = vec![
        gone("required", "spec.name"),
        set("minLength", "spec.name", json!("")),
        set("maxLength", "spec.name", letters(64)),
        set("pattern", "spec.name", json!("-web")),
        set("pattern", "spec.name", json!("web-")),
        set("pattern", "spec.name", json!("web_1")),
        set("pattern", "spec.name", json!("web.example.org")),
        gone("required", "spec.serviceId"),
        set("minimum", "spec.serviceId", json!(0)),
        set("minimum", "spec.serviceId", json!(-13)),
        set("enum", "spec.regulation", json!("hds")),
        set("enum", "spec.regulation", json!("")),
        set("minimum", "spec.networkId", json!(0)),
        set("minimum", "spec.cloudId", json!(0)),
        set("minLength", "spec.specificRequest", json!("")),
        set("maxLength", "spec.specificRequest", letters(1025)),
        set("maxItems", "spec.volumes", volumes(33)),
        set("keys", "spec.volumes", same_disk),
        gone("required", "spec.volumes[0].id"),
        set("minLength", "spec.volumes[0].id", json!("")),
        set("maxLength", "spec.volumes[0].id", letters(64)),
        gone("required", "spec.volumes[0].sizeGb"),
        set("minimum", "spec.volumes[0].sizeGb", json!(0)),
        set("maximum", "spec.volumes[0].sizeGb", json!(65537)),
        set("minimum", "spec.volumes[0].order", json!(-1)),
        set("maximum", "spec.volumes[0].order", json!(256)),
        set("maxItems", "spec.properties", properties(65)),
        set("keys", "spec.properties", same_key),
        gone("required", "spec.properties[0].key"),
        set("minLength", "spec.properties[0].key", json!("")),
        set("maxLength", "spec.properties[0].key", letters(129)),
        gone("required", "spec.properties[0].value"),
        set("maxLength", "spec.properties[0].value", letters(1025)),
        set("maxLength", "spec.size", json!("10cpu10gb10cpu10gb")),
        set("pattern", "spec.size", json!("")),
        set("pattern", "spec.size", json!("2CPU4GB")),
        set("pattern", "spec.size", json!("2cpu")),
        set("pattern", "spec.size", json!("4gb2cpu")),
        set("pattern", "spec.size", json!("0cpu4gb")),
        set("pattern", "spec.size", json!("2cpu04gb")),
        set("pattern", "spec.size", json!("2cpu4gb ")),
        set("pattern", "spec.size", json!("2.5cpu4gb")),
        set("enum", "spec.resizePolicy", json!("Never")),
        set("enum", "spec.powerState", json!("Paused")),
        set("enum", "spec.powerState", json!("running")),
        gone("required", "spec.monitoring.enabled"),
        set("minLength", "spec.monitoring.disabledReason", json!("")),
        set("maxLength", "spec.monitoring.disabledReason", letters(256)),
        gone("required", "spec.patching.excluded"),
        set("minLength", "spec.patching.exclusionReason", json!("")),
        set("maxLength", "spec.patching.exclusionReason", letters(256)),
        gone("needed when excluded", "spec.patching.exclusionReason"),
        set("minimum", "spec.patching.group", json!(0)),
        set("maximum", "spec.patching.group", json!(4)),
        gone("required", "spec.replication.enabled"),
        set("minLength", "spec.replication.disabledReason", json!("")),
        set("maxLength", "spec.replication.disabledReason", letters(256)),
        gone("required", "spec.backup.enabled"),
        set("minLength", "spec.backup.disabledReason", json!("")),
        set("maxLength", "spec.backup.disabledReason", letters(256)),
        set("maxLength", "spec.changeReference", letters(11)),
        gone("required", "spec.reset.requestedAt"),
        set("date-time", "spec.reset.requestedAt", json!("now")),
        set("date-time", "spec.reset.requestedAt", json!("2026-01-02")),
        set("maxLength", "spec.reset.comment", letters(256)),
        set("date-time", "spec.reset.notAfter", json!("1h")),
        set("later", "spec.reset.notAfter", json!("2026-01-02T03:04:05Z")),
        set("later", "spec.reset.notAfter", json!("2025-12-31T00:00:00Z")),
        set("later", "spec.reset.notAfter", json!("2026-01-02T04:04:05+02:00")),
        set("minimum", "spec.instanceId", json!(0)),
        set("enum", "spec.adoptionPolicy", json!("Always")),
        set("enum", "spec.managementPolicy", json!("Paused")),
        set("enum", "spec.driftPolicy", json!("Ignore")),
        set("enum", "spec.deletionPolicy", json!("Orphan")),
    ];
    for field in [
        "spec.region",
        "spec.platform",
        "spec.area",
        "spec.availabilityZone",
        "spec.authenticationDomainId",
        "spec.productCode",
        "spec.storagePool",
        "spec.backup.serverPolicyId",
        "spec.backup.databasePolicyId",
    ] {
        cases.push(set("minLength", field, json!("")));
        cases.push(set("maxLength", field, letters(64)));
    }
    cases
}

fn snapshot_cases() -> Vec<Case> {
    let set = |rule, field, value: Value| (rule, field, Some(value));
    let gone = |rule, field| (rule, field, None);
    vec![
        gone("required", "spec.instanceRef"),
        gone("required", "spec.instanceRef.name"),
        set("minLength", "spec.instanceRef.name", json!("")),
        set("maxLength", "spec.instanceRef.name", letters(254)),
        set("maxLength", "spec.description", letters(81)),
        set("maxLength", "spec.changeReference", letters(11)),
        set("enum", "spec.deletionPolicy", json!("Keep")),
        gone("required", "spec.recover.requestedAt"),
        set("date-time", "spec.recover.requestedAt", json!("now")),
        set("date-time", "spec.recover.notAfter", json!("1h")),
        set("later", "spec.recover.notAfter", json!("2026-01-02T03:04:05Z")),
        set("enum", "spec.onSlotTaken", json!("Replace")),
        set("maxLength", "spec.slotTimeout", json!("00000000000000001h")),
        set("pattern", "spec.slotTimeout", json!("")),
        set("pattern", "spec.slotTimeout", json!("60")),
        set("pattern", "spec.slotTimeout", json!("1d")),
        set("pattern", "spec.slotTimeout", json!("1h30m")),
        set("pattern", "spec.slotTimeout", json!("-1h")),
        set("enum", "spec.onMissingInstance", json!("Fail")),
    ]
}

/// The rules of a creation that only bite without `instanceId`.
const WITHOUT_ID: [Case; 3] = [
    ("needed unless instanceId", "spec.region", None),
    ("needed unless instanceId", "spec.platform", None),
    ("needed unless instanceId", "spec.size", None),
];

async fn assert_refused(base: &Value, cases: impl IntoIterator<Item = Case>) {
    let project = Project::fresh("refused").await;
    project.create(base, Keep::DryRun).await.expect("the base itself is valid");
    let mut failures = Vec::new();
    for (rule, field, value) in cases {
        let mut object = base.clone();
        put(&mut object, field, value.clone());
        let case = format!("{field} {rule} {}", value.unwrap_or_default());
        match project.create(&object, Keep::DryRun).await {
            Ok(_) => failures.push(format!("{case}: accepted")),
            Err(refusal) => {
                let is_ours = |found: &String| found.starts_with(field);
                let named = !refusal.fields.is_empty() && refusal.fields.iter().all(is_ours);
                let says_so = refusal.message.contains(field) && refusal.message.contains(words(rule));
                if !named || !says_so {
                    failures.push(format!("{case}: refused for {:?}: {}", refusal.fields, refusal.message));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn an_instance_that_breaks_a_rule_is_refused_by_its_field() {
    assert_refused(&full_instance("web"), instance_cases()).await;
}

#[tokio::test]
async fn an_instance_without_an_id_needs_what_a_creation_needs() {
    let mut base = full_instance("web");
    put(&mut base, "spec.instanceId", None);
    assert_refused(&base, WITHOUT_ID).await;
}

#[tokio::test]
async fn a_snapshot_that_breaks_a_rule_is_refused_by_its_field() {
    assert_refused(&full_snapshot("first"), snapshot_cases()).await;
}

/// Something of another type than the schema asks for.
pub fn of_another_type(node: &Value) -> Value {
    match node["type"].as_str() {
        Some("string") => json!(7),
        Some("integer" | "boolean" | "array" | "object") => json!("seven"),
        other => panic!("no such type: {other:?}"),
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_by_its_field() {
    let project = Project::fresh("types").await;
    for base in [full_instance("web"), full_snapshot("first")] {
        let schema = schema(base["kind"].as_str().expect("it has a kind"));
        let mut wrong = Vec::new();
        walk(&schema["properties"]["spec"], "spec", &mut |path, node| {
            if path != "spec" {
                wrong.push((path.replace("[]", "[0]"), of_another_type(node)));
            }
        });
        assert!(wrong.len() > 10, "{wrong:?}");
        for (field, value) in wrong {
            let mut object = base.clone();
            put(&mut object, &field, Some(value));
            let Err(refusal) = project.create(&object, Keep::DryRun).await else {
                panic!("{field} is accepted")
            };
            let says = format!("{field} in body must be of type");
            assert!(refusal.message.contains(&says), "{field}: {}", refusal.message);
        }
    }
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_refused_by_its_name() {
    let project = Project::fresh("unknown").await;
    for (mut object, field) in [
        (full_instance("web"), "spec.ram"),
        (full_instance("web"), "spec.backup.retention"),
        (full_instance("web"), "spec.volumes[0].mount"),
        (full_snapshot("first"), "spec.instanceId"),
        (full_snapshot("first"), "spec.instanceRef.namespace"),
    ] {
        put(&mut object, field, Some(json!(1)));
        let Err(refusal) = project.create(&object, Keep::DryRun).await else { panic!("{field} is accepted") };
        assert!(refusal.message.contains(&format!("unknown field \"{field}\"")), "{}", refusal.message);
    }
}

#[tokio::test]
async fn a_spec_is_required() {
    let project = Project::fresh("required").await;
    for mut object in [full_instance("web"), full_snapshot("first")] {
        object.as_object_mut().expect("it is an object").remove("spec");
        let refusal = project.create(&object, Keep::DryRun).await.expect_err("nothing is asked for");
        assert!(refusal.message.contains("spec: Required value"), "{}", refusal.message);
    }
}

/// Field and rule of everything that a schema forbids below `spec`; rules on changes are left out.
fn rules_of(kind: &str) -> BTreeSet<(String, String)> {
    let mut rules = BTreeSet::new();
    let schema = schema(kind);
    walk(&schema["properties"]["spec"], "spec", &mut |path, node| {
        let mut add = |path: &str, rule: &str| rules.insert((path.to_owned(), rule.to_owned()));
        for rule in ["minLength", "maxLength", "minimum", "maximum", "pattern", "enum", "maxItems"] {
            if node.get(rule).is_some() {
                add(path, rule);
            }
        }
        for field in node["required"].as_array().into_iter().flatten() {
            add(&format!("{path}.{}", field.as_str().unwrap_or_default()), "required");
        }
        if node.get("x-kubernetes-list-map-keys").is_some() {
            add(path, "keys");
        }
        if node["format"] == "date-time" {
            add(path, "date-time");
        }
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            if !rule["rule"].as_str().unwrap_or_default().contains("oldSelf") {
                add(&format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default()), "CEL");
            }
        }
    });
    rules
}

fn covered(cases: impl IntoIterator<Item = Case>) -> BTreeSet<(String, String)> {
    let name = |rule: &str| match rule {
        "needed unless instanceId" | "needed when excluded" | "later" => "CEL".to_owned(),
        rule => rule.to_owned(),
    };
    cases.into_iter().map(|(rule, field, _)| (field.replace("[0]", "[]"), name(rule))).collect()
}

#[test]
fn every_rule_of_an_instance_has_its_case() {
    assert_eq!(covered(instance_cases().into_iter().chain(WITHOUT_ID)), rules_of("ITCareInstance"));
}

#[test]
fn every_rule_of_a_snapshot_has_its_case() {
    assert_eq!(covered(snapshot_cases()), rules_of("ITCareSnapshot"));
}
