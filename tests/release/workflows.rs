//! Workflows, changelog and version speak of what is there.

use itcare_lab::apply::documents;

use crate::metadata::text;

#[test]
fn ci_runs_the_command_that_developers_run() {
    let workflow = documents(&text(".github/workflows/ci.yml")).expect("it is YAML");
    let steps = workflow[0]["jobs"]["run"]["steps"].as_array().expect("steps").clone();
    assert!(steps.iter().any(|step| step["run"] == ".ci/run"), "{steps:#?}");
    let contributing = text(".github/CONTRIBUTING.md");
    assert!(contributing.contains("\n.ci/run\n"));
}

#[test]
fn a_release_is_made_only_of_what_the_checks_accept() {
    let workflow = documents(&text(".github/workflows/release.yml")).expect("it is YAML");
    let steps = workflow[0]["jobs"]["release"]["steps"].as_array().expect("steps").clone();
    let position = |words: &str| {
        let found = steps.iter().position(|step| step["run"].as_str().is_some_and(|run| run.contains(words)));
        found.unwrap_or_else(|| panic!("no step runs {words}"))
    };
    assert!(position(".ci/run") < position("cargo image operator"));
    assert!(position("cargo image operator") < position("skopeo copy"));
    assert!(position(".ci/run") < position("gh release create"));
}

#[test]
fn the_changelog_has_a_place_for_what_comes_and_a_heading_for_every_release() {
    let changelog = text("CHANGELOG.md");
    assert!(changelog.contains("\n## [Unreleased]\n"));
    let lines =
        changelog.lines().filter_map(|line| line.strip_prefix("## [")).filter(|line| *line != "Unreleased]");
    for line in lines {
        let (version, rest) = line.split_once("] - ").unwrap_or_else(|| panic!("no date: {line}"));
        assert_eq!(version.split('.').count(), 3, "{line}");
        assert!(rest.parse::<jiff::civil::Date>().is_ok(), "{line}");
    }
}
