//! Sends a sequence to a server and notes every answer, then what its watches tell.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams};
use kube::client::Body;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::generate::{Act, Kind, Step, Uid, Version};

/// The object after which a watch has seen all.
const LAST: &str = "zz-last";

/// What was answered: HTTP status and body; of watches, the events.
pub struct Seen {
    pub what: String,
    pub code: u16,
    pub body: Value,
}

/// One server, and what it said so far.
pub struct Replay<'a> {
    client: &'a Client,
    namespace: &'a str,
    seen: Vec<Seen>,
    /// The versions of each object, in the order of their answers.
    versions: BTreeMap<(Kind, &'static str), Vec<String>>,
    uids: BTreeMap<(Kind, &'static str), String>,
    more: BTreeMap<Kind, String>,
}

/// Runs a sequence in a namespace of its own.
pub async fn replay(client: &Client, namespace: &str, steps: &[Step]) -> Vec<Seen> {
    let mut replay = Replay {
        client,
        namespace,
        seen: Vec::new(),
        versions: BTreeMap::new(),
        uids: BTreeMap::new(),
        more: BTreeMap::new(),
    };
    let (_, list) = replay.call(Method::GET, &replay.path(Kind::Instance, "", ""), "", &Value::Null).await;
    let start = list["metadata"]["resourceVersion"].as_str().expect("a list has a version").to_owned();
    for step in steps {
        replay.step(step).await;
    }
    let middle = replay.seen.iter().skip(steps.len() / 2).find_map(|seen| version_of(&seen.body));
    let middle = middle.unwrap_or_else(|| start.clone());
    for kind in [Kind::Instance, Kind::Snapshot, Kind::Lease] {
        let end = replay.body(kind, LAST, &spec_of_last(kind));
        replay.call(Method::POST, &replay.path(kind, "", ""), "application/json", &end).await;
        replay.watch(kind, &start, WatchParams::default()).await;
        replay.watch(kind, &middle, WatchParams::default().labels("app=web")).await;
    }
    replay.seen
}

fn spec_of_last(kind: Kind) -> Value {
    let spec = match kind {
        Kind::Instance => {
            json!({"name": "Z", "serviceId": 1, "region": "EB", "platform": "deb12", "size": "1cpu1gb"})
        }
        Kind::Snapshot => json!({"instanceRef": {"name": "z"}}),
        Kind::Lease | Kind::Event => json!({"holderIdentity": "z"}),
    };
    json!({"spec": spec, "metadata": {"labels": {"app": "web"}}})
}

fn version_of(body: &Value) -> Option<String> {
    body["metadata"]["uid"].as_str()?;
    body["metadata"]["resourceVersion"].as_str().map(str::to_owned)
}

fn names(kind: Kind) -> (&'static str, &'static str, &'static str, &'static str) {
    match kind {
        Kind::Instance => ("itcare.cegedim.cloud", "v1alpha1", "ITCareInstance", "itcareinstances"),
        Kind::Snapshot => ("itcare.cegedim.cloud", "v1alpha1", "ITCareSnapshot", "itcaresnapshots"),
        Kind::Lease => ("coordination.k8s.io", "v1", "Lease", "leases"),
        Kind::Event => ("events.k8s.io", "v1", "Event", "events"),
    }
}

impl Replay<'_> {
    async fn step(&mut self, step: &Step) {
        let &Step { kind, name, status, .. } = step;
        let own = self.path(kind, name, if status { "/status" } else { "" });
        let all = self.path(kind, "", "");
        let (code, body) = match &step.act {
            Act::Create(body) => {
                let body = self.body(kind, name, body);
                self.call(
                    Method::POST,
                    &format!("{all}?fieldManager=itcare-operator"),
                    "application/json",
                    &body,
                )
                .await
            }
            Act::Get => self.call(Method::GET, &own, "", &Value::Null).await,
            Act::List { limit, next, label } => {
                let mut query = format!("{all}?limit={}", limit.unwrap_or(0));
                if let Some(token) = self.more.remove(&kind).filter(|_| *next) {
                    query.push_str(&format!("&continue={token}"));
                } else if *label {
                    query.push_str("&labelSelector=app%3Dweb");
                }
                let (code, body) = self.call(Method::GET, &query, "", &Value::Null).await;
                if let Some(token) = body["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                    self.more.insert(kind, token.to_owned());
                }
                (code, body)
            }
            Act::Merge(patch) => {
                let mut patch = patch.clone();
                self.preconditions(step, &mut patch);
                let path = format!("{own}?fieldManager=itcare-operator");
                self.call(Method::PATCH, &path, "application/merge-patch+json", &patch).await
            }
            Act::Apply { manager, force, body } => {
                let mut body = self.body(kind, name, body);
                self.preconditions(step, &mut body);
                let path = format!("{own}?fieldManager={manager}&force={force}");
                self.call(Method::PATCH, &path, "application/apply-patch+yaml", &body).await
            }
            Act::Put(change) => {
                let (code, read) = self.call(Method::GET, &self.path(kind, name, ""), "", &Value::Null).await;
                let mut body = if code == 200 { read } else { self.body(kind, name, &json!({})) };
                json_merge(&mut body, change);
                if let Value::Object(metadata) = &mut body["metadata"] {
                    metadata.remove("resourceVersion");
                    metadata.remove("uid");
                }
                self.preconditions(step, &mut body);
                self.call(Method::PUT, &format!("{own}?fieldManager=kubectl"), "application/json", &body)
                    .await
            }
            Act::Delete => {
                let mut object = json!({});
                self.preconditions(step, &mut object);
                let options = json!({
                    "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
                    "preconditions": object["metadata"],
                });
                self.call(Method::DELETE, &own, "application/json", &options).await
            }
            Act::DeleteAll => {
                // The answer is a list here and a Status there: of it, the code counts.
                let (code, _) = self.call(Method::DELETE, &all, "", &Value::Null).await;
                (code, Value::Null)
            }
        };
        if let (Some(version), Some(uid)) = (version_of(&body), body["metadata"]["uid"].as_str()) {
            let versions = self.versions.entry((kind, name)).or_default();
            if versions.last() != Some(&version) {
                versions.push(version);
            }
            self.uids.insert((kind, name), uid.to_owned());
        }
        self.seen.push(Seen { what: format!("{step:?}"), code, body });
    }

    /// Puts the wished version and uid into the metadata of a body.
    fn preconditions(&self, step: &Step, body: &mut Value) {
        let known = self.versions.get(&(step.kind, step.name));
        let version = match step.version {
            Version::Absent => None,
            Version::Latest => known.and_then(|known| known.last().cloned()),
            Version::Stale => {
                Some(known.filter(|known| known.len() > 1).map_or("1".to_owned(), |known| known[0].clone()))
            }
        };
        if let Some(version) = version {
            body["metadata"]["resourceVersion"] = json!(version);
        }
        match step.uid {
            Uid::Absent => {}
            Uid::Its => {
                if let Some(uid) = self.uids.get(&(step.kind, step.name)) {
                    body["metadata"]["uid"] = json!(uid);
                }
            }
            Uid::Another => body["metadata"]["uid"] = json!("11111111-1111-4111-8111-111111111111"),
        }
    }

    fn body(&self, kind: Kind, name: &str, more: &Value) -> Value {
        let (group, version, word, _) = names(kind);
        let mut body = json!({"apiVersion": format!("{group}/{version}"), "kind": word, "metadata": {}});
        json_merge(&mut body, more);
        body["metadata"]["name"] = json!(name);
        body["metadata"]["namespace"] = json!(self.namespace);
        if kind == Kind::Event {
            body["regarding"]["namespace"] = json!(self.namespace);
        }
        body
    }

    fn path(&self, kind: Kind, name: &str, rest: &str) -> String {
        let (group, version, _, plural) = names(kind);
        let path = format!("/apis/{group}/{version}/namespaces/{}/{plural}", self.namespace);
        if name.is_empty() { path } else { format!("{path}/{name}{rest}") }
    }

    async fn call(&self, method: Method, path: &str, content: &str, body: &Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if !content.is_empty() {
            request = request.header("content-type", content);
        }
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = request.body(Body::from(bytes)).expect("a request");
        let response = self.client.send(request).await.expect("the server answers");
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("the whole answer").to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))))
    }

    async fn watch(&mut self, kind: Kind, version: &str, parameters: WatchParams) {
        let (group, api_version, word, plural) = names(kind);
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, api_version, word), plural);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), self.namespace, &resource);
        let mut events = Vec::new();
        let mut stream = api.watch(&parameters, version).await.expect("a watch").boxed();
        let all = async {
            while let Some(event) = stream.next().await {
                let (name, object) = match event.expect("an event") {
                    WatchEvent::Added(object) => ("ADDED", object),
                    WatchEvent::Modified(object) => ("MODIFIED", object),
                    WatchEvent::Deleted(object) => ("DELETED", object),
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Error(status) => {
                        events.push(json!({"type": "ERROR", "code": status.code}));
                        break;
                    }
                };
                let last = object.metadata.name.as_deref() == Some(LAST);
                events.push(json!({"type": name, "object": object}));
                if last {
                    break;
                }
            }
        };
        let complete = tokio::time::timeout(Duration::from_secs(20), all).await.is_ok();
        let what = format!("watch {plural} {:?}", parameters.label_selector);
        self.seen.push(Seen { what, code: 200, body: json!({"events": events, "complete": complete}) });
    }
}

/// RFC 7386.
fn json_merge(into: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, change) in changes {
        if change.is_null() {
            if let Value::Object(fields) = into {
                fields.remove(name);
            }
        } else {
            json_merge(&mut into[name], change);
        }
    }
}
