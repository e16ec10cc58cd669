//! One world in one process: this program starts itself again, with the seed in a variable. There the system's
//! randomness is a sequence of the seed, nothing is left of another world, and a world that hangs can be ended.

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::tally::Tally;

/// The seed of the world that this process is for.
pub const SEED: &str = "WORLD_ALONE";

/// Where that process writes its trace, if anywhere.
const TRACE: &str = "WORLD_TRACE";

/// Whether it tells its story also when all went well.
const TELL: &str = "WORLD_TELL";

/// What the tally's line begins with.
const TALLY: &str = "tally: ";

/// Real time: a hundred times what a world takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is wanted of a world besides its verdict.
pub struct Wanted {
    /// Its story.
    pub tell: bool,
    /// Its trace.
    pub trace: bool,
}

/// A world to be lived in a process of its own.
pub struct Child {
    seed: u64,
    tell: bool,
    trace: Option<tempfile::NamedTempFile>,
}

/// What came of it.
pub struct Ended {
    pub failed: bool,
    pub tally: Tally,
    /// All that it said.
    pub told: String,
}

impl Child {
    pub fn of(seed: u64) -> Self {
        Self { seed, tell: false, trace: None }
    }

    pub fn telling(self) -> Self {
        Self { tell: true, ..self }
    }

    /// The trace of its world, which must hold.
    pub fn traced(self) -> String {
        let trace = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let path = trace.path().to_owned();
        let child = Self { trace: Some(trace), ..self };
        let seed = child.seed;
        let lived = child.start();
        assert!(!lived.0.failed, "world {seed} failed:\n{}", lived.0.told);
        std::fs::read_to_string(path).expect("the trace can be read")
    }

    pub fn run(self) -> Ended {
        self.start().0
    }

    fn start(self) -> (Ended, Self) {
        let program = std::env::current_exe().expect("this program has a path");
        let said = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let into = |file: &File| Stdio::from(file.try_clone().expect("a file can be had twice"));
        let mut command = Command::new(program);
        command.args(["--exact", "every_world_comes_to_rest_as_its_users_wish", "--nocapture"]);
        command.env(SEED, self.seed.to_string());
        command.stdin(Stdio::null()).stdout(into(said.as_file())).stderr(into(said.as_file()));
        if self.tell {
            command.env(TELL, "1");
        }
        if let Some(trace) = &self.trace {
            command.env(TRACE, trace.path());
        }
        let mut child = command.spawn().expect("this program can be started");
        let mut waited = Duration::ZERO;
        let ended = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break Some(status),
                None if waited > PATIENCE => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => {
                    let nap = Duration::from_millis(10);
                    std::thread::sleep(nap);
                    waited += nap;
                }
            }
        };
        let told = std::fs::read(said.path()).expect("what it said can be read");
        let mut told = String::from_utf8_lossy(&told).into_owned();
        if ended.is_none() {
            told.push_str(&format!("\nstill not at its end after {PATIENCE:?}"));
        }
        let line = told.lines().find_map(|line| line.strip_prefix(TALLY));
        let tally = line.map(|line| serde_json::from_str(line).expect("a tally is JSON"));
        let failed = !ended.is_some_and(|status| status.success()) || tally.is_none();
        (Ended { failed, tally: tally.unwrap_or_default(), told }, self)
    }
}

/// The keys of ahash's maps: the same ones in each run.
#[derive(Default)]
struct Keys(AtomicUsize);

impl ahash::random_state::RandomSource for Keys {
    fn gen_hasher_seed(&self) -> usize {
        self.0.fetch_add(0x9E37_79B9, Ordering::Relaxed)
    }
}

/// In the process of one world: lives it.
pub fn live<W>(seed: u64, world: fn(u64, Wanted) -> W)
where
    W: Future<Output = (Tally, Option<String>)> + 'static,
{
    // On a thread of its own, whose counters all begin at nothing.
    let life = std::thread::spawn(move || {
        itcare_chance::begin(seed);
        fastrand::seed(seed);
        // kube's store hashes with keys that it else takes from where the program lies in memory.
        ahash::random_state::set_random_source(Keys::default()).expect("nobody has hashed before");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime can be built");
        let path = text(TRACE);
        let wanted = Wanted { tell: text(TELL).is_some(), trace: path.is_some() };
        let (tally, trace) = runtime.block_on(world(seed, wanted));
        if let Some((path, trace)) = path.zip(trace) {
            std::fs::write(path, trace).expect("the trace can be written");
        }
        // This process ends now: taking a world apart piece by piece takes time.
        std::mem::forget(runtime);
        tally
    });
    // What went wrong has been told by the thread itself.
    let Ok(tally) = life.join() else { std::process::exit(1) };
    // The harness has begun a line.
    println!("\n{TALLY}{}", serde_json::to_string(&tally).expect("a tally is JSON"));
}

/// A variable that holds a whole number.
pub fn number(variable: &str) -> Option<u64> {
    let text = text(variable)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: it must be a whole number")))
}

fn text(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    std::env::var(variable).ok()
}
