//! Asks one server, step by step, and notes what a client sees of each answer.
//!
//! Masked are uid, times, resourceVersion and managedFields; of refusals, code and reason count.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    WatchEvent, WatchParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};

/// One run: what was asked, and what was seen.
pub struct Run {
    pub api: Api<DynamicObject>,
    pub client: Client,
    pub namespace: String,
    pub seen: Vec<(String, Value)>,
    version: Option<String>,
}

impl Run {
    pub fn new(client: Client, namespace: &str) -> Self {
        let kind = GroupVersionKind::gvk("lab.example.org", "v1alpha1", "Thing");
        let api = Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind));
        Self { api, client, namespace: namespace.to_owned(), seen: Vec::new(), version: None }
    }

    /// Notes an answer, and whether it has the resourceVersion of the answer before.
    pub fn note(&mut self, step: &str, answer: Result<DynamicObject, kube::Error>) -> Option<DynamicObject> {
        let (value, object) = match answer {
            Ok(object) => {
                let version = object.metadata.resource_version.clone();
                let unchanged = version == self.version;
                self.version = version;
                let mut value = masked(&object);
                value["same version as before"] = json!(unchanged);
                (value, Some(object))
            }
            Err(error) => (refusal(&error), None),
        };
        self.seen.push((step.to_owned(), value));
        object
    }

    pub fn note_value(&mut self, step: &str, value: Value) {
        self.seen.push((step.to_owned(), value));
    }

    pub async fn create(&mut self, step: &str, object: Value) -> Option<DynamicObject> {
        let object = serde_json::from_value(object).unwrap();
        let answer = self.api.create(&PostParams::default(), &object).await;
        self.note(step, answer)
    }

    pub async fn merge(&mut self, step: &str, name: &str, patch: Value) -> Option<DynamicObject> {
        let answer = self.api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        self.note(step, answer)
    }

    pub async fn put(&mut self, step: &str, object: Value) {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let name = object.metadata.name.clone().unwrap();
        let answer = self.api.replace(&name, &PostParams::default(), &object).await;
        self.note(step, answer);
    }

    pub async fn apply(&mut self, step: &str, manager: &str, body: Value) -> Option<DynamicObject> {
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        let answer = self.api.patch(&name, &PatchParams::apply(manager).force(), &Patch::Apply(body)).await;
        self.note(step, answer)
    }

    pub async fn status(
        &mut self,
        step: &str,
        manager: &str,
        force: bool,
        status: Value,
    ) -> Option<DynamicObject> {
        let mut body = thing("a", Value::Null);
        body.as_object_mut().unwrap().remove("spec");
        body["status"] = status;
        let parameters = PatchParams { force, ..PatchParams::apply(manager) };
        let answer = self.api.patch_status("a", &parameters, &Patch::Apply(body)).await;
        self.note(step, answer)
    }

    pub async fn delete(&mut self, step: &str, name: &str, parameters: &DeleteParams) {
        match self.api.delete(name, parameters).await {
            Ok(answer) => match answer
                .map_right(|status| serde_json::to_value(&status).unwrap())
                .map_left(Ok)
                .left_or_else(Err)
            {
                Ok(object) => drop(self.note(step, Ok(object))),
                Err(mut status) => {
                    status["details"].as_object_mut().unwrap().remove("uid");
                    self.note_value(step, status);
                }
            },
            Err(error) => drop(self.note(step, Err(error))),
        }
    }

    pub async fn list(&mut self, step: &str, parameters: ListParams) -> Option<String> {
        let answer = self.api.list(&parameters).await;
        match answer {
            Ok(list) => {
                let names: Vec<_> = list.items.iter().map(|item| item.metadata.name.clone()).collect();
                let token = list.metadata.continue_.filter(|token| !token.is_empty());
                let left = list.metadata.remaining_item_count;
                self.note_value(step, json!({"names": names, "more": token.is_some(), "left": left}));
                token
            }
            Err(error) => {
                self.note_value(step, refusal(&error));
                None
            }
        }
    }

    /// What a watch from `version` sees up to the last object.
    pub async fn watch(&mut self, step: &str, parameters: &WatchParams, version: &str, last: &str) {
        let mut events = Vec::new();
        let mut stream = self.api.watch(parameters, version).await.unwrap().boxed();
        let all = async {
            while let Some(event) = stream.next().await {
                match event.unwrap() {
                    WatchEvent::Added(object) => events.push(json!({"ADDED": masked(&object)})),
                    WatchEvent::Modified(object) => events.push(json!({"MODIFIED": masked(&object)})),
                    WatchEvent::Deleted(object) => events.push(json!({"DELETED": masked(&object)})),
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Error(status) => events.push(json!({"ERROR": status.code})),
                }
                if events.last().is_some_and(|event| event.to_string().contains(last)) {
                    break;
                }
            }
        };
        let complete = tokio::time::timeout(Duration::from_secs(20), all).await.is_ok();
        events.push(json!({"complete": complete}));
        self.seen.push((step.to_owned(), Value::Array(events)));
    }
}

pub fn thing(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "lab.example.org/v1alpha1", "kind": "Thing", "metadata": {"name": name}, "spec": spec})
}

pub fn condition(name: &str, status: &str) -> Value {
    json!({"type": name, "status": status, "reason": "Test", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

pub fn masked(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    let metadata = value["metadata"].as_object_mut().unwrap();
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "namespace"] {
        metadata.remove(field);
    }
    if metadata.contains_key("deletionTimestamp") {
        metadata.insert("deletionTimestamp".into(), json!("set"));
    }
    value
}

pub fn refusal(error: &kube::Error) -> Value {
    match error {
        kube::Error::Api(status) => json!({"code": status.code, "reason": status.reason}),
        other => json!({"error": other.to_string()}),
    }
}
