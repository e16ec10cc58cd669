//! Whether a definition takes everything that an older one took, and means the same by it.
//!
//! The rules are those by which package managers of operators judge an update: no other scope, no version less, no
//! field less, no other type, nothing more required, no tighter bound, no other default, no word less in a list of words.
//! Not judged: the texts, and CEL rules, whose meaning no comparison of texts tells.

use std::collections::BTreeSet;

use serde_json::Value;

/// What would break users of the older definition; empty when nothing does.
pub fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
        if old.pointer(part) != new.pointer(part) {
            found.push(format!("{part} changed"));
        }
    }
    let short = |definition: &Value| words(&definition["spec"]["names"]["shortNames"]);
    found.extend(short(old).difference(&short(new)).map(|name| format!("the short name {name} is gone")));
    let versions =
        |definition: &Value| definition["spec"]["versions"].as_array().cloned().unwrap_or_default();
    for before in versions(old) {
        let name = before["name"].as_str().unwrap_or_default();
        let Some(after) = versions(new).into_iter().find(|version| version["name"] == name) else {
            found.push(format!("version {name} is gone"));
            continue;
        };
        if before["served"] == true && after["served"] != true {
            found.push(format!("version {name} is not served any more"));
        }
        let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
        field(&schema(&before), &schema(&after), name, &mut found);
    }
    found
}

fn words(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(ToString::to_string).collect()
}

fn field(old: &Value, new: &Value, path: &str, found: &mut Vec<String>) {
    for key in
        ["type", "format", "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-int-or-string"]
    {
        if old[key] != new[key] {
            found.push(format!("{path}: {key} was {}, is {}", old[key], new[key]));
        }
    }
    if words(&old["x-kubernetes-list-map-keys"]) != words(&new["x-kubernetes-list-map-keys"]) {
        found.push(format!("{path}: the keys of the list changed"));
    }
    if old["default"] != new["default"] {
        found.push(format!("{path}: the default was {}, is {}", old["default"], new["default"]));
    }
    let required = words(&new["required"]);
    for name in required.difference(&words(&old["required"])) {
        found.push(format!("{path}: {name} is required now"));
    }
    match (old["enum"].is_array(), new["enum"].is_array()) {
        (false, true) => found.push(format!("{path}: only some words are allowed now")),
        (true, true) => {
            let gone = words(&old["enum"]);
            let gone = gone.difference(&words(&new["enum"])).cloned().collect::<Vec<_>>();
            found.extend(gone.iter().map(|word| format!("{path}: {word} is not allowed any more")));
        }
        (true | false, false) => {}
    }
    if !new["pattern"].is_null() && old["pattern"] != new["pattern"] {
        found.push(format!("{path}: the pattern is another one"));
    }
    for (key, upper) in [
        ("maxLength", true),
        ("maxItems", true),
        ("maxProperties", true),
        ("maximum", true),
        ("minLength", false),
        ("minItems", false),
        ("minProperties", false),
        ("minimum", false),
    ] {
        let Some(after) = new[key].as_f64() else { continue };
        let tighter =
            old[key].as_f64().is_none_or(|before| if upper { after < before } else { after > before });
        if tighter {
            found.push(format!("{path}: {key} is tighter: was {}, is {}", old[key], new[key]));
        }
    }
    for (name, before) in old["properties"].as_object().into_iter().flatten() {
        let below = format!("{path}.{name}");
        match new["properties"].get(name) {
            Some(after) => field(before, after, &below, found),
            None => found.push(format!("{below} is gone")),
        }
    }
    for (part, sign) in [("items", "[]"), ("additionalProperties", "{}")] {
        if old[part].is_object() {
            field(&old[part], &new[part], &format!("{path}{sign}"), found);
        }
    }
}
