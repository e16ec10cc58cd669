//! The samples that users copy: accepted, kept whole, stable, and at home in the simulator.

use std::collections::BTreeSet;
use std::path::Path;

use itcare_lab::apply::documents;
use itcare_sim::Catalogue;
use serde_json::{Value, json};

use crate::served::missing;
use crate::server::{Keep, Project};

/// File, text and objects of every sample.
fn samples() -> Vec<(String, String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| {
            let path = entry.expect("its entries too").path();
            let file = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a sample is text");
            let objects = documents(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            (file, text, objects)
        })
        .collect();
    samples.sort_by(|left, right| left.0.cmp(&right.0));
    samples
}

#[tokio::test]
async fn every_sample_is_accepted_kept_whole_and_stable() {
    let project = Project::fresh("samples").await;
    for (file, _, objects) in samples() {
        for object in objects {
            let first = match project.apply(&object).await {
                Ok(stored) => stored,
                Err(refusal) => panic!("{file}: {}", refusal.message),
            };
            assert_eq!(missing(&object["spec"], &first["spec"], "spec"), Vec::<String>::new(), "{file}");
            // The server invents the status default when it reads, and stores it with the next write,
            // whatever that is: so an untouched object takes one more write, which changes nothing.
            let second = project.apply(&object).await.expect("it is the same");
            assert_eq!(without_version(first), without_version(second.clone()), "{file}");
            let third = project.apply(&object).await.expect("it is the same");
            assert_eq!(second, third, "{file}: applying it again writes");
            // The operator's reports make no difference to that.
            let status = json!({"observedGeneration": 1});
            let reported = project.report(&object, &status, Keep::Yes).await.expect("it is valid");
            let fourth = project.apply(&object).await.expect("it is the same");
            assert_eq!(reported, fourth, "{file}: applying it again writes");
        }
    }
}

fn without_version(mut object: Value) -> Value {
    object["metadata"].as_object_mut().expect("it is one").remove("resourceVersion");
    object
}

#[test]
fn the_samples_are_those_that_the_documents_name_and_each_says_what_it_does() {
    let samples = samples();
    let files: Vec<_> = samples.iter().map(|(file, ..)| file.as_str()).collect();
    assert_eq!(
        files,
        [
            "adopt-by-id.yaml",
            "adopt-by-name.yaml",
            "instance-full.yaml",
            "instance.yaml",
            "observe.yaml",
            "snapshot.yaml",
            "stopped.yaml",
        ]
    );
    for (file, text, objects) in &samples {
        assert!(text.starts_with("# "), "{file} does not open with a comment");
        assert_eq!(objects.len(), 1, "{file}");
        assert_eq!(objects[0]["metadata"].get("namespace"), None, "{file} goes where the user is");
    }
}

#[test]
fn the_samples_do_not_get_in_each_other_s_way() {
    let (mut objects, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for (file, _, documents) in samples() {
        for object in documents {
            assert!(objects.insert(format!("{} {}", object["kind"], object["metadata"]["name"])), "{file}");
            if let Some(host) = object["spec"]["name"].as_str() {
                assert!(hosts.insert(host.to_lowercase()), "{file}: {host} is taken");
            }
        }
    }
    for (file, _, documents) in samples() {
        for reference in documents.iter().filter_map(|object| object["spec"]["instanceRef"]["name"].as_str())
        {
            assert!(objects.contains(&format!("\"ITCareInstance\" {reference:?}")), "{file}: no {reference}");
        }
    }
}

#[test]
fn the_samples_ask_for_what_the_simulator_offers() {
    let catalogue = Catalogue::default();
    for (file, _, documents) in samples() {
        for object in documents.iter().filter(|object| object["kind"] == "ITCareInstance") {
            let spec = &object["spec"];
            let text = |field: &str| spec[field].as_str();
            let service = spec["serviceId"].as_i64().and_then(|id| catalogue.service(id));
            assert!(service.is_some(), "{file}: serviceId");
            assert!(text("platform").is_none_or(|id| catalogue.platform(id).is_some()), "{file}: platform");
            assert!(text("size").is_none_or(|size| catalogue.size(size).is_some()), "{file}: size");
            let Some(region) = text("region") else { continue };
            let region = catalogue.region(region).unwrap_or_else(|| panic!("{file}: region"));
            let area = |id: &str| region.areas.iter().any(|area| area.id == id);
            let zone = |id: &str| region.areas.iter().any(|area| area.zones.iter().any(|zone| zone == id));
            assert!(text("area").is_none_or(area), "{file}: area");
            assert!(text("availabilityZone").is_none_or(zone), "{file}: availabilityZone");
        }
    }
}

#[test]
fn the_full_sample_shows_every_group() {
    let samples = samples();
    let full = samples.iter().find(|(file, ..)| file == "instance-full.yaml").expect("it is there");
    let spec = crate::server::schema("ITCareInstance")["properties"]["spec"]["properties"].clone();
    let shown =
        |field: &str| full.2[0]["spec"].get(field).is_some() || full.1.contains(&format!("# {field}:"));
    let hidden: Vec<_> =
        spec.as_object().expect("it has fields").keys().filter(|field| !shown(field)).collect();
    assert_eq!(hidden, ["instanceId", "productCode"], "managed products and adoption have their own place");
}
