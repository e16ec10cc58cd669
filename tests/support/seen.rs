//! What a test asks of an object's status and metadata. Not here: waiting until it says so.

use serde_json::Value;

/// An object as a test looks at it.
#[derive(Clone, PartialEq)]
pub struct Seen(pub Value);

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.0.clone();
        if let Some(metadata) = shown["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        f.write_str(&serde_json::to_string_pretty(&shown).unwrap_or_default())
    }
}

impl Seen {
    pub fn condition(&self, kind: &str) -> Option<&Value> {
        self.0["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
    }

    pub fn has(&self, kind: &str, status: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition["status"] == status)
    }

    pub fn reason(&self) -> &str {
        self.reason_of("Ready")
    }

    pub fn reason_of(&self, kind: &str) -> &str {
        self.condition(kind).and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.condition("Ready").and_then(|condition| condition["message"].as_str()).unwrap_or_default()
    }

    pub fn is_ready(&self) -> bool {
        itcare_lab::kstatus::kubectl_wait(&self.0, "Ready", "True")
    }

    pub fn is_stalled(&self, reason: &str) -> bool {
        self.has("Stalled", "True") && self.reason_of("Stalled") == reason
    }

    pub fn status(&self) -> &Value {
        &self.0["status"]
    }

    pub fn id(&self) -> i64 {
        self.0["status"]["id"].as_i64().unwrap_or_default()
    }

    pub fn ledger(&self) -> Value {
        let text =
            self.0["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"].as_str().unwrap_or("null");
        serde_json::from_str(text).unwrap_or_default()
    }

    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.0["metadata"]["finalizers"].as_array();
        finalizers.is_some_and(|all| all.iter().any(|name| name == "itcare.cegedim.cloud/finalizer"))
    }
}
