//! What was seen, and when it was asked.

use std::time::Duration;

/// The answer to one question to the cloud. Its time is when its *first request was sent*: whatever
/// changed after that may be missing from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed<T> {
    /// It is there.
    Present {
        /// What was seen.
        value: T,
        /// When the question was sent, on the monotonic clock.
        at: Duration,
    },
    /// It is not there: the one who should know said so.
    Absent {
        /// When the question was sent, on the monotonic clock.
        at: Duration,
    },
    /// Nobody asked, or no answer came that can be used.
    Unknown,
}

impl<T> Observed<T> {
    /// When it was asked; `None` if it is unknown.
    #[must_use]
    pub fn at(&self) -> Option<Duration> {
        match self {
            Self::Present { at, .. } | Self::Absent { at } => Some(*at),
            Self::Unknown => None,
        }
    }

    /// The same observation if it was asked at `mark` or later, else `Unknown`: an older one decides nothing.
    #[must_use]
    pub fn since(&self, mark: Duration) -> Observed<&T> {
        match self {
            Self::Present { value, at } if *at >= mark => Observed::Present { value, at: *at },
            Self::Absent { at } if *at >= mark => Observed::Absent { at: *at },
            Self::Present { .. } | Self::Absent { .. } | Self::Unknown => Observed::Unknown,
        }
    }

    /// A borrowed view.
    #[must_use]
    pub fn as_ref(&self) -> Observed<&T> {
        self.since(Duration::ZERO)
    }

    /// What was seen, if anything was.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Present { value, .. } => Some(value),
            Self::Absent { .. } | Self::Unknown => None,
        }
    }
}
