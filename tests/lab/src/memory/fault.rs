//! Failures on demand: which request, and what goes wrong with it.

use std::time::Duration;

use super::failure::Failure;
use super::request::{Target, Verb};

/// What goes wrong.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Refused before anything happened.
    Refuse(Failure),
    /// No connection: nothing happened.
    NoConnection,
    /// The request took effect; the answer is lost.
    LoseReply,
    /// Answered, but late. The effect comes late too.
    Delay(Duration),
    /// The request takes effect at once; its answer comes late.
    DelayReply(Duration),
    /// Never answered, without effect.
    Hang,
    /// Never answered; the request took effect.
    HangAfter,
}

/// One planned failure: it hits the first `times` requests that match, once by default.
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) left: u32,
    skip: u32,
    writes: bool,
    verb: Option<Verb>,
    resource: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self {
            id: 0,
            kind,
            left: 1,
            skip: 0,
            writes: false,
            verb: None,
            resource: None,
            subresource: None,
            namespace: None,
            name: None,
        }
    }

    /// Answers with this status code; nothing happens.
    pub fn refuse(code: u16) -> Self {
        Self::new(Kind::Refuse(Failure::new(code, "injected")))
    }

    /// Answers with this failure; nothing happens.
    pub fn refuse_with(failure: Failure) -> Self {
        Self::new(Kind::Refuse(failure))
    }

    /// The connection fails before the request is sent.
    pub fn no_connection() -> Self {
        Self::new(Kind::NoConnection)
    }

    /// The request takes effect, then the connection breaks.
    pub fn lose_reply() -> Self {
        Self::new(Kind::LoseReply)
    }

    /// Waits before the request is looked at.
    pub fn delay(time: Duration) -> Self {
        Self::new(Kind::Delay(time))
    }

    /// The request takes effect at once, and is answered after this long: time for others to act in between.
    pub fn delay_reply(time: Duration) -> Self {
        Self::new(Kind::DelayReply(time))
    }

    /// Never answers, and does nothing.
    pub fn hang() -> Self {
        Self::new(Kind::Hang)
    }

    /// Never answers; the request took effect.
    pub fn hang_after_effect() -> Self {
        Self::new(Kind::HangAfter)
    }

    /// Only this verb.
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Only requests that are meant to change something.
    pub fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Only this resource, by its plural name.
    pub fn resource(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only this subresource; `""` is the main resource alone. Without this call, both.
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// Only in this namespace.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only the object of this name. A create is matched by the name in its body.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Hits that many requests.
    pub fn times(mut self, times: u32) -> Self {
        self.left = times;
        self
    }

    /// Hits until faults are cleared.
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    /// Lets that many matching requests pass first.
    pub fn after(mut self, passed: u32) -> Self {
        self.skip = passed;
        self
    }

    /// Counts the request, and says whether it is hit.
    pub(super) fn hits(&mut self, verb: Verb, target: &Target, name: &str) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let matches = self.left > 0
            && (!self.writes || verb.is_write())
            && self.verb.is_none_or(|wanted| wanted == verb)
            && is(&self.resource, &target.resource)
            && is(&self.subresource, &target.subresource)
            && is(&self.namespace, &target.namespace)
            && is(&self.name, name);
        if matches && self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if matches && self.left != u32::MAX {
            self.left -= 1;
        }
        matches
    }
}
