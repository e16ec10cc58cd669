//! What a process costs, as the kernel counts it: processor time, memory, descriptors. Linux only.

use std::fs;
use std::time::Duration;

/// The processor time of all its threads so far.
pub fn cpu(id: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("the process runs, on Linux");
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Resident memory in MiB.
pub fn resident(id: u32) -> f64 {
    field(id, "VmRSS:")
}

/// The most that it was since [`reset_peak`].
pub fn peak(id: u32) -> f64 {
    field(id, "VmHWM:")
}

/// The peak is counted anew from here.
pub fn reset_peak(id: u32) {
    fs::write(format!("/proc/{id}/clear_refs"), "5").expect("one's own children may be reset");
}

/// Open descriptors.
pub fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).expect("the process runs, on Linux").count()
}

#[expect(clippy::cast_precision_loss, reason = "KiB of one process")]
fn field(id: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs, on Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
    let kib: u64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("KiB");
    kib as f64 / 1024.0
}
