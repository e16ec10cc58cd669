//! What a reply must not do to this process: be too long, too deep, or lead elsewhere.

use itcare_operator::api::Priority;
use itcare_operator::api::transport::{Limits, MAX_BODY, TransportErrorKind};
use itcare_operator::model::FailureClass;

use crate::calls::{Change, Read, VM};
use crate::fake::{Answer, bench};
use crate::reads;

/// Far more than any stack holds.
const DEEP: usize = 100_000;

fn nested(begin: &str, end: &str) -> String {
    format!("{}1{}", begin.repeat(DEEP), end.repeat(DEEP))
}

#[tokio::test(start_paused = true)]
async fn every_call_is_bounded_to_eight_mebibytes_and_a_token_to_much_less() {
    for read in Read::ALL {
        let (client, fake) = bench([Answer::ok(read.payload())]);
        read.call(&client).await.expect("it is understood");
        assert_eq!(fake.only().limits, Limits { body: 8 * 1024 * 1024 }, "{read:?}");
        assert!(fake.tokens_seen()[0].limits.body <= 64 * 1024);
    }
    for change in Change::ALL {
        let (client, fake) = bench([Answer::accepted("reply-action.json")]);
        change.call(&client).await.map(drop).expect("it is accepted");
        assert_eq!(fake.only().limits, Limits { body: MAX_BODY }, "{change:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_too_long_says_so() {
    let (client, _) = bench([Answer::Fails(TransportErrorKind::TooLarge)]);
    let error = Read::List.call(&client).await.expect_err("it is too long");
    assert_eq!(
        (error.class(), error.to_string()),
        (FailureClass::Garbled, "listInstances: the network failed".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_deeply_nested_reply_is_garbled_and_harms_nobody() {
    for body in [nested("[", "]"), nested("{\"a\":", "}"), "[".repeat(DEEP), "{\"a\":".repeat(DEEP)] {
        for read in [Read::List, Read::Detail, Read::Action, Read::Actions, Read::Snapshot] {
            let (client, _) = bench([Answer::new(200, body.clone())]);
            let error = read.call(&client).await.expect_err("it cannot be understood");
            assert_eq!(error.class(), FailureClass::Garbled, "{read:?} {}", &body[..40]);
            assert!(error.to_string().len() < 1000, "{read:?}");
        }
        let (client, _) = bench([Answer::new(202, body.clone())]);
        let error = Change::Stop.call(&client).await.expect_err("it cannot be understood");
        assert_eq!(error.class(), FailureClass::Ambiguous(None));
        let (client, _) = bench([Answer::new(400, body)]);
        let error = Change::Stop.call(&client).await.expect_err("it is refused");
        assert_eq!(error.class(), FailureClass::Rejected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deep_part_of_a_detail_is_passed_over_or_garbled() {
    let fields = ["future", "cpu", "network", "region", "patchParty", "snapshot", "storageInformation"];
    for field in fields {
        for part in [nested("[", "]"), nested("{\"id\":", "}"), nested("{\"dns\":[", "]}")] {
            let begin = "{\"id\":5220149,\"name\":\"PEB4MYAPP01\",\"status\":\"ACTIVE\"";
            let (client, _) = bench([Answer::new(200, format!("{begin},\"{field}\":{part}}}"))]);
            match client.detail(VM, client.permit(Priority::User).await).await {
                Ok(detail) => assert_eq!(detail.name, reads::detail().name),
                Err(error) => assert_eq!(error.class(), FailureClass::Garbled, "{field}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_amount_out_of_all_bounds_counts_as_not_given() {
    for amount in
        ["1e400", "1e300", "-1e300", "99999999999999999999999", "\"NaN\"", "\"inf\"", "-4", "0", "4294967296"]
    {
        let body = format!(
            "{{\"id\":5220149,\"name\":\"PEB4MYAPP01\",\"status\":\"ACTIVE\",\"cpu\":2,\"ram\":{amount}}}"
        );
        let (client, _) = bench([Answer::new(200, body)]);
        match client.detail(VM, client.permit(Priority::User).await).await {
            Ok(detail) => assert_eq!(detail.size, None, "{amount}"),
            Err(error) => assert_eq!(error.class(), FailureClass::Garbled, "{amount}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed_and_shown() {
    let elsewhere = "https://elsewhere.example/itcare";
    for status in [301, 302, 303, 307, 308] {
        for read in Read::ALL {
            let (client, fake) = bench([Answer::empty(status).with("Location", elsewhere)]);
            let error = read.call(&client).await.expect_err("it leads elsewhere");
            assert_eq!(error.class(), FailureClass::Garbled, "{status}");
            assert!(error.to_string().contains(elsewhere), "{error}");
            assert_eq!(fake.seen().len(), 1);
        }
        for change in Change::ALL {
            let (client, fake) = bench([Answer::empty(status).with("Location", elsewhere)]);
            let error = change.call(&client).await.expect_err("it leads elsewhere");
            assert_eq!(error.class(), FailureClass::Ambiguous(None), "{status}");
            assert_eq!(fake.seen().len(), 1);
        }
    }
}
