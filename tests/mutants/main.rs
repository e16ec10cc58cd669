//! Known bugs as mutants: what other operators got wrong (B1 to B18), and mistakes that this design invites.
//! Each is put into a copy of the sources, behind a switch, and a test of another suite must go red for it, with
//! the words of the oracle that is meant to see it. A suite that stays green with a bug in the product protects
//! nobody.
//!
//! The product itself has no switch: [`workshop`] copies it, edits the copy, and builds that once. Not here:
//! the generated mutants of `cargo mutants`, see `SURVIVORS.md`.

mod bench;
mod conduct;
mod peers;
mod proof;
mod table;
mod teeth;
mod workshop;

use std::sync::LazyLock;

use table::Mutant;
use workshop::Suites;

/// Only the mutants whose name contains this.
const ONLY: &str = "MUTANT";

/// One build for all tests here. All mutants are in it, whichever are run: what is tried alone is what is tried
/// together.
static SUITES: LazyLock<Suites> = LazyLock::new(|| workshop::build(&all()));

fn all() -> Vec<Mutant> {
    peers::MUTANTS.iter().chain(proof::MUTANTS).chain(conduct::MUTANTS).copied().collect()
}

fn chosen() -> Vec<Mutant> {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    let only = std::env::var(ONLY).unwrap_or_default();
    let chosen: Vec<Mutant> = all().into_iter().filter(|mutant| mutant.name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "no mutant has {only:?} in its name");
    chosen
}

#[test]
fn every_mutant_has_a_name_of_its_own_and_the_peers_failures_are_all_there() {
    let mut names: Vec<&str> = all().iter().map(|mutant| mutant.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "a name is there twice: {names:?}");
    for number in 1..=18 {
        let prefix = format!("b{number:02}-");
        assert!(names.iter().any(|name| name.starts_with(&prefix)), "no mutant for B{number}");
    }
    for Mutant { name, bug, edits, killer } in all() {
        assert!(!bug.is_empty() && !edits.is_empty() && !killer.says.is_empty(), "{name} lacks a part");
        assert!(edits.iter().any(|edit| edit.to.contains("{on}")), "{name} cannot be switched on");
    }
    let own = proof::MUTANTS.len() + conduct::MUTANTS.len();
    assert!(own >= 40, "only {own} mutants of our own");
}

#[test]
fn every_mutant_is_killed_by_its_oracle() {
    let chosen = chosen();
    let wrong = bench::judge(&chosen, &SUITES);
    assert!(wrong.is_empty(), "{} of {} mutants:\n\n{}", wrong.len(), chosen.len(), wrong.join("\n\n"));
}
