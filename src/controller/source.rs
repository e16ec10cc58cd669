//! What is said of an object: by whom, and how new it is. Not here: what is said; see `registry`.

/// Who says how an object is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The watch: it alone brings objects, and takes them away.
    Watch,
    /// The answer to a write or a read of our own. It may come after the watch told that the object is gone, and
    /// must not bring back a claim that nobody would ever take away.
    Answer,
}

/// A resource version that compares equal to any other: it dates an entry, and is no part of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Version(pub Option<u64>);

impl PartialEq for Version {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Version {}

impl Version {
    /// Whether it was certainly there before.
    #[must_use]
    pub fn is_older_than(self, other: Self) -> bool {
        self.0.zip(other.0).is_some_and(|(this, other)| this < other)
    }
}
