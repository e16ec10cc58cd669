//! The client's filters against the simulator: each finds what it names and nothing else.

use itcare_operator::api::{ActionFilter, InstanceFilter, Priority};
use itcare_operator::model::{ActionStatus, InstanceId, ServiceId};
use itcare_sim::{Config, Outcome, SeedInstance, Sim};

use crate::cloud::Cloud;

/// Three instances that differ in everything: ids 1, 2 and 3.
fn three() -> Cloud {
    let sim = Sim::new(Config::explicit());
    let seed =
        |id, name: &str, service_id| SeedInstance { id: Some(id), ..SeedInstance::new(name, service_id) };
    sim.seed(SeedInstance {
        monitoring: true,
        backup: true,
        replication: true,
        ..seed(1, "PEB4MYAPP01", 13)
    });
    sim.seed(SeedInstance {
        platform: "rhel9".to_owned(),
        patch_excluded: true,
        ..seed(2, "PEB4MYAPP02", 14).stopped()
    });
    sim.seed(SeedInstance {
        platform: "win2022".to_owned(),
        region: "ET".to_owned(),
        ..seed(3, "PEB4MYAPP03", 15)
    });
    sim.edit(3, |instance| {
        instance.on_call = true;
        instance.network_id = 1126;
    });
    sim.config(|config| {
        if let Some(service) = config.catalogue.services.iter_mut().find(|service| service.id == 15) {
            service.cloud_id = 43;
        }
    });
    Cloud::of(sim)
}

async fn found(cloud: &Cloud, filter: InstanceFilter) -> Vec<i64> {
    let listing = cloud.client.list_all(&filter, Priority::User).await.expect("it is understood");
    assert!(listing.complete);
    listing.items.iter().map(|item| item.id.get()).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_filter_of_the_list_finds_what_it_names() {
    let cloud = three();
    let plain = InstanceFilter::default;
    let address = cloud.sim.instance(2).expect("it is there").ip_address;
    let rows = [
        (plain(), vec![1, 2, 3]),
        (InstanceFilter { services: vec![ServiceId::new(14)], ..plain() }, vec![2]),
        (InstanceFilter { services: vec![ServiceId::new(13), ServiceId::new(15)], ..plain() }, vec![1, 3]),
        (InstanceFilter { names: words(&["peb4myapp03"]), ..plain() }, vec![3]),
        (InstanceFilter { names: words(&["PEB4MYAPP01", "PEB4MYAPP02"]), ..plain() }, vec![1, 2]),
        (InstanceFilter { names: words(&["!PEB4MYAPP02"]), ..plain() }, vec![1, 3]),
        (InstanceFilter { types: words(&["WINDOWS", "AIX"]), ..plain() }, vec![3]),
        (InstanceFilter { families: words(&["DEBIAN", "RHEL"]), ..plain() }, vec![1, 2]),
        (InstanceFilter { environments: words(&["PRODUCTION"]), ..plain() }, vec![1]),
        (InstanceFilter { statuses: words(&["INACTIVE"]), ..plain() }, vec![2]),
        (InstanceFilter { statuses: words(&["ACTIVE", "INACTIVE"]), ..plain() }, vec![1, 2, 3]),
        (InstanceFilter { monitoring: Some(true), ..plain() }, vec![1]),
        (InstanceFilter { monitoring: Some(false), ..plain() }, vec![2, 3]),
        (InstanceFilter { monitoring_on_call: Some(true), ..plain() }, vec![3]),
        (InstanceFilter { backup: Some(true), ..plain() }, vec![1]),
        (InstanceFilter { recovery: Some(false), ..plain() }, vec![2, 3]),
        (InstanceFilter { in_patch_party: Some(false), ..plain() }, vec![2]),
        (InstanceFilter { in_patch_party: Some(true), ..plain() }, vec![1, 3]),
        (InstanceFilter { availability_zones: words(&["ET-A"]), ..plain() }, vec![3]),
        (InstanceFilter { ip_addresses: vec![address], ..plain() }, vec![2]),
        (InstanceFilter { vlans: words(&["ET_1126_DMZ8"]), ..plain() }, vec![3]),
        (InstanceFilter { cloud: Some(43), ..plain() }, vec![3]),
        (InstanceFilter { size: Some(1), ..plain() }, vec![1, 2, 3]),
    ];
    for (filter, expected) in rows {
        assert_eq!(found(&cloud, filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn filters_of_the_list_narrow_each_other() {
    let cloud = three();
    let filter = InstanceFilter {
        statuses: words(&["ACTIVE"]),
        monitoring: Some(false),
        names: words(&["!PEB4MYAPP02"]),
        ..InstanceFilter::default()
    };
    assert_eq!(found(&cloud, filter.clone()).await, [3]);
    assert_eq!(found(&cloud, InstanceFilter { backup: Some(true), ..filter }).await, Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn each_filter_of_the_actions_finds_what_it_names() {
    let cloud = three();
    let begin = |id, process: &str| cloud.sim.start_foreign_action(id, process, "jdoe");
    let (first, second, third) = (begin(1, "vm_backup"), begin(2, "vm_backup"), begin(3, "vm_backup"));
    cloud.sim.complete(second, Outcome::Success);
    cloud.sim.complete(third, Outcome::Error("no space left".to_owned()));
    let plain = ActionFilter::default;
    let with = |statuses: &[ActionStatus]| ActionFilter { statuses: statuses.to_vec(), ..plain() };
    let rows = [
        (plain(), vec![first, second, third]),
        (ActionFilter { resource_name: Some("peb4myapp02".to_owned()), ..plain() }, vec![second]),
        (ActionFilter { resource_id: Some(InstanceId::new(3)), ..plain() }, vec![third]),
        (ActionFilter { service_id: Some(ServiceId::new(13)), ..plain() }, vec![first]),
        (with(&[ActionStatus::InProgress]), vec![first]),
        (with(&[ActionStatus::Success, ActionStatus::Error]), vec![second, third]),
        (with(&[ActionStatus::Other("QUIESCED".to_owned())]), vec![]),
        (ActionFilter { resource_id: Some(InstanceId::new(3)), ..with(&[ActionStatus::InProgress]) }, vec![]),
    ];
    for (filter, expected) in rows {
        let actions = cloud
            .client
            .actions(&filter, cloud.client.permit(Priority::User).await)
            .await
            .expect("it is understood");
        let ids: Vec<i64> = actions.iter().map(|action| action.id.get()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}
