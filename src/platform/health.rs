//! What `/livez` and `/readyz` say.
//!
//! Live: the loops make progress; it never depends on an outside service, since a restart would not help.
//! Ready: caches are synced; a standby is ready. Notes tell a person more (credentials, lease).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shared health state; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    beats: BTreeMap<&'static str, (Instant, Duration)>,
    waiting: BTreeMap<&'static str, String>,
    notes: BTreeMap<&'static str, String>,
}

impl Health {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A loop made progress and will do so again within `within`.
    pub fn beat(&self, name: &'static str, within: Duration) {
        self.with(|state| state.beats.insert(name, (Instant::now(), within)));
    }

    /// Not ready until [`Health::ready`] is called with the same name.
    pub fn wait_for(&self, name: &'static str, why: impl Into<String>) {
        self.with(|state| state.waiting.insert(name, why.into()));
    }

    /// Says more about something that is waited for; nothing if it is there already.
    pub fn explain(&self, name: &'static str, why: impl Into<String>) {
        self.with(|state| {
            if let Some(waiting) = state.waiting.get_mut(name) {
                *waiting = why.into();
            }
        });
    }

    /// What was waited for is there.
    pub fn ready(&self, name: &'static str) {
        self.with(|state| state.waiting.remove(name));
    }

    /// Something a person should know, without effect on readiness; `None` takes it away.
    pub fn note(&self, name: &'static str, text: Option<String>) {
        self.with(|state| match text {
            Some(text) => state.notes.insert(name, text),
            None => state.notes.remove(name),
        });
    }

    /// Whether all loops make progress, and the words.
    #[must_use]
    pub fn live(&self) -> (bool, String) {
        self.with(|state| {
            let late: Vec<String> = state
                .beats
                .iter()
                .filter(|(_, (at, within))| at.elapsed() > *within)
                .map(|(name, (at, _))| format!("{name}: no progress for {} s", at.elapsed().as_secs()))
                .collect();
            if late.is_empty() { (true, "ok\n".to_owned()) } else { (false, late.join("\n") + "\n") }
        })
    }

    /// Whether everything waited for is there, and the words.
    #[must_use]
    pub fn readiness(&self) -> (bool, String) {
        self.with(|state| {
            let ready = state.waiting.is_empty();
            let mut text = if ready { "ok\n".to_owned() } else { String::new() };
            for (name, why) in state.waiting.iter().chain(&state.notes) {
                text += &format!("{name}: {why}\n");
            }
            (ready, text)
        })
    }
}
