//! The snapshot slot: one object, in all the ways in which there may be none.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::scalar::{self, Lenient};
use super::without_quotes;
use crate::model::{Slot, SnapshotId};

/// A snapshot on the wire.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::api) struct SnapshotWire {
    /// Whatever else is there: an object that holds anything is a snapshot.
    #[serde(flatten)]
    more: Map<String, Value>,
    #[serde(deserialize_with = "scalar::text")]
    id: Lenient<String>,
    #[serde(deserialize_with = "scalar::text")]
    label: Lenient<String>,
    #[serde(deserialize_with = "scalar::text")]
    description: Lenient<String>,
    #[serde(deserialize_with = "scalar::date")]
    created_at: Lenient<Timestamp>,
    #[serde(deserialize_with = "scalar::text")]
    created_by: Lenient<String>,
    #[serde(deserialize_with = "scalar::date")]
    expires_at: Lenient<Timestamp>,
    #[serde(deserialize_with = "scalar::date")]
    recovered_at: Lenient<Timestamp>,
    #[serde(deserialize_with = "scalar::integer")]
    snapshot_size: Lenient<i64>,
}

impl SnapshotWire {
    /// `None` for an object without anything in it.
    ///
    /// # Errors
    /// When there is a snapshot, but no id to name it by.
    pub fn slot(self) -> Result<Option<Slot>, &'static str> {
        let Self {
            more,
            id,
            label,
            description,
            created_at,
            created_by,
            expires_at,
            recovered_at,
            snapshot_size,
        } = self;
        let Some(id) = id.0 else {
            let known =
                [label.0.is_some(), description.0.is_some(), created_at.0.is_some(), expires_at.0.is_some()];
            let empty = !known.contains(&true) && more.values().all(Value::is_null);
            return if empty { Ok(None) } else { Err("a snapshot without an id") };
        };
        Ok(Some(Slot {
            id: SnapshotId::new(id),
            description: description.0,
            created_at: created_at.0,
            created_by: created_by.0,
            expires_at: expires_at.0,
            recovered_at: recovered_at.0,
            size_gb: snapshot_size.0,
        }))
    }
}

/// The reply to a read of the slot.
///
/// # Errors
/// Why it cannot be understood.
pub(in crate::api) fn slot(body: &[u8]) -> Result<Option<Slot>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let all = match serde_json::from_slice(body).map_err(|error| without_quotes(&error))? {
        Value::Null => return Ok(None),
        Value::Array(all) => all,
        one => vec![one],
    };
    let read = |value: Value| match value {
        Value::Object(_) => serde_json::from_value(value).map_err(|error| without_quotes(&error)),
        _ => Err("a snapshot that is no object".to_owned()),
    };
    let all = all.into_iter().map(read).collect::<Result<Vec<SnapshotWire>, _>>()?;
    let slots = all.into_iter().map(SnapshotWire::slot).collect::<Result<Vec<_>, _>>()?;
    // The page promises at most one; of more, the newest is the one that a recovery would use.
    Ok(slots.into_iter().flatten().max_by_key(|slot| slot.created_at))
}
