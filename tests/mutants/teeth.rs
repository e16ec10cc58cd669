//! This suite must be able to fail: a mutant whose killer does not see it, or sees something else, is told, and so
//! is one that no longer fits the sources.

use crate::table::{Edit, Killer, Mutant, test};
use crate::{SUITES, all, bench, workshop};

/// A test that has nothing to do with secrets.
const ELSEWHERE: Killer = test(
    "decide",
    "evidence::an_action_is_possibly_ours_unless_something_speaks_against_it",
    &["in another case: Action {"],
);

fn named(name: &str) -> Mutant {
    all().into_iter().find(|mutant| mutant.name == name).expect("it is one of ours")
}

#[test]
fn a_mutant_that_its_killer_does_not_see_lives_and_is_told() {
    let mutant = Mutant { killer: ELSEWHERE, ..named("b12-a-secret-in-the-status") };
    let wrong = bench::judge(&[mutant], &SUITES);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("b12-a-secret-in-the-status lives: "), "{}", wrong[0]);
    assert!(wrong[0].contains(ELSEWHERE.test), "{}", wrong[0]);
}

#[test]
fn a_killer_that_goes_red_for_another_reason_is_told() {
    // The test goes red, but not with these words: those of another assertion in it.
    let killer = Killer { says: &["of somebody else: Action {"], ..ELSEWHERE };
    let mutant = Mutant { killer, ..named("names-with-case") };
    let wrong = bench::judge(&[mutant], &SUITES);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("names-with-case is killed for another reason: "), "{}", wrong[0]);
    assert!(wrong[0].contains("in another case"), "what it says instead is shown: {}", wrong[0]);
}

#[test]
fn a_killer_that_is_not_there_is_told() {
    // Asked for it, the suite runs nothing, and that is a success to it.
    let killer = Killer { test: "crash::there_is_no_such_test", suite: "faults", plan: None, says: &["x"] };
    let mutant = Mutant { killer, ..named("names-with-case") };
    let wrong = bench::judge(&[mutant], &SUITES);
    assert!(!wrong.is_empty(), "a test that is not there kills nothing");
    assert!(
        wrong.iter().all(|why| why.contains("crash::there_is_no_such_test is not one test")),
        "{wrong:?}"
    );
}

#[test]
fn a_mutant_that_no_longer_fits_names_its_file_and_itself() {
    let edits: &[Edit] = &[
        Edit { file: "src/model/id.rs", from: "a line that nobody wrote", to: "{on}" },
        Edit { file: "src/no_such_file.rs", from: "pub", to: "{on}" },
        Edit { file: "src/lib.rs", from: "pub mod ", to: "{on}" },
    ];
    let mut whys = Vec::new();
    for edit in edits {
        let mutant = Mutant { edits: std::slice::from_ref(edit), ..named("names-with-case") };
        whys.extend(workshop::misfits(&[mutant]));
    }
    let expected = [
        "names-with-case: src/model/id.rs: this text is not there:\na line that nobody wrote",
        "names-with-case: src/no_such_file.rs: there is no such file for:\npub",
        "names-with-case: src/lib.rs: this text is there 9 times:\npub mod ",
    ];
    assert_eq!(whys, expected);
}
