//! Small manifests, in the namespace `shop`.

use serde_json::{Value, json};

/// A VM in service 13, kept running.
pub fn instance(name: &str) -> Value {
    with(name, json!({}))
}

/// The same with more, or other, fields of the spec. `null` takes one away.
pub fn with(name: &str, more: Value) -> Value {
    let mut spec = json!({
        "name": format!("P{}", name.to_uppercase()),
        "serviceId": 13,
        "region": "EB",
        "platform": "deb12",
        "size": "2cpu4gb",
        "powerState": "Running",
    });
    merge(&mut spec, more);
    json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1",
        "kind": "ITCareInstance",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    })
}

/// A snapshot of the instance object of that name.
pub fn snapshot(name: &str, of: &str, more: Value) -> Value {
    let mut spec = json!({"instanceRef": {"name": of}});
    merge(&mut spec, more);
    json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1",
        "kind": "ITCareSnapshot",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    })
}

fn merge(into: &mut Value, more: Value) {
    let (Some(fields), Value::Object(more)) = (into.as_object_mut(), more) else { return };
    for (key, value) in more {
        if value.is_null() {
            fields.remove(&key);
        } else {
            fields.insert(key, value);
        }
    }
}
