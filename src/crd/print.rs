//! The CRDs as they are printed, committed to `crds/` and applied.
//!
//! The derive gives most of it. Added here: the status default, the rules for locked fields; taken away:
//! `nullable` and `title`, which say nothing to a user.

use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{ITCareInstance, ITCareSnapshot, rules};

/// Both CRDs, ready to be applied.
#[must_use]
pub fn all() -> Vec<Value> {
    vec![finish(&ITCareInstance::crd(), rules::locked()), finish(&ITCareSnapshot::crd(), Vec::new())]
}

/// The file name under `crds/` and the text of each CRD.
///
/// # Errors
/// When the YAML writer fails.
pub fn files() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    all()
        .iter()
        .map(|crd| {
            let name = crd["metadata"]["name"].as_str().unwrap_or_default();
            Ok((format!("{name}.yaml"), serde_saphyr::to_string(crd)?))
        })
        .collect()
}

/// Both CRDs as one multi-document text: what `itcare-operator crds` prints.
///
/// # Errors
/// When the YAML writer fails.
pub fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    Ok(files()?.into_iter().map(|(_, text)| format!("---\n{text}")).collect())
}

fn finish(crd: &impl serde::Serialize, rules: Vec<Value>) -> Value {
    let mut crd = serde_json::to_value(crd).unwrap_or_default();
    let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") else { return crd };
    // Without it a new object has no status, which kstatus reads as "Current": waiting would end at once.
    schema["properties"]["status"]["default"] = json!({"observedGeneration": -1});
    if !rules.is_empty() {
        match schema["x-kubernetes-validations"].as_array_mut() {
            Some(present) => present.extend(rules),
            None => schema["x-kubernetes-validations"] = Value::Array(rules),
        }
    }
    simplify(schema);
    crd
}

fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("nullable");
            if map.get("title").is_some_and(Value::is_string) {
                map.remove("title");
            }
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            for key in ["minimum", "maximum"] {
                // 1.0 is how the generator writes 1; the API server stores 1, and a diff would never end.
                if let Some(whole) = map.get(key).and_then(Value::as_f64).filter(|value| value.fract() == 0.0)
                {
                    #[expect(clippy::cast_possible_truncation, reason = "bounds are small whole numbers")]
                    map.insert(key.to_owned(), json!(whole as i64));
                }
            }
            map.values_mut().for_each(simplify);
        }
        Value::Array(values) => values.iter_mut().for_each(simplify),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
