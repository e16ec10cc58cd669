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

/// What is kept of an object.
pub trait Entry: PartialEq {
    /// Of which object of that name.
    fn uid(&self) -> &str;
    /// How new it is.
    fn version(&self) -> Version;
    /// The same was said of it again, later.
    fn confirm(&mut self, version: Version);
}

/// Whether what is said of an object is news: nothing older than what is known, nothing that is known already, and no
/// answer about an object that the watch does not know.
#[must_use]
pub fn is_news<E: Entry>(known: Option<&mut E>, said: &E, source: Source) -> bool {
    let Some(known) = known.filter(|known| known.uid() == said.uid()) else { return source == Source::Watch };
    if said.version().is_older_than(known.version()) {
        return false;
    }
    let same = *known == *said;
    if same {
        known.confirm(said.version());
    }
    !same
}
