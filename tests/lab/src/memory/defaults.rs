//! What a definition's schema fills in where a field is absent.
//!
//! Not here: the default of a whole status, which a write of anything else fills in (`settle`), and all that
//! a schema refuses or prunes.

use serde_json::Value;

/// The defaults of a structural schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults(Value);

impl Defaults {
    pub(super) fn of(schema: &Value) -> Self {
        let mut schema = schema.clone();
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.remove("status");
        }
        Self(schema)
    }

    /// Fills in what is absent, or `null`, in an object or any object within it.
    pub(super) fn fill(&self, object: &mut Value) {
        fill(&self.0, object);
    }
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                match (fields.get_mut(name), property.get("default")) {
                    (None | Some(Value::Null), Some(default)) => {
                        fields.insert(name.clone(), default.clone());
                    }
                    (Some(inner), _) => fill(property, inner),
                    (None, None) => {}
                }
            }
            let further = &schema["additionalProperties"];
            if further.is_object() {
                fields.values_mut().for_each(|inner| fill(further, inner));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(&schema["items"], item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
