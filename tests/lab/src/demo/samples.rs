//! The manifests of `deploy/samples`, and what they suppose: which VMs must already exist in ITCare,
//! and which ones the operator will create.
//!
//! Nothing about single files is known here, so that a new sample takes part by itself.

use std::path::Path;

use anyhow::{Context as _, bail};
use itcare_lab::apply::documents;
use serde_json::{Value, json};

/// One file.
#[derive(Debug)]
pub struct Sample {
    /// Its path from the top of the repository.
    pub path: String,
    /// The first sentence of the comment at its top.
    pub about: String,
    /// Its objects.
    pub objects: Vec<Value>,
}

impl Sample {
    /// Whether it holds an object of this kind.
    pub fn has(&self, kind: &str) -> bool {
        self.objects.iter().any(|object| object["kind"] == kind)
    }
}

/// Reads all samples, in the order in which they are best told: new VMs, existing ones, snapshots.
///
/// # Errors
///
/// When a file cannot be read or is not a manifest.
pub fn read(root: &Path) -> anyhow::Result<Vec<Sample>> {
    let folder = root.join("deploy/samples");
    let unreadable = || format!("cannot read {}", folder.display());
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.ends_with(".yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(unreadable)?;
        let objects = documents(&text).with_context(|| format!("{} is no manifest", path.display()))?;
        samples.push(Sample { path: format!("deploy/samples/{name}"), about: about(&text), objects });
    }
    if samples.is_empty() {
        bail!("there are no manifests in {}", folder.display());
    }
    samples.sort_by_key(|sample| {
        let exists = sample.objects.iter().any(|object| is_seeded(&object["spec"]));
        (sample.has("ITCareSnapshot"), exists, sample.path.clone())
    });
    Ok(samples)
}

/// The first sentence of the leading comment.
fn about(text: &str) -> String {
    let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    let comment = comment.join(" ");
    match comment.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => comment,
    }
}

/// What the samples suppose, and what they should lead to.
#[derive(Debug, Default)]
pub struct Plan {
    /// VMs that must exist before, as `/_sim/seed` takes them.
    pub seeds: Vec<Value>,
    /// Host names that the operator must create, once each.
    pub created: Vec<String>,
    /// Host names that the operator must never change.
    pub observed: Vec<String>,
    /// Objects whose VM the operator creates, and which ask to keep it at deletion.
    pub retained: Vec<String>,
}

impl Plan {
    /// From all samples.
    pub fn of(samples: &[Sample]) -> Self {
        let mut plan = Self::default();
        let instances = samples.iter().flat_map(|sample| &sample.objects);
        for object in instances.filter(|object| object["kind"] == "ITCareInstance") {
            let spec = &object["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if spec["managementPolicy"] == "Observe" {
                plan.observed.push(text(&spec["name"]));
            }
            if is_seeded(spec) {
                plan.seeds.push(seed(spec));
                continue;
            }
            plan.created.push(text(&spec["name"]));
            if spec["deletionPolicy"] == "Retain" {
                plan.retained.push(text(&object["metadata"]["name"]));
            }
        }
        // A seed without an id gets the next free one, which must not be one that another asks for.
        plan.seeds.sort_by_key(|seed| seed.get("id").is_none());
        plan
    }

    /// Host names of the VMs that were there before and must be there after.
    pub fn survivors(&self) -> Vec<String> {
        self.seeds.iter().filter_map(|seed| seed["name"].as_str()).map(str::to_owned).collect()
    }
}

/// Whether the VM is to be taken over or watched rather than created.
fn is_seeded(spec: &Value) -> bool {
    spec.get("instanceId").is_some() || spec["adoptionPolicy"] == "ByName"
}

/// A VM as somebody else would have made it: small, running, without backup.
fn seed(spec: &Value) -> Value {
    let mut seed = json!({"name": spec["name"], "service_id": spec["serviceId"]});
    for (theirs, ours) in [("id", "instanceId"), ("region", "region"), ("platform", "platform")] {
        if let Some(value) = spec.get(ours) {
            seed[theirs] = value.clone();
        }
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        read(&crate::demo::build::root()).unwrap()
    }

    #[test]
    fn existing_vms_come_after_new_ones_and_snapshots_last() {
        let paths: Vec<_> = samples().into_iter().map(|sample| sample.path).collect();
        let position = |name: &str| paths.iter().position(|path| path.ends_with(name)).unwrap();
        assert!(position("/instance.yaml") < position("/adopt-by-id.yaml"));
        assert!(position("/observe.yaml") < position("/snapshot.yaml"));
    }

    #[test]
    fn every_vm_is_either_seeded_or_created() {
        let plan = Plan::of(&samples());
        assert!(
            plan.created.contains(&"PWEB01".to_owned()) && !plan.created.contains(&"QCACHE01".to_owned())
        );
        assert_eq!(plan.observed, ["PLEGACY01"]);
        assert!(plan.survivors().contains(&"PDB01".to_owned()));
        assert!(plan.seeds.is_sorted_by_key(|seed| seed.get("id").is_none()));
    }

    #[test]
    fn the_comment_at_the_top_is_what_a_file_is_about() {
        assert_eq!(about("# A VM: it is\n# made. And kept.\nkind: A\n"), "A VM: it is made.");
        assert_eq!(about("kind: A\n# no\n"), "");
    }
}
