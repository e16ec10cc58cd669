//! ITCare's JSON as this client reads it, and its way into the vocabulary of `model`.
//!
//! Every field is optional that its page does not promise; unknown fields are skipped without being
//! built. Strict are only: an action's id, status and name, an instance's id and name, a snapshot's id. Where
//! one of those cannot be read, the whole reply counts as not understood: half an answer to "what runs"
//! must not look like a whole one.

pub(super) mod action;
pub(super) mod instance;
pub(super) mod request;
pub(super) mod scalar;
pub(super) mod snapshot;

/// Why JSON could not be read, without anything of what it holds: a token may be in it.
pub(super) fn without_quotes(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let plain = words.split('"').next().unwrap_or_default().trim_end();
    if plain.len() == words.len() {
        words
    } else {
        format!("{plain} at line {} column {}", error.line(), error.column())
    }
}
