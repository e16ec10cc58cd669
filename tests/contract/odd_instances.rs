//! Details, storage and networks in every form that the API may give them.

use itcare_operator::api::Priority;
use itcare_operator::model::remote::{FileSystem, Monitoring, Network, Patching, Storage};
use itcare_operator::model::{Detail, FailureClass, HostName, InstanceState, ServiceId, Size, Slot};

use crate::calls::{Read, VM, snapshot_id};
use crate::fake::{Answer, bench};
use crate::fixture;
use crate::reads::{network, patching, slot, some, storage};

async fn read(name: &str) -> Detail {
    let (client, _) = bench([Answer::ok(name)]);
    client.detail(VM, client.permit(Priority::User).await).await.expect("it is understood")
}

/// A detail that says no more than it must.
fn bare() -> Detail {
    Detail {
        id: VM,
        name: HostName::new("PEB4MYAPP01"),
        service: None,
        state: InstanceState::Active,
        size: None,
        storage_gb: None,
        file_systems: None,
        ip_address: None,
        network: None,
        region: None,
        area: None,
        availability_zone: None,
        os: None,
        environment: None,
        service_name: None,
        monitoring: Monitoring::default(),
        patching: None,
        replication: None,
        backup: None,
        slot: None,
        creation_time: None,
        creation_user: None,
    }
}

#[tokio::test(start_paused = true)]
async fn nearly_everything_may_be_missing() {
    assert_eq!(read("odd-detail-bare.json").await, bare());
}

#[tokio::test(start_paused = true)]
async fn nearly_everything_may_be_null() {
    assert_eq!(read("odd-detail-nulls.json").await, bare());
}

#[tokio::test(start_paused = true)]
async fn a_value_of_a_type_that_nobody_foresaw_counts_as_not_given() {
    assert_eq!(read("odd-detail-other-types.json").await, bare());
}

#[tokio::test(start_paused = true)]
async fn parts_without_content_count_as_not_given() {
    let expected = Detail { patching: Some(Patching::default()), ..bare() };
    assert_eq!(read("odd-detail-empty-parts.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_passed_over_at_every_depth() {
    let expected = Detail {
        patching: Some(patching()),
        network: Some(network()),
        ip_address: some("10.59.13.29"),
        slot: Some(slot()),
        ..bare()
    };
    assert_eq!(read("odd-detail-unknown-fields.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn amounts_may_be_quoted_or_fractional() {
    let expected = Detail {
        size: Some(Size { cpu: 2, memory_gb: 4 }),
        storage_gb: Some(60),
        file_systems: Some(storage().file_systems),
        network: Some(Network { id: Some(1125), ..Network::default() }),
        slot: Some(slot()),
        ..bare()
    };
    assert_eq!(read("odd-detail-numbers-quoted.json").await, expected);
    assert_eq!(read("odd-detail-numbers-fractional.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn sizes_in_gb_are_rounded() {
    let system = |mount_point: &str, size_gb| FileSystem {
        mount_point: mount_point.to_owned(),
        kind: None,
        size_gb: Some(size_gb),
    };
    let snapshot = Slot {
        id: snapshot_id(),
        description: None,
        created_at: None,
        created_by: None,
        expires_at: None,
        recovered_at: None,
        size_gb: Some(30),
    };
    let expected = Detail {
        storage_gb: Some(60),
        file_systems: Some(vec![system("/", 40), system("/data", 20)]),
        slot: Some(snapshot),
        ..bare()
    };
    assert_eq!(read("odd-detail-sizes-rounded.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn half_a_size_is_none() {
    assert_eq!(read("odd-detail-half-a-size.json").await, bare());
}

#[tokio::test(start_paused = true)]
async fn address_and_storage_may_be_known_from_their_parts_only() {
    let expected = Detail {
        storage_gb: Some(60),
        file_systems: Some(storage().file_systems),
        ip_address: some("10.59.13.29"),
        network: Some(network()),
        ..bare()
    };
    assert_eq!(read("odd-detail-sizes-in-parts.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_patch_group_may_be_a_number() {
    let expected = Detail { patching: Some(patching()), ..bare() };
    assert_eq!(read("odd-detail-patch-group-number.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn flags_may_be_zero_and_one() {
    let expected = Detail {
        monitoring: Monitoring { enabled: Some(true), alerting: Some(false), on_call: Some(false) },
        backup: Some(true),
        replication: Some(true),
        patching: Some(patching()),
        ..bare()
    };
    assert_eq!(read("odd-detail-flags-numbers.json").await, expected);
}

#[tokio::test(start_paused = true)]
async fn ids_may_be_text() {
    assert_eq!(read("odd-detail-id-text.json").await, Detail { service: Some(ServiceId::new(13)), ..bare() });
}

#[tokio::test(start_paused = true)]
async fn a_removed_instance_is_read_like_any_other() {
    let service = Some(ServiceId::new(13));
    let removed = read("odd-detail-removed.json").await;
    assert!(!removed.listed().is_live());
    assert_eq!(removed, Detail { service, state: InstanceState::Removed, ..bare() });
}

#[tokio::test(start_paused = true)]
async fn an_unknown_state_is_kept_as_a_word_and_is_neither_running_nor_stopped() {
    let state = InstanceState::Other("Migrating".to_owned());
    assert_eq!((state.power(), state.as_str()), (None, "Migrating"));
    let service = Some(ServiceId::new(13));
    assert_eq!(read("odd-detail-unknown-status.json").await, Detail { service, state, ..bare() });
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_state_exists_and_is_in_transit() {
    for body in [
        r#"{"id": 5220149, "name": "PEB4MYAPP01"}"#,
        r#"{"id": 5220149, "name": "PEB4MYAPP01", "status": 7.5}"#,
    ] {
        let (client, _) = bench([Answer::new(200, body)]);
        let detail = client.detail(VM, client.permit(Priority::User).await).await.expect("it is understood");
        assert_eq!(detail.state.power(), None);
        assert!(detail.listed().is_live());
        assert_eq!(detail, Detail { state: InstanceState::Other(String::new()), ..bare() });
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_told_from_others_is_garbled() {
    let bodies = [
        fixture::bytes("odd-detail-without-name.json"),
        fixture::bytes("odd-action-without-id.json"),
        fixture::bytes("odd-empty-object.json"),
        fixture::bytes("odd-null.json"),
        fixture::bytes("odd-nothing.txt"),
        fixture::bytes("odd-error-page.html"),
        r#"{"id": -1, "name": "PEB4MYAPP01", "status": "ACTIVE"}"#.into(),
    ];
    for body in bodies {
        let (client, _) = bench([Answer::new(200, body.clone())]);
        let error = Read::Detail.call(&client).await.expect_err("it cannot be understood");
        assert_eq!(error.class(), FailureClass::Garbled, "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_may_be_known_in_part_or_not_at_all() {
    let part = Network { id: Some(1125), ip_address: some("10.59.13.29"), ..Network::default() };
    let rows = [
        (Answer::ok("odd-network-bare.json"), part),
        (Answer::ok("odd-empty-object.json"), Network::default()),
        (Answer::ok("odd-null.json"), Network::default()),
        (Answer::ok("odd-nothing.txt"), Network::default()),
        (Answer::empty(204), Network::default()),
    ];
    for (answer, expected) in rows {
        let (client, _) = bench([answer]);
        assert_eq!(
            client.network(VM, client.permit(Priority::User).await).await.expect("it is understood"),
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn storage_may_be_known_in_part_or_not_at_all() {
    let system =
        |mount_point: &str, size_gb| FileSystem { mount_point: mount_point.to_owned(), kind: None, size_gb };
    // What is mounted nowhere is no file system for anybody.
    let part =
        Storage { file_systems: vec![system("C:\\", Some(60)), system("/opt", None)], total_gb: Some(60) };
    let rows = [
        (Answer::ok("odd-storage-parts.json"), part),
        (Answer::ok("odd-empty-object.json"), Storage::default()),
        (Answer::ok("odd-null.json"), Storage::default()),
        (Answer::ok("odd-nothing.txt"), Storage::default()),
        (Answer::empty(204), Storage::default()),
    ];
    for (answer, expected) in rows {
        let (client, _) = bench([answer]);
        assert_eq!(
            client.storage(VM, client.permit(Priority::User).await).await.expect("it is understood"),
            expected
        );
    }
}
