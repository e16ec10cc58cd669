//! What a failed call means for whoever made it. The class is all that the error policy looks at.

use std::time::Duration;

/// The classes of failure, with what each one proves about a call that would have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Nothing was executed; the same call may work in a while.
    Transient,
    /// Nothing was executed; the account as a whole must wait, this long when the server said so.
    Throttled(Option<Duration>),
    /// It may have been executed. Only a look at the cloud can tell.
    Ambiguous(Option<Duration>),
    /// Refused: the request itself is at fault, or the state of the thing it names.
    Rejected,
    /// The credentials are unknown to the server (401 after one renewal, or no token).
    Unauthenticated,
    /// No credentials are configured, or their file is gone.
    NoCredentials,
    /// The account lacks the right (403).
    Forbidden,
    /// There is no such thing (404): an observation.
    Missing,
    /// The answer to a read cannot be understood.
    Garbled,
}

impl FailureClass {
    /// Whether the call was certainly not executed, nor judged: a new try is a first try.
    #[must_use]
    pub fn not_executed(self) -> bool {
        match self {
            Self::Transient
            | Self::Throttled(_)
            | Self::Unauthenticated
            | Self::NoCredentials
            | Self::Forbidden => true,
            Self::Ambiguous(_) | Self::Rejected | Self::Missing | Self::Garbled => false,
        }
    }

    /// Whether it is likely to pass by itself, without a person.
    #[must_use]
    pub fn passes(self) -> bool {
        match self {
            Self::Transient | Self::Throttled(_) | Self::Ambiguous(_) | Self::Garbled => true,
            Self::Unauthenticated
            | Self::NoCredentials
            | Self::Forbidden
            | Self::Rejected
            | Self::Missing => false,
        }
    }

    /// For how long nobody need be told that an object at rest cannot be seen: it is as good as it was a minute ago,
    /// and a rotation of credentials or a gateway's trouble passes.
    #[must_use]
    pub fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Unauthenticated | Self::Forbidden => 10,
            // A Secret is often applied together with what needs it.
            Self::NoCredentials => 30,
            Self::Transient
            | Self::Throttled(_)
            | Self::Ambiguous(_)
            | Self::Garbled
            | Self::Rejected
            | Self::Missing => 120,
        })
    }

    /// The stable word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "Transient",
            Self::Throttled(_) => "Throttled",
            Self::Ambiguous(_) => "Ambiguous",
            Self::Rejected => "Rejected",
            Self::Unauthenticated => "Unauthenticated",
            Self::NoCredentials => "NoCredentials",
            Self::Forbidden => "Forbidden",
            Self::Missing => "Missing",
            Self::Garbled => "Garbled",
        }
    }
}

/// Whether a failure's words begin with that HTTP status, as the client writes them: what was refused is
/// remembered by its words alone.
#[must_use]
pub fn says_http(words: &str, status: u16) -> bool {
    words.strip_prefix("HTTP ").is_some_and(|rest| rest.split([' ', ':']).next() == Some(&status.to_string()))
}

/// A failure as the decision sees it: its class, the HTTP status if there was one, and words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: FailureClass,
    /// The HTTP status, when an answer came.
    pub status: Option<u16>,
    /// What happened, in words that may be shown in a condition.
    pub message: String,
}
