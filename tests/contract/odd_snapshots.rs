//! The snapshot slot in every form that the API may give it, and every way in which there may be none.

use itcare_operator::api::Priority;
use itcare_operator::model::{FailureClass, Slot};

use crate::calls::{Read, VM, snapshot_id};
use crate::fake::{Answer, bench};
use crate::fixture;
use crate::reads::{at, slot};

async fn read(answer: Answer) -> Option<Slot> {
    let (client, _) = bench([answer]);
    client.snapshot(VM, client.permit(Priority::User).await).await.expect("it is understood")
}

#[tokio::test(start_paused = true)]
async fn every_answer_that_says_none_is_none() {
    let answers = [
        Answer::empty(204),
        Answer::new(204, fixture::bytes("odd-nothing.txt")),
        Answer::new(200, fixture::bytes("odd-nothing.txt")),
        Answer::new(200, " \n"),
        Answer::ok("odd-empty-object.json"),
        Answer::ok("odd-null.json"),
        Answer::ok("odd-empty-list.json"),
        Answer::new(200, r#"{"id": null, "label": null, "createdAt": null, "expiresAt": null}"#),
        Answer::empty(404),
        Answer::new(404, fixture::bytes("reply-error.json")),
        Answer::new(404, fixture::bytes("odd-error-page.html")),
    ];
    for answer in answers {
        assert_eq!(read(answer.clone()).await, None, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dates_may_be_written_in_four_ways() {
    assert_eq!(read(Answer::ok("odd-snapshot-dates-without-colon.json")).await, Some(slot()));
    assert_eq!(read(Answer::ok("odd-snapshot-dates-with-colon.json")).await, Some(slot()));
    let whole = Slot {
        created_at: at("2026-01-02T03:05:07Z"),
        expires_at: at("2026-01-05T03:05:07Z"),
        recovered_at: at("2026-01-03T10:00:00Z"),
        ..slot()
    };
    assert_eq!(read(Answer::ok("odd-snapshot-dates-without-fraction.json")).await, Some(whole.clone()));
    assert_eq!(read(Answer::ok("odd-snapshot-dates-offset-without-fraction.json")).await, Some(whole));
}

#[tokio::test(start_paused = true)]
async fn a_date_that_cannot_be_read_contradicts_nothing() {
    let undated = Slot { created_at: None, expires_at: None, recovered_at: None, ..slot() };
    assert_eq!(read(Answer::ok("odd-snapshot-dates-unreadable.json")).await, Some(undated));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_one_is_that_one() {
    assert_eq!(read(Answer::ok("odd-snapshot-list.json")).await, Some(slot()));
}

#[tokio::test(start_paused = true)]
async fn of_a_list_of_several_the_newest_counts() {
    assert_eq!(read(Answer::ok("odd-snapshot-list-of-two.json")).await, Some(slot()));
}

#[tokio::test(start_paused = true)]
async fn a_list_with_a_snapshot_without_an_id_is_garbled() {
    let nameless = fixture::text("odd-snapshot-without-id.json");
    let (client, _) = bench([Answer::new(200, format!("[{nameless}]"))]);
    let error = Read::Snapshot.call(&client).await.expect_err("it cannot be understood");
    assert_eq!(error.class(), FailureClass::Garbled);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_enough_for_a_snapshot() {
    let bare = Slot {
        id: snapshot_id(),
        description: None,
        created_at: None,
        created_by: None,
        expires_at: None,
        recovered_at: None,
        size_gb: None,
    };
    assert_eq!(read(Answer::ok("odd-snapshot-bare.json")).await, Some(bare));
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_passed_over() {
    assert_eq!(read(Answer::ok("odd-snapshot-unknown-fields.json")).await, Some(slot()));
}

#[tokio::test(start_paused = true)]
async fn a_size_may_be_quoted_or_fractional() {
    assert_eq!(read(Answer::ok("odd-snapshot-size-quoted.json")).await, Some(slot()));
    assert_eq!(read(Answer::ok("odd-snapshot-size-fractional.json")).await, Some(slot()));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_named_is_garbled_and_not_none() {
    for name in ["odd-snapshot-without-id.json", "odd-error-page.html", "odd-error-unclosed-quote.txt"] {
        let (client, _) = bench([Answer::ok(name)]);
        let error = Read::Snapshot.call(&client).await.expect_err("it cannot be understood");
        assert_eq!(error.class(), FailureClass::Garbled, "{name}");
    }
    for body in ["\"none\"", "false", "7", "[7]", "[[]]"] {
        let (client, _) = bench([Answer::new(200, body)]);
        let error = Read::Snapshot.call(&client).await.expect_err("it cannot be understood");
        assert_eq!(error.class(), FailureClass::Garbled, "{body}");
    }
}

/// A snapshot that is overlooked is one that is taken again, or taken for lost.
#[tokio::test(start_paused = true)]
async fn an_object_of_which_nothing_is_known_is_garbled_and_not_none() {
    let (client, _) = bench([Answer::ok("reply-error.json")]);
    let read = client.snapshot(VM, client.permit(Priority::User).await).await;
    assert_eq!(read.map_err(|error| error.class()), Err(FailureClass::Garbled));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_show_the_snapshot_is_not_none() {
    for status in [400, 401, 403, 429, 500, 503] {
        let (client, _) = bench([Answer::empty(status)]);
        let error = Read::Snapshot.call(&client).await.expect_err("it says nothing of the slot");
        assert_eq!(error.status(), Some(status));
        assert_ne!(error.class(), FailureClass::Missing);
    }
}
