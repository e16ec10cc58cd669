//! SIGSTOP of the leader with a call in flight, for less or more than its lease, a standby beside it, SIGCONT.
//!
//! A frozen process cannot stand down, and a lease does not fence it: what it sent is out, and it wakes believing that
//! it leads. The window between its last check and its socket is fenced by the cloud's unique names alone (the
//! design, section 5.2), so these freezes come while the cloud holds the call, and one while it does not.

use std::time::Duration;

use futures::future::join_all;
use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cloud::Call;
use crate::fleet::{now, requested};
use crate::operator::Operator;
use crate::oracle::{rests, secrets_are_kept};
use crate::shop::{BLINK, SNAPSHOT, Shop, VM, plane};

/// What became of the call that was in flight.
#[derive(Debug, Clone, Copy)]
enum Reply {
    /// It was carried out, and the answer lay in the socket when the leader woke.
    WhileFrozen,
    /// It was carried out, and no answer came.
    Never,
    /// It was carried out a second later, and no answer came.
    AfterLateEffect,
    /// It was lost on its way.
    Lost,
}

impl Reply {
    fn fault(self) -> FaultKind {
        let second = Duration::from_secs(1);
        match self {
            Self::WhileFrozen => FaultKind::Delay(second / 2),
            Self::Never => FaultKind::HangForever { effect: true },
            Self::AfterLateEffect => FaultKind::DelayedEffect { after: second, hang: true },
            Self::Lost => FaultKind::HangForever { effect: false },
        }
    }
}

/// How long the leader is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freeze {
    /// Half a lease: it goes on leading.
    Half,
    /// Until the standby leads.
    UntilReplaced,
    /// Until the standby has done all the work.
    UntilDone,
}

#[derive(Debug, Clone, Copy)]
enum OneShot {
    Reset,
    Recover,
}

const LEASE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_frozen_with_a_creation_in_flight_is_followed_by_one_vm() {
    let cases = [
        (Reply::WhileFrozen, Freeze::Half),
        (Reply::WhileFrozen, Freeze::UntilReplaced),
        (Reply::Never, Freeze::UntilReplaced),
        (Reply::AfterLateEffect, Freeze::UntilDone),
        (Reply::Lost, Freeze::UntilDone),
    ];
    let all = cases.into_iter().enumerate().map(|(index, (reply, freeze))| async move {
        let story = Story::begin(&format!("frozen-create-{index}"), false).await;
        story.hold(Operation::Create, reply).await;
        story.shop.apply(VM, "web", web()).await;
        story.freeze(freeze, async |shop| drop(shop.until_ready(VM, "web").await)).await;
        story.shop.until_ready(VM, "web").await;
        rests(&story.shop).await;
        let calls = story.calls(Operation::Create).await;
        let effects = calls.iter().filter(|call| call.effect).count();
        // A second is sent only where the first was lost on its way.
        let sends = if matches!(reply, Reply::Lost) { 2 } else { 1 };
        assert_eq!((effects, calls.len()), (1, sends), "{reply:?} {freeze:?}: {calls:#?}");
        assert_eq!(story.shop.cloud.instances().await.len(), 1, "{reply:?} {freeze:?}");
        story.end().await;
    });
    join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_frozen_with_a_one_shot_in_flight_is_followed_by_no_other() {
    let cases = [
        (OneShot::Reset, Reply::WhileFrozen, Freeze::UntilReplaced),
        (OneShot::Reset, Reply::Lost, Freeze::UntilReplaced),
        (OneShot::Reset, Reply::AfterLateEffect, Freeze::UntilDone),
        (OneShot::Recover, Reply::Never, Freeze::UntilDone),
    ];
    let all = cases.into_iter().enumerate().map(|(index, (shot, reply, freeze))| async move {
        let story = Story::begin(&format!("frozen-shot-{index}"), false).await;
        let shop = &story.shop;
        shop.apply(VM, "web", web()).await;
        shop.until_ready(VM, "web").await;
        shop.apply(SNAPSHOT, "before", json!({"instanceRef": {"name": "web"}})).await;
        shop.until_ready(SNAPSHOT, "before").await;
        let (operation, kind, object, word) = match shot {
            OneShot::Reset => (Operation::Reset, VM, "web", "reset"),
            OneShot::Recover => (Operation::SnapshotRecover, SNAPSHOT, "before", "recover"),
        };
        let asked = now();
        let handled = |seen: &Value| requested(&seen["status"]["handledRequests"][word]) == Some(asked);
        story.hold(operation, reply).await;
        shop.patch(kind, object, json!({word: {"requestedAt": asked}})).await;
        story.freeze(freeze, async |shop| drop(shop.until(kind, object, "receipt", handled).await)).await;
        let done = shop.until(kind, object, "receipt", handled).await;
        shop.until_ready(VM, "web").await;
        rests(shop).await;
        // One that was lost is given up, never sent again.
        let calls = story.calls(operation).await;
        assert_eq!(calls.len(), 1, "{shot:?} {reply:?} {freeze:?}: {calls:#?}");
        let expected = if matches!(reply, Reply::Lost) { "OutcomeUnknown" } else { "Succeeded" };
        assert_eq!(done["status"]["handledRequests"][word]["result"], expected, "{done:#}");
        story.end().await;
    });
    join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_frozen_at_any_moment_of_a_creation_makes_one_vm_where_names_are_unique() {
    // Between the manifest and the last status, for one to three leases.
    let all = (0..4_u32).map(|index| async move {
        let story = Story::begin(&format!("frozen-any-{index}"), true).await;
        let shop = &story.shop;
        shop.new_writes();
        shop.apply(VM, "web", web()).await;
        let mut written = 0;
        while written < index as usize {
            written += shop.new_writes();
            sleep(BLINK).await;
        }
        story.leader.freeze(true).await;
        shop.until_led(Some(&story.identity)).await;
        sleep(LEASE * index / 2).await;
        story.leader.freeze(false).await;
        shop.until_ready(VM, "web").await;
        rests(shop).await;
        assert_eq!(shop.cloud.instances().await.len(), 1, "{:#?}", story.calls(Operation::Create).await);
        story.end().await;
    });
    join_all(all).await;
}

/// One world with two operators: one leads, the other is ready to.
struct Story {
    shop: Shop,
    leader: Operator,
    /// As the lease names it.
    identity: String,
    standby: Operator,
}

impl Story {
    async fn begin(name: &str, unique: bool) -> Self {
        let shop = Shop::open(plane().await, name, &["--lease-duration=2s"]).await;
        let quirks =
            json!({"unique_names": unique, "single_slot": unique, "one_action_per_instance": unique});
        shop.cloud.quirks(quirks).await;
        let leader = shop.operator();
        let identity = shop.until_led(None).await;
        let standby = shop.operator();
        Self { shop, leader, identity, standby }
    }

    /// Freezes the leader with the call in flight, and wakes it. `done` waits for the standby's work.
    async fn freeze(&self, freeze: Freeze, done: impl AsyncFnOnce(&Shop)) {
        self.shop.until_held().await;
        self.leader.freeze(true).await;
        match freeze {
            Freeze::Half => sleep(LEASE / 2).await,
            Freeze::UntilReplaced => drop(self.shop.until_led(Some(&self.identity)).await),
            Freeze::UntilDone => {
                self.shop.until_led(Some(&self.identity)).await;
                done(&self.shop).await;
            }
        }
        self.shop.cloud.clear_faults().await;
        self.leader.freeze(false).await;
    }

    async fn hold(&self, operation: Operation, reply: Reply) {
        self.shop.cloud.inject(&Fault::once(Match::operation(operation), reply.fault())).await;
    }

    async fn calls(&self, operation: Operation) -> Vec<Call> {
        let calls = self.shop.cloud.calls().await;
        calls.into_iter().filter(|call| call.operation == operation).collect()
    }

    /// Both go in order, and neither told a secret.
    async fn end(self) {
        secrets_are_kept(&self.shop);
        tokio::join!(self.leader.terminate(), self.standby.terminate());
    }
}

fn web() -> Value {
    json!({
        "name": "DWEB", "serviceId": 14, "region": "EB", "platform": "deb12", "size": "2cpu4gb",
        "powerState": "Running",
    })
}
