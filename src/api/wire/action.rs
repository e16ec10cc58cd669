//! Actions: in the reply of a change, alone, and in the bare array of `GET /actions`.

use jiff::Timestamp;
use serde::Deserialize;

use super::scalar::{self, Lenient};
use crate::model::{Action, ActionId, ActionStatus};

const LONGEST_MESSAGE: usize = 1000;

/// An action on the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ActionWire {
    #[serde(deserialize_with = "scalar::id")]
    id: i64,
    status: String,
    // Strict where it is given: an action that hides its name would look like nobody's.
    #[serde(default)]
    resource_name: Option<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    process: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    message: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    submitted_by: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::date")]
    submitted_at: Lenient<Timestamp>,
    #[serde(default, deserialize_with = "scalar::date")]
    completed_at: Lenient<Timestamp>,
}

impl From<ActionWire> for Action {
    fn from(wire: ActionWire) -> Self {
        let ActionWire {
            id,
            status,
            resource_name,
            process,
            message,
            submitted_by,
            submitted_at,
            completed_at,
        } = wire;
        Self {
            id: ActionId::new(id),
            status: ActionStatus::parse(&status),
            process: process.0,
            resource_name,
            // A person reads it in a condition; the rest of a stack trace helps nobody.
            message: message.0.map(|text| text.chars().take(LONGEST_MESSAGE).collect()),
            submitted_at: submitted_at.0,
            submitted_by: submitted_by.0,
            completed_at: completed_at.0,
        }
    }
}
