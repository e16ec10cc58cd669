//! The system's randomness, replaced by a sequence that a seed tells.
//!
//! The standard library takes the keys of its hash maps from the system, and tokio its choice among branches that
//! are ready together. A program that links this crate and calls [`begin`] takes them from here, so that the order
//! in which equal things happen is the same in each run: the symbol stands in the executable, before the C
//! library's. For tests alone: nothing that comes from here is a secret. Not here: threads; whoever draws in two
//! of them at once gets the same numbers, in an order that nobody tells.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64's state.
static STATE: AtomicU64 = AtomicU64::new(0);

/// From now on the sequence of this seed is drawn.
pub fn begin(seed: u64) {
    STATE.store(seed, Ordering::SeqCst);
}

fn number() -> u64 {
    let state = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// # Safety
/// `buffer` must be good for writing `length` bytes.
#[expect(unsafe_code, reason = "the C interface hands over a pointer and a length")]
unsafe fn fill(buffer: *mut u8, length: usize) {
    for index in 0..length {
        let byte = number().to_le_bytes()[0];
        // SAFETY: the caller's promise covers each of these bytes.
        unsafe { buffer.add(index).write(byte) };
    }
}

/// Linux: what the C library's function of that name does.
///
/// # Safety
/// As of that function: `buffer` must be good for writing `length` bytes.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the symbol that the standard library looks for")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { fill(buffer, length) };
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// macOS: what the system library's function of that name does; zero is success.
///
/// # Safety
/// As of that function: `buffer` must be good for writing `length` bytes.
#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "the symbol that the standard library looks for")]
#[unsafe(no_mangle)]
#[expect(non_snake_case, reason = "its name")]
pub unsafe extern "C" fn CCRandomGenerateBytes(buffer: *mut u8, length: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { fill(buffer, length) };
    0
}
