//! What cargo knows of the workspace, asked once.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let mut command = Command::new(env!("CARGO"));
    // Not offline: where nobody has asked before, the packages of other platforms are still to be fetched.
    command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
});

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `cargo metadata` of all platforms.
pub fn metadata() -> &'static Value {
    &METADATA
}

/// A file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
