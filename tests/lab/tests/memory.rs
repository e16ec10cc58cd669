//! What only the in-memory server can do: faults, held and lost events, compaction, journal.

use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use itcare_lab::memory::{Fault, MemoryApi, Verb};
use kube::api::{
    ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, WatchEvent, WatchParams,
};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

const RESOURCE: &str = "itcareinstances";
const SOON: Duration = Duration::from_secs(10);

fn instance(name: &str) -> Value {
    json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1", "kind": "ITCareInstance",
        "metadata": {"name": name, "namespace": "shop"}, "spec": {"name": name},
    })
}

fn instances(api: &MemoryApi) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("itcare.cegedim.cloud", "v1alpha1", "ITCareInstance");
    Api::namespaced_with(api.client(), "shop", &ApiResource::from_gvk(&kind))
}

fn label(value: &str) -> Patch<Value> {
    Patch::Merge(json!({"metadata": {"labels": {"l": value}}}))
}

/// Names and kinds of the next events, bookmarks aside.
async fn next(
    stream: &mut (impl futures::Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin),
) -> String {
    loop {
        let event = tokio::time::timeout(SOON, stream.next()).await.expect("an event in time");
        return match event {
            None => "end".to_owned(),
            Some(Ok(WatchEvent::Bookmark(_))) => continue,
            Some(Ok(WatchEvent::Added(object))) => format!("added {}", object.name_any()),
            Some(Ok(WatchEvent::Modified(object))) => format!("modified {}", object.name_any()),
            Some(Ok(WatchEvent::Deleted(object))) => format!("deleted {}", object.name_any()),
            Some(Ok(WatchEvent::Error(status))) => format!("error {}", status.code),
            Some(Err(error)) => error.to_string(),
        };
    }
}

#[tokio::test]
async fn a_lost_reply_took_effect_and_no_connection_did_not() {
    let api = MemoryApi::new();
    api.create(instance("a")).unwrap();
    let client = instances(&api);
    api.inject(Fault::lose_reply().verb(Verb::Patch).resource(RESOURCE).name("a"));
    assert!(client.patch("a", &PatchParams::default(), &label("1")).await.is_err());
    assert_eq!(api.get(RESOURCE, "shop", "a").unwrap()["metadata"]["labels"]["l"], "1");

    api.inject(Fault::no_connection().subresource(""));
    assert!(client.patch("a", &PatchParams::default(), &label("2")).await.is_err());
    assert_eq!(api.get(RESOURCE, "shop", "a").unwrap()["metadata"]["labels"]["l"], "1");

    api.inject(Fault::refuse(503).verb(Verb::Patch).after(1).times(2));
    let mut codes = Vec::new();
    for value in ["3", "4", "5", "6"] {
        match client.patch("a", &PatchParams::default(), &label(value)).await {
            Ok(_) => codes.push(200),
            Err(kube::Error::Api(status)) => codes.push(status.code),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(codes, [200, 503, 503, 200]);
    let journal: Vec<_> = api.journal().into_iter().map(|entry| (entry.verb, entry.code)).collect();
    assert_eq!(journal[..3], [(Verb::Patch, None), (Verb::Patch, None), (Verb::Patch, Some(200))]);
    api.clear_journal();
    assert!(api.writes().is_empty());
}

#[tokio::test]
async fn a_hanging_request_hangs_without_effect() {
    let api = MemoryApi::new();
    api.create(instance("a")).unwrap();
    api.inject(Fault::hang().verb(Verb::Patch));
    let client = instances(&api);
    let patch = label("1");
    let parameters = PatchParams::default();
    let mut request = pin!(client.patch("a", &parameters, &patch));
    assert!(tokio::time::timeout(Duration::from_millis(30), &mut request).await.is_err());
    assert!(api.get(RESOURCE, "shop", "a").unwrap()["metadata"]["labels"].is_null());
    api.inject(Fault::delay(Duration::from_millis(20)));
    client.get("a").await.unwrap();
}

#[tokio::test]
async fn a_late_reply_shows_the_object_as_it_was_written() {
    let api = MemoryApi::new();
    api.create(instance("a")).unwrap();
    api.inject(Fault::delay_reply(Duration::from_millis(30)).verb(Verb::Patch));
    let client = instances(&api);
    let patch = label("1");
    let parameters = PatchParams::default();
    let mut request = pin!(client.patch("a", &parameters, &patch));
    assert!(tokio::time::timeout(Duration::from_millis(10), &mut request).await.is_err());
    assert_eq!(api.get(RESOURCE, "shop", "a").unwrap()["metadata"]["labels"]["l"], "1");
    api.edit(RESOURCE, "shop", "a", |object| object["metadata"]["labels"]["l"] = json!("2")).unwrap();
    assert_eq!(request.await.unwrap().metadata.labels.unwrap()["l"], "1");
}

#[tokio::test]
async fn held_events_come_later_and_in_order() {
    let api = MemoryApi::new();
    let client = instances(&api);
    let version = api.revision().to_string();
    let mut stream = client.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    api.create(instance("a")).unwrap();
    assert_eq!(next(&mut stream).await, "added a");
    api.hold_watches(true);
    api.create(instance("b")).unwrap();
    api.patch_spec(RESOURCE, "shop", "a", json!({"size": "2cpu4gb"})).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(30), stream.next()).await.is_err());
    api.hold_watches(false);
    assert_eq!(next(&mut stream).await, "added b");
    assert_eq!(next(&mut stream).await, "modified a");

    api.skip_event_next();
    api.delete(RESOURCE, "shop", "b").unwrap();
    api.delete(RESOURCE, "shop", "a").unwrap();
    assert_eq!(next(&mut stream).await, "deleted a");
    assert_eq!(api.watches(), 1);
    api.drop_watches();
    assert_eq!(next(&mut stream).await, "end");
    drop(stream);
}

#[tokio::test]
async fn after_compaction_an_old_watch_is_told_so_inside_the_stream() {
    let api = MemoryApi::new();
    let client = instances(&api);
    api.create(instance("a")).unwrap();
    api.compact();
    let mut stream = client.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    assert_eq!(next(&mut stream).await, "error 410");
    assert_eq!(next(&mut stream).await, "end");
    let now = api.revision().to_string();
    let mut stream = client.watch(&WatchParams::default(), &now).await.unwrap().boxed();
    api.delete(RESOURCE, "shop", "a").unwrap();
    assert_eq!(next(&mut stream).await, "deleted a");
}

#[tokio::test]
async fn kubes_watcher_lists_in_pages_and_follows() {
    let api = MemoryApi::new();
    for name in ["a", "b", "c"] {
        api.create(instance(name)).unwrap();
    }
    for config in [watcher::Config::default().page_size(2), watcher::Config::default().streaming_lists()] {
        let mut stream = watcher(instances(&api), config).boxed();
        let mut names = Vec::new();
        while let Some(event) = stream.try_next().await.unwrap() {
            match event {
                watcher::Event::InitApply(object) => names.push(object.name_any()),
                watcher::Event::InitDone => break,
                _ => {}
            }
        }
        assert_eq!(names, ["a", "b", "c"]);
        api.patch_spec(RESOURCE, "shop", "b", json!({"changed": api.revision()})).unwrap();
        let event = tokio::time::timeout(SOON, stream.try_next()).await.unwrap().unwrap();
        assert!(matches!(event, Some(watcher::Event::Apply(object)) if object.name_any() == "b"));
    }
}

#[tokio::test]
async fn a_user_edits_anything_and_the_generation_follows_the_spec() {
    let api = MemoryApi::new();
    let created = api.create(instance("a")).unwrap();
    assert_eq!(created["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    let edited = api.edit(RESOURCE, "shop", "a", |object| object["status"] = json!({"id": 1})).unwrap();
    assert_eq!((&edited["metadata"]["generation"], &edited["status"]["id"]), (&json!(1), &json!(1)));
    let edited = api.edit(RESOURCE, "shop", "a", |object| object["spec"]["size"] = json!("x")).unwrap();
    assert_eq!(edited["metadata"]["generation"], 2);
    api.edit(RESOURCE, "shop", "a", |object| object["metadata"]["finalizers"] = json!(["f/f"])).unwrap();
    assert!(!api.delete(RESOURCE, "shop", "a").unwrap());
    let going = api.get(RESOURCE, "shop", "a").unwrap();
    assert_eq!(going["metadata"]["generation"], 3);
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    api.erase(RESOURCE, "shop", "a").unwrap();
    assert!(api.get(RESOURCE, "shop", "a").is_none());
    assert!(api.get("namespaces", "", "kube-system").unwrap()["metadata"]["uid"].is_string());
}

#[tokio::test]
async fn a_definition_teaches_lists_and_defaults() {
    let api = MemoryApi::new();
    api.define(&json!({"spec": {
        "group": "example.org", "names": {"kind": "Thing", "plural": "thinges"},
        "versions": [{"name": "v2", "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"properties": {
            "spec": {"properties": {"disks": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": {}}}},
            "status": {"default": {"phase": "New"}},
        }}}}],
    }}));
    let thing = |disks: Value| json!({"apiVersion": "example.org/v2", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"disks": disks}});
    assert_eq!(api.create(thing(json!([{"id": 1, "size": 5}]))).unwrap()["status"]["phase"], "New");
    let applied = api.apply(thing(json!([{"id": 2}]))).unwrap();
    assert_eq!(applied["spec"]["disks"], json!([{"id": 1, "size": 5}, {"id": 2}]));
    assert_eq!(api.list("thinges").len(), 1);
}

#[tokio::test]
async fn pages_of_a_list_are_one_snapshot_and_expire() {
    let api = MemoryApi::new();
    for name in ["a", "b", "c"] {
        api.create(instance(name)).unwrap();
    }
    let client = instances(&api);
    let first = client.list(&ListParams::default().limit(1)).await.unwrap();
    api.delete(RESOURCE, "shop", "b").unwrap();
    let token = first.metadata.continue_.unwrap();
    let second = client.list(&ListParams::default().limit(1).continue_token(&token)).await.unwrap();
    assert_eq!(second.items[0].name_any(), "b");
    api.compact();
    let expired = client.list(&ListParams::default().continue_token(&token)).await.unwrap_err();
    assert!(matches!(expired, kube::Error::Api(status) if status.code == 410 && status.reason == "Expired"));
}
