//! The files in `crds/` are what the code prints.

use std::path::Path;

use crate::server::files;

/// Set this to write the files instead of comparing them.
const UPDATE: &str = "UPDATE_CRDS";

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test alone, not of the product")]
fn the_committed_definitions_are_those_of_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for (name, text) in files() {
            std::fs::write(folder.join(name), text).expect("a definition can be written");
        }
    }
    let cure =
        format!("run `cargo run -- crds` and keep each document in its file, or this test with {UPDATE}=1");
    for (name, text) in files() {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let differs = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
        let line = differs.unwrap_or_else(|| committed.lines().count().min(text.lines().count())) + 1;
        assert!(committed == *text, "crds/{name} differs from the code at line {line}: {cure}");
    }
    // Definitions of earlier releases are in a folder below.
    let mut present: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("its entries too"))
        .filter(|entry| entry.file_name() != "released")
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    present.sort();
    let mut expected: Vec<_> = files().iter().map(|(name, _)| name.clone()).collect();
    expected.sort();
    assert_eq!(present, expected, "crds/ holds the definitions and nothing else: {cure}");
}

#[test]
fn the_texts_are_read_back_as_they_were_meant() {
    for ((name, text), meant) in files().iter().zip(itcare_operator::crd::print::all()) {
        let read = itcare_lab::apply::documents(text).expect("the text is YAML");
        assert_eq!(read, [meant], "{name}");
    }
    let both = itcare_operator::crd::print::yaml().expect("definitions are YAML");
    assert_eq!(itcare_lab::apply::documents(&both).expect("the text is YAML").len(), 2);
}
