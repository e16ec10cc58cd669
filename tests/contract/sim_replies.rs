//! What the simulator shows: only fields that the page knows, with the page's types. What it leaves out of
//! the page's payloads is listed here, so that a new gap is noticed.

use itcare_sim::{Config, Outcome, SeedInstance, Sim};
use serde_json::{Value, json};

use crate::cloud::{Caller, Raw, vm};
use crate::fixture;
use crate::shape::{form, left_out, unknown};

const NONE: [String; 0] = [];

/// A cloud in which everything that the page can show is there.
async fn full() -> Caller {
    let sim = Sim::new(Config::explicit());
    let seed =
        SeedInstance { monitoring: true, alerting: true, patch_excluded: true, patch_group: Some(3), ..vm() };
    let id = sim.seed(seed);
    sim.seed(SeedInstance::new("PEB4MYAPP02", 14).stopped());
    sim.edit(id, |instance| {
        instance.patch_exclusion_reason = Some("by hand".to_owned());
        instance.patch_excluded_by = Some("jdoe".to_owned());
        instance.no_replication_reason = Some("rebuilt from Git".to_owned());
        instance.authentication_domain = Some("CGDM-EMEA".to_owned());
        instance.product_code = Some("rmq11".to_owned());
    });
    let caller = Caller::new(sim).await;
    let raw = caller
        .change_with("POST", "/compute/instances/5220149/snapshots", fixture::bytes("request-snapshot.json"))
        .await;
    assert_eq!(raw.status, 202);
    caller.sim.drain();
    assert_eq!(caller.change("PATCH", "/compute/instances/5220149/snapshots").await.status, 202);
    caller.sim.drain();
    caller
}

fn assert_kind(raw: &Raw, kind: &str) {
    assert_eq!((raw.status, raw.header("content-type")), (200, Some(kind)), "{raw:?}");
    let date = raw.header("date").expect("every answer is dated");
    assert_eq!(&form(date)[5..7], "99", "{date}");
    assert!(date.ends_with(" GMT"), "{date}");
}

#[tokio::test(start_paused = true)]
async fn the_detail_has_the_pages_fields() {
    let raw = full().await.get("/compute/instances/5220149").await;
    assert_kind(&raw, "application/vnd.cegedim-it.v1+json");
    let page = fixture::json("reply-detail.json");
    assert_eq!(unknown(&raw.json(), &page), NONE);
    let gaps = [
        ".backup",
        ".backupPolicyDetails",
        ".comment",
        ".endOfSalesAt",
        ".endOfSupportAt",
        ".extendedSupportAt",
        ".isExternalIngressNode",
        ".isInternalIngressNode",
        ".loadbalancers[]",
        ".metrologyUrl",
        ".network.cloud",
        ".network.description",
        ".network.environment",
        ".network.networkShortDescription",
        ".network.shortDescription",
        ".parentResourceType",
        ".patchParty.exclusionDate",
        ".patchParty.id",
        ".patchParty.name",
        ".patchParty.patchDate",
        ".patchParty.patchTag",
        ".productVersion",
        ".releasedAt",
        ".replication.storageClassOverride",
        ".replication.storageMoveTicket",
        ".replication.storageReplicationClass",
        ".serviceKey",
        ".technology",
    ];
    assert_eq!(left_out(&raw.json(), &page), gaps);
}

#[tokio::test(start_paused = true)]
async fn the_list_has_the_pages_envelope_and_the_items_that_were_seen_in_real_lists() {
    let caller = full().await;
    let raw = caller.get("/compute/instances?page=0&size=200&sort=id").await;
    assert_kind(&raw, "application/json");
    let page = fixture::json("reply-list.json");
    assert_eq!(unknown(&raw.json(), &page), NONE);
    let mut bare = page.clone();
    bare["content"] = json!([{}]);
    assert_eq!(left_out(&raw.json(), &bare), NONE, "the envelope is whole");
    let seen = fixture::json("odd-list-poor-items.json")["content"][0].clone();
    for item in raw.json()["content"].as_array().expect("it is a list") {
        assert_eq!(unknown(item, &seen), NONE);
        // A comment is given by hand, and `supportLevel` is no field of the page.
        assert_eq!(left_out(item, &seen), [".comment", ".supportLevel"]);
    }
    caller.sim.quirks(|quirks| quirks.poor_list_items = false);
    let rich = caller.get("/compute/instances").await.json();
    assert_eq!(unknown(&rich, &page), NONE);
    assert_eq!(rich["content"][0], caller.get("/compute/instances/5220149").await.json());
}

#[tokio::test(start_paused = true)]
async fn the_envelope_counts_right() {
    let caller = full().await;
    let counts = |page: &Value| {
        let fields =
            ["number", "size", "numberOfElements", "totalElements", "totalPages", "first", "last", "empty"];
        fields.map(|field| page[field].clone())
    };
    let rows = [
        ("?size=1", json!([0, 1, 1, 2, 2, true, false, false])),
        ("?size=1&page=1", json!([1, 1, 1, 2, 2, false, true, false])),
        ("?size=1&page=2", json!([2, 1, 0, 2, 2, false, true, true])),
        ("?size=2", json!([0, 2, 2, 2, 1, true, true, false])),
        ("?names=NOBODY", json!([0, 20, 0, 0, 0, true, true, true])),
        ("", json!([0, 20, 2, 2, 1, true, true, false])),
        ("?size=5000", json!([0, 2000, 2, 2, 1, true, true, false])),
    ];
    for (query, expected) in rows {
        let page = caller.get(&format!("/compute/instances{query}")).await.json();
        assert_eq!(json!(counts(&page)), expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn storage_and_networks_have_the_pages_fields() {
    let caller = full().await;
    let raw = caller.get("/compute/instances/5220149/storage").await;
    assert_kind(&raw, "application/vnd.cegedim-it.v1+json");
    let page = fixture::json("reply-storage.json");
    assert_eq!((unknown(&raw.json(), &page), left_out(&raw.json(), &page)), (vec![], vec![]));
    let detail = caller.get("/compute/instances/5220149").await.json();
    assert_eq!(raw.json(), detail["storageInformation"]);

    let raw = caller.get("/compute/instances/5220149/networks").await;
    assert_kind(&raw, "application/vnd.cegedim-it.v1+json");
    let page = fixture::json("reply-network.json");
    assert_eq!(unknown(&raw.json(), &page), NONE);
    let gaps = [".cloud", ".description", ".environment", ".networkShortDescription", ".shortDescription"];
    assert_eq!(left_out(&raw.json(), &page), gaps);
    assert_eq!(raw.json(), detail["network"]);
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_has_the_pages_fields() {
    let caller = full().await;
    let raw = caller.get("/compute/instances/5220149/snapshots").await;
    assert_kind(&raw, "application/vnd.cegedim-it.v1+json");
    let page = fixture::json("reply-snapshot.json");
    assert_eq!((unknown(&raw.json(), &page), left_out(&raw.json(), &page)), (vec![], vec![]));
    for field in ["createdAt", "expiresAt", "recoveredAt"] {
        let (is, example) = (raw.json()[field].clone(), page[field].clone());
        assert_eq!(is.as_str().map(form), example.as_str().map(form), "{field}");
    }
    assert_eq!(raw.json(), caller.get("/compute/instances/5220149").await.json()["snapshot"]);
}

#[tokio::test(start_paused = true)]
async fn actions_have_the_fields_of_their_page_alone_and_in_the_array() {
    let caller = full().await;
    let running = caller.sim.start_foreign_action(5_220_149, "vm_stop", "jdoe");
    let failed =
        caller.change_with("PATCH", "/compute/instances/5220150", fixture::bytes("request-start.json")).await;
    let failed = failed.json()["id"].as_i64().expect("it is a number");
    caller.sim.complete(failed, Outcome::Error("no capacity left".to_owned()));
    let raw = caller.get("/actions").await;
    assert_kind(&raw, "application/json");
    let page = fixture::json("reply-actions.json");
    let all = raw.json();
    assert_eq!((unknown(&all, &page), left_out(&all, &page)), (vec![], vec![]));
    assert_eq!(all.as_array().map(Vec::len), Some(4));
    for action in all.as_array().expect("it is a list") {
        let id = action["id"].as_i64().expect("it is a number");
        let raw = caller.get(&format!("/actions/{id}")).await;
        assert_kind(&raw, "application/vnd.cegedim-it.v1+json");
        assert_eq!(raw.json(), *action);
        let over = id != running;
        assert_eq!(action["completedAt"].is_string(), over, "{action}");
        assert_eq!(action["completedAt"].is_null(), !over, "{action}");
        assert_eq!(action.get("message").is_some(), id == failed, "{action}");
    }
    assert_eq!(caller.get(&format!("/actions/{failed}")).await.json()["message"], "no capacity left");
}

#[tokio::test(start_paused = true)]
async fn health_needs_no_token() {
    let sim = Sim::new(Config::explicit());
    let raw = crate::cloud::send(&sim, "", "GET", "/itcare/health", None).await;
    assert_eq!(raw.status, 200);
}
