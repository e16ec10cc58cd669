//! The guide for moving to another cluster, typed. Two clusters are two ids here, one after the other.

use itcare_lab::controlplane::ADMIN;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::{Bench, reason};
use crate::markdown::{Document, root};

const GUIDE: &str = "deploy/docs/how-to/move-to-another-cluster.md";
const KIND: &str = "ITCareInstance";

/// The commands of the guide that contain these words, for one namespace only.
fn commands(bench: &Bench, words: &str) -> String {
    let document = Document::read(&root().join(GUIDE));
    let block = document.blocks.into_iter().find(|block| block.text.contains(words));
    let block = block.unwrap_or_else(|| panic!("{GUIDE} has no {words}"));
    block.text.replace("--all-namespaces", &format!("--namespace {}", bench.name()))
}

/// Runs them in a folder of their own.
async fn run(bench: &Bench, folder: &std::path::Path, script: &str) {
    let kubectl = bench.plane().kubectl_program().expect("there is a kubectl");
    let programs = kubectl.parent().expect("a program is in a folder").display().to_string();
    let output = Command::new("sh")
        .args(["-e", "-u", "-c", script])
        .current_dir(folder)
        .env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
        .env("KUBECONFIG", bench.plane().kubeconfig(ADMIN).expect("a kubeconfig can be written"))
        .kill_on_drop(true)
        .output();
    let output = output.await.expect("there is a shell");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn ledger(object: &Value) -> &Value {
    &object["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_move_to_another_cluster_with_their_vms_and_git_goes_on() {
    let bench = Bench::new("moving").await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let spec =
        json!({"name": "DWEB", "serviceId": 14, "region": "EB", "platform": "deb12", "size": "2cpu4gb"});
    let git = json!({"apiVersion": "itcare.cegedim.cloud/v1alpha1", "kind": KIND, "metadata": {"name": "web"}, "spec": spec});
    let apply = async || {
        let arguments = ["apply", "--namespace", bench.name(), "--filename", "-"];
        let output =
            bench.plane().kubectl_as(ADMIN, &arguments, &git.to_string()).await.expect("kubectl runs");
        assert!(output.success, "{}", output.stderr);
    };
    apply().await;
    let old = bench.operator(&["--cluster-id=old"]);
    let before = bench.until_true(KIND, "web", "Ready").await;
    drop(old);

    run(&bench, folder.path(), &commands(&bench, "> objects.yaml")).await;
    run(&bench, folder.path(), &commands(&bench, "finalizers")).await;
    bench.delete(KIND, "web").await;
    bench.until_gone(KIND, "web").await;

    run(&bench, folder.path(), &commands(&bench, "kubectl create")).await;
    let unaware = bench.operator(&["--cluster-id=new"]);
    let foreign = bench.until_true(KIND, "web", "Stalled").await;
    assert_eq!(reason(&foreign, "Stalled"), "ForeignLedger");
    drop(unaware);
    let _new = bench.operator(&["--cluster-id=new", "--previous-cluster-id=old"]);
    let after = bench.until_true(KIND, "web", "Ready").await;
    assert_eq!(before["status"]["id"], after["status"]["id"], "the same VM");
    assert_ne!(before["metadata"]["uid"], after["metadata"]["uid"], "another object");

    apply().await;
    let applied = bench.get(KIND, "web").await.expect("it is there");
    assert!(ledger(&applied).is_string(), "{applied:#}");
    assert_eq!(applied["metadata"]["finalizers"], before["metadata"]["finalizers"]);
    assert_eq!(applied["metadata"]["generation"], after["metadata"]["generation"], "nothing to change");
    assert_eq!(bench.changes().len(), 1, "one creation: {:?}", bench.changes());
}
