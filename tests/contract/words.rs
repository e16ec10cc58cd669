//! What a person reads when a call fails: short, on one line, and with the API's own reasons in it.

use itcare_operator::api::transport::TransportErrorKind;
use itcare_operator::model::Failure;

use crate::calls::{Change, Read};
use crate::fake::{Answer, bench};
use crate::fixture;

async fn of_change(answer: Answer) -> String {
    let (client, _) = bench([answer]);
    let error = Change::Create.call(&client).await.expect_err("it fails");
    let Failure { class, status, message } = error.failure();
    assert_eq!((class, status), (error.class(), error.status()));
    assert_eq!(error.to_string(), format!("createInstance: {message}"));
    message
}

async fn refused(status: u16, name: &str) -> String {
    of_change(Answer::new(status, fixture::bytes(name))).await
}

#[tokio::test(start_paused = true)]
async fn the_apis_error_object_is_told_in_full() {
    let told = "HTTP 400 Bad Request: INVALID_FIELD_VALUE, name, error on field 'name'";
    assert_eq!(refused(400, "reply-error.json").await, told);
    assert_eq!(refused(400, "odd-error-status-number.json").await, told);
}

#[tokio::test(start_paused = true)]
async fn what_there_is_of_an_error_object_is_told() {
    let told = "HTTP 422 Unprocessable Entity: error on field 'name'";
    assert_eq!(refused(422, "odd-error-partial.json").await, told);
    assert_eq!(refused(422, "odd-error-nulls.json").await, told);
}

#[tokio::test(start_paused = true)]
async fn an_error_object_that_is_no_json_is_still_shown() {
    // The documentation's own sample lacks a closing quote.
    for name in ["odd-error-unclosed-quote.txt", "odd-error-code-number.json"] {
        let message = refused(400, name).await;
        assert!(message.starts_with("HTTP 400 Bad Request: "), "{message}");
        assert!(message.contains("error on field 'name'"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_leaves_the_status() {
    for (status, told) in [
        (400, "HTTP 400 Bad Request"),
        (401, "HTTP 401 Unauthorized"),
        (403, "HTTP 403 Forbidden"),
        (404, "HTTP 404 Not Found"),
        (409, "HTTP 409 Conflict"),
        (422, "HTTP 422 Unprocessable Entity"),
        (500, "HTTP 500 Internal Server Error"),
        (503, "HTTP 503 Service Unavailable"),
    ] {
        assert_eq!(refused(status, "odd-nothing.txt").await, told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateways_page_is_shown_on_one_line() {
    let told = "HTTP 502 Bad Gateway: \"<!DOCTYPE html> <html> <head><title>502 Bad Gateway</title></head> \
                <body> <h1>Bad Gateway</h1> <p>The server returned an invalid response.</p> </body> </html>\"";
    assert_eq!(refused(502, "odd-error-page.html").await, told);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_is_not_understood_shows_how_it_begins() {
    let message = of_change(Answer::accepted("odd-error-page.html")).await;
    assert!(message.starts_with("HTTP 202: the reply cannot be understood ("), "{message}");
    assert!(message.contains("it begins \"<!DOCTYPE html> <html>"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_breaks_says_how() {
    let broken = |kind| of_change(Answer::Fails(kind));
    assert_eq!(broken(TransportErrorKind::NotSent).await, "ITCare cannot be reached: the network failed");
    assert_eq!(broken(TransportErrorKind::Unknown).await, "the network failed");
    assert_eq!(of_change(Answer::Never).await, "no reply within 30.0 s");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_reply_holds_its_message_is_short_and_printable() {
    let long = "x".repeat(100_000);
    let bodies = [
        long.clone(),
        format!("\"{long}\""),
        format!("[\"{long}\"]"),
        format!("{{\"errorMessage\":\"{long}\",\"errorCode\":\"{long}\",\"errorDesc\":\"{long}\"}}"),
        format!("{{\"id\":\"{long}\",\"status\":\"{long}\"}}"),
        format!("{{\"id\":1333,\"status\":\"{long}\",\"resourceName\":{{\"{long}\":1}}}}"),
        format!("{{\"{long}\":1}}"),
        "\u{1b}[31mred\u{7}\r\n\t\u{0}".repeat(1000),
        "\\u001b[31mred".to_owned(),
        "{\"errorMessage\":\"line\\nline\\u001b[31m\"}".to_owned(),
        "é".repeat(100_000),
    ];
    let mut bad = Vec::new();
    for body in &bodies {
        for status in [200, 400, 500] {
            for read in [Read::List, Read::Detail, Read::Actions, Read::Action, Read::Snapshot] {
                let (client, _) = bench([Answer::new(status, body.clone())]);
                if let Err(error) = read.call(&client).await {
                    let message = error.to_string();
                    if message.len() > 1000 || message.chars().any(char::is_control) {
                        bad.push((status, read, message.len(), message.chars().take(80).collect::<String>()));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_utf8_is_shown_as_far_as_it_can_be() {
    let message = of_change(Answer::new(400, &b"\xff\xfe refused \xff"[..])).await;
    assert!(message.contains("refused"), "{message}");
}
