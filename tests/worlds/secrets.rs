//! Nothing that is secret leaves the process: all that the operator logs is searched, and all that it sends.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use itcare_lab::memory::Recorded;
use itcare_sim::{Entry, Operation};

/// The client secrets of the account, the first one first: words that nothing else contains.
pub const SECRETS: [&str; 2] = ["canary-4f1d0c77aa", "canary-93be52610e"];

/// What every token begins with.
const TOKEN: &str = "sim-token-";

/// Takes everything that is logged, and keeps what should not have been.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    bytes: usize,
    found: Vec<String>,
}

impl Log {
    /// From now on this process logs here, in full or as it does ordinarily.
    pub fn take(full: bool) -> Self {
        let filter = if full { "itcare_operator=trace,kube=debug" } else { "info" };
        let log = Self::default();
        let sink = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(move || sink.clone())
            .init();
        log
    }

    /// Panics if anything secret was logged. Returns how much was.
    #[track_caller]
    pub fn holds_no_secret(&self) -> usize {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(taken.found.is_empty(), "secrets in the log: {:#?}", taken.found);
        taken.bytes
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes += bytes.len();
        let line = String::from_utf8_lossy(bytes);
        if is_secret(&line) {
            taken.found.push(line.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn is_secret(text: &str) -> bool {
    text.contains(TOKEN) || SECRETS.iter().any(|secret| text.contains(secret))
}

/// Panics if anything secret was sent to where it does not belong.
#[track_caller]
pub fn not_sent(calls: &[Entry], writes: &[Recorded]) {
    for write in writes {
        assert!(!is_secret(&write.body.to_string()), "a secret in {write:?}");
    }
    for call in calls.iter().filter(|call| call.operation != Operation::Token) {
        let text = format!("{}?{} {}", call.path, call.query, call.body);
        assert!(!is_secret(&text), "a secret in {text}");
    }
}
