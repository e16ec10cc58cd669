//! The list over several pages: when it is whole, and when something may be on none of them.

use std::collections::BTreeSet;

use itcare_operator::api::{ApiError, InstanceFilter, Listing, Priority};
use itcare_operator::model::FailureClass;
use itcare_sim::{Config, Fault, FaultKind, Match, Operation, SeedInstance, Sim};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::fake::{Answer, Seen, bench};

/// A page of these ids.
fn page(ids: &[i64]) -> Value {
    let items: Vec<Value> =
        ids.iter().map(|id| json!({"id": id, "name": format!("VM{id}"), "status": "ACTIVE"})).collect();
    json!({"content": items})
}

fn counted(ids: &[i64], total: i64, last: bool) -> Value {
    let mut page = page(ids);
    page["totalElements"] = total.into();
    page["last"] = last.into();
    page
}

async fn listing(pages: Vec<Value>) -> (Result<Listing, ApiError>, Vec<Seen>) {
    let (client, fake) = bench(pages.iter().map(|page| Answer::new(200, page.to_string())));
    let filter = InstanceFilter { size: Some(2), ..InstanceFilter::default() };
    (client.list_all(&filter, Priority::Background).await, fake.seen())
}

/// Ids and completeness of what these pages make, and how many pages were asked for.
async fn made(pages: Vec<Value>) -> (Vec<i64>, bool, usize) {
    let (listing, seen) = listing(pages).await;
    let listing = listing.expect("it is understood");
    let ids = listing.items.iter().map(|item| item.id.get()).collect();
    (ids, listing.complete, seen.len())
}

#[tokio::test(start_paused = true)]
async fn pages_that_fit_together_are_a_whole_list() {
    let pages = vec![counted(&[1, 2], 5, false), counted(&[3, 4], 5, false), counted(&[5], 5, true)];
    let (listing, seen) = listing(pages).await;
    let listing = listing.expect("it is understood");
    assert!(listing.complete);
    assert_eq!(listing.items.iter().map(|item| item.id.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for (number, seen) in seen.iter().enumerate() {
        let query = seen.query();
        assert_eq!(
            (query["page"].as_str(), query["size"].as_str(), query["sort"].as_str()),
            (number.to_string().as_str(), "2", "id")
        );
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_page_is_a_whole_list_when_it_holds_all_that_are_counted() {
    assert_eq!(made(vec![counted(&[1, 2], 2, true)]).await, (vec![1, 2], true, 1));
    assert_eq!(made(vec![counted(&[], 0, true)]).await, (vec![], true, 1));
}

#[tokio::test(start_paused = true)]
async fn the_order_of_the_items_is_by_id_whatever_the_server_does() {
    assert_eq!(
        made(vec![counted(&[3, 1], 3, false), counted(&[2], 3, true)]).await,
        (vec![1, 2, 3], true, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_moved_leaves_the_list_incomplete() {
    // 1 was deleted between the two calls: 3 is on no page.
    let (ids, complete, _) = made(vec![counted(&[1, 2], 4, false), counted(&[4], 3, true)]).await;
    assert_eq!((ids, complete), (vec![1, 2, 4], false));
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_not_reached_leaves_the_list_incomplete() {
    let pages = vec![counted(&[1, 2], 4, false), counted(&[4], 4, true), counted(&[], 4, true)];
    assert_eq!(made(pages).await, (vec![1, 2, 4], false, 3));
    assert_eq!(made(vec![counted(&[], 3, true)]).await, (vec![], false, 1));
}

#[tokio::test(start_paused = true)]
async fn an_item_on_two_pages_is_one_item() {
    let pages = vec![counted(&[1, 2], 4, false), counted(&[2, 3], 4, false), counted(&[4], 4, true)];
    assert_eq!(made(pages).await, (vec![1, 2, 3, 4], true, 3));
}

#[tokio::test(start_paused = true)]
async fn pages_that_overlap_and_do_not_reach_the_count_are_incomplete() {
    let pages = vec![counted(&[1, 2], 4, false), counted(&[2, 3], 4, true), counted(&[], 4, true)];
    let (ids, complete, _) = made(pages).await;
    assert_eq!((ids, complete), (vec![1, 2, 3], false));
}

#[tokio::test(start_paused = true)]
async fn growth_at_the_end_leaves_the_list_whole() {
    let pages = vec![counted(&[1, 2], 3, false), counted(&[3, 4], 4, true)];
    assert_eq!(made(pages).await, (vec![1, 2, 3, 4], true, 2));
    let pages = vec![counted(&[1, 2], 4, false), counted(&[3, 4], 5, false), counted(&[5], 5, true)];
    assert_eq!(made(pages).await, (vec![1, 2, 3, 4, 5], true, 3));
}

#[tokio::test(start_paused = true)]
async fn growth_without_an_order_leaves_the_list_incomplete() {
    let pages = vec![counted(&[4, 1], 4, false), counted(&[2, 3], 5, false), counted(&[5], 5, true)];
    assert_eq!(made(pages).await, (vec![1, 2, 3, 4, 5], false, 3));
}

#[tokio::test(start_paused = true)]
async fn without_counts_the_list_ends_with_an_empty_page_and_is_not_known_to_be_whole() {
    assert_eq!(made(vec![page(&[1, 2]), page(&[3]), page(&[])]).await, (vec![1, 2, 3], false, 3));
}

#[tokio::test(start_paused = true)]
async fn without_a_last_flag_the_count_ends_the_list() {
    let total = |ids: &[i64]| {
        let mut page = page(ids);
        page["totalElements"] = 3.into();
        page
    };
    assert_eq!(made(vec![total(&[1, 2]), total(&[3])]).await, (vec![1, 2, 3], true, 2));
}

#[tokio::test(start_paused = true)]
async fn a_last_flag_that_comes_too_early_ends_nothing() {
    let pages = vec![counted(&[1, 2], 4, true), counted(&[3, 4], 4, true)];
    assert_eq!(made(pages).await, (vec![1, 2, 3, 4], true, 2));
}

#[tokio::test(start_paused = true)]
async fn a_last_flag_that_never_comes_is_replaced_by_an_empty_page() {
    let pages = vec![counted(&[1, 2], 3, false), counted(&[3], 3, false), counted(&[], 3, false)];
    assert_eq!(made(pages).await, (vec![1, 2, 3], true, 3));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_fails_the_list() {
    let (client, _) = bench([Answer::new(200, counted(&[1, 2], 4, false).to_string()), Answer::empty(503)]);
    let error = client
        .list_all(&InstanceFilter::default(), Priority::Background)
        .await
        .expect_err("half a list is none");
    assert_eq!(error.class(), FailureClass::Transient);
    let (listing, _) = listing(vec![counted(&[1, 2], 4, false), json!({"content": [{"id": 3}]})]).await;
    assert_eq!(listing.expect_err("half a list is none").class(), FailureClass::Garbled);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_an_end_is_given_up() {
    let (listing, seen) = listing(vec![page(&[1, 2])]).await;
    assert_eq!(listing.expect_err("it does not end").class(), FailureClass::Garbled);
    assert_eq!(seen.len(), 10_000);
}

/// A cloud of eleven instances, four to a page.
fn eleven() -> (Cloud, InstanceFilter, BTreeSet<i64>) {
    let sim = Sim::new(Config { max_page_size: 4, ..Config::explicit() });
    let ids =
        (1..=11).map(|number| sim.seed(SeedInstance::new(&format!("PEB4MYAPP{number:02}"), 13))).collect();
    (Cloud::of(sim), InstanceFilter { size: Some(200), ..InstanceFilter::default() }, ids)
}

fn ids(listing: &Listing) -> BTreeSet<i64> {
    listing.items.iter().map(|item| item.id.get()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_smaller_pages_than_asked_for_is_read_to_its_end() {
    let (cloud, filter, all) = eleven();
    let listing = cloud.client.list_all(&filter, Priority::Background).await.expect("it is understood");
    assert_eq!((ids(&listing), listing.complete), (all, true));
    assert_eq!(cloud.count(Operation::List), 3);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_simulator_that_begins_late_or_early_makes_the_list_incomplete_or_harmless() {
    let (cloud, filter, all) = eleven();
    cloud.sim.inject(Fault::once(Match::operation(Operation::List), FaultKind::ShiftPage).after(1));
    let listing = cloud.client.list_all(&filter, Priority::Background).await.expect("it is understood");
    assert!(!listing.complete);
    assert_eq!(all.difference(&ids(&listing)).count(), 1);
    cloud.sim.inject(Fault::once(Match::operation(Operation::List), FaultKind::OverlapPage).after(1));
    let listing = cloud.client.list_all(&filter, Priority::Background).await.expect("it is understood");
    assert_eq!(listing.complete, ids(&listing) == all);
}

/// Reads these pages as a whole list, then those as what its end has become; with the pages asked for then.
async fn end_of(whole: Vec<Value>, then: Vec<Value>) -> (Option<Vec<i64>>, Vec<String>) {
    let count = whole.len();
    let pages = whole.into_iter().chain(then);
    let (client, fake) = bench(pages.map(|page| Answer::new(200, page.to_string())));
    let filter = InstanceFilter { size: Some(2), ..InstanceFilter::default() };
    let listing = client.list_all(&filter, Priority::Background).await.expect("it is understood");
    let end = listing.end.expect("several pages of one length, in order");
    let listing = client.list_since(&filter, end, Priority::Background).await.expect("it is understood");
    let asked = fake.seen().iter().skip(count).map(|seen| seen.query()["page"].clone()).collect();
    (listing.map(|listing| listing.items.iter().map(|item| item.id.get()).collect()), asked)
}

fn three() -> Vec<Value> {
    vec![counted(&[1, 2], 3, false), counted(&[3], 3, true)]
}

#[tokio::test(start_paused = true)]
async fn what_arrived_is_read_from_the_earlier_end_on() {
    let asked = |pages: &[&str]| pages.iter().map(|page| (*page).to_owned()).collect::<Vec<_>>();
    let (ids, pages) = end_of(three(), vec![counted(&[3], 3, true)]).await;
    assert_eq!((ids, pages), (Some(vec![3]), asked(&["1"])));
    let (ids, pages) = end_of(three(), vec![counted(&[3, 4], 5, false), counted(&[5], 5, true)]).await;
    assert_eq!((ids, pages), (Some(vec![3, 4, 5]), asked(&["1", "2"])));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_end_is_read_on_from() {
    let then = vec![counted(&[3, 4], 5, false), counted(&[5], 5, true)];
    let pages = three().into_iter().chain(then).chain([counted(&[5, 6], 6, true)]);
    let (client, fake) = bench(pages.map(|page| Answer::new(200, page.to_string())));
    let filter = InstanceFilter { size: Some(2), ..InstanceFilter::default() };
    let mut end = client.list_all(&filter, Priority::Background).await.expect("understood").end;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let end_before = end.expect("it has one");
        let listing = client.list_since(&filter, end_before, Priority::Background).await.expect("understood");
        let listing = listing.expect("it follows");
        ids.push(listing.items.iter().map(|item| item.id.get()).collect::<Vec<_>>());
        end = listing.end;
    }
    assert_eq!(ids, [vec![3, 4, 5], vec![5, 6]]);
    assert_eq!(fake.seen().last().expect("asked").query()["page"], "2");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_does_not_follow_upon_the_list_tells_nothing() {
    for (what, then) in [
        ("deletions moved what was there to an earlier page", vec![counted(&[], 2, true)]),
        ("something new may stand on the page before", vec![counted(&[5], 3, true)]),
        ("the count is not reached", vec![counted(&[3], 4, true), counted(&[], 4, true)]),
        ("a page shrank while the next was read", vec![counted(&[3, 4], 6, false), counted(&[6], 5, true)]),
        ("ids do not grow", vec![counted(&[3, 2], 4, true)]),
        ("nothing is counted", vec![page(&[3]), page(&[])]),
        ("pages became longer", vec![counted(&[3, 4, 5], 6, false), counted(&[6], 6, true)]),
    ] {
        assert_eq!(end_of(three(), then).await.0, None, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_pages_tell_no_order_or_length_has_no_end_to_read_on_from() {
    for (what, pages) in [
        ("one page", vec![counted(&[1, 2], 2, true)]),
        ("an empty second page", vec![counted(&[1, 2], 2, false), counted(&[], 2, true)]),
        ("no order", vec![counted(&[3, 1], 3, false), counted(&[2], 3, true)]),
        ("no counts", vec![page(&[1, 2]), page(&[3]), page(&[])]),
        (
            "pages of two lengths",
            vec![counted(&[1, 2], 4, false), counted(&[3], 4, false), counted(&[4], 4, true)],
        ),
    ] {
        assert_eq!(listing(pages).await.0.expect("it is understood").end, None, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_created_between_two_pages_is_seen_and_what_is_deleted_is_noticed() {
    use futures::StreamExt as _;
    let (cloud, filter, all) = eleven();
    let mut pages = std::pin::pin!(cloud.client.list(filter.clone(), Priority::Background));
    let first = pages.next().await.expect("there is one").expect("it is understood");
    assert_eq!((first.items.len(), first.total, first.last), (4, Some(11), Some(false)));
    let new = cloud.sim.seed(SeedInstance::new("PEB4MYAPP12", 13));
    let mut seen: BTreeSet<i64> = first.items.iter().map(|item| item.id.get()).collect();
    while let Some(page) = pages.next().await {
        seen.extend(page.expect("it is understood").items.iter().map(|item| item.id.get()));
    }
    assert!(seen.contains(&new) && seen.is_superset(&all));

    cloud.sim.inject(
        Fault::once(Match::operation(Operation::List), FaultKind::Delay(std::time::Duration::from_secs(9)))
            .after(1),
    );
    let (gone, _) = (*all.first().expect("there are some"), ());
    let deletion = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        cloud.sim.edit(gone, |instance| instance.live = false);
    };
    let (listing, ()) = tokio::join!(cloud.client.list_all(&filter, Priority::Background), deletion);
    assert!(!listing.expect("it is understood").complete);
}
