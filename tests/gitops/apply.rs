//! What a GitOps tool does all day: apply what is applied already, and look for a difference. With the built
//! operator at work, neither may find anything, client-side or server-side.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use itcare_lab::apply::documents;
use itcare_lab::controlplane::ADMIN;
use itcare_lab::eventually::eventually;
use itcare_lab::kstatus;
use itcare_sim::SeedInstance;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::bench::{Bench, SOON};
use crate::kit::{root, text};

/// The operator of these tests looks every two seconds.
const QUIET: Duration = Duration::from_secs(5);

/// The samples as one text, snapshots last, as a user's folder would be applied.
fn samples() -> (String, Vec<Value>) {
    let folder = root().join("deploy/samples");
    let entries = std::fs::read_dir(folder).expect("the samples are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort_by_key(|path| (path.ends_with("snapshot.yaml"), path.clone()));
    let texts: String = paths.iter().map(|path| format!("---\n{}", text(path))).collect();
    let objects = documents(&texts).expect("samples are YAML");
    (texts, objects)
}

fn identity(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// Argo CD's plain comparison of a custom resource: what Git does not have is dropped from the live object, list
/// items by their place, and what is left must be what Git has.
fn without_what_git_has_not(live: &Value, git: &Value) -> Value {
    match (live, git) {
        (Value::Object(live), Value::Object(git)) => {
            let kept = live.iter().filter_map(|(key, value)| {
                git.get(key).map(|wanted| (key.clone(), without_what_git_has_not(value, wanted)))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        (Value::Array(live), Value::Array(git)) => {
            let items = live.iter().enumerate().map(|(index, value)| {
                git.get(index).map_or_else(|| value.clone(), |wanted| without_what_git_has_not(value, wanted))
            });
            Value::Array(items.collect())
        }
        (live, _) => live.clone(),
    }
}

async fn applying_twice(prefix: &str, flags: &[&str]) {
    let bench = Bench::new(prefix).await;
    bench.sim.seed(SeedInstance { id: Some(5_220_149), ..SeedInstance::new("PDB01", 13) });
    bench.sim.seed(SeedInstance { id: Some(5_220_150), ..SeedInstance::new("PLEGACY01", 13) });
    let (text, objects) = samples();
    let namespace = bench.name().to_owned();
    let kubectl = async |verb: &[&str]| {
        let arguments = [&["-n", namespace.as_str()], verb, flags, &["-f", "-"]].concat();
        bench.plane().kubectl_as(ADMIN, &arguments, &text).await.expect("kubectl runs")
    };
    let first = kubectl(&["apply"]).await;
    assert!(first.success, "{}", first.stderr);
    // As the server completes them before anybody else has touched them.
    let mut pristine = Vec::new();
    for object in &objects {
        let (kind, name) = identity(object);
        pristine.push(bench.get(&kind, &name).await.expect("it was applied")["spec"].clone());
    }
    let _operator = bench.operator(&[]);
    for object in &objects {
        let (kind, name) = identity(object);
        bench.until_true(&kind, &name, "Ready").await;
    }
    let before = at_rest(&bench, &objects).await;
    let again = kubectl(&["apply"]).await;
    assert!(again.success, "{}", again.stderr);
    let words = if flags.contains(&"--server-side") { "serverside-applied" } else { "unchanged" };
    assert!(again.stdout.lines().all(|line| line.ends_with(words)), "{}", again.stdout);
    let diff = kubectl(&["diff"]).await;
    assert!(diff.success && diff.stdout.is_empty(), "{}\n{}", diff.stdout, diff.stderr);
    // A tool that takes every difference back, again and again, moves nothing either.
    for _ in 0..3 {
        assert!(kubectl(&["apply"]).await.success);
    }
    let after = read(&bench, &objects).await;
    assert_eq!(before, after, "applying again wrote: nothing else was going on");
    for ((object, pristine), live) in objects.iter().zip(&pristine).zip(&after) {
        let (kind, name) = identity(object);
        assert_eq!(live["metadata"]["generation"], 1, "{kind} {name}: nobody changed the spec");
        assert_eq!(live["spec"], *pristine, "{kind} {name}: the operator never writes spec");
        assert_eq!(without_what_git_has_not(&live["spec"], &object["spec"]), object["spec"], "{kind} {name}");
    }
}

/// All objects as they are.
async fn read(bench: &Bench, objects: &[Value]) -> Vec<Value> {
    let mut found = Vec::new();
    for object in objects {
        let (kind, name) = identity(object);
        found.push(bench.get(&kind, &name).await.expect("it is there"));
    }
    found
}

/// All objects, once they are done and nothing was written for two looks of the operator.
async fn at_rest(bench: &Bench, objects: &[Value]) -> Vec<Value> {
    let last = Mutex::new((Vec::new(), Instant::now()));
    eventually(SOON, "the objects are at rest", || async {
        let seen = read(bench, objects).await;
        let mut last = last.lock().expect("nobody panics with it");
        if last.0 != seen {
            *last = (seen, Instant::now());
        }
        let done = last.0.iter().all(|object| kstatus::kubectl_wait(object, "Ready", "True"));
        if done && last.1.elapsed() > QUIET { Ok(last.0.clone()) } else { Err(last.0.clone()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_applied_twice_change_nothing() {
    applying_twice("twice", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_applied_twice_on_the_server_change_nothing() {
    applying_twice("server", &["--server-side"]).await;
}

#[test]
fn the_comparison_of_argo_cd_sees_what_it_should() {
    let git = json!({"a": 1, "list": [{"k": 1}]});
    let same = json!({"a": 1, "added": 2, "list": [{"k": 1, "added": true}]});
    assert_eq!(without_what_git_has_not(&same, &git), git);
    for other in [
        json!({"a": 2, "list": [{"k": 1}]}),
        json!({"a": 1, "list": [{"k": 1}, {"k": 2}]}),
        json!({"list": []}),
    ] {
        assert_ne!(without_what_git_has_not(&other, &git), git);
    }
}
