//! A copy of the sources with every mutant in it, each behind a switch; and the suites built from that copy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::table::Mutant;

/// The suites that kill.
const SUITES: [&str; 5] = ["contract", "decide", "faults", "reconcile", "status"];

/// What is copied. The suites that need a control plane, or the built binary, stay out.
const COPIED: [&str; 16] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "crds",
    "deploy",
    "tests/chance",
    "tests/contract",
    "tests/decide",
    "tests/faults",
    "tests/fixtures",
    "tests/lab",
    "tests/reconcile",
    "tests/sim/Cargo.toml",
    "tests/sim/src",
    "tests/status",
    "tests/support",
];

/// The switch: one variable, read once.
const SWITCH: &str = r#"//! Which bug is switched on.

use std::sync::LazyLock;

static ON: LazyLock<String> = LazyLock::new(|| std::env::var("MUTANT").unwrap_or_default());

/// Whether it is this one.
pub fn on(name: &str) -> bool {
    *ON == name
}
"#;

/// The suites' programs, by name, and the folder in which they run.
pub struct Suites {
    pub root: PathBuf,
    pub programs: BTreeMap<String, PathBuf>,
}

/// Copies, edits, builds.
pub fn build(mutants: &[Mutant]) -> Suites {
    let (mut files, wrong) = edited(mutants);
    assert!(wrong.is_empty(), "mutants that no longer fit the sources:\n{}", wrong.join("\n"));
    append(&mut files, "src/lib.rs", "pub mod mutant;\n");
    files.insert(PathBuf::from("src/mutant.rs"), SWITCH.as_bytes().to_vec());
    without_programs(&mut files);
    of_another_version(&mut files);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    write(&root, &files);
    Suites { programs: compile(&root), root }
}

/// Why some of these do not fit the sources.
pub fn misfits(mutants: &[Mutant]) -> Vec<String> {
    edited(mutants).1
}

/// The sources with the mutants in them, and why some do not fit.
fn edited(mutants: &[Mutant]) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    for name in COPIED {
        read(source, Path::new(name), &mut files);
    }
    let wrong = mutants.iter().filter_map(|mutant| apply(mutant, &mut files).err()).collect();
    (files, wrong)
}

fn read(source: &Path, name: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let path = source.join(name);
    if path.is_dir() {
        for entry in fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            let entry = entry.expect("a folder can be read");
            read(source, &name.join(entry.file_name()), files);
        }
        return;
    }
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    files.insert(name.to_owned(), bytes);
}

fn apply(mutant: &Mutant, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), String> {
    for edit in mutant.edits {
        let why = |what: &str| format!("{}: {}: {what}:\n{}", mutant.name, edit.file, edit.from);
        let file = files.get_mut(Path::new(edit.file)).ok_or_else(|| why("there is no such file for"))?;
        let text = String::from_utf8(file.clone()).expect("sources are text");
        match text.matches(edit.from).count() {
            1 => {}
            0 => return Err(why("this text is not there")),
            many => return Err(why(&format!("this text is there {many} times"))),
        }
        let switch = format!("crate::mutant::on({:?})", mutant.name);
        *file = text.replace(edit.from, &edit.to.replace("{on}", &switch)).into_bytes();
    }
    Ok(())
}

fn append(files: &mut BTreeMap<PathBuf, Vec<u8>>, name: &str, text: &str) {
    let file = files.get_mut(Path::new(name)).unwrap_or_else(|| panic!("there is no {name}"));
    file.extend_from_slice(text.as_bytes());
}

/// The copy has a library only: a program of the same name as the real one would take its place in the target
/// folder.
fn without_programs(files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    edit_text(files, "Cargo.toml", |text| {
        let mut kept = Vec::new();
        let mut skips = false;
        for line in text.lines() {
            if line.starts_with('[') {
                skips = ["[[bin]]", "[[bench]]"].contains(&line.trim());
            }
            if !skips && !line.starts_with("default-run") {
                kept.push(line);
            }
            if line.starts_with("autobenches") {
                kept.push("autobins = false");
            }
        }
        kept.join("\n") + "\n"
    });
    files.remove(Path::new("src/main.rs"));
}

/// Cargo names what it builds by package and version, and not by folder: copy and original share a target folder, and
/// each would pass for the other.
fn of_another_version(files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let version = env!("CARGO_PKG_VERSION");
    let (old, new) = (format!("version = \"{version}\""), format!("version = \"{version}-mutants\""));
    let manifest = edit_text(files, "Cargo.toml", |text| text.replacen(&old, &new, 1));
    assert!(manifest.contains(&new), "Cargo.toml says no version {version}");
    let ours = |name: &str| format!("name = \"{name}\"\n");
    edit_text(files, "Cargo.lock", |text| {
        ["itcare-operator", "itcare-chance", "itcare-lab", "itcare-sim"]
            .iter()
            .fold(text.to_owned(), |text, name| {
                text.replace(&format!("{}{old}", ours(name)), &format!("{}{new}", ours(name)))
            })
    });
}

fn edit_text(files: &mut BTreeMap<PathBuf, Vec<u8>>, name: &str, edit: impl Fn(&str) -> String) -> String {
    let file = files.get_mut(Path::new(name)).unwrap_or_else(|| panic!("there is no {name}"));
    let text = edit(std::str::from_utf8(file).expect("it is text"));
    *file = text.clone().into_bytes();
    text
}

/// Writes what differs, and removes what is not there any more: an unchanged file keeps its time, and is not
/// built again.
fn write(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let mut old = BTreeMap::new();
    if root.is_dir() {
        read(root, Path::new(""), &mut old);
    }
    for name in old.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(root.join(name)).expect("a file of the copy can be removed");
    }
    for (name, bytes) in files.iter().filter(|(name, bytes)| old.get(*name) != Some(*bytes)) {
        let path = root.join(name);
        let folder = path.parent().expect("a file is in a folder");
        fs::create_dir_all(folder).expect("the copy's folders can be made");
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Builds the suites in the target folder that this very test was built in: everything but our own crates is
/// there already.
fn compile(root: &Path) -> BTreeMap<String, PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args([
        "test",
        "--no-run",
        "--frozen",
        "--message-format=json-render-diagnostics",
    ]);
    cargo.arg("--target-dir").arg(target);
    for suite in SUITES {
        cargo.args(["--test", suite]);
    }
    // What cargo tells a test about itself would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if own.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "the sources with the mutants in them do not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let (Some(name), Some(program)) =
            (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            programs.insert(name.to_owned(), PathBuf::from(program));
        }
    }
    programs
}
