//! Every manifest in the documents is one that the API server takes.

use itcare_lab::apply::{documents, wait_established};
use itcare_lab::controlplane::{ADMIN, Namespace};
use serde_json::Value;

use crate::bench::SOON;
use crate::markdown::all;

/// Objects of our group in the YAML of all documents, with where they stand. What is of another group needs a
/// definition that is not here.
fn objects() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for document in all() {
        for block in document.blocks.iter().filter(|block| block.language == "yaml") {
            let place = format!("{}:{}", document.name, block.line);
            let objects = documents(&block.text).unwrap_or_else(|error| panic!("{place}: {error:?}"));
            let ours = objects.into_iter().filter(|object| {
                object["apiVersion"]
                    .as_str()
                    .is_some_and(|version| version.starts_with("itcare.cegedim.cloud/"))
            });
            found.extend(ours.map(|object| (place.clone(), object)));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_manifest_of_the_documents_is_accepted() {
    let namespace = Namespace::fresh("manifests").await;
    let (plane, client) = (namespace.plane(), namespace.client());
    let text = itcare_operator::crd::print::yaml().expect("definitions are YAML");
    itcare_lab::apply::apply_yaml(&client, &text, "suite").await.expect("the definitions are accepted");
    for plural in ["itcareinstances", "itcaresnapshots"] {
        let name = format!("{plural}.itcare.cegedim.cloud");
        wait_established(&client, &name, SOON).await.expect("they are served");
    }
    let objects = objects();
    assert!(objects.len() >= 8, "{}", objects.len());
    let mut refused = Vec::new();
    for (place, mut object) in objects {
        object["metadata"].as_object_mut().expect("metadata").remove("namespace");
        let arguments = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-n",
            namespace.name(),
            "-f",
            "-",
        ];
        let output = plane.kubectl_as(ADMIN, &arguments, &object.to_string()).await.expect("kubectl runs");
        if !output.success {
            refused.push(format!("{place}: {}", output.stderr));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn every_yaml_block_is_yaml() {
    let mut blocks = 0;
    for document in all() {
        for block in document.blocks.iter().filter(|block| block.language == "yaml") {
            blocks += 1;
            let read = documents(&block.text);
            assert!(read.is_ok(), "{}:{}: {read:?}", document.name, block.line);
        }
    }
    assert!(blocks >= 10, "{blocks}");
}
