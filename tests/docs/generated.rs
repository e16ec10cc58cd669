//! What the code itself can tell is generated and committed: the reference, and the copies of chart files.

use std::path::Path;

use crate::markdown::root;
use crate::{calls, conditions, fields, flags, metrics, observability};

/// Set this to write the files instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

/// Paths and texts.
fn all() -> Vec<(&'static str, String)> {
    vec![
        ("deploy/docs/reference/crds.md", fields::page()),
        ("deploy/docs/reference/flags.md", flags::page()),
        ("deploy/docs/reference/metrics.md", metrics::page()),
        ("deploy/docs/reference/conditions.md", conditions::page()),
        ("deploy/docs/reference/api-calls.md", calls::page()),
        ("deploy/monitoring/prometheusrule.yaml", observability::rule()),
        ("deploy/monitoring/dashboard.json", observability::dashboard()),
    ]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test alone, not of the product")]
fn the_reference_is_that_of_the_code() {
    let update = std::env::var_os(UPDATE).is_some_and(|value| value == "1");
    let mut differing = Vec::new();
    for (name, text) in all() {
        let path = root().join(name);
        if update {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder can be made");
            std::fs::write(&path, &text).expect("a file can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        if committed != text {
            let same = committed.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
            differing.push(format!("{name}, line {}", same + 1));
        }
    }
    assert!(differing.is_empty(), "run {UPDATE}=1 cargo test --test docs generated: {differing:#?}");
}
