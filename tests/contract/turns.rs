//! Who gets the next permit of the account's budget.

use std::time::Duration;

use itcare_operator::api::{Budget, Lane, Priority};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

/// Who waits: a name, a lane, a priority.
type Waiter = (&'static str, &'static str, Priority);

/// Lets these wait in this order, and tells in which order, and when, they were served.
async fn queue(budget: &Budget, waiters: Vec<Waiter>) -> UnboundedReceiver<(&'static str, Instant)> {
    let (sender, order) = unbounded_channel();
    for (name, lane, priority) in waiters {
        let (budget, sender) = (budget.clone(), sender.clone());
        tokio::spawn(async move {
            drop(budget.permit(&Lane::from(lane), priority).await);
            let _ = sender.send((name, Instant::now()));
        });
        tokio::task::yield_now().await;
    }
    order
}

/// One permit a second and no burst, the first one used.
async fn busy() -> Budget {
    let budget = Budget::new(1.0, 1);
    drop(budget.permit(&Lane::from(""), Priority::User).await);
    budget
}

async fn names(mut order: UnboundedReceiver<(&'static str, Instant)>) -> Vec<&'static str> {
    let mut names = Vec::new();
    while let Some((name, _)) = order.recv().await {
        names.push(name);
    }
    names
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_before_what_follows_from_others_and_that_before_polling() {
    let budget = busy().await;
    let waiters = vec![
        ("poll", "", Priority::Background),
        ("again", "a", Priority::FollowUp),
        ("change", "a", Priority::User),
    ];
    let order = names(queue(&budget, waiters).await).await;
    assert_ne!(order[0], "poll", "polling went first");
    assert_eq!(order, ["change", "again", "poll"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_passed_over_gets_every_fifth_permit_and_every_ninth_beside_those_who_ask_seldom() {
    for (asks_often, most) in [(true, 5), (false, 9)] {
        let budget = busy().await;
        if asks_often {
            for lane in ["a", "c", "a", "c"] {
                names(queue(&budget, vec![("earlier", lane, Priority::User); 8]).await).await;
            }
        }
        let mut waiters = vec![("poll", "", Priority::Background), ("again", "b", Priority::FollowUp)];
        waiters.extend([("change", "a", Priority::User); 8]);
        waiters.extend([("other change", "c", Priority::User); 8]);
        let order = names(queue(&budget, waiters).await).await;
        let place = |name| order.iter().position(|other| *other == name).expect("it is served");
        assert!(place("again") <= most && place("poll") <= most, "{asks_often}: {order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_asks_seldom_need_not_wait_for_what_the_changes_of_a_busy_one_used_up() {
    let budget = Budget::new(1.0, 21);
    names(queue(&budget, vec![("change", "loud", Priority::User); 30]).await).await;
    let _loud = queue(&budget, vec![("change", "loud", Priority::User); 8]).await;
    let begun = Instant::now();
    let (_, at) =
        queue(&budget, vec![("change", "calm", Priority::User)]).await.recv().await.expect("it is served");
    assert!(at - begun < Duration::from_millis(10), "{:?}", at - begun);
}

#[tokio::test(start_paused = true)]
async fn a_lane_with_many_changes_takes_turns_with_one_that_has_few() {
    let budget = busy().await;
    let mut waiters = vec![("loud", "loud", Priority::User); 40];
    waiters.push(("calm", "calm", Priority::User));
    waiters.push(("calm again", "calm", Priority::FollowUp));
    let order = names(queue(&budget, waiters).await).await;
    let place = |name| order.iter().position(|other| *other == name).expect("it is served");
    // The loud lane was not served yet either when it all began.
    assert!(place("calm") <= 1, "the crowd went first: {order:?}");
    assert!(place("calm again") <= 14, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_burst_is_kept_for_changes() {
    let budget = Budget::new(1.0, 21);
    let begun = Instant::now();
    let mut order = queue(&budget, vec![("again", "loud", Priority::FollowUp); 40]).await;
    for _ in 0..16 {
        let (_, at) = order.recv().await.expect("it is served");
        assert!(at - begun < Duration::from_millis(10), "{:?}", at - begun);
    }
    let mut changes = queue(&budget, vec![("change", "calm", Priority::User); 4]).await;
    for _ in 0..4 {
        let (_, at) = changes.recv().await.expect("it is served");
        assert!(at - begun < Duration::from_millis(10), "a change waited {:?}", at - begun);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_what_its_own_lane_uses_up_by_itself() {
    let budget = Budget::new(1.0, 21);
    let _again = queue(&budget, vec![("again", "a", Priority::FollowUp); 1_000]).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    // A change of two calls each ten permits: a fifth of all.
    for _ in 0..40 {
        for _ in 0..2 {
            let begun = Instant::now();
            let mut change = queue(&budget, vec![("change", "a", Priority::User)]).await;
            let (_, at) = change.recv().await.expect("it is served");
            assert!(at - begun < Duration::from_millis(10), "a change waited {:?}", at - begun);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_whoever_asks() {
    let budget = Budget::new(10.0, 20);
    let begun = Instant::now();
    let mut waiters = vec![("poll", "", Priority::Background); 50];
    waiters.extend(vec![("again", "a", Priority::FollowUp); 50]);
    waiters.extend(vec![("change", "b", Priority::User); 50]);
    let mut order = queue(&budget, waiters).await;
    let mut times = Vec::new();
    while let Some((_, at)) = order.recv().await {
        times.push(at - begun);
    }
    assert_eq!(times.len(), 150);
    for (number, at) in times.iter().enumerate() {
        let earliest = Duration::from_millis(100 * (number as u64).saturating_sub(19));
        assert!(*at >= earliest, "permit {number} after {at:?}");
    }
    assert!(times[149] <= Duration::from_millis(13_600), "{:?}", times[149]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_while_calls_take_their_time() {
    let budget = Budget::new(10.0, 20);
    let (sender, mut served) = unbounded_channel();
    for (lane, priority, callers, calls) in [
        ("", Priority::Background, 1, 50),
        ("", Priority::FollowUp, 1, 20),
        ("loud", Priority::User, 240, 3),
        ("calm", Priority::User, 2, 10),
        ("other", Priority::FollowUp, 10, 3),
    ] {
        for _ in 0..callers {
            let (budget, sender) = (budget.clone(), sender.clone());
            tokio::spawn(async move {
                for _ in 0..calls {
                    let permit = budget.permit(&Lane::from(lane), priority).await;
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    drop(permit);
                    let _ = sender.send(lane);
                }
            });
        }
    }
    drop(sender);
    let all = 50 + 20 + 240 * 3 + 2 * 10 + 10 * 3;
    for count in 0..all {
        let next = tokio::time::timeout(Duration::from_secs(60), served.recv()).await;
        assert!(next.is_ok(), "after {count} of {all} calls nobody is served any more");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_may_change_whose_turn_it_is_and_nobody_sleeps_through_it() {
    let budget = Budget::new(10.0, 20);
    names(queue(&budget, vec![("poll", "", Priority::Background); 2]).await).await;
    for _ in 0..4 {
        names(queue(&budget, vec![("shared", "", Priority::User); 8]).await).await;
    }
    names(queue(&budget, vec![("change", "calm", Priority::User); 4]).await).await;
    // Eight wait in the first rank, the others behind.
    let mut loud = queue(&budget, vec![("change", "loud", Priority::User); 16]).await;
    for _ in 0..4 {
        loud.recv().await.expect("it is served");
    }
    // Nothing is in flight whose end would wake anybody.
    let mut shared = queue(&budget, vec![("shared", "", Priority::User)]).await;
    for count in 4..16 {
        let next = tokio::time::timeout(Duration::from_secs(60), loud.recv()).await;
        assert!(next.is_ok(), "after {count} calls nobody is served any more");
    }
    assert!(shared.recv().await.is_some());
}
