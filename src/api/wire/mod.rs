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
