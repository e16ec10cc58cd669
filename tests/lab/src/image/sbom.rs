//! The bill of materials of a program, as CycloneDX: what `cargo metadata` and `Cargo.lock` know of everything that is
//! compiled into it. The same tree gives the same bytes; no time and no random number is in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// The bill of a package of the workspace.
///
/// `metadata` is what `cargo metadata --format-version 1` prints, filtered to the target's platform; `lock` the text of
/// `Cargo.lock`, which has the sums. `None` when the package is not in the metadata. What serves tests and builds
/// alone is left out.
pub fn bill(metadata: &Value, lock: &str, package: &str) -> Option<Value> {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).map(|one| (text(&one["id"]), one)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|one| (text(&one["id"]), one)).collect();
    let root = packages
        .iter()
        .find(|(_, one)| one["name"] == package && one["source"].is_null())
        .map(|(id, _)| *id)?;
    let mut reached = BTreeSet::from([root]);
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        for below in normal(nodes.get(id)?) {
            if reached.insert(below) {
                open.push(below);
            }
        }
    }
    let sums = sums(lock);
    let component = |id: &str| packages.get(id).map(|one| component(one, &sums));
    let components: Vec<Value> =
        reached.iter().filter(|id| **id != root).filter_map(|id| component(id)).collect();
    let dependencies: Vec<Value> = reached
        .iter()
        .filter_map(|id| {
            let below: Vec<String> =
                normal(nodes.get(id)?).filter_map(|id| packages.get(id)).map(|one| purl(one)).collect();
            Some(json!({"ref": purl(packages.get(id)?), "dependsOn": below}))
        })
        .collect();
    let mut main = component(root)?;
    main["type"] = "application".into();
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main},
        "components": components,
        "dependencies": dependencies,
    }))
}

/// Dependencies that are compiled into the program.
fn normal(node: &Value) -> impl Iterator<Item = &str> {
    list(&node["deps"])
        .filter(|dependency| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()))
        .map(|dependency| text(&dependency["pkg"]))
}

fn component(package: &Value, sums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": name,
        "version": version,
        "purl": purl(package),
    });
    if let Some(licence) = package["license"].as_str() {
        // Older crates write `/` for a choice.
        let expression = licence.replace(" / ", " OR ").replace('/', " OR ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    if let Some(sum) = sums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}

fn purl(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
}

/// Name and version to the registry's sum.
fn sums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut sums = BTreeMap::new();
    for entry in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) = (value("name"), value("version"), value("checksum")) {
            sums.insert((name, version), sum);
        }
    }
    sums
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
