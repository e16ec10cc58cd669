//! `kubectl delete namespace`, with the real namespace controller: it deletes whatever it finds, in its own order, and
//! comes back until nothing is left. Every VM must go, once, and the namespace after it.
//!
//! The credentials are the operator's own, not the namespace's, so no order can take them away too early.

use std::time::Duration;

use itcare_lab::eventually::eventually;
use itcare_sim::Operation;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PropagationPolicy};
use kube::{Api, Client};
use serde_json::json;

use crate::dice::Dice;
use crate::moment::Moment;
use crate::oracle::{rests, secrets_are_kept};
use crate::shop::{SNAPSHOT, Shop, VM, is_ready, plane};

/// The namespace controller waits longer and longer between its looks at a namespace that is not yet empty.
const GONE_WITHIN: Duration = Duration::from_secs(180);

/// What was deleted before the namespace was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Nothing: the namespace takes everything at once.
    Namespace,
    InstancesFirst,
    SnapshotsFirst,
    /// Each object, and then the namespace.
    ObjectsFirst,
    /// Nothing, and the VMs are only now being made.
    WhileCreating,
}

const ORDERS: [Order; 5] = [
    Order::Namespace,
    Order::InstancesFirst,
    Order::SnapshotsFirst,
    Order::ObjectsFirst,
    Order::WhileCreating,
];

const VMS: [&str; 2] = ["one", "two"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_namespace_takes_its_vms_with_it_in_any_order_and_across_kills() {
    let plane = plane().await;
    let namespaces: Vec<String> = (0..ORDERS.len()).map(|index| format!("gone-{index}")).collect();
    let watch: Vec<String> = namespaces.iter().map(|name| format!("--watch-namespace={name}")).collect();
    let flags: Vec<&str> =
        watch.iter().map(String::as_str).chain(["--leader-elect=false", "--log-level=debug"]).collect();
    let shop = Shop::open(plane, "gone", &flags).await;
    shop.cloud.quirks(json!({"unique_names": false, "single_slot": false})).await;
    let mut operator = shop.operator();
    for (namespace, order) in namespaces.iter().zip(ORDERS) {
        shop.add_namespace(namespace).await;
        if order != Order::WhileCreating {
            fill(&shop, namespace).await;
        }
    }
    for (namespace, order) in namespaces.iter().zip(ORDERS) {
        if order != Order::WhileCreating {
            until_full(&shop, namespace).await;
        }
    }
    let mut dice = Dice::new(4);
    for (namespace, order) in namespaces.iter().zip(ORDERS) {
        delete(&shop, namespace, order).await;
    }
    // In the middle, four times over.
    let mut last = 0;
    for _ in 0..4 {
        let moment = Moment::draw(&mut dice);
        last = moment.arm(&shop, last).await;
        moment.come(&shop, last).await;
        operator.kill().await;
        shop.cloud.clear_faults().await;
        operator = shop.operator();
    }
    let client = shop.plane.admin().expect("a client");
    for namespace in &namespaces {
        until_gone(&client, namespace, &shop).await;
    }
    let (vms, calls) = (shop.cloud.instances().await, shop.cloud.calls().await);
    assert!(vms.len() >= VMS.len() * (ORDERS.len() - 1), "{}", vms.len());
    for vm in &vms {
        let removals = calls.iter().filter(|call| {
            call.operation == Operation::Delete && call.instance == Some(vm.id) && call.effect
        });
        assert_eq!((vm.live, removals.count()), (false, 1), "{}", vm.name);
        assert_eq!(vms.iter().filter(|other| other.name == vm.name).count(), 1, "{} twice", vm.name);
    }
    rests(&shop).await;
    secrets_are_kept(&shop);
    operator.terminate().await;
}

fn host(namespace: &str, name: &str) -> String {
    format!("D{}{}", namespace.replace('-', ""), name).to_uppercase()
}

/// Two VMs, one of them with a snapshot.
async fn fill(shop: &Shop, namespace: &str) {
    for name in VMS {
        let spec = json!({
            "name": host(namespace, name), "serviceId": 14, "region": "EB", "platform": "deb12",
            "size": "2cpu4gb", "powerState": "Running",
        });
        shop.apply_in(namespace, VM, name, spec).await;
    }
    let spec = json!({"instanceRef": {"name": VMS[0]}});
    shop.apply_in(namespace, SNAPSHOT, "before", spec).await;
}

async fn until_full(shop: &Shop, namespace: &str) {
    for (kind, name) in [(VM, VMS[0]), (VM, VMS[1]), (SNAPSHOT, "before")] {
        eventually(crate::SOON, format!("{namespace}/{name} is ready"), || async {
            let seen = shop.api(namespace, kind).get(name).await.map_err(|error| error.to_string())?;
            let seen = serde_json::to_value(seen).expect("an object is JSON");
            if is_ready(&seen) { Ok(()) } else { Err(seen["status"].to_string()) }
        })
        .await;
    }
}

async fn delete(shop: &Shop, namespace: &str, order: Order) {
    let background =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    let (instances, snapshots) = (shop.api(namespace, VM), shop.api(namespace, SNAPSHOT));
    if order == Order::WhileCreating {
        fill(shop, namespace).await;
        // One of them has been taken up; how far is chance.
        eventually(crate::SOON, "a creation begins", || async {
            let seen = instances.get(VMS[0]).await.expect("it is there");
            if seen.metadata.finalizers.is_some() { Ok(()) } else { Err("not yet") }
        })
        .await;
    }
    if [Order::SnapshotsFirst, Order::ObjectsFirst].contains(&order) {
        snapshots.delete("before", &background).await.expect("it is there");
    }
    if [Order::InstancesFirst, Order::ObjectsFirst].contains(&order) {
        for name in VMS {
            instances.delete(name, &background).await.expect("it is there");
        }
    }
    let namespaces: Api<Namespace> = Api::all(shop.plane.admin().expect("a client"));
    namespaces.delete(namespace, &background).await.expect("it is there");
}

async fn until_gone(client: &Client, namespace: &str, shop: &Shop) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    eventually(GONE_WITHIN, format!("{namespace} is gone"), || async {
        match namespaces.get_opt(namespace).await {
            Ok(None) => Ok(()),
            Ok(Some(seen)) => {
                let objects = shop.api(namespace, VM).list(&Default::default()).await;
                Err(format!("{:?} {objects:?}", seen.status))
            }
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}
