//! What the status shows of a VM.

use itcare_operator::model::Observed;
use itcare_operator::model::remote::{FileSystem, Network};

use crate::fixture::{Case, NOW, detail};

#[test]
fn file_systems_and_network_are_shown_as_read_each_mount_point_once() {
    let mut case = Case::managed();
    case.object.reconcile_requested = Some("now".to_owned());
    let system = |mount_point: &str, size_gb| FileSystem {
        mount_point: mount_point.to_owned(),
        kind: Some("ext4".to_owned()),
        size_gb: Some(size_gb),
    };
    let network = Network {
        id: Some(1125),
        cidr: Some("10.59.144.0/24".to_owned()),
        gateway: Some("10.59.144.254".to_owned()),
        ip_address: None,
        dns: vec!["pweb01".to_owned()],
    };
    let mut shown = detail();
    shown.file_systems = Some(vec![system("/", 60), system("/data", 200), system("/", 1)]);
    shown.network = Some(network);
    case.cloud.detail = Observed::Present { value: shown, at: NOW };
    let status = case.next().status;
    let systems: Vec<_> =
        status.file_systems.iter().map(|one| (one.mount_point.as_str(), one.size_gb)).collect();
    assert_eq!(systems, [("/", Some(60)), ("/data", Some(200))]);
    assert_eq!(status.file_systems[0].kind.as_deref(), Some("ext4"));
    let network = status.network.expect("it was read");
    assert_eq!(
        (network.id, network.cidr.as_deref(), network.gateway.as_deref(), network.dns.as_slice()),
        (Some(1125), Some("10.59.144.0/24"), Some("10.59.144.254"), ["pweb01".to_owned()].as_slice())
    );
}
