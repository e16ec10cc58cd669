//! What a mutant is.

/// A bug, where it goes, and who must see it.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// Its name, which is also its switch.
    pub name: &'static str,
    /// What goes wrong, in the words of whoever suffered from it.
    pub bug: &'static str,
    /// What makes it.
    pub edits: &'static [Edit],
    /// What must go red.
    pub killer: Killer,
}

/// One replacement in one file.
#[derive(Debug, Clone, Copy)]
pub struct Edit {
    /// From the root of the repository.
    pub file: &'static str,
    /// Text that is there exactly once.
    pub from: &'static str,
    /// What stands there instead; `{on}` is whether the switch is on. Without it, it must mean what `from` means.
    pub to: &'static str,
}

/// One test of one suite, and what it must say.
#[derive(Debug, Clone, Copy)]
pub struct Killer {
    /// The suite.
    pub suite: &'static str,
    /// The whole path of the test in it.
    pub test: &'static str,
    /// Which plans, in `faults`.
    pub plan: Option<&'static str>,
    /// All of this stands in one assertion that fails, in a file of the tests: the oracle's own words.
    pub says: &'static [&'static str],
}

/// A test that needs no plan.
pub const fn test(suite: &'static str, test: &'static str, says: &'static [&'static str]) -> Killer {
    Killer { suite, test, plan: None, says }
}

/// Some plans of the crash matrix: those whose name contains this.
pub const fn crash(plan: &'static str, says: &'static [&'static str]) -> Killer {
    let test = "crash::a_crash_at_any_boundary_changes_nothing_but_the_time_it_takes";
    Killer { suite: "faults", test, plan: Some(plan), says }
}

/// Some plans of the matrix of failing calls, in a cloud that does not protect us.
pub const fn lax(plan: &'static str, says: &'static [&'static str]) -> Killer {
    let test = "rest::no_failing_call_runs_anything_twice_where_itcare_does_not";
    Killer { suite: "faults", test, plan: Some(plan), says }
}

/// How the end of a world reads in which a VM was made twice.
pub const TWO_MADE: &str = "effects: {\"vm_create\": 2}, made: 2 }";
