//! The process at its start: flags, credentials, health. What it may do is tested with the chart (`chart`).

use itcare_lab::controlplane::Namespace;
use itcare_lab::eventually::eventually;
use serde_json::json;
use tokio::process::Command;

use crate::bench::{Bench, SOON, message, reason};

const VM: &str = "ITCareInstance";

async fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_itcare-operator"))
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent")
        .output()
        .await
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_flag_that_cannot_be_followed_is_named_with_its_cure() {
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--settle-time=10s"], &["--settle-time", "10s", "45s"]),
        (&["--settle-time=soon"], &["--settle-time", "soon", "30s"]),
        (&["--itcare-url=http://itcare.example"], &["--itcare-url", "http", "--allow-http"]),
        (&["--itcare-url=nowhere"], &["--itcare-url", "nowhere"]),
        (&["--itcare-url=https://me:secret@itcare.example"], &["--itcare-url", "--itcare-client-id"]),
        (&["--itcare-rate=0"], &["--itcare-rate", "0"]),
        (&["--page-size=0"], &["--page-size"]),
        (&["--allow-services=shop"], &["--allow-services", "shop", "NAMESPACE=ID,ID"]),
        (&["--lease-duration=1500ms"], &["--lease-duration", "whole seconds"]),
        (&["--log-level=loud=very"], &["--log-level", "loud"]),
    ];
    for (flags, words) in cases {
        let arguments: Vec<&str> = ["run"].iter().chain(flags).copied().collect();
        let (success, _, stderr) = run(&arguments).await;
        assert!(!success, "{flags:?}");
        for word in words {
            assert!(stderr.contains(word), "{flags:?} does not say {word}: {stderr}");
        }
        assert!(!stderr.contains("secret@"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[tokio::test]
async fn without_a_cluster_it_says_what_to_set() {
    let flags = ["run", "--health-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"];
    let (success, _, stderr) = run(&flags).await;
    assert!(!success);
    assert!(stderr.contains("KUBECONFIG"), "{stderr}");
}

#[tokio::test]
async fn the_definitions_are_printed_for_kubectl() {
    let (success, stdout, _) = run(&["crds"]).await;
    assert!(success);
    assert_eq!(stdout, itcare_operator::crd::print::yaml().expect("definitions are YAML"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_everywhere_and_heal() {
    let bench = Bench::new("credentials").await;
    std::fs::write(bench.secret_file(), "wrong-secret-canary\n").expect("it can be written");
    let operator = bench.operator(&[]);
    bench.instance("web", json!({})).await;
    let stalled =
        bench.until(VM, "web", "rejected", |seen| reason(seen, "Stalled") == "CredentialsRejected").await;
    assert!(message(&stalled, "Stalled").contains("--itcare-client-id"));
    eventually(SOON, "/readyz tells", || async {
        let (status, body) = operator.health("/readyz").await;
        if status == 200 && body.contains("itcare-credentials") { Ok(()) } else { Err((status, body)) }
    })
    .await;
    assert_eq!(operator.health("/livez").await.0, 200);
    // The file is gone for a while, then right.
    std::fs::remove_file(bench.secret_file()).expect("it was there");
    bench.until(VM, "web", "missing", |seen| message(seen, "Ready").contains("secret file")).await;
    std::fs::write(bench.secret_file(), "secret\n").expect("it can be written");
    bench.until_true(VM, "web", "Ready").await;
    let log = operator.log();
    assert!(!log.contains("canary"), "a secret in the log");
    assert!(!log.contains("sim-token"), "a token in the log");
    assert_eq!(bench.sim.report().created, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_cannot_be_reached_is_told_with_the_reason() {
    let bench = Bench::new("unreachable").await;
    // A port that was free a moment ago: nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let server = format!("https://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "nowhere",
        "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
        "clusters": [{"name": "nowhere", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
    });
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("it can be written");
    let operator = bench.operator_with(&path, &["--lease-namespace=default"]);
    eventually(SOON, "/readyz tells why", || async {
        let (_, body) = operator.health("/readyz").await;
        if body.contains("does not answer") && body.contains("refused") {
            Ok(())
        } else {
            Err((body, operator.log()))
        }
    })
    .await;
    assert!(operator.log().contains("refused"), "{}", operator.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_namespaces_are_watched_as_one() {
    let bench = Bench::new("several").await;
    let other = Namespace::fresh("several").await;
    let operator = bench.operator(&[&format!("--watch-namespace={}", other.name())]);
    operator.ready().await;
    bench.instance("web", json!({})).await;
    bench.until_true(VM, "web", "Ready").await;
    let manifest = json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1",
        "kind": VM,
        "metadata": {"name": "db", "namespace": other.name()},
        "spec": {"name": "DDB", "serviceId": 14, "region": "EB", "platform": "deb12", "size": "2cpu4gb"},
    })
    .to_string();
    let applied =
        other.plane().kubectl_as(itcare_lab::controlplane::ADMIN, &["apply", "-f", "-"], &manifest).await;
    assert!(applied.expect("kubectl runs").success);
    let wait = ["wait", "itcvm/db", "--for=condition=Ready", "--timeout=60s", "-n", other.name()];
    let output = other.plane().kubectl(&wait).await.expect("kubectl runs");
    assert!(output.success, "{}{}", output.stderr, operator.log());
}
