//! What each failure proves, as a table: reads and changes against HTTP statuses and broken networks.

use std::time::Duration;

use itcare_operator::api::transport::TransportErrorKind::{NotSent, TooLarge, Unknown};
use itcare_operator::api::{ApiError, Client, Priority};
use itcare_operator::model::FailureClass::{
    self, Ambiguous, Forbidden, Garbled, Missing, NoCredentials, Rejected, Throttled, Transient,
    Unauthenticated,
};

use crate::calls::{Change, Read, VM};
use crate::fake::{Always, Answer, Fake, Never, SECRET, Secret, bench, client, options};

async fn of_read(read: Read, answer: Answer) -> ApiError {
    let (client, _) = bench([answer]);
    read.call(&client).await.expect_err("it fails")
}

async fn of_change(change: Change, answer: Answer) -> (ApiError, Fake) {
    let (client, fake) = bench([answer]);
    (change.call(&client).await.expect_err("it fails"), fake)
}

const STATUSES: [(u16, FailureClass, FailureClass); 22] = [
    (301, Garbled, Ambiguous(None)),
    (302, Garbled, Ambiguous(None)),
    (307, Garbled, Ambiguous(None)),
    (400, Rejected, Rejected),
    (401, Unauthenticated, Unauthenticated),
    (403, Forbidden, Forbidden),
    (404, Missing, Rejected),
    (405, Rejected, Rejected),
    (406, Rejected, Rejected),
    (408, Transient, Ambiguous(None)),
    (409, Rejected, Rejected),
    (410, Rejected, Rejected),
    (413, Rejected, Rejected),
    (415, Rejected, Rejected),
    (422, Rejected, Rejected),
    (425, Transient, Ambiguous(None)),
    (429, Throttled(None), Throttled(None)),
    (500, Transient, Ambiguous(None)),
    (502, Transient, Ambiguous(None)),
    (503, Transient, Ambiguous(None)),
    (504, Transient, Ambiguous(None)),
    (599, Transient, Ambiguous(None)),
];

#[tokio::test(start_paused = true)]
async fn each_status_of_a_read_has_its_class() {
    for (status, class, _) in STATUSES {
        for read in Read::ALL {
            if (status, read) == (404, Read::Snapshot) {
                continue; // That one says that there is none.
            }
            for answer in [Answer::empty(status), Answer::new(status, "<html>no</html>")] {
                let error = of_read(read, answer).await;
                assert_eq!((error.class(), error.status()), (class, Some(status)), "{read:?} {status}");
                assert_eq!(error.failure().status, Some(status));
                assert_eq!(error.reason(), class.as_str());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_status_of_a_change_has_its_class_and_the_change_is_sent_once() {
    for (status, _, class) in STATUSES {
        for change in Change::ALL {
            for answer in [Answer::empty(status), Answer::new(status, "<html>no</html>")] {
                let (error, fake) = of_change(change, answer).await;
                assert_eq!((error.class(), error.status()), (class, Some(status)), "{change:?} {status}");
                assert_eq!(fake.seen().len(), 1, "{change:?} {status}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_wait_is_believed() {
    let after = Duration::from_secs(7);
    let rows = [
        (429, Throttled(Some(after)), Throttled(Some(after))),
        (503, Throttled(Some(after)), Ambiguous(Some(after))),
        (500, Transient, Ambiguous(Some(after))),
        (502, Transient, Ambiguous(Some(after))),
        (504, Transient, Ambiguous(Some(after))),
    ];
    for (status, of_reads, of_changes) in rows {
        let answer = || Answer::empty(status).with("Retry-After", "7");
        for read in Read::ALL {
            assert_eq!(of_read(read, answer()).await.class(), of_reads, "{read:?} {status}");
        }
        for change in Change::ALL {
            assert_eq!(of_change(change, answer()).await.0.class(), of_changes, "{change:?} {status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_way_in_which_the_network_breaks_has_its_class() {
    let rows = [
        (Answer::Fails(NotSent), Transient, Transient),
        (Answer::Fails(Unknown), Transient, Ambiguous(None)),
        (Answer::Fails(TooLarge), Garbled, Ambiguous(None)),
        (Answer::Never, Transient, Ambiguous(None)),
        (Answer::empty(500).late(Duration::from_secs(31)), Transient, Ambiguous(None)),
    ];
    for (answer, of_reads, of_changes) in rows {
        for read in Read::ALL {
            let error = of_read(read, answer.clone()).await;
            assert_eq!((error.class(), error.status()), (of_reads, None), "{read:?} {answer:?}");
        }
        for change in Change::ALL {
            let (error, fake) = of_change(change, answer.clone()).await;
            assert_eq!((error.class(), error.status()), (of_changes, None), "{change:?} {answer:?}");
            assert_eq!(fake.seen().len(), 1, "{change:?} {answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_success_that_is_not_understood_has_its_class() {
    for read in [Read::List, Read::Detail, Read::Action, Read::Actions] {
        for name in ["odd-error-page.html", "odd-nothing.txt", "odd-error-unclosed-quote.txt"] {
            assert_eq!(of_read(read, Answer::ok(name)).await.class(), Garbled, "{read:?} {name}");
        }
    }
    for change in Change::ALL {
        for name in ["odd-error-page.html", "odd-nothing.txt", "odd-error-unclosed-quote.txt"] {
            let (error, fake) = of_change(change, Answer::accepted(name)).await;
            assert_eq!((error.class(), error.status()), (Ambiguous(None), Some(202)), "{change:?} {name}");
            assert_eq!(fake.seen().len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_out_covers_the_reply_and_not_the_wait_for_a_permit() {
    let (client, _) = bench([Answer::ok("reply-detail.json").late(Duration::from_secs(29))]);
    client.detail(VM, client.permit(Priority::User).await).await.map(drop).expect("it is just in time");
    let (client, fake) =
        bench([Answer::empty(429).with("Retry-After", "600"), Answer::ok("reply-detail.json")]);
    Read::Detail.call(&client).await.expect_err("the account is to wait");
    Read::Detail.call(&client).await.expect("it waited longer than a reply may take");
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_refused_for_its_token_is_sent_again_once() {
    for read in Read::ALL {
        let (client, fake) = bench([Answer::empty(401), Answer::ok(read.payload())]);
        read.call(&client).await.expect("the new token is good");
        assert_eq!((fake.seen().len(), fake.tokens_seen().len()), (2, 2), "{read:?}");
        let (client, fake) = bench([Answer::empty(401)]);
        let error = read.call(&client).await.expect_err("no token is good");
        assert_eq!(error.class(), Unauthenticated);
        assert_eq!((fake.seen().len(), fake.tokens_seen().len()), (2, 2), "{read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_refused_for_its_token_ends_and_drops_the_token() {
    for change in Change::ALL {
        let (client, fake) = bench([Answer::empty(401), Answer::accepted("reply-action.json")]);
        let error = change.call(&client).await.expect_err("its token is refused");
        assert_eq!(error.class(), Unauthenticated);
        assert_eq!((fake.seen().len(), fake.tokens_seen().len()), (1, 1), "{change:?}");
        change.call(&client).await.map(drop).expect("another attempt has another token");
        assert_eq!((fake.seen().len(), fake.tokens_seen().len()), (2, 2), "{change:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_the_guard_holds_back_never_leaves() {
    let (client, fake) = bench([Answer::accepted("reply-action.json")]);
    let permit = client.permit(Priority::User).await;
    let error = client.recover_snapshot(VM, permit, &Never).await.expect_err("it is held back");
    assert_eq!((error.class(), error.status()), (Transient, None));
    assert!(error.class().not_executed());
    assert_eq!(fake.seen().len(), 0);
    let permit = client.permit(Priority::User).await;
    client.recover_snapshot(VM, permit, &Always).await.map(drop).expect("the next one may leave");
}

/// Between a permit and its call lie the write of an intent and the fetching of a token: a pause may begin there.
#[tokio::test(start_paused = true)]
async fn a_change_whose_permit_is_from_before_a_pause_does_not_leave_in_it() {
    let after = Duration::from_secs(7);
    let refused = Answer::empty(429).with("Retry-After", "7");
    let (client, fake) = bench([refused, Answer::accepted("reply-action.json")]);
    let permit = client.permit(Priority::User).await;
    Read::List.call(&client).await.map(drop).expect_err("it is too much");
    let error = client.recover_snapshot(VM, permit, &Always).await.expect_err("it is held back");
    assert_eq!(error.class(), Throttled(Some(after)));
    assert!(error.class().not_executed());
    assert_eq!(fake.seen().len(), 1);
    let permit = client.permit(Priority::User).await;
    client.recover_snapshot(VM, permit, &Always).await.map(drop).expect("the next one may leave");
}

/// Whatever is wrong with the token server, the change itself was never sent.
#[tokio::test(start_paused = true)]
async fn a_change_that_got_no_token_was_certainly_not_executed() {
    let answers = [
        Answer::empty(302),
        Answer::empty(400),
        Answer::empty(401),
        Answer::empty(403),
        Answer::empty(404),
        Answer::empty(405),
        Answer::empty(422),
        Answer::empty(429),
        Answer::empty(500),
        Answer::empty(503).with("Retry-After", "7"),
        Answer::ok("odd-error-page.html"),
        Answer::ok("odd-nothing.txt"),
        Answer::Fails(NotSent),
        Answer::Fails(Unknown),
        Answer::Fails(TooLarge),
        Answer::Never,
    ];
    let mut executed = Vec::new();
    for answer in answers {
        let fake = Fake::new([]);
        fake.tokens([answer.clone()]);
        let error = Change::Reset.call(&client(&fake)).await.expect_err("there is no token");
        assert_eq!(fake.seen().len(), 0, "{answer:?}");
        if !error.class().not_executed() {
            executed.push((error.class(), answer));
        }
    }
    assert!(executed.is_empty(), "taken for executed or judged: {executed:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_credentials_nothing_is_sent() {
    let secret = Secret::new(SECRET);
    secret.set(Err("--itcare-client-secret-file /run/secret: no such file"));
    let fake = Fake::new([]);
    let client = Client::new(
        options(),
        std::sync::Arc::new(fake.clone()),
        std::sync::Arc::new(secret),
        std::sync::Arc::new(()),
    );
    let error = Read::Detail.call(&client).await.expect_err("there are none");
    assert_eq!(error.class(), NoCredentials);
    assert_eq!(error.failure().message, "--itcare-client-secret-file /run/secret: no such file");
    let error = Change::Create.call(&client).await.expect_err("there are none");
    assert_eq!(error.class(), NoCredentials);
    assert_eq!((fake.seen().len(), fake.tokens_seen().len()), (0, 0));
}
