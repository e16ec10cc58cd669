//! Both Helms, pinned, with folders of their own: nothing of the user's Helm reaches a test.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use itcare_lab::controlplane::{Output, Progress, Tool, pinned};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Those that are in use.
pub const BOTH: [Generation; 2] = [Generation::Four, Generation::Three];

/// The namespace of the README.
pub const NAMESPACE: &str = "itcare-system";

static FOUR: OnceCell<PathBuf> = OnceCell::const_new();
static THREE: OnceCell<PathBuf> = OnceCell::const_new();

/// Which Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The present one.
    Four,
    /// The one before, which many still have.
    Three,
}

/// A Helm.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    home: TempDir,
}

/// The folder of the chart.
pub fn chart() -> PathBuf {
    root().join("charts/itcare-operator")
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The values files of the chart, by mode.
pub fn modes() -> Vec<(String, PathBuf)> {
    let folder = chart().join("ci");
    let entries = std::fs::read_dir(&folder).expect("the chart has values files");
    let mut modes: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            let mode = name.strip_suffix("-values.yaml").expect("a values file is called MODE-values.yaml");
            (mode.to_owned(), path)
        })
        .collect();
    modes.sort();
    modes
}

/// The values file of a mode.
pub fn mode(name: &str) -> PathBuf {
    chart().join(format!("ci/{name}-values.yaml"))
}

impl Helm {
    /// The pinned program, built where needed.
    pub async fn get(generation: Generation) -> Self {
        let (cell, tool) = match generation {
            Generation::Four => (&FOUR, Tool::Helm4),
            Generation::Three => (&THREE, Tool::Helm3),
        };
        let program = cell
            .get_or_init(|| async {
                match pinned(tool, Progress::default()).await {
                    Ok(program) => program,
                    Err(error) => panic!(
                        "{error}: {}",
                        std::error::Error::source(&error).map_or_else(String::new, ToString::to_string)
                    ),
                }
            })
            .await;
        Self { program: program.clone(), home: TempDir::new().expect("a folder can be made") }
    }

    /// Runs it, with `values` on its standard input, as `--values -` reads them.
    pub async fn run(&self, kubeconfig: Option<&Path>, arguments: &[&str], values: &str) -> Output {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/nonexistent")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Helm runs");
        if let Some(mut pipe) = child.stdin.take() {
            // Helm need not read it, so a closed pipe is no failure.
            let _ = pipe.write_all(values.as_bytes()).await;
        }
        let output = child.wait_with_output().await.expect("Helm ends");
        Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `helm template` with further flags, as text.
    pub async fn text(&self, flags: &[&str], values: &str) -> Result<String, String> {
        let folder = chart();
        let chart = folder.to_str().expect("the path is text");
        let arguments = [&["template", "itcare-operator", chart, "--namespace", NAMESPACE], flags].concat();
        let output = self.run(None, &arguments, values).await;
        if output.success { Ok(output.stdout) } else { Err(output.stderr) }
    }

    /// The objects of a mode.
    pub async fn mode(&self, path: &Path) -> Vec<Value> {
        let path = path.to_str().expect("the path is text");
        self.text(&["--values", path], "").await.map(|text| objects(&text)).expect("the chart renders")
    }

    /// The objects under these values.
    pub async fn values(&self, values: &str) -> Result<Vec<Value>, String> {
        self.text(&["--values", "-"], values).await.map(|text| objects(&text))
    }
}

/// The objects of a text, in an order of their own.
pub fn objects(text: &str) -> Vec<Value> {
    let mut objects = itcare_lab::apply::documents(text).expect("the chart renders YAML");
    objects.sort_by_key(path);
    objects
}

/// Kind, namespace and name.
pub fn path(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!("{} {}/{}", text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
}

/// The only object of a kind.
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    object
}

/// The kinds that there are.
pub fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["kind"].as_str().expect("an object has a kind")).collect()
}
