//! What the files of the chart say of each other and of the operator.

use std::collections::{BTreeMap, BTreeSet};

use itcare_operator::config::RunArguments;
use serde_json::Value;

use crate::helm::{Generation, Helm, chart, mode, modes, only, root};

pub fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(chart().join(path)).expect("the file is there");
    itcare_lab::apply::documents(&text).expect("it is YAML").remove(0)
}

/// The flags of `run`, with their defaults and environment variables.
pub fn flags() -> BTreeMap<String, (Vec<String>, Option<String>)> {
    let command = <RunArguments as clap::Args>::augment_args(clap::Command::new("run"));
    command
        .get_arguments()
        .filter_map(|argument| {
            let name = format!("--{}", argument.get_long()?);
            let defaults =
                argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            Some((name, (defaults.collect(), variable)))
        })
        .collect()
}

fn container(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

fn arguments(objects: &[Value]) -> Vec<(String, String)> {
    let all = container(objects)["args"].as_array().expect("it has arguments");
    assert_eq!(all[0], "run");
    let split = |argument: &Value| {
        let text = argument.as_str().expect("an argument is text").to_owned();
        text.split_once('=')
            .map_or((text.clone(), String::new()), |(flag, value)| (flag.to_owned(), value.to_owned()))
    };
    all[1..].iter().map(split).collect()
}

#[test]
fn chart_and_crate_have_one_version() {
    let head = read("Chart.yaml");
    assert_eq!(head["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(head["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_flag_of_the_operator_can_be_reached_by_values() {
    let helm = Helm::get(Generation::Four).await;
    let mut reached = BTreeSet::new();
    for (_, path) in modes() {
        let objects = helm.mode(&path).await;
        reached.extend(arguments(&objects).into_iter().map(|(flag, _)| flag));
        let variables = container(&objects)["env"].as_array().expect("it has an environment");
        reached
            .extend(variables.iter().map(|variable| variable["name"].as_str().expect("a name").to_owned()));
    }
    let flags = flags();
    assert!(flags.len() > 25, "the flags of the operator were not found: {flags:?}");
    for (flag, (_, variable)) in &flags {
        let known = reached.contains(flag) || variable.as_ref().is_some_and(|name| reached.contains(name));
        assert!(known, "no values file of the chart leads to {flag}");
    }
    for flag in reached.iter().filter(|name| name.starts_with("--")) {
        assert!(flags.contains_key(flag), "the operator has no flag {flag}");
    }
}

#[tokio::test]
async fn the_defaults_of_the_values_are_those_of_the_operator() {
    let objects = Helm::get(Generation::Four).await.mode(&mode("default")).await;
    let flags = flags();
    let mut compared = 0;
    for (flag, value) in arguments(&objects) {
        let (defaults, _) = &flags[&flag];
        // Whatever has no default depends on the place: the Lease's namespace.
        if let Some(default) = defaults.first() {
            assert_eq!(&value, default, "{flag}");
            compared += 1;
        }
    }
    assert!(compared > 14, "only {compared} flags have a default");
}

#[tokio::test]
async fn the_operator_accepts_what_every_values_file_gives_it() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArguments,
    }
    let helm = Helm::get(Generation::Four).await;
    for (name, path) in modes() {
        let objects = helm.mode(&path).await;
        let line = container(&objects)["args"]
            .as_array()
            .expect("arguments")
            .iter()
            .map(|text| text.as_str().expect("text"));
        let line =
            <Line as clap::Parser>::try_parse_from(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        itcare_operator::config::Config::new(line.run).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The paths of a tree of values, maps that users fill included.
fn paths(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => map.iter().for_each(|(key, value)| paths(value, &format!("{path}.{key}"), into)),
        None => {
            into.insert(path.to_owned());
        }
    }
}

/// The paths of the schema down to where it leaves the keys to the user.
fn schema_paths(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(map) => {
            map.iter().for_each(|(key, schema)| schema_paths(schema, &format!("{path}.{key}"), into))
        }
        None => {
            into.insert(path.to_owned());
        }
    }
}

#[test]
fn values_and_schema_have_the_same_keys() {
    let (mut values, mut schema) = (BTreeSet::new(), BTreeSet::new());
    paths(&read("values.yaml"), "", &mut values);
    schema_paths(&read("values.schema.json"), "", &mut schema);
    let below = |path: &String, all: &BTreeSet<String>| {
        all.contains(path)
            || all
                .iter()
                .any(|other| path.starts_with(&format!("{other}.")) || other.starts_with(&format!("{path}.")))
    };
    for path in &values {
        assert!(below(path, &schema), "the schema does not know {path}");
    }
    // Keys that values.yaml leaves out: Kubernetes' own fields.
    let optional = [".resources.claims", ".updateStrategy", "Probe.", ".resources"];
    for path in schema.iter().filter(|path| !optional.iter().any(|part| path.contains(part))) {
        let known =
            values.contains(path) || values.iter().any(|value| value.starts_with(&format!("{path}.")));
        assert!(known, "values.yaml does not have {path}");
    }
}

#[test]
fn the_schema_knows_every_key_wherever_the_map_is_ours() {
    fn walk(schema: &Value, path: &str, open: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            if schema["additionalProperties"] != false {
                open.push(path.to_owned());
            }
            properties.iter().for_each(|(key, schema)| walk(schema, &format!("{path}.{key}"), open));
        }
    }
    let mut open = Vec::new();
    walk(&read("values.schema.json"), "", &mut open);
    assert_eq!(open, [".global"], "global belongs to all charts");
}

#[test]
fn the_chart_has_no_hooks_and_no_objects_of_its_own_kinds() {
    for entry in
        std::fs::read_dir(chart().join("templates")).expect("templates").map(|entry| entry.expect("an entry"))
    {
        let text = std::fs::read_to_string(entry.path()).expect("a template is text");
        let name = entry.file_name();
        assert!(!text.contains("helm.sh/hook"), "{name:?} has a hook");
        if name != "NOTES.txt" {
            assert!(!text.contains("kind: ITCare"), "{name:?} has an object of our kinds");
        }
    }
    assert!(root().join("LICENSE").exists());
}
