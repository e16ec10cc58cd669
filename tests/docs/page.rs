//! A metrics page as Prometheus reads it: families, and the names, labels and values of their series.

use std::collections::{BTreeMap, BTreeSet};

/// One family.
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// What it says of itself.
    pub help: String,
    /// The names under which its series are asked for.
    pub series: BTreeSet<String>,
    /// Labels, with the values seen.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// The families of a page by name.
///
/// # Panics
/// When a line is none of the format's.
pub fn read(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (key, name, text) = (words.next(), words.next(), words.next().unwrap_or_default());
            let Some(name) = name else { continue };
            let family = families.entry(name.to_owned()).or_default();
            match key {
                Some("TYPE") => text.clone_into(&mut family.kind),
                Some("HELP") => text.trim_end_matches('.').clone_into(&mut family.help),
                _ => {}
            }
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let family = families
            .iter_mut()
            .filter(|(family, _)| name == *family || name.starts_with(&format!("{family}_")))
            .max_by_key(|(family, _)| family.len());
        let (_, family) = family.unwrap_or_else(|| panic!("a series without a family: {line}"));
        family.series.insert(name.to_owned());
        let labels =
            line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(all, _)| all);
        for (label, value) in pairs(labels) {
            family.labels.entry(label).or_default().insert(value);
        }
    }
    families
}

/// `a="b",c="d"`; our values hold neither quotes nor commas, which a new one would have to change here.
fn pairs(text: &str) -> Vec<(String, String)> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (label, value) = part.split_once('=').unwrap_or_else(|| panic!("no label: {part}"));
            (label.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn a_page_is_read_into_families() {
    let page = "# HELP a_calls Calls.\n# TYPE a_calls counter\na_calls_total{code=\"200\",by=\"x\"} 1\n\
        # HELP a_calls_seconds Time.\n# TYPE a_calls_seconds histogram\na_calls_seconds_bucket{le=\"1\"} 1\n\
        a_calls_seconds_sum 0.5\n# EOF\n";
    let families = read(page);
    let calls = &families["a_calls"];
    assert_eq!((calls.kind.as_str(), calls.help.as_str()), ("counter", "Calls"));
    assert_eq!(calls.series, BTreeSet::from(["a_calls_total".to_owned()]));
    assert!(calls.labels["code"].contains("200"));
    assert_eq!(families["a_calls_seconds"].series.len(), 2);
}
