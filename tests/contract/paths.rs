//! Addresses: where calls go, and ids that would go elsewhere.

use std::sync::Arc;

use itcare_operator::api::{ApiError, Client, ClientOptions, Priority};
use itcare_operator::model::{FailureClass, InstanceId, SnapshotId};

use crate::calls::{Read, VM};
use crate::fake::{Always, Answer, Fake, SECRET, Secret, bench, options};

const SLOT: &str = "/itcare/compute/instances/5220149/snapshots/";

/// Removes a snapshot of this id: the path that was called, or why none was.
async fn remove(id: &str) -> Result<String, ApiError> {
    let (client, fake) = bench([Answer::accepted("reply-action.json")]);
    let permit = client.permit(Priority::User).await;
    let removed = client.remove_snapshot(VM, &SnapshotId::new(id), permit, &Always).await;
    match removed {
        Ok(_) => Ok(fake.only().address),
        Err(error) => {
            assert_eq!(fake.seen().len(), 0, "{id:?}");
            Err(error)
        }
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("hex digits are text");
                bytes.push(u8::from_str_radix(digits, 16).expect("they are hex digits"));
                tail
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).expect("ids are text")
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_a_step_in_a_path_is_refused() {
    for id in ["", ".", ".."] {
        let error = remove(id).await.expect_err("it would lead elsewhere");
        assert_eq!((error.class(), error.status()), (FailureClass::Rejected, None), "{id:?}");
    }
}

/// A `DELETE` that loses its last step would delete the VM instead of its snapshot.
#[tokio::test(start_paused = true)]
async fn an_id_is_one_step_of_the_path_and_arrives_as_it_is_or_not_at_all() {
    let ids = [
        "a/b",
        "../../5220150",
        "/",
        "//",
        "a\\b",
        "..\\..",
        "%2e%2e",
        "%2E",
        "..%2f..",
        "a%2Fb",
        "a?x=1",
        "a#b",
        "a;b",
        "a b",
        " ",
        "é",
        "\u{2028}",
        "a%00",
        "a+b",
        "a&b",
        "@",
        "a:b",
        "\t",
        "\n",
        ".\t",
        ".\t.",
        ".\n.",
        "\t..",
        "..\r",
        "\r\n",
        "a\tb",
        "a\0b",
        "..\t/..",
        "%2\te",
    ];
    let mut elsewhere = Vec::new();
    for id in ids {
        match remove(id).await {
            Err(error) => assert_eq!(error.class(), FailureClass::Rejected, "{id:?}"),
            Ok(address) => {
                let step = address.split_once(SLOT).map(|(_, step)| step.to_owned());
                let whole = step.filter(|step| !step.contains(['/', '?', '#'])).map(|step| decoded(&step));
                if whole.as_deref() != Some(id) {
                    elsewhere.push((id, address));
                }
            }
        }
    }
    assert!(elsewhere.is_empty(), "sent elsewhere: {elsewhere:#?}");
}

#[tokio::test(start_paused = true)]
async fn numbers_are_steps_whatever_they_are() {
    for id in [i64::MAX, i64::MIN, -1, 0] {
        let (client, fake) = bench([Answer::ok("reply-detail.json")]);
        client
            .detail(InstanceId::new(id), client.permit(Priority::User).await)
            .await
            .map(drop)
            .expect("it is understood");
        assert_eq!(fake.only().path, format!("/itcare/compute/instances/{id}"));
    }
}

#[tokio::test(start_paused = true)]
async fn paths_are_below_the_root_with_or_without_a_slash_at_its_end() {
    let rows = [
        ("https://api.cegedim.cloud/itcare", "https://api.cegedim.cloud/itcare/compute/instances/5220149"),
        ("https://api.cegedim.cloud/itcare/", "https://api.cegedim.cloud/itcare/compute/instances/5220149"),
        ("https://api.cegedim.cloud", "https://api.cegedim.cloud/compute/instances/5220149"),
        ("https://itcare.example:8443/a/b/", "https://itcare.example:8443/a/b/compute/instances/5220149"),
        ("http://127.0.0.1:8080/itcare", "http://127.0.0.1:8080/itcare/compute/instances/5220149"),
    ];
    for (root, address) in rows {
        let fake = Fake::new([Answer::ok("reply-detail.json")]);
        let options = ClientOptions { root: root.parse().expect("it is an address"), ..options() };
        let client =
            Client::new(options, Arc::new(fake.clone()), Arc::new(Secret::new(SECRET)), Arc::new(()));
        Read::Detail.call(&client).await.expect("it is understood");
        assert_eq!(fake.only().address, address);
    }
}
