//! The Jobs that take a snapshot before an upgrade: their script is run by a shell, with the rights that the file
//! gives to its account and no others, against the built operator.
//!
//! Not here: the image and the Pod around the script.

use std::ffi::OsString;
use std::process::{Output, Stdio};

use itcare_lab::apply::{apply_yaml, documents};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::Bench;
use crate::kit::{root, text};

const FILES: [&str; 3] = [
    "deploy/argocd/recipes/presync-job.yaml",
    "deploy/flux/recipes/kubectl-job.yaml",
    "deploy/flux/recipes/helm-pre-upgrade-job.yaml",
];

fn job(file: &str) -> Value {
    let all = documents(&text(&root().join(file))).expect("it is YAML");
    all.into_iter().find(|object| object["kind"] == "Job").unwrap_or_else(|| panic!("{file} has no Job"))
}

#[test]
fn all_jobs_do_the_same() {
    let specs = FILES.map(|file| job(file)["spec"].clone());
    assert!(specs.iter().all(|spec| *spec == specs[0]), "change the three Jobs alike");
}

/// The script of the Job in a shell, as the Job's account.
async fn run(bench: &Bench, token: &str) -> Output {
    let container = job(FILES[0])["spec"]["template"]["spec"]["containers"][0].clone();
    let words = |field: &str| -> Vec<String> {
        let all = container[field].as_array().expect("a list").iter();
        all.map(|word| word.as_str().expect("a text").to_owned()).collect()
    };
    let kubectl = bench.plane().kubectl_program().expect("there is a kubectl");
    let mut path = OsString::from(kubectl.parent().expect("a program has a folder"));
    path.push(":/usr/local/bin:/usr/bin:/bin");
    let command = words("command");
    let mut shell = Command::new(&command[0]);
    shell.args(&command[1..]).args(words("args"));
    for variable in container["env"].as_array().expect("a list") {
        let (name, value) = (variable["name"].as_str().expect("a name"), variable["value"].as_str());
        shell.env(name, if name == "NAMESPACE" { bench.name() } else { value.expect("a value") });
    }
    shell
        .env("PATH", path)
        .env("KUBECONFIG", bench.plane().kubeconfig(token).expect("a kubeconfig can be written"))
        .env("KUBECACHEDIR", bench.plane().directory().join("kubectl-cache"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    tokio::time::timeout(crate::bench::SOON * 2, shell.output()).await.expect("it ends").expect("it runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_takes_one_snapshot_for_each_upgrade_and_fails_with_the_reason() {
    let bench = Bench::new("shop").await;
    let _operator = bench.operator(&[]);
    let admin = bench.plane().admin().expect("a client can be made");
    let account =
        text(&root().join(FILES[1])).replace("namespace: shop", &format!("namespace: {}", bench.name()));
    let account =
        account.split("apiVersion: batch/v1").next().expect("the Job comes last").trim_end_matches("---\n");
    apply_yaml(&admin, account, "suite").await.expect("account and rights are accepted");
    let token =
        bench.plane().service_account_token(bench.name(), "snapshot-before-upgrade").await.expect("a token");

    let output = run(&bench, &token).await;
    assert!(output.status.success() && said(&output).contains("no instance web yet"), "{}", said(&output));
    assert!(bench.get("ITCareSnapshot", "web-before-upgrade").await.is_none(), "a first installation");

    bench.instance("web", json!({})).await;
    bench.until_true("ITCareInstance", "web", "Ready").await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let output = run(&bench, &token).await;
        assert!(output.status.success(), "{}", said(&output));
        let snapshot = bench.get("ITCareSnapshot", "web-before-upgrade").await.expect("it was taken");
        assert!(itcare_lab::kstatus::kubectl_wait(&snapshot, "Available", "True"), "{snapshot:#}");
        seen.push(snapshot["status"]["id"].clone());
    }
    assert_ne!(seen[0], seen[1], "the second upgrade has a snapshot of its own");

    bench.delete("ITCareSnapshot", "web-before-upgrade").await;
    bench.until_gone("ITCareSnapshot", "web-before-upgrade").await;
    let web = bench.get("ITCareInstance", "web").await.expect("it is there");
    bench.sim.seed_snapshot(web["status"]["id"].as_i64().expect("an id"), "by hand", "alice");
    let output = run(&bench, &token).await;
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("no snapshot: "), "{}", said(&output));
}
