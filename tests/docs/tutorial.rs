//! The tutorial, typed: its commands in their order, against a real control plane, the simulator and the binary.
//!
//! A `sh` block is one script, run at the top of the repository. A `text` block after it is what it prints, word by
//! word, where `…` stands for any word. A `console` block is not run: it is where the reader's terminal and this
//! suite part (the reader starts `cargo demo --keep`, the suite starts the same parts). Commands with `curl` are
//! carried out by the suite itself, since not every machine has it; `THE-ID` in one is what was printed before.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use itcare_sim::SeedInstance;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::Bench;
use crate::markdown::{Block, Document, root};

const TUTORIAL: &str = "deploy/docs/tutorial.md";

/// The parts of a `curl` line that the tutorial uses: method, path below the control routes, body.
fn request(line: &str) -> Option<(&'static str, String, String)> {
    let rest = line.trim().strip_prefix("curl -s \"$ITCARE_SIM")?;
    let (path, rest) = rest.split_once('"')?;
    let body = rest.trim().strip_prefix("-d '").map(|body| body.trim_end_matches('\''));
    assert!(body.is_some() || rest.trim().is_empty(), "this suite does not understand: {line}");
    Some((if body.is_some() { "POST" } else { "GET" }, path.to_owned(), body.unwrap_or_default().to_owned()))
}

async fn ask(control: &str, (method, path, body): (&str, String, String)) -> String {
    let address = control.trim_start_matches("http://").trim_end_matches("/_sim");
    let answer = itcare_lab::request(address, method, &format!("/_sim{path}"), &body).await;
    let (status, body) = answer.expect("the simulator answers");
    assert_eq!(status, 200, "{method} {path}: {body}");
    body
}

/// A kubeconfig whose namespace is the test's, as the demo's is the demo's.
fn kubeconfig(bench: &Bench, folder: &Path) -> std::path::PathBuf {
    let original = bench.plane().kubeconfig(itcare_lab::controlplane::ADMIN).expect("there is one");
    let text = std::fs::read_to_string(original).expect("it can be read");
    let mut config: Value = serde_json::from_str(&text).expect("the lab writes JSON");
    config["contexts"][0]["context"]["namespace"] = json!(bench.name());
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("it can be written");
    path
}

/// Runs one block; gives back what it printed.
async fn run(bench: &Bench, kubeconfig: &Path, block: &Block) -> String {
    let place = format!("{TUTORIAL}:{}", block.line);
    if let Some(request) = request(&block.text) {
        return ask(&bench.control_url(), request).await;
    }
    assert!(!block.text.contains("curl"), "{place}: a block with curl is one line, understood by this suite");
    let kubectl = bench.plane().kubectl_program().expect("there is a kubectl");
    let folder = kubectl.parent().expect("a program is in a folder").display().to_string();
    #[expect(clippy::disallowed_methods, reason = "a shell of a test needs the programs of the machine")]
    let path = std::env::var("PATH").unwrap_or_default();
    let script = Command::new("sh")
        .args(["-e", "-u", "-c", &block.text])
        .current_dir(root())
        .env("PATH", format!("{folder}:{path}"))
        .env("KUBECONFIG", kubeconfig)
        .env("ITCARE_SIM", bench.control_url())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = script.await.expect("there is a shell");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place} failed:\n{}\n{printed}\n{errors}", block.text);
    printed
}

/// Whether the printed lines are the promised ones.
fn same(promised: &str, printed: &str) -> bool {
    let words = |text: &str| -> Vec<Vec<String>> {
        let lines = text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        lines.filter(|line| !line.is_empty()).collect()
    };
    let (promised, printed) = (words(promised), words(printed));
    let line = |(one, other): (&Vec<String>, &Vec<String>)| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == "…" || one == other)
    };
    promised.len() == printed.len() && promised.iter().zip(&printed).all(line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorial_does_what_it_says() {
    let document = Document::read(&root().join(TUTORIAL));
    // A recovery must be asked for in a later second than its snapshot object: nobody types so fast, but this does.
    let bench = Bench::with_actions_of("tutorial", Duration::from_millis(1500)).await;
    // What somebody else made before the demo, and what the demo leaves.
    bench.sim.seed(SeedInstance { id: Some(5_220_149), ..SeedInstance::new("PDB01", 13) });
    let operator = bench.operator(&[]);
    operator.ready().await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig = kubeconfig(&bench, folder.path());
    let mut typed = 0;
    let mut printed = String::new();
    for block in &document.blocks {
        match block.language.as_str() {
            "sh" => {
                printed = run(&bench, &kubeconfig, block).await;
                typed += 1;
            }
            "text" => {
                let place = format!("{TUTORIAL}:{}", block.line);
                assert!(
                    same(&block.text, &printed),
                    "{place} promises\n{}\nbut it was\n{printed}",
                    block.text
                );
            }
            "console" if block.text.contains("THE-ID") => {
                let text = block.text.replace("THE-ID", printed.trim());
                let request = request(&text).unwrap_or_else(|| panic!("{TUTORIAL}:{}: {text}", block.line));
                printed = ask(&bench.control_url(), request).await;
            }
            "console" | "yaml" => {}
            other => panic!("{TUTORIAL}:{}: {other:?} is no language of a tutorial", block.line),
        }
    }
    assert!(typed >= 15, "{typed}");
    let report = bench.sim.report();
    assert!(report.duplicates.is_empty(), "{report:?}");
    assert!(bench.sim.instance(5_220_149).expect("it was seeded").live, "an adopted VM outlives its object");
    assert!(bench.get("ITCareInstance", "web").await.is_none(), "the tutorial cleans up");
}

#[test]
fn words_are_compared_but_for_the_dots() {
    assert!(same("NAME AGE\nweb …\n", "NAME   AGE\nweb    3s\n"));
    assert!(!same("NAME AGE\nweb …\n", "NAME   AGE\ndb    3s\n"));
    assert!(!same("NAME AGE\n", "NAME AGE\nweb 3s\n"));
}

#[test]
fn the_request_of_a_curl_line_is_read() {
    let read = request("curl -s \"$ITCARE_SIM/actions\" -d '{\"a\": 1}'\n");
    assert_eq!(read, Some(("POST", "/actions".to_owned(), "{\"a\": 1}".to_owned())));
    assert_eq!(request("curl -s \"$ITCARE_SIM/x\""), Some(("GET", "/x".to_owned(), String::new())));
    assert_eq!(request("kubectl get"), None);
}
