//! The search itself, on worlds small enough to see: it must find what is broken, and the way to it.

use crate::explore::{Model, Step, explore};

/// States are numbers; the edges are written down: from, to, whether fair, whether an effect.
struct Toy {
    edges: &'static [(u8, u8, bool, bool)],
    /// A state that must never be.
    bad: u8,
    /// The states in which it may stay.
    rests: &'static [u8],
}

impl Model for Toy {
    type State = u8;
    type Move = (u8, u8);

    fn initial(&self) -> u8 {
        0
    }

    fn steps(&mut self, state: &u8, out: &mut Vec<Step<(u8, u8), u8>>) -> Result<(), String> {
        for (from, to, fair, effect) in self.edges.iter().copied().filter(|edge| edge.0 == *state) {
            out.push(Step { what: (from, to), to, fair, effect });
        }
        Ok(())
    }

    fn always(&mut self, state: &u8) -> Result<(), String> {
        if *state == self.bad { Err("a bad state".to_owned()) } else { Ok(()) }
    }

    fn at_rest(&mut self, state: &u8) -> Result<(), String> {
        if self.rests.contains(state) { Ok(()) } else { Err("no place to stay".to_owned()) }
    }

    fn goals(&mut self, state: &u8) -> u32 {
        1 << *state
    }

    fn describe(&mut self, state: &u8) -> String {
        format!("state {state}")
    }
}

fn run(edges: &'static [(u8, u8, bool, bool)], bad: u8, rests: &'static [u8]) -> Result<u32, String> {
    explore(&mut Toy { edges, bad, rests }, 100).map(|found| found.goals)
}

#[test]
fn the_search_passes_a_world_that_comes_to_rest() {
    assert_eq!(
        run(&[(0, 1, true, true), (0, 2, false, false), (2, 1, true, true), (1, 1, true, false)], 9, &[1]),
        Ok(0b111)
    );
}

#[test]
fn the_search_finds_a_bad_state_behind_a_fault_and_tells_the_way() {
    let why = run(&[(0, 0, true, false), (0, 1, false, false), (1, 2, false, false)], 2, &[0]);
    let why = why.expect_err("a bad state");
    assert!(why.contains("a bad state") && why.contains("(0, 1)") && why.contains("(1, 2)"), "{why}");
}

#[test]
fn the_search_finds_a_circle_that_never_comes_to_rest() {
    let why = run(
        &[
            (0, 1, true, false),
            (1, 2, true, false),
            (2, 1, true, false),
            (1, 3, true, false),
            (3, 3, true, false),
        ],
        9,
        &[3],
    );
    assert!(why.expect_err("a circle").contains("no place to stay"));
}

#[test]
fn the_search_finds_a_place_of_rest_that_keeps_having_effects() {
    let why = run(&[(0, 1, true, false), (1, 0, true, true)], 9, &[0, 1]);
    assert!(why.expect_err("an effect").contains("a cycle with an effect"));
}

#[test]
fn the_search_finds_a_dead_end() {
    let why = run(&[(0, 1, true, false), (1, 0, false, false)], 9, &[0, 1]);
    assert!(why.expect_err("a dead end").contains("nothing happens here any more"));
}

#[test]
fn the_search_tells_of_a_world_without_bounds() {
    let mut toy = Toy { edges: &[(0, 1, true, false), (1, 2, true, false)], bad: 9, rests: &[] };
    assert!(explore(&mut toy, 1).expect_err("too many").contains("not bounded"));
}
