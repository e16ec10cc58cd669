//! What the end of a plan may be: that of the good run, or one of the few that the design gives instead.
//!
//! Not here: what one suite alone may find; that is written where its plans are.

use crate::oracle::End;
use crate::plan::Good;
use crate::support::World;
use crate::workload::Workload;

/// The words of the receipts of a one-shot that was given up.
pub const GIVEN_UP: [&str; 4] = ["OutcomeUnknown", "Failed", "Refused", "Expired"];

/// Panics unless the world ended as the good run did, or as the design says instead.
#[track_caller]
pub fn judge(workload: &Workload, world: &World, good: &Good, given_up: &[&str]) {
    let end = End::of(world);
    if end == good.end {
        return;
    }
    if workload.name == "delete-during-create" {
        // The deletion may come before the creation was sent.
        assert_eq!((&end.vms, &end.objects), (&good.end.vms, &good.end.objects), "{}", world.tail());
        assert!(end.made <= good.end.made, "{}", world.tail());
        return;
    }
    if workload.is_one_shot() {
        // Given up rather than sent again (DESIGN 5.2), with a receipt that says so.
        let (less, wish) = (end.clone().without_receipts(), good.end.clone().without_receipts());
        assert_eq!(less, wish, "{}", world.tail());
        let fewer = |(process, count): (&String, &usize)| good.end.effects.get(process) >= Some(count);
        assert!(end.effects.iter().all(fewer), "{:?}\n{}", end.effects, world.tail());
        let receipts: String = end.objects.iter().map(|one| one["receipts"].to_string()).collect();
        assert!(given_up.iter().any(|word| receipts.contains(word)), "{receipts}\n{}", world.tail());
        return;
    }
    assert_eq!(end, good.end, "{}", world.tail());
}
