//! The fields of both kinds, from the definitions: type, default, what a change does, and the rules.

use itcare_operator::crd::print;
use serde_json::Value;

/// Fields whose change reaches into a running VM.
const INTERRUPTS: &[(&str, &str, &str)] = &[
    ("ITCareInstance", "spec.powerState", "interrupts: `Stopped` switches the VM off"),
    ("ITCareInstance", "spec.size", "interrupts with `resizePolicy: StopStart`, never with `InPlace`"),
    ("ITCareInstance", "spec.reset", "interrupts: a hard reset, once for each new `requestedAt`"),
    ("ITCareSnapshot", "spec.recover", "interrupts: the VM goes back, and what it wrote since is lost"),
];

/// A rule of the definition.
struct Rule {
    /// The field that it speaks of.
    path: String,
    message: String,
}

/// The reference of the fields.
pub fn page() -> String {
    let mut text = String::from(
        "<!-- Generated from the definitions: UPDATE_DOCS=1 cargo test --test docs generated -->\n\
         # Fields\n\n\
         Group `itcare.cegedim.cloud`, version `v1alpha1`, namespaced. `kubectl explain itcvm.spec` shows the same. A \
         field or group that is left out is left alone, but for those with a default. *Locked* means: until the VM \
         exists or is being created. Everything that may change at any time changes without an interruption, unless \
         something else is said.\n",
    );
    for definition in print::all() {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut rules = Vec::new();
        collect_rules(schema, "", &mut rules);
        let short = definition["spec"]["names"]["shortNames"][0].as_str().unwrap_or_default();
        text.push_str(&format!(
            "\n## {kind}\n\nShort name `{short}`. {}\n",
            sentence(&schema["description"])
        ));
        text.push_str("\n### spec of ");
        text.push_str(&format!(
            "{kind}\n\n| Field | Type | Default | Change | Meaning |\n| --- | --- | --- | --- | --- |\n"
        ));
        walk(&schema["properties"]["spec"], "spec", &mut |path, field, required| {
            let change = change(kind, path, &rules);
            let needed = if required { "**required**" } else { "" };
            let default =
                field.get("default").map(|value| format!("`{value}`").replace('"', "")).unwrap_or_default();
            let default = if default.is_empty() { needed.to_owned() } else { default };
            let (name, kind, meaning) = (path, type_of(field), sentence(&field["description"]));
            text.push_str(&format!("| `{name}` | {kind} | {default} | {change} | {meaning} |\n"));
        });
        text.push_str(&format!("\n### Rules of {kind}\n\nRefused at once, with these words:\n\n"));
        let mut messages: Vec<&str> =
            rules.iter().filter(|rule| !is_lock(rule)).map(|rule| rule.message.as_str()).collect();
        messages.sort_unstable();
        messages.dedup();
        for message in messages {
            text.push_str(&format!("- {message}\n"));
        }
        text.push_str(&format!(
            "\n### status of {kind}\n\n| Field | Type | Meaning |\n| --- | --- | --- |\n"
        ));
        walk(&schema["properties"]["status"], "status", &mut |path, field, _| {
            text.push_str(&format!(
                "| `{path}` | {} | {} |\n",
                type_of(field),
                sentence(&field["description"])
            ));
        });
    }
    text.push_str("\nThe conditions and their reasons: [conditions](conditions.md).\n");
    text
}

fn is_lock(rule: &Rule) -> bool {
    rule.message.contains(" is locked once ")
}

/// When a field may be changed, and what that does to the VM.
fn change(kind: &str, path: &str, rules: &[Rule]) -> String {
    let speaks = |rule: &&Rule| rule.message.starts_with(&format!("{path} "));
    let parent = path.split('.').take(2).collect::<Vec<_>>().join(".").replace("[]", "");
    let of_parent = |rule: &&Rule| rule.message.starts_with(&format!("{parent} "));
    if rules.iter().any(|rule| speaks(&rule) && rule.message.contains("immutable"))
        || rules.iter().any(|rule| of_parent(&rule) && rule.message.contains("immutable"))
    {
        return "never".to_owned();
    }
    if rules.iter().any(|rule| (speaks(&rule) || of_parent(&rule)) && is_lock(rule)) {
        return "locked".to_owned();
    }
    if rules.iter().any(|rule| speaks(&rule) && rule.message.contains(" may only be ")) {
        return "see [the rules](#rules-of-itcareinstance)".to_owned();
    }
    let interrupts = INTERRUPTS.iter().find(|(of, field, _)| *of == kind && *field == path);
    interrupts.map_or_else(|| "at any time".to_owned(), |(_, _, words)| (*words).to_owned())
}

/// Every field below, parents first.
fn walk(schema: &Value, path: &str, show: &mut dyn FnMut(&str, &Value, bool)) {
    let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
    let Some(properties) = schema["properties"].as_object() else { return };
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (name, field) in properties {
        let list = if field["type"] == "array" { "[]" } else { "" };
        let below = format!("{path}.{name}");
        show(&below, field, required(name));
        walk(field, &format!("{below}{list}"), show);
    }
}

/// Type and bounds in words.
fn type_of(field: &Value) -> String {
    let text = |key: &str| field[key].as_str();
    let number = |key: &str| field[key].as_i64();
    let mut words = vec![match (text("type"), text("format")) {
        (Some(_), Some("date-time")) => "time".to_owned(),
        (Some("array"), _) => format!("list of {}", type_of(&field["items"])),
        (Some(kind), _) => kind.to_owned(),
        (None, _) if field["x-kubernetes-int-or-string"] == true => "number or text".to_owned(),
        (None, _) => "any".to_owned(),
    }];
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`").replace('"', "")).collect();
        words = vec![values.join(", ")];
    }
    let range = |low: Option<i64>, high: Option<i64>, unit: &str| match (low, high) {
        (None, None) => None,
        (Some(low), None) => Some(format!("≥ {low}{unit}")),
        (None, Some(high)) => Some(format!("≤ {high}{unit}")),
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
    };
    words.extend(range(number("minimum"), number("maximum"), ""));
    words.extend(range(number("minLength"), number("maxLength"), " characters"));
    words.extend(range(number("minItems"), number("maxItems"), " items"));
    words.extend(text("pattern").map(|pattern| format!("`{}`", pattern.replace('|', "\\|"))));
    words.join(", ")
}

fn sentence(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn collect_rules(schema: &Value, path: &str, into: &mut Vec<Rule>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let below = rule["fieldPath"].as_str().unwrap_or_default();
        into.push(Rule {
            path: format!("{path}{below}").trim_start_matches('.').to_owned(),
            message: rule["message"].as_str().unwrap_or_default().to_owned(),
        });
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        collect_rules(field, &format!("{path}.{name}"), into);
    }
    if schema["items"].is_object() {
        collect_rules(&schema["items"], &format!("{path}[]"), into);
    }
}

#[test]
fn every_field_has_a_meaning_and_what_interrupts_is_there() {
    for definition in print::all() {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let kind = definition["spec"]["names"]["kind"].as_str().expect("a kind");
        let mut paths = Vec::new();
        for part in ["spec", "status"] {
            walk(&schema["properties"][part], part, &mut |path, field, _| {
                assert!(!sentence(&field["description"]).is_empty(), "{kind} {path} has no description");
                paths.push(path.to_owned());
            });
        }
        for (of, path, _) in INTERRUPTS.iter().filter(|(of, ..)| *of == kind) {
            assert!(paths.iter().any(|known| known == path), "{of} has no {path}");
        }
    }
}

#[test]
fn each_rule_names_its_field() {
    for definition in print::all() {
        let mut rules = Vec::new();
        collect_rules(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut rules);
        assert!(!rules.is_empty());
        for Rule { path, message } in rules {
            assert!(message.contains("spec."), "{path}: {message}");
        }
    }
}

#[test]
fn locked_and_immutable_fields_are_told_as_such() {
    let page = page();
    let row =
        |field: &str| page.lines().find(|line| line.starts_with(&format!("| `{field}` "))).expect("a row");
    for (field, change) in [
        ("spec.name", "| never |"),
        ("spec.instanceRef.name", "| never |"),
        ("spec.platform", "| locked |"),
        ("spec.volumes[].sizeGb", "| locked |"),
        ("spec.backup.offSite", "| locked |"),
        ("spec.backup.enabled", "| at any time |"),
        ("spec.size", "| interrupts "),
    ] {
        assert!(row(field).contains(change), "{}", row(field));
    }
}

#[test]
fn a_field_that_may_be_left_out_says_what_that_means_rather_than_what_its_type_is() {
    let page = page();
    for field in ["spec.powerState", "spec.size", "spec.deletionPolicy", "spec.monitoring"] {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{field}` "))).expect("a row");
        assert!(row.to_lowercase().contains("absent = "), "{row}");
    }
}
