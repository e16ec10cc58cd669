//! From a request to its answer: the one way into the world.
//!
//! What each endpoint does is beside it: `create`, `update`, `snapshots` change, `read` and `list` show.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::act::{About, Work};
use crate::answer::Reply;
use crate::config::Account;
use crate::operation::Operation;
use crate::record::InstanceRecord;
use crate::request::{Incoming, Target};
use crate::world::World;

/// How the action that a request starts will end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    Normal,
    Fails(String),
    Never,
    Vanishes,
}

/// What a fault bends while a request is handled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Twist {
    pub(crate) ending: Ending,
    /// A list of the past.
    pub(crate) stale: Option<Duration>,
    /// A list without items.
    pub(crate) empty: bool,
    /// A page that begins this many items late.
    pub(crate) shift: i64,
}

/// Who asks, when, and what a fault bends.
pub(crate) struct Context<'a> {
    pub(crate) at: Timestamp,
    pub(crate) account: &'a Account,
    pub(crate) twist: &'a Twist,
}

impl World {
    /// Carries a request out.
    pub(crate) fn handle(&mut self, at: Timestamp, incoming: &Incoming, twist: &Twist) -> Reply {
        if incoming.operation == Operation::Token {
            // Another server than the API: it knows nothing of the API's limit.
            return self.token(at, incoming);
        }
        if let Some(seconds) = self.throttle(at) {
            return Reply::retry_after(429, &seconds.to_string());
        }
        if incoming.operation == Operation::Health {
            return Reply::plain(200, json!({ "status": "UP" }));
        }
        let account = match self.authorise(at, incoming) {
            Ok(account) => account,
            Err(refusal) => return refusal,
        };
        let context = Context { at, account: &account, twist };
        self.dispatch(&context, incoming).unwrap_or_else(|refusal| refusal)
    }

    fn dispatch(&mut self, context: &Context<'_>, incoming: &Incoming) -> Result<Reply, Reply> {
        let method = incoming.method.as_str();
        match &incoming.target {
            Target::Instances => match method {
                "GET" => self.list(context, incoming),
                "POST" => self.create(context, incoming),
                _ => Err(Reply::empty(405)),
            },
            Target::Instance(id) => match method {
                "GET" => self.detail(context, *id),
                "PATCH" => self.update(context, *id, incoming),
                "DELETE" => self.delete(context, *id, incoming),
                _ => Err(Reply::empty(405)),
            },
            Target::Snapshots(id) => match method {
                "GET" => self.snapshot_get(context, *id),
                "POST" => self.snapshot_create(context, *id, incoming),
                "PATCH" => self.snapshot_recover(context, *id),
                _ => Err(Reply::empty(405)),
            },
            Target::Snapshot(id, snapshot) if method == "DELETE" => {
                self.snapshot_delete(context, *id, snapshot)
            }
            Target::Storage(id) if method == "GET" => self.storage(context, *id),
            Target::Networks(id) if method == "GET" => self.networks(context, *id),
            Target::Actions if method == "GET" => self.action_list(context, incoming),
            Target::Action(id) if method == "GET" => self.action(context, *id),
            Target::BadId => Err(Reply::bad_request("INVALID_FIELD_VALUE", "id", "error on field 'id'")),
            Target::Unknown => Err(Reply::empty(404)),
            Target::Snapshot(..)
            | Target::Storage(_)
            | Target::Networks(_)
            | Target::Actions
            | Target::Action(_)
            | Target::Health
            | Target::Token => Err(Reply::empty(405)),
        }
    }

    /// The live instance of this id, if the account sees it.
    pub(crate) fn visible(&self, context: &Context<'_>, id: i64) -> Result<&InstanceRecord, Reply> {
        let instance = self.instances.get(&id).filter(|instance| instance.live).ok_or(Reply::empty(404))?;
        self.sees(context, instance.service_id).map(|()| instance)
    }

    /// Whether the account sees a service: 404 or 403 if not.
    pub(crate) fn sees(&self, context: &Context<'_>, service: i64) -> Result<(), Reply> {
        if context.account.sees(service) {
            return Ok(());
        }
        Err(Reply::empty(if self.config.quirks.invisible_is_forbidden { 403 } else { 404 }))
    }

    /// Refuses a second action on an instance.
    pub(crate) fn idle(&self, id: i64) -> Result<(), Reply> {
        let busy = self.config.quirks.one_action_per_instance && self.running_on(id).next().is_some();
        if busy { Err(Reply::empty(409)) } else { Ok(()) }
    }

    /// Begins the action of an operation on an instance and answers with it.
    pub(crate) fn accept(
        &mut self,
        context: &Context<'_>,
        operation: Operation,
        instance: &InstanceRecord,
        work: Work,
    ) -> Reply {
        let about = About {
            instance: instance.id,
            name: instance.name.clone(),
            service_id: instance.service_id,
            family: self.family(instance),
        };
        let process = operation.process().unwrap_or_default();
        let user = context.account.user.clone();
        let id = self.begin(context.at, (process, &user), about, work, context.twist);
        let status = self.config.quirks.accepted_status;
        let mut reply = match (self.config.quirks.empty_action_body, self.actions.get(&id)) {
            (false, Some(action)) => Reply::vendor(status, self.render_started(action)),
            (true, _) | (false, None) => Reply::empty(status),
        };
        reply.action = Some(id);
        reply
    }
}

/// Checks a change reference: at most ten characters.
pub(crate) fn change_reference(options: Option<&serde_json::Value>) -> Result<Option<String>, Reply> {
    short_text(options, "changeReference", 10)
}

/// Checks a piece of text of limited length.
pub(crate) fn short_text(
    options: Option<&serde_json::Value>,
    field: &str,
    limit: usize,
) -> Result<Option<String>, Reply> {
    let refuse = || Reply::bad_request("INVALID_FIELD_VALUE", field, &format!("error on field '{field}'"));
    match options.and_then(|options| options.get(field)) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(text)) if text.chars().count() <= limit => Ok(Some(text.clone())),
        Some(_) => Err(refuse()),
    }
}
