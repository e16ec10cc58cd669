//! Definitions of other projects, so that manifests for them meet their real schema.
//!
//! They come with a pinned Go module, unpacked by Go and checked against the committed sum. Not here: applying them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::binaries::{Error, Places, file};

const MODULE: &str = "github.com/prometheus-operator/prometheus-operator";
const FOLDER: &str = "example/prometheus-operator-crd";
const GO_MOD: &str = include_str!("../../tools/prometheus/go.mod");
const GO_SUM: &str = include_str!("../../tools/prometheus/go.sum");

/// The definitions of ServiceMonitor, PodMonitor and PrometheusRule, as YAML.
///
/// # Errors
///
/// When there is no Go, or the module cannot be had.
pub fn prometheus_definitions() -> Result<Vec<String>, Error> {
    let program = "the definitions of the Prometheus operator";
    let go = Places::from_environment().on_path("go").ok_or(Error::NoGo { program, otherwise: "" })?;
    let folder = unpacked(&go, program)?.join(FOLDER);
    let read = |plural: &str| {
        let path = folder.join(format!("monitoring.coreos.com_{plural}.yaml"));
        std::fs::read_to_string(&path).map_err(file(&path))
    };
    ["servicemonitors", "podmonitors", "prometheusrules"].into_iter().map(read).collect()
}

fn unpacked(go: &Path, program: &'static str) -> Result<PathBuf, Error> {
    let workspace = tempfile::tempdir().map_err(file(&std::env::temp_dir()))?;
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = workspace.path().join(name);
        std::fs::write(&path, text).map_err(file(&path))?;
    }
    let output = Command::new(go)
        .args(["mod", "download", "-json", MODULE])
        .current_dir(workspace.path())
        .env("GOWORK", "off")
        .env_remove("GOFLAGS")
        .output()
        .map_err(file(go))?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match answer["Dir"].as_str() {
        Some(folder) if output.status.success() => Ok(PathBuf::from(folder)),
        _ => {
            let said = answer["Error"].as_str().map(str::to_owned);
            let output_text = said.unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned());
            Err(Error::Build { program, status: output.status, output: output_text })
        }
    }
}
