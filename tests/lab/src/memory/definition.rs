//! The resources that this server knows, and what is special about each.
//!
//! Unknown ones are served too, as plain objects without status subresource and generation.

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::defaults::Defaults;
use super::fields::Shapes;

/// One kind of object.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) resource: String,
    /// A custom resource: has a generation, and a PUT needs a resourceVersion.
    pub(super) custom: bool,
    /// A PUT on what is not there creates it.
    pub(super) put_creates: bool,
    /// `/status` is apart from the rest.
    pub(super) status: bool,
    /// What the schema fills in when there is no status.
    pub(super) status_default: Option<Value>,
    pub(super) defaults: Defaults,
    pub(super) shapes: Shapes,
}

impl Definition {
    fn plain(group: &str, version: &str, kind: &str) -> Self {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)).plural;
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            put_creates: resource == "leases",
            resource,
            custom: false,
            status: false,
            status_default: None,
            defaults: Defaults::default(),
            shapes: Shapes::common(),
        }
    }

    /// The resources known from the start.
    pub(super) fn known() -> Vec<Self> {
        let ours = |kind: &str| Self {
            custom: true,
            status: true,
            status_default: Some(json!({"observedGeneration": -1})),
            ..Self::plain("itcare.cegedim.cloud", "v1alpha1", kind)
        };
        vec![
            ours("ITCareInstance"),
            ours("ITCareSnapshot"),
            Self::plain("coordination.k8s.io", "v1", "Lease"),
            Self::plain("events.k8s.io", "v1", "Event"),
            Self::plain("", "v1", "Event"),
            Self::plain("", "v1", "Namespace"),
            Self::plain("", "v1", "Secret"),
        ]
    }

    /// For a path that nobody defined: the kind is not known before an object names it.
    pub(super) fn unknown(group: &str, version: &str, resource: &str) -> Self {
        Self { resource: resource.to_owned(), kind: String::new(), ..Self::plain(group, version, "Unknown") }
    }

    /// For an object handed over directly.
    pub(super) fn of_object(object: &Value) -> Self {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::plain(group, version, object["kind"].as_str().unwrap_or_default())
    }

    /// From a CustomResourceDefinition: its storage version, with list types and status default.
    pub(super) fn of_crd(crd: &Value) -> Option<Self> {
        let spec = &crd["spec"];
        let versions = spec["versions"].as_array()?;
        let version = versions.iter().find(|version| version["storage"] == true)?;
        let schema = &version["schema"]["openAPIV3Schema"];
        let mut shapes = Shapes::common();
        shapes.learn(schema);
        Some(Self {
            group: spec["group"].as_str()?.to_owned(),
            version: version["name"].as_str()?.to_owned(),
            kind: spec["names"]["kind"].as_str()?.to_owned(),
            resource: spec["names"]["plural"].as_str()?.to_owned(),
            custom: true,
            put_creates: false,
            status: version["subresources"]["status"].is_object(),
            status_default: schema["properties"]["status"].get("default").cloned(),
            defaults: Defaults::of(schema),
            shapes,
        })
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As messages name it: `itcareinstances.itcare.cegedim.cloud`.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}
