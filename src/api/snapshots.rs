//! `/compute/instances/{id}/snapshots`: the one slot of an instance.

use http::Method;
use serde_json::{Map, Value};

use super::send::{Accepted, Body, SendGuard, Target};
use super::wire;
use super::{ApiError, Client, Permit};
use crate::model::{FailureClass, InstanceId, Slot, SnapshotId};

impl Client {
    /// The snapshot in the slot. `None` stands for every answer that says "none": 204, 404, an empty
    /// body, `{}`, `null`, `[]`. A 404 is also what an instance that does not exist gets.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn snapshot(&self, id: InstanceId, permit: Permit) -> Result<Option<Slot>, ApiError> {
        let target = slot(id);
        let read =
            self.read_on(permit, "getSnapshot", &target, |reply| wire::snapshot::slot(&reply.body)).await;
        match read {
            Err(error) if error.class() == FailureClass::Missing => Ok(None),
            read => read,
        }
    }

    /// Takes a snapshot. Not idempotent. Success proves that an action was started; after a time-out it
    /// may have been. `description` has at most 100 characters, `change_reference` at most 10.
    ///
    /// # Errors
    /// See [`ApiError::class`]; 409 while the slot is taken.
    pub async fn take_snapshot(
        &self,
        id: InstanceId,
        description: Option<&str>,
        change_reference: Option<&str>,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let mut body = Map::new();
        for (key, value) in [("description", description), ("changeReference", change_reference)] {
            if let Some(value) = value {
                body.insert(key.to_owned(), Value::from(value));
            }
        }
        self.change("createSnapshot", Method::POST, &slot(id), &Body::Json(body.into()), permit, guard).await
    }

    /// Puts the instance back to whatever snapshot is in its slot: the call names none. Not idempotent:
    /// what was written since is lost, each time. After a time-out it may have been carried out.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn recover_snapshot(
        &self,
        id: InstanceId,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        self.change("recoverSnapshot", Method::PATCH, &slot(id), &Body::None, permit, guard).await
    }

    /// Removes that snapshot. A second call finds none and is refused.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn remove_snapshot(
        &self,
        id: InstanceId,
        snapshot: &SnapshotId,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let mut target = slot(id);
        target.segments.push(snapshot.as_str().to_owned());
        self.change("deleteSnapshot", Method::DELETE, &target, &Body::None, permit, guard).await
    }
}

fn slot(id: InstanceId) -> Target {
    Target::new(["compute", "instances", &id.to_string(), "snapshots"])
}
