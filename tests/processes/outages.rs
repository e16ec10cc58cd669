//! What the operator depends on goes away for a while: ITCare refuses, answers 503 or is frozen; the API server is
//! killed, stopped or frozen; etcd restarts. The operator is never restarted, and ends with everything as wished.

use std::sync::Arc;
use std::time::Duration;

use itcare_lab::controlplane::{Component, ControlPlane};
use itcare_sim::{Fault, FaultKind, Match, Operation};
use tokio::time::sleep;

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::moment::Tally;
use crate::operator::Operator;
use crate::oracle::{converged, judge};
use crate::shop::{Shop, VM, fresh_plane, plane};

/// Longer than lease, time-out and settle time.
const A_WHILE: Duration = Duration::from_secs(4);

/// A fleet in the middle of its work, with two operators of which one leads.
struct Story {
    shop: Shop,
    fleet: Fleet,
    dice: Dice,
    operators: [Operator; 2],
}

impl Story {
    async fn begin(plane: Arc<ControlPlane>, name: &str, seed: u64) -> Self {
        let shop = Shop::open(plane, name, &["--lease-duration=2s"]).await;
        let mut story = Self {
            operators: [shop.operator(), shop.operator()],
            fleet: Fleet::new(false),
            dice: Dice::new(seed),
            shop,
        };
        story.act(3).await;
        converged(&story.shop, &story.fleet).await;
        story
    }

    async fn act(&mut self, steps: usize) {
        for _ in 0..steps {
            self.fleet.step(&self.shop, &mut self.dice).await;
        }
    }

    /// As wished, without a restart, and then taken down.
    async fn end(mut self) {
        converged(&self.shop, &self.fleet).await;
        judge(&self.shop, &self.fleet, &mut Tally::default()).await;
        self.fleet.delete_all(&self.shop, &mut self.dice).await;
        converged(&self.shop, &self.fleet).await;
        judge(&self.shop, &self.fleet, &mut Tally::default()).await;
        for operator in self.operators {
            operator.terminate().await;
        }
    }
}

/// ITCare away in three ways, while the user goes on.
async fn itcare_away(name: &str, seed: u64, span: Duration) {
    let mut story = Story::begin(plane().await, name, seed).await;
    story.shop.cloud.refuse(true).await;
    story.act(4).await;
    sleep(span).await;
    story.shop.cloud.refuse(false).await;
    story.act(2).await;
    let unavailable = FaultKind::status(503, false);
    story.shop.cloud.inject(&Fault::always(Match::any(), unavailable)).await;
    story.act(4).await;
    sleep(span).await;
    story.shop.cloud.clear_faults().await;
    story.act(2).await;
    story.shop.cloud.freeze(true).await;
    story.act(3).await;
    sleep(span).await;
    story.shop.cloud.freeze(false).await;
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn itcare_may_refuse_be_unavailable_or_hang_and_all_is_done_when_it_is_back() {
    itcare_away("itcare-away", 7, A_WHILE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes: cargo test --test processes -- --ignored minutes"]
async fn itcare_may_be_away_for_minutes() {
    itcare_away("itcare-minutes", 8, Duration::from_secs(150)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_while_itcare_was_away_is_gone_when_it_is_back() {
    let mut story = Story::begin(plane().await, "deleted-away", 9).await;
    story.shop.cloud.refuse(true).await;
    story.fleet.delete_all(&story.shop, &mut story.dice).await;
    sleep(A_WHILE).await;
    let left = story.shop.list(VM).await.expect("the API server answers").len();
    assert!(left > 0, "an object went while nobody could know whether its VM is gone");
    story.shop.cloud.refuse(false).await;
    converged(&story.shop, &story.fleet).await;
    story.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_and_etcd_may_die_hang_and_come_back_with_a_creation_in_flight() {
    // Of its own: nobody else survives this.
    let plane = fresh_plane().await;
    let mut story = Story::begin(Arc::clone(&plane), "cluster-away", 11).await;
    for round in 0..4 {
        // The reply of a creation comes when there is nobody to write it to.
        let held = FaultKind::Delay(Duration::from_millis(700));
        story.shop.cloud.inject(&Fault::once(Match::operation(Operation::Create), held)).await;
        story.act(4).await;
        match round {
            0 => {
                plane.kill_apiserver().expect("it can be killed");
                sleep(A_WHILE).await;
                plane.start_apiserver().await.expect("it starts");
            }
            1 => plane.restart_etcd().await.expect("it starts"),
            2 => {
                plane.pause(Component::ApiServer).await.expect("it can be frozen");
                sleep(A_WHILE).await;
                plane.resume(Component::ApiServer).await.expect("it goes on");
            }
            _ => {
                plane.pause(Component::Etcd).await.expect("it can be frozen");
                sleep(A_WHILE).await;
                plane.resume(Component::Etcd).await.expect("it goes on");
            }
        }
        story.shop.cloud.clear_faults().await;
        converged(&story.shop, &story.fleet).await;
    }
    story.end().await;
}
