//! Manifests as a user sends them: server-side apply of multi-document YAML.
//!
//! The kind tells the resource through a fixed rule, without discovery: so it also works while a
//! definition is being installed by the same text. Not here: pruning, ordering (documents go out as
//! they come) and templates.

use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Cluster-wide kinds that our manifests use. Everything else lives in a namespace.
const CLUSTER_WIDE: [&str; 8] = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
    "APIService",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// A definition is served within a second or two; more means that it was refused.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Why a manifest was not applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not YAML.
    #[error("cannot read the manifest")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document lacks what every object has.
    #[error("document {index} has no apiVersion, kind or metadata.name")]
    Incomplete {
        /// Counted from one, empty documents included.
        index: usize,
    },
    /// The API server refused.
    #[error("cannot apply {kind} {name}")]
    Refused {
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A definition was accepted but is not served.
    #[error("the definition {name} is not served: {seen}")]
    NotEstablished {
        /// Name of the definition.
        name: String,
        /// Its conditions or the refusal of a list, as last seen.
        seen: Value,
    },
}

/// Applies every document of `text` in its order, as field manager `manager`, with force.
///
/// Waits for each definition to be served before it goes on. Objects without a namespace go to
/// `default`. Gives back the objects as the server returned them.
///
/// # Errors
///
/// At the first document that cannot be read or is refused; earlier ones stay applied.
pub async fn apply_yaml(client: &Client, text: &str, manager: &str) -> Result<Vec<DynamicObject>, Error> {
    let parameters = PatchParams::apply(manager).force();
    let mut applied = Vec::new();
    for (index, document) in documents(text)?.into_iter().enumerate() {
        let incomplete = || Error::Incomplete { index: index + 1 };
        let kind = document["kind"].as_str().ok_or_else(incomplete)?.to_owned();
        let name = document["metadata"]["name"].as_str().ok_or_else(incomplete)?.to_owned();
        let api = api_of(client, &document).ok_or_else(incomplete)?;
        let object = api.patch(&name, &parameters, &Patch::Apply(&document)).await.map_err(|source| {
            Error::Refused { kind: kind.clone(), name: name.clone(), source: Box::new(source) }
        })?;
        applied.push(object);
        if kind == "CustomResourceDefinition" {
            wait_established(client, &name, ESTABLISHED_WITHIN).await?;
        }
    }
    Ok(applied)
}

/// The documents of a YAML text as JSON, empty ones left out, `List` objects opened.
///
/// # Errors
///
/// When the text is not YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, Error> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| Error::Yaml(Box::new(error)))?;
    let mut objects = Vec::new();
    for mut document in all.into_iter().filter(|document| !document.is_null()) {
        let list = document["kind"] == "List";
        match document.get_mut("items") {
            Some(Value::Array(items)) if list => objects.append(items),
            _ => objects.push(document),
        }
    }
    Ok(objects)
}

/// The typed path to an object's resource, from its `apiVersion`, `kind` and namespace.
pub fn api_of(client: &Client, object: &Value) -> Option<Api<DynamicObject>> {
    let kind = object["kind"].as_str()?;
    let resource = resource_of(object["apiVersion"].as_str()?, kind);
    if CLUSTER_WIDE.contains(&kind) {
        return Some(Api::all_with(client.clone(), &resource));
    }
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    Some(Api::namespaced_with(client.clone(), namespace, &resource))
}

/// Group, version, kind and plural of a kind, by English plural rules.
pub fn resource_of(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// Waits until a definition is served: `Established`, and its objects can be listed. The second
/// comes later, with 404 or 429 ("storage is (re)initializing") until then.
///
/// # Errors
///
/// When it is not within `deadline`, with the conditions or the refusal last seen.
pub async fn wait_established(client: &Client, name: &str, deadline: Duration) -> Result<(), Error> {
    let resource = resource_of("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let end = Instant::now() + deadline;
    loop {
        let seen = match definitions.get(name).await {
            Ok(object) => served(client, &object.data).await,
            Err(error) => Err(Value::String(error.to_string())),
        };
        let Err(seen) = seen else { return Ok(()) };
        if Instant::now() >= end {
            return Err(Error::NotEstablished { name: name.to_owned(), seen });
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn served(client: &Client, definition: &Value) -> Result<(), Value> {
    let conditions = &definition["status"]["conditions"];
    let is_established = |found: &Value| found["type"] == "Established" && found["status"] == "True";
    if !conditions.as_array().is_some_and(|all| all.iter().any(is_established)) {
        return Err(conditions.clone());
    }
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for version in spec["versions"].as_array().into_iter().flatten().filter(|found| found["served"] == true) {
        let kind = GroupVersionKind::gvk(
            &text(&spec["group"]),
            &text(&version["name"]),
            &text(&spec["names"]["kind"]),
        );
        let resource = ApiResource::from_gvk_with_plural(&kind, &text(&spec["names"]["plural"]));
        let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let one = ListParams::default().limit(1);
        objects.list(&one).await.map_err(|error| Value::String(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_documents_are_skipped_and_lists_opened() {
        let text = "---\n# nothing\n---\nkind: A\nmetadata: {name: a}\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n";
        let kinds: Vec<_> =
            documents(text).unwrap().into_iter().map(|document| document["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        assert!(documents("kind: A\n").unwrap()[0].get("items").is_none());
    }

    #[test]
    fn plurals_of_our_kinds() {
        for (version, kind, plural) in [
            ("itcare.cegedim.cloud/v1alpha1", "ITCareInstance", "itcareinstances"),
            ("itcare.cegedim.cloud/v1alpha1", "ITCareSnapshot", "itcaresnapshots"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
            ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
            ("coordination.k8s.io/v1", "Lease", "leases"),
        ] {
            assert_eq!(resource_of(version, kind).plural, plural);
        }
    }
}
