//! The licences of everything that we depend on, against the list in `deny.toml`, in both directions.

use std::collections::BTreeSet;

use crate::metadata::{metadata, text};

/// The allowed licences: the quoted words of the `allow` list.
fn allowed() -> BTreeSet<String> {
    let text = text("deny.toml");
    let (_, list) = text.split_once("\nallow = [\n").expect("deny.toml lists what it allows");
    let (list, _) = list.split_once("\n]").expect("the list ends");
    let lines = list.lines().map(str::trim).filter(|line| line.starts_with('"'));
    lines.map(|line| line.trim_end_matches(',').trim_matches('"').to_owned()).collect()
}

/// The licences of an expression that are used under it, if it can be satisfied: of a choice the allowed ones, of a
/// conjunction all.
fn used(expression: &str, allowed: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let expression = expression.trim();
    let split = |word: &str| {
        let mut depth = 0_i32;
        for (at, letter) in expression.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 && expression[at..].starts_with(word) {
                return Some((&expression[..at], &expression[at + word.len()..]));
            }
        }
        None
    };
    if let Some((left, right)) = split(" OR ").or_else(|| split(" / ")).or_else(|| split("/")) {
        // Any of them will do; all that are allowed count as used.
        let sides: Vec<_> = [left, right].into_iter().filter_map(|side| used(side, allowed)).collect();
        return (!sides.is_empty()).then(|| sides.into_iter().flatten().collect());
    }
    if let Some((left, right)) = split(" AND ") {
        let (mut left, right) = (used(left, allowed)?, used(right, allowed)?);
        left.extend(right);
        return Some(left);
    }
    if let Some(inner) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return used(inner, allowed);
    }
    allowed.contains(expression).then(|| BTreeSet::from([expression.to_owned()]))
}

#[test]
fn every_dependency_is_under_an_allowed_licence_and_no_allowed_one_is_unused() {
    let allowed = allowed();
    assert!(allowed.len() > 5, "{allowed:?}");
    let mut seen = BTreeSet::new();
    let mut refused = Vec::new();
    let packages = metadata()["packages"].as_array().expect("there are packages");
    assert!(packages.len() > 200, "{}", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        match used(licence, &allowed) {
            Some(licences) => seen.extend(licences),
            None => refused.push(format!("{} {}: {licence}", package["name"], package["version"])),
        }
    }
    assert!(refused.is_empty(), "not in deny.toml: {refused:#?}");
    let unused: Vec<_> = allowed.difference(&seen).collect();
    assert!(unused.is_empty(), "allowed in deny.toml and used by nothing: {unused:?}");
}

#[test]
fn choices_conjunctions_and_exceptions_are_understood() {
    let allowed: BTreeSet<String> =
        ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    let words = |expression: &str| {
        used(expression, &allowed).map(|all| all.into_iter().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(words("GPL-3.0 OR MIT").as_deref(), Some("MIT"));
    assert_eq!(words("MIT/Apache-2.0").as_deref(), Some("MIT"));
    assert_eq!(words("(MIT OR GPL-3.0) AND ISC").as_deref(), Some("ISC MIT"));
    assert_eq!(words("MIT AND GPL-3.0"), None);
    assert_eq!(words("Apache-2.0"), None);
    assert!(words("Apache-2.0 WITH LLVM-exception OR X").is_some());
}

#[test]
fn what_is_banned_is_not_there() {
    let packages = metadata()["packages"].as_array().expect("there are packages");
    for banned in ["aws-lc-rs", "openssl", "native-tls"] {
        assert!(packages.iter().all(|package| package["name"] != banned), "{banned}");
    }
}
