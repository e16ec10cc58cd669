//! Both definitions on a real server: accepted without a warning, stable, and shown as designed.

use std::time::Duration;

use itcare_lab::controlplane::ADMIN;
use itcare_lab::eventually::{eventually, expect_that};
use serde_json::{Value, json};

use crate::manifests::{full_instance, full_snapshot, minimal_instance, snapshot};
use crate::server::{Keep, Project, apply_definitions, definition, files, installed};

const LONG: Duration = Duration::from_secs(60);

async fn stored(name: &str) -> Value {
    let (plane, _) = installed().await;
    let output = plane.kubectl(&["get", "crd", name, "-o", "json"]).await.expect("kubectl runs");
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("no {name}: {}", output.stderr))
}

#[tokio::test]
async fn the_server_takes_both_definitions_without_a_warning() {
    let (_, output) = installed().await;
    assert_eq!(output.stderr, "");
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.stdout);
    for (file, _) in files() {
        let name = file.trim_end_matches(".yaml");
        let conditions = stored(name).await["status"]["conditions"].clone();
        let of = |kind: &str| {
            let all = conditions.as_array().into_iter().flatten();
            all.filter(|found| found["type"] == kind).map(|found| found["status"].clone()).next()
        };
        assert_eq!(of("Established"), Some(json!("True")), "{conditions}");
        assert_eq!(of("NamesAccepted"), Some(json!("True")), "{conditions}");
        assert_eq!(of("NonStructuralSchema"), None, "{conditions}");
    }
}

/// The test above would see a warning if there were one.
#[tokio::test]
async fn kubectl_shows_the_warnings_of_a_definition() {
    let (plane, _) = installed().await;
    let text = definition("ITCareInstance").to_string().replace("\"int64\"", "\"uint64\"");
    let arguments = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"];
    let output = plane.kubectl_as(ADMIN, &arguments, &text).await.expect("kubectl runs");
    assert!(output.stderr.contains("Warning: unrecognized format \"uint64\""), "{output:?}");
}

#[tokio::test]
async fn applying_the_definitions_again_writes_nothing() {
    let (plane, _) = installed().await;
    let mut before = Vec::new();
    for (file, _) in files() {
        before.push(stored(file.trim_end_matches(".yaml")).await["metadata"]["resourceVersion"].clone());
    }
    let output = apply_definitions(plane).await;
    assert!(output.success && output.stderr.is_empty(), "{output:?}");
    for ((file, _), before) in files().iter().zip(before) {
        let metadata = stored(file.trim_end_matches(".yaml")).await["metadata"].clone();
        assert_eq!(metadata["resourceVersion"], before, "{file}");
        assert_eq!(metadata["generation"], 1, "{file}");
    }
}

/// What a diff of Git against the cluster would show for ever: fields that the server rewrites.
#[tokio::test]
async fn the_server_keeps_the_definitions_as_they_are_written() {
    for kind in ["ITCareInstance", "ITCareSnapshot"] {
        let ours = definition(kind);
        let name = ours["metadata"]["name"].as_str().expect("a definition has a name").to_owned();
        let differences = missing(&ours["spec"], &stored(&name).await["spec"], "spec");
        assert_eq!(differences, Vec::<String>::new(), "{kind}");
    }
}

/// The paths of `part` that `whole` does not hold with the same value.
pub fn missing(part: &Value, whole: &Value, path: &str) -> Vec<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .flat_map(|(key, value)| match whole.get(key) {
                Some(found) => missing(value, found, &format!("{path}.{key}")),
                None => vec![format!("{path}.{key} is gone")],
            })
            .collect(),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => part
            .iter()
            .zip(whole)
            .enumerate()
            .flat_map(|(at, (part, whole))| missing(part, whole, &format!("{path}[{at}]")))
            .collect(),
        (part, whole) if part == whole => Vec::new(),
        (part, whole) => vec![format!("{path} is {whole}, not {part}")],
    }
}

#[test]
fn what_is_missing_is_found() {
    let part = json!({"a": 1, "b": [{"c": "x"}], "d": true});
    assert_eq!(missing(&part, &json!({"a": 1, "b": [{"c": "x", "e": 0}], "d": true}), "o"), [""; 0]);
    assert_eq!(
        missing(&part, &json!({"a": 2, "b": [{}]}), "o"),
        ["o.a is 2, not 1", "o.b[0].c is gone", "o.d is gone"]
    );
}

#[tokio::test]
async fn a_plain_create_gives_a_status_that_no_one_takes_for_done() {
    let project = Project::fresh("default").await;
    for object in [minimal_instance("web"), snapshot("first", &json!({"instanceRef": {"name": "web"}}))] {
        let created = project.create(&object, Keep::Yes).await.expect("it is valid");
        assert_eq!(created["status"], json!({"observedGeneration": -1}), "{created}");
    }
}

fn condition(message: &str) -> Value {
    json!([{
        "type": "Ready",
        "status": "True",
        "reason": "Running",
        "message": message,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }])
}

/// Rows of cells: kubectl pads columns with at least three blanks.
fn table(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    text.lines().map(cells).collect()
}

#[tokio::test]
async fn an_instance_is_listed_with_the_designed_columns() {
    let project = Project::fresh("columns").await;
    let object = full_instance("web");
    project.create(&object, Keep::Yes).await.expect("it is valid");
    let status = json!({
        "conditions": condition("as asked"),
        "id": 4711,
        "powerState": "Running",
        "size": "2cpu4gb",
        "ipAddress": "10.59.1.2",
        "location": {"region": "EB"},
    });
    project.report(&object, &status, Keep::Yes).await.expect("it is valid");

    let listed = table(&project.kubectl(&["get", "itcvm"]).await.stdout);
    assert_eq!(listed[0], ["NAME", "READY", "REASON", "POWER", "SIZE", "IP", "AGE"]);
    assert_eq!(listed[1][..6], ["web", "True", "Running", "Running", "2cpu4gb", "10.59.1.2"]);

    let wide = table(&project.kubectl(&["get", "itcvm", "-o", "wide"]).await.stdout);
    assert_eq!(wide[0][7..], ["ID", "NAME", "REGION", "MESSAGE"]);
    assert_eq!(wide[1][7..], ["4711", "PWEB01", "EB", "as asked"]);
}

#[tokio::test]
async fn a_snapshot_is_listed_with_the_designed_columns() {
    let project = Project::fresh("columns").await;
    let object = full_snapshot("first");
    project.create(&object, Keep::Yes).await.expect("it is valid");
    let status =
        json!({"conditions": condition("there"), "id": "123-snap-42", "expiresAt": "2026-01-05T03:04:05Z"});
    project.report(&object, &status, Keep::Yes).await.expect("it is valid");

    let listed = table(&project.kubectl(&["get", "itcsnap"]).await.stdout);
    assert_eq!(listed[0], ["NAME", "READY", "REASON", "INSTANCE", "EXPIRES", "AGE"]);
    assert_eq!(listed[1][..4], ["first", "True", "Running", "web"]);
    let wide = table(&project.kubectl(&["get", "itcsnap", "-o", "wide"]).await.stdout);
    assert_eq!(wide[0][6..], ["ID", "MESSAGE"]);
}

#[tokio::test]
async fn short_names_category_and_field_selectors_find_the_objects() {
    let project = Project::fresh("select").await;
    let mut other = minimal_instance("other");
    other["spec"]["name"] = json!("PWEB02");
    other["spec"]["serviceId"] = json!(14);
    let mut second = full_snapshot("second");
    second["spec"]["instanceRef"]["name"] = json!("other");
    for object in [minimal_instance("web"), other, full_snapshot("first"), second] {
        project.create(&object, Keep::Yes).await.expect("it is valid");
    }
    let (web, other) =
        ("itcareinstance.itcare.cegedim.cloud/web", "itcareinstance.itcare.cegedim.cloud/other");
    let (first, second) =
        ("itcaresnapshot.itcare.cegedim.cloud/first", "itcaresnapshot.itcare.cegedim.cloud/second");
    for (arguments, expected) in [
        (&["itcvm"][..], &[other, web][..]),
        (&["itcareinstance"], &[other, web]),
        (&["itcsnap"], &[first, second]),
        (&["itcare"], &[other, web, first, second]),
        (&["itcvm", "--field-selector=spec.name=PWEB01"], &[web]),
        (&["itcvm", "--field-selector=spec.serviceId=14"], &[other]),
        (&["itcsnap", "--field-selector=spec.instanceRef.name=web"], &[first]),
    ] {
        let output = project.kubectl(&[&["get", "-o", "name"], arguments].concat()).await;
        let mut found: Vec<_> = output.stdout.lines().collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{arguments:?}: {}", output.stderr);
    }
}

#[tokio::test]
async fn kubectl_explains_a_field_with_its_words() {
    let (plane, _) = installed().await;
    for (field, words) in [
        ("itcareinstance.spec.size", "CPUs and memory as NcpuMgb, for example 2cpu4gb."),
        ("itcareinstance.spec.deletionPolicy", "Absent = Delete if the operator created it"),
        ("itcaresnapshot.spec.recover", "what changed since is lost"),
    ] {
        // The server publishes its document a moment after the definition is served.
        eventually(LONG, format!("an explanation of {field}"), || async {
            let output = plane.kubectl(&["explain", field]).await.expect("kubectl runs");
            let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            expect_that(format!("{text}{}", output.stderr), |text| text.contains(words))
        })
        .await;
    }
}
