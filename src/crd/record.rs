//! The lean record: what the watch keeps of an object.
//!
//! Managed fields and other people's annotations and labels are dropped while decoding, and spec and status are kept
//! as packed JSON text until a pass needs them: a typed object with everything costs twenty times as much, and ten
//! thousand of them are to fit in tens of MiB. An object whose spec does not decode is a value like any other, so that one bad
//! object never ends the watch.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{FINALIZER, LEDGER_ANNOTATION, RECONCILE_ANNOTATION};
use crate::model::{ObjectKey, Packed};

/// One of our two kinds.
pub trait Kind:
    Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Its spec.
    type Spec: DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static;
    /// Its status.
    type Status: DeserializeOwned
        + serde::Serialize
        + Clone
        + Default
        + PartialEq
        + std::fmt::Debug
        + Send
        + Sync
        + 'static;
}

impl Kind for super::ITCareInstance {
    type Spec = super::ITCareInstanceSpec;
    type Status = super::InstanceStatus;
}

impl Kind for super::ITCareSnapshot {
    type Spec = super::ITCareSnapshotSpec;
    type Status = super::SnapshotStatus;
}

/// An object as the cache keeps it; cheap to clone, so that a list that comes in anew shares what has not changed.
#[derive(Clone, Debug)]
pub struct Record<K: Kind>(Arc<Parts>, PhantomData<K>);

/// What a [`Record`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where it is.
    pub key: ObjectKey,
    /// Which object of that name.
    pub uid: Box<str>,
    /// Its resource version, as the API server wrote it.
    pub version: Box<str>,
    /// Counts changes of the spec.
    pub generation: Option<i64>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its deletion was asked for.
    pub deleted: Option<Timestamp>,
    /// Whether our finalizer is there.
    pub has_finalizer: bool,
    /// Those of others.
    pub other_finalizers: Box<[String]>,
    /// Our own annotations.
    ledger: Option<Packed>,
    reconcile: Option<Box<str>>,
    /// Spec and status as JSON text, read once in a pass; decoded they take ten times the room.
    spec: Packed,
    /// Without its copy of the ledger.
    status: Packed,
    copy: LedgerCopy,
    /// The generation that this status speaks of.
    observed: Option<i64>,
}

/// The copy of the ledger in the status.
#[derive(Debug)]
enum LedgerCopy {
    None,
    /// It is what the annotation says, as it nearly always is.
    Same,
    Other(Packed),
}

impl<K: Kind> std::ops::Deref for Record<K> {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// The status as JSON text, but for its copy of the ledger.
    #[must_use]
    pub fn status_text(&self) -> String {
        self.status.text()
    }

    /// The copy of the ledger in the status.
    #[must_use]
    pub fn ledger_copy(&self) -> Option<String> {
        self.copied().map(Packed::text)
    }

    fn copied(&self) -> Option<&Packed> {
        match &self.copy {
            LedgerCopy::None => None,
            LedgerCopy::Same => self.ledger.as_ref(),
            LedgerCopy::Other(text) => Some(text),
        }
    }

    /// What a decision depends on of an object, as one number; with the status of another record of it.
    #[must_use]
    pub fn basis(&self, status: &Self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        let metadata = (&self.uid, self.generation, self.deleted.is_some(), self.has_finalizer);
        (metadata, &self.ledger, &self.reconcile, &status.status, status.copied()).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether both have the same status.
    #[must_use]
    pub fn is_same_status(&self, other: &Self) -> bool {
        self.status == other.status && self.copied() == other.copied()
    }

    /// Whether its user changed it, and no status says that this was seen.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.observed != self.generation
    }

    /// The ledger, as the annotation has it.
    #[must_use]
    pub fn ledger(&self) -> Option<String> {
        self.ledger.as_ref().map(Packed::text)
    }

    /// Whether both have the same annotated ledger.
    #[must_use]
    pub fn is_same_ledger(&self, other: &Self) -> bool {
        self.ledger == other.ledger
    }

    /// The fresh look that somebody asked for.
    #[must_use]
    pub fn reconcile_requested(&self) -> Option<&str> {
        self.reconcile.as_deref()
    }

    /// The resource version as a number; API servers count, though the contract says "opaque". `None`
    /// when it is not one, which callers must treat as "maybe old".
    #[must_use]
    pub fn version_number(&self) -> Option<u64> {
        self.version.parse().ok()
    }
}

impl<K: Kind> Record<K> {
    /// The spec, decoded now.
    ///
    /// # Errors
    /// Why it cannot be decoded.
    pub fn spec(&self) -> Result<K::Spec, String> {
        let text = self.spec.text();
        serde_json::from_str(&text).map_err(|error| {
            // Again as a tree, whose words name no column of a text that nobody has seen.
            let tree = serde_json::from_str(&text).and_then(serde_json::from_value::<K::Spec>);
            tree.err().unwrap_or(error).to_string()
        })
    }

    /// The status, decoded now. One that does not decode counts as none: it can be observed again.
    #[must_use]
    pub fn status(&self) -> K::Status {
        let text = self.status_text();
        let whole = self.ledger_copy().and_then(|copy| {
            let fields = text.strip_prefix('{')?;
            let comma = if fields == "}" { "" } else { "," };
            Some(format!("{{\"{LEDGER}\":{}{comma}{fields}", Value::String(copy)))
        });
        serde_json::from_str(&whole.unwrap_or(text)).unwrap_or_default()
    }

    /// The whole status as a tree.
    #[must_use]
    pub fn status_tree(&self) -> Value {
        let mut tree: Value = serde_json::from_str(&self.status_text()).unwrap_or_default();
        if let (Some(fields), Some(copy)) = (tree.as_object_mut(), self.ledger_copy()) {
            fields.insert(LEDGER.to_owned(), Value::String(copy));
        }
        tree
    }

    /// The name of an object of which nothing else is known.
    #[must_use]
    pub fn stub(key: ObjectKey) -> Self {
        let parts = Parts {
            key,
            uid: Box::default(),
            version: Box::default(),
            generation: None,
            created: None,
            deleted: None,
            has_finalizer: false,
            other_finalizers: Box::default(),
            ledger: None,
            reconcile: None,
            spec: Packed::of("null"),
            status: Packed::of("null"),
            copy: LedgerCopy::None,
            observed: None,
        };
        Self(Arc::new(parts), PhantomData)
    }

    /// How an Event names it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: Some(self.key.name.to_string()),
            namespace: Some(self.key.namespace.to_string()),
            uid: Some(self.uid.to_string()),
            // With its version, each Event would be a new one, and none would be counted up.
            ..ObjectReference::default()
        }
    }
}

/// The copy of the ledger, among the fields of a status.
const LEDGER: &str = "ledger";

/// An object as the API server sends it, for the moment in which the client needs what is common to all objects.
#[derive(Clone, Debug)]
pub struct Fetched<K: Kind> {
    metadata: ObjectMeta,
    /// What is kept of it.
    pub record: Record<K>,
}

impl<'de, K: Kind> Deserialize<'de> for Fetched<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            #[serde(default)]
            name: String,
            #[serde(default)]
            namespace: String,
            #[serde(default)]
            uid: String,
            resource_version: Option<String>,
            generation: Option<i64>,
            creation_timestamp: Option<Time>,
            deletion_timestamp: Option<Time>,
            #[serde(default)]
            finalizers: Vec<String>,
            #[serde(default)]
            annotations: BTreeMap<String, String>,
            #[serde(default)]
            #[expect(dead_code, reason = "named so that the decoder skips it without building it")]
            managed_fields: IgnoredAny,
        }
        #[derive(Deserialize)]
        struct Whole {
            metadata: Metadata,
            #[serde(default)]
            spec: Value,
            #[serde(default)]
            status: Value,
        }
        let Whole { metadata, spec, mut status } = Whole::deserialize(deserializer)?;
        let mut annotations = metadata.annotations;
        let mut kept = |key| annotations.remove(key).map(String::into_boxed_str);
        let (ledger, reconcile) = (kept(LEDGER_ANNOTATION), kept(RECONCILE_ANNOTATION));
        let copy = match status.as_object_mut().and_then(|fields| fields.remove(LEDGER)) {
            None => LedgerCopy::None,
            Some(Value::String(text)) if ledger.as_deref() == Some(&text) => LedgerCopy::Same,
            Some(Value::String(text)) => LedgerCopy::Other(Packed::of(&text)),
            // A field of the wrong type makes the whole status unreadable, which it stays.
            Some(wrong) => {
                status[LEDGER] = wrong;
                LedgerCopy::None
            }
        };
        let (ours, others): (Vec<String>, Vec<String>) =
            metadata.finalizers.into_iter().partition(|name| name == FINALIZER);
        let parts = Parts {
            key: ObjectKey::new(metadata.namespace, metadata.name),
            uid: metadata.uid.into_boxed_str(),
            version: metadata.resource_version.as_deref().unwrap_or_default().into(),
            generation: metadata.generation,
            created: metadata.creation_timestamp.map(|time| time.0),
            deleted: metadata.deletion_timestamp.map(|time| time.0),
            has_finalizer: !ours.is_empty(),
            other_finalizers: others.into_boxed_slice(),
            ledger: ledger.as_deref().map(Packed::of),
            reconcile,
            spec: Packed::of(&spec.to_string()),
            observed: status.get("observedGeneration").and_then(Value::as_i64),
            status: Packed::of(&status.to_string()),
            copy,
        };
        // The watch goes on from this version; nothing else of it is asked.
        let metadata = ObjectMeta { resource_version: metadata.resource_version, ..ObjectMeta::default() };
        Ok(Self { metadata, record: Record(Arc::new(parts), PhantomData) })
    }
}

impl<K: Kind> Resource for Fetched<K> {
    type DynamicType = ();
    type Scope = k8s_openapi::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::{ITCareInstance, InstanceStatus};

    fn record(ledger: Option<&str>, status: &Value) -> Record<ITCareInstance> {
        let annotations = ledger.map(|text| serde_json::json!({LEDGER_ANNOTATION: text}));
        let object = serde_json::json!({
            "metadata": {"namespace": "shop", "name": "web", "annotations": annotations.unwrap_or(serde_json::json!({}))},
            "status": status,
        });
        serde_json::from_value::<Fetched<ITCareInstance>>(object).unwrap().record
    }

    #[test]
    fn a_status_is_kept_without_its_ledger_and_read_with_it() {
        let ledger = r#"{"v":1,"name":"a \"quoted\" one"}"#;
        for (annotation, status) in [
            (Some(ledger), serde_json::json!({"ledger": ledger})),
            (Some(ledger), serde_json::json!({"ledger": ledger, "id": 5, "observedGeneration": 2})),
            (Some(ledger), serde_json::json!({"ledger": "an older one", "id": 5})),
            (None, serde_json::json!({"ledger": ledger, "id": 5})),
            (Some(ledger), serde_json::json!({"id": 5})),
        ] {
            let kept = record(annotation, &status);
            let expected: InstanceStatus = serde_json::from_value(status.clone()).unwrap();
            assert_eq!((kept.status(), kept.status_tree()), (expected, status.clone()), "{status}");
            assert!(!kept.status_text().contains("ledger"), "{}", kept.status_text());
            assert_eq!(kept.ledger().as_deref(), annotation);
        }
    }

    #[test]
    fn a_status_that_differs_only_in_its_ledger_is_another_one() {
        let (one, other) =
            (serde_json::json!({"ledger": "1", "id": 5}), serde_json::json!({"ledger": "2", "id": 5}));
        let (same, changed) = (record(Some("1"), &one), record(Some("1"), &other));
        assert!(same.is_same_status(&record(None, &one)) && !same.is_same_status(&changed));
        assert_ne!(same.basis(&same), same.basis(&changed));
    }
}
