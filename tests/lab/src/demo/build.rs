//! The programs on show, built by the cargo that runs us and found where that cargo says they are.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Command;

/// The two programs.
#[derive(Debug)]
pub struct Programs {
    /// `itcare-operator`.
    pub operator: PathBuf,
    /// `itcare-sim`.
    pub simulator: PathBuf,
}

/// The top of the repository.
pub fn root() -> PathBuf {
    let lab = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).map_or_else(|| lab.clone(), PathBuf::from)
}

/// Builds both, with cargo's own progress on standard error.
///
/// # Errors
///
/// When cargo cannot be run, or fails: then it has said why itself.
pub async fn build() -> anyhow::Result<Programs> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let child = Command::new(&cargo)
        .args([
            "build",
            "--message-format",
            "json-render-diagnostics",
            "-p",
            "itcare-operator",
            "-p",
            "itcare-sim",
        ])
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}; start the demo with `cargo demo`", cargo.display()))?;
    let output = child.wait_with_output().await.context("cannot wait for cargo")?;
    if !output.status.success() {
        bail!("cargo build failed ({}), see above; the demo shows only what builds", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let program = |name: &str| {
        executable(&messages, name).with_context(|| format!("cargo built no program called {name}"))
    };
    Ok(Programs { operator: program("itcare-operator")?, simulator: program("itcare-sim")? })
}

/// Where cargo says that it put the program of this name.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    artifacts
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_libraries_of_the_same_name() {
        let messages = concat!(
            "not json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/x/a"}"#,
        );
        assert_eq!(executable(messages, "a"), Some("/x/a".into()));
        assert_eq!(executable(messages, "b"), None);
    }

    #[test]
    fn the_top_of_the_repository_has_the_samples() {
        assert!(root().join("deploy/samples").is_dir());
    }
}
