//! The architecture as `src/` really is: which module uses which, what a module never names, and the
//! shape of its files.
//!
//! The rules are those that `src/lib.rs` describes to readers. They are checked on the text of the
//! sources, without comments and strings, so a rule can be broken neither by accident nor by a doc link.
//! The checker is tested itself: a rule that sees nothing would pass for ever.

mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use source::{Source, Strings};

/// Who may use whom. `lib` only lists the modules; `cli` is the composition root.
const EDGES: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("main", &["cli"]),
    ("cli", &["api", "config", "controller", "crd", "decide", "inventory", "model", "platform"]),
    ("controller", &["api", "crd", "decide", "inventory", "model", "platform"]),
    ("inventory", &["api", "model", "platform"]),
    ("decide", &["crd", "model"]),
    ("api", &["model"]),
    ("crd", &["model"]),
    ("config", &["model"]),
    ("model", &[]),
    ("platform", &[]),
];

/// What code of a module never names, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("decide", &["async", "await", "tokio", "futures"], "the core runs to its end without waiting"),
    ("decide", &["kube", "reqwest", "hyper", "http"], "the core knows no client"),
    ("decide", &["tracing", "log", "println!", "eprintln!"], "the core says everything in its decision"),
    (
        "decide",
        &[
            "Timestamp::now",
            "Zoned::now",
            "Instant::now",
            "SystemTime",
            "std::env",
            "std::fs",
            "rand",
            "ring",
        ],
        "time, chance and environment come in through the view",
    ),
    ("api", &["kube", "k8s_openapi"], "the client of ITCare knows nothing of Kubernetes"),
    (
        "model",
        &["kube", "k8s_openapi", "tokio", "reqwest", "async", "tracing"],
        "the vocabulary does nothing",
    ),
    (
        "model",
        &["Timestamp::now", "SystemTime", "Instant::now", "std::env"],
        "a moment comes in as an argument",
    ),
    (
        "crd",
        &[
            "tokio",
            "reqwest",
            "async",
            "kube::Client",
            "kube::Api",
            "kube::runtime",
            "Timestamp::now",
            "std::env",
        ],
        "resources are data",
    ),
    ("inventory", &["kube", "k8s_openapi"], "the view of the cloud knows nothing of Kubernetes"),
];

const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `src/`.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join("src"), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            let name = path.strip_prefix(root()).expect("it was found below the root");
            Source::new(&name.to_string_lossy(), text)
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entries too").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The uses of a file that the table does not allow, as `file:line → module`.
fn forbidden_edges(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}:1 → no rule for the module `{module}`", source.name)];
    };
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    source
        .uses()
        .into_iter()
        .filter(|found| found.module != module && known.contains(found.module.as_str()))
        .filter(|found| !allowed.contains(&found.module.as_str()))
        .map(|found| {
            format!("{}:{} → {} (allowed: {})", source.name, found.line, found.module, listed(allowed))
        })
        .collect()
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing of ours".to_owned() } else { names.join(", ") }
}

/// The words of a file that its module never names, as `file:line → word`.
fn forbidden_words(source: &Source) -> Vec<String> {
    let module = source.module();
    FORBIDDEN
        .iter()
        .filter(|(name, ..)| *name == module)
        .flat_map(|(_, words, why)| words.iter().map(move |word| (word, why)))
        .flat_map(|(word, why)| {
            source
                .lines_with(word)
                .into_iter()
                .map(move |line| format!("{}:{line} → `{word}`: {why}", source.name))
        })
        .collect()
}

#[track_caller]
fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn a_module_uses_only_the_modules_below_it() {
    let found: Vec<_> = sources().iter().flat_map(forbidden_edges).collect();
    assert_none(&found, "uses that the architecture does not allow");
}

#[test]
fn a_module_never_names_what_it_must_not_know() {
    let found: Vec<_> = sources().iter().flat_map(forbidden_words).collect();
    assert_none(&found, "words that a module must not use");
}

#[test]
fn the_platform_does_not_name_the_product() {
    let found: Vec<_> = sources()
        .iter()
        .filter(|source| source.module() == "platform")
        .flat_map(|source| {
            let code = source.code(Strings::Kept).to_lowercase();
            let lines: Vec<_> =
                code.lines().enumerate().filter(|(_, line)| line.contains("itcare")).collect();
            lines.iter().map(|(at, _)| format!("{}:{} → ITCare", source.name, at + 1)).collect::<Vec<_>>()
        })
        .collect();
    assert_none(&found, "platform must be of use to any operator");
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent: Vec<_> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}:1 → no `//!` comment", source.name))
        .collect();
    assert_none(&silent, "files that do not open with their purpose");
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    let long: Vec<_> = sources()
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(source, lines)| format!("{} has {lines} lines", source.name))
        .collect();
    assert_none(&long, "files to be split (500 lines at most)");
}

#[test]
fn the_test_crates_do_not_depend_on_the_product() {
    for manifest in ["tests/sim/Cargo.toml", "tests/lab/Cargo.toml"] {
        let text = std::fs::read_to_string(root().join(manifest)).expect("the manifest can be read");
        let found: Vec<_> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| depends_on_the_product(line))
            .map(|(at, line)| format!("{manifest}:{} → {line}", at + 1))
            .collect();
        assert_none(&found, "two readings of the API page must stay independent");
    }
}

fn depends_on_the_product(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    line.starts_with("itcare-operator")
        || line.contains("dependencies.itcare-operator")
        || line.contains("package = \"itcare-operator\"")
        || line.contains("path = \"../..\"")
}

/// The checker sees the real sources, not an empty folder or an empty text.
#[test]
fn the_checker_finds_the_edges_that_exist() {
    let sources = sources();
    let modules: BTreeSet<String> = sources.iter().map(Source::module).collect();
    let edges: BTreeSet<(String, String)> = sources
        .iter()
        .flat_map(|source| source.uses().into_iter().map(|found| (source.module(), found.module)))
        .collect();
    for (from, to) in [("decide", "model"), ("decide", "crd"), ("crd", "model")] {
        assert!(modules.contains(from), "{modules:?}");
        assert!(edges.contains(&(from.to_owned(), to.to_owned())), "{from} → {to} is not seen in {edges:?}");
    }
}

fn edges_of(name: &str, text: &str) -> Vec<String> {
    forbidden_edges(&Source::new(name, text.to_owned()))
}

#[test]
fn the_checker_refuses_every_way_to_write_a_use() {
    for (text, seen) in [
        ("use crate::api::Client;", "src/decide/x.rs:1 → api"),
        ("\n\npub use crate::{model::Size, controller};", "src/decide/x.rs:3 → controller"),
        (
            "use crate::{\n    model::{Size, time::{after, since}},\n    platform::Clock,\n};",
            "src/decide/x.rs:3 → platform",
        ),
        ("use crate::{self as ours, config as c};", "src/decide/x.rs:1 → config"),
        ("fn f() { crate::inventory::look() }", "src/decide/x.rs:1 → inventory"),
        ("fn f() { crate :: inventory :: look() }", "src/decide/x.rs:1 → inventory"),
        ("use super::super::cli::run;", "src/decide/x.rs:1 → cli"),
        ("macro_rules! m { () => { $crate::api::call() } }", "src/decide/x.rs:1 → api"),
        ("/* not this: crate::cli */ use crate::config;", "src/decide/x.rs:1 → config"),
        ("let c = '\"'; use crate::config; let d = '\"';", "src/decide/x.rs:1 → config"),
    ] {
        let found = edges_of("src/decide/x.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(seen), "{text}: {found:?}");
    }
    assert_eq!(edges_of("src/main.rs", "use itcare_operator::{cli, api};").len(), 1);
    assert_eq!(edges_of("src/lib.rs", "pub use crate::model::Size;").len(), 1);
    assert!(edges_of("src/nowhere/x.rs", "")[0].contains("no rule"));
}

#[test]
fn the_checker_lets_pass_what_is_allowed_or_is_no_use() {
    for text in [
        "use crate::crd::ITCareInstance; use crate::model::{Size, id::{self, ServiceId}};",
        "use crate::decide::retry;",
        "use super::{Decision, api};",
        "/// See [`crate::api::Client`].\n//! crate::platform\n/* crate::cli /* crate::cli */ crate::cli */",
        "let text = \"use crate::api;\"; let raw = r#\"crate::\"cli\"\"#;",
        "fn f<'crate_>(x: &'static str) { let quote = '\\''; }",
        "pub(crate) fn f() {} mod inner { use super::super::Decision; }",
    ] {
        assert_eq!(edges_of("src/decide/x.rs", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_checker_reads_words_and_not_parts_of_words() {
    let words = |text: &str| forbidden_words(&Source::new("src/decide/x.rs", text.to_owned()));
    for (text, seen) in [
        ("\nasync fn f() {}", "src/decide/x.rs:2 → `async`"),
        ("let now = jiff::Timestamp::now();", "src/decide/x.rs:1 → `Timestamp::now`"),
        ("use std::time::SystemTime;", "src/decide/x.rs:1 → `SystemTime`"),
        ("let home = std::env::var(\"HOME\");", "src/decide/x.rs:1 → `std::env`"),
        ("tracing::info!(\"x\");", "src/decide/x.rs:1 → `tracing`"),
        ("use kube::Client;", "src/decide/x.rs:1 → `kube`"),
        ("println!(\"x\");", "src/decide/x.rs:1 → `println!`"),
    ] {
        let found = words(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(seen), "{text}: {found:?}");
    }
    assert_eq!(
        words("// async\nlet asynchronous = \"tokio\"; let kubernetes = Timestamp::nowhere;"),
        [""; 0]
    );
    assert!(depends_on_the_product("itcare-operator = { path = \"../..\" }"));
    assert!(depends_on_the_product("product = { package = \"itcare-operator\", version = \"1\" }"));
    assert!(!depends_on_the_product("itcare-sim = { path = \"../sim\" } # not itcare-operator"));
}

/// `tests/PROMISES.md` says which tests prove which promise; a name in it that no test has proves nothing.
#[test]
fn the_tests_that_prove_the_promises_are_there() {
    let root = root().join("tests");
    let text = std::fs::read_to_string(root.join("PROMISES.md")).expect("it is there");
    let mut named = 0;
    for name in text.split('`').skip(1).step_by(2) {
        let Some((suite, path)) = name.split_once(' ') else { continue };
        let test = path.rsplit("::").next().unwrap_or(path);
        let is_test = test.contains('_') && test.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_test || !root.join(suite).is_dir() {
            continue;
        }
        named += 1;
        let function = format!("fn {test}(");
        let mut sources = Vec::new();
        collect(&root.join(suite), &mut sources);
        let holds = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&function));
        assert!(sources.iter().any(holds), "tests/PROMISES.md names {name}, which is not there");
    }
    assert!(named > 100, "only {named} tests are named");
}
