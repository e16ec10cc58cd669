//! Actions in every form that the API may give them, and forms in which they must not be guessed at.

use itcare_operator::api::{Accepted, ActionFilter, Priority};
use itcare_operator::model::{Action, ActionId, ActionStatus, FailureClass};

use crate::calls::{Change, Read};
use crate::fake::{Answer, bench};
use crate::fixture;
use crate::reads::{at, some, started};

async fn read(name: &str) -> Action {
    let (client, _) = bench([Answer::ok(name)]);
    client.action(ActionId::new(1333), client.permit(Priority::User).await).await.expect("it is understood")
}

/// The class of a change that was answered with this.
async fn class(answer: Answer) -> FailureClass {
    let (client, _) = bench([answer]);
    Change::Stop.call(&client).await.expect_err("it cannot be understood").class()
}

#[tokio::test(start_paused = true)]
async fn an_action_id_may_be_text() {
    assert_eq!(read("odd-action-id-text.json").await, started());
    let (client, _) = bench([Answer::accepted("odd-action-id-text.json")]);
    assert_eq!(Change::Stop.call(&client).await.expect("it is accepted"), Accepted { action: started() });
    assert_eq!(client.fence().action, Some(ActionId::new(1333)));
}

#[tokio::test(start_paused = true)]
async fn any_status_of_success_accepts_a_change() {
    for status in [200, 201, 202, 203] {
        let (client, _) = bench([Answer::new(status, fixture::bytes("reply-action.json"))]);
        let accepted = Change::Create.call(&client).await.expect("it is accepted");
        assert_eq!(accepted, Accepted { action: started() }, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn id_and_status_are_enough_for_an_action() {
    let bare = Action { process: None, resource_name: None, message: None, ..started() };
    assert_eq!(read("odd-action-bare.json").await, bare);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_is_kept_as_a_word_and_counts_as_running() {
    let action = read("odd-action-unknown-status.json").await;
    let status = ActionStatus::Other("WAITING_FOR_APPROVAL".to_owned());
    assert!(status.is_running());
    assert_eq!(action, Action { status, ..started() });
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_of_an_action_are_passed_over() {
    assert_eq!(read("odd-action-unknown-fields.json").await, started());
}

#[tokio::test(start_paused = true)]
async fn the_dates_of_an_action_may_have_an_offset_without_a_colon() {
    let expected = Action {
        status: ActionStatus::Success,
        submitted_at: at("2026-01-02T03:04:05.750Z"),
        submitted_by: some("demo-sa-operator"),
        completed_at: at("2026-01-02T03:05:07.250Z"),
        ..started()
    };
    assert_eq!(read("odd-action-dates-without-colon.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_action_cannot_be_read_may_have_been_carried_out() {
    let ambiguous = FailureClass::Ambiguous(None);
    for status in [200, 202, 204] {
        assert_eq!(
            class(Answer::new(status, fixture::bytes("odd-nothing.txt"))).await,
            ambiguous,
            "{status}"
        );
    }
    for name in [
        "odd-action-without-id.json",
        "odd-action-without-status.json",
        "odd-empty-object.json",
        "odd-null.json",
        "odd-empty-list.json",
        "odd-error-page.html",
        "odd-error-unclosed-quote.txt",
    ] {
        assert_eq!(class(Answer::accepted(name)).await, ambiguous, "{name}");
    }
    for id in ["0", "-5", "1.5", "\"\"", "\"12x\"", "true", "null", "[1333]", "99999999999999999999"] {
        let body = format!("{{\"id\": {id}, \"status\": \"IN_PROGRESS\"}}");
        assert_eq!(class(Answer::new(202, body)).await, ambiguous, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_that_was_asked_for_and_cannot_be_read_is_garbled() {
    for name in ["odd-action-without-id.json", "odd-action-without-status.json", "odd-null.json"] {
        let (client, _) = bench([Answer::ok(name)]);
        let error = Read::Action.call(&client).await.expect_err("it cannot be understood");
        assert_eq!((error.class(), error.status()), (FailureClass::Garbled, Some(200)), "{name}");
    }
}

/// An action that hides its name would look like nobody's.
#[tokio::test(start_paused = true)]
async fn an_action_whose_name_cannot_be_read_is_garbled() {
    for name in ["7", "[\"PEB4MYAPP01\"]", "{}", "false"] {
        let body = format!("[{{\"id\": 1333, \"status\": \"IN_PROGRESS\", \"resourceName\": {name}}}]");
        let (client, _) = bench([Answer::new(200, body)]);
        let error = Read::Actions.call(&client).await.expect_err("it cannot be understood");
        assert_eq!(error.class(), FailureClass::Garbled, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_of_an_action_is_cut_to_what_a_person_reads() {
    let long = "é".repeat(100_000);
    let body = format!("{{\"id\": 1333, \"status\": \"ERROR\", \"message\": \"{long}\"}}");
    let (client, _) = bench([Answer::new(200, body)]);
    let action = client
        .action(ActionId::new(1333), client.permit(Priority::User).await)
        .await
        .expect("it is understood");
    let message = action.message.expect("there is one");
    assert!((100..=2000).contains(&message.chars().count()), "{}", message.chars().count());
}

#[tokio::test(start_paused = true)]
async fn no_actions_may_be_an_empty_array_or_null_or_no_content() {
    let answers = [
        Answer::ok("odd-empty-list.json"),
        Answer::ok("odd-null.json"),
        Answer::new(204, fixture::bytes("odd-nothing.txt")),
    ];
    for answer in answers {
        let (client, _) = bench([answer]);
        let actions = client.actions(&ActionFilter::default(), client.permit(Priority::User).await).await;
        assert_eq!(actions.expect("it is understood"), []);
    }
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_to_what_runs_is_none() {
    for name in [
        "odd-actions-one-unreadable.json",
        "odd-actions-paged.json",
        "odd-error-page.html",
        "odd-nothing.txt",
    ] {
        let (client, _) = bench([Answer::ok(name)]);
        let error = Read::Actions.call(&client).await.expect_err("it cannot be understood");
        assert_eq!(error.class(), FailureClass::Garbled, "{name}");
    }
}
