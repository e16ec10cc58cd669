//! Runs the killers: without a switch they must pass, with one they must fail, and say why.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::table::{Killer, Mutant};
use crate::workshop::Suites;

/// A test that is not over by then is stuck: time in it is virtual.
const LONGEST: Duration = Duration::from_secs(120);

/// What running one killer came to.
struct Ran {
    passed: bool,
    text: String,
    took: Duration,
}

/// Judges all of them; panics with those that live.
pub fn judge(mutants: &[Mutant], suites: &Suites) {
    let mut jobs: Vec<(Option<Mutant>, Killer)> = Vec::new();
    let mut sound = BTreeSet::new();
    for mutant in mutants {
        let Killer { suite, test, plan, says: _ } = mutant.killer;
        if sound.insert((suite, test, plan)) {
            jobs.push((None, mutant.killer));
        }
        jobs.push((Some(*mutant), mutant.killer));
    }
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((mutant, killer)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = run(suites, killer, mutant.as_ref());
                    let verdict = match mutant {
                        None => must_pass(killer, &ran),
                        Some(mutant) => must_fail(mutant, &ran),
                    };
                    match verdict {
                        Ok(line) => println!("{line}"),
                        Err(why) => wrong.lock().expect("no worker panics").push(why),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no worker panics");
    assert!(wrong.is_empty(), "{} of {} are wrong:\n\n{}", wrong.len(), jobs.len(), wrong.join("\n\n"));
}

fn must_pass(killer: &Killer, ran: &Ran) -> Result<String, String> {
    if ran.passed {
        return Ok(format!("{} passes without a mutant ({:.1?})", words(killer), ran.took));
    }
    Err(format!("{} fails with no mutant switched on:\n{}", words(killer), tail(&ran.text)))
}

fn must_fail(mutant: &Mutant, ran: &Ran) -> Result<String, String> {
    let Mutant { name, bug, killer, edits: _ } = mutant;
    if ran.passed {
        return Err(format!("{name} lives: {bug}\n{} does not see it", words(killer)));
    }
    let unsaid: Vec<&&str> = killer.says.iter().filter(|says| !ran.text.contains(**says)).collect();
    if !unsaid.is_empty() {
        return Err(format!(
            "{name} is killed for another reason: {bug}\n{} does not say {unsaid:?}:\n{}",
            words(killer),
            tail(&ran.text)
        ));
    }
    Ok(format!("{name} is killed by {} ({:.1?}): {bug}", words(killer), ran.took))
}

fn words(killer: &Killer) -> String {
    let plan = killer.plan.map(|plan| format!("PLAN='{plan}' ")).unwrap_or_default();
    format!("{plan}{} {}", killer.suite, killer.test)
}

fn run(suites: &Suites, killer: &Killer, mutant: Option<&Mutant>) -> Ran {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let program = suites.programs.get(killer.suite);
    let program = program.unwrap_or_else(|| panic!("no suite {} was built", killer.suite));
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("mutant-{}.log", FILES.fetch_add(1, Ordering::Relaxed)));
    let begun = Instant::now();
    let file = File::create(&log).expect("a log can be written");
    let mut command = Command::new(program);
    command.current_dir(&suites.root).args(["--exact", killer.test, "--test-threads=1"]);
    command.env_remove("PLAN").env("MUTANT", mutant.map_or("", |mutant| mutant.name));
    if let Some(plan) = killer.plan {
        command.env("PLAN", plan);
    }
    let errors = file.try_clone().expect("a file can be shared");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            break Some(status);
        }
        if begun.elapsed() > LONGEST {
            child.kill().expect("a child can be ended");
            child.wait().expect("a child ends");
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    let _ = std::fs::remove_file(&log);
    // A filter that matches nothing passes too.
    let passed = status.is_some_and(|status| status.success());
    assert!(
        status.is_none() || text.contains("running 1 test"),
        "{} is not one test:\n{}",
        words(killer),
        tail(&text)
    );
    Ran { passed, text, took: begun.elapsed() }
}

/// The end of what a test printed.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
