//! The table of values in the chart's README, from the comments of `values.yaml`.
//!
//! A comment that begins with `# --` and the lines below it describe the key that follows. A described map is one
//! row; the keys of any other map have rows of their own.

use serde_json::Value;

use crate::helm::chart;

const BEGIN: &str = "<!-- values: made from values.yaml by UPDATE_CHART=1 cargo test --test chart -->\n";
const END: &str = "<!-- end of values -->\n";

/// One row.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: String,
    default: String,
    description: String,
}

/// The README with a table of the present values.
pub fn current() -> String {
    let read = |name: &str| std::fs::read_to_string(chart().join(name)).expect("the file is there");
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for the values");
    let (_, after) = rest.split_once(END).expect("the values have an end");
    let text = read("values.yaml");
    format!("{before}{BEGIN}{}{END}{after}", table(&rows(&text)))
}

fn table(rows: &[Row]) -> String {
    let escaped = |text: &str| text.replace('|', "\\|");
    let mut text = "\n| Value | Default | Meaning |\n| --- | --- | --- |\n".to_owned();
    for Row { path, default, description } in rows {
        text.push_str(&format!("| `{path}` | `{}` | {} |\n", escaped(default), escaped(description)));
    }
    text + "\n"
}

/// Every described value, and an error for a value that nothing describes.
fn rows(text: &str) -> Vec<Row> {
    let values = itcare_lab::apply::documents(text).expect("the values are YAML").remove(0);
    let mut rows: Vec<Row> = Vec::new();
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut comment: Option<String> = None;
    let mut described_above: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(words) = line.strip_prefix('#') {
            match (words.trim().strip_prefix("-- "), &mut comment) {
                (Some(first), _) => comment = Some(first.to_owned()),
                (None, Some(comment)) => *comment = format!("{comment} {}", words.trim()),
                (None, None) => {}
            }
            continue;
        }
        let key = line
            .split_once(':')
            .map(|(key, _)| key)
            .filter(|key| key.chars().all(|letter| letter.is_alphanumeric() || letter == '_'));
        let Some(key) = key else {
            assert!(comment.is_none(), "a description without a key before {line:?}");
            continue;
        };
        if described_above.is_some_and(|above| indent > above) {
            assert!(comment.is_none(), "{key} is described, and so is the map that it is in");
            continue;
        }
        described_above = None;
        parents.retain(|(depth, _)| *depth < indent);
        let path = parents.iter().map(|(_, name)| name.as_str()).chain([key]).collect::<Vec<_>>().join(".");
        let value = path.split('.').fold(&values, |value, key| &value[key]);
        match comment.take() {
            Some(description) => {
                rows.push(Row { path, default: value.to_string(), description });
                described_above = Some(indent);
            }
            None => {
                assert!(
                    value.as_object().is_some_and(|map| !map.is_empty()),
                    "values.yaml does not describe {path}"
                );
                parents.push((indent, key.to_owned()));
            }
        }
    }
    rows
}

#[test]
fn every_value_has_a_row_and_a_described_map_is_one_row() {
    let text = "# Head.\na:\n  # -- First\n  # line.\n  b: 1\n# -- A map.\nc:\n  d: 2\n# -- Text.\ne: \"\"\n";
    let row = |path: &str, default: &str, description: &str| Row {
        path: path.into(),
        default: default.into(),
        description: description.into(),
    };
    assert_eq!(
        rows(text),
        [row("a.b", "1", "First line."), row("c", "{\"d\":2}", "A map."), row("e", "\"\"", "Text.")]
    );
}

#[test]
#[should_panic(expected = "values.yaml does not describe a.b")]
fn a_value_without_a_description_is_an_error() {
    rows("a:\n  b: 1\n");
}

#[test]
fn the_table_names_every_value() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).expect("the file is there");
    let rows = rows(&text);
    fn leaves(value: &Value, path: &str, rows: &[Row]) {
        if rows.iter().any(|row| row.path == path) {
            return;
        }
        let map = value.as_object().unwrap_or_else(|| panic!("{path} has no row"));
        for (key, value) in map {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            leaves(value, &path, rows);
        }
    }
    leaves(&itcare_lab::apply::documents(&text).expect("YAML").remove(0), "", &rows);
}
