//! Somebody else in the same cloud: switches, resizes, renames, removes, snapshots, and makes VMs.

use itcare_sim::{InstanceRecord, SeedInstance};

use crate::story::Story;
use crate::support::World;
use crate::users::{host, service};

/// Who it is, in ITCare's records.
const COLLEAGUE: &str = "colleague@example.com";

impl Story {
    /// Somebody does something to the VM of that object, or makes one of that name.
    pub fn outsider(&mut self, world: &World, name: &str) {
        let host = host(name);
        let live: Vec<InstanceRecord> = world.sim.instances().into_iter().filter(|vm| vm.live).collect();
        let Some(vm) = live.into_iter().rfind(|vm| vm.name == host) else {
            let coming = world.sim.running().iter().any(|action| action.resource_name == host);
            if self.draw.one_in(4) && !coming {
                self.outside("made", format!("a VM {host}"));
                world.sim.seed(SeedInstance::new(&host, service(name)));
            }
            return;
        };
        let idle = world.sim.running().iter().all(|action| action.instance != vm.id);
        match self.draw.below(12) {
            0 | 1 if idle => {
                let process = *self.draw.pick(&["vm_stop", "vm_start"]);
                self.outside("power", format!("{process} of {host} ({})", vm.id));
                world.sim.start_foreign_action(vm.id, process, COLLEAGUE);
            }
            2 | 3 => {
                self.outside("resized", format!("{host} ({})", vm.id));
                world.sim.edit(vm.id, |vm| (vm.cpu, vm.ram) = (1, 2));
            }
            4 | 5 => {
                self.outside("switched", format!("the backup of {host} ({})", vm.id));
                world.sim.edit(vm.id, |vm| vm.backup = !vm.backup);
            }
            6 if idle => {
                self.outside("removed", format!("{host} ({})", vm.id));
                world.sim.edit(vm.id, |vm| vm.live = false);
            }
            7 if idle => {
                self.outside("deleted", format!("{host} ({}), which takes its time", vm.id));
                world.sim.start_foreign_action(vm.id, "vm_delete", COLLEAGUE);
            }
            8 => {
                self.outside("renamed", format!("{host} ({})", vm.id));
                self.renamed.insert(vm.id, vm.name.clone());
                world.sim.edit(vm.id, |vm| vm.name = format!("{}-OLD", vm.name));
            }
            9 if idle && vm.snapshots.is_empty() => {
                self.outside("snapshot", format!("of {host} ({})", vm.id));
                world.sim.start_foreign_action(vm.id, "vm_create_snapshot", COLLEAGUE);
            }
            10 if idle && !vm.snapshots.is_empty() => {
                self.outside("snapshot gone", format!("of {host} ({})", vm.id));
                world.sim.start_foreign_action(vm.id, "vm_delete_snapshot", COLLEAGUE);
            }
            _ => {
                self.outside("long action", format!("on {host} ({})", vm.id));
                world.sim.start_foreign_action(vm.id, "vm_antivirus_scan", COLLEAGUE);
            }
        }
    }

    fn outside(&mut self, what: &str, of: String) {
        self.say(format!("somebody else: {what} {of}"));
        self.tally.add(format!("outside: {what}"), 1);
    }

    /// What was renamed gets its name back, unless that is taken by now.
    pub fn name_back(&mut self, world: &World) {
        for (id, name) in std::mem::take(&mut self.renamed) {
            let taken = world.sim.instances().iter().any(|vm| vm.live && vm.name == name);
            if !taken && world.sim.instance(id).is_some_and(|vm| vm.live) {
                self.say(format!("{id} is called {name} again"));
                world.sim.edit(id, |vm| vm.name = name);
            }
        }
    }
}
