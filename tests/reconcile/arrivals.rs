//! What is new in a service of many pages: read from the end of its list, and from all of it where the end does not
//! tell.

use std::time::Duration;

use itcare_sim::{Operation, SeedInstance};

use crate::support::{Replica, World, manifest};

/// A service of eleven VMs on six pages, in a cloud that would give a name twice, and the first object of the
/// operator; its whole list was just read.
async fn scene() -> (World, Replica) {
    let mut world = World::lax();
    world.setup.page_size = 2;
    for number in 0..10 {
        world.sim.seed(SeedInstance::new(&format!("PELSEWHERE{number}"), 13));
    }
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    next_sweep(&world).await;
    (world, operator)
}

/// Waits until the whole list was read anew.
async fn next_sweep(world: &World) {
    let whole = || {
        let pages = world.sim.journal();
        pages
            .iter()
            .filter(|entry| entry.operation == Operation::List && entry.query.contains("page=0"))
            .count()
    };
    let before = whole();
    world.wait("a whole list", || if whole() > before { Ok(()) } else { Err("none yet".to_owned()) }).await;
    world.pass(Duration::from_secs(2)).await;
}

/// The pages that were asked for since the journal was cleared.
fn pages(world: &World) -> Vec<String> {
    let lists = world.sim.journal().into_iter().filter(|entry| entry.operation == Operation::List);
    let page = |query: &str| query.split('&').find_map(|part| part.strip_prefix("page=")).map(str::to_owned);
    lists.filter_map(|entry| page(&entry.query)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_creation_reads_the_end_of_the_list_and_not_all_of_it() {
    let (world, _operator) = scene().await;
    world.sim.clear_journal();
    world.apply(manifest::instance("db"));
    world.until_reason("db", "Running").await;
    assert!(!pages(&world).is_empty());
    assert!(!pages(&world).contains(&"0".to_owned()), "{:?}", pages(&world));
    world.quiet().await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_somebody_made_since_the_last_list_takes_the_name() {
    let (world, _operator) = scene().await;
    world.sim.seed(SeedInstance::new("PDB", 13));
    let changes = world.changes().len();
    world.apply(manifest::instance("db"));
    world.until_reason("db", "NameTaken").await;
    world.quiet().await;
    assert_eq!(world.changes().len(), changes);
}

#[tokio::test(start_paused = true)]
async fn deletions_before_the_end_do_not_hide_what_is_new() {
    for gone in 1..10 {
        let (world, _operator) = scene().await;
        for vm in world.sim.instances().iter().filter(|vm| vm.name.starts_with("PELSEWHERE")).take(gone) {
            world.sim.edit(vm.id, |vm| vm.live = false);
        }
        world.sim.seed(SeedInstance::new("PDB", 13));
        let changes = world.changes().len();
        world.apply(manifest::instance("db"));
        world.until_reason("db", "NameTaken").await;
        assert_eq!(world.changes().len(), changes, "{gone} VMs gone before the end");
    }
}

#[tokio::test(start_paused = true)]
async fn where_ids_do_not_grow_the_whole_list_is_read() {
    let (world, _operator) = scene().await;
    let old = |id: i64, name: &str| SeedInstance { id: Some(id), ..SeedInstance::new(name, 13) };
    world.sim.seed(old(101, "PEARLY"));
    next_sweep(&world).await;
    world.sim.seed(old(102, "PDB"));
    let changes = world.changes().len();
    world.apply(manifest::instance("db"));
    world.until_reason("db", "NameTaken").await;
    world.quiet().await;
    assert_eq!(world.changes().len(), changes, "sent on the word of an end that does not show what is new");
}
