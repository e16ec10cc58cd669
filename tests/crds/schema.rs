//! What holds for every node of both schemas.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::server::{definition, schema};

pub const KINDS: [&str; 2] = ["ITCareInstance", "ITCareSnapshot"];

/// Visits a schema and everything below it, with paths such as `spec.volumes[].id`.
pub fn walk(node: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, node);
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(child, &below, visit);
    }
    if node["items"].is_object() {
        walk(&node["items"], &format!("{path}[]"), visit);
    }
    if node["additionalProperties"].is_object() {
        walk(&node["additionalProperties"], &format!("{path}.*"), visit);
    }
}

/// What is wrong with a node, as users or the server would see it.
fn faults(node: &Value) -> Vec<&'static str> {
    let is = |kind: &str| node["type"] == kind;
    let mut faults = Vec::new();
    let mut when = |fault: bool, text: &'static str| {
        if fault {
            faults.push(text);
        }
    };
    let bounded = node["maxLength"].is_u64() || node["enum"].is_array() || node["format"] == "date-time";
    when(is("string") && !bounded, "a string without a bound");
    when(is("array") && !node["maxItems"].is_u64(), "a list without a bound");
    when(
        node.get("additionalProperties").is_some() && !node["maxProperties"].is_u64(),
        "a map without a bound",
    );
    when(node.get("nullable").is_some(), "nullable");
    when(!node["type"].is_string(), "no type");
    when(is("number"), "a floating-point number");
    when(node["format"].as_str().is_some_and(|format| format.starts_with('u')), "an unsigned format");
    when(
        is("array") && node["items"]["type"] == "object" && !is_keyed(node),
        "a list of objects without keys",
    );
    when(
        node["enum"].as_array().is_some_and(|words| words.is_empty() || !words.iter().all(Value::is_string)),
        "an enum of other things than words",
    );
    when(node.get("x-kubernetes-preserve-unknown-fields").is_some(), "a part without a schema");
    when(["minimum", "maximum"].iter().any(|key| node[key].is_f64()), "a bound with a fraction");
    faults
}

/// Keyed by fields that every entry has.
fn is_keyed(list: &Value) -> bool {
    let empty = Vec::new();
    let keys = list["x-kubernetes-list-map-keys"].as_array().unwrap_or(&empty);
    let required = list["items"]["required"].as_array().unwrap_or(&empty);
    list["x-kubernetes-list-type"] == "map"
        && !keys.is_empty()
        && keys.iter().all(|key| required.contains(key))
}

#[test]
fn everything_is_bounded_typed_and_keyed() {
    for kind in KINDS {
        let (mut found, mut nodes) = (Vec::new(), 0);
        walk(&schema(kind), "", &mut |path, node| {
            nodes += 1;
            found.extend(faults(node).into_iter().map(|fault| format!("{path}: {fault}")));
        });
        assert!(nodes > 40, "only {nodes} nodes of {kind} were seen");
        assert_eq!(found, Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn the_walk_sees_each_fault() {
    for (node, fault) in [
        (json!({"type": "string"}), "a string without a bound"),
        (json!({"type": "array", "items": {"type": "string", "maxLength": 1}}), "a list without a bound"),
        (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "a map without a bound"),
        (json!({"type": "integer", "nullable": true}), "nullable"),
        (json!({"type": "integer", "format": "uint32"}), "an unsigned format"),
        (
            json!({"type": "array", "maxItems": 1, "items": {"type": "object"}}),
            "a list of objects without keys",
        ),
        (json!({"type": "integer", "minimum": 1.0}), "a bound with a fraction"),
        (json!({"enum": ["A", null], "type": "string"}), "an enum of other things than words"),
    ] {
        let mut found = Vec::new();
        let outer = json!({"type": "object", "properties": {"inner": node}});
        walk(&outer, "", &mut |path, node| {
            found.extend(faults(node).iter().map(|text| format!("{path}: {text}")))
        });
        assert_eq!(found, [format!("inner: {fault}")]);
    }
}

#[test]
fn every_field_is_explained() {
    for kind in KINDS {
        let mut silent = BTreeSet::new();
        walk(&schema(kind), "", &mut |path, node| {
            let is_own = !matches!(path, "" | "spec" | "status" | "metadata" | "apiVersion" | "kind");
            let is_field = is_own && !path.ends_with("[]") && !path.ends_with(".*");
            if is_field && node["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
                silent.insert(path.to_owned());
            }
        });
        assert_eq!(silent, BTreeSet::new(), "{kind}");
    }
}

#[test]
fn deletion_of_an_instance_has_no_default_because_it_depends_on_how_the_vm_came() {
    let spec = &schema("ITCareInstance")["properties"]["spec"]["properties"];
    assert!(spec["deletionPolicy"].is_object());
    assert_eq!(spec["deletionPolicy"].get("default"), None);
    assert_eq!(spec["powerState"].get("default"), None);
    assert_eq!(spec["size"].get("default"), None);
    let snapshot = &schema("ITCareSnapshot")["properties"]["spec"]["properties"];
    assert_eq!(snapshot["deletionPolicy"]["default"], "Delete");
}

#[test]
fn a_new_object_has_a_status_that_says_that_nothing_was_seen() {
    for kind in KINDS {
        assert_eq!(schema(kind)["properties"]["status"]["default"], json!({"observedGeneration": -1}));
    }
}

#[test]
fn names_are_those_that_the_documents_use() {
    for (kind, plural, short) in
        [("ITCareInstance", "itcareinstances", "itcvm"), ("ITCareSnapshot", "itcaresnapshots", "itcsnap")]
    {
        let spec = &definition(kind)["spec"];
        assert_eq!(spec["group"], "itcare.cegedim.cloud");
        assert_eq!(spec["scope"], "Namespaced");
        assert_eq!(spec["names"]["plural"], plural);
        assert_eq!(spec["names"]["shortNames"], json!([short]));
        assert_eq!(spec["names"]["categories"], json!(["itcare"]));
        assert_eq!(spec["versions"][0]["name"], "v1alpha1");
        assert_eq!(spec["versions"].as_array().map(Vec::len), Some(1));
        assert!(spec["versions"][0]["subresources"]["status"].is_object());
    }
}
