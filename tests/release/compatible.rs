//! The definitions of this version against those of every release.

use itcare_lab::apply::documents;
use itcare_operator::crd::print;
use serde_json::{Value, json};

use crate::definitions::breaks;
use crate::metadata::root;

/// Release, and the definitions in it.
fn released() -> Vec<(String, Vec<Value>)> {
    let folder = root().join("crds/released");
    let mut releases = Vec::new();
    for entry in std::fs::read_dir(folder).expect("there was a release") {
        let path = entry.expect("an entry").path();
        let files = std::fs::read_dir(&path).expect("a release is a folder");
        let definitions = files.flat_map(|file| {
            let text = std::fs::read_to_string(file.expect("an entry").path()).expect("a definition is text");
            documents(&text).expect("a definition is YAML")
        });
        releases
            .push((path.file_name().expect("a name").to_string_lossy().into_owned(), definitions.collect()));
    }
    releases
}

#[test]
fn the_definitions_take_what_every_release_took() {
    let releases = released();
    assert!(!releases.is_empty());
    for (release, definitions) in releases {
        assert_eq!(definitions.len(), 2, "{release}");
        for old in definitions {
            let name = &old["metadata"]["name"];
            let now = print::all().into_iter().find(|new| new["metadata"]["name"] == *name);
            let found = breaks(&old, &now.unwrap_or_else(|| panic!("{release}: {name} is gone")));
            assert!(found.is_empty(), "{release}, {name}: {found:#?}");
        }
    }
}

/// A definition with one field of each sort.
fn sample() -> Value {
    json!({
        "spec": {
            "group": "g",
            "scope": "Namespaced",
            "names": {"kind": "K", "plural": "ks", "shortNames": ["k"]},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string", "maxLength": 10, "minLength": 1},
                    "mode": {"type": "string", "enum": ["A", "B"], "default": "A"},
                    "count": {"type": "integer", "minimum": 1, "maximum": 3},
                    "free": {"type": "string"},
                    "list": {"type": "array", "maxItems": 4, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                        "items": {"type": "object", "properties": {"id": {"type": "string"}}}},
                }},
            }}}}],
        },
    })
}

const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";

/// The sample with a value put at, or taken from, a place below the schema of `spec`.
fn changed(place: &str, value: Option<Value>) -> Value {
    let mut sample = sample();
    let path = format!("{SPEC}{place}");
    let (parent, key) = path.rsplit_once('/').expect("a place has a parent");
    let parent = sample.pointer_mut(parent).and_then(Value::as_object_mut).expect("it is an object");
    match value {
        Some(value) => parent.insert(key.to_owned(), value),
        None => parent.remove(key),
    };
    sample
}

#[test]
fn each_way_to_break_users_is_noticed() {
    let cases = [
        ("/properties/free", None, "v1.spec.free is gone"),
        ("/properties/list/items/properties/id", None, "v1.spec.list[].id is gone"),
        ("/properties/free/type", Some(json!("integer")), "v1.spec.free: type was \"string\""),
        ("/properties/free/format", Some(json!("date-time")), "v1.spec.free: format was"),
        ("/required", Some(json!(["name", "free"])), "\"free\" is required now"),
        ("/properties/name/maxLength", Some(json!(9)), "maxLength is tighter"),
        ("/properties/name/minLength", Some(json!(2)), "minLength is tighter"),
        ("/properties/free/maxLength", Some(json!(99)), "maxLength is tighter"),
        ("/properties/count/maximum", Some(json!(2)), "maximum is tighter"),
        ("/properties/count/minimum", Some(json!(2)), "minimum is tighter"),
        ("/properties/list/maxItems", Some(json!(3)), "maxItems is tighter"),
        ("/properties/free/pattern", Some(json!("^a$")), "the pattern is another one"),
        ("/properties/mode/default", Some(json!("B")), "the default was \"A\", is \"B\""),
        ("/properties/mode/default", None, "the default was \"A\", is null"),
        ("/properties/free/default", Some(json!("x")), "the default was null"),
        ("/properties/mode/enum", Some(json!(["A"])), "\"B\" is not allowed any more"),
        ("/properties/free/enum", Some(json!(["A"])), "only some words are allowed now"),
        ("/properties/list/x-kubernetes-list-type", Some(json!("atomic")), "x-kubernetes-list-type was"),
        (
            "/properties/list/x-kubernetes-list-map-keys",
            Some(json!(["name"])),
            "the keys of the list changed",
        ),
    ];
    for (place, value, words) in cases {
        let found = breaks(&sample(), &changed(place, value));
        assert_eq!(found.len(), 1, "{place}: {found:?}");
        assert!(found[0].contains(words), "{place}: {found:?}");
    }
    for (place, value, words) in [
        ("/spec/scope", json!("Cluster"), "/spec/scope changed"),
        ("/spec/names/shortNames", json!([]), "the short name \"k\" is gone"),
        ("/spec/versions/0/name", json!("v2"), "version v1 is gone"),
        ("/spec/versions/0/served", json!(false), "version v1 is not served any more"),
    ] {
        let mut new = sample();
        *new.pointer_mut(place).expect("it is there") = value;
        let found = breaks(&sample(), &new);
        assert_eq!(found.len(), 1, "{place}: {found:?}");
        assert!(found[0].contains(words), "{place}: {found:?}");
    }
}

#[test]
fn what_takes_more_than_before_breaks_nobody() {
    let cases = [
        (
            "/properties/new",
            Some(json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}})),
        ),
        ("/properties/name/maxLength", Some(json!(20))),
        ("/properties/name/minLength", None),
        ("/properties/mode/enum", Some(json!(["A", "B", "C"]))),
        ("/properties/mode/enum", None),
        ("/required", Some(json!([]))),
        ("/properties/count/minimum", Some(json!(0))),
        ("/properties/free/description", Some(json!("in other words"))),
    ];
    for (place, value) in cases {
        assert_eq!(breaks(&sample(), &changed(place, value)), Vec::<String>::new(), "{place}");
    }
}
