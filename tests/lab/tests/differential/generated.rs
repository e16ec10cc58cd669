//! Drawn sequences of requests, sent to both servers. Those that are answered differently are made as short as
//! they can be, and printed.
//!
//!     cargo test -p itcare-lab --test differential                   # the ordinary number of sequences
//!     SEQUENCES=5000 cargo test -p itcare-lab --test differential    # so many
//!     SEQUENCE=17 cargo test -p itcare-lab --test differential       # that one

use std::collections::BTreeMap;

use futures::StreamExt;
use itcare_lab::apply::{apply_yaml, documents};
use itcare_lab::controlplane::Namespace;
use itcare_lab::memory::MemoryApi;
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::generate::{Kind, Step, sequence};
use crate::mask::masked;
use crate::replay::replay;

const DEFINITIONS: [&str; 2] = [
    include_str!("../../../../crds/itcareinstances.itcare.cegedim.cloud.yaml"),
    include_str!("../../../../crds/itcaresnapshots.itcare.cegedim.cloud.yaml"),
];

const SEQUENCES: u64 = 200;
const LENGTH: usize = 24;

/// The real server keeps two cores busy with so many clients.
const AT_ONCE: usize = 6;

/// So many of those that differ are told.
const TOLD: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drawn_sequences_are_answered_as_by_the_real_server() {
    let plane = Namespace::fresh("generated").await;
    let client = plane.client();
    for definition in DEFINITIONS {
        apply_yaml(&client, definition, "test").await.expect("the definition is accepted");
    }
    let seeds: Vec<u64> = match (number("SEQUENCE"), number("SEQUENCES")) {
        (Some(one), _) => vec![one],
        (None, many) => (0..many.unwrap_or(SEQUENCES)).collect(),
    };
    let count = seeds.len();
    let client = &client;
    let runs = futures::stream::iter(seeds).map(|seed| async move {
        let steps = sequence(seed, LENGTH);
        let found = differences(client, &format!("seed-{seed}"), &steps).await;
        (seed, steps, found)
    });
    let mut answers: BTreeMap<(Kind, String, u64), usize> = BTreeMap::new();
    let mut different = Vec::new();
    let mut runs = runs.buffer_unordered(AT_ONCE);
    while let Some((seed, steps, found)) = runs.next().await {
        for (step, code) in steps.iter().zip(&found.codes) {
            *answers.entry((step.kind, act(step), *code)).or_default() += 1;
        }
        if !found.texts.is_empty() {
            different.push((seed, steps));
        }
    }
    different.sort_by_key(|(seed, _)| *seed);
    let seeds: Vec<_> = different.iter().map(|(seed, _)| *seed).collect();
    let mut told = Vec::new();
    for (seed, steps) in different.into_iter().take(TOLD) {
        let (steps, texts) = shortest(client, seed, steps).await;
        let steps: Vec<_> = steps.iter().map(|step| format!("  {step:?}\n")).collect();
        told.push(format!("SEQUENCE={seed}, made shorter:\n{}{}", steps.concat(), texts.join("\n")));
    }
    assert!(seeds.is_empty(), "{} of {count} differ, {seeds:?}\n{}", seeds.len(), told.join("\n"));
    if count as u64 >= SEQUENCES {
        assert_wide(&answers);
    }
}

/// The sequences must go on reaching what they are for.
fn assert_wide(answers: &BTreeMap<(Kind, String, u64), usize>) {
    let shown =
        || answers.iter().map(|(key, count)| format!("{key:?}: {count}")).collect::<Vec<_>>().join("\n");
    for kind in [Kind::Instance, Kind::Snapshot] {
        for (act, codes) in [
            ("create", vec![201, 409]),
            ("get", vec![200, 404]),
            ("list", vec![200]),
            ("merge", vec![200, 404, 409, 422]),
            ("apply", vec![200, 201, 409]),
            ("apply status", vec![200, 404, 409]),
            ("put", vec![200, 409, 422]),
            ("delete", vec![200, 404, 409]),
        ] {
            for code in codes {
                let key = (kind, act.to_owned(), code);
                assert!(
                    answers.get(&key).is_some_and(|count| *count > 2),
                    "{key:?} hardly occurs:\n{}",
                    shown()
                );
            }
        }
    }
    assert!(Kind::ALL.iter().all(|kind| answers.keys().any(|(found, _, _)| found == kind)), "{}", shown());
}

fn act(step: &Step) -> String {
    use crate::generate::Act;
    let word = match &step.act {
        Act::Create(_) => "create",
        Act::Get => "get",
        Act::List { .. } => "list",
        Act::Merge(_) => "merge",
        Act::Apply { .. } => "apply",
        Act::Put(_) => "put",
        Act::Delete => "delete",
        Act::DeleteAll => "delete all",
    };
    if step.status { format!("{word} status") } else { word.to_owned() }
}

struct Found {
    /// The real server's answers.
    codes: Vec<u64>,
    texts: Vec<String>,
}

async fn differences(client: &Client, namespace: &str, steps: &[Step]) -> Found {
    let object: NamespaceObject =
        serde_json::from_value(json!({"metadata": {"name": namespace}})).expect("a namespace is its name");
    let spaces: Api<NamespaceObject> = Api::all(client.clone());
    spaces.create(&PostParams::default(), &object).await.expect("a new namespace");
    let memory = MemoryApi::new();
    for definition in DEFINITIONS {
        memory.define(&documents(definition).expect("YAML")[0]);
    }
    let real = masked(&replay(client, namespace, steps).await);
    let double = masked(&replay(&memory.client(), namespace, steps).await);
    assert_eq!(real.len(), double.len());
    let texts = real.iter().zip(&double).filter(|((_, real), (_, double))| real != double);
    let texts = texts.map(|((what, real), (_, double))| format!("{what}\n{}", difference("", real, double)));
    // What follows from the first difference says nothing more.
    let texts = texts.take(1).collect();
    let codes = real.iter().map(|(_, answer)| answer["code"].as_u64().unwrap_or_default()).collect();
    Found { codes, texts }
}

/// Where two values part.
fn difference(path: &str, real: &Value, double: &Value) -> String {
    match (real, double) {
        _ if real == double => String::new(),
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<_> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            let part = |name: &String| difference(&format!("{path}.{name}"), &real[name], &double[name]);
            names.into_iter().map(part).collect()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => (0..left.len())
            .map(|index| difference(&format!("{path}[{index}]"), &real[index], &double[index]))
            .collect(),
        (Value::Array(left), Value::Array(right)) if left.iter().all(Value::is_string) => {
            let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                these.iter().filter(|one| !those.contains(one)).cloned().collect()
            };
            format!(
                "    {path}\n      real:   {:?}\n      memory: {:?}\n",
                only(left, right),
                only(right, left)
            )
        }
        _ => format!("    {path}\n      real:   {real}\n      memory: {double}\n"),
    }
}

/// Leaves steps out as long as the servers still differ.
async fn shortest(client: &Client, seed: u64, mut steps: Vec<Step>) -> (Vec<Step>, Vec<String>) {
    let (mut tries, mut index) = (0, 0);
    let mut texts = differences(client, &format!("seed-{seed}-again"), &steps).await.texts;
    while index < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(index);
        tries += 1;
        let found = differences(client, &format!("seed-{seed}-shorter-{tries}"), &fewer).await;
        if found.texts.is_empty() {
            index += 1;
        } else {
            (steps, texts) = (fewer, found.texts);
        }
    }
    (steps, texts)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}
