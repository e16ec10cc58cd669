//! What can be made to go wrong, and when.
//!
//! A fault waits for requests that it matches, lets `skip` of them pass, and hits the next `times`.
//! Faults are asked in the order of their injection and at most one hits a request. Nothing here is
//! random. Lasting oddities are quirks (see `quirks`); carrying a fault out is `call`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::span;
use crate::operation::Operation;

/// One fault to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests it waits for.
    #[serde(default)]
    pub matches: Match,
    /// How many of these pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many it hits; `u32::MAX` for all.
    #[serde(default = "one")]
    pub times: u32,
    /// What happens.
    pub kind: FaultKind,
}

fn one() -> u32 {
    1
}

impl Fault {
    /// Hits the next matching request.
    pub fn once(matches: Match, kind: FaultKind) -> Fault {
        Fault { matches, skip: 0, times: 1, kind }
    }

    /// Hits every matching request until the faults are cleared.
    pub fn always(matches: Match, kind: FaultKind) -> Fault {
        Fault { matches, skip: 0, times: u32::MAX, kind }
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn after(self, skip: u32) -> Fault {
        Fault { skip, ..self }
    }

    /// Hits this many.
    #[must_use]
    pub fn times(self, times: u32) -> Fault {
        Fault { times, ..self }
    }
}

/// Which requests a fault waits for: every part that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// This operation.
    pub operation: Option<Operation>,
    /// Only requests that are meant to change something, or only those that are not.
    pub mutating: Option<bool>,
    /// This HTTP method.
    pub method: Option<String>,
    /// A path with this in it.
    pub path_contains: Option<String>,
    /// About this instance id.
    pub instance: Option<i64>,
    /// About an instance of this name, without regard to case: by id, by the body of a create, by
    /// the action asked for, or by `resourceName` or `names` in the query.
    pub name: Option<String>,
}

impl Match {
    /// Every request, tokens included.
    pub fn any() -> Match {
        Match::default()
    }

    /// Every request of this operation.
    pub fn operation(operation: Operation) -> Match {
        Match { operation: Some(operation), ..Match::default() }
    }

    /// Every request that is meant to change something.
    pub fn mutating() -> Match {
        Match { mutating: Some(true), ..Match::default() }
    }

    pub(crate) fn fits(&self, about: &About<'_>) -> bool {
        let Match { operation, mutating, method, path_contains, instance, name } = self;
        operation.is_none_or(|operation| operation == about.operation)
            && mutating.is_none_or(|mutating| mutating == about.operation.is_mutating())
            && method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(about.method))
            && path_contains.as_ref().is_none_or(|part| about.path.contains(part.as_str()))
            && instance.is_none_or(|instance| about.instance == Some(instance))
            && name.as_ref().is_none_or(|name| about.names.iter().any(|is| is.eq_ignore_ascii_case(name)))
    }
}

/// What a fault is told about a request.
pub(crate) struct About<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) instance: Option<i64>,
    pub(crate) names: Vec<String>,
}

/// What happens. "With effect" means: the request is carried out first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// This answer instead.
    Status {
        /// HTTP status.
        code: u16,
        /// Body, as it is.
        #[serde(default)]
        body: String,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// With effect.
        #[serde(default)]
        effect: bool,
    },
    /// The request is carried out, and answered, after this long. A caller that gives up before has
    /// stopped it.
    Delay(#[serde(with = "span")] Duration),
    /// The request is carried out at once, and its answer comes this much later: a view from before whatever
    /// happened meanwhile. A caller that gives up before has not stopped it.
    LateReply(#[serde(with = "span")] Duration),
    /// The caller gets no answer now; the effect comes after `after`, whatever the caller does.
    DelayedEffect {
        /// When.
        #[serde(with = "span")]
        after: Duration,
        /// No answer ever, rather than a connection that breaks at once.
        #[serde(default)]
        hang: bool,
    },
    /// The connection breaks; no effect.
    DropBefore,
    /// The connection breaks; with effect.
    DropAfter,
    /// With effect; the answer stops in the middle. Over a socket the connection then breaks.
    Truncate,
    /// A gateway's page in HTML.
    Html {
        /// HTTP status.
        code: u16,
        /// With effect.
        #[serde(default)]
        effect: bool,
    },
    /// An empty answer with `Retry-After`.
    RetryAfter {
        /// HTTP status.
        code: u16,
        /// What the header says.
        wait: Wait,
        /// With effect.
        #[serde(default)]
        effect: bool,
    },
    /// Every token loses its validity; this request is the first to notice.
    ExpireTokens,
    /// No answer, ever.
    HangForever {
        /// With effect.
        #[serde(default)]
        effect: bool,
    },
    /// The list of instances, or of actions, as it was this long ago.
    StaleList(#[serde(with = "span")] Duration),
    /// A list without items.
    EmptyList,
    /// This page begins one item late, as if an item before it had gone: one is on no page.
    ShiftPage,
    /// This page begins one item early, as if an item had come before it: one is on two pages.
    OverlapPage,
    /// With effect; `id`, `name` and `status` have other JSON types in the answer.
    WrongTypes,
    /// With effect; each `status` in the answer is a word that nobody knows.
    UnknownStatus,
    /// The action that this request starts will end in `ERROR` with this message.
    ActionFails(String),
    /// The action that this request starts does not end; `Sim::complete` can still end it.
    ActionNeverEnds,
    /// The action that this request starts does its work, but answers 404 and is in no list.
    ActionVanishes,
    /// The request is carried out twice, as by a proxy that tries again; the second answer is given.
    Replay,
    /// An empty 404; no effect.
    NotFound,
}

impl FaultKind {
    /// An answer with this status and an empty body.
    pub fn status(code: u16, effect: bool) -> Self {
        Self::Status { code, body: String::new(), headers: BTreeMap::new(), effect }
    }

    /// The same with an error object of the API in its body.
    pub fn error(code: u16, effect: bool) -> Self {
        let body = r#"{"code":"E","message":"injected","status":"ERROR"}"#.to_owned();
        Self::Status { code, body, headers: BTreeMap::new(), effect }
    }
}

/// What `Retry-After` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date this far ahead on the simulator's clock.
    Date(#[serde(with = "span")] Duration),
}

/// A fault that was injected.
#[derive(Debug, Clone)]
pub(crate) struct Armed {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    last: u64,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) -> u64 {
        self.last += 1;
        self.armed.push(Armed { id: self.last, fault });
        self.last
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn is_spent(&self, id: u64) -> bool {
        self.armed.iter().all(|armed| armed.id != id)
    }

    /// Whether anything waits; saves working out what a request is about.
    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// The fault that hits this request, if one does.
    pub(crate) fn hit(&mut self, about: &About<'_>) -> Option<(u64, FaultKind)> {
        let position = self.armed.iter_mut().position(|armed| {
            let fits = armed.fault.times > 0 && armed.fault.matches.fits(about);
            if fits && armed.fault.skip > 0 {
                armed.fault.skip -= 1;
                return false;
            }
            fits
        })?;
        let armed = &mut self.armed[position];
        let hit = (armed.id, armed.fault.kind.clone());
        if armed.fault.times != u32::MAX {
            armed.fault.times -= 1;
        }
        if armed.fault.times == 0 {
            self.armed.remove(position);
        }
        Some(hit)
    }
}
