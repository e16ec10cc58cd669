//! The snapshot slot: one object, in all the ways in which there may be none.

use jiff::Timestamp;
use serde::Deserialize;

use super::scalar::{self, Lenient};
use crate::model::{Slot, SnapshotId};

/// A snapshot on the wire.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::api) struct SnapshotWire {
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
        let Self { id, label, description, created_at, created_by, expires_at, recovered_at, snapshot_size } = self;
        let Some(id) = id.0 else {
            let empty = label.0.is_none() && description.0.is_none() && created_at.0.is_none() && expires_at.0.is_none();
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
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        One(SnapshotWire),
        Many(Vec<SnapshotWire>),
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let answer: Option<Answer> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let all = match answer {
        None => return Ok(None),
        Some(Answer::One(one)) => vec![one],
        Some(Answer::Many(all)) => all,
    };
    let slots = all.into_iter().map(SnapshotWire::slot).collect::<Result<Vec<_>, _>>()?;
    // The page promises at most one; of more, the newest is the one that a recovery would use.
    Ok(slots.into_iter().flatten().max_by_key(|slot| slot.created_at))
}
