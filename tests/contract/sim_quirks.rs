//! Each switch of the simulator that changes how something is written: it gives the hand-made form, and
//! nothing else changes.

use itcare_sim::{Config, Dates, NoSnapshot, Numbers, Quirks, SeedInstance, Sim};
use serde_json::Value;

use crate::cloud::{Caller, Raw, vm};
use crate::fixture;
use crate::shape::{form, left_out, shape, unknown};

const DETAIL: &str = "/compute/instances/5220149";
const SNAPSHOTS: &str = "/compute/instances/5220149/snapshots";
const EMPTY: &str = "/compute/instances/5220150/snapshots";
const NONE: [String; 0] = [];

async fn with(change: impl FnOnce(&mut Quirks)) -> Caller {
    let sim = Sim::new(Config::explicit());
    let id = sim.seed(SeedInstance { patch_group: Some(3), ..vm() });
    sim.seed(SeedInstance::new("PEB4MYAPP02", 14));
    sim.seed_snapshot(id, "before", "somebody");
    sim.quirks(change);
    Caller::new(sim).await
}

async fn plain() -> Caller {
    with(|_| {}).await
}

/// The names of the top-level fields of a reply that another one does not have.
fn more(reply: &Value, than: &Value) -> Vec<String> {
    let than = than.as_object().expect("it is an object");
    let fields = reply.as_object().expect("it is an object").keys();
    fields.filter(|field| !than.contains_key(*field)).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn action_ids_become_text_everywhere() {
    let caller = with(|quirks| quirks.action_id_as_string = true).await;
    let started = caller.change_with("PATCH", DETAIL, fixture::bytes("request-stop.json")).await.json();
    assert_eq!(unknown(&started, &fixture::json("odd-action-id-text.json")), NONE);
    let id = started["id"].as_str().expect("it is text").to_owned();
    assert_eq!(caller.get(&format!("/actions/{id}")).await.json()["id"], id.as_str());
    assert_eq!(caller.get("/actions").await.json()[0]["id"], id.as_str());
}

#[tokio::test(start_paused = true)]
async fn dates_are_written_in_the_form_that_was_chosen() {
    let rows = [
        (Dates::Zulu, "reply-snapshot.json"),
        (Dates::OffsetWithoutColon, "odd-snapshot-dates-without-colon.json"),
        (Dates::OffsetWithColon, "odd-snapshot-dates-offset-without-fraction.json"),
    ];
    for (dates, payload) in rows {
        let caller = with(|quirks| quirks.dates = dates).await;
        let example = fixture::json(payload)["createdAt"].as_str().map(form);
        let snapshot = caller.get(SNAPSHOTS).await.json();
        assert_eq!(snapshot["createdAt"].as_str().map(form), example, "{dates:?}");
        assert_eq!(snapshot["expiresAt"].as_str().map(form), example, "{dates:?}");
        let detail = caller.get(DETAIL).await.json();
        assert_eq!(detail["creationTime"].as_str().map(form), example, "{dates:?}");
        caller.change_with("PATCH", DETAIL, fixture::bytes("request-stop.json")).await;
        caller.sim.drain();
        let action = caller.get("/actions").await.json()[0].clone();
        for field in ["submittedAt", "completedAt", "lastUpdatedAt"] {
            assert_eq!(action[field].as_str().map(form), example, "{dates:?} {field}");
        }
        assert_eq!(unknown(&snapshot, &fixture::json("reply-snapshot.json")), NONE);
        assert_eq!(shape(&detail), shape(&plain().await.get(DETAIL).await.json()));
    }
    let example = fixture::json("odd-action-dates-without-colon.json")["submittedAt"].as_str().map(form);
    assert_eq!(example.as_deref(), Some("9999-99-99T99:99:99.999+9999"));
}

#[tokio::test(start_paused = true)]
async fn amounts_are_quoted_or_fractional_and_ids_are_not() {
    let rows = [
        (Numbers::Quoted, "odd-detail-numbers-quoted.json", "odd-snapshot-size-quoted.json"),
        (Numbers::Fractional, "odd-detail-numbers-fractional.json", "odd-snapshot-size-fractional.json"),
    ];
    for (numbers, detail, snapshot) in rows {
        let caller = with(|quirks| quirks.numbers = numbers).await;
        let shown = caller.get(DETAIL).await.json();
        let example = fixture::json(detail);
        for place in [
            "/cpu",
            "/ram",
            "/storage",
            "/network/usedPercent",
            "/snapshot/snapshotSize",
            "/network/id",
            "/id",
        ] {
            let shapes = (shown.pointer(place).map(shape), example.pointer(place).map(shape));
            assert_eq!(shapes.0, shapes.1, "{numbers:?} {place}");
        }
        assert_eq!(unknown(&shown["storageInformation"], &example["storageInformation"]), NONE);
        assert_eq!(unknown(&caller.get(SNAPSHOTS).await.json(), &fixture::json(snapshot)), NONE);
        let storage = caller.get(&format!("{DETAIL}/storage")).await.json();
        assert_eq!(unknown(&storage, &example["storageInformation"]), NONE);
        let network = caller.get(&format!("{DETAIL}/networks")).await.json();
        assert_eq!(shape(&network["usedPercent"]), shape(&example["network"]["usedPercent"]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_patch_group_becomes_a_number() {
    let caller = with(|quirks| quirks.patch_group_as_number = true).await;
    let example = fixture::json("odd-detail-patch-group-number.json");
    assert_eq!(
        caller.get(DETAIL).await.json()["patchParty"]["patchGroup"],
        example["patchParty"]["patchGroup"]
    );
    let page = fixture::json("reply-detail.json");
    assert_eq!(
        plain().await.get(DETAIL).await.json()["patchParty"]["patchGroup"],
        page["patchParty"]["patchGroup"]
    );
}

#[tokio::test(start_paused = true)]
async fn fields_appear_that_the_page_does_not_know() {
    let (odd, plain) = (with(|quirks| quirks.extra_fields = true).await, plain().await);
    let (more_detail, detail) = (odd.get(DETAIL).await.json(), plain.get(DETAIL).await.json());
    assert_eq!(more(&more_detail, &detail), ["futureField", "supportLevel", "totalSizeDisks"]);
    assert_eq!(
        more(&fixture::json("odd-detail-unknown-fields.json"), &fixture::json("reply-detail.json")),
        ["futureField", "supportLevel", "totalSizeDisks"]
    );
    let (more_snapshot, snapshot) = (odd.get(SNAPSHOTS).await.json(), plain.get(SNAPSHOTS).await.json());
    assert_eq!(more(&more_snapshot, &snapshot), ["futureField"]);
    let item = |page: Value| page["content"][0].clone();
    let (more_item, few) = (
        item(odd.get("/compute/instances").await.json()),
        item(plain.get("/compute/instances").await.json()),
    );
    assert_eq!(more(&more_item, &few), ["supportLevel"]);
    let started = odd.change_with("PATCH", DETAIL, fixture::bytes("request-stop.json")).await.json();
    assert_eq!(more(&started, &fixture::json("reply-action.json")), ["futureField"]);
}

fn assert_body(raw: &Raw, status: u16, payload: &str) {
    assert_eq!((raw.status, &raw.body[..]), (status, fixture::text(payload).trim_end().as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn an_empty_slot_is_answered_in_the_form_that_was_chosen() {
    let rows = [
        (NoSnapshot::NoContent, 204, "odd-nothing.txt"),
        (NoSnapshot::EmptyBody, 200, "odd-nothing.txt"),
        (NoSnapshot::EmptyObject, 200, "odd-empty-object.json"),
        (NoSnapshot::Null, 200, "odd-null.json"),
        (NoSnapshot::EmptyList, 200, "odd-empty-list.json"),
        (NoSnapshot::NotFound, 404, "odd-nothing.txt"),
    ];
    for (none, status, payload) in rows {
        let caller = with(|quirks| quirks.no_snapshot = none).await;
        assert_body(&caller.get(EMPTY).await, status, payload);
        assert_eq!(caller.get(SNAPSHOTS).await.json(), plain().await.get(SNAPSHOTS).await.json());
    }
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_comes_in_a_list() {
    let caller = with(|quirks| quirks.snapshot_as_list = true).await;
    let shown = caller.get(SNAPSHOTS).await.json();
    assert_eq!(unknown(&shown, &fixture::json("odd-snapshot-list.json")), NONE);
    assert_eq!(shown[0], plain().await.get(SNAPSHOTS).await.json());
    caller.sim.quirks(|quirks| quirks.single_slot = false);
    caller.sim.seed_snapshot(5_220_149, "after", "somebody");
    let both = caller.get(SNAPSHOTS).await.json();
    assert_eq!(unknown(&both, &fixture::json("odd-snapshot-list-of-two.json")), NONE);
    assert_eq!(both.as_array().map(Vec::len), Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_change_has_the_status_and_the_body_that_were_chosen() {
    for status in [200, 201, 202] {
        let caller = with(|quirks| quirks.accepted_status = status).await;
        let raw = caller.change_with("PATCH", DETAIL, fixture::bytes("request-stop.json")).await;
        assert_eq!(raw.status, status);
        assert_eq!(unknown(&raw.json(), &fixture::json("reply-action.json")), NONE);
    }
    let caller = with(|quirks| quirks.empty_action_body = true).await;
    let raw = caller.change_with("PATCH", DETAIL, fixture::bytes("request-stop.json")).await;
    assert_body(&raw, 202, "odd-nothing.txt");
    assert_eq!(caller.sim.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn parts_of_the_detail_are_left_out() {
    let plain = plain().await.get(DETAIL).await.json();
    let shown = with(|quirks| quirks.omit_storage = true).await.get(DETAIL).await.json();
    assert_eq!(
        (left_out(&shown, &plain), unknown(&shown, &plain)),
        (vec![".storage".to_owned(), ".storageInformation".to_owned()], vec![])
    );
    let shown = with(|quirks| quirks.omit_network = true).await.get(DETAIL).await.json();
    assert_eq!(
        (left_out(&shown, &plain), unknown(&shown, &plain)),
        (vec![".ipAddress".to_owned(), ".network".to_owned()], vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_instance_stays_as_removed_or_is_gone() {
    let removed = fixture::json("odd-detail-removed.json");
    for stays in [true, false] {
        let caller = with(|quirks| quirks.removed_leftovers = stays).await;
        caller.sim.edit(5_220_149, |instance| instance.live = false);
        let raw = caller.get(DETAIL).await;
        let listed = caller.get("/compute/instances?names=PEB4MYAPP01").await.json();
        if stays {
            assert_eq!((raw.status, &raw.json()["status"]), (200, &removed["status"]));
            assert_eq!(listed["content"][0]["status"], removed["status"]);
        } else {
            assert_body(&raw, 404, "odd-nothing.txt");
            assert_eq!(listed["totalElements"], 0);
        }
        assert_eq!(
            caller.change_with("PATCH", DETAIL, fixture::bytes("request-stop.json")).await.status,
            404
        );
    }
}
