//! The complete life of an instance, every change, adoption, drift, and deletion by namespace.

use std::time::Duration;

use itcare_lab::apply::documents;
use itcare_lab::controlplane::{ControlPlane, Options};
use itcare_lab::eventually::eventually;
use itcare_sim::{Operation, SeedInstance};
use serde_json::json;

use crate::bench::{Bench, SOON, message, reason};

const VM: &str = "ITCareInstance";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_lives_from_its_manifest_to_its_end() {
    let bench = Bench::new("life").await;
    let _operator = bench.operator(&[]);
    bench.instance("web", json!({"resizePolicy": "StopStart"})).await;
    let web = bench.until_true(VM, "web", "Ready").await;
    assert_eq!(reason(&web, "Ready"), "Running");
    let id = web["status"]["id"].as_i64().expect("it has an id");
    let changes = [
        (json!({"powerState": "Stopped"}), vec![Operation::Stop]),
        (json!({"powerState": "Running"}), vec![Operation::Start]),
        (json!({"size": "4cpu8gb"}), vec![Operation::Stop, Operation::Resize, Operation::Start]),
        (json!({"monitoring": {"enabled": true, "alerting": true}}), vec![Operation::UpdateMonitoring]),
        (
            json!({"patching": {"excluded": true, "exclusionReason": "by hand"}}),
            vec![Operation::UpdatePatchParty],
        ),
        (json!({"replication": {"enabled": true}}), vec![Operation::UpdateStorageReplication]),
        (json!({"backup": {"enabled": true}}), vec![Operation::UpdateBackup]),
    ];
    for (spec, operations) in changes {
        bench.sim.clear_journal();
        bench.patch(VM, "web", json!({"spec": spec})).await;
        bench.until_true(VM, "web", "Ready").await;
        assert_eq!(bench.changes(), operations, "{spec}");
    }
    let requested = crate::bench::now();
    bench.patch(VM, "web", json!({"spec": {"reset": {"requestedAt": requested}}})).await;
    let done = bench
        .until(VM, "web", "the receipt", |seen| seen["status"]["handledRequests"]["reset"].is_object())
        .await;
    // A start of ours lies within ten minutes before the request; ITCare's words tell them apart.
    assert_eq!(done["status"]["handledRequests"]["reset"]["result"], "Succeeded", "{done:#}");
    let vm = bench.sim.instance(id).expect("it is there");
    assert_eq!((vm.cpu, vm.ram, vm.resets), (4, 8, 1));
    assert!(vm.monitoring && vm.alerting && vm.replication && vm.backup && vm.patch_excluded);
    bench.delete(VM, "web").await;
    bench.until_gone(VM, "web").await;
    assert!(!bench.sim.instance(id).expect("it was there").live);
    let report = bench.sim.report();
    assert_eq!((report.created, report.duplicates.len(), report.leftovers.len()), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kubectl_prints_is_what_people_need() {
    let bench = Bench::new("prints").await;
    let _operator = bench.operator(&[]);
    bench.instance("web", json!({})).await;
    bench.until_true(VM, "web", "Ready").await;
    let get = bench.plane().kubectl(&["get", "itcvm", "-n", bench.name()]).await.expect("kubectl runs");
    let lines: Vec<Vec<&str>> = get.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "REASON", "POWER", "SIZE", "IP", "AGE"], "{}", get.stdout);
    assert_eq!(lines[1][..5], ["web", "True", "Running", "Running", "2cpu4gb"], "{}", get.stdout);
    let wait = ["wait", "itcvm/web", "--for=condition=Ready", "--timeout=10s", "-n", bench.name()];
    assert!(bench.plane().kubectl(&wait).await.expect("kubectl runs").success);
    let describe =
        bench.plane().kubectl(&["describe", "itcvm", "web", "-n", bench.name()]).await.expect("kubectl runs");
    assert!(describe.stdout.contains("Running"), "{}", describe.stdout);
    assert!(describe.stdout.contains("Events:"), "{}", describe.stdout);
    assert!(describe.stdout.contains("itcare-operator"), "an Event names who told it: {}", describe.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_converge_as_they_say() {
    let bench = Bench::new("samples").await;
    bench.sim.seed(SeedInstance { id: Some(5_220_149), ..SeedInstance::new("PDB01", 13) });
    bench.sim.seed(SeedInstance { id: Some(5_220_150), ..SeedInstance::new("PLEGACY01", 13) });
    let _operator = bench.operator(&[]);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let mut applied = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the samples are there") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a sample is text");
        for object in documents(&text).expect("a sample is YAML") {
            let (kind, name) = (
                object["kind"].as_str().expect("a kind").to_owned(),
                object["metadata"]["name"].as_str().expect("a name").to_owned(),
            );
            bench.apply(&kind, &name, object["spec"].clone()).await;
            applied.push((kind, name));
        }
    }
    assert!(applied.len() >= 7, "{applied:?}");
    for (kind, name) in &applied {
        bench.until_true(kind, name, "Ready").await;
    }
    assert!(bench.sim.report().duplicates.is_empty());
    let legacy = bench.sim.journal().into_iter().filter(|entry| entry.instance == Some(5_220_150));
    assert_eq!(
        legacy.filter(|entry| entry.operation.is_mutating()).count(),
        0,
        "an observed VM is not touched"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_operator_goes_on_where_it_was() {
    let bench = Bench::new("killed").await;
    // Names are not unique: nothing but the operator prevents a second VM.
    bench.sim.quirks(|quirks| quirks.unique_names = false);
    for round in 0..6 {
        let name = format!("web{round}");
        let operator = bench.operator(&[]);
        operator.ready().await;
        bench.instance(&name, json!({})).await;
        // Somewhere between the manifest and the VM.
        eventually(SOON, "a moment of the creation", || async {
            let seen = bench.get(VM, &name).await.unwrap_or_default();
            let moment = match round % 3 {
                0 => seen["metadata"]["annotations"].is_object(),
                1 => seen["status"]["operation"].is_object(),
                _ => seen["status"]["id"].is_i64(),
            };
            if moment { Ok(()) } else { Err(seen) }
        })
        .await;
        operator.kill().await;
        let operator = bench.operator(&[]);
        bench.until_true(VM, &name, "Ready").await;
        operator.kill().await;
    }
    let report = bench.sim.report();
    assert_eq!(report.created, 6);
    assert!(report.duplicates.is_empty(), "{:?}", report.duplicates);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_corrected_and_deletion_waits_for_its_proof() {
    let bench = Bench::new("drift").await;
    let _operator = bench.operator(&[]);
    bench.instance("web", json!({})).await;
    let id = bench.until_true(VM, "web", "Ready").await["status"]["id"].as_i64().expect("it has an id");
    bench.sim.start_foreign_action(id, "vm_stop", "somebody");
    eventually(SOON, "the VM is started again", || async {
        let starts = bench.changes().iter().filter(|operation| **operation == Operation::Start).count();
        if starts == 1 { Ok(()) } else { Err(bench.changes()) }
    })
    .await;
    bench.until_true(VM, "web", "Ready").await;
    // Without the right to delete, the object stays and says why.
    bench.sim.accounts(|accounts| accounts.list[0].profile = itcare_sim::Profile::Operator);
    bench.delete(VM, "web").await;
    let blocked =
        bench.until(VM, "web", "denied", |seen| reason(seen, "Stalled") == "PermissionDenied").await;
    assert!(message(&blocked, "Stalled").contains("POW"));
    bench.sim.accounts(|accounts| accounts.list[0].profile = itcare_sim::Profile::Power);
    bench.until_gone(VM, "web").await;
    assert!(bench.sim.report().leftovers.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_namespace_takes_its_vms_with_it() {
    let bench = Bench::new("unused").await;
    // A control plane of its own: only this test needs the namespace controller.
    let plane = ControlPlane::start(Options { controller_manager: true, ..Options::default() })
        .await
        .expect("it starts");
    let kubeconfig = plane.kubeconfig(itcare_lab::controlplane::ADMIN).expect("a kubeconfig");
    let crds = itcare_operator::crd::print::yaml().expect("definitions are YAML");
    let apply = |text: String| {
        let plane = &plane;
        async move {
            let arguments = ["apply", "--server-side", "-f", "-"];
            let output = plane
                .kubectl_as(itcare_lab::controlplane::ADMIN, &arguments, &text)
                .await
                .expect("kubectl runs");
            assert!(output.success, "{}", output.stderr);
        }
    };
    apply(crds).await;
    let wait = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"];
    assert!(plane.kubectl(&wait).await.expect("kubectl runs").success);
    let object = |kind: &str, name: &str, spec: serde_json::Value| {
        let version = if kind == "Namespace" { "v1" } else { "itcare.cegedim.cloud/v1alpha1" };
        let namespace = if kind == "Namespace" { json!(null) } else { json!("shop") };
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}).to_string()
    };
    apply(object("Namespace", "shop", json!({}))).await;
    for name in ["one", "two", "three"] {
        let spec = json!({"name": name.to_uppercase(), "serviceId": 14, "region": "EB", "platform": "deb12", "size": "2cpu4gb"});
        apply(object(VM, name, spec)).await;
    }
    apply(object("ITCareSnapshot", "one", json!({"instanceRef": {"name": "one"}}))).await;
    let operator = bench.operator_with(&kubeconfig, &["--watch-namespace=shop", "--lease-namespace=default"]);
    let ready = ["wait", "itcare", "--all", "-n", "shop", "--for=condition=Ready", "--timeout=60s"];
    let output = plane.kubectl(&ready).await.expect("kubectl runs");
    assert!(output.success, "{}{}", output.stdout, output.stderr);
    assert!(
        plane.kubectl(&["delete", "namespace", "shop", "--wait=false"]).await.expect("kubectl runs").success
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    operator.kill().await;
    let _operator =
        bench.operator_with(&kubeconfig, &["--watch-namespace=shop", "--lease-namespace=default"]);
    eventually(SOON, "the namespace is gone", || async {
        let output = plane.kubectl(&["get", "namespace", "shop"]).await.expect("kubectl runs");
        if output.success { Err(output.stdout) } else { Ok(()) }
    })
    .await;
    assert!(bench.sim.report().leftovers.is_empty(), "{:?}", bench.sim.report().leftovers);
    assert_eq!(bench.sim.report().created, 3);
}
