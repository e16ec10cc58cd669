//! Lists that show less than there is: what is missing in them was not shown to be gone (DESIGN 5.6, 8).

use std::time::Duration;

use itcare_sim::{Account, Fault, FaultKind, Match, Operation, SeedInstance};
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn a_list_that_changed_between_its_pages_does_not_show_that_a_name_is_free() {
    // Nothing but the list keeps a second VM of that name from being made.
    let mut world = World::lax();
    world.setup.page_size = 2;
    for name in ["PWEB", "PDB", "PMAIL", "PFILES"] {
        world.sim.seed(SeedInstance::new(name, 13));
    }
    // Each page begins one item late: the first one, ours, is on none, and the server counts it all the same.
    world.sim.inject(Fault::always(Match::operation(Operation::List), FaultKind::ShiftPage));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "ProgressingWithRetry").await;
    world.pass(Duration::from_secs(600)).await;
    assert_eq!(world.changes().len(), 0, "sent on the word of a list with a hole:\n{}", world.tail());
    world.sim.clear_faults();
    world.until_reason("web", "NameTaken").await;
    world.quiet().await;
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn ids_that_vanish_together_prove_nothing_and_their_objects_stay() {
    let world = World::new();
    let _operator = world.start();
    for name in ["web", "db"] {
        world.apply(manifest::instance(name));
        world.until_reason(name, "Running").await;
    }
    let [web, db] = ["web", "db"].map(|name| world.instance(name).id());
    // An account that sees nothing any more is not refused: it lists nothing, and knows no id.
    world.sim.inject(Fault::always(Match::operation(Operation::List), FaultKind::EmptyList));
    world.sim.inject(Fault::always(Match::operation(Operation::Detail), FaultKind::NotFound));
    world.pass(Duration::from_secs(150)).await;
    world.delete("web");
    world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
    world.pass(Duration::from_secs(3600)).await;
    assert!(world.instance("web").message().contains("several VMs vanished at once"));
    assert!(world.sim.instance(web).expect("it is there").live);
    world.sim.clear_faults();
    world.until_gone("itcareinstances", "web").await;
    world.until_reason("db", "Running").await;
    let live = [web, db].map(|id| world.sim.instance(id).expect("it existed").live);
    assert_eq!(live, [false, true]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_vanishes_alone_is_let_go_though_nobody_deleted_it() {
    // The other side of the test above: with a second VM that is still seen, absence can be proved.
    let world = World::new();
    let _operator = world.start();
    for name in ["web", "db"] {
        world.apply(manifest::instance(name));
        world.until_reason(name, "Running").await;
    }
    world.sim.edit(world.instance("web").id(), |vm| vm.live = false);
    world.pass(Duration::from_secs(150)).await;
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.count(Operation::Delete), 0);
    world.patch("db", json!({"powerState": "Stopped"}));
    world.until_reason("db", "Stopped").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn ids_that_vanish_together_from_two_services_prove_nothing_until_another_one_reads_right() {
    let world = World::new();
    let _operator = world.start();
    for (name, service) in [("web", 13), ("db", 14), ("mail", 13), ("files", 14)] {
        world.apply(manifest::with(name, json!({"serviceId": service})));
        world.until_reason(name, "Running").await;
    }
    for name in ["web", "db"] {
        world.sim.edit(world.instance(name).id(), |vm| vm.live = false);
    }
    // The witnesses cannot be read for an hour: nothing shows that the account still sees these services.
    for name in ["mail", "files"] {
        let matches =
            Match { instance: Some(world.instance(name).id()), ..Match::operation(Operation::Detail) };
        world.sim.inject(Fault::always(matches, FaultKind::status(500, false)));
    }
    world.pass(Duration::from_secs(150)).await;
    for name in ["web", "db"] {
        world.delete(name);
        world.until(name, "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
    }
    world.pass(Duration::from_secs(3600)).await;
    assert!(!world.is_gone("itcareinstances", "web") && !world.is_gone("itcareinstances", "db"));
    world.sim.clear_faults();
    for name in ["web", "db"] {
        world.until_gone("itcareinstances", name).await;
    }
    world.quiet().await;
    assert_eq!(world.count(Operation::Delete), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn under_another_account_a_404_counts_again_once_another_vm_of_the_service_reads_right() {
    for witness in [true, false] {
        let world = World::new();
        let services = Some([13].into_iter().collect());
        world.sim.accounts(|accounts| {
            let account = Account { client_id: "renewed-sa".to_owned(), services, ..Account::default() };
            accounts.list.push(account);
        });
        let operator = world.start();
        for name in ["web", "db"] {
            world.apply(manifest::instance(name));
            world.until_reason(name, "Running").await;
        }
        operator.kill();
        world.sim.edit(world.instance("web").id(), |vm| vm.live = false);
        if !witness {
            let matches =
                Match { instance: Some(world.instance("db").id()), ..Match::operation(Operation::Detail) };
            world.sim.inject(Fault::always(matches, FaultKind::status(500, false)));
        }
        let renewed = crate::support::Setup { client_id: "renewed-sa".to_owned(), ..world.setup.clone() };
        let _operator = world.start_with(&renewed);
        world.delete("web");
        if !witness {
            world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
            world.pass(Duration::from_secs(8 * 3600)).await;
            assert!(!world.is_gone("itcareinstances", "web"));
            world.sim.clear_faults();
        }
        world.until_gone("itcareinstances", "web").await;
        world.quiet().await;
        assert_eq!(world.count(Operation::Delete), 0, "{witness}");
        assert!(world.instance("db").is_ready(), "{witness}: {:?}", world.instance("db"));
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn under_another_account_nothing_is_created_in_place_of_what_the_first_one_may_have_made() {
    let world = World::new();
    world.sim.accounts(|accounts| {
        let services = Some([13].into_iter().collect());
        accounts.list.push(Account { client_id: "renewed-sa".to_owned(), services, ..Account::default() });
    });
    // Under the first account its creation fails again and again: there is a ledger, and no VM.
    let fails = FaultKind::ActionFails("no host has room".to_owned());
    let matches = Match { name: Some("PWEB".to_owned()), ..Match::operation(Operation::Create) };
    world.sim.inject(Fault::always(matches, fails));
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "failed", |seen| seen.is_stalled("ActionFailed")).await;
    operator.kill();
    world.sim.clear_faults();
    let sent = world.count(Operation::Create);
    let renewed = crate::support::Setup { client_id: "renewed-sa".to_owned(), ..world.setup.clone() };
    let _operator = world.start_with(&renewed);
    world.until("web", "held", |seen| seen.is_stalled("DeletionBlocked")).await;
    assert!(world.instance("web").message().contains("account"), "{:?}", world.instance("web"));
    world.pass(Duration::from_secs(8 * 3600)).await;
    assert_eq!(world.count(Operation::Create), sent, "{}", world.tail());
    // Another VM of the service reads right under it: the account sees what there is.
    let id = world.sim.seed(SeedInstance::new("PDB", 13));
    world.apply(manifest::with("db", json!({"instanceId": id})));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(world.count(Operation::Create), sent + 1, "{}", world.tail());
    world.audit();
}
