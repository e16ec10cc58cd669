//! A program that runs in the background while the demo goes on, and never longer than the demo.
//!
//! Not here: the control plane's processes, which look after themselves in the same way.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// An operator that is told to stop first finishes the calls that are in flight.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a pipe that only we hold open, and then kills what a killed demo left behind.
const GUARD: &str = r#"read -r _; kill -KILL "$1" 2>/dev/null"#;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    guard: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to `log`.
    ///
    /// It gets a process group of its own, so that Ctrl-C in a terminal reaches the demo alone and the
    /// order of the end is ours.
    ///
    /// # Errors
    ///
    /// When the log cannot be written or the program cannot be run.
    pub fn start(name: &'static str, mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let failed = || format!("cannot start {name}");
        let file = File::create(&log).with_context(failed)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().with_context(failed)?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(failed)?;
        let id = child.id().with_context(failed)?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &id.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(failed)?;
        Ok(Self { name, child, guard, log })
    }

    /// Its name, for a person.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file with what it printed.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The text of its log so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// TERM, and KILL when it has not left in time.
    pub async fn stop(mut self) {
        // From here on the number may become a stranger's, so the guard goes first.
        let _ = self.guard.kill().await;
        if let Some(id) = self.child.id() {
            let _ = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        }
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; exec sleep 600"]);
        Process::start("sleeper", command, folder.join("log")).unwrap()
    }

    fn alive(id: u32) -> bool {
        let mut kill = std::process::Command::new("kill");
        kill.args(["-0", &id.to_string()]).stderr(Stdio::null()).status().unwrap().success()
    }

    #[tokio::test]
    async fn a_program_ends_on_request_and_neither_it_nor_its_guard_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = sleeper(folder.path());
        let ids = [process.child.id().unwrap(), process.guard.id().unwrap()];
        assert!(process.ended().is_none() && ids.into_iter().all(alive));
        process.stop().await;
        assert!(!ids.into_iter().any(alive));
    }

    #[tokio::test]
    async fn the_guard_kills_when_its_pipe_closes() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = sleeper(folder.path());
        drop(process.guard.stdin.take());
        let status = process.child.wait().await.unwrap();
        assert!(!status.success());
    }
}
