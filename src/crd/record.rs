//! The lean record: what the watch keeps of an object.
//!
//! Managed fields and other people's annotations and labels are dropped while decoding, and the status
//! stays the JSON text it came as until a pass needs it: a typed object with everything costs ten times
//! as much, and ten thousand of them are to fit in tens of MiB. An object whose spec does not decode is
//! a value like any other, so that one bad object never ends the watch.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::{FINALIZER, LEDGER_ANNOTATION, RECONCILE_ANNOTATION};
use crate::model::ObjectKey;

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
pub struct Record<K: Kind>(Arc<Parts<K>>);

/// What a [`Record`] is made of.
#[derive(Clone, Debug)]
pub struct Parts<K: Kind> {
    /// Name, namespace, uid, versions, times and finalizers; nothing else.
    pub metadata: ObjectMeta,
    /// Our own annotations.
    ledger: Option<Box<str>>,
    reconcile: Option<Box<str>>,
    /// Spec and status as JSON text: a third of the room that they take decoded, and read once in a pass.
    spec: Box<str>,
    status: Box<str>,
    kind: PhantomData<K>,
    /// The generation that this status speaks of.
    observed: Option<i64>,
}

impl<K: Kind> std::ops::Deref for Record<K> {
    type Target = Parts<K>;

    fn deref(&self) -> &Parts<K> {
        &self.0
    }
}

impl<K: Kind> Record<K> {
    /// The spec, decoded now.
    ///
    /// # Errors
    /// Why it cannot be decoded.
    pub fn spec(&self) -> Result<K::Spec, String> {
        serde_json::from_str(&self.spec).map_err(|error| {
            // Again as a tree, whose words name no column of a text that nobody has seen.
            let tree = serde_json::from_str(&self.spec).and_then(serde_json::from_value::<K::Spec>);
            tree.err().unwrap_or(error).to_string()
        })
    }

    /// The status, decoded now. One that does not decode counts as none: it can be observed again.
    #[must_use]
    pub fn status(&self) -> K::Status {
        serde_json::from_str(&self.status).unwrap_or_default()
    }

    /// The status as JSON text.
    #[must_use]
    pub fn status_text(&self) -> &str {
        &self.status
    }

    /// The name of an object of which nothing else is known.
    #[must_use]
    pub fn stub(namespace: &str, name: &str) -> Self {
        let metadata = ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        Self(Arc::new(Parts {
            metadata,
            ledger: None,
            reconcile: None,
            spec: "null".into(),
            status: "null".into(),
            kind: PhantomData,
            observed: None,
        }))
    }

    /// Where it is; none for an object that the API server did not name.
    #[must_use]
    pub fn key(&self) -> Option<ObjectKey> {
        Some(ObjectKey::new(self.metadata.namespace.as_deref()?, self.metadata.name.as_deref()?))
    }

    /// Whether its user changed it, and no status says that this was seen.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.observed != self.metadata.generation
    }

    /// Whether this is the other one unchanged.
    #[must_use]
    pub fn is_same_version(&self, other: &Self) -> bool {
        self.metadata.resource_version.is_some()
            && self.metadata.resource_version == other.metadata.resource_version
            && self.metadata.uid == other.metadata.uid
    }

    /// One of our annotations.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        match key {
            LEDGER_ANNOTATION => self.ledger.as_deref(),
            RECONCILE_ANNOTATION => self.reconcile.as_deref(),
            // No other one is kept.
            _ => None,
        }
    }

    /// Whether our finalizer is there.
    #[must_use]
    pub fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.as_ref().is_some_and(|all| all.iter().any(|name| name == FINALIZER))
    }

    /// The resource version as a number; API servers count, though the contract says "opaque". `None`
    /// when it is not one, which callers must treat as "maybe old".
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.metadata.resource_version.as_deref()?.parse().ok()
    }
}

impl<'de, K: Kind> Deserialize<'de> for Record<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            name: Option<String>,
            namespace: Option<String>,
            uid: Option<String>,
            resource_version: Option<String>,
            generation: Option<i64>,
            creation_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
            deletion_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
            finalizers: Option<Vec<String>>,
            annotations: Option<BTreeMap<String, String>>,
            #[serde(default)]
            #[expect(dead_code, reason = "named so that the decoder skips it without building it")]
            managed_fields: IgnoredAny,
        }
        #[derive(Deserialize)]
        struct Whole {
            metadata: Metadata,
            #[serde(default)]
            spec: serde_json::Value,
            #[serde(default)]
            status: serde_json::Value,
        }
        let Whole { metadata, spec, status } = Whole::deserialize(deserializer)?;
        let mut annotations = metadata.annotations.unwrap_or_default();
        let mut kept = |key| annotations.remove(key).map(String::into_boxed_str);
        Ok(Self(Arc::new(Parts {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                generation: metadata.generation,
                creation_timestamp: metadata.creation_timestamp,
                deletion_timestamp: metadata.deletion_timestamp,
                finalizers: metadata.finalizers,
                ..ObjectMeta::default()
            },
            ledger: kept(LEDGER_ANNOTATION),
            reconcile: kept(RECONCILE_ANNOTATION),
            spec: spec.to_string().into_boxed_str(),
            kind: PhantomData,
            observed: status.get("observedGeneration").and_then(serde_json::Value::as_i64),
            status: status.to_string().into_boxed_str(),
        })))
    }
}

impl<K: Kind> Resource for Record<K> {
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
        &mut Arc::make_mut(&mut self.0).metadata
    }
}
