//! The query strings: every filter of the list and of the actions, under the page's names.

use std::collections::BTreeMap;

use itcare_operator::api::{ActionFilter, InstanceFilter, Priority};
use itcare_operator::model::{ActionStatus, ServiceId};

use crate::calls::VM;
use crate::fake::{Answer, Seen, bench};

async fn listed(filter: InstanceFilter, page: u32) -> Seen {
    let (client, fake) = bench([Answer::ok("reply-list.json")]);
    client.list_page(&filter, page, Priority::Background).await.expect("it is understood");
    fake.only()
}

async fn asked(filter: ActionFilter) -> Seen {
    let (client, fake) = bench([Answer::ok("odd-empty-list.json")]);
    client.actions(&filter, client.permit(Priority::Background).await).await.expect("it is understood");
    fake.only()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_without_filters_asks_for_a_page_in_the_order_of_ids() {
    assert_eq!(listed(InstanceFilter::default(), 0).await.query(), map(&[("page", "0"), ("sort", "id")]));
    assert_eq!(listed(InstanceFilter::default(), 7).await.query(), map(&[("page", "7"), ("sort", "id")]));
}

#[tokio::test(start_paused = true)]
async fn each_filter_of_the_list_is_one_parameter_of_the_page() {
    let plain = InstanceFilter::default;
    let rows = [
        (InstanceFilter { services: vec![ServiceId::new(13)], ..plain() }, ("services", "13")),
        (
            InstanceFilter { services: vec![ServiceId::new(13), ServiceId::new(14)], ..plain() },
            ("services", "13,14"),
        ),
        (
            InstanceFilter { names: words(&["resource01", "!resource02", "resource42"]), ..plain() },
            ("names", "resource01,!resource02,resource42"),
        ),
        (
            InstanceFilter { types: words(&["WINDOWS", "AIX", "LINUX"]), ..plain() },
            ("types", "WINDOWS,AIX,LINUX"),
        ),
        (
            InstanceFilter { families: words(&["DEBIAN", "CENTOS", "RHEL"]), ..plain() },
            ("families", "DEBIAN,CENTOS,RHEL"),
        ),
        (
            InstanceFilter { environments: words(&["PRODUCTION", "DEVELOPMENT"]), ..plain() },
            ("environments", "PRODUCTION,DEVELOPMENT"),
        ),
        (
            InstanceFilter { statuses: words(&["ACTIVE", "INACTIVE"]), ..plain() },
            ("statuses", "ACTIVE,INACTIVE"),
        ),
        (
            InstanceFilter { tags: words(&["mytagkey:mytagvalue", "application:itcare"]), ..plain() },
            ("tags", "mytagkey:mytagvalue,application:itcare"),
        ),
        (InstanceFilter { monitoring: Some(true), ..plain() }, ("monitoringStatus", "true")),
        (InstanceFilter { monitoring_on_call: Some(false), ..plain() }, ("monitoringOnCallStatus", "false")),
        (InstanceFilter { backup: Some(true), ..plain() }, ("backupStatus", "true")),
        (InstanceFilter { recovery: Some(false), ..plain() }, ("recoveryStatus", "false")),
        (InstanceFilter { in_patch_party: Some(true), ..plain() }, ("includedInPatchParty", "true")),
        (
            InstanceFilter { availability_zones: words(&["EB-A", "EB-B", "EB-C"]), ..plain() },
            ("az", "EB-A,EB-B,EB-C"),
        ),
        (InstanceFilter { ip_addresses: words(&["10.59.13.29"]), ..plain() }, ("ip", "10.59.13.29")),
        (InstanceFilter { vlans: words(&["EB_1125_DMZ8"]), ..plain() }, ("vlan", "EB_1125_DMZ8")),
        (InstanceFilter { cloud: Some(42), ..plain() }, ("clouds", "42")),
        (InstanceFilter { size: Some(200), ..plain() }, ("size", "200")),
    ];
    for (filter, (key, value)) in rows {
        let query = listed(filter, 0).await.query();
        assert_eq!(query, map(&[(key, value), ("page", "0"), ("sort", "id")]), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_filters_of_the_list_go_together() {
    let filter = InstanceFilter {
        services: vec![ServiceId::new(13)],
        names: words(&["PEB4MYAPP01"]),
        statuses: words(&["ACTIVE"]),
        backup: Some(false),
        cloud: Some(42),
        size: Some(50),
        ..InstanceFilter::default()
    };
    let wanted = [
        ("services", "13"),
        ("names", "PEB4MYAPP01"),
        ("statuses", "ACTIVE"),
        ("backupStatus", "false"),
        ("clouds", "42"),
        ("size", "50"),
        ("page", "3"),
        ("sort", "id"),
    ];
    assert_eq!(listed(filter, 3).await.query(), map(&wanted));
}

#[tokio::test(start_paused = true)]
async fn the_filters_of_the_actions_are_the_pages() {
    assert_eq!(asked(ActionFilter::default()).await.raw_query, None);
    let statuses = vec![
        ActionStatus::InProgress,
        ActionStatus::Success,
        ActionStatus::Error,
        ActionStatus::Other("WAITING".to_owned()),
    ];
    let plain = ActionFilter::default;
    let rows = [
        (
            ActionFilter { resource_name: Some("PEB4MYAPP01".to_owned()), ..plain() },
            ("resourceName", "PEB4MYAPP01"),
        ),
        (ActionFilter { resource_id: Some(VM), ..plain() }, ("resourceId", "5220149")),
        (ActionFilter { service_id: Some(ServiceId::new(13)), ..plain() }, ("serviceId", "13")),
        (ActionFilter { statuses: vec![ActionStatus::InProgress], ..plain() }, ("statuses", "IN_PROGRESS")),
        (ActionFilter { statuses, ..plain() }, ("statuses", "IN_PROGRESS,SUCCESS,ERROR,WAITING")),
        (ActionFilter { request_id: Some("41822".to_owned()), ..plain() }, ("requestId", "41822")),
    ];
    for (filter, pair) in rows {
        assert_eq!(asked(filter).await.query(), map(&[pair]));
    }
    let all = ActionFilter {
        resource_name: Some("PEB4MYAPP01".to_owned()),
        resource_id: Some(VM),
        service_id: Some(ServiceId::new(13)),
        statuses: vec![ActionStatus::InProgress],
        request_id: Some("41822".to_owned()),
    };
    let wanted = [
        ("resourceName", "PEB4MYAPP01"),
        ("resourceId", "5220149"),
        ("serviceId", "13"),
        ("statuses", "IN_PROGRESS"),
        ("requestId", "41822"),
    ];
    assert_eq!(asked(all).await.query(), map(&wanted));
}

#[tokio::test(start_paused = true)]
async fn what_has_a_meaning_in_a_query_is_escaped() {
    for name in ["A&size=1", "A=B", "A#B", "A B", "A+B", "A%2C", "é", "A;B", "\"<'>"] {
        let filter = InstanceFilter { names: words(&[name]), ..InstanceFilter::default() };
        let seen = listed(filter, 0).await;
        assert_eq!(seen.query(), map(&[("names", name), ("page", "0"), ("sort", "id")]), "{name}");
        let filter = ActionFilter { resource_name: Some(name.to_owned()), ..ActionFilter::default() };
        assert_eq!(asked(filter).await.query(), map(&[("resourceName", name)]), "{name}");
    }
}
