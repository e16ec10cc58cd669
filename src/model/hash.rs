//! Stable fingerprints: the account in a ledger, what was sent for a field group.

/// The first `digits` hex digits of the SHA-256 of `text`.
#[must_use]
pub fn fingerprint(text: &str, digits: usize) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}
