//! SIGKILL, again and again: at random moments, with a call held by the cloud, right after a chosen write.
//!
//! Kills come in episodes of ten, each a namespace and a cloud of its own and a seed of its own. An episode ends with
//! the whole fleet as wished, judged, deleted, and judged again. Real processes do not repeat themselves to the
//! millisecond: a seed repeats the user, the faults and the kinds of moments.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt};

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::moment::{Moment, Tally};
use crate::oracle::{converged, judge};
use crate::shop::{Shop, plane};

const KILLS_OF_AN_EPISODE: usize = 10;

/// They mostly wait: for leases, settle times, actions.
const EPISODES_AT_ONCE: usize = 5;

/// Seeds of the ordinary run; `SEED` gives another first one.
const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_make_nothing_twice_lose_nothing_and_stop_nothing() {
    run(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a long run: KILLS=1000 cargo test --test processes -- --ignored --nocapture kills"]
async fn a_thousand_kills_make_nothing_twice_lose_nothing_and_stop_nothing() {
    run(number("KILLS").unwrap_or(1000) as usize).await;
}

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

async fn run(kills: usize) {
    let first = number("SEED").unwrap_or(SEED);
    let seeds = first..first + kills.div_ceil(KILLS_OF_AN_EPISODE) as u64;
    let begun = tokio::time::Instant::now();
    let plane = plane().await;
    let episodes = futures::stream::iter(seeds).map(|seed| {
        let plane = &plane;
        async move { (seed, AssertUnwindSafe(episode(plane, seed)).catch_unwind().await) }
    });
    let ended: Vec<_> = episodes.buffer_unordered(EPISODES_AT_ONCE).collect().await;
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for (seed, result) in ended {
        match result {
            Ok(one) => tally.add(&one),
            Err(_) => failed.push(format!("SEED={seed} KILLS={KILLS_OF_AN_EPISODE}")),
        }
    }
    eprintln!("{:.0?}: {tally:?}", begun.elapsed());
    assert!(failed.is_empty(), "failed: {failed:?}; see the README of the tests to run one again");
    assert!(tally.kills >= kills, "{tally:?}");
    // Moments that never come would be kills of an idle operator.
    let (meant, came) =
        tally.moments.values().fold((0, 0), |sum, moment| (sum.0 + moment.0, sum.1 + moment.1));
    assert!(came * 2 >= meant, "{tally:?}");
}

/// Ten kills of one operator and what became of its fleet.
async fn episode(plane: &std::sync::Arc<itcare_lab::controlplane::ControlPlane>, seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    // By turns: with election and without, which restarts faster; names and slots that are unique, and not.
    let (elects, strict, stop_start) = (seed.is_multiple_of(2), seed % 4 < 2, seed.is_multiple_of(3));
    let flags: &[&str] = if elects { &["--lease-duration=2s"] } else { &["--leader-elect=false"] };
    // One in five says everything that it can say.
    let level = if seed.is_multiple_of(5) { "--log-level=trace" } else { "--log-level=info" };
    let flags: Vec<&str> = flags.iter().copied().chain([level]).collect();
    let shop = Shop::open(plane.clone(), &format!("kills-{seed}"), &flags).await;
    shop.cloud
        .quirks(serde_json::json!({
            "unique_names": strict, "single_slot": strict, "one_action_per_instance": strict,
            "resize_needs_stop": stop_start,
        }))
        .await;
    let mut fleet = Fleet::new(stop_start);
    let mut operator = shop.operator();
    fleet.begin(&shop, &mut dice).await;
    converged(&shop, &fleet).await;
    let mut last = 0;
    for round in 0..KILLS_OF_AN_EPISODE {
        let moment = Moment::draw(&mut dice);
        last = moment.arm(&shop, last).await;
        // Now and then the next kill hits what the last one left behind.
        let steps = if round > 0 && dice.one_in(5) { 0 } else { 2 + dice.below(3) };
        for _ in 0..steps {
            fleet.step(&shop, &mut dice).await;
        }
        let came = moment.come(&shop, last).await;
        operator.kill().await;
        shop.cloud.clear_faults().await;
        operator = shop.operator();
        tally.kills += 1;
        tally.note(moment.kind(), 1, usize::from(came));
        fleet.story.push(format!("kill ({moment:?}, {})", if came { "it came" } else { "it never came" }));
    }
    converged(&shop, &fleet).await;
    judge(&shop, &fleet, &mut Tally::default()).await;
    fleet.delete_all(&shop, &mut dice).await;
    converged(&shop, &fleet).await;
    judge(&shop, &fleet, &mut tally).await;
    operator.terminate().await;
    tally
}
