//! What the user asked for so far: the measure of every end. Not here: asking; see `fleet`.

use jiff::Timestamp;
use serde_json::{Value, json};

/// An `ITCareInstance`, deleted ones included.
#[derive(Debug, Clone)]
pub struct Machine {
    pub object: String,
    /// Used by no other object, ever: VMs are counted by it.
    pub host: String,
    pub stop_start: bool,
    pub size: &'static str,
    /// `None`: power is left alone, and only we ever stop it.
    pub power: Option<&'static str>,
    pub monitoring: Option<bool>,
    pub group: Option<u8>,
    pub resets: Vec<Timestamp>,
    pub snapshots: Vec<Snapshot>,
    pub deleted: bool,
}

/// An `ITCareSnapshot`, deleted ones included.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub object: String,
    pub recoveries: Vec<Timestamp>,
    pub deleted: bool,
}

impl Machine {
    pub fn spec(&self) -> Value {
        let mut spec = json!({
            "name": self.host,
            "serviceId": 14,
            "region": "EB",
            "platform": "deb12",
            "size": self.size,
            "resizePolicy": if self.stop_start { "StopStart" } else { "InPlace" },
        });
        if let Some(power) = self.power {
            spec["powerState"] = power.into();
        }
        spec
    }

    /// The snapshot object that is there.
    pub fn snapshot(&mut self) -> Option<&mut Snapshot> {
        self.snapshots.iter_mut().find(|snapshot| !snapshot.deleted)
    }

    /// Processors and memory.
    pub fn sizing(&self) -> (u32, u32) {
        let (cpu, rest) = self.size.split_once("cpu").expect("a size");
        let ram = rest.trim_end_matches("gb");
        (cpu.parse().expect("a number"), ram.parse().expect("a number"))
    }

    /// The state in the cloud.
    pub fn state(&self) -> &'static str {
        if self.power == Some("Stopped") { "INACTIVE" } else { "ACTIVE" }
    }
}
