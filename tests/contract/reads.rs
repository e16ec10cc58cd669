//! What the client asks for, and what it makes of the page's own replies: whole values, nothing left out.

use http::Method;
use itcare_operator::api::{Accepted, ActionFilter, InstanceFilter, Page, Priority};
use itcare_operator::model::remote::{FileSystem, Monitoring, Network, Patching, Storage};
use itcare_operator::model::{
    Action, ActionId, ActionStatus, Detail, HostName, InstanceState, Listed, ServiceId, Size, Slot,
};
use jiff::Timestamp;

use crate::calls::{Change, Read, VM, snapshot_id};
use crate::fake::{Answer, bench};
use crate::fixture;

const PRIORITY: Priority = Priority::Background;

pub fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().expect("the test's time is one"))
}

/// `reply-storage.json`, also inside the detail.
pub fn storage() -> Storage {
    let system = |mount_point: &str, kind: &str, size_gb| FileSystem {
        mount_point: mount_point.to_owned(),
        kind: some(kind),
        size_gb: Some(size_gb),
    };
    Storage { file_systems: vec![system("/", "ext4", 40), system("/data", "xfs", 20)], total_gb: Some(60) }
}

/// `reply-network.json`, also inside the detail.
pub fn network() -> Network {
    Network {
        id: Some(1125),
        cidr: some("10.59.13.0/24"),
        gateway: some("10.59.13.254"),
        ip_address: some("10.59.13.29"),
        dns: vec!["peb4myapp01".to_owned(), "shop".to_owned()],
    }
}

/// `reply-snapshot.json`, also inside the detail.
pub fn slot() -> Slot {
    Slot {
        id: snapshot_id(),
        description: some("before the upgrade [7f3c91a2b4d5e6f7]"),
        created_at: at("2026-01-02T03:05:07.250Z"),
        created_by: some("demo-sa-operator"),
        expires_at: at("2026-01-05T03:05:07.250Z"),
        recovered_at: at("2026-01-03T10:00:00Z"),
        size_gb: Some(30),
    }
}

/// `patchParty` inside the detail.
pub fn patching() -> Patching {
    Patching {
        excluded: Some(true),
        exclusion_reason: some("I want to handle this App. by myself"),
        group: Some(3),
    }
}

/// `reply-detail.json`.
pub fn detail() -> Detail {
    Detail {
        id: VM,
        name: HostName::new("PEB4MYAPP01"),
        service: Some(ServiceId::new(13)),
        state: InstanceState::Active,
        size: Some(Size { cpu: 2, memory_gb: 4 }),
        storage_gb: Some(60),
        file_systems: Some(storage().file_systems),
        ip_address: some("10.59.13.29"),
        network: Some(network()),
        region: some("EB"),
        area: some("EB-STD"),
        availability_zone: some("EB-A"),
        os: some("Debian 12"),
        environment: some("PRODUCTION"),
        service_name: some("DEMO - SHOP - PROD"),
        monitoring: Monitoring { enabled: Some(true), alerting: Some(false), on_call: Some(false) },
        patching: Some(patching()),
        replication: Some(true),
        backup: Some(true),
        slot: Some(slot()),
        creation_time: some("2025-05-08T22:40:00.750Z"),
        creation_user: some("demo-sa-operator"),
    }
}

/// `reply-action.json`: what a change is answered with.
pub fn started() -> Action {
    Action {
        id: ActionId::new(1333),
        status: ActionStatus::InProgress,
        process: some("vm_stop"),
        resource_name: some("PEB4MYAPP01"),
        message: some("accepted"),
        submitted_at: None,
        submitted_by: None,
        completed_at: None,
    }
}

/// `reply-action-read.json`: what a read of an action shows.
pub fn finished() -> Action {
    Action {
        id: ActionId::new(1334),
        status: ActionStatus::Success,
        process: some("vm_create_snapshot"),
        resource_name: some("PEB4MYAPP01"),
        message: some("done"),
        submitted_at: at("2026-01-02T03:05:00Z"),
        submitted_by: some("demo-sa-operator"),
        completed_at: at("2026-01-02T03:05:07.250Z"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_list_is_read_whole() {
    let (client, fake) = bench([Answer::ok("reply-list.json")]);
    let filter = InstanceFilter { size: Some(200), ..InstanceFilter::default() };
    let page = client.list_page(&filter, 0, PRIORITY).await.expect("it is understood");
    let listed = Listed {
        id: VM,
        name: HostName::new("PEB4MYAPP01"),
        service: Some(ServiceId::new(13)),
        state: InstanceState::Active,
        created_at: at("2025-05-08T22:40:00.750Z"),
        created_by: some("demo-sa-operator"),
    };
    assert_eq!(listed, detail().listed());
    assert_eq!(page, Page { items: vec![listed], last: Some(true), total: Some(1) });
    assert_eq!(fake.only().path, "/itcare/compute/instances");
}

#[tokio::test(start_paused = true)]
async fn the_detail_is_read_whole() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    let read = client.detail(VM, client.permit(PRIORITY).await).await.expect("it is understood");
    assert_eq!(read, detail());
    assert_eq!(read.name.as_str(), "PEB4MYAPP01");
    assert_eq!(read.slot.and_then(|slot| slot.attempt()).map(String::from), some("7f3c91a2b4d5e6f7"));
    assert_eq!(fake.only().path, "/itcare/compute/instances/5220149");
}

#[tokio::test(start_paused = true)]
async fn storage_and_network_are_read_whole() {
    let (client, fake) = bench([Answer::ok("reply-storage.json"), Answer::ok("reply-network.json")]);
    assert_eq!(client.storage(VM, client.permit(PRIORITY).await).await.expect("it is understood"), storage());
    assert_eq!(client.network(VM, client.permit(PRIORITY).await).await.expect("it is understood"), network());
    let paths: Vec<String> = fake.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        ["/itcare/compute/instances/5220149/storage", "/itcare/compute/instances/5220149/networks"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_is_read_whole() {
    let (client, fake) = bench([Answer::ok("reply-snapshot.json")]);
    assert_eq!(
        client.snapshot(VM, client.permit(PRIORITY).await).await.expect("it is understood"),
        Some(slot())
    );
    assert_eq!(fake.only().path, "/itcare/compute/instances/5220149/snapshots");
}

#[tokio::test(start_paused = true)]
async fn one_action_is_read_whole() {
    let (client, fake) = bench([Answer::ok("reply-action-read.json")]);
    assert_eq!(
        client.action(ActionId::new(1334), client.permit(PRIORITY).await).await.expect("it is understood"),
        finished()
    );
    assert_eq!(fake.only().path, "/itcare/actions/1334");
}

#[tokio::test(start_paused = true)]
async fn the_array_of_actions_is_read_whole() {
    let (client, fake) = bench([Answer::ok("reply-actions.json")]);
    let read = client
        .actions(&ActionFilter::default(), client.permit(PRIORITY).await)
        .await
        .expect("it is understood");
    let running = Action {
        submitted_at: at("2026-01-02T03:04:05.750Z"),
        submitted_by: some("demo-sa-operator"),
        ..started()
    };
    let failed = Action {
        id: ActionId::new(1335),
        status: ActionStatus::Error,
        process: some("vm_resize"),
        resource_name: some("PEB4MYAPP02"),
        message: some("no capacity left in EB-A"),
        submitted_at: at("2026-01-02T03:06:00Z"),
        submitted_by: some("jdoe"),
        completed_at: at("2026-01-02T03:06:30Z"),
    };
    assert_eq!(read, [running, finished(), failed]);
    assert_eq!(fake.only().path, "/itcare/actions");
}

#[tokio::test(start_paused = true)]
async fn the_reply_of_every_change_is_its_action() {
    for change in Change::ALL {
        let (client, _) = bench([Answer::accepted("reply-action.json")]);
        assert_eq!(change.call(&client).await.expect("it is accepted"), Accepted { action: started() });
    }
}

#[tokio::test(start_paused = true)]
async fn the_pages_sample_reply_of_a_creation_is_an_action() {
    let (client, _) = bench([Answer::accepted("reply-action-sample.json")]);
    let bare = Action { process: None, resource_name: None, message: None, ..started() };
    assert_eq!(Change::Create.call(&client).await.expect("it is accepted"), Accepted { action: bare });
}

#[tokio::test(start_paused = true)]
async fn every_read_is_a_get_without_a_body_that_carries_the_token() {
    for read in Read::ALL {
        let (client, fake) = bench([Answer::ok(read.payload())]);
        read.call(&client).await.expect("it is understood");
        let seen = fake.only();
        assert_eq!(seen.method, Method::GET);
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {}", fixture::token()).as_str()));
        assert_eq!((seen.header("content-type"), seen.body.len()), (None, 0));
        let accept = seen.header("accept").expect("it says what it takes");
        assert!(accept.contains("application/vnd.cegedim-it.v1+json") && accept.contains("*/*"), "{accept}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_newest_among_the_replies_is_remembered() {
    let date = |date: &str| Answer::ok("reply-actions.json").with("Date", date);
    let (client, fake) = bench([
        date("Fri, 02 Jan 2026 03:07:00 GMT"),
        date("Fri, 02 Jan 2026 03:06:00 GMT"),
        Answer::empty(503).with("Date", "Fri, 02 Jan 2026 03:08:00 GMT"),
        Answer::ok("reply-action-read.json").with("Date", "yesterday"),
    ]);
    let fence = || (client.fence().date, client.fence().action.map(ActionId::get));
    assert_eq!(fence(), (None, None));
    Read::Actions.call(&client).await.expect("it is understood");
    assert_eq!(fence(), (at("2026-01-02T03:07:00Z"), Some(1335)));
    Read::Actions.call(&client).await.expect("it is understood");
    assert_eq!(fence(), (at("2026-01-02T03:07:00Z"), Some(1335)));
    Read::Actions.call(&client).await.expect_err("the API is away");
    Read::Action.call(&client).await.expect("it is understood");
    assert_eq!(fence(), (at("2026-01-02T03:08:00Z"), Some(1335)), "an older action moves nothing back");
    fake.answers([Answer::accepted("odd-action-bare.json").with("Date", "Fri, 02 Jan 2026 03:09:00 GMT")]);
    Change::Stop.call(&client).await.map(drop).expect("it is accepted");
    assert_eq!(fence(), (at("2026-01-02T03:09:00Z"), Some(1335)));
}
