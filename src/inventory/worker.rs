//! The two loops that make the calls: lists, and running actions. They run on the lease holder only.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Inventory;
use crate::model::ServiceId;
use crate::platform::{Gate, Health};

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
        let mut next = self.0.clock.now().mono;
        loop {
            let wait = next.saturating_sub(self.0.clock.now().mono);
            let due = tokio::select! {
                () = self.0.asked_lists.notified() => false,
                () = tokio::time::sleep(wait) => true,
            };
            if !gate.is_open() {
                gate.opened().await;
                // What was seen before another process may have led decides nothing.
                self.forget();
                next = self.0.clock.now().mono;
                continue;
            }
            let wanted = self.with(|state| {
                let mut wanted: BTreeSet<ServiceId> = std::mem::take(&mut state.wanted_lists);
                if due {
                    wanted.extend(state.in_use.keys().copied());
                }
                wanted
            });
            if due {
                next = self.0.clock.now().mono + interval;
            }
            if !wanted.is_empty() {
                self.collect_lists(wanted, due).await;
            }
        }
    }

    /// Reads running actions when somebody asks.
    async fn run_actions(&self, mut gate: Gate) {
        loop {
            self.0.asked_running.notified().await;
            gate.opened().await;
            if self.with(|state| std::mem::take(&mut state.wanted_running)) {
                self.collect_running().await;
            }
        }
    }
}
