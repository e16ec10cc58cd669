//! The payloads of `tests/fixtures/itcare`, as bytes and as JSON.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;

fn folder(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(below)
}

fn files(below: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(below)).expect("the folder is there");
    entries.map(|entry| entry.expect("an entry can be read").path()).collect()
}

/// A payload as it travels.
pub fn bytes(name: &str) -> Bytes {
    let path = folder("fixtures/itcare").join(name);
    Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A payload as text.
pub fn text(name: &str) -> String {
    String::from_utf8(bytes(name).to_vec()).expect("payloads are UTF-8")
}

/// A payload as JSON.
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The access token of the page's token reply.
pub fn token() -> String {
    json("reply-token.json")["access_token"].as_str().expect("it has one").to_owned()
}

#[test]
fn every_payload_is_used_by_some_test() {
    let sources: Vec<String> = files("contract")
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a source can be read"))
        .collect();
    let names: BTreeSet<String> = files("fixtures/itcare")
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .collect();
    let unused: Vec<&String> = names
        .iter()
        .filter(|name| !sources.iter().any(|source| source.contains(&format!("\"{name}\""))))
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}

#[test]
fn every_payload_that_is_called_json_is_json() {
    for path in files("fixtures/itcare") {
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            serde_json::from_str::<Value>(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
