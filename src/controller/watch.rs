//! From watches to records: what the index of claims hears, and several namespaces as one stream.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::Notify;

use super::Context;
use super::subject::Subject;
use crate::crd::{Kind, Record};
use crate::model::ObjectKey;
use crate::platform::Health;

/// The events of one kind.
pub type Events<K> = BoxStream<'static, Result<watcher::Event<Record<K>>, watcher::Error>>;

/// One watch per namespace, or one for all; it never ends.
pub fn watch<K: Kind>(client: &kube::Client, namespaces: &[String]) -> Events<K> {
    let config = || watcher::Config::default().page_size(500);
    let one = |api| watcher(api, config()).default_backoff().boxed();
    match namespaces {
        [] => one(Api::<Record<K>>::all(client.clone())),
        [only] => one(Api::<Record<K>>::namespaced(client.clone(), only)),
        several => {
            let streams =
                several.iter().map(|namespace| one(Api::<Record<K>>::namespaced(client.clone(), namespace)));
            join(streams.collect())
        }
    }
}

/// Tells the index of claims, and whom a change concerns, before anything is decided upon it.
pub struct Follower<K: Subject> {
    context: Arc<Context>,
    health: Health,
    /// The objects of the list that is coming in.
    listing: HashSet<ObjectKey>,
    /// A list is complete: whoever changed while nobody watched must be looked at.
    relisted: Arc<Notify>,
    kind: std::marker::PhantomData<K>,
}

impl<K: Subject> Follower<K> {
    /// A follower that tells of complete lists.
    pub fn new(context: Arc<Context>, health: Health, relisted: Arc<Notify>) -> Self {
        Self { context, health, listing: HashSet::new(), relisted, kind: std::marker::PhantomData }
    }

    /// One event, or why there was none.
    pub fn follow(&mut self, event: &Result<watcher::Event<Record<K>>, watcher::Error>) {
        match event {
            Ok(watcher::Event::Init) => self.listing.clear(),
            Ok(watcher::Event::InitApply(record)) => {
                self.listing.extend(record.key());
                self.apply(record);
            }
            Ok(watcher::Event::Apply(record)) => self.apply(record),
            Ok(watcher::Event::Delete(record)) => {
                if let Some(key) = record.key() {
                    self.context.census.gone::<K>(&key);
                    self.context.wake(K::forget(&self.context, &key));
                }
            }
            Ok(watcher::Event::InitDone) => {
                self.context.census.listed::<K>(&self.listing);
                // A list tells of no deletion: what it does not show any more is gone.
                let gone = K::known(&self.context).into_iter().filter(|known| !self.listing.contains(known));
                for key in gone.collect::<Vec<_>>() {
                    self.context.wake(K::forget(&self.context, &key));
                }
                self.listing = HashSet::new();
                self.relisted.notify_one();
            }
            Err(error) => {
                tracing::warn!(error = %error, "watch");
                self.health.explain("caches", format!("the API server does not list the objects: {error}"));
            }
        }
    }

    fn apply(&self, record: &Record<K>) {
        if let Some(key) = record.key() {
            self.context.census.saw(key, record);
        }
        self.context.wake(K::apply(&self.context, record));
    }
}

/// One namespace among several.
#[derive(Default)]
struct Part {
    /// Its first list is complete.
    listed: bool,
    listing: HashSet<ObjectKey>,
    known: HashSet<ObjectKey>,
}

/// Several namespaces as one stream: `Init` once, `InitDone` when the last of them is listed. A later list of one
/// namespace must not clear the others: what it shows is applied, and what it lacks is deleted.
struct Join<K: Kind> {
    parts: Vec<Part>,
    begun: bool,
    /// Deletions that came before everything was listed.
    held: Vec<watcher::Event<Record<K>>>,
}

impl<K: Kind> Join<K> {
    fn is_listed(&self) -> bool {
        self.parts.iter().all(|part| part.listed)
    }

    /// What one event of one namespace means for the whole.
    fn step(&mut self, index: usize, event: watcher::Event<Record<K>>) -> Vec<watcher::Event<Record<K>>> {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let whole = self.is_listed();
        let Some(part) = self.parts.get_mut(index) else { return Vec::new() };
        match event {
            Init => {
                part.listing.clear();
                if std::mem::replace(&mut self.begun, true) { Vec::new() } else { vec![Init] }
            }
            InitApply(record) | Apply(record) => {
                part.listing.extend(record.key());
                part.known.extend(record.key());
                // Until all are listed, the store takes over only what comes as part of a list.
                vec![if whole { Apply(record) } else { InitApply(record) }]
            }
            Delete(record) => {
                if let Some(key) = record.key() {
                    part.known.remove(&key);
                }
                self.delete(whole, vec![Delete(record)])
            }
            InitDone => {
                let gone: Vec<_> = part.known.difference(&part.listing).cloned().collect();
                part.known.retain(|key| !gone.contains(key));
                let again = std::mem::replace(&mut part.listed, true);
                let gone = gone.iter().map(|key| Delete(Record::stub(&key.namespace, &key.name))).collect();
                let mut events = self.delete(whole, gone);
                if !again && self.is_listed() {
                    events.push(InitDone);
                    events.append(&mut self.held);
                }
                events
            }
        }
    }

    fn delete(
        &mut self,
        whole: bool,
        mut gone: Vec<watcher::Event<Record<K>>>,
    ) -> Vec<watcher::Event<Record<K>>> {
        if whole {
            return gone;
        }
        self.held.append(&mut gone);
        Vec::new()
    }
}

fn join<K: Kind>(streams: Vec<Events<K>>) -> Events<K> {
    let parts = streams.iter().map(|_| Part::default()).collect();
    let mut joined = Join { parts, begun: false, held: Vec::new() };
    let tagged =
        streams.into_iter().enumerate().map(|(index, stream)| stream.map(move |event| (index, event)));
    futures::stream::select_all(tagged)
        .flat_map(move |(index, event)| {
            let events = match event {
                Ok(event) => joined.step(index, event).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            futures::stream::iter(events)
        })
        .boxed()
}
