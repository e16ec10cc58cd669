//! Reads of one instance and of actions.

use serde_json::Value;

use crate::answer::Reply;
use crate::clock::later;
use crate::handle::Context;
use crate::record::{ActionRecord, InstanceRecord};
use crate::request::Incoming;
use crate::world::World;

impl World {
    /// The instance of this id, removed ones included where they are still shown.
    fn shown(&self, context: &Context<'_>, id: i64) -> Result<&InstanceRecord, Reply> {
        match self.instances.get(&id) {
            Some(instance) if !instance.live && self.config.quirks.removed_leftovers => {
                self.sees(context, instance.service_id).map(|()| instance)
            }
            Some(_) | None => self.visible(context, id),
        }
    }

    pub(crate) fn detail(&self, context: &Context<'_>, id: i64) -> Result<Reply, Reply> {
        let instance = self.shown(context, id)?;
        Ok(Reply::vendor(200, self.render_detail(instance)))
    }

    pub(crate) fn storage(&self, context: &Context<'_>, id: i64) -> Result<Reply, Reply> {
        let instance = self.shown(context, id)?;
        Ok(Reply::vendor(200, self.render_storage(instance)))
    }

    pub(crate) fn networks(&self, context: &Context<'_>, id: i64) -> Result<Reply, Reply> {
        let instance = self.shown(context, id)?;
        Ok(Reply::vendor(200, self.render_network(instance)))
    }

    pub(crate) fn action(&self, context: &Context<'_>, id: i64) -> Result<Reply, Reply> {
        let action = self.actions.get(&id).ok_or(Reply::empty(404))?;
        self.sees(context, action.service_id)?;
        if !self.is_kept(context, action) {
            return Err(Reply::empty(404));
        }
        Ok(Reply::vendor(200, self.render_action(action)))
    }

    /// A bare array, unlike the list of instances; the newest last.
    pub(crate) fn action_list(&self, context: &Context<'_>, incoming: &Incoming) -> Result<Reply, Reply> {
        let statuses = incoming.values("statuses");
        let number = |key: &str| match incoming.value(key) {
            None => Ok(None),
            Some(text) => text.parse::<i64>().map(Some).map_err(|_| crate::create::invalid(key)),
        };
        let (resource, service, request) =
            (number("resourceId")?, number("serviceId")?, number("requestId")?);
        let name = incoming.value("resourceName");
        if let Some(service) = service.filter(|_| self.config.quirks.invisible_is_forbidden) {
            self.sees(context, service)?;
        }
        let wanted = |action: &&ActionRecord| {
            context.account.sees(action.service_id)
                && self.is_kept(context, action)
                && (statuses.is_empty() || statuses.contains(&action.state.word()))
                && resource.is_none_or(|resource| resource == action.instance)
                && service.is_none_or(|service| service == action.service_id)
                && request.is_none_or(|request| request == crate::render::workflow_id(action))
                && name.is_none_or(|name| name.eq_ignore_ascii_case(&action.resource_name))
        };
        if let Some(ago) = context.twist.stale {
            let then = crate::clock::earlier(context.at, ago);
            let past: Vec<ActionRecord> =
                self.actions.values().filter_map(|action| action.as_of(then)).collect();
            let found = past.iter().filter(wanted).map(|action| self.render_action(action)).collect();
            return Ok(Reply::plain(200, Value::Array(found)));
        }
        // The running ones are asked for again and again: they are found without a walk over all.
        let found: Vec<Value> = if statuses == ["IN_PROGRESS"] {
            let running = self.jobs.keys().filter_map(|id| self.actions.get(id));
            running.filter(wanted).map(|action| self.render_action(action)).collect()
        } else {
            self.actions.values().filter(wanted).map(|action| self.render_action(action)).collect()
        };
        Ok(Reply::plain(200, Value::Array(found)))
    }

    fn is_kept(&self, context: &Context<'_>, action: &ActionRecord) -> bool {
        let gone = match (self.config.quirks.action_retention, action.completed_at) {
            (Some(retention), Some(end)) => later(end, retention) <= context.at,
            (Some(_), None) | (None, _) => false,
        };
        action.visible && !gone
    }
}
