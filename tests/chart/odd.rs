//! Values and names that are allowed and unusual: taken away by `null`, read as numbers by YAML, with dots, too long.
//!
//! Not here: what the API server says of them; the mode `odd` is one of those that `served` sends.

use serde_json::Value;

use crate::contents::{flags, read};
use crate::helm::{BOTH, Generation, Helm, chart, mode, objects, only, path};

/// Values that `null` takes away, although they have a default: a probe, a security context, a label for Grafana. A
/// Secret's name is the way to the account by values; see `refused`.
const REMOVABLE: [&str; 8] = [
    "startupProbe",
    "livenessProbe",
    "readinessProbe",
    "podSecurityContext",
    "securityContext",
    "resources",
    "metrics.dashboard.labels",
    "credentials.existingSecret",
];

/// Every value with its default, sections before what is in them.
fn values(value: &Value, path: &str, into: &mut Vec<(String, Value)>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        values(value, &path, into);
        into.push((path, value.clone()));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[tokio::test]
async fn null_is_the_empty_value_or_is_refused_with_its_path() {
    let helm = Helm::get(Generation::Four).await;
    let default = helm.values("").await.expect("it renders");
    let mut all = Vec::new();
    values(&read("values.yaml"), "", &mut all);
    assert!(all.len() > 100, "the values were not found");
    for (path, meant) in all {
        let removable = |name: &str| path == name || path.starts_with(&format!("{name}."));
        let rendered = helm.text(&["--set", &format!("{path}=null")], "").await;
        if REMOVABLE.iter().any(|name| removable(name)) {
            let refusal = rendered.err().unwrap_or_default();
            let mended = path == "credentials.existingSecret" && refusal.contains("credentials.clientId");
            assert!(refusal.is_empty() || mended, "{path}: {refusal}");
        } else if is_empty(&meant) {
            let text = rendered.unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
            assert_eq!(objects(&text), default, "{path}");
        } else {
            let refusal = rendered.err().unwrap_or_else(|| panic!("{path} may not be null"));
            let (section, name) = path.rsplit_once('.').unwrap_or(("", &path));
            let place = format!("at '{}'", ["/", &section.replace('.', "/")].concat().trim_end_matches('/'));
            assert!(refusal.contains(&place), "{path}: {place} is not in {refusal}");
            assert!(refusal.contains(&format!("'{name}'")), "{path}: {refusal}");
        }
    }
}

/// What Kubernetes takes for text only.
fn texts<'a>(value: &'a Value, place: &str, into: &mut Vec<(String, &'a Value)>) {
    const FIELDS: [&str; 7] =
        ["name", "namespace", "secretName", "serviceAccountName", "key", "value", "scrapeTimeout"];
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let place = format!("{place}.{key}");
                let inside = [".labels", ".annotations", ".matchLabels", ".data"];
                if inside.iter().any(|end| place.ends_with(&format!("{end}.{key}")))
                    || FIELDS.contains(&key.as_str())
                {
                    into.push((place.clone(), value));
                }
                texts(value, &place, into);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, &format!("{place}[]"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn names_that_look_like_numbers_stay_text() {
    for generation in BOTH {
        let objects = Helm::get(generation).await.mode(&mode("odd")).await;
        let objects = objects.iter().filter(|object| object["kind"] != "CustomResourceDefinition");
        let mut count = 0;
        for object in objects {
            let mut found = Vec::new();
            texts(object, "", &mut found);
            for (place, value) in found {
                assert!(value.is_string(), "{}: {place} is {value}", path(object));
                count += 1;
            }
            let args = object["spec"]["template"]["spec"]["containers"][0]["args"].as_array();
            assert!(args.into_iter().flatten().all(Value::is_string), "{args:?}");
        }
        assert!(count > 80, "only {count} texts were found");
    }
}

#[tokio::test]
async fn texts_with_signs_of_yaml_reach_the_operator_as_they_are() {
    let objects = Helm::get(Generation::Four).await.mode(&mode("odd")).await;
    let args = only(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    for argument in [
        "--itcare-scope=openid #1: all",
        "--cluster-id=one: two",
        "--previous-cluster-id=null",
        "--previous-cluster-id=three #four",
    ] {
        assert!(args.contains(&format!("\"{argument}\"")), "{argument} is not in {args}");
    }
}

#[tokio::test]
async fn a_probe_can_be_taken_away_and_an_annotation_replaced() {
    let objects = Helm::get(Generation::Four).await.mode(&mode("odd")).await;
    let template = &only(&objects, "Deployment")["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    assert_eq!(container["startupProbe"], Value::Null);
    assert_eq!(
        container["livenessProbe"].as_object().map(serde_json::Map::len),
        Some(1),
        "only the path is left"
    );
    assert_eq!(container["readinessProbe"]["periodSeconds"], 5);
    assert_eq!(template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"], "sidecar");
}

#[tokio::test]
async fn the_name_of_the_release_may_be_anything_that_helm_allows() {
    let helm = Helm::get(Generation::Four).await;
    let folder = chart();
    let render = async |release: &str| {
        let folder = folder.to_str().expect("the path is text");
        helm.run(None, &["template", release, folder, "--namespace", "123"], "").await
    };
    let longest = "a-release-with-a-name-of-fifty-three-characters-as-so";
    assert_eq!(longest.len(), 53);
    let cut_at_a_dash = "a-release-with-a-name-that-is-cut-right-behind-a";
    for release in ["a.b", "true", "e2e", "my-itcare-operator-2", longest, cut_at_a_dash] {
        let output = render(release).await;
        assert!(output.success, "{release}: {}", output.stderr);
        for object in objects(&output.stdout) {
            let name =
                object["metadata"]["name"].as_str().unwrap_or_else(|| panic!("{release}: {}", path(&object)));
            let label = |text: &str| {
                let inside =
                    |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
                text.len() <= 63 && text.chars().all(inside) && !text.ends_with('-')
            };
            if object["kind"] != "CustomResourceDefinition" {
                let parts = name.len() <= 253 && name.split('-').all(|part| !part.is_empty());
                assert!(parts && !name.contains('.'), "{release}: {name}");
            }
            if object["kind"] == "Service" {
                assert!(
                    label(name) && name.starts_with(|letter: char| letter.is_ascii_lowercase()),
                    "{name}"
                );
            }
            let labels = &object["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/instance"], release);
            let place = &object["metadata"]["namespace"];
            assert!(place.is_null() || place == "123", "{release}: {place}");
        }
    }
    let output = render("1st").await;
    assert!(!output.success, "a Service may not be called so");
    assert!(output.stderr.contains("fullnameOverride"), "{}", output.stderr);
}

#[tokio::test]
async fn a_further_flag_is_refused_where_a_value_stands_for_it() {
    let helm = Helm::get(Generation::Four).await;
    let mut all = Vec::new();
    values(&read("values.yaml"), "", &mut all);
    for flag in flags().into_keys() {
        // Its file may be in a volume of the user's; a replica's name is nobody's concern.
        if ["--itcare-ca-file", "--identity"].contains(&flag.as_str()) {
            continue;
        }
        let refusal = helm.values(&format!("extraArgs: ['{flag}=x']")).await.expect_err(&flag);
        let (_, value) = refusal.split_once("use the value ").unwrap_or_else(|| panic!("{flag}: {refusal}"));
        let value = value.split_whitespace().next().unwrap_or_default();
        assert!(all.iter().any(|(path, _)| path == value), "{flag}: there is no value {value}");
    }
}
