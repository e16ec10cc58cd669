//! A fixed script of the cases that are worth a name, on a kind whose schema allows anything.
//!
//! What a client may ask and how answers are masked is in `run`.

use itcare_lab::apply::{apply_yaml, documents};
use itcare_lab::controlplane::Namespace;
use itcare_lab::memory::MemoryApi;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{
    DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::run::{Run, condition, refusal, thing};

const CRD: &str = include_str!("../fixtures/minimal-crd.yaml");
const LAST: &str = "zz-last";

/// Creates, patches and preconditions.
async fn writes(run: &mut Run) {
    let mut first = thing("a", json!({"name": "A", "nested": {"x": 1, "y": 2}, "list": [1, 2]}));
    first["status"] = json!({"id": 7});
    let created = run.create("create with a status", first.clone()).await.unwrap();
    run.create("create again", first).await;
    let got = run.api.get("missing").await;
    run.note("get a missing one", got);

    let fresh = created.metadata.resource_version.clone();
    let uid = created.metadata.uid.clone();
    let finalizers = |version: &Option<String>| json!({"metadata": {"resourceVersion": version, "finalizers": ["itcare.cegedim.cloud/vm"], "annotations": {"k": "1"}}});
    run.merge("compare and swap", "a", finalizers(&fresh)).await;
    run.merge("compare and swap, stale", "a", finalizers(&fresh)).await;
    run.merge("another uid", "a", json!({"metadata": {"uid": "other", "labels": {"l": "1"}}})).await;
    run.merge("its uid", "a", json!({"metadata": {"uid": uid, "labels": {"l": "1"}}})).await;
    run.merge("no change", "a", json!({"metadata": {"labels": {"l": "1"}}})).await;
    run.merge("spec", "a", json!({"spec": {"nested": {"y": null, "z": 3}}})).await;
    run.merge("spec and status", "a", json!({"spec": {"size": "s"}, "status": {"id": 9}})).await;
    run.merge("only status", "a", json!({"status": {"id": 9}})).await;
    run.merge("empty labels", "a", json!({"metadata": {"labels": {"l": null}}})).await;
    run.merge("generation by hand", "a", json!({"metadata": {"generation": 99}})).await;
    run.merge("missing", "b", json!({"spec": {}})).await;
}

/// Status by server-side apply: no-ops, removal, order, two managers.
async fn statuses(run: &mut Run) {
    let full = json!({
        "observedGeneration": 2, "id": 1, "operation": {"kind": "Create", "deep": {"x": 1}},
        "conditions": [condition("Ready", "Unknown"), condition("Reconciling", "True")], "list": [1, 2],
    });
    let small = json!({"observedGeneration": 2, "conditions": [condition("Ready", "True")], "list": [1]});
    run.status("apply", "op", true, full.clone()).await;
    run.status("apply the same", "op", true, full.clone()).await;
    run.status("apply less", "op", true, small.clone()).await;
    run.status("apply less again", "op", true, small).await;
    let turned = json!({"observedGeneration": 2, "conditions": [condition("Stalled", "True"), condition("Ready", "False")]});
    run.status("another order", "op", true, turned.clone()).await;
    run.status(
        "another manager",
        "other",
        true,
        json!({"conditions": [condition("Other", "True")], "note": {"by": "other"}}),
    )
    .await;
    run.status("beside another manager", "op", true, turned).await;
    run.status(
        "new at the front",
        "op",
        true,
        json!({"conditions": [condition("New", "True"), condition("Ready", "False")]}),
    )
    .await;
    run.status("conflict", "other", false, json!({"conditions": [condition("Ready", "True")]})).await;
    run.status("conflict by force", "other", true, json!({"conditions": [condition("Ready", "True")]})).await;
    run.status("the loser lets go", "op", true, json!({"id": 3})).await;
    run.status("empty", "op", true, json!({})).await;
    run.status("empty map", "op", true, json!({"operation": {}})).await;
    run.status("empty list", "op", true, json!({"conditions": [], "drift": []})).await;
    run.status("of another", "other", true, json!({"id": 4})).await;
    run.status("filled again", "op", true, full).await;
    let patch = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"name": "B"}, "status": {"id": 5}});
    let answer = run.api.patch_status("a", &PatchParams::default(), &Patch::Merge(patch)).await;
    let object = run.note("merge patch of the status", answer).unwrap();
    let stale = json!({"metadata": {"resourceVersion": "1"}, "status": {"id": 6}});
    let answer = run.api.patch_status("a", &PatchParams::default(), &Patch::Merge(stale)).await;
    run.note("merge patch of the status, stale", answer);
    let mut body = thing("a", Value::Null);
    body["metadata"]["resourceVersion"] = json!("1");
    body["status"] = json!({"id": 5});
    let answer = run.api.patch_status("a", &PatchParams::apply("op").force(), &Patch::Apply(body)).await;
    run.note("apply of the status, stale", answer);
    let mut whole = serde_json::to_value(&object).unwrap();
    whole["status"] = json!({"id": 8});
    whole["spec"]["name"] = json!("ignored");
    let whole: DynamicObject = serde_json::from_value(whole).unwrap();
    let answer = run.api.replace_status("a", &PostParams::default(), &whole).await;
    run.note("put of the status", answer);
    let answer =
        run.api.patch_status("a", &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await;
    run.note("status wiped", answer);
    run.merge("no change after that", "a", json!({"metadata": {"annotations": {"k": "1"}}})).await;
    run.merge("and once more", "a", json!({"metadata": {"annotations": {"k": "1"}}})).await;
    let mut body = thing("a", Value::Null);
    body["metadata"]["uid"] = json!("other");
    body["status"] = json!({"id": 5});
    let answer = run.api.patch_status("a", &PatchParams::apply("op").force(), &Patch::Apply(body)).await;
    run.note("apply of the status, another uid", answer);
}

/// Whole objects by PUT and by server-side apply.
async fn objects(run: &mut Run) {
    let live = run.api.get("a").await.unwrap();
    let mut whole = serde_json::to_value(&live).unwrap();
    whole["spec"] = json!({"name": "C"});
    whole["metadata"].as_object_mut().unwrap().remove("annotations");
    let mut unconditional = whole.clone();
    unconditional["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    run.put("put without version", unconditional).await;
    let mut another = whole.clone();
    another["metadata"]["uid"] = json!("other");
    run.put("put of another uid", another).await;
    run.put("put", whole.clone()).await;
    run.put("put, stale", whole).await;
    run.put("put of nothing", thing("nothing", json!({}))).await;

    let labelled = |spec: Value| {
        let mut body = thing("b", spec);
        body["metadata"]["labels"] = json!({"app": "b"});
        body
    };
    let full = labelled(json!({"name": "B", "power": {"state": "Running"}, "size": "x"}));
    run.apply("apply creates", "kubectl", full.clone()).await;
    run.apply("apply changes nothing", "kubectl", full).await;
    run.apply("apply drops fields", "kubectl", thing("b", json!({"name": "B"}))).await;
    run.merge("another adds", "b", json!({"spec": {"extra": true, "power": {"by": "hand"}}})).await;
    run.apply("apply beside it", "kubectl", labelled(json!({"name": "B", "power": {"state": "Stopped"}})))
        .await;
    run.apply("and lets go", "kubectl", labelled(json!({"name": "B"}))).await;
    let mut with_finalizer = thing("b", json!({"name": "B"}));
    with_finalizer["metadata"]["finalizers"] = json!(["example.org/f"]);
    run.apply("finalizer by another manager", "finalizers", with_finalizer).await;
    run.apply("and off again", "finalizers", thing("b", json!({"name": "B"}))).await;
    let answer = run
        .api
        .patch("b", &PatchParams::apply("rival"), &Patch::Apply(thing("b", json!({"name": "X"}))))
        .await;
    run.note("conflict on spec", answer);

    run.create("one more", thing("c", json!({"name": "C"}))).await;
    let token = run.list("first page", ListParams::default().limit(2)).await.unwrap();
    run.create("in between", thing("d", json!({}))).await;
    run.list("second page", ListParams::default().limit(2).continue_token(&token)).await;
    run.list("all", ListParams::default()).await;
    run.list("by label", ListParams::default().labels("app=b")).await;
    run.list("by other label", ListParams::default().labels("app!=b")).await;
    run.list("by name", ListParams::default().fields("metadata.name=c")).await;
}

/// Deletion, with and without finalizers.
async fn deletions(run: &mut Run) {
    let wrong = DeleteParams {
        preconditions: Some(Preconditions { uid: Some("other".into()), resource_version: None }),
        ..DeleteParams::default()
    };
    run.delete("delete another uid", "a", &wrong).await;
    run.delete("delete nothing", "nothing", &DeleteParams::default()).await;
    run.delete("delete with finalizer", "a", &DeleteParams::default()).await;
    run.delete("delete again", "a", &DeleteParams::default()).await;
    run.merge(
        "late finalizer",
        "a",
        json!({"metadata": {"finalizers": ["itcare.cegedim.cloud/vm", "example.org/late"]}}),
    )
    .await;
    run.merge("spec while going", "a", json!({"spec": {"name": "D"}})).await;
    run.status("status while going", "op", true, json!({"id": 11})).await;
    run.merge("finalizer off", "a", json!({"metadata": {"finalizers": null}})).await;
    let got = run.api.get("a").await;
    run.note("gone", got);
    run.create("the same name again", thing("a", json!({"name": "A"}))).await;
    run.delete("delete at once", "b", &DeleteParams::default()).await;
    run.merge("finalizer on a living one", "c", json!({"metadata": {"finalizers": ["example.org/f"]}})).await;
    run.merge("and off", "c", json!({"metadata": {"finalizers": []}})).await;
}

/// A kind without status subresource and generation.
async fn leases(run: &mut Run) {
    let leases: Api<Lease> = Api::namespaced(run.client.clone(), &run.namespace);
    let lease: Lease =
        serde_json::from_value(json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "one"}}))
            .unwrap();
    let mut created = leases.create(&PostParams::default(), &lease).await.unwrap();
    run.note_value("lease", json!([created.metadata.generation, created.spec]));
    created.spec.as_mut().unwrap().holder_identity = Some("two".into());
    let put = leases.replace("l", &PostParams::default(), &created).await.unwrap();
    run.note_value("lease taken", json!([put.metadata.generation, put.spec]));
    let stale = leases.replace("l", &PostParams::default(), &created).await.unwrap_err();
    run.note_value("lease, stale", refusal(&stale));
}

async fn everything(client: Client, namespace: &str) -> Vec<(String, Value)> {
    let mut run = Run::new(client, namespace);
    let start = run.api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    writes(&mut run).await;
    statuses(&mut run).await;
    objects(&mut run).await;
    deletions(&mut run).await;
    leases(&mut run).await;
    run.create("last", thing(LAST, json!({}))).await;
    run.watch("all events in order", &WatchParams::default(), &start, LAST).await;
    run.watch("events of a label", &WatchParams::default().labels("app=b"), &start, "DELETED").await;
    run.watch("events of a name", &WatchParams::default().fields("metadata.name=b"), &start, "DELETED").await;
    run.watch("from nothing", &WatchParams::default(), "0", LAST).await;
    run.seen
}

#[tokio::test]
async fn the_memory_server_does_what_the_real_one_does() {
    let namespace = Namespace::fresh("differential").await;
    apply_yaml(&namespace.client(), CRD, "test").await.unwrap();
    let real = everything(namespace.client(), namespace.name()).await;
    let memory = MemoryApi::new();
    memory.define(&documents(CRD).unwrap()[0]);
    let memory = everything(memory.client(), namespace.name()).await;

    let mut differences = Vec::new();
    for (index, (step, expected)) in real.iter().enumerate() {
        match memory.get(index) {
            Some((_, found)) if found == expected => {}
            Some((_, Value::Array(found))) if expected.is_array() => {
                let expected = expected.as_array().unwrap();
                for number in 0..expected.len().max(found.len()) {
                    let show = |value: Option<&Value>| value.map(Value::to_string);
                    let (left, right) = (show(expected.get(number)), show(found.get(number)));
                    if left != right {
                        differences
                            .push(format!("{step}, no. {number}\n  real:   {left:?}\n  memory: {right:?}"));
                    }
                }
            }
            found => differences.push(format!(
                "{step}\n  real:   {expected}\n  memory: {:?}",
                found.map(|(_, value)| value.to_string())
            )),
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(real.len() > 70, "only {} steps", real.len());
}
