//! The bill of materials of the real tree.

use std::collections::BTreeSet;

use itcare_lab::image::bill;
use serde_json::Value;

use crate::metadata::{metadata, text};

fn operator() -> Value {
    bill(metadata(), &text("Cargo.lock"), "itcare-operator").expect("it is a package of the workspace")
}

#[test]
fn it_holds_what_is_compiled_in_with_licence_and_sum_and_nothing_of_the_tests() {
    let bill = operator();
    let components = bill["components"].as_array().expect("components");
    let names: BTreeSet<&str> = components.iter().filter_map(|one| one["name"].as_str()).collect();
    for direct in ["kube", "reqwest", "rustls", "serde", "tokio"] {
        assert!(names.contains(direct), "{direct} is missing");
    }
    for other in ["proptest", "itcare-lab", "itcare-sim", "tempfile", "itcare-operator"] {
        assert!(!names.contains(other), "{other} is no part of the program");
    }
    for one in components {
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        assert_eq!(one["hashes"][0]["content"].as_str().map(str::len), Some(64), "{one}");
        let purl =
            format!("pkg:cargo/{}@{}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap());
        assert_eq!(one["purl"], purl);
    }
    assert_eq!(bill["metadata"]["component"]["name"], "itcare-operator");
}

#[test]
fn its_references_are_closed_and_it_is_the_same_each_time() {
    let bill = operator();
    let components = bill["components"].as_array().expect("components");
    let mut known: BTreeSet<&str> = components.iter().filter_map(|one| one["bom-ref"].as_str()).collect();
    assert_eq!(known.len(), components.len(), "two components with one reference");
    known.extend(bill["metadata"]["component"]["bom-ref"].as_str());
    for dependency in bill["dependencies"].as_array().expect("dependencies") {
        let below = dependency["dependsOn"].as_array().expect("a list");
        for reference in below.iter().chain([&dependency["ref"]]).filter_map(Value::as_str) {
            assert!(known.contains(reference), "{reference}");
        }
    }
    assert_eq!(bill, operator());
}
