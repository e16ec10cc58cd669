//! Pages of the list in every form that the API may give them.

use itcare_operator::api::{ApiError, InstanceFilter, Page, Priority};
use itcare_operator::model::{FailureClass, HostName, InstanceId, InstanceState, Listed, ServiceId};

use crate::calls::VM;
use crate::fake::{Answer, bench};
use crate::reads::{at, some};

async fn read(answer: Answer) -> Result<Page, ApiError> {
    let (client, _) = bench([answer]);
    client.list_page(&InstanceFilter::default(), 0, Priority::Background).await
}

fn item(id: i64, name: &str, state: InstanceState) -> Listed {
    Listed {
        id: InstanceId::new(id),
        name: HostName::new(name),
        service: Some(ServiceId::new(13)),
        state,
        created_at: at("2025-05-08T22:40:00.750Z"),
        created_by: some("demo-sa-operator"),
    }
}

/// `odd-list-poor-items.json` and its variants.
fn poor() -> Page {
    let second = Listed {
        created_at: at("2016-06-01T10:27:19Z"),
        ..item(5_220_150, "peb4myapp02", InstanceState::Inactive)
    };
    let items = vec![item(5_220_149, "PEB4MYAPP01", InstanceState::Active), second];
    Page { items, last: Some(true), total: Some(2) }
}

#[tokio::test(start_paused = true)]
async fn items_are_poorer_than_details_and_still_read_whole() {
    assert_eq!(read(Answer::ok("odd-list-poor-items.json")).await.expect("it is understood"), poor());
}

#[tokio::test(start_paused = true)]
async fn sort_and_pageable_may_have_any_shape() {
    for name in ["odd-list-sort-object.json", "odd-list-pageable-text.json"] {
        assert_eq!(read(Answer::ok(name)).await.expect("it is understood"), poor(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_and_flags_of_a_page_may_be_quoted() {
    assert_eq!(read(Answer::ok("odd-list-quoted.json")).await.expect("it is understood"), poor());
}

#[tokio::test(start_paused = true)]
async fn states_are_compared_without_case_and_unknown_ones_kept() {
    let page = read(Answer::ok("odd-list-states.json")).await.expect("it is understood");
    let expected = vec![
        item(5_220_149, "PEB4MYAPP01", InstanceState::Removed),
        item(5_220_150, "PEB4MYAPP01", InstanceState::Other("Migrating".to_owned())),
        item(5_220_151, "PEB4MYAPP01", InstanceState::Active),
    ];
    let live: Vec<bool> = expected.iter().map(Listed::is_live).collect();
    assert_eq!(live, [false, true, true]);
    assert_eq!(page, Page { items: expected, last: Some(true), total: Some(3) });
}

#[tokio::test(start_paused = true)]
async fn content_is_enough_for_a_page_and_id_name_and_status_for_an_item() {
    let page = read(Answer::ok("odd-list-bare.json")).await.expect("it is understood");
    let bare = Listed {
        id: VM,
        name: HostName::new("PEB4MYAPP01"),
        service: None,
        state: InstanceState::Active,
        created_at: None,
        created_by: None,
    };
    assert_eq!(page, Page { items: vec![bare], last: None, total: None });
}

#[tokio::test(start_paused = true)]
async fn one_item_that_cannot_be_read_fails_the_page() {
    for name in [
        "odd-list-item-without-id.json",
        "odd-list-item-null.json",
        "odd-list-content-null.json",
        "odd-empty-object.json",
        "odd-empty-list.json",
        "odd-null.json",
        "odd-nothing.txt",
        "odd-error-page.html",
    ] {
        let error = read(Answer::ok(name)).await.expect_err("it cannot be understood");
        assert_eq!((error.class(), error.status()), (FailureClass::Garbled, Some(200)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_content_is_no_page() {
    let error = read(Answer::empty(204)).await.expect_err("an empty list says how many it counts");
    assert_eq!(error.class(), FailureClass::Garbled);
}
