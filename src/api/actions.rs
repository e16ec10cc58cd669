//! `/actions`: what runs, and how it ended.

use super::send::{Target, json, object};
use super::wire::action::ActionWire;
use super::{ApiError, Client, Permit};
use crate::model::{Action, ActionId, ActionStatus, InstanceId, ServiceId};

/// The filters of `GET /actions`; all are optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// `resourceName`: the name of the instance. Whether the API compares it exactly is not documented.
    pub resource_name: Option<String>,
    /// `resourceId`.
    pub resource_id: Option<InstanceId>,
    /// `serviceId`.
    pub service_id: Option<ServiceId>,
    /// `statuses`, joined by commas.
    pub statuses: Vec<ActionStatus>,
    /// `requestId`.
    pub request_id: Option<String>,
}

impl Client {
    /// One action. 404 is `Missing`: how long ITCare remembers finished actions is not documented, so it
    /// says nothing about how the action ended.
    ///
    /// # Errors
    /// See [`ApiError::class`].
    pub async fn action(&self, id: ActionId, permit: Permit) -> Result<Action, ApiError> {
        let target = Target::new(["actions", &id.to_string()]);
        let action: Action = self.read_on(permit, "getAction", &target, object::<ActionWire>).await?.into();
        self.saw_action(action.id);
        Ok(action)
    }

    /// The actions that match, as one array without pages. An empty answer proves that nothing matched
    /// when the call was carried out, if the account sees the service at all.
    ///
    /// # Errors
    /// See [`ApiError::class`]. One action that cannot be read fails the whole: half a list of what runs
    /// must not look like a whole one.
    pub async fn actions(&self, filter: &ActionFilter, permit: Permit) -> Result<Vec<Action>, ApiError> {
        let ActionFilter { resource_name, resource_id, service_id, statuses, request_id } = filter;
        let mut target = Target::new(["actions"]);
        let words: Vec<&str> = statuses
            .iter()
            .map(|status| match status {
                ActionStatus::InProgress => "IN_PROGRESS",
                ActionStatus::Success => "SUCCESS",
                ActionStatus::Error => "ERROR",
                ActionStatus::Other(word) => word,
            })
            .collect();
        let values = [
            ("resourceName", resource_name.clone()),
            ("resourceId", resource_id.map(|id| id.to_string())),
            ("serviceId", service_id.map(|id| id.to_string())),
            ("statuses", (!words.is_empty()).then(|| words.join(","))),
            ("requestId", request_id.clone()),
        ];
        for (key, value) in values {
            if let Some(value) = value {
                target = target.query(key, value);
            }
        }
        let actions = self
            .read_on(permit, "listActions", &target, |reply| {
                if reply.status == http::StatusCode::NO_CONTENT {
                    return Ok(Vec::new());
                }
                json::<Option<Vec<ActionWire>>>(reply).map(Option::unwrap_or_default)
            })
            .await?;
        let actions: Vec<Action> = actions.into_iter().map(Action::from).collect();
        if let Some(newest) = actions.iter().map(|action| action.id).max() {
            self.saw_action(newest);
        }
        Ok(actions)
    }
}
