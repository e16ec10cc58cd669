//! What was called and what it cost: the figures of the simulator's journal and final inventory, and
//! whether they are what the samples lead to.
//!
//! The operator is not asked: it would be witness in its own cause.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::samples::Plan;
use super::say;

/// What `GET /_sim/report` says; the rest of it is not needed.
#[derive(Debug, Default, Deserialize)]
struct Report {
    calls: BTreeMap<String, u64>,
    effects: BTreeMap<String, u64>,
    created: u64,
    duplicates: Vec<Value>,
    leftovers: Vec<Leftover>,
}

#[derive(Debug, Default, Deserialize)]
struct Leftover {
    id: i64,
    name: String,
}

/// A request as `GET /_sim/journal` shows it.
#[derive(Debug, Default, Deserialize)]
struct Entry {
    operation: String,
    instance: Option<i64>,
    #[serde(default)]
    body: Value,
    /// It began an action.
    effect: bool,
}

/// The figures of one demo.
#[derive(Debug)]
pub struct Figures {
    report: Report,
    duplicates: Vec<String>,
    leftovers: Vec<String>,
    problems: Vec<String>,
    machines: usize,
}

/// Effects that must not run twice, and how often the story asks for each.
const ONCE: [&str; 2] = ["snapshot_create", "snapshot_recover"];

impl Figures {
    /// From the two control routes and what the samples lead to.
    ///
    /// # Errors
    ///
    /// When an answer is not what it should be.
    pub fn of(report: Value, journal: Value, plan: &Plan) -> anyhow::Result<Self> {
        let report: Report = serde_json::from_value(report).context("cannot read the simulator's report")?;
        let journal: Vec<Entry> =
            serde_json::from_value(journal).context("cannot read the simulator's journal")?;
        let duplicates = duplicates(&report, &journal);
        let survivors = plan.survivors();
        let stays = |leftover: &&Leftover| survivors.contains(&leftover.name);
        let leftovers: Vec<String> = report
            .leftovers
            .iter()
            .filter(|leftover| !stays(leftover))
            .map(|leftover| format!("{} ({})", leftover.name, leftover.id))
            .collect();
        let mut problems = Vec::new();
        problems.extend(duplicates.iter().map(|what| format!("done twice: {what}")));
        problems.extend(leftovers.iter().map(|what| format!("left over: {what}")));
        if report.created != plan.created.len() as u64 {
            problems.push(format!("{} VMs were created, expected {}", report.created, plan.created.len()));
        }
        for name in &survivors {
            if !report.leftovers.iter().any(|live| live.name == *name) {
                problems.push(format!("{name} was not ours to delete, and it is gone"));
            }
        }
        for live in report.leftovers.iter().filter(|live| plan.observed.contains(&live.name)) {
            let changes =
                journal.iter().filter(|entry| entry.effect && entry.instance == Some(live.id)).count();
            if changes > 0 {
                problems.push(format!("{} is only observed, and it was changed {changes} times", live.name));
            }
        }
        for operation in ONCE {
            if !report.effects.contains_key(operation) {
                problems.push(format!("no {operation} was carried out"));
            }
        }
        let machines = plan.created.len() + plan.seeds.len();
        Ok(Self { report, duplicates, leftovers, problems, machines })
    }

    /// Whether everything is as it should be.
    ///
    /// # Errors
    ///
    /// With all that is not.
    pub fn verdict(&self) -> anyhow::Result<()> {
        match self.problems.as_slice() {
            [] => Ok(()),
            problems => bail!("the figures are not what the samples lead to:\n  {}", problems.join("\n  ")),
        }
    }

    /// Shows them: the last lines of the demo.
    pub fn show(&self, seconds: u64) {
        say("\n== What was called, by the simulator's journal\n");
        say(format!("  {:<26} {:>5}  {:>7}", "OPERATION", "CALLS", "CHANGES"));
        let (changing, looking): (Vec<_>, Vec<_>) =
            self.report.calls.iter().partition(|(operation, _)| self.report.effects.contains_key(*operation));
        for (operation, calls) in changing.into_iter().chain(looking) {
            let changes = self.report.effects.get(operation).map(u64::to_string).unwrap_or_default();
            say(format!("  {operation:<26} {calls:>5}  {changes:>7}"));
        }
        let calls: u64 = self.report.calls.values().sum();
        let changes: u64 = self.report.effects.values().sum();
        say(format!("  {:<26} {calls:>5}  {changes:>7}", "total"));
        say(format!(
            "\n  VMs created: {}   duplicates: {}   leftovers: {}   seconds: {seconds}",
            self.report.created,
            self.duplicates.len(),
            self.leftovers.len()
        ));
        say(format!("  {}", self.cost(calls, changes)));
    }

    fn cost(&self, calls: u64, changes: u64) -> String {
        let each = calls as f64 / self.machines.max(1) as f64;
        format!(
            "What it cost: {calls} calls for {} VMs, {each:.0} for each; {changes} changed something, the others looked",
            self.machines
        )
    }
}

/// VMs that share a name, creations of one name that took effect more than once (a deletion hides the
/// twin from the inventory, but not from the journal), and one-time requests that ran again.
fn duplicates(report: &Report, journal: &[Entry]) -> Vec<String> {
    let mut all: Vec<String> = report
        .duplicates
        .iter()
        .map(|twins| format!("live VMs {} called {}", twins["ids"], twins["name"]))
        .collect();
    let mut creates: BTreeMap<String, u32> = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry.effect && entry.operation == "create") {
        let name = entry.body["name"].as_str().unwrap_or_default().to_ascii_uppercase();
        *creates.entry(name).or_default() += 1;
    }
    all.extend(
        creates
            .iter()
            .filter(|(_, times)| **times > 1)
            .map(|(name, times)| format!("{name} created {times} times")),
    );
    for operation in ONCE {
        if let Some(times) = report.effects.get(operation).filter(|times| **times > 1) {
            all.push(format!("{operation}, {times} times"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        Plan {
            seeds: vec![json!({"id": 1, "name": "OLD"})],
            created: vec!["NEW".to_owned()],
            observed: vec!["OLD".to_owned()],
            retained: Vec::new(),
        }
    }

    fn report() -> Value {
        json!({
            "calls": {"list": 3, "create": 1},
            "effects": {"create": 1, "snapshot_create": 1, "snapshot_recover": 1},
            "unanswered": 0,
            "created": 1,
            "duplicates": [],
            "leftovers": [{"id": 1, "service_id": 13, "name": "OLD"}],
        })
    }

    fn journal() -> Value {
        json!([{"operation": "create", "instance": null, "body": {"name": "NEW"}, "effect": true, "seq": 1}])
    }

    fn problems(report: Value, journal: Value) -> Vec<String> {
        Figures::of(report, journal, &plan()).unwrap().problems
    }

    #[test]
    fn a_good_demo_has_no_problems() {
        assert_eq!(problems(report(), journal()), Vec::<String>::new());
    }

    #[test]
    fn a_vm_that_was_created_twice_is_found_though_both_are_gone() {
        let twice = json!([journal()[0], journal()[0]]);
        assert_eq!(problems(report(), twice), ["done twice: NEW created 2 times"]);
    }

    #[test]
    fn leftovers_and_lost_vms_are_found() {
        let mut report = report();
        report["leftovers"] = json!([{"id": 2, "service_id": 13, "name": "NEW"}]);
        let problems = problems(report, journal());
        assert_eq!(problems, ["left over: NEW (2)", "OLD was not ours to delete, and it is gone"]);
    }

    #[test]
    fn a_change_of_an_observed_vm_is_found() {
        let journal = json!([{"operation": "stop", "instance": 1, "body": null, "effect": true}]);
        assert_eq!(problems(report(), journal), ["OLD is only observed, and it was changed 1 times"]);
    }

    #[test]
    fn a_wrong_count_is_found() {
        let mut report = report();
        report["created"] = json!(2);
        report["effects"]["snapshot_recover"] = json!(2);
        let problems = problems(report, journal());
        assert_eq!(problems, ["done twice: snapshot_recover, 2 times", "2 VMs were created, expected 1"]);
    }
}
