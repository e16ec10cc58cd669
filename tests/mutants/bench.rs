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

/// How much of a failure is shown: its head says what was compared.
const SHOWN: usize = 3_000;

/// What running one killer came to.
struct Ran {
    passed: bool,
    text: String,
    took: Duration,
}

/// Judges all of them; what is wrong with some.
pub fn judge(mutants: &[Mutant], suites: &Suites) -> Vec<String> {
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
                    let verdict = run(suites, killer, mutant.as_ref()).and_then(|ran| match mutant {
                        None => must_pass(killer, &ran),
                        Some(mutant) => must_fail(mutant, &ran),
                    });
                    match verdict {
                        Ok(line) => println!("{line}"),
                        Err(why) => wrong.lock().expect("no worker panics").push(why),
                    }
                }
            });
        }
    });
    wrong.into_inner().expect("no worker panics")
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
    let said = failures(&ran.text);
    if said.iter().any(|failure| killer.says.iter().all(|says| failure.contains(says))) {
        return Ok(format!("{name} is killed by {} ({:.1?}): {bug}", words(killer), ran.took));
    }
    let said = said.first().map_or_else(|| tail(&ran.text), |first| first.chars().take(SHOWN).collect());
    Err(format!(
        "{name} is killed for another reason: {bug}\n{} must say, in one assertion: {:#?}\nand says:\n{said}",
        words(killer),
        killer.says
    ))
}

/// The assertions of the tests that failed, each with its place and its whole message. What the product itself
/// panics with is none.
fn failures(text: &str) -> Vec<&str> {
    let ends = ["\nnote: run with `RUST_BACKTRACE", "\nFAILED: PLAN=", "\n\nthread '", "\n\nfailures:\n"];
    let pieces = text.split("panicked at ").skip(1).filter(|piece| piece.starts_with("tests/"));
    pieces
        .map(|piece| {
            let end = ends.iter().filter_map(|end| piece.find(end)).min();
            &piece[..end.unwrap_or(piece.len())]
        })
        .collect()
}

fn words(killer: &Killer) -> String {
    let plan = killer.plan.map(|plan| format!("PLAN='{plan}' ")).unwrap_or_default();
    format!("{plan}{} {}", killer.suite, killer.test)
}

/// Runs one killer; `Err` if it is not one test.
fn run(suites: &Suites, killer: &Killer, mutant: Option<&Mutant>) -> Result<Ran, String> {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let program = suites.programs.get(killer.suite);
    let program = program.unwrap_or_else(|| panic!("no suite {} was built", killer.suite));
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("mutant-{}.log", FILES.fetch_add(1, Ordering::Relaxed)));
    #[expect(clippy::disallowed_methods, reason = "the time of a child process cannot be paused")]
    let begun = Instant::now();
    let file = File::create(&log).expect("a log can be written");
    let mut command = Command::new(program);
    command.current_dir(&suites.root).args(["--exact", killer.test, "--test-threads=1"]);
    // A frame of a backtrace is not the word of an oracle.
    command
        .env_remove("PLAN")
        .env("RUST_BACKTRACE", "0")
        .env("MUTANT", mutant.map_or("", |mutant| mutant.name));
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
    let passed = status.is_some_and(|status| status.success());
    // A filter that matches nothing passes too.
    if status.is_some() && !text.contains("running 1 test") {
        return Err(format!("{} is not one test:\n{}", words(killer), tail(&text)));
    }
    Ok(Ran { passed, text, took: begun.elapsed() })
}

/// The end of what a test printed.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
