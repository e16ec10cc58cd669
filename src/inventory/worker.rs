//! The two loops that make the calls: lists, and running actions. They run on the lease holder only.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Inventory, State, collect};
use crate::api::Priority;
use crate::platform::{Gate, Health};

/// While no list comes in, any answer of ITCare's is worth a sweep before its time, but no sooner after the last one.
/// Each such sweep that fails all the same doubles this.
const AGAIN: Duration = Duration::from_secs(10);

/// Why lists are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Asked,
    Due,
    SignOfLife,
}

impl Inventory {
    /// Reads lists and running actions until `stop`; whoever still waits is told then.
    pub async fn run(self, gate: Gate, health: Health, stop: CancellationToken) {
        let beat = async {
            // The loops below wait for other people's servers, which is none of `/livez`'s business.
            loop {
                health.beat("inventory", Duration::from_secs(120));
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        };
        let work = async { tokio::join!(beat, self.run_lists(gate.clone()), self.run_actions(gate)) };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work => {}
        }
        self.close();
    }

    /// Reads lists: those that were asked for at once, all of them at each interval.
    async fn run_lists(&self, mut gate: Gate) {
        let interval = self.0.settings.observe_interval;
        let mut next = Instant::now();
        let mut last = None;
        let mut again = AGAIN;
        loop {
            let cause = tokio::select! {
                () = self.0.asked_lists.notified() => Cause::Asked,
                () = tokio::time::sleep_until(next) => Cause::Due,
                () = self.sign_of_life(last, again), if self.is_failing() => Cause::SignOfLife,
            };
            let due = cause != Cause::Asked;
            if !gate.is_open() {
                gate.opened().await;
                // What was seen before another process may have led decides nothing.
                self.forget();
                next = Instant::now();
                continue;
            }
            if let Some(last) = last.filter(|_| !due) {
                let pages = if self.ends_are_enough() { 1 } else { self.pages() };
                let spared = last + self.0.client.crowded_for() * pages;
                self.gather(next.min(spared), &self.0.asked_lists, |state| state.urgent_lists).await;
            }
            let (mut whole, mut arrivals, priority) = self.with(|state| {
                let mut whole = std::mem::take(&mut state.wanted_lists);
                let arrivals = std::mem::take(&mut state.wanted_arrivals);
                let asked = collect::of(std::mem::take(&mut state.urgent_lists));
                let nobody = whole.is_empty() && arrivals.is_empty();
                if due {
                    whole.extend(state.in_use.keys().copied());
                }
                (whole, arrivals, if nobody { Priority::Background } else { asked })
            });
            if due {
                next = Instant::now() + interval;
            }
            if whole.is_empty() && arrivals.is_empty() {
                continue;
            }
            arrivals.retain(|service| !whole.contains(service));
            whole.extend(self.collect_arrivals(arrivals, priority).await);
            if !whole.is_empty() {
                self.collect_lists(whole, priority).await;
            }
            last = Some(Instant::now());
            again = match (self.is_failing(), cause) {
                (false, Cause::Asked | Cause::Due | Cause::SignOfLife) => AGAIN,
                (true, Cause::SignOfLife) => (again * 2).min(interval),
                (true, Cause::Asked | Cause::Due) => again,
            };
        }
    }

    /// Returns when ITCare answers something, but not within that time of the last list.
    async fn sign_of_life(&self, last: Option<Instant>, again: Duration) {
        let mut answers = self.0.client.answers();
        if answers.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Some(last) = last {
            tokio::time::sleep_until(last + again).await;
        }
    }

    /// Reads running actions when somebody asks.
    async fn run_actions(&self, mut gate: Gate) {
        let mut last = None;
        loop {
            self.0.asked_running.notified().await;
            gate.opened().await;
            if let Some(last) = last {
                let spared = last + self.0.client.crowded_for();
                self.gather(spared, &self.0.asked_running, |state| state.urgent_running).await;
            }
            if self.with(|state| state.wanted_running) {
                last = Some(Instant::now());
                self.collect_running().await;
            }
        }
    }

    /// While there are not permits for all, more of those who ask share one read: waits for them until then, or until
    /// somebody is in a hurry.
    async fn gather(&self, until: Instant, asked: &Notify, urgent: impl Fn(&State) -> bool) {
        while !self.with(|state| urgent(state)) {
            tokio::select! {
                () = asked.notified() => {}
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }
}
