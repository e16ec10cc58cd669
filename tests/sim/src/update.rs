//! `PATCH` of an instance: the generic body of an operation and its options.

use serde_json::Value;

use crate::act::Work;
use crate::answer::Reply;
use crate::create::{invalid, reason_missing, wrong_state};
use crate::handle::{Context, change_reference, short_text};
use crate::operation::Operation;
use crate::record::InstanceRecord;
use crate::request::Incoming;
use crate::world::World;

impl World {
    pub(crate) fn update(
        &mut self,
        context: &Context<'_>,
        id: i64,
        incoming: &Incoming,
    ) -> Result<Reply, Reply> {
        let instance = self.visible(context, id)?.clone();
        let options = incoming.body.get("options");
        change_reference(options)?;
        let work = self.work_of(context, incoming.operation, &instance, options)?;
        self.idle(id)?;
        self.check_state(incoming.operation, &instance)?;
        Ok(self.accept(context, incoming.operation, &instance, work))
    }

    fn check_state(&self, operation: Operation, instance: &InstanceRecord) -> Result<(), Reply> {
        let allowed: &[&str] = match operation {
            Operation::Stop | Operation::Reset => &["ACTIVE"],
            Operation::Start => &["INACTIVE"],
            Operation::Resize if self.config.quirks.resize_needs_stop => &["INACTIVE"],
            Operation::Resize => &["ACTIVE", "INACTIVE"],
            // The documentation names no state for these.
            Operation::UpdateMonitoring
            | Operation::UpdatePatchParty
            | Operation::UpdateStorageReplication
            | Operation::UpdateBackup => return Ok(()),
            // Not sent by `PATCH` of an instance.
            Operation::List
            | Operation::Detail
            | Operation::Storage
            | Operation::Networks
            | Operation::Create
            | Operation::Delete
            | Operation::UnknownUpdate
            | Operation::SnapshotGet
            | Operation::SnapshotCreate
            | Operation::SnapshotRecover
            | Operation::SnapshotDelete
            | Operation::ActionGet
            | Operation::ActionList
            | Operation::Health
            | Operation::Token
            | Operation::Unknown => return Ok(()),
        };
        if allowed.contains(&instance.status.as_str()) { Ok(()) } else { Err(wrong_state(instance)) }
    }

    fn work_of(
        &self,
        context: &Context<'_>,
        operation: Operation,
        instance: &InstanceRecord,
        options: Option<&Value>,
    ) -> Result<Work, Reply> {
        let quirks = &self.config.quirks;
        let service = self.config.catalogue.service(instance.service_id);
        let production = service.is_some_and(crate::catalogue::Service::is_production);
        match operation {
            Operation::Stop => Ok(Work::Stop),
            Operation::Start => Ok(Work::Start),
            Operation::Reset => {
                short_text(options, "comment", usize::MAX)?;
                Ok(Work::Reset)
            }
            Operation::Resize => {
                let sizing = options.and_then(|options| options.get("sizing")).and_then(Value::as_str);
                let size = sizing.and_then(|sizing| self.config.catalogue.size(sizing));
                size.map(|(cpu, ram)| Work::Resize { cpu, ram }).ok_or_else(|| invalid("sizing"))
            }
            Operation::UpdateMonitoring => {
                let (state, alerting) = (flag(options, "state")?, flag(options, "alerting")?);
                if state.is_none() && alerting.is_none() {
                    return Err(invalid("state"));
                }
                if state == Some(false) && production && quirks.monitoring_needs_reason {
                    reason(options)?;
                }
                Ok(Work::Monitoring { state, alerting })
            }
            Operation::UpdatePatchParty => patching(context, options),
            Operation::UpdateStorageReplication => {
                let state = flag(options, "state")?.ok_or_else(|| invalid("state"))?;
                if !state && production {
                    reason(options)?;
                }
                let reason = short_text(options, "deactivationReason", usize::MAX)?;
                Ok(Work::Replication { state, reason })
            }
            Operation::UpdateBackup => {
                let state = flag(options, "state")?.ok_or_else(|| invalid("state"))?;
                if !state && production {
                    reason(options)?;
                }
                Ok(Work::Backup { state })
            }
            Operation::List
            | Operation::Detail
            | Operation::Storage
            | Operation::Networks
            | Operation::Create
            | Operation::Delete
            | Operation::UnknownUpdate
            | Operation::SnapshotGet
            | Operation::SnapshotCreate
            | Operation::SnapshotRecover
            | Operation::SnapshotDelete
            | Operation::ActionGet
            | Operation::ActionList
            | Operation::Health
            | Operation::Token
            | Operation::Unknown => Err(invalid("operation")),
        }
    }
}

fn patching(context: &Context<'_>, options: Option<&Value>) -> Result<Work, Reply> {
    let party = options.and_then(|options| options.get("patchParty")).ok_or_else(|| invalid("patchParty"))?;
    let excluded = flag(Some(party), "excluded")?.ok_or_else(|| invalid("excluded"))?;
    let reason = short_text(Some(party), "exclusionReason", usize::MAX)?;
    if excluded && reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(invalid("exclusionReason"));
    }
    let group = match party.get("patchGroup") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64() {
            Some(group @ 1..=3) => u8::try_from(group).ok(),
            Some(_) | None => return Err(invalid("patchGroup")),
        },
    };
    Ok(Work::Patching { excluded, reason, group, by: context.account.user.clone() })
}

fn flag(options: Option<&Value>, field: &str) -> Result<Option<bool>, Reply> {
    match options.and_then(|options| options.get(field)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(invalid(field)),
    }
}

/// Refuses a deactivation in production that gives no reason.
fn reason(options: Option<&Value>) -> Result<(), Reply> {
    let reason = short_text(options, "deactivationReason", usize::MAX)?;
    match reason.filter(|reason| !reason.trim().is_empty()) {
        Some(_) => Ok(()),
        None => Err(reason_missing("deactivationReason")),
    }
}
