//! The child processes of one control plane, and the promise that none outlives us.
//!
//! Statics are never dropped and a killed test runs no destructor, so the promise is kept by a
//! watchdog: a shell that reads a pipe which only this process holds open. When the pipe closes, for
//! whatever reason, the shell kills the children it was told of and removes the folder. Not here:
//! what the programs are and which flags they take.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A kube-apiserver whose clients are still connected may not leave on TERM within 20 s.
const PATIENCE: Duration = Duration::from_secs(10);

const WATCHDOG: &str = r#"
directory=$1 children=
while read -r verb value; do
  case $verb in
    guard) children="$children $value" ;;
    forget) kept=; for child in $children; do [ "$child" = "$value" ] || kept="$kept $child"; done; children=$kept ;;
    keep) directory= ;;
  esac
done
[ -z "$children" ] || kill -KILL $children 2>/dev/null
[ -z "$directory" ] || rm -rf "$directory" 2>/dev/null || { sleep 1; rm -rf "$directory"; }
"#;

/// Kills what it guards and removes the folder once this process is gone.
#[derive(Debug)]
pub(super) struct Watchdog {
    pipe: Mutex<Option<ChildStdin>>,
    shell: Mutex<Child>,
}

impl Watchdog {
    pub(super) fn start(directory: &Path) -> std::io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = Mutex::new(shell.stdin.take());
        Ok(Self { pipe, shell: Mutex::new(shell) })
    }

    /// The folder stays when the watchdog ends its work.
    pub(super) fn keep_directory(&self) {
        self.tell("keep -");
    }

    /// Does the watchdog's work now: children are killed and the folder is removed on return.
    pub(super) fn finish(&self) {
        drop(lock(&self.pipe).take());
        let _ = lock(&self.shell).wait();
    }

    fn tell(&self, line: &str) {
        if let Some(pipe) = lock(&self.pipe).as_mut() {
            // A dead watchdog is no reason to fail: it only covers our own sudden death.
            let _ = writeln!(pipe, "{line}");
        }
    }
}

/// A program that can be started again with the same arguments.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Process {
    pub(super) fn new(
        name: &'static str,
        program: PathBuf,
        arguments: Vec<String>,
        directory: &Path,
    ) -> Self {
        let log = directory.join(format!("{name}.log"));
        Self { name, program, arguments, log, child: Mutex::new(None) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Starts it unless it runs. Its own process group keeps Ctrl-C in a terminal away from it, so
    /// that the order of an orderly end is ours.
    pub(super) fn start(&self, watchdog: &Watchdog) -> std::io::Result<()> {
        let mut slot = lock(&self.child);
        if slot.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        watchdog.tell(&format!("guard {}", child.id()));
        *slot = Some(child);
        Ok(())
    }

    /// How it ended, if it ended by itself.
    pub(super) fn ended(&self, watchdog: &Watchdog) -> std::io::Result<Option<ExitStatus>> {
        let mut slot = lock(&self.child);
        let Some(child) = slot.as_mut() else { return Ok(None) };
        // Until it is waited for, a child keeps its id, so the watchdog can hit no stranger.
        let id = child.id();
        let status = child.try_wait()?;
        if status.is_some() {
            watchdog.tell(&format!("forget {id}"));
            *slot = None;
        }
        Ok(status)
    }

    /// TERM, and KILL when it has not left in time. Nothing to do when it does not run.
    pub(super) async fn stop(&self, watchdog: &Watchdog) -> std::io::Result<()> {
        self.signal("TERM").await?;
        let end = Instant::now() + PATIENCE;
        while self.is_running() && Instant::now() < end {
            if self.ended(watchdog)?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.kill(watchdog)
    }

    /// KILL, and wait until it is gone.
    pub(super) fn kill(&self, watchdog: &Watchdog) -> std::io::Result<()> {
        let Some(mut child) = lock(&self.child).take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        watchdog.tell(&format!("forget {}", child.id()));
        Ok(())
    }

    /// Sends a signal by name; nothing happens when it does not run.
    pub(super) async fn signal(&self, name: &str) -> std::io::Result<()> {
        let Some(id) = lock(&self.child).as_ref().map(Child::id) else { return Ok(()) };
        let status =
            tokio::process::Command::new("kill").args([format!("-{name}"), id.to_string()]).status().await?;
        if status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("kill -{name} {id}: {status}")))
        }
    }

    pub(super) fn is_running(&self) -> bool {
        lock(&self.child).is_some()
    }

    /// The end of its log, for error messages.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

/// A panic elsewhere must not hide the children from the code that ends them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(directory: &Path) -> Process {
        Process::new("sleeper", "sleep".into(), vec!["600".into()], directory)
    }

    fn alive(id: u32) -> bool {
        Command::new("kill").args(["-0", &id.to_string()]).stderr(Stdio::null()).status().unwrap().success()
    }

    #[tokio::test]
    async fn the_watchdog_kills_and_cleans_when_the_pipe_closes() {
        let directory = tempfile::tempdir().unwrap().keep();
        let watchdog = Watchdog::start(&directory).unwrap();
        let process = sleeper(&directory);
        process.start(&watchdog).unwrap();
        watchdog.finish();
        let status = lock(&process.child).as_mut().unwrap().wait().unwrap();
        assert!(!status.success());
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_stopped_process_can_be_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::start(directory.path()).unwrap();
        let process = sleeper(directory.path());
        process.start(&watchdog).unwrap();
        let first = lock(&process.child).as_ref().unwrap().id();
        process.stop(&watchdog).await.unwrap();
        assert!(!process.is_running() && !alive(first));
        process.start(&watchdog).unwrap();
        assert!(process.ended(&watchdog).unwrap().is_none() && process.is_running());
        process.kill(&watchdog).unwrap();
        watchdog.keep_directory();
        watchdog.finish();
    }

    #[tokio::test]
    async fn a_paused_process_still_dies() {
        let directory = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::start(directory.path()).unwrap();
        let process = sleeper(directory.path());
        process.start(&watchdog).unwrap();
        process.signal("STOP").await.unwrap();
        process.kill(&watchdog).unwrap();
        assert!(!process.is_running());
        watchdog.finish();
    }
}
