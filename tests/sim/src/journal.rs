//! The journal: every request, what came of it, and which fault hit it.
//!
//! It is the only source for "exactly one create was sent". Secrets and tokens are not in it. The
//! control routes are not in it either: they are the test's hand, not the caller's.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::operation::Operation;

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Number, from 1, never reused.
    pub seq: u64,
    /// When it came, on the simulator's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Raw query.
    pub query: String,
    /// What it asks for.
    pub operation: Operation,
    /// The instance id in its path.
    pub instance: Option<i64>,
    /// Client id of the account, if the credentials were good when it came.
    pub account: Option<String>,
    /// `Content-Type` of the request.
    pub content_type: Option<String>,
    /// Body as JSON; a form as an object, anything else as text, null if there is none.
    pub body: Value,
    /// What the caller got.
    pub answer: Answer,
    /// Whether it started an action.
    pub effect: bool,
    /// The last action that it started.
    pub action: Option<i64>,
    /// The fault that hit it.
    pub fault: Option<u64>,
}

/// What the caller got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing so far: it is held back, or it hangs.
    Pending,
    /// An answer with this HTTP status.
    Status(u16),
    /// A connection that broke.
    Broken,
}

impl Entry {
    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self.answer {
            Answer::Status(status) => Some(status),
            Answer::Pending | Answer::Broken => None,
        }
    }

    /// Whether the connection broke or no answer was given.
    pub fn is_unanswered(&self) -> bool {
        self.status().is_none()
    }
}

/// All requests since the last clearing.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) entries: Vec<Entry>,
    last: u64,
}

impl Journal {
    /// The number of the next entry.
    pub(crate) fn next_seq(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The entry of this number, unless it was cleared.
    pub(crate) fn find(&mut self, seq: u64) -> Option<&mut Entry> {
        // Numbers are consecutive, so the position follows from the first one.
        let first = self.entries.first()?.seq;
        let position = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.entries.get_mut(position)
    }
}
